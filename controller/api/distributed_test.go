package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/model"
)

// routingHost makes the agent of a host known that routes for its own guests.
func (c *cloud) routingHost(host string, change ...func(*model.Agent)) {
	c.t.Helper()
	c.agent(host, append([]func(*model.Agent){func(a *model.Agent) { a.Roles = []string{"l2", "dvr"} }}, change...)...)
}

func TestADistributedRouterIsOneWhileItIsSwitchedOff(t *testing.T) {
	s := newSite(t, func(*plugin.Config, *Config) {})
	s.attach("sub")
	owners := func() string {
		var all []string
		for _, p := range s.list(s.in("ports?device_id=$router&sort_key=device_owner"), "ports") {
			all = append(all, strings.TrimPrefix(p["device_owner"].(string), "network:"))
		}
		return strings.Join(all, " ")
	}
	put := func(body string) string { return `{"router": {` + body + `}}` }
	s.refused(t, map[string]refusal{
		"while it forwards":       {"PUT routers/$router", put(`"distributed": true`), 400, "BadRequest"},
		"in the same request":     {"PUT routers/$router", put(`"distributed": true, "admin_state_up": false`), 400, "BadRequest"},
		"what is no truth value":  {"PUT routers/$router", put(`"distributed": "many"`), 400, "InvalidInput"},
		"a new one that is both":  {"POST routers", put(`"distributed": true, "ha": true`), 409, "RouterKindNotRealised"},
		"one that is nothing yet": {"POST routers", put(`"distributed": 2`), 400, "InvalidInput"},
	})
	s.do(200, "PUT routers/$router", put(`"admin_state_up": false`))
	if got := owners(); got != "router_gateway router_interface" {
		t.Errorf("its ports are %s", got)
	}
	router := s.do(200, "PUT routers/$router", put(`"distributed": true`))
	if router["distributed"] != true || owners() != "router_gateway router_interface_distributed" {
		t.Errorf("%v with the ports %s", router, owners())
	}
	s.refused(t, map[string]refusal{"on and back": {"PUT routers/$router", put(`"distributed": false, "admin_state_up": true`), 400, "BadRequest"}})
	s.do(200, "PUT routers/$router", put(`"distributed": true, "admin_state_up": true`))
	s.do(200, "PUT routers/$router", put(`"distributed": null`)) // which changes nothing
	s.do(200, "PUT routers/$router", put(`"admin_state_up": false`))
	if router = s.do(200, "PUT routers/$router", put(`"distributed": false`)); router["distributed"] != false || owners() != "router_gateway router_interface" {
		t.Errorf("%v with the ports %s", router, owners())
	}
}

func TestInterfacesOfADistributedRouterAreInNoOnePlace(t *testing.T) {
	s := newSite(t, func(*plugin.Config, *Config) {})
	s.netNode("net1")
	r := id(s.create("routers", "router", `{"distributed": true}`))
	s.names["dvr"] = r
	s.do(201, "POST agents/"+s.agentID("net1", "L3 agent")+"/l3-routers", `{"router_id": "`+r+`"}`)
	port := s.do(200, "PUT routers/$dvr/add_router_interface", s.in(`{"subnet_id": "$sub"}`))["port_id"].(string)
	got := s.do(200, "GET ports/"+port, "")
	if got["device_owner"] != "network:router_interface_distributed" || got["binding:host_id"] != "" || got["binding:vif_type"] != "distributed" {
		t.Errorf("the interface: %v", got)
	}
	s.refused(t, map[string]refusal{
		"the router while it has it": {"DELETE routers/$dvr", "", 409, "RouterInUse"},
		"its port by itself":         {"DELETE ports/" + port, "", 409, "ServicePortInUse"},
	})
	s.do(200, "PUT routers/$dvr/remove_router_interface", `{"port_id": "`+port+`"}`)
	s.do(204, "DELETE routers/$dvr", "")
}

func TestAnAgentThatRoutesForItsHostKeepsNoRouters(t *testing.T) {
	s := newSite(t, func(*plugin.Config, *Config) {})
	s.routingHost("hv1")
	s.netNode("net1")
	modes := map[string]any{}
	for _, a := range s.list("agents?agent_type=L3+agent", "agents") {
		modes[a["host"].(string)] = a["configurations"].(map[string]any)["agent_mode"]
	}
	if fmt.Sprint(modes) != "map[hv1:dvr net1:dvr_snat]" {
		t.Errorf("modes %v", modes)
	}
	s.refused(t, map[string]refusal{
		"a router for it": {"POST agents/" + s.agentID("hv1", "L3 agent") + "/l3-routers", s.in(`{"router_id": "$router"}`), 409, "DVRL3CannotAssignToDvrAgent"},
	})
}

func TestAFloatingAddressOfADistributedRouterIsWhereItsPortIs(t *testing.T) {
	s := newSite(t, func(*plugin.Config, *Config) {})
	s.routingHost("hv1")
	s.agent("hv3")
	s.netNode("net1")
	s.do(200, "PUT routers/$router", `{"router": {"admin_state_up": false}}`)
	s.do(200, "PUT routers/$router", `{"router": {"distributed": true}}`)
	s.do(200, "PUT routers/$router", `{"router": {"admin_state_up": true}}`)
	s.attach("sub")
	s.do(201, "POST agents/"+s.agentID("net1", "L3 agent")+"/l3-routers", s.in(`{"router_id": "$router"}`))
	for i, tt := range []struct{ host, want, why string }{
		{"hv1", "hv1", "which routes and is on the external network"},
		{"hv3", "", "which does not route"},
		{"net1", "", "where the router is"},
		{"", "", "which is none"},
	} {
		s.guest("p", fmt.Sprintf("10.0.0.%d", 40+i))
		s.do(200, "PUT ports/$p", `{"port": {"binding:host_id": "`+tt.host+`"}}`)
		f := s.do(201, "POST floatingips", s.in(`{"floatingip": {"floating_network_id": "$ext", "port_id": "$p"}}`))
		keeper := s.list("ports?device_id="+id(f), "ports")[0]
		if keeper["binding:host_id"] != tt.want {
			t.Errorf("on a host %s: kept on %v, want %q", tt.why, keeper["binding:host_id"], tt.want)
		}
		s.do(200, "PUT floatingips/"+id(f), `{"floatingip": {"port_id": null}}`)
		if keeper = s.list("ports?device_id="+id(f), "ports")[0]; keeper["binding:host_id"] != "" || keeper["binding:vif_type"] != "unbound" {
			t.Errorf("free, and kept on %v", keeper["binding:host_id"])
		}
	}
}

func TestAFlavorMakesRoutersDistributed(t *testing.T) {
	s := newSite(t, func(*plugin.Config, *Config) {})
	s.names["flavor"] = id(s.do(201, "POST flavors", `{"flavor": {"service_type": "L3_ROUTER_NAT"}}`))
	profile := id(s.do(201, "POST service_profiles", `{"service_profile": {"driver": "neutron.services.l3_router.service_providers.dvr.DvrDriver"}}`))
	s.do(201, "POST flavors/$flavor/service_profiles", `{"service_profile": {"id": "`+profile+`"}}`)
	router := s.do(201, "POST routers", s.in(`{"router": {"flavor_id": "$flavor", "admin_state_up": false}}`))
	if router["distributed"] != true {
		t.Errorf("%v", router)
	}
	s.refused(t, map[string]refusal{
		"another kind":  {"POST routers", s.in(`{"router": {"flavor_id": "$flavor", "distributed": false}}`), 400, "InvalidInput"},
		"changed later": {"PUT routers/" + id(router), `{"router": {"distributed": false}}`, 400, "InvalidInput"},
	})
}
