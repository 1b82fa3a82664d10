package ofp

import "github.com/lepton-sdn/lepton/flows"

// Canonical gives r as the switch will report it in a dump: Load becomes
// SetField, a match on vlan_tci one on vlan_vid, and so on. Two rules do the
// same exactly if their canonical forms are equal; who compares a table with a
// dump makes it canonical first. A rule that cannot be encoded is given back
// unchanged.
func Canonical(r flows.Rule) flows.Rule {
	b := AppendRule(make([]byte, 0, 256), Add, r)
	if len(b) > MaxMessage {
		return r
	}
	m, err := DecodeFlowMod(b)
	if err != nil {
		return r
	}
	return m.Rule
}
