package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lepton-sdn/lepton/store"
)

// Watch is store.Store's. While the connection is away the watch stays silent
// and goes on where it was when it is back.
func (s *Store) Watch(ctx context.Context, from int64) <-chan store.Batch {
	out := make(chan store.Batch, watchBuffer)
	go func() {
		defer close(out)
		if err := s.watch(ctx, from, out); err != nil {
			select {
			case out <- store.Batch{Err: err}:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// watch delivers until something fails; it returns nil when ctx has ended.
func (s *Store) watch(ctx context.Context, from int64, out chan<- store.Batch) error {
	if s.ctx.Err() != nil {
		return s.failed("watch", s.ctx.Err())
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if s.members != nil {
		inner = clientv3.WithRequireLeader(inner)
		_, moved := s.members.present()
		// A watch on a member that was left may never say anything again.
		go func() {
			select {
			case <-moved:
				cancel()
			case <-inner.Done():
			}
		}()
	}
	responses := s.client.Watch(inner, s.root, clientv3.WithPrefix(), clientv3.WithRev(from+1))
	for resp := range responses {
		if err := resp.Err(); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return s.failed("watch", err)
		}
		// A response holds whole revisions, in order.
		events := slices.DeleteFunc(resp.Events, func(e *clientv3.Event) bool { return fenced(string(e.Kv.Key[len(s.root):])) })
		for len(events) > 0 {
			var b store.Batch
			b, events = s.split(events)
			s.raise(b.Revision)
			select {
			case out <- b:
			case <-ctx.Done():
				return nil
			case <-s.ctx.Done():
				return s.failed("watch", s.ctx.Err())
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return s.failed("watch", errEnded)
}

var errEnded = errors.New("the watch ended")

// split takes the events of the first revision.
func (s *Store) split(events []*clientv3.Event) (store.Batch, []*clientv3.Event) {
	b := store.Batch{Revision: events[0].Kv.ModRevision}
	for i, e := range events {
		if e.Kv.ModRevision != b.Revision {
			return b, events[i:]
		}
		rel := string(e.Kv.Key[len(s.root):])
		if rel == headKey {
			continue
		}
		b.Events = append(b.Events, store.Event{
			KV:      store.KV{Key: rel, Value: e.Kv.Value, Revision: e.Kv.ModRevision},
			Deleted: e.Type == mvccpb.DELETE,
		})
	}
	return b, nil
}

// Compact makes etcd forget what was before the revision; what is there stays.
func (s *Store) Compact(ctx context.Context, revision int64) error {
	ctx, done := s.bound(ctx)
	defer done()
	if _, err := s.client.Compact(ctx, revision); err != nil {
		return fmt.Errorf("compact to revision %d: %w", revision, s.failed("compact", err))
	}
	return nil
}
