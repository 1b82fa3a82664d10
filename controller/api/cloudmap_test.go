package api

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// drawn is what the tests read of a picture.
type drawn struct {
	Networks []struct {
		ID, Name                      string
		Subnets                       []struct{ CIDR string }
		Ports, Active, Error, Service int
		Type                          *string `json:"provider:network_type"`
	}
	Routers []struct {
		ID       string
		Gateway  *string
		Networks []string
		Hosts    []string
	}
	Hosts []struct {
		Host         string
		Agent, Alive bool
		Networks     [][5]int
	}
}

func draw(t *testing.T, c *cloud, headers ...string) drawn {
	t.Helper()
	text, err := json.Marshal(c.must(200, "GET", "/v2.0/lepton-topology", nil, headers...))
	if err != nil {
		t.Fatal(err)
	}
	var d drawn
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// eventually waits for a picture, which may be a second old.
func eventually(t *testing.T, c *cloud, ok func(drawn) bool, headers ...string) drawn {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if d := draw(t, c, headers...); ok(d) {
			return d
		} else if time.Now().After(end) {
			t.Fatalf("the picture stays %+v", d)
		}
	}
}

func TestThePictureCountsPortsByNetworkAndHost(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1")
	c.agent("hv2")
	n := id(c.network(`{"name": "n"}`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	out := id(c.network(`{"name": "out", "router:external": true}`))
	c.subnet(out, `"ip_version": 4, "cidr": "203.0.113.0/24"`)
	router := id(c.create("routers", "router", `{"external_gateway_info": {"network_id": "`+out+`"}}`))
	c.must(200, "PUT", "/v2.0/routers/"+router+"/add_router_interface", `{"subnet_id": "`+c.list("subnets?network_id="+n, "subnets")[0]["id"].(string)+`"}`)
	on := func(host string) string {
		return id(c.port(n, `, "device_owner": "compute:nova", "binding:host_id": "`+host+`"`))
	}
	first, failed := on("hv1"), on("hv1")
	on("hv2")
	c.port(n, "")
	c.update(func(u *records.Update) error {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: first, Host: "hv1", State: model.PortActive})
		records.PortStatuses.Put(u, &model.PortStatus{PortID: failed, Host: "hv1", State: model.PortError, Error: "no"})
		return nil
	})
	d := eventually(t, c, func(d drawn) bool { return len(d.Networks) == 2 && d.Networks[place(d, n)].Error == 1 })
	got := d.Networks[place(d, n)]
	if got.Ports != 4 || got.Active != 1 || got.Service != 1 || got.Type == nil || *got.Type != "vxlan" || len(got.Subnets) != 1 || got.Subnets[0].CIDR != "10.0.0.0/24" {
		t.Errorf("network %+v", got)
	}
	if len(d.Routers) != 1 || *d.Routers[0].Gateway != out || !slices.Equal(d.Routers[0].Networks, []string{n}) {
		t.Errorf("routers %+v", d.Routers)
	}
	at := place(d, n)
	for _, h := range d.Hosts {
		want := map[string][][5]int{"hv1": {{at, 2, 1, 1, 0}}, "hv2": {{at, 1, 0, 0, 0}}}[h.Host]
		if h.Host != "" && (!cmp.Equal(want, h.Networks) || !h.Alive) {
			t.Errorf("host %+v, want %v", h, want)
		}
	}
	c.must(204, "DELETE", "/v2.0/ports/"+failed, nil)
	eventually(t, c, func(d drawn) bool { n := d.Networks[place(d, n)]; return n.Ports == 3 && n.Error == 0 })
}

func place(d drawn, network string) int {
	for i, n := range d.Networks {
		if n.ID == network {
			return i
		}
	}
	return 0
}

func TestAPictureThatIsKnownIsNotSentAgain(t *testing.T) {
	c := newCloud(t)
	c.network(`{"name": "n"}`)
	eventually(t, c, func(d drawn) bool { return len(d.Networks) == 1 })
	_, _, header := c.call("GET", "/v2.0/lepton-topology", nil)
	tag := header.Get("ETag")
	status, body, again := c.call("GET", "/v2.0/lepton-topology", nil, "If-None-Match", tag)
	if tag == "" || status != 304 || body != nil || again.Get("ETag") != tag {
		t.Errorf("tag %q: %d %v with tag %q", tag, status, body, again.Get("ETag"))
	}
	c.network(`{"name": "other"}`)
	eventually(t, c, func(d drawn) bool { return len(d.Networks) == 2 })
	if status, _, _ := c.call("GET", "/v2.0/lepton-topology", nil, "If-None-Match", tag); status != 200 {
		t.Errorf("another picture under the old tag: %d", status)
	}
}

func TestAProjectSeesItsOwnInThePictureAndInSearches(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "reader")
	c.agent("hv1")
	make := func(who []string, collection, key, body string) string {
		t.Helper()
		return id(c.must(201, "POST", "/v2.0/"+collection, `{"`+key+`": `+body+`}`, who...))
	}
	mine := make(one, "networks", "network", `{"name": "mine-secret"}`)
	shared := make(admin, "networks", "network", `{"name": "everyone", "shared": true}`)
	port := make(one, "ports", "port", `{"network_id": "`+shared+`", "name": "guest-secret"}`)
	make(admin, "ports", "port", `{"network_id": "`+shared+`", "name": "ops-secret", "binding:host_id": "hv1"}`)
	make(one, "routers", "router", `{"name": "router-secret"}`)

	d := eventually(t, c, func(d drawn) bool { return len(d.Networks) == 2 && d.Networks[place(d, shared)].Ports == 1 }, one...)
	if d.Hosts != nil || len(d.Routers) != 1 || d.Networks[place(d, mine)].Type != nil {
		t.Errorf("the owner sees %+v", d)
	}
	d = draw(t, c, two...)
	if d.Hosts != nil || len(d.Routers) != 0 || len(d.Networks) != 1 || d.Networks[0].ID != shared || d.Networks[0].Ports != 0 {
		t.Errorf("another project sees %+v", d)
	}
	d = eventually(t, c, func(d drawn) bool { return len(d.Networks) == 2 && d.Networks[place(d, shared)].Ports == 2 }, admin...)
	if len(d.Hosts) == 0 || len(d.Routers) != 1 {
		t.Errorf("an administrator sees %+v", d)
	}
	for who, want := range map[string][]string{
		"p1": {"guest-secret", "mine-secret", "router-secret"}, "p2": nil,
	} {
		if got := namesOf(find(t, c, "secret", as(who, "reader")...)); !cmp.Equal(got, want) {
			t.Errorf("%s finds %v, want %v", who, got, want)
		}
	}
	if got := find(t, c, port, two...); len(got) != 0 {
		t.Errorf("another's port by its id: %v", got)
	}
	if got := find(t, c, "hv1", one...); len(got) != 0 {
		t.Errorf("a member finds hosts: %v", got)
	}
	if got := find(t, c, "ops-secret", admin...); len(got) != 1 || got[0]["host"] != "hv1" {
		t.Errorf("an administrator finds %v", got)
	}
	status, _, _ := c.call("GET", "/v2.0/lepton-topology", nil)
	if found, _, _ := c.call("GET", "/v2.0/lepton-topology/search?q=secret", nil); status != 401 || found != 401 {
		t.Errorf("a stranger: %d, %d", status, found)
	}
}

func find(t *testing.T, c *cloud, text string, headers ...string) []map[string]any {
	t.Helper()
	status, out, _ := c.call("GET", "/v2.0/lepton-topology/search?q="+text, nil, headers...)
	if status != 200 {
		t.Fatalf("search for %q: %d %v", text, status, out)
	}
	var all []map[string]any
	for _, m := range out["lepton_matches"].([]any) {
		all = append(all, m.(map[string]any))
	}
	return all
}

func namesOf(found []map[string]any) (all []string) {
	for _, m := range found {
		all = append(all, m["name"].(string))
	}
	slices.Sort(all)
	return all
}

func TestASearchFindsByIDNameAddressMACAndDevice(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1")
	n := id(c.network(`{"name": "Payroll"}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.77.0.0/24", "name": "desk"`))
	p := c.port(n, `, "name": "Web-1", "mac_address": "fa:16:3e:00:77:01", "device_id": "11112222-vm", "fixed_ips": [{"ip_address": "10.77.0.7"}]`)
	r := id(c.create("routers", "router", `{"name": "edge"}`))
	for text, want := range map[string]string{
		id(p): id(p), id(p)[:9]: id(p), "web-1": id(p), "EB-": id(p), "10.77.0.7": id(p), "fa:16:3e:00:77:01": id(p), "fa:16:3e:00:77": id(p),
		"11112222": id(p), "payr": n, "desk": s, "10.77.0.0/24": s, "edge": r, "hv1": "hv1",
	} {
		found := find(t, c, text)
		if !slices.ContainsFunc(found, func(m map[string]any) bool { return m["id"] == want }) {
			t.Errorf("%q finds %v, not %s", text, found, want)
		}
	}
	for _, text := range []string{"", "%20", strings.Repeat("x", 256)} {
		if status, out, _ := c.call("GET", "/v2.0/lepton-topology/search?q="+text, nil); status != 400 || refusedType(out) == "" {
			t.Errorf("search for %q: %d %v", text, status, out)
		}
	}
	if found := find(t, c, "a&limit=1"); len(found) > 1 {
		t.Errorf("more than the limit: %v", found)
	}
}

// TestAPictureOfManyPortsIsQuick makes pictures of 30,000 ports: what is counted
// is not looked at again.
func TestAPictureOfManyPortsIsQuick(t *testing.T) {
	h, ports := crowd(t, 30_000)
	h.config.Auth = identity.None{}
	get := func(path string) (*httptest.ResponseRecorder, time.Duration) {
		began := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w, time.Since(began)
	}
	fastest := time.Hour
	for range 5 {
		e := h.endpoints["lepton-topology"].(*mapEndpoint)
		e.whole = picture{}
		w, took := get("/v2.0/lepton-topology")
		if fastest = min(fastest, took); w.Code != 200 || strings.Count(w.Body.String(), `"ports": 200`) != 150 {
			t.Fatalf("%d: %.300s", w.Code, w.Body)
		}
	}
	if fastest > 500*time.Millisecond {
		t.Errorf("a picture of 150 networks takes %s", fastest)
	}
	for _, text := range []string{ports[17_000].ID[:13], "name29999", ports[29_999].MAC.String(), fmt.Sprint(ports[29_999].FixedIPs[0].IP)} {
		if w, took := get("/v2.0/lepton-topology/search?q=" + text); took > 2*time.Second || !strings.Contains(w.Body.String(), `"type": "port"`) {
			t.Errorf("search for %s takes %s: %s", text, took, w.Body)
		}
	}
}
