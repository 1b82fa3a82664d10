package pipeline

import (
	"cmp"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
)

// difference collects the rules of changed units, as they were and as they are.
type difference struct {
	was, now []placed
}

// changes gives what changes on each bridge.
func (d difference) changes() map[string]Change {
	out := map[string]Change{}
	before, after := byBridge(d.was), byBridge(d.now)
	for bridge := range before {
		if after[bridge] == nil {
			after[bridge] = nil
		}
	}
	for bridge, want := range after {
		if delta := flows.Diff(before[bridge], want); !delta.Empty() {
			out[bridge] = Change{Set: delta.Add, Delete: delta.Delete}
		}
	}
	return out
}

// byBridge gives the rules of each bridge, sorted.
func byBridge(list []placed) map[string][]flows.Rule {
	sorted := map[string][]*flows.Rule{}
	for i := range list {
		sorted[list[i].bridge] = append(sorted[list[i].bridge], &list[i].rule)
	}
	out := make(map[string][]flows.Rule, len(sorted))
	for bridge, rules := range sorted {
		slices.SortFunc(rules, compareRules)
		all := make([]flows.Rule, len(rules))
		for i, r := range rules {
			all[i] = *r
		}
		out[bridge] = all
	}
	return out
}

// compareRules orders as flows.Rule.Compare does, but takes matches to be
// canonical, as all matches of this package are.
func compareRules(a, b *flows.Rule) int {
	if c := cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(b.Priority, a.Priority)); c != 0 {
		return c
	}
	return a.Match.Compare(b.Match)
}
