package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnHARouterShowsItsNetworkAndAgentsToOperatorsOnly(t *testing.T) {
	c := newCloud(t)
	c.netNode("net1")
	c.netNode("net2")
	s := id(c.subnet(id(c.network(`{}`)), `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	r := c.create("routers", "router", `{"ha": true}`)
	if r["ha"] != true {
		t.Errorf("created: %v", r)
	}
	c.must(200, "PUT", "/v2.0/routers/"+id(r)+"/add_router_interface", `{"subnet_id": "`+s+`"}`)
	for _, host := range []string{"net1", "net2", "net2"} {
		c.must(201, "POST", "/v2.0/agents/"+c.agentID(host, "L3 agent")+"/l3-routers", `{"router_id": "`+id(r)+`"}`)
	}
	states := map[string]int{}
	for _, a := range c.list("routers/"+id(r)+"/l3-agents", "agents") {
		states[fmt.Sprint(a["ha_state"])]++
	}
	if states["active"] != 1 || states["standby"] != 1 {
		t.Errorf("ha_state of the agents: %v", states)
	}
	ports := c.list("ports?device_owner=network:router_ha_interface", "ports")
	if len(ports) != 2 {
		t.Errorf("ports of the hosts: %v", ports)
	}
	for _, p := range ports {
		if !strings.HasPrefix(p["name"].(string), "HA port tenant ") || p["device_id"] != id(r) || p["binding:vif_type"] != "ovs" ||
			!strings.HasPrefix(fmt.Sprint(p["fixed_ips"].([]any)[0].(map[string]any)["ip_address"]), "169.254.") {
			t.Errorf("port of a host: %v", p)
		}
	}
	ha := func() (found []map[string]any) {
		for _, n := range c.list("networks", "networks") {
			if strings.HasPrefix(n["name"].(string), "HA network tenant ") {
				found = append(found, n)
			}
		}
		return found
	}
	if n := ha(); len(n) != 1 || n[0]["project_id"] != "" {
		t.Errorf("networks of ha routers: %v", n)
	}
	c.must(200, "PUT", "/v2.0/routers/"+id(r)+"/remove_router_interface", `{"subnet_id": "`+s+`"}`)
	c.must(204, "DELETE", "/v2.0/routers/"+id(r), nil)
	if left := ha(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatAnHARouterCannotBe(t *testing.T) {
	c := newCloud(t)
	r := id(c.create("routers", "router", `{"ha": true}`))
	status, out, _ := c.call("PUT", "/v2.0/routers/"+r, `{"router": {"ha": false}}`)
	if status != 400 || refusedType(out) != "BadRequest" || !strings.Contains(fmt.Sprint(out), "admin_state_up") {
		t.Errorf("made another one while it is on: %d %v", status, out)
	}
	c.must(200, "PUT", "/v2.0/routers/"+r, `{"router": {"admin_state_up": false}}`)
	if got := c.must(200, "PUT", "/v2.0/routers/"+r, `{"router": {"ha": false}}`); got["ha"] != false {
		t.Errorf("while it is off: %v", got)
	}
	c.must(200, "PUT", "/v2.0/quotas/fake_project_id", `{"quota": {"router": -1}}`)
	for i := range 254 {
		if status, out, _ := c.call("POST", "/v2.0/routers", `{"router": {"ha": true}}`); status != 201 {
			t.Fatalf("ha router %d: %d %v", i, status, out)
		}
	}
	if status, out, _ := c.call("POST", "/v2.0/routers", `{"router": {"ha": true}}`); status != 409 || refusedType(out) != "NoVRIDAvailable" {
		t.Errorf("one too many: %d %v", status, out)
	}
}
