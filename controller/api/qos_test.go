package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/policies"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/ruletypes"
)

// newQoSSite has a policy without rules, one with, and something that can name
// them.
func newQoSSite(t testing.TB) *site {
	s := newSite(t)
	s.made("plain", "qos/policies", "policy", `{"name": "plain"}`)
	s.made("limit", "qos/policies", "policy", `{"name": "limit", "description": "d"}`)
	s.made("bw", "qos/policies/$limit/bandwidth_limit_rules", "bandwidth_limit_rule", `{"max_kbps": "1000"}`)
	s.made("marked", "qos/policies", "policy", `{"name": "marked"}`)
	s.made("mark", "qos/policies/$marked/dscp_marking_rules", "dscp_marking_rule", `{"dscp_mark": 8}`)
	s.guest("guest", "10.0.0.9")
	s.floating("fip", ``)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	return s
}

func TestRulesOfAQoSPolicy(t *testing.T) {
	s := newQoSSite(t)
	const at = "qos/policies/$limit/"
	for kind, body := range map[string]string{
		"dscp_marking_rule":        `{"dscp_mark": 46}`,
		"minimum_bandwidth_rule":   `{"min_kbps": 500, "direction": "egress"}`,
		"minimum_packet_rate_rule": `{"min_kpps": 1, "direction": "any"}`,
		"packet_rate_limit_rule":   `{"max_kpps": 10, "max_burst_kpps": 20, "direction": "ingress", "tenant_id": "x"}`,
	} {
		made := s.made(kind, at+kind+"s", kind, body)
		if alias := s.do(200, "GET qos/alias-"+strings.ReplaceAll(kind, "_", "-")+"s/$"+kind, ""); fmt.Sprint(alias) != fmt.Sprint(made) {
			t.Errorf("by its id alone: %v, want %v", alias, made)
		}
	}
	rule := s.do(200, "GET "+at+"bandwidth_limit_rules/$bw", "")
	if fmt.Sprint(rule) != "map[direction:egress id:"+s.names["bw"]+" max_burst_kbps:0 max_kbps:1000]" {
		t.Errorf("rule %v", rule)
	}
	s.do(200, "PUT "+at+"bandwidth_limit_rules/$bw", `{"bandwidth_limit_rule": {"max_burst_kbps": 100}}`)
	s.do(200, "PUT qos/alias-bandwidth-limit-rules/$bw", `{"alias_bandwidth_limit_rule": {"max_kbps": 2000}}`)
	policy := s.do(200, "GET qos/policies/$limit", "")
	if got := policy["rules"].([]any); len(got) != 5 ||
		fmt.Sprint(got[0]) != fmt.Sprintf("map[direction:egress id:%s max_burst_kbps:100 max_kbps:2000 qos_policy_id:%s type:bandwidth_limit]", s.names["bw"], s.names["limit"]) {
		t.Errorf("rules %v", got)
	}
	if got := s.list(s.in(at+"bandwidth_limit_rules?max_kbps=2000&fields=id"), "bandwidth_limit_rules"); len(got) != 1 || len(got[0]) != 1 {
		t.Errorf("list %v", got)
	}
	s.refused(t, map[string]refusal{
		"a second of a direction":       {"POST " + at + "bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": 5}}`, 409, "QoSRulesConflict"},
		"a second mark":                 {"POST " + at + "dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`, 409, "QoSRulesConflict"},
		"a minimum above the limit":     {"PUT " + at + "minimum_bandwidth_rules/$minimum_bandwidth_rule", `{"minimum_bandwidth_rule": {"min_kbps": 2001}}`, 409, "QoSRuleParameterConflict"},
		"a limit below the minimum":     {"PUT " + at + "bandwidth_limit_rules/$bw", `{"bandwidth_limit_rule": {"max_kbps": 499}}`, 409, "QoSRuleParameterConflict"},
		"a direction beside any":        {"POST " + at + "minimum_packet_rate_rules", `{"minimum_packet_rate_rule": {"min_kpps": 1}}`, 409, "QoSRuleParameterConflict"},
		"no limit":                      {"POST qos/policies/$plain/bandwidth_limit_rules", `{"bandwidth_limit_rule": {}}`, 400, "HTTPBadRequest"},
		"a limit below nothing":         {"POST qos/policies/$plain/bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": -1}}`, 400, "HTTPBadRequest"},
		"a limit that is too high":      {"POST qos/policies/$plain/packet_rate_limit_rules", `{"packet_rate_limit_rule": {"max_kpps": 2147483648}}`, 400, "HTTPBadRequest"},
		"a mark without a name":         {"POST qos/policies/$plain/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 41}}`, 400, "HTTPBadRequest"},
		"no number":                     {"POST qos/policies/$plain/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": "ef"}}`, 400, "InvalidInput"},
		"a direction of marks":          {"POST qos/policies/$plain/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8, "direction": "egress"}}`, 400, "HTTPBadRequest"},
		"any direction of a bandwidth":  {"POST qos/policies/$plain/minimum_bandwidth_rules", `{"minimum_bandwidth_rule": {"min_kbps": 8, "direction": "any"}}`, 400, "HTTPBadRequest"},
		"of a policy that is none":      {"POST qos/policies/$none/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`, 404, "QosPolicyNotFound"},
		"of another policy":             {"GET qos/policies/$plain/bandwidth_limit_rules/$bw", ``, 404, "QosRuleNotFound"},
		"of another type":               {"DELETE qos/policies/$limit/dscp_marking_rules/$bw", ``, 404, "QosRuleNotFound"},
		"of a type that is none":        {"GET qos/policies/$limit/other_rules", ``, 404, "HTTPNotFound"},
		"a list without a policy":       {"GET qos/alias-dscp-marking-rules", ``, 404, "HTTPNotFound"},
		"a rule type that is none":      {"GET qos/rule-types/other", ``, 404, "QosRuleTypeNotFound"},
		"a filter of types that is not": {"GET qos/rule-types?type=x", ``, 400, "HTTPBadRequest"},
		"a rule type to make":           {"POST qos/rule-types", `{"rule_type": {}}`, 405, "HTTPMethodNotAllowed"},
	})
	s.do(204, "DELETE "+at+"dscp_marking_rules/$dscp_marking_rule", "")
	s.do(204, "DELETE qos/alias-bandwidth-limit-rules/$bw", "")
	if got := s.do(200, "GET qos/policies/$limit", "")["rules"].([]any); len(got) != 3 {
		t.Errorf("rules %v", got)
	}
	s.do(204, "DELETE qos/policies/$limit", "")
	s.do(404, "GET qos/alias-minimum-bandwidth-rules/$minimum_bandwidth_rule", "")
}

func TestAPolicyMayBeNamedUnlessHostsDoNotApplyItsRules(t *testing.T) {
	s := newQoSSite(t)
	gateway := func(policy string) string {
		return `{"router": {"external_gateway_info": {"network_id": "$ext", "qos_policy_id": ` + policy + `}}}`
	}
	for name, f := range map[string]struct{ object, key, kind, post, body, refused, why string }{
		"port":     {"ports/$guest", "port", "QosRuleNotSupported", "ports", `"network_id": "$net", `, "$limit", "do not apply QoS rules to ports yet"},
		"network":  {"networks/$net", "network", "QosRuleNotSupportedByNetwork", "networks", ``, "$limit", "do not apply QoS rules to ports yet"},
		"floating": {"floatingips/$fip", "floatingip", "QosRuleNotSupported", "floatingips", `"floating_network_id": "$ext", `, "$marked", "bandwidth limits only"},
	} {
		naming := func(policy string) string { return `{"` + f.key + `": {"qos_policy_id": ` + policy + `}}` }
		s.refused(t, map[string]refusal{
			name + " changed":   {"PUT " + f.object, naming(`"` + f.refused + `"`), 409, f.kind},
			name + " made":      {"POST " + f.post, `{"` + f.key + `": {` + f.body + `"qos_policy_id": "` + f.refused + `"}}`, 409, f.kind},
			name + " none":      {"PUT " + f.object, naming(`"$none"`), 404, "QosPolicyNotFound"},
			name + " nonsense":  {"PUT " + f.object, naming(`"x"`), 400, "HTTPBadRequest"},
			name + " made none": {"POST " + f.post, `{"` + f.key + `": {` + f.body + `"qos_policy_id": "$none"}}`, 404, "QosPolicyNotFound"},
		})
		if text := s.message("PUT "+f.object, naming(`"`+f.refused+`"`)); !strings.Contains(text, f.why) || !strings.Contains(text, s.names[f.refused[1:]]) {
			t.Errorf("the refusal of a %s says %q", name, text)
		}
		if got := s.do(200, "PUT "+f.object, naming(`"$plain"`))["qos_policy_id"]; got != s.names["plain"] {
			t.Errorf("%s: policy %v", name, got)
		}
		s.refused(t, map[string]refusal{
			name + " keeps the policy":    {"DELETE qos/policies/$plain", ``, 409, "QosPolicyInUse"},
			name + " keeps it without":    {"POST qos/policies/$plain/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`, 409, f.kind},
			name + " cannot move to that": {"PUT " + f.object, naming(`"` + f.refused + `"`), 409, f.kind},
		})
		if got := s.do(200, "PUT "+f.object, naming(`null`))["qos_policy_id"]; got != nil {
			t.Errorf("%s: policy %v", name, got)
		}
	}
	s.refused(t, map[string]refusal{
		"gateway":          {"PUT routers/$router", gateway(`"$marked"`), 409, "QosRuleNotSupported"},
		"gateway of a new": {"POST routers", gateway(`"$marked"`), 409, "QosRuleNotSupported"},
		"gateway none":     {"PUT routers/$router", gateway(`"$none"`), 404, "QosPolicyNotFound"},
		"gateway nonsense": {"PUT routers/$router", gateway(`7`), 400, "HTTPBadRequest"},
	})
	info := func(o map[string]any) any { return o["external_gateway_info"].(map[string]any)["qos_policy_id"] }
	if got := info(s.do(200, "PUT routers/$router", gateway(`"$plain"`))); got != s.names["plain"] {
		t.Errorf("gateway: policy %v", got)
	}
	if got := info(s.do(200, "PUT routers/$router", `{"router": {"external_gateway_info": {"network_id": "$ext"}}}`)); got != s.names["plain"] {
		t.Errorf("a gateway set again: policy %v", got)
	}
	s.do(409, "DELETE qos/policies/$plain", "")
	if got := info(s.do(200, "PUT routers/$router", gateway(`null`))); got != nil {
		t.Errorf("gateway: policy %v", got)
	}
	s.do(200, "PUT routers/$router", gateway(`"$plain"`))
	s.refused(t, map[string]refusal{
		"a mark for a gateway": {"POST qos/policies/$plain/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`, 409, "QosRuleNotSupported"},
		"a limit of nothing":   {"POST qos/policies/$plain/bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": 0}}`, 409, "QosRuleNotSupported"},
	})
	s.do(204, "DELETE routers/$router", "")
	s.do(204, "DELETE qos/policies/$plain", "")
}

func TestFloatingIPsAndGatewaysAreLimited(t *testing.T) {
	s := newQoSSite(t)
	s.do(200, "PUT floatingips/$fip", `{"floatingip": {"qos_policy_id": "$limit"}}`)
	s.do(200, "PUT routers/$router", `{"router": {"external_gateway_info": {"network_id": "$ext", "qos_policy_id": "$limit"}}}`)
	const rules = "qos/policies/$limit/bandwidth_limit_rules"
	s.made("in", rules, "bandwidth_limit_rule", `{"max_kbps": 500, "direction": "ingress"}`)
	s.do(200, "PUT "+rules+"/$in", `{"bandwidth_limit_rule": {"max_kbps": 600}}`)
	s.refused(t, map[string]refusal{
		"no limit":              {"PUT " + rules + "/$in", `{"bandwidth_limit_rule": {"max_kbps": 0}}`, 409, "QosRuleNotSupported"},
		"a mark":                {"POST qos/policies/$limit/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`, 409, "QosRuleNotSupported"},
		"a port":                {"PUT ports/$guest", `{"port": {"qos_policy_id": "$limit"}}`, 409, "QosRuleNotSupported"},
		"deleting what is used": {"DELETE qos/policies/$limit", ``, 409, "QosPolicyInUse"},
	})
	s.do(204, "DELETE "+rules+"/$in", "")
	s.do(200, "PUT floatingips/$fip", `{"floatingip": {"qos_policy_id": null}}`)
	s.do(409, "DELETE qos/policies/$limit", "")
	s.do(200, "PUT routers/$router", `{"router": {"external_gateway_info": {"network_id": "$ext", "qos_policy_id": null}}}`)
	s.do(204, "DELETE qos/policies/$limit", "")
}

func TestWhatNamesAPolicyFreesItWhenItGoes(t *testing.T) {
	s := newQoSSite(t)
	s.made("n2", "networks", "network", `{"qos_policy_id": "$plain"}`)
	s.made("p2", "ports", "port", `{"network_id": "$n2", "qos_policy_id": "$plain"}`)
	s.made("f2", "floatingips", "floatingip", `{"floating_network_id": "$ext", "qos_policy_id": "$plain"}`)
	p := s.do(200, "GET ports/$p2", "")
	if p["qos_policy_id"] != s.names["plain"] || p["qos_network_policy_id"] != s.names["plain"] || p["resource_request"] != nil {
		t.Errorf("port %v", p)
	}
	for _, object := range []string{"floatingips/$f2", "ports/$p2", "networks/$n2"} {
		s.do(409, "DELETE qos/policies/$plain", "")
		s.do(204, "DELETE "+object, "")
	}
	s.do(204, "DELETE qos/policies/$plain", "")
}

func TestTheDefaultPolicyOfAProjectIsThatOfItsNewNetworks(t *testing.T) {
	s := newQoSSite(t)
	s.do(200, "PUT qos/policies/$plain", `{"policy": {"is_default": true}}`)
	s.refused(t, map[string]refusal{
		"a second default":      {"POST qos/policies", `{"policy": {"is_default": true}}`, 409, "QoSPolicyDefaultAlreadyExists"},
		"a second by an update": {"PUT qos/policies/$limit", `{"policy": {"is_default": true}}`, 409, "QoSPolicyDefaultAlreadyExists"},
	})
	s.made("other", "qos/policies", "policy", `{"is_default": true, "project_id": "p2"}`)
	n := s.made("n2", "networks", "network", `{"qos_policy_id": null}`)
	if n["qos_policy_id"] != s.names["plain"] {
		t.Errorf("network %v", n)
	}
	if got := s.list("qos/policies?is_default=true", "policies"); len(got) != 2 {
		t.Errorf("defaults %v", got)
	}
	s.do(204, "DELETE networks/$n2", "")
	s.do(200, "PUT qos/policies/$plain", `{"policy": {"is_default": false}}`)
	s.do(200, "PUT qos/policies/$limit", `{"policy": {"is_default": true}}`)
	s.refused(t, map[string]refusal{"a default with rules": {"POST networks", `{"network": {}}`, 409, "QosRuleNotSupportedByNetwork"}})
	s.do(204, "DELETE qos/policies/$limit", "")
	if n := s.made("n3", "networks", "network", `{}`); n["qos_policy_id"] != nil {
		t.Errorf("network %v", n)
	}
}

func TestAPolicyIsSharedByRBAC(t *testing.T) {
	s := &site{rightsCloud(t), map[string]string{}}
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	send := func(who []string, status int, request, body string) map[string]any {
		t.Helper()
		method, path, _ := strings.Cut(s.in(request), " ")
		var content any
		if body != "" {
			content = s.in(body)
		}
		return s.must(status, method, "/v2.0/"+path, content, who...)
	}
	s.names["policy"] = id(send(admin, 201, "POST qos/policies", `{"policy": {"name": "gold", "project_id": "ops"}}`))
	s.names["net"] = id(send(one, 201, "POST networks", `{"network": {}}`))
	const naming = `{"network": {"qos_policy_id": "$policy"}}`
	send(one, 404, "GET qos/policies/$policy", "")
	send(one, 404, "PUT networks/$net", naming)
	send(one, 404, "GET qos/policies/$policy/dscp_marking_rules", "")
	send(one, 403, "POST qos/policies", `{"policy": {}}`)
	s.names["rbac"] = id(send(admin, 201, "POST rbac-policies",
		`{"rbac_policy": {"object_type": "qos_policy", "object_id": "$policy", "action": "access_as_shared", "target_tenant": "p1"}}`))
	if got := send(one, 200, "GET qos/policies/$policy", ""); got["shared"] != true {
		t.Errorf("policy %v", got)
	}
	send(one, 403, "POST qos/policies/$policy/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`)
	send(one, 403, "PUT qos/policies/$policy", `{"policy": {"name": "mine"}}`)
	send(one, 403, "POST qos/policies/$net/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`)
	send(one, 400, "POST rbac-policies", `{"rbac_policy": {"object_type": "qos_policy", "object_id": "$policy", "action": "access_as_shared", "target_tenant": "p2"}}`)
	send(two, 404, "POST rbac-policies", `{"rbac_policy": {"object_type": "qos_policy", "object_id": "$policy", "action": "access_as_shared", "target_tenant": "p2"}}`)
	send(two, 404, "GET qos/policies/$policy", "")
	send(one, 200, "PUT networks/$net", naming)
	send(admin, 409, "DELETE rbac-policies/$rbac", "")
	send(admin, 409, "PUT rbac-policies/$rbac", `{"rbac_policy": {"target_tenant": "p2"}}`)
	send(admin, 200, "PUT qos/policies/$policy", `{"policy": {"shared": true}}`)
	send(admin, 204, "DELETE rbac-policies/$rbac", "")
	send(admin, 409, "PUT qos/policies/$policy", `{"policy": {"shared": false}}`)
	send(one, 200, "PUT networks/$net", `{"network": {"qos_policy_id": null}}`)
	send(admin, 200, "PUT qos/policies/$policy", `{"policy": {"shared": false}}`)
	// What an administrator gave, only an administrator takes away.
	send(admin, 200, "PUT networks/$net", naming)
	if _, out, _ := s.call("PUT", s.in("/v2.0/networks/$net"), `{"network": {"qos_policy_id": null}}`, one...); refusedType(out) != "PolicyRemoveAuthorizationError" {
		t.Errorf("taking it away: %v", out)
	}
	send(one, 403, "GET qos/rule-types/dscp_marking", "")
	if got := send(admin, 200, "GET qos/rule-types/dscp_marking", ""); got["type"] != "dscp_marking" ||
		!strings.HasPrefix(fmt.Sprint(got["drivers"]), "[map[name:openvswitch supported_parameters:[map[parameter_name:dscp_mark parameter_type:choices parameter_values:[0 8 10") {
		t.Errorf("rule type %v", got)
	}
	for path, want := range map[string]int{"": 5, "?all_rules=True": 5, "?all_supported=true": 5, "?all_supported=false": 5} {
		_, out, _ := s.call("GET", "/v2.0/qos/rule-types"+path, nil, two...)
		if got := out["rule_types"].([]any); len(got) != want {
			t.Errorf("rule types %s: %v", path, got)
		}
	}
}

func TestARuleAndAUseAtOnceDoNotMeet(t *testing.T) {
	s := newQoSSite(t)
	for i := range 20 {
		s.made("policy", "qos/policies", "policy", `{}`)
		var wg sync.WaitGroup
		for _, f := range [][2]string{
			{"POST qos/policies/$policy/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`},
			{"PUT ports/$guest", `{"port": {"qos_policy_id": "$policy"}}`},
		} {
			method, path, _ := strings.Cut(s.in(f[0]), " ")
			body := s.in(f[1])
			wg.Go(func() { s.call(method, "/v2.0/"+path, body) })
		}
		wg.Wait()
		rules := s.do(200, "GET qos/policies/$policy", "")["rules"].([]any)
		if named := s.do(200, "GET ports/$guest", "")["qos_policy_id"] == s.names["policy"]; named == (len(rules) == 1) {
			t.Fatalf("round %d: rules %v, named %t", i, rules, named)
		}
	}
}

func TestTagsOfAQoSPolicy(t *testing.T) {
	s := newQoSSite(t)
	for _, path := range []string{"policies/$plain/tags", "qos/policies/$plain/tags"} {
		s.do(200, "PUT "+path, `{"tags": ["a", "b"]}`)
		if got := s.list("qos/policies?tags=a,b", "policies"); len(got) != 1 || id(got[0]) != s.names["plain"] {
			t.Errorf("%s: %v", path, got)
		}
		s.do(204, "DELETE "+path, "")
	}
	s.do(404, "GET policies/$plain", "")
}

func TestGophercloudMakesQoSPolicies(t *testing.T) {
	c := newCloud(t)
	ctx, client := context.Background(), c.gopher()
	policy := want[*policies.Policy](t)(policies.Create(ctx, client, policies.CreateOpts{Name: "gold", Shared: true, IsDefault: true}).Extract())
	if !policy.Shared || !policy.IsDefault || policy.CreatedAt.IsZero() {
		t.Errorf("policy %+v", policy)
	}
	limit := want[*rules.BandwidthLimitRule](t)(rules.CreateBandwidthLimitRule(ctx, client, policy.ID, rules.CreateBandwidthLimitRuleOpts{MaxKBps: 1000, MaxBurstKBps: 200}).ExtractBandwidthLimitRule())
	if limit.MaxKBps != 1000 || limit.MaxBurstKBps != 200 || limit.Direction != "egress" {
		t.Errorf("rule %+v", limit)
	}
	most := 2000
	limit = want[*rules.BandwidthLimitRule](t)(rules.UpdateBandwidthLimitRule(ctx, client, policy.ID, limit.ID, rules.UpdateBandwidthLimitRuleOpts{MaxKBps: &most}).ExtractBandwidthLimitRule())
	mark := want[*rules.DSCPMarkingRule](t)(rules.CreateDSCPMarkingRule(ctx, client, policy.ID, rules.CreateDSCPMarkingRuleOpts{DSCPMark: 26}).ExtractDSCPMarkingRule())
	least := want[*rules.MinimumBandwidthRule](t)(rules.CreateMinimumBandwidthRule(ctx, client, policy.ID, rules.CreateMinimumBandwidthRuleOpts{MinKBps: 100}).ExtractMinimumBandwidthRule())
	if limit.MaxKBps != most || mark.DSCPMark != 26 || least.MinKBps != 100 {
		t.Errorf("rules %+v %+v %+v", limit, mark, least)
	}
	name := "silver"
	policy = want[*policies.Policy](t)(policies.Update(ctx, client, policy.ID, policies.UpdateOpts{Name: name}).Extract())
	if policy.Name != name || len(policy.Rules) != 3 {
		t.Errorf("policy %+v", policy)
	}
	kind := want[*ruletypes.RuleType](t)(ruletypes.GetRuleType(ctx, client, "bandwidth_limit").Extract())
	if kind.Type != "bandwidth_limit" || len(kind.Drivers) != 1 || len(kind.Drivers[0].SupportedParameters) != 3 {
		t.Errorf("type %+v", kind)
	}
	page := want[[]policies.Policy](t)(func() ([]policies.Policy, error) {
		pages, err := policies.List(client, policies.ListOpts{Name: name}).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return policies.ExtractPolicies(pages)
	}())
	if len(page) != 1 {
		t.Errorf("list %+v", page)
	}
	for _, err := range []error{
		rules.DeleteDSCPMarkingRule(ctx, client, policy.ID, mark.ID).ExtractErr(),
		policies.Delete(ctx, client, policy.ID).ExtractErr(),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
