package pipeline

import (
	"net/netip"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// family holds what differs between IPv4 and IPv6, so that every feature is
// written once.
type family struct {
	etherType uint64
	source    flows.Field
	// claim matches a statement of "I have an address of prefix p", sent by mac.
	claim func(mac model.MAC, p netip.Prefix) []flows.FieldMatch
	// question matches "who has address a?".
	question func(a netip.Addr) []flows.FieldMatch
}

var ipv4 = &family{
	etherType: etherTypeIPv4, source: flows.IPv4Src,
	claim: func(mac model.MAC, p netip.Prefix) []flows.FieldMatch {
		return []flows.FieldMatch{
			etherType(etherTypeARP),
			flows.Exact(flows.ARPSHA, macValue(mac)),
			flows.Prefix(flows.ARPSPA, p),
		}
	},
	question: func(a netip.Addr) []flows.FieldMatch {
		return []flows.FieldMatch{
			etherType(etherTypeARP),
			flows.ExactU(flows.ARPOp, arpRequest),
			flows.Addr(flows.ARPTPA, a),
		}
	},
}

var ipv6 = &family{
	etherType: etherTypeIPv6, source: flows.IPv6Src,
	claim: func(_ model.MAC, p netip.Prefix) []flows.FieldMatch {
		return icmpv6(neighborAdvertisement, flows.ExactU(flows.ICMPv6Code, 0), flows.Prefix(flows.NDTarget, p))
	},
	question: func(a netip.Addr) []flows.FieldMatch {
		return icmpv6(neighborSolicitation, flows.ExactU(flows.ICMPv6Code, 0), flows.Addr(flows.NDTarget, a))
	},
}

// familyOf gives the family of an address.
func familyOf(a netip.Addr) *family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}
