package plugin

import (
	"errors"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// errDeferred says that which subnets a port may have addresses of depends on
// its host, which is not known yet.
var errDeferred = errors.New("addresses are deferred until the port's host is known")

// serviceSubnet reports whether a subnet serves ports of the device owner. DHCP
// is served in all subnets that want it.
func serviceSubnet(s *model.Subnet, owner string) bool {
	return len(s.ServiceTypes) == 0 || slices.Contains(s.ServiceTypes, owner) || s.EnableDHCP && owner == OwnerDHCP
}

// subnetsFor gives the subnets of a port's network that it may have addresses
// of: those that serve its device owner and are on the segment of its host.
// Those for its device owner come first, then the oldest. want is what a request
// asks for, nil when it leaves the choice to us; then the error may be
// errDeferred.
func subnetsFor(u *records.Update, port *model.Port, want []AddressRequest) ([]*model.Subnet, error) {
	all := slices.Collect(records.SubnetsByNetwork.Get(u, port.NetworkID))
	slices.SortStableFunc(all, func(a, b *model.Subnet) int { return a.CreatedAt.Compare(b.CreatedAt) })
	slices.SortStableFunc(all, func(a, b *model.Subnet) int {
		return rank(len(a.ServiceTypes) == 0) - rank(len(b.ServiceTypes) == 0)
	})
	serving := slices.DeleteFunc(slices.Clone(all), func(s *model.Subnet) bool { return !serviceSubnet(s, port.DeviceOwner) })
	var eligible []*model.Subnet
	var err error
	switch routed := slices.ContainsFunc(all, onAnySegment); {
	case !routed:
		eligible = serving
	case port.Host != "":
		eligible, err = subnetsOnHost(u, port, serving)
	case want != nil:
		eligible, err = subnetsLikeWanted(serving, want)
	default:
		eligible = slices.DeleteFunc(slices.Clone(serving), onAnySegment)
	}
	switch {
	case err != nil || len(eligible) > 0 || len(all) == 0 || want != nil:
		return eligible, err
	case len(serving) > 0:
		return nil, errDeferred
	}
	return nil, Conflict("IpAddressGenerationFailureNoMatchingSubnet",
		"No more IP addresses available on network %s: no subnet serves device owner '%s'.", port.NetworkID, port.DeviceOwner)
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

func onAnySegment(s *model.Subnet) bool { return s.SegmentID != "" }

// subnetsOnHost gives those of the subnets that are on the segment that the
// port's host is on. A host is on one segment of a routed network.
func subnetsOnHost(u *records.Update, port *model.Port, subnets []*model.Subnet) ([]*model.Subnet, error) {
	network, ok := records.Networks.Get(u, port.NetworkID)
	if !ok {
		return nil, NotFound("Network", "Network", port.NetworkID)
	}
	reached := map[string]bool{"": true}
	for _, s := range hostSegments(u, network, port.Host) {
		reached[s.ID] = true
	}
	var eligible []*model.Subnet
	used := map[string]bool{}
	for _, s := range subnets {
		if reached[s.SegmentID] {
			eligible = append(eligible, s)
			used[s.SegmentID] = true
		}
	}
	delete(used, "")
	switch {
	case len(used) > 1:
		return nil, Conflict("HostConnectedToMultipleSegments",
			"Host %s is connected to multiple segments on routed provider network '%s'.  It should be connected to one.", port.Host, network.ID)
	case len(eligible) == 0:
		return nil, Conflict("HostNotConnectedToAnySegment",
			"Host %s is not connected to any segments on routed provider network '%s'.  It should be connected to one.", port.Host, network.ID)
	}
	return eligible, nil
}

// subnetsLikeWanted gives the subnets on the segment of those that a request
// names, which must all be on one.
func subnetsLikeWanted(subnets []*model.Subnet, want []AddressRequest) ([]*model.Subnet, error) {
	segments := map[string]bool{}
	for _, w := range want {
		for _, s := range subnets {
			if w.SubnetID == s.ID || w.SubnetID == "" && s.CIDR.Contains(w.IP) {
				segments[s.SegmentID] = true
				break
			}
		}
	}
	if len(segments) > 1 {
		return nil, BadRequest("FixedIpsSubnetsNotOnSameSegment", "Cannot allocate addresses from different segments.")
	}
	if len(segments) == 0 {
		segments[""] = true
	}
	return slices.DeleteFunc(slices.Clone(subnets), func(s *model.Subnet) bool { return !segments[s.SegmentID] }), nil
}

// onSegment reports whether a port can use addresses of the subnet where it is.
func onSegment(u *records.Update, s *model.Subnet, port *model.Port) bool {
	network, ok := records.Networks.Get(u, port.NetworkID)
	return s.SegmentID == "" || ok && slices.ContainsFunc(hostSegments(u, network, port.Host),
		func(o model.NetworkSegment) bool { return o.ID == s.SegmentID })
}

// readdress gives an updated port the addresses that its request asks for, or
// those that were deferred until now; others must fit the host that it goes to.
func (p *Plugin) readdress(c Call, u *records.Update, before *model.Port, s *PortSpec) error {
	port := &s.Port
	if c.Has("fixed_ips") {
		if err := p.checkSubnetsSeen(c, u, port.NetworkID, s.Addresses); err != nil {
			return err
		}
		fixed, err := p.changeAddresses(u, port, s.Addresses)
		if err != nil {
			return err
		}
		port.FixedIPs = fixed
		if len(fixed) > 0 {
			port.IPAllocation = allocationImmediate
		}
		return nil
	}
	if port.Host == "" || port.Host == before.Host && len(port.FixedIPs) > 0 {
		return nil
	}
	if port.IPAllocation == allocationDeferred && len(port.FixedIPs) == 0 {
		return p.giveDefaultAddresses(u, port)
	}
	return checkHostFits(u, port, port.Host)
}

// giveDeferred gives a port of a router that waited for its host the addresses
// that it can have there. Where it can have none it goes on waiting.
func (p *Plugin) giveDeferred(u *records.Update, port *model.Port) {
	if port.Host == "" || port.IPAllocation != allocationDeferred || len(port.FixedIPs) > 0 {
		return
	}
	given := *port
	if p.giveDefaultAddresses(u, &given) == nil && reclaim(u, port.ID, portClaims(port), portClaims(&given)) == nil {
		*port = given
		return
	}
	for _, f := range given.FixedIPs {
		if owner, ok := u.Claimed(addressKey(f.SubnetID, f.IP)); ok && owner == port.ID {
			u.Release(addressKey(f.SubnetID, f.IP))
		}
	}
}

// checkHostFits refuses a host where a port's addresses do not work.
func checkHostFits(u *records.Update, port *model.Port, host string) error {
	moved := *port
	moved.Host = host
	for _, s := range subnetsOf(u.Peek(), port.FixedIPs) {
		if !onSegment(u, s, &moved) {
			return Conflict("HostNotCompatibleWithFixedIps",
				"Host %s is not connected to a segment where the existing fixed_ips on port %s will function given the routed network topology.", host, port.ID)
		}
	}
	return nil
}
