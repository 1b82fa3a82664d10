package api

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
)

// someCloud has two controllers, one of them dead, and a store with a member that
// does not answer.
type someCloud struct{}

func (someCloud) Embedded() bool { return false }

func (someCloud) Controllers() []ControllerState {
	return []ControllerState{
		{Controller: model.Controller{Name: "ctl1", Version: "1"}, Alive: true, Self: true},
		{Controller: model.Controller{Name: "ctl2", Version: "1"}, Silent: time.Minute},
	}
}

func (someCloud) Members(context.Context) ([]store.Member, error) {
	return []store.Member{{Name: "one", Leader: true, Revision: 7}, {Name: "two", Error: "no answer"}}, nil
}

type noStore struct{ someCloud }

func (noStore) Members(context.Context) ([]store.Member, error) { return nil, errors.New("no quorum") }

func TestStatusIsForAdministratorsAndTellsOfEverything(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) {
		a.Auth, a.Status, a.AgentDownTime = byName(people()), someCloud{}, time.Minute
	})
	as := []string{"X-Auth-Token", "an administrator"}
	c.agent("hv1")
	c.update(func(u *records.Update) error {
		records.Duties.Put(u, &model.Duty{Name: "nova-events", Holder: "ctl1/0badcafe"})
		return nil
	})
	network := id(c.must(201, "POST", "/v2.0/networks", `{"network": {"name": "n"}}`, as...))
	for i := range 25 { // one of them wired
		p := id(c.must(201, "POST", "/v2.0/ports", fmt.Sprintf(
			`{"port": {"name": "p%d", "network_id": %q, "binding:host_id": "hv1", "device_owner": "compute:nova"}}`, i, network), as...))
		if i == 0 {
			c.update(func(u *records.Update) error {
				records.PortStatuses.Put(u, &model.PortStatus{PortID: p, Host: "hv1", State: model.PortActive, Revision: 1})
				return nil
			})
		}
	}
	c.must(201, "POST", "/v2.0/ports", fmt.Sprintf(`{"port": {"name": "loose", "network_id": %q}}`, network), as...)
	for _, path := range []string{"/v2.0/lepton-status", "/v2.0/lepton-status/ports"} {
		if status, out, _ := c.call("GET", path, nil, "X-Auth-Token", "a member"); status != 403 {
			t.Errorf("a member gets %d %v of %s", status, out, path)
		}
	}
	out := c.must(200, "GET", "/v2.0/lepton-status", nil, as...)
	controllers, st, ports := out["controllers"].([]any), out["store"].(map[string]any), out["ports"].(map[string]any)
	if first := controllers[0].(map[string]any); first["alive"] != true || fmt.Sprint(first["duties"]) != "[nova-events]" || first["answers"] != true {
		t.Errorf("the first controller is %v", first)
	}
	if second := controllers[1].(map[string]any); second["alive"] != false || fmt.Sprint(second["silent_seconds"]) != "60" {
		t.Errorf("the second controller is %v", second)
	}
	if st["healthy"] != false || st["kind"] != "cluster" || len(st["members"].([]any)) != 2 {
		t.Errorf("the store is %v", st)
	}
	if got := fmt.Sprintf("%v %v %v %d", ports["total"], ports["bound"], ports["not_wired"], len(ports["first_not_wired"].([]any))); got != "26 25 24 20" {
		t.Errorf("ports: %s", got)
	}

	seen, marker := map[string]bool{}, ""
	for pages := 0; ; pages++ {
		page := c.must(200, "GET", "/v2.0/lepton-status/ports?not_wired=true&host=hv1&network=n&limit=10&marker="+marker, nil, as...)
		for _, p := range page["ports"].([]any) {
			port := p.(map[string]any)
			if seen[port["id"].(string)] = true; port["reason"] != "port_not_wired" || port["wired"] != false {
				t.Errorf("listed as not wired: %v", port)
			}
		}
		if page["next_marker"] == nil {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
		marker = page["next_marker"].(string)
	}
	if len(seen) != 24 {
		t.Errorf("%d ports in all pages", len(seen))
	}
	for query, status := range map[string]int{"ports?bogus=1": 400, "ports?not_wired=perhaps": 400, "ports/x": 404, "x": 404} {
		if got, out, _ := c.call("GET", "/v2.0/lepton-status/"+query, nil, as...); got != status {
			t.Errorf("%s: %d %v", query, got, out)
		}
	}
}

func TestStatusSaysThatTheStoreDoesNotAnswer(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Status = noStore{} })
	out := c.must(200, "GET", "/v2.0/lepton-status", nil)
	if st := out["store"].(map[string]any); st["healthy"] != false || st["error"] != "no quorum" {
		t.Errorf("the store is %v", st)
	}
}
