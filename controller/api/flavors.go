package api

import (
	"context"
	"iter"
	"net/http"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	flavorSpec = plugin.FlavorSpec
	flavorView = model.Flavor
)

// flavorEndpoint serves /v2.0/flavors, and below each its service profiles and
// its provider.
type flavorEndpoint struct {
	*collection[flavorSpec, flavorView]
}

func newFlavors(a *API) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, f *model.Flavor) *flavorView { return f }
	return flavorEndpoint{(&collection[flavorSpec, flavorView]{
		api: a, member: "flavor", plural: "flavors", path: "flavors", kind: "Flavor", title: "Flavor", bulk: true,
		attrs:      flavorAttrs(),
		id:         func(v *flavorView) string { return v.ID },
		target:     func(records.Reader, *flavorView) identity.Target { return identity.Target{} },
		find:       found(records.Flavors, view),
		all:        func(r records.Reader) iter.Seq[*flavorView] { return records.Flavors.All(r) },
		fresh:      func(*request) *flavorSpec { return &flavorSpec{} },
		load:       func(v *flavorView) *flavorSpec { return &flavorSpec{Flavor: *v} },
		create:     p.CreateFlavor,
		update:     p.UpdateFlavor,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteFlavor(u, id) },
		specTarget: func(records.Reader, *flavorSpec) identity.Target { return identity.Target{} },
	}).governed()}
}

func flavorAttrs() []attr[flavorSpec, flavorView] {
	type row = attr[flavorSpec, flavorView]
	table := chosen(common(
		func(s *flavorSpec) *model.Meta { return &s.Meta },
		func(v *flavorView) *model.Meta { return v.GetMeta() }), "id", "name", "description")
	table = replaced(table, row{
		name: "description", create: true, update: true, standard: "", check: nullable(text(1024)), filter: byText, sort: true,
		set: func(s *flavorSpec, v any) { s.Description, _ = v.(string) },
		get: func(v *flavorView) any { return v.Description },
	})
	// Flavors are the cloud's, whatever a request says.
	project := func(name string) row {
		return row{name: name, create: true, check: text255, get: func(*flavorView) any { return absent }}
	}
	return append(table, []row{
		project("tenant_id"), project("project_id"),
		{
			name: "service_type", create: true, required: true, check: text255, filter: byText, sort: true,
			set: func(s *flavorSpec, v any) { s.ServiceType = v.(string) },
			get: func(v *flavorView) any { return v.ServiceType },
		},
		{
			name: "enabled", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *flavorSpec, v any) { s.Enabled = v.(bool) },
			get: func(v *flavorView) any { return v.Enabled },
		},
		{
			// Taken and not used, as by Neutron: profiles are associated one by one.
			name: "service_profiles", create: true, update: true, check: uuidList,
			get: func(v *flavorView) any { return list(v.ServiceProfiles) },
		},
	}...)
}

func (e flavorEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	switch {
	case len(rest) >= 2 && rest[1] == "service_profiles":
		return e.serveProfiles(ctx, rq, rest[0], rest[2:])
	case len(rest) == 2 && rest[1] == "next_providers" && rq.http.Method == http.MethodGet:
		return e.serveProvider(ctx, rq, rest[0])
	}
	return e.collection.serve(ctx, rq, rest)
}

// serveProvider answers who realises a flavor.
func (e flavorEndpoint) serveProvider(ctx context.Context, rq *request, id string) (response, error) {
	var body []byte
	err := e.api.read(ctx, func(r records.Reader) error {
		v, err := e.seen(r, rq.who, id)
		if err != nil {
			return err
		}
		provider, err := e.api.config.Plugin.NextProvider(r, v)
		if err != nil {
			return err
		}
		o := rq.query.only(object{{"provider", provider.Name}, {"driver", provider.Driver}})
		body = appendObject(nil, object{{"next_providers", []object{o}}})
		return nil
	})
	return response{status: http.StatusOK, body: body}, err
}

// serveProfiles answers requests to the service profiles that a flavor has.
func (e flavorEndpoint) serveProfiles(ctx context.Context, rq *request, id string, rest []string) (response, error) {
	method := rq.http.Method
	switch {
	case len(rest) == 0 && method == http.MethodPost:
		return e.associate(ctx, rq, id)
	case len(rest) == 1 && method == http.MethodDelete:
		err := e.api.update(ctx, func(u *records.Update) error {
			if err := e.mayAssociate(rq, u.Peek(), id, "delete_flavor_service_profile"); err != nil {
				return err
			}
			return e.api.config.Plugin.Dissociate(u, id, rest[0])
		})
		return response{status: http.StatusNoContent}, err
	case len(rest) == 1 && method == http.MethodGet:
		var body []byte
		err := e.api.read(ctx, func(r records.Reader) error {
			v, err := e.seen(r, rq.who, id)
			if err == nil && !slices.Contains(v.ServiceProfiles, rest[0]) {
				err = plugin.NotAssociated(id, clip(rest[0]))
			}
			body = appendObject(nil, object{{"service_profile", object{{"id", rest[0]}}}})
			return err
		})
		return response{status: http.StatusOK, body: body}, err
	case len(rest) > 1:
		return response{}, errNoPath
	}
	return response{}, errMethod
}

// associate answers POST to a flavor's service profiles.
func (e flavorEndpoint) associate(ctx context.Context, rq *request, id string) (response, error) {
	body, err := e.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	o, err := root(body, "service_profile")
	if err != nil {
		return response{}, err
	}
	for name := range o {
		if name != "id" && name != "tenant_id" && name != "project_id" {
			return response{}, badRequest("Unrecognized attribute(s) '%s'", clip(name))
		}
	}
	profile, err := uuidText(o["id"])
	if err != nil {
		return response{}, refusalOf("id", err)
	}
	err = e.api.update(ctx, func(u *records.Update) error {
		if err := e.mayAssociate(rq, u.Peek(), id, "create_flavor_service_profile"); err != nil {
			return err
		}
		return e.api.config.Plugin.Associate(u, id, profile.(string))
	})
	answer := object{{"service_profile", object{{"id", profile.(string)}}}}
	return response{status: http.StatusCreated, body: appendObject(nil, answer)}, err
}

func (e flavorEndpoint) mayAssociate(rq *request, r records.Reader, id, operation string) error {
	if _, err := e.seen(r, rq.who, id); err != nil {
		return err
	}
	if !policy.May(e.rights.Update, rq.who, identity.Target{}) {
		return forbidden(operation)
	}
	return nil
}
