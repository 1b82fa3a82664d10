package feed_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source plays the session. What it is told is read after the one who told.
type source struct {
	updates  chan rpc.Update
	acked    int64
	problems []model.Problem
	devices  int
	inSync   bool
}

func (s *source) Updates() <-chan rpc.Update           { return s.updates }
func (s *source) Report(...model.PortStatus)           {}
func (s *source) ReportObjects(...model.ObjectStatus)  {}
func (s *source) Ack(revision int64)                   { s.acked = revision }
func (s *source) SetProblems(problems []model.Problem) { s.problems = problems }
func (s *source) Connected() bool                      { return true }
func (s *source) SetDevices(n int, inSync bool)        { s.devices, s.inSync = n, inSync }

// run works a feed until the function that it gives is called.
func run(f *feed.Feed) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() { cancel(); <-done }
}

func within[T any](t interface{ Fatal(...any) }, ch <-chan T) T {
	select {
	case v, ok := <-ch:
		if !ok {
			t.Fatal("the channel was closed")
		}
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10 s")
	}
	panic("unreachable")
}

func port(id string, revision int64) *model.Port {
	return &model.Port{Meta: model.Meta{ID: id, Revision: revision}}
}

// Whatever consumers miss, and however slow they are, what they know in the end
// is what the updates add up to, and revisions come in order.
func TestEveryConsumerKnowsTheSameInTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := &source{updates: make(chan rpc.Update)}
		f := feed.New(src)
		quick, slow := f.Consumer("quick"), f.Consumer("slow")
		defer run(f)()
		var want, fast rpc.State
		last := int64(rapid.IntRange(1, 60).Draw(t, "updates"))
		for rev := int64(1); rev <= last; rev++ {
			u := rpc.Update{Full: rev == 1 || rapid.IntRange(0, 20).Draw(t, "full") == 0, Revision: rev}
			for range rapid.IntRange(0, 3).Draw(t, "ports") {
				u.Ports = append(u.Ports, port(fmt.Sprint("p", rapid.IntRange(1, 6).Draw(t, "port")), rev))
			}
			if !u.Full && rapid.Bool().Draw(t, "delete") {
				u.Delete(rpc.KindPort, fmt.Sprint("p", rapid.IntRange(1, 6).Draw(t, "gone")))
			}
			want.Apply(&u)
			src.updates <- u
			got := within(t, quick.Updates())
			fast.Apply(&got)
		}
		mustKnow(t, "quick", &want, &fast)
		var late rpc.State
		for at := int64(0); at < last; {
			u := within(t, slow.Updates())
			if u.Revision < at || at == 0 && !u.Full {
				t.Fatalf("revision %d (full %t) after %d", u.Revision, u.Full, at)
			}
			at = u.Revision
			late.Apply(&u)
		}
		mustKnow(t, "slow", &want, &late)
	})
}

func mustKnow(t *rapid.T, who string, want, got *rpc.State) {
	if w, g := want.Full(), got.Full(); !reflect.DeepEqual(w, g) {
		t.Fatalf("%s knows %+v, want %+v", who, g, w)
	}
}

func TestAConsumerThatDoesNotReadHoldsUpNobodyAndGetsOneFullUpdate(t *testing.T) {
	src := &source{updates: make(chan rpc.Update)}
	f := feed.New(src)
	reader, sleeper := f.Consumer("reader"), f.Consumer("sleeper")
	defer run(f)()
	src.updates <- rpc.Update{Full: true, Revision: 1}
	within(t, reader.Updates())
	within(t, sleeper.Updates())
	const last = 1000
	for rev := int64(2); rev <= last; rev++ {
		src.updates <- rpc.Update{Revision: rev, Ports: []*model.Port{port(fmt.Sprint("p", rev), rev)}}
		if u := within(t, reader.Updates()); u.Full || u.Revision != rev {
			t.Fatalf("the reader got revision %d (full %t), want %d", u.Revision, u.Full, rev)
		}
	}
	// One update was on its way already when the sleeper fell asleep.
	if u := within(t, sleeper.Updates()); u.Revision != 2 {
		t.Errorf("revision %d first", u.Revision)
	}
	if u := within(t, sleeper.Updates()); !u.Full || u.Revision != last || len(u.Ports) != last-1 {
		t.Errorf("revision %d (full %t) with %d ports", u.Revision, u.Full, len(u.Ports))
	}
}

func TestARevisionIsAcknowledgedWhenAllHaveRealisedIt(t *testing.T) {
	src := &source{}
	f := feed.New(src)
	a, b := f.Consumer("a"), f.Consumer("b")
	for _, step := range []struct {
		by       *feed.Consumer
		revision int64
		want     int64
	}{{a, 5, 0}, {b, 4, 4}, {b, 7, 5}, {a, 6, 6}, {a, 7, 7}, {b, 3, 3}} { // 3: the store was restored
		step.by.Ack(step.revision)
		if src.acked != step.want {
			t.Fatalf("%s acknowledged %d: the controller heard %d, want %d", step.by.Name(), step.revision, src.acked, step.want)
		}
	}
}

func TestWhatConsumersSayOfThemselvesIsPutTogether(t *testing.T) {
	src := &source{}
	f := feed.New(src)
	a, b := f.Consumer("a"), f.Consumer("b")
	a.SetDevices(3, true)
	if src.inSync || src.devices != 3 {
		t.Errorf("%d devices, in sync %t before b said anything", src.devices, src.inSync)
	}
	b.SetDevices(2, true)
	if !src.inSync || src.devices != 5 {
		t.Errorf("%d devices, in sync %t", src.devices, src.inSync)
	}
	a.SetProblems([]model.Problem{{Object: "port p"}})
	b.SetProblems([]model.Problem{{Object: "router r"}})
	a.SetProblems(nil)
	if len(src.problems) != 1 || src.problems[0].Object != "router r" {
		t.Errorf("problems %v", src.problems)
	}
}
