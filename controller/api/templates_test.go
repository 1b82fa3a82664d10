package api

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// admitted gives the rules of a group, "ingress IPv4 tcp 22-22 10.0.0.0/8" for
// one, with "itself" for its own id.
func admitted(g map[string]any) []string {
	var out []string
	for _, r := range g["security_group_rules"].([]any) {
		rule := r.(map[string]any)
		text := fmt.Sprintf("%v %v", rule["direction"], rule["ethertype"])
		if rule["protocol"] != nil {
			text += fmt.Sprintf(" %v %v-%v", rule["protocol"], rule["port_range_min"], rule["port_range_max"])
		}
		for _, remote := range []string{"remote_ip_prefix", "remote_group_id", "remote_address_group_id"} {
			if v := rule[remote]; v == g["id"] {
				text += " itself"
			} else if v != nil {
				text += fmt.Sprintf(" %v", v)
			}
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func (c *cloud) defaultGroup(project string) map[string]any {
	c.t.Helper()
	return c.list("security-groups?name=default&project_id="+project, "security_groups")[0]
}

func (c *cloud) template(body string) map[string]any {
	c.t.Helper()
	return c.create("default-security-group-rules", "default_security_group_rule", body)
}

func TestTheTemplatesThatAreThereMakeTheUsualRules(t *testing.T) {
	c := newCloud(t)
	templates := c.list("default-security-group-rules", "default_security_group_rules")
	if len(templates) != 4 {
		t.Fatalf("templates %v", templates)
	}
	for _, v := range templates {
		if v["used_in_default_sg"] != true || v["used_in_non_default_sg"] != (v["direction"] == "egress") ||
			v["direction"] == "ingress" && v["remote_group_id"] != "PARENT" {
			t.Errorf("template %v", v)
		}
		if again := c.must(200, "GET", "/v2.0/default-security-group-rules/"+id(v), nil); id(again) != id(v) {
			t.Errorf("by id: %v", again)
		}
	}
	if got := fmt.Sprint(admitted(c.defaultGroup("p1"))); got != "[egress IPv4 egress IPv6 ingress IPv4 itself ingress IPv6 itself]" {
		t.Errorf("rules of a default group: %s", got)
	}
	if got := fmt.Sprint(admitted(c.create("security-groups", "security_group", `{"name": "web"}`))); got != "[egress IPv4 egress IPv6]" {
		t.Errorf("rules of another: %s", got)
	}
}

func TestNewGroupsAreMadeFromTheTemplates(t *testing.T) {
	c := newCloud(t)
	old := c.defaultGroup("old")
	for _, v := range c.list("default-security-group-rules?ethertype=IPv6", "default_security_group_rules") {
		c.must(204, "DELETE", "/v2.0/default-security-group-rules/"+id(v), nil)
		if status, out, _ := c.call("DELETE", "/v2.0/default-security-group-rules/"+id(v), nil); status != 404 || refusedType(out) != "DefaultSecurityGroupRuleNotFound" {
			t.Errorf("a second delete: %d %v", status, out)
		}
	}
	peer := id(c.create("security-groups", "security_group", `{"name": "peer"}`))
	addresses := id(c.create("address-groups", "address_group", `{}`))
	ssh := c.template(`{"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.1/8", "used_in_default_sg": true, "description": "ssh"}`)
	if ssh["used_in_non_default_sg"] != true || ssh["ethertype"] != "IPv4" {
		t.Errorf("template %v", ssh)
	}
	c.template(`{"direction": "ingress", "remote_group_id": "PARENT", "ethertype": "IPv6"}`)
	byPeer := c.template(`{"direction": "ingress", "remote_group_id": "` + peer + `", "used_in_non_default_sg": false, "used_in_default_sg": true}`)
	byAddress := c.template(`{"direction": "egress", "remote_address_group_id": "` + addresses + `", "used_in_non_default_sg": false, "used_in_default_sg": true}`)
	web := c.create("security-groups", "security_group", `{"name": "web"}`)
	if got := fmt.Sprint(admitted(web)); got != "[egress IPv4 ingress IPv4 tcp 22-22 10.0.0.1/8 ingress IPv6 itself]" {
		t.Errorf("a new group: %s", got)
	}
	if got := fmt.Sprint(admitted(c.defaultGroup("new"))); got != fmt.Sprintf("[egress IPv4 egress IPv4 %s ingress IPv4 %s ingress IPv4 itself ingress IPv4 tcp 22-22 10.0.0.1/8]", addresses, peer) {
		t.Errorf("a new default group: %s", got)
	}
	if got := c.must(200, "GET", "/v2.0/security-groups/"+id(old), nil); len(admitted(got)) != 4 {
		t.Errorf("a group that was there before: %v", admitted(got))
	}
	for path, kind := range map[string]string{"security-groups/" + peer: "SecurityGroupInUse", "address-groups/" + addresses: "AddressGroupInUse"} {
		if status, out, _ := c.call("DELETE", "/v2.0/"+path, nil); status != 409 || refusedType(out) != kind {
			t.Errorf("deleting what a template names: %d %v", status, out)
		}
	}
	for _, v := range []map[string]any{byPeer, byAddress, ssh} {
		c.must(204, "DELETE", "/v2.0/default-security-group-rules/"+id(v), nil)
	}
	if got := c.create("security-groups", "security_group", `{"name": "later"}`); len(admitted(got)) != 2 {
		t.Errorf("after the delete: %v", admitted(got))
	}
}

func TestRefusalsAboutTemplatesLeaveNoTrace(t *testing.T) {
	c := newCloud(t)
	c.template(`{"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}`)
	before := len(c.claims())
	for name, f := range map[string]struct {
		body   string
		status int
		kind   string
	}{
		"no direction":                 {`{}`, 400, "HTTPBadRequest"},
		"an unknown direction":         {`{"direction": "sideways"}`, 400, "HTTPBadRequest"},
		"one that is there":            {`{"direction": "ingress", "protocol": "6", "port_range_min": 22, "port_range_max": 22}`, 409, "DefaultSecurityGroupRuleExists"},
		"one that comes with Lepton":   {`{"direction": "egress", "used_in_default_sg": true}`, 409, "DefaultSecurityGroupRuleExists"},
		"and another":                  {`{"direction": "ingress", "remote_group_id": "PARENT"}`, 409, "DefaultSecurityGroupRuleExists"},
		"ports without protocol":       {`{"direction": "ingress", "port_range_min": 1, "port_range_max": 2}`, 400, "SecurityGroupProtocolRequiredWithPorts"},
		"reversed ports":               {`{"direction": "ingress", "protocol": "udp", "port_range_min": 2, "port_range_max": 1}`, 400, "SecurityGroupInvalidPortRange"},
		"two remotes":                  {`{"direction": "ingress", "remote_group_id": "PARENT", "remote_ip_prefix": "10.0.0.0/8"}`, 400, "SecurityGroupMultipleRemoteEntites"},
		"a group that is not":          {`{"direction": "ingress", "remote_group_id": "11111111-2222-4333-8444-555555555555"}`, 404, "SecurityGroupNotFound"},
		"addresses that are not":       {`{"direction": "ingress", "remote_address_group_id": "11111111-2222-4333-8444-555555555555"}`, 404, "AddressGroupNotFound"},
		"an unknown protocol":          {`{"direction": "ingress", "protocol": "carrier"}`, 400, "SecurityGroupRuleInvalidProtocol"},
		"a rule of a group":            {`{"direction": "ingress", "security_group_id": "x"}`, 400, "HTTPBadRequest"},
		"no boolean":                   {`{"direction": "ingress", "used_in_default_sg": "sometimes"}`, 400, "InvalidInput"},
		"a prefix of the other family": {`{"direction": "ingress", "remote_ip_prefix": "::/0"}`, 400, "SecurityGroupRuleParameterConflict"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, _ := c.call("POST", "/v2.0/default-security-group-rules", `{"default_security_group_rule": `+f.body+`}`)
			if status != f.status || refusedType(out) != f.kind {
				t.Errorf("answer %d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	if status, _, _ := c.call("PUT", "/v2.0/default-security-group-rules/x", `{"default_security_group_rule": {}}`); status != 405 {
		t.Errorf("an update: %d", status)
	}
	if after := len(c.claims()); after != before {
		t.Errorf("%d keys are taken after refused requests, %d before", after, before)
	}
}

func TestTemplatesAreForAdministratorsToChange(t *testing.T) {
	c := rightsCloud(t)
	member := as("p1", "member")
	_, out, _ := c.call("GET", "/v2.0/default-security-group-rules", nil, member...)
	all := out["default_security_group_rules"].([]any)
	if len(all) != 4 {
		t.Fatalf("a member sees %v", out)
	}
	first := all[0].(map[string]any)["id"].(string)
	for request, body := range map[string]string{"POST ": `{"default_security_group_rule": {"direction": "ingress"}}`, "DELETE /" + first: ""} {
		method, rest, _ := strings.Cut(request, " ")
		if status, out, _ := c.call(method, "/v2.0/default-security-group-rules"+rest, body, member...); status != 403 {
			t.Errorf("%s by a member: %d %v", request, status, out)
		}
	}
}

func TestATemplateIsDeletedOnce(t *testing.T) {
	store := sharedStore(t)
	one, two := newCloudOn(t, store), newCloudOn(t, store)
	for _, v := range one.list("default-security-group-rules", "default_security_group_rules") {
		var wg sync.WaitGroup
		var status [2]int
		for i, c := range []*cloud{one, two} {
			wg.Go(func() { status[i], _, _ = c.call("DELETE", "/v2.0/default-security-group-rules/"+id(v), nil) })
		}
		wg.Wait()
		if slices.Sort(status[:]); status != [2]int{204, 404} {
			t.Errorf("two deletes: %v", status)
		}
	}
	if got := admitted(two.create("security-groups", "security_group", `{"name": "web"}`)); len(got) != 0 {
		t.Errorf("without templates: %v", got)
	}
}
