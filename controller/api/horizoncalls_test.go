package api

import (
	"slices"
	"strings"
	"testing"
)

func TestHorizonFindsTheExtensionsThatItShowsPanelsFor(t *testing.T) {
	c := newCloud(t)
	var aliases []string
	for _, e := range c.list("extensions", "extensions") {
		aliases = append(aliases, e["alias"].(string))
	}
	for _, alias := range []string{
		"agent", "availability_zone", "binding", "dhcp_agent_scheduler", "extraroute", "ext-gw-mode", "l3-ha", "l3_agent_scheduler",
		"network-ip-availability", "network_availability_zone", "port-security", "provider", "qos", "quotas", "rbac-policies",
		"router", "router_availability_zone", "security-group", "subnet_allocation", "trunk",
	} {
		if !slices.Contains(aliases, alias) {
			t.Errorf("extension %s is not there", alias)
		}
	}
}

func TestHorizonListsWhatAProjectMayUse(t *testing.T) {
	c := rightsCloud(t)
	admin, one := as("ops", "admin"), as("p1", "member")
	mine := c.as(one, "networks", "network", `{"name": "mine"}`)
	shared := c.as(admin, "networks", "network", `{"name": "shared", "shared": true}`)
	c.as(admin, "networks", "network", `{"name": "outside", "router:external": true}`)
	c.as(admin, "networks", "network", `{"name": "theirs"}`)
	subnet := c.as(one, "subnets", "subnet", `{"network_id": "`+mine+`", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
	c.as(one, "ports", "port", `{"network_id": "`+mine+`"}`)
	// Long lists of ids come in several requests, each close to 8 KiB.
	ids := "networks?id=" + mine + "&id=" + shared + strings.Repeat("&id=00000000-0000-4000-8000-000000000000", 190)
	for path, want := range map[string]int{
		"networks?tenant_id=p1&shared=False":         1,
		"networks?shared=True":                       1,
		"networks?router:external=True":              1,
		"networks?tenant_id=p1&router:external=True": 0,
		ids:                                         2,
		"subnets?network_id=" + mine:                1,
		"subnets?id=" + subnet:                      1,
		"ports?tenant_id=p1":                        1,
		"ports?network_id=" + mine:                  1,
		"floatingips?tenant_id=p1":                  0,
		"security-groups?tenant_id=p1":              1,
		"routers?tenant_id=p1":                      0,
		"networks?limit=1&sort_key=id&sort_dir=asc": 1,
	} {
		status, out, _ := c.call("GET", "/v2.0/"+path, nil, one...)
		collection, _, _ := strings.Cut(path, "?")
		rows, _ := out[strings.ReplaceAll(collection, "-", "_")].([]any)
		if status != 200 || len(rows) != want {
			t.Errorf("%.80s: %d, %d rows, want %d: %v", path, status, len(rows), want, out)
		}
	}
	for _, limit := range []string{"network", "port", "floatingip"} {
		quota := c.must(200, "GET", "/v2.0/quotas/p1/details", nil, one...)
		if detail, _ := quota[limit].(map[string]any); detail["limit"] == nil || detail["used"] == nil {
			t.Errorf("quota of %s: %v", limit, quota[limit])
		}
	}
}
