package api

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

// FuzzEveryPathIsAnswered sends any method, path, query and body to the whole
// API: the answer is never an internal error, it is JSON or nothing, and a
// refusal has a type. $-names stand for objects that are there.
func FuzzEveryPathIsAnswered(f *testing.F) {
	c := newCloud(f, func(p *plugin.Config, _ *Config) {
		for resource := range p.Quotas {
			p.Quotas[resource] = -1
		}
	})
	c.agent("hv1")
	n := id(c.network(`{"name": "n"}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/16"`))
	p := id(c.port(n, `, "device_owner": "compute:nova", "binding:host_id": "hv1"`))
	g := id(c.create("security-groups", "security_group", `{"name": "g"}`))
	r := id(c.create("routers", "router", `{}`))
	rule := id(c.create("security-group-rules", "security_group_rule", `{"security_group_id": "`+g+`", "direction": "ingress"}`))
	names := strings.NewReplacer("$rule", rule, "$net", n, "$subnet", s, "$port", p, "$group", g, "$router", r)
	h := New(Config{DB: c.db, Plugin: c.plugin, Log: c.log, Hosts: idleHosts{}, Status: someCloud{}})

	methods := []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}
	everything := `{"name": "x", "network_id": "$net", "subnet_id": "$subnet", "port_id": "$port", "router_id": "$router",
		"security_group_id": "$group", "direction": "ingress", "network_type": "vxlan", "ip_version": 4, "sub_ports": [], "host": "hv1"}`
	paths := slices.Sorted(maps.Keys(h.endpoints))
	paths = append(paths, "qos/policies", "qos/rule-types", "log/logs", "networks/$net", "networks/$net/tags", "networks/$net/tags/x",
		"networks/$net/dhcp-agents", "ports/$port", "ports/$port/bindings", "ports/$port/bindings/hv1", "ports/$port/bindings/hv1/activate",
		"security-groups/$group", "security-group-rules/$rule/lepton-stats", "ports/$port/lepton-realization", "routers/$router", "routers/$router/lepton-realization", "routers/$router/add_router_interface", "routers/$router/l3-agents",
		"routers/$router/conntrack_helpers", "quotas/x/details", "lepton-topology/search", "subnets/$subnet", "agents/x/dhcp-networks", "auto-allocated-topology/x", "")
	for _, path := range paths {
		member := strings.ReplaceAll(strings.TrimSuffix(path[strings.LastIndex(path, "/")+1:], "s"), "-", "_")
		for m := range methods[:4] {
			f.Add(byte(m), path, "", `{"`+member+`": `+everything+`}`)
			f.Add(byte(m), path, "fields=id&limit=1&sort_key=id&sort_dir=desc&page_reverse=True", everything)
		}
		f.Add(byte(1), path, "", `{"`+member+`": null}`)
		f.Add(byte(2), path, "x=%00", `{"`+member+`": {"name": ["a", {"b": 1e999}], "id": -0.0}}`)
		f.Add(byte(0), path, "from=10.0.0.2&to=10.0.0.9&protocol=tcp&port=80&verbose=1", "")
		f.Add(byte(0), path+"/..//%2f", "id=&name=&project_id=&tags=,&not-tags-any=", "")
	}
	f.Fuzz(func(t *testing.T, method byte, path, query, body string) {
		request := &http.Request{
			Method: methods[int(method)%len(methods)], Host: "controller", Header: http.Header{}, Proto: "HTTP/1.1",
			URL:  &url.URL{Path: "/v2.0/" + names.Replace(path), RawQuery: query},
			Body: io.NopCloser(strings.NewReader(names.Replace(body))),
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		what := request.Method + " " + request.URL.String() + " " + body
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Fatalf("%s: %d %s", what, w.Code, w.Body)
		}
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s: %d with a body that is not JSON: %s", what, w.Code, w.Body)
		}
		if w.Code >= 400 && request.Method != "HEAD" {
			var out map[string]any
			if json.Unmarshal(w.Body.Bytes(), &out) != nil || refusedType(out) == "" && out["title"] == nil {
				t.Fatalf("%s: %d without a type: %s", what, w.Code, w.Body)
			}
		}
		if w.Header().Get("X-Openstack-Request-Id") == "" {
			t.Fatalf("%s: no request id", what)
		}
	})
}
