package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/ovsdb/ovsdbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testContext(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

func connect(tb testing.TB, endpoint string) *ovsdb.Client {
	tb.Helper()
	c, err := ovsdb.DialQuick(testContext(tb), endpoint, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func commit(tb testing.TB, c *ovsdb.Client, ops ...ovsdb.Op) {
	tb.Helper()
	if err := c.Commit(testContext(tb), ops...); err != nil {
		tb.Fatalf("commit: %v", err)
	}
}

// eventually waits until f holds.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within 10 s: %s", what)
		}
	}
}

func brInt() ovsdb.EnsureBridge {
	return ovsdb.EnsureBridge{
		Name: "br-int", DatapathType: "netdev", FailMode: "secure",
		Protocols:   []string{"OpenFlow15", "OpenFlow10"},
		OtherConfig: map[string]string{"disable-in-band": "true"},
		ExternalIDs: map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges},
	}
}

func tap(n int) ovsdb.EnsurePort {
	return ovsdb.EnsurePort{
		Bridge: "br-int", Name: fmt.Sprintf("tap%04d", n), Type: "internal",
		ExternalIDs: map[string]string{
			"iface-id": fmt.Sprintf("00000000-0000-0000-0000-%012d", n), "attached-mac": "fa:16:3e:00:00:01", "iface-status": "active",
		},
	}
}

func TestACommittedChangeIsInTheCopy(t *testing.T) {
	c := connect(t, ovsdbtest.Start(t).Endpoint())
	commit(t, c, brInt(),
		ovsdb.SetController{Bridge: "br-int", Target: "tcp:127.0.0.1:6633", MaxBackoff: 1000, InactivityProbe: 5000},
		ovsdb.SetFlowTables{Bridge: "br-int", Names: map[int]string{0: "classify", 60: "transient"}},
		ovsdb.EnsurePort{
			Bridge: "br-int", Name: "patch-tun", Type: "patch", Options: map[string]string{"peer": "patch-int"},
			PortExternalIDs: map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges},
		})
	s := c.State()
	b := s.Bridges["br-int"]
	if b.FailMode != "secure" || b.DatapathType != "netdev" || !slices.Equal(b.Protocols, []string{"OpenFlow10", "OpenFlow15"}) ||
		b.OtherConfig["disable-in-band"] != "true" || b.ExternalIDs[ovsdb.OwnerKey] != ovsdb.OwnerBridges {
		t.Errorf("bridge is %+v", b)
	}
	if len(b.Controllers) != 1 || b.Controllers[0].Target != "tcp:127.0.0.1:6633" ||
		b.Controllers[0].MaxBackoff != 1000 || b.Controllers[0].InactivityProbe != 5000 ||
		b.Controllers[0].ConnectionMode != "out-of-band" {
		t.Errorf("controllers are %+v", b.Controllers)
	}
	if b.FlowTables[0].Name != "classify" || b.FlowTables[60].Name != "transient" || len(b.FlowTables) != 2 {
		t.Errorf("flow tables are %+v", b.FlowTables)
	}
	patch := s.Interfaces["patch-tun"]
	if patch.Type != "patch" || patch.Options["peer"] != "patch-int" || patch.OFPort != 0 {
		t.Errorf("patch port is %+v", patch)
	}
	if got := s.Ports["patch-tun"].Interfaces; !slices.Equal(got, []string{"patch-tun"}) {
		t.Errorf("interfaces of the patch port: %q", got)
	}
	if local := s.Ports["br-int"]; local.ExternalIDs[ovsdb.OwnerKey] != ovsdb.OwnerBridges {
		t.Errorf("the local port has no owner: %+v", local)
	}
	ports, err := c.PortsOf(testContext(t), "br-int")
	if want := map[string]bool{"br-int": true, "patch-tun": true}; err != nil || !cmp.Equal(ports, want) {
		t.Errorf("ports of br-int: %v, %v", ports, err)
	}
}

func TestWhatIsAlreadySoIsNotSent(t *testing.T) {
	c := connect(t, ovsdbtest.Start(t).Endpoint())
	ops := []ovsdb.Op{
		brInt(),
		ovsdb.SetController{Bridge: "br-int", Target: "tcp:127.0.0.1:6633", MaxBackoff: 1000, InactivityProbe: 5000},
		ovsdb.SetFlowTables{Bridge: "br-int", Names: map[int]string{0: "classify"}},
		tap(1),
		ovsdb.SetPortTag{Port: "tap0001", Tag: 3},
		ovsdb.SetPort{Name: "tap0001", OtherConfig: map[string]string{"net_uuid": "x"}},
		ovsdb.SetBridgeExternalIDs{Bridge: "br-int", Set: map[string]string{"lepton-vlan-1": "n1"}, Remove: []string{"lepton-vlan-2"}},
		ovsdb.DeletePort{Name: "gone"},
		ovsdb.DeleteBridge{Name: "gone"},
	}
	commit(t, c, ops...)
	for _, op := range ops {
		n, err := ovsdb.WireOperations(c.State(), op)
		if err != nil || n != 0 {
			t.Errorf("%s: %d operations, error %v", op, n, err)
		}
	}
}

func TestOperationsChangeExactlyWhatTheySay(t *testing.T) {
	type state = ovsdb.State
	start := []ovsdb.Op{
		brInt(),
		ovsdb.EnsureBridge{Name: "br-ex"},
		tap(1), tap(2),
		ovsdb.SetController{Bridge: "br-ex", Target: "tcp:10.0.0.1:6653", InactivityProbe: 1000},
		ovsdb.SetFlowTables{Bridge: "br-ex", Names: map[int]string{5: "theirs"}},
		ovsdb.SetFlowTables{
			Bridge: "br-int", Names: map[int]string{0: "zero", 1: "one"},
			ExternalIDs: map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges},
		},
	}
	tests := []struct {
		name string
		ops  []ovsdb.Op
		want func(state) bool
	}{
		{
			"a tag is set, then changed in the same transaction",
			[]ovsdb.Op{ovsdb.SetPortTag{Port: "tap0001", Tag: 7}, ovsdb.SetPortTag{Port: "tap0001", Tag: 8}},
			func(s state) bool { return s.Ports["tap0001"].Tag == 8 },
		},
		{
			"a tag is set and taken away in the same transaction",
			[]ovsdb.Op{ovsdb.SetPortTag{Port: "tap0001", Tag: 7}, ovsdb.SetPortTag{Port: "tap0001"}},
			func(s state) bool { return s.Ports["tap0001"].Tag == 0 },
		},
		{
			"the value of an existing key is replaced and other keys stay",
			[]ovsdb.Op{ovsdb.SetInterface{Name: "tap0001", ExternalIDs: map[string]string{"iface-status": "inactive"}}},
			func(s state) bool {
				ids := s.Interfaces["tap0001"].ExternalIDs
				return ids["iface-status"] == "inactive" && len(ids) == 3
			},
		},
		{
			"a key is removed",
			[]ovsdb.Op{ovsdb.SetInterface{Name: "tap0001", RemoveExternalIDs: []string{"iface-status", "never-there"}}},
			func(s state) bool { return len(s.Interfaces["tap0001"].ExternalIDs) == 2 },
		},
		{
			"a deleted port takes its interface with it and leaves the others",
			[]ovsdb.Op{ovsdb.DeletePort{Bridge: "br-int", Name: "tap0001"}},
			func(s state) bool { return len(s.Interfaces) == 3 && len(s.Ports) == 3 },
		},
		{
			"a port is deleted from whatever bridge it is on",
			[]ovsdb.Op{ovsdb.DeletePort{Name: "tap0002"}},
			func(s state) bool { _, ok := s.Interfaces["tap0002"]; return !ok },
		},
		{
			"a deleted bridge takes its ports with it",
			[]ovsdb.Op{ovsdb.DeleteBridge{Name: "br-int"}},
			func(s state) bool { return len(s.Bridges) == 1 && len(s.Ports) == 1 && len(s.Interfaces) == 1 },
		},
		{
			"a port moves",
			[]ovsdb.Op{ovsdb.MovePort{Bridge: "br-ex", Name: "tap0001"}},
			func(s state) bool {
				return cmp.Equal(s.BridgePorts, map[string][]string{"br-ex": {"br-ex", "tap0001"}, "br-int": {"br-int", "tap0002"}})
			},
		},
		{
			"another controller replaces the one that was there",
			[]ovsdb.Op{ovsdb.SetController{Bridge: "br-ex", Target: "tcp:127.0.0.1:6633", InactivityProbe: 5000}},
			func(s state) bool {
				return len(s.Bridges["br-ex"].Controllers) == 1 && s.Bridges["br-ex"].Controllers[0].Target == "tcp:127.0.0.1:6633"
			},
		},
		{
			"the settings of a controller are repaired in place",
			[]ovsdb.Op{ovsdb.SetController{
				Bridge: "br-ex", Target: "tcp:10.0.0.1:6653", InactivityProbe: 0, MaxBackoff: 2000,
				ExternalIDs: map[string]string{"a": "b"},
			}},
			func(s state) bool {
				c := s.Bridges["br-ex"].Controllers[0]
				return c.InactivityProbe == 0 && c.MaxBackoff == 2000 && c.ExternalIDs["a"] == "b"
			},
		},
		{
			"table names: renamed, added, ours dropped",
			[]ovsdb.Op{ovsdb.SetFlowTables{Bridge: "br-int", Names: map[int]string{0: "new", 2: "two"}}},
			func(s state) bool {
				ft := s.Bridges["br-int"].FlowTables
				return len(ft) == 2 && ft[0].Name == "new" && ft[2].Name == "two"
			},
		},
		{
			"table names of others stay",
			[]ovsdb.Op{ovsdb.SetFlowTables{Bridge: "br-ex", Names: map[int]string{0: "ours"}}},
			func(s state) bool {
				ft := s.Bridges["br-ex"].FlowTables
				return len(ft) == 2 && ft[0].Name == "ours" && ft[5].Name == "theirs"
			},
		},
		{
			"options are the exact set",
			[]ovsdb.Op{
				ovsdb.EnsurePort{Name: "tap0001", Type: "patch", Options: map[string]string{"peer": "x"}, Tag: 9, MTURequest: 1450},
			},
			func(s state) bool {
				i := s.Interfaces["tap0001"]
				return i.Type == "patch" && cmp.Equal(i.Options, map[string]string{"peer": "x"}) && i.MTURequest == 1450 &&
					s.Ports["tap0001"].Tag == 9 && i.ExternalIDs["iface-status"] == "active"
			},
		},
		{
			"a bridge's settings are repaired and its other keys stay",
			[]ovsdb.Op{ovsdb.EnsureBridge{
				Name: "br-int", FailMode: "standalone", Protocols: []string{"OpenFlow13"},
				OtherConfig: map[string]string{"mac-table-size": "50000"}, RemoveExternalIDs: []string{ovsdb.OwnerKey},
			}},
			func(s state) bool {
				b := s.Bridges["br-int"]
				return b.FailMode == "standalone" && slices.Equal(b.Protocols, []string{"OpenFlow13"}) && b.DatapathType == "netdev" &&
					len(b.OtherConfig) == 2 && len(b.ExternalIDs) == 0
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, ovsdbtest.Start(t).Endpoint())
			commit(t, c, start...)
			commit(t, c, tt.ops...)
			s, err := c.StateWithPorts(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.want(s) {
				t.Errorf("after %v:\n%+v", tt.ops, s)
			}
		})
	}
}

func TestErrorsNameTheRow(t *testing.T) {
	tests := []struct {
		name    string
		ops     []ovsdb.Op
		applied bool // tap0002's tag was set in spite of it
		text    string
	}{
		{"a port on a bridge that does not exist", []ovsdb.Op{
			ovsdb.SetPortTag{Port: "tap0002", Tag: 4}, ovsdb.EnsurePort{Bridge: "br-none", Name: "x"},
		}, false, "br-none"},
		{"a tag for a port that does not exist", []ovsdb.Op{
			ovsdb.SetPortTag{Port: "tap0002", Tag: 4}, ovsdb.SetPortTag{Port: "nobody", Tag: 1},
		}, false, "nobody"},
		{"table names for a bridge that does not exist", []ovsdb.Op{
			ovsdb.SetFlowTables{Bridge: "br-none", Names: map[int]string{0: "a"}},
		}, false, "br-none"},
		{"a controller for a bridge that does not exist", []ovsdb.Op{
			ovsdb.SetController{Bridge: "br-none", Target: "tcp:127.0.0.1:6633"},
		}, false, "br-none"},
		{"a port made and deleted at once", []ovsdb.Op{tap(9), ovsdb.DeletePort{Name: "tap0009"}}, false, "tap0009"},
		{"a port without a name", []ovsdb.Op{ovsdb.EnsurePort{Bridge: "br-int"}}, false, "without a name"},
		{"a tag out of range", []ovsdb.Op{ovsdb.SetPortTag{Port: "tap0002", Tag: 5000}}, false, "tap0002"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, ovsdbtest.Start(t).Endpoint())
			commit(t, c, brInt(), tap(1), tap(2))
			err := c.Commit(testContext(t), tt.ops...)
			var failed *ovsdb.CommitError
			if !errors.As(err, &failed) || failed.Applied != tt.applied || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("error is %#v: %v", err, err)
			}
			if got := c.State().Ports["tap0002"].Tag; (got != 0) != tt.applied {
				t.Errorf("tag of tap0002 is %d", got)
			}
			if _, ok := c.State().Ports["tap0009"]; ok {
				t.Error("tap0009 was made")
			}
		})
	}
}

func TestAPortThatVanishedDoesNotSpoilTheBatch(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c := connect(t, srv.Endpoint())
	commit(t, c, brInt(), tap(1), tap(2))
	// A client that has not heard of the deletion yet.
	stale := c.State()
	commit(t, c, ovsdb.DeletePort{Name: "tap0001"})
	err := c.CommitFrom(testContext(t), stale, ovsdb.SetPortTag{Port: "tap0001", Tag: 4}, ovsdb.SetPortTag{Port: "tap0002", Tag: 4})
	var failed *ovsdb.CommitError
	if !errors.As(err, &failed) || !failed.Applied || len(failed.Failed) != 1 || !errors.Is(err, ovsdb.ErrNoRow) ||
		!strings.Contains(err.Error(), "tap0001") {
		t.Fatalf("error is %v", err)
	}
	if got := c.State().Ports["tap0002"].Tag; got != 4 {
		t.Errorf("tag of tap0002 is %d", got)
	}
}

func TestTakeDirtyNamesWhatChanged(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c, other := connect(t, srv.Endpoint()), connect(t, srv.Endpoint())
	if d := c.TakeDirty(); !d.Full {
		t.Fatalf("the first answer is %+v, not Full", d)
	}
	<-c.Changes()
	commit(t, other, brInt(), tap(1))
	wait := func() ovsdb.Dirty {
		t.Helper()
		select {
		case <-c.Changes():
		case <-time.After(5 * time.Second):
			t.Fatal("no signal")
		}
		return c.TakeDirty()
	}
	d := wait()
	want := ovsdb.Dirty{Bridges: []string{"br-int"}, Ports: []string{"br-int", "tap0001"}, Interfaces: []string{"br-int", "tap0001"}}
	if !cmp.Equal(d, want) {
		t.Errorf("dirty after two new ports: %+v", d)
	}
	if d := c.TakeDirty(); !d.Empty() {
		t.Errorf("asked again: %+v", d)
	}
	if err := srv.SetOFPort("tap0001", 5, ""); err != nil {
		t.Fatal(err)
	}
	if d := wait(); !cmp.Equal(d, ovsdb.Dirty{Interfaces: []string{"tap0001"}}) {
		t.Errorf("dirty after a port number: %+v", d)
	}
	if i, _ := c.Interface("tap0001"); i.OFPort != 5 {
		t.Errorf("port number is %d", i.OFPort)
	}
	if err := srv.SetOFPort("tap0001", -1, "could not open network device tap0001"); err != nil {
		t.Fatal(err)
	}
	wait()
	if i, _ := c.Interface("tap0001"); i.OFPort != -1 || !strings.Contains(i.Error, "could not open") {
		t.Errorf("a failed interface is %+v", i)
	}
	commit(t, other, ovsdb.DeletePort{Name: "tap0001"})
	if d := wait(); !slices.Contains(d.Ports, "tap0001") || !slices.Contains(d.Interfaces, "tap0001") {
		t.Errorf("dirty after a deletion: %+v", d)
	}
	if _, ok := c.Port("tap0001"); ok {
		t.Error("the deleted port is still in the copy")
	}
}

func TestEachWatcherHasItsOwnList(t *testing.T) {
	c := connect(t, ovsdbtest.Start(t).Endpoint())
	w := c.Watch()
	c.TakeDirty()
	if d := w.TakeDirty(); !d.Full {
		t.Errorf("a new watcher begins with %+v", d)
	}
	commit(t, c, brInt())
	if d := c.TakeDirty(); d.Empty() {
		t.Error("the first watcher heard nothing")
	}
	if d := w.TakeDirty(); d.Empty() {
		t.Error("the second watcher heard nothing")
	}
	w.Close()
	commit(t, c, tap(1))
	if d := w.TakeDirty(); !d.Empty() {
		t.Errorf("a closed watcher heard %+v", d)
	}
}

func TestAStateThatWasHandedOutNeverChanges(t *testing.T) {
	c := connect(t, ovsdbtest.Start(t).Endpoint())
	commit(t, c, brInt(), tap(1))
	before := c.State()
	commit(t, c, tap(2), ovsdb.SetPortTag{Port: "tap0001", Tag: 5}, ovsdb.EnsureBridge{Name: "br-ex"})
	if len(before.Bridges) != 1 || len(before.Ports) != 2 || before.Ports["tap0001"].Tag != 0 {
		t.Errorf("the old state is now %+v", before)
	}
}

func TestCommitAndWaitReturnsWhenTheSwitchHasDoneIt(t *testing.T) {
	srv := ovsdbtest.Start(t)
	srv.RunSwitch(t)
	c := connect(t, srv.Endpoint())
	if err := c.CommitAndWait(testContext(t), brInt(), tap(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a port number and a datapath id", func() bool {
		i, _ := c.Interface("tap0001")
		b, _ := c.Bridge("br-int")
		return i.OFPort > 0 && len(b.DatapathID) == 16
	})
}

func TestCountingConfigurationsIsNoNews(t *testing.T) {
	srv := ovsdbtest.Start(t)
	srv.RunSwitch(t)
	c := connect(t, srv.Endpoint())
	c.TakeDirty()
	before := c.State().OpenVSwitch.CurCfg
	if err := c.CommitAndWait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if d := c.TakeDirty(); !d.Empty() || c.State().OpenVSwitch.CurCfg <= before {
		t.Errorf("dirty %+v, configuration %d, before %d", d, c.State().OpenVSwitch.CurCfg, before)
	}
}

func TestCommitAndWaitEndsWithItsContext(t *testing.T) {
	c := connect(t, ovsdbtest.Start(t).Endpoint())
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.CommitAndWait(ctx, brInt()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

func TestDialRefusesWhatIsNoEndpoint(t *testing.T) {
	for _, endpoint := range []string{
		"", "unix:", "tcp:", "ssl:", "ssl:127.0.0.1:6640", "127.0.0.1:6640", "tcp:host:port", "tcp:host:0", "tcp:h ost:1", "/run/db.sock",
	} {
		if _, err := ovsdb.Dial(testContext(t), endpoint, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "endpoint") {
			t.Errorf("%q: error is %v", endpoint, err)
		}
	}
}

func TestDialSaysWhyItCouldNotConnect(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := ovsdb.Dial(ctx, "unix:/nonexistent/db.sock", zap.NewNop())
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/db.sock") || !strings.Contains(err.Error(), "no such file") ||
		!errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}
