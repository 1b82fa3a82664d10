package api

import (
	"iter"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type ndpSpec = plugin.NDPProxySpec

// newNDPProxies serves /v2.0/ndp_proxies. There are none yet; see
// plugin.CreateNDPProxy. The extension is not listed.
func newNDPProxies(a *API) endpoint {
	p := a.config.Plugin
	return (&collection[ndpSpec, ndpSpec]{
		api: a, member: "ndp_proxy", plural: "ndp_proxies", path: "ndp_proxies", kind: "NDPProxy", title: "Ndp proxy", bulk: true,
		attrs:  ndpAttrs(),
		id:     func(v *ndpSpec) string { return v.ID },
		target: func(_ records.Reader, v *ndpSpec) identity.Target { return identity.Target{ProjectID: v.ProjectID} },
		find:   func(records.Reader, string) (*ndpSpec, bool) { return nil, false },
		all:    func(records.Reader) iter.Seq[*ndpSpec] { return func(func(*ndpSpec) bool) {} },
		fresh: func(rq *request) *ndpSpec {
			s := &ndpSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *ndpSpec) *ndpSpec { return v },
		create:     p.CreateNDPProxy,
		update:     func(plugin.Call, *records.Update, *ndpSpec, *ndpSpec) error { return nil },
		remove:     func(plugin.Call, *records.Update, string) error { return nil },
		specTarget: ownedTarget(func(s *ndpSpec) *model.Meta { return &s.Meta }),
	}).governed()
}

func ndpAttrs() []attr[ndpSpec, ndpSpec] {
	type row = attr[ndpSpec, ndpSpec]
	meta := func(s *ndpSpec) *model.Meta { return &s.Meta }
	table := chosen(common(meta, meta), "id", "name", "tenant_id", "project_id", "description", "created_at", "updated_at", "revision_number")
	for i := range table {
		if table[i].name == "id" || table[i].name == "project_id" || table[i].name == "tenant_id" {
			table[i].filter = noFilter
		}
	}
	return append(table, []row{
		{
			name: "router_id", create: true, required: true, check: uuidText, sort: true,
			set: func(s *ndpSpec, v any) { s.RouterID = v.(string) },
			get: func(v *ndpSpec) any { return v.RouterID },
		},
		{
			name: "port_id", create: true, required: true, check: uuidText, sort: true,
			set: func(s *ndpSpec, v any) { s.PortID = v.(string) },
			get: func(v *ndpSpec) any { return v.PortID },
		},
		{
			name: "ip_address", create: true, check: nullable(address), sort: true,
			set: func(s *ndpSpec, v any) { s.IP, _ = v.(netip.Addr) },
			get: func(v *ndpSpec) any { return addrOrNull(v.IP) },
		},
	}...)
}

// noNDPProxy takes false: routers cannot proxy NDP yet.
func noNDPProxy(v any) (any, error) {
	b, err := boolean(v)
	if err == nil && b == true {
		return nil, plugin.RefuseNDPProxy()
	}
	return b, err
}
