package answers

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/model"
)

// ownerDHCP is the device owner of a DHCP server's port.
const ownerDHCP = "network:dhcp"

// Settings are choices that the records do not hold.
type Settings struct {
	// Domain is the cloud's DNS domain (rpc.Settings.DNSDomain), "" for none.
	Domain string
	// LeaseTime is how long an address is given for; negative is for ever.
	LeaseTime time.Duration
	// IsolatedMetadata has guests reach metadata at the DHCP server, by a route to
	// 169.254.169.254, on subnets whose gateway is no router of ours;
	// ForceMetadata on all subnets.
	IsolatedMetadata, ForceMetadata bool
	// LinkMetadata tells that guests reach metadata on the link itself: those of
	// subnets whose gateway is no router of ours get the route.
	LinkMetadata bool
	// NoResolver tells that who answers DHCP answers no DNS: a subnet without name
	// servers of its own gets Resolvers.
	NoResolver bool
	Resolvers  []netip.Addr
}

// Input is what the answers for one network are made from.
type Input struct {
	Network *model.Network
	// Subnets are all of the network's, Ports as many as are known.
	Subnets []*model.Subnet
	Ports   []*model.Port
	// Server is the port whose addresses this host serves from, nil for none: its
	// addresses come first where servers are named.
	Server   *model.Port
	Settings Settings
}

// Network is what DHCP offers on a network.
type Network struct {
	ID     string
	MTU    int
	Domain string // of the guests, "" for none, without a final dot
	// project is whose network it is.
	project string
	// Routed tells that a router of ours is on the network.
	Routed bool
	// Subnets are those with DHCP, by id.
	Subnets []*Subnet
	// Ports are those with an address in one of Subnets, by id; servers' own are
	// not among them.
	Ports []*Port
	// Names are those of all addresses of the network, by address; servers' own
	// are not among them.
	Names []Name
	// Problems are what of the records cannot be offered.
	Problems []Problem
}

// Problem is one thing that cannot be offered.
type Problem struct {
	PortID string // or "", when it is about the whole network
	Text   string
}

// Mode is how ports of a subnet come to their addresses.
type Mode string

// The modes of a subnet.
const (
	V4        Mode = "dhcpv4"
	Stateful  Mode = "dhcpv6-stateful"  // DHCPv6 gives addresses and options
	Stateless Mode = "dhcpv6-stateless" // autoconfiguration; DHCPv6 gives options
	SLAAC     Mode = "slaac"            // autoconfiguration only
)

// Subnet is a subnet with DHCP.
type Subnet struct {
	ID   string
	CIDR netip.Prefix
	Mode Mode
	// Gateway is the way out, invalid for none.
	Gateway netip.Addr
	// Isolated tells that no router of ours is the gateway.
	Isolated bool
	// Advertise tells that the records ask for router advertisements (of the mode)
	// and that no router of ours is on the subnet to send them: the DHCP server
	// does, as a router that is no way out.
	Advertise bool
	// Servers are the addresses of the network's DHCP servers on the subnet, the
	// host's own first. Server is that one, invalid for none.
	Servers []netip.Addr
	Server  netip.Addr
	// Options are those of all ports, by code: of DHCPv4 or of DHCPv6. With SLAAC
	// there is nobody to ask for them, and they are what advertisements tell.
	Options   []Option
	LeaseTime time.Duration
}

// Lease is an address for a port.
type Lease struct {
	IP     netip.Addr
	Subnet *Subnet
	// Host is the name that goes with it, without domain.
	Host string
}

// Prefix is the address with the length of its subnet's prefix.
func (l Lease) Prefix() netip.Prefix { return netip.PrefixFrom(l.IP, l.Subnet.CIDR.Bits()) }

// Port is what a port is offered.
type Port struct {
	ID  string
	MAC model.MAC
	// Trusted ports are the network service's own, such as routers'.
	Trusted bool
	// V4 is the address of DHCPv4: the first of the port's, as it can take one
	// only. V6 are those of stateful subnets; Auto those that it makes itself.
	V4   *Lease
	V6   []Lease
	Auto []Lease
	// Own4 and Own6 are options of the port's own (extra_dhcp_opts), by code. They
	// take the place of the subnets'.
	Own4, Own6 []Option
	// ClientID is the identifier by which the client is known besides its MAC
	// (extra option client-id), "" for none.
	ClientID string
}

// Name is how an address is called.
type Name struct {
	IP netip.Addr
	// Names are full names without a final dot, then the one without domain, if it
	// is of one label. The first is the answer to a question for the address.
	Names []string
}

// Of gives what is offered on the network.
func Of(in Input) *Network {
	n := &Network{ID: in.Network.ID, MTU: in.Network.MTU, Domain: domain(in), project: in.Network.ProjectID}
	n.Routed = slices.ContainsFunc(in.Ports, func(p *model.Port) bool { return slices.Contains(routerOwners, p.DeviceOwner) })
	subnets := slices.SortedFunc(slices.Values(in.Subnets), func(a, b *model.Subnet) int { return cmp.Compare(a.ID, b.ID) })
	ports := slices.SortedFunc(slices.Values(in.Ports), func(a, b *model.Port) int { return cmp.Compare(a.ID, b.ID) })
	in.Subnets, in.Ports = subnets, ports
	byID := map[string]*Subnet{}
	for _, s := range subnets {
		if !s.EnableDHCP || s.NetworkID != n.ID {
			continue
		}
		sub := in.subnet(s, n)
		if sub.Mode == Stateful && s.CIDR.Bits() < 64 {
			n.problem("", "subnet %s: DHCPv6 needs a prefix of 64 bits or more, and %s is shorter", s.ID, s.CIDR)
			continue
		}
		n.Subnets = append(n.Subnets, sub)
		byID[s.ID] = sub
	}
	for _, p := range ports {
		if p.NetworkID == n.ID && p.DeviceOwner != ownerDHCP {
			n.addPort(p, byID, in.Settings)
		}
	}
	slices.SortStableFunc(n.Names, func(a, b Name) int { return a.IP.Compare(b.IP) })
	return n
}

func (n *Network) problem(port, format string, args ...any) {
	n.Problems = append(n.Problems, Problem{PortID: port, Text: fmt.Sprintf(format, args...)})
}

// domain is the one that guests are in: their network's, or the cloud's.
func domain(in Input) string {
	if d := strings.TrimSuffix(in.Network.DNSDomain, "."); d != "" && validName(d) {
		return d
	}
	return in.Settings.CloudDomain()
}

// CloudDomain is the cloud's domain without a final dot, "" for none that can be
// one.
func (s Settings) CloudDomain() string {
	if d := strings.TrimSuffix(s.Domain, "."); validName(d) {
		return d
	}
	return ""
}

// DUID identifies the network's servers over IPv6: one for all of them, so that a
// client's lease is not one server's (DUID type 4, RFC 6355).
func (n *Network) DUID() []byte {
	id, err := uuid.Parse(n.ID)
	if err != nil {
		id = uuid.NewSHA1(uuid.Nil, []byte(n.ID))
	}
	return append([]byte{0, 4}, id[:]...)
}

// Answer4 gives all that DHCPv4 tells the port; false when it gets no address.
func (n *Network) Answer4(p *Port) (Answer, bool) {
	if p.V4 == nil {
		return Answer{}, false
	}
	a := Answer{Leases: []Lease{*p.V4}, LeaseTime: p.V4.Subnet.LeaseTime, Options: p.V4.Subnet.Options}
	a.Options = merge(a.Options, []Option{{Code: 12, Name: "hostname", Text: p.V4.Host, Data: []byte(p.V4.Host), Characters: true}})
	a.Options = merge(a.Options, p.Own4)
	return a, true
}

// Answer6 gives all that DHCPv6 tells the port; false when it has no address in
// a subnet with DHCPv6. Without leases it is for requests for information.
func (n *Network) Answer6(p *Port) (Answer, bool) {
	a := Answer{Leases: p.V6}
	found := false
	for _, l := range slices.Concat(p.V6, p.Auto) {
		if l.Subnet.Mode == SLAAC || found {
			continue
		}
		a.Options, a.LeaseTime, found = merge(l.Subnet.Options, p.Own6), l.Subnet.LeaseTime, true
	}
	return a, found
}

// Answer is what a port is told.
type Answer struct {
	Leases    []Lease
	Options   []Option // by code
	LeaseTime time.Duration
}

// merge puts own options in the place of general ones with the same code.
func merge(general, own []Option) []Option {
	out := slices.DeleteFunc(slices.Clone(general), func(g Option) bool {
		return slices.ContainsFunc(own, func(o Option) bool { return o.Code == g.Code })
	})
	out = append(out, own...)
	slices.SortStableFunc(out, byCode)
	return out
}

func byCode(a, b Option) int {
	return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Client, b.Client))
}
