package api

import (
	"context"
	"iter"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	floatingSpec = plugin.FloatingIPSpec
	floatingView = plugin.FloatingIPView
)

// floatingEndpoint serves /v2.0/floatingips, and below each the forwardings of
// its ports.
type floatingEndpoint struct {
	*collection[floatingSpec, floatingView]
}

func newFloatingIPs(a *API) endpoint {
	p := a.config.Plugin
	view := func(r records.Reader, f *model.FloatingIP) *floatingView { return p.ViewFloatingIP(r, f) }
	return floatingEndpoint{(&collection[floatingSpec, floatingView]{
		api: a, member: "floatingip", plural: "floatingips", path: "floatingips", kind: "FloatingIP", title: "Floating IP", bulk: true,
		attrs: floatingAttrs(),
		id:    func(v *floatingView) string { return v.ID },
		meta:  func(v *floatingView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *floatingView) identity.Target {
			return identity.Target{ProjectID: v.ProjectID}
		},
		find: found(records.FloatingIPs, view),
		all: func(r records.Reader) iter.Seq[*floatingView] {
			return views(records.FloatingIPs.All(r), func(f *model.FloatingIP) *floatingView { return view(r, f) })
		},
		after: func(r records.Reader, id string) iter.Seq[*floatingView] {
			return views(records.FloatingIPs.After(r, id), func(f *model.FloatingIP) *floatingView { return view(r, f) })
		},
		hints: floatingHints(view),
		fresh: func(rq *request) *floatingSpec {
			s := &floatingSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *floatingView) *floatingSpec { return &floatingSpec{FloatingIP: *v.FloatingIP} },
		parts:  floatingParts,
		create: p.CreateFloatingIP,
		update: func(c plugin.Call, u *records.Update, before *floatingView, s *floatingSpec) error {
			return p.UpdateFloatingIP(c, u, before.FloatingIP, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteFloatingIP(u, id) },
		tag:    func(u *records.Update, v *floatingView, tags []string) { p.TagFloatingIP(u, v.FloatingIP, tags) },
		specTarget: func(_ records.Reader, s *floatingSpec) identity.Target {
			return identity.Target{ProjectID: s.ProjectID}
		},
	}).governed()}
}

// floatingHints are the filters that an index answers, the most selective first.
func floatingHints(view func(records.Reader, *model.FloatingIP) *floatingView) []hint[floatingView] {
	of := func(x *records.Index[model.FloatingIP]) func(records.Reader, string) iter.Seq[*floatingView] {
		return byIndex(records.FloatingIPs, x, view)
	}
	byAddress, byProject := of(records.FloatingIPsByAddress), of(records.FloatingIPsByProject)
	return []hint[floatingView]{
		{"floating_ip_address", func(r records.Reader, value string) iter.Seq[*floatingView] {
			a, err := netip.ParseAddr(value)
			if err != nil {
				return byAddress(r, "")
			}
			return byAddress(r, records.AddressKey(a))
		}},
		{"port_id", of(records.FloatingIPsByPort)},
		{"router_id", of(records.FloatingIPsByRouter)},
		{"project_id", byProject},
		{"tenant_id", byProject},
		{"floating_network_id", of(records.FloatingIPsByNetwork)},
	}
}

func floatingAttrs() []attr[floatingSpec, floatingView] {
	type row = attr[floatingSpec, floatingView]
	table := common(
		func(s *floatingSpec) *model.Meta { return &s.Meta },
		func(v *floatingView) *model.Meta { return &v.Meta })
	for i, a := range table {
		if a.name == "name" { // they have none
			table = append(table[:i:i], table[i+1:]...)
		}
	}
	table = replaced(table, importRow[floatingSpec, floatingView](func(s *floatingSpec) *model.Meta { return &s.Meta }, importPart[floatingSpec]{
		"port", importPort, func(s *floatingSpec, v any) { s.AddressPort = v.(*plugin.ImportedPort) },
	}))
	return append(table, []row{
		{
			name: "floating_network_id", create: true, required: true, check: uuidText, filter: byText, sort: true,
			set: func(s *floatingSpec, v any) { s.FloatingNetworkID = v.(string) },
			get: func(v *floatingView) any { return v.FloatingNetworkID },
		},
		{
			name: "floating_ip_address", create: true, null: true, check: nullable(address), filter: byText, sort: true,
			set: func(s *floatingSpec, v any) { s.FloatingIP.FloatingIP, _ = v.(netip.Addr) },
			get: func(v *floatingView) any { return v.FloatingIP.FloatingIP.String() },
		},
		{
			name: "subnet_id", create: true, check: nullable(uuidText),
			set: func(s *floatingSpec, v any) { s.ExternalSubnetID, _ = v.(string) },
		},
		{
			name: "port_id", create: true, update: true, check: nullable(uuidText), filter: byText,
			set: func(s *floatingSpec, v any) { s.WantPort, _ = v.(string) },
			get: func(v *floatingView) any { return orNull(v.PortID) },
		},
		{
			name: "fixed_ip_address", create: true, update: true, check: nullable(address), filter: byText, sort: true,
			set: func(s *floatingSpec, v any) { s.WantFixed, _ = v.(netip.Addr) },
			get: func(v *floatingView) any { return addrOrNull(v.FixedIP) },
		},
		{name: "router_id", get: func(v *floatingView) any { return orNull(v.RouterID) }, filter: byText, sort: true},
		{name: "status", get: func(v *floatingView) any { return v.Status }, filter: byText, sort: true},
		{
			name: "dns_name", create: true, standard: "", check: relativeName,
			set: func(s *floatingSpec, v any) { s.DNSName = v.(string) },
			get: func(v *floatingView) any { return v.DNSName },
		},
		{
			name: "dns_domain", create: true, standard: "", check: domainName,
			set: func(s *floatingSpec, v any) { s.DNSDomain = v.(string) },
			get: func(v *floatingView) any { return v.DNSDomain },
		},
		qosAttr(func(s *floatingSpec) *string { return &s.QoSPolicyID }, func(v *floatingView) string { return v.QoSPolicyID }),
		{name: "port_details", get: func(v *floatingView) any { return portDetails(v.Port) }},
		{name: "port_forwardings", get: func(v *floatingView) any { return forwardingObjects(v.Forwardings) }},
	}...)
}

// portDetails shows of a port what the owner of its floating address may know.
func portDetails(v *portView) any {
	if v == nil {
		return nil
	}
	return object{
		{"name", v.Name},
		{"network_id", v.NetworkID},
		{"mac_address", v.MAC.String()},
		{"admin_state_up", v.AdminStateUp},
		{"status", v.Status},
		{"device_id", v.DeviceID},
		{"device_owner", v.DeviceOwner},
	}
}

// forwardingObjects shows of the forwardings what a floating address's own
// answer has of them.
func forwardingObjects(forwardings []*model.PortForwarding) []object {
	out := make([]object, 0, len(forwardings))
	for _, f := range forwardings {
		out = append(out, object{
			{"id", f.ID},
			{"protocol", f.Protocol},
			{"internal_port_id", f.PortID},
			{"internal_ip_address", f.InternalIP},
			portsMember("internal_port", f.Internal),
			portsMember("external_port", f.External),
		})
	}
	return out
}

// portsMember shows one port under the name, and several under the name of the
// range: clients compare whole objects and expect no range beside a port.
func portsMember(name string, r model.PortRange) member {
	if r.Len() == 1 {
		return member{name, r.First}
	}
	return member{name + "_range", rangeText(r)}
}

func (e floatingEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) < 2 || rest[1] != "port_forwardings" {
		return e.collection.serve(ctx, rq, rest)
	}
	err := e.api.read(ctx, func(r records.Reader) error {
		_, err := e.seen(r, rq.who, rest[0])
		return err
	})
	if err != nil {
		return response{}, err
	}
	return newForwardings(e.api, rest[0]).serve(ctx, rq, rest[2:])
}

// floatingPools serves /v2.0/floatingip-pools, and the same below
// /v2.0/floatingip_pools: the subnets that floating addresses come from. They
// belong to whoever asks.
type floatingPools struct {
	api  *API
	path string
}

type floatingPool struct{ *model.Subnet }

func (e floatingPools) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	type row = attr[struct{}, floatingPool]
	project := func(*floatingPool) any { return rq.who.ProjectID }
	return (&collection[struct{}, floatingPool]{
		api: e.api, member: "floatingip_pool", plural: "floatingip_pools", path: e.path,
		kind: "FloatingIPPool", title: "Floating IP pool",
		attrs: []row{
			{name: "cidr", get: func(v *floatingPool) any { return v.CIDR.String() }},
			{name: "subnet_id", get: func(v *floatingPool) any { return v.ID }},
			{name: "subnet_name", get: func(v *floatingPool) any { return v.Name }},
			{name: "network_id", get: func(v *floatingPool) any { return v.NetworkID }},
			{name: "project_id", get: project},
			{name: "tenant_id", get: project},
		},
		id: func(v *floatingPool) string { return v.ID },
		target: func(records.Reader, *floatingPool) identity.Target {
			return identity.Target{ProjectID: rq.who.ProjectID}
		},
		find: func(records.Reader, string) (*floatingPool, bool) { return nil, false },
		all:  externalIPv4,
	}).governed().serve(ctx, rq, rest)
}

// externalIPv4 gives the IPv4 subnets of the external networks.
func externalIPv4(r records.Reader) iter.Seq[*floatingPool] {
	return func(yield func(*floatingPool) bool) {
		for n := range records.Networks.All(r) {
			if !n.External {
				continue
			}
			for s := range records.SubnetsByNetwork.Get(r, n.ID) {
				if s.IPVersion == 4 && !yield(&floatingPool{s}) {
					return
				}
			}
		}
	}
}
