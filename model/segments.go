package model

import "slices"

// NetworkSegment is a segment of a network as an object of its own.
type NetworkSegment struct {
	Meta
	Segment Segment `json:"segment"`
}

// AllSegments gives the segments of a network, the first one first. A network
// whose record says nothing of them has the one segment, which then has the
// network's own id.
func (n *Network) AllSegments() []NetworkSegment {
	if len(n.Segments) > 0 || n.Segment.Type == "" {
		return n.Segments
	}
	only := NetworkSegment{Segment: n.Segment}
	only.ID, only.CreatedAt, only.UpdatedAt = n.ID, n.CreatedAt, n.CreatedAt
	return []NetworkSegment{only}
}

// SetSegments replaces the segments of a network.
func (n *Network) SetSegments(all []NetworkSegment) {
	n.Segments, n.Segment = all, Segment{}
	if len(all) > 0 {
		n.Segment = all[0].Segment
	}
}

// SegmentOn gives the segment of the network that the agent's host is on, the
// first that its bridges and tunnels can carry; false for none.
func (n *Network) SegmentOn(a *Agent) (Segment, bool) {
	if len(n.Segments) <= 1 {
		return n.Segment, n.Segment.Type != "" && a.Reaches(n.Segment)
	}
	for i := range n.Segments {
		if a.Reaches(n.Segments[i].Segment) {
			return n.Segments[i].Segment, true
		}
	}
	return Segment{}, false
}

// Reaches reports whether the agent's bridges and tunnels can carry the segment.
func (a *Agent) Reaches(s Segment) bool {
	switch {
	case s.Type.Physical():
		_, ok := a.BridgeMappings[s.PhysicalNetwork]
		return ok
	case s.Type.Tunneled():
		return slices.Contains(a.TunnelTypes, s.Type)
	}
	return true
}

// PortBinding is a binding of a port to a host that is not in use.
type PortBinding struct {
	Host       string         `json:"host"`
	VNICType   string         `json:"vnic_type,omitempty"`
	VIFType    string         `json:"vif_type,omitempty"`
	VIFDetails map[string]any `json:"vif_details,omitempty"`
	Profile    map[string]any `json:"profile,omitempty"`
}

// SegmentRange is a range of segment ids that networks of projects get theirs
// from.
type SegmentRange struct {
	Meta
	// Shared ranges are for all projects; others for the project that they are
	// of.
	Shared          bool        `json:"shared,omitempty"`
	NetworkType     NetworkType `json:"network_type"`
	PhysicalNetwork string      `json:"physical_network,omitempty"` // of VLANs only
	Minimum         uint32      `json:"minimum"`                    // inclusive
	Maximum         uint32      `json:"maximum"`                    // inclusive
}
