package flows

import (
	"fmt"
	"strings"
)

// matchParser collects the words of a match. Some words depend on others
// (tp_dst on the protocol), in whatever order they come, so they are resolved
// at the end.
type matchParser struct {
	o     ParseOptions
	words []word
	parts Match
	tag   uint8 // the parts of the VLAN tag that words have named
}

// add takes a word of a match.
func (p *matchParser) add(w word) error {
	if w.sep == 0 {
		for _, s := range shorthands {
			if s.word == w.key {
				return p.addShorthand(s)
			}
		}
		if w.key == "eth" {
			return nil // the packet type that every port of ours delivers
		}
		return fmt.Errorf("field %q: unknown or without value", w.key)
	}
	if w.key == "dl_type" || w.key == "eth_type" {
		return p.addNumber(EthType, w)
	}
	if w.key == "nw_proto" || w.key == "ip_proto" {
		return p.addNumber(IPProto, w)
	}
	p.words = append(p.words, w)
	return nil
}

func (p *matchParser) addShorthand(s shorthand) error {
	if err := p.put(ExactU(EthType, s.ethType)); err != nil || s.proto == 0 {
		return err
	}
	return p.put(ExactU(IPProto, s.proto))
}

func (p *matchParser) addNumber(f Field, w word) error {
	n, err := parseUint(w.value, f.Info().Bits)
	if err != nil {
		return fmt.Errorf("%s: %w", w.key, err)
	}
	return p.put(ExactU(f, n))
}

// put adds a part unless it is there already; another value is an error.
func (p *matchParser) put(m FieldMatch) error {
	if have, ok := p.parts.Get(m.Field); ok {
		if have == m {
			return nil
		}
		return fmt.Errorf("field %q: %w", m.Field, ErrDuplicateField)
	}
	p.parts = append(p.parts, m)
	return nil
}

// finish resolves the words and checks what they need.
func (p *matchParser) finish() (Match, error) {
	if typ, _ := p.parts.Get(EthType); isARP(typ.Value.Lo) {
		if op, ok := p.parts.Get(IPProto); ok { // the name of OpenFlow 1.0
			p.parts = p.parts.Without(IPProto)
			if err := p.put(ExactU(ARPOp, op.Value.Lo)); err != nil {
				return nil, err
			}
		}
	}
	for _, w := range p.words {
		if err := p.resolve(w); err != nil {
			return nil, fmt.Errorf("%s: %w", w.key, err)
		}
	}
	m, err := NewMatch(p.parts...)
	if err != nil {
		return nil, err
	}
	return m, m.CheckPrerequisites()
}

func isARP(ethType uint64) bool { return ethType == ethARP || ethType == ethRARP }

func (p *matchParser) resolve(w word) error {
	if strings.HasSuffix(w.key, "]") {
		return p.resolveSubfield(w)
	}
	switch w.key {
	case "dl_vlan", "dl_vlan_pcp", "vlan_tci", "vlan_vid", "vlan_pcp":
		return p.resolveVLAN(w)
	case "nw_tos":
		n, err := parseUint(w.value, 8)
		if err == nil && n&3 != 0 {
			err = fmt.Errorf("number %q: the lowest two bits are nw_ecn", w.value)
		}
		if err != nil {
			return err
		}
		return p.put(ExactU(IPDSCP, n>>2))
	}
	f, ok := FieldByName(w.key)
	if !ok || f == RecircID || f == DPHash {
		return fmt.Errorf("field %q: unknown", w.key)
	}
	return p.putValue(p.inContext(f, w.key), w.value)
}

// inContext resolves names that serve several protocols.
func (p *matchParser) inContext(f Field, name string) Field {
	typ, _ := p.parts.Get(EthType)
	proto, _ := p.parts.Get(IPProto)
	switch {
	case name == "tp_src" || name == "tp_dst":
		switch proto.Value.Lo {
		case protoUDP:
			return f + (UDPSrc - TCPSrc)
		case protoSCTP:
			return f + (SCTPSrc - TCPSrc)
		}
	case (name == "icmp_type" || name == "icmp_code") && typ.Value.Lo == ethIPv6:
		return f + (ICMPv6Type - ICMPType)
	case isARP(typ.Value.Lo) && f == IPv4Src:
		return ARPSPA
	case isARP(typ.Value.Lo) && f == IPv4Dst:
		return ARPTPA
	}
	return f
}

func (p *matchParser) putValue(f Field, text string) error {
	v, mask, err := parseFieldValue(f, text, p.o)
	if err != nil {
		return err
	}
	if mask.IsZero() {
		return nil
	}
	return p.put(Masked(f, v, mask))
}

// resolveSubfield reads NXM_NX_REG0[0..3]=5, which may say more of a field
// that was named before.
func (p *matchParser) resolveSubfield(w word) error {
	s, err := parseSubfield(w.key)
	if err != nil {
		return err
	}
	v, err := parseNumber(w.value)
	if err != nil {
		return err
	}
	if !v.AndNot(Ones(s.Bits)).IsZero() {
		return fmt.Errorf("number %q: more than %d bits", w.value, s.Bits)
	}
	m := Masked(s.Field, v.Shl(s.Start), s.Mask())
	if have, ok := p.parts.Get(s.Field); ok {
		if !have.Mask.And(m.Mask).IsZero() {
			return ErrDuplicateField
		}
		m.Value, m.Mask = m.Value.Or(have.Value), m.Mask.Or(have.Mask)
		p.parts = p.parts.Without(s.Field)
	}
	return p.put(m)
}

// resolveVLAN reads the VLAN fields, of which the switch keeps one: the tag's
// 16 bits.
func (p *matchParser) resolveVLAN(w word) error {
	value, maskText, masked := strings.Cut(w.value, "/")
	n, err := parseUint(value, 16)
	if err != nil {
		return err
	}
	mask := uint64(0xffff)
	if masked {
		if mask, err = parseUint(maskText, 16); err != nil {
			return err
		}
	}
	if err := p.oneTag(w.key); err != nil {
		return err
	}
	switch w.key {
	case "dl_vlan":
		if masked {
			return fmt.Errorf("value %q: a mask needs vlan_vid or vlan_tci", w.value)
		}
		if n == 0xffff {
			return p.put(NoVLAN())
		}
		if n > 0xfff {
			return fmt.Errorf("number %q: more than 12 bits", value)
		}
		return p.putTag(n|vlanPresent, 0x1fff)
	case "vlan_vid":
		return p.putTag(n&mask, mask&0x1fff)
	case "vlan_tci":
		return p.putTCI(n&mask, mask)
	}
	if masked || n > 7 {
		return fmt.Errorf("value %q: not a number from 0 to 7", w.value)
	}
	if err := p.putTag(vlanPresent, vlanPresent); err != nil {
		return err
	}
	return p.put(ExactU(VLANPCP, n))
}

// oneTag refuses words that speak of the same part of the tag: ovs-ofctl would
// take the last, whatever the others say.
func (p *matchParser) oneTag(key string) error {
	const id, priority = 1, 2
	part := map[string]uint8{"dl_vlan": id, "vlan_vid": id, "dl_vlan_pcp": priority, "vlan_pcp": priority, "vlan_tci": id | priority}[key]
	if p.tag&part != 0 {
		return ErrDuplicateField
	}
	p.tag |= part
	return nil
}

// putTag adds what is asked of the tag's id and presence to what was asked
// before.
func (p *matchParser) putTag(v, mask uint64) error {
	if v&^0x1fff != 0 {
		return fmt.Errorf("VLAN id %#x: more than 13 bits", v)
	}
	if have, ok := p.parts.Get(VLANVID); ok {
		if both := have.Mask.Lo & mask; have.Value.Lo&both != v&both {
			return ErrDuplicateField
		}
		v, mask = v|have.Value.Lo, mask|have.Mask.Lo
		p.parts = p.parts.Without(VLANVID)
	}
	if mask == 0 {
		return nil
	}
	return p.put(MaskedU(VLANVID, v, mask))
}

// putTCI splits the tag into id and priority where both are asked for as a
// whole; anything else stays as it is.
func (p *matchParser) putTCI(v, mask uint64) error {
	switch m := splitTCI(v, mask); {
	case mask == 0:
		return nil
	case len(m) == 1 && m[0].Field == VLANVID:
		return p.putTag(m[0].Value.Lo, m[0].Mask.Lo)
	default:
		for _, part := range m {
			if err := p.put(part); err != nil {
				return err
			}
		}
		return nil
	}
}

// splitTCI expresses a match on the tag's 16 bits in the fields of OpenFlow
// 1.2 and later, if they can.
func splitTCI(v, mask uint64) Match {
	id := MaskedU(VLANVID, v&0x1fff, mask&0x1fff)
	switch {
	case mask&0xe000 == 0:
		return Match{id}
	case mask&0xe000 == 0xe000 && v&mask&vlanPresent != 0:
		return Match{id, ExactU(VLANPCP, v>>13)}
	}
	return Match{MaskedU(VLANTCI, v, mask)}
}

// parseFieldValue reads the value of a field, with a mask or without.
func parseFieldValue(f Field, text string, o ParseOptions) (v, mask Value, err error) {
	if text == "ANY" || text == "*" {
		return Value{}, Value{}, nil
	}
	switch n := f.notation(); n {
	case ctState, tcpFlags, tunFlags:
		v.Lo, mask.Lo, err = parseFlags(text, n)
		if _, all := n.flagNames(); f != CTState && mask.Lo == all {
			mask = f.Full()
		}
		return v, mask, err
	case fragment:
		for _, known := range fragmentNames {
			if known.name == text {
				return U64(known.value), U64(known.mask), nil
			}
		}
		return v, mask, fmt.Errorf("fragment %q: unknown", text)
	case packetType:
		v, err = parsePacketType(text)
		return v, f.Full(), err
	case portNumber:
		return parsePortValue(f, text, o)
	default:
		return parseMasked(f, n, text)
	}
}

func parsePortValue(f Field, text string, o ParseOptions) (v, mask Value, err error) {
	port, err := parsePort(text, o)
	if f == InPort16 {
		port &= 0xffff
	}
	return U64(uint64(port)), f.Full(), err
}

// parseMasked reads value or value/mask of addresses and numbers.
func parseMasked(f Field, n notation, text string) (v, mask Value, err error) {
	width := f.Info().Bits
	read, readMask := parseNumber, parseNumber
	switch n {
	case ethernet:
		read, readMask = parseMAC, parseMAC
	case ipv4, ipv6:
		read = func(s string) (Value, error) { return parseIP(s, width) }
		readMask = func(s string) (Value, error) { return parseIPMask(s, width) }
	}
	value, maskText, masked := strings.Cut(text, "/")
	if v, err = read(value); err != nil {
		return v, mask, err
	}
	mask = f.Full()
	if masked {
		if mask, err = readMask(maskText); err != nil {
			return v, mask, err
		}
	}
	if !v.AndNot(f.Full()).IsZero() || !mask.AndNot(f.Full()).IsZero() {
		return v, mask, fmt.Errorf("value %q: more than %d bits", text, width)
	}
	return v.And(mask), mask, nil
}
