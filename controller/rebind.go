package controller

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/telemetry"
)

// rebindRetry is how long a host waits after a failed attempt.
const rebindRetry = 5 * time.Second

// rebinder binds ports again whose binding has failed because their host's
// agent was not there, or could not reach the network then.
type rebinder struct {
	db       *records.DB
	rules    *plugin.Plugin
	downTime time.Duration
	log      *zap.Logger
	loop     *telemetry.Loop

	mu    sync.Mutex
	hosts map[string]bool // whose agent came or changed
	wake  chan struct{}   // capacity 1
}

func newRebinder(db *records.DB, rules *plugin.Plugin, downTime time.Duration, log *zap.Logger) *rebinder {
	return &rebinder{db: db, rules: rules, downTime: downTime, log: log, hosts: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// apply notes the hosts whose agent can do more than before.
func (r *rebinder) apply(b records.Batch) {
	for _, c := range b.Changes {
		before, after, ok := records.Agents.Change(c)
		if ok && after != nil && r.canMore(before, after) {
			r.note(after.Host)
		}
	}
}

func (r *rebinder) canMore(before, after *model.Agent) bool {
	return before == nil || !before.Alive(after.HeartbeatAt, r.downTime) ||
		!before.AdminStateUp && after.AdminStateUp ||
		!maps.Equal(before.BridgeMappings, after.BridgeMappings) || !slices.Equal(before.TunnelTypes, after.TunnelTypes)
}

func (r *rebinder) note(host string) {
	r.mu.Lock()
	r.hosts[host] = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *rebinder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	hosts := slices.Sorted(maps.Keys(r.hosts))
	clear(r.hosts)
	return hosts
}

// run works until ctx is done.
func (r *rebinder) run(ctx context.Context) error {
	r.db.OnApply(r.apply)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
		failed := false
		hosts := r.take()
		r.loop.Waiting(len(hosts))
		for _, host := range hosts {
			began := time.Now()
			bound, err := r.rules.RebindHost(ctx, r.db, host)
			r.loop.Done(began, err)
			if bound > 0 {
				r.log.Info("ports bound again", zap.String("host", host), zap.Int("ports", bound))
			}
			if err != nil && ctx.Err() == nil {
				r.log.Warn("ports cannot be bound again", zap.String("host", host), zap.Error(err))
				r.note(host)
				failed = true
			}
		}
		if failed {
			select {
			case <-ctx.Done():
			case <-time.After(rebindRetry/2 + rand.N(rebindRetry)):
			}
		}
	}
}
