package nova

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNova takes events as Nova does and remembers those that it took.
type fakeNova struct {
	t      *testing.T
	server *httptest.Server
	mu     sync.Mutex
	taken  []string // "name status tag"
	sizes  []int    // events of each request that was answered
	tokens []string
	// spoil, if set, answers in place of Nova; false leaves it to it.
	spoil func(w http.ResponseWriter, events []event) bool
	// code, if set, gives the code of an event.
	code func(event) int
}

func newFakeNova(t *testing.T) *fakeNova {
	f := &fakeNova{t: t}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeNova) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in struct{ Events []event }
	if err != nil || json.Unmarshal(body, &in) != nil || len(in.Events) == 0 ||
		r.Method != "POST" || r.URL.Path != "/v2.1/os-server-external-events" ||
		r.Header.Get("X-OpenStack-Nova-API-Version") != "2.1" || r.Header.Get("Content-Type") != "application/json" {
		f.t.Errorf("request %s %s %v %s %v", r.Method, r.URL, r.Header, body, err)
	}
	f.mu.Lock()
	spoil := f.spoil
	f.tokens = append(f.tokens, r.Header.Get("X-Auth-Token"))
	f.mu.Unlock()
	if spoil != nil && spoil(w, in.Events) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizes = append(f.sizes, len(in.Events))
	status := 200
	var out []map[string]any
	for _, e := range in.Events {
		code := 200
		if f.code != nil {
			code = f.code(e)
		}
		if code != 200 {
			status = 207
		}
		f.taken = append(f.taken, strings.TrimSpace(strings.ReplaceAll(e.Name+" "+e.Status+" "+e.Tag, "  ", " ")))
		out = append(out, map[string]any{"name": e.Name, "server_uuid": e.ServerID, "tag": e.Tag, "status": e.Status, "code": code})
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"events": out})
}

func (f *fakeNova) set(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *fakeNova) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.taken)
}

// await waits for exactly these events, in any order, and that no more come.
func (f *fakeNova) await(want ...string) {
	f.t.Helper()
	slices.Sort(want)
	var got []string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got = f.all(); len(got) >= len(want) {
			break
		}
	}
	time.Sleep(60 * time.Millisecond)
	got = f.all()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		f.t.Fatalf("Nova was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	f.set(func() { f.taken = nil })
}

// site is the records and a notifier.
type site struct {
	t    *testing.T
	db   *records.DB
	nova *fakeNova
	n    *Notifier
	stop func()
}

func newSite(t *testing.T, s store.Store, f *fakeNova) *site {
	t.Helper()
	db, err := records.Open(t.Context(), s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	x := &site{t: t, db: db, nova: f}
	x.start(true)
	t.Cleanup(func() { x.stop() })
	return x
}

func (x *site) start(alone bool) {
	x.n = New(Config{DB: x.db, URL: x.nova.server.URL + "/v2.1", Tokens: Static("the token"), Log: zap.NewNop(), Alone: alone})
	x.n.window, x.n.minPause, x.n.maxPause = 5*time.Millisecond, 5*time.Millisecond, 50*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = x.n.Run(ctx) })
	x.stop = func() { cancel(); done.Wait() }
	if alone {
		x.awaitDuty()
	}
}

func (x *site) awaitDuty() {
	x.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		x.n.mu.Lock()
		active := x.n.active
		x.n.mu.Unlock()
		if active {
			return
		}
	}
	x.t.Fatal("the duty was not taken in 10 s")
}

func (x *site) update(fn func(u *records.Update)) {
	x.t.Helper()
	if _, err := x.db.Update(x.t.Context(), func(u *records.Update) error { fn(u); return nil }); err != nil {
		x.t.Fatal(err)
	}
}

func (x *site) port(id string) {
	now := time.Now().UTC()
	x.update(func(u *records.Update) {
		records.Ports.Put(u, &model.Port{
			Meta: model.Meta{ID: id, Revision: 1, CreatedAt: now, UpdatedAt: now}, Host: "hv1", DeviceOwner: "compute:nova", DeviceID: serverA,
		})
	})
}

func (x *site) status(id string, state model.PortState) {
	x.update(func(u *records.Update) {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: id, Host: "hv1", State: state, Since: time.Now().UTC()})
	})
}

func (x *site) change(id string, f func(*model.Port)) {
	x.update(func(u *records.Update) {
		p, _ := records.Ports.Get(u, id)
		next := *p
		next.Revision++
		next.UpdatedAt = time.Now().UTC()
		f(&next)
		records.Ports.Put(u, &next)
	})
}

func (x *site) remove(id string) {
	x.update(func(u *records.Update) {
		records.Ports.Delete(u, id)
		records.PortStatuses.Delete(u, id)
	})
}

func TestNovaIsToldWhatHappensToAPort(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	x := newSite(t, s, f)
	x.port("p")
	f.await()
	x.status("p", model.PortActive)
	f.await("network-vif-plugged completed p")
	x.change("p", func(p *model.Port) { p.Name = "new" })
	f.await("network-changed p")
	fip := &model.FloatingIP{Meta: model.Meta{ID: "f"}, FloatingIP: netip.MustParseAddr("203.0.113.5")}
	x.update(func(u *records.Update) { records.FloatingIPs.Put(u, fip) })
	f.await()
	used := *fip
	used.PortID, used.FixedIP = "p", netip.MustParseAddr("10.0.0.5")
	x.update(func(u *records.Update) { records.FloatingIPs.Put(u, &used) })
	f.await("network-changed p")
	x.port("q")
	moved := used
	moved.PortID = "q"
	x.update(func(u *records.Update) { records.FloatingIPs.Put(u, &moved) })
	f.await("network-changed p", "network-changed q")
	x.update(func(u *records.Update) { records.FloatingIPs.Delete(u, "f") })
	f.await("network-changed q")
	x.status("p", model.PortDown)
	f.await("network-vif-unplugged completed p")
	x.status("p", model.PortError)
	f.await("network-vif-plugged failed p")
	x.remove("p")
	f.await("network-vif-deleted p")
	x.change("q", func(p *model.Port) { p.DeviceID, p.DeviceOwner = "", "" })
	f.await()
	if tokens := slices.Compact(f.tokens); !slices.Equal(tokens, []string{"the token"}) {
		t.Errorf("tokens %q", tokens)
	}
}

func TestWhatHappensWhileNobodyTellsIsToldAfterwards(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	x := newSite(t, s, f)
	for _, id := range []string{"p", "q", "gone", "same"} {
		x.port(id)
	}
	x.status("q", model.PortActive)
	x.status("same", model.PortActive)
	f.await("network-vif-plugged completed q", "network-vif-plugged completed same")
	x.stop()
	// The status was stored, and then the controller died.
	x.status("p", model.PortActive)
	x.status("q", model.PortDown)
	x.status("q", model.PortActive)
	x.remove("gone")
	x.port("new")
	x.status("new", model.PortActive)
	x.start(true)
	f.await("network-vif-plugged completed p", "network-vif-plugged completed q", "network-vif-deleted gone", "network-vif-plugged completed new")
	// And once only: the next controller says nothing.
	x.stop()
	x.start(true)
	f.await()
}

func TestWhatWasThereBeforeNovaWasConfiguredIsNoNews(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	x := newSite(t, s, f)
	x.stop()
	x.update(func(u *records.Update) { records.Duties.Delete(u, "nova-events") })
	for i := range 250 {
		x.port(fmt.Sprintf("p%03d", i))
	}
	x.status("p007", model.PortActive)
	time.Sleep(time.Millisecond)
	x.start(true)
	f.await()
	x.status("p008", model.PortActive)
	x.change("p009", func(p *model.Port) { p.Name = "new" })
	x.status("p007", model.PortDown)
	f.await("network-vif-plugged completed p008", "network-changed p009", "network-vif-unplugged completed p007")
}

// TestNovaIsToldWhateverItDoesAtFirst lets a fake Nova misbehave for some
// requests; then every event must have come, and the ones that it took once.
func TestNovaIsToldWhateverItDoesAtFirst(t *testing.T) {
	drop := func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	for name, spoil := range map[string]func(w http.ResponseWriter){
		"an error":             func(w http.ResponseWriter) { w.WriteHeader(500) },
		"too many requests":    func(w http.ResponseWriter) { w.WriteHeader(429) },
		"a dropped connection": drop,
		"garbage":              func(w http.ResponseWriter) { _, _ = w.Write([]byte("\x00\xff<html>")) },
		"an endless answer": func(w http.ResponseWriter) {
			for range 40 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"a cut answer": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"events": [`))
		},
		"no permission":            func(w http.ResponseWriter) { w.WriteHeader(403) },
		"a redirect":               func(w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(307) },
		"an answer without events": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"events": []}`)) },
		"another service's 404":    func(w http.ResponseWriter) { http.NotFound(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			defer s.Close()
			f := newFakeNova(t)
			x := newSite(t, s, f)
			left := 3
			f.spoil = func(w http.ResponseWriter, _ []event) bool {
				f.mu.Lock()
				left--
				bad := left >= 0
				f.mu.Unlock()
				if bad {
					spoil(w)
				}
				return bad
			}
			x.port("p")
			x.status("p", model.PortActive)
			f.await("network-vif-plugged completed p")
		})
	}
}

func TestAnOutageCostsOneEventForEachPort(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	x := newSite(t, s, f)
	f.spoil = func(w http.ResponseWriter, _ []event) bool { w.WriteHeader(503); return true }
	const ports = 230
	for i := range ports {
		id := fmt.Sprintf("p%03d", i)
		x.port(id)
		for range 2 {
			x.status(id, model.PortActive)
			x.status(id, model.PortDown)
		}
		x.status(id, model.PortActive)
	}
	x.n.mu.Lock()
	if n := len(x.n.waiting); n > ports {
		t.Errorf("%d ports wait", n)
	}
	x.n.mu.Unlock()
	f.set(func() { f.spoil = nil })
	for end := time.Now().Add(15 * time.Second); len(f.all()) < ports && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	time.Sleep(60 * time.Millisecond)
	got := f.all()
	for i := range ports {
		if want := fmt.Sprintf("network-vif-plugged completed p%03d", i); !slices.Contains(got, want) {
			t.Errorf("Nova was not told %s", want)
		}
	}
	// A request may have been under way with what was true before the last change.
	if len(got) > ports+maxEvents {
		t.Errorf("%d events about %d ports", len(got), ports)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.sizes {
		if n > maxEvents {
			t.Errorf("%d events in one request", n)
		}
	}
	if n := len(f.sizes); n > ports/20 {
		t.Errorf("%d events took %d requests", ports, n)
	}
}

func TestOneEventThatNovaDoesNotTakeCostsTheOthersNothing(t *testing.T) {
	for name, bad := range map[string]struct {
		spoil func(w http.ResponseWriter, events []event) bool
		code  func(e event) int
		most  int
	}{
		"it refuses the whole request": {most: 1, spoil: func(w http.ResponseWriter, events []event) bool {
			bad := slices.ContainsFunc(events, func(e event) bool { return e.Tag == "bad" })
			if bad {
				w.WriteHeader(400)
			}
			return bad
		}},
		"it does not know the server":  {most: 1, code: func(e event) int { return map[bool]int{true: 404, false: 200}[e.Tag == "bad"] }},
		"the server is on no host yet": {most: 1, code: func(e event) int { return map[bool]int{true: 422, false: 200}[e.Tag == "bad"] }},
		"it fails for one event":       {most: maxTries, code: func(e event) int { return map[bool]int{true: 500, false: 200}[e.Tag == "bad"] }},
	} {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			defer s.Close()
			f := newFakeNova(t)
			x := newSite(t, s, f)
			// All wait together, so that they come in one request.
			f.set(func() { f.spoil = func(w http.ResponseWriter, _ []event) bool { w.WriteHeader(503); return true } })
			ids := []string{"a", "b", "bad", "c", "d"}
			for _, id := range ids {
				x.port(id)
			}
			for _, id := range ids {
				x.status(id, model.PortActive)
			}
			f.set(func() { f.spoil, f.code = bad.spoil, bad.code })
			count := func(id string) (n int) {
				for _, e := range f.all() {
					if e == "network-vif-plugged completed "+id {
						n++
					}
				}
				return n
			}
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				if count("a")+count("b")+count("c")+count("d") == 4 && (bad.code == nil || count("bad") >= bad.most) {
					break
				}
			}
			time.Sleep(300 * time.Millisecond)
			for _, id := range ids {
				if n := count(id); id != "bad" && n != 1 || n > bad.most {
					t.Errorf("the event of %s was taken %d times", id, n)
				}
			}
			// It is not sent for ever.
			if err := x.db.Read(t.Context(), func(r records.Reader) error {
				if n, ok := records.ServerNotices.Get(r, "bad"); !ok || n.State != model.PortActive {
					t.Errorf("notice %+v %t", n, ok)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestASlowNovaIsToldInFewRequests(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	x := newSite(t, s, f)
	f.set(func() {
		f.spoil = func(http.ResponseWriter, []event) bool { time.Sleep(200 * time.Millisecond); return false }
	})
	began := time.Now()
	var want []string
	for i := range 60 {
		id := fmt.Sprintf("p%02d", i)
		x.port(id)
		x.status(id, model.PortActive)
		want = append(want, "network-vif-plugged completed "+id)
	}
	f.await(want...)
	// One request at a time, and another when that is answered.
	if most := 2 + int(time.Since(began)/(200*time.Millisecond)); len(f.sizes) > most {
		t.Errorf("requests of %v events, at most %d were possible", f.sizes, most)
	}
}

func TestWhatCouldNotBeStoredIsNotSentAgain(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	x := newSite(t, s, f)
	x.port("p")
	f.set(func() {
		f.spoil = func(http.ResponseWriter, []event) bool { s.Fail(store.ErrUnavailable); return false }
	})
	x.status("p", model.PortActive)
	f.await("network-vif-plugged completed p")
	f.set(func() { f.spoil = nil })
	s.Fail(nil)
	f.await()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var state model.PortState
		if err := x.db.Read(t.Context(), func(r records.Reader) error {
			if n, ok := records.ServerNotices.Get(r, "p"); ok {
				state = n.State
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if state == model.PortActive {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the notice is not stored 10 s after the store came back")
		}
	}
}

// refusing is a source of tokens whose first token Nova does not take.
type refusing struct {
	mu  sync.Mutex
	now int
}

func (r *refusing) Token(context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint("token", r.now), nil
}

func (r *refusing) Forget(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if token == fmt.Sprint("token", r.now) {
		r.now++
	}
}

func TestATokenThatIsNotTakenIsReplaced(t *testing.T) {
	f := newFakeNova(t)
	f.spoil = func(w http.ResponseWriter, _ []event) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.tokens[len(f.tokens)-1] == "token0" {
			w.WriteHeader(401)
			return true
		}
		return false
	}
	c := newClient(f.server.URL+"/v2.1/", &refusing{})
	out, err := c.send(t.Context(), []event{{Name: networkChanged, ServerID: serverA, Tag: "p"}})
	if err != nil || len(out) != 1 || out[0].code != 200 {
		t.Fatalf("%v %v", out, err)
	}
}

// TestOfSeveralControllersOneTells runs three notifiers on one store and takes
// them away one by one.
func TestOfSeveralControllersOneTells(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	first := newSite(t, s, f)
	sites := []*site{first}
	for range 2 {
		db, err := records.Open(t.Context(), s, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		x := &site{t: t, db: db, nova: f}
		x.start(false)
		sites = append(sites, x)
	}
	for i, x := range sites {
		id := fmt.Sprint("p", i)
		x.port(id)
		x.status(id, model.PortActive)
		f.await("network-vif-plugged completed " + id)
		holder := slices.IndexFunc(sites, func(x *site) bool {
			x.n.mu.Lock()
			defer x.n.mu.Unlock()
			return x.n.active
		})
		if i < len(sites)-1 && holder < 0 {
			t.Fatal("nobody tells")
		}
		sites[holder].stop()
	}
	for _, x := range sites {
		x.stop()
	}
}

func TestAControllerThatCannotReachNovaLeavesItToAnother(t *testing.T) {
	s := mem.New()
	defer s.Close()
	f := newFakeNova(t)
	x := newSite(t, s, f) // has the duty
	x.stop()
	x.n = New(Config{DB: x.db, URL: "http://127.0.0.1:1/v2.1", Tokens: Static("the token"), Log: zap.NewNop()})
	x.n.window, x.n.minPause, x.n.maxPause, x.n.handOver = 5*time.Millisecond, 5*time.Millisecond, 50*time.Millisecond, 200*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = x.n.Run(ctx) })
	x.stop = func() { cancel(); done.Wait() }
	x.awaitDuty()
	x.port("p1")
	x.status("p1", model.PortActive)

	db, err := records.Open(t.Context(), s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	y := &site{t: t, db: db, nova: f}
	y.start(false)
	defer func() { y.stop() }()
	f.await("network-vif-plugged completed p1")
}
