package plugin

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// PolicySpec is an RBAC policy as a request asks for it.
type PolicySpec struct{ model.RBACPolicy }

// ValidObjectType reads the type of object of an RBAC policy in any case.
func ValidObjectType(s string) (string, bool) {
	return oneOf(strings.TrimSpace(s), slices.Sorted(maps.Keys((&Plugin{}).shareables()))...)
}

// CreatePolicy lets another project, or everybody, use an object.
func (p *Plugin) CreatePolicy(c Call, u *records.Update, s *PolicySpec) (string, error) {
	made := s.RBACPolicy
	p.newMeta(&made.Meta, 0)
	kind, ok := p.shareables()[made.ObjectType]
	if !ok {
		return "", InvalidInput("'%s' is not a valid RBAC object type", made.ObjectType)
	}
	if !slices.Contains(kind.actions, made.Action) {
		return "", BadRequest("InvalidActionForType", "Invalid action '%s' for object type '%s'. Valid actions: %s",
			made.Action, made.ObjectType, strings.Join(kind.actions, ", "))
	}
	if err := mayPublish(c, u, &kind, &made); err != nil {
		return "", err
	}
	if err := kind.admit(u, &made); err != nil {
		return "", err
	}
	if _, ok := u.Claimed(policyKey(&made)); ok {
		return "", duplicatePolicy()
	}
	if err := p.takeQuota(c, u, &made.Meta, QuotaRBACPolicy); err != nil {
		return "", err
	}
	if err := u.Claim(policyKey(&made), made.ID); err != nil {
		return "", duplicatePolicy()
	}
	records.RBACPolicies.Put(u, &made)
	return made.ID, kind.touch(u, made.ObjectID)
}

func duplicatePolicy() *Error {
	return Conflict("DuplicateRbacPolicy", "An RBAC policy already exists with those values.")
}

// mayPublish lets only its owner decide who may use an object, and
// administrators.
func mayPublish(c Call, u *records.Update, kind *shareable, made *model.RBACPolicy) error {
	owner, ok := kind.owner(u, made.ObjectID)
	if ok && (c.Who.Admin || owner == c.Who.ProjectID) {
		return nil
	}
	target := sharingOf(u, made.ObjectID).target(owner)
	rights := made.ObjectType
	if kind.rights != "" {
		rights = kind.rights
	}
	if !ok || !policy.May(policy.Of(rights).Get, c.Who, target) {
		return NotFound(kind.kind, kind.title, made.ObjectID)
	}
	return InvalidInput("Only admins can manipulate policies on objects they do not own")
}

// UpdatePolicy gives a policy another target.
func (p *Plugin) UpdatePolicy(_ Call, u *records.Update, before *model.RBACPolicy, s *PolicySpec) error {
	after := s.RBACPolicy
	if after.TargetProject == before.TargetProject {
		return nil
	}
	kind := p.shareables()[after.ObjectType]
	if err := kind.admit(u, &after); err != nil {
		return err
	}
	if err := keepDefault(u, before); err != nil {
		return err
	}
	targets := targetsOf(u, after.ObjectID, after.Action, after.ID)
	if !kind.strict {
		targets = append(targets, after.TargetProject)
	}
	if _, found := kind.dependent(u, after.ObjectID, after.Action, targets); found {
		return policyInUse(before, dependents)
	}
	if err := reclaim(u, after.ID, policyClaims(before), policyClaims(&after)); err != nil {
		return duplicatePolicy()
	}
	p.touch(&after.Meta)
	records.RBACPolicies.Put(u, &after)
	return kind.touch(u, after.ObjectID)
}

const dependents = "other objects depend on it"

func policyInUse(policy *model.RBACPolicy, reason string) *Error {
	return Conflict("RbacPolicyInUse", "RBAC policy on object %s cannot be removed because %s.", policy.ObjectID, reason)
}

// keepDefault keeps the default external network external to everybody.
func keepDefault(u *records.Update, policy *model.RBACPolicy) error {
	if policy.Action != model.ActionExternal || policy.TargetProject != model.Everybody {
		return nil
	}
	if n, ok := records.Networks.Get(u, policy.ObjectID); ok && n.IsDefault {
		return policyInUse(policy, "the default external network is for everybody")
	}
	return nil
}

// DeletePolicy takes an object away from those that it was shared with. It is
// refused while one of them uses it and no other policy lets it.
func (p *Plugin) DeletePolicy(u *records.Update, id string) error {
	gone, ok := records.RBACPolicies.Get(u, id)
	if !ok {
		return Refuse(http.StatusNotFound, "RbacPolicyNotFound", "RBAC policy with ID %s not found", id)
	}
	kind := p.shareables()[gone.ObjectType]
	if err := keepDefault(u, gone); err != nil {
		return err
	}
	if _, found := kind.dependent(u, gone.ObjectID, gone.Action, targetsOf(u, gone.ObjectID, gone.Action, id)); found {
		return policyInUse(gone, dependents)
	}
	if err := reclaim(u, id, policyClaims(gone), nil); err != nil {
		return err
	}
	records.RBACPolicies.Delete(u, id)
	return kind.touch(u, gone.ObjectID)
}
