package api

import (
	"maps"
	"slices"
	"testing"
)

// Every list knows which parameters it takes, those that have little to list too.
func TestEveryListRefusesWhatItDoesNotKnow(t *testing.T) {
	s := newSite(t)
	s.agent("hv1")
	s.made("router", "routers", "router", `{}`)
	s.made("policy", "qos/policies", "policy", `{"name": "q"}`)
	s.made("local", "local_ips", "local_ip", `{"network_id": "$net"}`)
	s.made("guest", "ports", "port", `{"network_id": "$net", "device_owner": "compute:nova"}`)
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(New(Config{DB: s.db, Plugin: s.plugin, Log: s.log}).endpoints)), func(path string) bool {
		// Neither a collection, or one that Neutron never filters.
		return slices.Contains([]string{"extensions", "quotas", "auto-allocated-topology", "qos", "log", "metering", "policies", "lepton-explain", "lepton-status"}, path)
	})
	paths = append(paths, "qos/policies", "qos/rule-types", "qos/policies/$policy/bandwidth_limit_rules", "log/logs", "log/loggable-resources",
		"metering/metering-labels", "metering/metering-label-rules", "local_ips/$local/port_associations", "ports/$guest/bindings",
		"routers/$router/conntrack_helpers", "routers/$router/l3-agents", "networks/$net/dhcp-agents")
	cases := map[string]refusal{}
	for _, path := range paths {
		s.do(200, "GET "+path+"?limit=1", "")
		for _, query := range []string{"bogus=1", "sort_key=bogus", "sort_key=id&sort_dir=up"} {
			cases[path+"?"+query] = refusal{"GET " + path + "?" + query, "", 400, "HTTPBadRequest"}
		}
		cases[path+" of a bad length"] = refusal{"GET " + path + "?limit=-1", "", 400, "BadRequest"}
	}
	s.refused(t, cases)
}

func TestListsWithLittleToListHaveFiltersAndPages(t *testing.T) {
	s := newSite(t)
	for query, want := range map[string]int{
		"service-providers?service_type=L3_ROUTER_NAT":          2,
		"service-providers?service_type=LOADBALANCERV2":         0,
		"service-providers?default=true&name=single_node":       1,
		"service-providers?marker=single_node":                  0,
		"log/loggable-resources?type=security_group":            1,
		"log/loggable-resources?type=firewall_group":            0,
		"qos/rule-types?limit=2":                                2,
		"qos/rule-types?marker=minimum_packet_rate":             1,
		"qos/rule-types?all_rules=true&limit=2&page_reverse=1":  2,
		"qos/rule-types?all_supported=1&marker=dscp_marking":    3,
		"availability_zones?resource=router":                    0,
		"availability_zones?resource=network&state=unavailable": 0,
	} {
		plural := map[byte]string{'s': "service_providers", 'l': "loggable_resources", 'q': "rule_types", 'a': "availability_zones"}[query[0]]
		if got := s.list(query, plural); len(got) != want {
			t.Errorf("%s: %v, want %d", query, got, want)
		}
	}
}
