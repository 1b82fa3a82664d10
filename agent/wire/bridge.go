package wire

import (
	"maps"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
)

// refusedRetry is how long a rule that the switch refused is left out before it
// is offered again. A rule that changes is offered at once.
const refusedRetry = 30 * time.Second

// bridge is what the loop knows of one bridge: how far it has followed the
// program.
type bridge struct {
	name string
	jobs chan<- job

	synced bool // connected, and its flows have been compared
	have   []flows.Rule
	loaded bool // connected, but not compared yet: have waits
	busy   bool
	// pending are changes of the program that have not been handed over.
	pending map[flows.Key]pendingRule
	// forget are cookies of learned flows that must go, touch tunnel ports whose
	// other end the switch should look for.
	forget map[uint64]bool
	touch  map[uint32]bool
	// ended are connections that the connection tracker must forget.
	ended map[pipeline.Connections]bool
	// audit asks for a look at all flows; leftovers says that it is to find what
	// stored records could not tell from what is wanted.
	audit, leftovers bool
	// index is the program as of gen indexed, by key.
	index   map[flows.Key]flows.Rule
	indexed uint64
	// strange are the flows found changed by others that were not put right, as
	// text; lookAt is when the bridge is to be audited because of a change that was
	// not looked at, quiet until when changes wait, and pause how long the next ones
	// do.
	strange map[flows.Key]string
	// told are the meters of questions that others changed, as they were told.
	told   map[uint32]ofp.Meter
	lookAt time.Time
	quiet  time.Time
	pause  time.Duration
	// inFlight is the job that the driver has.
	inFlight job
	// refused are the rules that the switch would not take, and why.
	refused map[flows.Key]refusal
	// sent is the generation of the last job, applied that of the last one that
	// is known to be in the switch.
	sent, applied uint64
}

type pendingRule struct {
	rule flows.Rule
	del  bool
}

type refusal struct {
	rule flows.Rule
	del  bool // it was to be deleted
	text string
	at   time.Time
}

func newBridge(name string) *bridge {
	return &bridge{
		name: name, pending: map[flows.Key]pendingRule{}, refused: map[flows.Key]refusal{},
		strange: map[flows.Key]string{}, told: map[uint32]ofp.Meter{},
		forget: map[uint64]bool{}, touch: map[uint32]bool{}, ended: map[pipeline.Connections]bool{},
	}
}

// change adds what the compiler changed to what is pending.
func (b *bridge) change(c pipeline.Change) {
	if !b.synced {
		b.end(c.Ended)
		return // the comparison with the switch's flows will find the rest
	}
	for _, r := range c.Delete {
		b.pending[r.Key()] = pendingRule{rule: r, del: true}
		delete(b.refused, r.Key())
	}
	for _, r := range c.Set {
		b.pending[r.Key()] = pendingRule{rule: r}
		delete(b.refused, r.Key())
	}
	for _, cookie := range c.Forget {
		b.forget[cookie] = true
	}
	b.end(c.Ended)
}

// end notes connections that the connection tracker must forget. They stay
// noted until it has, even over a lost connection: the flows that could tell of
// them again may be gone by then.
func (b *bridge) end(list []pipeline.Connections) {
	for _, c := range list {
		b.ended[c] = true
	}
}

// sync compares the flows that the switch holds with those it should hold.
// What the switch learned itself is not part of the program; keep says what of
// it may stay.
//
// may, if it is not nil, says which flows may be deleted.
func (b *bridge) sync(want []flows.Rule, keep, may func(flows.Rule) bool) {
	have := b.have[:0:0]
	for _, r := range b.have {
		if !keep(r) {
			have = append(have, r)
		}
	}
	b.have, b.loaded, b.synced, b.busy = nil, false, true, false
	b.audit, b.leftovers = false, false
	clear(b.pending)
	clear(b.refused)
	clear(b.forget)
	d := flows.Diff(have, want)
	for _, r := range d.Delete {
		if may != nil && !may(r) {
			continue
		}
		b.pending[r.Key()] = pendingRule{rule: r, del: true}
	}
	for _, r := range d.Add {
		b.pending[r.Key()] = pendingRule{rule: r}
	}
}

// lost forgets what was assumed of the switch.
func (b *bridge) lost() {
	b.synced, b.loaded, b.busy, b.have = false, false, false, nil
	b.end(b.inFlight.ended)
	b.inFlight = job{}
	clear(b.pending)
}

// next hands the pending changes to the driver if it is idle. gen is the
// generation of the program that they lead to. It reports the number of
// changes handed over.
func (b *bridge) next(gen uint64) int {
	if b.look(); !b.synced || b.busy {
		return 0
	}
	if len(b.pending)+len(b.forget)+len(b.ended)+len(b.touch) == 0 {
		b.sent, b.applied = gen, gen
		return 0
	}
	j := job{gen: gen, forget: slices.Sorted(maps.Keys(b.forget)), touch: slices.Sorted(maps.Keys(b.touch))}
	for c := range b.ended {
		j.ended = append(j.ended, c)
	}
	clear(b.forget)
	clear(b.ended)
	clear(b.touch)
	for _, p := range b.pending {
		if p.del {
			j.del = append(j.del, p.rule)
		} else {
			j.add = append(j.add, p.rule)
		}
	}
	flows.Sort(j.add)
	flows.Sort(j.del)
	clear(b.pending)
	b.busy, b.sent, b.inFlight = true, gen, j
	b.jobs <- j
	return len(j.add) + len(j.del)
}

// look has the driver read all flows if that is asked for and it is idle.
func (b *bridge) look() {
	if b.audit && b.synced && !b.busy {
		b.audit, b.busy, b.inFlight = false, true, job{gen: b.applied, audit: true}
		b.jobs <- b.inFlight
	}
}

// done notes that the job in flight is in the switch.
func (b *bridge) done(gen uint64) {
	b.busy, b.applied, b.inFlight = false, gen, job{}
}

// refuse takes the rules that the switch would not have out of the job in
// flight and makes the rest pending again.
func (b *bridge) refuse(e *ofp.BundleError, now time.Time) []refusal {
	bad := map[flows.Key]bool{}
	var out []refusal
	for _, f := range e.Refused {
		r := refusal{rule: f.Rule, del: f.Kind == ofp.DeleteFlow, text: f.Err.Error(), at: now}
		bad[f.Rule.Key()] = true
		b.refused[f.Rule.Key()] = r
		out = append(out, r)
	}
	put := func(rules []flows.Rule, del bool) {
		for _, r := range rules {
			k := r.Key()
			if _, newer := b.pending[k]; !bad[k] && !newer {
				b.pending[k] = pendingRule{rule: r, del: del}
			}
		}
	}
	put(b.inFlight.add, false)
	put(b.inFlight.del, true)
	for _, cookie := range b.inFlight.forget {
		b.forget[cookie] = true
	}
	for _, port := range b.inFlight.touch {
		b.touch[port] = true
	}
	b.end(b.inFlight.ended)
	b.busy, b.inFlight = false, job{}
	return out
}

// retryRefused makes rules pending again that were refused long enough ago.
// It reports when the next of the others is due.
func (b *bridge) retryRefused(now time.Time) (next time.Time) {
	for k, r := range b.refused {
		due := r.at.Add(refusedRetry)
		switch {
		case !now.Before(due):
			delete(b.refused, k)
			if _, newer := b.pending[k]; !newer {
				b.pending[k] = pendingRule{rule: r.rule, del: r.del}
			}
		case next.IsZero() || due.Before(next):
			next = due
		}
	}
	return next
}

// working reports whether the bridge still lacks something that it will have
// when the driver is done.
func (b *bridge) working() bool { return b.busy && !b.inFlight.audit || b.leftovers }

// surprises gives the difference between what the bridge holds and what it
// should hold, without what is pending or refused.
func (b *bridge) surprises(have, want []flows.Rule, keep func(flows.Rule) bool) flows.Delta {
	expected := func(r flows.Rule) bool {
		_, pending := b.pending[r.Key()]
		_, refused := b.refused[r.Key()]
		return pending || refused
	}
	mine := have[:0:0]
	for _, r := range have {
		if !keep(r) {
			mine = append(mine, r)
		}
	}
	d := flows.Diff(mine, want)
	d.Add = slices.DeleteFunc(d.Add, expected)
	d.Delete = slices.DeleteFunc(d.Delete, expected)
	return d
}
