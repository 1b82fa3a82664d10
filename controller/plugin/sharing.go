package plugin

import (
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Sharing tells which projects may use an object that is not theirs.
type Sharing struct {
	// SharedWith and ExternalTo are projects, or model.Everybody.
	SharedWith, ExternalTo []string
}

// sharingOf collects the policies about an object.
func sharingOf(r records.Reader, id string) Sharing {
	var s Sharing
	for policy := range records.PoliciesByObject.Get(r, id) {
		if policy.Action == model.ActionExternal {
			s.ExternalTo = append(s.ExternalTo, policy.TargetProject)
		} else {
			s.SharedWith = append(s.SharedWith, policy.TargetProject)
		}
	}
	return s
}

// With reports whether the project may use the object because it is shared.
func (s Sharing) With(project string) bool {
	return slices.Contains(s.SharedWith, model.Everybody) || slices.Contains(s.SharedWith, project)
}

// target is an object of the project, shared so, as rules about rights see it.
func (s Sharing) target(project string) identity.Target {
	return identity.Target{
		ProjectID: project, SharedWith: s.SharedWith, ExternalTo: s.ExternalTo,
		Shared:   slices.Contains(s.SharedWith, model.Everybody),
		External: slices.Contains(s.ExternalTo, model.Everybody),
	}
}

// shareable is a type of object that policies can be about. Whoever uses such an
// object makes its record a condition of the commit, and touch writes it: a
// policy that goes and a use that comes exclude each other. Where a use does not
// write the object's record, it claims a key below one of the prefixes.
type shareable struct {
	kind, title string // see NotFound
	actions     []string
	owner       func(u *records.Update, id string) (project string, ok bool)
	touch       func(u *records.Update, id string) error
	// users gives the projects that use the object by virtue of the action.
	users    func(r records.Reader, id, action string) iter.Seq[string]
	prefixes func(id string) []string
	// reach, if set, refuses to share the object with a project that could not
	// use it for want of something else.
	reach func(u *records.Update, id, project string) error
	// rights is what the table of rights calls an object, when that is not the
	// type.
	rights string
	// strict types refuse to give a policy another target while the object is in
	// use, also by the new target.
	strict bool
}

// admit asks whether the target of a policy could use the object.
func (k *shareable) admit(u *records.Update, policy *model.RBACPolicy) error {
	if k.reach == nil {
		return nil
	}
	return k.reach(u, policy.ObjectID, policy.TargetProject)
}

const networkType = "network"

// shareables are the types, as object_type names them.
func (p *Plugin) shareables() map[string]shareable {
	shared := []string{model.ActionShared}
	return map[string]shareable{
		networkType: {
			kind: "Network", title: "Network", actions: []string{model.ActionShared, model.ActionExternal},
			owner: ownerIn(records.Networks), touch: p.resettleNetwork, users: networkUsers,
			prefixes: func(id string) []string { return []string{macPrefix(id)} },
		},
		"security_group": {
			kind: "SecurityGroup", title: "Security group", actions: shared,
			owner: ownerIn(records.SecurityGroups), touch: touchIn(p, records.SecurityGroups), users: groupUsers,
			prefixes: func(id string) []string { return []string{groupUsePrefix(id), groupRemotePrefix(id)} },
		},
		poolType: {
			kind: "SubnetPool", title: "Subnet pool", actions: shared,
			owner: ownerIn(records.SubnetPools), touch: touchIn(p, records.SubnetPools),
			users: usersIn(records.SubnetsByPool), reach: reachScope,
		},
		scopeType: {
			kind: "AddressScope", title: "Address scope", actions: shared,
			owner: ownerIn(records.AddressScopes), touch: touchIn(p, records.AddressScopes),
			users: usersIn(records.PoolsByScope),
		},
		addressGroupType: {
			kind: "AddressGroup", title: "Address group", actions: shared,
			owner: ownerIn(records.AddressGroups), touch: touchIn(p, records.AddressGroups),
			users:    usersIn(records.RulesByAddressGroup),
			prefixes: func(id string) []string { return []string{addressGroupUsePrefix(id)} },
		},
		qosType: {
			kind: "QosPolicy", title: "QoS policy", actions: shared,
			owner: ownerIn(records.QoSPolicies), touch: touchIn(p, records.QoSPolicies), users: qosUsers,
			prefixes: func(id string) []string { return []string{qosUsePrefix(id)} },
			rights:   "policy", strict: true,
		},
	}
}

// metaOf is a record with the common part of an API object.
type metaOf[T any] interface {
	*T
	GetMeta() *model.Meta
}

func ownerIn[T any, P metaOf[T]](t *records.Table[T]) func(*records.Update, string) (string, bool) {
	return func(u *records.Update, id string) (string, bool) {
		rec, ok := t.Get(u, id)
		if !ok {
			return "", false
		}
		return P(rec).GetMeta().ProjectID, true
	}
}

func touchIn[T any, P metaOf[T]](p *Plugin, t *records.Table[T]) func(*records.Update, string) error {
	return func(u *records.Update, id string) error {
		if rec, ok := t.Get(u, id); ok {
			changed := *rec
			p.touch(P(&changed).GetMeta())
			t.Put(u, &changed)
		}
		return nil
	}
}

func usersIn[T any, P metaOf[T]](x *records.Index[T]) func(records.Reader, string, string) iter.Seq[string] {
	return func(r records.Reader, id, _ string) iter.Seq[string] {
		return func(yield func(string) bool) {
			for rec := range x.Get(r, id) {
				if !yield(P(rec).GetMeta().ProjectID) {
					return
				}
			}
		}
	}
}

// networkUsers gives the projects with ports on a network, or with gateways on
// it when they are there because it is external.
func networkUsers(r records.Reader, id, action string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for port := range records.PortsByNetwork.Get(r, id) {
			project := port.ProjectID
			if action == model.ActionExternal {
				project = gatewayOwner(r, port)
			}
			if !yield(project) {
				return
			}
		}
	}
}

// gatewayOwner is the project of the router or floating address that a port
// belongs to; these ports have no project of their own.
func gatewayOwner(r records.Reader, port *model.Port) string {
	switch port.DeviceOwner {
	case OwnerRouterGateway:
		if router, ok := records.Routers.Get(r, port.DeviceID); ok {
			return router.ProjectID
		}
	case OwnerFloatingIP:
		if f, ok := records.FloatingIPs.Get(r, port.DeviceID); ok {
			return f.ProjectID
		}
	}
	return ""
}

// groupUsers gives the projects with ports in a group, or with rules that name
// it.
func groupUsers(r records.Reader, id, _ string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for port := range records.PortsBySecurityGroup.Get(r, id) {
			if !yield(port.ProjectID) {
				return
			}
		}
		for rule := range records.RulesByRemoteGroup.Get(r, id) {
			if !yield(rule.ProjectID) {
				return
			}
		}
	}
}

// resettleNetwork makes a network's record say what its policies say: whether
// everybody may use it, and whether it is external.
func (p *Plugin) resettleNetwork(u *records.Update, id string) error {
	before, ok := records.Networks.Get(u, id)
	if !ok {
		return nil
	}
	s, n := sharingOf(u, id), *before
	n.Shared = slices.Contains(s.SharedWith, model.Everybody)
	n.External = len(s.ExternalTo) > 0
	if before.External && !n.External {
		if err := checkInternal(u, id); err != nil {
			return err
		}
		u.RequireNoClaims(externalPrefix(id))
	}
	n.IsDefault = n.IsDefault && n.External
	if err := p.claimDefaultExternal(u, before.IsDefault, &n); err != nil {
		return err
	}
	p.touch(&n.Meta)
	records.Networks.Put(u, &n)
	return nil
}

// share puts a policy for everybody in place, without asking for quota: it is
// what the attribute shared of an object stands for.
func (p *Plugin) share(u *records.Update, kind string, object *model.Meta, action string) error {
	policy := &model.RBACPolicy{ObjectType: kind, ObjectID: object.ID, Action: action, TargetProject: model.Everybody}
	if _, ok := u.Claimed(policyKey(policy)); ok {
		return nil
	}
	policy.ProjectID = object.ProjectID
	p.newMeta(&policy.Meta, 0)
	if err := u.Claim(policyKey(policy), policy.ID); err != nil {
		return fmt.Errorf("share %s %s: %w", kind, object.ID, err)
	}
	records.RBACPolicies.Put(u, policy)
	return nil
}

// unshare removes the policies about an object that drop names. The caller has
// found out that nothing depends on them.
func unshare(u *records.Update, id string, drop func(*model.RBACPolicy) bool) error {
	for policy := range records.PoliciesByObject.Get(u, id) {
		if !drop(policy) {
			continue
		}
		if err := reclaim(u, policy.ID, policyClaims(policy), nil); err != nil {
			return err
		}
		records.RBACPolicies.Delete(u, policy.ID)
	}
	return nil
}

func everyPolicy(*model.RBACPolicy) bool { return true }

// dependent gives a project that could not use the object any more if the
// policies with the action were those for the given targets only.
func (k *shareable) dependent(u *records.Update, id, action string, targets []string) (project string, found bool) {
	if slices.Contains(targets, model.Everybody) {
		return "", false
	}
	owner, _ := k.owner(u, id)
	for user := range k.users(u, id, action) {
		if user != "" && user != owner && !slices.Contains(targets, user) {
			return user, true
		}
	}
	if k.prefixes != nil {
		for _, prefix := range k.prefixes(id) {
			u.RequireNoNewClaims(prefix)
		}
	}
	return "", false
}

// targetsOf gives the targets of the policies about an object with the action,
// but for one policy.
func targetsOf(r records.Reader, id, action, except string) []string {
	targets := map[string]bool{}
	for policy := range records.PoliciesByObject.Get(r, id) {
		if policy.Action == action && policy.ID != except {
			targets[policy.TargetProject] = true
		}
	}
	return slices.Sorted(maps.Keys(targets))
}

// policyKey is the same for two policies that say the same.
func policyKey(policy *model.RBACPolicy) string {
	return "rbac/" + policy.ObjectID + "/" + policy.Action + "/" + url.PathEscape(policy.TargetProject)
}

func policyClaims(policy *model.RBACPolicy) []string {
	return append(quotaKeys(&policy.Meta, QuotaRBACPolicy), policyKey(policy))
}
