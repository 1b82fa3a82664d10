package feed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/agent/snapshot"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

var owner = snapshot.Owner{Host: "hv1", Instance: "one"}

// archived makes a feed that keeps its records in the file.
func archived(path string, src *source, patience time.Duration) (*feed.Feed, *feed.Consumer) {
	f := feed.NewWith(src, feed.Config{Archive: snapshot.New(path, owner), Patience: patience})
	return f, f.Consumer("loop")
}

func network(n string, rev int64) *model.Network {
	id := strings.Repeat(n, 8) + "-0000-4000-8000-000000000000"
	return &model.Network{
		Meta: model.Meta{ID: id, Revision: rev}, AdminStateUp: true, MTU: 1450, Segment: model.Segment{Type: model.VXLAN, ID: 7},
	}
}

func TestWithoutAControllerTheLoopsGetWhatWasStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	src := &source{updates: make(chan rpc.Update)}
	f, c := archived(path, src, time.Minute)
	stop := run(f)
	src.updates <- rpc.Update{Full: true, Revision: 4, Networks: []*model.Network{network("a", 1), network("b", 1)}}
	within(t, c.Updates())
	src.updates <- rpc.Update{Revision: 5, Networks: []*model.Network{network("c", 1)}}
	within(t, c.Updates())
	src.updates <- rpc.Update{Revision: 6, Deleted: rpc.Refs{Networks: []string{network("a", 1).ID}}}
	within(t, c.Updates())
	stop()

	src = &source{updates: make(chan rpc.Update)}
	f, c = archived(path, src, 20*time.Millisecond)
	stop = run(f)
	defer stop()
	u := within(t, c.Updates())
	want := rpc.Update{Full: true, Revision: 6, Networks: []*model.Network{network("b", 1), network("c", 1)}}
	if diff := cmp.Diff(want, u, cmpopts.IgnoreFields(rpc.Update{}, "Stored")); diff != "" {
		t.Fatal(diff)
	}
	if age := time.Since(u.Stored); age < 0 || age > time.Minute {
		t.Errorf("stored at %s", u.Stored)
	}
	c.Ack(6)
	c.SetDevices(1, true)
	if src.acked != 0 || src.inSync {
		t.Errorf("acknowledged %d, in sync %t, on the word of a file", src.acked, src.inSync)
	}
	if len(src.problems) != 1 || !strings.Contains(src.problems[0].Text, "no controller has been heard since") {
		t.Errorf("problems %v", src.problems)
	}
	src.updates <- rpc.Update{Full: true, Revision: 9, Networks: []*model.Network{network("c", 1)}}
	if u := within(t, c.Updates()); !u.Stored.IsZero() || u.Revision != 9 {
		t.Errorf("after the controller's answer: revision %d, stored at %s", u.Revision, u.Stored)
	}
	c.Ack(9)
	c.SetDevices(1, true)
	if src.acked != 9 || !src.inSync || len(src.problems) > 0 {
		t.Errorf("acknowledged %d, in sync %t, problems %v", src.acked, src.inSync, src.problems)
	}
}

// A controller of a later version may say what this agent cannot read.
func TestARecordThatCannotBeReadStaysAsItWasAlsoOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	src := &source{updates: make(chan rpc.Update)}
	f, c := archived(path, src, time.Minute)
	stop := run(f)
	src.updates <- rpc.Update{Full: true, Revision: 1, Networks: []*model.Network{network("a", 1), network("b", 1)}}
	within(t, c.Updates())
	bad := func(n string) rpc.Rejected {
		return rpc.Rejected{Kind: rpc.KindNetwork, ID: network(n, 2).ID, Err: errors.New("mtu: -1 is negative")}
	}
	src.updates <- rpc.Update{Full: true, Revision: 2, Networks: []*model.Network{network("b", 2)}, Rejected: []rpc.Rejected{bad("a"), bad("c")}}
	want := []*model.Network{network("a", 1), network("b", 2)}
	sorted := cmpopts.SortSlices(func(a, b *model.Network) bool { return a.ID < b.ID })
	if diff := cmp.Diff(want, within(t, c.Updates()).Networks, sorted); diff != "" {
		t.Error(diff)
	}
	stop()

	src = &source{updates: make(chan rpc.Update)}
	f, c = archived(path, src, 20*time.Millisecond)
	defer run(f)()
	if diff := cmp.Diff(want, within(t, c.Updates()).Networks, sorted); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
}

func TestTheFileKeepsUpWithTheSwitchAlsoWhenItHasGrown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	src := &source{updates: make(chan rpc.Update)}
	f, c := archived(path, src, time.Minute)
	stop := run(f)
	src.updates <- rpc.Update{Full: true, Revision: 1, Networks: []*model.Network{network("a", 1), network("b", 1)}}
	within(t, c.Updates())
	large := rpc.Update{Revision: 2} // the file is to be written anew soon
	for i := range 3000 {
		n := network("c", 1)
		n.ID, n.Name = fmt.Sprintf("%08x-0000-4000-8000-000000000001", i), strings.Repeat("x", 200)
		large.Networks = append(large.Networks, n)
	}
	src.updates <- large
	within(t, c.Updates())
	src.updates <- rpc.Update{Revision: 3, Deleted: rpc.Refs{Networks: []string{network("a", 1).ID}}}
	within(t, c.Updates()) // the loop has closed a
	u, err := snapshot.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range u.Networks {
		if n.ID == network("a", 1).ID {
			t.Error("an agent that is killed now brings back a network that is deleted")
		}
	}
	if u.Revision != 3 {
		t.Errorf("the file is of revision %d when a loop has revision 3", u.Revision)
	}
	stop()
}

func TestAControllerThatAnswersInTimeIsAllTheLoopsHear(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	for rev := int64(1); rev <= 3; rev++ {
		src := &source{updates: make(chan rpc.Update)}
		f, c := archived(path, src, 300*time.Millisecond)
		stop := run(f)
		src.updates <- rpc.Update{Full: true, Revision: rev}
		if u := within(t, c.Updates()); u.Revision != rev || !u.Stored.IsZero() {
			t.Errorf("revision %d, stored at %s", u.Revision, u.Stored)
		}
		if rev == 3 {
			select {
			case u := <-c.Updates():
				t.Errorf("then revision %d, stored at %s", u.Revision, u.Stored)
			case <-time.After(500 * time.Millisecond):
			}
		}
		stop()
	}
}

func TestARefusedFileIsAProblemUntilAControllerAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(path, []byte("lepton-records 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := &source{updates: make(chan rpc.Update)}
	f, c := archived(path, src, time.Millisecond)
	defer run(f)()
	select {
	case u := <-c.Updates():
		t.Fatalf("an update of revision %d comes from a refused file", u.Revision)
	case <-time.After(50 * time.Millisecond):
	}
	c.SetDevices(0, false) // after what the feed said
	if len(src.problems) != 1 || !strings.Contains(src.problems[0].Text, path) {
		t.Errorf("problems %v", src.problems)
	}
	src.updates <- rpc.Update{Full: true, Revision: 1}
	within(t, c.Updates())
	c.SetDevices(0, false)
	if len(src.problems) > 0 {
		t.Errorf("problems %v", src.problems)
	}
}

// stuckDisk hangs in every writing until it is let go.
type stuckDisk struct{ go_ chan struct{} }

func (d stuckDisk) Load() (*rpc.Update, error) { return nil, os.ErrNotExist }
func (d stuckDisk) Replace(*rpc.Update) error  { <-d.go_; return errors.New("no space left on device") }
func (d stuckDisk) Append(*rpc.Update) error   { <-d.go_; return nil }
func (d stuckDisk) Due() bool                  { return false }
func (d stuckDisk) Size() int64                { return 0 }
func (d stuckDisk) Sync() error                { return nil }
func (d stuckDisk) Confirm(time.Time) error    { return nil }
func (d stuckDisk) Close()                     {}

func TestADiskThatHangsKeepsNobodyWaitingForLong(t *testing.T) {
	src := &source{updates: make(chan rpc.Update)}
	disk := stuckDisk{make(chan struct{})}
	f := feed.NewWith(src, feed.Config{Archive: disk})
	c := f.Consumer("loop")
	stop := run(f)
	began := time.Now()
	for rev := int64(1); rev <= 4; rev++ {
		src.updates <- rpc.Update{Full: rev == 1, Revision: rev}
		if u := within(t, c.Updates()); u.Revision != rev {
			t.Fatalf("revision %d, want %d", u.Revision, rev)
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("four updates took %s", took)
	}
	close(disk.go_)
	stop()
}

// ports makes the host's own ports p1 … pn.
func ports(first, last int) (out []*model.Port) {
	for i := first; i <= last; i++ {
		p := port("p"+string(rune('a'+i)), 1)
		p.Host = "hv1"
		out = append(out, p)
	}
	return out
}

func TestTheBrakeKeepsWhatAFullUpdateCannotMean(t *testing.T) {
	brake := feed.Brake{Host: "hv1", Share: 50, Floor: 3}
	router := func(id string) *model.Router { return &model.Router{Meta: model.Meta{ID: id}} }
	remote := func(id, net string) *model.Port { p := port(id, 0); p.Host, p.NetworkID = "hv2", net; return p }
	var remotes []*model.Port
	for i := range 40 {
		remotes = append(remotes, remote("r"+string(rune('A'+i)), "n1"))
	}
	n1 := &model.Network{Meta: model.Meta{ID: "n1"}}
	for _, tc := range []struct {
		name          string
		before, after rpc.Update
		plugged       map[string]bool
		held          int
	}{
		{"most ports are gone", rpc.Update{Ports: ports(1, 10)}, rpc.Update{Ports: ports(1, 4)}, nil, 6},
		{"all are gone", rpc.Update{Ports: ports(1, 10)}, rpc.Update{}, nil, 10},
		{"half are gone", rpc.Update{Ports: ports(1, 10)}, rpc.Update{Ports: ports(1, 5)}, nil, 0},
		{"all of a few are gone", rpc.Update{Ports: ports(1, 3)}, rpc.Update{}, nil, 0},
		{
			"most are gone and named",
			rpc.Update{Ports: ports(1, 10)},
			rpc.Update{Ports: ports(1, 4), Deleted: rpc.Refs{Ports: []string{"pf", "pg", "ph"}}},
			nil, 0,
		},
		{"most are gone and had no interface", rpc.Update{Ports: ports(1, 10)}, rpc.Update{}, map[string]bool{"pb": true, "pc": true}, 0},
		{
			"most went to another host",
			rpc.Update{Ports: ports(1, 4)},
			rpc.Update{Ports: []*model.Port{remote("pb", "n1"), remote("pc", "n1"), remote("pd", "n1"), remote("pe", "n1")}},
			nil, 0,
		},
		{
			"most routers are gone",
			rpc.Update{Routers: []*model.Router{router("1"), router("2"), router("3"), router("4")}},
			rpc.Update{},
			nil, 4,
		},
		{
			"most of a network's ports elsewhere are gone",
			rpc.Update{Networks: []*model.Network{n1}, Ports: remotes},
			rpc.Update{Networks: []*model.Network{n1}},
			nil, 40,
		},
		{
			"a network is gone with its ports elsewhere",
			rpc.Update{Networks: []*model.Network{n1}, Ports: remotes},
			rpc.Update{},
			nil, 0,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := &source{updates: make(chan rpc.Update)}
			brake := brake
			if tc.plugged != nil {
				brake.Plugged = func() map[string]bool { return tc.plugged }
			}
			f := feed.NewWith(src, feed.Config{Brake: brake})
			c := f.Consumer("loop")
			defer run(f)()
			tc.before.Full, tc.before.Revision, tc.after.Full, tc.after.Revision = true, 1, true, 2
			src.updates <- tc.before
			within(t, c.Updates())
			src.updates <- tc.after
			got := within(t, c.Updates())
			if held, _ := f.Held(); held != tc.held {
				t.Fatalf("%d records are held, want %d", held, tc.held)
			}
			if want := tc.after.Len() + tc.held; got.Len() != want || got.Revision != 2 {
				t.Errorf("the loop got %d records, want %d", got.Len(), want)
			}
		})
	}
}

func TestWhatTheBrakeKeepsGoesWhenItIsDeletedOrReleased(t *testing.T) {
	src := &source{updates: make(chan rpc.Update)}
	f := feed.NewWith(src, feed.Config{Brake: feed.Brake{Host: "hv1", Share: 50, Floor: 1}})
	c := f.Consumer("loop")
	defer run(f)()
	src.updates <- rpc.Update{Full: true, Revision: 1, Ports: ports(1, 6)}
	within(t, c.Updates())
	src.updates <- rpc.Update{Full: true, Revision: 2}
	if u := within(t, c.Updates()); len(u.Ports) != 6 {
		t.Fatalf("%d ports after the brake", len(u.Ports))
	}
	if _, p := f.Held(); !strings.Contains(p.Text, "6 of 6 plugged ports of this host") {
		t.Errorf("problem %q", p.Text)
	}
	src.updates <- rpc.Update{Revision: 3, Ports: ports(1, 1), Deleted: rpc.Refs{Ports: []string{"pc"}}}
	if u := within(t, c.Updates()); len(u.Deleted.Ports) != 1 {
		t.Errorf("deletions %v", u.Deleted.Ports)
	}
	if n, _ := f.Held(); n != 4 {
		t.Errorf("%d are held after one came back and one was deleted, want 4", n)
	}
	// The same full update again changes nothing.
	src.updates <- rpc.Update{Full: true, Revision: 4, Ports: ports(1, 1)}
	if u := within(t, c.Updates()); len(u.Ports) != 5 {
		t.Errorf("%d ports", len(u.Ports))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if n, err := f.Release(ctx); n != 4 || err != nil {
		t.Errorf("released %d: %v", n, err)
	}
	if u := within(t, c.Updates()); len(u.Deleted.Ports) != 4 || u.Full {
		t.Errorf("after the release: deletions %v", u.Deleted.Ports)
	}
	if n, p := f.Held(); n != 0 || p.Text != "" {
		t.Errorf("%d are held: %q", n, p.Text)
	}
}
