package api

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	subnetSpec = plugin.SubnetSpec
	subnetView = plugin.SubnetView
)

// newSubnets serves /v2.0/subnets.
func newSubnets(a *API) endpoint {
	p := a.config.Plugin
	view := func(r records.Reader) func(*model.Subnet) *subnetView {
		return func(s *model.Subnet) *subnetView { return p.ViewSubnet(r, s) }
	}
	return (&collection[subnetSpec, subnetView]{
		api: a, member: "subnet", plural: "subnets", path: "subnets", kind: "Subnet", title: "Subnet", bulk: true,
		attrs:  subnetAttrs(),
		id:     func(v *subnetView) string { return v.ID },
		meta:   func(v *subnetView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *subnetView) identity.Target { return plugin.SubnetTarget(v) },
		find: func(r records.Reader, id string) (*subnetView, bool) {
			s, ok := records.Subnets.Get(r, id)
			if !ok {
				return nil, false
			}
			return p.ViewSubnet(r, s), true
		},
		all: func(r records.Reader) iter.Seq[*subnetView] { return views(records.Subnets.All(r), view(r)) },
		after: func(r records.Reader, id string) iter.Seq[*subnetView] {
			return views(records.Subnets.After(r, id), view(r))
		},
		hints: []hint[subnetView]{
			{"network_id", func(r records.Reader, v string) iter.Seq[*subnetView] {
				return views(records.SubnetsByNetwork.Get(r, v), view(r))
			}},
			{"name", byIndex(records.Subnets, records.SubnetsByName, p.ViewSubnet)},
			{"project_id", byIndex(records.Subnets, records.SubnetsByProject, p.ViewSubnet)},
			{"tenant_id", byIndex(records.Subnets, records.SubnetsByProject, p.ViewSubnet)},
		},
		fresh: func(rq *request) *subnetSpec {
			s := &subnetSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *subnetView) *subnetSpec { return &subnetSpec{Subnet: *v.Subnet} },
		create: p.CreateSubnet,
		update: func(c plugin.Call, u *records.Update, before *subnetView, s *subnetSpec) error {
			return p.UpdateSubnet(c, u, before.Subnet, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteSubnet(u, id) },
		tag:    func(u *records.Update, v *subnetView, tags []string) { p.TagSubnet(u, v.Subnet, tags) },
		within: func(c plugin.Call, r records.Reader, s *subnetSpec) error {
			return p.CheckNetworkSeen(c, r, s.NetworkID)
		},
		specTarget: func(r records.Reader, s *subnetSpec) identity.Target {
			return plugin.SubnetTarget(p.ViewSubnet(r, &s.Subnet))
		},
	}).governed()
}

func subnetAttrs() []attr[subnetSpec, subnetView] {
	type row = attr[subnetSpec, subnetView]
	table := common(
		func(s *subnetSpec) *model.Meta { return &s.Meta },
		func(v *subnetView) *model.Meta { return &v.Meta })
	modes := nullable(oneOf(plugin.ModeSLAAC, plugin.ModeStateful, plugin.ModeStateless))
	table = append(table, []row{
		{
			name: "network_id", create: true, required: true, check: uuidText, filter: byText, sort: true,
			set: func(s *subnetSpec, v any) { s.NetworkID = v.(string) },
			get: func(v *subnetView) any { return v.NetworkID },
		},
		{
			name: "ip_version", create: true, required: true, check: ipVersion, filter: byInt, sort: true,
			set: func(s *subnetSpec, v any) { s.IPVersion = v.(int) },
			get: func(v *subnetView) any { return v.IPVersion },
		},
		{
			name: "cidr", create: true, check: nullable(prefix), filter: byText, sort: true,
			set: func(s *subnetSpec, v any) { s.CIDR, _ = v.(netip.Prefix) },
			get: func(v *subnetView) any { return v.CIDR.String() },
		},
		{
			name: "gateway_ip", create: true, update: true, check: nullable(address), filter: byText, sort: true,
			set: func(s *subnetSpec, v any) { s.Gateway, _ = v.(netip.Addr) },
			get: func(v *subnetView) any { return addrOrNull(v.Gateway) },
		},
		{
			name: "allocation_pools", create: true, update: true, check: nullable(objects(poolOf)),
			set: func(s *subnetSpec, v any) { s.AllocationPools, _ = v.([]model.IPRange) },
			get: func(v *subnetView) any { return poolObjects(v.AllocationPools) },
		},
		{
			name: "enable_dhcp", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *subnetSpec, v any) { s.EnableDHCP = v.(bool) },
			get: func(v *subnetView) any { return v.EnableDHCP },
		},
		{
			name: "dns_nameservers", create: true, update: true, check: nullable(nameservers),
			set: func(s *subnetSpec, v any) { s.DNSNameservers, _ = v.([]netip.Addr) },
			get: func(v *subnetView) any { return addressTexts(v.DNSNameservers) },
		},
		{
			name: "host_routes", create: true, update: true, check: nullable(hostRoutes),
			set: func(s *subnetSpec, v any) { s.HostRoutes, _ = v.([]model.HostRoute) },
			get: func(v *subnetView) any { return routeObjects(v.HostRoutes) },
		},
		{
			name: "ipv6_address_mode", create: true, check: modes, filter: byText, sort: true,
			set: func(s *subnetSpec, v any) { s.IPv6AddressMode, _ = v.(string) },
			get: func(v *subnetView) any { return orNull(v.IPv6AddressMode) },
		},
		{
			name: "ipv6_ra_mode", create: true, check: modes, filter: byText, sort: true,
			set: func(s *subnetSpec, v any) { s.IPv6RAMode, _ = v.(string) },
			get: func(v *subnetView) any { return orNull(v.IPv6RAMode) },
		},
		{
			name: "segment_id", create: true, update: true, null: true, check: nullable(uuidText), filter: byText, sort: true,
			set: func(s *subnetSpec, v any) { s.SegmentID, _ = v.(string) },
			get: func(v *subnetView) any { return orNull(v.SegmentID) },
		},
		{
			name: "service_types", create: true, update: true, check: nullable(serviceTypes),
			set: func(s *subnetSpec, v any) { s.ServiceTypes, _ = v.([]string) },
			get: func(v *subnetView) any { return list(v.ServiceTypes) },
		},
		{
			name: "dns_publish_fixed_ip", create: true, update: true, standard: false, check: boolean,
			set: func(s *subnetSpec, v any) { s.DNSPublishFixed = v.(bool) },
			get: func(v *subnetView) any { return v.DNSPublishFixed },
		},
		{
			name: "subnetpool_id", create: true, check: nullable(text(36)), filter: byText, sort: true,
			set: func(s *subnetSpec, v any) { s.SubnetPoolID, _ = v.(string) },
			get: func(v *subnetView) any { return orNull(v.SubnetPoolID) },
		},
		{
			name: "use_default_subnetpool", create: true, standard: false, check: boolean,
			set: func(s *subnetSpec, v any) { s.UseDefaultPool = v.(bool) },
		},
		{
			name: "prefixlen", create: true, check: nullable(integer(0, 128)),
			set: func(s *subnetSpec, v any) { s.PrefixLen = intPointer(v) },
		},
		{
			name: "shared", filter: byBool, unseen: true, // it is the network's
			getFor: func(who identity.Identity, v *subnetView) any { return v.With(who.ProjectID) },
		},
	}...)
	return table
}

// intPointer is nil for null.
func intPointer(v any) *int {
	n, ok := v.(int)
	if !ok {
		return nil
	}
	return &n
}

func ipVersion(v any) (any, error) {
	n, err := parseInteger(v)
	if err != nil {
		return nil, err
	}
	if n != 4 && n != 6 {
		return nil, wrong("'%s' is not in [4, 6]", textOf(v))
	}
	return int(n), nil
}

// poolOf reads an allocation pool.
func poolOf(o map[string]any) (model.IPRange, error) {
	if err := only(o, "start", "end"); err != nil {
		return model.IPRange{}, err
	}
	start, err := address(o["start"])
	if err != nil {
		return model.IPRange{}, err
	}
	end, err := address(o["end"])
	if err != nil {
		return model.IPRange{}, err
	}
	return model.IPRange{Start: start.(netip.Addr), End: end.(netip.Addr)}, nil
}

func poolObjects(pools []model.IPRange) []object {
	out := make([]object, 0, len(pools))
	for _, p := range pools {
		out = append(out, object{{"start", p.Start}, {"end", p.End}})
	}
	return out
}

// nameservers takes a list of different addresses.
func nameservers(v any) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrong("Invalid data format for nameserver: '%s'", textOf(v))
	}
	out := make([]netip.Addr, 0, len(items))
	for _, item := range items {
		a, err := address(item)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, a.(netip.Addr)) {
			return nil, wrong("Duplicate nameserver '%s'", a)
		}
		out = append(out, a.(netip.Addr))
	}
	return out, nil
}

func addressTexts(addresses []netip.Addr) []string {
	out := make([]string, 0, len(addresses))
	for _, a := range addresses {
		out = append(out, a.String())
	}
	return out
}

// hostRoutes takes a list of different routes to networks, without host bits:
// guests' DHCP clients and people's tools refuse a route that has some.
func hostRoutes(v any) (any, error) {
	routes, err := anyRoutes(v)
	if err != nil {
		return nil, err
	}
	for _, r := range routes.([]model.HostRoute) {
		if network := r.Destination.Masked(); network != r.Destination {
			return nil, wrong("'%s' is not a recognized CIDR, '%s' is recommended", r.Destination, network)
		}
	}
	return routes, nil
}

// anyRoutes takes a list of different routes.
func anyRoutes(v any) (any, error) {
	routes, err := objects(routeOf)(v)
	if err != nil {
		return nil, err
	}
	seen := map[model.HostRoute]bool{}
	for _, r := range routes.([]model.HostRoute) {
		if seen[r] {
			return nil, wrong("Duplicate hostroute '%s' via '%s'", r.Destination, r.NextHop)
		}
		seen[r] = true
	}
	return routes, nil
}

func routeOf(o map[string]any) (model.HostRoute, error) {
	if err := only(o, "destination", "nexthop"); err != nil {
		return model.HostRoute{}, err
	}
	destination, err := prefix(o["destination"])
	if err != nil {
		return model.HostRoute{}, err
	}
	hop, err := address(o["nexthop"])
	if err != nil {
		return model.HostRoute{}, err
	}
	return model.HostRoute{Destination: destination.(netip.Prefix), NextHop: hop.(netip.Addr)}, nil
}

func routeObjects(routes []model.HostRoute) []object {
	out := make([]object, 0, len(routes))
	for _, r := range routes {
		out = append(out, object{{"destination", r.Destination.String()}, {"nexthop", r.NextHop}})
	}
	return out
}

// serviceTypes takes a list of different device owners.
func serviceTypes(v any) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, badRequest("Subnet service types must be a list.")
	}
	names := make([]string, 0, len(items))
	for _, item := range items {
		name, ok := item.(string)
		if !ok {
			return nil, plugin.BadRequest("InvalidInputSubnetServiceType", "Subnet service type %s is not a string.", textOf(item))
		}
		if !validServiceType(name) {
			return nil, plugin.BadRequest("InvalidSubnetServiceType", "Subnet service type %s does not correspond to a valid device owner.", clip(name))
		}
		if _, err := text255(name); err != nil {
			return nil, err
		}
		if slices.Contains(names, name) {
			return nil, wrong("Duplicate service type '%s'", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// validServiceType reports whether Neutron takes a device owner to be one: the
// service's own begin with network: or neutron:. Of the others it wants those
// that begin with compute:, but takes all that begin with any of its letters,
// and clients have come to use some, such as test:.
func validServiceType(name string) bool {
	return strings.HasPrefix(name, "network:") || strings.HasPrefix(name, "neutron:") ||
		name != "" && strings.Contains("compute:", name[:1])
}
