package flows

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// actionParser reads the actions of a flow. The match decides what the words
// of OpenFlow 1.0 mean.
type actionParser struct {
	o            ParseOptions
	match        Match
	instructions bool // goto_table is allowed
	tagged       bool // an action before has pushed a tag
}

// list reads actions to the end of text.
func (p *actionParser) list(text string) ([]Action, error) {
	var actions []Action
	drop := false
	s := scanner{rest: text}
	for {
		w, ok, err := s.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if w.key == "drop" && w.sep == 0 {
			drop = true
			continue
		}
		if n := len(actions); n > 0 {
			if _, last := actions[n-1].(GotoTable); last {
				return nil, fmt.Errorf("action %q: follows goto_table", w.key)
			}
		}
		more, err := p.action(w)
		if err != nil {
			return nil, fmt.Errorf("action %q: %w", w.key, err)
		}
		actions = append(actions, more...)
	}
	if drop && len(actions) > 0 {
		return nil, errors.New(`action "drop": stands with other actions`)
	}
	return actions, nil
}

// single makes the result of a word that is one action.
func single(a Action, err error) ([]Action, error) {
	if err != nil {
		return nil, err
	}
	return []Action{a}, nil
}

// errUnknownAction is the error of a word that is no action of this package.
var errUnknownAction = errors.New("unknown")

func (p *actionParser) action(w word) ([]Action, error) {
	key := strings.ToLower(w.key)
	for _, read := range []func(string, word) ([]Action, error){p.plainAction, p.headerAction, p.oldAction} {
		a, err := read(key, w)
		if !errors.Is(err, errUnknownAction) {
			return a, err
		}
	}
	if w.sep != 0 {
		return nil, errUnknownAction
	}
	port, err := parsePort(w.key, p.o)
	if err != nil {
		return nil, fmt.Errorf("%w, and %w", errUnknownAction, err)
	}
	return []Action{Output{Port: port}}, nil
}

// plainAction reads the actions that do not change the packet.
func (p *actionParser) plainAction(key string, w word) ([]Action, error) {
	switch key {
	case "output":
		return single(p.output(w.value))
	case "controller":
		return single(p.controller(w.value))
	case "resubmit":
		return single(p.resubmit(w.value))
	case "goto_table":
		if !p.instructions {
			return nil, errors.New("not allowed here")
		}
		table, err := parseTable(w.value, p.o)
		return single(GotoTable{table}, err)
	case "group":
		n, err := parseUint(w.value, 32)
		return single(Group{uint32(n)}, err)
	case "meter":
		n, err := parseUint(w.value, 32)
		return single(Meter{uint32(n)}, err)
	case "conjunction":
		return single(parseConjunction(w.value))
	case "ct":
		return single(p.ct(w.value))
	case "ct_clear":
		return []Action{CTClear{}}, nil
	case "learn":
		return single(p.learn(w.value))
	case "note":
		data, err := parseDotted(w.value)
		return single(Note{data}, err)
	case "raw":
		data, err := parseDotted(w.value)
		return single(Raw{data}, err)
	}
	return nil, errUnknownAction
}

// headerAction reads the actions that change the packet or its metadata.
func (p *actionParser) headerAction(key string, w word) ([]Action, error) {
	switch key {
	case "set_field":
		return single(p.setField(w.value))
	case "load":
		return single(parseLoad(w.value))
	case "move":
		return single(parseMove(w.value))
	case "push_vlan":
		n, err := parse16(w.value)
		p.tagged = true
		return single(PushVLAN{n}, err)
	case "pop_vlan", "strip_vlan":
		p.tagged = false
		return []Action{PopVLAN{}}, nil
	case "dec_ttl":
		if w.sep != 0 {
			return nil, fmt.Errorf("arguments %q: not supported", w.value)
		}
		return []Action{DecTTL{}}, nil
	}
	return nil, errUnknownAction
}

// oldAction reads the words of OpenFlow 1.0 and 1.1, which the newer versions
// say with set_field.
func (p *actionParser) oldAction(key string, w word) ([]Action, error) {
	set := func(f Field) ([]Action, error) {
		v, mask, err := parseFieldValue(f, w.value, p.o)
		return single(SetField{f, v, mask}, err)
	}
	switch key {
	case "mod_dl_src":
		return set(EthSrc)
	case "mod_dl_dst":
		return set(EthDst)
	case "mod_nw_src":
		return set(IPv4Src)
	case "mod_nw_dst":
		return set(IPv4Dst)
	case "mod_nw_ecn":
		return set(IPECN)
	case "mod_nw_ttl", "set_nw_ttl":
		return set(IPTTL)
	case "set_tunnel", "set_tunnel64":
		return set(TunID)
	case "write_metadata":
		return set(Metadata)
	case "mod_nw_tos":
		n, err := parseUint(w.value, 8)
		if err == nil && n&3 != 0 {
			err = fmt.Errorf("number %q: the lowest two bits are the ECN", w.value)
		}
		return single(SetU(IPDSCP, n>>2), err)
	case "mod_tp_src":
		return p.setTransport(w, TCPSrc)
	case "mod_tp_dst":
		return p.setTransport(w, TCPDst)
	case "mod_vlan_vid", "set_vlan_vid":
		n, err := parseUint(w.value, 12)
		return p.setTag(key, SetU(VLANVID, n|vlanPresent), err)
	case "mod_vlan_pcp", "set_vlan_pcp":
		n, err := parseUint(w.value, 3)
		return p.setTag(key, SetU(VLANPCP, n), err)
	}
	return nil, errUnknownAction
}

// setTransport sets a port of the protocol that the flow matches.
func (p *actionParser) setTransport(w word, f Field) ([]Action, error) {
	n, err := parse16(w.value)
	if err != nil {
		return nil, err
	}
	switch p.match.exact(IPProto) {
	case protoTCP:
	case protoUDP:
		f += UDPSrc - TCPSrc
	case protoSCTP:
		f += SCTPSrc - TCPSrc
	default:
		return nil, fmt.Errorf("%w: tcp, udp or sctp", ErrPrerequisite)
	}
	return []Action{SetU(f, uint64(n))}, nil
}

// setTag writes a VLAN field; mod_ pushes a tag first if there is none.
func (p *actionParser) setTag(key string, a SetField, err error) ([]Action, error) {
	tag, _ := p.match.Get(VLANVID)
	if err != nil || strings.HasPrefix(key, "set_") || p.tagged || tag.Value.Lo&vlanPresent != 0 {
		return single(a, err)
	}
	p.tagged = true
	return []Action{PushVLAN{EtherType: ethVLAN}, a}, nil
}

// ethVLAN is the Ethernet type of an 802.1Q tag.
const ethVLAN = 0x8100

func (p *actionParser) output(arg string) (Action, error) {
	port, err := parsePort(arg, p.o)
	if err == nil {
		if port == PortController {
			return Controller{MaxLen: math.MaxUint16}, nil
		}
		return Output{port}, nil
	}
	if src, err := parseSubfield(arg); err == nil {
		return OutputReg{Src: src, MaxLen: math.MaxUint16}, nil
	}
	return nil, err
}

func (p *actionParser) controller(arg string) (Action, error) {
	c := Controller{MaxLen: math.MaxUint16}
	if arg == "" {
		return c, nil
	}
	if n, err := parse16(arg); err == nil {
		c.MaxLen = n
		return c, nil
	}
	err := eachWord(arg, func(w word) (err error) {
		switch w.key {
		case "reason":
			c.Reason, err = parseReason(w.value)
		case "max_len":
			c.MaxLen, err = parse16(w.value)
		case "id":
			c.ID, err = parse16(w.value)
		case "userdata":
			c.Userdata, err = parseDotted(w.value)
		case "pause":
			c.Pause = true
		case "meter_id":
			var n uint64
			n, err = parseUint(w.value, 32)
			c.MeterID = uint32(n)
		default:
			err = fmt.Errorf("argument %q: unknown", w.key)
		}
		return err
	})
	return c, err
}

// eachWord runs read on each word of an action's arguments.
func eachWord(arg string, read func(word) error) error {
	s := scanner{rest: arg}
	for {
		w, ok, err := s.next()
		if err != nil || !ok {
			return err
		}
		if err := read(w); err != nil {
			return err
		}
	}
}

func parseReason(s string) (uint8, error) {
	for i, name := range reasons[ReasonAction:] {
		if name == s {
			if i == 0 {
				return 0, nil
			}
			return uint8(i + ReasonAction), nil
		}
	}
	return 0, fmt.Errorf("reason %q: unknown", s)
}

// parseDotted reads hexadecimal bytes, with dots between them or without.
func parseDotted(s string) ([]byte, error) {
	data, err := hex.DecodeString(strings.ReplaceAll(s, ".", ""))
	if err != nil {
		return nil, fmt.Errorf("bytes %q: not hexadecimal", s)
	}
	if len(data) == 0 {
		return nil, nil
	}
	return data, nil
}

func (p *actionParser) resubmit(arg string) (Action, error) {
	r := Resubmit{InPort: PortInPort, Table: currentTable}
	parts := strings.Split(arg, ",")
	if len(parts) > 3 {
		return nil, fmt.Errorf("arguments %q: more than three", arg)
	}
	var err error
	if port := strings.TrimSpace(parts[0]); port != "" {
		if r.InPort, err = parsePort(port, p.o); err != nil {
			return nil, err
		}
		if r.InPort == 0 {
			return nil, errors.New("port 0: does not exist")
		}
	}
	if len(parts) > 1 {
		if table := strings.TrimSpace(parts[1]); table != "" && table != "255" {
			if r.Table, err = parseTable(table, p.o); err != nil {
				return nil, err
			}
		}
	}
	if len(parts) > 2 {
		if strings.TrimSpace(parts[2]) != "ct" {
			return nil, fmt.Errorf("argument %q: unknown", parts[2])
		}
		r.CT = true
	}
	if r.InPort == PortInPort && r.Table == currentTable {
		return nil, fmt.Errorf("arguments %q: neither port nor table", arg)
	}
	return r, nil
}

func parseConjunction(arg string) (Action, error) {
	id, clause, ok := strings.Cut(arg, ",")
	k, n, ok2 := strings.Cut(strings.TrimSpace(clause), "/")
	if !ok || !ok2 {
		return nil, fmt.Errorf("arguments %q: not of the form id,k/n", arg)
	}
	var c Conjunction
	for _, part := range []struct {
		text string
		bits int
		put  func(uint64)
	}{
		{strings.TrimSpace(id), 32, func(x uint64) { c.ID = uint32(x) }},
		{k, 8, func(x uint64) { c.K = uint8(x) }},
		{n, 8, func(x uint64) { c.N = uint8(x) }},
	} {
		x, err := parseUint(part.text, part.bits)
		if err != nil {
			return nil, err
		}
		part.put(x)
	}
	if c.K < 1 || c.K > c.N || c.N < 2 || c.N > 64 {
		return nil, fmt.Errorf("clause %q: not k of n, n from 2 to 64", clause)
	}
	return c, nil
}

// cutArrow splits value->destination.
func cutArrow(arg string) (string, string, error) {
	from, to, ok := strings.Cut(arg, "->")
	if !ok {
		return "", "", fmt.Errorf("argument %q: no ->", arg)
	}
	return strings.TrimSpace(from), strings.TrimSpace(to), nil
}

func (p *actionParser) setField(arg string) (Action, error) {
	value, name, err := cutArrow(arg)
	if err != nil {
		return nil, err
	}
	f, ok := FieldByName(name)
	if !ok {
		return nil, fmt.Errorf("field %q: unknown", name)
	}
	switch name {
	case "in_port":
		f = InPort16 // the other one cannot be written
	case "tp_src", "tp_dst":
		f = (&matchParser{parts: p.match}).inContext(f, name)
	}
	v, mask, err := parseFieldValue(f, value, p.o)
	if err == nil && mask.IsZero() {
		err = fmt.Errorf("value %q: no bit to set", value)
	}
	return SetField{f, v, mask}, err
}

func parseLoad(arg string) (Action, error) {
	value, name, err := cutArrow(arg)
	if err != nil {
		return nil, err
	}
	dst, err := parseSubfield(name)
	if err != nil {
		return nil, err
	}
	v, err := parseNumber(value)
	if err == nil && !v.AndNot(Ones(dst.Bits)).IsZero() {
		err = fmt.Errorf("value %q: more than %d bits", value, dst.Bits)
	}
	return Load{Dst: dst, Value: v}, err
}

func parseMove(arg string) (Action, error) {
	from, to, err := cutArrow(arg)
	if err != nil {
		return nil, err
	}
	src, err := parseSubfield(from)
	if err != nil {
		return nil, err
	}
	dst, err := parseSubfield(to)
	if err == nil && src.Bits != dst.Bits {
		err = fmt.Errorf("subfields %q and %q: %d and %d bits", from, to, src.Bits, dst.Bits)
	}
	return Move{src, dst}, err
}

// parseSubfield reads NAME, NAME[], NAME[bit] or NAME[first..last].
func parseSubfield(s string) (Subfield, error) {
	name, bits, indexed := strings.Cut(s, "[")
	f, ok := FieldByName(name)
	if !ok {
		return Subfield{}, fmt.Errorf("field %q: unknown", s)
	}
	if f == InPort && name == "in_port" {
		f = InPort16
	}
	if !indexed || bits == "]" {
		return Whole(f), nil
	}
	bits, closed := strings.CutSuffix(bits, "]")
	first, last, isRange := strings.Cut(bits, "..")
	if !isRange {
		last = first
	}
	a, err := parseUint(first, 8)
	b, err2 := parseUint(last, 8)
	if err != nil || err2 != nil || !closed || a > b || int(b) >= f.Info().Bits {
		return Subfield{}, fmt.Errorf("field %q: bits are not within its %d", s, f.Info().Bits)
	}
	return Bits(f, int(a), int(b)), nil
}
