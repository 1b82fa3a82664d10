package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

const topologyPath = "/v2.0/auto-allocated-topology/"

// provide makes what topologies are made of: default pools and a default
// external network.
func (c *cloud) provide(headers ...string) {
	c.t.Helper()
	external := id(c.must(201, "POST", "/v2.0/networks", `{"network": {"router:external": true, "is_default": true}}`, headers...))
	c.must(201, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+external+`", "ip_version": 4, "cidr": "203.0.113.0/24"}}`, headers...)
	for _, prefix := range []string{"10.0.0.0/8", "2001:db8::/48"} {
		c.must(201, "POST", "/v2.0/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["`+prefix+`"], "default_prefixlen": `+
			map[bool]string{true: "64", false: "26"}[strings.Contains(prefix, ":")]+`, "is_default": true, "shared": true}}`, headers...)
	}
}

func TestAProjectGetsANetworkThatWorks(t *testing.T) {
	c := rightsCloud(t)
	admin, member := as("ops", "admin"), as("p1", "member")
	dry := func() (int, string) {
		status, out, _ := c.call("GET", topologyPath+"p1?fields=dry-run", nil, member...)
		if o, ok := out["auto_allocated_topology"].(map[string]any); ok {
			return status, o["id"].(string)
		}
		return status, refusedType(out)
	}
	if status, kind := dry(); status != 409 || kind != "AutoAllocationFailure" {
		t.Errorf("a dry run without anything: %d %s", status, kind)
	}
	if status, out, _ := c.call("GET", topologyPath+"p1", nil, member...); status != 409 || refusedType(out) != "AutoAllocationFailure" {
		t.Errorf("without anything: %d %v", status, out)
	}
	c.provide(admin...)
	before := fmt.Sprint(c.claims())
	if status, got := dry(); status != 200 || got != "dry-run=pass" {
		t.Errorf("a dry run: %d %s", status, got)
	}
	if after := fmt.Sprint(c.claims()); after != before {
		t.Error("the dry run left something behind")
	}
	got := c.must(200, "GET", topologyPath+"None", nil, member...)
	if got["tenant_id"] != "p1" || got["project_id"] != "p1" {
		t.Errorf("topology %v", got)
	}
	n := c.must(200, "GET", "/v2.0/networks/"+id(got), nil, member...)
	if len(n["subnets"].([]any)) != 2 || n["admin_state_up"] != true || n["project_id"] != "p1" || n["name"] != "auto_allocated_network" {
		t.Errorf("network %v", n)
	}
	_, routers, _ := c.call("GET", "/v2.0/routers", nil, member...)
	router := routers["routers"].([]any)[0].(map[string]any)
	_, ports, _ := c.call("GET", "/v2.0/ports?device_id="+id(router)+"&device_owner=network:router_interface", nil, member...)
	if len(ports["ports"].([]any)) != 2 || router["external_gateway_info"] == nil {
		t.Errorf("router %v with interfaces %v", router, ports)
	}
	if again := c.must(200, "GET", topologyPath+"p1", nil, as("p1", "reader")...); id(again) != id(got) {
		t.Errorf("again: %v", again)
	}
	if byAdmin := c.must(200, "GET", topologyPath+"p1", nil, admin...); id(byAdmin) != id(got) {
		t.Errorf("by an administrator: %v", byAdmin)
	}
	for request, want := range map[string]string{
		"GET p2": "403 NotAuthorized", "DELETE p2": "403 NotAuthorized", "PUT p1": "405 HTTPMethodNotAllowed",
		"GET ": "404 HTTPNotFound", "GET p1/x": "404 HTTPNotFound", "GET p1?fields=id": "400 BadRequest",
	} {
		method, rest, _ := strings.Cut(request, " ")
		if status, out, _ := c.call(method, topologyPath+rest, nil, member...); fmt.Sprintf("%d %s", status, refusedType(out)) != want {
			t.Errorf("%s: %d %v, want %s", request, status, out, want)
		}
	}
	if status, out, _ := c.call("DELETE", topologyPath+"p1", nil, as("p1", "reader")...); status != 403 {
		t.Errorf("a reader's delete: %d %v", status, out)
	}
	guest := id(c.must(201, "POST", "/v2.0/ports", `{"port": {"network_id": "`+id(got)+`"}}`, member...))
	held := fmt.Sprint(c.claims())
	if status, out, _ := c.call("DELETE", topologyPath+"p1", nil, member...); status != 409 || refusedType(out) != "NetworkInUse" {
		t.Errorf("with a guest on it: %d %v", status, out)
	}
	if fmt.Sprint(c.claims()) != held {
		t.Error("the refused delete took something away")
	}
	c.must(204, "DELETE", "/v2.0/ports/"+guest, nil, member...)
	for range 2 {
		c.must(204, "DELETE", topologyPath+"p1", nil, member...)
	}
	for _, list := range []string{"networks", "routers", "subnets", "ports"} {
		if _, out, _ := c.call("GET", "/v2.0/"+list+"?project_id=p1", nil, member...); len(out[list].([]any)) != 0 {
			t.Errorf("%s are left: %v", list, out)
		}
	}
}

func TestATopologyTakenApartIsMadeAnew(t *testing.T) {
	c := newCloud(t)
	c.provide()
	first := c.must(200, "GET", topologyPath+"p1", nil)
	router := c.list("routers?project_id=p1", "routers")[0]
	for _, s := range c.list("subnets?network_id="+id(first), "subnets") {
		c.must(200, "PUT", "/v2.0/routers/"+id(router)+"/remove_router_interface", `{"subnet_id": "`+id(s)+`"}`)
	}
	c.must(204, "DELETE", "/v2.0/routers/"+id(router), nil)
	if again := c.must(200, "GET", topologyPath+"p1", nil); id(again) != id(first) {
		t.Errorf("without its router: %v", again)
	}
	c.must(204, "DELETE", "/v2.0/networks/"+id(first), nil)
	second := c.must(200, "GET", topologyPath+"p1", nil)
	if id(second) == id(first) {
		t.Errorf("the network of the topology is gone, and answered: %v", second)
	}
	c.must(204, "DELETE", topologyPath+"p1", nil)
	for key := range c.claims() {
		if strings.HasPrefix(key, "auto/") {
			t.Errorf("%s is left", key)
		}
	}
}

func TestATopologyThatCannotBeMadeLeavesNoTrace(t *testing.T) {
	c := newCloud(t, func(p *plugin.Config, _ *Config) { p.Quotas["subnet"] = 1 })
	c.provide()
	c.network(`{"project_id": "p1"}`) // its default group comes with it
	before := c.claims()
	if status, out, _ := c.call("GET", topologyPath+"p1", nil); status != 409 || refusedType(out) != "OverQuota" {
		t.Errorf("one subnet too many: %d %v", status, out)
	}
	if after := c.claims(); len(after) != len(before) {
		t.Errorf("%d keys are taken, %d before", len(after), len(before))
	}
	if left := c.list("networks?name=auto_allocated_network", "networks"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOneTopologyIsMadeForManyRequests(t *testing.T) {
	store := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, store), newCloudOn(t, store)}
	clouds[0].provide()
	for round := range 5 {
		project := fmt.Sprintf("p%d", round)
		var ids [6]string
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				_, out, _ := clouds[i%2].call("GET", topologyPath+project, nil)
				o, _ := out["auto_allocated_topology"].(map[string]any)
				ids[i], _ = o["id"].(string)
			})
		}
		wg.Wait()
		for _, got := range ids {
			if got != ids[0] || got == "" {
				t.Fatalf("round %d: %v", round, ids)
			}
		}
		if all := clouds[1].list("networks?project_id="+project, "networks"); len(all) != 1 {
			t.Errorf("round %d: %d networks", round, len(all))
		}
	}
}
