package nova

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/duty"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

const (
	// window is how long a port waits for others to share a request with.
	window = 50 * time.Millisecond
	// maxEvents is how many events go in one request, and maxNotices how many
	// are stored in one transaction, within what any etcd takes.
	maxEvents  = 100
	maxNotices = 100
	// maxTries is how often an event is sent that Nova does not take while it
	// takes others.
	maxTries = 5
	// Bounds of the pause after a failure.
	minPause, maxPause = 200 * time.Millisecond, 30 * time.Second
	// handOver is how long one controller tries in vain before another one does:
	// it may reach a Nova that this one does not.
	handOver = 15 * time.Second
)

// Config is what a notifier needs.
type Config struct {
	DB *records.DB
	// URL is that of the compute service, with its version.
	URL    string
	Tokens Tokens
	Log    *zap.Logger
	// As is the controller's name for people.
	As string
	// Alone says that no other controller uses the store.
	Alone   bool
	Metrics *Metrics
}

// Notifier tells Nova what happens to the ports of servers.
type Notifier struct {
	config Config
	client *client
	duty   *duty.Duty
	window time.Duration
	// minPause, maxPause and handOver are the constants but in tests.
	minPause, maxPause, handOver time.Duration

	mu      sync.Mutex
	active  bool // has the duty
	waiting map[string]bool
	wake    chan struct{} // capacity 1
}

// New makes a notifier.
func New(c Config) *Notifier {
	n := &Notifier{
		config: c, client: newClient(c.URL, c.Tokens), window: window, minPause: minPause, maxPause: maxPause, handOver: handOver,
		waiting: map[string]bool{}, wake: make(chan struct{}, 1),
	}
	n.duty = duty.New(duty.Config{DB: c.DB, Name: "nova-events", As: c.As, Log: c.Log, Alone: c.Alone, Observe: c.Metrics.held})
	return n
}

// Run tells Nova until ctx is done, while this controller has the duty.
func (n *Notifier) Run(ctx context.Context) error {
	n.config.DB.OnApply(n.apply)
	return n.duty.Run(ctx, n.tell)
}

// apply notes the ports that a batch of changes is about. It is called by the
// goroutine that applies them to the records.
func (n *Notifier) apply(b records.Batch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.active {
		return
	}
	for _, c := range b.Changes {
		if before, after, ok := records.Ports.Change(c); ok {
			if server(before) != "" || server(after) != "" {
				n.waiting[c.ID] = true
			}
		} else if _, _, ok := records.PortStatuses.Change(c); ok {
			n.waiting[c.ID] = true
		} else if before, after, ok := records.ObjectStatuses.Change(c); ok {
			for _, s := range []*model.ObjectStatus{before, after} {
				if s != nil && s.Kind == model.ObjectDHCPPort {
					n.waiting[s.ID] = true
				}
			}
		} else if before, after, ok := records.FloatingIPs.Change(c); ok {
			for _, f := range []*model.FloatingIP{before, after} {
				if f != nil && f.PortID != "" {
					n.waiting[f.PortID] = true
				}
			}
		}
	}
	n.stir()
}

// stir wakes the worker if there is work. The lock is held.
func (n *Notifier) stir() {
	n.config.Metrics.waiting(len(n.waiting))
	if len(n.waiting) == 0 {
		return
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// take gives the ports to look at.
func (n *Notifier) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	ids := slices.Sorted(maps.Keys(n.waiting))
	clear(n.waiting)
	return ids
}

// again has ports looked at once more.
func (n *Notifier) again(ids []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.active {
		return
	}
	for _, id := range ids {
		n.waiting[id] = true
	}
	n.stir()
}

// begin notes every port that there is something to say about: those of servers
// and those that Nova was told of.
func (n *Notifier) begin() {
	n.mu.Lock()
	n.active = true
	n.mu.Unlock()
	var ids []string
	_ = n.config.DB.ReadStale(func(r records.Reader) error { // the function does not fail
		for p := range records.Ports.All(r) {
			if server(p) != "" {
				ids = append(ids, p.ID)
			}
		}
		for notice := range records.ServerNotices.All(r) {
			ids = append(ids, notice.PortID)
		}
		return nil
	})
	n.again(ids)
}

func (n *Notifier) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.active = false
	clear(n.waiting)
	n.config.Metrics.waiting(0)
}

// tell works while this controller has the duty, and gives it back when nothing
// succeeds.
func (n *Notifier) tell(ctx context.Context, t duty.Tenure) {
	n.begin()
	defer n.end()
	w := &worker{Notifier: n, tenure: t, told: map[string]notice{}, tries: map[string]int{}}
	pause := n.minPause
	var failing time.Time // since when nothing succeeds
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		}
		sleep(ctx, n.window)
		ids := n.take()
		began := time.Now()
		err := w.work(ctx, ids)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, duty.ErrLost):
			return
		case err != nil:
			n.config.Log.Warn("Nova is not told of ports", zap.Int("ports", len(ids)), zap.Error(err))
			n.again(ids)
			if failing.IsZero() {
				failing = began
			}
			if !n.config.Alone && time.Since(failing) >= n.handOver {
				return
			}
			sleep(ctx, pause/2+rand.N(pause/2))
			pause = min(2*pause, n.maxPause)
		default:
			pause, failing = n.minPause, time.Time{}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
