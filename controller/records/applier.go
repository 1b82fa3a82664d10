package records

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/telemetry"
)

const (
	// loadTimeout bounds reading everything once.
	loadTimeout = time.Minute
	// stallAfter is how long somebody may wait for a revision that the store has
	// acknowledged before the watch is taken for dead and made anew.
	stallAfter = 3 * time.Second
	// Bounds of the pause before the store is tried again.
	minPause, maxPause = 20 * time.Millisecond, 2 * time.Second
)

// applier keeps the view up to date. All its fields belong to its goroutine.
type applier struct {
	db          *DB
	builder     *builder
	revision    int64 // applied
	subscribers []func(Batch)
	loop        *telemetry.Loop
}

// load reads everything, publishes it and tells the subscribers.
func (a *applier) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	b := newBuilder()
	// What is read is of a revision that may be beyond the head: only a head that
	// is less than one before says that the store went back.
	head, err := a.db.store.Head(ctx)
	if err != nil {
		return err
	}
	revision, err := a.db.store.Range(ctx, dataPrefix, func(kv store.KV) error {
		a.apply(b, store.Event{KV: kv})
		return nil
	})
	if err != nil {
		return err
	}
	before := a.db.view.Load()
	a.builder, a.revision = b, revision
	a.db.headSeen.Store(head)
	after := a.publish()
	if len(a.subscribers) > 0 {
		a.tell(fullBatch(before, after))
	}
	return nil
}

// run follows the store until ctx ends, whatever happens to the watch.
func (a *applier) run(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		before := a.revision
		err := a.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		a.loop.Failed()
		a.db.log.Warn("the watch on the store ended", zap.Int64("rev", a.revision), zap.Error(err))
		if a.revision > before {
			pause = minPause
		}
		a.sleep(ctx, pause/2+rand.N(pause))
		pause = min(2*pause, maxPause)
		if !errors.Is(err, store.ErrCompacted) && !errors.Is(err, errReload) {
			continue
		}
		if err := a.load(ctx); err != nil {
			a.db.log.Warn("records cannot be read again", zap.Error(err))
			a.askReload()
			continue
		}
		a.db.counters.reloads.Add(1)
		a.db.log.Info("records read again", zap.Int64("rev", a.revision))
	}
}

// errReload ends a watch in favour of reading everything again.
var errReload = errors.New("a full load is due")

// follow applies one watch until it ends.
func (a *applier) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := a.db.store.Watch(ctx, a.revision)
	tick := time.NewTicker(stallAfter / 3)
	defer tick.Stop()
	for {
		select {
		case b, ok := <-batches:
			if !ok {
				return fmt.Errorf("watch closed: %w", ErrUnavailable)
			}
			if b.Err != nil {
				return b.Err
			}
			began := time.Now()
			a.batch(b)
			a.loop.Done(began, nil)
			a.loop.Waiting(len(batches))
		case s := <-a.db.subscribe:
			a.welcome(s)
		case <-a.db.kick:
			return errReload
		case <-tick.C:
			if a.db.progress.overdue(stallAfter) {
				return fmt.Errorf("watch stalled: %w", ErrUnavailable)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sleep pauses, but still takes subscribers.
func (a *applier) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case s := <-a.db.subscribe:
			a.welcome(s)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// batch applies what happened at one revision.
func (a *applier) batch(b store.Batch) {
	if b.Revision <= a.revision {
		return
	}
	out := Batch{Revision: b.Revision}
	for _, e := range b.Events {
		if c, ok := a.apply(a.builder, e); ok {
			out.Changes = append(out.Changes, c)
		}
	}
	a.revision = b.Revision
	a.db.headSeen.Store(b.Revision)
	a.publish()
	a.tell(out)
}

// apply changes the builder by one event. A value that cannot be decoded is
// logged by its key and hides that one record.
func (a *applier) apply(b *builder, e store.Event) (Change, bool) {
	table, id, ok := splitKey(e.Key)
	if !ok {
		return Change{}, false
	}
	if table == claimsName {
		if e.Deleted {
			b.deleteClaim(id)
		} else {
			b.putClaim(claim{key: id, owner: string(e.Value), revision: e.Revision})
		}
		return Change{}, false
	}
	t := declared.table(table)
	if t == nil {
		return Change{}, false
	}
	c := Change{Table: table, ID: id}
	if e.Deleted {
		c.Old = b.deleteRow(t, id)
		return c, c.Old != nil
	}
	rec, err := t.decode(e.Value)
	if err == nil && t.id(rec) != id {
		rec, err = nil, fmt.Errorf("the record says it is %q", t.id(rec))
	}
	if err != nil {
		a.db.counters.undecodable.Add(1)
		a.db.log.Error("a record in the store cannot be read", zap.String("key", e.Key),
			zap.Int64("rev", e.Revision), zap.Error(err))
	}
	if c.New = rec; rec != nil {
		id = t.id(rec) // equal, but does not keep the key's memory
		c.ID = id
	}
	c.Old = b.putRow(t, &row{id: id, revision: e.Revision, rec: rec})
	return c, c.Old != nil || c.New != nil
}

func (a *applier) publish() *view {
	v := a.builder.publish(a.revision)
	a.db.view.Store(v)
	a.db.progress.advance(a.revision)
	return v
}

func (a *applier) tell(b Batch) {
	for _, fn := range a.subscribers {
		fn(b)
	}
}

func (a *applier) welcome(s subscriber) {
	s.fn(fullBatch(nil, a.db.view.Load()))
	a.subscribers = append(a.subscribers, s.fn)
	close(s.ready)
}

func (a *applier) askReload() {
	select {
	case a.db.kick <- struct{}{}:
	default:
	}
}

// fullBatch tells everything in after, with what before had of it, and then what
// is only in before, which may be nil.
func fullBatch(before, after *view) Batch {
	b := Batch{Revision: after.revision, Full: true}
	for _, t := range declared.tables {
		after.scan(t, "", func(rec any) bool {
			c := Change{Table: t.name, ID: t.id(rec), New: rec}
			if before != nil {
				c.Old = before.lookup(t, c.ID)
			}
			b.Changes = append(b.Changes, c)
			return true
		})
	}
	if before == nil {
		return b
	}
	for _, t := range declared.tables {
		before.scan(t, "", func(rec any) bool {
			if id := t.id(rec); after.lookup(t, id) == nil {
				b.Changes = append(b.Changes, Change{Table: t.name, ID: id, Old: rec})
			}
			return true
		})
	}
	return b
}
