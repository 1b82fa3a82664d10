package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
)

// share makes a policy as somebody and gives its id.
func (c *cloud) share(who []string, kind, object, target string) string {
	c.t.Helper()
	return id(c.must(201, "POST", "/v2.0/rbac-policies", fmt.Sprintf(
		`{"rbac_policy": {"object_type": %q, "object_id": %q, "action": "access_as_shared", "target_tenant": %q}}`, kind, object, target), who...))
}

func (c *cloud) as(who []string, collection, key, body string) string {
	c.t.Helper()
	return id(c.must(201, "POST", "/v2.0/"+collection, `{"`+key+`": `+body+`}`, who...))
}

func TestEachTypeOfObjectIsSharedWithOneProjectAndTakenBack(t *testing.T) {
	c := rightsCloud(t)
	one, two, three := as("p1", "member"), as("p2", "member"), as("p3", "member")
	for _, f := range []struct{ kind, collection, body string }{
		{"network", "networks", `{}`},
		{"security_group", "security-groups", `{"name": "g"}`},
		{"subnetpool", "subnetpools", `{"name": "p", "prefixes": ["10.0.0.0/8"]}`},
		{"address_scope", "address-scopes", `{"ip_version": 4}`},
		{"address_group", "address-groups", `{"addresses": ["10.0.0.0/8"]}`},
	} {
		t.Run(f.kind, func(t *testing.T) {
			path := "/v2.0/" + f.collection + "/"
			object := c.as(one, f.collection, f.kind, f.body)
			sees := func(who []string) bool {
				status, _, _ := c.call("GET", path+object, nil, who...)
				return status == 200
			}
			if sees(two) || sees(three) {
				t.Fatal("seen before it is shared")
			}
			policy := c.share(one, f.kind, object, "p2")
			if !sees(two) || sees(three) {
				t.Errorf("shared with p2: %v %v", sees(two), sees(three))
			}
			if f.kind != "address_group" {
				if got := c.must(200, "GET", path+object, nil, two...)["shared"]; got != true {
					t.Errorf("for p2 shared is %v", got)
				}
				if got := c.must(200, "GET", path+object, nil, one...)["shared"]; got != false {
					t.Errorf("for p1 shared is %v", got)
				}
			}
			refused := 403
			if f.kind == "address_group" {
				refused = 404 // updates alone do not know that it is shared
			}
			if status, _, _ := c.call("PUT", path+object, `{"`+f.kind+`": {"name": "x"}}`, two...); status != refused {
				t.Errorf("changed by another: %d, want %d", status, refused)
			}
			if status, _, _ := c.call("DELETE", path+object, nil, two...); status != 403 {
				t.Errorf("deleted by another: %d", status)
			}
			c.must(200, "PUT", "/v2.0/rbac-policies/"+policy, `{"rbac_policy": {"target_tenant": "p3"}}`, one...)
			if sees(two) || !sees(three) {
				t.Errorf("shared with p3: %v %v", sees(two), sees(three))
			}
			c.must(204, "DELETE", "/v2.0/rbac-policies/"+policy, nil, one...)
			if sees(three) {
				t.Error("seen after the policy")
			}
			c.share(one, f.kind, object, "p2")
			c.must(204, "DELETE", path+object, nil, one...)
			if got := c.claims(); slices.ContainsFunc(keysOf(got), func(k string) bool { return strings.HasPrefix(k, "rbac/") || strings.Contains(k, "rbac_policy") }) {
				t.Errorf("policies outlive their object: %v", got)
			}
		})
	}
}

func keysOf(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func TestTheAttributeSharedIsThePolicyForEverybody(t *testing.T) {
	c := rightsCloud(t)
	admin, two := as("ops", "admin"), as("p2", "member")
	n := c.as(admin, "networks", "network", `{"shared": true, "router:external": true}`)
	policies := func() []string {
		var out []string
		_, answer, _ := c.call("GET", "/v2.0/rbac-policies?object_id="+n, nil, admin...)
		for _, p := range answer["rbac_policies"].([]any) {
			o := p.(map[string]any)
			out = append(out, fmt.Sprint(o["action"], o["target_tenant"], o["object_type"]))
		}
		slices.Sort(out)
		return out
	}
	check := func(step, want string) {
		t.Helper()
		if got := strings.Join(policies(), " "); got != want {
			t.Errorf("%s: %s, want %s", step, got, want)
		}
	}
	const shared, external = "access_as_shared*network", "access_as_external*network"
	check("new", external+" "+shared)
	c.must(200, "PUT", "/v2.0/networks/"+n, `{"network": {"shared": false}}`, admin...)
	check("not shared", external)
	c.must(200, "PUT", "/v2.0/networks/"+n, `{"network": {"router:external": false}}`, admin...)
	check("nothing", "")
	if status, _, _ := c.call("GET", "/v2.0/networks/"+n, nil, two...); status != 404 {
		t.Errorf("still seen: %d", status)
	}
	p := c.share(admin, "network", n, "*")
	if got := c.must(200, "GET", "/v2.0/networks/"+n, nil, two...); got["shared"] != true {
		t.Errorf("network %v", got)
	}
	c.must(204, "DELETE", "/v2.0/rbac-policies/"+p, nil, admin...)
	ext := c.as(admin, "rbac-policies", "rbac_policy", `{"object_type": "network", "object_id": "`+n+`", "action": "access_as_external", "target_tenant": "p2"}`)
	if got := c.must(200, "GET", "/v2.0/networks/"+n, nil, two...); got["router:external"] != true || got["shared"] != false {
		t.Errorf("network %v", got)
	}
	if status, _, _ := c.call("GET", "/v2.0/networks/"+n, nil, as("p3", "member")...); status != 404 {
		t.Errorf("external to p2, seen by p3: %d", status)
	}
	c.must(204, "DELETE", "/v2.0/rbac-policies/"+ext, nil, admin...)
	if got := c.must(200, "GET", "/v2.0/networks/"+n, nil, admin...); got["router:external"] != false {
		t.Errorf("network %v", got)
	}
}

func TestWhatIsInUseCannotBeTakenBack(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	object := map[string]string{
		"network":        c.as(one, "networks", "network", `{}`),
		"security_group": c.as(one, "security-groups", "security_group", `{"name": "g"}`),
		"subnetpool":     c.as(one, "subnetpools", "subnetpool", `{"name": "p", "prefixes": ["10.0.0.0/8"], "default_prefixlen": 24}`),
		"address_scope":  c.as(one, "address-scopes", "address_scope", `{"ip_version": 4}`),
		"address_group":  c.as(one, "address-groups", "address_group", `{}`),
	}
	mine := c.as(two, "networks", "network", `{}`)
	group := c.as(two, "security-groups", "security_group", `{"name": "mine"}`)
	for kind, use := range map[string]func() string{
		"network": func() string { return "ports/" + c.as(two, "ports", "port", `{"network_id": "`+object["network"]+`"}`) },
		"security_group": func() string {
			return "ports/" + c.as(two, "ports", "port", `{"network_id": "`+mine+`", "security_groups": ["`+object["security_group"]+`"]}`)
		},
		"subnetpool": func() string {
			return "subnets/" + c.as(two, "subnets", "subnet", `{"network_id": "`+mine+`", "ip_version": 4, "subnetpool_id": "`+object["subnetpool"]+`"}`)
		},
		"address_scope": func() string {
			return "subnetpools/" + c.as(two, "subnetpools", "subnetpool", `{"name": "q", "prefixes": ["10.0.0.0/8"], "address_scope_id": "`+object["address_scope"]+`"}`)
		},
		"address_group": func() string {
			return "security-group-rules/" + c.as(two, "security-group-rules", "security_group_rule",
				`{"security_group_id": "`+group+`", "direction": "ingress", "remote_address_group_id": "`+object["address_group"]+`"}`)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			policy := c.share(one, kind, object[kind], "p2")
			wide := c.share(admin, kind, object[kind], "*")
			used := use()
			refuse := func(method, id string, body any) {
				t.Helper()
				if status, out, _ := c.call(method, "/v2.0/rbac-policies/"+id, body, admin...); status != 409 || refusedType(out) != "RbacPolicyInUse" {
					t.Errorf("%d %v", status, out)
				}
			}
			c.must(204, "DELETE", "/v2.0/rbac-policies/"+wide, nil, admin...) // the other one is enough
			refuse("DELETE", policy, nil)
			refuse("PUT", policy, `{"rbac_policy": {"target_tenant": "p3"}}`)
			c.must(200, "PUT", "/v2.0/rbac-policies/"+policy, `{"rbac_policy": {"target_tenant": "*"}}`, admin...)
			refuse("DELETE", policy, nil)
			c.must(204, "DELETE", "/v2.0/"+used, nil, two...)
			c.must(204, "DELETE", "/v2.0/rbac-policies/"+policy, nil, one...)
		})
	}
}

func TestTheDefaultExternalNetworkStaysForEverybody(t *testing.T) {
	c := rightsCloud(t)
	admin := as("ops", "admin")
	n := c.as(admin, "networks", "network", `{"router:external": true, "is_default": true}`)
	_, out, _ := c.call("GET", "/v2.0/rbac-policies?action=access_as_external&object_id="+n, nil, admin...)
	path := "/v2.0/rbac-policies/" + id(out["rbac_policies"].([]any)[0].(map[string]any))
	for method, body := range map[string]any{"DELETE": nil, "PUT": `{"rbac_policy": {"target_tenant": "p2"}}`} {
		if status, out, _ := c.call(method, path, body, admin...); status != 409 || refusedType(out) != "RbacPolicyInUse" {
			t.Errorf("%s: %d %v", method, status, out)
		}
	}
	c.must(200, "PUT", "/v2.0/networks/"+n, `{"network": {"is_default": false}}`, admin...)
	c.must(204, "DELETE", path, nil, admin...)
}

func TestAPolicyIsSeenByTheProjectThatMadeItOnly(t *testing.T) {
	c := rightsCloud(t)
	one, two, reader := as("p1", "member"), as("p2", "member"), as("p1", "reader")
	c.share(one, "network", c.as(one, "networks", "network", `{}`), "p2")
	for name, f := range map[string]struct {
		who  []string
		seen int
	}{"its maker": {one, 1}, "a reader of the project": {reader, 1}, "its target": {two, 0}, "an administrator": {as("ops", "admin"), 1}} {
		_, out, _ := c.call("GET", "/v2.0/rbac-policies", nil, f.who...)
		if got := out["rbac_policies"].([]any); len(got) != f.seen {
			t.Errorf("%s sees %v", name, got)
		}
	}
}

func TestWhatIsSharedMayBeUsedButNotChanged(t *testing.T) {
	c := rightsCloud(t)
	one, two := as("p1", "member"), as("p2", "member")
	n := c.as(one, "networks", "network", `{}`)
	s := c.as(one, "subnets", "subnet", `{"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
	g := c.as(one, "security-groups", "security_group", `{"name": "g"}`)
	status := func(method, path, body string) int {
		code, _, _ := c.call(method, "/v2.0/"+path, body, two...)
		return code
	}
	if got := status("GET", "subnets/"+s, ""); got != 404 {
		t.Errorf("a subnet of a network that is not shared: %d", got)
	}
	c.share(one, "network", n, "p2")
	c.share(one, "security_group", g, "p2")
	for _, f := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"its subnets are seen", "GET", "subnets/" + s, "", 200},
		{"a port with a subnet of it", "POST", "ports", `{"port": {"network_id": "` + n + `", "security_groups": ["` + g + `"], "fixed_ips": [{"subnet_id": "` + s + `"}]}}`, 201},
		{"a port with an address of it", "POST", "ports", `{"port": {"network_id": "` + n + `", "fixed_ips": [{"ip_address": "10.0.0.77"}]}}`, 403},
		{"a change of its subnet", "PUT", "subnets/" + s, `{"subnet": {"name": "x"}}`, 403},
		{"a rule in the group", "POST", "security-group-rules", `{"security_group_rule": {"security_group_id": "` + g + `", "direction": "ingress"}}`, 403},
		{"a policy about it", "POST", "rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "` + n + `", "action": "access_as_shared", "target_tenant": "p3"}}`, 400},
	} {
		if got := status(f.method, f.path, f.body); got != f.status {
			t.Errorf("%s: %d, want %d", f.name, got, f.status)
		}
	}
	if got := c.must(200, "GET", "/v2.0/networks?shared=true", nil, two...)["networks"].([]any); len(got) != 1 {
		t.Errorf("networks that are shared with p2: %v", got)
	}
	if got := c.must(200, "GET", "/v2.0/networks?shared=true", nil, one...)["networks"].([]any); len(got) != 0 {
		t.Errorf("networks that are shared with p1: %v", got)
	}
}

func TestRefusalsOfPolicies(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	n := c.as(one, "networks", "network", `{}`)
	visible := c.as(admin, "networks", "network", `{"shared": true}`)
	policy := c.share(one, "network", n, "p9")
	body := func(kind, object, action, target string) string {
		return fmt.Sprintf(`{"rbac_policy": {"object_type": %q, "object_id": %q, "action": %q, "target_tenant": %q}}`, kind, object, action, target)
	}
	const shared = "access_as_shared"
	for name, f := range map[string]struct {
		who    []string
		method string
		path   string
		body   string
		status int
		kind   string
	}{
		"a type that cannot be shared":  {one, "POST", "", body("port", n, shared, "p2"), 400, "InvalidInput"},
		"an action of another type":     {one, "POST", "", body("subnetpool", n, "access_as_external", "p2"), 400, "InvalidActionForType"},
		"an object that is not":         {one, "POST", "", body("network", "11111111-2222-4333-8444-555555555555", shared, "p2"), 404, "NetworkNotFound"},
		"an object of another type":     {one, "POST", "", body("security_group", n, shared, "p2"), 404, "SecurityGroupNotFound"},
		"an object that one cannot see": {two, "POST", "", body("network", n, shared, "p2"), 404, "NetworkNotFound"},
		"an object that one can see":    {two, "POST", "", body("network", visible, shared, "p2"), 400, "InvalidInput"},
		"everybody":                     {one, "POST", "", body("network", n, shared, "*"), 403, "PolicyNotAuthorized"},
		"the same again":                {one, "POST", "", body("network", n, shared, "p9"), 409, "DuplicateRbacPolicy"},
		"no target":                     {one, "POST", "", body("network", n, shared, ""), 400, "HTTPBadRequest"},
		"an id that is none":            {one, "POST", "", body("network", "x", shared, "p2"), 400, "HTTPBadRequest"},
		"changing the action":           {one, "PUT", "/" + policy, `{"rbac_policy": {"action": "access_as_external"}}`, 400, "HTTPBadRequest"},
		"making it for everybody":       {one, "PUT", "/" + policy, `{"rbac_policy": {"target_tenant": "*"}}`, 403, "PolicyNotAuthorized"},
		"another's policy for one":      {as("p9", "member"), "GET", "/" + policy, "", 404, "RbacPolicyNotFound"},
		"another's policy":              {two, "GET", "/" + policy, "", 404, "RbacPolicyNotFound"},
		"deleting another's policy":     {two, "DELETE", "/" + policy, "", 404, "RbacPolicyNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			var content any
			if f.body != "" {
				content = f.body
			}
			if status, out, _ := c.call(f.method, "/v2.0/rbac-policies"+f.path, content, f.who...); status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	for i := range 9 {
		c.share(one, "network", n, fmt.Sprint("q", i))
	}
	if status, out, _ := c.call("POST", "/v2.0/rbac-policies", body("network", n, shared, "eleventh"), one...); status != 409 || refusedType(out) != "OverQuota" {
		t.Errorf("%d %v", status, out)
	}
}

// TestWhoSeesANetworkIsWhatItsPoliciesSay drives the policies of one network
// with random requests against a model: the owner, everybody of an entry, and
// those that entries name.
func TestWhoSeesANetworkIsWhatItsPoliciesSay(t *testing.T) {
	c := newCloud(t, unlimited, func(_ *plugin.Config, a *Config) { a.Auth = byHeader{} })
	admin, projects := as("ops", "admin"), []string{"p1", "p2", "p3"}
	rapid.Check(t, func(rt *rapid.T) {
		n := c.as(as("p1", "member"), "networks", "network", `{}`)
		type entry struct{ action, target string }
		policies := map[entry]string{}
		ports := map[string]string{} // project → port
		may := func(action, project string) bool {
			_, all := policies[entry{action, "*"}]
			_, own := policies[entry{action, project}]
			return all || own || project == "p1"
		}
		draw := func(rt *rapid.T) entry {
			return entry{
				rapid.SampledFrom([]string{"access_as_shared", "access_as_external"}).Draw(rt, "action"),
				rapid.SampledFrom(append(slices.Clone(projects), "*")).Draw(rt, "target"),
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				for _, p := range projects {
					status, out, _ := c.call("GET", "/v2.0/networks/"+n, nil, as(p, "member")...)
					if want := may("access_as_shared", p) || may("access_as_external", p); (status == 200) != want {
						rt.Fatalf("%s: %d, want %v with %v", p, status, want, policies)
					}
					if o, ok := out["network"].(map[string]any); ok && p != "p1" && o["shared"] != may("access_as_shared", p) {
						rt.Fatalf("%s: shared %v with %v", p, o["shared"], policies)
					}
				}
			},
			"add": func(rt *rapid.T) {
				e := draw(rt)
				status, out, _ := c.call("POST", "/v2.0/rbac-policies", fmt.Sprintf(
					`{"rbac_policy": {"object_type": "network", "object_id": %q, "action": %q, "target_tenant": %q}}`, n, e.action, e.target), admin...)
				if _, there := policies[e]; there != (status == 409) {
					rt.Fatalf("%v: %d %v", e, status, out)
				}
				if status == 201 {
					policies[e] = id(out["rbac_policy"].(map[string]any))
				}
			},
			"remove": func(rt *rapid.T) {
				e := draw(rt)
				policy, ok := policies[e]
				if !ok {
					return
				}
				delete(policies, e)
				used := false
				for p := range ports {
					used = used || e.action == "access_as_shared" && !may("access_as_shared", p)
				}
				status, out, _ := c.call("DELETE", "/v2.0/rbac-policies/"+policy, nil, admin...)
				if used != (status == 409) {
					rt.Fatalf("%v: %d %v, used %v with %v", e, status, out, used, policies)
				}
				if used {
					policies[e] = policy
				}
			},
			"plug": func(rt *rapid.T) {
				p := rapid.SampledFrom(projects).Draw(rt, "project")
				if _, ok := ports[p]; !ok && may("access_as_shared", p) {
					ports[p] = c.as(as(p, "member"), "ports", "port", `{"network_id": "`+n+`"}`)
				}
			},
			"unplug": func(rt *rapid.T) {
				p := rapid.SampledFrom(projects).Draw(rt, "project")
				if port, ok := ports[p]; ok {
					c.must(204, "DELETE", "/v2.0/ports/"+port, nil, admin...)
					delete(ports, p)
				}
			},
		})
		for _, port := range ports {
			c.must(204, "DELETE", "/v2.0/ports/"+port, nil, admin...)
		}
		c.must(204, "DELETE", "/v2.0/networks/"+n, nil, admin...)
		for key := range c.claims() {
			if strings.HasPrefix(key, "rbac/") {
				rt.Fatalf("%s is left", key)
			}
		}
	})
}

// TestAPolicyIsNotTakenBackWhileItsObjectIsTakenIntoUse lets another controller
// take an object into use after the policy was found to be free, and before it
// is deleted.
func TestAPolicyIsNotTakenBackWhileItsObjectIsTakenIntoUse(t *testing.T) {
	s := sharedStore(t)
	auth := func(_ *plugin.Config, a *Config) { a.Auth = byHeader{} }
	here, there := newCloudOn(t, s, unlimited, auth), newCloudOn(t, s, unlimited, auth)
	one, two := as("p1", "member"), as("p2", "member")
	mine := here.as(two, "networks", "network", `{}`)
	group := here.as(two, "security-groups", "security_group", `{"name": "mine"}`)
	for kind, f := range map[string]struct{ collection, body, uses, use string }{
		"network":        {"networks", `{}`, "ports/port", `{"network_id": "$"}`},
		"security_group": {"security-groups", `{"name": "g"}`, "ports/port", `{"network_id": "` + mine + `", "security_groups": ["$"]}`},
		"subnetpool": {
			"subnetpools", `{"name": "p", "prefixes": ["10.0.0.0/8"], "default_prefixlen": 24}`,
			"subnets/subnet", `{"network_id": "` + mine + `", "ip_version": 4, "subnetpool_id": "$"}`,
		},
		"address_scope": {"address-scopes", `{"ip_version": 4}`, "subnetpools/subnetpool", `{"name": "q", "prefixes": ["10.0.0.0/8"], "address_scope_id": "$"}`},
		"address_group": {
			"address-groups", `{}`, "security-group-rules/security_group_rule",
			`{"security_group_id": "` + group + `", "direction": "ingress", "remote_address_group_id": "$"}`,
		},
	} {
		t.Run(kind, func(t *testing.T) {
			object := here.as(one, f.collection, kind, f.body)
			policy := here.share(one, kind, object, "p2")
			collection, key, _ := strings.Cut(f.uses, "/")
			runs := 0
			_, err := here.db.Update(context.Background(), func(u *records.Update) error {
				err := here.plugin.DeletePolicy(u, policy)
				if runs++; runs == 1 {
					there.as(two, collection, key, strings.ReplaceAll(f.use, "$", object))
				}
				return err
			})
			if refused := (*plugin.Error)(nil); !errors.As(err, &refused) || refused.Type != "RbacPolicyInUse" || runs != 2 {
				t.Errorf("after %d runs: %v", runs, err)
			}
		})
	}
}
