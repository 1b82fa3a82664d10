package api

import (
	"context"
	"iter"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	groupSpec = plugin.GroupSpec
	groupView = plugin.GroupView
)

// newGroups serves /v2.0/security-groups.
func newGroups(a *API) endpoint {
	p := a.config.Plugin
	view := func(r records.Reader) func(*model.SecurityGroup) *groupView {
		return func(g *model.SecurityGroup) *groupView { return p.ViewGroup(r, g) }
	}
	return (&collection[groupSpec, groupView]{
		api: a, member: "security_group", plural: "security_groups", path: "security-groups",
		kind: "SecurityGroup", title: "Security group", bulk: true,
		attrs:  groupAttrs(),
		id:     func(v *groupView) string { return v.ID },
		meta:   func(v *groupView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *groupView) identity.Target { return v.Target() },
		find: func(r records.Reader, id string) (*groupView, bool) {
			g, ok := records.SecurityGroups.Get(r, id)
			if !ok {
				return nil, false
			}
			return p.ViewGroup(r, g), true
		},
		all: func(r records.Reader) iter.Seq[*groupView] { return views(records.SecurityGroups.All(r), view(r)) },
		after: func(r records.Reader, id string) iter.Seq[*groupView] {
			return views(records.SecurityGroups.After(r, id), view(r))
		},
		hints: []hint[groupView]{
			{"name", byIndex(records.SecurityGroups, records.GroupsByName, p.ViewGroup)},
			{"project_id", func(r records.Reader, v string) iter.Seq[*groupView] {
				return views(records.GroupsByProject.Get(r, v), view(r))
			}},
			{"tenant_id", func(r records.Reader, v string) iter.Seq[*groupView] {
				return views(records.GroupsByProject.Get(r, v), view(r))
			}},
		},
		prepare: a.ensureDefaultGroup,
		fresh: func(rq *request) *groupSpec {
			s := &groupSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *groupView) *groupSpec { return &groupSpec{SecurityGroup: *v.SecurityGroup} },
		create: p.CreateGroup,
		update: func(c plugin.Call, u *records.Update, before *groupView, s *groupSpec) error {
			return p.UpdateGroup(c, u, before.SecurityGroup, s)
		},
		remove: p.DeleteGroup,
		tag:    func(u *records.Update, v *groupView, tags []string) { p.TagGroup(u, v.SecurityGroup, tags) },
		specTarget: func(_ records.Reader, s *groupSpec) identity.Target {
			return identity.Target{ProjectID: s.ProjectID}
		},
	}).governed()
}

// ensureDefaultGroup makes the default group of the project that a request on
// groups is about, so that every project finds one.
func (a *API) ensureDefaultGroup(ctx context.Context, rq *request) error {
	project := rq.who.ProjectID
	for _, name := range []string{"project_id", "tenant_id"} {
		if values := rq.query.filters[name]; len(values) > 0 && rq.who.Admin {
			project = values[0]
		}
	}
	if project == "" { // the token of a domain or of the system
		return nil
	}
	there := false
	err := a.read(ctx, func(r records.Reader) error {
		there = a.config.Plugin.HasDefaultGroup(r, project)
		return nil
	})
	if err != nil || there || len(project) > maxProject || isStale(ctx) {
		return err
	}
	return a.update(ctx, func(u *records.Update) error { return a.config.Plugin.EnsureDefaultGroup(u, project) })
}

// maxProject is the longest project id.
const maxProject = 255

func groupAttrs() []attr[groupSpec, groupView] {
	type row = attr[groupSpec, groupView]
	rules := ruleAttrs()
	table := common(
		func(s *groupSpec) *model.Meta { return &s.Meta },
		func(v *groupView) *model.Meta { return &v.Meta })
	return append(table, []row{
		{
			name: "stateful", create: true, update: true, standard: true, check: boolean,
			set: func(s *groupSpec, v any) { s.Stateful = v.(bool) },
			get: func(v *groupView) any { return v.Stateful },
		},
		{
			name: "shared", filter: byBool,
			getFor: func(who identity.Identity, v *groupView) any { return v.With(who.ProjectID) },
		},
		{name: "security_group_rules", get: func(v *groupView) any { return nestedRules(rules, v.Rules) }},
	}...)
}

// nestedRules shows rules inside of their group.
func nestedRules(table []attr[ruleSpec, ruleView], rules []*model.SecurityGroupRule) []object {
	out := make([]object, 0, len(rules))
	for _, rule := range rules {
		v := &ruleView{SecurityGroupRule: rule}
		o := make(object, 0, len(table)+1)
		for i := range table {
			if table[i].get == nil {
				continue
			}
			value := table[i].get(v)
			if table[i].name == "description" { // null inside of a group, as clients know it
				value = orNull(rule.Description)
			}
			o = append(o, member{table[i].name, value})
		}
		out = append(out, append(o, member{"tags", []string{}}))
	}
	return out
}
