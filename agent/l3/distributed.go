package l3

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/shaping"
	"github.com/lepton-sdn/lepton/model"
)

// This file: distributed routers. A host with guests on one of the router's
// networks has a replica of the router: the same interfaces with the same MACs
// and addresses, made by the same functions as a router on one host. What
// differs is how packets go out:
//
//   - to and from a floating address that is translated here, by a link of its
//     own on the external network, which has the MAC of the address's port;
//   - all others by the router's home, which is a router like any other. The next
//     hop is its stand-in on the network that the packet came from.
//
// The main table has what is between the subnets, and is asked first. The ways
// out are in tables of their own, which policy rules choose.

// Priorities of the policy rules, after the main table's 32766.
const (
	ruleLent = 33000 // by a floating address
	ruleHome = 34000 // by the router's home
	ruleSelf = 35000 // what the replica says itself: that a packet is too big
)

// homeHop is the next hop to a router's home in IPv4. It stands for a MAC only;
// in IPv6 the stand-in's link-local address does.
var homeHop = netip.AddrFrom4([4]byte{169, 254, 0, 1})

// ownerDistributed is the device owner of a distributed router's interfaces,
// ownerFloating that of the ports that keep floating addresses.
const (
	ownerDistributed = "network:router_interface_distributed"
	ownerFloating    = "network:floatingip"
)

// isInterface reports whether a port of a router leads to one of its subnets.
func isInterface(p *model.Port) bool {
	return p.DeviceOwner == ownerInterface || p.DeviceOwner == ownerDistributed
}

// replica reports whether this host has a distributed router without being its
// home.
func (v *View) replica(r *model.Router) bool {
	b := v.Bindings[r.ID]
	return r.Distributed && (b == nil || !b.On(v.Host))
}

// translates reports whether this host translates the floating address of a
// router that it has.
func (v *View) translates(f *model.FloatingIP, replica bool) bool {
	return f.Host == v.Host && replica || f.Host == "" && !replica
}

// lend adds the links of floating addresses that are translated on a replica.
func (v *View) lend(in *Input) {
	if !in.Replica || in.Gateway == nil {
		return
	}
	for _, f := range in.FloatingIPs {
		p := v.Ports[f.FloatingPortID]
		if p != nil && v.Networks[p.NetworkID] != nil && f.FixedIP.IsValid() {
			in.Lent = append(in.Lent, Lent{FloatingIP: f, Interface: v.face(p)})
		}
	}
}

// Lent is a floating address with a link of its own.
type Lent struct {
	Interface
	FloatingIP *model.FloatingIP
}

func (l Lent) link() string { return linkName(externalPrefix, l.Port.ID) }

// tables gives the numbers of routing tables to the objects that need one. A
// number follows from the id, so that it stays when others come and go.
type tables map[int]bool

func (t tables) of(id string) int {
	n := 0
	_, _ = fmt.Sscanf(id, "%7x", &n)
	// The first 256 are the kernel's and iproute2's.
	for n = max(n, 1000); t[n]; n++ {
	}
	t[n] = true
	return n
}

// leave adds the ways out of a replica.
func (n *Namespace) leave(in Input) {
	if !in.Replica || in.Gateway == nil {
		return
	}
	numbers := tables{}
	for _, i := range in.Interfaces {
		n.leaveByHome(i, numbers.of(i.Port.ID))
	}
	for k, l := range in.Lent {
		table := numbers.of(l.Port.ID)
		n.leaveBy(l, in.Router.Routes, table)
		if k == 0 {
			all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			n.Links.Rules = append(n.Links.Rules, links.Rule{Priority: ruleSelf, From: all, Table: table})
		}
	}
	slices.SortFunc(n.Links.Rules, links.Rule.Compare)
	slices.SortFunc(n.Links.Routes, links.Route.Compare)
}

// leaveByHome sends what comes in by an interface, and does not stay between the
// subnets, to the router's home.
func (n *Namespace) leaveByHome(i Interface, table int) {
	if i.Port.Host == "" {
		return // the router has no home
	}
	link := linkName(internalPrefix, i.Port.ID)
	home := model.PortMAC(i.Port.Host, i.Port.MAC)
	for _, v6 := range []bool{false, true} {
		if _, ok := i.first(v6); !ok {
			continue
		}
		hop := homeHop
		if v6 {
			hop = home.LinkLocal()
		}
		all := netip.PrefixFrom(unspecified(hop), 0)
		n.Links.Neighbours = append(n.Links.Neighbours, links.Neighbour{Link: link, IP: hop, MAC: net.HardwareAddr(home[:])})
		n.Links.Routes = append(n.Links.Routes, links.Route{Table: table, Dst: all, NextHops: []links.NextHop{{Via: hop, Link: link, OnLink: true}}})
		n.Links.Rules = append(n.Links.Rules, links.Rule{Priority: ruleHome, From: all, In: link, Table: table})
	}
}

// leaveBy sends what comes from the address behind a floating one out by that
// one's link.
func (n *Namespace) leaveBy(l Lent, routes []model.HostRoute, table int) {
	add := func(dst netip.Prefix, via netip.Addr) {
		hop := links.NextHop{Via: via, Link: l.link(), OnLink: via.IsValid()}
		n.Links.Routes = append(n.Links.Routes, links.Route{Table: table, Dst: dst.Masked(), NextHops: []links.NextHop{hop}})
	}
	var outside []netip.Prefix
	for _, a := range l.Addresses {
		if a.IP != l.FloatingIP.FloatingIP {
			continue
		}
		if gw := a.Subnet.Gateway; gw.IsValid() {
			add(netip.PrefixFrom(unspecified(gw), 0), gw)
		}
		outside = append(outside, a.Subnet.CIDR)
	}
	for _, s := range l.Others {
		if s.CIDR.Addr().Is4() {
			outside = append(outside, s.CIDR)
		}
	}
	for _, cidr := range outside {
		add(cidr, netip.Addr{})
	}
	for dst, hops := range routesBy(routes) {
		via := hops[0] // more than one cannot be told apart by a link of one address
		if slices.ContainsFunc(outside, func(p netip.Prefix) bool { return p.Contains(via) }) {
			add(dst, via)
		}
	}
	fixed := l.FloatingIP.FixedIP
	n.Links.Rules = append(n.Links.Rules, links.Rule{Priority: ruleLent, From: netip.PrefixFrom(fixed, fixed.BitLen()), Table: table})
}

// routesBy gives the next hops of each destination, lowest first.
func routesBy(routes []model.HostRoute) map[netip.Prefix][]netip.Addr {
	out := map[netip.Prefix][]netip.Addr{}
	for _, r := range routes {
		dst := r.Destination.Masked()
		out[dst] = append(out[dst], r.NextHop)
	}
	for _, hops := range out {
		slices.SortFunc(hops, netip.Addr.Compare)
	}
	return out
}

// lentLimits are the limits of floating addresses on their own links.
func lentLimits(in Input) []shaping.Link {
	var out []shaping.Link
	for _, l := range in.Lent {
		one := in
		one.FloatingIPs = []*model.FloatingIP{l.FloatingIP}
		out = append(out, shaping.Link{
			Name: l.link(), Ifb: linkName(ifbPrefix, l.Port.ID), Owner: "lepton limits of router " + in.Router.ID,
			Out: one.direction(egress), In: one.direction(ingress),
		})
	}
	return out
}

// noRedirects keeps a replica from telling guests of the next hop to its home:
// it is on the network that they are on, but theirs to use it is not.
func (b *builder) noRedirects(t *iptables.Table) {
	if !b.in.Replica {
		return
	}
	t.Hook("OUTPUT", wrapped+"OUTPUT")
	rule := "-p icmp -m icmp --icmp-type 5 -j DROP"
	if b.v6 {
		rule = "-p ipv6-icmp -m icmp6 --icmpv6-type 137 -j DROP"
	}
	t.Add(wrapped+"OUTPUT", rule)
}
