package api

import (
	"context"
	"iter"
	"math"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	qosRuleSpec = plugin.QoSRuleSpec
	qosRuleView = plugin.QoSRuleView
)

// qosRuleForm says how the rules of a type look: what their value and their
// burst are called, and which directions there are.
type qosRuleForm struct {
	value, burst string
	directions   []string // nil for none
}

func qosRuleForms() map[model.QoSRuleType]qosRuleForm {
	ways := []string{"ingress", "egress"}
	return map[model.QoSRuleType]qosRuleForm{
		model.BandwidthLimit:    {"max_kbps", "max_burst_kbps", ways},
		model.DSCPMarking:       {"dscp_mark", "", nil},
		model.MinimumBandwidth:  {"min_kbps", "", ways},
		model.MinimumPacketRate: {"min_kpps", "", []string{"ingress", "egress", "any"}},
		model.PacketRateLimit:   {"max_kpps", "max_burst_kpps", ways},
	}
}

// newQoSRules serves the rules of a type of one policy, or, without a policy,
// those of all by their ids: /v2.0/qos/policies/<id>/dscp_marking_rules,
// /v2.0/qos/alias-dscp-marking-rules.
func newQoSRules(a *API, kind model.QoSRuleType, policyID string) endpoint {
	p := a.config.Plugin
	member, path := string(kind)+"_rule", "qos/policies/"+policyID+"/"+string(kind)+"_rules"
	c := &collection[qosRuleSpec, qosRuleView]{
		api: a, member: member, plural: member + "s", path: path,
		kind: "QosRule", title: "QoS rule", bulk: true,
		attrs:  qosRuleAttrs(kind),
		id:     func(v *qosRuleView) string { return v.QoSRule.ID },
		target: func(_ records.Reader, v *qosRuleView) identity.Target { return v.Policy.Target() },
		find: func(r records.Reader, id string) (*qosRuleView, bool) {
			v, ok := p.ViewQoSRule(r, kind, id)
			return v, ok && (policyID == "" || v.Policy.ID == policyID)
		},
		anywhere: func(r records.Reader, id string) bool {
			for range records.QoSPoliciesByRule.Get(r, id) {
				return true
			}
			return false
		},
		all: func(r records.Reader) iter.Seq[*qosRuleView] { return rulesOfPolicy(p, r, kind, policyID) },
		fresh: func(*request) *qosRuleSpec {
			return &qosRuleSpec{QoSRule: model.QoSRule{Type: kind}, PolicyID: policyID}
		},
		load:   func(v *qosRuleView) *qosRuleSpec { return &qosRuleSpec{QoSRule: v.QoSRule, PolicyID: v.Policy.ID} },
		create: p.CreateQoSRule,
		update: p.UpdateQoSRule,
		remove: func(_ plugin.Call, u *records.Update, id string) error {
			v, ok := p.ViewQoSRule(u, kind, id)
			if !ok {
				return plugin.NotFound("QosRule", "QoS rule", id)
			}
			return p.DeleteQoSRule(u, v)
		},
		specTarget: func(r records.Reader, s *qosRuleSpec) identity.Target {
			if made, ok := records.QoSPolicies.Get(r, s.PolicyID); ok {
				return p.ViewQoSPolicy(r, made).Target()
			}
			return identity.Target{}
		},
	}
	c.governed()
	if policyID == "" {
		c.member = "alias_" + c.member
		return byIDOnly{c}
	}
	return c
}

// byIDOnly serves single objects of a collection.
type byIDOnly struct{ endpoint }

func (e byIDOnly) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) != 1 {
		return response{}, errNoPath
	}
	return e.endpoint.serve(ctx, rq, rest)
}

func rulesOfPolicy(p *plugin.Plugin, r records.Reader, kind model.QoSRuleType, policyID string) iter.Seq[*qosRuleView] {
	return func(yield func(*qosRuleView) bool) {
		of, ok := records.QoSPolicies.Get(r, policyID)
		if !ok {
			return
		}
		for _, rule := range of.Rules {
			if rule.Type == kind && !yield(&qosRuleView{QoSRule: rule, Policy: p.ViewQoSPolicy(r, of)}) {
				return
			}
		}
	}
}

func qosRuleAttrs(kind model.QoSRuleType) []attr[qosRuleSpec, qosRuleView] {
	type row = attr[qosRuleSpec, qosRuleView]
	form := qosRuleForms()[kind]
	value := integer(0, math.MaxInt32)
	if kind == model.DSCPMarking {
		value = dscpMark
	}
	// A rule belongs to its policy's project, whatever a request says.
	project := func(name string) row { return row{name: name, create: true, check: text255} }
	table := []row{
		{name: "id", get: func(v *qosRuleView) any { return v.QoSRule.ID }, filter: byText, sort: true},
		project("tenant_id"), project("project_id"),
		{
			name: importAttr, create: true, check: importObject(map[string]check{"id": importID}),
			set: func(s *qosRuleSpec, v any) { s.QoSRule.ID = v.(*imported).id },
		},
		{
			name: form.value, create: true, update: true, required: true, check: value, filter: byInt, sort: true,
			set: func(s *qosRuleSpec, v any) { s.Value = v.(int) },
			get: func(v *qosRuleView) any { return v.Value },
		},
	}
	if form.burst != "" {
		table = append(table, row{
			name: form.burst, create: true, update: true, standard: 0, check: integer(0, math.MaxInt32), filter: byInt, sort: true,
			set: func(s *qosRuleSpec, v any) { s.Burst = v.(int) },
			get: func(v *qosRuleView) any { return v.Burst },
		})
	}
	if form.directions != nil {
		table = append(table, row{
			name: "direction", create: true, update: true, standard: "egress", check: oneOf(form.directions...), filter: byText, sort: true,
			set: func(s *qosRuleSpec, v any) { s.Direction = v.(string) },
			get: func(v *qosRuleView) any { return v.Direction },
		})
	}
	return table
}

// dscpMark takes one of the code points that have a name (RFC 2474, RFC 2597,
// RFC 3246).
func dscpMark(v any) (any, error) {
	n, err := parseInteger(v)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(dscpMarks(), int(n)) {
		return nil, wrong("%d is not in valid_values", n)
	}
	return int(n), nil
}

func dscpMarks() []int {
	return []int{0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56}
}
