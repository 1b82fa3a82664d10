package records

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// progress lets goroutines wait until the view has reached a revision.
type progress struct {
	mu      sync.Mutex
	reached int64
	waiters map[*waiter]struct{}
}

type waiter struct {
	revision int64
	since    time.Time
	done     chan struct{}
}

// advance tells that the view is at revision; it may go back, after a store was
// restored from a backup.
func (p *progress) advance(revision int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached = revision
	for w := range p.waiters {
		if w.revision <= revision {
			close(w.done)
			delete(p.waiters, w)
		}
	}
}

// wait returns when the view is at revision or beyond, or with ErrUnavailable
// when ctx ends first.
func (p *progress) wait(ctx context.Context, revision int64) error {
	p.mu.Lock()
	if p.reached >= revision {
		p.mu.Unlock()
		return nil
	}
	w := &waiter{revision: revision, since: time.Now(), done: make(chan struct{})}
	if p.waiters == nil {
		p.waiters = map[*waiter]struct{}{}
	}
	p.waiters[w] = struct{}{}
	reached := p.reached
	p.mu.Unlock()

	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		delete(p.waiters, w)
		p.mu.Unlock()
		return fmt.Errorf("wait for revision %d at %d: %w: %w", revision, reached, ErrUnavailable, ctx.Err())
	}
}

// overdue tells whether somebody has been waiting for at least d.
func (p *progress) overdue(d time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.waiters {
		if time.Since(w.since) >= d {
			return true
		}
	}
	return false
}
