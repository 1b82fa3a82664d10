package api

import (
	"fmt"
	"testing"
)

func TestMeteringLabelsAndTheirRules(t *testing.T) {
	s := newSite(t)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	label := s.made("label", "metering/metering-labels", "metering_label", `{"name": "l", "description": "d", "shared": true}`)
	if fmt.Sprintf("%v %v %v", label["name"], label["description"], label["shared"]) != "l d true" {
		t.Errorf("label %v", label)
	}
	rule := s.made("rule", "metering/metering-label-rules", "metering_label_rule",
		`{"metering_label_id": "$label", "direction": "ingress", "remote_ip_prefix": "10.0.0.0/24"}`)
	if fmt.Sprintf("%v %v %v", rule["remote_ip_prefix"], rule["source_ip_prefix"], rule["excluded"]) != "10.0.0.0/24 <nil> false" {
		t.Errorf("rule %v", rule)
	}
	s.made("ends", "metering/metering-label-rules", "metering_label_rule",
		`{"metering_label_id": "$label", "direction": "egress", "source_ip_prefix": "10.0.0.1", "destination_ip_prefix": "0.0.0.0/0"}`)
	s.made("excluded", "metering/metering-label-rules", "metering_label_rule",
		`{"metering_label_id": "$label", "direction": "ingress", "remote_ip_prefix": "10.0.0.7/32", "excluded": true}`)
	const rules = "POST metering/metering-label-rules"
	with := func(members string) string {
		return `{"metering_label_rule": {"metering_label_id": "$label"` + members + `}}`
	}
	s.refused(t, map[string]refusal{
		"an overlap":            {rules, with(`, "direction": "ingress", "remote_ip_prefix": "10.0.0.128/25"`), 409, "MeteringLabelRuleOverlaps"},
		"no direction":          {rules, with(`, "remote_ip_prefix": "10.1.0.0/24"`), 400, "HTTPBadRequest"},
		"both ways":             {rules, with(`, "direction": "both", "remote_ip_prefix": "10.1.0.0/24"`), 400, "HTTPBadRequest"},
		"no address":            {rules, with(`, "direction": "ingress"`), 400, "Invalid"},
		"an empty address":      {rules, with(`, "direction": "ingress", "remote_ip_prefix": ""`), 400, "Invalid"},
		"a range that is none":  {rules, with(`, "direction": "ingress", "remote_ip_prefix": "10.0.0.0/33"`), 400, "Invalid"},
		"both ends and one":     {rules, with(`, "direction": "ingress", "remote_ip_prefix": "10.1.0.0/24", "source_ip_prefix": "10.1.0.0/24"`), 400, "Invalid"},
		"of a label that's not": {rules, `{"metering_label_rule": {"metering_label_id": "$none", "direction": "ingress", "remote_ip_prefix": "10.1.0.0/24"}}`, 404, "MeteringLabelNotFound"},
		"no label":              {"GET metering/metering-labels/$none", ``, 404, "MeteringLabelNotFound"},
		"no rule":               {"DELETE metering/metering-label-rules/$none", ``, 404, "MeteringLabelRuleNotFound"},
		"a change":              {"PUT metering/metering-labels/$label", `{"metering_label": {"name": "x"}}`, 405, "HTTPMethodNotAllowed"},
	})
	if got := s.list(s.in("metering/metering-label-rules?metering_label_id=$label&direction=ingress&excluded=false"), "metering_label_rules"); len(got) != 1 {
		t.Errorf("list %v", got)
	}
	s.do(204, "DELETE metering/metering-label-rules/$ends", "")
	s.do(204, "DELETE metering/metering-labels/$label", "")
	if got := s.list("metering/metering-label-rules", "metering_label_rules"); len(got) != 0 {
		t.Errorf("rules without a label: %v", got)
	}
}

func TestProjectsSeeTheirMeteringLabelsAndAdministratorsMakeThem(t *testing.T) {
	c := rightsCloud(t)
	admin := as("ops", "admin")
	label := id(c.must(201, "POST", "/v2.0/metering/metering-labels", `{"metering_label": {"project_id": "p1"}}`, admin...))
	rule := id(c.must(201, "POST", "/v2.0/metering/metering-label-rules",
		`{"metering_label_rule": {"metering_label_id": "`+label+`", "direction": "egress", "remote_ip_prefix": "::/0"}}`, admin...))
	c.must(403, "POST", "/v2.0/metering/metering-labels", `{"metering_label": {}}`, as("p1", "member")...)
	c.must(200, "GET", "/v2.0/metering/metering-labels/"+label, nil, as("p1", "reader")...)
	c.must(200, "GET", "/v2.0/metering/metering-label-rules/"+rule, nil, as("p1", "reader")...)
	c.must(404, "GET", "/v2.0/metering/metering-label-rules/"+rule, nil, as("p2", "reader")...)
	c.must(403, "DELETE", "/v2.0/metering/metering-labels/"+label, nil, as("p1", "member")...)
}
