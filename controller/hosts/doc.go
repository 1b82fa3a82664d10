// Package hosts is the controller's end of the streams to the agents.
//
//	agents ══ Session ══▶ stream ──▶ recorder ──▶ records (port statuses)
//	                        │   └───▶ beats ─────▶ records (agents)
//	                        ▲
//	                       hub ◀── batches of changes from records
//
// The hub's goroutine owns the interest engine. A batch of changes marks what
// has to be told to whom and wakes the streams concerned; each stream fetches
// its next update when it has sent the one before. A slow agent holds up
// nobody: it gets fewer and larger updates, at last a snapshot, and is cut
// when it takes nothing for SendTimeout.
//
// An agent speaks as the host that its certificate names, about the ports that
// are bound to that host. One agent instance holds a host name at a time.
//
// When an agent falls silent, the statuses of its ports stay as they were last
// reported, as in Neutron: its data plane goes on without it. Only the agent's
// record shows it dead, after agent_down_time.
package hosts
