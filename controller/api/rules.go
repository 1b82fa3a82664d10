package api

import (
	"encoding/json"
	"iter"
	"strconv"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	ruleSpec = plugin.RuleSpec
	ruleView = plugin.RuleView
)

// newRules serves /v2.0/security-group-rules.
func newRules(a *API) endpoint {
	p := a.config.Plugin
	of := func(x *records.Index[model.SecurityGroupRule]) func(records.Reader, string) iter.Seq[*ruleView] {
		return func(r records.Reader, value string) iter.Seq[*ruleView] {
			return views(x.Get(r, value), func(rule *model.SecurityGroupRule) *ruleView { return p.ViewRule(r, rule) })
		}
	}
	return ruleEndpoint{(&collection[ruleSpec, ruleView]{
		api: a, member: "security_group_rule", plural: "security_group_rules", path: "security-group-rules",
		kind: "SecurityGroupRule", title: "Security group rule", bulk: true,
		attrs: ruleAttrs(),
		id:    func(v *ruleView) string { return v.ID },
		meta:  func(v *ruleView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *ruleView) identity.Target {
			return identity.Target{ProjectID: v.ProjectID, NetworkProjectID: v.GroupProjectID}
		},
		find: func(r records.Reader, id string) (*ruleView, bool) {
			rule, ok := records.SecurityGroupRules.Get(r, id)
			if !ok {
				return nil, false
			}
			return p.ViewRule(r, rule), true
		},
		all: func(r records.Reader) iter.Seq[*ruleView] {
			return views(records.SecurityGroupRules.All(r), func(rule *model.SecurityGroupRule) *ruleView { return p.ViewRule(r, rule) })
		},
		after: func(r records.Reader, id string) iter.Seq[*ruleView] {
			return views(records.SecurityGroupRules.After(r, id), func(rule *model.SecurityGroupRule) *ruleView { return p.ViewRule(r, rule) })
		},
		hints: []hint[ruleView]{
			{"security_group_id", of(records.RulesByGroup)},
			{"remote_group_id", of(records.RulesByRemoteGroup)},
			{"project_id", of(records.RulesByProject)},
			{"tenant_id", of(records.RulesByProject)},
		},
		prepare: a.ensureDefaultGroup,
		fresh: func(rq *request) *ruleSpec {
			s := &ruleSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *ruleView) *ruleSpec { return &ruleSpec{SecurityGroupRule: *v.SecurityGroupRule} },
		create: p.CreateRule,
		update: func(c plugin.Call, u *records.Update, before *ruleView, s *ruleSpec) error {
			return p.UpdateRule(c, u, before.SecurityGroupRule, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteRule(u, id) },
		specTarget: func(_ records.Reader, s *ruleSpec) identity.Target {
			return identity.Target{ProjectID: s.ProjectID}
		},
	}).governed()}
}

func ruleAttrs() []attr[ruleSpec, ruleView] {
	type row = attr[ruleSpec, ruleView]
	meta := common(
		func(s *ruleSpec) *model.Meta { return &s.Meta },
		func(v *ruleView) *model.Meta { return &v.Meta })
	var table []row
	for _, a := range meta {
		if a.name != "name" && a.name != "tags" {
			table = append(table, a)
		}
	}
	return append(table, []row{
		{
			name: "security_group_id", create: true, required: true, check: text(36), filter: byText, sort: true,
			set: func(s *ruleSpec, v any) { s.SecurityGroupID = v.(string) },
			get: func(v *ruleView) any { return v.SecurityGroupID },
		},
		{
			name: "direction", create: true, required: true, check: direction, filter: byText, sort: true,
			set: func(s *ruleSpec, v any) { s.Direction = v.(string) },
			get: func(v *ruleView) any { return v.Direction },
		},
		{
			name: "ethertype", create: true, standard: "IPv4", check: etherType, filter: byText, sort: true,
			set: func(s *ruleSpec, v any) { s.EtherType = v.(string) },
			get: func(v *ruleView) any { return v.EtherType },
		},
		{
			name: "protocol", create: true, check: nullable(protocol), filter: byText, sort: true,
			set: func(s *ruleSpec, v any) { s.Protocol, _ = v.(string) },
			get: func(v *ruleView) any { return orNull(v.Protocol) },
		},
		{
			name: "port_range_min", create: true, check: nullable(portNumber), filter: byInt, sort: true,
			set: func(s *ruleSpec, v any) { s.PortRangeMin, _ = v.(*int) },
			get: func(v *ruleView) any { return intOrNull(v.PortRangeMin) },
		},
		{
			name: "port_range_max", create: true, check: nullable(portNumber), filter: byInt, sort: true,
			set: func(s *ruleSpec, v any) { s.PortRangeMax, _ = v.(*int) },
			get: func(v *ruleView) any { return intOrNull(v.PortRangeMax) },
		},
		{
			name: "remote_ip_prefix", create: true, check: nullable(text(64)), filter: byText, sort: true,
			set: func(s *ruleSpec, v any) { s.RemoteIPPrefix, _ = v.(string) },
			get: func(v *ruleView) any { return orNull(v.RemoteIPPrefix) },
		},
		{
			name: "normalized_cidr", filter: byText, sort: true,
			get: func(v *ruleView) any {
				if !v.NormalizedCIDR.IsValid() {
					return nil
				}
				return v.NormalizedCIDR.String()
			},
		},
		{
			name: "remote_group_id", create: true, check: nullable(text(36)), filter: byText, sort: true,
			set: func(s *ruleSpec, v any) { s.RemoteGroupID, _ = v.(string) },
			get: func(v *ruleView) any { return orNull(v.RemoteGroupID) },
		},
		{
			name: "remote_address_group_id", create: true, check: nullable(text(36)), filter: byText, sort: true,
			set: func(s *ruleSpec, v any) { s.RemoteAddressGroupID, _ = v.(string) },
			get: func(v *ruleView) any { return orNull(v.RemoteAddressGroupID) },
		},
	}...)
}

func direction(v any) (any, error) {
	s, _ := v.(string)
	if word, ok := plugin.ValidDirection(s); ok {
		return word, nil
	}
	return nil, wrong("'%s' is not in [ingress, egress]", textOf(v))
}

func etherType(v any) (any, error) {
	s, _ := v.(string)
	if word, ok := plugin.ValidEtherType(s); ok {
		return word, nil
	}
	return nil, plugin.BadRequest("SecurityGroupRuleInvalidEtherType",
		"Security group rule for ethertype '%s' not supported. Allowed values are ['IPv4', 'IPv6'].", textOf(v))
}

// protocol takes a name or a number, also as a JSON number.
func protocol(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return nil, plugin.BadRequest("SecurityGroupRuleInvalidProtocol", "Security group rule protocol %s not supported.", textOf(v))
}

// portNumber takes a port, or an ICMP type or code, and gives an *int.
func portNumber(v any) (any, error) {
	n, err := parseInteger(v)
	if err != nil || n < 0 || n > 65535 {
		return nil, plugin.BadRequest("SecurityGroupInvalidPortValue", "Invalid value for port %s.", textOf(v))
	}
	port, err := strconv.Atoi(strconv.FormatInt(n, 10))
	return &port, err
}
