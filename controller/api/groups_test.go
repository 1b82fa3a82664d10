package api

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func rulesOf(g map[string]any) string {
	var out []string
	for _, r := range g["security_group_rules"].([]any) {
		r := r.(map[string]any)
		text := fmt.Sprint(r["direction"], " ", r["ethertype"])
		if r["remote_group_id"] != nil {
			text += " from itself"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestTheDefaultGroupIsThereWheneverAProjectLooks(t *testing.T) {
	const rules = "egress IPv4, egress IPv6, ingress IPv4 from itself, ingress IPv6 from itself"
	for name, look := range map[string]func(c *cloud){
		"listing groups":     func(c *cloud) { c.list("security-groups", "security_groups") },
		"listing rules":      func(c *cloud) { c.list("security-group-rules", "security_group_rules") },
		"making a network":   func(c *cloud) { c.network(`{}`) },
		"asking for another": func(c *cloud) { c.list("security-groups?project_id=p2", "security_groups") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			look(c)
			look(c)
			project := "fake_project_id"
			if strings.Contains(name, "another") {
				project = "p2"
			}
			groups := c.list("security-groups?project_id="+project, "security_groups")
			if len(groups) != 1 || groups[0]["name"] != "default" || groups[0]["project_id"] != project || rulesOf(groups[0]) != rules {
				t.Errorf("got %v", groups)
			}
		})
	}
}

func TestManyFirstRequestsAtOnceMakeOneDefaultGroup(t *testing.T) {
	c := newCloud(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if status, out, _ := c.call("GET", "/v2.0/security-groups", nil); status != 200 || len(out["security_groups"].([]any)) != 1 {
				t.Errorf("%d %v", status, out)
			}
		})
	}
	all.Wait()
	if got := len(c.list("security-group-rules", "security_group_rules")); got != 4 {
		t.Errorf("%d rules", got)
	}
}

func TestANewGroupLetsEverythingOut(t *testing.T) {
	c := newCloud(t)
	g := c.create("security-groups", "security_group", `{"name": "web", "description": "d"}`)
	if rulesOf(g) != "egress IPv4, egress IPv6" || g["stateful"] != true || fmt.Sprint(g["revision_number"]) != "1" {
		t.Errorf("got %v", g)
	}
	twin := c.create("security-groups", "security_group", `{"name": "web", "stateful": false}`)
	if twin["stateful"] != false {
		t.Errorf("got %v", twin)
	}
	path := "/v2.0/security-groups/" + id(g)
	if got := c.must(200, "PUT", path, `{"security_group": {"name": "www", "stateful": false}}`); got["name"] != "www" || got["stateful"] != false {
		t.Errorf("got %v", got)
	}
	c.must(204, "DELETE", path, nil)
	if got := len(c.list("security-group-rules?security_group_id="+id(g), "security_group_rules")); got != 0 {
		t.Errorf("%d rules are left", got)
	}
}

func TestRulesAreKeptInOneForm(t *testing.T) {
	c := newCloud(t)
	g := id(c.create("security-groups", "security_group", `{"name": "web"}`))
	for body, want := range map[string]string{
		`"protocol": "TCP", "port_range_min": 22, "port_range_max": 22`:    "ingress IPv4 tcp 22-22 <nil> <nil>",
		`"protocol": "17", "port_range_min": "53", "port_range_max": "53"`: "ingress IPv4 17 53-53 <nil> <nil>",
		`"protocol": 132`: "ingress IPv4 132 <nil>-<nil> <nil> <nil>",
		`"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535`: "ingress IPv4 tcp <nil>-<nil> <nil> <nil>",
		`"protocol": "any"`: "ingress IPv4 <nil> <nil>-<nil> <nil> <nil>",
		`"protocol": "icmp", "port_range_min": 8, "port_range_max": 0`: "ingress IPv4 icmp 8-0 <nil> <nil>",
		`"protocol": "icmp", "port_range_min": 3`:                      "ingress IPv4 icmp 3-<nil> <nil> <nil>",
		`"ethertype": "ipv6", "protocol": "icmp"`:                      "ingress IPv6 ipv6-icmp <nil>-<nil> <nil> <nil>",
		`"ethertype": "IPv6", "protocol": "1", "port_range_min": 128`:  "ingress IPv6 58 128-<nil> <nil> <nil>",
		`"remote_ip_prefix": "10.1.2.3/8"`:                             "ingress IPv4 <nil> <nil>-<nil> 10.1.2.3/8 10.0.0.0/8",
		`"remote_ip_prefix": "192.0.2.7"`:                              "ingress IPv4 <nil> <nil>-<nil> 192.0.2.7/32 192.0.2.7/32",
		`"ethertype": "IPv6", "remote_ip_prefix": "2001:DB8::5/64"`:    "ingress IPv6 <nil> <nil>-<nil> 2001:DB8::5/64 2001:db8::/64",
		`"protocol": "vrrp"`:                                           "ingress IPv4 vrrp <nil>-<nil> <nil> <nil>",
	} {
		t.Run(body, func(t *testing.T) {
			r := c.create("security-group-rules", "security_group_rule", `{"security_group_id": "`+g+`", "direction": "INGRESS", `+body+`}`)
			got := fmt.Sprint(r["direction"], " ", r["ethertype"], " ", r["protocol"], " ", r["port_range_min"], "-", r["port_range_max"], " ", r["remote_ip_prefix"], " ", r["normalized_cidr"])
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestRulesCountAsChangesOfTheirGroup(t *testing.T) {
	c := newCloud(t)
	g := id(c.create("security-groups", "security_group", `{"name": "web"}`))
	revision := func() string {
		return fmt.Sprint(c.must(200, "GET", "/v2.0/security-groups/"+g, nil)["revision_number"])
	}
	r := c.create("security-group-rules", "security_group_rule", `{"security_group_id": "`+g+`", "direction": "ingress", "protocol": "tcp"}`)
	if revision() != "2" {
		t.Errorf("revision %s after a new rule", revision())
	}
	path := "/v2.0/security-group-rules/" + id(r)
	if got := c.must(200, "PUT", path, `{"security_group_rule": {"description": "ssh"}}`); got["description"] != "ssh" {
		t.Errorf("got %v", got)
	}
	c.must(204, "DELETE", path, nil)
	if revision() != "3" {
		t.Errorf("revision %s after a rule went", revision())
	}
	c.create("security-group-rules", "security_group_rule", `{"security_group_id": "`+g+`", "direction": "ingress", "protocol": "tcp"}`)
}

func TestAGroupInUseAsRemoteStaysUntilTheRuleGoes(t *testing.T) {
	c := newCloud(t)
	web := id(c.create("security-groups", "security_group", `{"name": "web"}`))
	peer := id(c.create("security-groups", "security_group", `{"name": "peer"}`))
	c.create("security-group-rules", "security_group_rule", `{"security_group_id": "`+peer+`", "direction": "ingress", "remote_group_id": "`+peer+`"}`)
	r := c.create("security-group-rules", "security_group_rule", `{"security_group_id": "`+web+`", "direction": "ingress", "remote_group_id": "`+peer+`"}`)
	c.must(409, "DELETE", "/v2.0/security-groups/"+peer, nil)
	c.must(204, "DELETE", "/v2.0/security-group-rules/"+id(r), nil)
	c.must(204, "DELETE", "/v2.0/security-groups/"+peer, nil)
}
