package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/rpc"
)

// This file: the records on disk.

// Archive keeps records on disk (*snapshot.Store). One goroutine uses it.
type Archive interface {
	// Load gives what is kept as a full update; an error that is os.ErrNotExist
	// for nothing.
	Load() (*rpc.Update, error)
	// Replace keeps a full update in the place of all before, Append a
	// difference to it.
	Replace(u *rpc.Update) error
	Append(u *rpc.Update) error
	// Due reports whether Replace would be better than Append.
	Due() bool
	Size() int64
	// Sync has what was appended outlive a loss of power.
	Sync() error
	// Confirm notes that what is kept is still what the controller says.
	Confirm(at time.Time) error
	Close()
}

const (
	// writeWait is how long the loops wait for an update to be written down: a
	// disk that hangs must not keep ports from being wired.
	writeWait = 250 * time.Millisecond
	// upkeepEvery is how often the file is synchronised, confirmed, and written
	// anew when that had failed.
	upkeepEvery = 2 * time.Second
	// hangAfter is how long one writing may take before it is a problem of the host.
	hangAfter = 5 * time.Second
	// writeQueue is how many updates may wait for a slow disk.
	writeQueue = 64
)

// writing is something to be written; a nil update is upkeep.
type writing struct {
	update  *rpc.Update
	confirm bool
	done    chan struct{}
	lost    int64 // the keeper's, when this was queued
}

// keeper owns the archive, in a goroutine of its own.
type keeper struct {
	archive Archive
	log     *zap.Logger
	queue   chan writing
	ended   chan struct{}
	// due says that the file lacks something, so that only a full update helps, and
	// grown that one would be smaller.
	due, grown atomic.Bool
	// lost counts what could not be queued, and fulls are the full updates that
	// are.
	lost, fulls atomic.Int64
	size        atomic.Int64           // of the file
	failed      atomic.Pointer[string] // why the last writing failed; nil: it did not
	// busy is when the present writing began; nil: there is none. hangs says that it
	// was told of, by whoever offers.
	busy  atomic.Pointer[time.Time]
	hangs bool
}

func newKeeper(a Archive, log *zap.Logger) *keeper {
	return &keeper{archive: a, log: log, queue: make(chan writing, writeQueue), ended: make(chan struct{})}
}

// stop ends the goroutine once it has written what waits, for at most a second:
// a disk may hang.
func (k *keeper) stop() {
	close(k.queue)
	select {
	case <-k.ended:
	case <-time.After(time.Second):
	}
}

func (k *keeper) run() {
	defer close(k.ended)
	defer k.archive.Close()
	for w := range k.queue {
		began := time.Now()
		k.busy.Store(&began)
		err := k.write(w)
		k.busy.Store(nil)
		k.note(err)
		k.size.Store(k.archive.Size())
		close(w.done)
	}
	k.note(k.archive.Sync())
}

func (k *keeper) write(w writing) error {
	switch {
	case w.update == nil:
		return k.maintain(w.confirm)
	case w.update.Full:
		return k.replace(w)
	case k.due.Load():
		return nil // a difference to something that was not written
	}
	if err := k.archive.Append(w.update); err != nil {
		k.due.Store(true)
		return err
	}
	k.grown.Store(k.archive.Due())
	return nil
}

// replace writes a full update. What was lost while it waited it does not have.
func (k *keeper) replace(w writing) error {
	defer k.fulls.Add(-1)
	if err := k.archive.Replace(w.update); err != nil {
		k.due.Store(true)
		return err
	}
	k.grown.Store(false)
	k.due.Store(false)
	if k.lost.Load() != w.lost {
		k.due.Store(true)
	}
	return nil
}

// maintain synchronises the file. What a disk has failed to take once it may not
// have, whatever it says the next time.
func (k *keeper) maintain(confirm bool) error {
	err := k.archive.Sync()
	if err != nil {
		k.due.Store(true)
	}
	if confirm && !k.due.Load() {
		err = errors.Join(err, k.archive.Confirm(time.Now()))
	}
	return err
}

func (k *keeper) note(err error) {
	was := k.failed.Load()
	switch {
	case err == nil && was != nil:
		k.failed.Store(nil)
		k.log.Info("records are stored again")
	case err != nil && (was == nil || *was != err.Error()):
		text := err.Error()
		k.failed.Store(&text)
		k.log.Error("records cannot be stored: without a controller this host would come up as it was before", zap.Error(err))
	}
}

// trouble is why the records are not stored; "" when they are.
func (k *keeper) trouble() string {
	if began := k.busy.Load(); began != nil && time.Since(*began) >= hangAfter {
		text := fmt.Sprintf("the disk hangs: it has not taken them for %s and longer", hangAfter)
		if !k.hangs {
			k.log.Error("records cannot be stored: without a controller this host would come up as it was before", zap.String("error", text))
		}
		k.hangs = true
		return text
	}
	k.hangs = false
	if t := k.failed.Load(); t != nil {
		return *t
	}
	return ""
}

// offer queues a writing; nil when too much waits already. What is then lost is
// made up for by a full update later. One goroutine offers.
func (k *keeper) offer(w writing) <-chan struct{} {
	w.done, w.lost = make(chan struct{}), k.lost.Load()
	full := w.update != nil && w.update.Full
	if full {
		k.fulls.Add(1)
	}
	select {
	case k.queue <- w:
		return w.done
	default:
	}
	if full {
		k.fulls.Add(-1)
	}
	if w.update != nil {
		k.lost.Add(1) // before due: see replace
		k.due.Store(true)
	}
	return nil
}

// wants reports whether the file should be written anew and nothing is on its way
// that does so.
func (k *keeper) wants() bool { return (k.due.Load() || k.grown.Load()) && k.fulls.Load() == 0 }

// load reads what is kept into the state and reports whether there was
// something. The consumers do not get it yet.
func (f *Feed) load() bool {
	u, err := f.cfg.Archive.Load()
	go f.keeper.run()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false
	case err != nil:
		f.log.Error("stored records are refused", zap.Error(err))
		f.mu.Lock()
		defer f.mu.Unlock()
		f.setProblem("stored records", err.Error(), f.cfg.Now())
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Apply(u)
	return true
}

// resort hands the consumers what is kept, because no controller has answered.
func (f *Feed) resort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.state.Full()
	f.log.Warn("no controller answers: this host uses the records that it has stored",
		zap.Time("since", u.Stored), zap.Int64("rev", u.Revision), zap.Int("records", u.Len()))
	f.noteStored()
	for _, c := range f.consumers {
		c.put(*u)
	}
}

// noteStored makes it a problem that the records are not a controller's. The
// mutex is held.
func (f *Feed) noteStored() {
	stored := f.state.Stored()
	f.cfg.Metrics.stale(stored)
	if stored.IsZero() {
		f.setProblem("stored records", "", stored)
		f.setProblem("records", "", stored)
		return
	}
	f.setProblem("records", fmt.Sprintf("are those of %s, read from this host's disk: no controller has been heard since",
		stored.Format(time.RFC3339)), stored)
}

// keep writes an update down and waits for that, not for long.
func (f *Feed) keep(ctx context.Context, u *rpc.Update) {
	if f.keeper == nil {
		return
	}
	done := f.keeper.offer(writing{update: u})
	if done == nil {
		return
	}
	late := time.NewTimer(writeWait)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	case <-ctx.Done():
	}
}

// upkeep has the file synchronised and confirmed, or written anew.
func (f *Feed) upkeep(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := f.keeper.trouble()
	f.setProblem("records on disk", text, f.cfg.Now())
	f.cfg.Metrics.file(f.keeper.size.Load(), text != "")
	if !f.state.Known() || !f.state.Stored().IsZero() {
		return
	}
	if f.keeper.wants() {
		f.keeper.offer(writing{update: f.state.Full()})
		return
	}
	f.keeper.offer(writing{confirm: f.source.Connected()})
}
