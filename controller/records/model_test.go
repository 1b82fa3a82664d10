package records_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
)

// state is what a database should hold, in the simplest form.
type state struct {
	ports    map[string]model.Port
	claims   map[string]string
	released map[string]bool // claims given back in this update, whoever has them now
}

func (s state) clone() state {
	return state{ports: maps.Clone(s.ports), claims: maps.Clone(s.claims), released: map[string]bool{}}
}

// picture is everything that a reader can show of the tables under test.
type picture struct {
	Ports    []model.Port
	Len      int
	Networks map[string][]string // index key → port ids
	Groups   map[string][]string
	IPs      map[string][]string
	Claims   []string
	Under    []string // claims under "a/"
	Page     []string // ids after "p3"
}

var (
	networkIDs = []string{"n0", "n1", "n2"}
	groupIDs   = []string{"g0", "g1", "g2"}
	addresses  = []string{"10.0.0.1", "10.0.0.2", "2001:db8::1"}
	portIDs    = []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"}
	claimKeys  = []string{"a/1", "a/2", "a/3", "b/1", "b/2"}
)

// seen is the picture that a reader gives.
func seen(r records.Reader) picture {
	p := picture{Networks: map[string][]string{}, Groups: map[string][]string{}, IPs: map[string][]string{}}
	for port := range records.Ports.All(r) {
		p.Ports = append(p.Ports, *port)
	}
	p.Len = records.Ports.Len(r)
	for _, id := range networkIDs {
		for port := range records.PortsByNetwork.Get(r, id) {
			p.Networks[id] = append(p.Networks[id], port.ID)
		}
	}
	for _, id := range groupIDs {
		for port := range records.PortsBySecurityGroup.Get(r, id) {
			p.Groups[id] = append(p.Groups[id], port.ID)
		}
	}
	for _, a := range addresses {
		for port := range records.PortsByIP.Get(r, records.AddressKey(netip.MustParseAddr(a))) {
			p.IPs[a] = append(p.IPs[a], port.ID)
		}
	}
	for key, owner := range r.ClaimsUnder("") {
		p.Claims = append(p.Claims, key+"="+owner)
	}
	for key := range r.ClaimsUnder("a/") {
		p.Under = append(p.Under, key)
	}
	for port := range records.Ports.After(r, "p3") {
		p.Page = append(p.Page, port.ID)
	}
	return p
}

// wanted is the picture that a reader should give.
func (s state) wanted() picture {
	p := picture{
		Networks: map[string][]string{}, Groups: map[string][]string{}, IPs: map[string][]string{},
		Len: len(s.ports),
	}
	for _, id := range slices.Sorted(maps.Keys(s.ports)) {
		port := s.ports[id]
		p.Ports = append(p.Ports, port)
		p.Networks[port.NetworkID] = append(p.Networks[port.NetworkID], id)
		groups := slices.Clone(port.SecurityGroups)
		slices.Sort(groups)
		for _, g := range slices.Compact(groups) {
			p.Groups[g] = append(p.Groups[g], id)
		}
		for _, f := range port.FixedIPs {
			p.IPs[f.IP.String()] = append(p.IPs[f.IP.String()], id)
		}
		if id > "p3" {
			p.Page = append(p.Page, id)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.claims)) {
		p.Claims = append(p.Claims, key+"="+s.claims[key])
		if strings.HasPrefix(key, "a/") {
			p.Under = append(p.Under, key)
		}
	}
	return p
}

var compareAddrs = gocmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// step is one change inside an update.
type step func(t *rapid.T, u *records.Update, s *state)

func putPort(t *rapid.T, u *records.Update, s *state) {
	port := model.Port{
		Meta:           model.Meta{ID: rapid.SampledFrom(portIDs).Draw(t, "port")},
		NetworkID:      rapid.SampledFrom(networkIDs).Draw(t, "network"),
		SecurityGroups: rapid.SliceOfN(rapid.SampledFrom(groupIDs), 1, 3).Draw(t, "groups"),
	}
	for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom(addresses), 1, 2, rapid.ID[string]).Draw(t, "addresses") {
		port.FixedIPs = append(port.FixedIPs, model.FixedIP{SubnetID: "s", IP: netip.MustParseAddr(a)})
	}
	if old, ok := records.Ports.Get(u, port.ID); ok {
		port.Revision = old.Revision + 1
	}
	records.Ports.Put(u, &port)
	s.ports[port.ID] = port
}

func deletePort(t *rapid.T, u *records.Update, s *state) {
	id := rapid.SampledFrom(portIDs).Draw(t, "port")
	records.Ports.Delete(u, id)
	delete(s.ports, id)
}

func claimKey(t *rapid.T, u *records.Update, s *state) {
	key := rapid.SampledFrom(claimKeys).Draw(t, "claim")
	owner := rapid.SampledFrom(portIDs).Draw(t, "owner")
	err := u.Claim(key, owner)
	if have, taken := s.claims[key]; taken {
		var e *records.TakenError
		if !errors.As(err, &e) || e.Key != key || e.Owner != have {
			t.Fatalf("claim of %s, which %s has: %v", key, have, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("claim of %s, which is free: %v", key, err)
	}
	s.claims[key] = owner
}

func releaseKey(t *rapid.T, u *records.Update, s *state) {
	key := rapid.SampledFrom(claimKeys).Draw(t, "release")
	u.Release(key)
	delete(s.claims, key)
	s.released[key] = true
}

// cluster is two databases on one store, and what they should hold.
type cluster struct {
	faulty  *faulty
	dbs     []*records.DB
	shadows []*shadow
	want    state
}

// shadow follows the batches of a database.
type shadow struct {
	mu       sync.Mutex
	ports    map[string]*model.Port
	revision int64
	faults   []string
}

func (s *shadow) apply(b records.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Full {
		present := map[string]bool{}
		for _, c := range b.Changes {
			present[c.ID] = c.New != nil
		}
		for id := range s.ports {
			if _, told := present[id]; !told {
				s.faults = append(s.faults, fmt.Sprintf("the full batch at %d says nothing of %s", b.Revision, id))
			}
		}
	} else if b.Revision <= s.revision {
		s.faults = append(s.faults, fmt.Sprintf("batch %d after %d", b.Revision, s.revision))
	}
	s.revision = b.Revision
	for _, c := range b.Changes {
		before, after, ok := records.Ports.Change(c)
		if !ok {
			continue
		}
		if had := s.ports[c.ID]; had != before {
			s.faults = append(s.faults, fmt.Sprintf("at %d the old %s is %v, had %v", b.Revision, c.ID, before, had))
		}
		if after == nil {
			delete(s.ports, c.ID)
		} else {
			s.ports[c.ID] = after
		}
	}
}

// check compares the shadow with a view, once it has come to its revision.
func (s *shadow) check(t *rapid.T, r records.Reader) {
	for range 2000 {
		s.mu.Lock()
		reached := s.revision >= r.Revision()
		s.mu.Unlock()
		if reached {
			break
		}
		time.Sleep(time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		t.Fatalf("batches: %s", strings.Join(s.faults, "; "))
	}
	var got []*model.Port
	for _, id := range slices.Sorted(maps.Keys(s.ports)) {
		got = append(got, s.ports[id])
	}
	// By value: a full load at the same revision gives new pointers.
	if diff := gocmp.Diff(slices.Collect(records.Ports.All(r)), got, compareAddrs); diff != "" {
		t.Fatalf("the batches up to %d against the view at %d (-view +batches):\n%s", s.revision, r.Revision(), diff)
	}
}

func newCluster(t *rapid.T, s store.Store) *cluster {
	ctx := context.Background()
	var ops []store.Op
	if _, err := s.Range(ctx, "", func(kv store.KV) error {
		ops = append(ops, store.Delete(kv.Key))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Txn(ctx, store.Txn{Ops: ops}); err != nil {
		t.Fatal(err)
	}
	c := &cluster{faulty: newFaulty(s), want: state{ports: map[string]model.Port{}, claims: map[string]string{}}}
	for range 2 {
		shadow := &shadow{ports: map[string]*model.Port{}}
		db, err := records.Open(ctx, c.faulty, zap.NewNop(), records.OnApply(shadow.apply))
		if err != nil {
			t.Fatal(err)
		}
		c.dbs = append(c.dbs, db)
		c.shadows = append(c.shadows, shadow)
	}
	return c
}

func (c *cluster) close() {
	for _, db := range c.dbs {
		db.Close()
	}
}

// update runs random steps in one update of one database.
func (c *cluster) update(t *rapid.T) {
	db := c.dbs[rapid.IntRange(0, 1).Draw(t, "db")]
	steps := rapid.SliceOfN(rapid.SampledFrom([]string{"put", "put", "delete", "claim", "claim", "release"}), 1, 6).Draw(t, "steps")
	abort := rapid.IntRange(0, 9).Draw(t, "abort") == 0
	free := rapid.SampledFrom([]string{"", "", "", "a/", "b/", "c/"}).Draw(t, "free")
	refused := errors.New("refused")
	runs := 0
	next := c.want.clone()
	_, err := db.Update(context.Background(), func(u *records.Update) error {
		if runs++; runs > 1 {
			t.Fatalf("the update ran again though nobody else writes")
		}
		for _, name := range steps {
			map[string]step{"put": putPort, "delete": deletePort, "claim": claimKey, "release": releaseKey}[name](t, u, &next)
			for _, r := range []records.Reader{u, u.Peek()} {
				if diff := gocmp.Diff(next.wanted(), seen(r), compareAddrs); diff != "" {
					t.Fatalf("inside the update (-want +got):\n%s", diff)
				}
			}
		}
		if free != "" {
			u.RequireNoClaims(free)
		}
		if abort {
			return refused
		}
		return nil
	})
	switch inUse := c.keptUnder(free, next); {
	case abort:
		if !errors.Is(err, refused) {
			t.Fatalf("refused update: %v", err)
		}
	case inUse:
		var e *records.InUseError
		if !errors.As(err, &e) || e.Prefix != free {
			t.Fatalf("update that required nothing under %s: %v", free, err)
		}
	case err != nil:
		t.Fatal(err)
	default:
		c.want = next
	}
}

// keptUnder tells whether a claim under the prefix was there before and was not
// given back on the way to the next state.
func (c *cluster) keptUnder(prefix string, next state) bool {
	if prefix == "" {
		return false
	}
	for key := range c.want.claims {
		if strings.HasPrefix(key, prefix) && !next.released[key] {
			return true
		}
	}
	return false
}

// cutWatch ends the watches of both databases.
func (c *cluster) cutWatch(t *rapid.T) {
	c.faulty.sever(rapid.SampledFrom([]error{
		fmt.Errorf("cut: %w", store.ErrUnavailable),
		fmt.Errorf("cut: %w", store.ErrCompacted),
	}).Draw(t, "error"))
}

func (c *cluster) check(t *rapid.T) {
	for i, db := range c.dbs {
		var r records.Reader
		if err := db.Read(context.Background(), func(now records.Reader) error { r = now; return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(c.want.wanted(), seen(r), compareAddrs); diff != "" {
			t.Fatalf("database %d (-want +got):\n%s", i, diff)
		}
		c.shadows[i].check(t, r)
	}
}

func TestTwoDatabasesShowWhatTheModelHolds(t *testing.T) {
	for name, make := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s := make(t)
			rapid.Check(t, func(t *rapid.T) {
				c := newCluster(t, s)
				defer c.close()
				t.Repeat(map[string]func(*rapid.T){
					"": c.check,
					"update": func(t *rapid.T) {
						if rapid.IntRange(0, 19).Draw(t, "cut") == 0 {
							c.cutWatch(t)
						}
						c.update(t)
					},
				})
			})
		})
	}
}
