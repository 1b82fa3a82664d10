package api

import (
	"fmt"
	"testing"
)

// Attributes that only administrators see are not to be guessed by filters or
// read off the order of a list either.
func TestWhatIsNotShownIsNotFoundByFiltersAndNotTheOrderOfLists(t *testing.T) {
	c := rightsCloud(t)
	c.agent("hv1")
	admin, one := as("ops", "admin"), as("p1", "member")
	n := c.as(one, "networks", "network", `{}`)
	subnet := c.as(one, "subnets", "subnet", `{"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
	port := c.as(one, "ports", "port", `{"network_id": "`+n+`"}`)
	c.must(200, "PUT", "/v2.0/ports/"+port, `{"port": {"binding:host_id": "hv1"}}`, admin...)
	network := c.must(200, "GET", "/v2.0/networks/"+n, nil, admin...)
	for query, key := range map[string]string{
		fmt.Sprintf("networks?provider:segmentation_id=%v", network["provider:segmentation_id"]): "networks",
		"networks?provider:network_type=vxlan":                                                   "networks",
		"ports?binding:host_id=hv1":                                                              "ports",
		"ports?binding:host_id=hv1&id=" + port:                                                   "ports",
		"subnets?segment_id=&id=" + subnet:                                                       "subnets",
	} {
		if got := len(c.listAs(admin, query, key)); got != 1 && query != "subnets?segment_id=&id="+subnet {
			t.Errorf("%s finds an administrator %d objects", query, got)
		}
		if got := len(c.listAs(one, query, key)); got != 0 {
			t.Errorf("%s finds a member %d objects", query, got)
		}
	}
	other := c.as(one, "networks", "network", `{}`)
	segment := id(c.listAs(admin, "segments?network_id="+other, "segments")[0].(map[string]any))
	c.as(admin, "subnets", "subnet", `{"project_id": "p1", "network_id": "`+other+`", "ip_version": 4, "cidr": "10.1.0.0/24", "segment_id": "`+segment+`"}`)
	first := func(who []string, way string) string {
		return id(c.listAs(who, "subnets?sort_key=segment_id&sort_dir="+way, "subnets")[0].(map[string]any))
	}
	if first(admin, "asc") == first(admin, "desc") || first(one, "asc") != first(one, "desc") {
		t.Error("the order of subnets tells of their segments whom it should not, or nobody")
	}
}

func (c *cloud) listAs(who []string, query, key string) []any {
	c.t.Helper()
	status, out, _ := c.call("GET", "/v2.0/"+query, nil, who...)
	items, ok := out[key].([]any)
	if status != 200 || !ok {
		c.t.Fatalf("GET %s: %d %v", query, status, out)
	}
	return items
}
