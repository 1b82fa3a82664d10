package records

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Bounds on what a call waits for when its context has no nearer deadline.
const (
	readTimeout   = 5 * time.Second
	updateTimeout = 10 * time.Second
	// awayTimeout is how long an update waits for a store that did not answer the
	// last time: those who come one after the other are not to pile up.
	awayTimeout = 2 * time.Second
	// settleTimeout bounds how long a committed update waits for its own changes
	// to show in the view.
	settleTimeout = 2 * time.Second
	// maxTries is how often an update runs that the store refuses because others
	// were faster.
	maxTries = 16
	// maxPending is how often a failed update runs again because others of this
	// process were undecided.
	maxPending = 8
)

// DB is the controller's database. It is safe for concurrent use.
type DB struct {
	store    store.Store
	log      *zap.Logger
	view     atomic.Pointer[view]
	progress progress
	reserved reservations
	heads    *headReader
	headSeen atomic.Int64 // the store's head as it was last seen
	counters counters
	journal  Note // nil: nobody writes down what changes

	subscribe chan subscriber // to the applier
	kick      chan struct{}   // asks the applier to read everything again
	stop      context.CancelFunc
	stopped   sync.WaitGroup
	done      chan struct{} // closed when the applier has ended
}

type subscriber struct {
	fn    func(Batch)
	ready chan struct{}
}

// Option is a choice made at Open.
type Option func(*options)

type options struct {
	onApply []func(Batch)
	loop    *telemetry.Loop
	journal Note
}

// Counted is an option of Open: the goroutine that keeps the view up to date
// counts its batches there.
func Counted(l *telemetry.Loop) Option { return func(o *options) { o.loop = l } }

// Note gives the operations that write down a transaction's changes; they become
// part of it. Old and New of a change are as in a Batch. The reader shows the
// records as they will be. It is called again when the transaction runs again.
type Note func(ctx context.Context, r Reader, changes []Change) []store.Op

// Journal is an option of Open: fn writes down what every update changes. The
// keys that it writes are outside of the records'.
func Journal(fn Note) Option {
	return func(o *options) { o.journal = fn }
}

// OnApply is an option of Open: see DB.OnApply.
func OnApply(fn func(Batch)) Option {
	return func(o *options) { o.onApply = append(o.onApply, fn) }
}

// Open loads all records and keeps up with the store until Close. It fails when
// the store's layout is of a newer version, or the store does not answer. The
// store is closed by its owner, after the database.
func Open(ctx context.Context, s store.Store, log *zap.Logger, opts ...Option) (*DB, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if err := ensureSchema(ctx, s); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	db := &DB{
		store:     s,
		log:       log,
		heads:     newHeadReader(s),
		journal:   o.journal,
		subscribe: make(chan subscriber),
		kick:      make(chan struct{}, 1),
		stop:      stop,
		done:      make(chan struct{}),
	}
	a := &applier{db: db, subscribers: o.onApply, loop: o.loop}
	if err := a.load(ctx); err != nil {
		stop()
		return nil, fmt.Errorf("load records: %w", err)
	}
	db.stopped.Go(func() {
		defer close(db.done)
		a.run(run)
	})
	return db, nil
}

// Close stops following the store. Calls under way fail with ErrUnavailable
// when their time is up.
func (db *DB) Close() error {
	db.stop()
	db.stopped.Wait()
	return nil
}

// OnApply calls fn with a full batch of everything there is, and then with
// every batch, in order, after the view has changed; OnApply returns after the
// first. The calls come from the one goroutine that keeps the view up to date,
// so fn must be quick, and must not call OnApply, Read or Update.
func (db *DB) OnApply(fn func(Batch)) {
	s := subscriber{fn: fn, ready: make(chan struct{})}
	select {
	case db.subscribe <- s:
		<-s.ready
	case <-db.done:
	}
}

// Revision is the store's revision that the view shows.
func (db *DB) Revision() int64 { return db.view.Load().revision }

// Behind is by how many revisions the view is behind the store. It fails with
// ErrUnavailable when the store does not answer within the context.
func (db *DB) Behind(ctx context.Context) (int64, error) {
	head, err := db.heads.head(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the head of the store: %w", err)
	}
	return max(head-db.Revision(), 0), nil
}

// Read runs fn on records that include everything acknowledged before the call,
// through any controller. It fails with ErrUnavailable when the store does not
// answer within 5 s, or the context's nearer deadline.
func (db *DB) Read(ctx context.Context, fn func(Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	err := db.catchUp(ctx)
	cancel()
	if err != nil {
		return err
	}
	return fn(db.view.Load())
}

// ReadAnyway is Read, but when the store does not answer it runs fn on the records
// as this controller last saw them, and tells how long ago the store answered.
// The first to find the store away waits as long as for Read, those after them a
// quarter of a second. Fresh records have age 0.
func (db *DB) ReadAnyway(ctx context.Context, fn func(r Reader, age time.Duration) error) error {
	patience := readTimeout
	if _, away := db.heads.silence(); away {
		patience = awayPatience
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	err := db.catchUp(bounded)
	cancel()
	switch {
	case err == nil:
		return fn(db.view.Load(), 0)
	case ctx.Err() != nil, errors.Is(err, errWentBack):
		return err
	}
	silent, _ := db.heads.silence()
	return fn(db.view.Load(), max(silent, time.Nanosecond))
}

// ReadStale runs fn on the records as this controller last saw them, also when
// the store is lost.
func (db *DB) ReadStale(fn func(Reader) error) error { return fn(db.view.Load()) }

// catchUpSoon is catchUp that waits less for a store that is known to be away.
func (db *DB) catchUpSoon(ctx context.Context) error {
	if _, away := db.heads.silence(); away {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, awayTimeout)
		defer cancel()
	}
	return db.catchUp(ctx)
}

// errWentBack is a store that answers, with less than this controller has seen.
var errWentBack = fmt.Errorf("%w: it went back", ErrUnavailable)

// catchUp waits until the view has all that was acknowledged before the call.
func (db *DB) catchUp(ctx context.Context) error {
	seen := db.headSeen.Load()
	head, err := db.heads.head(ctx)
	if err != nil {
		return fmt.Errorf("read the head of the store: %w", err)
	}
	if head < seen && db.headSeen.Load() >= seen {
		select {
		case db.kick <- struct{}{}:
		default:
		}
		return fmt.Errorf("%w from revision %d to %d, records are being read again", errWentBack, seen, head)
	}
	return db.progress.wait(ctx, head)
}

// Update runs fn, which reads and buffers changes through u, and commits them in
// one transaction; it returns the transaction's revision, which Read then
// includes. fn starts from records as fresh as those of Read. It runs again when
// others changed what it had read one by one, so it must have no side effects.
// An error of fn is returned as it is and nothing is written. Update fails with
// ErrConflict when others are faster time and again, and with ErrUnavailable
// when the store does not answer within 10 s or the context's nearer deadline.
func (db *DB) Update(ctx context.Context, fn func(u *Update) error) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	if err := db.catchUpSoon(ctx); err != nil {
		return 0, err
	}
	var conflicts, pendings int
	for {
		out := db.attempt(ctx, fn)
		switch {
		case out.err != nil && out.behind != nil && pendings < maxPending:
			pendings++
		case out.err != nil:
			return 0, out.err
		case out.committed:
			return out.revision, nil
		}
		if out.behind != nil {
			if err := out.behind.wait(ctx); err != nil {
				return 0, err
			}
			continue
		}
		db.counters.conflicts.Add(1)
		if conflicts++; conflicts >= maxTries {
			return 0, fmt.Errorf("update after %d tries: %w", conflicts, ErrConflict)
		}
		if err := db.retry(ctx, conflicts, out.revision); err != nil {
			return 0, err
		}
	}
}

// outcome is what became of one run of an update: an error, a commit, an update
// of this process that goes first, or a conflict in the store.
type outcome struct {
	committed bool
	revision  int64   // of the commit, or what the view must show before the next try
	behind    *ticket // of the update to wait for
	err       error
}

// attempt runs fn once and tries to commit.
func (db *DB) attempt(ctx context.Context, fn func(u *Update) error) outcome {
	deadline, _ := ctx.Deadline()
	t := newTicket(deadline)
	defer db.reserved.release(t)
	u := newUpdate(db.view.Load(), &db.reserved, t)
	if err := fn(u); err != nil {
		return outcome{err: err, behind: u.pending}
	}
	if err := u.inUse(); err != nil {
		return outcome{err: err}
	}
	txn, err := u.txn()
	if err != nil || len(txn.Ops) == 0 {
		return outcome{err: err, committed: err == nil, revision: u.Revision()}
	}
	if other := db.reserved.takeAll(t, txn); other != nil {
		return outcome{behind: other}
	}
	if db.journal != nil {
		txn.Ops = append(txn.Ops, db.journal(ctx, u.Peek(), u.changes())...)
	}
	res, err := db.store.Txn(ctx, txn)
	if err != nil {
		return outcome{err: fmt.Errorf("commit: %w", err)}
	}
	if res.OK {
		db.counters.updates.Add(1)
		db.settle(ctx, res.Revision)
	}
	return outcome{committed: res.OK, revision: res.Revision}
}

// settle waits until the view shows a commit, so that the next update of this
// process starts from it. The commit stands whether or not that comes in time.
func (db *DB) settle(ctx context.Context, revision int64) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := db.progress.wait(ctx, revision); err != nil {
		db.log.Warn("a committed change is slow to come back from the store",
			zap.Int64("rev", revision), zap.Error(err))
	}
}

// retry waits for the view to show what an update has collided with, and then a
// random while that grows with the tries.
func (db *DB) retry(ctx context.Context, tries int, revision int64) error {
	if err := db.progress.wait(ctx, revision); err != nil {
		return err
	}
	limit := min(time.Millisecond<<tries, 50*time.Millisecond)
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(ErrConflict, ctx.Err())
	}
}

// TryWrite tells whether the store takes writes, by one that changes no record.
func (db *DB) TryWrite(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	_, err := db.store.Txn(ctx, store.Txn{Ops: []store.Op{store.Put(probeKey, nil)}})
	return err
}

// probeKey is beside the records.
const probeKey = "probe"

// counters are what Stats reports.
type counters struct{ updates, conflicts, reloads, undecodable atomic.Int64 }

// Stats counts what happened since Open.
type Stats struct {
	Updates     int64 // updates committed
	Conflicts   int64 // transactions refused because others were faster
	Reloads     int64 // full loads after the first
	Undecodable int64 // values met that could not be decoded
}

// Stats counts what happened since Open.
func (db *DB) Stats() Stats {
	return Stats{
		Updates:     db.counters.updates.Load(),
		Conflicts:   db.counters.conflicts.Load(),
		Reloads:     db.counters.reloads.Load(),
		Undecodable: db.counters.undecodable.Load(),
	}
}
