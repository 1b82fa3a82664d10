// Package sim runs packets through flow tables as Open vSwitch would.
//
// A Bridge holds rules, groups and patch ports to other bridges. Run takes a
// Packet, which is a set of field values, and gives the outputs with the
// packets as they leave, what was learned, and the rules hit on the way:
//
//	packet ─▶ lookup ─▶ actions ─┬─ resubmit, goto_table: lookup again
//	            ▲                ├─ ct(table=N): after the pass, through the
//	            └────────────────┤   connection table and back to a lookup
//	                             ├─ patch port: the other bridge's table 0
//	                             └─ output
//
// As in the switch, a pass through the tables is translated first and only then
// takes effect: a pass that fails (too deep, too many resubmits) has no outputs
// and commits no connections. What the switch leaves undefined is reported in
// the trace: rules of equal priority that match the same packet.
//
// ICMP errors follow the connection of the packet that they quote.
//
// Not simulated: NAT, fragments' reassembly, TCP windows, ICMP identifiers,
// meters, checksums and timeouts.
package sim
