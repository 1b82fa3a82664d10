package api

import (
	"fmt"
	"strings"
	"testing"
)

// had is the id of the n-th object of another service.
func had(n int) string { return fmt.Sprintf("1eb70000-0000-4000-8000-%012d", n) }

// imports makes an object in a body with lepton_import.
func (s *site) imports(collection, key, body string) map[string]any {
	s.t.Helper()
	return s.create(s.in(collection), key, s.in(body))
}

func TestObjectsOfAnotherServiceKeepWhatTheyHad(t *testing.T) {
	s := newSite(t)
	for n := range 20 {
		s.names[fmt.Sprintf("had%02d", n)] = had(n)
	}
	net := s.imports("networks", "network", `{"name": "old", "project_id": "p9", "availability_zone_hints": ["elsewhere"],
		"segments": [{"provider:network_type": "vxlan", "provider:segmentation_id": 700}, {"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}],
		"lepton_import": {"id": "$had01", "created_at": "2020-01-02T03:04:05Z", "updated_at": "2021-01-02T03:04:05Z", "revision_number": 17, "tags": ["b", "a"], "segments": ["$had02", "$had03"]}}`)
	for name, want := range map[string]string{
		"id": had(1), "created_at": "2020-01-02T03:04:05Z", "updated_at": "2021-01-02T03:04:05Z",
		"revision_number": "17", "tags": "[a b]", "availability_zone_hints": "[elsewhere]",
	} {
		if got := fmt.Sprint(net[name]); got != want {
			t.Errorf("%s of the network is %s, want %s", name, got, want)
		}
	}
	if _, shown := net["lepton_import"]; shown {
		t.Error("lepton_import is shown")
	}
	if got := s.do(200, "GET segments/$had03", "")["segmentation_id"]; fmt.Sprint(got) != "150" {
		t.Errorf("the second segment has the id %v", got)
	}
	s.imports("subnets", "subnet", `{"network_id": "$had01", "ip_version": 4, "cidr": "10.77.0.0/24", "lepton_import": {"id": "$had04"}}`)
	port := s.imports("ports", "port", `{"network_id": "$had01", "fixed_ips": [{"subnet_id": "$had04", "ip_address": "10.77.0.9"}], "mac_address": "fa:16:3e:77:00:09", "binding:host_id": "gone1", "lepton_import": {"id": "$had05"}}`)
	if port["id"] != had(5) || port["binding:host_id"] != "gone1" || port["status"] != "DOWN" {
		t.Errorf("the port is %v", port)
	}
	router := s.imports("routers", "router", `{"name": "old", "external_gateway_info": {"network_id": "$ext", "external_fixed_ips": [{"ip_address": "203.0.113.77"}], "enable_snat": false},
		"lepton_import": {"id": "$had06", "port": {"id": "$had07", "mac_address": "fa:16:3e:77:00:01"}}}`)
	if gateway := s.do(200, "GET ports/$had07", ""); gateway["mac_address"] != "fa:16:3e:77:00:01" || gateway["device_id"] != had(6) || router["id"] != had(6) {
		t.Errorf("the gateway is %v", gateway)
	}
	s.imports("floatingips", "floatingip", `{"floating_network_id": "$ext", "floating_ip_address": "203.0.113.78", "lepton_import": {"id": "$had08", "port": {"id": "$had09", "mac_address": "fa:16:3e:77:00:02"}}}`)
	if kept := s.do(200, "GET ports/$had09", ""); kept["device_owner"] != "network:floatingip" || kept["device_id"] != had(8) {
		t.Errorf("the port of the floating address is %v", kept)
	}
	s.imports("qos/policies", "policy", `{"name": "slow", "lepton_import": {"id": "$had10"}}`)
	s.imports("qos/policies/$had10/bandwidth_limit_rules", "bandwidth_limit_rule", `{"max_kbps": 1000, "lepton_import": {"id": "$had11"}}`)
	if rule := s.do(200, "GET qos/policies/$had10/bandwidth_limit_rules/$had11", ""); fmt.Sprint(rule["max_kbps"]) != "1000" {
		t.Errorf("the rule is %v", rule)
	}
}

func TestAnImportedDefaultGroupTakesThePlaceOfAnUnusedOne(t *testing.T) {
	s := newSite(t)
	s.names["old"], s.names["used"] = had(1), had(2)
	before := s.defaultGroup("p5")["id"]
	g := s.imports("security-groups", "security_group", `{"name": "default", "project_id": "p5", "lepton_import": {"id": "$old"}}`)
	if rules := g["security_group_rules"].([]any); len(rules) != 0 {
		t.Errorf("rules %v were made along with it", rules)
	}
	if after := s.defaultGroup("p5"); after["id"] != had(1) {
		t.Errorf("the default group of the project was %v and is %v", before, after["id"])
	}
	s.must(201, "POST", "/v2.0/ports", s.in(`{"port": {"network_id": "$net", "project_id": "p6"}}`))
	answer := s.do(409, "POST security-groups", `{"security_group": {"name": "default", "project_id": "p6", "lepton_import": {"id": "$used"}}}`)
	if answer["type"] != "SecurityGroupDefaultAlreadyExists" {
		t.Errorf("a default group in use: %v", answer)
	}
}

func TestQuotasDoNotKeepImportsOut(t *testing.T) {
	s := newSite(t)
	s.names["one"], s.names["two"] = had(1), had(2)
	s.do(200, "PUT quotas/p7", `{"quota": {"network": 0}}`)
	s.imports("networks", "network", `{"project_id": "p7", "lepton_import": {"id": "$one"}}`)
	s.do(409, "POST networks", `{"network": {"project_id": "p7"}}`)
	s.do(204, "DELETE networks/$one", "")
}

func TestBadImportsAreRefusedByName(t *testing.T) {
	s := newSite(t)
	for n := range 3 {
		s.names[fmt.Sprintf("had%d", n)] = had(n)
	}
	s.imports("networks", "network", `{"lepton_import": {"id": "$had0", "segments": ["$had1"]}}`)
	before := len(s.claims())
	for name, tc := range map[string]struct {
		request, value string
		status         int
		says           string
	}{
		"no object":                  {"POST networks", `"x"`, 400, "lepton_import"},
		"no id":                      {"POST networks", `{}`, 400, "id is missing"},
		"a number for an id":         {"POST networks", `{"id": 7}`, 400, "'7' is not a UUID"},
		"another form of an id":      {"POST networks", `{"id": "1EB70000000040008000000000000001"}`, 400, "lower-case"},
		"an id in use":               {"POST networks", `{"id": "$had0"}`, 409, "exists already"},
		"a segment's id in use":      {"POST networks", `{"id": "$had2", "segments": ["$had1"]}`, 409, "exists already"},
		"a port of a network":        {"POST networks", `{"id": "$had2", "port": {}}`, 400, "Unexpected keys supplied: port"},
		"an unknown member":          {"POST routers", `{"id": "$had2", "status": "ACTIVE"}`, 400, "status"},
		"a port without its MAC":     {"POST routers", `{"id": "$had2", "port": {"id": "$had1"}}`, 400, "MAC"},
		"a time that is none":        {"POST networks", `{"id": "$had2", "created_at": "yesterday"}`, 400, "created_at"},
		"a time to come":             {"POST networks", `{"id": "$had2", "created_at": "2999-01-01T00:00:00Z"}`, 400, "future"},
		"a revision below zero":      {"POST networks", `{"id": "$had2", "revision_number": -1}`, 400, "revision_number"},
		"too many tags":              {"POST networks", `{"id": "$had2", "tags": [` + strings.Repeat(`"x", `, 60) + `"y"]}`, 400, "tags"},
		"an import of what is there": {"PUT networks/$had0", `{"id": "$had2"}`, 400, "read-only"},
	} {
		_, collection, _ := strings.Cut(tc.request, " ")
		key := map[string]string{"routers": "router"}[collection]
		if key == "" {
			key = "network"
		}
		answer := s.do(tc.status, tc.request, `{"`+key+`": {"lepton_import": `+tc.value+`}}`)
		if !strings.Contains(fmt.Sprint(answer["message"]), tc.says) {
			t.Errorf("%s: %v", name, answer)
		}
	}
	if after := len(s.claims()); after != before {
		t.Errorf("%d keys are claimed, %d were: something was left behind", after, before)
	}
}

func TestOnlyAdministratorsImport(t *testing.T) {
	c := rightsCloud(t)
	body := `{"network": {"lepton_import": {"id": "` + had(1) + `"}}}`
	out := c.must(403, "POST", "/v2.0/networks", body, as("p1", "member")...)
	if text := fmt.Sprint(out); !strings.Contains(text, "create_network:lepton_import") {
		t.Errorf("refused with %s", text)
	}
	c.must(201, "POST", "/v2.0/networks", body, as("ops", "admin")...)
}
