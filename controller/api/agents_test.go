package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/model"
)

func TestAHostShowsAnAgentForEachRole(t *testing.T) {
	c := newCloud(t)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	c.agent("hv1", func(a *model.Agent) {
		a.Roles = []string{"l2", "l3", "dhcp", "metadata"}
		a.TunnelIP, a.Version, a.Devices, a.InSync = mustAddr("192.0.2.1"), "1.2", 3, true
		a.CreatedAt, a.StartedAt = at, at
		a.Problems = []model.Problem{{Object: "bridge br-phys", Text: "does not exist"}}
	})
	c.agent("hv2", func(a *model.Agent) { a.HeartbeatAt = at })
	var got []string
	for _, a := range c.list("agents", "agents") {
		got = append(got, fmt.Sprintf("%s/%s/%s/%s/%v", a["host"], a["agent_type"], a["binary"], a["topic"], a["alive"]))
	}
	slices.Sort(got)
	want := []string{
		"hv1/DHCP agent/neutron-dhcp-agent/dhcp_agent/true", "hv1/L3 agent/neutron-l3-agent/l3_agent/true",
		"hv1/Metadata agent/neutron-metadata-agent/N/A/true", "hv1/Open vSwitch agent/neutron-openvswitch-agent/N/A/true",
		"hv2/Open vSwitch agent/neutron-openvswitch-agent/N/A/false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	ovs := c.list("agents?host=hv1&agent_type=Open+vSwitch+agent", "agents")
	if len(ovs) != 1 || ovs[0]["created_at"] != "2026-03-04 05:06:07" || ovs[0]["description"] != nil {
		t.Fatalf("got %v", ovs)
	}
	conf := ovs[0]["configurations"].(map[string]any)
	if conf["tunneling_ip"] != "192.0.2.1" || conf["version"] != "1.2" || fmt.Sprint(conf["devices"]) != "3" || conf["in_sync"] != true ||
		fmt.Sprint(conf["bridge_mappings"]) != "map[physnet1:br-phys]" || fmt.Sprint(conf["tunnel_types"]) != "[vxlan]" ||
		!strings.Contains(fmt.Sprint(conf["problems"]), "br-phys: does not exist") {
		t.Errorf("configurations %v", conf)
	}
	if got := len(c.list("agents?alive=false", "agents")); got != 1 {
		t.Errorf("%d dead agents", got)
	}
}

func TestAnAdministratorSwitchesAgentsOffAndForgetsThem(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1", func(a *model.Agent) { a.Roles = []string{"l2", "dhcp"} })
	for _, a := range c.list("agents", "agents") {
		path := "/v2.0/agents/" + id(a)
		got := c.must(200, "PUT", path, `{"agent": {"admin_state_up": false, "description": "`+a["binary"].(string)+`"}}`)
		if got["admin_state_up"] != false || got["description"] != a["binary"] {
			t.Errorf("got %v", got)
		}
	}
	for _, a := range c.list("agents", "agents") {
		if a["admin_state_up"] != false || a["description"] != a["binary"] {
			t.Errorf("got %v", a)
		}
		if got := c.must(200, "PUT", "/v2.0/agents/"+id(a), `{"agent": {"admin_state_up": true}}`); got["description"] != a["binary"] {
			t.Errorf("got %v", got)
		}
	}
	c.must(204, "DELETE", "/v2.0/agents/"+id(c.list("agents", "agents")[0]), nil)
	if got := len(c.list("agents", "agents")); got != 0 {
		t.Errorf("%d agents are left", got)
	}
}

func TestAvailabilityZonesComeFromAgents(t *testing.T) {
	c := newCloud(t)
	if got := c.list("availability_zones", "availability_zones"); len(got) != 0 {
		t.Errorf("without agents: %v", got)
	}
	c.agent("hv1", func(a *model.Agent) { a.Roles = []string{"l2", "l3", "dhcp"} })
	c.agent("hv2", func(a *model.Agent) {
		a.Roles, a.AvailabilityZone, a.HeartbeatAt = []string{"dhcp"}, "az2", time.Now().Add(-time.Hour)
	})
	var got []string
	for _, z := range c.list("availability_zones", "availability_zones") {
		got = append(got, fmt.Sprint(z["name"], "/", z["resource"], "/", z["state"]))
	}
	if want := []string{"az2/network/unavailable", "nova/network/available", "nova/router/available"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := c.list("availability_zones?resource=router&state=available", "availability_zones"); len(got) != 1 {
		t.Errorf("filtered: %v", got)
	}
}
