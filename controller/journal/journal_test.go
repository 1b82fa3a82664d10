package journal

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

// world is a journal with the records that it writes down.
type world struct {
	t     *testing.T
	store *mem.Store
	j     *Journal
	db    *records.DB
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: mem.New()}
	w.open()
	return w
}

// open starts a controller on the store.
func (w *world) open() {
	w.t.Helper()
	w.j = New(w.store, zap.NewNop(), nil)
	db, err := records.Open(w.t.Context(), w.store, zap.NewNop(), records.Journal(w.j.Note))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	w.db = db
}

func (w *world) update(fn func(u *records.Update)) int64 {
	w.t.Helper()
	rev, err := w.db.Update(w.t.Context(), func(u *records.Update) error { fn(u); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return rev
}

func (w *world) put(p *model.Port) int64 {
	w.t.Helper()
	return w.update(func(u *records.Update) { records.Ports.Put(u, p) })
}

func (w *world) read(q Query) []*Event {
	w.t.Helper()
	var out []*Event
	if err := w.j.Read(w.t.Context(), q, func(e *Event) bool { out = append(out, e); return true }); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func port(id, host string) *model.Port {
	return &model.Port{Meta: model.Meta{ID: id, ProjectID: "p"}, NetworkID: "net", Host: host, VIFType: "ovs", SecurityGroups: []string{"g"}}
}

func TestAnEventIsWrittenByTheTransactionOfItsChange(t *testing.T) {
	w := newWorld(t)
	rev := w.put(port("a", ""))
	events := w.read(Query{})
	if len(events) != 1 || events[0].Revision != rev {
		t.Fatalf("revision %d, events %+v", rev, events)
	}
	// What fails, and what changes nothing, is not there.
	_, err := w.db.Update(t.Context(), func(u *records.Update) error {
		records.Ports.Put(u, port("b", ""))
		return fmt.Errorf("no")
	})
	if err == nil {
		t.Fatal("no error")
	}
	w.put(port("a", ""))
	w.store.Fail(fmt.Errorf("no quorum"))
	if _, err := w.db.Update(t.Context(), func(u *records.Update) error { records.Ports.Put(u, port("c", "")); return nil }); err == nil {
		t.Fatal("no error")
	}
	w.store.Fail(nil)
	if n := len(w.read(Query{})); n != 1 {
		t.Fatalf("%d events", n)
	}
}

func TestHeartbeatsAreNoEventsAndStatesAreOnceEach(t *testing.T) {
	w := newWorld(t)
	agent := model.Agent{ID: "1", Host: "hv1", HeartbeatAt: time.Unix(1, 0), AdminStateUp: true}
	beat := func(change func(*model.Agent)) {
		agent.HeartbeatAt = agent.HeartbeatAt.Add(time.Second)
		change(&agent)
		rec := agent
		rec.Problems = slices.Clone(agent.Problems)
		w.update(func(u *records.Update) { records.Agents.Put(u, &rec) })
	}
	beat(func(*model.Agent) {})
	beat(func(a *model.Agent) { a.Devices = 3 })
	beat(func(a *model.Agent) {
		a.Problems = []model.Problem{{Object: "brake", Text: "held"}, {Object: "bridge br-x", Text: "missing"}}
	})
	beat(func(*model.Agent) {})
	beat(func(a *model.Agent) { a.Problems = nil })
	beat(func(a *model.Agent) { a.Dead = true })
	beat(func(a *model.Agent) { a.Dead = false })
	beat(func(a *model.Agent) { a.LeftAt = time.Unix(99, 0) })
	beat(func(a *model.Agent) { a.LeftAt = time.Time{} })
	beat(func(a *model.Agent) { a.AdminStateUp = false })
	var got []string
	for _, e := range w.read(Query{}) {
		for _, n := range e.Agents {
			got = append(got, n.What)
		}
		for _, c := range e.Changes {
			got = append(got, c.Resource+" "+c.Attributes[0].Name)
		}
	}
	slices.Reverse(got)
	if s := strings.Join(got, ", "); s != "came, problem, brake-held, solved, brake-released, dead, back, left, came, agent admin_state_up" {
		t.Errorf("%s", s)
	}
}

func TestKeysAreInTheOrderOfTimeTheNewestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawID(t, "a"), drawID(t, "b")
		ka, kb := changes.key(a), changes.key(b)
		if (ka < kb) != (a.String() > b.String()) {
			t.Fatalf("%s %s: %s %s", a, b, ka, kb)
		}
		if back, err := idOf(ka); err != nil || back != a {
			t.Fatalf("%s comes back as %s: %v", a, back, err)
		}
		at := timeOf(a)
		if ka < changes.at(at) || ka >= changes.before(at) || ka >= changes.end() {
			t.Fatalf("%s is not at its own time %s", a, at)
		}
	})
}

func drawID(t *rapid.T, name string) uuid.UUID {
	var id uuid.UUID
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))
	id[0] &= 0x3f // times that are some thousand years ahead at most
	return id
}

func TestHostsOfMarksComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		marks := map[Told]map[string]struct{}{}
		for i := range rapid.IntRange(1, 5).Draw(t, "marks") {
			on := map[string]struct{}{}
			for _, h := range rapid.SliceOfDistinct(rapid.IntRange(0, 40), rapid.ID[int]).Draw(t, "hosts") {
				on[fmt.Sprintf("hv%d", h)] = struct{}{}
			}
			marks[Told{"port", fmt.Sprint(i), int64(i)}] = on
		}
		a := applied(marks)
		for _, m := range a.Marks {
			got := a.HostsOf(m)
			want := marks[Told{m.Resource, m.ID, m.Revision}]
			if len(got) != len(want) {
				t.Fatalf("%s: %v, want %v", m.Hosts, got, want)
			}
			for _, h := range got {
				if _, ok := want[h]; !ok {
					t.Fatalf("%s: %s", m.Hosts, h)
				}
			}
		}
	})
}

func TestAThousandHostsAndOneRuleAreOneSmallKey(t *testing.T) {
	w := newWorld(t)
	l := NewLedger(w.j)
	for i := range 1000 {
		l.Note(fmt.Sprintf("compute-%04d.example.org", i), []Told{{"security_group_rule", uuid.NewString(), 5}, {"security_group_rule", "r", 6}}[1:])
	}
	for i := range 3 * maxMarks {
		l.Note("hv1", []Told{{"port", fmt.Sprint(i), 7}})
	}
	if err := l.Flush(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	bytes := 0
	_, err := w.store.Range(t.Context(), hostsPrefix, func(kv store.KV) error { bytes += len(kv.Value); return nil })
	if err != nil {
		t.Fatal(err)
	}
	events := w.read(Query{})
	if len(events) != 1 || bytes > 200<<10 || events[0].LeftOut == 0 {
		t.Fatalf("%d events, %d bytes", len(events), bytes)
	}
	if n := len(events[0].Applied.HostsOf(events[0].Applied.Marks[0])); n != 1000 {
		t.Errorf("%d hosts", n)
	}
}

func TestTheKeeperRemovesWhatIsTooOldOrTooMany(t *testing.T) {
	w := newWorld(t)
	k := &Keeper{Journal: w.j, DB: w.db, Config: Config{KeepHours: 1, MaxEvents: 150}, Log: zap.NewNop()}
	old := func(age time.Duration) uuid.UUID {
		id := uuid.Must(uuid.NewV7())
		ms := time.Now().Add(-age).UnixMilli()
		for i := range 6 {
			id[i] = byte(ms >> (40 - 8*i))
		}
		return id
	}
	var txn store.Txn
	for i := range 400 {
		txn.Ops = append(txn.Ops, store.Put(changes.key(old(time.Duration(i)*time.Second)), []byte(`{}`)))
	}
	for range 250 {
		txn.Ops = append(txn.Ops, store.Put(changes.key(old(2*time.Hour)), []byte(`{}`)), store.Put(hosts.key(old(2*time.Hour)), []byte(`{}`)))
	}
	if _, err := w.store.Txn(t.Context(), txn); err != nil {
		t.Fatal(err)
	}
	for _, s := range []series{changes, hosts} {
		if err := k.trim(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	events := w.read(Query{})
	if len(events) < 145 || len(events) > 150 {
		t.Fatalf("%d events are left", len(events))
	}
	id, _ := uuid.Parse(events[len(events)-1].ID)
	if age := time.Since(timeOf(id)); age > 160*time.Second {
		t.Errorf("the oldest is %s old: the newest ones were removed", age)
	}
}

func TestTheKeeperNotesWhoFellSilent(t *testing.T) {
	w := newWorld(t)
	k := &Keeper{Journal: w.j, DB: w.db, Config: DefaultConfig(), DownTime: time.Minute, Log: zap.NewNop(), heard: map[string]heard{}}
	at := time.Now()
	for _, a := range []*model.Agent{
		{ID: "1", Host: "hv1", HeartbeatAt: at}, {ID: "2", Host: "hv2", HeartbeatAt: at}, {ID: "3", Host: "hv3", HeartbeatAt: at, LeftAt: at},
	} {
		w.update(func(u *records.Update) { records.Agents.Put(u, a) })
	}
	silent := func(after time.Duration) (ids []string) {
		t.Helper()
		err := w.db.Read(t.Context(), func(r records.Reader) error { ids = k.silent(r, at.Add(after)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	silent(0)
	w.update(func(u *records.Update) {
		records.Agents.Put(u, &model.Agent{ID: "2", Host: "hv2", HeartbeatAt: at.Add(time.Second)})
	})
	silent(30 * time.Second)
	if got := silent(61 * time.Second); !slices.Equal(got, []string{"1"}) {
		t.Errorf("silent: %v", got)
	}
}

func TestDepartures(t *testing.T) {
	w := newWorld(t)
	begun := time.Now()
	w.put(port("moved", "hv1"))
	w.put(port("deleted", "hv1"))
	w.put(port("stays", "hv1"))
	w.update(func(u *records.Update) {
		records.SecurityGroupRules.Put(u, &model.SecurityGroupRule{Meta: model.Meta{ID: "rule"}, SecurityGroupID: "g"})
		records.RouterBindings.Put(u, &model.RouterBinding{RouterID: "r", Hosts: []model.RouterHost{{Host: "hv1"}}})
	})
	w.put(port("moved", "hv2"))
	w.update(func(u *records.Update) {
		records.Ports.Delete(u, "deleted")
		records.SecurityGroupRules.Delete(u, "rule")
	})
	rev := w.update(func(u *records.Update) { records.RouterBindings.Delete(u, "r") })
	check := func() {
		t.Helper()
		var got []string
		for _, d := range w.j.Departed(t.Context(), begun, rev) {
			got = append(got, fmt.Sprintf("%s %s %v %s %v", d.Resource, d.ID, d.Left, d.Network, d.Groups))
		}
		slices.Sort(got)
		want := "port deleted [hv1] net [g]; port moved [hv1] net []; router_binding r [hv1]  []; security_group_rule rule []  [g]"
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%s\nwant %s", s, want)
		}
	}
	check()
	check() // as remembered
	w.open()
	check() // by another controller
	for range 3 {
		w.put(port("late", "hv1"))
		rev = w.update(func(u *records.Update) { records.Ports.Delete(u, "late") })
	}
	n := 0
	for _, d := range w.j.Departed(t.Context(), begun, rev) {
		if d.ID == "late" {
			n++
		}
	}
	if n != 3 {
		t.Errorf("of three that left later %d are known", n)
	}
	if got := w.j.Departed(t.Context(), time.Now().Add(time.Hour), rev); len(got) != 0 {
		t.Errorf("after all of it: %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.open()
	if got := w.j.Departed(ctx, begun, rev); len(got) != 0 {
		t.Errorf("without an answer of the store: %v", got)
	}
}

func TestEveryFieldOfARecordIsKnownByName(t *testing.T) {
	// The names that are kept out of events must exist: a rename of a field would
	// let its secret through.
	for table, r := range resources {
		rec := sample(table)
		if rec == nil {
			continue
		}
		var names []string
		for _, f := range fieldsOf(typeOf(rec)) {
			names = append(names, f.name)
		}
		for _, name := range slices.Concat(r.secret, r.hidden, mapKeys(r.rename)) {
			if !slices.Contains(names, name) {
				t.Errorf("%s has no field %s", table, name)
			}
		}
	}
}

func sample(table string) any {
	for _, t := range []struct {
		name string
		rec  any
	}{
		{records.Ports.Name(), &model.Port{}},
		{records.Networks.Name(), &model.Network{}},
		{records.Subnets.Name(), &model.Subnet{}},
		{records.Routers.Name(), &model.Router{}},
		{records.SubnetPools.Name(), &model.SubnetPool{}},
		{records.AddressScopes.Name(), &model.AddressScope{}},
		{records.RBACPolicies.Name(), &model.RBACPolicy{}},
		{records.ServiceProfiles.Name(), &model.ServiceProfile{}},
		{records.Instances.Name(), &model.Instance{}},
	} {
		if t.name == table {
			return t.rec
		}
	}
	return nil
}

func typeOf(rec any) reflect.Type { return reflect.TypeOf(rec).Elem() }

func mapKeys(m map[string]string) []string { return slices.Collect(maps.Keys(m)) }
