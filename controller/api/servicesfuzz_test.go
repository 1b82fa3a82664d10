package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzServiceRequestsAreAnswered sends bodies to QoS policies, trunks, flavors,
// logs, metering and local IPs: whatever they hold, the answer is not an internal
// error, and what was made can be read, changed and deleted.
func FuzzServiceRequestsAreAnswered(f *testing.F) {
	for _, s := range []string{
		`{"policy": {"name": "p", "shared": "1", "is_default": false, "rules": []}}`,
		`{"bandwidth_limit_rule": {"max_kbps": 1e3, "max_burst_kbps": "7", "direction": "ingress", "project_id": "x"}}`,
		`{"dscp_marking_rule": {"dscp_mark": 46}}`, `{"minimum_packet_rate_rule": {"min_kpps": 0, "direction": "any"}}`,
		`{"trunk": {"port_id": "$parent", "sub_ports": [{"port_id": "$sub1", "segmentation_type": "vlan", "segmentation_id": "4094"}]}}`,
		`{"trunk": {"port_id": "$sub2", "admin_state_up": 0, "sub_ports": [{"port_id": "$vsub", "segmentation_type": "inherit", "segmentation_id": null}]}}`,
		`{"sub_ports": [{"port_id": "$sub1", "segmentation_type": "vlan", "segmentation_id": -1}]}`, `{"sub_ports": [{"port_id": "$sub1"}]}`,
		`{"flavor": {"service_type": "L3_ROUTER_NAT", "service_profiles": ["$none"], "enabled": "False"}}`,
		`{"service_profile": {"driver": "", "metainfo": "{}"}}`, `{"service_profile": {"id": "$none"}}`,
		`{"log": {"resource_type": "security_group", "target_id": "$parent", "event": "ACCEPT"}}`,
		`{"metering_label": {"shared": true}}`,
		`{"metering_label_rule": {"metering_label_id": "$label", "direction": "egress", "remote_ip_prefix": "::ffff:1.2.3.4/100"}}`,
		`{"local_ip": {"network_id": "$net", "local_ip_address": "10.0.0.77"}}`, `{"local_ip": {"local_port_id": "$guest", "local_ip_address": null}}`,
		`{"port_association": {"fixed_port_id": "$guest", "fixed_ip": "::1"}}`,
		`{"port": {"qos_policy_id": "$policy", "binding:host_id": "hv1"}}`, `{"network": {"qos_policy_id": null}}`,
	} {
		f.Add(s)
	}
	s := newTrunkSite(f)
	s.made("policy", "qos/policies", "policy", `{}`)
	s.made("trunk", "trunks", "trunk", `{"port_id": "$parent2"}`)
	s.made("label", "metering/metering-labels", "metering_label", `{}`)
	s.made("flavor", "flavors", "flavor", `{"service_type": "QOS"}`)
	s.guest("guest", "10.0.0.9")
	s.made("ip", "local_ips", "local_ip", `{"local_port_id": "$guest"}`)
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
		for _, collection := range []string{
			"qos/policies", "qos/policies/$policy/bandwidth_limit_rules", "qos/policies/$policy/dscp_marking_rules",
			"qos/policies/$policy/minimum_bandwidth_rules", "qos/policies/$policy/minimum_packet_rate_rules", "qos/policies/$policy/packet_rate_limit_rules",
			"trunks", "flavors", "service_profiles", "log/logs", "metering/metering-labels", "metering/metering-label-rules", "local_ips",
		} {
			w := send(t, "POST", collection, body)
			var out map[string]struct {
				ID string
				Up *bool `json:"admin_state_up"`
			}
			if json.Unmarshal(w.Body.Bytes(), &out) != nil || w.Code != http.StatusCreated {
				continue
			}
			for _, o := range out {
				send(t, "GET", collection+"/"+o.ID, "")
				send(t, "PUT", collection+"/"+o.ID, body)
				if o.Up != nil { // a trunk that is down stays
					send(t, "PUT", collection+"/"+o.ID, `{"trunk": {"admin_state_up": true}}`)
				}
				if got := send(t, "DELETE", collection+"/"+o.ID, ""); got.Code != http.StatusNoContent {
					t.Fatalf("DELETE of what %s made: %d %s", body, got.Code, got.Body)
				}
			}
		}
		for _, path := range []string{
			"trunks/$trunk/add_subports", "trunks/$trunk/remove_subports", "trunks/$trunk", "qos/policies/$policy", "ports/$sub2", "networks/$subs",
		} {
			send(t, "PUT", path, body)
		}
		send(t, "POST", "flavors/$flavor/service_profiles", body)
		send(t, "POST", "local_ips/$ip/port_associations", body)
	})
}
