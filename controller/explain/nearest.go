package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// This file: the rule that comes closest to admitting a packet.

// difference is what a rule would have to have otherwise.
type difference struct{ field, text string }

// nearest compares the rules of the port's groups of one direction with the
// packet, and gives the one that differs in the least. Of several it is the one
// with the lowest id.
func (w *walk) nearest(d *Decision) *Nearest {
	p, ok := records.Ports.Get(w.r, d.port)
	if !ok {
		return nil
	}
	remote := d.packet.dst
	if d.side == "ingress" {
		remote = d.packet.src
	}
	var best *model.SecurityGroupRule
	var least []difference
	for _, id := range slices.Sorted(slices.Values(p.SecurityGroups)) {
		for rule := range records.RulesByGroup.Get(w.r, id) {
			if rule.Direction != d.side {
				continue
			}
			differs := w.compare(rule, d.packet, remote)
			if best == nil || weight(differs) < weight(least) || weight(differs) == weight(least) && rule.ID < best.ID {
				best, least = rule, differs
			}
		}
	}
	if best == nil {
		return nil
	}
	n := &Nearest{Rule: *w.object(kindRule, best.ID), Differs: []string{}}
	var texts []string
	for _, x := range least {
		n.Differs = append(n.Differs, x.field)
		texts = append(texts, x.text)
	}
	if n.Text = strings.Join(texts, "; "); len(least) == 0 {
		n.Text = "it matches, but the host cannot realise it"
	}
	return n
}

// weight orders sets of differences: a wrong port is a smaller one than a wrong
// protocol, and that than another IP version.
func weight(list []difference) int {
	sum := 0
	for _, d := range list {
		switch d.field {
		case "ethertype":
			sum += 40
		case "protocol":
			sum += 20
		case "port_range":
			sum += 11
		default:
			sum += 10
		}
	}
	return sum
}

// compare gives what keeps the rule from admitting the packet.
func (w *walk) compare(r *model.SecurityGroupRule, h head, remote netip.Addr) []difference {
	var out []difference
	differ := func(field, format string, args ...any) {
		out = append(out, difference{field, fmt.Sprintf(format, args...)})
	}
	version := "IPv4"
	if h.v6() {
		version = "IPv6"
	}
	if r.EtherType != version {
		differ("ethertype", "it is for %s, not %s", r.EtherType, version)
	}
	if !sameProtocol(r, h) {
		differ("protocol", "its protocol is %s, not %s", r.Protocol, h.protocol())
	} else if text := wrongPorts(r, h); text != "" {
		differ("port_range", "%s", text)
	}
	switch {
	case r.NormalizedCIDR.IsValid() && !r.NormalizedCIDR.Contains(remote):
		differ("remote_ip_prefix", "%s is not in %s", remote, r.NormalizedCIDR)
	case r.RemoteGroupID != "" && !w.member(r.RemoteGroupID, remote):
		differ("remote_group_id", "%s is no address of a port in security group %s", remote, r.RemoteGroupID)
	case r.RemoteAddressGroupID != "" && !w.inAddressGroup(r.RemoteAddressGroupID, remote):
		differ("remote_address_group_id", "%s is not in address group %s", remote, r.RemoteAddressGroupID)
	}
	return out
}

func sameProtocol(r *model.SecurityGroupRule, h head) bool {
	if r.Protocol == "" {
		return true
	}
	n, ok := model.ProtocolNumber(r.Protocol)
	if n == model.ProtoICMP && r.EtherType == "IPv6" {
		n = model.ProtoICMPv6
	}
	if h.icmp() && (n == model.ProtoICMP || n == model.ProtoICMPv6) {
		return true // the ethertype tells them apart
	}
	return ok && n == int(h.proto)
}

// wrongPorts says which port, or type of ICMP, the rule does not have.
func wrongPorts(r *model.SecurityGroupRule, h head) string {
	from, to := r.PortRangeMin, r.PortRangeMax
	switch {
	case r.Protocol == "" || from == nil && to == nil:
		return ""
	case h.icmp() && from != nil && *from != int(h.icmpType()):
		return fmt.Sprintf("its ICMP type is %d, not %d", *from, h.icmpType())
	case h.icmp() && to != nil && *to != 0:
		return fmt.Sprintf("its ICMP code is %d, not 0", *to)
	case h.icmp():
		return ""
	case from == nil || to == nil || int(h.dport) < *from || int(h.dport) > *to:
		return fmt.Sprintf("its ports are %s, not %d", portRange(from, to), h.dport)
	}
	return ""
}

func portRange(from, to *int) string {
	if from == nil || to == nil {
		return "an open range"
	}
	if *from == *to {
		return fmt.Sprint(*from)
	}
	return fmt.Sprintf("%d to %d", *from, *to)
}

// member reports whether a port of the group has the address.
func (w *walk) member(group string, ip netip.Addr) bool {
	for p := range records.PortsByIP.Get(w.r, records.AddressKey(ip)) {
		if slices.Contains(p.SecurityGroups, group) {
			return true
		}
	}
	for p := range records.PortsBySecurityGroup.Get(w.r, group) {
		if slices.ContainsFunc(p.AllowedAddressPairs, func(a model.AddressPair) bool { return a.IP.Bits() > 0 && a.IP.Contains(ip) }) {
			return true
		}
	}
	return false
}

func (w *walk) inAddressGroup(id string, ip netip.Addr) bool {
	g, ok := records.AddressGroups.Get(w.r, id)
	return ok && slices.ContainsFunc(g.Addresses, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// advice is a command that makes a rule which admits the packet.
func (w *walk) advice(d *Decision) string {
	p, ok := records.Ports.Get(w.r, d.port)
	if !ok {
		return ""
	}
	remote := d.packet.dst
	if d.side == "ingress" {
		remote = d.packet.src
	}
	version := "IPv4"
	if d.packet.v6() {
		version = "IPv6"
	}
	protocol := d.packet.protocol()
	if d.packet.icmp() && d.packet.v6() {
		protocol = "ipv6-icmp"
	}
	line := fmt.Sprintf("openstack security group rule create --%s --ethertype %s --protocol %s", d.side, version, protocol)
	if d.packet.hasPorts() {
		line += fmt.Sprintf(" --dst-port %d", d.packet.dport)
	}
	line += " --remote-ip " + netip.PrefixFrom(remote, remote.BitLen()).String()
	if len(p.SecurityGroups) == 0 {
		return "first give the port a group: openstack port set --security-group GROUP " + p.ID + "; then " + line + " GROUP"
	}
	return line + " " + p.SecurityGroups[0]
}
