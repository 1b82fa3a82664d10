package plugin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// IP protocol numbers that the rules of a protocol depend on.
const (
	protoICMP   = model.ProtoICMP
	protoTCP    = model.ProtoTCP
	protoUDP    = model.ProtoUDP
	protoDCCP   = model.ProtoDCCP
	protoICMPv6 = model.ProtoICMPv6
	protoSCTP   = model.ProtoSCTP
	protoUDPLit = model.ProtoUDPLite
)

const nameICMPv6 = "ipv6-icmp"

// protocolNumber gives the number of a protocol that a rule names, or false for
// any protocol.
func protocolNumber(name string) (int, bool) { return model.ProtocolNumber(name) }

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
