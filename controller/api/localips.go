package api

import (
	"context"
	"iter"
	"net/http"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	localIPSpec = plugin.LocalIPSpec
	localIPView = model.LocalIP
)

// localIPs serves /v2.0/local_ips, and below each its associations with ports.
type localIPs struct {
	*collection[localIPSpec, localIPView]
}

func newLocalIPs(a *API) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, ip *model.LocalIP) *localIPView { return ip }
	return localIPs{(&collection[localIPSpec, localIPView]{
		api: a, member: "local_ip", plural: "local_ips", path: "local_ips", kind: "LocalIP", title: "Local IP", bulk: true,
		attrs:  localIPAttrs(),
		id:     func(v *localIPView) string { return v.ID },
		meta:   func(v *localIPView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *localIPView) identity.Target { return identity.Target{ProjectID: v.ProjectID} },
		find:   found(records.LocalIPs, view),
		all:    func(r records.Reader) iter.Seq[*localIPView] { return records.LocalIPs.All(r) },
		fresh: func(rq *request) *localIPSpec {
			s := &localIPSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *localIPView) *localIPSpec { return &localIPSpec{LocalIP: *v} },
		create:     p.CreateLocalIP,
		update:     p.UpdateLocalIP,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteLocalIP(u, id) },
		specTarget: ownedTarget(func(s *localIPSpec) *model.Meta { return &s.Meta }),
	}).governed()}
}

func localIPAttrs() []attr[localIPSpec, localIPView] {
	type row = attr[localIPSpec, localIPView]
	table := chosen(common(
		func(s *localIPSpec) *model.Meta { return &s.Meta },
		func(v *localIPView) *model.Meta { return v.GetMeta() }),
		"id", "name", "tenant_id", "project_id", "created_at", "updated_at", "revision_number")
	return append(table, []row{
		{
			name: "description", create: true, update: true, standard: "", check: text255, filter: byText,
			set: func(s *localIPSpec, v any) { s.Description = v.(string) },
			get: func(v *localIPView) any { return v.Description },
		},
		{
			name: "local_port_id", create: true, check: uuidText, filter: byText, sort: true,
			set: func(s *localIPSpec, v any) { s.LocalPortID = v.(string) },
			get: func(v *localIPView) any { return v.LocalPortID },
		},
		{
			name: "network_id", create: true, check: uuidText, filter: byText, sort: true,
			set: func(s *localIPSpec, v any) { s.NetworkID = v.(string) },
			get: func(v *localIPView) any { return v.NetworkID },
		},
		{
			name: "local_ip_address", create: true, check: nullable(address), filter: byText, sort: true,
			set: func(s *localIPSpec, v any) { s.Address, _ = v.(netip.Addr) },
			get: func(v *localIPView) any { return v.Address.String() },
		},
		{
			name: "ip_mode", create: true, standard: "translate", check: oneOf("translate", "passthrough"), filter: byText, sort: true,
			set: func(s *localIPSpec, v any) { s.Mode = v.(string) },
			get: func(v *localIPView) any { return v.Mode },
		},
	}...)
}

func (e localIPs) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) < 2 || rest[1] != "port_associations" {
		return e.collection.serve(ctx, rq, rest)
	}
	id, method := rest[0], rq.http.Method
	switch {
	case len(rest) == 2 && method == http.MethodPost:
		return e.associate(ctx, rq, id)
	case len(rest) > 3:
		return response{}, errNoPath
	case len(rest) == 2 && method != http.MethodGet, len(rest) == 3 && method != http.MethodGet && method != http.MethodDelete:
		return response{}, errMethod
	}
	err := e.api.read(ctx, func(r records.Reader) error {
		_, err := e.seen(r, rq.who, id)
		if err == nil && len(rest) == 3 {
			err = plugin.NoLocalIPAssociation(id, clip(rest[2]))
		}
		return err
	})
	if err != nil {
		return response{}, err
	}
	return associationsOf(e.api, id).serveList(ctx, rq)
}

// associationsOf is the list of a local IP's associations. There are none yet;
// see plugin.AssociateLocalIP.
func associationsOf(a *API, id string) *collection[struct{}, model.Port] {
	type (
		spec = struct{}
		view = model.Port // the port with the fixed address
	)
	c := &collection[spec, view]{
		api: a, member: "port_association", plural: "port_associations", path: "local_ips/" + id + "/port_associations",
		kind: "LocalIPAssociation", title: "Local IP association",
		id:  func(v *view) string { return v.ID },
		all: func(records.Reader) iter.Seq[*view] { return each[view](nil) },
	}
	for _, name := range []string{"fixed_port_id", "fixed_ip", "host", "local_ip_address", "local_ip_id"} {
		c.attrs = append(c.attrs, attr[spec, view]{name: name, filter: byText, sort: true})
	}
	return c
}

// associate answers POST to a local IP's associations.
func (e localIPs) associate(ctx context.Context, rq *request, id string) (response, error) {
	body, err := e.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	o, err := root(body, "port_association")
	if err != nil {
		return response{}, err
	}
	port, fixed, err := associationOf(o)
	if err != nil {
		return response{}, err
	}
	err = e.api.update(ctx, func(u *records.Update) error {
		v, err := e.seen(u.Peek(), rq.who, id)
		if err != nil {
			return err
		}
		target := identity.Target{ProjectID: v.ProjectID, NetworkProjectID: v.ProjectID}
		if !policy.May(policy.Of("port_association").Create, rq.who, target) {
			return forbidden("create_local_ip_port_association")
		}
		return e.api.config.Plugin.AssociateLocalIP(plugin.Call{Who: rq.who}, u, v, port, fixed)
	})
	return response{}, err
}

// associationOf reads a port and an address of it.
func associationOf(o map[string]any) (port string, fixed netip.Addr, err error) {
	for name := range o {
		switch name {
		case "fixed_port_id", "fixed_ip", "project_id", "tenant_id":
		default:
			return "", fixed, badRequest("Unrecognized attribute(s) '%s'", clip(name))
		}
	}
	id, err := uuidText(o["fixed_port_id"])
	if err != nil {
		return "", fixed, refusalOf("fixed_port_id", err)
	}
	a, err := nullable(address)(o["fixed_ip"])
	if err != nil {
		return "", fixed, refusalOf("fixed_ip", err)
	}
	fixed, _ = a.(netip.Addr)
	return id.(string), fixed, nil
}
