package plugin

import (
	"iter"
	"net/http"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// qosUse is something that names a QoS policy.
type qosUse struct{ kind, id string }

func (use qosUse) String() string { return use.kind + " " + use.id }

// What can name a QoS policy.
const (
	qosOfPort       = "port"
	qosOfNetwork    = "network"
	qosOfFloatingIP = "floatingip"
	qosOfRouter     = "router"
)

func qosUsePrefix(policy string) string { return "qosuse/" + policy + "/" }

// qosKeys is the key that something holds for the policy that it names, if any.
func qosKeys(policy, kind, id string) []string {
	if policy == "" {
		return nil
	}
	return []string{qosUsePrefix(policy) + kind + "/" + id}
}

// qosUsesOf gives what names a policy.
func qosUsesOf(r records.Reader, policy string) iter.Seq[qosUse] {
	return func(yield func(qosUse) bool) {
		for key := range r.ClaimsUnder(qosUsePrefix(policy)) {
			kind, id, _ := strings.Cut(strings.TrimPrefix(key, qosUsePrefix(policy)), "/")
			if !yield(qosUse{kind, id}) {
				return
			}
		}
	}
}

func qosUserOf(r records.Reader, policy string) (qosUse, bool) {
	for use := range qosUsesOf(r, policy) {
		return use, true
	}
	return qosUse{}, false
}

// qosUsers gives the projects of what names a policy.
func qosUsers(r records.Reader, id, _ string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for use := range qosUsesOf(r, id) {
			if !yield(use.project(r)) {
				return
			}
		}
	}
}

func (use qosUse) project(r records.Reader) string {
	switch use.kind {
	case qosOfPort:
		if port, ok := records.Ports.Get(r, use.id); ok {
			return port.ProjectID
		}
	case qosOfNetwork:
		if n, ok := records.Networks.Get(r, use.id); ok {
			return n.ProjectID
		}
	case qosOfFloatingIP:
		if f, ok := records.FloatingIPs.Get(r, use.id); ok {
			return f.ProjectID
		}
	case qosOfRouter:
		if router, ok := records.Routers.Get(r, use.id); ok {
			return router.ProjectID
		}
	}
	return ""
}

// attachQoS decides whether something may name another policy than before. A
// policy with a rule that no host applies is refused: a limit that limits
// nothing is worse than none. The policy becomes a condition of the commit.
func (p *Plugin) attachQoS(c Call, u *records.Update, use qosUse, before, after string) error {
	if before == after {
		return nil
	}
	if old, ok := records.QoSPolicies.Get(u.Peek(), before); ok && !p.maySeeQoS(c, u, old) {
		return Refuse(http.StatusForbidden, "PolicyRemoveAuthorizationError", "QoS policy %s of %s is not yours to remove.", before, use)
	}
	if after == "" {
		return nil
	}
	policy, ok := records.QoSPolicies.Get(u, after)
	if !ok || !p.maySeeQoS(c, u, policy) {
		return qosNotFound(after)
	}
	return effectless(policy, use)
}

func (p *Plugin) maySeeQoS(c Call, r records.Reader, policy *model.QoSPolicy) bool {
	return c.Who.Admin || p.seeQoS(c.Who, sharingOf(r, policy.ID).target(policy.ProjectID))
}

// requalify is attachQoS for what holds no other keys: it claims the use, too.
func (p *Plugin) requalify(c Call, u *records.Update, use qosUse, before, after string) error {
	if err := p.attachQoS(c, u, use, before, after); err != nil {
		return err
	}
	return reclaim(u, use.id, qosKeys(before, use.kind, use.id), qosKeys(after, use.kind, use.id))
}

// qualifyNetwork gives a new network the policy that it names, or its project's
// default.
func (p *Plugin) qualifyNetwork(c Call, u *records.Update, n *model.Network) error {
	use := qosUse{qosOfNetwork, n.ID}
	if n.QoSPolicyID != "" {
		return p.requalify(c, u, use, "", n.QoSPolicyID)
	}
	id, ok := u.Claimed(qosDefaultKey(n.ProjectID))
	if !ok {
		return nil
	}
	n.QoSPolicyID = id
	if policy, ok := records.QoSPolicies.Get(u, id); ok {
		if err := effectless(policy, use); err != nil {
			return err
		}
	}
	return reclaim(u, n.ID, nil, qosKeys(id, use.kind, use.id))
}

// effectless refuses a policy with a rule that hosts would not apply.
func effectless(policy *model.QoSPolicy, use qosUse) error {
	for _, rule := range policy.Rules {
		if why := unapplied(rule, use); why != "" {
			kind := "QosRuleNotSupported"
			if use.kind == qosOfNetwork {
				kind = "QosRuleNotSupportedByNetwork"
			}
			return Conflict(kind, "Rule %s of QoS policy %s is not supported by %s: %s.", rule.Type, policy.ID, use, why)
		}
	}
	return nil
}

// unapplied says why hosts do not apply a rule to something; "" when they do.
func unapplied(rule model.QoSRule, use qosUse) string {
	switch {
	case use.kind != qosOfFloatingIP && use.kind != qosOfRouter:
		return "hosts do not apply QoS rules to ports yet"
	case rule.Type != model.BandwidthLimit:
		return "floating IPs and gateways have bandwidth limits only"
	case rule.Value == 0:
		return "max_kbps 0 is no limit"
	}
	return ""
}
