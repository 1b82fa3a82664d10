// Package rulestats counts what the security group rules of a host admit.
//
//	br-int ── flows with a rule's cookie, every 10 s ──▶ Meter ──▶ session.ReportRules
//
// The switch counts packets and bytes of each flow; a rule has one or more, and
// their cookies name it. Run reads them in a goroutine of its own, over a
// connection of its own, so neither the layer-2 loop nor its flows notice.
//
// A flow that is installed anew counts from 0. Meter adds up what flows count
// from one read to the next, so that a rule's totals never fall while the agent
// runs. Of a flow that ends, what it counted after the last read is lost.
//
// Flows outlive the agent. One that starts begins with what the flows of the
// switch have counted by then: after a restart a rule's totals are those of the
// flows that it has at the time, and may be lower than before if some of its
// flows had been replaced. After a restart of the switch, and of the agent, they
// begin at 0.
//
// What is counted are packets that a rule admitted: of a connection those of both
// directions, for replies are judged by the rules that admitted the connection. Of
// two rules of a group that admit the same packet one counts it.
package rulestats
