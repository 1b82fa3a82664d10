package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/lab"
)

// patience is how long anything in a cloud may take.
const patience = 30 * time.Second

// Cloud is a lab of a test.
type Cloud struct {
	testing.TB
	Lab *lab.Lab
}

// Start builds a lab from the name or the text of a topology, takes it down
// when the test ends, and shows what happened in it when the test has failed.
func Start(t testing.TB, topology string) *Cloud {
	t.Helper()
	return StartWrapped(t, topology, nil)
}

// StartWrapped is Start where programs are started as wrap says, see lab.Options.
func StartWrapped(t testing.TB, topology string, wrap func(host, program string, argv []string) []string) *Cloud {
	t.Helper()
	var topo lab.Topology
	var err error
	if strings.Contains(topology, "\n") {
		topo, err = lab.ParseTopology("test.yaml", []byte(topology))
	} else {
		topo, err = lab.LoadTopology(topology)
	}
	if err != nil {
		t.Fatal(err)
	}
	return startLab(t, topo, lab.Options{Wrap: wrap})
}

// StartTopology is Start for a topology that is at hand.
func StartTopology(t testing.TB, topo lab.Topology) *Cloud {
	t.Helper()
	return startLab(t, topo, lab.Options{})
}

func startLab(t testing.TB, topo lab.Topology, opts lab.Options) *Cloud {
	t.Helper()
	opts.Name, opts.Dir, opts.BinDir = uniqueName(), shortDir(t), BinDir()
	l, err := lab.Up(t.Context(), topo, opts)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cloud{TB: t, Lab: l}
	t.Cleanup(func() {
		// The test's own context is done by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			c.explain(ctx)
		}
		if err := l.Down(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// in gives the cloud to a part of the test, which fails by itself.
func (c *Cloud) in(t testing.TB) *Cloud { return &Cloud{TB: t, Lab: c.Lab} }

// BinDir gives the directory of the programs under test.
func BinDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "bin")
}

// uniqueName lets tests run beside each other and beside leftovers.
func uniqueName() string { return "e2e-" + uuid.NewString()[:6] }

// shortDir gives a directory whose path leaves room for sockets.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// explain shows what a person would look at first.
func (c *Cloud) explain(ctx context.Context) {
	for _, h := range c.Lab.Plan().Hosts {
		for _, program := range []string{"controller", "agent"} {
			b, err := os.ReadFile(filepath.Join(h.Dir, program+".log"))
			if err != nil {
				continue
			}
			lines := strings.Split(strings.TrimSpace(string(b)), "\n")
			c.Logf("end of the log of %s on %s:\n%s", program, h.Name, strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
		p, err := c.Lab.Place(h.Name)
		if err != nil {
			continue
		}
		for _, argv := range [][]string{
			{"ovs-vsctl", "show"},
			{"ovs-ofctl", "dump-flows", "--names", "--no-stats", "br-int"},
			{"ovs-ofctl", "dump-flows", "--names", "--no-stats", "br-tun"},
		} {
			out, err := p.Exec(ctx, argv...)
			c.Logf("%s: %s (%v):\n%s", h.Name, strings.Join(argv, " "), err, out)
		}
	}
	agents, err := c.Lab.API().Agents(ctx)
	c.Logf("agents: %+v (%v)", agents, err)
}

// Must fails the test on an error.
func (c *Cloud) Must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// Exec runs a command on a host or in a guest and gives its output.
func (c *Cloud) Exec(place string, argv ...string) string {
	c.Helper()
	p, err := c.Lab.Place(place)
	c.Must(err)
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	out, err := p.Exec(ctx, argv...)
	c.Must(err)
	return out
}

// Flows gives a bridge's flows without counters, one a line, sorted by table
// and priority.
func (c *Cloud) Flows(host, bridge string) []string {
	c.Helper()
	out := c.Exec(host, "ovs-ofctl", "dump-flows", "--no-stats", "--no-names", bridge)
	return strings.Split(strings.TrimSpace(out), "\n")
}

// Eventually waits until f says nothing is wrong any more, and fails the test
// with its last words otherwise.
func (c *Cloud) Eventually(what string, f func() error) {
	c.Helper()
	deadline := time.Now().Add(patience)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("%s: not after %s: %v", what, patience, err)
		}
		time.Sleep(pause)
	}
}

// Restart stops a program, at once or politely, and starts it again.
func (c *Cloud) Restart(host, program string, hard bool) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 2*patience)
	defer cancel()
	c.Must(c.Lab.Stop(ctx, host, program, hard))
	c.Must(c.Lab.Start(ctx, host, program))
}

// AwaitInSync waits until the hosts' agents are alive and in sync.
func (c *Cloud) AwaitInSync(hosts ...string) {
	c.Helper()
	c.Eventually("agents in sync", func() error {
		agents, err := c.Lab.API().Agents(c.Context())
		if err != nil {
			return err
		}
		for _, h := range hosts {
			found := false
			for _, a := range agents {
				found = found || a.Host == h && a.Ready()
			}
			if !found {
				return fmt.Errorf("agent on %s: %+v", h, agents)
			}
		}
		return nil
	})
}
