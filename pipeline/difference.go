package pipeline

import (
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

func byBridge(list []placed) map[string][]flows.Rule {
	out := map[string][]flows.Rule{}
	for _, p := range list {
		out[p.bridge] = append(out[p.bridge], p.rule)
	}
	for _, rules := range out {
		slices.SortFunc(rules, flows.Rule.Compare)
	}
	return out
}
