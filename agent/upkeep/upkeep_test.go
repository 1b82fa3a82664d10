package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// widget is an object of which a version is desired; "" is none.
type widget struct {
	Item
	want string
	bad  error // what becomes of its jobs
}

func (w *widget) Wanted() bool              { return w.want != "" }
func (w *widget) Problems() []model.Problem { return nil }

// task brings a widget to a version, in the shop's books.
type task struct {
	Job
	shop *shop
	want string
	bad  error
}

func (t *task) Inspect(context.Context) error { return nil }
func (t *task) Realise(context.Context) error { return t.work(t.want) }
func (t *task) Remove(context.Context) error  { return t.work("") }

func (t *task) work(version string) error {
	t.shop.mu.Lock()
	defer t.shop.mu.Unlock()
	t.shop.jobs = append(t.shop.jobs, t.ID+"="+version)
	if t.bad == nil {
		t.shop.made[t.ID] = version
		t.Changes++
	}
	return t.bad
}

// shop is a loop and all that it works with. Its results are taken when a test
// says so.
type shop struct {
	*testing.T
	*Keeper[*widget, *task]
	db bare

	mu       sync.Mutex
	jobs     []string          // what workers were asked, in order
	made     map[string]string // version of each widget
	acked    int64
	insync   bool
	problems []model.Problem
}

// bare is the database of a switch that has nothing but interfaces.
type bare struct {
	Database
	interfaces map[string]ovsdb.Interface
}

func (b bare) State() ovsdb.State {
	return ovsdb.State{Connected: true, Interfaces: b.interfaces}
}
func (bare) Commit(context.Context, ...ovsdb.Op) error { return nil }

func (s *shop) Updates() <-chan rpc.Update          { return nil }
func (s *shop) Ack(r int64)                         { s.acked = r }
func (s *shop) ReportObjects(...model.ObjectStatus) {}
func (s *shop) SetProblems(p []model.Problem)       { s.problems = p }
func (s *shop) SetDevices(_ int, insync bool)       { s.insync = insync }

// open opens a shop with so many widgets in version v1, made.
func open(t *testing.T, mode audit.Mode, widgets int) *shop {
	t.Helper()
	children, err := child.New(t.TempDir(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(children.Close)
	s := &shop{T: t, made: map[string]string{}, db: bare{interfaces: map[string]ovsdb.Interface{}}}
	s.Keeper = New[*widget, *task](Kind{
		Noun: "widget", Thing: "widget", Drift: "widget", Prefix: "lepton-no-such-", Key: "widget", Children: []string{"gear-"}, Every: time.Hour,
	}, &Config{
		Host: "hv1", DB: s.db, Children: children, Controller: s, Audit: audit.New(audit.Config{Mode: mode}), Log: zap.NewNop(),
	})
	t.Cleanup(s.workers.Wait)
	s.Take(&rpc.Update{Full: true, Revision: 1})
	for n := range widgets {
		s.desire(fmt.Sprintf("w%02d", n), "v1")
	}
	if mode != audit.Hold {
		s.finishAll()
	}
	s.jobs = nil
	return s
}

// desire has another version of a widget desired.
func (s *shop) desire(id, version string) {
	w := s.Objects[id]
	if w == nil {
		w = &widget{Item: NewItem(id)}
		s.Objects[id] = w
	}
	w.want = version
	w.Change()
}

// work has workers begin what is due.
func (s *shop) work() {
	s.step(s.Context(), Hooks[*task]{Step: func(ctx context.Context, now time.Time) (next time.Time) {
		_, _ = s.Leftovers()
		for !s.Prepare(ctx, func(*widget) []ovsdb.EnsurePort { return nil }) {
			<-s.prepared
		}
		for _, w := range s.Sorted() {
			next = Earlier(next, s.Tend(ctx, w, now, func(w *widget) *task { return &task{shop: s, want: w.want, bad: w.bad} }))
		}
		return next
	}})
}

// finish takes the result of a worker.
func (s *shop) finish() *widget {
	w := s.Finish(<-s.results)
	if !w.Wanted() && w.Trouble() == nil && !w.Again() {
		delete(s.Objects, w.ID)
	}
	return w
}

// finishAll works until nothing is due or at work.
func (s *shop) finishAll() {
	for s.work(); s.busy > 0; s.work() {
		s.finish()
	}
}

func (s *shop) drift() []string {
	var texts []string
	list, _ := s.cfg.Audit.Findings()
	for _, f := range list {
		texts = append(texts, f.Object+": "+f.Text)
	}
	return texts
}

func TestAnObjectThatCannotBeBroughtThereDelaysNoOther(t *testing.T) {
	s := open(t, audit.Repair, 20)
	for id, w := range s.Objects {
		s.desire(id, "v2")
		if id < "w10" {
			w.bad = errors.New("no screws")
		}
	}
	s.Take(&rpc.Update{Revision: 2})
	s.finishAll()
	for id, version := range s.made {
		if want := map[bool]string{true: "v1", false: "v2"}[id < "w10"]; version != want {
			t.Errorf("%s is in version %s, wanted %s", id, version, want)
		}
	}
	if s.acked != 2 || !s.insync {
		t.Errorf("acknowledged %d, in sync %v", s.acked, s.insync)
	}
	if len(s.problems) != 10 || s.problems[9].Object != "widget w09" || s.problems[9].Text != "no screws" {
		t.Errorf("problems %v", s.problems)
	}
}

func TestAFailureIsTriedAgainAfterADelayThatDoublesUpToAMinute(t *testing.T) {
	s := open(t, audit.Repair, 1)
	s.desire("w00", "v2")
	w := s.Objects["w00"]
	w.bad = errors.New("no screws")
	for wait := retryFirst; wait < 4*retryMax; wait *= 2 {
		w.due = time.Time{}
		s.work()
		began := time.Now()
		s.finish()
		most := min(wait, retryMax)
		if after := w.due.Sub(began); after < most/2-time.Second || after > most+time.Second {
			t.Errorf("tried again after %s, wanted %s to %s", after, most/2, most)
		}
		w.Look(false)
		if !w.due.After(began) {
			t.Error("what the switch did made it due before its time")
		}
	}
	w.bad, w.due = nil, time.Time{}
	s.finishAll()
	if s.made["w00"] != "v2" || len(s.problems) > 0 || w.wait != retryFirst {
		t.Errorf("in the end: version %s, problems %v, next delay %s", s.made["w00"], s.problems, w.wait)
	}
}

func TestWhatHappensWhileAWorkerIsAtAnObjectIsNotLost(t *testing.T) {
	for name, happens := range map[string]func(*shop){
		"another version is desired": func(s *shop) { s.desire("w00", "v3") },
		"it is to go":                func(s *shop) { s.desire("w00", "") },
		"the switch made its link":   func(s *shop) { s.Links["link"] = "w00"; s.switched(ovsdb.Dirty{Interfaces: []string{"link"}}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, audit.Repair, 1)
			s.desire("w00", "v2")
			s.work()
			happens(s)
			want := s.Objects["w00"].want
			s.Take(&rpc.Update{Revision: 2})
			if s.finish().Tried() {
				t.Error("what is desired now counts as tried")
			}
			if s.step(t.Context(), Hooks[*task]{Step: func(context.Context, time.Time) time.Time { return time.Time{} }}); s.acked == 2 {
				t.Error("acknowledged before it was seen to")
			}
			s.finishAll()
			if got := []string{"w00=v2", "w00=" + want}; !slices.Equal(s.jobs, got) || s.acked != 2 {
				t.Errorf("jobs %q, wanted %q; acknowledged %d", s.jobs, got, s.acked)
			}
		})
	}
}

func TestWhatIsDesiredAnewIsBroughtAboutAlsoWhenAnAuditIsDue(t *testing.T) {
	for _, mode := range []audit.Mode{audit.Repair, audit.Watch} {
		t.Run(string(mode), func(t *testing.T) {
			s := open(t, mode, maxBusy+4)
			s.desire("w11", "v2")
			s.audit()
			s.work() // the last three wait
			s.desire("w08", "v2")
			s.desire("w09", "")
			s.Links["link"] = "w10"
			s.switched(ovsdb.Dirty{Interfaces: []string{"link"}})
			s.finishAll()
			if s.made["w08"] != "v2" || s.made["w09"] != "" || s.made["w11"] != "v2" || !slices.Contains(s.jobs, "w10=v1") {
				t.Errorf("versions %v, jobs %q", s.made, s.jobs)
			}
			for _, text := range s.drift() {
				if text >= "widget w08" {
					t.Errorf("what the records or the switch changed is drift: %s", text)
				}
			}
			if len(s.drift()) != maxBusy { // they have no namespaces
				t.Errorf("drift %q", s.drift())
			}
			if s.auditing {
				t.Error("the audit does not end")
			}
		})
	}
}

func TestAnAuditDoesWhatItsModeAllows(t *testing.T) {
	const missing = "widget w00: its network namespace is missing"
	for _, tc := range []struct {
		mode   audit.Mode
		want   string // of the widget, desired anew
		jobs   []string
		drift  []string
		failed string
	}{
		{mode: audit.Repair, jobs: []string{"w00=v1"}, drift: []string{missing}},
		{mode: audit.Watch, drift: []string{missing}},
		{mode: audit.Hold, drift: []string{missing}, failed: "held back: its network namespace is missing"},
		{mode: audit.Hold, want: "gone", failed: "held back: the widget is to be removed"},
	} {
		t.Run(string(tc.mode)+tc.want, func(t *testing.T) {
			s := open(t, tc.mode, 1)
			if s.audit(); tc.want == "gone" {
				s.desire("w00", "")
			}
			s.finishAll()
			if !slices.Equal(s.jobs, tc.jobs) || !slices.Equal(s.drift(), tc.drift) {
				t.Errorf("jobs %q, drift %q", s.jobs, s.drift())
			}
			if w := s.Objects["w00"]; w.problem != tc.failed {
				t.Errorf("problem %q", w.problem)
			}
		})
	}
}

func TestWhatIsLeftOfObjectsIsLookedForOnceAndOnCompleteRecords(t *testing.T) {
	s := open(t, audit.Repair, 0)
	s.db.interfaces["tap0"] = ovsdb.Interface{ExternalIDs: map[string]string{"widget": "gone"}}
	s.db.interfaces["tap1"] = ovsdb.Interface{ExternalIDs: map[string]string{"gadget": "other"}}
	s.swept, s.stored = false, true
	if _, ok := s.Leftovers(); ok {
		t.Error("looked for while the records are those of the host's disk")
	}
	s.Take(&rpc.Update{Full: true, Revision: 2})
	ids, ok := s.Leftovers()
	if !ok || len(ids) != 1 || !ids["gone"] {
		t.Errorf("%v, %v", ids, ok)
	}
	if _, ok := s.Leftovers(); ok {
		t.Error("looked for twice")
	}
}

// What a loop describes in its step, as that of DHCP does, is acknowledged once
// it is done.
func TestWhatIsDescribedInAStepIsNotAcknowledgedBefore(t *testing.T) {
	s := open(t, audit.Repair, 1)
	w := s.Objects["w00"]
	w.Stale = true
	s.Take(&rpc.Update{Revision: 2})
	s.step(t.Context(), Hooks[*task]{Step: func(ctx context.Context, now time.Time) time.Time {
		w.Stale = false
		s.desire("w00", "v2")
		return s.Tend(ctx, w, now, func(w *widget) *task { return &task{shop: s, want: w.want} })
	}})
	if s.acked == 2 || s.insync {
		t.Errorf("acknowledged %d, in sync %v, while it is in version %s", s.acked, s.insync, s.made["w00"])
	}
	s.finishAll()
	if s.acked != 2 || !s.insync {
		t.Errorf("in the end: acknowledged %d, in sync %v", s.acked, s.insync)
	}
}
