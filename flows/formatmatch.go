package flows

import "fmt"

// The Ethernet types and IP protocols that have words of their own in a match.
const (
	ethIPv4     = 0x0800
	ethARP      = 0x0806
	ethRARP     = 0x8035
	ethIPv6     = 0x86dd
	ethMPLS     = 0x8847
	ethMPLSMult = 0x8848

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// shorthand is a word for an Ethernet type, or for one and an IP protocol.
type shorthand struct {
	word    string
	ethType uint64
	proto   uint64 // 0: any
}

// shorthands are in the order in which they are tried for printing, so more
// exact ones come first; the last ones are only read.
var shorthands = []shorthand{
	{"icmp", ethIPv4, protoICMP},
	{"tcp", ethIPv4, protoTCP},
	{"udp", ethIPv4, protoUDP},
	{"sctp", ethIPv4, protoSCTP},
	{"ip", ethIPv4, 0},
	{"icmp6", ethIPv6, protoICMPv6},
	{"tcp6", ethIPv6, protoTCP},
	{"udp6", ethIPv6, protoUDP},
	{"sctp6", ethIPv6, protoSCTP},
	{"ipv6", ethIPv6, 0},
	{"arp", ethARP, 0},
	{"rarp", ethRARP, 0},
	{"mpls", ethMPLS, 0},
	{"mplsm", ethMPLSMult, 0},
	{"ip4", ethIPv4, 0},
	{"ipv4", ethIPv4, 0},
	{"ip6", ethIPv6, 0},
}

func shorthandFor(ethType, proto uint64) (shorthand, bool) {
	for _, s := range shorthands {
		if s.ethType == ethType && (s.proto == 0 || s.proto == proto) {
			return s, true
		}
	}
	return shorthand{}, false
}

// match writes the parts of m, each with a comma behind it, in the order of
// the fields. The Ethernet type and the protocol move: forward as a word, or
// back as a number.
func (p *printer) match(m Match) {
	var lateType, lateProto *FieldMatch
	for i := range m {
		part := &m[i]
		if lateType != nil && part.Field > EthDst {
			p.b = fmt.Appendf(p.b, "dl_type=0x%04x,", lateType.Value.Lo)
			lateType = nil
		}
		if lateProto != nil && part.Field > IPv4Dst {
			p.b = fmt.Appendf(p.b, "nw_proto=%d,", lateProto.Value.Lo)
			lateProto = nil
		}
		switch part.Field {
		case EthType:
			proto, _ := m.Get(IPProto)
			if s, ok := shorthandFor(part.Value.Lo, proto.Value.Lo); ok {
				p.text(s.word)
				p.text(",")
			} else {
				lateType = part
			}
		case IPProto:
			typ, _ := m.Get(EthType)
			if s, ok := shorthandFor(typ.Value.Lo, part.Value.Lo); !ok || s.proto == 0 {
				lateProto = part
			}
		case VLANTCI, VLANVID, VLANPCP:
			if i == 0 || m[i-1].Field < VLANTCI {
				p.vlan(m[i:])
			}
		default:
			p.matchPart(*part)
		}
	}
	if lateType != nil {
		p.b = fmt.Appendf(p.b, "dl_type=0x%04x,", lateType.Value.Lo)
	}
	if lateProto != nil {
		p.b = fmt.Appendf(p.b, "nw_proto=%d,", lateProto.Value.Lo)
	}
}

// vlan writes the VLAN fields, with which m starts, as dl_vlan and dl_vlan_pcp
// if they can say it, else as vlan_tci.
func (p *printer) vlan(m Match) {
	var v, mask uint64
	for _, part := range m {
		switch part.Field {
		case VLANTCI, VLANVID:
			v, mask = v|part.Value.Lo, mask|part.Mask.Lo
		case VLANPCP:
			v, mask = v|part.Value.Lo<<13, mask|part.Mask.Lo<<13
		}
	}
	vid, pcp := mask&0xfff, mask&0xe000
	switch {
	case v&mask&vlanPresent != 0 && (vid == 0 || vid == 0xfff) && (pcp == 0 || pcp == 0xe000) && vid|pcp != 0:
		if vid != 0 {
			p.b = fmt.Appendf(p.b, "dl_vlan=%d,", v&0xfff)
		}
		if pcp != 0 {
			p.b = fmt.Appendf(p.b, "dl_vlan_pcp=%d,", v>>13)
		}
	case mask == 0xffff:
		p.b = fmt.Appendf(p.b, "vlan_tci=0x%04x,", v)
	default:
		p.b = fmt.Appendf(p.b, "vlan_tci=0x%04x/0x%04x,", v, mask)
	}
}

// matchPart writes one field. A match writes some fields otherwise than
// set_field does.
func (p *printer) matchPart(m FieldMatch) {
	switch m.Field {
	case IPDSCP: // printed as the byte it is part of
		p.b = fmt.Appendf(p.b, "nw_tos=%d,", m.Value.Lo<<2)
		return
	case IPTOS:
		p.tos(m)
		return
	}
	p.text(m.Field.Info().Name)
	p.text("=")
	switch n := m.Field.notation(); {
	case m.Field == TunFlags:
		p.text(map[uint64]string{0: "-oam", 1: "+oam"}[m.Value.Lo])
	case m.Field == IPv6Label:
		p.b = fmt.Appendf(p.b, "0x%05x", m.Value.Lo)
		if !m.IsExact() {
			p.b = fmt.Appendf(p.b, "/0x%05x", m.Mask.Lo)
		}
	case m.Field == NDReserved && !m.IsExact():
		p.b = fmt.Appendf(p.b, "0x%08x/0x%08x", m.Value.Lo, m.Mask.Lo)
	case (n == decimal || m.Field == CTZone) && !m.IsExact():
		p.b = fmt.Appendf(p.b, "0x%x/0x%x", m.Value.Lo, m.Mask.Lo)
	case m.Field == CTZone:
		p.uint(m.Value.Lo)
	default:
		p.value(m.Field, m.Value, m.Mask)
	}
	p.text(",")
}

// tos writes a match on the whole byte as its two halves.
func (p *printer) tos(m FieldMatch) {
	if m.Mask.Lo&0xfc != 0 {
		p.b = fmt.Appendf(p.b, "nw_tos=%d,", m.Value.Lo&0xfc)
	}
	if m.Mask.Lo&3 != 0 {
		p.b = fmt.Appendf(p.b, "nw_ecn=%d,", m.Value.Lo&3)
	}
}
