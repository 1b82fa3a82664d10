package lab

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childVariable makes the test program build a lab and wait, so that it can be
// killed on the way.
const childVariable = "LEPTON_LAB_TEST_UP"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		topo, err := LoadTopology("three-node")
		if err == nil {
			_, err = Up(context.Background(), topo, Options{Name: filepath.Base(dir), Dir: filepath.Dir(dir), Bare: true})
		}
		if err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// unique gives a name that no other run of the tests has.
func unique(name string) string { return name + "-" + strconv.Itoa(os.Getpid()) }

// shortDir gives a directory whose path leaves room for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "labt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func needRoot(t *testing.T) {
	t.Helper()
	if err := checkRoot(); err != nil {
		t.Fatal(err)
	}
}

// leftovers lists what is there of a lab that should be gone.
func leftovers(t *testing.T, name, dir, mark string) []string {
	t.Helper()
	left, err := namespaces(name + "-")
	if err != nil {
		t.Fatal(err)
	}
	ps, err := marked(mark)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		cmdline, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "cmdline"))
		left = append(left, strings.ReplaceAll(string(cmdline), "\x00", " "))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, filepath.Join(dir, e.Name()))
	}
	return left
}

func TestBareLabCarriesPacketsAndLeavesNothing(t *testing.T) {
	needRoot(t)
	for _, tc := range []struct {
		name, topology string
	}{
		{"over an IPv4 underlay", "underlay_ip: 4"},
		{"over an IPv6 underlay with large packets", "underlay_ip: 6\nmtu: 9000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topo, err := ParseTopology("t.yaml", []byte(tc.topology+`
physical_networks: [{name: physnet1}]
hosts:
  - { name: a, roles: [controller] }
  - { name: b, roles: [compute] }
`))
			if err != nil {
				t.Fatal(err)
			}
			dir, name := shortDir(t), unique("labt1")
			l, err := Up(t.Context(), topo, Options{Name: name, Dir: dir, Bare: true})
			if err != nil {
				t.Fatal(err)
			}
			down := func() {
				if err := l.Down(context.Background()); err != nil {
					t.Error(err)
				}
			}
			t.Cleanup(down)
			pingAcross(t, l)
			if _, err := Up(t.Context(), topo, Options{Name: name, Dir: dir, Bare: true}); !errors.Is(err, ErrExists) {
				t.Errorf("a second lab of the name: %v", err)
			}
			if _, err := Up(t.Context(), topo, Options{Name: name, Dir: shortDir(t), Bare: true}); !errors.Is(err, ErrExists) {
				t.Errorf("a lab of the name elsewhere: %v", err)
			}
			down()
			down()
			if left := leftovers(t, name, dir, l.mark); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// pingAcross checks the management network and the underlay, whole packets
// without duplicates, also after a restart of Open vSwitch.
func pingAcross(t *testing.T, l *Lab) {
	t.Helper()
	a, err := l.Place("a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.host("b")
	if err != nil {
		t.Fatal(err)
	}
	check := func(to netip.Addr) {
		t.Helper()
		var r PingResult
		var err error
		// A switch that has just been started may take a moment on a busy machine.
		for range 10 {
			r, err = a.Ping(t.Context(), to, Ping{Size: l.plan.Topology.MTU, DontFragment: true, Interval: 20 * time.Millisecond})
			if err != nil || r.Lost() == 0 {
				break
			}
		}
		if err != nil || r.Lost() > 0 || r.Duplicates > 0 || r.Errors > 0 {
			t.Errorf("ping %s: %+v, %v", to, r, err)
		}
	}
	check(b.Mgmt.Addr())
	check(b.Tunnel.Addr())
	if err := l.Stop(t.Context(), "b", ovsVswitchd, true); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), "b", ovsVswitchd); err != nil {
		t.Fatal(err)
	}
	check(b.Tunnel.Addr())
	if l.plan.Datapath == "netdev" {
		pauseSwitch(t, l, a, b)
	}
}

// pauseSwitch has a switch wait for the processor longer than its own buffers
// last.
func pauseSwitch(t *testing.T, l *Lab, a *Place, b *HostPlan) {
	t.Helper()
	to, err := l.Place("b")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.HoldMuch(); n == 0 || err != nil {
		t.Fatalf("%d sockets hold much: %v", n, err)
	}
	p, err := l.find("b", ovsVswitchd)
	if err != nil {
		t.Fatal(err)
	}
	s, err := StartStream(t.Context(), Flow{From: a, To: to, Address: netip.AddrPortFrom(b.Tunnel.Addr(), 5001)})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // some arrive, so that the pause is a gap
	if err := p.signal(unix.SIGSTOP); err != nil {
		t.Error(err)
	}
	time.Sleep(600 * time.Millisecond)
	if err := p.signal(unix.SIGCONT); err != nil {
		t.Error(err)
	}
	time.Sleep(200 * time.Millisecond)
	r, err := s.Stop()
	if err != nil || r.Lost() > 0 || r.LongestGap < 500*time.Millisecond {
		t.Errorf("a switch that stood still for 0.6 s: %d of %d packets lost, %+v, %v", r.Lost(), r.Sent, r, err)
	}
}

// TestDownAfterACrashAtAnyMoment kills the builder of a lab after random
// times, up to the time that a whole build takes.
func TestDownAfterACrashAtAnyMoment(t *testing.T) {
	needRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var times []time.Duration
	for range 12 {
		times = append(times, time.Duration(rand.IntN(300))*time.Millisecond)
	}
	slices.Sort(times)
	for _, after := range times {
		dir := shortDir(t)
		name := unique("labt2")
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childVariable+"="+filepath.Join(dir, name))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		mark := "none"
		if s, err := (ledger{filepath.Join(dir, name)}).read(); err == nil {
			mark = s.Mark
		}
		if err := Down(t.Context(), name, dir); err != nil {
			t.Fatalf("killed after %s: %v", after, err)
		}
		if left := leftovers(t, name, dir, mark); len(left) > 0 {
			t.Fatalf("killed after %s, left behind: %v", after, left)
		}
	}
}

func TestACancelledBuildIsTakenDown(t *testing.T) {
	needRoot(t)
	topo, err := LoadTopology("three-node")
	if err != nil {
		t.Fatal(err)
	}
	dir, name := shortDir(t), unique("labt3")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if _, err := Up(ctx, topo, Options{Name: name, Dir: dir, Bare: true}); err == nil {
		t.Fatal("a build was faster than 60 ms")
	}
	if left := leftovers(t, name, dir, "none"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDownLeavesAnothersNamespaceAlone(t *testing.T) {
	needRoot(t)
	name := unique("labt4")
	if err := createNetns(name, "somebody else", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := deleteNetns(name, "somebody else"); err != nil {
			t.Error(err)
		}
	})
	if err := deleteNetns(name, "ours"); err != nil {
		t.Fatal(err)
	}
	if _, exists, err := netnsMark(name); err != nil || !exists {
		t.Fatalf("the namespace is gone: %v", err)
	}
}
