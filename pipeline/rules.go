package pipeline

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: what one security group rule matches.

// filterRule is a security group rule as compiled.
type filterRule struct {
	id        string
	direction *direction
	family    *family
	// protocol is -1 for any.
	protocol int
	// ports are the values of the protocol's ports, or of an ICMP type; nil for
	// any. code is the ICMP code, nil for any.
	ports []masked
	code  *int
	// prefix is where the other end's address must be; invalid: anywhere.
	prefix netip.Prefix
	// remote is the group that the other end must be a member of, "" for none.
	remote string
}

// masked is a value of 16 bits of which those in mask count.
type masked struct{ value, mask uint16 }

// judge is who looks at packets for a rule: the connection tracker of a
// datapath, or the tables alone.
type judge struct{ stateful, userspace bool }

func (j judge) String() string {
	switch {
	case !j.stateful:
		return "packets of a stateless group"
	case j.userspace:
		return "connections of the userspace datapath"
	}
	return "packets"
}

// readRule reads a record, or says why a host cannot realise it. The API
// refuses most such rules; a newer controller may know more than this host.
func readRule(r *model.SecurityGroupRule, by judge) (filterRule, string) {
	f := filterRule{id: r.ID, protocol: -1, remote: cmp.Or(r.RemoteGroupID, r.RemoteAddressGroupID)}
	i := slices.IndexFunc(directions, func(d *direction) bool { return d.name == r.Direction })
	j := slices.IndexFunc(families, func(v *family) bool { return v.name == r.EtherType })
	switch {
	case i < 0:
		return f, fmt.Sprintf("has direction %q, which is neither ingress nor egress", r.Direction)
	case j < 0:
		return f, fmt.Sprintf("has ethertype %q, which is neither IPv4 nor IPv6", r.EtherType)
	}
	f.direction, f.family = directions[i], families[j]
	if p := unmapped(r.NormalizedCIDR); p.IsValid() {
		if familyOf(p.Addr()) != f.family {
			return f, fmt.Sprintf("has remote_ip_prefix %s, which is not %s", r.NormalizedCIDR, r.EtherType)
		}
		f.prefix = p.Masked()
	} else if r.RemoteIPPrefix != "" {
		return f, fmt.Sprintf("has remote_ip_prefix %q, which is no prefix", r.RemoteIPPrefix)
	}
	return f, f.readProtocol(r, by)
}

// readProtocol reads the protocol and what is asked of its ports.
func (f *filterRule) readProtocol(r *model.SecurityGroupRule, by judge) string {
	from, to := r.PortRangeMin, r.PortRangeMax
	if r.Protocol == "" {
		if from != nil || to != nil {
			return "has ports without a protocol"
		}
		return ""
	}
	n, ok := model.ProtocolNumber(r.Protocol)
	if !ok {
		return fmt.Sprintf("has the unknown protocol %q", r.Protocol)
	}
	if f.protocol = n; f.family == ipv6 && n == model.ProtoICMP {
		f.protocol = model.ProtoICMPv6
	}
	switch {
	case from == nil && to == nil:
		return ""
	case f.protocol == f.family.icmp:
		return f.readICMP(from, to)
	case from == nil || to == nil:
		return "has an open range of ports"
	case *from < 0 || *to > 0xffff || *from > *to:
		return fmt.Sprintf("has ports %d to %d, which is no range", *from, *to)
	case !f.hasPorts(by):
		return fmt.Sprintf("has ports of protocol %s, which %s cannot be told by", r.Protocol, by)
	}
	f.ports = coverRange(uint16(*from), uint16(*to))
	return ""
}

func (f *filterRule) readICMP(kind, code *int) string {
	for _, v := range []*int{kind, code} {
		if v != nil && (*v < 0 || *v > 0xff) {
			return fmt.Sprintf("has ICMP type or code %d, which is not between 0 and 255", *v)
		}
	}
	if kind == nil {
		return "has an ICMP code without type"
	}
	f.ports, f.code = []masked{{uint16(*kind), 0xffff}}, code
	return ""
}

// portFields are the protocols whose ports stand in fields of the packet.
var portFields = map[int]flows.Field{
	model.ProtoTCP: flows.TCPDst, model.ProtoUDP: flows.UDPDst, model.ProtoSCTP: flows.SCTPDst,
}

// hasPorts reports whether packets can be told apart by their destination port.
// The userspace datapath of Open vSwitch 3.1 tracks DCCP and UDP-Lite without
// their ports, and SCTP, of which the packets' own ports are asked.
func (f *filterRule) hasPorts(by judge) bool {
	if f.protocol == model.ProtoDCCP || f.protocol == model.ProtoUDPLite {
		return by.stateful && !by.userspace
	}
	return portFields[f.protocol] != 0
}

// coverRange gives the fewest masked values that are together exactly the
// numbers from first to last: always the largest aligned block that starts at
// the first number not covered yet.
func coverRange(first, last uint16) []masked {
	var list []masked
	for n := uint32(first); n <= uint32(last); {
		size := uint32(1) << min(bits.TrailingZeros32(n|1<<16), 16)
		for n+size-1 > uint32(last) {
			size >>= 1
		}
		list = append(list, masked{uint16(n), uint16(-size & 0xffff)})
		n += size
	}
	return list
}

// matches gives what the rule matches: of the connection for a stateful group,
// of the packet itself for a stateless one.
func (f *filterRule) matches(stateful bool) [][]flows.FieldMatch {
	parts := []flows.FieldMatch{etherType(f.family.etherType)}
	address, protocol := f.direction.remote(f.family), flows.IPProto
	if stateful {
		address, protocol = f.direction.ctRemote(f.family), flows.CTNwProto
		parts = append(parts, inConnection())
	}
	if f.prefix.IsValid() {
		parts = append(parts, flows.Prefix(address, f.prefix))
	}
	if f.protocol >= 0 {
		parts = append(parts, flows.ExactU(protocol, uint64(f.protocol)))
	}
	if f.ports == nil {
		return [][]flows.FieldMatch{parts}
	}
	var list [][]flows.FieldMatch
	port, code := f.portField(stateful)
	for _, p := range f.ports {
		m := append(slices.Clone(parts), p.in(port))
		if f.code != nil {
			m = append(m, flows.ExactU(code, uint64(*f.code)))
		}
		list = append(list, m)
		if stateful && f.protocol == model.ProtoSCTP {
			list = append(list, f.bySCTPHeader(parts, p)...)
		}
	}
	if stateful {
		list = append(list, append(slices.Clone(parts), flows.ExactU(flows.IPFrag, laterFragment)))
	}
	return list
}

// laterFragment is the value of nw_frag for fragments without a transport
// header. The connection tracker lets fragments go on when it has all of them.
// The kernel's has put them together then; the userspace datapath judges each,
// and of the later ones Open vSwitch 3.1 does not know the ports. They are
// admitted by the rest of the rule: without the first fragment, which is judged
// by its ports, they are of no use. Rules that differ in ports share the flow.
const laterFragment = 3

// bySCTPHeader tells an SCTP connection by the ports of the packet: the
// connection tracker of the userspace datapath does not know them (Open vSwitch
// 3.1). In replies the port is the sender's.
func (f *filterRule) bySCTPHeader(parts []flows.FieldMatch, p masked) [][]flows.FieldMatch {
	header := func(state, port flows.FieldMatch) []flows.FieldMatch {
		m := slices.DeleteFunc(slices.Clone(parts), func(p flows.FieldMatch) bool {
			return p.Field == flows.CTState || p.Field == flows.CTNwProto
		})
		return append(m, state, ipProto(model.ProtoSCTP), port)
	}
	const judged = flows.CTTracked | flows.CTReply | flows.CTInvalid | flows.CTRelated
	return [][]flows.FieldMatch{
		header(flows.MaskedU(flows.CTState, flows.CTTracked, judged), p.in(flows.SCTPDst)),
		header(flows.MaskedU(flows.CTState, flows.CTTracked|flows.CTReply, judged), p.in(flows.SCTPSrc)),
	}
}

// in matches a field of a port, or of an ICMP type.
func (p masked) in(port flows.Field) flows.FieldMatch {
	return flows.MaskedU(port, uint64(p.value), uint64(p.mask)&port.Full().Lo)
}

// portField gives the fields of the destination port and of the ICMP code. For
// the connection tracker an ICMP type is a source port and a code a destination
// port.
func (f *filterRule) portField(stateful bool) (port, code flows.Field) {
	switch isICMP := f.protocol == f.family.icmp; {
	case stateful && isICMP:
		return flows.CTTpSrc, flows.CTTpDst
	case stateful:
		return flows.CTTpDst, flows.NoField
	case isICMP && f.family == ipv4:
		return flows.ICMPType, flows.ICMPCode
	case isICMP:
		return flows.ICMPv6Type, flows.ICMPv6Code
	}
	return portFields[f.protocol], flows.NoField
}

// inConnection matches packets that the connection tracker has put to a
// connection, new ones included.
func inConnection() flows.FieldMatch { return ctState(flows.CTTracked, flows.CTInvalid) }
