package neutron

import "strings"

// haNetwork is how the network of a project's ha routers is called, which has no
// owner.
const haNetwork = "HA network tenant "

func isHANetwork(n Object) bool {
	return n.project() == "" && strings.HasPrefix(n.text("name"), haNetwork)
}

const ownHA = "made by Neutron for its ha routers: Lepton makes its own"

func networkResource() resource {
	return resource{
		kind: "network", plural: "networks", path: "networks", member: "network",
		sent: []string{
			"name", "description", "project_id", "admin_state_up", "mtu", "port_security_enabled", "dns_domain", "availability_zone_hints",
			"qos_policy_id", "provider:network_type", "provider:physical_network", "provider:segmentation_id",
		},
		optional: []string{"qos_policy_id"},
		lost:     []string{"vlan_transparent", "vlan_qinq"},
		admit: func(_ *world, n Object) string {
			if isHANetwork(n) {
				return ownHA
			}
			return ""
		},
		shape: shapeNetwork,
		had: func(w *world, n Object) Object {
			var ids []any
			for _, s := range w.orderedSegments(n) {
				ids = append(ids, s.id())
			}
			if ids == nil {
				return nil
			}
			return Object{"segments": ids}
		},
		compared: func(n Object) []string {
			names := []string{"name", "description", "project_id", "admin_state_up", "mtu", "port_security_enabled", "dns_domain", "router:external", "shared", "qos_policy_id"}
			if n["segments"] == nil {
				names = append(names, "provider:network_type", "provider:physical_network", "provider:segmentation_id")
			}
			return names
		},
	}
}

// shapeNetwork sends the segments of a network that has several. Whether a
// network is shared and external its RBAC policies say.
func shapeNetwork(w *world, n, body Object) {
	segments := n.objects("segments")
	if len(segments) == 0 {
		if body.text("provider:network_type") == "" { // not shown to this user, or without one
			delete(body, "provider:segmentation_id")
		}
		return
	}
	for _, name := range []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"} {
		delete(body, name)
	}
	var list []any
	for _, s := range segments {
		list = append(list, s.with([]string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"}))
	}
	body["segments"] = list
}

// orderedSegments gives the segments of a network as objects of their own, in
// the order in which the network lists them; none when there are no such objects.
func (w *world) orderedSegments(n Object) []Object {
	have := w.segments[n.id()]
	wires := n.objects("segments")
	if len(wires) == 0 {
		wires = []Object{n}
	}
	if len(have) != len(wires) {
		return nil
	}
	out := make([]Object, 0, len(have))
	for _, wire := range wires {
		for _, s := range have {
			if same(s["network_type"], wire["provider:network_type"]) && same(s["physical_network"], wire["provider:physical_network"]) &&
				same(s["segmentation_id"], wire["provider:segmentation_id"]) {
				out = append(out, s)
			}
		}
	}
	if len(out) != len(wires) {
		return nil
	}
	return out
}

func subnetResource() resource {
	return resource{
		kind: "subnet", plural: "subnets", path: "subnets", member: "subnet",
		sent: []string{
			"name", "description", "project_id", "network_id", "ip_version", "cidr", "gateway_ip", "allocation_pools", "dns_nameservers",
			"host_routes", "enable_dhcp", "ipv6_address_mode", "ipv6_ra_mode", "subnetpool_id", "segment_id", "service_types", "dns_publish_fixed_ip",
		},
		admit: func(w *world, s Object) string {
			if isHANetwork(w.networks[s.text("network_id")]) {
				return ownHA
			}
			if s.text("subnetpool_id") == "prefix_delegation" {
				return "its prefix is delegated, which Lepton does not do"
			}
			return ""
		},
		// Null is none here, and to be without it the default.
		shape: func(_ *world, s, body Object) { body["gateway_ip"] = s["gateway_ip"] },
	}
}
