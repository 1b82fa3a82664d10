// Package l3 keeps the routers of this host: for each a network namespace with
// its ports on br-int, addresses, routes and rules.
//
//	records ─► mirror ─► Input ─► Desired ─► Namespace (a value)
//	                                              │  Loop: one goroutine (agent/upkeep)
//	                                              ▼
//	                     worker per router: ports ─► iptables ─► links ─► conntrack ─► radvd
//
// Desired is a pure function: the same records give the same description,
// whatever happened before. A worker compares it with what the host holds and
// writes the difference, so a restarted agent that finds everything as it
// should be writes nothing. A router that cannot be brought to what is desired
// keeps what it had.
//
// The router's namespace is qrouter-<id>, and qrouter-<id>-<host> where an agent
// of another host on the same machine has that one.
package l3
