package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
)

// byHeader is an authenticator whose word is the request's: "project:role".
type byHeader struct{}

func (byHeader) Authenticate(r *http.Request) (identity.Identity, error) {
	project, role := r.Header.Get("X-Test-Project"), r.Header.Get("X-Test-Role")
	if project == "" {
		return identity.Identity{}, fmt.Errorf("no project: %w", identity.ErrUnauthorized)
	}
	return identity.Identity{ProjectID: project, Admin: role == "admin", Reader: role == "reader"}, nil
}

func (byHeader) Challenge() string { return `Keystone uri="http://keystone.example"` }

func rightsCloud(t *testing.T) *cloud {
	return newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = byHeader{} })
}

func as(project, role string) []string {
	return []string{"X-Test-Project", project, "X-Test-Role", role}
}

func TestWithoutAnIdentityTheAnswerIs401(t *testing.T) {
	c := rightsCloud(t)
	status, out, header := c.call("GET", "/v2.0/networks", nil)
	e, _ := out["error"].(map[string]any)
	if status != 401 || e["title"] != "Unauthorized" || header.Get("Www-Authenticate") == "" {
		t.Errorf("%d %v %v", status, out, header)
	}
	if status, _, _ := c.call("GET", "/", nil); status != 200 {
		t.Errorf("the list of versions: %d", status)
	}
}

func TestRightsOfProjects(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two, reader := as("ops", "admin"), as("p1", "member"), as("p2", "member"), as("p1", "reader")
	post := func(who []string, collection, key, body string) string {
		t.Helper()
		return id(c.must(201, "POST", "/v2.0/"+collection, `{"`+key+`": `+body+`}`, who...))
	}
	mine := post(one, "networks", "network", `{"name": "mine"}`)
	shared := post(admin, "networks", "network", `{"name": "shared", "shared": true}`)
	subnet := post(admin, "subnets", "subnet", `{"network_id": "`+shared+`", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
	port := post(one, "ports", "port", `{"network_id": "`+mine+`"}`)
	visitor := post(two, "ports", "port", `{"network_id": "`+shared+`", "fixed_ips": [{"subnet_id": "`+subnet+`"}]}`)
	group := post(one, "security-groups", "security_group", `{"name": "g"}`)
	for _, f := range []struct {
		name         string
		who          []string
		method, path string
		body         string
		status       int
		kind         string
	}{
		{"the owner sees", one, "GET", "networks/" + mine, "", 200, ""},
		{"a reader sees", reader, "GET", "networks/" + mine, "", 200, ""},
		{"a stranger does not", two, "GET", "networks/" + mine, "", 404, "NetworkNotFound"},
		{"an administrator sees", admin, "GET", "networks/" + mine, "", 200, ""},
		{"everybody sees what is shared", two, "GET", "networks/" + shared, "", 200, ""},
		{"and its subnets", two, "GET", "subnets/" + subnet, "", 200, ""},
		{"but cannot change it", two, "PUT", "networks/" + shared, `{"network": {"name": "x"}}`, 403, "PolicyNotAuthorized"},
		{"nor delete it", two, "DELETE", "networks/" + shared, "", 403, "PolicyNotAuthorized"},
		{"nor tag it", two, "PUT", "networks/" + shared + "/tags/x", "", 403, "PolicyNotAuthorized"},
		{"a stranger cannot delete", two, "DELETE", "networks/" + mine, "", 404, "NetworkNotFound"},
		{"a reader cannot change", reader, "PUT", "networks/" + mine, `{"network": {"name": "x"}}`, 403, "PolicyNotAuthorized"},
		{"a reader cannot make", reader, "POST", "networks", `{"network": {}}`, 403, "PolicyNotAuthorized"},
		{"for another project", one, "POST", "networks", `{"network": {"project_id": "p2"}}`, 400, "HTTPBadRequest"},
		{"sharing is for administrators", one, "POST", "networks", `{"network": {"shared": true}}`, 403, "PolicyNotAuthorized"},
		{"so are provider networks", one, "POST", "networks", `{"network": {"provider:network_type": "vxlan"}}`, 403, "PolicyNotAuthorized"},
		{"so is binding", one, "PUT", "ports/" + port, `{"port": {"binding:host_id": "hv1"}}`, 403, "PolicyNotAuthorized"},
		{"a MAC on one's own network", one, "POST", "ports", `{"port": {"network_id": "` + mine + `", "mac_address": "fa:16:3e:00:00:01"}}`, 201, ""},
		{"a MAC on another's", two, "POST", "ports", `{"port": {"network_id": "` + shared + `", "mac_address": "fa:16:3e:00:00:01"}}`, 403, "PolicyNotAuthorized"},
		{"an address on another's", two, "POST", "ports", `{"port": {"network_id": "` + shared + `", "fixed_ips": [{"ip_address": "10.0.0.9"}]}}`, 403, "PolicyNotAuthorized"},
		{"the service's owner on another's", two, "PUT", "ports/" + visitor, `{"port": {"device_owner": "network:dhcp"}}`, 403, "PolicyNotAuthorized"},
		{"a guest's owner", two, "PUT", "ports/" + visitor, `{"port": {"device_owner": "compute:nova"}}`, 200, ""},
		{"a port on a network that is not seen", two, "POST", "ports", `{"port": {"network_id": "` + mine + `"}}`, 404, "NetworkNotFound"},
		{"a group of a stranger", two, "PUT", "ports/" + visitor, `{"port": {"security_groups": ["` + group + `"]}}`, 404, "SecurityGroupNotFound"},
		{"a rule in a group of a stranger", two, "POST", "security-group-rules", `{"security_group_rule": {"security_group_id": "` + group + `", "direction": "egress"}}`, 404, "SecurityGroupNotFound"},
		{"one's own quota", one, "GET", "quotas/p1", "", 200, ""},
		{"another's quota", one, "GET", "quotas/p2", "", 403, "PolicyNotAuthorized"},
		{"setting one's own quota", one, "PUT", "quotas/p1", `{"quota": {"port": 9}}`, 403, "PolicyNotAuthorized"},
		{"all quotas", one, "GET", "quotas", "", 403, "PolicyNotAuthorized"},
	} {
		t.Run(f.name, func(t *testing.T) {
			var body any
			if f.body != "" {
				body = f.body
			}
			status, out, _ := c.call(f.method, "/v2.0/"+f.path, body, f.who...)
			if status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
}

func TestListsAndAttributesAreThoseThatOneMaySee(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	c.must(201, "POST", "/v2.0/networks", `{"network": {"name": "mine"}}`, one...)
	c.must(201, "POST", "/v2.0/networks", `{"network": {"name": "ext", "router:external": true}}`, admin...)
	count := func(path, key string, who []string) int {
		_, out, _ := c.call("GET", "/v2.0/"+path, nil, who...)
		return len(out[key].([]any))
	}
	for _, f := range []struct {
		path, key       string
		admin, one, two int
	}{
		{"networks", "networks", 2, 2, 1},
		{"networks?project_id=p1", "networks", 1, 1, 0},
		{"security-groups", "security_groups", 2, 1, 1}, // each has its default group by now
		{"agents", "agents", 1, 0, 0},
	} {
		if f.path == "agents" {
			c.agent("hv1")
		}
		if a, b, d := count(f.path, f.key, admin), count(f.path, f.key, one), count(f.path, f.key, two); a != f.admin || b != f.one || d != f.two {
			t.Errorf("%s: %d %d %d, want %d %d %d", f.path, a, b, d, f.admin, f.one, f.two)
		}
	}
	_, out, _ := c.call("GET", "/v2.0/networks?name=mine", nil, one...)
	n := out["networks"].([]any)[0].(map[string]any)
	for _, hidden := range []string{"provider:network_type", "provider:segmentation_id"} {
		if _, ok := n[hidden]; ok {
			t.Errorf("a member sees %s", hidden)
		}
	}
}
