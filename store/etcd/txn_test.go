package etcd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/storetest"
)

// lossy loses a part of the requests and of the answers.
func lossy(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	lost := status.Error(codes.Unavailable, "error reading from server: EOF")
	dice := rand.IntN(10)
	if dice < 2 {
		return lost
	}
	err := invoke(ctx, method, req, reply, cc, opts...)
	if err == nil && dice < 5 {
		return lost
	}
	return err
}

func TestATransactionWhoseAnswerIsLostHappensOnce(t *testing.T) {
	endpoint := storetest.StartCluster(t, 1).Endpoints()
	open := func(options ...grpc.DialOption) *Store {
		client, err := clientv3.New(clientv3.Config{Endpoints: endpoint, MaxUnaryRetries: 1, DialOptions: options, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		s := newStore(client, settings{
			root: "/x", name: "test", log: zap.NewNop(), compactEvery: time.Hour,
			members: newMembers(client, endpoint), shutdown: client.Close,
		})
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	const workers, rounds, shared = 4, 40, "counter"
	var mu sync.Mutex
	var counted, doubtful int
	made := map[string]bool{} // by key, whether it is certain
	var all sync.WaitGroup
	for w := range workers {
		s := open(grpc.WithChainUnaryInterceptor(lossy))
		all.Go(func() {
			for i := range rounds {
				// One key of its own, and one that all of them count up.
				var old store.KV
				if _, err := s.Range(t.Context(), shared, func(kv store.KV) error { old = kv; return nil }); err != nil {
					continue
				}
				n, _ := strconv.Atoi(string(old.Value))
				own := fmt.Sprintf("own/%d-%d", w, i)
				res, err := s.Txn(t.Context(), store.Txn{
					Conds: []store.Cond{store.Unchanged(shared, old.Revision), store.Absent(own)},
					Ops:   []store.Op{store.Put(shared, []byte(strconv.Itoa(n+1))), store.Put(own, []byte("v"))},
				})
				mu.Lock()
				switch {
				case err != nil:
					doubtful++
					made[own] = false
				case res.OK:
					counted++
					made[own] = true
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	s := open()
	var value, there int
	_, err := s.Range(t.Context(), "", func(kv store.KV) error {
		if kv.Key == shared {
			value, _ = strconv.Atoi(string(kv.Value))
			return nil
		}
		certain, asked := made[kv.Key]
		if !asked {
			t.Errorf("%s is there, though its transaction was said not to have happened", kv.Key)
		}
		if certain {
			delete(made, kv.Key)
		}
		there++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for key, certain := range made {
		if certain {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		t.Errorf("acknowledged and not there: %s", strings.Join(missing, ", "))
	}
	if value != there || value < counted || value > counted+doubtful || counted == 0 {
		t.Errorf("counted to %d with %d keys; %d were acknowledged, of %d nobody knows", value, there, counted, doubtful)
	}
	t.Logf("%d acknowledged, of %d nobody knows", counted, doubtful)
}

// TestATryThatComesLateDoesNotUndoWhatCameAfterIt has a member keep a transaction
// for so long that its retry's work is deleted again.
func TestATryThatComesLateDoesNotUndoWhatCameAfterIt(t *testing.T) {
	endpoint := storetest.StartCluster(t, 1).Endpoints()
	var kept []func() error
	keep := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if method == "/etcdserverpb.KV/Txn" && len(kept) == 0 {
			kept = append(kept, func() error { return invoke(context.Background(), method, req, reply, cc, opts...) })
			return status.Error(codes.Unavailable, "the answer is lost")
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoint, MaxUnaryRetries: 1, DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(keep)}, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(client, settings{
		root: "/x", name: "test", log: zap.NewNop(), compactEvery: time.Hour, members: newMembers(client, endpoint), shutdown: client.Close,
	})
	t.Cleanup(func() { _ = s.Close() })
	res, err := s.Txn(t.Context(), store.Txn{Conds: []store.Cond{store.Absent("port")}, Ops: []store.Op{store.Put("port", []byte("v"))}})
	if err != nil || !res.OK || len(kept) != 1 {
		t.Fatalf("%+v, %v, %d tries kept", res, err, len(kept))
	}
	res, err = s.Txn(t.Context(), store.Txn{Conds: []store.Cond{store.Unchanged("port", res.Revision)}, Ops: []store.Op{store.Delete("port")}})
	if err != nil || !res.OK {
		t.Fatalf("%+v, %v", res, err)
	}
	if err := kept[0](); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Range(t.Context(), "", func(kv store.KV) error { t.Errorf("%s is there again", kv.Key); return nil }); err != nil {
		t.Fatal(err)
	}
}
