package api

import (
	"context"
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
	portSpec = plugin.PortSpec
	portView = plugin.PortView
)

// portEndpoint serves /v2.0/ports: the collection, and the bindings of one port.
type portEndpoint struct {
	*collection[portSpec, portView]
}

func (e portEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) >= 2 && rest[1] == "bindings" {
		return e.serveBindings(ctx, rq, rest[0], rest[2:])
	}
	return e.collection.serve(ctx, rq, rest)
}

// newPorts serves /v2.0/ports.
func newPorts(a *API) endpoint {
	p := a.config.Plugin
	return portEndpoint{(&collection[portSpec, portView]{
		api: a, member: "port", plural: "ports", path: "ports", kind: "Port", title: "Port", bulk: true,
		attrs:  portAttrs(),
		id:     func(v *portView) string { return v.ID },
		meta:   func(v *portView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *portView) identity.Target { return plugin.PortTarget(v) },
		find: func(r records.Reader, id string) (*portView, bool) {
			port, ok := records.Ports.Get(r, id)
			if !ok {
				return nil, false
			}
			return p.ViewPort(r, port), true
		},
		all: func(r records.Reader) iter.Seq[*portView] {
			return views(records.Ports.All(r), func(port *model.Port) *portView { return p.ViewPort(r, port) })
		},
		after: func(r records.Reader, id string) iter.Seq[*portView] {
			return views(records.Ports.After(r, id), func(port *model.Port) *portView { return p.ViewPort(r, port) })
		},
		exact:  portsAt(p),
		hints:  portHints(p),
		narrow: map[string]func([]string) []string{"fixed_ips": mostExact},
		fresh: func(rq *request) *portSpec {
			s := &portSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *portView) *portSpec { return &portSpec{Port: *v.Port} },
		parts:  portParts,
		create: p.CreatePort,
		update: func(c plugin.Call, u *records.Update, before *portView, s *portSpec) error {
			return p.UpdatePort(c, u, before.Port, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeletePort(u, id) },
		tag:    func(u *records.Update, v *portView, tags []string) { p.TagPort(u, v.Port, tags) },
		within: func(c plugin.Call, r records.Reader, s *portSpec) error {
			return p.CheckNetworkUsed(c, r, s.NetworkID, s.ProjectID)
		},
		specTarget: func(r records.Reader, s *portSpec) identity.Target {
			t := plugin.PortTarget(p.ViewPort(r, &s.Port))
			if n, ok := records.Networks.Get(r, s.NetworkID); ok {
				shared := plugin.NetworkTarget(r, n)
				t.Shared, t.SharedWith = shared.Shared, shared.SharedWith
			}
			return t
		},
	}).governed()}
}

// portsAt finds ports by network and address, as Nova and metadata services ask:
// the addresses that tenants choose are the same on many networks.
func portsAt(p *plugin.Plugin) func(records.Reader, *query) iter.Seq[*portView] {
	return func(r records.Reader, q *query) iter.Seq[*portView] {
		var addresses []netip.Addr
		for _, value := range mostExact(q.filters["fixed_ips"]) {
			key, text, _ := strings.Cut(value, "=")
			a, err := netip.ParseAddr(text)
			if key != "ip_address" || err != nil {
				return nil
			}
			addresses = append(addresses, a)
		}
		networks := q.filters["network_id"]
		if len(addresses) == 0 || len(networks) == 0 {
			return nil
		}
		return distinct(func(v *portView) string { return v.ID }, networks, func(network string) iter.Seq[*portView] {
			return func(yield func(*portView) bool) {
				for _, a := range addresses {
					if port, ok := plugin.PortAt(r, network, a); ok && !yield(p.ViewPort(r, port)) {
						return
					}
				}
			}
		})
	}
}

// portHints are the filters on ports that an index answers, the most selective
// first.
func portHints(p *plugin.Plugin) []hint[portView] {
	of := func(x *records.Index[model.Port]) func(records.Reader, string) iter.Seq[*portView] {
		return func(r records.Reader, value string) iter.Seq[*portView] {
			found := x.Get(r, value)
			if value == "" { // an index does not have empty values
				found = records.Ports.All(r)
			}
			return views(found, func(port *model.Port) *portView { return p.ViewPort(r, port) })
		}
	}
	byMAC, byIP, bySubnet := of(records.PortsByMAC), of(records.PortsByIP), of(records.PortsBySubnet)
	return []hint[portView]{
		{"mac_address", func(r records.Reader, value string) iter.Seq[*portView] {
			m, err := model.ParseMAC(value)
			if err != nil {
				return func(func(*portView) bool) {}
			}
			return byMAC(r, m.String())
		}},
		{"fixed_ips", func(r records.Reader, value string) iter.Seq[*portView] {
			key, text, _ := strings.Cut(value, "=")
			if a, err := netip.ParseAddr(text); err == nil && key == "ip_address" {
				return byIP(r, records.AddressKey(a))
			}
			if key == "subnet_id" {
				return bySubnet(r, text)
			}
			return byIP(r, "")
		}},
		{"device_id", of(records.PortsByDevice)},
		{"name", of(records.PortsByName)},
		{"binding:host_id", of(records.PortsByHost)},
		{"network_id", of(records.PortsByNetwork)},
		{"security_groups", of(records.PortsBySecurityGroup)},
		{"project_id", of(records.PortsByProject)},
		{"tenant_id", of(records.PortsByProject)},
	}
}

func portAttrs() []attr[portSpec, portView] {
	type row = attr[portSpec, portView]
	table := replaced(
		common(func(s *portSpec) *model.Meta { return &s.Meta }, func(v *portView) *model.Meta { return &v.Meta }),
		row{
			name: "tags", create: true, check: tagList,
			set: func(s *portSpec, v any) { s.Tags = v.([]string) },
			get: func(v *portView) any { return list(v.Tags) },
		})
	table = append(table, []row{
		{
			name: "network_id", create: true, required: true, check: uuidText, filter: byText, sort: true,
			set: func(s *portSpec, v any) { s.NetworkID = v.(string) },
			get: func(v *portView) any { return v.NetworkID },
		},
		{
			name: "mac_address", create: true, update: true, check: nullable(mac), match: byMAC, sort: true,
			set: func(s *portSpec, v any) { s.MAC, _ = v.(model.MAC) },
			get: func(v *portView) any { return v.MAC.String() },
		},
		{
			name: "admin_state_up", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *portSpec, v any) { s.AdminStateUp = v.(bool) },
			get: func(v *portView) any { return v.AdminStateUp },
		},
		{name: "status", get: func(v *portView) any { return v.Status }, filter: byText, sort: true},
		{
			name: "device_id", create: true, update: true, standard: "", check: text255, filter: byText, sort: true,
			set: func(s *portSpec, v any) { s.DeviceID = v.(string) },
			get: func(v *portView) any { return v.DeviceID },
		},
		{
			name: "device_owner", create: true, update: true, standard: "", check: text255, filter: byText, sort: true,
			set: func(s *portSpec, v any) { s.DeviceOwner = v.(string) },
			get: func(v *portView) any { return v.DeviceOwner },
		},
		{
			name: "fixed_ips", create: true, update: true, check: fixedIPs, match: byFixedIP, parts: addressParts,
			set: func(s *portSpec, v any) { s.Addresses = v.([]plugin.AddressRequest) },
			get: func(v *portView) any { return fixedIPObjects(v.FixedIPs) },
		},
		{
			name: "ip_allocation", filter: byText, sort: true,
			get: func(v *portView) any { return v.IPAllocation },
		},
		{
			name: "allowed_address_pairs", create: true, update: true, check: nullable(addressPairs),
			set: func(s *portSpec, v any) { s.AllowedAddressPairs, _ = v.([]model.AddressPair) },
			get: func(v *portView) any { return pairObjects(v.Port) },
		},
		{
			name: "port_security_enabled", create: true, update: true, check: boolean,
			set: func(s *portSpec, v any) { s.PortSecurityEnabled = v.(bool) },
			get: func(v *portView) any { return v.PortSecurityEnabled },
		},
		{
			name: "security_groups", create: true, update: true, check: nullable(uuidList), match: bySecurityGroup,
			set: func(s *portSpec, v any) { // null is none, as in Neutron
				ids, _ := v.([]string)
				s.Groups = &ids
			},
			get: func(v *portView) any { return list(v.SecurityGroups) },
		},
		{
			name: "extra_dhcp_opts", create: true, update: true, check: nullable(dhcpOptions),
			set: func(s *portSpec, v any) { s.Options, _ = v.([]plugin.DHCPOptionChange) },
			get: func(v *portView) any { return dhcpOptionObjects(v.ExtraDHCPOpts) },
		},
	}...)
	table = append(table,
		qosAttr(func(s *portSpec) *string { return &s.QoSPolicyID }, func(v *portView) string { return v.QoSPolicyID }),
		row{name: "qos_network_policy_id", get: func(v *portView) any { return orNull(v.NetworkQoSPolicyID) }},
		row{name: "trunk_details", get: trunkObject},
		// A policy with rules that Placement must know of cannot be named yet.
		row{name: "resource_request", get: func(*portView) any { return nil }},
	)
	table = append(table, bindingAttrs()...)
	return append(table, nameAttrs()...)
}

// bindingAttrs say where and how a port is plugged; most are for
// administrators.
func bindingAttrs() []attr[portSpec, portView] {
	return []attr[portSpec, portView]{
		{
			name: "binding:host_id", create: true, update: true, check: nullable(text255), filter: byText,
			set: func(s *portSpec, v any) { s.Host, _ = v.(string) },
			get: func(v *portView) any { host, _ := v.Binding(); return host },
		},
		{
			name: "binding:profile", create: true, update: true, check: nullable(dictionary),
			set: func(s *portSpec, v any) { s.BindingProfile, _ = v.(map[string]any) },
			get: func(v *portView) any { return orEmpty(v.BindingProfile) },
		},
		{
			name: "binding:vnic_type", create: true, update: true, standard: "normal", check: vnicType,
			set: func(s *portSpec, v any) { s.VNICType = v.(string) },
			get: func(v *portView) any { return v.VNICType },
		},
		{
			name: "binding:vif_type",
			get:  func(v *portView) any { _, vif := v.Binding(); return vif },
		},
		{
			name: "binding:vif_details",
			get:  func(v *portView) any { return orEmpty(v.VIFDetails) },
		},
		{
			name: "device_profile", create: true, check: nullable(text255),
			set: func(s *portSpec, v any) { s.DeviceProfile, _ = v.(string) },
			get: func(v *portView) any { return orNull(v.DeviceProfile) },
		},
		{
			name: "numa_affinity_policy", create: true, update: true, check: nullable(oneOf("required", "preferred", "legacy")),
			set: func(s *portSpec, v any) { s.NUMAAffinityPolicy, _ = v.(string) },
			get: func(v *portView) any { return orNull(v.NUMAAffinityPolicy) },
		},
		{
			name: "propagate_uplink_status", create: true, standard: true, check: boolean,
			set: func(s *portSpec, v any) { s.PropagateUplink = v.(bool) },
			get: func(v *portView) any { return v.PropagateUplink },
		},
		{
			name: "data_plane_status", update: true, check: nullable(oneOf("ACTIVE", "DOWN")),
			set: func(s *portSpec, v any) { s.DataPlaneStatus, _ = v.(string) },
			get: func(v *portView) any { return orNull(v.DataPlaneStatus) },
		},
	}
}

// nameAttrs are a port's names in DNS.
func nameAttrs() []attr[portSpec, portView] {
	return []attr[portSpec, portView]{
		{
			name: "dns_name", create: true, update: true, standard: "", check: hostName,
			set: func(s *portSpec, v any) { s.DNSName = v.(string) },
			get: func(v *portView) any { return v.DNSName },
		},
		{
			name: "dns_domain", create: true, update: true, standard: "", check: domainName,
			set: func(s *portSpec, v any) { s.DNSDomain = v.(string) },
			get: func(v *portView) any { return v.Port.DNSDomain },
		},
		{name: "dns_assignment", get: func(v *portView) any { return dnsAssignment(v) }},
	}
}

// dnsAssignment gives the names of a port's addresses: its own, or one made
// from the address.
func dnsAssignment(v *portView) []object {
	out := make([]object, 0, len(v.FixedIPs))
	for _, f := range v.FixedIPs {
		host := strings.TrimSuffix(strings.TrimSuffix(v.DNSName, "."), "."+v.DNSDomain)
		if host == "" {
			host = "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(f.IP.String())
		}
		fqdn := host + "."
		if v.DNSDomain != "" {
			fqdn += v.DNSDomain + "."
		}
		out = append(out, object{{"hostname", host}, {"ip_address", f.IP}, {"fqdn", fqdn}})
	}
	return out
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// addressParts names the parts that requests for addresses have.
func addressParts(v any) []string {
	requests, _ := v.([]plugin.AddressRequest)
	has := func(part func(plugin.AddressRequest) bool) bool { return slices.ContainsFunc(requests, part) }
	var parts []string
	if has(func(r plugin.AddressRequest) bool { return r.IP.IsValid() }) {
		parts = append(parts, "ip_address")
	}
	if has(func(r plugin.AddressRequest) bool { return r.SubnetID != "" }) {
		parts = append(parts, "subnet_id")
	}
	return parts
}
