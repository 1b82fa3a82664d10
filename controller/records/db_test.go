package records_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

func update(tb testing.TB, db *records.DB, fn func(u *records.Update) error) int64 {
	tb.Helper()
	rev, err := db.Update(context.Background(), fn)
	if err != nil {
		tb.Fatal(err)
	}
	return rev
}

func group(id string, revision int64) *model.SecurityGroup {
	return &model.SecurityGroup{Meta: model.Meta{ID: id, Revision: revision}}
}

// increment adds one to the revision of a group.
func increment(ctx context.Context, db *records.DB, id string) error {
	_, err := db.Update(ctx, func(u *records.Update) error {
		g, ok := records.SecurityGroups.Get(u, id)
		if !ok {
			return fmt.Errorf("group %s not found", id)
		}
		records.SecurityGroups.Put(u, group(id, g.Revision+1))
		return nil
	})
	return err
}

func TestConcurrentUpdatesOfOneRecordAreNotLost(t *testing.T) {
	for name, make := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s := make(t)
			dbs := []*records.DB{open(t, s), open(t, s)}
			update(t, dbs[0], func(u *records.Update) error {
				records.SecurityGroups.Put(u, group("g", 0))
				return nil
			})
			var done atomic.Int64
			var wg sync.WaitGroup
			for g := range 32 {
				wg.Go(func() {
					for range 10 {
						switch err := increment(t.Context(), dbs[g%2], "g"); {
						case err == nil:
							done.Add(1)
						case !errors.Is(err, records.ErrConflict):
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			got, _ := records.SecurityGroups.Get(view(t, dbs[1]), "g")
			if got.Revision != done.Load() {
				t.Errorf("the record counts %d of %d updates", got.Revision, done.Load())
			}
			if done.Load() < 300 {
				t.Errorf("%d of 320 updates came through", done.Load())
			}
		})
	}
}

// Sixty-four goroutines, on two controllers, take the lowest free address for a
// new port each.
func TestConcurrentPortsNeverShareAnAddress(t *testing.T) {
	for name, make := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s := make(t)
			dbs := []*records.DB{open(t, s), open(t, s)}
			net, sub := network(t, dbs[0])
			const goroutines, each = 64, 5
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Go(func() {
					for i := range each {
						if err := createAnyPort(t.Context(), dbs[g%2], port(net, sub, g*each+i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			used := map[string]string{}
			for p := range records.PortsByNetwork.Get(view(t, dbs[0]), net) {
				if other, ok := used[p.Name]; ok {
					t.Errorf("ports %s and %s both have address %s", p.ID, other, p.Name)
				}
				used[p.Name] = p.ID
			}
			if len(used) != goroutines*each {
				t.Errorf("%d ports", len(used))
			}
			for i := range len(used) {
				if used[fmt.Sprint(i)] == "" {
					t.Errorf("address %d is free among %d taken", i, len(used))
				}
			}
			t.Logf("%+v %+v", dbs[0].Stats(), dbs[1].Stats())
		})
	}
}

// createAnyPort takes the lowest free number as the port's name.
func createAnyPort(ctx context.Context, db *records.DB, p *model.Port) error {
	_, err := db.Update(ctx, func(u *records.Update) error {
		if !has(records.Networks, u, p.NetworkID) {
			return errors.New("network not found")
		}
		q := *p
		for n := 0; ; n++ {
			var taken *records.TakenError
			err := u.Claim(fmt.Sprintf("ip/%s/%d", p.NetworkID, n), p.ID)
			if errors.As(err, &taken) {
				continue
			}
			q.Name = fmt.Sprint(n)
			records.Ports.Put(u, &q)
			return err
		}
	})
	return err
}

func TestOfConcurrentTakersOfAClaimExactlyOneWins(t *testing.T) {
	for name, make := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s := make(t)
			dbs := []*records.DB{open(t, s), open(t, s)}
			for round := range 20 {
				var won, taken atomic.Int64
				var wg sync.WaitGroup
				for g := range 16 {
					wg.Go(func() {
						_, err := dbs[g%2].Update(t.Context(), func(u *records.Update) error {
							return u.Claim(fmt.Sprintf("vni/%d", round), fmt.Sprint(g))
						})
						var e *records.TakenError
						switch {
						case err == nil:
							won.Add(1)
						case errors.As(err, &e):
							taken.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if won.Load() != 1 || taken.Load() != 15 {
					t.Fatalf("round %d: %d won, %d were refused", round, won.Load(), taken.Load())
				}
			}
		})
	}
}

// The first taker gives up: who asked for the same key meanwhile must get it,
// and not be told that it is taken.
func TestAClaimThatIsGivenUpIsNoReasonToRefuse(t *testing.T) {
	db := open(t, mem.New())
	claimed, proceed := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := db.Update(t.Context(), func(u *records.Update) error {
			if err := u.Claim("ip/1", "first"); err != nil {
				return err
			}
			close(claimed)
			<-proceed
			return errors.New("changed my mind")
		})
		if err == nil || err.Error() != "changed my mind" {
			t.Errorf("first: %v", err)
		}
	})
	<-claimed
	runs := 0
	wg.Go(func() {
		if _, err := db.Update(t.Context(), func(u *records.Update) error {
			if runs++; runs == 1 {
				defer close(proceed)
			}
			return u.Claim("ip/1", "second")
		}); err != nil {
			t.Errorf("second: %v", err)
		}
	})
	wg.Wait()
	if owner, _ := view(t, db).Claimed("ip/1"); owner != "second" || runs != 2 {
		t.Errorf("the owner is %q after %d runs", owner, runs)
	}
}

// A network is deleted while ports are made in it: either the port exists and so
// does the network, or neither does.
func TestWhatIsInUseIsNeverDeleted(t *testing.T) {
	for name, make := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s := make(t)
			dbs := []*records.DB{open(t, s), open(t, s)}
			for round := range 25 {
				net, sub := network(t, dbs[0])
				p := port(net, sub, round)
				var created, deleted error
				var wg sync.WaitGroup
				wg.Go(func() { created = createPort(t.Context(), dbs[round%2], p) })
				wg.Go(func() {
					_, deleted = dbs[0].Update(t.Context(), func(u *records.Update) error {
						u.RequireNoClaims("use/network/" + net + "/")
						records.Networks.Delete(u, net)
						return nil
					})
				})
				wg.Wait()
				r := view(t, dbs[1])
				hasNet, hasPort := has(records.Networks, r, net), has(records.Ports, r, p.ID)
				if hasNet != hasPort || hasNet == (deleted == nil) || hasPort != (created == nil) {
					t.Fatalf("round %d: network %t (%v), port %t (%v)", round, hasNet, deleted, hasPort, created)
				}
			}
		})
	}
}

func TestAReadSeesWhatAnotherControllerAcknowledged(t *testing.T) {
	for name, make := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s := make(t)
			a, b := open(t, s), open(t, s)
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					for i := range 30 {
						id := fmt.Sprintf("%d-%d", g, i)
						update(t, a, func(u *records.Update) error {
							records.SecurityGroups.Put(u, group(id, 1))
							return nil
						})
						if !has(records.SecurityGroups, view(t, b), id) {
							t.Errorf("%s was acknowledged and is not seen", id)
						}
						if err := increment(t.Context(), b, id); err != nil {
							t.Error(err)
						}
						if g, _ := records.SecurityGroups.Get(view(t, a), id); g.Revision != 2 {
							t.Errorf("%s is seen at revision %d", id, g.Revision)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestAReaderStaysAsItWas(t *testing.T) {
	db := open(t, mem.New())
	update(t, db, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("g", 1))
		return u.Claim("k", "me")
	})
	before := view(t, db)
	update(t, db, func(u *records.Update) error {
		records.SecurityGroups.Delete(u, "g")
		records.SecurityGroups.Put(u, group("h", 1))
		u.Release("k")
		return nil
	})
	if _, claimed := before.Claimed("k"); !claimed || !has(records.SecurityGroups, before, "g") || has(records.SecurityGroups, before, "h") {
		t.Error("the reader changed")
	}
}

func TestALostStoreRefusesWritesAndReadsButNotStaleOnes(t *testing.T) {
	s := mem.New()
	db := open(t, s)
	update(t, db, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("g", 1))
		return nil
	})
	s.Fail(errors.New("no quorum"))
	if err := increment(t.Context(), db, "g"); !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("update: %v", err)
	}
	if err := db.Read(t.Context(), func(records.Reader) error { return nil }); !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("read: %v", err)
	}
	if err := db.ReadStale(func(r records.Reader) error {
		if !has(records.SecurityGroups, r, "g") {
			return errors.New("group not found")
		}
		return nil
	}); err != nil {
		t.Errorf("stale read: %v", err)
	}
	s.Fail(nil)
	if err := increment(t.Context(), db, "g"); err != nil {
		t.Errorf("update after the store came back: %v", err)
	}
}

func TestAWatchThatGoesSilentIsMadeAnew(t *testing.T) {
	f := newFaulty(mem.New())
	a, b := open(t, f.Store), open(t, f)
	update(t, a, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("g", 1))
		return nil
	})
	view(t, b)
	f.freeze(true)
	for range 2 { // the first batch silences the watch of b
		if err := increment(t.Context(), a, "g"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.freeze(false)
	if g, _ := records.SecurityGroups.Get(view(t, b), "g"); g.Revision != 3 {
		t.Errorf("the group is at revision %d", g.Revision)
	}
}

func TestAStoreThatWentBackInTimeIsReadAgain(t *testing.T) {
	s := newFaulty(mem.New())
	db := open(t, s)
	for i := range 10 {
		update(t, db, func(u *records.Update) error {
			records.SecurityGroups.Put(u, group(fmt.Sprint(i), 1))
			return nil
		})
	}
	restored := mem.New()
	writer := open(t, restored)
	update(t, writer, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("0", 1))
		return nil
	})
	s.replace(restored)
	var n int
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		err := db.Read(t.Context(), func(r records.Reader) error {
			n = records.SecurityGroups.Len(r)
			return nil
		})
		if err == nil {
			break
		}
		if !errors.Is(err, records.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if n != 1 {
		t.Errorf("%d groups after the restore", n)
	}
	if err := increment(t.Context(), db, "0"); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatWentBackBeforeAnythingHappenedIsReadAgain(t *testing.T) {
	first, restored := mem.New(), mem.New()
	writer, s := open(t, first), newFaulty(first)
	for i := range 10 {
		update(t, writer, func(u *records.Update) error {
			records.SecurityGroups.Put(u, group(fmt.Sprint(i), 1))
			return nil
		})
	}
	update(t, open(t, restored), func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("0", 1))
		return nil
	})
	db := open(t, s) // and nothing is written until
	s.replace(restored)
	n := 0
	for end := time.Now().Add(10 * time.Second); n != 1 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		_ = db.Read(t.Context(), func(r records.Reader) error { // fails while records are read again
			n = records.SecurityGroups.Len(r)
			return nil
		})
	}
	if n != 1 {
		t.Errorf("%d groups after the restore", n)
	}
	if err := increment(t.Context(), db, "0"); err != nil {
		t.Error(err)
	}
}

func TestOneRecordThatCannotBeReadHidesOnlyItself(t *testing.T) {
	s := mem.New()
	open(t, s) // writes the layout
	for key, value := range map[string]string{
		"v1/security-groups/bad":   `{"id": 7}`,
		"v1/security-groups/moved": `{"id": "other"}`,
		"v1/security-groups/good":  `{"id": "good", "revision": 3}`,
		"v1/later-table/x":         `{}`,
		"v1/nonsense":              ``,
		"elsewhere":                ``,
	} {
		if _, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put(key, []byte(value))}}); err != nil {
			t.Fatal(err)
		}
	}
	core, logs := observer.New(zapcore.ErrorLevel)
	db, err := records.Open(t.Context(), s, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var logged []string
	for _, e := range logs.All() {
		logged = append(logged, e.ContextMap()["key"].(string))
	}
	if got := strings.Join(logged, " "); got != "v1/security-groups/bad v1/security-groups/moved" {
		t.Errorf("logged %q", got)
	}
	r := view(t, db)
	if n := records.SecurityGroups.Len(r); n != 1 || !has(records.SecurityGroups, r, "good") || has(records.SecurityGroups, r, "bad") {
		t.Errorf("%d groups", n)
	}
	// It can be overwritten, and deleted.
	update(t, db, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("bad", 1))
		records.SecurityGroups.Delete(u, "moved")
		return nil
	})
	if r = view(t, db); !has(records.SecurityGroups, r, "bad") || records.SecurityGroups.Len(r) != 2 {
		t.Error("the unreadable record was not overwritten")
	}
}

func TestANewerLayoutIsRefused(t *testing.T) {
	s := mem.New()
	if _, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put("schema", []byte(`{"version":2}`))}}); err != nil {
		t.Fatal(err)
	}
	if _, err := records.Open(t.Context(), s, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Fatalf("open: %v", err)
	}
}

func TestAnUpdateThatIsAlwaysOvertakenGivesUp(t *testing.T) {
	s := mem.New()
	a, b := open(t, s), open(t, s)
	update(t, a, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("g", 0))
		return nil
	})
	runs := 0
	_, err := a.Update(t.Context(), func(u *records.Update) error {
		runs++
		g, _ := records.SecurityGroups.Get(u, "g")
		if g.Revision != int64(runs-1) {
			t.Errorf("run %d sees revision %d", runs, g.Revision)
		}
		records.SecurityGroups.Put(u, group("g", 1000))
		return increment(t.Context(), b, "g")
	})
	if !errors.Is(err, records.ErrConflict) || runs < 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
}

func TestPeekIsNoConditionOfTheCommit(t *testing.T) {
	s := mem.New()
	a, b := open(t, s), open(t, s)
	update(t, a, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("g", 0))
		return nil
	})
	runs := 0
	update(t, a, func(u *records.Update) error {
		runs++
		records.SecurityGroups.Get(u.Peek(), "g")
		for range records.SecurityGroups.All(u) {
		}
		records.SecurityGroups.Put(u, group("h", 0))
		return increment(t.Context(), b, "g")
	})
	if runs != 1 {
		t.Errorf("%d runs", runs)
	}
}

func TestALateSubscriberStartsWithEverything(t *testing.T) {
	db := open(t, mem.New())
	update(t, db, func(u *records.Update) error {
		records.SecurityGroups.Put(u, group("g", 1))
		return nil
	})
	batches := make(chan records.Batch, 10)
	db.OnApply(func(b records.Batch) { batches <- b })
	if b := <-batches; !b.Full || len(b.Changes) != 1 || b.Changes[0].ID != "g" || b.Changes[0].Old != nil {
		t.Errorf("first batch %+v", b)
	}
	rev := update(t, db, func(u *records.Update) error {
		records.SecurityGroups.Delete(u, "g")
		return nil
	})
	b := <-batches
	if b.Full || b.Revision != rev || len(b.Changes) != 1 {
		t.Fatalf("second batch %+v", b)
	}
	before, after, ok := records.SecurityGroups.Change(b.Changes[0])
	if !ok || before == nil || before.ID != "g" || after != nil {
		t.Errorf("change %v → %v, %t", before, after, ok)
	}
	if _, _, ok := records.Ports.Change(b.Changes[0]); ok {
		t.Error("the change of a group is one of a port")
	}
}

func TestAnUpdateWithoutChangesWritesNothing(t *testing.T) {
	s := mem.New()
	db := open(t, s)
	before, _ := s.Head(t.Context())
	update(t, db, func(u *records.Update) error {
		records.SecurityGroups.Get(u, "none")
		records.SecurityGroups.Delete(u, "none")
		u.Release("none")
		if err := u.Claim("k", "me"); err != nil {
			return err
		}
		u.Release("k")
		return nil
	})
	if after, _ := s.Head(t.Context()); after != before {
		t.Errorf("the head went from %d to %d", before, after)
	}
}

func TestARecordThatCannotBeWrittenIsAnError(t *testing.T) {
	db := open(t, mem.New())
	for name, p := range map[string]*model.Port{
		"an id with a slash": {Meta: model.Meta{ID: "a/b"}},
		"no id":              {},
		"a value without a JSON form": {
			Meta:       model.Meta{ID: "p"},
			VIFDetails: map[string]any{"c": make(chan int)},
		},
	} {
		if _, err := db.Update(t.Context(), func(u *records.Update) error {
			records.Ports.Put(u, p)
			return nil
		}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func TestAClosedDatabaseLeavesNothingRunning(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	db, err := records.Open(t.Context(), mem.New(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(u *records.Update) error { return u.Claim("k", "me") })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db.OnApply(func(records.Batch) { t.Error("a closed database told something") })
	goleak.VerifyNone(t, ignore)
}
