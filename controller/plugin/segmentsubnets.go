package plugin

import (
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// checkNewSegment checks the segment of a new subnet: of a network's subnets
// either all are on segments of it or none is.
func checkNewSegment(u *records.Update, n *model.Network, s *model.Subnet) error {
	for other := range records.SubnetsByNetwork.Get(u, n.ID) {
		if (other.SegmentID == "") != (s.SegmentID == "") {
			return BadRequest("SubnetsNotAllAssociatedWithSegments",
				"All of the subnets on network '%s' must either all be associated with segments or all not associated with any segment.", n.ID)
		}
	}
	return checkSegment(u, n, s)
}

// checkSegment checks that a subnet's segment is one of its network.
func checkSegment(r records.Reader, n *model.Network, s *model.Subnet) error {
	if s.SegmentID == "" || slices.ContainsFunc(n.AllSegments(), func(o model.NetworkSegment) bool { return o.ID == s.SegmentID }) {
		return nil
	}
	if _, _, ok := FindSegment(r, s.SegmentID); !ok {
		return noSegment(s.SegmentID)
	}
	return BadRequest("NetworkIdsDontMatch", "The subnet's network id, '%s', doesn't match the network_id of segment '%s'", n.ID, s.SegmentID)
}

// changeSegment puts a subnet that is on no segment on the only one of its
// network: a network becomes a routed one so. It writes the network, so that the
// segment stays.
func (p *Plugin) changeSegment(u *records.Update, before, s *model.Subnet) error {
	if s.SegmentID == before.SegmentID {
		return nil
	}
	n, ok := records.Networks.Get(u, s.NetworkID)
	switch {
	case !ok:
		return NotFound("Network", "Network", s.NetworkID)
	case before.SegmentID != "":
		return BadRequest("SubnetSegmentAssociationChangeNotAllowed",
			"A subnet that is already associated with a segment cannot have its segment association changed.")
	case len(n.AllSegments()) > 1:
		return BadRequest("NoUpdateSubnetWhenMultipleSegmentsOnNetwork",
			"The network '%s' has multiple segments, it is only possible to associate an existing subnet with a segment on networks with a single segment.", n.ID)
	}
	if err := checkSegment(u.Peek(), n, s); err != nil {
		return err
	}
	p.touchNetwork(u, n)
	return nil
}

// A subnet on a segment has routes through its gateway to the subnets on the
// other segments of its network: guests with another default router reach them
// so.

// linkSegments gives a new subnet the routes to the others, and them those to
// it.
func (p *Plugin) linkSegments(u *records.Update, s *model.Subnet) {
	for _, peer := range segmentPeers(u, s) {
		s.HostRoutes = addRoute(s.HostRoutes, peer.CIDR, s.Gateway)
		changed := *peer
		if changed.HostRoutes = addRoute(peer.HostRoutes, s.CIDR, peer.Gateway); len(changed.HostRoutes) > len(peer.HostRoutes) {
			p.touch(&changed.Meta)
			records.Subnets.Put(u, &changed)
		}
	}
}

// unlinkSegments takes the routes to a subnet that goes from the others.
func (p *Plugin) unlinkSegments(u *records.Update, s *model.Subnet) {
	for _, peer := range segmentPeers(u, s) {
		changed := *peer
		changed.HostRoutes = slices.DeleteFunc(slices.Clone(peer.HostRoutes), func(r model.HostRoute) bool {
			return r == model.HostRoute{Destination: s.CIDR, NextHop: peer.Gateway}
		})
		if len(changed.HostRoutes) < len(peer.HostRoutes) {
			p.touch(&changed.Meta)
			records.Subnets.Put(u, &changed)
		}
	}
}

// relink moves the routes of an updated subnet to its new gateway.
func relink(u *records.Update, before, s *model.Subnet) {
	if s.Gateway == before.Gateway && slices.Equal(s.HostRoutes, before.HostRoutes) && s.SegmentID == before.SegmentID {
		return
	}
	for _, peer := range segmentPeers(u, s) {
		s.HostRoutes = slices.DeleteFunc(slices.Clone(s.HostRoutes), func(r model.HostRoute) bool {
			return r == model.HostRoute{Destination: peer.CIDR, NextHop: before.Gateway}
		})
		s.HostRoutes = addRoute(s.HostRoutes, peer.CIDR, s.Gateway)
	}
}

// segmentPeers gives the subnets of the same IP version on other segments of the
// subnet's network.
func segmentPeers(u *records.Update, s *model.Subnet) []*model.Subnet {
	if s.SegmentID == "" {
		return nil
	}
	var peers []*model.Subnet
	for other := range records.SubnetsByNetwork.Get(u, s.NetworkID) {
		if other.ID != s.ID && other.SegmentID != "" && other.SegmentID != s.SegmentID && other.IPVersion == s.IPVersion {
			peers = append(peers, other)
		}
	}
	slices.SortFunc(peers, func(a, b *model.Subnet) int { return a.CIDR.Addr().Compare(b.CIDR.Addr()) })
	return peers
}

// addRoute adds a route unless there is no hop, or a route covers it already.
func addRoute(routes []model.HostRoute, to netip.Prefix, hop netip.Addr) []model.HostRoute {
	if !hop.IsValid() || slices.ContainsFunc(routes, func(r model.HostRoute) bool {
		return r.Destination.Bits() <= to.Bits() && r.Destination.Contains(to.Addr())
	}) {
		return routes
	}
	return append(slices.Clone(routes), model.HostRoute{Destination: to, NextHop: hop})
}
