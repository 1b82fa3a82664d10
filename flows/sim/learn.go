package sim

import "github.com/lepton-sdn/lepton/flows"

// learn makes the rule that a learn action would install.
func (t *translation) learn(l flows.Learn) {
	r := flows.Rule{
		Table: l.Table, Priority: l.Priority, Cookie: l.Cookie,
		IdleTimeout: l.IdleTimeout, HardTimeout: l.HardTimeout,
	}
	if l.Flags&flows.LearnSendFlowRem != 0 {
		r.Flags |= flows.SendFlowRem
	}
	match := map[flows.Field]flows.FieldMatch{}
	for _, s := range l.Specs {
		v := s.Value
		if !s.Src.IsZero() {
			v = t.packet.subfield(s.Src)
		}
		switch s.Kind {
		case flows.LearnMatch:
			m := match[s.Dst.Field]
			mask := s.Dst.Mask()
			match[s.Dst.Field] = flows.FieldMatch{
				Field: s.Dst.Field,
				Value: m.Value.AndNot(mask).Or(v.Shl(s.Dst.Start)),
				Mask:  m.Mask.Or(mask),
			}
		case flows.LearnLoad:
			r.Actions = append(r.Actions, flows.Load{Dst: s.Dst, Value: v})
		case flows.LearnOutput:
			if port := widen(uint32(v.Lo)); learnable(port) {
				r.Actions = append(r.Actions, flows.Output{Port: port})
			}
		}
	}
	for _, m := range match {
		r.Match = append(r.Match, m)
	}
	r.Match = r.Match.Normalize()
	r.Match = flows.Canonical(r).Match
	t.effects = append(t.effects, effect{learned: &r, learner: t.bridge})
	if !l.ResultDst.IsZero() {
		t.packet.write(l.ResultDst.Field, flows.U64(1).Shl(l.ResultDst.Start), l.ResultDst.Mask())
	}
}

// learnable reports whether a learned flow may output to the port.
func learnable(port uint32) bool {
	switch port {
	case flows.PortInPort, flows.PortFlood, flows.PortLocal, flows.PortAll:
		return true
	}
	return port < 0xff00
}
