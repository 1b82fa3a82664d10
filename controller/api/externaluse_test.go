package api

import "testing"

// An external network is seen by everybody, for gateways and floating addresses.
// Ports on it are another matter: a guest there would be outside of every router.
func TestAProjectHasNoPortsOnAnExternalNetworkThatIsNotSharedWithIt(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	external := func(more string) string {
		t.Helper()
		n := c.as(admin, "networks", "network", `{"router:external": true`+more+`}`)
		c.as(admin, "subnets", "subnet", `{"network_id": "`+n+`", "ip_version": 4, "cidr": "203.0.113.0/24"}`)
		return n
	}
	plain, shared, mine, partly := external(""), external(`, "shared": true`), external(`, "project_id": "p1"`), external("")
	c.as(admin, "rbac-policies", "rbac_policy", `{"object_type": "network", "object_id": "`+partly+`", "action": "access_as_shared", "target_tenant": "p1"}`)
	c.answers([]asked{
		{"a stranger's port", "POST ports", `{"port": {"network_id": "` + plain + `"}}`, one, 403, "HTTPForbidden"},
		{"one with an address", "POST ports", `{"port": {"network_id": "` + plain + `", "fixed_ips": [{"ip_address": "203.0.113.9"}]}}`, one, 403, "HTTPForbidden"},
		{"a stranger's local IP", "POST local_ips", `{"local_ip": {"network_id": "` + plain + `"}}`, one, 403, "HTTPForbidden"},
		{"a port where it is shared with another", "POST ports", `{"port": {"network_id": "` + partly + `"}}`, two, 403, "HTTPForbidden"},
		{"an administrator's port", "POST ports", `{"port": {"network_id": "` + plain + `"}}`, admin, 201, ""},
		{"a port where it is shared", "POST ports", `{"port": {"network_id": "` + shared + `"}}`, two, 201, ""},
		{"a port of the owner", "POST ports", `{"port": {"network_id": "` + mine + `"}}`, one, 201, ""},
		{"a port where it is shared with this one", "POST ports", `{"port": {"network_id": "` + partly + `"}}`, one, 201, ""},
		{"a floating address", "POST floatingips", `{"floatingip": {"floating_network_id": "` + plain + `"}}`, one, 201, ""},
		{"a gateway", "POST routers", `{"router": {"external_gateway_info": {"network_id": "` + plain + `"}}}`, one, 201, ""},
	})
}

func TestWhatIsMadeOnANetworkThatIsNotSeenIsOnNone(t *testing.T) {
	c := rightsCloud(t)
	one, two, reader := as("p1", "member"), as("p2", "member"), as("p1", "reader")
	theirs := c.as(two, "networks", "network", `{}`)
	for _, network := range []string{theirs, "00000000-0000-4000-8000-000000000000"} {
		for path, body := range map[string]string{
			"subnets":  `{"subnet": {"network_id": "` + network + `", "ip_version": 4, "cidr": "10.0.0.0/24"}}`,
			"ports":    `{"port": {"network_id": "` + network + `"}}`,
			"subnets?": `{"subnets": [{"network_id": "` + network + `", "ip_version": 4, "cidr": "10.0.0.0/24", "segment_id": "00000000-0000-4000-8000-000000000001"}]}`,
			"ports?":   `{"port": {"network_id": "` + network + `", "mac_address": "fa:16:3e:00:00:01", "fixed_ips": [{"ip_address": "10.0.0.5"}]}}`,
		} {
			for _, who := range [][]string{one, reader} {
				status, out, _ := c.call("POST", "/v2.0/"+path, body, who...)
				if status != 404 || refusedType(out) != "NetworkNotFound" {
					t.Errorf("%v: POST %s %s: %d %v, want 404 NetworkNotFound", who, path, body, status, out)
				}
			}
		}
	}
}
