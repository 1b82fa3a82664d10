// Package duty gives work that must be done once, however many controllers
// there are, to one of them.
//
// A duty is a record with its holder's name and a beat that grows every few
// seconds. A controller that sees the beat stand still for long enough, by its
// own clock, takes the duty over; a holder that cannot renew it stops before
// that. No two clocks are compared. What the holder writes can be made to depend
// on the duty (Tenure.Confirm), so that one who lost it without noticing writes
// nothing.
package duty

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// The times of a duty. A holder gives up before others may take over.
const (
	beatEvery = 3 * time.Second
	giveUp    = 8 * time.Second  // without a beat that was stored
	takeOver  = 10 * time.Second // after the last beat that was seen
	lookEvery = time.Second
	// rest is how long a controller leaves a duty to others that it gave back by
	// itself.
	rest = 10 * time.Second
	// releaseTimeout bounds giving the duty back at the end.
	releaseTimeout = 2 * time.Second
)

// ErrLost is what an update gets whose controller has the duty no more.
var ErrLost = errors.New("another controller has the duty")

// Config says which duty, and for whom.
type Config struct {
	DB   *records.DB
	Name string
	Log  *zap.Logger
	// Alone says that no other controller uses the store: what an earlier run of
	// this one left is taken over at once.
	Alone bool
	// As is the controller's name for people; the machine's when empty.
	As string
	// Observe, if set, is told when this controller takes the duty and loses it.
	Observe func(held bool)
}

// Duty is one controller's part in a duty.
type Duty struct {
	Config
	me string

	beatEvery, giveUp, takeOver, lookEvery, rest time.Duration

	seen      model.Duty // the record as it was at the last look
	seenSince time.Time  // when it was first seen so
}

// New makes a controller's part in a duty.
func New(c Config) *Duty {
	host := c.As
	if host == "" {
		host, _ = os.Hostname() // a name for people; the rest of it makes it unique
	}
	return &Duty{
		Config: c, me: host + "/" + uuid.NewString()[:8],
		beatEvery: beatEvery, giveUp: giveUp, takeOver: takeOver, lookEvery: lookEvery, rest: rest,
	}
}

// Tenure is the time in which this controller has the duty.
type Tenure struct {
	name, holder string
	// Begun is when any controller took the duty for the first time.
	Begun time.Time

	renewed *atomic.Pointer[time.Time]
	giveUp  time.Duration
}

// Held reports whether nobody else can have the duty yet. A controller that stood
// still finds out by it before its context ends; what cannot be made to depend on
// Confirm, such as a request to somebody else, is not to be done without asking.
func (t Tenure) Held() bool { return time.Since(*t.renewed.Load()) < t.giveUp }

// Confirm makes it a condition of the update's commit that the duty is still
// held; otherwise it fails with ErrLost.
func (t Tenure) Confirm(u *records.Update) error {
	if d, ok := records.Duties.Get(u, t.name); !ok || d.Holder != t.holder {
		return ErrLost
	}
	return nil
}

// Run waits for the duty, does the work while this controller has it, and again
// until ctx is done. The context of the work ends when the duty is lost. Work that
// returns before that gives the duty back, to whoever else there is.
func (d *Duty) Run(ctx context.Context, work func(context.Context, Tenure)) error {
	for ctx.Err() == nil {
		if t, ok := d.take(ctx); ok {
			d.Log.Info("duty taken", zap.String("duty", d.Name), zap.String("as", d.me))
			d.observe(true)
			gave := d.hold(ctx, t, work)
			d.observe(false)
			d.Log.Info("duty ended", zap.String("duty", d.Name))
			if gave && !d.Alone {
				sleep(ctx, d.rest)
			}
		}
		sleep(ctx, d.lookEvery/2+rand.N(d.lookEvery))
	}
	return nil
}

func (d *Duty) observe(held bool) {
	if d.Observe != nil {
		d.Observe(held)
	}
}

// take takes the duty if nobody has it.
func (d *Duty) take(ctx context.Context) (Tenure, bool) {
	if !d.vacant() {
		return Tenure{}, false
	}
	began := time.Now()
	var now *model.Duty
	_, err := d.DB.Update(ctx, func(u *records.Update) error {
		now = &model.Duty{Name: d.Name, Holder: d.me, Beat: 1, Begun: time.Now().UTC()}
		if old, ok := records.Duties.Get(u, d.Name); ok {
			if *old != d.seen {
				return ErrLost // somebody else was faster, or lives
			}
			now.Beat, now.Begun = old.Beat+1, old.Begun
		}
		records.Duties.Put(u, now)
		return nil
	})
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, ErrLost) {
			d.Log.Warn("duty cannot be taken", zap.String("duty", d.Name), zap.Error(err))
		}
		return Tenure{}, false
	}
	t := Tenure{name: d.Name, holder: d.me, Begun: now.Begun, renewed: &atomic.Pointer[time.Time]{}, giveUp: d.giveUp}
	t.renewed.Store(&began)
	return t, true
}

// vacant tells whether the duty may be taken: nobody has it, or its holder has
// shown no life for too long.
func (d *Duty) vacant() bool {
	var now model.Duty
	_ = d.DB.ReadStale(func(r records.Reader) error { // the function does not fail
		if rec, ok := records.Duties.Get(r, d.Name); ok {
			now = *rec
		}
		return nil
	})
	if now != d.seen {
		d.seen, d.seenSince = now, time.Now()
	}
	return now.Holder == "" || d.Alone || time.Since(d.seenSince) >= d.takeOver
}

// hold does the work and shows life meanwhile; then it gives the duty back. gave
// says that the work ended although the duty was not lost.
func (d *Duty) hold(ctx context.Context, t Tenure, work func(context.Context, Tenure)) (gave bool) {
	working, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer end()
		d.beat(working, t)
	}()
	work(working, t)
	gave = working.Err() == nil
	end()
	<-ended
	// Whether that succeeds only decides how soon another one begins.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_ = d.write(bounded, t, "")
	return gave
}

// beat renews the duty until ctx is done, or until it may be another's.
func (d *Duty) beat(ctx context.Context, t Tenure) {
	for {
		sleep(ctx, d.beatEvery/2+rand.N(d.beatEvery/2))
		began := time.Now()
		bounded, cancel := context.WithDeadline(ctx, t.renewed.Load().Add(d.giveUp))
		err := d.write(bounded, t, t.holder)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			t.renewed.Store(&began)
		case errors.Is(err, ErrLost), !t.Held():
			d.Log.Warn("duty lost", zap.String("duty", d.Name), zap.Error(err))
			return
		}
	}
}

func (d *Duty) write(ctx context.Context, t Tenure, holder string) error {
	_, err := d.DB.Update(ctx, func(u *records.Update) error {
		if err := t.Confirm(u); err != nil {
			return err
		}
		old, _ := records.Duties.Get(u, d.Name)
		next := *old
		next.Holder, next.Beat = holder, old.Beat+1
		records.Duties.Put(u, &next)
		return nil
	})
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
