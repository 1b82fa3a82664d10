package flows

import (
	"errors"
	"fmt"
	"strings"
)

// ct reads the arguments of ct(...).
func (p *actionParser) ct(arg string) (Action, error) {
	c := CT{Table: NoTable}
	err := eachWord(arg, func(w word) (err error) {
		switch w.key {
		case "commit":
			c.Commit = true
		case "force":
			c.Force = true
		case "table":
			c.Table, err = parseTable(w.value, p.o)
		case "zone":
			if c.Zone, err = parse16(w.value); err != nil {
				c.Zone = 0
				c.ZoneSrc, err = parseSubfield(w.value)
			}
		case "nat":
			c.NAT, err = parseNAT(w.value)
		case "exec":
			c.Exec, err = p.exec(w.value)
		case "alg":
			c.ALG, err = parseALG(w.value)
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			err = fmt.Errorf("argument %q: %w", w.key, err)
		}
		return err
	})
	if err == nil && c.Force && !c.Commit {
		err = errors.New(`argument "force": needs commit`)
	}
	return c, err
}

// exec reads the actions of exec(...), which may only write fields.
func (p *actionParser) exec(arg string) ([]Action, error) {
	var actions []Action
	err := eachWord(arg, func(w word) error {
		switch w.key {
		case "set_field", "load", "move":
			a, err := p.headerAction(w.key, w)
			actions = append(actions, a...)
			return err
		}
		return fmt.Errorf("action %q: not allowed here", w.key)
	})
	return actions, err
}

func parseALG(s string) (uint16, error) {
	switch s {
	case "ftp":
		return algFTP, nil
	case "tftp":
		return algTFTP, nil
	}
	return parse16(s)
}

func parseNAT(arg string) (*NAT, error) {
	n := &NAT{}
	err := eachWord(arg, func(w word) (err error) {
		switch w.key {
		case "src":
			n.Src = true
			err = n.parseRange(w.value)
		case "dst":
			n.Dst = true
			err = n.parseRange(w.value)
		case "persistent":
			n.Persistent = true
		case "hash":
			n.Hash = true
		case "random":
			n.Random = true
		default:
			err = fmt.Errorf("argument %q: unknown", w.key)
		}
		return err
	})
	switch {
	case err != nil:
	case n.Src && n.Dst:
		err = errors.New("src and dst: only one can be")
	case !n.Src && !n.Dst && *n != NAT{}:
		err = errors.New("flags need src or dst")
	case n.Hash && n.Random:
		err = errors.New("hash and random: only one can be")
	}
	return n, err
}

// parseRange reads address[-address][:port[-port]], an IPv6 address in
// brackets when ports follow.
func (n *NAT) parseRange(s string) error {
	if s == "" {
		return nil
	}
	addresses, ports := s, ""
	switch {
	case strings.HasPrefix(s, "["):
		if i := strings.LastIndex(s, "]:"); i >= 0 {
			addresses, ports = s[:i+1], s[i+2:]
		}
		addresses = strings.NewReplacer("[", "", "]", "").Replace(addresses)
		n.IPv6 = true
	case strings.Count(s, ":") > 1:
		n.IPv6 = true
	default:
		addresses, ports, _ = strings.Cut(s, ":")
	}
	n.HasIP = true
	width := 32
	if n.IPv6 {
		width = 128
	}
	first, last, isRange := strings.Cut(addresses, "-")
	var err error
	if n.MinIP, err = parseIP(first, width); err != nil {
		return err
	}
	if isRange {
		if n.MaxIP, err = parseIP(last, width); err != nil {
			return err
		}
		if n.MaxIP.Less(n.MinIP) {
			return fmt.Errorf("range %q: ends before it starts", addresses)
		}
	}
	return n.parsePorts(ports)
}

func (n *NAT) parsePorts(s string) (err error) {
	if s == "" {
		return nil
	}
	first, last, isRange := strings.Cut(s, "-")
	if n.MinPort, err = parse16(first); err != nil {
		return err
	}
	if isRange {
		if n.MaxPort, err = parse16(last); err != nil {
			return err
		}
	}
	if n.MinPort == 0 || n.MaxPort != 0 && n.MaxPort < n.MinPort || isRange && n.MaxPort == 0 {
		return fmt.Errorf("ports %q: not a range above 0", s)
	}
	return nil
}

// learn reads the arguments of learn(...).
func (p *actionParser) learn(arg string) (Action, error) {
	l := Learn{Table: 1, Priority: defaultPriority}
	err := eachWord(arg, func(w word) error {
		known, err := p.learnOption(&l, w)
		if !known && err == nil {
			var spec LearnSpec
			spec, err = p.learnSpec(w)
			l.Specs = append(l.Specs, spec)
		}
		if err != nil {
			return fmt.Errorf("argument %q: %w", w.key, err)
		}
		return nil
	})
	return l, err
}

func (p *actionParser) learnOption(l *Learn, w word) (known bool, err error) {
	switch w.key {
	case "table":
		l.Table, err = parseTable(w.value, p.o)
	case "priority":
		l.Priority, err = parse16(w.value)
	case "idle_timeout":
		l.IdleTimeout, err = parse16(w.value)
	case "hard_timeout":
		l.HardTimeout, err = parse16(w.value)
	case "fin_idle_timeout":
		l.FinIdle, err = parse16(w.value)
	case "fin_hard_timeout":
		l.FinHard, err = parse16(w.value)
	case "cookie":
		l.Cookie, err = parseUint(w.value, 64)
	case "send_flow_rem":
		l.Flags |= LearnSendFlowRem
	case "delete_learned":
		l.Flags |= LearnDeleteLearned
	case "limit":
		var n uint64
		n, err = parseUint(w.value, 32)
		l.Limit = uint32(n)
	case "result_dst":
		l.ResultDst, err = parseSubfield(w.value)
	default:
		return false, nil
	}
	return true, err
}

// learnSpec reads dst=src, dst=value, dst, load:src->dst, load:value->dst or
// output:src.
func (p *actionParser) learnSpec(w word) (s LearnSpec, err error) {
	switch w.key {
	case "output":
		s.Kind = LearnOutput
		s.Src, err = parseSubfield(w.value)
		s.Bits = s.Src.Bits
		return s, err
	case "load":
		return parseLearnLoad(w.value)
	}
	if s.Dst, err = parseSubfield(w.key); err != nil {
		return s, err
	}
	s.Bits = s.Dst.Bits
	if w.sep == 0 {
		s.Src = s.Dst
		return s, nil
	}
	if s.Src, err = parseSubfield(w.value); err == nil {
		return s, s.checkBits()
	}
	s.Src = Subfield{}
	if s.Dst != Whole(s.Dst.Field) {
		if s.Value, err = parseNumber(w.value); err != nil {
			return s, err
		}
		return s, s.checkBits()
	}
	v, mask, err := parseFieldValue(s.Dst.Field, w.value, p.o)
	if err == nil && mask != s.Dst.Field.Full() && s.Dst.Field != CTState {
		err = fmt.Errorf("value %q: has a mask", w.value)
	}
	s.Value = v
	if err == nil {
		err = s.checkBits()
	}
	return s, err
}

func parseLearnLoad(arg string) (LearnSpec, error) {
	s := LearnSpec{Kind: LearnLoad}
	from, to, err := cutArrow(arg)
	if err != nil {
		return s, err
	}
	if s.Dst, err = parseSubfield(to); err != nil {
		return s, err
	}
	s.Bits = s.Dst.Bits
	if s.Value, err = parseNumber(from); err != nil {
		if s.Src, err = parseSubfield(from); err != nil {
			return s, err
		}
	}
	return s, s.checkBits()
}

// checkBits makes sure that source and destination are of one size.
func (s LearnSpec) checkBits() error {
	switch {
	case !s.Src.IsZero() && s.Src.Bits != s.Dst.Bits:
		return fmt.Errorf("subfields %s and %s: %d and %d bits", s.Src, s.Dst, s.Src.Bits, s.Dst.Bits)
	case !s.Value.AndNot(Ones(s.Dst.Bits)).IsZero():
		return fmt.Errorf("value %#x%016x: more than %d bits", s.Value.Hi, s.Value.Lo, s.Dst.Bits)
	}
	return nil
}
