package flows

import (
	"errors"
	"fmt"
	"slices"
)

// ErrPrerequisite is the error of a match that asks for a field of packets
// without making sure that they have it.
var ErrPrerequisite = errors.New("field needs another match")

// prerequisite is what a match has to say before it may ask for a field.
type prerequisite struct {
	field Field
	// values are those that the field may have.
	values []uint64
	// what says it in the words of a flow.
	what string
}

var (
	needIPv4   = []prerequisite{{EthType, []uint64{ethIPv4}, "ip"}}
	needIPv6   = []prerequisite{{EthType, []uint64{ethIPv6}, "ipv6"}}
	needIP     = []prerequisite{{EthType, []uint64{ethIPv4, ethIPv6}, "ip or ipv6"}}
	needARP    = []prerequisite{{EthType, []uint64{ethARP, ethRARP}, "arp"}}
	needMPLS   = []prerequisite{{EthType, []uint64{ethMPLS, ethMPLSMult}, "mpls"}}
	needTCP    = []prerequisite{needIP[0], {IPProto, []uint64{protoTCP}, "tcp"}}
	needUDP    = []prerequisite{needIP[0], {IPProto, []uint64{protoUDP}, "udp"}}
	needSCTP   = []prerequisite{needIP[0], {IPProto, []uint64{protoSCTP}, "sctp"}}
	needICMP   = []prerequisite{needIPv4[0], {IPProto, []uint64{protoICMP}, "icmp"}}
	needICMPv6 = []prerequisite{needIPv6[0], {IPProto, []uint64{protoICMPv6}, "icmp6"}}
	needND     = append(needICMPv6[:2:2], prerequisite{ICMPv6Type, []uint64{135, 136}, "icmp_type=135 or 136"})
	needNDSol  = append(needICMPv6[:2:2], prerequisite{ICMPv6Type, []uint64{135}, "icmp_type=135"})
	needNDAdv  = append(needICMPv6[:2:2], prerequisite{ICMPv6Type, []uint64{136}, "icmp_type=136"})
)

// prerequisites gives what a match on f needs (ovs-fields(7), "Prerequisites").
func (f Field) prerequisites() []prerequisite {
	switch f {
	case IPv4Src, IPv4Dst:
		return needIPv4
	case IPv6Src, IPv6Dst, IPv6Label:
		return needIPv6
	case IPProto, IPTOS, IPDSCP, IPECN, IPTTL, IPFrag:
		return needIP
	case ARPOp, ARPSPA, ARPTPA, ARPSHA, ARPTHA:
		return needARP
	case MPLSLabel, MPLSTC, MPLSBOS, MPLSTTL:
		return needMPLS
	case TCPSrc, TCPDst, TCPFlags:
		return needTCP
	case UDPSrc, UDPDst:
		return needUDP
	case SCTPSrc, SCTPDst:
		return needSCTP
	case ICMPType, ICMPCode:
		return needICMP
	case ICMPv6Type, ICMPv6Code:
		return needICMPv6
	case NDTarget, NDReserved, NDOptionsType:
		return needND
	case NDSLL:
		return needNDSol
	case NDTLL:
		return needNDAdv
	}
	return nil
}

// CheckPrerequisites reports the first field that a switch refuses to match
// because the match does not ask for the protocol that has it. Open vSwitch
// answers such a flow with OFPBMC_BAD_PREREQ.
func (m Match) CheckPrerequisites() error {
	typ, proto := m.exact(EthType), m.exact(IPProto)
	if pt, ok := m.Get(PacketType); ok && pt.Value.Lo>>16 == 1 {
		typ = pt.Value.Lo & 0xffff
	}
	for _, part := range m {
		for _, need := range part.Field.prerequisites() {
			var have uint64
			switch need.field {
			case EthType:
				have = typ
			case IPProto:
				have = proto
			default:
				have = m.exact(need.field)
			}
			if !slices.Contains(need.values, have) {
				return fmt.Errorf("field %q: %w: %s", part.Field, ErrPrerequisite, need.what)
			}
		}
	}
	if f, ok := m.needsConnection(); ok {
		state, _ := m.Get(CTState)
		if !impliesConnection(state) {
			return fmt.Errorf("field %q: %w: ct_state=+trk-inv or a flag like +est", f, ErrPrerequisite)
		}
	}
	if _, ok := m.Get(VLANPCP); ok {
		if tag, _ := m.Get(VLANVID); tag.Value.Lo&vlanPresent == 0 {
			return fmt.Errorf("field %q: %w: a tag (vlan_vid=0x1000/0x1000)", VLANPCP, ErrPrerequisite)
		}
	}
	return nil
}

// needsConnection gives a field of m that only packets with a connection have.
func (m Match) needsConnection() (Field, bool) {
	for _, part := range m {
		if part.Field >= CTNwSrc && part.Field <= CTTpDst {
			return part.Field, true
		}
	}
	return NoField, false
}

// impliesConnection reports whether a match on ct_state leaves only packets
// that belong to a connection.
func impliesConnection(state FieldMatch) bool {
	const valid = CTNew | CTEstablished | CTRelated | CTReply | CTSrcNAT | CTDstNAT
	set := state.Value.Lo
	return set&valid != 0 || set&CTTracked != 0 && state.Mask.Lo&CTInvalid != 0 && set&CTInvalid == 0
}

// exact gives the value that m asks of f as a whole, or all ones.
func (m Match) exact(f Field) uint64 {
	part, ok := m.Get(f)
	if !ok || !part.IsExact() {
		return ^uint64(0)
	}
	return part.Value.Lo
}

// PresentIn reports whether a packet has the field at all: it is of the
// protocol that the field belongs to and, for a transport field, no later
// fragment. Value gives the packet's fields. Metadata are always there.
func (f Field) PresentIn(value func(Field) Value) bool {
	for _, need := range f.prerequisites() {
		if !slices.Contains(need.values, value(need.field).Lo) {
			return false
		}
	}
	switch f {
	case VLANPCP:
		return value(VLANTCI).Lo&vlanPresent != 0
	case TCPSrc, TCPDst, TCPFlags, UDPSrc, UDPDst, SCTPSrc, SCTPDst:
		return value(IPFrag).Lo&fragLater == 0
	}
	return true
}

// fragLater is the bit of IPFrag that all fragments but the first have.
const fragLater = 2
