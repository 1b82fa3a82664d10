package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// migrating is a guest's port on hv1 that may go to hv2.
type migrating struct {
	*cloud
	port string
}

func newMigrating(t testing.TB, c *cloud) migrating {
	c.agent("hv1")
	c.agent("hv2")
	c.agent("hv3", func(a *model.Agent) { a.HeartbeatAt = time.Now().Add(-time.Hour) })
	n := id(c.network(`{}`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	p := c.port(n, `, "device_owner": "compute:nova", "device_id": "11111111-2222-4333-8444-555555555555", "binding:host_id": "hv1", "binding:profile": {"a": 1}`)
	return migrating{c, id(p)}
}

func (m migrating) path(rest string) string { return "/v2.0/ports/" + m.port + "/bindings" + rest }

// summary gives the bindings of the port, "hv1 ACTIVE ovs" for one.
func (m migrating) summary() string {
	m.t.Helper()
	var all []string
	for _, b := range m.list("ports/"+m.port+"/bindings", "bindings") {
		all = append(all, fmt.Sprintf("%v %v %v", b["host"], b["status"], b["vif_type"]))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestAGuestsPortMovesToAnotherHost(t *testing.T) {
	m := newMigrating(t, newCloud(t))
	m.update(func(u *records.Update) error {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: m.port, Host: "hv1", State: model.PortActive, Revision: 1})
		return nil
	})
	b := m.must(201, "POST", m.path(""), `{"binding": {"host": "hv2", "vnic_type": "normal", "profile": {"b": 2}}}`)
	if fmt.Sprint(b["status"], b["vif_type"], b["profile"]) != "INACTIVEovsmap[b:2]" || b["vif_details"].(map[string]any)["bridge_name"] != "br-int" {
		t.Errorf("the new binding: %v", b)
	}
	if p := m.must(200, "GET", "/v2.0/ports/"+m.port, nil); p["binding:host_id"] != "hv1" || p["status"] != "ACTIVE" {
		t.Errorf("the port meanwhile: %v", p)
	}
	if got := m.must(200, "GET", m.path("/hv2"), nil); got["host"] != "hv2" || got["status"] != "INACTIVE" {
		t.Errorf("shown: %v", got)
	}
	if got := m.list("ports/"+m.port+"/bindings?status=INACTIVE&fields=host", "bindings"); len(got) != 1 || len(got[0]) != 1 {
		t.Errorf("filtered: %v", got)
	}
	changed := m.must(200, "PUT", m.path("/hv2"), `{"binding": {"profile": {"c": 3}}}`)
	if fmt.Sprint(changed["profile"]) != "map[c:3]" {
		t.Errorf("updated: %v", changed)
	}
	status, activated, _ := m.call("PUT", m.path("/hv2/activate"), nil)
	if status != 200 || activated["host"] != "hv2" || activated["status"] != "ACTIVE" || activated["vif_type"] != "ovs" {
		t.Errorf("activated: %d %v", status, activated)
	}
	if got := m.summary(); got != "hv1 INACTIVE unbound, hv2 ACTIVE ovs" {
		t.Errorf("bindings: %s", got)
	}
	p := m.must(200, "GET", "/v2.0/ports/"+m.port, nil)
	if p["binding:host_id"] != "hv2" || fmt.Sprint(p["binding:profile"]) != "map[c:3]" || p["status"] != "DOWN" {
		t.Errorf("the port on its new host, which has not reported it: %v", p)
	}
	m.must(204, "DELETE", m.path("/hv1"), nil)
	if got := m.summary(); got != "hv2 ACTIVE ovs" {
		t.Errorf("bindings: %s", got)
	}
	m.must(200, "PUT", m.path("/hv2"), `{"binding": {"profile": null}}`)
	if p := m.must(200, "GET", "/v2.0/ports/"+m.port, nil); len(p["binding:profile"].(map[string]any)) != 0 {
		t.Errorf("the profile of the binding in use: %v", p["binding:profile"])
	}
}

func TestAPortIsNotBoundToOneHostTwice(t *testing.T) {
	m := newMigrating(t, newCloud(t))
	m.must(201, "POST", m.path(""), `{"binding": {"host": "hv2"}}`)
	m.must(200, "PUT", "/v2.0/ports/"+m.port, `{"port": {"binding:host_id": "hv2"}}`)
	if got := m.summary(); got != "hv2 ACTIVE ovs" {
		t.Errorf("moved by the older way: %s", got)
	}
	m.must(201, "POST", m.path(""), `{"binding": {"host": "hv1"}}`)
	m.must(200, "PUT", "/v2.0/ports/"+m.port, `{"port": {"binding:host_id": null, "device_owner": "", "device_id": ""}}`)
	m.must(200, "PUT", "/v2.0/ports/"+m.port, `{"port": {"device_owner": "compute:nova"}}`)
	if got := m.summary(); got != " ACTIVE unbound" {
		t.Errorf("of the next guest: %s", got)
	}
	m.must(201, "POST", m.path(""), `{"binding": {"host": "hv1"}}`)
	m.must(200, "PUT", m.path("/hv1/activate"), nil)
	if got := m.summary(); got != "hv1 ACTIVE ovs" {
		t.Errorf("activated from no host: %s", got)
	}
}

func TestRefusalsAboutBindings(t *testing.T) {
	m := newMigrating(t, newCloud(t))
	m.must(201, "POST", m.path(""), `{"binding": {"host": "hv2"}}`)
	other := "/v2.0/ports/" + id(m.port0()) + "/bindings"
	before := fmt.Sprint(m.must(200, "GET", "/v2.0/ports/"+m.port, nil)["revision_number"])
	for name, f := range map[string]refusal{
		"the host in use":         {"POST " + m.path(""), `{"binding": {"host": "hv1"}}`, 409, "PortBindingAlreadyExists"},
		"a host twice":            {"POST " + m.path(""), `{"binding": {"host": "hv2"}}`, 409, "PortBindingAlreadyExists"},
		"a dead host":             {"POST " + m.path(""), `{"binding": {"host": "hv3"}}`, 500, "PortBindingError"},
		"an unknown host":         {"POST " + m.path(""), `{"binding": {"host": "nowhere"}}`, 500, "PortBindingError"},
		"no host":                 {"POST " + m.path(""), `{"binding": {}}`, 400, "HTTPBadRequest"},
		"an empty host":           {"POST " + m.path(""), `{"binding": {"host": ""}}`, 400, "HTTPBadRequest"},
		"an unknown vnic":         {"POST " + m.path(""), `{"binding": {"host": "hv3", "vnic_type": "carrier pigeon"}}`, 400, "HTTPBadRequest"},
		"a vnic nobody plugs":     {"PUT " + m.path("/hv2"), `{"binding": {"vnic_type": "direct"}}`, 500, "PortBindingError"},
		"another host":            {"PUT " + m.path("/hv2"), `{"binding": {"host": "hv3"}}`, 400, "HTTPBadRequest"},
		"a profile too large":     {"PUT " + m.path("/hv2"), `{"binding": {"profile": {"x": "` + strings.Repeat("x", 5000) + `"}}}`, 400, "InvalidInput"},
		"one that is not":         {"GET " + m.path("/hv9"), "", 404, "PortBindingNotFound"},
		"changing none":           {"PUT " + m.path("/hv9"), `{"binding": {"profile": {}}}`, 404, "PortBindingNotFound"},
		"deleting none":           {"DELETE " + m.path("/hv9"), "", 404, "PortBindingNotFound"},
		"deleting the one in use": {"DELETE " + m.path("/hv1"), "", 409, "PortBindingAlreadyActive"},
		"activating it again":     {"PUT " + m.path("/hv1/activate"), "", 409, "PortBindingAlreadyActive"},
		"activating none":         {"PUT " + m.path("/hv9/activate"), "", 404, "PortBindingNotFound"},
		"POST to activate":        {"POST " + m.path("/hv2/activate"), "", 405, "HTTPMethodNotAllowed"},
		"a port that is not":      {"GET /v2.0/ports/11111111-2222-4333-8444-555555555555/bindings", "", 404, "PortNotFound"},
		"a port of no guest":      {"GET " + other, "", 400, "BadRequest"},
		"and another of its":      {"POST " + other, `{"binding": {"host": "hv1"}}`, 400, "BadRequest"},
		"an unknown path":         {"GET " + m.path("/hv1/nonsense"), "", 404, "HTTPNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(f.request, " ")
			if status, out, _ := m.call(method, path, f.body); status != f.status || refusedType(out) != f.kind {
				t.Errorf("answer %d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	if after := fmt.Sprint(m.must(200, "GET", "/v2.0/ports/"+m.port, nil)["revision_number"]); after != before {
		t.Errorf("the port went from revision %s to %s", before, after)
	}
}

// port0 makes a port that belongs to no guest.
func (m migrating) port0() map[string]any {
	n := id(m.list("networks", "networks")[0])
	return m.cloud.port(n, "")
}

func TestOnlyAdministratorsBindPorts(t *testing.T) {
	c := rightsCloud(t)
	c.agent("hv1")
	member, admin := as("p1", "member"), as("ops", "admin")
	n := id(c.must(201, "POST", "/v2.0/networks", `{"network": {}}`, member...))
	p := id(c.must(201, "POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`", "device_owner": "compute:nova"}}`, member...))
	path := "/v2.0/ports/" + p + "/bindings"
	if status, out, _ := c.call("POST", path, `{"binding": {"host": "hv1"}}`, member...); status != 403 {
		t.Errorf("a member: %d %v", status, out)
	}
	c.must(201, "POST", path, `{"binding": {"host": "hv1"}}`, admin...)
	if _, out, _ := c.call("GET", path, nil, member...); len(out["bindings"].([]any)) != 0 {
		t.Errorf("a member sees %v", out)
	}
	for request, want := range map[string]int{"GET /hv1": 404, "PUT /hv1/activate": 404, "DELETE /hv1": 404} {
		method, rest, _ := strings.Cut(request, " ")
		if status, out, _ := c.call(method, path+rest, nil, member...); status != want {
			t.Errorf("%s by a member: %d %v", request, status, out)
		}
	}
	if status, out, _ := c.call("GET", path, nil, as("p2", "member")...); status != 404 || refusedType(out) != "PortNotFound" {
		t.Errorf("a stranger: %d %v", status, out)
	}
}

func TestOfTwoActivationsOneWins(t *testing.T) {
	store := sharedStore(t)
	m := newMigrating(t, newCloudOn(t, store))
	m.agent("hv4")
	two := newCloudOn(t, store)
	for round := range 10 {
		here := hostOf(m)
		for _, h := range []string{"hv1", "hv2", "hv4"} {
			if h != here {
				m.call("POST", m.path(""), `{"binding": {"host": "`+h+`"}}`)
			}
		}
		var wg sync.WaitGroup
		var goals []string
		for _, h := range []string{"hv1", "hv2", "hv4"} {
			if h != here {
				goals = append(goals, h)
			}
		}
		wg.Go(func() { m.call("PUT", m.path("/"+goals[0]+"/activate"), nil) })
		wg.Go(func() { two.call("PUT", m.path("/"+goals[1]+"/activate"), nil) })
		wg.Wait()
		err := m.db.Read(context.Background(), func(r records.Reader) error {
			port, _ := records.Ports.Get(r, m.port)
			hosts := map[string]bool{}
			for _, b := range plugin.BindingViews(port) {
				if hosts[b.Host] {
					t.Errorf("round %d: two bindings to %s: %+v", round, b.Host, port)
				}
				hosts[b.Host] = true
			}
			if len(hosts) != 3 {
				t.Errorf("round %d: bindings to %v", round, hosts)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// hostOf gives the host that the port is on.
func hostOf(m migrating) string {
	return m.must(200, "GET", "/v2.0/ports/"+m.port, nil)["binding:host_id"].(string)
}
