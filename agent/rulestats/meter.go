package rulestats

import (
	"maps"
	"time"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// maxIdle bounds the rules without flow whose totals are kept, in case a port
// that uses them comes back.
const maxIdle = 4096

// Meter adds up the counters of flows by rule. Rules go by the digits of their
// cookies (pipeline.Explain). The zero Meter has counted nothing. It is not safe
// for concurrent use.
type Meter struct {
	flows  map[flow]flows.Stats // as of the last read
	totals map[string]model.RuleCounter
}

// flow is a flow of a rule.
type flow struct {
	digits string
	key    flows.Key
}

// Count takes in the flows of all rules, as the switch had them at the time.
func (m *Meter) Count(list []ofp.FlowStat, at time.Time) {
	now := make(map[flow]flows.Stats, len(list))
	if m.totals == nil {
		m.totals = map[string]model.RuleCounter{}
	}
	used := map[string]bool{}
	for _, s := range list {
		feature, digits, ours := pipeline.Explain(s.Cookie)
		if !ours || feature != pipeline.FeatureRule || digits == "" {
			continue
		}
		f := flow{digits, s.Key()}
		packets, bytes := since(m.flows[f], s.Stats)
		now[f], used[digits] = s.Stats, true
		if total := m.totals[digits]; packets > 0 || bytes > 0 {
			m.totals[digits] = model.RuleCounter{Packets: total.Packets + packets, Bytes: total.Bytes + bytes, ReadAt: at}
		}
	}
	m.flows = now
	m.forget(used)
}

// since gives what a flow has counted from one read to the next. One that is
// younger than it was, or has counted less, was installed anew.
func since(before, now flows.Stats) (packets, bytes uint64) {
	if now.Duration < before.Duration || now.Packets < before.Packets || now.Bytes < before.Bytes {
		before = flows.Stats{}
	}
	return now.Packets - before.Packets, now.Bytes - before.Bytes
}

// forget drops the totals of rules without flow when there are too many: most of
// those rules are deleted.
func (m *Meter) forget(used map[string]bool) {
	if len(m.totals)-len(used) <= maxIdle {
		return
	}
	maps.DeleteFunc(m.totals, func(digits string, _ model.RuleCounter) bool { return !used[digits] })
}

// News gives the totals that changed after the time.
func (m *Meter) News(after time.Time) map[string]model.RuleCounter {
	news := map[string]model.RuleCounter{}
	for digits, c := range m.totals {
		if c.ReadAt.After(after) {
			news[digits] = c
		}
	}
	return news
}
