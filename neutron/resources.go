package neutron

// resource is a kind of object: how it is read, made and compared.
type resource struct {
	kind         string // what messages call one
	plural, path string // in lists, and after /v2.0/
	member       string // in requests
	extension    string // without which there are none; "" for none
	// sent are the attributes that are taken as they are. Those that are null are
	// not sent.
	sent []string
	// optional ones are given up when Lepton refuses the object because of them.
	optional []string
	// lost ones cannot be taken: a note says so where they are set.
	lost []string
	// admit says why an object is left out, "" to take it; shape adapts what is
	// sent; had gives what belongs into lepton_import besides the common part.
	admit func(*world, Object) string
	shape func(*world, Object, Object)
	had   func(*world, Object) Object
	// compared are the attributes that are compared with what is there; nil: those
	// that are sent.
	compared func(Object) []string
	// rank orders objects of which some name others; nil when none do.
	rank func(Object) int
}

// resources are in the order in which they are made: what others name comes
// before them.
func resources() []resource {
	return []resource{
		{
			kind: "address scope", plural: "address_scopes", path: "address-scopes", member: "address_scope", extension: "address-scope",
			sent: []string{"name", "project_id", "ip_version"},
		},
		{
			kind: "subnet pool", plural: "subnetpools", path: "subnetpools", member: "subnetpool",
			sent: []string{
				"name", "description", "project_id", "prefixes", "default_prefixlen", "min_prefixlen", "max_prefixlen",
				"default_quota", "is_default", "address_scope_id",
			},
		},
		{
			kind: "QoS policy", plural: "policies", path: "qos/policies", member: "policy", extension: "qos",
			sent: []string{"name", "description", "project_id", "is_default"},
		},
		{
			kind: "address group", plural: "address_groups", path: "address-groups", member: "address_group", extension: "address-group",
			sent: []string{"name", "description", "project_id", "addresses"},
		},
		{
			kind: "security group", plural: "security_groups", path: "security-groups", member: "security_group", extension: "security-group",
			sent: []string{"name", "description", "project_id", "stateful"},
		},
		{
			kind: "security group rule", plural: "security_group_rules", path: "security-group-rules", member: "security_group_rule", extension: "security-group",
			sent: []string{
				"security_group_id", "project_id", "description", "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
				"remote_ip_prefix", "remote_group_id", "remote_address_group_id",
			},
		},
		networkResource(),
		subnetResource(),
		policyResource(),
		portResource(),
		routerResource(),
		floatingResource(),
		{
			kind: "trunk", plural: "trunks", path: "trunks", member: "trunk", extension: "trunk",
			sent: []string{"name", "description", "project_id", "admin_state_up", "port_id", "sub_ports"},
		},
	}
}

func policyResource() resource {
	return resource{
		kind: "RBAC policy", plural: "rbac_policies", path: "rbac-policies", member: "rbac_policy", extension: "rbac-policies",
		sent: []string{"project_id", "object_type", "object_id", "action", "target_tenant"},
		rank: func(o Object) int { // a pool is shared with those who have its scope
			if o.text("object_type") == "address_scope" {
				return 0
			}
			return 1
		},
	}
}

// leftover is a kind of object that is read only to tell that it is not taken.
type leftover struct{ extension, path, plural, kind string }

func leftovers() []leftover {
	return []leftover{
		{"flavors", "flavors", "flavors", "flavor"},
		{"metering", "metering/metering-labels", "metering_labels", "metering label"},
		{"logging", "log/logs", "logs", "log"},
		{"local_ip", "local_ips", "local_ips", "local IP"},
		{"l3-ndp-proxy", "ndp_proxies", "ndp_proxies", "NDP proxy"},
		{"network-segment-range", "network_segment_ranges", "network_segment_ranges", "segment range"},
		{"security-groups-default-rules", "default-security-group-rules", "default_security_group_rules", "default security group rule"},
		{"vpnaas", "vpn/ipsec-site-connections", "ipsec_site_connections", "VPN connection"},
		{"fwaas_v2", "fwaas/firewall_groups", "firewall_groups", "firewall group"},
		{"bgp", "bgp-speakers", "bgp_speakers", "BGP speaker"},
		{"bgpvpn", "bgpvpn/bgpvpns", "bgpvpns", "BGP VPN"},
		{"sfc", "sfc/port_chains", "port_chains", "port chain"},
		{"taas", "taas/tap_services", "tap_services", "tap service"},
		{"l2-gateway", "l2-gateways", "l2_gateways", "L2 gateway"},
	}
}

// world is what rules about one object may ask: all that the source has.
type world struct {
	source   Snapshot
	networks map[string]Object
	routers  map[string]Object
	ports    map[string]Object
	// service are the ports of gateways and floating addresses, by what they
	// belong to.
	service map[string]Object
	// segments of each network, in the order of the network's own list.
	segments map[string][]Object
}

func newWorld(source Snapshot) *world {
	w := &world{
		source: source, networks: source.byID("network"), routers: source.byID("router"), ports: source.byID("port"),
		service: map[string]Object{}, segments: map[string][]Object{},
	}
	for _, p := range source.Objects["port"] {
		if owner := p.text("device_owner"); owner == ownerGateway || owner == ownerFloatingIP {
			w.service[owner+"/"+p.text("device_id")] = p
		}
	}
	for _, s := range source.Objects["segment"] {
		n := s.text("network_id")
		w.segments[n] = append(w.segments[n], s)
	}
	return w
}

// servicePort gives what lepton_import says of the port of a gateway or a
// floating address.
func (w *world) servicePort(owner, of string) Object {
	p, ok := w.service[owner+"/"+of]
	if !ok {
		return nil
	}
	return Object{"port": Object{"id": p.id(), "mac_address": p.text("mac_address")}}
}
