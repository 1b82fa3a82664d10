package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	// requireLeader makes a member that lost its cluster end its watches.
	requireLeader bool
	// shutdown stops what is behind the client.
	shutdown func() error
}

var _ store.Store = (*Store)(nil)

// settings are what the two ways to open a store differ in.
type settings struct {
	root          string
	name          string
	log           *zap.Logger
	requireLeader bool
	compactEvery  time.Duration
	shutdown      func() error
}

func newStore(client *clientv3.Client, set settings) *Store {
	if set.root == "" {
		set.root = DefaultRoot
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Store{
		client:        client,
		root:          strings.TrimSuffix(set.root, "/") + "/",
		name:          set.name,
		log:           set.log,
		ctx:           ctx,
		cancel:        cancel,
		requireLeader: set.requireLeader,
		shutdown:      set.shutdown,
	}
	s.work.Go(func() { s.compactor(set.compactEvery) })
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

// Txn is store.Store's.
func (s *Store) Txn(ctx context.Context, txn store.Txn) (store.Result, error) {
	if err := txn.Check(); err != nil {
		return store.Result{}, err
	}
	cmps := make([]clientv3.Cmp, 0, len(txn.Conds))
	for _, c := range txn.Conds {
		cmps = append(cmps, s.compare(c))
	}
	ops := make([]clientv3.Op, 0, len(txn.Ops)+1)
	for _, op := range txn.Ops {
		if op.Deleted {
			ops = append(ops, clientv3.OpDelete(s.root+op.Key))
		} else {
			ops = append(ops, clientv3.OpPut(s.root+op.Key, string(op.Value)))
		}
	}
	ops = append(ops, clientv3.OpPut(s.root+headKey, ""))

	ctx, done := s.bound(ctx)
	defer done()
	if ctx.Err() != nil {
		return store.Result{}, s.failed("commit", ctx.Err())
	}
	resp, err := s.client.Txn(ctx).If(cmps...).Then(ops...).Else(clientv3.OpGet(s.root + headKey)).Commit()
	if err != nil {
		return store.Result{}, s.failed("commit", err)
	}
	res := store.Result{OK: resp.Succeeded}
	if res.OK {
		res.Revision = resp.Header.Revision
	} else if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		res.Revision = kvs[0].ModRevision
	}
	return res, nil
}

func (s *Store) compare(c store.Cond) clientv3.Cmp {
	cmp := clientv3.ModRevision(s.root + c.Key)
	if !c.Prefix {
		return clientv3.Compare(cmp, "=", c.Revision)
	}
	// A range without keys compares as one key of revision 0.
	return clientv3.Compare(cmp.WithPrefix(), "<", c.Revision+1)
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
			if rel == headKey {
				continue
			}
			if err := visit(store.KV{Key: rel, Value: kv.Value, Revision: kv.ModRevision}); err != nil {
				return 0, err
			}
		}
		if !resp.More {
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
	resp, err := s.client.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
	if err != nil {
		return nil, s.failed("read", err)
	}
	return resp, nil
}

// Head is store.Store's.
func (s *Store) Head(ctx context.Context) (int64, error) {
	ctx, done := s.bound(ctx)
	defer done()
	if ctx.Err() != nil {
		return 0, s.failed("read", ctx.Err())
	}
	resp, err := s.client.Get(ctx, s.root+headKey)
	if err != nil {
		return 0, s.failed("read", err)
	}
	if len(resp.Kvs) == 0 {
		return 0, nil
	}
	return resp.Kvs[0].ModRevision, nil
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
	case errors.Is(err, rpctypes.ErrCompacted):
		kind = store.ErrCompacted
	case errors.Is(err, rpctypes.ErrTooManyOps), errors.Is(err, rpctypes.ErrRequestTooLarge):
		kind = store.ErrTooLarge
	}
	return fmt.Errorf("%s %s: %w: %w", verb, s.name, kind, err)
}
