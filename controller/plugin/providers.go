package plugin

import (
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// SegmentSpec is a segment as a request asks for it.
type SegmentSpec struct {
	Type            string
	PhysicalNetwork string
	ID              *uint32
}

func (s SegmentSpec) given() bool { return s.Type != "" || s.PhysicalNetwork != "" || s.ID != nil }

func (s SegmentSpec) segment() model.Segment {
	seg := model.Segment{Type: model.NetworkType(s.Type), PhysicalNetwork: s.PhysicalNetwork}
	if s.ID != nil {
		seg.ID = *s.ID
	}
	return seg
}

// maxSegments is how many segments a network may have.
const maxSegments = 256

// wantedSegments gives the segments that a request for a network asks for; one
// that is not given is for the pools to choose.
func wantedSegments(s *NetworkSpec) ([]SegmentSpec, error) {
	switch {
	case len(s.Segments) > 0 && s.Provider.given():
		return nil, BadRequest("SegmentsSetInConjunctionWithProviders", "Segments and provider values cannot both be set.")
	case len(s.Segments) == 0:
		return []SegmentSpec{s.Provider}, nil
	case len(s.Segments) > maxSegments:
		return nil, InvalidInput("a network has at most %d segments, %d were given", maxSegments, len(s.Segments))
	}
	seen := map[model.Segment]bool{}
	for _, want := range s.Segments {
		segment := want.segment()
		if want.ID == nil && segment.Type != model.Flat {
			continue // which one it will be is open
		}
		if seen[segment] {
			return nil, BadRequest("SegmentsContainDuplicateEntry", "Duplicate segment entry in request.")
		}
		seen[segment] = true
	}
	return s.Segments, nil
}

// takeSegments claims the segments of a new network.
func (p *Plugin) takeSegments(u *records.Update, s *NetworkSpec, n *model.Network) error {
	wants, err := wantedSegments(s)
	if err != nil {
		return err
	}
	var all []model.NetworkSegment
	for i, want := range wants {
		if len(s.Segments) > 0 && !want.given() {
			return InvalidInput("network_type required")
		}
		segment, err := p.takeSegment(u, want, n)
		if err != nil {
			return err
		}
		object := model.NetworkSegment{Segment: segment}
		if err := p.segmentMeta(u, &object.Meta, s.SegmentIDs, i); err != nil {
			return err
		}
		all = append(all, object)
	}
	n.SetSegments(all)
	return nil
}

// takeSegment claims a segment for a network.
func (p *Plugin) takeSegment(u *records.Update, want SegmentSpec, n *model.Network) (model.Segment, error) {
	if want.ID != nil && *want.ID == 0 && (want.Type == string(model.Flat) || want.Type == string(model.Local)) {
		want.ID = nil // clients that always send one
	}
	if want.given() {
		if want.ID != nil && *want.ID == 0 {
			return model.Segment{}, InvalidInput("segmentation_id 0 is out of range")
		}
		if err := p.segments.Check(want.segment()); err != nil {
			return model.Segment{}, InvalidInput("%s", err)
		}
	}
	tried := map[model.Segment]bool{}
	for {
		segment, err := p.proposeSegment(u, want, n.ProjectID, tried)
		if err != nil {
			return model.Segment{}, err
		}
		// Not reclaim: a network does not have the same segment twice.
		if segment.Type == model.Local {
			return segment, nil
		}
		if err = u.Claim(segmentKey(segment), n.ID); err == nil {
			return segment, nil
		}
		tried[segment] = true
		if !isTaken(err) || want.ID != nil || segment.ID == 0 {
			return model.Segment{}, segmentInUse(segment)
		}
	}
}

func (p *Plugin) proposeSegment(u *records.Update, want SegmentSpec, project string, tried map[model.Segment]bool) (model.Segment, error) {
	taken := func(s model.Segment) bool {
		_, claimed := u.Claimed(segmentKey(s))
		return claimed || tried[s]
	}
	var segment model.Segment
	var err error
	from := p.rangesFor(u, project)
	if want.given() {
		segment, err = p.segments.Complete(want.segment(), from, taken)
	} else {
		segment, err = p.segments.ProposeTenant(from, taken)
	}
	if err != nil {
		return segment, Refuse(503, "NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
	}
	keepRanges(u, segment)
	return segment, nil
}

func segmentKey(s model.Segment) string {
	return fmt.Sprintf("%s%d", segmentPrefix(s.Type, s.PhysicalNetwork), s.ID)
}

func segmentPrefix(t model.NetworkType, physnet string) string {
	return fmt.Sprintf("seg/%s/%s/", t, physnet)
}

func segmentKeys(s model.Segment) []string {
	if s.Type == model.Local || s.Type == "" {
		return nil
	}
	return []string{segmentKey(s)}
}

// networkSegmentKeys are the keys of all segments of a network.
func networkSegmentKeys(n *model.Network) []string {
	var keys []string
	for _, s := range n.AllSegments() {
		keys = append(keys, segmentKeys(s.Segment)...)
	}
	return keys
}

func segmentInUse(s model.Segment) *Error {
	switch s.Type {
	case model.Flat:
		return Conflict("FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", s.PhysicalNetwork)
	case model.VLAN:
		return Conflict("VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.", s.ID, s.PhysicalNetwork)
	}
	return Conflict("TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", s.ID)
}

// resegment moves a network of one segment to another segmentation id: all of
// provider:* that may change.
func (p *Plugin) resegment(u *records.Update, before *model.Network, s *NetworkSpec, n *model.Network) error {
	want := s.Provider
	if len(s.Segments) > 0 {
		return InvalidInput("segments of a network cannot be changed")
	}
	if !want.given() {
		return nil
	}
	all := slices.Clone(before.AllSegments())
	if len(all) != 1 || (want.Type != "" && want.Type != string(before.Segment.Type)) ||
		(want.PhysicalNetwork != "" && want.PhysicalNetwork != before.Segment.PhysicalNetwork) {
		return InvalidInput("only segmentation_id of the provider attributes can be changed, and of networks with one segment")
	}
	if want.ID == nil || *want.ID == before.Segment.ID {
		return nil
	}
	all[0].Segment.ID = *want.ID
	if err := p.segments.Check(all[0].Segment); err != nil {
		return InvalidInput("%s", err)
	}
	if *want.ID == 0 {
		return InvalidInput("segmentation_id 0 is out of range")
	}
	p.touch(&all[0].Meta)
	n.SetSegments(all)
	if err := reclaim(u, n.ID, segmentKeys(before.Segment), segmentKeys(n.Segment)); err != nil {
		return segmentInUse(n.Segment)
	}
	return nil
}
