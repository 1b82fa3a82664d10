package flows

import (
	"math"
	"slices"
)

// Canonical gives the form in which Open vSwitch returns r in OpenFlow 1.5,
// whatever way it was spelled: registers matched singly, VLAN tags as id and
// priority, Load as SetField, ports and tables that mean "the same" in one
// way. Two rules that are the same to the switch have equal canonical forms.
// Canonical is idempotent and leaves r's slices alone.
func Canonical(r Rule) Rule {
	r.Match = canonicalMatch(r.Match)
	r.Actions = canonicalActions(r.Actions)
	r.Flags &= keptFlags
	return r
}

// keptFlags are the flags that the switch remembers.
const keptFlags = SendFlowRem | CheckOverlap | ResetCounts | NoPktCounts | NoBytCounts

// canonicalMatch gives m itself when nothing is to be done.
func canonicalMatch(m Match) Match {
	plain := true
	for i, p := range m {
		if p.Mask.IsZero() || !p.Value.AndNot(p.Mask).IsZero() || i > 0 && m[i-1].Field >= p.Field || respelled(p) {
			plain = false
			break
		}
	}
	if plain {
		if len(m) == 0 {
			return nil
		}
		return m
	}
	out := make(Match, 0, len(m)+4)
	for _, p := range m {
		out = append(out, spellings(p)...)
	}
	return merge(out.Normalize())
}

// respelled reports whether a match on the field is kept as something else.
func respelled(p FieldMatch) bool {
	switch p.Field {
	case VLANTCI, IPTOS, InPort16:
		return true
	case PacketType:
		return p.Value.IsZero()
	case CTState:
		return p.Mask.Lo&^0xff != 0
	}
	return p.Field >= XReg0 && p.Field <= XXReg3
}

// spellings gives what the switch makes of a part of a match.
func spellings(p FieldMatch) Match {
	p.Value = p.Value.And(p.Mask)
	switch {
	case !respelled(p):
		return Match{p}
	case p.Field == VLANTCI:
		if p.Mask.Lo == 0xffff && p.Value.IsZero() {
			return Match{NoVLAN()}
		}
		return splitTCI(p.Value.Lo, p.Mask.Lo)
	case p.Field == IPTOS:
		return Match{MaskedU(IPDSCP, p.Value.Lo>>2, p.Mask.Lo>>2), MaskedU(IPECN, p.Value.Lo&3, p.Mask.Lo&3)}
	case p.Field == InPort16:
		return Match{ExactU(InPort, uint64(widenPort(uint32(p.Value.Lo), p.Field)))}
	case p.Field == PacketType:
		return nil
	case p.Field == CTState:
		return Match{MaskedU(CTState, p.Value.Lo, p.Mask.Lo&0xff)}
	case p.Field <= XReg7:
		return splitRegister(p, Reg0+2*(p.Field-XReg0), 2)
	}
	return splitRegister(p, Reg0+4*(p.Field-XXReg0), 4)
}

// splitRegister matches n registers from first on instead of a wide one, of
// which first holds the most significant bits.
func splitRegister(p FieldMatch, first Field, n int) Match {
	out := make(Match, 0, n)
	for i := range n {
		shift := 32 * (n - 1 - i)
		out = append(out, Masked(first+Field(i), p.Value.Shr(shift).And(Ones(32)), p.Mask.Shr(shift).And(Ones(32))))
	}
	return out
}

// merge joins parts of the same field, which respelling may have made.
func merge(m Match) Match {
	out := m[:0]
	for _, p := range m {
		if n := len(out); n > 0 && out[n-1].Field == p.Field {
			out[n-1].Value = out[n-1].Value.AndNot(p.Mask).Or(p.Value)
			out[n-1].Mask = out[n-1].Mask.Or(p.Mask)
			continue
		}
		out = append(out, p)
	}
	return out
}

// canonicalActions gives actions itself when nothing is to be done.
func canonicalActions(actions []Action) []Action {
	if len(actions) == 0 {
		return nil
	}
	for i, a := range actions {
		if isCanonical(a) {
			continue
		}
		out := slices.Clone(actions)
		for j := i; j < len(out); j++ {
			out[j] = canonicalAction(out[j])
		}
		return out
	}
	return actions
}

// isCanonical knows the common actions that need no work.
func isCanonical(a Action) bool {
	switch a := a.(type) {
	case SetField:
		return a.Value.AndNot(a.Mask).IsZero()
	case Output:
		return a.Port != PortController && (a.Port < 0xff00 || a.Port > 0xffff)
	case Resubmit:
		return a.InPort != 0
	case CT:
		return a.NAT == nil && (a.Zone == 0 || a.ZoneSrc.IsZero()) && !slices.ContainsFunc(a.Exec, func(x Action) bool { return !isCanonical(x) })
	case GotoTable, Move, PushVLAN, PopVLAN, DecTTL, Group, Meter, Conjunction, CTClear, Raw:
		return true
	}
	return false
}

func canonicalAction(a Action) Action {
	switch a := a.(type) {
	case SetField:
		a.Value = a.Value.And(a.Mask)
		return a
	case Load:
		mask := a.Dst.Mask()
		return SetField{Field: a.Dst.Field, Value: a.Value.Shl(a.Dst.Start).And(mask), Mask: mask}
	case Output:
		if a.Port >= 0xff00 && a.Port <= 0xffff {
			a.Port |= 0xffff0000
		}
		if a.Port == PortController {
			return Controller{MaxLen: math.MaxUint16}
		}
		return a
	case OutputReg:
		if a.MaxLen == 0 {
			a.MaxLen = math.MaxUint16
		}
		return a
	case Controller:
		if a.Reason == ReasonAction {
			a.Reason = 0
		}
		if len(a.Userdata) == 0 {
			a.Userdata = nil
		}
		return a
	case Resubmit:
		if a.InPort == 0 {
			a.InPort = PortInPort
		}
		return a
	case CT:
		return canonicalCT(a)
	case Learn:
		return canonicalLearn(a)
	case Note:
		a.Data = padNote(a.Data)
		return a
	}
	return a
}

func canonicalCT(c CT) CT {
	if !c.ZoneSrc.IsZero() {
		c.Zone = 0
	}
	c.Exec = canonicalActions(c.Exec)
	if c.NAT != nil {
		n := *c.NAT
		if n.MaxIP == n.MinIP {
			n.MaxIP = Value{}
		}
		if n.MaxPort == n.MinPort {
			n.MaxPort = 0
		}
		c.NAT = &n
	}
	return c
}

func canonicalLearn(l Learn) Learn {
	l.Flags &= LearnSendFlowRem | LearnDeleteLearned
	l.Specs = slices.Clone(l.Specs)
	for i := range l.Specs {
		s := &l.Specs[i]
		switch {
		case s.Kind == LearnOutput:
			s.Bits = s.Src.Bits
		case s.Src.IsZero():
			s.Bits = s.Dst.Bits
			s.Value = s.Value.And(Ones(s.Bits))
		default:
			s.Bits, s.Value = s.Dst.Bits, Value{}
		}
	}
	if len(l.Specs) == 0 {
		l.Specs = nil
	}
	return l
}

// padNote fills a note up to the length that the action has on the wire, 6
// bytes and a multiple of 8 (nicira-ext.h, NXAST_NOTE).
func padNote(data []byte) []byte {
	n := 6
	for n < len(data) {
		n += 8
	}
	if n == len(data) {
		return data
	}
	return append(slices.Clone(data), make([]byte, n-len(data))...)
}
