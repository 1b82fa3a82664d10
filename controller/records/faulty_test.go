package records_test

import (
	"context"
	"sync"

	"github.com/lepton-sdn/lepton/store"
)

// faulty is a store whose watches can be cut and frozen.
type faulty struct {
	store.Store
	mu     sync.Mutex
	cut    *cut
	frozen bool
}

// cut ends the watches that wait for it.
type cut struct {
	done chan struct{}
	err  error
}

func newFaulty(s store.Store) *faulty {
	return &faulty{Store: s, cut: &cut{done: make(chan struct{})}}
}

// sever ends the present watches with the error.
func (f *faulty) sever(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut.err = err
	close(f.cut.done)
	f.cut = &cut{done: make(chan struct{})}
}

// replace puts another store behind, and ends the present watches.
func (f *faulty) replace(s store.Store) {
	f.mu.Lock()
	f.Store = s
	f.mu.Unlock()
	f.sever(store.ErrUnavailable)
}

func (f *faulty) behind() store.Store {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Store
}

// Txn, Range and Head are store.Store's.
func (f *faulty) Txn(ctx context.Context, txn store.Txn) (store.Result, error) {
	return f.behind().Txn(ctx, txn)
}

func (f *faulty) Range(ctx context.Context, prefix string, visit func(store.KV) error) (int64, error) {
	return f.behind().Range(ctx, prefix, visit)
}

func (f *faulty) Head(ctx context.Context) (int64, error) { return f.behind().Head(ctx) }

// freeze makes watches go silent, as if their connection were dead, from their
// next batch on. Those that have gone silent stay so.
func (f *faulty) freeze(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = on
}

func (f *faulty) isFrozen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.frozen
}

// Watch is store.Store's.
func (f *faulty) Watch(ctx context.Context, from int64) <-chan store.Batch {
	f.mu.Lock()
	cut := f.cut
	f.mu.Unlock()
	inner, cancel := context.WithCancel(ctx)
	in := f.behind().Watch(inner, from)
	out := make(chan store.Batch)
	go func() {
		defer cancel()
		defer close(out)
		for {
			var b store.Batch
			var ok bool
			select {
			case b, ok = <-in:
				if !ok {
					return
				}
			case <-cut.done:
				b = store.Batch{Err: cut.err}
			case <-ctx.Done():
				return
			}
			if f.isFrozen() {
				<-ctx.Done()
				return
			}
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
			if b.Err != nil {
				return
			}
		}
	}()
	return out
}
