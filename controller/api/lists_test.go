package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func names(rows []map[string]any) string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprint(r["name"]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestFiltersOfNetworks(t *testing.T) {
	c := newCloud(t)
	red := c.network(`{"name": "red", "shared": true, "description": "a & b"}`)
	blue := c.network(`{"name": "blue", "project_id": "p2", "mtu": 1300, "router:external": true}`)
	c.network(`{"name": "", "admin_state_up": false}`)
	c.must(200, "PUT", "/v2.0/networks/"+id(red)+"/tags", `{"tags": ["x", "y"]}`)
	c.must(200, "PUT", "/v2.0/networks/"+id(blue)+"/tags", `{"tags": ["y"]}`)
	for query, want := range map[string]string{
		"":                             " blue red",
		"name=red":                     "red",
		"name=red&name=blue":           "blue red",
		"name=":                        "",
		"name=red&shared=False":        "-",
		"shared=true":                  "red",
		"shared=0":                     " blue",
		"project_id=p2":                "blue",
		"tenant_id=p2":                 "blue",
		"mtu=1300":                     "blue",
		"mtu=1300&mtu=1450":            " blue red",
		"router:external=True":         "blue",
		"admin_state_up=FALSE":         "",
		"status=ACTIVE":                " blue red",
		"status=DOWN":                  "-",
		"id=" + id(red):                "red",
		"id=" + id(red) + "&id=none":   "red",
		"id=" + id(red) + "&name=blue": "-",
		"provider:network_type=vxlan":  " blue red",
		"description=a+%26+b":          "red",
		"tags=x,y":                     "red",
		"tags=y":                       "blue red",
		"tags-any=x,z":                 "red",
		"not-tags=x,y":                 " blue",
		"not-tags-any=x,y":             "",
		"revision_number=1":            "",
		"revision_number=2":            "blue red",
		"fields=name&name=red":         "red",
	} {
		t.Run(query, func(t *testing.T) {
			rows := c.list("networks?"+query, "networks")
			got := names(rows)
			if len(rows) == 0 {
				got = "-"
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestFiltersOfPorts(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1")
	n, m := id(c.network(`{}`)), id(c.network(`{}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	v6 := id(c.subnet(n, `"ip_version": 6, "cidr": "2001:db8::/64"`))
	group := id(c.create("security-groups", "security_group", `{"name": "web"}`))
	one := c.port(n, `, "name": "one", "device_id": "vm1", "device_owner": "compute:a", "binding:host_id": "hv1", "mac_address": "fa:16:3e:00:00:01",
		"fixed_ips": [{"ip_address": "10.0.0.31"}, {"ip_address": "2001:db8::31"}], "security_groups": ["`+group+`"]`)
	c.port(n, `, "name": "two", "fixed_ips": [{"ip_address": "10.0.0.3"}], "tags": ["t"]`)
	c.port(m, `, "name": "three", "admin_state_up": false`)
	c.update(func(u *records.Update) error {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: id(one), Host: "hv1", State: model.PortActive})
		return nil
	})
	for query, want := range map[string]string{
		"":                                 "one three two",
		"network_id=" + n:                  "one two",
		"network_id=" + n + "&name=one":    "one",
		"device_id=vm1":                    "one",
		"device_id=":                       "three two",
		"device_owner=compute:a":           "one",
		"binding:host_id=hv1":              "one",
		"binding:host_id=":                 "three two",
		"mac_address=FA-16-3E-00-00-01":    "one",
		"mac_address=nonsense":             "",
		"fixed_ips=ip_address%3D10.0.0.31": "one",
		"fixed_ips=ip_address=10.0.0.31&fixed_ips=ip_address=10.0.0.3":     "one two",
		"fixed_ips=ip_address%3D2001:db8:0::31":                            "one",
		"fixed_ips=ip_address_substr%3D10.0.0.3":                           "one two",
		"fixed_ips=subnet_id%3D" + s:                                       "one two",
		"fixed_ips=subnet_id%3D" + v6:                                      "one",
		"fixed_ips=subnet_id%3D" + v6 + "&fixed_ips=ip_address%3D10.0.0.3": "",
		"security_groups=" + group:                                         "one",
		"status=ACTIVE":                                                    "one",
		"status=DOWN":                                                      "three two",
		"ip_allocation=immediate":                                          "one three two",
		"admin_state_up=False":                                             "three",
		"tags=t":                                                           "two",
	} {
		t.Run(query, func(t *testing.T) {
			if got := names(c.list("ports?"+query, "ports")); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestFieldsRestrictWhatIsShown(t *testing.T) {
	c := newCloud(t)
	n := c.network(`{"name": "n"}`)
	for query, want := range map[string]int{"fields=id": 1, "fields=id&fields=name": 2, "fields=colour": 0, "fields=": len(n)} {
		if got := c.must(200, "GET", "/v2.0/networks/"+id(n)+"?"+query, nil); len(got) != want && !(want == 0 && len(got["network"].(map[string]any)) == 0) {
			t.Errorf("%s gives %v", query, got)
		}
		if got := c.list("networks?"+query, "networks")[0]; len(got) != want {
			t.Errorf("%s gives %v in a list", query, got)
		}
	}
}

func TestSortingByKeysAndDirections(t *testing.T) {
	c := newCloud(t)
	for _, n := range []struct {
		name string
		mtu  int
	}{{"a", 1300}, {"b", 1200}, {"c", 1300}} {
		c.network(fmt.Sprintf(`{"name": %q, "mtu": %d}`, n.name, n.mtu))
	}
	for query, want := range map[string]string{
		"sort_key=name&sort_dir=asc":                            "a b c",
		"sort_key=name&sort_dir=desc":                           "c b a",
		"sort_key=name":                                         "a b c",
		"sort_key=mtu&sort_dir=asc&sort_key=name&sort_dir=desc": "b c a",
		"sort_key=mtu&sort_key=name&sort_dir=desc&sort_dir=asc": "a c b",
		"sort_key=name&sort_dir=desc&limit=2":                   "c b",
	} {
		var got []string
		for _, n := range c.list("networks?"+query, "networks") {
			got = append(got, n["name"].(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s gives %v, want %s", query, got, want)
		}
	}
}

// walk follows links from a page until there are none.
func walk(c *cloud, path, rel string) (ids []string, pages int) {
	for path != "" {
		status, out, _ := c.call("GET", path, nil)
		if status != 200 {
			c.t.Fatalf("GET %s: %d %v", path, status, out)
		}
		var page []string
		for _, o := range out["networks"].([]any) {
			page = append(page, o.(map[string]any)["id"].(string))
		}
		if rel == "next" {
			ids = append(ids, page...)
		} else {
			ids = append(page, ids...)
		}
		pages++
		path = ""
		links, _ := out["networks_links"].([]any)
		for _, l := range links {
			if l := l.(map[string]any); l["rel"] == rel {
				u, err := url.Parse(l["href"].(string))
				if err != nil {
					c.t.Fatal(err)
				}
				path = u.RequestURI()
			}
		}
		if len(page) == 0 {
			return ids, pages
		}
	}
	return ids, pages
}

func TestFollowingThePagesGivesEveryObjectOnce(t *testing.T) {
	c := newCloud(t)
	var want []string
	for i := range 11 {
		want = append(want, id(c.network(fmt.Sprintf(`{"name": "n%d"}`, i%3))))
	}
	slices.Sort(want)
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		sorting := rapid.SampledFrom([]string{"", "&sort_key=name&sort_dir=desc", "&sort_key=name&sort_dir=asc&sort_key=id&sort_dir=desc"}).Draw(t, "sorting")
		query := fmt.Sprintf("/v2.0/networks?limit=%d%s", limit, sorting)
		forward, pages := walk(c, query, "next")
		if pages > 11/limit+2 {
			t.Errorf("%d pages of %d", pages, limit)
		}
		if got := slices.Sorted(slices.Values(forward)); !slices.Equal(got, want) {
			t.Fatalf("forward: %d objects %v", len(got), got)
		}
		back, _ := walk(c, query+"&page_reverse=True", "previous")
		if !slices.Equal(back, forward) {
			t.Fatalf("back: %v\nforward: %v", back, forward)
		}
	})
	_, out, _ := c.call("GET", "/v2.0/networks?limit=1&marker="+want[10], nil)
	if links := out["networks_links"].([]any); len(out["networks"].([]any)) != 0 || len(links) != 1 || links[0].(map[string]any)["rel"] != "previous" {
		t.Fatalf("behind the end: %v", out)
	}
	link, err := url.Parse(out["networks_links"].([]any)[0].(map[string]any)["href"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if back, _ := walk(c, link.RequestURI(), "previous"); !slices.Equal(back, want) {
		t.Errorf("back from behind the end: %v, want %v", back, want)
	}
	_, out, _ = c.call("GET", "/v2.0/networks?limit=0", nil)
	if got := len(out["networks"].([]any)); got != 11 || out["networks_links"] != nil {
		t.Errorf("limit 0 gives %d networks, links %v", got, out["networks_links"])
	}
	_, out, _ = c.call("GET", "/v2.0/networks?limit=3&name=n0&fields=id", nil)
	next := out["networks_links"].([]any)[0].(map[string]any)["href"].(string)
	for _, part := range []string{"limit=3", "name=n0", "fields=id", "marker="} {
		if !strings.Contains(next, part) {
			t.Errorf("the link %s lacks %s", next, part)
		}
	}
}

func TestBulkMakesAllOrNothing(t *testing.T) {
	c := newCloud(t)
	status, out, _ := c.call("POST", "/v2.0/networks", `{"networks": [{"name": "a"}, {"network": {"name": "b"}}]}`)
	if status != 201 || names([]map[string]any{out["networks"].([]any)[0].(map[string]any), out["networks"].([]any)[1].(map[string]any)}) != "a b" {
		t.Fatalf("%d %v", status, out)
	}
	status, out, _ = c.call("POST", "/v2.0/networks", `{"networks": [{"name": "c"}, {"name": "d", "mtu": 9000}]}`)
	if status != 400 {
		t.Errorf("%d %v", status, out)
	}
	if got := names(c.list("networks", "networks")); got != "a b" {
		t.Errorf("there are %s", got)
	}
	n := id(c.list("networks", "networks")[0])
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	status, out, _ = c.call("POST", "/v2.0/ports", `{"ports": [`+strings.TrimSuffix(strings.Repeat(`{"network_id": "`+n+`", "tags": ["t"]},`, 40), ",")+`]}`)
	if status != 201 || len(out["ports"].([]any)) != 40 {
		t.Fatalf("%d %v", status, out)
	}
	seen := map[string]bool{}
	for _, p := range c.list("ports?tags=t", "ports") {
		ip := p["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
		if seen[ip] {
			t.Errorf("%s twice", ip)
		}
		seen[ip] = true
	}
}

func TestUpdatesOnARevisionThatHasPassedAreRefused(t *testing.T) {
	c := newCloud(t)
	n := c.network(`{"name": "n"}`)
	path := "/v2.0/networks/" + id(n)
	for _, f := range []struct {
		method, body, match string
		status              int
	}{
		{"PUT", `{"network": {"name": "m"}}`, "revision_number=0", 412},
		{"PUT", `{"network": {"name": "m"}}`, "revision_number=x", 400},
		{"PUT", `{"network": {"name": "m"}}`, "revision_number=1", 200},
		{"PUT", `{"network": {"name": "o"}}`, "revision_number=1", 412},
		{"PUT", `{"network": {"name": "o"}}`, `"something else"`, 200},
		{"DELETE", "", "revision_number=2", 412},
		{"DELETE", "", "revision_number=3", 204},
	} {
		var body any
		if f.body != "" {
			body = f.body
		}
		status, out, _ := c.call(f.method, path, body, "If-Match", f.match)
		if status != f.status || status == 412 && refusedType(out) != "RevisionNumberConstraintFailed" {
			t.Errorf("%s if %s: %d %v, want %d", f.method, f.match, status, out, f.status)
		}
	}
}

func TestAnUpdateThatChangesNothingIsNoRevision(t *testing.T) {
	c := newCloud(t)
	n := c.network(`{"name": "n"}`)
	p := c.port(id(n), `, "name": "p", "binding:profile": {"a": [1, {"b": null}]}`)
	for path, body := range map[string]string{
		"/v2.0/networks/" + id(n): `{"network": {"name": "n", "admin_state_up": true, "provider:network_type": "vxlan"}}`,
		"/v2.0/ports/" + id(p):    `{"port": {"name": "p", "binding:profile": {"a": [1, {"b": null}]}, "security_groups": ["` + p["security_groups"].([]any)[0].(string) + `"]}}`,
	} {
		before := c.must(200, "GET", path, nil)["revision_number"]
		if got := c.must(200, "PUT", path, body)["revision_number"]; got != before {
			t.Errorf("%s: revision %v after the same again, %v before", path, got, before)
		}
	}
}

func TestTagsOfAllTaggedResources(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	paths := []string{
		"networks/" + n,
		"subnets/" + id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)),
		"ports/" + id(c.port(n, "")),
		"security-groups/" + id(c.create("security-groups", "security_group", `{"name": "g"}`)),
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			path = "/v2.0/" + path + "/tags"
			tags := func() string {
				_, out, _ := c.call("GET", path, nil)
				text, err := json.Marshal(out["tags"])
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			step := func(method, path, body string, status int, want string) {
				t.Helper()
				var b any
				if body != "" {
					b = body
				}
				if got, out, _ := c.call(method, path, b); got != status {
					t.Errorf("%s %s: %d %v, want %d", method, path, got, out, status)
				}
				if got := tags(); got != want {
					t.Errorf("after %s %s: %s, want %s", method, path, got, want)
				}
			}
			step("GET", path, "", 200, `[]`)
			step("PUT", path+"/blue", "", 201, `["blue"]`)
			step("PUT", path+"/blue", "", 201, `["blue"]`)
			step("PUT", path+"/a%20b", "", 201, `["a b","blue"]`)
			step("GET", path+"/blue", "", 204, `["a b","blue"]`)
			step("DELETE", path+"/blue", "", 204, `["a b"]`)
			step("DELETE", path+"/blue", "", 404, `["a b"]`)
			step("PUT", path, `{"tags": ["z", "y"]}`, 200, `["y","z"]`)
			step("DELETE", path, "", 204, `[]`)
			step("PATCH", path, "", 405, `[]`)
		})
	}
}
