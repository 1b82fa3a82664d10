// Package storetest holds the tests that every store.Store must pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/store"
)

// Subject is a store under test.
type Subject struct {
	// Open gives a store on new, empty data, and closes it when the test ends.
	Open func(t *testing.T) store.Store
	// Again gives a second client of the same data; nil when there is none.
	Again func(t *testing.T, s store.Store) store.Store
	// Compact makes the store forget everything before its present revision.
	Compact func(t *testing.T, s store.Store)
}

// Run runs all tests.
func Run(t *testing.T, subject Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"a transaction happens when its conditions hold":          conditions,
		"a transaction is all or nothing":                         atomicity,
		"a malformed transaction is refused":                      malformed,
		"a range is in key order and as of one revision":          ranges,
		"a range of many pages is as of one revision":             pages,
		"a scan gives the first keys of a range":                  scans,
		"a watch delivers every change in order":                  watchOrder,
		"a watch starts after the revision it is given":           watchFrom,
		"a watch from a compacted revision says so":               watchCompacted,
		"a watch ends with its context":                           watchEnds,
		"the head is what was acknowledged, and watches reach it": heads,
		"of concurrent takers of a key one wins":                  takers,
		"a closed store is unavailable":                           closed,
		"a call after its deadline is unavailable":                deadline,
		"clients see each other's changes":                        clients,
	} {
		t.Run(name, func(t *testing.T) { test(t, subject) })
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// commit runs a transaction that must happen.
func commit(t *testing.T, s store.Store, ops ...store.Op) int64 {
	t.Helper()
	res, err := s.Txn(bounded(t), store.Txn{Ops: ops})
	if err != nil || !res.OK {
		t.Fatalf("transaction: %+v, %v", res, err)
	}
	return res.Revision
}

// dump gives what is under a prefix, as "key=value@revision".
func dump(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	var got []string
	_, err := s.Range(bounded(t), prefix, func(kv store.KV) error {
		got = append(got, fmt.Sprintf("%s=%s@%d", kv.Key, kv.Value, kv.Revision))
		return nil
	})
	if err != nil {
		t.Fatalf("range %q: %v", prefix, err)
	}
	return got
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
}

func put(key, value string) store.Op { return store.Put(key, []byte(value)) }

func conditions(t *testing.T, subject Subject) {
	s := subject.Open(t)
	first := commit(t, s, put("used/a", "1"), put("user", "x"))
	second := commit(t, s, put("used/b", "2"))
	for _, c := range []struct {
		name string
		cond store.Cond
		want bool
	}{
		{"unchanged key", store.Unchanged("used/a", first), true},
		{"changed key", store.Unchanged("used/b", first), false},
		{"key that does not exist yet has a revision", store.Unchanged("none", first), false},
		{"absent key", store.Absent("none"), true},
		{"absent key that is a prefix of others", store.Absent("use"), true},
		{"present key", store.Absent("user"), false},
		{"nothing under a prefix", store.NoneNewer("used/c", 0), true},
		{"something under a prefix", store.NoneNewer("used/", 0), false},
		{"nothing newer under a prefix", store.NoneNewer("used/", second), true},
		{"something newer under a prefix", store.NoneNewer("used/", first), false},
	} {
		res, err := s.Txn(bounded(t), store.Txn{Conds: []store.Cond{c.cond}, Ops: []store.Op{put("out", c.name)}})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if res.OK != c.want {
			t.Errorf("%s: OK is %t", c.name, res.OK)
		}
		if res.Revision < second {
			t.Errorf("%s: revision %d is before %d", c.name, res.Revision, second)
		}
	}
}

func atomicity(t *testing.T, subject Subject) {
	s := subject.Open(t)
	rev := commit(t, s, put("a", "1"), put("b", "1"))
	res, err := s.Txn(bounded(t), store.Txn{
		Conds: []store.Cond{store.Unchanged("a", rev), store.Absent("b")},
		Ops:   []store.Op{put("a", "2"), store.Delete("b"), put("c", "2")},
	})
	if err != nil || res.OK {
		t.Fatalf("refused transaction: %+v, %v", res, err)
	}
	equal(t, dump(t, s, ""), []string{fmt.Sprintf("a=1@%d", rev), fmt.Sprintf("b=1@%d", rev)})

	next := commit(t, s, put("a", "2"), store.Delete("b"), put("c", ""), store.Delete("never"))
	if next <= rev {
		t.Fatalf("revision %d after %d", next, rev)
	}
	equal(t, dump(t, s, ""), []string{fmt.Sprintf("a=2@%d", next), fmt.Sprintf("c=@%d", next)})
}

func malformed(t *testing.T, subject Subject) {
	s := subject.Open(t)
	for _, txn := range []store.Txn{
		{Ops: []store.Op{put("", "1")}},
		{Ops: []store.Op{put(".head", "1")}},
		{Ops: []store.Op{put("a", "1"), store.Delete("a")}},
		{Conds: []store.Cond{store.Absent("")}},
	} {
		if res, err := s.Txn(bounded(t), txn); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%+v: %+v, %v", txn, res, err)
		}
	}
	equal(t, dump(t, s, ""), []string(nil))
}

func ranges(t *testing.T, subject Subject) {
	s := subject.Open(t)
	equal(t, dump(t, s, ""), []string(nil))
	rev := commit(t, s, put("p/b", "2"), put("p/a", "1"), put("p0", "3"), put("p", "0"), put("p/\xff", "4"))
	at := func(kvs ...string) []string {
		for i := range kvs {
			kvs[i] += fmt.Sprintf("@%d", rev)
		}
		return kvs
	}
	equal(t, dump(t, s, "p/"), at("p/a=1", "p/b=2", "p/\xff=4"))
	equal(t, dump(t, s, "p"), at("p=0", "p/a=1", "p/b=2", "p/\xff=4", "p0=3"))
	equal(t, dump(t, s, "q"), []string(nil))

	stop := errors.New("enough")
	visited := 0
	_, err := s.Range(bounded(t), "", func(store.KV) error { visited++; return stop })
	if !errors.Is(err, stop) || visited != 1 {
		t.Fatalf("an error of the visitor: %v after %d keys", err, visited)
	}
}

// pages writes while a range is under way: the range must not see it.
func pages(t *testing.T, subject Subject) {
	s := subject.Open(t)
	const n = 12_000
	var ops []store.Op
	for i := range n {
		if ops = append(ops, put(fmt.Sprintf("k/%05d", i), "old")); len(ops) == 100 {
			commit(t, s, ops...)
			ops = nil
		}
	}
	before := commit(t, s, put("other", ""))
	visited := 0
	rev, err := s.Range(bounded(t), "k/", func(kv store.KV) error {
		if visited == 0 {
			commit(t, s, store.Delete("k/11000"), put("k/11001", "new"), put("k/99999", "new"))
		}
		if want := fmt.Sprintf("k/%05d", visited); kv.Key != want || string(kv.Value) != "old" {
			return fmt.Errorf("%s=%s, want %s=old", kv.Key, kv.Value, want)
		}
		visited++
		return nil
	})
	if err != nil || visited != n || rev != before {
		t.Fatalf("visited %d keys at revision %d (want %d): %v", visited, rev, before, err)
	}
}

// next takes one batch that has events, or an error.
func next(t *testing.T, batches <-chan store.Batch) store.Batch {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case b, ok := <-batches:
			if !ok {
				t.Fatal("the watch was closed")
			}
			if len(b.Events) > 0 || b.Err != nil {
				return b
			}
		case <-timeout:
			t.Fatal("nothing from the watch in 20 s")
		}
	}
}

func scans(t *testing.T, subject Subject) {
	s := subject.Open(t)
	first := commit(t, s, put("j/a", "1"), put("j/b", "2"), put("j/c", "3"), put("k", "4"))
	second := commit(t, s, put("j/b", "5"), store.Delete("j/c"))
	for _, c := range []struct {
		name string
		scan store.Scan
		want []string
	}{
		{"all", store.Scan{From: "j/", To: "j0", Limit: 9}, []string{fmt.Sprintf("j/a=1@%d", first), fmt.Sprintf("j/b=5@%d", second)}},
		{"the first one", store.Scan{From: "j/", To: "j0", Limit: 1}, []string{fmt.Sprintf("j/a=1@%d", first)}},
		{"from one on", store.Scan{From: "j/a\x00", To: "j0", Limit: 9}, []string{fmt.Sprintf("j/b=5@%d", second)}},
		{"without the end", store.Scan{From: "j/", To: "j/b", Limit: 9}, []string{fmt.Sprintf("j/a=1@%d", first)}},
		{"without values", store.Scan{From: "j/b", To: "j0", Limit: 9, KeysOnly: true}, []string{fmt.Sprintf("j/b=@%d", second)}},
		{"nothing", store.Scan{From: "j/c", To: "j0", Limit: 9}, nil},
	} {
		kvs, err := s.Scan(bounded(t), c.scan)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, kv := range kvs {
			got = append(got, fmt.Sprintf("%s=%s@%d", kv.Key, kv.Value, kv.Revision))
		}
		equal(t, got, c.want)
		if n, err := s.Count(bounded(t), c.scan.From, c.scan.To); err != nil || n < len(got) || c.scan.Limit > 1 && n != len(got) {
			t.Errorf("%s: counted %d: %v", c.name, n, err)
		}
	}
}

func watchOrder(t *testing.T, subject Subject) {
	s := subject.Open(t)
	from := commit(t, s, put("before", "1"))
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	batches := s.Watch(ctx, from)
	type change struct {
		Key, Value string
		Deleted    bool
	}
	var want, got []string
	for i := range 300 {
		a, b := fmt.Sprintf("a/%d", i%7), fmt.Sprintf("b/%d", i)
		rev := commit(t, s, put(a, fmt.Sprint(i)), put(b, ""), store.Delete(fmt.Sprintf("b/%d", i-1)))
		changes := []change{{Key: a, Value: fmt.Sprint(i)}, {Key: b}}
		if i > 0 {
			changes = append(changes, change{Key: fmt.Sprintf("b/%d", i-1), Deleted: true})
		}
		slices.SortFunc(changes, func(x, y change) int { return compare(x.Key, y.Key) })
		want = append(want, fmt.Sprintf("%d %v", rev, changes))
	}
	for range want {
		b := next(t, batches)
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		var changes []change
		for _, e := range b.Events {
			if e.Revision != b.Revision {
				t.Errorf("event of %s at %d in the batch of %d", e.Key, e.Revision, b.Revision)
			}
			changes = append(changes, change{Key: e.Key, Value: string(e.Value), Deleted: e.Deleted})
		}
		slices.SortFunc(changes, func(x, y change) int { return compare(x.Key, y.Key) })
		got = append(got, fmt.Sprintf("%d %v", b.Revision, changes))
	}
	equal(t, got, want)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func watchFrom(t *testing.T, subject Subject) {
	s := subject.Open(t)
	var revs []int64
	for i := range 50 {
		revs = append(revs, commit(t, s, put("k", fmt.Sprint(i))))
	}
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	batches := s.Watch(ctx, revs[9])
	for i := 10; i < 50; i++ {
		if b := next(t, batches); b.Revision != revs[i] || string(b.Events[0].Value) != fmt.Sprint(i) {
			t.Fatalf("batch %+v, want k=%d at %d", b, i, revs[i])
		}
	}
}

func watchCompacted(t *testing.T, subject Subject) {
	s := subject.Open(t)
	old := commit(t, s, put("k", "1"))
	commit(t, s, put("k", "2"))
	commit(t, s, put("k", "3"))
	subject.Compact(t, s)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	batches := s.Watch(ctx, old)
	if b := next(t, batches); !errors.Is(b.Err, store.ErrCompacted) {
		t.Fatalf("batch %+v", b)
	}
	if b, ok := <-batches; ok {
		t.Fatalf("batch %+v after the error", b)
	}
	head, err := s.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	batches = s.Watch(ctx, head)
	rev := commit(t, s, put("k", "4"))
	if b := next(t, batches); b.Revision != rev {
		t.Fatalf("batch %+v, want revision %d", b, rev)
	}
}

func watchEnds(t *testing.T, subject Subject) {
	s := subject.Open(t)
	from := commit(t, s, put("k", "1"))
	ctx, cancel := context.WithCancel(bounded(t))
	batches := s.Watch(ctx, from)
	commit(t, s, put("k", "2"))
	cancel()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case _, ok := <-batches:
			if !ok {
				return
			}
		case <-timeout:
			t.Fatal("the watch goes on 20 s after its context ended")
		}
	}
}

func heads(t *testing.T, subject Subject) {
	s := subject.Open(t)
	if _, err := s.Head(bounded(t)); err != nil {
		t.Fatalf("head of an empty store: %v", err)
	}
	from := commit(t, s, put("k", "0"))
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	batches := s.Watch(ctx, from)
	for _, ops := range [][]store.Op{
		{put("k", "1")},
		{put("k", "1")},
		{store.Delete("k")},
		{store.Delete("k")}, // changes nothing
		{},
	} {
		rev := commit(t, s, ops...)
		head, err := s.Head(ctx)
		if err != nil || head != rev {
			t.Fatalf("head is %d (%v) after a transaction at %d", head, err, rev)
		}
		select {
		case b := <-batches:
			if b.Revision != rev || b.Err != nil {
				t.Fatalf("batch %+v, want one at %d", b, rev)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no batch for revision %d", rev)
		}
	}
}

func takers(t *testing.T, subject Subject) {
	s := subject.Open(t)
	ctx := bounded(t)
	var won atomic.Int64
	var wg sync.WaitGroup
	const keys, takersPerKey = 20, 8
	for taker := range takersPerKey {
		wg.Go(func() {
			for i := range keys {
				key := fmt.Sprintf("claim/%d", i)
				res, err := s.Txn(ctx, store.Txn{
					Conds: []store.Cond{store.Absent(key)},
					Ops:   []store.Op{put(key, fmt.Sprint(taker))},
				})
				if err != nil {
					t.Error(err)
				}
				if res.OK {
					won.Add(1)
				}
			}
		})
	}
	wg.Wait()
	equal(t, won.Load(), int64(keys))
	equal(t, len(dump(t, s, "claim/")), keys)
}

func closed(t *testing.T, subject Subject) {
	s := subject.Open(t)
	from := commit(t, s, put("k", "1"))
	batches := s.Watch(bounded(t), from)
	commit(t, s, put("k", "2"))
	next(t, batches)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if b := next(t, batches); !errors.Is(b.Err, store.ErrUnavailable) {
		t.Errorf("watch: %+v", b)
	}
	if _, err := s.Txn(bounded(t), store.Txn{Ops: []store.Op{put("k", "3")}}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("transaction: %v", err)
	}
	if _, err := s.Head(bounded(t)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("head: %v", err)
	}
	if _, err := s.Range(bounded(t), "", func(store.KV) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("range: %v", err)
	}
	if b := next(t, s.Watch(bounded(t), from)); !errors.Is(b.Err, store.ErrUnavailable) {
		t.Errorf("new watch: %+v", b)
	}
}

func deadline(t *testing.T, subject Subject) {
	s := subject.Open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Txn(ctx, store.Txn{Ops: []store.Op{put("k", "3")}}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("transaction: %v", err)
	}
	if _, err := s.Head(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("head: %v", err)
	}
}

func clients(t *testing.T, subject Subject) {
	if subject.Again == nil {
		return
	}
	a := subject.Open(t)
	b := subject.Again(t, a)
	from := commit(t, a, put("k", "1"))
	batches := b.Watch(bounded(t), from)
	for i := range 20 {
		rev := commit(t, a, put("k", fmt.Sprint(i)))
		if head, err := b.Head(bounded(t)); err != nil || head != rev {
			t.Fatalf("the other client's head is %d (%v), want %d", head, err, rev)
		}
		if got := next(t, batches); got.Revision != rev {
			t.Fatalf("the other client's watch gave %+v, want revision %d", got, rev)
		}
	}
	equal(t, dump(t, b, ""), dump(t, a, ""))
}
