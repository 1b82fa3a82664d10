package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/storetest"
)

func openEmbedded(t *testing.T, dir string, log *zap.Logger) *Store {
	t.Helper()
	s, err := OpenEmbedded(t.Context(), Embedded{Dir: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// subject tests stores that are views of one server: each test has its own root.
func subject(server *Store) storetest.Subject {
	var roots atomic.Int64
	open := func(t *testing.T, root string) store.Store {
		s := newStore(server.client, settings{
			root:         root,
			name:         "test",
			log:          zap.NewNop(),
			compactEvery: time.Hour,
			shutdown:     func() error { return nil },
		})
		t.Cleanup(func() { s.Close() })
		return s
	}
	return storetest.Subject{
		Open: func(t *testing.T) store.Store {
			return open(t, fmt.Sprintf("/test/%d", roots.Add(1)))
		},
		Again: func(t *testing.T, s store.Store) store.Store { return open(t, s.(*Store).root) },
		Compact: func(t *testing.T, s store.Store) {
			head, err := s.Head(t.Context())
			if err == nil {
				err = s.(*Store).Compact(t.Context(), head)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestAnEmbeddedEtcdIsAStore(t *testing.T) {
	storetest.Run(t, subject(openEmbedded(t, t.TempDir(), zap.NewNop())))
}

func TestAnEmbeddedStoreKeepsItsDataAndItsRevisionsOverARestart(t *testing.T) {
	dir := t.TempDir()
	s := openEmbedded(t, dir, zap.NewNop())
	var last int64
	for i := range 50 {
		res, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put(fmt.Sprintf("k/%d", i), []byte("v"))}})
		if err != nil {
			t.Fatal(err)
		}
		last = res.Revision
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openEmbedded(t, dir, zap.NewNop())
	head, err := s.Head(t.Context())
	if err != nil || head != last {
		t.Fatalf("head %d (%v) after the restart, %d before", head, err, last)
	}
	n := 0
	if _, err := s.Range(t.Context(), "k/", func(store.KV) error { n++; return nil }); err != nil || n != 50 {
		t.Fatalf("%d keys after the restart: %v", n, err)
	}
}

func TestAnEmbeddedStoreIsQuiet(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	dir := t.TempDir()
	for range 2 {
		s := openEmbedded(t, dir, zap.New(core))
		ctx, cancel := context.WithCancel(t.Context())
		watch := s.Watch(ctx, 0)
		if _, err := s.Txn(ctx, store.Txn{Ops: []store.Op{store.Put("k", nil)}}); err != nil {
			t.Fatal(err)
		}
		<-watch
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	for _, e := range logs.All() {
		// A busy disk is worth a warning, also here.
		if e.Level >= zapcore.WarnLevel && !strings.Contains(e.Message, "slow") && !strings.Contains(e.Message, "took too long") {
			t.Errorf("%s: %s %v", e.Level, e.Message, e.ContextMap())
		}
	}
}

func TestAnEmbeddedStoreThatWasFullWritesWhenItHasRoom(t *testing.T) {
	dir := t.TempDir()
	open := func(quota int64) *Store {
		s, err := OpenEmbedded(t.Context(), Embedded{Dir: dir, Quota: quota, Log: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write := func(s *Store, key string) error {
		_, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put(key, make([]byte, 1<<20))}})
		return err
	}
	s := open(8 << 20)
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = write(s, fmt.Sprint("k/", i))
	}
	if !errors.Is(err, store.ErrFull) || !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("a store of 8 MiB takes 100, or says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(8 << 20)
	if err := write(s, "again"); !errors.Is(err, store.ErrFull) {
		t.Errorf("a store that is still full says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(64 << 20)
	defer s.Close()
	if err := write(s, "more"); err != nil {
		t.Errorf("a store that has room again says %v", err)
	}
	if _, err := s.Range(t.Context(), "k/", func(store.KV) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestTwoProgramsCannotUseOneDirectory(t *testing.T) {
	dir := t.TempDir()
	openEmbedded(t, dir, zap.NewNop())
	_, err := OpenEmbedded(t.Context(), Embedded{Dir: dir, Log: zap.NewNop()})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another program uses the directory") {
		t.Fatalf("second open: %v", err)
	}
}

func TestADirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenEmbedded(t.Context(), Embedded{Dir: filepath.Join(file, "dir"), Log: zap.NewNop()}); err == nil {
		t.Fatal("opened")
	}
}

func TestACompactorForgetsWhatIsOlderThanAnInterval(t *testing.T) {
	server := openEmbedded(t, t.TempDir(), zap.NewNop())
	s := newStore(server.client, settings{
		root: "/x", name: "test", log: zap.NewNop(), compactEvery: 50 * time.Millisecond,
		shutdown: func() error { return nil },
	})
	defer s.Close()
	first, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put("k", nil)}})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if _, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put("k", nil)}}); err != nil {
			t.Fatal(err)
		}
		_, err := s.client.Get(t.Context(), "/x/k", clientv3.WithRev(first.Revision))
		if err != nil {
			if err = s.failed("read", err); !errors.Is(err, store.ErrCompacted) {
				t.Fatal(err)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("nothing was compacted in 20 s")
}

func TestATransactionBeyondTheLimitsIsTooLarge(t *testing.T) {
	s := openEmbedded(t, t.TempDir(), zap.NewNop())
	var ops []store.Op
	for i := range embeddedMaxTxnOps + 1 {
		ops = append(ops, store.Delete(fmt.Sprint(i)))
	}
	if _, err := s.Txn(t.Context(), store.Txn{Ops: ops}); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("%d operations: %v", len(ops), err)
	}
	big := store.Put("big", make([]byte, embeddedMaxRequest))
	if _, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{big}}); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("%d bytes: %v", embeddedMaxRequest, err)
	}
}
