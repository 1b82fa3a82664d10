package plugin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Values of a rule's direction and ethertype.
const (
	ingress   = "ingress"
	egress    = "egress"
	etherIPv4 = "IPv4"
	etherIPv6 = "IPv6"
)

// RuleSpec is a security group rule as a request asks for it.
type RuleSpec struct{ model.SecurityGroupRule }

// RuleView is a security group rule as the API shows it.
type RuleView struct {
	*model.SecurityGroupRule
	// GroupProjectID owns the rule's group.
	GroupProjectID string
}

// ViewRule gives a rule as the API shows it.
func (p *Plugin) ViewRule(r records.Reader, rule *model.SecurityGroupRule) *RuleView {
	v := &RuleView{SecurityGroupRule: rule}
	if g, ok := records.SecurityGroups.Get(r, rule.SecurityGroupID); ok {
		v.GroupProjectID = g.ProjectID
	}
	return v
}

// ruleClaims are the keys that a rule holds while it exists. One says what the
// rule admits, so that a group does not have two alike.
func ruleClaims(rule *model.SecurityGroupRule) []string {
	keys := append(quotaKeys(&rule.Meta, QuotaSecurityGroupRule), ruleKey(rule))
	if rule.RemoteGroupID != "" && rule.RemoteGroupID != rule.SecurityGroupID {
		keys = append(keys, groupRemoteKey(rule.RemoteGroupID, rule.ID))
	}
	if rule.RemoteAddressGroupID != "" {
		keys = append(keys, addressGroupUseKey(rule.RemoteAddressGroupID, rule.ID))
	}
	return keys
}

// ruleKey is the same for two rules of a group that admit the same.
func ruleKey(rule *model.SecurityGroupRule) string {
	protocol := rule.Protocol
	if n, ok := protocolNumber(protocol); ok {
		protocol = fmt.Sprint(n)
	}
	prefix := ""
	if rule.NormalizedCIDR.IsValid() && rule.NormalizedCIDR.Bits() > 0 {
		prefix = rule.NormalizedCIDR.String()
	}
	what := fmt.Sprintf("%s %s %s %s-%s %s %s %s", rule.Direction, rule.EtherType, protocol,
		number(rule.PortRangeMin), number(rule.PortRangeMax), prefix, rule.RemoteGroupID, rule.RemoteAddressGroupID)
	return "sgrule/" + rule.SecurityGroupID + "/" + url.PathEscape(what)
}

func number(n *int) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// CreateRule adds a rule to a security group.
func (p *Plugin) CreateRule(c Call, u *records.Update, s *RuleSpec) (string, error) {
	rule := s.SecurityGroupRule
	p.newMeta(&rule.Meta, 0)
	if err := settleRule(&rule); err != nil {
		return "", err
	}
	g, err := p.visibleGroup(c, u, rule.SecurityGroupID)
	if err != nil {
		return "", err
	}
	if !c.Who.Admin && g.ProjectID != c.Who.ProjectID {
		return "", Refuse(http.StatusForbidden, "PolicyNotAuthorized", "(rule:create_security_group_rule) is disallowed by policy")
	}
	if rule.RemoteGroupID != "" {
		if _, err := p.visibleGroup(c, u, rule.RemoteGroupID); err != nil {
			return "", err
		}
	}
	if rule.RemoteAddressGroupID != "" {
		if err := p.checkAddressGroup(c, u, rule.RemoteAddressGroupID); err != nil {
			return "", err
		}
	}
	if err := p.takeQuota(c, u, &rule.Meta, QuotaSecurityGroupRule); err != nil {
		return "", err
	}
	if err := reclaim(u, rule.ID, nil, ruleClaims(&rule)); err != nil {
		return "", ruleTaken(&rule, err)
	}
	p.touchGroup(u, g)
	records.SecurityGroupRules.Put(u, &rule)
	return rule.ID, nil
}

func (p *Plugin) visibleGroup(c Call, u *records.Update, id string) (*model.SecurityGroup, error) {
	g, ok := records.SecurityGroups.Get(u, id)
	if !ok || !p.maySeeGroup(c, u, g) {
		return nil, NotFound("SecurityGroup", "Security group", id)
	}
	return g, nil
}

// touchGroup counts a change of a group's rules as one of the group.
func (p *Plugin) touchGroup(u *records.Update, g *model.SecurityGroup) {
	changed := *g
	p.touch(&changed.Meta)
	records.SecurityGroups.Put(u, &changed)
}

func ruleTaken(rule *model.SecurityGroupRule, err error) error {
	taken := (*records.TakenError)(nil)
	if errors.As(err, &taken) && taken.Key == ruleKey(rule) {
		return Conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", taken.Owner)
	}
	return err
}

// settleRule checks a new rule and puts it into the form in which it is kept.
func settleRule(rule *model.SecurityGroupRule) error {
	if err := settleProtocol(rule); err != nil {
		return err
	}
	if err := settlePorts(rule); err != nil {
		return err
	}
	return settleRemote(rule)
}

// settleRemote checks that a rule has at most one remote, of its own family.
func settleRemote(rule *model.SecurityGroupRule) error {
	remotes := 0
	for _, r := range []string{rule.RemoteIPPrefix, rule.RemoteGroupID, rule.RemoteAddressGroupID} {
		if r != "" {
			remotes++
		}
	}
	if remotes > 1 {
		return BadRequest("SecurityGroupMultipleRemoteEntites",
			"Only one of remote_ip_prefix, remote_group_id and remote_address_group_id may be provided.")
	}
	if rule.RemoteIPPrefix == "" {
		return nil
	}
	text := rule.RemoteIPPrefix
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		text = netip.PrefixFrom(a, a.BitLen()).String()
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return BadRequest("InvalidCIDR", "Invalid CIDR %s given as IP prefix.", rule.RemoteIPPrefix)
	}
	if (version(prefix.Addr()) == 4) != (rule.EtherType == etherIPv4) {
		return BadRequest("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s.", rule.EtherType, text)
	}
	rule.RemoteIPPrefix, rule.NormalizedCIDR = text, prefix.Masked()
	return nil
}

// UpdateRule changes a rule's description: all of a rule that may change.
func (p *Plugin) UpdateRule(_ Call, u *records.Update, before *model.SecurityGroupRule, s *RuleSpec) error {
	rule := s.SecurityGroupRule
	if rule.Description != before.Description {
		p.touch(&rule.Meta)
		records.SecurityGroupRules.Put(u, &rule)
	}
	return nil
}

// DeleteRule removes a rule from its group.
func (p *Plugin) DeleteRule(u *records.Update, id string) error {
	rule, ok := records.SecurityGroupRules.Get(u, id)
	if !ok {
		return NotFound("SecurityGroupRule", "Security group rule", id)
	}
	if err := reclaim(u, id, ruleClaims(rule), nil); err != nil {
		return err
	}
	if g, ok := records.SecurityGroups.Get(u, rule.SecurityGroupID); ok {
		p.touchGroup(u, g)
	}
	records.SecurityGroupRules.Delete(u, id)
	return nil
}

// ValidDirection and ValidEtherType read a rule's words in any case.
func ValidDirection(s string) (string, bool) {
	return oneOf(s, ingress, egress)
}

// ValidEtherType reads IPv4 or IPv6 in any case.
func ValidEtherType(s string) (string, bool) {
	return oneOf(s, etherIPv4, etherIPv6)
}

func oneOf(s string, words ...string) (string, bool) {
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w, true
		}
	}
	return "", false
}
