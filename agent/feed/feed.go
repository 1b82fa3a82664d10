package feed

import (
	"context"
	"sync"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
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
}

// Feed hands the updates of one source to its consumers.
type Feed struct {
	source    Source
	consumers []*Consumer

	mu    sync.Mutex
	state rpc.State
}

// New makes a feed; Run works it.
func New(source Source) *Feed { return &Feed{source: source} }

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
	var consumers sync.WaitGroup
	for _, c := range f.consumers {
		consumers.Go(func() { c.serve(ctx) })
	}
	defer consumers.Wait()
	defer cancel()
	updates := f.source.Updates()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				return nil
			}
			f.take(u)
		}
	}
}

func (f *Feed) take(u rpc.Update) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Apply(&u)
	for _, c := range f.consumers {
		c.put(u)
	}
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
	var all []model.Problem
	for _, other := range f.consumers {
		all = append(all, other.said.problems...)
	}
	f.source.SetProblems(all)
}

// SetDevices tells how many devices the consumer has, and whether it has
// realised all it knows. A consumer that has said nothing has not.
func (c *Consumer) SetDevices(n int, inSync bool) {
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	c.said.devices, c.said.inSync = n, inSync
	all, devices := true, 0
	for _, other := range f.consumers {
		devices += other.said.devices
		all = all && other.said.inSync
	}
	f.source.SetDevices(devices, all)
}
