package api

import (
	"iter"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	scopeSpec = plugin.ScopeSpec
	scopeView = plugin.ScopeView
)

// newScopes serves /v2.0/address-scopes.
func newScopes(a *API) endpoint {
	p := a.config.Plugin
	return (&collection[scopeSpec, scopeView]{
		api: a, member: "address_scope", plural: "address_scopes", path: "address-scopes",
		kind: "AddressScope", title: "Address scope", bulk: true,
		attrs:  scopeAttrs(),
		id:     func(v *scopeView) string { return v.ID },
		target: func(_ records.Reader, v *scopeView) identity.Target { return v.Target() },
		find:   found(records.AddressScopes, p.ViewScope),
		all: func(r records.Reader) iter.Seq[*scopeView] {
			return views(records.AddressScopes.All(r), func(s *model.AddressScope) *scopeView { return p.ViewScope(r, s) })
		},
		fresh: func(rq *request) *scopeSpec {
			s := &scopeSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *scopeView) *scopeSpec { return &scopeSpec{AddressScope: *v.AddressScope} },
		create:     p.CreateScope,
		update:     p.UpdateScope,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteScope(u, id) },
		specTarget: ownedTarget(func(s *scopeSpec) *model.Meta { return &s.Meta }),
	}).governed()
}

func scopeAttrs() []attr[scopeSpec, scopeView] {
	type row = attr[scopeSpec, scopeView]
	table := chosen(common(
		func(s *scopeSpec) *model.Meta { return &s.Meta },
		func(v *scopeView) *model.Meta { return &v.Meta }), "id", "name", "tenant_id", "project_id", importAttr)
	return append(table, []row{
		{
			name: "ip_version", create: true, required: true, check: ipVersion, filter: byInt, sort: true,
			set: func(s *scopeSpec, v any) { s.IPVersion = v.(int) },
			get: func(v *scopeView) any { return v.IPVersion },
		},
		{
			name: "shared", create: true, update: true, standard: false, check: boolean, filter: byBool, sort: true,
			set:    func(s *scopeSpec, v any) { s.Shared = v.(bool) },
			getFor: func(who identity.Identity, v *scopeView) any { return v.With(who.ProjectID) },
		},
	}...)
}
