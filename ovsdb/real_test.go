package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

func TestRealPortsGetTheirNumbers(t *testing.T) {
	sw := ovstest.Start(t)
	c := connect(t, sw.DB())
	ops := []ovsdb.Op{
		brInt(),
		ovsdb.SetController{Bridge: "br-int", Target: "tcp:127.0.0.1:6633", MaxBackoff: 1000, InactivityProbe: 5000},
		ovsdb.SetFlowTables{Bridge: "br-int", Names: map[int]string{0: "classify", 60: "transient"}},
		ovsdb.EnsureBridge{Name: "br-tun", DatapathType: "netdev"},
		ovsdb.EnsurePort{Bridge: "br-int", Name: "patch-tun", Type: "patch", Options: map[string]string{"peer": "patch-int"}},
		ovsdb.EnsurePort{Bridge: "br-tun", Name: "patch-int", Type: "patch", Options: map[string]string{"peer": "patch-tun"}},
	}
	for n := range 5 {
		ops = append(ops, tap(n))
	}
	if err := c.CommitAndWait(testContext(t), ops...); err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		if n, err := ovsdb.WireOperations(c.State(), op); n != 0 || err != nil {
			t.Errorf("%s is not so: %d operations, error %v", op, n, err)
		}
	}
	s := c.State()
	seen := map[int]bool{}
	for name, i := range s.Interfaces {
		if i.OFPort <= 0 || i.Error != "" {
			t.Errorf("interface %s: %+v", name, i)
		}
		if i.Type == "internal" && name[:2] != "br" {
			seen[i.OFPort] = true
		}
	}
	if len(seen) != 5 {
		t.Errorf("port numbers of 5 taps: %v", seen)
	}
	if id := s.Bridges["br-int"].DatapathID; len(id) != 16 {
		t.Errorf("datapath id is %q", id)
	}
	if s.OpenVSwitch.NextCfg == 0 || s.OpenVSwitch.UUID == "" {
		t.Errorf("root row is %+v", s.OpenVSwitch)
	}
	if got := sw.Ofctl("dump-flows", "br-int", "--names"); strings.Contains(got, "negotiation") {
		t.Errorf("plain ovs-ofctl says %q", got)
	}
	ports, err := c.PortsOf(testContext(t), "br-tun")
	if err != nil || len(ports) != 2 || !ports["patch-int"] || !ports["br-tun"] {
		t.Errorf("ports of br-tun: %v, %v", ports, err)
	}
	if _, err := c.PortsOf(testContext(t), "br-none"); !errors.Is(err, ovsdb.ErrNoRow) {
		t.Errorf("ports of a bridge that does not exist: %v", err)
	}
}

func TestRealRefusalsNameTheRow(t *testing.T) {
	sw := ovstest.Start(t)
	c := connect(t, sw.DB())
	commit(t, c, brInt(), tap(1))
	// The port exists, but this client has not heard of it.
	state := c.State()
	commit(t, c, tap(2))
	err := c.CommitFrom(testContext(t), state, tap(3), tap(2))
	var failed *ovsdb.CommitError
	if !errors.As(err, &failed) || failed.Applied || !strings.Contains(err.Error(), "tap0002") {
		t.Errorf("a duplicate name: %v", err)
	}
	if op, ok := failed.Failed[0].Op.(ovsdb.EnsurePort); !ok || op.Name != "tap0002" {
		t.Errorf("the failed operation is %v: %v", failed.Failed[0].Op, err)
	}
	err = c.Commit(testContext(t), ovsdb.EnsurePort{Bridge: "br-none", Name: "x"})
	if !errors.Is(err, ovsdb.ErrNoRow) || !strings.Contains(err.Error(), "br-none") {
		t.Errorf("a missing bridge: %v", err)
	}
	err = c.Commit(testContext(t), ovsdb.EnsureBridge{Name: "br-x", FailMode: "nonsense"})
	var refused *ovsdb.DatabaseError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "br-x") {
		t.Errorf("a value that the schema refuses: %v", err)
	}
	stale := c.State()
	commit(t, c, ovsdb.DeletePort{Name: "tap0001"})
	err = c.CommitFrom(testContext(t), stale, ovsdb.SetPortTag{Port: "tap0001", Tag: 4}, ovsdb.SetPortTag{Port: "tap0002", Tag: 4})
	if !errors.As(err, &failed) || !failed.Applied || len(failed.Failed) != 1 || !strings.Contains(err.Error(), "tap0001") {
		t.Errorf("a vanished port: %v", err)
	}
	if got := c.State().Ports["tap0002"].Tag; got != 4 {
		t.Errorf("tag of tap0002 is %d", got)
	}
}

func TestARealInterfaceThatCannotBeMadeSaysWhy(t *testing.T) {
	sw := ovstest.Start(t)
	c := connect(t, sw.DB())
	err := c.CommitAndWait(testContext(t), brInt(), ovsdb.EnsurePort{Bridge: "br-int", Name: "nodevice0"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failed port with its reason", func() bool {
		i, _ := c.Interface("nodevice0")
		return i.OFPort == -1 && strings.Contains(i.Error, "nodevice0")
	})
}

func TestARealDatabaseServerRestarts(t *testing.T) {
	sw := ovstest.Start(t)
	c := connect(t, sw.DB())
	if err := c.CommitAndWait(testContext(t), brInt(), tap(1)); err != nil {
		t.Fatal(err)
	}
	c.TakeDirty()
	appctl(t, sw, "exit")
	eventually(t, "the loss is noticed", func() bool { return !c.Connected() })
	if err := c.Commit(testContext(t), tap(2)); !errors.Is(err, ovsdb.ErrNotConnected) {
		t.Errorf("commit without a server: %v", err)
	}
	startDatabase(t, sw)
	eventually(t, "Full", func() bool { return c.TakeDirty().Full })
	if i, _ := c.Interface("tap0001"); i.OFPort <= 0 {
		t.Errorf("after the restart tap0001 is %+v", i)
	}
	if err := c.CommitAndWait(testContext(t), tap(2)); err != nil {
		t.Fatal(err)
	}
}

func TestARealSwitchRestarts(t *testing.T) {
	sw := ovstest.Start(t)
	c := connect(t, sw.DB())
	if err := c.CommitAndWait(testContext(t), brInt(), tap(1)); err != nil {
		t.Fatal(err)
	}
	sw.StopDaemon()
	commit(t, c, tap(2))
	sw.StartDaemon()
	eventually(t, "the port that was added meanwhile works", func() bool {
		i, _ := c.Interface("tap0002")
		return i.OFPort > 0
	})
	if !c.Connected() {
		t.Error("the database connection was lost")
	}
}

// appctl sends a command to the switch's ovsdb-server.
func appctl(t *testing.T, sw *ovstest.Switch, command ...string) {
	t.Helper()
	cmd := exec.Command("ovs-appctl", append([]string{"-t", filepath.Join(sw.Dir, "ovsdb.ctl")}, command...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ovs-appctl %v: %v: %s", command, err, out)
	}
}

// startDatabase starts an ovsdb-server in place of the one that ended.
func startDatabase(t *testing.T, sw *ovstest.Switch) {
	t.Helper()
	cmd := exec.Command("ovsdb-server", filepath.Join(sw.Dir, "conf.db"),
		"--remote=punix:"+filepath.Join(sw.Dir, "db.sock"), "--unixctl="+filepath.Join(sw.Dir, "ovsdb2.ctl"), "-vconsole:off", "-vsyslog:off")
	cmd.Env = sw.Env()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start ovsdb-server: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	})
}

// BenchmarkAddPorts adds ports to a real database in one transaction, waits
// until the copy has all their port numbers and takes them away again. The
// same by one ovs-vsctl is measured beside it: "x-of-vsctl" is the ratio.
func BenchmarkAddPorts(b *testing.B) {
	for _, n := range []int{1, 50, 200, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			sw := ovstest.Start(b)
			c := connect(b, sw.DB())
			commit(b, c, brInt())
			var ours, vsctl []time.Duration
			for b.Loop() {
				ours = append(ours, addPorts(b, c, n))
				vsctl = append(vsctl, vsctlPorts(b, sw, c, n))
			}
			slices.Sort(ours)
			slices.Sort(vsctl)
			mine, theirs := ours[len(ours)/2], vsctl[len(vsctl)/2]
			b.ReportMetric(float64(mine.Microseconds())/1000, "ms")
			b.ReportMetric(float64(theirs.Microseconds())/1000, "vsctl-ms")
			b.ReportMetric(float64(mine)/float64(theirs), "x-of-vsctl")
		})
	}
}

func addPorts(b *testing.B, c *ovsdb.Client, n int) time.Duration {
	var add []ovsdb.Op
	for i := range n {
		add = append(add, tap(i))
	}
	began := time.Now()
	commit(b, c, add...)
	waitForPorts(b, c, n)
	took := time.Since(began)
	removePorts(b, c, n)
	return took
}

// removePorts waits long: the kernel takes tens of milliseconds for each.
func removePorts(b *testing.B, c *ovsdb.Client, n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for deadline := time.Now().Add(time.Minute); len(c.State().Ports) != n+1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("the copy has %d ports, want %d", len(c.State().Ports), n+1)
		}
	}
	var remove []ovsdb.Op
	for i := range n {
		remove = append(remove, ovsdb.DeletePort{Bridge: "br-int", Name: tap(i).Name})
	}
	if err := c.CommitAndWait(ctx, remove...); err != nil {
		b.Fatal(err)
	}
}

func waitForPorts(b *testing.B, c *ovsdb.Client, n int) {
	deadline := time.After(time.Minute)
	for {
		ready := 0
		for name, i := range c.State().Interfaces {
			if name != "br-int" && i.OFPort > 0 {
				ready++
			}
		}
		if ready == n {
			return
		}
		select {
		case <-c.Changes():
		case <-deadline:
			b.Fatalf("%d of %d ports have a number", ready, n)
		}
	}
}

func vsctlPorts(b *testing.B, sw *ovstest.Switch, c *ovsdb.Client, n int) time.Duration {
	var add []string
	for i := range n {
		p := tap(i)
		add = append(add, "--", "add-port", p.Bridge, p.Name, "--", "set", "Interface", p.Name, "type=internal")
		for k, v := range p.ExternalIDs {
			add = append(add, "external_ids:"+k+"="+strings.ReplaceAll(v, ":", `\:`))
		}
	}
	began := time.Now()
	sw.Vsctl(add...)
	took := time.Since(began)
	removePorts(b, c, n)
	return took
}
