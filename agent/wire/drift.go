package wire

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
)

// This file: flows that somebody else changed. The switch tells of them at once;
// an audit reads all flows and finds what it did not tell. Flows whose cookie is
// not ours are not looked at, unless one has taken the place of one of ours.

const (
	// quietFirst and quietMax bound the wait before flows are put right again after
	// they just were: who fights for them must not keep the switch busy.
	quietFirst = 100 * time.Millisecond
	quietMax   = 10 * time.Second
	// maxTold bounds the flows that one change is told by.
	maxTold = 20
)

// onChanged looks at flows that were changed by others.
func (l *Loop) onChanged(b *bridge, updates ofp.FlowUpdates) {
	if !b.synced {
		return // all flows will be compared
	}
	if len(updates) == 0 {
		b.audit = true
		return
	}
	var d flows.Delta
	p := l.indexProgram(b)
	for _, u := range updates {
		switch u.Event {
		case ofp.FlowOwn, ofp.FlowInitial, ofp.MonitorPaused:
		case ofp.MonitorResumed:
			b.audit = true
		default:
			l.judgeChange(b, p, u, &d)
		}
	}
	l.onDrift(b, d)
}

// indexProgram gives the program, with b's part of it indexed.
func (l *Loop) indexProgram(b *bridge) *pipeline.Program {
	p := l.inc.Program()
	if b.index == nil || b.indexed != l.gen {
		b.index, b.indexed = make(map[flows.Key]flows.Rule, len(p.Bridges[b.name])), l.gen
		for _, r := range p.Bridges[b.name] {
			b.index[r.Key()] = r
		}
	}
	return p
}

// judgeChange adds what puts a changed flow right.
func (l *Loop) judgeChange(b *bridge, p *pipeline.Program, u ofp.FlowUpdate, d *flows.Delta) {
	key := u.Rule.Key()
	want, wanted := b.index[key]
	if _, pending := b.pending[key]; pending {
		return
	}
	if _, refused := b.refused[key]; refused {
		return
	}
	if b.busy && b.inFlight.touches(key) { // whose change came last is not known
		b.lookAt = l.cfg.Now().Add(quietFirst)
		return
	}
	switch {
	case u.Event == ofp.FlowDeleted:
		if wanted {
			d.Add = append(d.Add, want)
		}
	case wanted:
		got := u.Rule
		got.Flags = want.Flags // are not told
		if flows.Diff([]flows.Rule{got}, []flows.Rule{want}).Empty() {
			delete(b.strange, key)
			return
		}
		d.Add = append(d.Add, want)
	case pipeline.Ours(u.Rule.Cookie) && !p.Keeps(b.name, u.Rule):
		d.Delete = append(d.Delete, u.Rule)
	}
}

// touches reports whether the job changes the flow.
func (j job) touches(key flows.Key) bool {
	for _, list := range [][]flows.Rule{j.add, j.del} {
		for _, r := range list {
			if r.Key() == key {
				return true
			}
		}
	}
	return false
}

// onAudited compares the flows that a bridge was found to hold with those that
// it should hold. What is on its way there is no surprise.
func (l *Loop) onAudited(b *bridge, have []flows.Rule) {
	b.busy, b.inFlight = false, job{}
	p := l.inc.Program()
	if b.leftovers && b.name == l.cfg.Bridges.Integration {
		b.end(l.inc.Ended(have))
	}
	found := b.surprises(have, p.Bridges[b.name], func(r flows.Rule) bool { return p.Keeps(b.name, r) })
	if !b.leftovers {
		b.forgive(found)
		l.onDrift(b, found)
		return
	}
	b.leftovers = false
	l.log.Info("bridge compared", zap.String("bridge", b.name),
		zap.Int("flows", len(p.Bridges[b.name])), zap.Int("changes", found.Len()))
	b.putRight(found)
}

// forgive forgets the strange flows that are as they should be again.
func (b *bridge) forgive(found flows.Delta) {
	if len(b.strange) == 0 {
		return
	}
	still := map[flows.Key]bool{}
	for _, r := range append(found.Add, found.Delete...) {
		still[r.Key()] = true
	}
	for key := range b.strange {
		if _, pending := b.pending[key]; !still[key] && !pending {
			delete(b.strange, key)
		}
	}
}

func (b *bridge) putRight(d flows.Delta) {
	for _, r := range d.Delete {
		b.pending[r.Key()] = pendingRule{rule: r, del: true}
	}
	for _, r := range d.Add {
		b.pending[r.Key()] = pendingRule{rule: r}
	}
}

// onDrift tells of flows that others changed, and has them put right if that is
// the mode, and the last time is not just over.
func (l *Loop) onDrift(b *bridge, d flows.Delta) {
	if d.Empty() {
		return
	}
	now := l.cfg.Now()
	repair := l.cfg.Audit.Mode() == audit.Repair
	if repair && now.Before(b.quiet) {
		b.lookAt = b.quiet
		return
	}
	l.tellDrift(b, d)
	if !repair {
		return
	}
	b.putRight(d)
	if now.Sub(b.quiet) < quietMax {
		b.pause = min(max(2*b.pause, quietFirst), quietMax)
	} else {
		b.pause = 0
	}
	b.quiet = now.Add(b.pause)
}

// tellDrift notes findings, each flow once as long as it stays as it is.
func (l *Loop) tellDrift(b *bridge, d flows.Delta) {
	var list []audit.Finding
	more := 0
	note := func(r flows.Rule, what string) {
		text := what + ": " + r.String()
		if b.strange[r.Key()] == text {
			return
		}
		if l.cfg.Audit.Mode() != audit.Repair {
			b.strange[r.Key()] = text
		}
		if len(list) == maxTold {
			more++
			return
		}
		_, digits, _ := pipeline.Explain(r.Cookie)
		f := audit.Finding{Kind: "flow", Place: b.name, Text: text}
		if digits != "" {
			f.Object = l.objectOf(digits)
		}
		list = append(list, f)
	}
	for _, r := range d.Add {
		note(r, "missing or changed")
	}
	for _, r := range d.Delete {
		note(r, "not ours although it says so")
	}
	if more > 0 {
		list = append(list, audit.Finding{Kind: "flow", Place: b.name, Text: fmt.Sprintf("%d more flows", more)})
	}
	l.cfg.Audit.Found(list...)
}

// calm asks for an audit when it is time to look at what changed meanwhile. It
// returns when it will be.
func (b *bridge) calm(now time.Time) time.Time {
	if b.lookAt.IsZero() || now.Before(b.lookAt) {
		return b.lookAt
	}
	b.lookAt, b.audit = time.Time{}, true
	return time.Time{}
}

// audit has everything looked at.
func (l *Loop) audit() {
	l.auditing = true
	for _, b := range l.bridges {
		b.audit = b.synced
	}
	l.db.replan = true
	l.checkTags()
}

// auditDone says so when all bridges have been looked at.
func (l *Loop) auditDone() {
	if !l.auditing {
		return
	}
	for _, b := range l.bridges {
		if b.audit || b.busy && b.inFlight.audit {
			return
		}
	}
	l.auditing = false
	l.audits.Done()
}

// holdBack keeps a bridge as it is and tells what it lacks.
func (l *Loop) holdBack(b *bridge) {
	var d flows.Delta
	for _, p := range b.pending {
		if p.del {
			d.Delete = append(d.Delete, p.rule)
		} else {
			d.Add = append(d.Add, p.rule)
		}
	}
	l.tellDrift(b, d)
}
