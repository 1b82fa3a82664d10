package policy

import "github.com/lepton-sdn/lepton/controller/identity"

// routing is the table of routers and floating addresses.
func routing() []Resource {
	router := owned("router",
		hidden("distributed"),
		hidden("ha"),
		written("external_gateway_info:enable_snat", admin),
		written("external_gateway_info:external_fixed_ips", admin),
		written("lepton_nat_exempt", admin),
	)
	router.Actions = []Action{
		{"add_router_interface", member},
		{"remove_router_interface", member},
		{"add_extraroutes", member},
		{"remove_extraroutes", member},
	}
	return []Resource{
		router,
		owned("floatingip", Attribute{Name: "floating_ip_address", Create: admin}),
		{Name: "floatingip_pool", Get: reader},
		partOf("port_forwarding"),
		partOf("conntrack_helper"),
		partOf("port_association"),
		owned("local_ip"),
		owned("ndp_proxy"),
	}
}

// partOf is the row of an object inside of another one, whose owner has the
// same rights as its own.
func partOf(name string) Resource {
	write := anyOf(member, identity.NetworkOwner)
	return Resource{Name: name, Get: anyOf(reader, identity.NetworkReader), Create: write, Update: write, Delete: write}
}
