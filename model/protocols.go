package model

import "strconv"

// IP protocol numbers that have a meaning of their own in rules (IANA,
// "Assigned Internet Protocol Numbers").
const (
	ProtoICMP    = 1
	ProtoTCP     = 6
	ProtoUDP     = 17
	ProtoDCCP    = 33
	ProtoICMPv6  = 58
	ProtoSCTP    = 132
	ProtoUDPLite = 136
)

// ProtocolNumber gives the number, 0 to 255, of a protocol as a security group
// rule names it: by one of Neutron's names, in lower case, or by the number.
// Anything else, "" included, is false.
func ProtocolNumber(name string) (int, bool) {
	if n, ok := namedProtocol(name); ok {
		return n, true
	}
	n, err := strconv.ParseUint(name, 10, 8)
	return int(n), err == nil
}

func namedProtocol(name string) (int, bool) {
	switch name {
	case "hopopt":
		return 0, true
	case "icmp":
		return ProtoICMP, true
	case "igmp":
		return 2, true
	case "ipip":
		return 4, true
	case "tcp":
		return ProtoTCP, true
	case "egp":
		return 8, true
	case "udp":
		return ProtoUDP, true
	case "dccp":
		return ProtoDCCP, true
	case "ipv6-encap":
		return 41, true
	case "ipv6-route":
		return 43, true
	case "ipv6-frag":
		return 44, true
	case "rsvp":
		return 46, true
	case "gre":
		return 47, true
	case "esp":
		return 50, true
	case "ah":
		return 51, true
	case "ipv6-icmp", "icmpv6":
		return ProtoICMPv6, true
	case "ipv6-nonxt":
		return 59, true
	case "ipv6-opts":
		return 60, true
	case "ospf":
		return 89, true
	case "vrrp":
		return 112, true
	case "pgm":
		return 113, true
	case "sctp":
		return ProtoSCTP, true
	case "udplite":
		return ProtoUDPLite, true
	}
	return 0, false
}
