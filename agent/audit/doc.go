// Package audit keeps what was found on the host that is not as the agent made
// it: drift. The loops find it, each in its own way, and say so with Found; how
// they go on depends on the mode.
//
//	              flow monitor, database watch      every Interval, or at Now
//	                          │                              │
//	wire, l3, …  ◄────────────┘                              ▼
//	     │                                             Consumer.Due
//	     └── Found ──► Auditor ──► log, metrics, leptonctl audit
//
// repair puts it right, watch only tells, hold writes nothing at all to the host,
// whatever the records say, until the agent is started in another mode.
package audit
