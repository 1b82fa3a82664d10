package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/ovsdb/ovsdbtest"
)

// TestTheIncrementalCopyEqualsAFreshOne lets two clients change the database at
// random, cuts connections in between, and compares: a model, the copy kept up
// to date by updates, the copy kept by following TakeDirty, and a fresh copy.
func TestTheIncrementalCopyEqualsAFreshOne(t *testing.T) {
	srv := ovsdbtest.Start(t)
	rapid.Check(t, func(t *rapid.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		clients := make([]*ovsdb.Client, 2)
		for i := range clients {
			c, err := ovsdb.DialQuick(ctx, srv.Endpoint(), zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			clients[i] = c
		}
		m := portModel{tags: map[string]int{}}
		insist(ctx, t, clients[0], brInt())
		defer func() { _ = clients[0].Commit(ctx, ovsdb.DeleteBridge{Name: "br-int"}) }()

		followed := map[string]ovsdb.Port{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			c := clients[rapid.IntRange(0, 1).Draw(t, "client")]
			if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
				srv.Cut()
			}
			// What a client has not heard of it cannot change.
			for m.diff(c.State()) != "" && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			ops := m.draw(t)
			insist(ctx, t, c, ops...)
			follow(clients[0], followed)
		}
		agree := func() string {
			for i, c := range clients {
				if diff := m.diff(c.State()); diff != "" {
					return fmt.Sprintf("client %d: %s", i, diff)
				}
			}
			follow(clients[0], followed)
			if !clients[0].Connected() {
				return "not connected after a cut"
			}
			return cmp.Diff(clients[0].State().Ports, followed)
		}
		for agree() != "" && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if diff := agree(); diff != "" {
			t.Fatal(diff)
		}
		fresh, err := ovsdb.DialQuick(ctx, srv.Endpoint(), zap.NewNop())
		must(t, err)
		defer fresh.Close()
		differ := func() string { return cmp.Diff(fresh.State(), clients[0].State()) }
		for differ() != "" && ctx.Err() == nil { // a cut may be noticed only now
			time.Sleep(time.Millisecond)
		}
		if diff := differ(); diff != "" {
			t.Fatalf("fresh and incremental copy differ: %s", diff)
		}
	})
}

// insist commits over as many connections as it takes.
func insist(ctx context.Context, t *rapid.T, c *ovsdb.Client, ops ...ovsdb.Op) {
	for err := c.Commit(ctx, ops...); err != nil; err = c.Commit(ctx, ops...) {
		if !errors.Is(err, ovsdb.ErrNotConnected) || ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// follow keeps a map of ports by TakeDirty alone, as a consumer does.
func follow(c *ovsdb.Client, ports map[string]ovsdb.Port) {
	d := c.TakeDirty()
	s := c.State()
	if d.Full {
		clear(ports)
		maps.Copy(ports, s.Ports)
		return
	}
	for _, name := range d.Ports {
		delete(ports, name)
		if p, ok := s.Ports[name]; ok {
			ports[name] = p
		}
	}
}

// portModel is what the ports should be: name → tag.
type portModel struct{ tags map[string]int }

func (m *portModel) draw(t *rapid.T) []ovsdb.Op {
	var ops []ovsdb.Op
	used := map[string]bool{}
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		name := fmt.Sprintf("tap%d", rapid.IntRange(0, 4).Draw(t, "port"))
		if used[name] {
			continue
		}
		used[name] = true
		_, exists := m.tags[name]
		switch {
		case !exists:
			tag := rapid.IntRange(0, 3).Draw(t, "tag")
			ops = append(ops, ovsdb.EnsurePort{Bridge: "br-int", Name: name, Tag: tag})
			m.tags[name] = tag
		case rapid.Bool().Draw(t, "delete"):
			ops = append(ops, ovsdb.DeletePort{Bridge: "br-int", Name: name})
			delete(m.tags, name)
		default:
			tag := rapid.IntRange(0, 3).Draw(t, "tag")
			ops = append(ops, ovsdb.SetPortTag{Port: name, Tag: tag})
			m.tags[name] = tag
		}
	}
	return ops
}

func (m *portModel) diff(s ovsdb.State) string {
	have := map[string]int{}
	for name, p := range s.Ports {
		if name != "br-int" {
			have[name] = p.Tag
		}
	}
	ifaces := slices.Sorted(maps.Keys(s.Interfaces))
	if ports := slices.Sorted(maps.Keys(s.Ports)); !slices.Equal(ports, ifaces) {
		return fmt.Sprintf("ports %q, interfaces %q", ports, ifaces)
	}
	return cmp.Diff(m.tags, have)
}
