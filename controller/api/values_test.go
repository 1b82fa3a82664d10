package api

import "testing"

// What a Neutron makes of these values was seen on one.
func TestValuesMeanWhatTheyMeanToNeutron(t *testing.T) {
	c := rightsCloud(t)
	admin, one := as("ops", "admin"), as("p1", "member")
	external := c.as(admin, "networks", "network", `{"router:external": true}`)
	c.as(admin, "subnets", "subnet", `{"network_id": "`+external+`", "ip_version": 4, "cidr": "203.0.113.0/24"}`)
	n := c.as(one, "networks", "network", `{}`)
	subnet := `{"network_id": "` + n + `", "ip_version": 4, "enable_dhcp": "yes", `
	s := c.as(one, "subnets", "subnet", subnet+`"cidr": "10.0.0.0/24"}`)
	group := c.as(one, "security-groups", "security_group", `{}`)
	port := c.as(one, "ports", "port", `{"network_id": "`+n+`", "security_groups": ["`+group+`"]}`)
	router := c.as(one, "routers", "router", `{}`)
	c.must(200, "PUT", "/v2.0/routers/"+router+"/add_router_interface", `{"subnet_id": "`+s+`"}`, one...)
	gateway := id(c.listAs(admin, "ports?device_id="+router, "ports")[0].(map[string]any))
	c.answers([]asked{
		{"no floating address in particular", "POST floatingips", `{"floatingip": {"floating_network_id": "` + external + `", "floating_ip_address": null}}`, one, 201, ""},
		{"a floating address", "POST floatingips", `{"floatingip": {"floating_network_id": "` + external + `", "floating_ip_address": "203.0.113.9"}}`, one, 403, "PolicyNotAuthorized"},
		{"no segment", "POST subnets", `{"subnet": ` + subnet + `"cidr": "10.1.0.0/24", "segment_id": null}}`, one, 201, ""},
		{"a segment", "POST subnets", `{"subnet": ` + subnet + `"cidr": "10.2.0.0/24", "segment_id": "` + n + `"}}`, one, 403, "PolicyNotAuthorized"},
		{"no", "PUT networks/" + n, `{"network": {"admin_state_up": "no"}}`, one, 200, ""},
		{"On", "PUT networks/" + n, `{"network": {"admin_state_up": "On"}}`, one, 200, ""},
		{"perhaps", "PUT networks/" + n, `{"network": {"admin_state_up": "perhaps"}}`, one, 400, "InvalidInput"},
		{"a host route with host bits", "PUT subnets/" + s, `{"subnet": {"host_routes": [{"destination": "10.9.0.1/16", "nexthop": "10.0.0.7"}]}}`, one, 400, "HTTPBadRequest"},
		{"a route with host bits", "PUT routers/" + router, `{"router": {"routes": [{"destination": "10.9.0.1/16", "nexthop": "10.0.0.7"}]}}`, one, 400, "HTTPBadRequest"},
		{"one that is added", "PUT routers/" + router + "/add_extraroutes", `{"router": {"routes": [{"destination": "10.9.0.1/16", "nexthop": "10.0.0.7"}]}}`, one, 200, ""},
		{"one that is taken away", "PUT routers/" + router + "/remove_extraroutes", `{"router": {"routes": [{"destination": "10.9.0.1/16", "nexthop": "10.0.0.7"}]}}`, one, 200, ""},
		{"DHCP from 0.0.0.0", "POST subnets", `{"subnet": ` + subnet + `"cidr": "0.0.0.0/8"}}`, one, 400, "InvalidInput"},
		{"a name that is a number", "PUT ports/" + port, `{"port": {"dns_name": 1}}`, one, 400, "InvalidInput"},
		{"no IP version", "POST address-scopes", `{"address_scope": {"ip_version": null}}`, one, 400, "InvalidInput"},
		{"a filter of another form", "GET ports?fixed_ips=10.0.0.9", "", one, 400, "InvalidInput"},
		{"no gateway any more where a router is", "PUT subnets/" + s, `{"subnet": {"gateway_ip": null}}`, one, 200, ""},
		{"a zone named twice", "POST networks", `{"network": {"availability_zone_hints": ["nova", "nova"]}}`, one, 400, "HTTPBadRequest"},
		{"the MAC of a router", "PUT ports/" + gateway, `{"port": {"mac_address": "fa:16:3e:00:00:99"}}`, admin, 409, "UnsupportedPortDeviceOwner"},
	})
	if got := c.must(201, "POST", "/v2.0/subnets", `{"subnet": `+subnet+`"cidr": "10.3.0.0/24", "allocation_pools": []}}`, one...); len(got["allocation_pools"].([]any)) != 1 {
		t.Errorf("an empty list of pools at first: %v", got["allocation_pools"])
	}
	if got := c.must(200, "PUT", "/v2.0/ports/"+port, `{"port": {"security_groups": null}}`, one...); len(got["security_groups"].([]any)) != 0 {
		t.Errorf("security groups that are null: %v", got["security_groups"])
	}
}
