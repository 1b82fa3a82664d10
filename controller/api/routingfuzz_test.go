package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRoutingRequestsAreAnswered sends bodies to everything about routers and
// floating addresses: whatever they hold, the answer is not an internal error.
func FuzzRoutingRequestsAreAnswered(f *testing.F) {
	for _, s := range []string{
		`{"router": {"external_gateway_info": {"network_id": "$ext", "external_fixed_ips": [{"ip_address": "203.0.113.9"}], "enable_snat": 0}}}`,
		`{"router": {"routes": [{"destination": "192.0.2.1/24", "nexthop": "10.0.0.5"}], "admin_state_up": "false"}}`,
		`{"router": {"external_gateway_info": {}, "distributed": null, "ha": false, "flavor_id": null}}`,
		`{"routers": [{"name": "a"}, {"router": {"availability_zone_hints": ["x"]}}]}`,
		`{"subnet_id": "$sub"}`, `{"port_id": "$guest"}`, `{"subnet_id": "$sub2", "port_id": null}`, `{}`,
		`{"floatingip": {"floating_network_id": "$ext", "port_id": "$guest", "fixed_ip_address": "10.0.0.9", "dns_name": "a.b."}}`,
		`{"floatingip": {"floating_network_id": "$ext", "subnet_id": "$extnet", "floating_ip_address": "203.0.113.200"}}`,
		`{"floatingip": {"port_id": null, "fixed_ip_address": "::1"}}`,
		`{"port_forwarding": {"protocol": "udp", "external_port": "7", "internal_port_range": "1:65535", "internal_port_id": "$guest"}}`,
		`{"port_forwarding": {"protocol": "tcp", "external_port_range": "10:12", "internal_port_range": "20:22", "internal_port_id": "$friend", "internal_ip_address": "10.0.0.10"}}`,
		`{"port_forwarding": {"external_port_range": ":", "internal_port": 1e3}}`,
	} {
		f.Add(s)
	}
	s := behind(f)
	s.floating("fip", ``)
	h := New(Config{DB: s.db, Plugin: s.plugin, Log: s.log})
	send := func(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, s.in("/v2.0/"+path), strings.NewReader(body)))
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable || w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		return w
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = s.in(body)
		for _, collection := range []string{"routers", "floatingips", "floatingips/$fip/port_forwardings"} {
			w := send(t, "POST", collection, body)
			var out map[string]struct{ ID string }
			if json.Unmarshal(w.Body.Bytes(), &out) != nil || w.Code != http.StatusCreated {
				continue
			}
			for _, o := range out {
				send(t, "PUT", collection+"/"+o.ID, body)
				if got := send(t, "DELETE", collection+"/"+o.ID, ""); got.Code != http.StatusNoContent {
					t.Fatalf("DELETE of what %s made: %d %s", body, got.Code, got.Body)
				}
			}
		}
		for _, path := range []string{
			"routers/$router", "routers/$router/add_router_interface", "routers/$router/remove_router_interface",
			"routers/$router/add_extraroutes", "routers/$router/remove_extraroutes", "floatingips/$fip",
		} {
			send(t, "PUT", path, body)
		}
	})
}
