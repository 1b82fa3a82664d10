package pipeline

import (
	"net/netip"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// family holds what differs between IPv4 and IPv6, so that every feature is
// written once.
type family struct {
	name      string // as a rule's ethertype
	etherType uint64
	// source and destination are the packet's addresses, ctSource and
	// ctDestination those of the packet that began its connection.
	source, destination     flows.Field
	ctSource, ctDestination flows.Field
	icmp                    int // protocol number
	// question matches "who has address a?".
	question func(a netip.Addr) []flows.FieldMatch
}

var ipv4 = &family{
	name: "IPv4", etherType: etherTypeIPv4, icmp: model.ProtoICMP,
	source: flows.IPv4Src, destination: flows.IPv4Dst, ctSource: flows.CTNwSrc, ctDestination: flows.CTNwDst,
	question: func(a netip.Addr) []flows.FieldMatch {
		return []flows.FieldMatch{
			etherType(etherTypeARP),
			flows.ExactU(flows.ARPOp, arpRequest),
			flows.Addr(flows.ARPTPA, a),
		}
	},
}

var ipv6 = &family{
	name: "IPv6", etherType: etherTypeIPv6, icmp: model.ProtoICMPv6,
	source: flows.IPv6Src, destination: flows.IPv6Dst, ctSource: flows.CTIPv6Src, ctDestination: flows.CTIPv6Dst,
	question: func(a netip.Addr) []flows.FieldMatch {
		return icmpv6(neighborSolicitation, flows.ExactU(flows.ICMPv6Code, 0), flows.Addr(flows.NDTarget, a))
	},
}

var families = []*family{ipv4, ipv6}

// familyOf gives the family of an address.
func familyOf(a netip.Addr) *family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}
