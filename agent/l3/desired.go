package l3

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/shaping"
	"github.com/lepton-sdn/lepton/model"
)

// Names of links: the first eleven characters of the port's id follow.
const (
	internalPrefix = "qr-"
	externalPrefix = "qg-"
)

// metadataV6 is the metadata service's IPv6 address, for neighbour discovery on
// each link where guests are.
var metadataV6 = netip.MustParsePrefix("fe80::a9fe:a9fe/64")

// linkName is how a router's port is called.
func linkName(prefix, port string) string { return prefix + port[:min(11, len(port))] }

// Namespace describes all of a router on one host.
type Namespace struct {
	RouterID string
	// Revision is the router record's, and Floating are the floating addresses
	// and theirs: what of the records is realised with this.
	Revision int64
	Floating []Realised
	// Ports are the ports on br-int, in the order of their names.
	Ports   []Port
	Links   links.Config
	Sysctls map[string]string
	V4, V6  iptables.Ruleset
	// Limits are those of the gateway's link; empty without a gateway.
	Limits []shaping.Link
	// RADVD is radvd.conf(5); "" when nothing is to be advertised.
	RADVD string
	NAT   NAT
	// HA is set for an ha router.
	HA *HAState
	// Problems are what of the records cannot be realised, one sentence each.
	Problems []string
}

// Realised is an object that a Namespace is made from.
type Realised struct {
	ID       string
	Revision int64
}

// same reports whether both describe the same, of whatever revision.
func (n Namespace) same(o *Namespace) bool {
	n.Revision, n.Floating = o.Revision, o.Floating
	return reflect.DeepEqual(n, *o)
}

// Port is a router's port on br-int.
type Port struct {
	ID, Name string
	MAC      model.MAC
	MTU      int
}

// NAT is what is translated, as far as it tells which tracked connections may
// stay.
type NAT struct {
	// Static is floating address → fixed address.
	Static map[netip.Addr]netip.Addr
	// Forwarded is floating address → the forwardings of its ports.
	Forwarded map[netip.Addr][]*model.PortForwarding
	// External are the gateway's own addresses, Networks the subnets out there.
	External []netip.Addr
	Networks []netip.Prefix
	// Inside are the router's own subnets, on a replica: what a guest with a
	// floating address has beyond them is translated here, or goes elsewhere.
	Inside []netip.Prefix
}

// Desired describes the router. It does no I/O, and the order of what it gives
// depends on nothing but the records.
func Desired(in Input) Namespace {
	n := Namespace{RouterID: in.Router.ID, Revision: in.Router.Revision}
	for _, f := range in.FloatingIPs {
		n.Floating = append(n.Floating, Realised{f.ID, f.Revision})
	}
	n.addLinks(in)
	n.addRoutes(in)
	n.leave(in)
	n.Sysctls = sysctls(in)
	n.RADVD = radvd(in)
	n.NAT = nat(in)
	n.V4 = ruleset(in, iptables.IPv4)
	n.V6 = ruleset(in, iptables.IPv6)
	n.Limits = limits(in)
	n.addHA(in)
	return n
}

// faces gives all ports of the router with their links' names, the gateway
// first.
func (in Input) faces() []face {
	var out []face
	if in.Gateway != nil && !in.Replica {
		out = append(out, face{Interface: *in.Gateway, link: linkName(externalPrefix, in.Gateway.Port.ID), external: true})
	}
	for _, l := range in.Lent {
		out = append(out, face{Interface: l.Interface, link: l.link(), external: true, lent: true})
	}
	for _, i := range in.Interfaces {
		out = append(out, face{Interface: i, link: linkName(internalPrefix, i.Port.ID)})
	}
	slices.SortStableFunc(out, func(a, b face) int { return cmp.Compare(a.link, b.link) })
	return out
}

type face struct {
	Interface
	link     string
	external bool
	lent     bool // of one floating address
}

// first gives the port's first address of a family.
func (f Interface) first(v6 bool) (Address, bool) {
	for _, a := range f.Addresses {
		if a.IP.Is6() == v6 {
			return a, true
		}
	}
	return Address{}, false
}

// asked are the links at which guests ask for metadata over IPv6, one for each
// network: with two, guests would hear of two MACs for one address, and change
// from one to the other within a connection.
func (in Input) asked() map[string]bool {
	chosen := map[string]face{}
	for _, f := range in.faces() {
		if f.external {
			continue
		}
		before, is := chosen[f.Network.ID]
		_, had := before.first(true)
		if _, has := f.first(true); !is || has && !had {
			chosen[f.Network.ID] = f
		}
	}
	out := map[string]bool{}
	for _, f := range chosen {
		out[f.link] = true
	}
	return out
}

func (n *Namespace) addLinks(in Input) {
	asked := in.asked()
	for _, f := range in.faces() {
		n.Ports = append(n.Ports, Port{ID: f.Port.ID, Name: f.link, MAC: f.Port.MAC, MTU: f.Network.MTU})
		l := links.Link{Name: f.link, MAC: net.HardwareAddr(f.Port.MAC[:]), MTU: f.Network.MTU}
		for _, a := range f.Addresses {
			if f.lent {
				l.Addresses = append(l.Addresses, netip.PrefixFrom(a.IP, a.IP.BitLen()))
				continue
			}
			l.Addresses = append(l.Addresses, a.Prefix())
		}
		if asked[f.link] {
			// The rules redirect what guests send there.
			l.Addresses = append(l.Addresses, metadataV6)
		}
		if f.external && !f.lent {
			for _, fip := range in.FloatingIPs {
				l.Addresses = append(l.Addresses, netip.PrefixFrom(fip.FloatingIP, fip.FloatingIP.BitLen()))
			}
		}
		n.Links.Links = append(n.Links.Links, l)
	}
}

// addRoutes adds the way out, the subnets beside the gateway's, and the
// router's own routes.
func (n *Namespace) addRoutes(in Input) {
	routes := map[netip.Prefix][]links.NextHop{}
	if g := in.Gateway; g != nil && !in.Replica {
		link := linkName(externalPrefix, g.Port.ID)
		for _, a := range g.Addresses {
			if gw := a.Subnet.Gateway; gw.IsValid() && gw != a.IP {
				dst := netip.PrefixFrom(unspecified(gw), 0)
				if len(routes[dst]) == 0 {
					on := !a.Subnet.CIDR.Contains(gw) && !gw.IsLinkLocalUnicast()
					routes[dst] = []links.NextHop{{Via: gw, Link: link, OnLink: on}}
				}
			}
		}
		for _, s := range g.Others {
			routes[s.CIDR.Masked()] = []links.NextHop{{Link: link}}
		}
	}
	own := map[netip.Prefix][]links.NextHop{}
	for _, r := range in.Router.Routes {
		link, ok := in.linkTo(r.NextHop)
		if !ok && in.Replica {
			continue // its home knows the way, or says that there is none
		}
		if !ok {
			n.Problems = append(n.Problems, fmt.Sprintf("route to %s: next hop %s is on no subnet of the router", r.Destination, r.NextHop))
			continue
		}
		dst := r.Destination.Masked()
		hop := links.NextHop{Via: r.NextHop, Link: link}
		if !slices.Contains(own[dst], hop) {
			own[dst] = append(own[dst], hop)
		}
	}
	maps.Copy(routes, own)
	for dst, hops := range routes {
		slices.SortFunc(hops, func(a, b links.NextHop) int { return cmp.Or(a.Via.Compare(b.Via), cmp.Compare(a.Link, b.Link)) })
		n.Links.Routes = append(n.Links.Routes, links.Route{Dst: dst, NextHops: hops})
	}
	slices.SortFunc(n.Links.Routes, links.Route.Compare)
}

// linkTo finds the link on whose subnet the address is.
func (in Input) linkTo(ip netip.Addr) (string, bool) {
	for _, f := range in.faces() {
		for _, a := range f.Addresses {
			if a.Subnet.CIDR.Contains(ip) && !f.lent {
				return f.link, true
			}
		}
	}
	if in.Gateway != nil && !in.Replica && slices.ContainsFunc(in.Gateway.Others, func(s *model.Subnet) bool { return s.CIDR.Contains(ip) }) {
		return linkName(externalPrefix, in.Gateway.Port.ID), true
	}
	return "", false
}

func unspecified(of netip.Addr) netip.Addr {
	if of.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// sysctls make the namespace a router.
func sysctls(in Input) map[string]string {
	s := map[string]string{
		"net.ipv4.ip_forward":          "1",
		"net.ipv6.conf.all.forwarding": "1",
		// A router answers for an address only where it has it.
		"net.ipv4.conf.all.arp_ignore":   "1",
		"net.ipv4.conf.all.arp_announce": "2",
		// Routes may be asymmetric; what may come from where is checked on br-int.
		"net.ipv4.conf.all.rp_filter":     "0",
		"net.ipv4.conf.default.rp_filter": "0",
		// An address that takes another's place in its subnet stays when that goes.
		"net.ipv4.conf.all.promote_secondaries":     "1",
		"net.ipv4.conf.default.promote_secondaries": "1",
		// The controller gives addresses out once.
		"net.ipv6.conf.all.accept_dad":     "0",
		"net.ipv6.conf.default.accept_dad": "0",
		"net.ipv6.conf.default.accept_ra":  "0",
	}
	for _, f := range in.faces() {
		value := "0"
		if a, ok := f.first(true); f.external && ok && !a.Subnet.Gateway.IsValid() {
			value = "2" // the way out is what routers there advertise
		}
		s["net.ipv6.conf."+f.link+".accept_ra"] = value
		if f.lent {
			// Its port may not be wired yet when the first packet leaves.
			s["net.ipv4.neigh."+f.link+".retrans_time_ms"] = "100"
			s["net.ipv4.neigh."+f.link+".mcast_solicit"] = "20"
		}
	}
	return s
}

func nat(in Input) NAT {
	n := NAT{Static: map[netip.Addr]netip.Addr{}, Forwarded: map[netip.Addr][]*model.PortForwarding{}}
	if in.Gateway == nil {
		return n
	}
	for _, a := range in.Gateway.Addresses {
		n.External = append(n.External, a.IP)
		n.Networks = append(n.Networks, a.Subnet.CIDR)
	}
	for _, s := range in.Gateway.Others {
		n.Networks = append(n.Networks, s.CIDR)
	}
	if in.Replica {
		for _, i := range in.Interfaces {
			for _, a := range i.Addresses {
				n.Inside = append(n.Inside, a.Subnet.CIDR)
			}
		}
	}
	byID := map[string]netip.Addr{}
	for _, f := range in.FloatingIPs {
		byID[f.ID] = f.FloatingIP
		if f.FixedIP.IsValid() {
			n.Static[f.FloatingIP] = f.FixedIP
		}
	}
	for _, f := range in.Forwardings {
		if ip, ok := byID[f.FloatingIPID]; ok {
			n.Forwarded[ip] = append(n.Forwarded[ip], f)
		}
	}
	return n
}

// String is the whole description, for people and golden files.
func (n Namespace) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# router %s\n", n.RouterID)
	for _, p := range n.Problems {
		fmt.Fprintf(&b, "# problem: %s\n", p)
	}
	b.WriteString("\n## links\n")
	for i, p := range n.Ports {
		fmt.Fprintf(&b, "%s iface-id %s mac %s mtu %d", p.Name, p.ID, p.MAC, p.MTU)
		if n.Links.Links[i].Down {
			b.WriteString(" down")
		}
		b.WriteString("\n")
		for _, a := range n.Links.Links[i].Addresses {
			fmt.Fprintf(&b, "    %s\n", a)
		}
	}
	b.WriteString("\n## routes\n")
	for _, r := range n.Links.Routes {
		fmt.Fprintf(&b, "%s\n", r)
	}
	for _, r := range n.Links.Rules {
		fmt.Fprintf(&b, "rule %s\n", r)
	}
	for _, h := range n.Links.Neighbours {
		fmt.Fprintf(&b, "neighbour %s lladdr %s dev %s\n", h.IP, h.MAC, h.Link)
	}
	b.WriteString("\n## sysctl\n")
	for _, k := range slices.Sorted(maps.Keys(n.Sysctls)) {
		fmt.Fprintf(&b, "%s = %s\n", k, n.Sysctls[k])
	}
	for _, l := range n.Limits {
		if text := l.String(); text != "" {
			fmt.Fprintf(&b, "\n## limits of %s\n%s", l.Name, text)
		}
	}
	fmt.Fprintf(&b, "\n## iptables\n%s\n## ip6tables\n%s", n.V4, n.V6)
	if n.RADVD != "" {
		fmt.Fprintf(&b, "\n## radvd.conf\n%s", n.RADVD)
	}
	if n.HA != nil {
		fmt.Fprintf(&b, "\n## ha: %s\n\n## keepalived.conf\n%s\n## conntrackd.conf\n%s", n.HA.part(), n.HA.Keepalived, n.HA.Conntrackd)
	}
	return b.String()
}
