// Package mem is a store in memory, for tests: the semantics of the real one,
// without a disk, and with faults on demand.
package mem

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/lepton-sdn/lepton/store"
)

// Store is a store in memory. The zero value is not ready for use; see New.
type Store struct {
	mu       sync.Mutex
	kvs      map[string]store.KV
	revision int64
	log      []store.Batch // one a revision, without gaps
	fault    error
	closed   bool
	changed  chan struct{} // closed and replaced at every change
}

// history is how many revisions are remembered at least.
const history = 50_000

var _ store.Store = (*Store)(nil)

// New gives an empty store at revision 1.
func New() *Store {
	return &Store{kvs: map[string]store.KV{}, revision: 1, changed: make(chan struct{})}
}

// Txn is store.Store's.
func (s *Store) Txn(ctx context.Context, txn store.Txn) (store.Result, error) {
	if err := txn.Check(); err != nil {
		return store.Result{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return store.Result{}, err
	}
	for _, c := range txn.Conds {
		if !s.holds(c) {
			return store.Result{Revision: s.revision}, nil
		}
	}
	s.revision++
	b := store.Batch{Revision: s.revision}
	for _, op := range txn.Ops {
		_, existed := s.kvs[op.Key]
		if op.Deleted {
			if existed {
				delete(s.kvs, op.Key)
				b.Events = append(b.Events, store.Event{KV: store.KV{Key: op.Key, Revision: s.revision}, Deleted: true})
			}
			continue
		}
		kv := store.KV{Key: op.Key, Value: slices.Clone(op.Value), Revision: s.revision}
		s.kvs[op.Key] = kv
		b.Events = append(b.Events, store.Event{KV: kv})
	}
	if s.log = append(s.log, b); len(s.log) > 2*history {
		s.log = slices.Clone(s.log[history:])
	}
	s.wake()
	return store.Result{OK: true, Revision: s.revision}, nil
}

func (s *Store) holds(c store.Cond) bool {
	if !c.Prefix {
		return s.kvs[c.Key].Revision == c.Revision
	}
	for key, kv := range s.kvs {
		if strings.HasPrefix(key, c.Key) && kv.Revision > c.Revision {
			return false
		}
	}
	return true
}

// Range is store.Store's.
func (s *Store) Range(ctx context.Context, prefix string, visit func(store.KV) error) (int64, error) {
	s.mu.Lock()
	if err := s.usable(ctx); err != nil {
		s.mu.Unlock()
		return 0, err
	}
	revision := s.revision
	var kvs []store.KV
	for key, kv := range s.kvs {
		if strings.HasPrefix(key, prefix) {
			kvs = append(kvs, kv)
		}
	}
	s.mu.Unlock()
	sort.Slice(kvs, func(i, j int) bool { return kvs[i].Key < kvs[j].Key })
	for _, kv := range kvs {
		if err := visit(kv); err != nil {
			return 0, err
		}
	}
	return revision, nil
}

// Scan is store.Store's.
func (s *Store) Scan(ctx context.Context, scan store.Scan) ([]store.KV, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	keys := s.between(scan.From, scan.To)
	out := make([]store.KV, 0, min(len(keys), scan.Limit))
	for _, key := range keys[:min(len(keys), scan.Limit)] {
		kv := s.kvs[key]
		if scan.KeysOnly {
			kv.Value = nil
		}
		out = append(out, kv)
	}
	return out, nil
}

// Count is store.Store's.
func (s *Store) Count(ctx context.Context, from, to string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.between(from, to)), s.usable(ctx)
}

// between gives the keys of a range, sorted.
func (s *Store) between(from, to string) []string {
	var keys []string
	for key := range s.kvs {
		if key >= from && key < to {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Watch is store.Store's.
func (s *Store) Watch(ctx context.Context, from int64) <-chan store.Batch {
	out := make(chan store.Batch)
	go func() {
		defer close(out)
		for {
			batches, changed, err := s.since(ctx, from)
			if err != nil {
				batches = append(batches, store.Batch{Err: err})
			}
			for _, b := range batches {
				select {
				case out <- b:
					from = b.Revision
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// since gives what happened after a revision, and a channel that is closed when
// there is more.
func (s *Store) since(ctx context.Context, from int64) ([]store.Batch, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, nil, err
	}
	oldest := s.revision - int64(len(s.log)) // the revision before the first in the log
	if from < oldest {
		return nil, nil, fmt.Errorf("watch from revision %d, the oldest is %d: %w", from, oldest, store.ErrCompacted)
	}
	first := min(int(from-oldest), len(s.log))
	return slices.Clone(s.log[first:]), s.changed, nil
}

// Head is store.Store's.
func (s *Store) Head(ctx context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.usable(ctx)
}

// Close ends the watches and makes everything else fail with ErrUnavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake()
	return nil
}

// Fail makes every call fail with ErrUnavailable wrapped around the cause, and
// ends the watches, until it is called with nil.
func (s *Store) Fail(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = cause
	s.wake()
}

// Compact forgets how the store got to its present revision: a watch from an
// earlier one fails with ErrCompacted. Watches that are slow are cut off too.
func (s *Store) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

func (s *Store) usable(ctx context.Context) error {
	switch {
	case s.closed:
		return fmt.Errorf("memory store closed: %w", store.ErrUnavailable)
	case s.fault != nil:
		return fmt.Errorf("memory store: %w: %w", store.ErrUnavailable, s.fault)
	case ctx.Err() != nil:
		return fmt.Errorf("memory store: %w: %w", store.ErrUnavailable, ctx.Err())
	}
	return nil
}

func (s *Store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
