package ofp

import "github.com/lepton-sdn/lepton/flows"

// Header bits of a flow_mod_spec in NXAST_LEARN (ovs-actions(7), "learn"): the
// width in bits, what to do with the destination, and where the source is.
const (
	specBits   = 0x3ff
	specKind   = 11
	specValue  = 1 << 13
	specUnused = 0xc000

	learnWriteResult = 1 << 2
)

func appendLearn(b []byte, a flows.Learn) []byte {
	result := a.ResultDst.Bits != 0
	subtype := uint16(nxLearn)
	if result || a.Limit != 0 {
		subtype = nxLearn2
	}
	flags := a.Flags &^ learnWriteResult
	if result {
		flags |= learnWriteResult
	}
	b = appendNX(b, subtype)
	b = u16(u16(u16(b, a.IdleTimeout), a.HardTimeout), a.Priority)
	b = u16(u64(b, a.Cookie), flags)
	b = append(b, a.Table, 0)
	b = u16(u16(b, a.FinIdle), a.FinHard)
	if subtype == nxLearn2 {
		b = u16(u32(b, a.Limit), uint16(a.ResultDst.Start))
		b = appendZeros(b, 2)
		if result {
			b = appendNXM(b, a.ResultDst.Field)
		}
	}
	for _, s := range a.Specs {
		b = appendSpec(b, s)
	}
	return b
}

func appendSpec(b []byte, s flows.LearnSpec) []byte {
	bits := specWidth(s)
	head := uint16(bits&specBits) | uint16(s.Kind)<<specKind
	if s.Src.Bits == 0 {
		n := (bits + 15) / 16 * 2
		b = appendValue(u16(b, head|specValue), s.Value.And(flows.Ones(bits)), n)
	} else {
		b = u16(appendNXM(u16(b, head), s.Src.Field), uint16(s.Src.Start))
	}
	if s.Kind != flows.LearnOutput {
		b = u16(appendNXM(b, s.Dst.Field), uint16(s.Dst.Start))
	}
	return b
}

// specWidth is the number of bits that s copies.
func specWidth(s flows.LearnSpec) int {
	switch {
	case s.Src.Bits != 0:
		return s.Src.Bits
	case s.Bits != 0:
		return s.Bits
	}
	return s.Dst.Bits
}

func decodeLearn(r *reader, subtype uint16) flows.Action {
	a := flows.Learn{IdleTimeout: r.u16(), HardTimeout: r.u16(), Priority: r.u16(), Cookie: r.u64(), Flags: r.u16(), Table: r.u8()}
	r.zero(1)
	a.FinIdle, a.FinHard = r.u16(), r.u16()
	if subtype == nxLearn2 {
		a.Limit = r.u32()
		start := int(r.u16())
		r.zero(2)
		if a.Flags&learnWriteResult != 0 {
			a.ResultDst = r.subfield(start, 1)
			a.Flags &^= learnWriteResult
		} else if start != 0 {
			return nil
		}
		// Without a limit and a result the shorter form says the same.
	}
	for r.len() >= 2 && !r.bad {
		head := r.u16()
		if head == 0 {
			break
		}
		s, ok := decodeSpec(r, head)
		if !ok {
			return nil
		}
		a.Specs = append(a.Specs, s)
	}
	if r.bad || a.Flags&^(flows.LearnSendFlowRem|flows.LearnDeleteLearned) != 0 {
		return nil
	}
	return a
}

func decodeSpec(r *reader, head uint16) (flows.LearnSpec, bool) {
	bits := int(head & specBits)
	s := flows.LearnSpec{Kind: flows.LearnKind(head >> specKind & 3), Bits: bits}
	constant := head&specValue != 0
	if bits == 0 || bits > 128 || head&specUnused != 0 || s.Kind > flows.LearnOutput || constant && s.Kind == flows.LearnOutput {
		return s, false
	}
	if constant {
		s.Value = flows.FromBytes(r.take((bits + 15) / 16 * 2))
		if !s.Value.AndNot(flows.Ones(bits)).IsZero() {
			return s, false
		}
	} else {
		s.Src = r.learnField(bits)
	}
	if s.Kind != flows.LearnOutput {
		s.Dst = r.learnField(bits)
	}
	return s, !r.bad
}

// learnField takes a header and the first bit that follows it.
func (r *reader) learnField(bits int) flows.Subfield {
	f := r.subfield(0, bits)
	f.Start = int(r.u16())
	if f.Start+bits > 128 {
		r.bad = true
	}
	return f
}
