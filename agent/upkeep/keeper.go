package upkeep

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// Limits of the work.
const (
	maxBusy    = 8                // objects at once
	jobTimeout = 30 * time.Second // for one attempt at one object
)

// Keeper keeps the objects of one kind. Use New, then Run.
type Keeper[O Object, J Task] struct {
	// Objects are those that there are or that are to go, by id.
	Objects map[string]O
	// Links says whose a link is.
	Links map[string]string

	kind Kind
	cfg  *Config
	// full says that the records are complete; before, nothing is done.
	full     bool
	stored   bool  // the records are what the host had stored: what they lack may exist
	revision int64 // of the records
	acked    int64
	swept    bool // what is left of objects that are gone has been looked for
	// prepared is closed when the ports of the first records were made; ready says
	// that this was seen.
	prepared <-chan struct{}
	ready    bool
	results  chan J
	busy     int
	workers  sync.WaitGroup
	told     []model.Problem
	audits   *audit.Consumer
	auditing bool // an audit was asked for and has not ended
}

// New makes a keeper that has done nothing yet.
func New[O Object, J Task](kind Kind, cfg *Config) *Keeper[O, J] {
	return &Keeper[O, J]{
		Objects: map[string]O{}, Links: map[string]string{}, kind: kind, cfg: cfg,
		results: make(chan J, maxBusy), audits: cfg.Audit.Consumer(),
	}
}

// Hooks are what a loop does of its own, all of it in the goroutine of Run.
type Hooks[J Task] struct {
	// Take takes an update of the records. It calls the keeper's Take.
	Take func(*rpc.Update)
	// Step has what is due worked on, once the records are complete: it calls
	// Tend for every object. It gives when it wants to be called again; zero for
	// when something has happened.
	Step func(ctx context.Context, now time.Time) time.Time
	// Finish takes what a worker made of an object. It calls the keeper's Finish.
	Finish func(context.Context, J)
	// Heard takes what comes from Events, which may be nil.
	Events <-chan string
	Heard  func(string)
}

// Run works until ctx is done. It leaves the objects as they are.
func (k *Keeper[O, J]) Run(ctx context.Context, h Hooks[J]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer k.workers.Wait()
	defer cancel()
	watch := k.cfg.DB.Watch()
	defer watch.Close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	updates := k.cfg.Controller.Updates()
	for {
		prepared := k.prepared
		if k.ready {
			prepared = nil
		}
		select {
		case <-prepared:
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				updates = nil
				continue
			}
			h.Take(&u)
		case <-watch.Changes():
			k.switched(watch.TakeDirty())
		case <-k.audits.Due():
			k.audit()
		case j := <-k.results:
			h.Finish(ctx, j)
		case text := <-h.Events:
			h.Heard(text)
		case <-timer.C:
		}
		timer.Reset(max(time.Until(k.step(ctx, h)), time.Millisecond))
	}
}

// step works once and gives when to work again.
func (k *Keeper[O, J]) step(ctx context.Context, h Hooks[J]) time.Time {
	now := time.Now()
	next := now.Add(time.Hour)
	if !k.full {
		return next
	}
	next = Earlier(next, h.Step(ctx, now))
	if k.ready {
		k.auditDone()
		k.tell()
		k.acknowledge()
	}
	return next
}

// Earlier gives the earlier of two times, of which zero is never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Go runs f beside the loop; Run does not end before it.
func (k *Keeper[O, J]) Go(f func()) { k.workers.Go(f) }

// Take notes how far the records are. After a full update a controller that is
// new to the host is told everything again.
func (k *Keeper[O, J]) Take(u *rpc.Update) {
	k.revision = u.Revision
	if !u.Full {
		return
	}
	k.full, k.stored, k.acked = true, !u.Stored.IsZero(), 0
	for _, o := range k.Objects {
		o.AsItem().Reported = nil
	}
}

// Complete reports whether the records are: what they lack is not to be here.
func (k *Keeper[O, J]) Complete() bool { return k.full }

// Sorted gives the objects in the order of their ids.
func (k *Keeper[O, J]) Sorted() []O {
	list := make([]O, 0, len(k.Objects))
	for _, id := range slices.Sorted(maps.Keys(k.Objects)) {
		list = append(list, k.Objects[id])
	}
	return list
}

// switched has the objects looked at whose links may have been made anew.
func (k *Keeper[O, J]) switched(d ovsdb.Dirty) {
	if d.Full {
		for _, o := range k.Objects {
			o.AsItem().Look(false)
		}
		return
	}
	for _, name := range d.Interfaces {
		if o, ok := k.Objects[k.Links[name]]; ok {
			o.AsItem().Look(true)
		}
	}
}

// Tend has a worker bring the object to what is desired, by a task that it makes,
// if it is due and there is a worker for it. Otherwise it gives when it will be
// due; zero for when something has happened.
func (k *Keeper[O, J]) Tend(ctx context.Context, o O, now time.Time, task func(O) J) time.Time {
	switch i := o.AsItem(); {
	case i.busy:
	case i.due.After(now):
		return i.due
	case k.busy < maxBusy:
		k.start(ctx, o, task(o))
	}
	return time.Time{}
}

func (k *Keeper[O, J]) start(ctx context.Context, o O, task J) {
	i, j := o.AsItem(), task.AsJob()
	*j = Job{
		ID: i.ID, Light: i.light && i.known, First: !i.known, Audit: i.audit,
		unwanted: !o.Wanted(), names: k.names(i.ID), kind: &k.kind, cfg: k.cfg,
	}
	i.busy, i.again = true, false
	k.busy++
	k.workers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, jobTimeout)
		defer cancel()
		began := time.Now()
		j.Err = attempt(ctx, task)
		j.took = time.Since(began)
		k.results <- task
	})
}

// Finish notes what a job made of its object, and gives that.
func (k *Keeper[O, J]) Finish(task J) O {
	j := task.AsJob()
	o := k.Objects[j.ID]
	i := o.AsItem()
	k.busy--
	i.busy, i.audit, i.tried = false, false, !i.again
	k.cfg.Loop.Took(j.took, j.Err)
	k.found(j)
	if j.Changes > 0 {
		k.cfg.Log.Info(k.kind.Changed, zap.String(k.kind.Noun, i.ID), zap.Int("changes", j.Changes),
			zap.Duration("took", j.took), zap.Bool("gone", !o.Wanted()))
	}
	now := time.Now()
	i.light = false
	if j.Err != nil {
		i.due = now.Add(i.wait/2 + rand.N(i.wait/2))
		i.wait = min(2*i.wait, retryMax)
		i.known = i.known && !i.again // what it was brought to before may be no more
		k.fail(i, j.Err.Error())
	} else {
		i.due = now.Add(k.kind.Every/2 + rand.N(k.kind.Every))
		i.known, i.wait = true, retryFirst
		k.fail(i, "")
	}
	if i.again {
		i.due = now
	}
	return o
}

// fail notes a problem, or its end.
func (k *Keeper[O, J]) fail(i *Item, text string) {
	if text == i.problem {
		return
	}
	i.problem, i.since = text, time.Now().UTC()
	if text != "" {
		k.cfg.Log.Warn(k.kind.Failed, zap.String(k.kind.Noun, i.ID), zap.String("text", text))
	}
}

// tell tells of problems when they have changed.
func (k *Keeper[O, J]) tell() {
	var found []model.Problem
	for _, o := range k.Sorted() {
		if i := o.AsItem(); i.problem != "" {
			found = append(found, model.Problem{Object: k.kind.Noun + " " + i.ID, Text: i.problem, Since: i.since})
		}
		found = append(found, o.Problems()...)
	}
	if !slices.Equal(found, k.told) {
		k.told = found
		k.cfg.Controller.SetProblems(slices.Clone(found))
	}
}

// acknowledge tells the controller how far the host has followed. Objects that
// cannot be brought to what is desired do not hold it up: they are reported as
// such.
func (k *Keeper[O, J]) acknowledge() {
	settled, here, waiting := k.swept, 0, 0
	for _, o := range k.Objects {
		i := o.AsItem()
		moving := i.busy || i.Stale || !i.tried
		if moving || !i.known {
			waiting++
		}
		settled = settled && !moving
		if o.Wanted() {
			here++
		}
	}
	k.cfg.Loop.Waiting(waiting)
	k.cfg.Controller.SetDevices(here, settled)
	if settled && k.acked != k.revision {
		k.acked = k.revision
		k.cfg.Controller.Ack(k.acked)
	}
}
