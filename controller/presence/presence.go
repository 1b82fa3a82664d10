// Package presence lets operators see which controllers there are.
//
// Each controller keeps a record of itself with a beat that grows. Whether
// another one lives each finds out by its own clock, so no two clocks are
// compared. Nothing depends on it but what is shown: who does what for all is for
// package duty.
package presence

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

const (
	beatEvery = 10 * time.Second
	// DeadAfter is how long a beat may stand still.
	DeadAfter = 30 * time.Second
	// forgetAfter is how long a controller that ended badly is shown.
	forgetAfter = 24 * time.Hour
	lookEvery   = time.Second
	// leaveTimeout bounds taking the record away at the end.
	leaveTimeout = 2 * time.Second
)

// Presence is one controller's view of all of them.
type Presence struct {
	db   *records.DB
	log  *zap.Logger
	self model.Controller

	mu   sync.Mutex
	seen map[string]beat // by name
}

// beat is a beat, and when it was first seen.
type beat struct {
	instance string
	number   int64
	at       time.Time
}

// State is a controller as it is seen.
type State struct {
	model.Controller
	Alive bool
	// Silent is how long its beat has stood still.
	Silent time.Duration
}

// New makes the presence of a controller; Run keeps it up.
func New(db *records.DB, self model.Controller, log *zap.Logger) *Presence {
	self.Instance, self.StartedAt = uuid.NewString(), time.Now().UTC()
	return &Presence{db: db, log: log, self: self, seen: map[string]beat{}}
}

// Run shows that the controller is there until ctx is done.
func (p *Presence) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	next := time.Now()
	for {
		if now := time.Now(); !now.Before(next) {
			p.tell(ctx)
			next = now.Add(beatEvery/2 + rand.N(beatEvery/2))
		}
		p.States()
		select {
		case <-look.C:
		case <-ctx.Done():
			p.leave(ctx)
			return nil
		}
	}
}

// tell writes the next beat. One that cannot be written is what the others see.
func (p *Presence) tell(ctx context.Context) {
	p.self.Beat++
	bounded, cancel := context.WithTimeout(ctx, beatEvery/2)
	defer cancel()
	dead := p.forgotten()
	_, err := p.db.Update(bounded, func(u *records.Update) error {
		mine := p.self
		records.Controllers.Put(u, &mine)
		for _, name := range dead {
			if c, ok := records.Controllers.Get(u, name); ok && c.Beat == p.beatOf(name) {
				records.Controllers.Delete(u, name)
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		p.log.Warn("other controllers cannot be told of this one", zap.Error(err))
	}
}

func (p *Presence) beatOf(name string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[name].number
}

// forgotten are the controllers that have been silent for so long that nobody
// waits for them.
func (p *Presence) forgotten() []string {
	var names []string
	for _, s := range p.States() {
		if s.Name != p.self.Name && s.Silent > forgetAfter {
			names = append(names, s.Name)
		}
	}
	return names
}

// leave takes the record away, unless another run has it by now.
func (p *Presence) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_, err := p.db.Update(ctx, func(u *records.Update) error {
		if c, ok := records.Controllers.Get(u, p.self.Name); ok && c.Instance == p.self.Instance {
			records.Controllers.Delete(u, p.self.Name)
		}
		return nil
	})
	if err != nil {
		p.log.Debug("the record of this controller stays", zap.Error(err))
	}
}

// States gives all controllers, sorted by name.
func (p *Presence) States() []State {
	now := time.Now()
	var out []State
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.db.ReadStale(func(r records.Reader) error { // the function does not fail
		there := map[string]bool{}
		for c := range records.Controllers.All(r) {
			b := p.seen[c.Name]
			if b.instance != c.Instance || b.number != c.Beat {
				b = beat{c.Instance, c.Beat, now}
				p.seen[c.Name] = b
			}
			there[c.Name] = true
			silent := now.Sub(b.at)
			out = append(out, State{Controller: *c, Alive: silent < DeadAfter, Silent: silent})
		}
		for name := range p.seen {
			if !there[name] {
				delete(p.seen, name)
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b State) int { return strings.Compare(a.Name, b.Name) })
	return out
}
