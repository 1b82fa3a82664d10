// Package wire is the agent's layer-2 loop: it makes what the records say true
// in Open vSwitch.
//
//	controller ── session ──► mirror ─┐                      ┌─► bridge br-int
//	                                  ├─► view ─► compile ───┼─► bridge br-tun
//	ovsdb-server ─ replica ─► facts ──┘        (pipeline)    └─► bridge br-phys
//	      ▲                     │                                   │
//	      └── bridges, tunnels, ┘                 statuses ◄────────┘
//	          local VLANs, tags                   (applied)
//
// One goroutine (Loop.Run) owns all state. Everything that can block, talking
// to a switch or to the database, happens in goroutines that only carry jobs
// there and results back, so one stuck bridge never holds up another.
//
// The loop is level-triggered: an event says what may have changed, the loop
// looks at what is true now, compiles, and sends the difference. Nothing is
// written before the first complete snapshot of the records and of the
// database is there, because only then may something be deleted.
package wire
