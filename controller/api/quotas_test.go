package api

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
)

func TestLimitsOfAProject(t *testing.T) {
	c := newCloud(t)
	show := func(path string) string { return fmt.Sprint(c.must(200, "GET", "/v2.0/quotas/"+path, nil)) }
	const defaults = "map[floatingip:50 lepton_instance:500 network:100 port:500 rbac_policy:10 router:10 security_group:10 security_group_rule:100 subnet:100 subnetpool:-1 trunk:-1]"
	if got := show("p"); got != defaults {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(c.must(200, "PUT", "/v2.0/quotas/p", `{"quota": {"port": -1, "network": "3"}}`)); got != "map[floatingip:50 lepton_instance:500 network:3 port:-1 rbac_policy:10 router:10 security_group:10 security_group_rule:100 subnet:100 subnetpool:-1 trunk:-1]" {
		t.Errorf("got %s", got)
	}
	if got := c.list("quotas", "quotas"); len(got) != 1 || got[0]["project_id"] != "p" || fmt.Sprint(got[0]["network"]) != "3" {
		t.Errorf("got %v", got)
	}
	if got := show("p/default"); got != defaults {
		t.Errorf("got %s", got)
	}
	n := id(c.network(`{"project_id": "p"}`))
	c.port(n, `, "project_id": "p"`)
	details := c.must(200, "GET", "/v2.0/quotas/p/details", nil)
	for resource, want := range map[string]string{
		"network": "map[limit:3 reserved:0 used:1]", "port": "map[limit:-1 reserved:0 used:1]",
		"security_group": "map[limit:10 reserved:0 used:1]", "security_group_rule": "map[limit:100 reserved:0 used:4]",
	} {
		if got := fmt.Sprint(details[resource]); got != want {
			t.Errorf("%s: %s, want %s", resource, got, want)
		}
	}
	c.must(200, "PUT", "/v2.0/quotas/p", `{"quota": {"network": 0}}`) // below what is used
	c.must(204, "DELETE", "/v2.0/quotas/p", nil)
	if got := show("p"); got != defaults {
		t.Errorf("got %s", got)
	}
}

func TestAQuotaEndsWithOverQuotaAndComesBackWithADelete(t *testing.T) {
	c := newCloud(t, func(p *plugin.Config, _ *Config) {
		p.Quotas = map[string]int{"network": 2, "subnet": 1, "port": 1, "security_group": 2, "security_group_rule": 7}
	})
	refuse := func(collection, body string) {
		t.Helper()
		if status, out, _ := c.call("POST", "/v2.0/"+collection, body); status != 409 || refusedType(out) != "OverQuota" {
			t.Errorf("%s: %d %v", collection, status, out)
		}
	}
	n := id(c.network(`{}`))
	refuse("networks", `{"networks": [{}, {}]}`) // the second does not fit, so none is made
	m := id(c.network(`{}`))
	refuse("networks", `{"network": {}}`)
	c.must(204, "DELETE", "/v2.0/networks/"+m, nil)
	c.network(`{}`)
	s := c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	refuse("subnets", `{"subnet": {"network_id": "`+n+`", "ip_version": 4, "cidr": "10.1.0.0/24"}}`)
	c.must(204, "DELETE", "/v2.0/subnets/"+id(s), nil)
	c.subnet(n, `"ip_version": 4, "cidr": "10.1.0.0/24"`)
	p := c.port(n, "")
	refuse("ports", `{"port": {"network_id": "`+n+`"}}`)
	c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	c.port(n, "")
	g := id(c.create("security-groups", "security_group", `{"name": "web"}`)) // 4 + 2 rules are there now
	refuse("security-groups", `{"security_group": {"name": "more"}}`)
	rule := func(proto string) string {
		return `{"security_group_rule": {"security_group_id": "` + g + `", "direction": "ingress", "protocol": "` + proto + `"}}`
	}
	c.must(201, "POST", "/v2.0/security-group-rules", rule("tcp"))
	refuse("security-group-rules", rule("udp"))
	c.must(200, "PUT", "/v2.0/quotas/fake_project_id", `{"quota": {"security_group_rule": -1}}`)
	c.must(201, "POST", "/v2.0/security-group-rules", rule("udp"))
}

func TestManyRequestsThroughTwoControllersDoNotExceedAQuota(t *testing.T) {
	s := sharedStore(t)
	limit := func(p *plugin.Config, _ *Config) { p.Quotas[plugin.QuotaPort] = 20 }
	clouds := []*cloud{newCloudOn(t, s, limit), newCloudOn(t, s, limit)}
	n := id(clouds[0].network(`{}`))
	clouds[0].subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	for round := range 3 {
		var made, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				switch status, out, _ := clouds[i%2].call("POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`"}}`); {
				case status == 201:
					made.Add(1)
				case refusedType(out) == "OverQuota":
					refused.Add(1)
				default:
					t.Errorf("%d %v", status, out)
				}
			})
		}
		all.Wait()
		if made.Load() != 20 || refused.Load() != 40 {
			t.Errorf("round %d: %d made, %d refused", round, made.Load(), refused.Load())
		}
		clouds[1].update(func(u *records.Update) error {
			for p := range records.Ports.All(u.Peek()) {
				if err := clouds[1].plugin.DeletePort(u, p.ID); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
