package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/store"
)

const (
	// DefaultRoot is where the keys lie when no root is given.
	DefaultRoot = "/lepton/"

	headKey = ".head"
	// requestTimeout bounds one request, however late the caller's deadline is.
	requestTimeout = 5 * time.Second
	// pageSize is large: etcd walks all keys that are left for every page, to count
	// them.
	pageSize = 10_000
	// watchBuffer is how many batches wait for a slow reader in our channel.
	watchBuffer = 64
)

// Store is a store.Store in etcd.
type Store struct {
	client *clientv3.Client
	root   string
	name   string // how errors call it
	log    *zap.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	once   sync.Once
	// members are those of an external cluster; nil for an embedded server.
	members *members
	// fence keeps tries apart.
	fence fence
	// disk is that of an embedded server; nil for an external cluster.
	disk *disk
	// head is that of an embedded server, whose only client knows it; 0 before it
	// was read.
	head atomic.Int64
	// shutdown stops what is behind the client.
	shutdown func() error
}

var _ store.Store = (*Store)(nil)

// settings are what the two ways to open a store differ in.
type settings struct {
	root         string
	name         string
	log          *zap.Logger
	members      *members
	disk         *disk
	compactEvery time.Duration
	compacted    func(began time.Time, err error)
	shutdown     func() error
}

func newStore(client *clientv3.Client, set settings) *Store {
	if set.root == "" {
		set.root = DefaultRoot
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Store{
		client:   client,
		root:     strings.TrimSuffix(set.root, "/") + "/",
		name:     set.name,
		log:      set.log,
		ctx:      ctx,
		cancel:   cancel,
		members:  set.members,
		disk:     set.disk,
		shutdown: set.shutdown,
	}
	s.fence.choose(s.root)
	s.work.Go(func() { s.compactor(set.compactEvery, set.compacted) })
	if s.disk != nil {
		s.work.Go(func() { s.disk.run(s.ctx) })
	}
	return s
}

// Close ends the watches and stops the client, and the server when it is
// embedded.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		s.cancel()
		s.work.Wait()
		err = s.shutdown()
	})
	return err
}

// Range is store.Store's.
func (s *Store) Range(ctx context.Context, prefix string, visit func(store.KV) error) (int64, error) {
	key := s.root + prefix
	end := clientv3.GetPrefixRangeEnd(key)
	var revision int64
	for {
		resp, err := s.page(ctx, key, end, revision)
		if err != nil {
			return 0, err
		}
		if revision == 0 {
			revision = resp.Header.Revision
		}
		for _, kv := range resp.Kvs {
			rel := string(kv.Key[len(s.root):])
			if rel == headKey || fenced(rel) {
				continue
			}
			if err := visit(store.KV{Key: rel, Value: kv.Value, Revision: kv.ModRevision}); err != nil {
				return 0, err
			}
		}
		if !resp.More {
			s.raise(revision)
			return revision, nil
		}
		key = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// page reads the next keys; revision 0 is the present one.
func (s *Store) page(ctx context.Context, key, end string, revision int64) (*clientv3.GetResponse, error) {
	ctx, done := s.bound(ctx)
	defer done()
	if ctx.Err() != nil {
		return nil, s.failed("read", ctx.Err())
	}
	var resp *clientv3.GetResponse
	err := s.each(ctx, requestTimeout, refused, func(ctx context.Context) (err error) {
		resp, err = s.client.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
		return err
	})
	if err != nil {
		return nil, s.failed("read", err)
	}
	return resp, nil
}

// Scan is store.Store's.
func (s *Store) Scan(ctx context.Context, scan store.Scan) ([]store.KV, error) {
	ctx, done := s.bound(ctx)
	defer done()
	if ctx.Err() != nil {
		return nil, s.failed("read", ctx.Err())
	}
	opts := []clientv3.OpOption{clientv3.WithRange(s.root + scan.To), clientv3.WithLimit(int64(scan.Limit))}
	if scan.KeysOnly {
		opts = append(opts, clientv3.WithKeysOnly())
	}
	resp, err := s.client.Get(ctx, s.root+scan.From, opts...)
	if err != nil {
		return nil, s.failed("read", err)
	}
	out := make([]store.KV, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		out = append(out, store.KV{Key: string(kv.Key[len(s.root):]), Value: kv.Value, Revision: kv.ModRevision})
	}
	return out, nil
}

// Count is store.Store's.
func (s *Store) Count(ctx context.Context, from, to string) (int, error) {
	ctx, done := s.bound(ctx)
	defer done()
	if ctx.Err() != nil {
		return 0, s.failed("read", ctx.Err())
	}
	resp, err := s.client.Get(ctx, s.root+from, clientv3.WithRange(s.root+to), clientv3.WithCountOnly())
	if err != nil {
		return 0, s.failed("read", err)
	}
	return int(resp.Count), nil
}

// Head is store.Store's.
func (s *Store) Head(ctx context.Context) (int64, error) {
	ctx, done := s.bound(ctx)
	defer done()
	if ctx.Err() != nil {
		return 0, s.failed("read", ctx.Err())
	}
	// A disk that is slow keeps the server from answering, not us.
	if head := s.head.Load(); head > 0 {
		return head, nil
	}
	var resp *clientv3.GetResponse
	err := s.each(ctx, firstTry, refused, func(ctx context.Context) (err error) {
		resp, err = s.client.Get(ctx, s.root+headKey)
		return err
	})
	if err != nil {
		return 0, s.failed("read", err)
	}
	if len(resp.Kvs) == 0 {
		return 0, nil
	}
	s.raise(resp.Kvs[0].ModRevision)
	return resp.Kvs[0].ModRevision, nil
}

// raise notes a head of an embedded server. Nobody may see a revision before it
// is noted.
func (s *Store) raise(revision int64) {
	if s.disk == nil {
		return
	}
	for was := s.head.Load(); was < revision; was = s.head.Load() {
		if s.head.CompareAndSwap(was, revision) {
			return
		}
	}
}

// bound gives a request its deadline, and ends it when the store is closed.
func (s *Store) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	if s.ctx.Err() != nil { // AfterFunc would be too late for this request
		cancel()
	}
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// failed gives an error the type that callers look for.
func (s *Store) failed(verb string, err error) error {
	kind := store.ErrUnavailable
	switch {
	case s.ctx.Err() != nil:
		return fmt.Errorf("%s %s: %w: closed", verb, s.name, store.ErrUnavailable)
	case errors.Is(err, store.ErrFull):
		return fmt.Errorf("%s %s: %w", verb, s.name, err)
	case errors.Is(err, rpctypes.ErrNoSpace):
		kind = store.ErrFull
	case errors.Is(err, rpctypes.ErrCompacted):
		kind = store.ErrCompacted
	case errors.Is(err, rpctypes.ErrTooManyOps), errors.Is(err, rpctypes.ErrRequestTooLarge):
		kind = store.ErrTooLarge
	}
	return fmt.Errorf("%s %s: %w: %w", verb, s.name, kind, err)
}
