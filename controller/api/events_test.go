package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
)

// events gives the rows of a list, for somebody.
func (c *cloud) events(query string, who ...string) []map[string]any {
	c.t.Helper()
	status, out, _ := c.call("GET", "/v2.0/lepton-events"+query, nil, who...)
	if status != 200 {
		c.t.Fatalf("GET lepton-events%s: %d %v", query, status, out)
	}
	var rows []map[string]any
	for _, r := range out["lepton_events"].([]any) {
		rows = append(rows, r.(map[string]any))
	}
	return rows
}

// changedAttribute gives old and new of an attribute of an event.
func changedAttribute(e map[string]any, name string) (old, now any, ok bool) {
	for _, a := range e["attributes"].([]any) {
		if a := a.(map[string]any); a["name"] == name {
			return a["old"], a["new"], true
		}
	}
	return nil, nil, false
}

func TestEventsTellWhoChangedWhat(t *testing.T) {
	c := rightsCloud(t)
	admin, one := as("ops", "admin"), as("p1", "member")
	c.agent("hv1")
	net := id(c.must(201, "POST", "/v2.0/networks", `{"network": {"name": "n"}}`, one...))
	port := id(c.must(201, "POST", "/v2.0/ports", `{"port": {"network_id": "`+net+`", "name": "before"}}`, one...))
	_, _, header := c.call("PUT", "/v2.0/ports/"+port, `{"port": {"name": "after", "binding:host_id": "hv1"}}`,
		append(slices.Clone(admin), "X-Forwarded-For", "192.0.2.7", "X-Openstack-Request-Id", "req-11111111-2222-4333-8444-555555555555")...)
	c.must(204, "DELETE", "/v2.0/ports/"+port, nil, one...)

	rows := c.events("?resource=port&resource_id="+port, admin...)
	var actions []string
	for _, r := range rows {
		actions = append(actions, r["action"].(string))
	}
	if got := strings.Join(actions, " "); got != "delete update create" {
		t.Fatalf("the newest comes first: %s", got)
	}
	change := rows[1]
	if old, now, ok := changedAttribute(change, "name"); !ok || old != "before" || now != "after" {
		t.Errorf("name: %v → %v: %v", old, now, change)
	}
	if old, now, ok := changedAttribute(change, "binding:host_id"); !ok || old != nil || now != "hv1" {
		t.Errorf("binding:host_id: %v → %v: %v", old, now, change)
	}
	by := change["by"].(map[string]any)
	for name, want := range map[string]any{
		"kind": "user", "project_id": "ops", "method": "PUT", "path": "/v2.0/ports/" + port, "address": "127.0.0.1",
		"forwarded_for": "192.0.2.7", "global_request_id": "req-11111111-2222-4333-8444-555555555555",
		"request_id": header.Get("X-Openstack-Request-Id"),
	} {
		if by[name] != want {
			t.Errorf("by %s: %v, want %v", name, by[name], want)
		}
	}
	if r := c.must(200, "GET", "/v2.0/lepton-events/"+change["id"].(string), nil, admin...); r["id"] != change["id"] {
		t.Errorf("shown: %v", r)
	}
	if got := rows[0]["hosts"]; len(got.([]any)) != 1 || got.([]any)[0] != "hv1" {
		t.Errorf("the deletion does not tell from where: %v", rows[0])
	}
	if len(c.events("?request_id="+header.Get("X-Openstack-Request-Id"), admin...)) == 0 {
		t.Error("the request is not found")
	}
	if n := len(c.events("?action=create&resource=network&project_id=nobody", admin...)); n != 0 {
		t.Errorf("filters do not narrow: %d", n)
	}
	// What changes nothing is no event.
	before := len(c.events("", admin...))
	c.call("PUT", "/v2.0/networks/"+net, `{"network": {"name": 5}}`, one...)
	c.call("POST", "/v2.0/networks", `{"network": {"nonsense": 5}}`, one...)
	if after := len(c.events("", admin...)); after != before {
		t.Errorf("refused requests left %d events", after-before)
	}
}

func TestAProjectSeesEventsOfItsOwnObjectsOnly(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two, reader := as("ops", "admin"), as("p1", "member"), as("p2", "member"), as("p1", "reader")
	c.agent("hv1")
	net := id(c.must(201, "POST", "/v2.0/networks", `{"network": {"name": "n"}}`, one...))
	port := id(c.must(201, "POST", "/v2.0/ports", `{"port": {"network_id": "`+net+`"}}`, one...))
	c.must(200, "PUT", "/v2.0/ports/"+port, `{"port": {"name": "x", "binding:host_id": "hv1"}}`, admin...)
	c.update(func(u *records.Update) error {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: port, Host: "hv1", State: model.PortError, Error: "bridge br-x is missing"})
		return nil
	})
	for _, e := range c.events("", two...) {
		if e["project_id"] != "p2" {
			t.Errorf("another project sees %v", e)
		}
	}
	for name, who := range map[string][]string{"member": one, "reader": reader} {
		rows := c.events("?resource_id="+port, who...)
		if len(rows) != 3 {
			t.Fatalf("%s: %d events", name, len(rows))
		}
		text, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"hv1", "br-x", "ops"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s sees %q: %s", name, secret, text)
			}
		}
		if by := rows[1]["by"].(map[string]any); by["kind"] != "operator" || len(by) != 1 {
			t.Errorf("%s sees who acted: %v", name, by)
		}
		if _, now, ok := changedAttribute(rows[1], "name"); !ok || now != "x" {
			t.Errorf("%s does not see the name: %v", name, rows[1])
		}
	}
	for _, query := range []string{"?host=hv1", "?nonsense=1", "?since=yesterday", "?kind=x", "?marker=x", "?page_reverse=True", "?sort_key=id"} {
		if status, out, _ := c.call("GET", "/v2.0/lepton-events"+query, nil, one...); status != 400 {
			t.Errorf("%s: %d %v", query, status, out)
		}
	}
	all := c.events("", admin...)
	for _, e := range all {
		if status, _, _ := c.call("GET", "/v2.0/lepton-events/"+e["id"].(string), nil, two...); status == 200 && e["project_id"] != "p2" {
			t.Errorf("another project is shown %v", e)
		}
	}
	if len(c.events("?user_id=someone", one...)) != 0 || len(c.events("?request_id=x", two...)) != 0 {
		t.Error("who acted can be found by asking")
	}
}

func TestEventsHaveNoSecrets(t *testing.T) {
	c := newCloud(t)
	body := `{"name": "vm", "user_data": "c2VzYW1lLW9wZW4=", "metadata": {"k": "sesame-open"}, "vendor_data": {"p": "sesame-open"},
		"keys": [{"name": "k", "public_key": "` + testKey + `"}]}`
	vm := id(c.create("lepton-instances", "lepton_instance", body))
	c.must(200, "PUT", "/v2.0/lepton-instances/"+vm, `{"lepton_instance": {"metadata": {"k": "sesame-open-2"}}}`)
	c.must(204, "DELETE", "/v2.0/lepton-instances/"+vm, nil)
	rows := c.events("?resource=lepton_instance")
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || strings.Contains(string(text), "sesame") || strings.Contains(string(text), "c2VzYW1l") || strings.Contains(string(text), testKey) {
		t.Errorf("%s", text)
	}
	var secret []string
	for _, a := range rows[1]["attributes"].([]any) {
		if a := a.(map[string]any); a["secret"] == true {
			secret = append(secret, a["name"].(string))
		}
	}
	if len(secret) != 1 || secret[0] != "metadata" {
		t.Errorf("that the metadata changed is not told: %v", rows[1])
	}
	// Not in the store either.
	if c.store == nil {
		return // on a cluster
	}
	_, err = c.store.Range(t.Context(), "journal/", func(kv store.KV) error {
		if v := string(kv.Value); strings.Contains(v, "sesame") || strings.Contains(v, "c2VzYW1l") {
			t.Errorf("%s: %s", kv.Key, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEventsComeInPages(t *testing.T) {
	c := newCloud(t)
	const n = 25
	for i := range n {
		c.network(fmt.Sprintf(`{"name": "n%d"}`, i))
		time.Sleep(2 * time.Millisecond) // for times that differ
	}
	bulk := strings.Repeat(`{"name": "bulk"},`, 9) + `{"name": "bulk"}`
	c.must(201, "POST", "/v2.0/networks", `{"networks": [`+bulk+`]}`)
	all := c.events("?resource=network")
	if len(all) != n+10 {
		t.Fatalf("%d events", len(all))
	}
	var got []string
	path := "/v2.0/lepton-events?resource=network&limit=4"
	for pages := 0; path != ""; pages++ {
		if pages > n {
			t.Fatal("the pages do not end")
		}
		status, out, _ := c.call("GET", path, nil)
		if status != 200 {
			t.Fatalf("%s: %d %v", path, status, out)
		}
		for _, e := range out["lepton_events"].([]any) {
			got = append(got, e.(map[string]any)["id"].(string))
		}
		path = ""
		if links, ok := out["lepton_events_links"].([]any); ok {
			_, path, _ = strings.Cut(links[0].(map[string]any)["href"].(string), c.server.Listener.Addr().String())
		}
	}
	if len(got) != len(all) {
		t.Fatalf("%d of %d on pages", len(got), len(all))
	}
	for i := range got {
		if got[i] != all[i]["id"] {
			t.Fatalf("row %d: %s, want %v", i, got[i], all[i]["id"])
		}
	}
	at := all[20]["at"].(string)
	since, until := c.events("?resource=network&since="+at), c.events("?resource=network&until="+at)
	if len(since)+len(until) < len(all) || len(since) == len(all) || len(until) == len(all) {
		t.Errorf("since and until %s: %d and %d of %d", at, len(since), len(until), len(all))
	}
	if rows := c.events("?fields=id&fields=kind&limit=1"); len(rows) != 1 || len(rows[0]) != 2 {
		t.Errorf("fields: %v", rows)
	}
}

// Every attribute that an event may have either is an attribute of the API, for
// its rights to apply, or is seen by administrators only.
func TestMembersSeeNoAttributeOfAnEventThatTheAPIDoesNotShow(t *testing.T) {
	c := rightsCloud(t)
	a := handlerOf(c)
	e := eventList{a}
	who := identity.WithRoles("u", "p1", []string{"member"})
	for _, name := range []string{"binding:host_id", "binding:profile", "ha_hosts", "bindings", "nonsense", "binding:vif_details"} {
		row := eventRow{resource: "port", project: "p1", change: &journal.Change{Attributes: []journal.Attribute{{Name: name, New: json.RawMessage(`"x"`)}}}}
		if got := e.attributes(who, &row); len(got) != 0 {
			t.Errorf("a member sees %s", name)
		}
	}
	for resource := range eventPaths {
		if a.describer(resource) == nil {
			t.Errorf("%s: nothing says who may see its attributes", resource)
		}
	}
}

func TestEventsOfHostsAreForAdministrators(t *testing.T) {
	c := rightsCloud(t)
	admin := as("ops", "admin")
	j := handlerOf(c).config.Journal
	c.agent("hv1")
	ledger := journal.NewLedger(j)
	ledger.Note("hv1", []journal.Told{{Resource: "port", ID: "p", Revision: 7}})
	ledger.Note("hv2", []journal.Told{{Resource: "port", ID: "p", Revision: 7}, {Revision: 9}})
	if err := ledger.Flush(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	rows := c.events("?kind=applied&resource_id=p", admin...)
	if len(rows) != 1 || fmt.Sprint(rows[0]["hosts"]) != "[hv1 hv2]" || fmt.Sprint(rows[0]["store_revision"]) != "7" {
		t.Errorf("%v", rows)
	}
	if rows := c.events("?kind=applied&host=hv1", admin...); len(rows) != 1 {
		t.Errorf("of hv1: %v", rows)
	}
	if rows := c.events("?kind=agent", admin...); len(rows) != 1 || rows[0]["action"] != "came" || fmt.Sprint(rows[0]["hosts"]) != "[hv1]" {
		t.Errorf("agents: %v", rows)
	}
	if rows := c.events("", as("p1", "member")...); len(rows) != 0 {
		t.Errorf("a member sees %v", rows)
	}
}

func handlerOf(c *cloud) *API { return c.server.Config.Handler.(*API) }
