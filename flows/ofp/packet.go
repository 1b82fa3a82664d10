package ofp

import "github.com/lepton-sdn/lepton/flows"

// Subtypes of Nicira's messages.
const (
	nxtSetPacketInFormat = 16
	nxtPacketIn2         = 30

	packetIn2Format = 2
)

// Property types of NXT_PACKET_IN2.
const (
	pinPacket   = 0
	pinFullLen  = 1
	pinTable    = 3
	pinCookie   = 4
	pinReason   = 5
	pinMetadata = 6
	pinUserdata = 7
)

// PacketIn is a packet that the switch sent to the controller, in Nicira's
// extensible form (NXT_PACKET_IN2).
type PacketIn struct {
	Reason   uint8 // OFPR_*: 0 table miss, 1 action, 2 invalid TTL
	Table    uint8
	Cookie   uint64      // of the flow that sent it
	Metadata flows.Match // in_port, registers, tunnel fields and the like
	Userdata []byte      // of the controller action
	Data     []byte      // the Ethernet frame, perhaps cut
	FullLen  int         // the frame's length in bytes before it was cut
}

// DecodePacketIn decodes an NXT_PACKET_IN2 message.
func DecodePacketIn(msg []byte) (PacketIn, error) {
	_, r, err := body(msg, typeExperimenter)
	if err != nil {
		return PacketIn{}, err
	}
	if r.u32() != nicira || r.u32() != nxtPacketIn2 {
		return PacketIn{}, malformed("packet-in")
	}
	var p PacketIn
	for r.len() > 0 && !r.bad {
		typ, c := r.property()
		if err := p.property(typ, c); err != nil {
			return PacketIn{}, err
		}
		r.bad = r.bad || c.bad
	}
	if r.bad {
		return PacketIn{}, malformed("packet-in")
	}
	p.FullLen = max(p.FullLen, len(p.Data))
	return p, nil
}

func (p *PacketIn) property(typ uint16, c *reader) (err error) {
	switch typ {
	case pinPacket:
		p.Data = clone(c.take(c.len()))
	case pinFullLen:
		p.FullLen = int(c.u32())
	case pinTable:
		p.Table = c.u8()
	case pinCookie:
		c.skip(4)
		p.Cookie = c.u64()
	case pinReason:
		p.Reason = c.u8()
	case pinMetadata:
		p.Metadata, _, err = decodeFields(c)
	case pinUserdata:
		p.Userdata = clone(c.take(c.len()))
	}
	return err
}

// appendPacketInFormat adds the request to send packets as NXT_PACKET_IN2.
func appendPacketInFormat(b []byte, xid uint32) []byte {
	start := len(b)
	b = appendHeader(b, typeExperimenter, xid)
	b = u32(u32(u32(b, nicira), nxtSetPacketInFormat), packetIn2Format)
	setLength(b, start, 2)
	return b
}

// PacketOut asks the switch to send a packet through actions (OpenFlow 1.5.1,
// section 7.3.6).
type PacketOut struct {
	XID uint32
	// InPort is the port that the packet counts as received on;
	// flows.PortController or flows.PortLocal as a rule.
	InPort  uint32
	Actions []flows.Action
	Data    []byte // an Ethernet frame
}

// Append adds the message to b.
func (p PacketOut) Append(b []byte) []byte {
	start := len(b)
	b = appendHeader(b, typePacketOut, p.XID)
	b = u32(b, noBuffer)
	length := len(b)
	b = appendZeros(b, 4)
	b = appendMatch(b, flows.Match{flows.ExactU(flows.InPort, uint64(p.InPort))})
	actions := len(b)
	b = appendActions(b, p.Actions)
	n := len(b) - actions
	b[length], b[length+1] = byte(n>>8), byte(n)
	b = append(b, p.Data...)
	setLength(b, start, 2)
	return b
}

// RemovedReason says why a flow went (OpenFlow 1.5.1, section 7.4.2).
type RemovedReason uint8

// The reasons of a FlowRemoved.
const (
	RemovedIdle     RemovedReason = 0
	RemovedHard     RemovedReason = 1
	RemovedDeleted  RemovedReason = 2
	RemovedGroup    RemovedReason = 3
	RemovedMeter    RemovedReason = 4
	RemovedEviction RemovedReason = 5
)

// FlowRemoved tells of a flow with the flag flows.SendFlowRem that is gone. The
// flow's actions and flags are not told.
type FlowRemoved struct {
	Reason RemovedReason
	Flow   FlowStat
}

// DecodeFlowRemoved decodes a flow-removed message.
func DecodeFlowRemoved(msg []byte) (f FlowRemoved, err error) {
	_, r, err := body(msg, typeFlowRemoved)
	if err != nil {
		return f, err
	}
	s := &f.Flow
	s.Table, f.Reason = r.u8(), RemovedReason(r.u8())
	s.Priority, s.IdleTimeout, s.HardTimeout, s.Cookie = r.u16(), r.u16(), r.u16(), r.u64()
	if r.bad {
		return f, malformed("flow-removed")
	}
	if s.Match, s.Unknown, err = r.match(); err != nil {
		return f, err
	}
	return f, s.decodeCounters(r)
}
