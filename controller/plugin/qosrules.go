package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// QoSRuleSpec is a rule of a QoS policy as a request asks for it.
type QoSRuleSpec struct {
	model.QoSRule
	PolicyID string
}

// QoSRuleView is a rule of a QoS policy as the API shows it.
type QoSRuleView struct {
	model.QoSRule
	Policy *QoSPolicyView
}

// ViewQoSRule finds a rule of the kind.
func (p *Plugin) ViewQoSRule(r records.Reader, kind model.QoSRuleType, id string) (*QoSRuleView, bool) {
	for policy := range records.QoSPoliciesByRule.Get(r, id) {
		for i := range policy.Rules {
			if rule := policy.Rules[i]; rule.ID == id && rule.Type == kind {
				return &QoSRuleView{QoSRule: rule, Policy: p.ViewQoSPolicy(r, policy)}, true
			}
		}
	}
	return nil, false
}

// CreateQoSRule adds a rule to a QoS policy, unless something names that which
// hosts do not apply the rule to.
func (p *Plugin) CreateQoSRule(_ Call, u *records.Update, s *QoSRuleSpec) (string, error) {
	rule := s.QoSRule
	rule.ID = newID(rule.ID)
	return rule.ID, p.putQoSRule(u, s.PolicyID, rule)
}

// UpdateQoSRule changes a rule of a QoS policy.
func (p *Plugin) UpdateQoSRule(_ Call, u *records.Update, before *QoSRuleView, s *QoSRuleSpec) error {
	if s.QoSRule == before.QoSRule {
		return nil
	}
	return p.putQoSRule(u, before.Policy.ID, s.QoSRule)
}

// putQoSRule puts a rule in the place of the one with its id, or behind the
// others.
func (p *Plugin) putQoSRule(u *records.Update, id string, rule model.QoSRule) error {
	before, ok := records.QoSPolicies.Get(u, id)
	if !ok {
		return qosNotFound(id)
	}
	policy := *before
	policy.Rules = slices.Clone(before.Rules)
	if i := slices.IndexFunc(policy.Rules, func(r model.QoSRule) bool { return r.ID == rule.ID }); i >= 0 {
		policy.Rules[i] = rule
	} else {
		policy.Rules = append(policy.Rules, rule)
	}
	for _, other := range policy.Rules {
		if err := compatible(id, rule, other); other.ID != rule.ID && err != nil {
			return err
		}
	}
	for use := range qosUsesOf(u, id) {
		if err := effectless(&policy, use); err != nil {
			return err
		}
	}
	u.RequireNoNewClaims(qosUsePrefix(id))
	p.touch(&policy.Meta)
	records.QoSPolicies.Put(u, &policy)
	return nil
}

// compatible refuses a rule that says the same, or the contrary, of what another
// one of the policy says.
func compatible(policy string, rule, other model.QoSRule) error {
	contrary := func(value, present any) error {
		return Conflict("QoSRuleParameterConflict", "Rule %s with value %v does not go together with rule %s of QoS policy %s, whose value is %v.",
			rule.Type, value, other.Type, policy, present)
	}
	switch {
	case rule.Type == other.Type && rule.Type == model.MinimumPacketRate && (rule.Direction == anyDirection) != (other.Direction == anyDirection):
		return contrary(rule.Direction, other.Direction)
	case rule.Type == other.Type && rule.Direction == other.Direction:
		return Conflict("QoSRulesConflict", "Rule %s conflicts with rule %s which already exists in QoS Policy %s.", rule.Type, other.ID, policy)
	case rule.Type == model.BandwidthLimit && other.Type == model.MinimumBandwidth && other.Value > rule.Value,
		rule.Type == model.MinimumBandwidth && other.Type == model.BandwidthLimit && other.Value < rule.Value:
		return contrary(rule.Value, other.Value)
	}
	return nil
}

const anyDirection = "any"

// DeleteQoSRule removes a rule from its policy.
func (p *Plugin) DeleteQoSRule(u *records.Update, v *QoSRuleView) error {
	before, ok := records.QoSPolicies.Get(u, v.Policy.ID)
	if !ok {
		return qosNotFound(v.Policy.ID)
	}
	policy := *before
	policy.Rules = slices.DeleteFunc(slices.Clone(before.Rules), func(r model.QoSRule) bool { return r.ID == v.QoSRule.ID })
	p.touch(&policy.Meta)
	records.QoSPolicies.Put(u, &policy)
	return nil
}
