package neutron

import "strings"

// Owners of ports that agents, routers and floating addresses use.
const (
	ownerDHCP       = "network:dhcp"
	ownerGateway    = "network:router_gateway"
	ownerFloatingIP = "network:floatingip"
	reservedDHCP    = "reserved_dhcp_port"
)

// isInterface reports whether a port is a router's interface.
func isInterface(p Object) bool {
	switch p.text("device_owner") {
	case "network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface":
		return true
	}
	return false
}

// agentsOwn says why ports of the owner are not taken; "" when they are.
func agentsOwn(owner string) string {
	switch owner {
	case "network:router_centralized_snat", "network:floatingip_agent_gateway":
		return "made by Neutron for distributed routers: Lepton's have none"
	case "network:router_ha_interface":
		return ownHA
	case "network:distributed":
		return "made by Neutron for metadata: Lepton needs none"
	case "network:local_ip":
		return "local IPs are not taken"
	}
	return ""
}

func portResource() resource {
	return resource{
		kind: "port", plural: "ports", path: "ports", member: "port",
		sent: []string{
			"name", "description", "project_id", "network_id", "admin_state_up", "mac_address", "fixed_ips", "device_id", "device_owner",
			"security_groups", "port_security_enabled", "allowed_address_pairs", "extra_dhcp_opts", "binding:vnic_type", "binding:profile",
			"binding:host_id", "dns_name", "dns_domain", "qos_policy_id", "device_profile", "numa_affinity_policy", "propagate_uplink_status",
		},
		optional: []string{"qos_policy_id"},
		admit:    admitPort,
		shape:    shapePort,
		compared: comparedPort,
	}
}

func admitPort(w *world, p Object) string {
	if reason := agentsOwn(p.text("device_owner")); reason != "" {
		return reason
	}
	if isHANetwork(w.networks[p.text("network_id")]) {
		return ownHA
	}
	return ""
}

// withOwner reports whether a port is made together with what it belongs to: a
// gateway with its router, an address with its floating IP.
func (w *world) withOwner(p Object) bool {
	switch p.text("device_owner") {
	case ownerGateway:
		r, ok := w.routers[p.text("device_id")]
		return ok && r["external_gateway_info"] != nil
	case ownerFloatingIP:
		return true
	}
	return false
}

// shapePort takes from ports of routers and of DHCP agents what makes them
// these: Lepton gives it them again.
func shapePort(_ *world, p, body Object) {
	if p.text("ip_allocation") == "deferred" {
		delete(body, "fixed_ips")
	}
	if names, ok := body["dns_name"]; ok && names == "" {
		delete(body, "dns_name")
	}
	if body.text("binding:host_id") == "" {
		delete(body, "binding:host_id")
	}
	switch owner := p.text("device_owner"); {
	case isInterface(p): // its owner says which addresses it may have
		delete(body, "device_id")
		delete(body, "binding:host_id")
		delete(body, "binding:profile")
	case owner == ownerDHCP:
		body["device_id"] = reservedDHCP
		delete(body, "binding:host_id")
		delete(body, "binding:profile")
	case strings.HasPrefix(owner, "trunk:"):
		delete(body, "device_id")
		delete(body, "device_owner")
	}
}

func comparedPort(p Object) []string {
	names := []string{"network_id", "mac_address", "fixed_ips"}
	if isInterface(p) || p.text("device_owner") == ownerDHCP {
		return names
	}
	if p.text("device_owner") == ownerGateway || p.text("device_owner") == ownerFloatingIP {
		return append(names, "device_id")
	}
	return append(names, "name", "description", "project_id", "admin_state_up", "device_id", "device_owner", "security_groups",
		"port_security_enabled", "allowed_address_pairs", "extra_dhcp_opts", "binding:vnic_type", "binding:profile", "binding:host_id", "dns_name", "dns_domain",
		"qos_policy_id")
}
