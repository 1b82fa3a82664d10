package plugin

import (
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// MeteringLabelSpec is a metering label as a request asks for it.
type MeteringLabelSpec struct{ model.MeteringLabel }

// MeteringRuleSpec is a metering label rule as a request asks for it.
type MeteringRuleSpec struct{ model.MeteringRule }

func labelNotFound(id string) *Error {
	return NotFoundAs("MeteringLabelNotFound", "Metering label '%s' does not exist.", id)
}

// CreateMeteringLabel makes a metering label.
func (p *Plugin) CreateMeteringLabel(_ Call, u *records.Update, s *MeteringLabelSpec) (string, error) {
	label := s.MeteringLabel
	p.newMeta(&label.Meta, 0)
	records.MeteringLabels.Put(u, &label)
	return label.ID, nil
}

// DeleteMeteringLabel removes a metering label with its rules.
func (p *Plugin) DeleteMeteringLabel(u *records.Update, id string) error {
	if _, ok := records.MeteringLabels.Get(u, id); !ok {
		return labelNotFound(id)
	}
	for rule := range records.MeteringRulesByLabel.Get(u, id) {
		records.MeteringRules.Delete(u, rule.ID)
	}
	records.MeteringLabels.Delete(u, id)
	return nil
}

// CreateMeteringRule adds a rule to a metering label. It writes the label, so
// that rules which overlap, and the label's end, see each other.
func (p *Plugin) CreateMeteringRule(c Call, u *records.Update, s *MeteringRuleSpec) (string, error) {
	rule := s.MeteringRule
	p.newMeta(&rule.Meta, 0)
	if err := checkMetered(&rule); err != nil {
		return "", err
	}
	label, ok := records.MeteringLabels.Get(u, rule.LabelID)
	if !ok || !c.Who.Admin && label.ProjectID != c.Who.ProjectID {
		return "", labelNotFound(rule.LabelID)
	}
	for other := range records.MeteringRulesByLabel.Get(u, label.ID) {
		if other.Direction == rule.Direction && other.Excluded == rule.Excluded && overlap(other.Remote, rule.Remote) {
			return "", Conflict("MeteringLabelRuleOverlaps", "Metering label rule with remote_ip_prefix '%s' overlaps another.", rule.Remote)
		}
	}
	rule.ProjectID = label.ProjectID
	changed := *label
	p.touch(&changed.Meta)
	records.MeteringLabels.Put(u, &changed)
	records.MeteringRules.Put(u, &rule)
	return rule.ID, nil
}

func overlap(a, b netip.Prefix) bool { return a.IsValid() && b.IsValid() && a.Overlaps(b) }

// checkMetered refuses rules that say nothing of addresses, or two things.
func checkMetered(rule *model.MeteringRule) error {
	ends := rule.Source.IsValid() || rule.Destination.IsValid()
	switch {
	case rule.Remote.IsValid() && ends:
		return BadRequest("Invalid", "Cannot use 'remote_ip_prefix' in conjunction with 'source_ip_prefix' or 'destination_ip_prefix'.")
	case !rule.Remote.IsValid() && !ends:
		return BadRequest("Invalid", "At least one of 'remote_ip_prefix', 'source_ip_prefix' and 'destination_ip_prefix' must be defined.")
	}
	return nil
}

// DeleteMeteringRule removes a metering label rule.
func (p *Plugin) DeleteMeteringRule(u *records.Update, id string) error {
	if _, ok := records.MeteringRules.Get(u, id); !ok {
		return NotFoundAs("MeteringLabelRuleNotFound", "Metering label rule '%s' does not exist.", id)
	}
	records.MeteringRules.Delete(u, id)
	return nil
}
