package metadata

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// The parts of network_data.json.
type (
	netData struct {
		Links    []netLink    `json:"links"`
		Networks []netNetwork `json:"networks"`
		Services []netService `json:"services"`
	}
	netLink struct {
		ID    string `json:"id"`
		VIFID string `json:"vif_id"`
		Type  string `json:"type"` // ovs, vlan
		MTU   int    `json:"mtu,omitempty"`
		MAC   string `json:"ethernet_mac_address,omitempty"`
		// Of a link of type vlan.
		Parent  string `json:"vlan_link,omitempty"`
		VLAN    int    `json:"vlan_id,omitempty"`
		VLANMAC string `json:"vlan_mac_address,omitempty"`
	}
	netNetwork struct {
		ID string `json:"id"`
		// Type is ipv4_dhcp, ipv4, ipv6, ipv6_slaac, ipv6_dhcpv6-stateful or
		// ipv6_dhcpv6-stateless.
		Type      string       `json:"type"`
		Link      string       `json:"link"`
		NetworkID string       `json:"network_id"`
		Address   string       `json:"ip_address,omitempty"`
		Netmask   string       `json:"netmask,omitempty"`
		Routes    []netRoute   `json:"routes,omitempty"`
		Services  []netService `json:"services,omitempty"`
	}
	netRoute struct {
		Network string `json:"network"`
		Netmask string `json:"netmask"`
		Gateway string `json:"gateway"`
	}
	netService struct {
		Type    string `json:"type"` // dns
		Address string `json:"address"`
	}
)

// networkData is network_data.json: what the guest's interfaces are to be.
func networkData(g *Guest) netData {
	d := netData{Links: []netLink{}, Networks: []netNetwork{}, Services: []netService{}}
	for i := range g.NICs {
		nic := &g.NICs[i]
		link := linkID(nic.Port)
		d.Links = append(d.Links, netLink{ID: link, VIFID: nic.Port.ID, Type: "ovs", MTU: nic.Network.MTU, MAC: nic.Port.MAC.String()})
		d.add(nic, link)
		for j := range nic.VLANs {
			vlan := &nic.VLANs[j]
			sub := linkID(vlan.Port)
			d.Links = append(d.Links, netLink{
				ID: sub, VIFID: vlan.Port.ID, Type: "vlan", MTU: vlan.Network.MTU,
				Parent: link, VLAN: vlan.ID, VLANMAC: vlan.Port.MAC.String(),
			})
			d.add(&vlan.NIC, sub)
		}
	}
	return d
}

// linkID is the name of the device on the host.
func linkID(p *model.Port) string { return "tap" + p.ID[:min(11, len(p.ID))] }

// add adds the networks of a NIC: one for each address, but one for each subnet
// whose addresses DHCP gives. A subnet's routes are told once: cloud-init would
// write the way out twice.
func (d *netData) add(nic *NIC, link string) {
	var served, routed []string
	for _, f := range nic.Port.FixedIPs {
		s := nic.Subnets[f.SubnetID]
		if s == nil || slices.Contains(served, s.ID) {
			continue
		}
		n := netNetwork{ID: fmt.Sprintf("network%d", len(d.Networks)), Type: netType(s), Link: link, NetworkID: nic.Network.ID}
		dns := services(s)
		if n.Type == "ipv4_dhcp" {
			served = append(served, s.ID)
		} else {
			n.Address, n.Netmask, n.Services = f.IP.String(), netmask(s.CIDR), dns
			if !slices.Contains(routed, s.ID) {
				n.Routes, routed = routes(s), append(routed, s.ID)
			}
		}
		d.Networks = append(d.Networks, n)
		for _, service := range dns {
			if !slices.Contains(d.Services, service) {
				d.Services = append(d.Services, service)
			}
		}
	}
}

// netType says how a guest gets its address of a subnet. Nobody gives addresses
// of an IPv6 subnet without an address mode.
func netType(s *model.Subnet) string {
	switch {
	case s.IPVersion == 4 && s.EnableDHCP:
		return "ipv4_dhcp"
	case s.IPVersion == 4:
		return "ipv4"
	case s.IPv6AddressMode != "":
		return "ipv6_" + s.IPv6AddressMode
	}
	return "ipv6"
}

// services are the name servers of a subnet. The unspecified address among them
// asks for none, as in what DHCP tells.
func services(s *model.Subnet) []netService {
	if slices.ContainsFunc(s.DNSNameservers, netip.Addr.IsUnspecified) {
		return nil
	}
	var out []netService
	for _, a := range s.DNSNameservers {
		out = append(out, netService{"dns", a.String()})
	}
	return out
}

// routes are the way out of a subnet and its host routes.
func routes(s *model.Subnet) []netRoute {
	var out []netRoute
	if s.Gateway.IsValid() {
		all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if s.IPVersion == 6 {
			all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		out = append(out, netRoute{all.Addr().String(), netmask(all), s.Gateway.String()})
	}
	for _, r := range s.HostRoutes {
		out = append(out, netRoute{r.Destination.Masked().Addr().String(), netmask(r.Destination), r.NextHop.String()})
	}
	return out
}

// netmask is the mask of a prefix as an address.
func netmask(p netip.Prefix) string {
	b := p.Addr().AsSlice()
	for i := range b {
		bits := min(max(p.Bits()-8*i, 0), 8)
		b[i] = byte(uint16(0xff00) >> bits)
	}
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}
