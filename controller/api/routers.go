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
	routerSpec = plugin.RouterSpec
	routerView = plugin.RouterView
)

// routerEndpoint serves /v2.0/routers: the collection, and what is done to one
// router besides changing its attributes.
type routerEndpoint struct {
	*collection[routerSpec, routerView]
}

func newRouters(a *API) endpoint {
	p := a.config.Plugin
	view := func(r records.Reader, router *model.Router) *routerView { return p.ViewRouter(r, router) }
	byProject := byIndex(records.Routers, records.RoutersByProject, view)
	return routerEndpoint{(&collection[routerSpec, routerView]{
		api: a, member: "router", plural: "routers", path: "routers", kind: "Router", title: "Router", bulk: true,
		attrs: routerAttrs(),
		id:    func(v *routerView) string { return v.ID },
		meta:  func(v *routerView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *routerView) identity.Target {
			return identity.Target{ProjectID: v.ProjectID}
		},
		find: found(records.Routers, view),
		all: func(r records.Reader) iter.Seq[*routerView] {
			return views(records.Routers.All(r), func(router *model.Router) *routerView { return view(r, router) })
		},
		after: func(r records.Reader, id string) iter.Seq[*routerView] {
			return views(records.Routers.After(r, id), func(router *model.Router) *routerView { return view(r, router) })
		},
		hints: []hint[routerView]{
			{"name", byIndex(records.Routers, records.RoutersByName, view)},
			{"project_id", byProject},
			{"tenant_id", byProject},
		},
		fresh: func(rq *request) *routerSpec {
			s := &routerSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *routerView) *routerSpec { return &routerSpec{Router: *v.Router} },
		parts:  routerParts,
		create: p.CreateRouter,
		update: func(c plugin.Call, u *records.Update, before *routerView, s *routerSpec) error {
			return p.UpdateRouter(c, u, before.Router, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteRouter(u, id) },
		tag:    func(u *records.Update, v *routerView, tags []string) { p.TagRouter(u, v.Router, tags) },
		specTarget: func(_ records.Reader, s *routerSpec) identity.Target {
			return identity.Target{ProjectID: s.ProjectID}
		},
	}).governed()}
}

// found makes a collection's find of a table.
func found[R, V any](t *records.Table[R], view func(records.Reader, *R) *V) func(records.Reader, string) (*V, bool) {
	return func(r records.Reader, id string) (*V, bool) {
		rec, ok := t.Get(r, id)
		if !ok {
			return nil, false
		}
		return view(r, rec), true
	}
}

// byIndex makes a hint's lookup of an index. An index does not have empty
// values: for those all records are looked at.
func byIndex[R, V any](t *records.Table[R], x *records.Index[R], view func(records.Reader, *R) *V) func(records.Reader, string) iter.Seq[*V] {
	return func(r records.Reader, value string) iter.Seq[*V] {
		recs := x.Get(r, value)
		if value == "" {
			recs = t.All(r)
		}
		return views(recs, func(rec *R) *V { return view(r, rec) })
	}
}

func routerAttrs() []attr[routerSpec, routerView] {
	type row = attr[routerSpec, routerView]
	meta := func(s *routerSpec) *model.Meta { return &s.Meta }
	table := replaced(common(meta, func(v *routerView) *model.Meta { return &v.Meta }), importRow[routerSpec, routerView](meta, importPart[routerSpec]{
		"port", importPort, func(s *routerSpec, v any) { s.GatewayPort = v.(*plugin.ImportedPort) },
	}))
	return append(table, []row{
		{
			name: "admin_state_up", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *routerSpec, v any) { s.AdminStateUp = v.(bool) },
			get: func(v *routerView) any { return v.AdminStateUp },
		},
		{name: "status", get: func(v *routerView) any { return v.Status }, sort: true},
		{
			name: "external_gateway_info", create: true, update: true, check: nullable(gatewayInfo), parts: gatewayParts,
			set: func(s *routerSpec, v any) { s.GatewayInfo, _ = v.(*plugin.GatewaySpec) },
			get: func(v *routerView) any { return gatewayObject(v) },
		},
		{
			name: "routes", update: true, check: nullable(hostRoutes),
			set: func(s *routerSpec, v any) { s.Routes, _ = v.([]model.HostRoute) },
			get: func(v *routerView) any { return routeObjects(v.Routes) },
		},
		{
			name: "availability_zone_hints", create: true, standard: []string(nil), check: hintList,
			set: func(s *routerSpec, v any) { s.AZHints = v.([]string) },
			get: func(v *routerView) any { return list(v.AZHints) },
		},
		{name: "availability_zones", get: func(v *routerView) any { return list(v.Zones) }},
		{name: "conntrack_helpers", get: func(v *routerView) any { return helperObjects(v.Helpers) }},
		{
			name: "distributed", create: true, update: true, check: nullable(boolean),
			set: func(s *routerSpec, v any) {
				if b, ok := v.(bool); ok {
					s.Distributed = b
				}
			},
			get: func(v *routerView) any { return v.Distributed },
		},
		{
			name: "ha", create: true, update: true, check: nullable(boolean),
			set: func(s *routerSpec, v any) {
				if ha, given := v.(bool); given {
					s.HA = ha
				}
			},
			get: func(v *routerView) any { return v.HA },
		},
		{
			name: "enable_ndp_proxy", create: true, update: true, check: nullable(noNDPProxy), filter: byBool,
			get: func(*routerView) any { return false },
		},
		{
			name: natExemptAttr, create: true, update: true, check: nullable(natExempt),
			set: func(s *routerSpec, v any) { s.NATExempt, _ = v.([]netip.Prefix) },
			get: func(v *routerView) any { return list(prefixTexts(v.NATExempt)) },
		},
		{
			name: "flavor_id", create: true, check: nullable(text(36)), sort: true,
			set: func(s *routerSpec, v any) { s.FlavorID, _ = v.(string) },
			get: func(v *routerView) any { return orNull(v.FlavorID) },
		},
	}...)
}

// gatewayInfo takes an external_gateway_info; an empty one is none.
func gatewayInfo(v any) (any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, wrong("'%s' is not a dictionary", textOf(v))
	}
	if len(o) == 0 {
		return (*plugin.GatewaySpec)(nil), nil
	}
	if err := only(o, "network_id", "external_fixed_ips", "enable_snat", "qos_policy_id"); err != nil {
		return nil, err
	}
	id, err := uuidText(o["network_id"])
	if err != nil {
		return nil, err
	}
	s := &plugin.GatewaySpec{NetworkID: id.(string)}
	if fixed := o["external_fixed_ips"]; fixed != nil {
		requests, err := fixedIPs(fixed)
		if err != nil {
			return nil, err
		}
		s.Addresses = requests.([]plugin.AddressRequest)
	}
	if snat := o["enable_snat"]; snat != nil {
		on, err := boolean(snat)
		if err != nil {
			return nil, err
		}
		enable := on.(bool)
		s.EnableSNAT = &enable
	}
	if policy, ok := o["qos_policy_id"]; ok {
		id, err := nullable(uuidText)(policy)
		if err != nil {
			return nil, err
		}
		text, _ := id.(string)
		s.QoSPolicyID = &text
	}
	return s, nil
}

// gatewayParts are the parts of an external_gateway_info that have rights of
// their own.
func gatewayParts(v any) []string {
	s, _ := v.(*plugin.GatewaySpec)
	var parts []string
	if s != nil && s.EnableSNAT != nil {
		parts = append(parts, "enable_snat")
	}
	if s != nil && len(s.Addresses) > 0 {
		parts = append(parts, "external_fixed_ips")
	}
	return parts
}

func gatewayObject(v *routerView) any {
	if v.Gateway == nil {
		return nil
	}
	o := object{
		{"network_id", v.Gateway.NetworkID},
		{"external_fixed_ips", fixedIPObjects(v.ExternalIPs)},
		{"enable_snat", v.Gateway.EnableSNAT},
	}
	if v.Gateway.QoSPolicyID != "" {
		o = append(o, member{"qos_policy_id", v.Gateway.QoSPolicyID})
	}
	return o
}

// routerAction is an operation on one router: it changes it and gives the body
// of the answer, nil for the router itself.
type routerAction func(c plugin.Call, u *records.Update, id string) (object, error)

func (e routerEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	switch {
	case len(rest) == 2 && rest[1] == l3Agents:
		return serveAgentsOf(ctx, rq, e.collection, rest, e.api.config.Plugin.AgentsOfRouter)
	case len(rest) > 1 && rest[1] == "conntrack_helpers":
		return e.serveHelpers(ctx, rq, rest[0], rest[2:])
	case len(rest) != 2 || e.rights.Action(rest[1]) == nil:
		return e.collection.serve(ctx, rq, rest)
	}
	if rq.http.Method != http.MethodPut {
		return response{}, errMethod
	}
	body, err := e.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	act, err := e.action(rest[1], body)
	if err != nil {
		return response{}, err
	}
	return e.serveAction(ctx, rq, rest, act)
}

// action reads the body of an operation.
func (e routerEndpoint) action(name string, body map[string]any) (routerAction, error) {
	p := e.api.config.Plugin
	switch name {
	case "add_router_interface", "remove_router_interface":
		s, err := interfaceOf(body)
		return func(c plugin.Call, u *records.Update, id string) (object, error) {
			if name == "remove_router_interface" {
				return interfaceObject(p.RemoveInterface(c, u, id, s))
			}
			return interfaceObject(p.AddInterface(c, u, id, s))
		}, err
	case "add_extraroutes", "remove_extraroutes":
		routes, err := routesOf(body)
		return func(_ plugin.Call, u *records.Update, id string) (object, error) {
			if name == "remove_extraroutes" {
				return nil, p.RemoveRoutes(u, id, routes)
			}
			return nil, p.AddRoutes(u, id, routes)
		}, err
	}
	return nil, errNoPath
}

func (e routerEndpoint) serveAction(ctx context.Context, rq *request, path []string, act routerAction) (response, error) {
	id, name := path[0], path[1]
	var answer object
	err := e.api.update(ctx, func(u *records.Update) error {
		v, err := e.seen(u.Peek(), rq.who, id)
		if err != nil {
			return err
		}
		if !policy.May(e.rights.Action(name), rq.who, e.target(u.Peek(), v)) {
			return forbidden(name)
		}
		if err := e.checkRevision(rq, v); err != nil {
			return err
		}
		if answer, err = act(plugin.Call{Who: rq.who}, u, id); err != nil || answer != nil {
			return err
		}
		after, ok := e.find(u.Peek(), id)
		if !ok {
			return e.notFound(id)
		}
		answer = object{{e.member, e.object(u.Peek(), rq, after)}}
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, answer)}, err
}

// interfaceOf reads the body of add_router_interface and
// remove_router_interface.
func interfaceOf(body map[string]any) (plugin.InterfaceSpec, error) {
	var s plugin.InterfaceSpec
	for name, value := range body {
		into := map[string]*string{"subnet_id": &s.SubnetID, "port_id": &s.PortID}[name]
		if into == nil {
			return s, badRequest("Unrecognized attribute(s) '%s'", clip(name))
		}
		id, err := uuidText(value)
		if err != nil {
			return s, plugin.BadRequest("BadRequest", "Bad router request: %s.", err)
		}
		*into = id.(string)
	}
	return s, nil
}

func interfaceObject(v *plugin.InterfaceView, err error) (object, error) {
	if err != nil {
		return nil, err
	}
	return object{
		{"id", v.RouterID},
		{"tenant_id", v.ProjectID},
		{"project_id", v.ProjectID},
		{"port_id", v.PortID},
		{"network_id", v.NetworkID},
		{"subnet_id", v.SubnetIDs[len(v.SubnetIDs)-1]},
		{"subnet_ids", v.SubnetIDs},
	}, nil
}

// routesOf reads the body of add_extraroutes and remove_extraroutes.
func routesOf(body map[string]any) ([]model.HostRoute, error) {
	o, err := root(body, "router")
	if err != nil {
		return nil, err
	}
	for name := range o {
		if name != "routes" {
			return nil, badRequest("Unrecognized attribute(s) '%s'", clip(name))
		}
	}
	routes, err := anyRoutes(o["routes"]) // with host bits too, as in Neutron
	if err != nil {
		return nil, refusalOf("routes", err)
	}
	return routes.([]model.HostRoute), nil
}
