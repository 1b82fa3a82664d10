package wire

import (
	"time"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/pipeline"
)

// This file: records that the host had stored, used while no controller answers.
// They say how to wire ports, and nothing of what must go: something newer may
// be in the switch.

// stale reports whether the records are not a controller's.
func (l *Loop) stale() bool { return !l.mirror.stored.IsZero() }

// mayDelete gives the function that says which flows may be deleted at a
// comparison, nil for all. With stored records these are the flows of objects
// that the records know, such as a port that now has another number.
func (l *Loop) mayDelete() func(flows.Rule) bool {
	if !l.stale() {
		return nil
	}
	known := map[string]bool{"": true}
	add := func(id string) {
		_, digits, _ := pipeline.Explain(pipeline.Cookie(pipeline.FeatureNone, id))
		known[digits] = true
	}
	for id := range l.mirror.networks {
		add(id)
	}
	for id := range l.mirror.ports {
		add(id)
	}
	for id := range l.mirror.groups {
		add(id)
	}
	for id := range l.mirror.rules {
		add(id)
	}
	return func(r flows.Rule) bool {
		_, digits, _ := pipeline.Explain(r.Cookie)
		return known[digits]
	}
}

// staleOps marks the ports that are wired from stored records, and the
// integration bridge, with the time as of which the records are; and takes the
// marks away when a controller has answered.
func (l *Loop) staleOps() []ovsdb.Op {
	name := l.cfg.Bridges.Integration
	bridge, ok := l.db.state.Bridges[name]
	if !ok || !l.stale() && bridge.ExternalIDs[ovsdb.StaleKey] == "" {
		return nil
	}
	since := ""
	if l.stale() {
		since = l.mirror.stored.UTC().Format(time.RFC3339)
	}
	var ops []ovsdb.Op
	for iface, p := range l.facts.plugs {
		row, ok := l.db.state.Interfaces[iface]
		if !ok {
			continue
		}
		want := ""
		if wired, ok := l.view.Ports[p.portID]; ok && wired.OFPort == uint32(p.ofport) {
			want = since
		}
		switch have := row.ExternalIDs[ovsdb.StaleKey]; {
		case have == want:
		case want == "":
			ops = append(ops, ovsdb.SetInterface{Name: iface, RemoveExternalIDs: []string{ovsdb.StaleKey}})
		default:
			ops = append(ops, ovsdb.SetInterface{Name: iface, ExternalIDs: map[string]string{ovsdb.StaleKey: want}})
		}
	}
	switch {
	case since == "":
		ops = append(ops, ovsdb.SetBridgeExternalIDs{Bridge: name, Remove: []string{ovsdb.StaleKey}})
	case bridge.ExternalIDs[ovsdb.StaleKey] != since:
		ops = append(ops, ovsdb.SetBridgeExternalIDs{Bridge: name, Set: map[string]string{ovsdb.StaleKey: since}})
	}
	return ops
}
