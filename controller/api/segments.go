package api

import (
	"iter"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	segmentSpec = plugin.NetworkSegmentSpec
	segmentView = plugin.NetworkSegmentView
)

// newSegments serves /v2.0/segments: the segments of networks as objects of
// their own.
func newSegments(a *API) endpoint {
	p := a.config.Plugin
	nobody := func(records.Reader, *segmentView) identity.Target { return identity.Target{} }
	return (&collection[segmentSpec, segmentView]{
		api: a, member: "segment", plural: "segments", path: "segments", kind: "Segment", title: "Segment", bulk: true,
		attrs:  segmentAttrs(),
		id:     func(v *segmentView) string { return v.ID },
		meta:   func(v *segmentView) *model.Meta { return &v.Meta },
		target: nobody,
		find: func(r records.Reader, id string) (*segmentView, bool) {
			_, v, ok := plugin.FindSegment(r, id)
			return v, ok
		},
		all: func(r records.Reader) iter.Seq[*segmentView] { return segmentsIn(records.Networks.All(r)) },
		hints: []hint[segmentView]{{"network_id", func(r records.Reader, value string) iter.Seq[*segmentView] {
			n, ok := records.Networks.Get(r, value)
			if !ok {
				return func(func(*segmentView) bool) {}
			}
			return slices.Values(plugin.SegmentViews(n))
		}}},
		fresh:      func(*request) *segmentSpec { return &segmentSpec{} },
		load:       func(v *segmentView) *segmentSpec { return &segmentSpec{NetworkSegment: *v.NetworkSegment} },
		create:     p.CreateSegment,
		update:     p.UpdateSegment,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteSegment(u, id) },
		specTarget: func(records.Reader, *segmentSpec) identity.Target { return identity.Target{} },
	}).governed()
}

func segmentsIn(networks iter.Seq[*model.Network]) iter.Seq[*segmentView] {
	return func(yield func(*segmentView) bool) {
		for n := range networks {
			for _, v := range plugin.SegmentViews(n) {
				if !yield(v) {
					return
				}
			}
		}
	}
}

func segmentAttrs() []attr[segmentSpec, segmentView] {
	type row = attr[segmentSpec, segmentView]
	table := chosen(common(
		func(s *segmentSpec) *model.Meta { return &s.Meta },
		func(v *segmentView) *model.Meta { return &v.Meta }),
		"id", "description", "tenant_id", "project_id", "created_at", "updated_at", "revision_number", importAttr)
	for i := range table {
		switch table[i].name {
		case "tenant_id", "project_id": // taken, and never shown
			table[i].get, table[i].filter, table[i].sort = nil, noFilter, false
		}
	}
	return append(table, []row{
		{
			name: "name", create: true, update: true, check: nullable(text255), filter: byText, sort: true,
			set: func(s *segmentSpec, v any) { s.Name, _ = v.(string) },
			get: func(v *segmentView) any { return orNull(v.Name) },
		},
		{
			name: "network_id", create: true, required: true, check: uuidText, filter: byText, sort: true,
			set: func(s *segmentSpec, v any) { s.NetworkID = v.(string) },
			get: func(v *segmentView) any { return v.NetworkID },
		},
		{
			name: "network_type", create: true, required: true, check: text(32), filter: byText, sort: true,
			set: func(s *segmentSpec, v any) { s.Wire.Type = v.(string) },
			get: func(v *segmentView) any { return string(v.Segment.Type) },
		},
		{
			name: "physical_network", create: true, check: nullable(text(64)), filter: byText, sort: true,
			set: func(s *segmentSpec, v any) { s.Wire.PhysicalNetwork, _ = v.(string) },
			get: func(v *segmentView) any { return orNull(v.Segment.PhysicalNetwork) },
		},
		{
			name: "segmentation_id", create: true, check: nullable(segmentID), sort: true,
			set: func(s *segmentSpec, v any) { s.Wire.ID, _ = v.(*uint32) },
			get: func(v *segmentView) any { return segmentIDOrNull(v.Segment) },
		},
	}...)
}
