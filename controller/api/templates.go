package api

import (
	"iter"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	templateSpec = plugin.TemplateSpec
	templateView = plugin.TemplateView
)

// newTemplates serves /v2.0/default-security-group-rules: the rules that new
// security groups get.
func newTemplates(a *API) endpoint {
	p := a.config.Plugin
	return (&collection[templateSpec, templateView]{
		api: a, member: "default_security_group_rule", plural: "default_security_group_rules", path: "default-security-group-rules",
		kind: "DefaultSecurityGroupRule", title: "Default Security group rule", bulk: true,
		attrs:  templateAttrs(),
		id:     func(v *templateView) string { return v.ID },
		meta:   func(v *templateView) *model.Meta { return &v.Meta },
		target: func(records.Reader, *templateView) identity.Target { return identity.Target{} },
		find: func(r records.Reader, id string) (*templateView, bool) {
			t, ok := p.FindTemplate(r, id)
			return &templateView{RuleTemplate: t}, ok
		},
		all: func(r records.Reader) iter.Seq[*templateView] {
			return func(yield func(*templateView) bool) {
				for _, t := range p.Templates(r) {
					if !yield(&templateView{RuleTemplate: t}) {
						return
					}
				}
			}
		},
		fresh:      func(*request) *templateSpec { return &templateSpec{} },
		create:     p.CreateTemplate,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteTemplate(u, id) },
		specTarget: func(records.Reader, *templateSpec) identity.Target { return identity.Target{} },
	}).governed()
}

// templateAttrs is the table of rules, for the templates of rules.
func templateAttrs() []attr[templateSpec, templateView] {
	type row = attr[templateSpec, templateView]
	var table []row
	for _, a := range chosen(ruleAttrs(),
		"id", "description", "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
		"remote_ip_prefix", "remote_group_id", "remote_address_group_id", "created_at", "updated_at", "revision_number") {
		t := row{name: a.name, create: a.create, required: a.required, standard: a.standard, check: a.check, filter: a.filter, sort: a.sort}
		if a.set != nil {
			t.set = func(s *templateSpec, v any) {
				rule := ruleSpec{SecurityGroupRule: s.SecurityGroupRule}
				a.set(&rule, v)
				s.SecurityGroupRule = rule.SecurityGroupRule
			}
		}
		t.get = func(v *templateView) any { return a.get(&ruleView{SecurityGroupRule: &v.SecurityGroupRule}) }
		table = append(table, t)
	}
	return append(table, []row{
		{
			name: "used_in_default_sg", create: true, standard: false, check: boolean, filter: byBool, sort: true,
			set: func(s *templateSpec, v any) { s.InDefault = v.(bool) },
			get: func(v *templateView) any { return v.InDefault },
		},
		{
			name: "used_in_non_default_sg", create: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *templateSpec, v any) { s.InOthers = v.(bool) },
			get: func(v *templateView) any { return v.InOthers },
		},
	}...)
}
