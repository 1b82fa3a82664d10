package neutron

func routerResource() resource {
	return resource{
		kind: "router", plural: "routers", path: "routers", member: "router",
		sent: []string{
			"name", "description", "project_id", "admin_state_up", "distributed", "ha", "availability_zone_hints",
		},
		optional: []string{"external_gateway_info.qos_policy_id"},
		lost:     []string{"flavor_id", "enable_ndp_proxy"},
		shape: func(_ *world, r, body Object) {
			if gateway, ok := r["external_gateway_info"].(map[string]any); ok && len(gateway) > 0 {
				body["external_gateway_info"] = Object(gateway).with([]string{"network_id", "external_fixed_ips", "enable_snat", "qos_policy_id"})
			}
		},
		had: func(w *world, r Object) Object { return w.servicePort(ownerGateway, r.id()) },
		compared: func(Object) []string {
			return []string{"name", "description", "project_id", "admin_state_up", "distributed", "ha", "external_gateway_info"}
		},
	}
}

func floatingResource() resource {
	return resource{
		kind: "floating IP", plural: "floatingips", path: "floatingips", member: "floatingip", extension: "router",
		sent: []string{
			"description", "project_id", "floating_network_id", "floating_ip_address", "port_id", "fixed_ip_address", "dns_name", "dns_domain", "qos_policy_id",
		},
		optional: []string{"qos_policy_id"},
		shape: func(_ *world, f, body Object) {
			if f.text("port_id") == "" {
				delete(body, "fixed_ip_address")
			}
		},
		had: func(w *world, f Object) Object { return w.servicePort(ownerFloatingIP, f.id()) },
	}
}

// forwardingAttrs are what a port forwarding is made of.
func forwardingAttrs() []string {
	return []string{"description", "protocol", "internal_port_id", "internal_ip_address"}
}

// shapeForwarding sends ports as ranges where there are ranges, and as single
// ports to who knows only these.
func shapeForwarding(f Object) Object {
	body := f.with(forwardingAttrs())
	for _, side := range []string{"internal_port", "external_port"} {
		if r := f[side+"_range"]; r != nil {
			body[side+"_range"] = r
		} else if single := f[side]; single != nil {
			body[side] = single
		}
	}
	return body
}
