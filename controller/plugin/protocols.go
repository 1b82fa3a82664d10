package plugin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// IP protocol numbers (IANA, "Assigned Internet Protocol Numbers").
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoDCCP   = 33
	protoICMPv6 = 58
	protoSCTP   = 132
	protoUDPLit = 136
)

const nameICMPv6 = "ipv6-icmp"

// protocolNumber gives the number of a protocol that a rule names, or "" and
// false for any protocol.
func protocolNumber(name string) (int, bool) {
	switch name {
	case "hopopt":
		return 0, true
	case "icmp":
		return protoICMP, true
	case "igmp":
		return 2, true
	case "ipip":
		return 4, true
	case "tcp":
		return protoTCP, true
	case "egp":
		return 8, true
	case "udp":
		return protoUDP, true
	case "dccp":
		return protoDCCP, true
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
	case nameICMPv6, "icmpv6":
		return protoICMPv6, true
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
		return protoSCTP, true
	case "udplite":
		return protoUDPLit, true
	}
	n, err := strconv.ParseUint(name, 10, 8)
	return int(n), err == nil
}

// onlyIPv6 are the protocols that an IPv4 rule cannot have, by number: tunnels,
// ICMP and extension headers of IPv6 (RFC 8200).
func onlyIPv6(number int) bool {
	return slices.Contains([]int{41, 43, 44, protoICMPv6, 59, 60}, number)
}

// settleProtocol checks a rule's protocol and keeps it as a lower-case name or
// a number, as it was given. ICMP of an IPv6 rule is ICMPv6.
func settleProtocol(rule *model.SecurityGroupRule) error {
	name := strings.ToLower(rule.Protocol)
	if name == "" || name == "any" {
		rule.Protocol = ""
		return nil
	}
	n, ok := protocolNumber(name)
	if !ok {
		return BadRequest("SecurityGroupRuleInvalidProtocol",
			"Security group rule protocol %s not supported. Only protocol names and integer representations [0 to 255] are supported.", rule.Protocol)
	}
	if rule.EtherType == etherIPv4 && onlyIPv6(n) {
		return BadRequest("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype %s for protocol %s.", rule.EtherType, rule.Protocol)
	}
	if rule.EtherType == etherIPv6 && (n == protoICMP || name == "icmpv6") {
		name = nameICMPv6
		if rule.Protocol == strconv.Itoa(protoICMP) {
			name = strconv.Itoa(protoICMPv6)
		}
	}
	rule.Protocol = name
	return nil
}

const maxPort = 65535

// settlePorts checks a rule's ports, which are type and code for ICMP. The
// whole range of ports is the same as none.
func settlePorts(rule *model.SecurityGroupRule) error {
	from, to := rule.PortRangeMin, rule.PortRangeMax
	if from == nil && to == nil {
		return nil
	}
	n, ok := protocolNumber(rule.Protocol)
	if !ok {
		return BadRequest("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	}
	switch n {
	case protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLit:
		return settlePortRange(rule)
	case protoICMP, protoICMPv6:
		return checkICMP(from, to)
	}
	return BadRequest("SecurityGroupInvalidProtocolForPort",
		"Invalid protocol %s for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.", rule.Protocol)
}

func settlePortRange(rule *model.SecurityGroupRule) error {
	from, to := rule.PortRangeMin, rule.PortRangeMax
	for _, port := range []*int{from, to} {
		if port != nil && (*port < 1 || *port > maxPort) {
			return BadRequest("SecurityGroupInvalidPortValue", "Invalid value for port %d.", *port)
		}
	}
	if from == nil || to == nil || *from > *to {
		return BadRequest("SecurityGroupInvalidPortRange",
			"For TCP/UDP protocols, port_range_min must be <= port_range_max.")
	}
	if *from == 1 && *to == maxPort {
		rule.PortRangeMin, rule.PortRangeMax = nil, nil
	}
	return nil
}

func checkICMP(kind, code *int) error {
	if kind == nil {
		return BadRequest("SecurityGroupMissingIcmpType", "ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *code)
	}
	for _, v := range []struct {
		field, attribute string
		value            *int
	}{{"port_range_min", "type", kind}, {"port_range_max", "code", code}} {
		if v.value != nil && (*v.value < 0 || *v.value > 255) {
			return BadRequest("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.", v.attribute, v.field, *v.value)
		}
	}
	return nil
}
