package api

import (
	"iter"
	"math"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	networkSpec = plugin.NetworkSpec
	networkView = plugin.NetworkView
)

// newNetworks serves /v2.0/networks.
func newNetworks(a *API) endpoint {
	p := a.config.Plugin
	view := func(r records.Reader) func(*model.Network) *networkView {
		return func(n *model.Network) *networkView { return p.ViewNetwork(r, n) }
	}
	byProject := func(r records.Reader, v string) iter.Seq[*networkView] {
		if v == "" {
			return views(records.Networks.All(r), view(r))
		}
		return views(records.NetworksByProject.Get(r, v), view(r))
	}
	return networkEndpoint{(&collection[networkSpec, networkView]{
		api: a, member: "network", plural: "networks", path: "networks", kind: "Network", title: "Network", bulk: true,
		attrs:  networkAttrs(),
		id:     func(v *networkView) string { return v.ID },
		meta:   func(v *networkView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *networkView) identity.Target { return v.Target() },
		find: func(r records.Reader, id string) (*networkView, bool) {
			n, ok := records.Networks.Get(r, id)
			if !ok {
				return nil, false
			}
			return p.ViewNetwork(r, n), true
		},
		all: func(r records.Reader) iter.Seq[*networkView] { return views(records.Networks.All(r), view(r)) },
		after: func(r records.Reader, id string) iter.Seq[*networkView] {
			return views(records.Networks.After(r, id), view(r))
		},
		hints: []hint[networkView]{
			{"name", func(r records.Reader, v string) iter.Seq[*networkView] {
				if v == "" {
					return views(records.Networks.All(r), view(r))
				}
				return views(records.NetworksByName.Get(r, v), view(r))
			}},
			{"project_id", byProject},
			{"tenant_id", byProject},
		},
		fresh: func(rq *request) *networkSpec {
			s := &networkSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *networkView) *networkSpec { return &networkSpec{Network: *v.Network} },
		parts:  networkParts,
		create: p.CreateNetwork,
		update: func(c plugin.Call, u *records.Update, before *networkView, s *networkSpec) error {
			return p.UpdateNetwork(c, u, before.Network, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteNetwork(u, id) },
		tag:    func(u *records.Update, v *networkView, tags []string) { p.TagNetwork(u, v.Network, tags) },
		specTarget: func(r records.Reader, s *networkSpec) identity.Target {
			return plugin.NetworkTarget(r, &s.Network)
		},
	}).governed()}
}

func networkAttrs() []attr[networkSpec, networkView] {
	type row = attr[networkSpec, networkView]
	table := common(
		func(s *networkSpec) *model.Meta { return &s.Meta },
		func(v *networkView) *model.Meta { return &v.Meta })
	table = append(table, []row{
		{
			name: "admin_state_up", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *networkSpec, v any) { s.AdminStateUp = v.(bool) },
			get: func(v *networkView) any { return v.AdminStateUp },
		},
		{name: "status", get: func(*networkView) any { return "ACTIVE" }, filter: byText, sort: true},
		{name: "subnets", get: func(v *networkView) any { return list(v.Subnets) }},
		{
			name: "shared", create: true, update: true, standard: false, check: boolean, filter: byBool,
			set:    func(s *networkSpec, v any) { s.Shared = v.(bool) },
			getFor: func(who identity.Identity, v *networkView) any { return v.With(who.ProjectID) },
		},
		{
			name: "router:external", create: true, update: true, standard: false, check: boolean, filter: byBool,
			set: func(s *networkSpec, v any) { s.External = v.(bool) },
			get: func(v *networkView) any { return v.External },
		},
		{
			name: "is_default", create: true, update: true, standard: false, check: boolean, filter: byBool,
			set: func(s *networkSpec, v any) { s.IsDefault = v.(bool) },
			get: func(v *networkView) any { return v.IsDefault },
		},
		{
			name: "mtu", create: true, update: true, standard: 0, check: integer(0, math.MaxInt32), filter: byInt, sort: true,
			set: func(s *networkSpec, v any) { s.MTU = v.(int) },
			get: func(v *networkView) any { return v.MTU },
		},
		{
			name: "port_security_enabled", create: true, update: true, standard: true, check: boolean,
			set: func(s *networkSpec, v any) { s.PortSecurityEnabled = v.(bool) },
			get: func(v *networkView) any { return v.PortSecurityEnabled },
		},
		{
			name: "dns_domain", create: true, update: true, standard: "", check: domainName,
			set: func(s *networkSpec, v any) { s.DNSDomain = v.(string) },
			get: func(v *networkView) any { return v.DNSDomain },
		},
		{
			name: "availability_zone_hints", create: true, standard: []string(nil), check: hintList, sort: true,
			set: func(s *networkSpec, v any) { s.AZHints = v.([]string) },
			get: func(v *networkView) any { return list(v.AZHints) },
		},
		{name: "availability_zones", get: func(v *networkView) any { return list(v.Zones) }},
		qosAttr(func(s *networkSpec) *string { return &s.QoSPolicyID }, func(v *networkView) string { return v.QoSPolicyID }),
		{name: "ipv4_address_scope", get: func(v *networkView) any { return orNull(v.Scopes[4]) }},
		{name: "ipv6_address_scope", get: func(v *networkView) any { return orNull(v.Scopes[6]) }},
		{name: "l2_adjacency", get: func(v *networkView) any { return !v.Routed }},
	}...)
	table = replaced(table, importRow[networkSpec, networkView](func(s *networkSpec) *model.Meta { return &s.Meta }, importPart[networkSpec]{
		"segments", importIDs, func(s *networkSpec, v any) { s.SegmentIDs = v.([]string) },
	}))
	return append(table, providerAttrs()...)
}

// hintList takes the names of availability zones.
func hintList(v any) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrong("'%s' is not a list", textOf(v))
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		s, err := text255(item)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, s.(string)) {
			return nil, wrong("Duplicate items in the list: '%s'", s)
		}
		out = append(out, s.(string))
	}
	return out, nil
}
