package records

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/store"
)

// reservations keep the updates of one process from colliding: a key that an
// update is about to write is held from the claim, or the commit, until the view
// shows the outcome. They save the losers a futile transaction; what is correct
// is decided by the store.
type reservations struct {
	mu   sync.Mutex
	held map[string]holding
}

type holding struct {
	owner string
	by    *ticket
}

// ticket stands for one run of an update. After its deadline it holds nothing.
type ticket struct {
	deadline time.Time
	done     chan struct{} // closed by release
	keys     []string
}

func newTicket(deadline time.Time) *ticket {
	return &ticket{deadline: deadline, done: make(chan struct{})}
}

// take reserves one key, unless another ticket holds it, which is then returned
// with the owner that it was taken for.
func (r *reservations) take(t *ticket, key, owner string) (*ticket, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h, ok := r.held[key]; ok && h.by != t && time.Now().Before(h.by.deadline) {
		return h.by, h.owner
	}
	r.hold(t, key, owner)
	return nil, ""
}

// takeAll reserves all the keys that a transaction writes, if no other ticket
// holds any of them nor any of those that it depends on; otherwise it reserves
// none and returns the first such ticket.
func (r *reservations) takeAll(t *ticket, txn store.Txn) *ticket {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	other := func(key string) *ticket {
		if h, ok := r.held[key]; ok && h.by != t && now.Before(h.by.deadline) {
			return h.by
		}
		return nil
	}
	for _, o := range txn.Ops {
		if by := other(o.Key); by != nil {
			return by
		}
	}
	for _, c := range txn.Conds {
		if by := other(c.Key); by != nil {
			return by
		}
	}
	for _, o := range txn.Ops {
		if r.held[o.Key].by != t {
			r.hold(t, o.Key, "")
		}
	}
	return nil
}

func (r *reservations) hold(t *ticket, key, owner string) {
	if r.held == nil {
		r.held = map[string]holding{}
	}
	r.held[key] = holding{owner: owner, by: t}
	t.keys = append(t.keys, key)
}

// drop gives back one key.
func (r *reservations) drop(t *ticket, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[key].by == t {
		delete(r.held, key)
	}
}

// release gives back what the ticket holds and wakes those who wait for it.
func (r *reservations) release(t *ticket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range t.keys {
		if r.held[key].by == t {
			delete(r.held, key)
		}
	}
	close(t.done)
}

// wait returns when the ticket was released or its deadline has passed, or with
// ErrConflict when ctx ends first.
func (t *ticket) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(t.deadline))
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
	case <-ctx.Done():
		return fmt.Errorf("wait for a concurrent change: %w: %w", ErrConflict, ctx.Err())
	}
	return nil
}
