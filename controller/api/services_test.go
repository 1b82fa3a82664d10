package api

import (
	"maps"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
)

// refused sends requests that have to be refused, and looks that they leave
// nothing claimed.
func (s *site) refused(t *testing.T, cases map[string]refusal, headers ...string) {
	t.Helper()
	before := s.claims()
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(s.in(f.request), " ")
			var body any
			if f.body != "" {
				body = s.in(f.body)
			}
			status, out, _ := s.call(method, "/v2.0/"+path, body, headers...)
			if status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	if after := s.claims(); !maps.Equal(before, after) {
		t.Errorf("claimed after refused requests: %v, before: %v", after, before)
	}
}

// made makes an object under the name.
func (s *site) made(name, collection, key, body string) map[string]any {
	s.t.Helper()
	o := s.create(s.in(collection), key, s.in(body))
	s.names[name] = id(o)
	return o
}

// message is what a refusal says.
func (s *site) message(request, body string) string {
	s.t.Helper()
	method, path, _ := strings.Cut(s.in(request), " ")
	_, out, _ := s.call(method, "/v2.0/"+path, s.in(body))
	e, _ := out["NeutronError"].(map[string]any)
	text, _ := e["message"].(string)
	return text
}

func (c *cloud) gopher() *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "none"},
		Endpoint:       c.server.URL + "/v2.0/", Type: "network",
	}
}

// testdata/service-attributes.json is a Neutron server's table of attributes of
// these resources.
func TestTheTablesOfServicesAreNeutrons(t *testing.T) {
	var reference map[string]map[string]flags
	readJSON(t, "service-attributes.json", &reference)
	for resource, table := range serviceTables() {
		for name, want := range reference[resource] {
			want.Extension = ""
			if name == "tags" || name == "revision_number" { // the same for all resources
				continue
			}
			if got := table[name]; got != want {
				t.Errorf("%s of %s: %+v, want %+v", name, resource, got, want)
			}
		}
		for name := range table {
			if _, ok := reference[resource][name]; !ok && name != "project_id" && name != "tenant_id" {
				t.Errorf("%s has %s, which Neutron does not", resource, name)
			}
		}
	}
}

func serviceTables() map[string]map[string]flags {
	return map[string]map[string]flags{
		"qos/policies": flagsOf(qosPolicyAttrs()), "trunks": flagsOf(trunkAttrs()), "log/logs": flagsOf(logAttrs()),
		"flavors": flagsOf(flavorAttrs()), "metering/metering-labels": flagsOf(labelAttrs()), "metering/metering-label-rules": flagsOf(meteringRuleAttrs()),
		"local_ips": flagsOf(localIPAttrs()), "ndp_proxies": flagsOf(ndpAttrs()),
	}
}
