package schedule

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Config is what a scheduler needs.
type Config struct {
	DB    *records.DB
	Rules *plugin.Plugin
	Log   *zap.Logger
	// DownTime is agent_down_time.
	DownTime time.Duration
	// MovesPerSecond bounds moves from host to host.
	MovesPerSecond int
	// Loop counts what the scheduler looks at; nil: nothing does.
	Loop *telemetry.Loop
}

// Bounds on waiting.
const (
	placeTimeout = 10 * time.Second
	probeTimeout = 2 * time.Second
	minTick      = 10 * time.Millisecond
	maxTick      = 5 * time.Second
	// maxRound is how many items are placed before agents are looked after again.
	maxRound = 64
)

// Scheduler places routers and networks. One goroutine, Run, does the work; what
// the batches of changes note for it is behind a mutex.
type Scheduler struct {
	cfg  Config
	tick time.Duration
	now  func() time.Time
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	queue   *queue
	watch   *watch
	changed map[string]bool // hosts whose agent came, went or changed
	serving bool            // there is an agent of role l3 or dhcp
	// asked is when this controller learned of the challenges of ha routers, by
	// its own clock.
	asked map[string]asked

	pace     *pace
	unplaced map[item]bool
	stats    struct{ placed, moved, failed, unplaced atomic.Int64 }
}

// asked is a challenge and when it was learned of.
type asked struct {
	challenge model.RouterChallenge
	at        time.Time
}

// New makes a scheduler.
func New(c Config) *Scheduler {
	return &Scheduler{
		cfg: c, now: time.Now, tick: max(min(c.DownTime/8, maxTick), minTick), wake: make(chan struct{}, 1),
		queue: newQueue(), watch: newWatch(c.DownTime), changed: map[string]bool{}, asked: map[string]asked{},
		pace: newPace(c.MovesPerSecond, time.Now()), unplaced: map[item]bool{},
	}
}

// Stats counts what a scheduler did, and what it cannot do.
type Stats struct {
	Placed, Moved, Failed int64
	// Unplaced is how many routers and networks are on fewer hosts than they
	// should be, and there is no agent that could have them.
	Unplaced int64
}

// Stats is safe for concurrent use.
func (s *Scheduler) Stats() Stats {
	return Stats{Placed: s.stats.placed.Load(), Moved: s.stats.moved.Load(), Failed: s.stats.failed.Load(), Unplaced: s.stats.unplaced.Load()}
}

// Run works until ctx is done.
func (s *Scheduler) Run(ctx context.Context) error {
	s.cfg.DB.OnApply(s.note)
	ticker := time.NewTicker(s.tick)
	defer ticker.Stop()
	last := s.now()
	for {
		timer := time.NewTimer(s.idle())
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		case <-ticker.C:
			now := s.now()
			s.liveness(ctx, now, now.Sub(last))
			last = now
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
		s.work(ctx)
	}
}

// idle is how long there is nothing to do.
func (s *Scheduler) idle() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.queue.next()
	if next.IsZero() {
		return maxBackoff
	}
	return max(time.Until(next), time.Millisecond)
}

// liveness finds the agents that have become dead. Agents cannot be heard while
// the store is away or full, or this process stands still.
func (s *Scheduler) liveness(ctx context.Context, now time.Time, since time.Duration) {
	s.mu.Lock()
	serving, unheard := s.serving, s.watch.unheard(now)
	s.mu.Unlock()
	if !serving {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	err := s.cfg.DB.Read(ctx, func(records.Reader) error { return nil })
	if err == nil && unheard { // a full store answers reads, and takes no heartbeats
		err = s.cfg.DB.TryWrite(ctx)
	}
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || since > s.tick+s.cfg.DownTime/2 {
		s.watch.again(s.now())
		return
	}
	for _, a := range s.watch.fallen(now) {
		if serves(a) {
			s.cfg.Log.Warn("agent is dead, others take over its routers and networks", zap.String("host", a.Host), zap.Time("heartbeat", a.HeartbeatAt))
			s.changed[a.Host] = true
		}
	}
}

func serves(a *model.Agent) bool {
	return slices.ContainsFunc(a.Roles, func(role string) bool {
		return role == plugin.RoleL3 || role == plugin.RoleDHCP || role == plugin.RoleDVR
	})
}

// note takes what a batch of changes gives to do.
func (s *Scheduler) note(b records.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, c := range b.Changes {
		s.noteAgent(c, s.now())
		s.noteChallenge(c, now)
		noteItems(c, func(k kind, id string) {
			if id != "" {
				s.queue.add(item{k, id}, now)
			}
		})
	}
	if len(s.queue.at)+len(s.changed) > 0 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

func (s *Scheduler) noteAgent(c records.Change, now time.Time) {
	before, after, ok := records.Agents.Change(c)
	if !ok {
		return
	}
	if after == nil {
		s.watch.forget(c.ID)
		s.changed[before.Host] = true
		return
	}
	if s.watch.see(after, now) && (serves(after) || before != nil && serves(before)) {
		s.changed[after.Host] = true
	}
	s.serving = s.serving || serves(after)
}

// noteChallenge notes when the active host of an ha router was asked whether it
// still is.
func (s *Scheduler) noteChallenge(c records.Change, now time.Time) {
	_, after, ok := records.RouterBindings.Change(c)
	switch {
	case !ok:
	case after == nil || after.Challenge == nil:
		delete(s.asked, c.ID)
	case s.asked[c.ID].challenge != *after.Challenge:
		s.asked[c.ID] = asked{*after.Challenge, now}
	}
}

// unanswered reports whether a challenge has stood for as long as its answer may
// take.
func (s *Scheduler) unanswered(router string, c model.RouterChallenge) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.asked[router]
	return ok && a.challenge == c && time.Since(a.at) >= plugin.AnswerTime
}

// noteItems gives the routers and networks that a change concerns.
func noteItems(c records.Change, add func(kind, string)) {
	switch c.Table {
	case records.Routers.Name(), records.RouterBindings.Name():
		add(router, c.ID)
	case records.Networks.Name(), records.DHCPBindings.Name():
		add(network, c.ID)
	}
	if before, after, ok := records.ObjectStatuses.Change(c); ok {
		for _, st := range []*model.ObjectStatus{before, after} {
			if st != nil && st.Kind == model.ObjectRouterHA {
				add(router, st.ID)
			}
		}
	}
	if before, after, ok := records.Subnets.Change(c); ok {
		for _, subnet := range []*model.Subnet{before, after} {
			if subnet != nil {
				add(network, subnet.NetworkID)
			}
		}
	}
	if before, after, ok := records.Ports.Change(c); ok {
		for _, port := range []*model.Port{before, after} {
			switch {
			case port == nil:
			case port.DeviceOwner == plugin.OwnerDHCP:
				add(network, port.NetworkID)
			case strings.HasPrefix(port.DeviceOwner, "network:router_"):
				add(router, port.DeviceID)
			}
		}
		// Floating addresses are where their ports are. At the start the routers
		// see to all of theirs.
		if before != nil && after != nil && (before.Host != after.Host || before.VIFType != after.VIFType) {
			add(translated, after.ID)
		}
	}
}

// work places what is due.
func (s *Scheduler) work(ctx context.Context) {
	s.spread()
	s.mu.Lock()
	due := s.queue.take(time.Now(), maxRound)
	s.mu.Unlock()
	for _, i := range due {
		if ctx.Err() != nil {
			return
		}
		began := time.Now()
		s.place(ctx, i)
		s.cfg.Loop.Done(began, nil)
	}
	s.mu.Lock()
	s.cfg.Loop.Waiting(len(s.queue.at))
	s.mu.Unlock()
	s.stats.unplaced.Store(int64(len(s.unplaced)))
}

// spread makes due what is on the hosts whose agents have changed, and what is on
// too few hosts.
func (s *Scheduler) spread() {
	s.mu.Lock()
	hosts := s.changed
	s.changed = map[string]bool{}
	s.mu.Unlock()
	if len(hosts) == 0 {
		return
	}
	var all []item
	_ = s.cfg.DB.ReadStale(func(r records.Reader) error { // the function gives no error
		for host := range hosts {
			for b := range records.RouterBindingsByHost.Get(r, host) {
				all = append(all, item{router, b.RouterID})
			}
			for b := range records.DHCPBindingsByHost.Get(r, host) {
				all = append(all, item{network, b.NetworkID})
			}
			for p := range records.PortsByHost.Get(r, host) {
				for range records.FloatingIPsByPort.Get(r, p.ID) {
					all = append(all, item{translated, p.ID})
					break
				}
			}
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, i := range all {
		s.queue.add(i, now)
	}
	for i := range s.unplaced {
		s.queue.add(i, now)
	}
}

// place decides about one router or network.
func (s *Scheduler) place(ctx context.Context, i item) {
	how := plugin.Scheduling{Dead: s.dead, Unanswered: s.unanswered, MayMove: s.pace.may(time.Now())}
	var done plugin.Placement
	rests := false
	_ = s.cfg.DB.ReadStale(func(r records.Reader) error { // the function gives no error
		switch i.kind {
		case router:
			done, rests = s.cfg.Rules.RouterAtRest(r, i.id, how)
		case network:
			done, rests = s.cfg.Rules.NetworkAtRest(r, i.id, how)
		case translated:
			rests = s.cfg.Rules.FloatingAtRest(r, i.id)
		}
		return nil
	})
	var err error
	if !rests {
		done, err = s.commit(ctx, i, how)
	}
	s.account(i, done, err)
}

func (s *Scheduler) commit(ctx context.Context, i item, how plugin.Scheduling) (plugin.Placement, error) {
	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	var done plugin.Placement
	_, err := s.cfg.DB.Update(ctx, func(u *records.Update) (err error) {
		switch i.kind {
		case router:
			done, err = s.cfg.Rules.PlaceRouter(u, i.id, how)
		case network:
			done, err = s.cfg.Rules.PlaceNetwork(u, i.id, how)
		case translated:
			s.cfg.Rules.PlaceFloating(u, i.id)
		}
		return err
	})
	return done, err
}

func (s *Scheduler) dead(a *model.Agent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watch.isDead(a)
}

// account notes what became of an item, and when to look at it again.
func (s *Scheduler) account(i item, done plugin.Placement, err error) {
	log := s.cfg.Log.With(zap.String(i.kind.String(), i.id))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	delete(s.unplaced, i)
	if err != nil {
		s.stats.failed.Add(1)
		s.cfg.Loop.Failed()
		log.Warn("cannot be placed", zap.Error(err))
		s.queue.retry(i, now)
		return
	}
	if done.Unplaced {
		s.unplaced[i] = true
	}
	if done.Paced {
		s.pace.spend()
	}
	if len(done.Lost) > 0 {
		s.stats.moved.Add(1)
		log.Info("moved", zap.Strings("from", done.Lost), zap.Strings("to", done.Gained))
	} else if len(done.Gained) > 0 {
		s.stats.placed.Add(1)
		log.Info("placed", zap.Strings("hosts", done.Gained))
	}
	if done.Activated != "" {
		log.Info("active", zap.String("host", done.Activated))
	}
	switch {
	case done.NoAddress:
		log.Warn("no free address for DHCP")
		s.queue.retry(i, now)
	case done.Waits:
		s.queue.add(i, now.Add(s.pace.wait()))
	case !done.Rests.IsZero():
		s.queue.add(i, done.Rests)
	default:
		s.queue.settled(i)
	}
}
