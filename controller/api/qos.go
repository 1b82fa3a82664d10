package api

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	qosPolicySpec = plugin.QoSPolicySpec
	qosPolicyView = plugin.QoSPolicyView
)

// newQoS serves /v2.0/qos: the policies, below each its rules, the rules by
// their ids alone, and the types of rules.
func newQoS(a *API) branch {
	b := branch{"policies": newQoSPolicies(a), "rule-types": newRuleTypes(a)}
	for _, kind := range model.QoSRuleTypes() {
		b["alias-"+strings.ReplaceAll(string(kind), "_", "-")+"-rules"] = newQoSRules(a, kind, "")
	}
	return b
}

// qosPolicies serves /v2.0/qos/policies.
type qosPolicies struct {
	*collection[qosPolicySpec, qosPolicyView]
}

func newQoSPolicies(a *API) endpoint {
	p := a.config.Plugin
	return qosPolicies{(&collection[qosPolicySpec, qosPolicyView]{
		api: a, member: "policy", plural: "policies", path: "qos/policies",
		kind: "QosPolicy", title: "QoS policy", bulk: true,
		attrs:  qosPolicyAttrs(),
		id:     func(v *qosPolicyView) string { return v.ID },
		meta:   func(v *qosPolicyView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *qosPolicyView) identity.Target { return v.Target() },
		find:   found(records.QoSPolicies, p.ViewQoSPolicy),
		all: func(r records.Reader) iter.Seq[*qosPolicyView] {
			return views(records.QoSPolicies.All(r), func(policy *model.QoSPolicy) *qosPolicyView { return p.ViewQoSPolicy(r, policy) })
		},
		fresh: func(rq *request) *qosPolicySpec {
			s := &qosPolicySpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *qosPolicyView) *qosPolicySpec { return &qosPolicySpec{QoSPolicy: *v.QoSPolicy} },
		create:     p.CreateQoSPolicy,
		update:     p.UpdateQoSPolicy,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteQoSPolicy(u, id) },
		tag:        func(u *records.Update, v *qosPolicyView, tags []string) { p.TagQoSPolicy(u, v.QoSPolicy, tags) },
		specTarget: ownedTarget(func(s *qosPolicySpec) *model.Meta { return &s.Meta }),
	}).governed()}
}

// serve answers requests to a policy's rules if the sender may know of the
// policy.
func (e qosPolicies) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) < 2 {
		return e.collection.serve(ctx, rq, rest)
	}
	name, plural := strings.CutSuffix(rest[1], "_rules")
	if !plural || !slices.Contains(model.QoSRuleTypes(), model.QoSRuleType(name)) {
		return e.collection.serve(ctx, rq, rest)
	}
	if rights := policy.Of(name + "_rule"); rq.http.Method == http.MethodPost &&
		!policy.May(rights.Create, rq.who, identity.Target{ProjectID: rq.who.ProjectID}) {
		return response{}, forbidden("create_policy_" + name + "_rule") // whether the policy is there or not
	}
	err := e.api.read(ctx, func(r records.Reader) error {
		_, err := e.seen(r, rq.who, rest[0])
		return err
	})
	if err != nil {
		return response{}, err
	}
	return newQoSRules(e.api, model.QoSRuleType(name), rest[0]).serve(ctx, rq, rest[2:])
}

func qosPolicyAttrs() []attr[qosPolicySpec, qosPolicyView] {
	type row = attr[qosPolicySpec, qosPolicyView]
	return append(common(
		func(s *qosPolicySpec) *model.Meta { return &s.Meta },
		func(v *qosPolicyView) *model.Meta { return &v.Meta }), []row{
		{
			name: "shared", create: true, update: true, standard: false, check: boolean, filter: byBool,
			set:    func(s *qosPolicySpec, v any) { s.Shared = v.(bool) },
			getFor: func(who identity.Identity, v *qosPolicyView) any { return v.With(who.ProjectID) },
		},
		{
			name: "is_default", create: true, update: true, standard: false, check: boolean, filter: byBool,
			set: func(s *qosPolicySpec, v any) { s.IsDefault = v.(bool) },
			get: func(v *qosPolicyView) any { return v.IsDefault },
		},
		{name: "rules", get: func(v *qosPolicyView) any { return qosRuleObjects(v.QoSPolicy) }},
	}...)
}

// qosRuleObjects shows a policy's rules as part of the policy.
func qosRuleObjects(policy *model.QoSPolicy) []object {
	out := make([]object, 0, len(policy.Rules))
	for _, rule := range policy.Rules {
		form := qosRuleForms()[rule.Type]
		o := object{{"id", rule.ID}, {"qos_policy_id", policy.ID}, {"type", string(rule.Type)}, {form.value, rule.Value}}
		if form.burst != "" {
			o = append(o, member{form.burst, rule.Burst})
		}
		if form.directions != nil {
			o = append(o, member{"direction", rule.Direction})
		}
		out = append(out, o)
	}
	return out
}

// qosAttr is the policy that something names: a row of the tables of networks,
// ports and floating addresses.
func qosAttr[S, V any](spec func(*S) *string, view func(*V) string) attr[S, V] {
	return attr[S, V]{
		name: "qos_policy_id", create: true, update: true, check: nullable(uuidText),
		set: func(s *S, v any) { *spec(s), _ = v.(string) },
		get: func(v *V) any { return orNull(view(v)) },
	}
}
