package etcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/lepton-sdn/lepton/pki"
)

// Bounds of the connection to an external cluster.
const (
	dialTimeout      = 3 * time.Second
	keepAliveTime    = 5 * time.Second
	keepAliveTimeout = 3 * time.Second
	externalCompact  = 5 * time.Minute
	// wantedTxnOps is enough for the largest request that the API takes.
	wantedTxnOps = 10_000
)

// External says where a cluster is. The cluster's --max-txn-ops bounds how many
// ports one API request may create: its default of 128 is enough for about 20,
// and OpenExternal warns of less than wantedTxnOps.
type External struct {
	// Endpoints are URLs, http, https or unix, or host:port.
	Endpoints []string
	// Keys are for https: what is shown to the cluster and believed of it.
	Keys *pki.Keys
	// Root is the prefix of all keys; "" is DefaultRoot.
	Root string
	Log  *zap.Logger
	// Compacted, if set, is told when a round began that made etcd forget old
	// revisions, and how it ended.
	Compacted func(began time.Time, err error)
}

// OpenExternal connects to a cluster. It fails, naming the endpoints, when none
// of them answers within 5 s.
func OpenExternal(ctx context.Context, cfg External) (*Store, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errors.New("open store: no endpoints")
	}
	name := "etcd at " + strings.Join(cfg.Endpoints, ", ")
	// With keys every connection is made with them as they are then.
	var options []grpc.DialOption
	if cfg.Keys != nil {
		options = append(options, grpc.WithTransportCredentials(cfg.Keys.Credentials()))
	}
	endpoints := shuffled(cfg.Endpoints)
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            endpoints[:1],
		MaxUnaryRetries:      1, // the next member is tried instead
		DialOptions:          options,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: keepAliveTimeout,
		PermitWithoutStream:  true,
		MaxCallSendMsgSize:   math.MaxInt32,
		Logger:               newQuiet(cfg.Log).logger(),
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	s := newStore(client, settings{
		root:         cfg.Root,
		name:         name,
		log:          cfg.Log,
		members:      newMembers(client, endpoints),
		compactEvery: externalCompact,
		compacted:    cfg.Compacted,
		shutdown:     client.Close,
	})
	if _, err := s.Head(ctx); err != nil {
		s.Close()
		if cause := diagnose(cfg.Endpoints, cfg.Keys); cause != nil {
			err = fmt.Errorf("%w (%w)", err, cause)
		}
		return nil, fmt.Errorf("open store: %w", err)
	}
	if s.refuses(ctx, wantedTxnOps) {
		cfg.Log.Warn("the etcd cluster takes only small transactions: API requests that make many objects at once are refused",
			zap.String("set on every member", fmt.Sprintf("--max-txn-ops=%d", wantedTxnOps)))
	}
	return s, nil
}

// refuses tries a transaction of so many conditions that changes nothing.
func (s *Store) refuses(ctx context.Context, conditions int) bool {
	ctx, done := s.bound(ctx)
	defer done()
	cond := clientv3.Compare(clientv3.CreateRevision(s.root+headKey), "=", -1) // never
	_, err := s.client.Txn(ctx).If(slices.Repeat([]clientv3.Cmp{cond}, conditions)...).Commit()
	return errors.Is(err, rpctypes.ErrTooManyOps)
}
