package api

import (
	"iter"
	"math"
	"net/netip"
	"strconv"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	subnetPoolSpec = plugin.PoolSpec
	subnetPoolView = plugin.PoolView
)

// newPools serves /v2.0/subnetpools.
func newPools(a *API) endpoint {
	p := a.config.Plugin
	byProject := byIndex(records.SubnetPools, records.PoolsByProject, p.ViewPool)
	c := &collection[subnetPoolSpec, subnetPoolView]{
		api: a, member: "subnetpool", plural: "subnetpools", path: "subnetpools",
		kind: "SubnetPool", title: "Subnet pool", bulk: true,
		attrs:  poolAttrs(),
		id:     func(v *subnetPoolView) string { return v.ID },
		meta:   func(v *subnetPoolView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *subnetPoolView) identity.Target { return v.Target() },
		find:   found(records.SubnetPools, p.ViewPool),
		all: func(r records.Reader) iter.Seq[*subnetPoolView] {
			return views(records.SubnetPools.All(r), func(pool *model.SubnetPool) *subnetPoolView { return p.ViewPool(r, pool) })
		},
		hints: []hint[subnetPoolView]{{"project_id", byProject}, {"tenant_id", byProject}},
		fresh: func(rq *request) *subnetPoolSpec {
			s := &subnetPoolSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *subnetPoolView) *subnetPoolSpec { return &subnetPoolSpec{SubnetPool: *v.SubnetPool} },
		create:     p.CreatePool,
		update:     p.UpdatePool,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeletePool(u, id) },
		tag:        func(u *records.Update, v *subnetPoolView, tags []string) { p.TagPool(u, v.SubnetPool, tags) },
		specTarget: ownedTarget(func(s *subnetPoolSpec) *model.Meta { return &s.Meta }),
	}
	return operations[subnetPoolSpec, subnetPoolView]{collection: c.governed(), read: map[string]func(map[string]any) (operation[subnetPoolView], error){
		"add_prefixes":            poolPrefixes(p.AddPrefixes),
		"remove_prefixes":         poolPrefixes(p.RemovePrefixes),
		"onboard_network_subnets": onboarding(p),
	}}
}

// poolPrefixes reads and does a change of a pool's prefixes; the answer is the
// prefixes, bare.
func poolPrefixes(change func(plugin.Call, *records.Update, *model.SubnetPool, []netip.Prefix) ([]netip.Prefix, error)) func(map[string]any) (operation[subnetPoolView], error) {
	return func(body map[string]any) (operation[subnetPoolView], error) {
		prefixes, err := prefixBody(body, "prefixes", prefix)
		return func(c plugin.Call, u *records.Update, v *subnetPoolView) (object, error) {
			after, err := change(c, u, v.SubnetPool, prefixes)
			return object{{"prefixes", prefixTexts(after)}}, err
		}, err
	}
}

// onboarding reads and does onboard_network_subnets; the answer is empty.
func onboarding(p *plugin.Plugin) func(map[string]any) (operation[subnetPoolView], error) {
	return func(body map[string]any) (operation[subnetPoolView], error) {
		network, _ := body["network_id"].(string)
		if network == "" {
			return nil, plugin.InvalidInput("network_id must be specified")
		}
		return func(c plugin.Call, u *records.Update, v *subnetPoolView) (object, error) {
			return object{}, p.Onboard(c, u, v.SubnetPool, network)
		}, nil
	}
}

func poolAttrs() []attr[subnetPoolSpec, subnetPoolView] {
	type row = attr[subnetPoolSpec, subnetPoolView]
	length := nullable(integer(0, math.MaxInt32))
	table := common(
		func(s *subnetPoolSpec) *model.Meta { return &s.Meta },
		func(v *subnetPoolView) *model.Meta { return &v.Meta })
	table = replaced(table, row{
		name: "name", create: true, update: true, required: true, check: nonEmpty, filter: byText, sort: true,
		set: func(s *subnetPoolSpec, v any) { s.Name = v.(string) },
		get: func(v *subnetPoolView) any { return v.Name },
	})
	return append(table, []row{
		{
			name: "prefixes", create: true, update: true, required: true, check: prefixList,
			set: func(s *subnetPoolSpec, v any) { s.Prefixes = v.([]netip.Prefix) },
			get: func(v *subnetPoolView) any { return prefixTexts(v.Prefixes) },
		},
		{name: "ip_version", get: func(v *subnetPoolView) any { return v.IPVersion }, filter: byInt, sort: true},
		// The lengths are text in answers, as clients know them.
		{
			name: "min_prefixlen", create: true, update: true, check: length, filter: byText, sort: true,
			set: func(s *subnetPoolSpec, v any) { s.Min = intPointer(v) },
			get: func(v *subnetPoolView) any { return strconv.Itoa(v.MinPrefixLen) },
		},
		{
			name: "max_prefixlen", create: true, update: true, check: length, filter: byText, sort: true,
			set: func(s *subnetPoolSpec, v any) { s.Max = intPointer(v) },
			get: func(v *subnetPoolView) any { return strconv.Itoa(v.MaxPrefixLen) },
		},
		{
			name: "default_prefixlen", create: true, update: true, check: length, filter: byText, sort: true,
			set: func(s *subnetPoolSpec, v any) { s.Default = intPointer(v) },
			get: func(v *subnetPoolView) any { return strconv.Itoa(v.DefaultPrefixLen) },
		},
		{
			name: "default_quota", create: true, update: true, check: length, filter: byInt, sort: true,
			set: func(s *subnetPoolSpec, v any) { s.DefaultQuota = intPointer(v) },
			get: func(v *subnetPoolView) any { return intOrNull(v.DefaultQuota) },
		},
		{
			name: "address_scope_id", create: true, update: true, check: nullable(uuidText), filter: byText, sort: true,
			set: func(s *subnetPoolSpec, v any) { s.AddressScopeID, _ = v.(string) },
			get: func(v *subnetPoolView) any { return orNull(v.AddressScopeID) },
		},
		{
			name: "is_default", create: true, update: true, standard: false, check: boolean, filter: byBool, sort: true,
			set: func(s *subnetPoolSpec, v any) { s.IsDefault = v.(bool) },
			get: func(v *subnetPoolView) any { return v.IsDefault },
		},
		{
			name: "shared", create: true, standard: false, check: boolean, filter: byBool, sort: true,
			set:    func(s *subnetPoolSpec, v any) { s.Shared = v.(bool) },
			getFor: func(who identity.Identity, v *subnetPoolView) any { return v.With(who.ProjectID) },
		},
	}...)
}

// nonEmpty takes a text of at most 255 characters that says something.
func nonEmpty(v any) (any, error) {
	s, err := text255(v)
	if err == nil && s == "" {
		return nil, wrong("'%s' Blank strings are not permitted", s)
	}
	return s, err
}
