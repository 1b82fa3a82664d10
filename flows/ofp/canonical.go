package ofp

import "github.com/lepton-sdn/lepton/flows"

// Canonical gives r as it comes back when it is encoded and decoded again: as
// the switch reports it in a dump. It agrees with flows.Canonical, which needs
// no bytes; that the two do is how the codec is tested. A rule that is too long
// to be sent is given back unchanged.
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
