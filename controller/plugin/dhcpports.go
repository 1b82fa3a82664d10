package plugin

import (
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// reservedDHCPPort is the device_id of a DHCP port that waits for a host to take
// it over, as Neutron has it.
const reservedDHCPPort = "reserved_dhcp_port"

// dhcpDevice is the device_id of a host's DHCP port on a network, as Neutron
// makes it: of the host's name up to the first dot.
func dhcpDevice(host, network string) string {
	name, _, _ := strings.Cut(host, ".")
	return "dhcp" + uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)).String() + "-" + network
}

// dhcpSubnets gives the subnets that a host serves: those with DHCP on the
// segment that it is on, oldest first.
func dhcpSubnets(r records.Reader, n *model.Network, host string) []*model.Subnet {
	reached := map[string]bool{"": true}
	for _, s := range hostSegments(r, n, host) {
		reached[s.ID] = true
	}
	var out []*model.Subnet
	for s := range records.SubnetsByNetwork.Get(r, n.ID) {
		if s.EnableDHCP && reached[s.SegmentID] {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Subnet) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out
}

// dhcpPortRests reports whether a host's port is as giveDHCPPort would make it.
func dhcpPortRests(r records.Reader, n *model.Network, h model.DHCPHost) bool {
	subnets := dhcpSubnets(r, n, h.Host)
	if h.PortID == "" {
		return len(subnets) == 0
	}
	port, ok := records.Ports.Get(r, h.PortID)
	if !ok || len(subnets) == 0 || port.Host != h.Host || port.VIFType == VIFUnbound || port.DeviceID != dhcpDevice(h.Host, n.ID) {
		return false
	}
	missing, lost := dhcpAddresses(port, subnets)
	return len(missing) == 0 && !lost
}

// dhcpAddresses gives the subnets that a port lacks an address of, and whether it
// has one of another subnet.
func dhcpAddresses(port *model.Port, subnets []*model.Subnet) (missing []*model.Subnet, lost bool) {
	for _, s := range subnets {
		if !hasAddressIn(port, s.ID) {
			missing = append(missing, s)
		}
	}
	lost = slices.ContainsFunc(port.FixedIPs, func(f model.FixedIP) bool { return !slices.ContainsFunc(subnets, isSubnet(f.SubnetID)) })
	return missing, lost
}

func hasAddressIn(port *model.Port, subnet string) bool {
	return slices.ContainsFunc(port.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == subnet })
}

func isSubnet(id string) func(*model.Subnet) bool {
	return func(s *model.Subnet) bool { return s.ID == id }
}

// giveDHCPPort gives a host its port on a network, with an address in each
// subnet that it serves, and puts the port's id into h. It takes over one of the
// spare ports where the host has none. Without such subnets it takes the port
// away. lacks tells that a subnet has no free address.
func (p *Plugin) giveDHCPPort(u *records.Update, n *model.Network, h *model.DHCPHost, spare *[]string) (lacks bool, err error) {
	subnets := dhcpSubnets(u, n, h.Host)
	if len(subnets) == 0 {
		err := p.removePort(u, h.PortID)
		h.PortID = ""
		return false, err
	}
	before := p.presentDHCPPort(u, n, h, spare)
	port, err := p.dhcpPort(u, n, h, before)
	if err != nil {
		return false, err
	}
	if lacks = p.addressDHCPPort(u, port, subnets); len(port.FixedIPs) == 0 && before == nil {
		u.Release(macKey(n.ID, port.MAC))
		h.PortID = ""
		return true, nil
	}
	h.PortID = port.ID
	var claims []string
	if before != nil {
		if reflect.DeepEqual(before, port) {
			return lacks, nil
		}
		claims = portClaims(before)
		p.touch(&port.Meta)
	}
	if err := reclaim(u, port.ID, claims, portClaims(port)); err != nil {
		return lacks, portTaken(port, err)
	}
	records.Ports.Put(u, port)
	return lacks, nil
}

// presentDHCPPort finds a port for a host: its own, a spare one, or one that was
// reserved; nil for none.
func (p *Plugin) presentDHCPPort(u *records.Update, n *model.Network, h *model.DHCPHost, spare *[]string) *model.Port {
	if port, ok := records.Ports.Get(u, h.PortID); ok && h.PortID != "" {
		return port
	}
	for len(*spare) > 0 {
		id := (*spare)[0]
		*spare = (*spare)[1:]
		if port, ok := records.Ports.Get(u, id); ok {
			return port
		}
	}
	for found := range records.PortsByDevice.Get(u, reservedDHCPPort) {
		if found.NetworkID != n.ID || found.DeviceOwner != OwnerDHCP {
			continue
		}
		if port, ok := records.Ports.Get(u, found.ID); ok && port.DeviceID == reservedDHCPPort {
			return port
		}
	}
	return nil
}

// dhcpPort gives the port as it is on the host, a new one when there is none
// before. It counts against no quota: a project does not ask for it.
func (p *Plugin) dhcpPort(u *records.Update, n *model.Network, h *model.DHCPHost, before *model.Port) (*model.Port, error) {
	port := &model.Port{
		NetworkID: n.ID, AdminStateUp: true, DeviceOwner: OwnerDHCP,
		VNICType: "normal", PropagateUplink: true, IPAllocation: allocationImmediate,
	}
	if before != nil {
		*port = *before
	} else {
		port.ProjectID = n.ProjectID
		p.newMeta(&port.Meta, 1)
		mac, err := p.newMAC(u, n.ID, port.ID)
		if err != nil {
			return nil, err
		}
		port.MAC = mac
	}
	unbound := port.Host != h.Host || port.VIFType == VIFUnbound || port.VIFType == ""
	port.DeviceID, port.Host = dhcpDevice(h.Host, n.ID), h.Host
	if unbound {
		p.bind(u, n, port)
	}
	return port, nil
}

// addressDHCPPort takes the addresses away that the port has in other subnets,
// and adds those that it lacks; it reports whether there are too few.
func (p *Plugin) addressDHCPPort(u *records.Update, port *model.Port, subnets []*model.Subnet) (lacks bool) {
	missing, lost := dhcpAddresses(port, subnets)
	if lost {
		port.FixedIPs = slices.DeleteFunc(slices.Clone(port.FixedIPs), func(f model.FixedIP) bool {
			return !slices.ContainsFunc(subnets, isSubnet(f.SubnetID))
		})
	}
	for _, s := range missing {
		fixed, ok := p.dhcpAddress(u, port, s)
		if !ok {
			lacks = true
			continue
		}
		port.FixedIPs = append(slices.Clone(port.FixedIPs), fixed)
	}
	return lacks
}

// dhcpAddress claims an address of the subnet for a port.
func (p *Plugin) dhcpAddress(u *records.Update, port *model.Port, s *model.Subnet) (model.FixedIP, bool) {
	if !automatic(s) {
		if f, ok := p.lowestAddress(u, s, port.ID); ok {
			return f, true
		}
		return p.pickAddress(u, []*model.Subnet{s}, port.ID)
	}
	if _, ok := records.Subnets.Get(u, s.ID); !ok { // a condition of the commit
		return model.FixedIP{}, false
	}
	f := model.FixedIP{SubnetID: s.ID, IP: port.MAC.EUI64(s.CIDR)}
	return f, reclaim(u, port.ID, nil, []string{addressKey(s.ID, f.IP)}) == nil
}

// lowTries is how many of a subnet's lowest addresses are tried for a DHCP port.
const lowTries = 256

// lowestAddress claims the lowest free address of a subnet, as Neutron does for
// DHCP ports: people who choose addresses leave the lowest ones to the network.
func (p *Plugin) lowestAddress(u *records.Update, s *model.Subnet, owner string) (model.FixedIP, bool) {
	s, ok := records.Subnets.Get(u, s.ID) // a condition of the commit
	if !ok {
		return model.FixedIP{}, false
	}
	tries := 0
	for _, pool := range s.AllocationPools {
		for a := pool.Start; a.IsValid() && a.Compare(pool.End) <= 0 && tries < lowTries; a = a.Next() {
			tries++
			if _, claimed := u.Claimed(addressKey(s.ID, a)); !claimed && u.Claim(addressKey(s.ID, a), owner) == nil {
				return model.FixedIP{SubnetID: s.ID, IP: a}, true
			}
		}
	}
	return model.FixedIP{}, false
}
