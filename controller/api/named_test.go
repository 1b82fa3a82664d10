package api

import (
	"strings"
	"testing"
)

// A refusal says which attribute it is about, and which value.
func TestRefusalsNameTheAttributeAndTheValue(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	for request, want := range map[string]string{
		`POST networks {"network": {"admin_state_up": "maybe"}}`:                     "admin_state_up 'maybe'",
		`POST networks {"network": {"mtu": "wide"}}`:                                 "mtu 'wide'",
		`POST networks {"network": {"provider:segmentation_id": "first"}}`:           "provider:segmentation_id 'first'",
		`POST networks {"network": {"name": 7}}`:                                     "name '7'",
		`POST ports {"port": {"network_id": "` + n + `", "mac_address": "zz"}}`:      "mac_address 'zz'",
		`GET networks?admin_state_up=maybe `:                                         "admin_state_up 'maybe'",
		`GET networks?mtu=wide `:                                                     "mtu 'wide'",
		`GET networks?provider:segmentation_id=first `:                               "provider:segmentation_id 'first'",
		`GET qos/rule-types?all_rules=maybe `:                                        "all_rules 'maybe'",
		`PUT networks/` + n + `/tags {"tags": "red"}`:                                "tags 'red'",
		`PUT networks/` + n + `/tags {"tags": ["red", "red"]}`:                       "tags 'red'",
		`PUT networks/` + n + `/tags {"tags": ["` + strings.Repeat("r", 256) + `"]}`: "tags 'rrr 255",
		`PUT networks/` + n + `/tags {"tags": ["red"], "colour": 1}`:                 "'colour'",
		`PUT networks/` + n + `/tags {}`:                                             "tags 'None'",
		`PUT networks/` + n + `/tags/` + strings.Repeat("r", 256) + ` {}`:            "256 'rrr",
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		status, out, _ := c.call(method, "/v2.0/"+path, body)
		e, _ := out["NeutronError"].(map[string]any)
		message, _ := e["message"].(string)
		if status != 400 {
			t.Errorf("%s: %d %v", request, status, out)
		}
		for word := range strings.FieldsSeq(want) {
			if !strings.Contains(message, word) {
				t.Errorf("%s: %q does not name %s", request, message, word)
			}
		}
	}
}
