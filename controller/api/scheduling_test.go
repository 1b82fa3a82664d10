package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/agents"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// netNode makes the agent of a network node known.
func (c *cloud) netNode(host string, change ...func(*model.Agent)) {
	c.t.Helper()
	c.agent(host, append([]func(*model.Agent){func(a *model.Agent) { a.Roles = []string{"l2", "l3", "dhcp"} }}, change...)...)
}

// agentID finds the agent of a host in a role.
func (c *cloud) agentID(host, kind string) string {
	c.t.Helper()
	for _, a := range c.list("agents?host="+host, "agents") {
		if a["agent_type"] == kind {
			return id(a)
		}
	}
	c.t.Fatalf("no %s on %s", kind, host)
	return ""
}

func ids(objects []map[string]any) string {
	var all []string
	for _, o := range objects {
		all = append(all, id(o))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestAnAdministratorPutsARouterOnAnAgent(t *testing.T) {
	c := newCloud(t)
	c.netNode("net1", func(a *model.Agent) { a.AvailabilityZone = "az1" })
	c.netNode("net2")
	n := id(c.network(`{}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	r := id(c.create("routers", "router", `{}`))
	one, two := c.agentID("net1", "L3 agent"), c.agentID("net2", "L3 agent")
	port := c.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", `{"subnet_id": "`+s+`"}`)["port_id"].(string)

	status, out, _ := c.call("POST", "/v2.0/agents/"+one+"/l3-routers", `{"router_id": "`+r+`"}`)
	if status != 201 || out != nil {
		t.Errorf("added: %d %v", status, out)
	}
	c.must(201, "POST", "/v2.0/agents/"+one+"/l3-routers", `{"router_id": "`+r+`"}`) // again
	if got := c.must(200, "GET", "/v2.0/ports/"+port, nil); got["binding:host_id"] != "net1" || got["binding:vif_type"] != "ovs" {
		t.Errorf("its port: %v", got)
	}
	status, out, _ = c.call("POST", "/v2.0/agents/"+two+"/l3-routers", `{"router_id": "`+r+`"}`)
	if status != 409 || refusedType(out) != "RouterHostedByL3Agent" || !strings.Contains(fmt.Sprint(out), one) {
		t.Errorf("on a second agent: %d %v", status, out)
	}
	on := c.list("routers/"+r+"/l3-agents", "agents")
	if ids(on) != one || on[0]["ha_state"] != nil {
		t.Errorf("its agents: %v", on)
	}
	if got := ids(c.list("agents/"+one+"/l3-routers", "routers")); got != r {
		t.Errorf("the agent's routers: %v", got)
	}
	if got := c.must(200, "GET", "/v2.0/routers/"+r, nil); fmt.Sprint(got["availability_zones"]) != "[az1]" || got["ha"] != false || got["distributed"] != false {
		t.Errorf("the router: %v", got)
	}
	// What the router gets now is on its host at once.
	n2 := id(c.network(`{}`))
	s2 := id(c.subnet(n2, `"ip_version": 4, "cidr": "10.0.1.0/24"`))
	port2 := c.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", `{"subnet_id": "`+s2+`"}`)["port_id"].(string)
	if got := c.must(200, "GET", "/v2.0/ports/"+port2, nil); got["binding:host_id"] != "net1" {
		t.Errorf("its second port: %v", got)
	}

	c.must(204, "DELETE", "/v2.0/agents/"+one+"/l3-routers/"+r, nil)
	for _, p := range []string{port, port2} {
		if got := c.must(200, "GET", "/v2.0/ports/"+p, nil); got["binding:host_id"] != "" || got["binding:vif_type"] != "unbound" {
			t.Errorf("a port of the router on no host: %v", got)
		}
	}
	if got := c.list("agents/"+one+"/l3-routers", "routers"); len(got) != 0 {
		t.Errorf("the agent still has %v", got)
	}
	c.must(201, "POST", "/v2.0/agents/"+two+"/l3-routers", `{"router_id": "`+r+`"}`)
}

func TestAnAdministratorLetsAgentsServeANetwork(t *testing.T) {
	c := newCloud(t)
	c.netNode("net1.dc")
	c.netNode("net2")
	n := id(c.network(`{}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.1.0/24", "enable_dhcp": false`)
	one, two := c.agentID("net1.dc", "DHCP agent"), c.agentID("net2", "DHCP agent")
	before := c.claims()
	for _, a := range []string{one, two} {
		c.must(201, "POST", "/v2.0/agents/"+a+"/dhcp-networks", `{"network_id": "`+n+`"}`)
	}
	if got := ids(c.list("networks/"+n+"/dhcp-agents", "agents")); !strings.Contains(got, one) || !strings.Contains(got, two) {
		t.Errorf("its agents: %v", got)
	}
	if got := ids(c.list("agents/"+one+"/dhcp-networks?fields=id", "networks")); got != n {
		t.Errorf("the agent's networks: %v", got)
	}
	conf := c.must(200, "GET", "/v2.0/agents/"+one, nil)["configurations"].(map[string]any)
	if got := fmt.Sprintf("%v %v %v", conf["networks"], conf["subnets"], conf["ports"]); got != "1 1 2" {
		t.Errorf("the agent has networks, subnets, ports: %s", got)
	}
	ports := c.list("ports?device_owner=network:dhcp&binding:host_id=net1.dc", "ports")
	if len(ports) != 1 {
		t.Fatalf("ports %v", ports)
	}
	// uuid5 of the DNS name space and "net1", as Neutron has it.
	if want := "dhcp04771cbe-437e-5f2c-860d-465c2ee070fb-" + n; ports[0]["device_id"] != want {
		t.Errorf("device_id %v, want %s", ports[0]["device_id"], want)
	}
	fixed := ports[0]["fixed_ips"].([]any)
	if len(fixed) != 1 || fixed[0].(map[string]any)["subnet_id"] != s || ports[0]["binding:vif_type"] != "ovs" {
		t.Errorf("port %v", ports[0])
	}
	if got := c.must(200, "GET", "/v2.0/networks/"+n, nil); fmt.Sprint(got["availability_zones"]) != "[nova]" {
		t.Errorf("zones %v", got["availability_zones"])
	}
	for _, a := range []string{one, two} {
		c.must(204, "DELETE", "/v2.0/agents/"+a+"/dhcp-networks/"+n, nil)
	}
	if got := c.claims(); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("left behind: %v, before %v", got, before)
	}
	c.must(201, "POST", "/v2.0/agents/"+one+"/dhcp-networks", `{"network_id": "`+n+`"}`)
	c.must(204, "DELETE", "/v2.0/networks/"+n, nil) // with nothing but a DHCP port
	if got := c.list("ports", "ports"); len(got) != 0 {
		t.Errorf("ports %v are left", got)
	}
}

func TestRefusalsOfScheduling(t *testing.T) {
	c := newCloud(t)
	c.netNode("net1", func(a *model.Agent) { a.BridgeMappings = nil })
	c.netNode("net2")
	n := id(c.network(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 7}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	r, idle := id(c.create("routers", "router", `{}`)), id(c.create("routers", "router", `{}`))
	c.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", `{"subnet_id": "`+s+`"}`)
	names := strings.NewReplacer("$l2", c.agentID("net1", "Open vSwitch agent"), "$l3off", c.agentID("net2", "L3 agent"), "$l3", c.agentID("net1", "L3 agent"),
		"$dhcpoff", c.agentID("net2", "DHCP agent"), "$dhcp", c.agentID("net1", "DHCP agent"), "$net", n, "$router", r, "$idle", idle, "$none", "99999999-0000-4000-8000-000000000000")
	for _, a := range []string{"$l3off", "$dhcpoff"} {
		c.must(200, "PUT", "/v2.0/agents/"+names.Replace(a), `{"agent": {"admin_state_up": false}}`)
	}
	c.must(201, "POST", names.Replace("/v2.0/agents/$dhcp/dhcp-networks"), names.Replace(`{"network_id": "$net"}`))
	for name, tc := range map[string]struct {
		request, body string
		status        int
		kind          string
	}{
		"a router on no agent":             {"POST agents/$none/l3-routers", `{"router_id": "$router"}`, 404, "AgentNotFound"},
		"no router":                        {"POST agents/$l3/l3-routers", `{"router_id": "$none"}`, 404, "RouterNotFound"},
		"a router on a dhcp agent":         {"POST agents/$dhcp/l3-routers", `{"router_id": "$idle"}`, 409, "InvalidL3Agent"},
		"a router on an agent that is off": {"POST agents/$l3off/l3-routers", `{"router_id": "$idle"}`, 409, "InvalidL3Agent"},
		"a router that is out of reach":    {"POST agents/$l3/l3-routers", `{"router_id": "$router"}`, 409, "InvalidL3Agent"},
		"a router that is not there":       {"DELETE agents/$l3/l3-routers/$router", ``, 409, "RouterNotHostedByL3Agent"},
		"no router taken off":              {"DELETE agents/$l3/l3-routers/$none", ``, 404, "RouterNotFound"},
		"a router off no agent":            {"DELETE agents/$none/l3-routers/$router", ``, 404, "AgentNotFound"},
		"a network on no agent":            {"POST agents/$none/dhcp-networks", `{"network_id": "$net"}`, 404, "AgentNotFound"},
		"no network":                       {"POST agents/$dhcp/dhcp-networks", `{"network_id": "$none"}`, 404, "NetworkNotFound"},
		"a network twice":                  {"POST agents/$dhcp/dhcp-networks", `{"network_id": "$net"}`, 409, "NetworkHostedByDHCPAgent"},
		"a network on an l3 agent":         {"POST agents/$l3/dhcp-networks", `{"network_id": "$net"}`, 404, "InvalidDHCPAgent"},
		"a network on an agent off":        {"POST agents/$dhcpoff/dhcp-networks", `{"network_id": "$net"}`, 404, "InvalidDHCPAgent"},
		"a network that is not there":      {"DELETE agents/$dhcpoff/dhcp-networks/$net", ``, 409, "NetworkNotHostedByDhcpAgent"},
		"without a router":                 {"POST agents/$l3/l3-routers", `{}`, 400, "HTTPBadRequest"},
		"a number":                         {"POST agents/$dhcp/dhcp-networks", `{"network_id": 1}`, 400, "HTTPBadRequest"},
		"more than a network":              {"POST agents/$dhcp/dhcp-networks", `{"network_id": "$net", "x": 1}`, 400, "HTTPBadRequest"},
		"no agent's routers":               {"GET agents/$none/l3-routers", ``, 404, "AgentNotFound"},
		"no network's agents":              {"GET networks/$none/dhcp-agents", ``, 404, "NetworkNotFound"},
		"no router's agents":               {"GET routers/$none/l3-agents", ``, 404, "RouterNotFound"},
		"an agent of a router":             {"POST routers/$router/l3-agents", `{}`, 405, "HTTPMethodNotAllowed"},
		"one router of an agent":           {"GET agents/$l3/l3-routers/$router", ``, 405, "HTTPMethodNotAllowed"},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.claims()
			method, path, _ := strings.Cut(names.Replace(tc.request), " ")
			var body any
			if tc.body != "" {
				body = names.Replace(tc.body)
			}
			status, out, _ := c.call(method, "/v2.0/"+path, body)
			if status != tc.status || refusedType(out) != tc.kind {
				t.Errorf("%d %v, want %d %s", status, out, tc.status, tc.kind)
			}
			if got := c.claims(); fmt.Sprint(got) != fmt.Sprint(before) {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

func TestOnlyAdministratorsSeeWhereThingsAre(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = byName(people()) })
	c.netNode("net1")
	none := "99999999-0000-4000-8000-000000000000"
	for _, request := range []string{
		"GET agents/x/l3-routers", "POST agents/x/l3-routers", "DELETE agents/x/l3-routers/" + none, "GET routers/x/l3-agents",
		"GET agents/x/dhcp-networks", "POST agents/x/dhcp-networks", "DELETE agents/x/dhcp-networks/" + none, "GET networks/x/dhcp-agents",
	} {
		method, path, _ := strings.Cut(request, " ")
		status, out, _ := c.call(method, "/v2.0/"+path, `{}`, "X-Auth-Token", "a stranger")
		if status != 403 || refusedType(out) != "PolicyNotAuthorized" {
			t.Errorf("%s: %d %v", request, status, out)
		}
	}
}

func TestWhatAnAdministratorTookOffIsLeftAloneForAWhile(t *testing.T) {
	c := newCloud(t)
	c.netNode("net1")
	c.netNode("net2")
	n := id(c.network(`{}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	r := id(c.create("routers", "router", `{}`))
	c.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", `{"subnet_id": "`+s+`"}`)
	how := plugin.Scheduling{Dead: func(*model.Agent) bool { return false }, MayMove: true}
	place := func() (placed plugin.Placement) {
		c.update(func(u *records.Update) (err error) { placed, err = c.plugin.PlaceRouter(u, r, how); return err })
		return placed
	}
	if got := place(); fmt.Sprint(got.Gained) != "[net1]" {
		t.Fatalf("placed %+v", got)
	}
	c.must(204, "DELETE", "/v2.0/agents/"+c.agentID("net1", "L3 agent")+"/l3-routers/"+r, nil)
	if got := place(); len(got.Gained) > 0 || time.Until(got.Rests) < 30*time.Second {
		t.Errorf("placed again at once: %+v", got)
	}
	c.update(func(u *records.Update) error {
		b, _ := records.RouterBindings.Get(u, r)
		later := *b
		later.TakenOff = []model.TakenOff{{Host: "net1", At: time.Now().Add(-time.Hour)}}
		records.RouterBindings.Put(u, &later)
		return nil
	})
	if got := place(); fmt.Sprint(got.Gained) != "[net2]" {
		t.Errorf("later it goes to another agent, not to the one that it was taken off: %+v", got)
	}
}

func TestGophercloudSchedules(t *testing.T) {
	c := newCloud(t)
	c.netNode("net1")
	n, r := id(c.network(`{}`)), id(c.create("routers", "router", `{}`))
	client := &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "none"}, Endpoint: c.server.URL + "/v2.0/", Type: "network",
	}
	ctx := context.Background()
	l3, dhcp := c.agentID("net1", "L3 agent"), c.agentID("net1", "DHCP agent")
	if err := agents.ScheduleL3Router(ctx, client, l3, agents.ScheduleL3RouterOpts{RouterID: r}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if err := agents.ScheduleDHCPNetwork(ctx, client, dhcp, agents.ScheduleDHCPNetworkOpts{NetworkID: n}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if got := want[[]routers.Router](t)(agents.ListL3Routers(ctx, client, l3).Extract()); len(got) != 1 || got[0].ID != r {
		t.Errorf("routers %+v", got)
	}
	if got, err := agents.ListDHCPNetworks(ctx, client, dhcp).Extract(); err != nil || len(got) != 1 || got[0].ID != n {
		t.Errorf("networks %+v, %v", got, err)
	}
	pages, err := routers.ListL3Agents(client, r).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := want[[]routers.L3Agent](t)(routers.ExtractL3Agents(pages)); len(got) != 1 || got[0].ID != l3 || !got[0].Alive {
		t.Errorf("agents %+v", got)
	}
	if err := agents.RemoveL3Router(ctx, client, l3, r).ExtractErr(); err != nil {
		t.Error(err)
	}
	if err := agents.RemoveDHCPNetwork(ctx, client, dhcp, n).ExtractErr(); err != nil {
		t.Error(err)
	}
}

func TestPagesOfAnAgentHaveWhatIsOnIt(t *testing.T) {
	c := newCloud(t)
	c.netNode("net1")
	var routers, networks []string
	for range 3 {
		n := id(c.network(`{}`))
		c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
		networks = append(networks, n)
		routers = append(routers, id(c.create("routers", "router", `{}`)))
	}
	slices.Sort(routers)
	slices.Sort(networks)
	l3, dhcp := "agents/"+c.agentID("net1", "L3 agent")+"/l3-routers", "agents/"+c.agentID("net1", "DHCP agent")+"/dhcp-networks"
	c.must(201, "POST", "/v2.0/"+l3, `{"router_id": "`+routers[1]+`"}`)
	c.must(201, "POST", "/v2.0/"+dhcp, `{"network_id": "`+networks[1]+`"}`)
	for query, want := range map[string]bool{
		"limit=2": true, "limit=2&sort_key=id": true, "limit=2&page_reverse=true": true, "limit=2&sort_key=name&sort_dir=desc": true,
		"admin_state_up=true&limit=1": true, "name=x&limit=1": false,
	} {
		for path, on := range map[string]string{l3: routers[1], dhcp: networks[1]} {
			plural := map[string]string{l3: "routers", dhcp: "networks"}[path]
			if !want {
				on = ""
			}
			if got := ids(c.list(path+"?"+query, plural)); got != on {
				t.Errorf("%s?%s: %s, want %s", path, query, got, on)
			}
		}
	}
	// What is not on the agent is no place to go on from.
	for path, other := range map[string]string{l3: routers[0], dhcp: networks[0]} {
		if status, _, _ := c.call("GET", "/v2.0/"+path+"?limit=1&marker="+other, nil); status != 404 {
			t.Errorf("%s from what is elsewhere: %d", path, status)
		}
	}
}
