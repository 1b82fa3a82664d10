package flows

import (
	"fmt"
	"strings"
)

// codePoint is what makes an OXM header unique.
type codePoint struct {
	class        uint16
	number       uint8
	experimenter uint32
}

// nxm, nx and oxm give the code points of fieldTable rows.
func nxm(n uint8) codePoint { return codePoint{class: ClassNXMOF, number: n} }
func nx(n uint8) codePoint  { return codePoint{class: ClassNXMNX, number: n} }
func oxm(n uint8) codePoint { return codePoint{class: ClassBasic, number: n} }

// one describes a field that has one code point.
func one(name, oxmName, nxmName string, bits int, p codePoint) Info {
	return two(name, oxmName, nxmName, bits, p, p)
}

// two describes a field that has an OXM and an NXM code point.
func two(name, oxmName, nxmName string, bits int, p, old codePoint) Info {
	return Info{
		Name: name, OXMName: oxmName, NXMName: nxmName, Bits: bits,
		Class: p.class, Number: p.number, Experimenter: p.experimenter,
		WireBytes: (bits + 7) / 8,
		NXMClass:  old.class, NXMNumber: old.number,
	}
}

// wire sets a length on the wire that is longer than the bits ask for.
func (i Info) wire(bytes int) Info {
	i.WireBytes = bytes
	return i
}

// fieldTable is ovs-fields(7) of Open vSwitch 3.1 as a table.
var fieldTable = func() (t [numFields]Info) {
	metadataFields(&t)
	linkFields(&t)
	networkFields(&t)
	transportFields(&t)
	for n := range Field(16) {
		name := fmt.Sprintf("reg%d", n)
		t[Reg0+n] = one(name, name, fmt.Sprintf("NXM_NX_REG%d", n), 32, nx(uint8(n)))
	}
	for n := range Field(8) {
		name := fmt.Sprintf("xreg%d", n)
		t[XReg0+n] = one(name, name, fmt.Sprintf("OXM_OF_PKT_REG%d", n), 64, codePoint{class: ClassPacketRegs, number: uint8(n)})
	}
	for n := range Field(4) {
		name := fmt.Sprintf("xxreg%d", n)
		t[XXReg0+n] = one(name, name, fmt.Sprintf("NXM_NX_XXREG%d", n), 128, nx(uint8(111+n)))
	}
	return t
}()

func metadataFields(t *[numFields]Info) {
	t[PktMark] = one("pkt_mark", "pkt_mark", "NXM_NX_PKT_MARK", 32, nx(33))
	t[RecircID] = one("recirc_id", "recirc_id", "NXM_NX_RECIRC_ID", 32, nx(36))
	t[DPHash] = one("dp_hash", "dp_hash", "NXM_NX_DP_HASH", 32, nx(35))
	t[ConjID] = one("conj_id", "conj_id", "NXM_NX_CONJ_ID", 32, nx(37))
	t[ActsetOutput] = one("actset_output", "actset_output", "ONFOXM_ET_ACTSET_OUTPUT", 32, oxm(43))
	t[CTState] = one("ct_state", "ct_state", "NXM_NX_CT_STATE", 32, nx(105))
	t[CTZone] = one("ct_zone", "ct_zone", "NXM_NX_CT_ZONE", 16, nx(106))
	t[CTMark] = one("ct_mark", "ct_mark", "NXM_NX_CT_MARK", 32, nx(107))
	t[CTLabel] = one("ct_label", "ct_label", "NXM_NX_CT_LABEL", 128, nx(108))
	t[CTNwSrc] = one("ct_nw_src", "ct_nw_src", "NXM_NX_CT_NW_SRC", 32, nx(120))
	t[CTNwDst] = one("ct_nw_dst", "ct_nw_dst", "NXM_NX_CT_NW_DST", 32, nx(121))
	t[CTIPv6Src] = one("ct_ipv6_src", "ct_ipv6_src", "NXM_NX_CT_IPV6_SRC", 128, nx(122))
	t[CTIPv6Dst] = one("ct_ipv6_dst", "ct_ipv6_dst", "NXM_NX_CT_IPV6_DST", 128, nx(123))
	t[CTNwProto] = one("ct_nw_proto", "ct_nw_proto", "NXM_NX_CT_NW_PROTO", 8, nx(119))
	t[CTTpSrc] = one("ct_tp_src", "ct_tp_src", "NXM_NX_CT_TP_SRC", 16, nx(124))
	t[CTTpDst] = one("ct_tp_dst", "ct_tp_dst", "NXM_NX_CT_TP_DST", 16, nx(125))
	t[PacketType] = one("packet_type", "packet_type", "OXM_OF_PACKET_TYPE", 32, oxm(44))
	t[TunID] = two("tun_id", "tun_id", "NXM_NX_TUN_ID", 64, oxm(38), nx(16))
	t[TunSrc] = one("tun_src", "tun_src", "NXM_NX_TUN_IPV4_SRC", 32, nx(31))
	t[TunDst] = one("tun_dst", "tun_dst", "NXM_NX_TUN_IPV4_DST", 32, nx(32))
	t[TunIPv6Src] = one("tun_ipv6_src", "tun_ipv6_src", "NXM_NX_TUN_IPV6_SRC", 128, nx(109))
	t[TunIPv6Dst] = one("tun_ipv6_dst", "tun_ipv6_dst", "NXM_NX_TUN_IPV6_DST", 128, nx(110))
	t[TunGBPID] = one("tun_gbp_id", "tun_gbp_id", "NXM_NX_TUN_GBP_ID", 16, nx(38))
	t[TunGBPFlags] = one("tun_gbp_flags", "tun_gbp_flags", "NXM_NX_TUN_GBP_FLAGS", 8, nx(39))
	t[TunFlags] = one("tun_flags", "tun_flags", "NXM_NX_TUN_FLAGS", 1, nx(104)).wire(2)
	t[Metadata] = one("metadata", "metadata", "OXM_OF_METADATA", 64, oxm(2))
	t[InPort] = one("in_port", "in_port_oxm", "OXM_OF_IN_PORT", 32, oxm(0))
	t[InPort16] = one("in_port", "in_port", "NXM_OF_IN_PORT", 16, nxm(0))
}

func linkFields(t *[numFields]Info) {
	t[EthType] = two("dl_type", "eth_type", "NXM_OF_ETH_TYPE", 16, oxm(5), nxm(3))
	t[VLANTCI] = one("vlan_tci", "vlan_tci", "NXM_OF_VLAN_TCI", 16, nxm(4))
	t[VLANVID] = one("dl_vlan", "vlan_vid", "OXM_OF_VLAN_VID", 13, oxm(6))
	t[VLANPCP] = one("dl_vlan_pcp", "vlan_pcp", "OXM_OF_VLAN_PCP", 3, oxm(7))
	t[EthSrc] = two("dl_src", "eth_src", "NXM_OF_ETH_SRC", 48, oxm(4), nxm(2))
	t[EthDst] = two("dl_dst", "eth_dst", "NXM_OF_ETH_DST", 48, oxm(3), nxm(1))
	t[MPLSLabel] = one("mpls_label", "mpls_label", "OXM_OF_MPLS_LABEL", 20, oxm(34)).wire(4)
	t[MPLSTC] = one("mpls_tc", "mpls_tc", "OXM_OF_MPLS_TC", 3, oxm(35))
	t[MPLSBOS] = one("mpls_bos", "mpls_bos", "OXM_OF_MPLS_BOS", 1, oxm(36))
	t[MPLSTTL] = one("mpls_ttl", "mpls_ttl", "NXM_NX_MPLS_TTL", 8, nx(30))
}

func networkFields(t *[numFields]Info) {
	t[IPProto] = two("nw_proto", "nw_proto", "NXM_OF_IP_PROTO", 8, oxm(10), nxm(6))
	t[IPv4Src] = two("nw_src", "ip_src", "NXM_OF_IP_SRC", 32, oxm(11), nxm(7))
	t[IPv4Dst] = two("nw_dst", "ip_dst", "NXM_OF_IP_DST", 32, oxm(12), nxm(8))
	t[IPv6Src] = two("ipv6_src", "ipv6_src", "NXM_NX_IPV6_SRC", 128, oxm(26), nx(19))
	t[IPv6Dst] = two("ipv6_dst", "ipv6_dst", "NXM_NX_IPV6_DST", 128, oxm(27), nx(20))
	t[IPv6Label] = two("ipv6_label", "ipv6_label", "NXM_NX_IPV6_LABEL", 20, oxm(28), nx(27)).wire(4)
	t[IPTOS] = one("nw_tos", "nw_tos", "NXM_OF_IP_TOS", 8, nxm(5))
	t[IPDSCP] = one("ip_dscp", "ip_dscp", "OXM_OF_IP_DSCP", 6, oxm(8))
	t[IPECN] = two("nw_ecn", "nw_ecn", "NXM_NX_IP_ECN", 2, oxm(9), nx(28))
	t[IPTTL] = one("nw_ttl", "nw_ttl", "NXM_NX_IP_TTL", 8, nx(29))
	t[IPFrag] = one("nw_frag", "ip_frag", "NXM_NX_IP_FRAG", 2, nx(26))
	t[ARPOp] = two("arp_op", "arp_op", "NXM_OF_ARP_OP", 16, oxm(21), nxm(15))
	t[ARPSPA] = two("arp_spa", "arp_spa", "NXM_OF_ARP_SPA", 32, oxm(22), nxm(16))
	t[ARPTPA] = two("arp_tpa", "arp_tpa", "NXM_OF_ARP_TPA", 32, oxm(23), nxm(17))
	t[ARPSHA] = two("arp_sha", "arp_sha", "NXM_NX_ARP_SHA", 48, oxm(24), nx(17))
	t[ARPTHA] = two("arp_tha", "arp_tha", "NXM_NX_ARP_THA", 48, oxm(25), nx(18))
}

func transportFields(t *[numFields]Info) {
	t[ICMPType] = two("icmp_type", "icmp_type", "NXM_OF_ICMP_TYPE", 8, oxm(19), nxm(13))
	t[ICMPCode] = two("icmp_code", "icmp_code", "NXM_OF_ICMP_CODE", 8, oxm(20), nxm(14))
	t[ICMPv6Type] = two("icmp_type", "icmpv6_type", "NXM_NX_ICMPV6_TYPE", 8, oxm(29), nx(21))
	t[ICMPv6Code] = two("icmp_code", "icmpv6_code", "NXM_NX_ICMPV6_CODE", 8, oxm(30), nx(22))
	t[NDTarget] = two("nd_target", "nd_target", "NXM_NX_ND_TARGET", 128, oxm(31), nx(23))
	t[NDSLL] = two("nd_sll", "nd_sll", "NXM_NX_ND_SLL", 48, oxm(32), nx(24))
	t[NDTLL] = two("nd_tll", "nd_tll", "NXM_NX_ND_TLL", 48, oxm(33), nx(25))
	t[NDReserved] = one("nd_reserved", "nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED", 32, codePoint{class: ClassERICOXM, number: 1})
	t[NDOptionsType] = one("nd_options_type", "nd_options_type", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", 8, codePoint{class: ClassERICOXM, number: 2})
	t[TCPSrc] = two("tp_src", "tcp_src", "NXM_OF_TCP_SRC", 16, oxm(13), nxm(9))
	t[TCPDst] = two("tp_dst", "tcp_dst", "NXM_OF_TCP_DST", 16, oxm(14), nxm(10))
	t[TCPFlags] = two("tcp_flags", "tcp_flags", "NXM_NX_TCP_FLAGS", 12, oxm(42), nx(34))
	t[UDPSrc] = two("tp_src", "udp_src", "NXM_OF_UDP_SRC", 16, oxm(15), nxm(11))
	t[UDPDst] = two("tp_dst", "udp_dst", "NXM_OF_UDP_DST", 16, oxm(16), nxm(12))
	t[SCTPSrc] = one("tp_src", "sctp_src", "OXM_OF_SCTP_SRC", 16, oxm(17))
	t[SCTPDst] = one("tp_dst", "sctp_dst", "OXM_OF_SCTP_DST", 16, oxm(18))
}

// fieldOXM finds fields by code point.
var fieldOXM = func() map[codePoint]Field {
	m := map[codePoint]Field{
		{ClassExperimenter, 42, ExperimenterONF}: TCPFlags,
		{ClassExperimenter, 43, ExperimenterONF}: ActsetOutput,
	}
	for f := PktMark; f < numFields; f++ {
		i := fieldTable[f]
		m[codePoint{i.Class, i.Number, i.Experimenter}] = f
		m[codePoint{class: i.NXMClass, number: i.NXMNumber}] = f
	}
	return m
}()

// oxmNames are the standard's names of fields that also have an NXM name. (For
// the others NXMName is this name already.)
var oxmNames = map[string]Field{
	"OXM_OF_TUNNEL_ID": TunID, "OXM_OF_ETH_TYPE": EthType, "OXM_OF_ETH_SRC": EthSrc, "OXM_OF_ETH_DST": EthDst,
	"OXM_OF_IP_PROTO": IPProto, "OXM_OF_IPV4_SRC": IPv4Src, "OXM_OF_IPV4_DST": IPv4Dst, "OXM_OF_IPV6_SRC": IPv6Src,
	"OXM_OF_IPV6_DST": IPv6Dst, "OXM_OF_IPV6_FLABEL": IPv6Label, "OXM_OF_IP_ECN": IPECN, "OXM_OF_ARP_OP": ARPOp,
	"OXM_OF_ARP_SPA": ARPSPA, "OXM_OF_ARP_TPA": ARPTPA, "OXM_OF_ARP_SHA": ARPSHA, "OXM_OF_ARP_THA": ARPTHA,
	"OXM_OF_ICMPV4_TYPE": ICMPType, "OXM_OF_ICMPV4_CODE": ICMPCode, "OXM_OF_ICMPV6_TYPE": ICMPv6Type, "OXM_OF_ICMPV6_CODE": ICMPv6Code,
	"OXM_OF_IPV6_ND_TARGET": NDTarget, "OXM_OF_IPV6_ND_SLL": NDSLL, "OXM_OF_IPV6_ND_TLL": NDTLL, "OXM_OF_TCP_SRC": TCPSrc,
	"OXM_OF_TCP_DST": TCPDst, "OXM_OF_UDP_SRC": UDPSrc, "OXM_OF_UDP_DST": UDPDst, "OXM_OF_TCP_FLAGS": TCPFlags,
	"ONFOXM_ET_TCP_FLAGS": TCPFlags, "OXM_OF_ACTSET_OUTPUT": ActsetOutput, "NXM_NX_ICMP_TYPE": ICMPType,
}

// fieldAliases are further names that ovs-ofctl accepts.
var fieldAliases = map[string]Field{
	"tunnel_id": TunID, "dl_vlan_pcp": VLANPCP, "ip_proto": IPProto, "ip_ecn": IPECN, "ip_dscp": IPDSCP,
	"nw_tos": IPTOS, "tp_src": TCPSrc, "tp_dst": TCPDst, "in_port": InPort, "nw_frag": IPFrag, "ip_frag": IPFrag,
	"icmpv6_type": ICMPv6Type, "icmpv6_code": ICMPv6Code,
}

// fieldNames finds fields by name; of several the first counts.
var fieldNames = func() map[string]Field {
	m := map[string]Field{}
	put := func(name string, f Field) {
		if _, taken := m[name]; !taken {
			m[name] = f
		}
	}
	for f := PktMark; f < numFields; f++ {
		put(fieldTable[f].Name, f)
		put(fieldTable[f].OXMName, f)
		put(fieldTable[f].NXMName, f)
		put(strings.ToLower(fieldTable[f].NXMName), f)
	}
	for _, more := range []map[string]Field{oxmNames, fieldAliases} {
		for name, f := range more {
			put(name, f)
			put(strings.ToLower(name), f)
		}
	}
	return m
}()
