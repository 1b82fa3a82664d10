package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func TestCountersOfARuleAreThoseOfAllHosts(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = byName(people()) })
	member := []string{"X-Auth-Token", "a member"}
	group := id(c.must(201, "POST", "/v2.0/security-groups", `{"security_group": {"name": "g"}}`, member...))
	rule := id(c.must(201, "POST", "/v2.0/security-group-rules",
		fmt.Sprintf(`{"security_group_rule": {"security_group_id": %q, "direction": "ingress"}}`, group), member...))
	path := "/v2.0/security-group-rules/" + rule + "/lepton-stats"
	show := func(who string) string {
		t.Helper()
		return fmt.Sprint(c.must(200, "GET", path, nil, "X-Auth-Token", who))
	}
	if got := show("an administrator"); got != "map[bytes:0 hosts:[] packets:0]" {
		t.Errorf("without counters %s", got)
	}
	at := time.Date(2026, 1, 31, 12, 0, 0, 5, time.UTC)
	c.update(func(u *records.Update) error {
		other := model.RuleCounter{Rule: "00000000-0000-4000-8000-000000000000", Packets: 100, Bytes: 100, ReadAt: at}
		records.RuleStats.Put(u, &model.RuleStats{Host: "hv1", Counters: []model.RuleCounter{other, {Rule: rule, Packets: 2, Bytes: 196, ReadAt: at}}})
		records.RuleStats.Put(u, &model.RuleStats{Host: "hv2", Counters: []model.RuleCounter{other}})
		records.RuleStats.Put(u, &model.RuleStats{Host: "hv3", Counters: []model.RuleCounter{other, {Rule: rule, Packets: 1 << 60, Bytes: 4, ReadAt: at}}})
		return nil
	})
	for who, want := range map[string]string{
		"an administrator": "map[bytes:200 hosts:[map[bytes:196 host:hv1 packets:2 read_at:2026-01-31T12:00:00Z] " +
			"map[bytes:4 host:hv3 packets:1152921504606846976 read_at:2026-01-31T12:00:00Z]] packets:1152921504606846978]",
		"a reader": "map[bytes:200 hosts:[] packets:1152921504606846978]",
	} {
		if got := show(who); got != want {
			t.Errorf("%s sees %s, want %s", who, got, want)
		}
	}
	for _, tc := range []struct {
		method, path, who string
		status            int
		refused           string
	}{
		{"GET", path, "a stranger", 404, "SecurityGroupRuleNotFound"},
		{"GET", "/v2.0/security-group-rules/none/lepton-stats", "a member", 404, "SecurityGroupRuleNotFound"},
		{"PUT", path, "a member", 405, "HTTPMethodNotAllowed"},
		{"GET", path + "/x", "a member", 404, "HTTPNotFound"},
	} {
		status, out, header := c.call(tc.method, tc.path, nil, "X-Auth-Token", tc.who)
		if status != tc.status || refusedType(out) != tc.refused {
			t.Errorf("%s %s by %s: %d %v, want %d %s", tc.method, tc.path, tc.who, status, out, tc.status, tc.refused)
		}
		if allow := header.Get("Allow"); status == 405 && allow != "GET, OPTIONS" {
			t.Errorf("Allow: %s", allow)
		}
	}
}
