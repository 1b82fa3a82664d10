package flows

import (
	"fmt"
	"math"
)

// The algs of a CT action that have names.
const (
	algFTP  = 21
	algTFTP = 69
)

// reasons are the packet-in reasons of controller(reason=…), by number.
var reasons = []string{"no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"}

func (p *printer) actions(actions []Action) {
	if len(actions) == 0 {
		p.text("drop")
		return
	}
	for i, a := range actions {
		if i > 0 {
			p.text(",")
		}
		p.action(a)
	}
}

func (p *printer) action(a Action) {
	switch a := a.(type) {
	case Output:
		p.output(a.Port)
	case OutputReg:
		p.text("output:")
		p.subfield(a.Src)
	case Controller:
		p.controller(a)
	case Resubmit:
		p.resubmit(a)
	case GotoTable:
		p.text("goto_table:")
		p.table(a.Table)
	case SetField:
		p.text("set_field:")
		p.value(a.Field, a.Value, a.Mask)
		p.text("->")
		p.text(a.Field.Info().OXMName)
	case Load:
		p.text("load:")
		p.hex(a.Value)
		p.text("->")
		p.subfield(a.Dst)
	case Move:
		p.text("move:")
		p.subfield(a.Src)
		p.text("->")
		p.subfield(a.Dst)
	case CT:
		p.ct(a)
	case Learn:
		p.learn(a)
	default:
		p.shortAction(a)
	}
}

func (p *printer) shortAction(a Action) {
	switch a := a.(type) {
	case PushVLAN:
		p.b = fmt.Appendf(p.b, "push_vlan:%#x", a.EtherType)
	case PopVLAN:
		p.text("pop_vlan")
	case DecTTL:
		p.text("dec_ttl")
	case CTClear:
		p.text("ct_clear")
	case Group:
		p.b = fmt.Appendf(p.b, "group:%d", a.ID)
	case Meter:
		p.b = fmt.Appendf(p.b, "meter:%d", a.ID)
	case Conjunction:
		p.b = fmt.Appendf(p.b, "conjunction(%d,%d/%d)", a.ID, a.K, a.N)
	case Note:
		p.text("note:")
		p.dotted(a.Data)
	case Raw:
		p.text("raw(")
		p.dotted(a.Bytes)
		p.text(")")
	}
}

// dotted writes bytes as 00.11.22.
func (p *printer) dotted(bytes []byte) {
	for i, x := range bytes {
		if i > 0 {
			p.text(".")
		}
		p.b = fmt.Appendf(p.b, "%02x", x)
	}
}

func (p *printer) output(port uint32) {
	switch {
	case port == PortController:
		p.text("CONTROLLER:65535")
	case isReserved(port):
		p.port(port)
	default:
		p.text("output:")
		p.port(port)
	}
}

// list writes name(a,b,c): parts are written with a comma behind each.
func (p *printer) list(name string, parts func()) {
	p.text(name)
	p.text("(")
	start := len(p.b)
	parts()
	if n := len(p.b); n > start && p.b[n-1] == ',' {
		p.b = p.b[:n-1]
	}
	p.text(")")
}

func (p *printer) controller(c Controller) {
	if c.Reason <= ReasonAction && c.ID == 0 && len(c.Userdata) == 0 && !c.Pause && c.MeterID == 0 {
		p.b = fmt.Appendf(p.b, "CONTROLLER:%d", c.MaxLen)
		return
	}
	p.list("controller", func() {
		if c.Reason > ReasonAction {
			p.b = fmt.Appendf(p.b, "reason=%s,", reasonName(c.Reason))
		}
		if c.MaxLen != math.MaxUint16 {
			p.b = fmt.Appendf(p.b, "max_len=%d,", c.MaxLen)
		}
		if c.ID != 0 {
			p.b = fmt.Appendf(p.b, "id=%d,", c.ID)
		}
		if len(c.Userdata) > 0 {
			p.text("userdata=")
			p.dotted(c.Userdata)
			p.text(",")
		}
		if c.Pause {
			p.text("pause,")
		}
		if c.MeterID != 0 {
			p.b = fmt.Appendf(p.b, "meter_id=%d,", c.MeterID)
		}
	})
}

func reasonName(reason uint8) string {
	if int(reason) < len(reasons) {
		return reasons[reason]
	}
	return fmt.Sprint(reason)
}

func (p *printer) resubmit(r Resubmit) {
	samePort := r.InPort == 0 || r.InPort == PortInPort
	if !samePort && r.Table == currentTable {
		p.text("resubmit:")
		p.port(r.InPort)
		return
	}
	p.text("resubmit(")
	if !samePort {
		p.port(r.InPort)
	}
	p.text(",")
	if r.Table != currentTable {
		p.table(r.Table)
	}
	if r.CT {
		p.text(",ct")
	}
	p.text(")")
}

func (p *printer) ct(c CT) {
	p.list("ct", func() {
		if c.Commit {
			p.text("commit,")
		}
		if c.Force {
			p.text("force,")
		}
		if c.Table != NoTable {
			p.text("table=")
			p.table(c.Table)
			p.text(",")
		}
		switch {
		case !c.ZoneSrc.IsZero():
			p.text("zone=")
			p.subfield(c.ZoneSrc)
			p.text(",")
		case c.Zone != 0:
			p.b = fmt.Appendf(p.b, "zone=%d,", c.Zone)
		}
		if c.NAT != nil {
			p.nat(*c.NAT)
			p.text(",")
		}
		if len(c.Exec) > 0 {
			p.text("exec(")
			p.actions(c.Exec)
			p.text("),")
		}
		switch c.ALG {
		case 0:
		case algFTP:
			p.text("alg=ftp,")
		case algTFTP:
			p.text("alg=tftp,")
		default:
			p.b = fmt.Appendf(p.b, "alg=%d,", c.ALG)
		}
	})
}

func (p *printer) nat(n NAT) {
	if !n.Src && !n.Dst {
		p.text("nat")
		return
	}
	p.list("nat", func() {
		if n.Src {
			p.text("src")
		} else {
			p.text("dst")
		}
		p.natRange(n)
		p.text(",")
		if n.Persistent {
			p.text("persistent,")
		}
		if n.Hash {
			p.text("hash,")
		}
		if n.Random {
			p.text("random,")
		}
	})
}

func (p *printer) natRange(n NAT) {
	if !n.HasIP {
		return
	}
	p.text("=")
	p.natAddress(n, n.MinIP)
	if !n.MaxIP.IsZero() && n.MaxIP != n.MinIP {
		p.text("-")
		p.natAddress(n, n.MaxIP)
	}
	if n.MinPort != 0 {
		p.b = fmt.Appendf(p.b, ":%d", n.MinPort)
		if n.MaxPort != 0 && n.MaxPort != n.MinPort {
			p.b = fmt.Appendf(p.b, "-%d", n.MaxPort)
		}
	}
}

// natAddress puts an IPv6 address in brackets when ports follow.
func (p *printer) natAddress(n NAT, ip Value) {
	switch {
	case !n.IPv6:
		p.b = appendIP(p.b, ip, 32)
	case n.MinPort == 0:
		p.b = appendIP(p.b, ip, 128)
	default:
		p.b = append(appendIP(append(p.b, '['), ip, 128), ']')
	}
}

func (p *printer) learn(l Learn) {
	p.text("learn(table=")
	p.table(l.Table)
	number := func(name string, n uint64) {
		if n != 0 {
			p.b = fmt.Appendf(p.b, ",%s=%d", name, n)
		}
	}
	number("idle_timeout", uint64(l.IdleTimeout))
	number("hard_timeout", uint64(l.HardTimeout))
	number("fin_idle_timeout", uint64(l.FinIdle))
	number("fin_hard_timeout", uint64(l.FinHard))
	if l.Priority != defaultPriority {
		p.b = fmt.Appendf(p.b, ",priority=%d", l.Priority)
	}
	if l.Flags&LearnSendFlowRem != 0 {
		p.text(",send_flow_rem")
	}
	if l.Flags&LearnDeleteLearned != 0 {
		p.text(",delete_learned")
	}
	if l.Cookie != 0 {
		p.b = fmt.Appendf(p.b, ",cookie=%#x", l.Cookie)
	}
	number("limit", uint64(l.Limit))
	if !l.ResultDst.IsZero() {
		p.text(",result_dst=")
		p.subfield(l.ResultDst)
	}
	for _, s := range l.Specs {
		p.text(",")
		p.learnSpec(s)
	}
	p.text(")")
}

func (p *printer) learnSpec(s LearnSpec) {
	immediate := s.Src.IsZero()
	switch {
	case s.Kind == LearnOutput:
		p.text("output:")
		p.subfield(s.Src)
	case s.Kind == LearnLoad:
		p.text("load:")
		if immediate {
			p.hex(s.Value)
		} else {
			p.subfield(s.Src)
		}
		p.text("->")
		p.subfield(s.Dst)
	case immediate && s.Dst == Whole(s.Dst.Field):
		p.text(s.Dst.Field.Info().OXMName)
		p.text("=")
		p.value(s.Dst.Field, s.Value, s.Dst.Field.Full())
	case immediate:
		p.subfield(s.Dst)
		p.text("=")
		p.hex(s.Value)
	default:
		p.subfield(s.Dst)
		if s.Src != s.Dst {
			p.text("=")
			p.subfield(s.Src)
		}
	}
}
