package api

import (
	"iter"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	labelSpec        = plugin.MeteringLabelSpec
	labelView        = model.MeteringLabel
	meteringRuleSpec = plugin.MeteringRuleSpec
	meteringRuleView = model.MeteringRule
)

// newMetering serves /v2.0/metering: labels and their rules.
func newMetering(a *API) branch {
	return branch{"metering-labels": newLabels(a), "metering-label-rules": newMeteringRules(a)}
}

func newLabels(a *API) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, l *model.MeteringLabel) *labelView { return l }
	return (&collection[labelSpec, labelView]{
		api: a, member: "metering_label", plural: "metering_labels", path: "metering/metering-labels",
		kind: "MeteringLabel", title: "Metering label", bulk: true,
		attrs:  labelAttrs(),
		id:     func(v *labelView) string { return v.ID },
		target: func(_ records.Reader, v *labelView) identity.Target { return identity.Target{ProjectID: v.ProjectID} },
		find:   found(records.MeteringLabels, view),
		all:    func(r records.Reader) iter.Seq[*labelView] { return records.MeteringLabels.All(r) },
		fresh: func(rq *request) *labelSpec {
			s := &labelSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		create:     p.CreateMeteringLabel,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteMeteringLabel(u, id) },
		specTarget: ownedTarget(func(s *labelSpec) *model.Meta { return &s.Meta }),
	}).governed()
}

func labelAttrs() []attr[labelSpec, labelView] {
	type row = attr[labelSpec, labelView]
	table := chosen(common(
		func(s *labelSpec) *model.Meta { return &s.Meta },
		func(v *labelView) *model.Meta { return v.GetMeta() }), "id", "name", "tenant_id", "project_id")
	for i := range table {
		table[i].update = false
	}
	return append(table, row{
		name: "description", create: true, standard: "", check: text(1024), filter: byText, sort: true,
		set: func(s *labelSpec, v any) { s.Description = v.(string) },
		get: func(v *labelView) any { return v.Description },
	}, row{
		name: "shared", create: true, standard: false, check: boolean, filter: byBool, sort: true,
		set: func(s *labelSpec, v any) { s.Shared = v.(bool) },
		get: func(v *labelView) any { return v.Shared },
	})
}

func newMeteringRules(a *API) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, r *model.MeteringRule) *meteringRuleView { return r }
	return (&collection[meteringRuleSpec, meteringRuleView]{
		api: a, member: "metering_label_rule", plural: "metering_label_rules", path: "metering/metering-label-rules",
		kind: "MeteringLabelRule", title: "Metering label rule", bulk: true,
		attrs: meteringRuleAttrs(),
		id:    func(v *meteringRuleView) string { return v.ID },
		target: func(_ records.Reader, v *meteringRuleView) identity.Target {
			return identity.Target{ProjectID: v.ProjectID}
		},
		find:  found(records.MeteringRules, view),
		all:   func(r records.Reader) iter.Seq[*meteringRuleView] { return records.MeteringRules.All(r) },
		hints: []hint[meteringRuleView]{{"metering_label_id", byIndex(records.MeteringRules, records.MeteringRulesByLabel, view)}},
		fresh: func(rq *request) *meteringRuleSpec {
			s := &meteringRuleSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		create:     p.CreateMeteringRule,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteMeteringRule(u, id) },
		specTarget: ownedTarget(func(s *meteringRuleSpec) *model.Meta { return &s.Meta }),
	}).governed()
}

func meteringRuleAttrs() []attr[meteringRuleSpec, meteringRuleView] {
	type row = attr[meteringRuleSpec, meteringRuleView]
	project := func(name string) row {
		return row{name: name, create: true, check: text255, get: func(v *meteringRuleView) any { return v.ProjectID }}
	}
	end := func(name string, spec func(*meteringRuleSpec) *netip.Prefix, view func(*meteringRuleView) netip.Prefix) row {
		return row{
			name: name, create: true, update: name != "remote_ip_prefix", check: meteredPrefix(name), filter: byText, sort: true,
			set: func(s *meteringRuleSpec, v any) { *spec(s), _ = v.(netip.Prefix) },
			get: func(v *meteringRuleView) any { return prefixOrNull(view(v)) },
		}
	}
	table := []row{
		{name: "id", get: func(v *meteringRuleView) any { return v.ID }, filter: byText, sort: true},
		project("tenant_id"), project("project_id"),
		{
			name: "metering_label_id", create: true, required: true, check: uuidText, filter: byText, sort: true,
			set: func(s *meteringRuleSpec, v any) { s.LabelID = v.(string) },
			get: func(v *meteringRuleView) any { return v.LabelID },
		},
		{
			name: "direction", create: true, required: true, check: oneOf("ingress", "egress"), filter: byText, sort: true,
			set: func(s *meteringRuleSpec, v any) { s.Direction = v.(string) },
			get: func(v *meteringRuleView) any { return v.Direction },
		},
		{
			name: "excluded", create: true, standard: false, check: boolean, filter: byBool, sort: true,
			set: func(s *meteringRuleSpec, v any) { s.Excluded = v.(bool) },
			get: func(v *meteringRuleView) any { return v.Excluded },
		},
		end("remote_ip_prefix", func(s *meteringRuleSpec) *netip.Prefix { return &s.Remote }, func(v *meteringRuleView) netip.Prefix { return v.Remote }),
		end("source_ip_prefix", func(s *meteringRuleSpec) *netip.Prefix { return &s.Source }, func(v *meteringRuleView) netip.Prefix { return v.Source }),
		end("destination_ip_prefix", func(s *meteringRuleSpec) *netip.Prefix { return &s.Destination }, func(v *meteringRuleView) netip.Prefix { return v.Destination }),
	}
	return table
}

// meteredPrefix takes a range or an address, host bits included; null and the
// empty string are none.
func meteredPrefix(name string) check {
	return func(v any) (any, error) {
		if v == nil || v == "" {
			return nil, nil
		}
		p, err := rangeOrAddress(v)
		if err != nil {
			return nil, plugin.BadRequest("Invalid", "%s: %s is invalid.", name, textOf(v))
		}
		return p, nil
	}
}

func prefixOrNull(p netip.Prefix) any {
	if !p.IsValid() {
		return nil
	}
	return p.String()
}
