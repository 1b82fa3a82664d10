package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// realizationOf shows it in a line: hosts with part, state, revisions behind.
func (c *cloud) realizationOf(path string) string {
	c.t.Helper()
	out := c.must(200, "GET", path+"/lepton-realization", nil, "X-Auth-Token", "an administrator")
	line := []string{fmt.Sprint(out["realized"])}
	for _, h := range out["hosts"].([]any) {
		host := h.(map[string]any)
		line = append(line, fmt.Sprintf("%v/%v/%v/%v", host["host"], host["part"], host["state"], host["realized"]))
	}
	return strings.Join(line, " ")
}

func TestRealizationIsWhatEachHostSaysOfThePresentRevision(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = byName(people()) })
	as := []string{"X-Auth-Token", "an administrator"}
	network := id(c.must(201, "POST", "/v2.0/networks", `{"network": {"name": "n"}}`, as...))
	port := id(c.must(201, "POST", "/v2.0/ports", fmt.Sprintf(`{"port": {"network_id": %q}}`, network), as...))
	router := id(c.must(201, "POST", "/v2.0/routers", `{"router": {"name": "r"}}`, as...))
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	say := func(kind model.ObjectKind, id, host string, state model.ObjectState, revision int64) {
		c.update(func(u *records.Update) error {
			records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: kind, ID: id, Host: host, State: state, Revision: revision, Since: at})
			return nil
		})
	}
	expect := func(path, want string) {
		t.Helper()
		if got := c.realizationOf(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	routerPath := "/v2.0/routers/" + router
	expect(routerPath, "false")
	c.update(func(u *records.Update) error {
		records.RouterBindings.Put(u, &model.RouterBinding{RouterID: router, Hosts: []model.RouterHost{{Host: "net1"}, {Host: "net2"}}})
		records.DHCPBindings.Put(u, &model.DHCPBinding{NetworkID: network, Hosts: []model.DHCPHost{{Host: "net1"}}})
		return nil
	})
	for _, name := range []string{"s", "t"} {
		c.must(200, "PUT", routerPath, fmt.Sprintf(`{"router": {"name": %q}}`, name), as...)
	}
	revision, err := c.must(200, "GET", routerPath, nil, as...)["revision_number"].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	say(model.ObjectRouter, router, "net2", model.ObjectActive, revision-1)
	expect(routerPath, "false net1/router/PENDING/false net2/router/ACTIVE/false")
	say(model.ObjectRouter, router, "net2", model.ObjectStandby, revision)
	say(model.ObjectRouter, router, "net1", model.ObjectActive, revision)
	expect(routerPath, "true net1/router/ACTIVE/true net2/router/STANDBY/true")
	say(model.ObjectRouter, router, "net9", model.ObjectActive, revision)
	expect(routerPath, "false net1/router/ACTIVE/true net2/router/STANDBY/true net9/router/ACTIVE/false")
	say(model.ObjectDHCP, network, "net1", model.ObjectError, 0)
	expect("/v2.0/networks/"+network, "false net1/dhcp/ERROR/false")

	portPath := "/v2.0/ports/" + port
	expect(portPath, "false")
	c.update(func(u *records.Update) error {
		p, _ := records.Ports.Get(u, port)
		bound := *p
		bound.Host = "hv1"
		records.Ports.Put(u, &bound)
		records.PortStatuses.Put(u, &model.PortStatus{PortID: port, Host: "hv1", State: model.PortError, Revision: p.Revision, Error: "no bridge", Since: at})
		return nil
	})
	say(model.ObjectDHCPPort, port, "net1", model.ObjectActive, 0)
	expect(portPath, "false hv1/port/ERROR/false net1/dhcp-port/ACTIVE/true")
	shown := c.must(200, "GET", portPath+"/lepton-realization", nil, as...)["hosts"].([]any)[0].(map[string]any)
	if shown["error"] != "no bridge" || shown["since"] != "2026-01-31T12:00:00Z" || shown["applied_revision"] != shown["desired_revision"] {
		t.Errorf("a host's part: %v", shown)
	}
}

func TestRealizationIsForAdministrators(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = byName(people()) })
	router := id(c.must(201, "POST", "/v2.0/routers", `{"router": {"name": "r"}}`, "X-Auth-Token", "a member"))
	path := "/v2.0/routers/" + router + "/lepton-realization"
	for _, tc := range []struct {
		method, path, who string
		status            int
		refused           string
	}{
		{"GET", path, "a member", 403, "PolicyNotAuthorized"},
		{"GET", path, "a stranger", 404, "RouterNotFound"},
		{"GET", "/v2.0/routers/none/lepton-realization", "an administrator", 404, "RouterNotFound"},
		{"PUT", path, "an administrator", 405, "HTTPMethodNotAllowed"},
		{"GET", path + "/x", "an administrator", 404, "HTTPNotFound"},
		{"GET", "/v2.0/security-groups/x/lepton-realization", "an administrator", 404, "HTTPNotFound"},
	} {
		status, out, header := c.call(tc.method, tc.path, nil, "X-Auth-Token", tc.who)
		if status != tc.status || refusedType(out) != tc.refused {
			t.Errorf("%s %s by %s: %d %v, want %d %s", tc.method, tc.path, tc.who, status, out, tc.status, tc.refused)
		}
		if allow := header.Get("Allow"); status == 405 && allow != "GET, OPTIONS" {
			t.Errorf("Allow: %s", allow)
		}
	}
}
