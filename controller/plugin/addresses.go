package plugin

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/ipam"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// giveAddresses gives a new port the addresses that it asks for, or one of each
// family, and in any case those that its guest makes itself.
func (p *Plugin) giveAddresses(c Call, u *records.Update, s *PortSpec) error {
	port := &s.Port
	if !c.Has("fixed_ips") {
		return p.giveDefaultAddresses(u, port)
	}
	port.IPAllocation = allocationImmediate
	if len(s.Addresses) == 0 {
		port.IPAllocation = allocationNone
	}
	if err := p.checkSubnetsSeen(c, u, port.NetworkID, s.Addresses); err != nil {
		return err
	}
	fixed, err := p.changeAddresses(u, port, s.Addresses)
	if err != nil {
		return err
	}
	port.FixedIPs = fixed
	eligible, err := subnetsFor(u, port, s.Addresses)
	if err != nil {
		return err
	}
	giveAutomaticAddresses(u, port, eligible)
	return nil
}

// giveDefaultAddresses gives a port one IPv4 address and one IPv6 address of
// any subnets, and one in every subnet where guests make addresses themselves.
// On a network that is routed between hosts it waits until the port's host is
// known.
func (p *Plugin) giveDefaultAddresses(u *records.Update, port *model.Port) error {
	port.IPAllocation = allocationImmediate
	eligible, err := subnetsFor(u, port, nil)
	if errors.Is(err, errDeferred) {
		port.IPAllocation = allocationDeferred
		return nil
	}
	if err != nil {
		return err
	}
	families := map[int][]*model.Subnet{}
	for _, s := range eligible {
		if !automatic(s) {
			families[s.IPVersion] = append(families[s.IPVersion], s)
		}
	}
	for _, v := range []int{4, 6} {
		if len(families[v]) == 0 {
			continue
		}
		fixed, ok := p.pickAddress(u, families[v], port.ID)
		if !ok {
			return exhausted(port.NetworkID)
		}
		port.FixedIPs = append(port.FixedIPs, fixed)
	}
	giveAutomaticAddresses(u, port, eligible)
	return nil
}

func exhausted(network string) *Error {
	return Conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", network)
}

// giveAutomaticAddresses adds the addresses that the port's guest makes itself,
// one in each such subnet of those that it has none in.
func giveAutomaticAddresses(u *records.Update, port *model.Port, eligible []*model.Subnet) {
	if router(port.DeviceOwner) {
		return
	}
	for _, s := range eligible {
		if !automatic(s) || slices.ContainsFunc(port.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == s.ID }) {
			continue
		}
		if s, ok := records.Subnets.Get(u, s.ID); ok { // a condition of the commit
			port.FixedIPs = append(port.FixedIPs, model.FixedIP{SubnetID: s.ID, IP: port.MAC.EUI64(s.CIDR)})
		}
	}
}

// pickAddress claims a free address of the first subnet that has one.
func (p *Plugin) pickAddress(u *records.Update, subnets []*model.Subnet, owner string) (model.FixedIP, bool) {
	for _, s := range subnets {
		s, ok := records.Subnets.Get(u, s.ID) // a condition of the commit
		if !ok {
			continue
		}
		tried := map[netip.Addr]bool{}
		for {
			a, ok := ipam.Pick(s.AllocationPools, func(a netip.Addr) bool {
				_, claimed := u.Claimed(addressKey(s.ID, a))
				return claimed || tried[a]
			}, p.random)
			if !ok {
				break
			}
			if u.Claim(addressKey(s.ID, a), owner) == nil {
				return model.FixedIP{SubnetID: s.ID, IP: a}, true
			}
			tried[a] = true
		}
	}
	return model.FixedIP{}, false
}

// changeAddresses works out the addresses of a port whose request lists them.
// Addresses that the port has stay when the request names them or only their
// subnet; those that guests make themselves stay in any case.
func (p *Plugin) changeAddresses(u *records.Update, port *model.Port, want []AddressRequest) ([]model.FixedIP, error) {
	eligible, err := subnetsFor(u, port, want)
	if err != nil {
		return nil, err
	}
	left := slices.Clone(port.FixedIPs)
	out := make([]model.FixedIP, len(want))
	for i, w := range want { // the exact ones first, so that they are not taken for others
		if !w.IP.IsValid() {
			continue
		}
		f, err := p.namedAddress(u, port, eligible, w)
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(left, func(o model.FixedIP) bool { return o == f })
		out[i] = f
	}
	for i, w := range want {
		if w.IP.IsValid() {
			continue
		}
		if at := slices.IndexFunc(left, func(o model.FixedIP) bool { return o.SubnetID == w.SubnetID }); at >= 0 {
			out[i] = left[at]
			left = slices.Delete(left, at, at+1)
			continue
		}
		f, err := p.addressIn(u, port, eligible, w.SubnetID)
		if err != nil {
			return nil, err
		}
		out[i] = f
	}
	for _, o := range left {
		if s, ok := records.Subnets.Get(u, o.SubnetID); ok && automatic(s) && !router(port.DeviceOwner) {
			out = append(out, o)
		}
	}
	for i, f := range out {
		if slices.Contains(out[:i], f) {
			return nil, InvalidInput("Duplicate IP address '%s'", f.IP)
		}
	}
	return out, nil
}

// namedAddress checks an address that a request names, and claims it.
func (p *Plugin) namedAddress(u *records.Update, port *model.Port, eligible []*model.Subnet, w AddressRequest) (model.FixedIP, error) {
	s, err := subnetOf(u, port, eligible, w)
	if err != nil {
		return model.FixedIP{}, err
	}
	f := model.FixedIP{SubnetID: s.ID, IP: w.IP}
	switch {
	case slices.Contains(port.FixedIPs, f):
		return f, nil
	case !s.CIDR.Contains(w.IP) || ipam.Reserved(s.CIDR, w.IP):
		return f, BadRequest("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", w.IP)
	case automatic(s) && w.IP != port.MAC.EUI64(s.CIDR) && !router(port.DeviceOwner):
		return f, BadRequest("AllocationOnAutoAddressSubnet", "IPv6 address %s cannot be directly assigned to a port on subnet %s as the subnet is configured for automatic addresses.", w.IP, s.ID)
	}
	if reclaim(u, port.ID, nil, []string{addressKey(s.ID, w.IP)}) != nil {
		return f, addressTaken(f)
	}
	return f, nil
}

func addressTaken(f model.FixedIP) *Error {
	return Conflict("IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s.", f.IP, f.SubnetID)
}

// subnetOf finds the subnet of an address among those that the port may have
// addresses of, or has: the one that the request names, or the one that the
// address is in.
func subnetOf(u *records.Update, port *model.Port, eligible []*model.Subnet, w AddressRequest) (*model.Subnet, error) {
	for _, s := range slices.Concat(eligible, subnetsOf(u, port.FixedIPs)) {
		if w.SubnetID != "" && s.ID != w.SubnetID || w.SubnetID == "" && !s.CIDR.Contains(w.IP) {
			continue
		}
		if s, ok := records.Subnets.Get(u, s.ID); ok { // a condition of the commit
			return s, nil
		}
	}
	if w.SubnetID == "" {
		return nil, BadRequest("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", w.IP)
	}
	if _, ok := records.Subnets.Get(u, w.SubnetID); !ok {
		return nil, NotFound("Subnet", "Subnet", w.SubnetID)
	}
	return nil, InvalidInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s", port.NetworkID, w.SubnetID)
}

// addressIn gives a port an address of the subnet.
func (p *Plugin) addressIn(u *records.Update, port *model.Port, eligible []*model.Subnet, subnet string) (model.FixedIP, error) {
	s, err := subnetOf(u, port, eligible, AddressRequest{SubnetID: subnet})
	if err != nil {
		return model.FixedIP{}, err
	}
	if automatic(s) && !router(port.DeviceOwner) {
		return model.FixedIP{SubnetID: s.ID, IP: port.MAC.EUI64(s.CIDR)}, nil
	}
	fixed, ok := p.pickAddress(u, []*model.Subnet{s}, port.ID)
	if !ok {
		return fixed, exhausted(port.NetworkID)
	}
	return fixed, nil
}

// addAutomaticAddresses gives the ports that are on a network already the
// addresses that their guests will make in its new subnet. Every port's MAC is
// claimed anew, and no others may be, so that a port which is made at the same
// moment makes the update run again instead of being left out.
func (p *Plugin) addAutomaticAddresses(u *records.Update, s *model.Subnet) error {
	u.RequireNoClaims(macPrefix(s.NetworkID))
	for port := range records.PortsByNetwork.Get(u, s.NetworkID) {
		u.Release(macKey(port.NetworkID, port.MAC))
		if err := u.Claim(macKey(port.NetworkID, port.MAC), port.ID); err != nil {
			return err
		}
		if router(port.DeviceOwner) || !serviceSubnet(s, port.DeviceOwner) || !onSegment(u, s, port) {
			continue
		}
		changed := *port
		f := model.FixedIP{SubnetID: s.ID, IP: port.MAC.EUI64(s.CIDR)}
		changed.FixedIPs = append(slices.Clone(port.FixedIPs), f)
		if err := u.Claim(addressKey(s.ID, f.IP), port.ID); err != nil {
			return addressTaken(f)
		}
		p.touch(&changed.Meta)
		records.Ports.Put(u, &changed)
	}
	return nil
}
