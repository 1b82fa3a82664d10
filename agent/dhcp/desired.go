package dhcp

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/model"
)

// metadataIP6 is where guests ask for their metadata over IPv6.
var metadataIP6 = netip.MustParsePrefix("fe80::a9fe:a9fe/64")

// Options are what a host's configuration says about its servers.
type Options struct {
	answers.Settings
	// Servers are what dnsmasq asks for names that it does not know
	// (dnsmasq_dns_servers); LocalResolver has it ask those of the host's own
	// resolv.conf (dnsmasq_local_resolv). With neither it answers for the guests
	// only.
	Servers       []netip.AddrPort
	LocalResolver bool
}

// metadata reports whether guests may ask for metadata at the server.
func (o Options) metadata() bool { return o.IsolatedMetadata || o.ForceMetadata }

// Server describes all of a network's server on one host.
type Server struct {
	NetworkID string
	Port      Port
	Links     links.Config
	Sysctls   map[string]string
	// Args are dnsmasq's, but for those that name files.
	Args []string
	// Hosts, Names and Options are the files of --dhcp-hostsfile, --addn-hosts and
	// --dhcp-optsfile.
	Hosts, Names, Options string
	// Leases are the addresses and whose they are.
	Leases owners
	// DUID identifies the server over IPv6.
	DUID []byte
	// Serves are the ports that get answers, without the network service's own.
	Serves []string
	// Problems are what of the records cannot be offered.
	Problems []answers.Problem
}

// Port is the server's port on br-int.
type Port struct {
	ID, Name string
	MAC      model.MAC
	MTU      int
}

// same reports whether both describe the same.
func (s *Server) same(o *Server) bool { return reflect.DeepEqual(s, o) }

// linkName is how a server's port is called.
func linkName(port string) string { return "tap" + port[:min(11, len(port))] }

// Desired describes the server; nil when no subnet can be served. It does no I/O,
// and the order of what it gives depends on nothing but the records.
func Desired(in answers.Input, o Options) *Server {
	o.Domain = in.Settings.Domain
	in.Settings = o.Settings
	n := answers.Of(in)
	problems := n.Problems
	for _, id := range unserved(in, n) {
		problems = append(problems, answers.Problem{Text: fmt.Sprintf("subnet %s: this host has no address in it to serve from", id)})
	}
	n.Subnets = slices.DeleteFunc(n.Subnets, func(s *answers.Subnet) bool { return !s.Server.IsValid() })
	if len(n.Subnets) == 0 {
		return nil
	}
	p := in.Server
	s := &Server{
		NetworkID: n.ID, Port: Port{ID: p.ID, Name: linkName(p.ID), MAC: p.MAC, MTU: n.MTU},
		DUID: n.DUID(), Leases: owners{}, Problems: problems,
	}
	s.addLinks(in, n, o)
	s.Sysctls = sysctls()
	s.Args = args(n, s.Port.Name, o)
	s.Options = optsFile(n)
	s.Names = namesFile(n)
	s.addHosts(n)
	return s
}

// unserved are the subnets with DHCP that the host should serve and has no address
// in. Those of segments that it has no address on are others' to serve.
func unserved(in answers.Input, n *answers.Network) (ids []string) {
	segments, on := map[string]string{}, map[string]bool{"": true}
	for _, s := range in.Subnets {
		segments[s.ID] = s.SegmentID
	}
	for _, s := range n.Subnets {
		on[segments[s.ID]] = on[segments[s.ID]] || s.Server.IsValid()
	}
	for _, s := range n.Subnets {
		if !s.Server.IsValid() && on[segments[s.ID]] {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (s *Server) addLinks(in answers.Input, n *answers.Network, o Options) {
	l := links.Link{Name: s.Port.Name, MAC: net.HardwareAddr(s.Port.MAC[:]), MTU: n.MTU}
	for _, sub := range n.Subnets {
		l.Addresses = append(l.Addresses, netip.PrefixFrom(sub.Server, sub.CIDR.Bits()))
	}
	if o.metadata() {
		l.Addresses = append(l.Addresses, netip.PrefixFrom(answers.MetadataIP, 32))
		// Routers have this one too, and guests ask the link who has it: two would
		// take connections from each other.
		if !n.Routed {
			l.Addresses = append(l.Addresses, metadataIP6)
		}
	}
	s.Links.Links = []links.Link{l}
	for _, any := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		i := slices.IndexFunc(n.Subnets, func(sub *answers.Subnet) bool {
			return sub.Gateway.IsValid() && sub.Gateway.Is4() == any.Addr().Is4() && sub.Gateway != sub.Server
		})
		if i < 0 {
			continue
		}
		gw := n.Subnets[i].Gateway
		onLink := !n.Subnets[i].CIDR.Contains(gw) && !gw.IsLinkLocalUnicast()
		s.Links.Routes = append(s.Links.Routes, links.Route{Dst: any, NextHops: []links.NextHop{{Via: gw, Link: l.Name, OnLink: onLink}}})
	}
}

// sysctls make the namespace one that serves and does not forward.
func sysctls() map[string]string {
	return map[string]string{
		"net.ipv4.ip_forward":                       "0",
		"net.ipv6.conf.all.forwarding":              "0",
		"net.ipv4.conf.all.rp_filter":               "0",
		"net.ipv4.conf.default.rp_filter":           "0",
		"net.ipv4.conf.all.promote_secondaries":     "1",
		"net.ipv4.conf.default.promote_secondaries": "1",
		// The addresses are given out once, and several hosts may have the one for
		// metadata.
		"net.ipv6.conf.all.accept_dad":     "0",
		"net.ipv6.conf.default.accept_dad": "0",
		"net.ipv6.conf.all.accept_ra":      "0",
		"net.ipv6.conf.default.accept_ra":  "0",
	}
}

// String is the whole description, for people and golden files.
func (s *Server) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# network %s\n", s.NetworkID)
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "# problem: port %q: %s\n", p.PortID, p.Text)
	}
	fmt.Fprintf(&b, "\n## links\n%s iface-id %s mac %s mtu %d\n", s.Port.Name, s.Port.ID, s.Port.MAC, s.Port.MTU)
	for _, a := range s.Links.Links[0].Addresses {
		fmt.Fprintf(&b, "    %s\n", a)
	}
	for _, r := range s.Links.Routes {
		fmt.Fprintf(&b, "%s\n", r)
	}
	b.WriteString("\n## sysctl\n")
	for _, k := range slices.Sorted(maps.Keys(s.Sysctls)) {
		fmt.Fprintf(&b, "%s = %s\n", k, s.Sysctls[k])
	}
	fmt.Fprintf(&b, "\n## dnsmasq\n%s\n", strings.Join(s.Args, "\n"))
	fmt.Fprintf(&b, "\n## host\n%s\n## addn_hosts\n%s\n## opts\n%s", s.Hosts, s.Names, s.Options)
	return b.String()
}
