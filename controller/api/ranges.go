package api

import (
	"context"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	rangeSpec = plugin.RangeSpec
	rangeView = plugin.RangeView
)

// rangeEndpoint serves /v2.0/network_segment_ranges: where networks get their
// segment ids from.
type rangeEndpoint struct {
	*collection[rangeSpec, rangeView]
}

// newRanges serves them under either spelling of their path: clients use both.
func newRanges(a *API, path string) endpoint {
	p := a.config.Plugin
	return rangeEndpoint{(&collection[rangeSpec, rangeView]{
		api: a, member: "network_segment_range", plural: "network_segment_ranges", path: path,
		kind: "NetworkSegmentRange", title: "Network Segment Range", bulk: true,
		attrs:  rangeAttrs(),
		id:     func(v *rangeView) string { return v.ID },
		meta:   func(v *rangeView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *rangeView) identity.Target { return v.Target() },
		find:   p.FindRange,
		all: func(r records.Reader) iter.Seq[*rangeView] {
			own := views(records.SegmentRanges.All(r), func(rec *model.SegmentRange) *rangeView { return p.ViewRange(r, rec) })
			return slices.Values(slices.AppendSeq(p.DefaultRanges(r), own))
		},
		fresh: func(rq *request) *rangeSpec {
			s := &rangeSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *rangeView) *rangeSpec { return &rangeSpec{SegmentRange: *v.SegmentRange} },
		create:     p.CreateRange,
		update:     p.UpdateRange,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteRange(u, id) },
		tag:        func(u *records.Update, v *rangeView, tags []string) { p.TagRange(u, v.SegmentRange, tags) },
		specTarget: ownedTarget(func(s *rangeSpec) *model.Meta { return &s.Meta }),
	}).governed()}
}

// serve keeps tags off the ranges of the configuration, which nothing changes.
func (e rangeEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) < 2 || rest[1] != "tags" || rq.http.Method == http.MethodGet {
		return e.collection.serve(ctx, rq, rest)
	}
	err := e.api.read(ctx, func(r records.Reader) error {
		v, err := e.seen(r, rq.who, rest[0])
		if err == nil && v.Default {
			return plugin.RangeReadOnly(rest[0])
		}
		return err
	})
	if err != nil {
		return response{}, err
	}
	return e.collection.serve(ctx, rq, rest)
}

func rangeAttrs() []attr[rangeSpec, rangeView] {
	type row = attr[rangeSpec, rangeView]
	table := common(
		func(s *rangeSpec) *model.Meta { return &s.Meta },
		func(v *rangeView) *model.Meta { return &v.Meta })
	for i := range table {
		if table[i].name == "project_id" || table[i].name == "tenant_id" {
			table[i].get = func(v *rangeView) any { return orNull(v.ProjectID) }
		}
	}
	limit := integer(1, math.MaxUint32)
	return append(table, []row{
		{name: "default", get: func(v *rangeView) any { return v.Default }},
		{
			name: "shared", create: true, standard: true, check: boolean,
			set: func(s *rangeSpec, v any) { s.Shared = v.(bool) },
			get: func(v *rangeView) any { return v.Shared },
		},
		{
			name: "network_type", create: true, check: oneOf("vlan", "vxlan", "gre", "geneve"), filter: byText,
			set: func(s *rangeSpec, v any) { s.NetworkType = model.NetworkType(v.(string)) },
			get: func(v *rangeView) any { return string(v.NetworkType) },
		},
		{
			name: "physical_network", create: true, check: nullable(text(64)), filter: byText,
			set: func(s *rangeSpec, v any) { s.PhysicalNetwork, _ = v.(string) },
			get: func(v *rangeView) any { return orNull(v.PhysicalNetwork) },
		},
		{
			name: "minimum", create: true, update: true, required: true, check: limit,
			set: func(s *rangeSpec, v any) { s.Minimum = uint32(v.(int)) },
			get: func(v *rangeView) any { return v.Minimum },
		},
		{
			name: "maximum", create: true, update: true, required: true, check: limit,
			set: func(s *rangeSpec, v any) { s.Maximum = uint32(v.(int)) },
			get: func(v *rangeView) any { return v.Maximum },
		},
		{name: "used", get: func(v *rangeView) any { return usedObject(v.Used()) }},
		{name: "available", get: func(v *rangeView) any { return v.Available() }},
	}...)
}

// usedObject shows ids in use, each with its project.
func usedObject(used []plugin.UsedSegment) object {
	o := object{}
	for _, u := range used {
		o = append(o, member{strconv.FormatUint(uint64(u.ID), 10), u.ProjectID})
	}
	return o
}
