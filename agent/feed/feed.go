package feed

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/telemetry"
)

// backlog is the number of updates that wait for a consumer before a full one
// takes their place.
const backlog = 16

// Source is the agent's connection to the controllers (*session.Session).
type Source interface {
	Updates() <-chan rpc.Update
	Report(statuses ...model.PortStatus)
	ReportObjects(statuses ...model.ObjectStatus)
	Ack(revision int64)
	SetProblems(problems []model.Problem)
	SetDevices(n int, inSync bool)
	// Connected reports whether a controller has accepted the agent.
	Connected() bool
}

// Config says what a feed does besides handing over updates. The zero value is
// nothing.
type Config struct {
	// Archive keeps the records on disk; nil: nothing is kept.
	Archive Archive
	// Patience is how long a controller may take at the start before the loops
	// get what Archive has: 3 s by default.
	Patience time.Duration
	// Brake holds back full updates that would remove too much.
	Brake   Brake
	Metrics *Metrics // nil: no figures
	// Loop counts the updates that were taken, the writing to disk included; nil:
	// nothing does.
	Loop *telemetry.Loop
	Log  *zap.Logger // nil: no log
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Feed hands the updates of one source to its consumers.
type Feed struct {
	source    Source
	cfg       Config
	log       *zap.Logger
	keeper    *keeper // nil: nothing is kept
	consumers []*Consumer
	release   chan chan int

	mu    sync.Mutex
	state rpc.State
	// held are the records that only the brake keeps.
	held map[rpc.Ref]bool
	// own are the feed's problems, by object.
	own map[string]model.Problem
}

// New makes a feed that only hands over; Run works it.
func New(source Source) *Feed { return NewWith(source, Config{}) }

// NewWith makes a feed; Run works it.
func NewWith(source Source, cfg Config) *Feed {
	if cfg.Patience <= 0 {
		cfg.Patience = 3 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Feed{source: source, cfg: cfg, log: cfg.Log, release: make(chan chan int), own: map[string]model.Problem{}}
	if cfg.Archive != nil {
		f.keeper = newKeeper(cfg.Archive, cfg.Log)
	}
	cfg.Metrics.of(f)
	return f
}

// Consumer makes a consumer. All are made before Run is called.
func (f *Feed) Consumer(name string) *Consumer {
	c := &Consumer{feed: f, name: name, updates: make(chan rpc.Update), wake: make(chan struct{}, 1)}
	f.consumers = append(f.consumers, c)
	return c
}

// Run hands over updates until ctx is done or the source ends. It then closes
// the consumers' channels.
func (f *Feed) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for _, c := range f.consumers {
		workers.Go(func() { c.serve(ctx) })
	}
	defer workers.Wait()
	defer cancel()
	var patience, upkeep <-chan time.Time
	if f.keeper != nil {
		defer f.keeper.stop()
		if f.load() {
			patience = time.After(f.cfg.Patience)
		}
		tick := time.NewTicker(upkeepEvery)
		defer tick.Stop()
		upkeep = tick.C
	}
	updates := f.source.Updates()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				return nil
			}
			if u.Full {
				patience = nil
			}
			began := time.Now()
			f.take(ctx, f.judge(u))
			f.cfg.Loop.Done(began, nil)
			f.cfg.Loop.Waiting(len(updates))
		case <-patience:
			patience = nil
			f.resort()
		case <-upkeep:
			f.upkeep(ctx)
		case answer := <-f.release:
			answer <- f.letGo(ctx)
		}
	}
}

// take has an update written down and hands it to the consumers, in this order:
// so what is on disk is never older than what is in the switch.
func (f *Feed) take(ctx context.Context, u rpc.Update) {
	u = f.withKnown(u)
	f.keep(ctx, &u)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Apply(&u)
	if u.Full {
		f.noteStored()
	}
	for _, c := range f.consumers {
		c.put(u)
	}
}

// withKnown adds to a full update what is known of the records that it could not
// carry in a usable form: they stay as they were.
func (f *Feed) withKnown(u rpc.Update) rpc.Update {
	if !u.Full || len(u.Rejected) == 0 {
		return u
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	u = clone(&u)
	for _, bad := range u.Rejected {
		if rec := f.state.Get(rpc.Ref{Kind: bad.Kind, ID: bad.ID}); rec != nil {
			u.Put(bad.Kind, rec)
		}
	}
	return u
}

// Consumer is one loop's end of the feed. Its methods may be called by any
// goroutine.
type Consumer struct {
	feed    *Feed
	name    string
	updates chan rpc.Update
	wake    chan struct{} // one token when something may wait

	// The rest is guarded by the feed's mutex.
	waiting []rpc.Update
	behind  bool // a full update is due; waiting is empty
	acked   int64
	heard   bool // has acknowledged something
	said    said
}

// said is what a consumer said of itself.
type said struct {
	problems []model.Problem
	devices  int
	inSync   bool
	unsynced time.Time // since when not, if it was once
}

// Name is what the consumer was made as.
func (c *Consumer) Name() string { return c.name }

// Updates gives every update in order, or a full one in the place of several.
// The channel is closed when the feed ends.
func (c *Consumer) Updates() <-chan rpc.Update { return c.updates }

// put adds an update to what waits. The feed's mutex is held.
func (c *Consumer) put(u rpc.Update) {
	switch {
	case u.Full:
		c.waiting, c.behind = append(c.waiting[:0], u), false
	case c.behind:
	case len(c.waiting) == backlog:
		c.waiting, c.behind = nil, true
	default:
		c.waiting = append(c.waiting, u)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next takes what waits; false for nothing.
func (c *Consumer) next() (u rpc.Update, ok bool) {
	c.feed.mu.Lock()
	defer c.feed.mu.Unlock()
	switch {
	case c.behind:
		c.behind = false
		return *c.feed.state.Full(), true
	case len(c.waiting) > 0:
		u = c.waiting[0]
		c.waiting = c.waiting[1:]
		return u, true
	}
	return u, false
}

func (c *Consumer) serve(ctx context.Context) {
	defer close(c.updates)
	for {
		u, ok := c.next()
		if !ok {
			select {
			case <-c.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case c.updates <- u:
		case <-ctx.Done():
			return
		}
	}
}

// Ack says that everything up to the revision is realised, as far as it concerns
// the consumer.
func (c *Consumer) Ack(revision int64) {
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	c.acked, c.heard = revision, true
	if !f.state.Stored().IsZero() { // no controller has said that this revision exists
		return
	}
	least := revision
	for _, other := range f.consumers {
		if !other.heard {
			return
		}
		least = min(least, other.acked)
	}
	f.source.Ack(least)
}

// Report hands over states of ports.
func (c *Consumer) Report(statuses ...model.PortStatus) { c.feed.source.Report(statuses...) }

// ReportObjects hands over states of other objects. Host and Since are the
// controller's to fill in.
func (c *Consumer) ReportObjects(statuses ...model.ObjectStatus) {
	c.feed.source.ReportObjects(statuses...)
}

// SetProblems replaces what the consumer cannot do at the moment.
func (c *Consumer) SetProblems(problems []model.Problem) {
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	c.said.problems = problems
	f.tellProblems()
}

// tellProblems sends all problems, the feed's own first. The mutex is held.
func (f *Feed) tellProblems() {
	var all []model.Problem
	for _, object := range slices.Sorted(maps.Keys(f.own)) {
		all = append(all, f.own[object])
	}
	for _, c := range f.consumers {
		all = append(all, c.said.problems...)
	}
	f.source.SetProblems(all)
}

// Tell replaces the problems about an object that is no consumer's.
func (f *Feed) Tell(object string, problems []model.Problem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.own, object)
	for _, p := range problems {
		f.own[object] = p
	}
	f.tellProblems()
}

// Standing is how the host stands with its records.
type Standing struct {
	// Known says that there are records, of a controller or from the disk; Stale is
	// since when no controller has confirmed them, zero when one has.
	Known bool
	Stale time.Time
	// Unsynced are the consumers that have never realised all they know, or not for
	// as long as was asked for.
	Unsynced []string
}

// Standing tells how the host stands. Changes take a moment to be realised, which
// counts only from patience on.
func (f *Feed) Standing(patience time.Duration) Standing {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Standing{Known: f.state.Known(), Stale: f.state.Stored()}
	for _, c := range f.consumers {
		if !c.said.inSync && f.cfg.Now().Sub(c.said.unsynced) >= patience {
			s.Unsynced = append(s.Unsynced, c.name)
		}
	}
	return s
}

// setProblem notes a problem of the feed's own; an empty text is its end. The
// mutex is held.
func (f *Feed) setProblem(object, text string, since time.Time) {
	if f.own[object].Text == text {
		return
	}
	if text == "" {
		delete(f.own, object)
	} else {
		f.own[object] = model.Problem{Object: object, Text: text, Since: since.UTC()}
	}
	f.tellProblems()
}

// SetDevices tells how many devices the consumer has, and whether it has
// realised all it knows. A consumer that has said nothing has not.
func (c *Consumer) SetDevices(n int, inSync bool) {
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.said.inSync && !inSync {
		c.said.unsynced = f.cfg.Now()
	}
	c.said.devices, c.said.inSync = n, inSync
	all, devices := f.state.Stored().IsZero(), 0
	for _, other := range f.consumers {
		devices += other.said.devices
		all = all && other.said.inSync
	}
	f.source.SetDevices(devices, all)
}
