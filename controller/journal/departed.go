package journal

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered of departures, and of one look for more. Beyond
// them there is no proof, and a host's brake decides.
const (
	maxGraves   = 50_000
	maxLookedAt = 200_000 // events
	lookTimeout = 4 * time.Second
	// skew is how far writers' clocks may be apart.
	skew = 15 * time.Second
)

// Departure is an object that was deleted, or left hosts that had it as their
// own.
type Departure struct {
	Resource, ID string
	Deleted      bool
	// Left are the hosts that had it. Network and Groups are what it belonged to.
	Left    []string
	Network string
	Groups  []string

	at time.Time
}

// graves are the departures that were read lately, for the many agents that come
// back together: the newest first, all since a time up to a revision.
type graves struct {
	mu       sync.Mutex
	list     []Departure
	since    time.Time // zero: nothing was read
	read     time.Time // when, by this controller's clock
	revision int64
}

// Departed gives what the journal knows of departures from a time up to a
// revision of the store at least. It is complete unless the journal does not
// reach back so far, or has more than it reads in a few seconds.
func (j *Journal) Departed(ctx context.Context, since time.Time, revision int64) []Departure {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	g := &j.graves
	g.mu.Lock()
	defer g.mu.Unlock()
	since = since.Add(-skew)
	if err := j.dig(ctx, since, revision); err != nil {
		j.log.Warn("the journal is read too slowly: hosts may keep what was deleted", errField(err))
	}
	end := slices.IndexFunc(g.list, func(d Departure) bool { return d.at.Before(since) })
	if end < 0 {
		end = len(g.list)
	}
	return slices.Clone(g.list[:end])
}

// dig reads what is not yet remembered; the mutex is held.
func (j *Journal) dig(ctx context.Context, since time.Time, revision int64) error {
	g := &j.graves
	if g.revision >= revision && !g.since.IsZero() && !since.Before(g.since) {
		return nil
	}
	begun := now()
	head, err := j.store.Head(ctx)
	if err != nil {
		return err
	}
	if head < g.revision { // another store's past
		g.list, g.since, g.revision = nil, time.Time{}, 0
	}
	if g.since.IsZero() {
		g.since = begun.Add(skew)
	} else {
		var fresh []Departure
		_, err := j.collect(ctx, Query{Since: g.read.Add(-skew), NoHosts: true}, func(e *Event) {
			if e.Revision > g.revision {
				fresh = append(fresh, e.departures()...)
			}
		})
		if err != nil {
			return err // what is remembered stays as it was
		}
		g.list = append(fresh, g.list...)
	}
	g.read, g.revision = begun, head
	if since.Before(g.since) {
		reached, err := j.collect(ctx, Query{Since: since, Until: g.since.Add(-time.Millisecond), NoHosts: true}, func(e *Event) {
			g.list = append(g.list, e.departures()...)
		})
		if g.since = since; err != nil || !reached.IsZero() {
			g.since = reached
		}
		if err != nil {
			return err
		}
	}
	if len(g.list) > maxGraves {
		g.list = slices.Clip(g.list[:maxGraves])
		g.since = g.list[maxGraves-1].at.Add(time.Millisecond)
	}
	return nil
}

// collect visits events; it gives the time of the last one when there were more
// than it may look at, or when it failed.
func (j *Journal) collect(ctx context.Context, q Query, visit func(*Event)) (reached time.Time, err error) {
	n, last := 0, q.Until
	err = j.Read(ctx, q, func(e *Event) bool {
		visit(e)
		last = e.At
		n++
		return n < maxLookedAt
	})
	if err != nil || n >= maxLookedAt {
		return last, err
	}
	return time.Time{}, nil
}

// departures are what an event tells of objects that went.
func (e *Event) departures() []Departure {
	var out []Departure
	for _, c := range e.Changes {
		if c.Action != Delete && len(c.Left)+len(c.Groups) == 0 {
			continue
		}
		out = append(out, Departure{
			Resource: c.Resource, ID: c.ID, Deleted: c.Action == Delete, Left: c.Left, Network: c.Network, Groups: c.Groups, at: e.At,
		})
	}
	return out
}
