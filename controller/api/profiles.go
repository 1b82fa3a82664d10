package api

import (
	"iter"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	profileSpec = plugin.ProfileSpec
	profileView = plugin.ProfileView
)

// newProfiles serves /v2.0/service_profiles.
func newProfiles(a *API) endpoint {
	p := a.config.Plugin
	return (&collection[profileSpec, profileView]{
		api: a, member: "service_profile", plural: "service_profiles", path: "service_profiles",
		kind: "ServiceProfile", title: "Service Profile", bulk: true,
		attrs:  profileAttrs(),
		id:     func(v *profileView) string { return v.ID },
		target: func(records.Reader, *profileView) identity.Target { return identity.Target{} },
		find:   found(records.ServiceProfiles, p.ViewProfile),
		all: func(r records.Reader) iter.Seq[*profileView] {
			return views(records.ServiceProfiles.All(r), func(s *model.ServiceProfile) *profileView { return p.ViewProfile(r, s) })
		},
		fresh:  func(*request) *profileSpec { return &profileSpec{} },
		load:   func(v *profileView) *profileSpec { return &profileSpec{ServiceProfile: *v.ServiceProfile} },
		create: p.CreateProfile,
		update: func(c plugin.Call, u *records.Update, before *profileView, s *profileSpec) error {
			return p.UpdateProfile(c, u, before.ServiceProfile, s)
		},
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteProfile(u, id) },
		specTarget: func(records.Reader, *profileSpec) identity.Target { return identity.Target{} },
	}).governed()
}

// maxMetaInfo is how many characters the metainfo of a service profile may have.
const maxMetaInfo = 4096

func profileAttrs() []attr[profileSpec, profileView] {
	type row = attr[profileSpec, profileView]
	project := func(name string) row {
		return row{name: name, create: true, check: text255, get: func(*profileView) any { return absent }}
	}
	return []row{
		{name: "id", get: func(v *profileView) any { return v.ID }, filter: byText, sort: true},
		project("tenant_id"), project("project_id"),
		{
			name: "description", create: true, update: true, standard: "", check: nullable(text(1024)), filter: byText, sort: true,
			set: func(s *profileSpec, v any) { s.Description, _ = v.(string) },
			get: func(v *profileView) any { return v.Description },
		},
		{
			name: "driver", create: true, update: true, standard: "", check: text(1024), filter: byText, sort: true,
			set: func(s *profileSpec, v any) { s.Driver = v.(string) },
			get: func(v *profileView) any { return v.Driver },
		},
		{
			name: "metainfo", create: true, update: true, standard: "", check: text(maxMetaInfo), sort: true,
			set: func(s *profileSpec, v any) { s.MetaInfo = v.(string) },
			get: func(v *profileView) any { return v.MetaInfo },
		},
		{
			name: "enabled", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *profileSpec, v any) { s.Enabled = v.(bool) },
			get: func(v *profileView) any { return v.Enabled },
		},
	}
}

// newProviders serves /v2.0/service-providers, a list only.
func newProviders(a *API) endpoint {
	type (
		spec = struct{}
		view = plugin.Provider
	)
	return (&collection[spec, view]{
		api: a, member: "service_provider", plural: "service_providers", path: "service-providers",
		kind: "ServiceProvider", title: "Service provider",
		attrs: []attr[spec, view]{
			{name: "service_type", get: func(p *view) any { return p.ServiceType }, filter: byText, sort: true},
			{name: "name", get: func(p *view) any { return p.Name }, filter: byText, sort: true},
			{name: "default", get: func(p *view) any { return p.Default }, filter: byBool, sort: true},
		},
		id:     func(p *view) string { return p.Name },
		target: func(records.Reader, *view) identity.Target { return identity.Target{} },
		find:   func(records.Reader, string) (*view, bool) { return nil, false },
		all:    func(records.Reader) iter.Seq[*view] { return each(plugin.Providers()) },
	}).governed()
}

// each gives the values of a list as a collection wants them.
func each[V any](values []V) iter.Seq[*V] {
	return func(yield func(*V) bool) {
		for i := range values {
			if !yield(&values[i]) {
				return
			}
		}
	}
}
