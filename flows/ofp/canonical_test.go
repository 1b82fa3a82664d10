package ofp

import (
	"testing"

	"github.com/lepton-sdn/lepton/flows"
)

// overTheWire gives r as it comes back from its own bytes, which is how the
// switch reports it in a dump: the check of flows.Canonical.
func overTheWire(tb testing.TB, r flows.Rule) flows.Rule {
	tb.Helper()
	m, err := DecodeFlowMod(AppendRule(nil, Add, r))
	if err != nil {
		tb.Fatalf("decode the bytes of %s: %v", r, err)
	}
	return m.Rule
}
