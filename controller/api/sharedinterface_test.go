package api

import "testing"

// The router that takes the gateway address of a network which everybody uses
// would be the gateway of all of them.
func TestAProjectsRouterDoesNotTakeTheGatewayOfANetworkThatAllShare(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	on := func(cidr, more string) (network, subnet string) {
		t.Helper()
		network = c.as(admin, "networks", "network", `{"name": "n"`+more+`}`)
		return network, c.as(admin, "subnets", "subnet", `{"network_id": "`+network+`", "ip_version": 4, "cidr": "`+cidr+`"}`)
	}
	shared, all := on("10.1.0.0/24", `, "shared": true`)
	named, some := on("10.2.0.0/24", "")
	_, own := on("10.3.0.0/24", `, "project_id": "p1", "shared": true`)
	c.as(admin, "rbac-policies", "rbac_policy", `{"object_type": "network", "object_id": "`+named+`", "action": "access_as_shared", "target_tenant": "p1"}`)
	mine, theirs := c.as(one, "routers", "router", `{}`), c.as(two, "routers", "router", `{}`)
	port := c.as(one, "ports", "port", `{"network_id": "`+shared+`"}`)
	add := func(router string) string { return "PUT routers/" + router + "/add_router_interface" }
	c.answers([]asked{
		{"all share it", add(mine), `{"subnet_id": "` + all + `"}`, one, 400, "BadRequest"},
		{"another project's that all share", add(theirs), `{"subnet_id": "` + own + `"}`, two, 400, "BadRequest"},
		{"it is shared with another", add(theirs), `{"subnet_id": "` + some + `"}`, two, 404, "SubnetNotFound"},
		{"it is shared with the project by name", add(mine), `{"subnet_id": "` + some + `"}`, one, 200, ""},
		{"its own, whoever made the subnet", add(mine), `{"subnet_id": "` + own + `"}`, one, 200, ""},
		{"a port with an address of the pool", add(mine), `{"port_id": "` + port + `"}`, one, 200, ""},
		{"an administrator's doing", add(theirs), `{"subnet_id": "` + all + `"}`, admin, 200, ""},
	})
}

func TestARouterHasOnePortWithIPv6OnANetwork(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	first := id(c.subnet(n, `"ip_version": 6, "cidr": "2001:db8:1::/64"`))
	second := id(c.subnet(n, `"ip_version": 6, "cidr": "2001:db8:2::/64"`))
	router := id(c.create("routers", "router", `{}`))
	path := "/v2.0/routers/" + router + "/add_router_interface"
	c.call("PUT", path, `{"subnet_id": "`+first+`"}`)
	port := id(c.port(n, `, "fixed_ips": [{"subnet_id": "`+second+`"}]`))
	if status, out, _ := c.call("PUT", path, `{"port_id": "`+port+`"}`); status != 400 || refusedType(out) != "BadRequest" {
		t.Errorf("a second port: %d %v", status, out)
	}
	if status, out, _ := c.call("PUT", path, `{"subnet_id": "`+second+`"}`); status != 200 {
		t.Errorf("another subnet for the port: %d %v", status, out)
	}
}

// Who owns a network sees the ports that others have on it, and does not make
// them its own.
func TestARouterDoesNotTakeAnotherProjectsPort(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	n := c.as(one, "networks", "network", `{}`)
	c.as(one, "subnets", "subnet", `{"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
	c.as(one, "rbac-policies", "rbac_policy", `{"object_type": "network", "object_id": "`+n+`", "action": "access_as_shared", "target_tenant": "p2"}`)
	router, port := c.as(one, "routers", "router", `{}`), c.as(two, "ports", "port", `{"network_id": "`+n+`"}`)
	path, body := "/v2.0/routers/"+router+"/add_router_interface", `{"port_id": "`+port+`"}`
	if status, out, _ := c.call("PUT", path, body, one...); status != 409 || refusedType(out) != "DeviceIDNotOwnedByTenant" {
		t.Errorf("the router of another project: %d %v", status, out)
	}
	if got := c.must(200, "GET", "/v2.0/ports/"+port, nil, two...); got["device_owner"] != "" || got["port_security_enabled"] != true {
		t.Errorf("the port has become %v", got)
	}
	if status, out, _ := c.call("PUT", path, body, admin...); status != 200 {
		t.Errorf("an administrator's doing: %d %v", status, out)
	}
}
