package api

import (
	"math"
	"slices"
	"strconv"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/model"
)

// providerAttrs say how a network is realised; they are for administrators.
// Several segments show as segments, one as provider:*.
func providerAttrs() []attr[networkSpec, networkView] {
	return []attr[networkSpec, networkView]{
		{
			name: "provider:network_type", create: true, update: true, check: nullable(text(32)),
			match: bySegment(func(s model.Segment) string { return string(s.Type) }),
			set:   func(s *networkSpec, v any) { s.Provider.Type, _ = v.(string) },
			get:   oneSegment(func(s model.Segment) any { return orNull(string(s.Type)) }),
		},
		{
			name: "provider:physical_network", create: true, update: true, check: nullable(text(64)),
			match: bySegment(func(s model.Segment) string { return s.PhysicalNetwork }),
			set:   func(s *networkSpec, v any) { s.Provider.PhysicalNetwork, _ = v.(string) },
			get:   oneSegment(func(s model.Segment) any { return orNull(s.PhysicalNetwork) }),
		},
		{
			name: "provider:segmentation_id", create: true, update: true, check: nullable(segmentID),
			match: bySegmentID,
			set:   func(s *networkSpec, v any) { s.Provider.ID, _ = v.(*uint32) },
			get:   oneSegment(segmentIDOrNull),
		},
		{
			name: "segments", create: true, update: true, check: objects(segmentOf),
			set: func(s *networkSpec, v any) { s.Segments = v.([]plugin.SegmentSpec) },
			get: func(v *networkView) any { return segmentObjects(v.Network) },
		},
	}
}

// oneSegment shows a part of a network's segment, if it has not several.
func oneSegment(get func(model.Segment) any) func(*networkView) any {
	return func(v *networkView) any {
		if len(v.Segments) > 1 {
			return absent
		}
		return get(v.Segment)
	}
}

// segmentObjects shows several segments; one shows as provider:*.
func segmentObjects(n *model.Network) any {
	if len(n.Segments) < 2 {
		return absent
	}
	out := make([]object, 0, len(n.Segments))
	for _, s := range n.Segments {
		out = append(out, object{
			{"provider:network_type", string(s.Segment.Type)},
			{"provider:physical_network", orNull(s.Segment.PhysicalNetwork)},
			{"provider:segmentation_id", segmentIDOrNull(s.Segment)},
		})
	}
	return out
}

// bySegment filters by a part of any of a network's segments.
func bySegment(part func(model.Segment) string) func([]string) (func(*networkView) bool, error) {
	return func(values []string) (func(*networkView) bool, error) {
		return func(v *networkView) bool {
			return slices.ContainsFunc(v.AllSegments(), func(s model.NetworkSegment) bool {
				text := part(s.Segment)
				return text != "" && slices.Contains(values, text)
			})
		}, nil
	}
}

func bySegmentID(values []string) (func(*networkView) bool, error) {
	for _, text := range values {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return nil, unconvertible("'%s' is not an integer", clip(text))
		}
	}
	return bySegment(func(s model.Segment) string {
		if s.ID == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(s.ID), 10)
	})(values)
}

func segmentIDOrNull(s model.Segment) any {
	if s.ID == 0 {
		return nil
	}
	return s.ID
}

// segmentID takes a segmentation id and gives a *uint32; which ids a network
// type has is for the plugin to say.
func segmentID(v any) (any, error) {
	n, err := parseInteger(v)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > math.MaxUint32 {
		return nil, unconvertible("segmentation_id '%d' is out of range", n)
	}
	id := uint32(n)
	return &id, nil
}

// segmentOf reads an entry of segments.
func segmentOf(o map[string]any) (plugin.SegmentSpec, error) {
	var s plugin.SegmentSpec
	if err := only(o, "provider:network_type", "provider:physical_network", "provider:segmentation_id"); err != nil {
		return s, err
	}
	kind, err := nullable(text(32))(o["provider:network_type"])
	if err != nil {
		return s, err
	}
	physnet, err := nullable(text(64))(o["provider:physical_network"])
	if err != nil {
		return s, err
	}
	id, err := nullable(segmentID)(o["provider:segmentation_id"])
	if err != nil {
		return s, err
	}
	s.Type, _ = kind.(string)
	s.PhysicalNetwork, _ = physnet.(string)
	s.ID, _ = id.(*uint32)
	return s, nil
}
