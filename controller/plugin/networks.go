package plugin

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// NetworkSpec is a network as a request asks for it: the record with the
// requested attributes set, and what is not part of a record.
type NetworkSpec struct {
	model.Network
	// Provider is provider:*; nil parts were not given.
	Provider SegmentSpec
	// Segments is the attribute segments, the other way to say the same.
	Segments []SegmentSpec
	// SegmentIDs are the ids that the segments of an imported network have, in
	// their order.
	SegmentIDs []string
}

// NetworkView is a network as the API shows it.
type NetworkView struct {
	*model.Network
	Sharing
	Subnets []string
	// Scopes are the address scopes of the subnets, by IP version.
	Scopes map[int]string
	// Zones are the availability zones of the agents that serve the network.
	Zones []string
	// Routed says that the network's subnets are each on a segment of it, so that
	// it is no single broadcast domain.
	Routed bool
}

// ViewNetwork gives a network as the API shows it.
func (p *Plugin) ViewNetwork(r records.Reader, n *model.Network) *NetworkView {
	v := &NetworkView{Network: n, Sharing: sharingOf(r, n.ID), Zones: zonesOf(r, dhcpHostNames(dhcpBinding(r, n.ID).Hosts))}
	for s := range records.SubnetsByNetwork.Get(r, n.ID) {
		v.Subnets = append(v.Subnets, s.ID)
		v.Routed = v.Routed || s.SegmentID != ""
		if scope := scopeOfPool(r, s.SubnetPoolID); scope != "" {
			if v.Scopes == nil {
				v.Scopes = map[int]string{}
			}
			v.Scopes[s.IPVersion] = scope
		}
	}
	return v
}

// Target is the network as rules about rights see it.
func (v *NetworkView) Target() identity.Target { return networkTarget(v.Network, v.Sharing) }

// CreateNetwork makes a network: a segment of the pools or the one that an
// administrator asks for, and an MTU that fits it.
func (p *Plugin) CreateNetwork(c Call, u *records.Update, s *NetworkSpec) (string, error) {
	n := s.Network
	p.newMeta(&n.Meta, 1)
	for _, zone := range n.AZHints {
		if !c.Imported() && !p.hasZone(u.Peek(), zone, zoneOfNetworks) {
			return "", Refuse(http.StatusNotFound, "AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", zone)
		}
	}
	if _, err := p.ensureDefaultGroup(u, n.ProjectID); err != nil {
		return "", err
	}
	if err := p.takeQuota(c, u, &n.Meta, QuotaNetwork); err != nil {
		return "", err
	}
	if err := p.takeSegments(u, s, &n); err != nil {
		return "", err
	}
	var err error
	if n.MTU, err = p.mtuFor(&n, s.MTU); err != nil {
		return "", err
	}
	if err := p.qualifyNetwork(c, u, &n); err != nil {
		return "", err
	}
	n.IsDefault = s.IsDefault && s.External
	if err := p.claimDefaultExternal(u, false, &n); err != nil {
		return "", err
	}
	records.Networks.Put(u, &n)
	return n.ID, p.publishNetwork(u, &n)
}

// Least MTUs, in bytes (RFC 791, RFC 8200).
const (
	minMTUv4 = 68
	minMTUv6 = 1280
)

// mtuFor gives the MTU of a network whose creator wants the given one; 0 is
// the largest that all of its segments allow.
func (p *Plugin) mtuFor(n *model.Network, want int) (int, error) {
	most := p.segments.MaxMTU(n.Segment)
	for _, s := range n.AllSegments() {
		most = min(most, p.segments.MaxMTU(s.Segment))
	}
	switch {
	case want == 0:
		return most, nil
	case want > most:
		return 0, InvalidInput("Requested MTU is too big, maximum is %d", most)
	case want < minMTUv4:
		return 0, InvalidInput("Requested MTU is too small, minimum is %d", minMTUv4)
	}
	return want, nil
}

// claimDefaultExternal keeps the key of the one default external network.
func (p *Plugin) claimDefaultExternal(u *records.Update, was bool, n *model.Network) error {
	if was && !n.IsDefault {
		u.Release(defaultExternalKey)
	}
	if was || !n.IsDefault {
		return nil
	}
	if err := u.Claim(defaultExternalKey, n.ID); err != nil {
		owner, _ := u.Claimed(defaultExternalKey)
		return Conflict("DefaultExternalNetworkExists", "A default external network already exists: %s.", owner)
	}
	return nil
}

// UpdateNetwork changes a network.
func (p *Plugin) UpdateNetwork(c Call, u *records.Update, before *model.Network, s *NetworkSpec) error {
	n := s.Network
	if err := p.resegment(u, before, s, &n); err != nil {
		return err
	}
	if c.Has("mtu") {
		var err error
		if n.MTU, err = p.mtuFor(&n, s.MTU); err != nil {
			return err
		}
		if n.MTU < minMTUv6 && hasIPv6Subnet(u, n.ID) {
			return InvalidInput("Requested MTU is too small, minimum is %d with an IPv6 subnet", minMTUv6)
		}
	}
	if err := p.republishNetwork(u, before, &n); err != nil {
		return err
	}
	if err := p.requalify(c, u, qosUse{qosOfNetwork, n.ID}, before.QoSPolicyID, n.QoSPolicyID); err != nil {
		return err
	}
	n.IsDefault = n.IsDefault && n.External
	if err := p.claimDefaultExternal(u, before.IsDefault, &n); err != nil {
		return err
	}
	if !reflect.DeepEqual(n, *before) {
		p.touch(&n.Meta)
		records.Networks.Put(u, &n)
	}
	return nil
}

func hasIPv6Subnet(r records.Reader, network string) bool {
	for s := range records.SubnetsByNetwork.Get(r, network) {
		if s.IPVersion == 6 {
			return true
		}
	}
	return false
}

// DeleteNetwork removes a network with its subnets, the floating addresses that
// stand for nothing, and the ports that belong to the service itself. It is refused while other ports are on it.
func (p *Plugin) DeleteNetwork(u *records.Update, id string) error {
	n, ok := records.Networks.Get(u, id)
	if !ok {
		return NotFound("Network", "Network", id)
	}
	if err := p.deleteFreeFloating(u, id); err != nil {
		return err
	}
	for port := range records.PortsByNetwork.Get(u, id) {
		if !autoDeleted(port.DeviceOwner) {
			return Conflict("NetworkInUse", "Unable to complete operation on network %s. There are one or more ports still in use on the network.", id)
		}
	}
	for port := range records.PortsByNetwork.Get(u, id) {
		if err := p.removePort(u, port.ID); err != nil {
			return err
		}
	}
	for s := range records.SubnetsByNetwork.Get(u, id) {
		if err := removeSubnet(u, s.ID); err != nil {
			return err
		}
	}
	keys := slices.Concat(networkSegmentKeys(n), quotaKeys(&n.Meta, QuotaNetwork), qosKeys(n.QoSPolicyID, qosOfNetwork, id))
	if err := reclaim(u, id, keys, nil); err != nil {
		return err
	}
	if n.IsDefault {
		u.Release(defaultExternalKey)
	}
	forgetTopology(u, n)
	u.RequireNoClaims(macPrefix(id))
	if err := unshare(u, id, everyPolicy); err != nil {
		return err
	}
	records.DHCPBindings.Delete(u, id)
	records.Networks.Delete(u, id)
	forgetStates(u, model.ObjectDHCP, id)
	return nil
}
