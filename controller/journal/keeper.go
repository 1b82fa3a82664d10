package journal

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/duty"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/telemetry"
)

// How the keeper works.
const (
	keepEvery = time.Minute
	lookEvery = 5 * time.Second
	// batch is how many events one transaction removes: below what an external
	// etcd takes by default.
	batch = 100
	// maxBatches bounds one look; what is left waits for the next.
	maxBatches = 1000
)

// Keeper does, on one controller, what the journal needs from time to time: it
// removes what is too old or too many, and notes when agents are dead.
type Keeper struct {
	Journal *Journal
	DB      *records.DB
	Config  Config
	// Alone says that no other controller uses the store.
	Alone bool
	// DownTime is how long an agent may be silent.
	DownTime time.Duration
	Log      *zap.Logger
	// Loop counts its looks; nil: nothing does.
	Loop *telemetry.Loop

	heard map[string]heard // by the agent's id
	// anyone is when any agent was heard, and living are those that may fall silent.
	anyone time.Time
	living int
}

// heard is an agent's last heartbeat, and when it was new to this controller.
type heard struct{ beat, at time.Time }

// Run works until ctx is done.
func (k *Keeper) Run(ctx context.Context) error {
	return duty.New(duty.Config{DB: k.DB, Name: "journal", Log: k.Log, Alone: k.Alone}).Run(ctx, k.work)
}

func (k *Keeper) work(ctx context.Context, t duty.Tenure) {
	k.heard = map[string]heard{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var trimmed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		var failed error
		if time.Since(trimmed) >= keepEvery {
			trimmed = time.Now()
			for _, s := range []series{changes, hosts} {
				if err := k.trim(ctx, s); err != nil && ctx.Err() == nil {
					failed = err
					k.Log.Warn("the journal cannot be trimmed", zap.String("series", s.label()), zap.Error(err))
				}
			}
		}
		if err := k.noteDead(ctx, t, time.Now()); err != nil && ctx.Err() == nil {
			failed = err
			k.Log.Warn("dead agents cannot be noted", zap.Error(err))
		}
		k.Loop.Done(began, failed)
	}
}

// trim removes what is older than the configuration keeps, and then the oldest
// of what is too many.
func (k *Keeper) trim(ctx context.Context, s series) error {
	if err := k.remove(ctx, s.before(now().Add(-time.Duration(k.Config.KeepHours)*time.Hour)), s.end()); err != nil {
		return err
	}
	n, err := k.Journal.store.Count(ctx, string(s), s.end())
	if err != nil {
		return err
	}
	k.Journal.metrics.keep(s, n)
	if n <= k.Config.MaxEvents {
		return nil
	}
	from, err := k.excess(ctx, s)
	if err != nil {
		return err
	}
	return k.remove(ctx, from, s.end())
}

// excess finds the key behind which the oldest events are that are too many: by
// halving the time, with counts, which read no values.
func (k *Keeper) excess(ctx context.Context, s series) (string, error) {
	newest, oldest := now().Add(time.Hour), now().Add(-time.Duration(k.Config.KeepHours+1)*time.Hour)
	for newest.Sub(oldest) > time.Millisecond {
		middle := oldest.Add(newest.Sub(oldest) / 2)
		n, err := k.Journal.store.Count(ctx, string(s), s.before(middle))
		if err != nil {
			return "", err
		}
		if n > k.Config.MaxEvents {
			oldest = middle
		} else {
			newest = middle
		}
	}
	return s.before(newest), nil
}

// remove removes the events of a range, a few at a time.
func (k *Keeper) remove(ctx context.Context, from, to string) error {
	for range maxBatches {
		kvs, err := k.Journal.store.Scan(ctx, store.Scan{From: from, To: to, Limit: batch, KeysOnly: true})
		if err != nil || len(kvs) == 0 {
			return err
		}
		var txn store.Txn
		for _, kv := range kvs {
			txn.Ops = append(txn.Ops, store.Delete(kv.Key))
		}
		if _, err := k.Journal.store.Txn(ctx, txn); err != nil {
			return fmt.Errorf("remove %d events: %w", len(kvs), err)
		}
		k.Journal.metrics.remove(len(kvs))
		if len(kvs) < batch {
			return nil
		}
	}
	return nil
}

// noteDead marks the records of agents that this controller has watched being
// silent for long enough; the marks are journalled. Agents cannot be heard while
// the store is away or full.
func (k *Keeper) noteDead(ctx context.Context, t duty.Tenure, now time.Time) error {
	var dead []string
	err := k.DB.Read(ctx, func(r records.Reader) error {
		dead = k.silent(r, now)
		return nil
	})
	if err == nil && k.living > 0 && now.Sub(k.anyone) > k.DownTime/2 { // a full store answers reads
		err = k.DB.TryWrite(ctx)
	}
	if err != nil {
		for id, h := range k.heard {
			k.heard[id] = heard{h.beat, now}
		}
		return err
	}
	if len(dead) == 0 {
		return nil
	}
	_, err = k.DB.Update(ctx, func(u *records.Update) error {
		if err := t.Confirm(u); err != nil {
			return err
		}
		for _, id := range dead {
			a, ok := records.Agents.Get(u, id)
			if !ok || !a.HeartbeatAt.Equal(k.heard[id].beat) {
				continue
			}
			rec := *a
			rec.Dead = true
			records.Agents.Put(u, &rec)
		}
		return nil
	})
	return err
}

func (k *Keeper) silent(r records.Reader, now time.Time) []string {
	var dead []string
	there := map[string]bool{}
	k.living = 0
	for a := range records.Agents.All(r) {
		there[a.ID] = true
		if !a.Dead && a.LeftAt.IsZero() {
			k.living++
		}
		h, ok := k.heard[a.ID]
		if !ok || !h.beat.Equal(a.HeartbeatAt) {
			k.heard[a.ID], k.anyone = heard{a.HeartbeatAt, now}, now
			continue
		}
		if !a.Dead && a.LeftAt.IsZero() && now.Sub(h.at) >= k.DownTime {
			dead = append(dead, a.ID)
		}
	}
	for id := range k.heard {
		if !there[id] {
			delete(k.heard, id)
		}
	}
	return dead
}
