package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestTheRootListsTheVersionAtTheAddressThatTheClientUses(t *testing.T) {
	c := newCloud(t)
	for name, f := range map[string]struct {
		headers []string
		want    string
	}{
		"its own address":     {nil, c.server.URL + "/v2.0/"},
		"behind a TLS proxy":  {[]string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "net.example"}, "https://net.example/v2.0/"},
		"a nonsense protocol": {[]string{"X-Forwarded-Proto", "javascript"}, c.server.URL + "/v2.0/"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, header := c.call("GET", "/", nil, f.headers...)
			v := out["versions"].([]any)[0].(map[string]any)
			href := v["links"].([]any)[0].(map[string]any)["href"]
			if status != 200 || v["id"] != "v2.0" || v["status"] != "CURRENT" || href != f.want {
				t.Errorf("%d %v, want href %s", status, out, f.want)
			}
			if header.Get("X-Openstack-Request-Id") != "" {
				t.Error("the root has a request id")
			}
		})
	}
}

func TestEveryAnswerHasAFreshRequestID(t *testing.T) {
	c := newCloud(t)
	mine := "req-00000000-0000-4000-8000-000000000000"
	pattern := regexp.MustCompile(`^req-[0-9a-f-]{36}$`)
	for _, path := range []string{"/v2.0/networks", "/v2.0/networks/none", "/v2.0/nonsense"} {
		_, _, header := c.call("GET", path, nil, "X-Openstack-Request-Id", mine)
		if got := header.Get("X-Openstack-Request-Id"); got == mine || !pattern.MatchString(got) {
			t.Errorf("GET %s: request id %q", path, got)
		}
	}
}

func TestTheExtensionListIsFoundByAlias(t *testing.T) {
	c := newCloud(t)
	seen := map[string]bool{}
	for _, e := range c.list("extensions", "extensions") {
		alias := e["alias"].(string)
		if seen[alias] {
			t.Errorf("%s twice", alias)
		}
		seen[alias] = true
		if e["name"] == "" || e["updated"] == "" || e["links"] == nil {
			t.Errorf("incomplete: %v", e)
		}
		if one := c.must(200, "GET", "/v2.0/extensions/"+alias, nil); one["alias"] != alias {
			t.Errorf("extension %s answers %v", alias, one)
		}
	}
	for _, want := range []string{"provider", "external-net", "security-group", "binding", "agent", "quotas", "pagination", "standard-attr-tag", "subnet_allocation", "rbac-policies", "address-group"} {
		if !seen[want] {
			t.Errorf("%s is missing", want)
		}
	}
	status, out, _ := c.call("GET", "/v2.0/extensions/none", nil)
	if status != 404 || out["NeutronError"] != nil || out["code"] != "404 Not Found" {
		t.Errorf("unknown extension: %d %v", status, out)
	}
}

func TestOldClientsMaySayJSONInThePath(t *testing.T) {
	c := newCloud(t)
	n := c.network(`{"name": "n"}`)
	c.network(`{"name": "m"}`)
	if got := c.must(200, "GET", "/v2.0/networks/"+id(n)+".json", nil); id(got) != id(n) {
		t.Errorf("got %v", got)
	}
	_, out, _ := c.call("GET", "/v2.0/networks.json?limit=1", nil)
	href := out["networks_links"].([]any)[0].(map[string]any)["href"].(string)
	if !strings.HasPrefix(href, c.server.URL+"/v2.0/networks.json?") {
		t.Errorf("the next page is at %s", href)
	}
}

func TestTheVersionListsItsResources(t *testing.T) {
	c := newCloud(t)
	_, out, _ := c.call("GET", "/v2.0/", nil)
	if resources := out["resources"].([]any); len(resources) != 4 {
		t.Errorf("got %v", resources)
	}
}

func TestLargeAnswersAreCompressedForThoseWhoAsk(t *testing.T) {
	c := newCloud(t)
	for i := range 12 {
		c.network(fmt.Sprintf(`{"name": "n%d"}`, i))
	}
	req, err := http.NewRequest("GET", c.server.URL+"/v2.0/networks", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%d bytes came plain", len(raw))
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Networks []struct{ ID string } }
	if err := json.NewDecoder(z).Decode(&out); err != nil || len(out.Networks) != 12 {
		t.Fatalf("%d networks, %v", len(out.Networks), err)
	}
}
