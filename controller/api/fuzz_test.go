package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

func FuzzBodiesAreReadOrRefused(f *testing.F) {
	for _, s := range []string{`{"network": {"name": "n"}}`, `{"a": [1, 2.5, null, true, "\u0000"]}`, "[", "{}{}", "null", "", `{"a":"\\"}`, strings.Repeat("[", 100)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, err := parseBody(raw)
		if refusal := asRefusal(err); err != nil && (refusal == nil || refusal.Status != 400) {
			t.Fatalf("%q: %v", raw, err)
		}
		if err == nil && (body == nil || !json.Valid(raw)) {
			t.Fatalf("%q was read as %v", raw, body)
		}
	})
}

func FuzzQueriesAreReadOrRefused(f *testing.F) {
	for _, s := range []string{"name=a&name=b", "limit=3&marker=x&page_reverse=True", "sort_key=a&sort_dir=desc", "%zz=1", "&&=&a", "fields=", "fixed_ips=ip_address%3D1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err != nil {
			if refusal := asRefusal(err); refusal == nil || refusal.Status != 400 {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if len(q.sortDown) != len(q.sortKeys) || q.limit < 0 {
			t.Fatalf("%q: %+v", raw, q)
		}
		again, err := parseQuery(q.page("the marker", true))
		if err != nil || again.marker != "the marker" || !again.reverse || len(again.order) != len(q.order) || again.limit != q.limit {
			t.Fatalf("the next page of %q is %q: %+v, %v", raw, q.page("the marker", true), again, err)
		}
	})
}

// FuzzRequestsAreAnswered sends bodies to every collection: whatever they hold,
// the answer is not an internal error, and what was made can be read.
func FuzzRequestsAreAnswered(f *testing.F) {
	for _, s := range []string{
		`{"network": {"name": "n", "mtu": 0, "provider:network_type": "vlan", "provider:segmentation_id": "7"}}`,
		`{"networks": [{"segments": [{"provider:network_type": "gre"}]}]}`,
		`{"subnet": {"network_id": "$", "ip_version": 4, "cidr": "10.7.0.0/24", "allocation_pools": [{"start": "10.7.0.2", "end": "10.7.0.3"}], "host_routes": [{"destination": "::/0", "nexthop": "::1"}]}}`,
		`{"port": {"network_id": "$", "fixed_ips": [{"ip_address": "10.0.0.5"}], "mac_address": "fa:16:3e:00:00:01", "binding:profile": {"a": [1e400, {}]}, "extra_dhcp_opts": [{"opt_name": "x", "opt_value": null}]}}`,
		`{"port": {"network_id": "$", "allowed_address_pairs": [{"ip_address": "::/0", "mac_address": null}], "security_groups": [], "tags": ["a"], "dns_name": "x.y."}}`,
		`{"security_group": {"name": "web", "stateful": "0"}}`,
		`{"security_group_rule": {"security_group_id": "@", "direction": "ingress", "protocol": 6, "port_range_min": 1, "port_range_max": 2, "remote_ip_prefix": "::ffff:1.2.3.4/99"}}`,
		`{"quota": {"port": 1e3, "check_limit": 1}}`,
		`{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8", "10.1.2.3/32"], "default_prefixlen": "9", "default_quota": null}}`,
		`{"rbac_policy": {"object_type": "network", "object_id": "$", "action": "access_as_external", "target_tenant": "*"}}`,
		`{"address_scope": {"ip_version": "6"}}`,
		`{"address_group": {"addresses": ["::/0", "0.0.0.0/0"]}}`,
		`{"prefixes": ["10.3.0.0/16"]}`,
		`{"addresses": ["10.3.0.1/16"]}`,
		`{"network_id": "$"}`,
		`{"segment": {"network_id": "$", "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": "7"}}`,
		`{"default_security_group_rule": {"direction": "ingress", "remote_group_id": "PARENT", "protocol": "udp", "port_range_min": 53, "used_in_default_sg": "true"}}`,
		`{"binding": {"host": "hv1", "vnic_type": "normal", "profile": {"a": [null]}}}`,
		`{"network_segment_range": {"network_type": "gre", "minimum": 4294967290, "maximum": "4294967295", "shared": 0}}`,
		`{"network": {"segments": [{"provider:network_type": "vxlan"}, {"provider:network_type": "flat", "provider:physical_network": "p"}]}}`,
	} {
		f.Add(s)
	}
	c := newCloud(f, func(p *plugin.Config, _ *Config) {
		for resource := range p.Quotas {
			p.Quotas[resource] = -1
		}
	})
	n := id(c.network(`{"name": "n"}`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/8"`)
	c.subnet(n, `"ip_version": 6, "cidr": "2001:db8::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`)
	p := id(c.port(n, ""))
	c.agent("hv1")
	bindings := "ports/" + id(c.port(n, `, "device_owner": "compute:nova"`)) + "/bindings"
	g := id(c.create("security-groups", "security_group", `{"name": "g"}`))
	pool := "subnetpools/" + id(c.pool(`{"name": "p", "prefixes": ["10.0.0.0/8"]}`))
	addresses := "address-groups/" + id(c.create("address-groups", "address_group", `{}`))
	h := New(Config{DB: c.db, Plugin: c.plugin, Log: c.log})
	send := func(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable && !strings.Contains(w.Body.String(), "PortBindingError") {
			t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		return w
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.NewReplacer("$", n, "@", g).Replace(body)
		for _, collection := range []string{"networks", "subnets", "ports", "security-groups", "security-group-rules", "subnetpools", "address-scopes", "address-groups", "rbac-policies", "segments", "network_segment_ranges", "default-security-group-rules"} {
			w := send(t, "POST", "/v2.0/"+collection, body)
			if w.Code != http.StatusCreated {
				continue
			}
			var out map[string]struct{ ID string }
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
				continue // several
			}
			for _, o := range out {
				path := "/v2.0/" + collection + "/" + o.ID
				if got := send(t, "GET", path, ""); got.Code != http.StatusOK || !json.Valid(got.Body.Bytes()) {
					t.Fatalf("GET %s: %d %s", path, got.Code, got.Body)
				}
				send(t, "DELETE", path, "")
			}
		}
		for _, path := range []string{
			"networks/" + n, "ports/" + p, "security-groups/" + g, "quotas/x", "networks/" + n + "/tags",
			pool, pool + "/add_prefixes", pool + "/remove_prefixes", pool + "/onboard_network_subnets",
			addresses + "/add_addresses", addresses + "/remove_addresses",
			bindings + "/hv1", bindings + "/hv1/activate",
		} {
			send(t, "PUT", "/v2.0/"+path, body)
		}
		if w := send(t, "POST", "/v2.0/"+bindings, body); w.Code == http.StatusCreated {
			send(t, "DELETE", "/v2.0/"+bindings+"/hv1", "")
		}
	})
}
