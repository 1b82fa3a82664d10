package plugin

import (
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// QoSPolicySpec is a QoS policy as a request asks for it.
type QoSPolicySpec struct {
	model.QoSPolicy
	Shared bool
}

// QoSPolicyView is a QoS policy as the API shows it.
type QoSPolicyView struct {
	*model.QoSPolicy
	Sharing
}

// ViewQoSPolicy gives a QoS policy as the API shows it.
func (p *Plugin) ViewQoSPolicy(r records.Reader, policy *model.QoSPolicy) *QoSPolicyView {
	return &QoSPolicyView{QoSPolicy: policy, Sharing: sharingOf(r, policy.ID)}
}

// Target is the policy as rules about rights see it.
func (v *QoSPolicyView) Target() identity.Target { return v.target(v.ProjectID) }

const qosType = "qos_policy"

func qosDefaultKey(project string) string { return "qosdefault/" + project }

func qosNotFound(id string) *Error { return NotFound("QosPolicy", "QoS policy", id) }

// CreateQoSPolicy makes a QoS policy without rules.
func (p *Plugin) CreateQoSPolicy(_ Call, u *records.Update, s *QoSPolicySpec) (string, error) {
	policy := s.QoSPolicy
	p.newMeta(&policy.Meta, 0)
	if err := claimDefaultQoS(u, false, &policy); err != nil {
		return "", err
	}
	if s.Shared {
		if err := p.share(u, qosType, &policy.Meta, model.ActionShared); err != nil {
			return "", err
		}
	}
	records.QoSPolicies.Put(u, &policy)
	return policy.ID, nil
}

// claimDefaultQoS keeps the key of a project's one default policy.
func claimDefaultQoS(u *records.Update, was bool, policy *model.QoSPolicy) error {
	key := qosDefaultKey(policy.ProjectID)
	if was && !policy.IsDefault {
		u.Release(key)
	}
	if was || !policy.IsDefault {
		return nil
	}
	if err := u.Claim(key, policy.ID); err != nil {
		return Conflict("QoSPolicyDefaultAlreadyExists", "Project %s has a default QoS policy already.", policy.ProjectID)
	}
	return nil
}

// UpdateQoSPolicy changes a QoS policy, and whether everybody may use it.
func (p *Plugin) UpdateQoSPolicy(c Call, u *records.Update, before *QoSPolicyView, s *QoSPolicySpec) error {
	policy := s.QoSPolicy
	everybody := before.With(model.Everybody)
	if err := claimDefaultQoS(u, before.IsDefault, &policy); err != nil {
		return err
	}
	if c.Has("shared") && s.Shared != everybody {
		if err := p.reshareQoS(u, &policy, s.Shared); err != nil {
			return err
		}
	}
	if !reflect.DeepEqual(policy, *before.QoSPolicy) || c.Has("shared") && s.Shared != everybody {
		p.touch(&policy.Meta)
		records.QoSPolicies.Put(u, &policy)
	}
	return nil
}

// reshareQoS lets everybody use a policy, or nobody but those that it is shared
// with by RBAC policies of their own. What its owner has in use counts, too, as
// Neutron counts it.
func (p *Plugin) reshareQoS(u *records.Update, policy *model.QoSPolicy, shared bool) error {
	if shared {
		return p.share(u, qosType, &policy.Meta, model.ActionShared)
	}
	targets := targetsOf(u, policy.ID, model.ActionShared, "")
	for user := range qosUsers(u, policy.ID, model.ActionShared) {
		if user != "" && !slices.Contains(targets, user) {
			return policyInUse(&model.RBACPolicy{ObjectID: policy.ID}, dependents)
		}
	}
	u.RequireNoNewClaims(qosUsePrefix(policy.ID))
	return unshare(u, policy.ID, func(rbac *model.RBACPolicy) bool { return rbac.TargetProject == model.Everybody })
}

// DeleteQoSPolicy removes a QoS policy that nothing names.
func (p *Plugin) DeleteQoSPolicy(u *records.Update, id string) error {
	policy, ok := records.QoSPolicies.Get(u, id)
	if !ok {
		return qosNotFound(id)
	}
	if use, ok := qosUserOf(u, id); ok {
		return Conflict("QosPolicyInUse", "QoS Policy %s is used by %s.", id, use)
	}
	u.RequireNoClaims(qosUsePrefix(id))
	if policy.IsDefault {
		u.Release(qosDefaultKey(policy.ProjectID))
	}
	if err := unshare(u, id, everyPolicy); err != nil {
		return err
	}
	records.QoSPolicies.Delete(u, id)
	return nil
}

// TagQoSPolicy replaces a QoS policy's tags.
func (p *Plugin) TagQoSPolicy(u *records.Update, before *model.QoSPolicy, tags []string) {
	policy := *before
	p.retag(&policy.Meta, tags)
	records.QoSPolicies.Put(u, &policy)
}
