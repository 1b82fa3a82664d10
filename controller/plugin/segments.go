package plugin

import (
	"reflect"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// NetworkSegmentSpec is a segment as a request asks for it as an object of its
// own.
type NetworkSegmentSpec struct {
	model.NetworkSegment
	NetworkID string
	Wire      SegmentSpec
}

// NetworkSegmentView is a segment as the API shows it.
type NetworkSegmentView struct {
	*model.NetworkSegment
	NetworkID string
}

// FindSegment gives a segment and its network.
func FindSegment(r records.Reader, id string) (*model.Network, *NetworkSegmentView, bool) {
	n, ok := records.Networks.Get(r, id) // the id of one that has none of its own
	for candidate := range records.NetworksBySegment.Get(r, id) {
		n, ok = candidate, true
	}
	if !ok {
		return nil, nil, false
	}
	for _, v := range SegmentViews(n) {
		if v.ID == id {
			return n, v, true
		}
	}
	return nil, nil, false
}

// SegmentViews gives the segments of a network.
func SegmentViews(n *model.Network) []*NetworkSegmentView {
	all := n.AllSegments()
	out := make([]*NetworkSegmentView, 0, len(all))
	for i := range all {
		out = append(out, &NetworkSegmentView{NetworkSegment: &all[i], NetworkID: n.ID})
	}
	return out
}

// CreateSegment adds a segment to a network, of the id that the request names or
// a free one of the pools.
func (p *Plugin) CreateSegment(_ Call, u *records.Update, s *NetworkSegmentSpec) (string, error) {
	network, ok := records.Networks.Get(u, s.NetworkID)
	if !ok {
		return "", NotFound("Network", "Network", s.NetworkID)
	}
	n, object := *network, s.NetworkSegment
	if len(n.AllSegments()) >= maxSegments {
		return "", InvalidInput("a network has at most %d segments", maxSegments)
	}
	if s.Wire.Type == "" {
		return "", InvalidInput("network_type required")
	}
	var err error
	if object.Segment, err = p.takeSegment(u, s.Wire, &n); err != nil {
		return "", err
	}
	object.ProjectID = ""
	p.newMeta(&object.Meta, 0)
	n.SetSegments(append(slices.Clone(n.AllSegments()), object))
	p.touch(&n.Meta)
	records.Networks.Put(u, &n)
	p.bindFailed(u, &n)
	return object.ID, nil
}

// maxRebound is how many ports are bound again together with another change.
const maxRebound = 100

// bindFailed binds the ports of a network again whose binding has failed, for
// when their hosts may be on a segment now.
func (p *Plugin) bindFailed(u *records.Update, n *model.Network) {
	done := 0
	for port := range records.PortsByNetwork.Get(u.Peek(), n.ID) {
		if port.VIFType != VIFBindingFailed || done == maxRebound {
			continue
		}
		changed := *port
		if p.bind(u, n, &changed); !bound(&changed) {
			continue
		}
		done++
		p.touch(&changed.Meta)
		records.Ports.Put(u, &changed)
	}
}

// UpdateSegment changes what a segment is called: all of a segment that may
// change.
func (p *Plugin) UpdateSegment(_ Call, u *records.Update, before *NetworkSegmentView, s *NetworkSegmentSpec) error {
	object := s.NetworkSegment
	if reflect.DeepEqual(object, *before.NetworkSegment) {
		return nil
	}
	network, ok := records.Networks.Get(u, before.NetworkID)
	if !ok {
		return noSegment(before.ID)
	}
	n, all := *network, slices.Clone(network.AllSegments())
	at := slices.IndexFunc(all, func(o model.NetworkSegment) bool { return o.ID == before.ID })
	if at < 0 {
		return noSegment(before.ID)
	}
	p.touch(&object.Meta)
	all[at] = object
	n.SetSegments(all)
	records.Networks.Put(u, &n)
	return nil
}

func noSegment(id string) *Error { return NotFound("Segment", "Segment", id) }

// DeleteSegment takes a segment from its network, unless a subnet or a port is
// on it.
func (p *Plugin) DeleteSegment(u *records.Update, id string) error {
	found, v, ok := FindSegment(u.Peek(), id)
	if !ok {
		return noSegment(id)
	}
	network, ok := records.Networks.Get(u, found.ID)
	if !ok {
		return noSegment(id)
	}
	if subnets := subnetsOnSegment(u, network.ID, id); len(subnets) > 0 {
		return segmentHeld(id, "The segment is still associated with subnet(s) "+strings.Join(subnets, ", "))
	}
	if ports := p.portsOnSegment(u, network, v.Segment); len(ports) > 0 {
		return segmentHeld(id, "The segment is still bound with port(s) "+strings.Join(ports, ", "))
	}
	u.RequireNoNewClaims(macPrefix(network.ID))
	n := *network
	n.SetSegments(slices.DeleteFunc(slices.Clone(network.AllSegments()), func(o model.NetworkSegment) bool { return o.ID == id }))
	for _, key := range segmentKeys(v.Segment) {
		u.Release(key)
	}
	p.touch(&n.Meta)
	records.Networks.Put(u, &n)
	return nil
}

func segmentHeld(id, reason string) *Error {
	return Conflict("SegmentInUse", "Segment '%s' cannot be deleted: %s.", id, reason)
}

// mostNamed is how many objects a message names at most.
const mostNamed = 5

func subnetsOnSegment(r records.Reader, network, segment string) []string {
	var ids []string
	for s := range records.SubnetsByNetwork.Get(r, network) {
		if s.SegmentID == segment && len(ids) < mostNamed {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// portsOnSegment gives ports whose host realises the network by the segment.
func (p *Plugin) portsOnSegment(r records.Reader, n *model.Network, s model.Segment) []string {
	var ids []string
	for port := range records.PortsByNetwork.Get(r, n.ID) {
		if len(ids) == mostNamed {
			break
		}
		if bound(port) && slices.Contains(wireOn(r, n, port.Host), s) {
			ids = append(ids, port.ID)
		}
	}
	return ids
}

// wireOn gives the segment by which a host realises a network, or none.
func wireOn(r records.Reader, n *model.Network, host string) []model.Segment {
	for a := range records.AgentsByHost.Get(r, host) {
		if s, ok := n.SegmentOn(a); ok {
			return []model.Segment{s}
		}
	}
	return nil
}

// hostSegments gives the segments of a network that a host can be on.
func hostSegments(r records.Reader, n *model.Network, host string) []model.NetworkSegment {
	var out []model.NetworkSegment
	for a := range records.AgentsByHost.Get(r, host) {
		for _, s := range n.AllSegments() {
			if a.Reaches(s.Segment) {
				out = append(out, s)
			}
		}
	}
	return out
}
