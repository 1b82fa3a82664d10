package ofp

// Event is something the switch tells without being asked: a PortStatus, a
// PacketIn, a FlowRemoved, FlowUpdates, or an *Error that answers no request
// that still waits.
type Event interface{ isEvent() }

// FlowUpdates are changes of the flow table that a monitor tells, in order.
type FlowUpdates []FlowUpdate

func (PortStatus) isEvent()  {}
func (PacketIn) isEvent()    {}
func (FlowRemoved) isEvent() {}
func (FlowUpdates) isEvent() {}
func (*Error) isEvent()      {}

// Events gives what the switch tells unasked. The channel holds 1024 events;
// when nobody takes them, further ones are dropped and counted. It is closed
// when the connection ends.
func (c *Conn) Events() <-chan Event { return c.events }

// Dropped counts the events that were lost: dropped because Events was full,
// or not understood. Who relies on events must look at the switch anew when
// the count has changed.
func (c *Conn) Dropped() uint64 { return c.dropped.Load() }

// decodeEvent gives nil for a message that is no event, such as a late answer
// to a request that was given up.
func decodeEvent(h Header, msg []byte) (Event, error) {
	switch h.Type {
	case typePortStatus:
		return asEvent(DecodePortStatus(msg))
	case typeFlowRemoved:
		return asEvent(DecodeFlowRemoved(msg))
	case typeExperimenter:
		return asEvent(DecodePacketIn(msg))
	case typeError:
		return asEvent(DecodeError(msg))
	case typeMultipartReply:
		if m, err := decodeMultipart(msg); err != nil || m.kind != mpFlowMonitor {
			return nil, err
		}
		u, err := DecodeFlowUpdates(msg, nil)
		return FlowUpdates(u), err
	}
	return nil, nil
}

func asEvent[E Event](e E, err error) (Event, error) { return e, err }
