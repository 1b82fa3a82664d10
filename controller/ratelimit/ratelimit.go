// Package ratelimit bounds what each of many clients may ask for: a bucket of
// tokens for each, of those that were seen last.
package ratelimit

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit says how much one client may ask for. The zero value is for no limit.
type Limit struct {
	// PerSecond is how much a client gets a second for long, and Burst how much
	// at once.
	PerSecond, Burst int
}

// Limiter has a bucket for each of the clients that were seen last. It is safe
// for concurrent use.
type Limiter struct {
	limit Limit
	size  int

	mu    sync.Mutex
	order *list.List // of *Bucket, the one used last first
	all   map[string]*list.Element
}

// Bucket is one client's.
type Bucket struct {
	key    string
	tokens *rate.Limiter
	busy   int // places taken
}

// New makes a limiter that remembers so many clients. One that is forgotten begins
// with a full burst again.
func New(limit Limit, size int) *Limiter {
	return &Limiter{limit: limit, size: size, order: list.New(), all: map[string]*list.Element{}}
}

// Take takes a token of a client's; where there is none, it gives the time until
// there is one, and takes nothing.
func (l *Limiter) Take(key string, now time.Time) (*Bucket, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.all[key]
	if ok {
		l.order.MoveToFront(e)
	} else {
		b := &Bucket{key: key, tokens: rate.NewLimiter(rate.Limit(l.limit.PerSecond), l.limit.Burst)}
		e = l.order.PushFront(b)
		l.all[key] = e
		if len(l.all) > l.size {
			last := l.order.Back()
			l.order.Remove(last)
			delete(l.all, last.Value.(*Bucket).key)
		}
	}
	b := e.Value.(*Bucket)
	r := b.tokens.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return b, wait
}

// Occupy takes one of the client's places, of which there are so many; Vacate
// gives it back.
func (l *Limiter) Occupy(b *Bucket, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.busy >= most {
		return false
	}
	b.busy++
	return true
}

// Vacate gives a place back.
func (l *Limiter) Vacate(b *Bucket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.busy--
}
