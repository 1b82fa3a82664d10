package plugin

import (
	"reflect"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// DefaultGroupName is the name of the group that every project has.
const DefaultGroupName = "default"

// GroupSpec is a security group as a request asks for it.
type GroupSpec struct{ model.SecurityGroup }

// GroupView is a security group as the API shows it, with its rules.
type GroupView struct {
	*model.SecurityGroup
	Sharing
	Rules []*model.SecurityGroupRule
}

// Target is the group as rules about rights see it.
func (v *GroupView) Target() identity.Target { return v.target(v.ProjectID) }

// ViewGroup gives a security group as the API shows it.
func (p *Plugin) ViewGroup(r records.Reader, g *model.SecurityGroup) *GroupView {
	v := &GroupView{SecurityGroup: g, Sharing: sharingOf(r, g.ID)}
	for rule := range records.RulesByGroup.Get(r, g.ID) {
		v.Rules = append(v.Rules, rule)
	}
	return v
}

func defaultGroupKey(project string) string { return "sgdefault/" + project }

// HasDefaultGroup tells whether the project's default group is there.
func (p *Plugin) HasDefaultGroup(r records.Reader, project string) bool {
	_, ok := r.Claimed(defaultGroupKey(project))
	return ok || project == ""
}

// EnsureDefaultGroup makes the project's default group unless it is there. Its
// rules are those of the templates; unless somebody changed them, they let
// everything out, and in what comes from its own members. Quotas do not keep it
// from being made.
func (p *Plugin) EnsureDefaultGroup(u *records.Update, project string) error {
	_, err := p.ensureDefaultGroup(u, project)
	return err
}

func (p *Plugin) ensureDefaultGroup(u *records.Update, project string) (string, error) {
	if project == "" {
		return "", nil
	}
	if id, ok := u.Claimed(defaultGroupKey(project)); ok {
		return id, nil
	}
	g := model.SecurityGroup{Stateful: true}
	g.ProjectID, g.Name, g.Description = project, DefaultGroupName, "Default security group"
	p.newMeta(&g.Meta, 1)
	if err := u.Claim(defaultGroupKey(project), g.ID); err != nil {
		return "", err
	}
	records.SecurityGroups.Put(u, &g)
	for _, rule := range p.newRules(u.Peek(), &g, true) {
		p.newMeta(&rule.Meta, 0)
		if err := putRule(u, rule); err != nil {
			return "", err
		}
	}
	return g.ID, nil
}

// putRule makes a rule of a new group.
func putRule(u *records.Update, rule *model.SecurityGroupRule) error {
	if err := reclaim(u, rule.ID, nil, ruleClaims(rule)); err != nil {
		return ruleTaken(rule, err)
	}
	records.SecurityGroupRules.Put(u, rule)
	return nil
}

// CreateGroup makes a security group with the rules of the templates. One that
// is imported gets none: its own are imported too.
func (p *Plugin) CreateGroup(c Call, u *records.Update, s *GroupSpec) (string, error) {
	g := s.SecurityGroup
	p.newMeta(&g.Meta, 1)
	if c.Imported() {
		if g.Name == DefaultGroupName && g.ProjectID != "" {
			if err := p.importDefaultGroup(c, u, &g); err != nil {
				return "", err
			}
		}
		records.SecurityGroups.Put(u, &g)
		return g.ID, nil
	}
	if strings.EqualFold(g.Name, DefaultGroupName) {
		return "", groupNameTaken()
	}
	if _, err := p.ensureDefaultGroup(u, g.ProjectID); err != nil {
		return "", err
	}
	if err := p.takeQuota(c, u, &g.Meta, QuotaSecurityGroup); err != nil {
		return "", err
	}
	records.SecurityGroups.Put(u, &g)
	for _, rule := range p.newRules(u.Peek(), &g, false) {
		p.newMeta(&rule.Meta, 0)
		if err := p.takeQuota(c, u, &rule.Meta, QuotaSecurityGroupRule); err != nil {
			return "", err
		}
		if err := putRule(u, rule); err != nil {
			return "", err
		}
	}
	return g.ID, nil
}

func groupNameTaken() *Error {
	return Conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
}

// UpdateGroup changes a security group.
func (p *Plugin) UpdateGroup(c Call, u *records.Update, before *model.SecurityGroup, s *GroupSpec) error {
	g := s.SecurityGroup
	switch {
	case c.Has("name") && isDefault(u, before):
		return Conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
	case c.Has("name") && strings.EqualFold(g.Name, DefaultGroupName):
		return groupNameTaken()
	case g.Stateful != before.Stateful && held(u, groupUsePrefix(g.ID)):
		return groupInUse(g.ID)
	}
	if g.Stateful != before.Stateful {
		u.RequireNoClaims(groupUsePrefix(g.ID))
	}
	if !reflect.DeepEqual(g, *before) {
		p.touch(&g.Meta)
		records.SecurityGroups.Put(u, &g)
	}
	return nil
}

// isDefault reports whether the group is its project's default group.
func isDefault(r records.Reader, g *model.SecurityGroup) bool {
	id, ok := r.Claimed(defaultGroupKey(g.ProjectID))
	return ok && id == g.ID
}

func groupInUse(id string) *Error {
	return Conflict("SecurityGroupInUse", "Security Group %s in use.", id)
}

// DeleteGroup removes a security group that no port is in and that no other
// group's rule names.
func (p *Plugin) DeleteGroup(c Call, u *records.Update, id string) error {
	g, ok := records.SecurityGroups.Get(u, id)
	if !ok {
		return NotFound("SecurityGroup", "Security group", id)
	}
	if held(u, groupUsePrefix(id)) || held(u, groupRemotePrefix(id)) {
		return groupInUse(id)
	}
	if isDefault(u, g) {
		if !c.Who.Admin {
			return Conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
		}
		u.Release(defaultGroupKey(g.ProjectID))
	}
	for rule := range records.RulesByGroup.Get(u, id) {
		if err := reclaim(u, rule.ID, ruleClaims(rule), nil); err != nil {
			return err
		}
		records.SecurityGroupRules.Delete(u, rule.ID)
	}
	u.RequireNoClaims(groupUsePrefix(id))
	u.RequireNoClaims(groupRemotePrefix(id))
	if err := reclaim(u, id, quotaKeys(&g.Meta, QuotaSecurityGroup), nil); err != nil {
		return err
	}
	if err := unshare(u, id, everyPolicy); err != nil {
		return err
	}
	if err := p.dropLogs(u, id); err != nil {
		return err
	}
	records.SecurityGroups.Delete(u, id)
	return nil
}
