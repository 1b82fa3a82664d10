package ofp

import "github.com/lepton-sdn/lepton/flows"

// MonitorEvent says what a FlowUpdate tells (OpenFlow 1.5.1, section 7.3.5.17).
type MonitorEvent uint16

// The events of a flow monitor.
const (
	FlowInitial  MonitorEvent = 0 // was there when the monitor began
	FlowAdded    MonitorEvent = 1
	FlowDeleted  MonitorEvent = 2
	FlowModified MonitorEvent = 3
	// FlowOwn stands for a change that this connection asked for by the message
	// with the update's XID.
	FlowOwn MonitorEvent = 4
	// MonitorPaused says that updates are left out until MonitorResumed.
	MonitorPaused  MonitorEvent = 5
	MonitorResumed MonitorEvent = 6
)

// FlowUpdate is one change of the flow table. Rule and Reason count for the
// first four events only, XID for FlowOwn.
type FlowUpdate struct {
	Event  MonitorEvent
	Reason RemovedReason // of FlowDeleted
	XID    uint32
	// Rule has no flags; FlowDeleted has no actions either.
	Rule    flows.Rule
	Unknown []byte // see FlowStat
}

// Flags of a flow monitor request.
const (
	monitorInitial      = 1 << 0
	monitorAdd          = 1 << 1
	monitorRemoved      = 1 << 2
	monitorModify       = 1 << 3
	monitorInstructions = 1 << 4
)

// appendMonitorRequest adds a request to be told of all flow changes under the
// monitor id. initial asks for the flows that are there as well.
func appendMonitorRequest(b []byte, xid, id uint32, initial bool) []byte {
	start := len(b)
	flags := uint16(monitorAdd | monitorRemoved | monitorModify | monitorInstructions)
	if initial {
		flags |= monitorInitial
	}
	b = appendMultipart(b, mpFlowMonitor, xid)
	b = u32(u32(u32(b, id), flows.PortAny), groupAny)
	b = append(u16(b, flags), tableAll, 0)
	b = appendMatch(b, nil)
	setLength(b, start, 2)
	return b
}

// DecodeFlowUpdates adds the updates of one flow monitor message to into.
func DecodeFlowUpdates(msg []byte, into []FlowUpdate) ([]FlowUpdate, error) {
	m, err := decodeMultipart(msg)
	if err != nil {
		return into, err
	}
	if m.kind != mpFlowMonitor {
		return into, malformed("flow monitor update")
	}
	for m.body.len() > 0 {
		u, err := decodeFlowUpdate(m.body)
		if err != nil {
			return into, err
		}
		into = append(into, u)
	}
	return into, nil
}

func decodeFlowUpdate(all *reader) (u FlowUpdate, err error) {
	r := &reader{b: all.take(int((&reader{b: all.b}).u16()))}
	r.skip(2)
	u.Event = MonitorEvent(r.u16())
	if r.bad || all.bad || u.Event > MonitorResumed {
		return u, malformed("flow monitor update")
	}
	switch u.Event {
	case FlowOwn:
		u.XID = r.u32()
		if r.bad {
			return u, malformed("flow monitor update")
		}
		return u, nil
	case MonitorPaused, MonitorResumed:
		return u, nil
	}
	u.Rule.Table, u.Reason = r.u8(), RemovedReason(r.u8())
	u.Rule.IdleTimeout, u.Rule.HardTimeout, u.Rule.Priority = r.u16(), r.u16(), r.u16()
	r.skip(4)
	u.Rule.Cookie = r.u64()
	if r.bad {
		return u, malformed("flow monitor update")
	}
	if u.Rule.Match, u.Unknown, err = r.match(); err != nil {
		return u, err
	}
	u.Rule.Actions, err = decodeInstructions(r)
	return u, err
}
