package answers

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// MetadataIP is where guests ask for their metadata.
var MetadataIP = netip.AddrFrom4([4]byte{169, 254, 169, 254})

// routerOwners are the device owners of routers' ports on the networks that they
// route for.
var routerOwners = []string{
	"network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface",
}

// subnet describes a subnet with DHCP.
func (in Input) subnet(s *model.Subnet, n *Network) *Subnet {
	out := &Subnet{
		ID: s.ID, CIDR: s.CIDR.Masked(), Mode: mode(s), Gateway: s.Gateway, LeaseTime: in.Settings.LeaseTime,
	}
	routed := false
	out.Isolated = true
	for _, p := range in.Ports {
		for _, f := range p.FixedIPs {
			if f.SubnetID != s.ID {
				continue
			}
			switch {
			case p.DeviceOwner == ownerDHCP && in.Server != nil && p.ID == in.Server.ID:
				out.Server = f.IP
			case p.DeviceOwner == ownerDHCP:
				out.Servers = append(out.Servers, f.IP)
			case slices.Contains(routerOwners, p.DeviceOwner):
				routed = true
				out.Isolated = out.Isolated && f.IP != s.Gateway
			}
		}
	}
	slices.SortFunc(out.Servers, netip.Addr.Compare)
	if out.Server.IsValid() {
		out.Servers = slices.Insert(out.Servers, 0, out.Server)
	}
	out.Advertise = s.IPVersion == 6 && s.IPv6RAMode != "" && !routed && s.CIDR.Bits() == 64
	if out.Mode == V4 {
		out.Options = in.options4(s, out, n)
	} else {
		out.Options = in.options6(s, out, n)
	}
	return out
}

// mode says how ports come to their addresses. A subnet of IPv6 that says
// nothing has DHCPv6 with addresses, as in Neutron.
func mode(s *model.Subnet) Mode {
	if s.IPVersion == 4 {
		return V4
	}
	how := s.IPv6AddressMode
	if how == "" {
		how = s.IPv6RAMode
	}
	switch Mode(how) {
	case SLAAC, Stateless:
		return Mode(how)
	}
	return Stateful
}

// options4 are the options that all ports of a subnet get.
func (in Input) options4(s *model.Subnet, sub *Subnet, n *Network) []Option {
	mask := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-s.CIDR.Bits()))))
	out := []Option{addresses(1, mask), addresses(28, broadcast(s.CIDR))}
	routes, gateway := in.routes(s, sub)
	routes, left := fitting(routes, gateway.IsValid())
	if left > 0 {
		n.problem("", "subnet %s: %d routes are not told, for which there is no room in an option of DHCP", s.ID, left)
	}
	switch {
	case gateway.IsValid():
		out = append(out, addresses(3, gateway))
	default:
		out = append(out, addresses(3))
	}
	if len(routes) > 0 {
		if gateway.IsValid() {
			routes = append(routes, model.HostRoute{Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), NextHop: gateway})
		}
		out = append(out, classless(121, routes), classless(249, routes))
	}
	out = append(out, in.resolvers(6, s, sub))
	if n.Domain != "" {
		out = append(out, Option{Code: 15, Name: "domain-name", Text: n.Domain, Data: []byte(n.Domain), Characters: true})
	}
	if n.MTU > 0 {
		out = append(out, Option{
			Code: 26, Name: "mtu", Text: strconv.Itoa(n.MTU), Data: binary.BigEndian.AppendUint16(nil, uint16(n.MTU)), Force: true,
		})
	}
	slices.SortStableFunc(out, byCode)
	return out
}

// routes gives the classless routes of a subnet without the one to everywhere,
// and where that one leads.
func (in Input) routes(s *model.Subnet, sub *Subnet) (routes []model.HostRoute, gateway netip.Addr) {
	gateway = s.Gateway
	metadata := netip.PrefixFrom(MetadataIP, 32)
	var own []model.HostRoute
	for _, r := range s.HostRoutes {
		switch {
		case !r.Destination.Addr().Is4() || !r.NextHop.Is4():
		case r.Destination.Bits() == 0:
			if !gateway.IsValid() {
				gateway = r.NextHop
			}
		default:
			own = append(own, model.HostRoute{Destination: r.Destination.Masked(), NextHop: r.NextHop})
		}
	}
	asked := slices.ContainsFunc(own, func(r model.HostRoute) bool { return r.Destination == metadata })
	here := in.Settings.ForceMetadata || in.Settings.IsolatedMetadata && sub.Isolated
	switch {
	case asked: // somebody knows better
	case here && sub.Server.IsValid():
		routes = append(routes, model.HostRoute{Destination: metadata, NextHop: sub.Server})
	case !sub.Isolated:
		routes = append(routes, model.HostRoute{Destination: metadata, NextHop: s.Gateway})
	case in.Settings.LinkMetadata:
		routes = append(routes, model.HostRoute{Destination: metadata, NextHop: netip.IPv4Unspecified()})
	}
	routes = append(routes, own...)
	for _, o := range in.Subnets { // the network's other subnets are on the link
		if o.IPVersion == 4 && o.ID != s.ID && o.NetworkID == s.NetworkID && o.SegmentID == s.SegmentID {
			routes = append(routes, model.HostRoute{Destination: o.CIDR.Masked(), NextHop: netip.IPv4Unspecified()})
		}
	}
	return routes, gateway
}

// maxRoutes is how many characters routes may take as text: dnsmasq reads lines of
// up to 1024, and takes what is beyond for another one.
const maxRoutes = 900

// fitting takes the routes, the first ones first, that fit into one option beside
// the one to everywhere, and counts the others. dnsmasq would send none at all; a
// network with 32 subnets has more on-link routes than that.
func fitting(routes []model.HostRoute, everywhere bool) (fit []model.HostRoute, left int) {
	room, width := maxOption, maxRoutes
	if everywhere {
		room -= 5
	}
	for _, r := range routes {
		one := classless(121, []model.HostRoute{r})
		if len(one.Data) > room || len(one.Text) >= width {
			left++
			continue
		}
		fit, room, width = append(fit, r), room-len(one.Data), width-len(one.Text)-1
	}
	return fit, left
}

// resolvers names the name servers of a subnet: its own, or the DHCP servers, or
// those that are named in their place.
// The unspecified address asks for none.
func (in Input) resolvers(code uint16, s *model.Subnet, sub *Subnet) Option {
	alien := func(a netip.Addr) bool { return !a.IsValid() || a.Is4() != (s.IPVersion == 4) }
	list := slices.DeleteFunc(slices.Clone(s.DNSNameservers), alien)
	switch {
	case slices.ContainsFunc(list, netip.Addr.IsUnspecified):
		list = nil
	case len(list) == 0 && in.Settings.NoResolver:
		list = slices.DeleteFunc(slices.Clone(in.Settings.Resolvers), alien)
	case len(list) == 0:
		list = sub.Servers
	}
	if code == 6 {
		return addresses(code, list...)
	}
	return addresses6(code, list...)
}

// options6 are the options of DHCPv6 that all ports of a subnet get.
func (in Input) options6(s *model.Subnet, sub *Subnet, n *Network) []Option {
	out := []Option{in.resolvers(23, s, sub)}
	if n.Domain != "" {
		out = append(out, Option{Code: 24, Name: "domain-search", Text: n.Domain, Data: wireName(n.Domain)})
	}
	return out
}

func broadcast(p netip.Prefix) netip.Addr {
	a := binary.BigEndian.Uint32(p.Masked().Addr().AsSlice())
	if p.Bits() < 31 {
		a |= ^uint32(0) >> p.Bits()
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, a)))
}

// addresses is an option that lists addresses of IPv4; none of them means that
// the option is not sent.
func addresses(code uint16, list ...netip.Addr) Option {
	o := Option{Code: code, Name: nameOf(known4, code), Text: join(list)}
	for _, a := range list {
		o.Data = append(o.Data, a.AsSlice()...)
	}
	return o
}

func addresses6(code uint16, list ...netip.Addr) Option {
	o := addresses(code, list...)
	o.Name = nameOf(known6, code)
	return o
}

func join(list []netip.Addr) string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ",")
}

// classless is an option of routes (RFC 3442).
func classless(code uint16, routes []model.HostRoute) Option {
	o := Option{Code: code, Name: nameOf(known4, code)}
	var text []string
	for _, r := range routes {
		text = append(text, r.Destination.String()+","+r.NextHop.String())
		o.Data = append(o.Data, byte(r.Destination.Bits()))
		o.Data = append(o.Data, r.Destination.Addr().AsSlice()[:(r.Destination.Bits()+7)/8]...)
		o.Data = append(o.Data, r.NextHop.AsSlice()...)
	}
	o.Text = strings.Join(text, ",")
	return o
}
