package journal

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/duty"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

// sometimesFull is a store that answers reads always, and takes writes while it
// has room.
type sometimesFull struct {
	*mem.Store
	full atomic.Bool
}

func (s *sometimesFull) Txn(ctx context.Context, txn store.Txn) (store.Result, error) {
	if s.full.Load() {
		return store.Result{}, store.ErrFull
	}
	return s.Store.Txn(ctx, txn)
}

func TestNobodyIsNotedAsDeadBecauseNoHeartbeatCouldBeStored(t *testing.T) {
	st := &sometimesFull{Store: mem.New()}
	db, err := records.Open(t.Context(), st, zap.NewNop(), records.Journal(New(st, zap.NewNop(), nil).Note))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	agents := []*model.Agent{{ID: "1", Host: "hv1", HeartbeatAt: time.Now()}, {ID: "2", Host: "hv2", HeartbeatAt: time.Now()}}
	_, err = db.Update(t.Context(), func(u *records.Update) error {
		for _, a := range agents {
			records.Agents.Put(u, a)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dead := func() (n int) {
		_ = db.ReadStale(func(r records.Reader) error { // the function does not fail
			for a := range records.Agents.All(r) {
				if a.Dead {
					n++
				}
			}
			return nil
		})
		return n
	}
	k := &Keeper{DB: db, DownTime: 75 * time.Second, Log: zap.NewNop(), heard: map[string]heard{}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	worked := false
	d := duty.New(duty.Config{DB: db, Name: "journal", Log: zap.NewNop(), Alone: true})
	_ = d.Run(ctx, func(ctx context.Context, held duty.Tenure) { // gives no error
		defer cancel()
		now := time.Now()
		look := func(passed time.Duration) error { now = now.Add(passed); return k.noteDead(ctx, held, now) }
		if err := look(0); err != nil {
			t.Error(err)
		}
		st.full.Store(true)
		for range 120 { // ten minutes
			_ = look(lookEvery)
		}
		st.full.Store(false)
		if err := look(lookEvery); err != nil || dead() > 0 {
			t.Errorf("%d agents are noted as dead when the store has room again: %v", dead(), err)
		}
		for range 16 { // they are not heard now, either
			if err := look(lookEvery); err != nil {
				t.Error(err)
			}
		}
		if n := dead(); n != len(agents) {
			t.Errorf("%d agents are noted as dead that fell silent, want %d", n, len(agents))
		}
		worked = true
	})
	if !worked {
		t.Error("the duty was not taken")
	}
}
