package api

import (
	"fmt"
	"testing"
)

func TestAFullQuotaOfPortsKeepsNoRouterFromItsSubnets(t *testing.T) {
	c := rightsCloud(t)
	admin, one := as("ops", "admin"), as("p1", "member")
	n := c.as(one, "networks", "network", `{}`)
	subnet := c.as(one, "subnets", "subnet", `{"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
	c.must(200, "PUT", "/v2.0/quotas/p1", `{"quota": {"port": 1}}`, admin...)
	c.as(one, "ports", "port", `{"network_id": "`+n+`"}`)
	router := c.as(one, "routers", "router", `{}`)
	if status, out, _ := c.call("PUT", "/v2.0/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`, one...); status != 200 {
		t.Errorf("an interface: %d %v", status, out)
	}
	usage := c.must(200, "GET", "/v2.0/quotas/p1/details", nil, admin...)["port"].(map[string]any)
	if fmt.Sprint(usage["used"]) != "2" {
		t.Errorf("%v ports are used, want 2", usage["used"])
	}
	if status, out, _ := c.call("POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`"}}`, one...); status != 409 || refusedType(out) != "OverQuota" {
		t.Errorf("another port: %d %v", status, out)
	}
}
