package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lepton-sdn/lepton/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run works an auditor until the test ends.
func run(t *testing.T, a *Auditor) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// figures gives the counters by name and labels.
func figures(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			out[key] = m.GetCounter().GetValue()
		}
	}
	return out
}

// loop is one that audits when it is due: it counts, and ends its audit when it
// is let.
type loop struct {
	looked atomic.Int64
	let    chan struct{}
}

func newLoop(t *testing.T, a *Auditor) *loop {
	l := &loop{let: make(chan struct{})}
	c := a.Consumer()
	quit := make(chan struct{})
	var worker sync.WaitGroup
	worker.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-c.Due():
			}
			l.looked.Add(1)
			select {
			case <-quit:
				return
			case <-l.let:
			}
			c.Done()
		}
	})
	t.Cleanup(func() {
		close(quit)
		worker.Wait()
	})
	return l
}

func TestNowWaitsUntilEveryLoopHasLooked(t *testing.T) {
	a := New(Config{Mode: Repair, Interval: time.Hour})
	one, two := newLoop(t, a), newLoop(t, a)
	run(t, a)
	ended := make(chan error, 1)
	go func() { ended <- a.Now(t.Context()) }()
	one.let <- struct{}{}
	select {
	case err := <-ended:
		t.Fatalf("it ended (%v) before the second loop had looked", err)
	case <-time.After(50 * time.Millisecond):
	}
	two.let <- struct{}{}
	if err := <-ended; err != nil || one.looked.Load() != 1 || two.looked.Load() != 1 {
		t.Errorf("%v after %d and %d looks", err, one.looked.Load(), two.looked.Load())
	}
	// One that does not end is bounded by who asks, and harms nobody later.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Now(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with loops that do not end: %v", err)
	}
	one.let <- struct{}{}
	two.let <- struct{}{}
	time.Sleep(20 * time.Millisecond) // their ends are of an audit that nobody waits for
	go func() { ended <- a.Now(t.Context()) }()
	select {
	case err := <-ended:
		t.Errorf("the next audit took ends of the one before for its own: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	one.let <- struct{}{}
	two.let <- struct{}{}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhoAsksAtTheSameTimeHasAnAuditToo(t *testing.T) {
	a := New(Config{Interval: time.Hour})
	loops := []*loop{newLoop(t, a), newLoop(t, a)}
	for _, l := range loops {
		close(l.let)
	}
	run(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if err := a.Now(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
}

func TestNowEndsWithItsContextWhenNobodyRuns(t *testing.T) {
	a := New(Config{Mode: Repair, Interval: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := a.Now(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestAuditsComeAtIntervalsAndNeverPileUp(t *testing.T) {
	reg := prometheus.NewRegistry()
	a := New(Config{Mode: Repair, Interval: 5 * time.Millisecond, Registerer: reg})
	slow, quick := newLoop(t, a), newLoop(t, a)
	run(t, a)
	for range 5 {
		quick.let <- struct{}{}
	}
	if n := slow.looked.Load(); n != 1 {
		t.Errorf("a loop that is not done with its first audit has begun %d", n)
	}
	if n := figures(t, reg)["lepton_agent_audits_total"]; n < 5 {
		t.Errorf("%v audits are counted", n)
	}
}

func TestFindingsAreKeptCountedAndLogged(t *testing.T) {
	for _, mode := range []Mode{Repair, Watch, Hold} {
		reg := prometheus.NewRegistry()
		core, logged := observer.New(zap.WarnLevel)
		a := New(Config{Mode: mode, Interval: time.Hour, Registerer: reg, Log: zap.New(core)})
		a.Found()
		a.Found(Finding{Kind: "flow", Place: "br-int", Object: "port p", Text: "missing"}, Finding{Kind: "router", Text: "lacks"})
		list, total := a.Findings()
		if len(list) != 2 || total != 2 || list[0].Text != "missing" || list[1].Kind != "router" || list[0].At.IsZero() {
			t.Fatalf("%s: %+v, %d", mode, list, total)
		}
		if list[0].Repaired != (mode == Repair) {
			t.Errorf("%s: repaired %t", mode, list[0].Repaired)
		}
		e := logged.All()
		if len(e) != 2 || fmt.Sprint(e[0].ContextMap()) != fmt.Sprintf("map[kind:flow object:port p place:br-int repaired:%t text:missing]", mode == Repair) {
			t.Errorf("%s: logged %+v", mode, e)
		}
		if got := figures(t, reg); got["lepton_agent_drift_total flow"] != 1 || got["lepton_agent_drift_total router"] != 1 {
			t.Errorf("%s: counted %v", mode, got)
		}
		list[0].Text = "mine"
		if again, _ := a.Findings(); again[0].Text != "missing" {
			t.Error("who reads findings changes them")
		}
	}
}

func TestOnlyTheLastFindingsAreKept(t *testing.T) {
	a := New(Config{Mode: Repair, Interval: time.Hour})
	for i := range Kept + 20 {
		a.Found(Finding{Kind: "flow", Text: fmt.Sprint(i)})
	}
	list, total := a.Findings()
	if len(list) != Kept || total != Kept+20 || list[0].Text != "20" || list[Kept-1].Text != fmt.Sprint(Kept+19) {
		t.Errorf("%d of %d, from %q to %q", len(list), total, list[0].Text, list[len(list)-1].Text)
	}
}

func TestWithoutAnAuditorEverythingIsRepairedAndNothingFound(t *testing.T) {
	var a *Auditor
	a.Found(Finding{Kind: "flow"})
	c := a.Consumer()
	c.Done()
	c.Done()
	select {
	case <-c.Due():
		t.Error("an audit is due")
	default:
	}
	if a.Mode() != Repair {
		t.Errorf("mode %s", a.Mode())
	}
}

func TestControllersAreToldOfDriftOnceUntilItIsQuiet(t *testing.T) {
	a := New(Config{Mode: Watch, Interval: 200 * time.Millisecond})
	told := make(chan []model.Problem, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Tell(ctx, func(p []model.Problem) { told <- p }) }()
	for i := range 5 {
		a.Found(Finding{Kind: "flow", Place: "br-int", Text: fmt.Sprint("flow ", i)}, Finding{Kind: "port", Text: "tag"})
		time.Sleep(time.Millisecond)
	}
	first := <-told
	if len(first) != 1 || first[0].Object != "drift" || first[0].Since.IsZero() || !strings.Contains(first[0].Text, "mode watch") {
		t.Errorf("told %+v", first)
	}
	select {
	case p := <-told:
		if p != nil {
			t.Errorf("told again: %+v", p)
		}
	case <-time.After(10 * time.Second):
		t.Error("its end was never told")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
