package plugin

import (
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// TemplateSpec is a rule template as a request asks for it.
type TemplateSpec struct{ model.RuleTemplate }

// TemplateView is a rule template as the API shows it.
type TemplateView struct{ *model.RuleTemplate }

// The keys of rule templates: one says what the rule admits, so that there are
// no two alike, the other that one of those that come with Lepton was deleted.
func templateKey(t *model.RuleTemplate) string {
	return "sgtemplate/rule/" + strings.TrimPrefix(ruleKey(&t.SecurityGroupRule), "sgrule/")
}
func templateGoneKey(id string) string { return "sgtemplate/gone/" + id }

// templateClaims are the keys that a template holds while it exists.
func templateClaims(t *model.RuleTemplate) []string {
	keys := []string{templateKey(t)}
	if t.RemoteGroupID != "" && t.RemoteGroupID != model.RemoteParent {
		keys = append(keys, groupRemoteKey(t.RemoteGroupID, t.ID))
	}
	if t.RemoteAddressGroupID != "" {
		keys = append(keys, addressGroupUseKey(t.RemoteAddressGroupID, t.ID))
	}
	return keys
}

// builtinTemplates are the templates of a cloud where nobody changed them: every
// group lets all out, and a default group in what comes from its own members.
func (p *Plugin) builtinTemplates() []*model.RuleTemplate {
	all := []*model.RuleTemplate{
		{SecurityGroupRule: model.SecurityGroupRule{Direction: egress, EtherType: etherIPv4}, InOthers: true},
		{SecurityGroupRule: model.SecurityGroupRule{Direction: egress, EtherType: etherIPv6}, InOthers: true},
		{SecurityGroupRule: model.SecurityGroupRule{Direction: ingress, EtherType: etherIPv4, RemoteGroupID: model.RemoteParent}},
		{SecurityGroupRule: model.SecurityGroupRule{Direction: ingress, EtherType: etherIPv6, RemoteGroupID: model.RemoteParent}},
	}
	for _, t := range all {
		t.InDefault = true
		t.ID = uuid.NewSHA1(uuid.NameSpaceOID, []byte("default-security-group-rule/"+t.Direction+"/"+t.EtherType)).String()
		t.CreatedAt, t.UpdatedAt = p.began, p.began
	}
	return all
}

// Templates gives the templates that there are.
func (p *Plugin) Templates(r records.Reader) []*model.RuleTemplate {
	var all []*model.RuleTemplate
	for _, t := range p.builtinTemplates() {
		if _, gone := r.Claimed(templateGoneKey(t.ID)); !gone {
			all = append(all, t)
		}
	}
	for t := range records.RuleTemplates.All(r) {
		all = append(all, t)
	}
	return all
}

// FindTemplate gives a template.
func (p *Plugin) FindTemplate(r records.Reader, id string) (*model.RuleTemplate, bool) {
	for _, t := range p.Templates(r) {
		if t.ID == id {
			return t, true
		}
	}
	return nil, false
}

// newRules gives the rules that a new group gets by the templates.
func (p *Plugin) newRules(r records.Reader, g *model.SecurityGroup, isDefault bool) []*model.SecurityGroupRule {
	var rules []*model.SecurityGroupRule
	for _, t := range p.Templates(r) {
		if isDefault && !t.InDefault || !isDefault && !t.InOthers {
			continue
		}
		rule := t.SecurityGroupRule
		rule.Meta = model.Meta{ProjectID: g.ProjectID, Description: t.Description}
		rule.SecurityGroupID = g.ID
		if rule.RemoteGroupID == model.RemoteParent {
			rule.RemoteGroupID = g.ID
		}
		rules = append(rules, &rule)
	}
	return rules
}

// CreateTemplate makes a rule that security groups get from now on.
func (p *Plugin) CreateTemplate(c Call, u *records.Update, s *TemplateSpec) (string, error) {
	t := s.RuleTemplate
	t.ProjectID = ""
	p.newMeta(&t.Meta, 0)
	if err := settleRule(&t.SecurityGroupRule); err != nil {
		return "", err
	}
	if t.RemoteGroupID != "" && t.RemoteGroupID != model.RemoteParent {
		if _, err := p.visibleGroup(c, u, t.RemoteGroupID); err != nil {
			return "", err
		}
	}
	if t.RemoteAddressGroupID != "" {
		if err := p.checkAddressGroup(c, u, t.RemoteAddressGroupID); err != nil {
			return "", err
		}
	}
	for _, other := range p.builtinTemplates() {
		if _, gone := u.Claimed(templateGoneKey(other.ID)); !gone && templateKey(other) == templateKey(&t) {
			return "", templateExists(other.ID)
		}
	}
	if err := reclaim(u, t.ID, nil, templateClaims(&t)); err != nil {
		if taken := (*records.TakenError)(nil); errors.As(err, &taken) && taken.Key == templateKey(&t) {
			return "", templateExists(taken.Owner)
		}
		return "", err
	}
	records.RuleTemplates.Put(u, &t)
	return t.ID, nil
}

func templateExists(id string) *Error {
	return Conflict("DefaultSecurityGroupRuleExists", "Default Security group rule already exists. Rule id is %s.", id)
}

// DeleteTemplate removes a template; groups that got the rule keep it.
func (p *Plugin) DeleteTemplate(u *records.Update, id string) error {
	missing := NotFound("DefaultSecurityGroupRule", "Default Security group rule", id)
	if t, ok := records.RuleTemplates.Get(u, id); ok {
		if err := reclaim(u, id, templateClaims(t), nil); err != nil {
			return err
		}
		records.RuleTemplates.Delete(u, id)
		return nil
	}
	if _, ok := p.FindTemplate(u, id); !ok || u.Claim(templateGoneKey(id), id) != nil {
		return missing
	}
	return nil
}
