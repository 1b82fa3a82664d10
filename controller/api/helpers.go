package api

import (
	"context"
	"iter"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	helperSpec = plugin.HelperSpec
	helperView = plugin.HelperView
)

// newHelpers serves /v2.0/routers/<id>/conntrack_helpers.
func newHelpers(a *API, router string) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, h *model.ConntrackHelper) *helperView { return &helperView{ConntrackHelper: h} }
	find := found(records.ConntrackHelpers, view)
	target := func(r records.Reader, h *model.ConntrackHelper) identity.Target {
		t := identity.Target{ProjectID: h.ProjectID}
		if parent, ok := records.Routers.Get(r, router); ok {
			t.NetworkProjectID = parent.ProjectID
		}
		return t
	}
	return (&collection[helperSpec, helperView]{
		api: a, member: "conntrack_helper", plural: "conntrack_helpers", path: "routers/" + router + "/conntrack_helpers",
		kind: "ConntrackHelper", title: "Conntrack Helper", bulk: true,
		attrs:  helperAttrs(),
		id:     func(v *helperView) string { return v.ID },
		meta:   func(v *helperView) *model.Meta { return &v.Meta },
		target: func(r records.Reader, v *helperView) identity.Target { return target(r, v.ConntrackHelper) },
		find: func(r records.Reader, id string) (*helperView, bool) {
			v, ok := find(r, id)
			return v, ok && v.RouterID == router
		},
		anywhere: func(r records.Reader, id string) bool { _, ok := find(r, id); return ok },
		all: func(r records.Reader) iter.Seq[*helperView] {
			return views(records.ConntrackHelpersByRouter.Get(r, router), func(h *model.ConntrackHelper) *helperView { return view(r, h) })
		},
		fresh: func(*request) *helperSpec {
			s := &helperSpec{}
			s.RouterID = router
			return s
		},
		load:   func(v *helperView) *helperSpec { return &helperSpec{ConntrackHelper: *v.ConntrackHelper} },
		create: p.CreateHelper,
		update: func(c plugin.Call, u *records.Update, before *helperView, s *helperSpec) error {
			return p.UpdateHelper(c, u, before.ConntrackHelper, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteHelper(u, id) },
		specTarget: func(r records.Reader, s *helperSpec) identity.Target {
			return target(r, &s.ConntrackHelper)
		},
	}).governed()
}

// serveHelpers answers requests to the helpers of a router, if the sender may
// know of the router.
func (e routerEndpoint) serveHelpers(ctx context.Context, rq *request, id string, rest []string) (response, error) {
	err := e.api.read(ctx, func(r records.Reader) error {
		_, err := e.seen(r, rq.who, id)
		return err
	})
	if err != nil {
		return response{}, err
	}
	return newHelpers(e.api, id).serve(ctx, rq, rest)
}

func helperAttrs() []attr[helperSpec, helperView] {
	type row = attr[helperSpec, helperView]
	return []row{
		{name: "id", get: func(v *helperView) any { return v.ID }, filter: byText, sort: true},
		{
			name: "protocol", create: true, update: true, required: true, check: helperProtocol, filter: byText, sort: true,
			set: func(s *helperSpec, v any) { s.Protocol = v.(string) },
			get: func(v *helperView) any { return v.Protocol },
		},
		{
			name: "port", create: true, update: true, required: true, check: integer(1, maxPort), filter: byInt, sort: true,
			set: func(s *helperSpec, v any) { s.Port = v.(int) },
			get: func(v *helperView) any { return v.Port },
		},
		{
			name: "helper", create: true, update: true, required: true, check: text(64), filter: byText, sort: true,
			set: func(s *helperSpec, v any) { s.Helper = v.(string) },
			get: func(v *helperView) any { return v.Helper },
		},
		importRow[helperSpec, helperView](func(s *helperSpec) *model.Meta { return &s.Meta }),
	}
}

// helperProtocol takes a transport protocol in any case.
func helperProtocol(v any) (any, error) {
	if s, ok := v.(string); ok {
		v = strings.ToLower(s)
	}
	return oneOf("dccp", "icmp", "ipv6-icmp", "sctp", "tcp", "udp")(v)
}

func helperObjects(helpers []*model.ConntrackHelper) []object {
	out := make([]object, 0, len(helpers))
	for _, h := range helpers {
		out = append(out, object{{"protocol", h.Protocol}, {"port", h.Port}, {"helper", h.Helper}})
	}
	return out
}
