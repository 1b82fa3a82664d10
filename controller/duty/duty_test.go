package duty

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contender makes a controller with a database of its own, with times of tests.
func contender(t *testing.T, s store.Store) *Duty {
	t.Helper()
	db, err := records.Open(t.Context(), s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	d := New(Config{DB: db, Name: "test", Log: zap.NewNop()})
	d.beatEvery, d.giveUp, d.takeOver, d.lookEvery = 50*time.Millisecond, 1500*time.Millisecond, 2500*time.Millisecond, 10*time.Millisecond
	d.rest = 10 * time.Millisecond
	return d
}

// start runs the contender; stop ends it and waits.
func start(d *Duty, work func(context.Context, Tenure)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = d.Run(ctx, work) })
	return func() {
		cancel()
		done.Wait()
	}
}

func within(t *testing.T, what string, ch <-chan string) string {
	t.Helper()
	select {
	case s := <-ch:
		return s
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing in 10 s", what)
		return ""
	}
}

func TestOneControllerAtATimeHasADuty(t *testing.T) {
	s := mem.New()
	defer s.Close()
	var at, most, taken atomic.Int64
	var stops []func()
	for range 4 {
		stops = append(stops, start(contender(t, s), func(ctx context.Context, _ Tenure) {
			taken.Add(1)
			if n := at.Add(1); n > most.Load() {
				most.Store(n)
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
			at.Add(-1)
		}))
	}
	for end := time.Now().Add(10 * time.Second); taken.Load() < 10 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	for _, stop := range stops {
		stop()
	}
	if most.Load() != 1 || taken.Load() < 10 {
		t.Errorf("%d at once, taken %d times", most.Load(), taken.Load())
	}
}

func TestADutyIsGivenBackAtOnceAndTakenFromTheDeadLater(t *testing.T) {
	s := mem.New()
	defer s.Close()
	held := make(chan string, 10)
	by := func(name string) func(context.Context, Tenure) {
		return func(ctx context.Context, _ Tenure) {
			held <- name
			<-ctx.Done()
		}
	}
	first := start(contender(t, s), by("first"))
	within(t, "first", held)
	second := start(contender(t, s), by("second"))
	began := time.Now()
	first()
	within(t, "second", held)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a duty that was given back is taken after %s", took)
	}
	second()

	// One that dies leaves its name behind.
	dead := contender(t, s)
	if _, ok := dead.take(t.Context()); !ok {
		t.Fatal("nobody has it, and it cannot be taken")
	}
	began = time.Now()
	third := start(contender(t, s), by("third"))
	defer third()
	within(t, "third", held)
	if took := time.Since(began); took < 2500*time.Millisecond {
		t.Errorf("the duty of one that may live was taken after %s", took)
	}
}

func TestWhatAnEarlierRunLeftIsTakenAtOnceByOneThatIsAlone(t *testing.T) {
	s := mem.New()
	defer s.Close()
	dead := contender(t, s)
	if _, ok := dead.take(t.Context()); !ok {
		t.Fatal("cannot be taken")
	}
	next := contender(t, s)
	next.Alone = true
	tenure, ok := next.take(t.Context())
	if !ok || tenure.Begun.IsZero() {
		t.Fatalf("%+v %t", tenure, ok)
	}
}

func TestAHolderThatCannotRenewStops(t *testing.T) {
	s := mem.New()
	defer s.Close()
	d := contender(t, s)
	began, ended := make(chan string, 10), make(chan string, 10)
	stop := start(d, func(ctx context.Context, _ Tenure) {
		began <- ""
		<-ctx.Done()
		ended <- ""
	})
	defer stop()
	within(t, "the duty", began)
	s.Fail(store.ErrUnavailable)
	lost := time.Now()
	within(t, "the end without a store", ended)
	if took := time.Since(lost); took > 2500*time.Millisecond {
		t.Errorf("the holder went on for %s without a store", took)
	}
	s.Fail(nil)
	within(t, "the duty again", began)
}

func TestOneThatLostTheDutyWritesNothing(t *testing.T) {
	s := mem.New()
	defer s.Close()
	a, b := contender(t, s), contender(t, s)
	old, ok := a.take(t.Context())
	if !ok {
		t.Fatal("cannot be taken")
	}
	b.Alone = true // takes it whatever the other says
	for end := time.Now().Add(5 * time.Second); ; {
		if _, ok := b.take(t.Context()); ok {
			break
		}
		if time.Now().After(end) {
			t.Fatal("cannot be taken over")
		}
	}
	_, err := a.DB.Update(t.Context(), old.Confirm)
	if !errors.Is(err, ErrLost) {
		t.Errorf("error %v", err)
	}
}

func TestOneThatStoodStillKnowsBeforeItsContextEnds(t *testing.T) {
	s := mem.New()
	defer s.Close()
	d := contender(t, s)
	tenure, ok := d.take(t.Context())
	if !ok || !tenure.Held() {
		t.Fatalf("%+v %t", tenure, ok)
	}
	time.Sleep(d.giveUp) // nobody beats
	if tenure.Held() {
		t.Error("others may have taken over, and it says that it has the duty")
	}
}

func TestADutyThatIsGivenBackIsLeftToOthersForAWhile(t *testing.T) {
	s := mem.New()
	defer s.Close()
	held := make(chan string, 10)
	a, b := contender(t, s), contender(t, s)
	a.rest = time.Hour
	defer start(a, func(context.Context, Tenure) { held <- "a" })()
	within(t, "a", held)
	defer start(b, func(context.Context, Tenure) { held <- "b" })()
	for range 3 {
		if who := within(t, "the next", held); who != "b" {
			t.Errorf("%s has it, which gave it back", who)
		}
	}
}
