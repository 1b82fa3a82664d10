package api

import (
	"iter"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	policySpec = plugin.PolicySpec
	policyView = model.RBACPolicy
)

// newPolicies serves /v2.0/rbac-policies.
func newPolicies(a *API) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, policy *model.RBACPolicy) *policyView { return policy }
	byProject := byIndex(records.RBACPolicies, records.PoliciesByProject, view)
	return (&collection[policySpec, policyView]{
		api: a, member: "rbac_policy", plural: "rbac_policies", path: "rbac-policies",
		kind: "RbacPolicy", title: "RBAC policy", bulk: true,
		attrs:  policyAttrs(),
		id:     func(v *policyView) string { return v.ID },
		target: func(_ records.Reader, v *policyView) identity.Target { return identity.Target{ProjectID: v.ProjectID} },
		find:   found(records.RBACPolicies, view),
		all:    func(r records.Reader) iter.Seq[*policyView] { return records.RBACPolicies.All(r) },
		hints: []hint[policyView]{
			{"object_id", byIndex(records.RBACPolicies, records.PoliciesByObject, view)},
			{"project_id", byProject},
			{"tenant_id", byProject},
		},
		fresh: func(rq *request) *policySpec {
			s := &policySpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *policyView) *policySpec { return &policySpec{RBACPolicy: *v} },
		create:     p.CreatePolicy,
		update:     p.UpdatePolicy,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeletePolicy(u, id) },
		specTarget: ownedTarget(func(s *policySpec) *model.Meta { return &s.Meta }),
	}).governed()
}

func policyAttrs() []attr[policySpec, policyView] {
	type row = attr[policySpec, policyView]
	table := chosen(common(
		func(s *policySpec) *model.Meta { return &s.Meta },
		func(v *policyView) *model.Meta { return &v.Meta }), "id", "tenant_id", "project_id", importAttr)
	for i := range table {
		table[i].sort = false
	}
	return append(table, []row{
		{
			name: "object_type", create: true, required: true, check: objectType, filter: byText,
			set: func(s *policySpec, v any) { s.ObjectType = v.(string) },
			get: func(v *policyView) any { return v.ObjectType },
		},
		{
			name: "object_id", create: true, required: true, check: uuidText, filter: byText,
			set: func(s *policySpec, v any) { s.ObjectID = v.(string) },
			get: func(v *policyView) any { return v.ObjectID },
		},
		{
			name: "action", create: true, required: true, check: text255, filter: byText,
			set: func(s *policySpec, v any) { s.Action = v.(string) },
			get: func(v *policyView) any { return v.Action },
		},
		{
			name: "target_tenant", create: true, update: true, required: true, check: nonEmpty, filter: byText,
			set: func(s *policySpec, v any) { s.TargetProject = v.(string) },
			get: func(v *policyView) any { return v.TargetProject },
		},
	}...)
}

// objectType takes a type of object that can be shared.
func objectType(v any) (any, error) {
	s, _ := v.(string)
	if kind, ok := plugin.ValidObjectType(s); ok {
		return kind, nil
	}
	return nil, unconvertible("'%s' is not a valid RBAC object type", textOf(v))
}
