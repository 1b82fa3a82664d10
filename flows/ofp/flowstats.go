package ofp

import (
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/flows"
)

// Filter chooses flows of a dump. The zero Filter chooses the flows of table
// 0; AllFlows chooses all.
type Filter struct {
	Table uint8 // 255: all tables
	// Only flows whose cookie equals Cookie in the bits of CookieMask.
	Cookie, CookieMask uint64
	// Match chooses the flows whose match is equal or narrower.
	Match flows.Match
}

// AllFlows is the Filter that leaves nothing out.
var AllFlows = Filter{Table: tableAll}

// FlowStat is a flow of the switch with its counters.
type FlowStat struct {
	flows.Rule
	// Unknown holds the match fields that flows has no name for, as OXM
	// (OpenFlow 1.5.1, section 7.2.3.2). A flow that has any is not Lepton's,
	// and Rule alone does not tell what it matches.
	Unknown []byte
	Stats   flows.Stats // HardAge is never told
}

// Fields of OXS, the statistics of a flow (OpenFlow 1.5.1, section 7.2.4.2).
const (
	oxsClass = 0x8002

	oxsDuration = 0
	oxsIdle     = 1
	oxsPackets  = 4
	oxsBytes    = 5
)

// AppendFlowRequest adds a request for the flows that f chooses. (Type 1:
// Open vSwitch does not know the type 17 of OpenFlow 1.5, and answers 1 with
// its structure.)
func AppendFlowRequest(b []byte, xid uint32, f Filter) []byte {
	start := len(b)
	b = appendMultipart(b, mpFlow, xid)
	b = appendZeros(append(b, f.Table), 3)
	b = appendZeros(u32(u32(b, flows.PortAny), groupAny), 4)
	b = u64(u64(b, f.Cookie), f.CookieMask)
	b = appendMatch(b, flows.Canonical(flows.Rule{Match: f.Match}).Match)
	setLength(b, start, 2)
	return b
}

// DecodeFlowReply adds the flows of one part of the answer to into.
func DecodeFlowReply(msg []byte, into []FlowStat) ([]FlowStat, error) {
	m, err := decodeMultipart(msg)
	if err != nil {
		return into, err
	}
	if m.kind != mpFlow {
		return into, malformed("flow reply")
	}
	into = slices.Grow(into, entries(m.body.b, 0))
	for m.body.len() > 0 {
		s, err := decodeFlowStat(m.body)
		if err != nil {
			return into, err
		}
		into = append(into, s)
	}
	return into, nil
}

// decodeFlowStat decodes one ofp_flow_desc (OpenFlow 1.5.1, section 7.3.5.2).
func decodeFlowStat(all *reader) (s FlowStat, err error) {
	r := &reader{b: all.take(int((&reader{b: all.b}).u16()))}
	r.skip(4)
	s.Table = r.u8()
	r.skip(1)
	s.Priority, s.IdleTimeout, s.HardTimeout = r.u16(), r.u16(), r.u16()
	s.Flags = flows.Flags(r.u16())
	r.skip(2) // importance
	s.Cookie = r.u64()
	if r.bad || all.bad {
		return s, malformed("flow")
	}
	if s.Match, s.Unknown, err = r.match(); err != nil {
		return s, err
	}
	if err = s.decodeCounters(r); err != nil {
		return s, err
	}
	s.Actions, err = decodeInstructions(r)
	return s, err
}

// decodeCounters decodes an ofp_stats with its padding.
func (s *FlowStat) decodeCounters(r *reader) error {
	s.Stats.IdleAge, s.Stats.HardAge = -1, -1
	r.skip(2)
	n := int(r.u16())
	fields := &reader{b: r.take(n - 4)}
	r.skip(padding(n))
	for fields.len() > 0 && !r.bad {
		class, number := fields.u16(), fields.u8()>>1
		v := &reader{b: fields.take(int(fields.u8()))}
		if class != oxsClass {
			continue
		}
		switch number {
		case oxsDuration:
			s.Stats.Duration = v.duration()
		case oxsIdle:
			s.Stats.IdleAge = v.duration()
		case oxsPackets:
			s.Stats.Packets = v.u64()
		case oxsBytes:
			s.Stats.Bytes = v.u64()
		}
		fields.bad = fields.bad || v.bad
	}
	if r.bad || fields.bad {
		return malformed("flow counters")
	}
	return nil
}

// duration takes 32 bits of seconds and 32 bits of nanoseconds.
func (r *reader) duration() time.Duration {
	sec, nsec := r.u32(), r.u32()
	return time.Duration(sec)*time.Second + time.Duration(nsec)
}
