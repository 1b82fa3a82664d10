// Package explain says what becomes of a packet, and which API object decides
// it: from a port, over the bridges of its host, tunnels or a physical network,
// routers and the bridges of other hosts, to its end, and the answer's way back.
//
//	question ─▶ who sends what to whom?
//	               │
//	    ┌──────────▼──────────┐  records that the host is sent
//	    │ the host's bridges  │◀── pipeline.Compile ── flows/sim
//	    └──┬────────┬─────────┘
//	       │ tunnel │ router port
//	       ▼        ▼
//	  other host   the router: translations, routes, scopes
//
// It is a computation over the records: nothing is asked of hosts and no packet
// is sent. The flow tables are those that the host's agent would compile from
// the very records that it is sent. What only the host knows, the numbers of
// OpenFlow ports and local VLANs, is made up, and whether a port is plugged is
// what the host reported last. So an explanation tells what the cloud is to do;
// where a host has not realised it yet, Answer.Pending says so.
//
// Not followed are what guests' own firewalls do, bandwidth limits, and what
// machines on physical networks do with a packet. Not known is which hosts answer
// metadata themselves (metadata.mode: local), and what tunnels take: that they take
// what the MTU of their networks says.
package explain
