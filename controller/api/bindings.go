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
)

type (
	bindingSpec = plugin.BindingSpec
	bindingView = plugin.BindingView
)

// newBindings serves /v2.0/ports/<id>/bindings: the hosts that a guest's port is
// bound to, of which one is in use. Their ids are the names of the hosts.
func newBindings(a *API, port string) *collection[bindingSpec, bindingView] {
	p := a.config.Plugin
	nobody := func(records.Reader, *bindingView) identity.Target { return identity.Target{} }
	all := func(r records.Reader) iter.Seq[*bindingView] {
		rec, ok := records.Ports.Get(r, port)
		if !ok {
			return func(func(*bindingView) bool) {}
		}
		return slices.Values(plugin.BindingViews(rec))
	}
	return (&collection[bindingSpec, bindingView]{
		api: a, member: "binding", plural: "bindings", path: "ports/" + port + "/bindings",
		kind: "PortBinding", title: "Binding for port " + port + " for host",
		attrs:  bindingObjectAttrs(),
		id:     func(v *bindingView) string { return v.Host },
		target: nobody,
		find: func(r records.Reader, host string) (*bindingView, bool) {
			for v := range all(r) {
				if v.Host == host && host != "" {
					return v, true
				}
			}
			return nil, false
		},
		all:    all,
		fresh:  func(*request) *bindingSpec { return &bindingSpec{PortID: port} },
		load:   func(v *bindingView) *bindingSpec { return &bindingSpec{PortBinding: v.PortBinding, PortID: port} },
		create: p.CreateBinding,
		update: p.UpdateBinding,
		remove: func(_ plugin.Call, u *records.Update, host string) error { return p.DeleteBinding(u, port, host) },
		specTarget: func(records.Reader, *bindingSpec) identity.Target {
			return identity.Target{}
		},
	}).governed()
}

// serveBindings answers requests to the bindings of a port, if the sender may
// know of the port.
func (e portEndpoint) serveBindings(ctx context.Context, rq *request, id string, rest []string) (response, error) {
	err := e.api.read(ctx, func(r records.Reader) error {
		v, err := e.seen(r, rq.who, id)
		if err != nil {
			return err
		}
		return plugin.CheckBindings(v.Port)
	})
	if err != nil {
		return response{}, err
	}
	if len(rest) == 2 && rest[1] == "activate" {
		return e.serveActivate(ctx, rq, id, rest[0])
	}
	return newBindings(e.api, id).serve(ctx, rq, rest)
}

// serveActivate answers PUT of a binding's activate; the answer is the binding,
// bare.
func (e portEndpoint) serveActivate(ctx context.Context, rq *request, port, host string) (response, error) {
	c := newBindings(e.api, port)
	if rq.http.Method != http.MethodPut {
		return response{}, errMethod
	}
	var answer object
	err := c.api.update(ctx, func(u *records.Update) error {
		if _, err := c.seen(u.Peek(), rq.who, host); err != nil {
			return err
		}
		if !policy.May(c.rights.Update, rq.who, identity.Target{}) {
			return forbidden("activate")
		}
		v, err := c.api.config.Plugin.ActivateBinding(u, port, host)
		if err == nil {
			answer = c.object(u.Peek(), rq, v)
		}
		return err
	})
	return response{status: http.StatusOK, body: appendObject(nil, answer)}, err
}

func bindingObjectAttrs() []attr[bindingSpec, bindingView] {
	ignored := func(*bindingSpec, any) {}
	return []attr[bindingSpec, bindingView]{
		{
			name: "host", create: true, required: true, check: nonEmpty, filter: byText, sort: true,
			set: func(s *bindingSpec, v any) { s.Host = v.(string) },
			get: func(v *bindingView) any { return v.Host },
		},
		{name: "vif_type", get: func(v *bindingView) any { return v.VIFType }, filter: byText, sort: true},
		{name: "vif_details", get: func(v *bindingView) any { return orEmpty(v.VIFDetails) }},
		{
			name: "vnic_type", create: true, update: true, standard: "normal", check: vnicType, filter: byText, sort: true,
			set: func(s *bindingSpec, v any) { s.VNICType = v.(string) },
			get: func(v *bindingView) any { return v.VNICType },
		},
		{
			name: "profile", create: true, update: true, check: nullable(dictionary),
			set: func(s *bindingSpec, v any) { s.Profile, _ = v.(map[string]any) },
			get: func(v *bindingView) any { return orEmpty(v.Profile) },
		},
		{name: "status", get: func(v *bindingView) any { return bindingStatus(v) }, filter: byText, sort: true},
		{name: "project_id", create: true, check: text255, set: ignored},
		{name: "tenant_id", create: true, check: text255, set: ignored},
	}
}

func bindingStatus(v *bindingView) string {
	if v.Active {
		return "ACTIVE"
	}
	return "INACTIVE"
}

// vnicType takes a kind of interface.
func vnicType(v any) (any, error) {
	return oneOf("normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic",
		"vdpa", "accelerator-direct", "accelerator-direct-physical", "remote-managed")(v)
}
