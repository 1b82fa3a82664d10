package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/lab"
)

// ctl runs leptonctl on labs under dir and gives its output and exit code.
func ctl(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(BinDir(), "leptonctl"), append([]string{"--dir", dir}, args...)...).CombinedOutput()
	code, ran := lab.ExitCode(err)
	if err != nil && !ran {
		t.Fatal(err)
	}
	return string(out), code
}

func TestLabComesUpInSecondsAndLeavesNothing(t *testing.T) {
	dir, name := shortDir(t), uniqueName()
	before := Look(t, name, dir)
	t.Cleanup(func() {
		if err := lab.Down(context.Background(), name, dir); err != nil {
			t.Error(err)
		}
	})

	start := time.Now()
	out, code := ctl(t, dir, "lab", "up", "--name", name)
	took := time.Since(start)
	if code != 0 {
		t.Fatalf("lab up exits %d:\n%s", code, out)
	}
	t.Logf("three nodes up in %s:\n%s", took, out)
	if took > 10*time.Second {
		t.Errorf("three nodes took %s, more than seconds", took)
	}

	out, code = ctl(t, dir, "lab", "status", "-o", "json")
	var status lab.Status
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 {
		t.Fatalf("lab status exits %d, %v:\n%s", code, err, out)
	}
	for _, h := range status.Hosts {
		if h.Agent != "alive" {
			t.Errorf("agent on %s is %s", h.Name, h.Agent)
		}
	}
	if out, code = ctl(t, dir, "agents", "--lab", name); code != 0 || !strings.Contains(out, "hv2") {
		t.Errorf("agents exits %d:\n%s", code, out)
	}
	if out, code = ctl(t, dir, "lab", "exec", "hv1", "--", "ovs-vsctl", "br-exists", "br-int"); code != 0 {
		t.Errorf("hv1 has no br-int: exit code %d:\n%s", code, out)
	}

	for range 2 {
		if out, code = ctl(t, dir, "lab", "down", "--name", name); code != 0 {
			t.Fatalf("lab down exits %d:\n%s", code, out)
		}
	}
	if diff := cmp.Diff(before, Look(t, name, dir)); diff != "" {
		t.Errorf("left behind (+):\n%s", diff)
	}
}

// TestLabDownAfterACrash kills leptonctl at random moments of `lab up`, from
// its first instant to the time that the whole takes.
func TestLabDownAfterACrash(t *testing.T) {
	var moments []time.Duration
	for range 8 {
		moments = append(moments, time.Duration(rand.IntN(1500))*time.Millisecond)
	}
	slices.Sort(moments)
	for _, after := range moments {
		dir, name := shortDir(t), uniqueName()
		before := Look(t, name, dir)
		cmd := exec.Command(filepath.Join(BinDir(), "leptonctl"), "--dir", dir, "lab", "up", "--name", name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		if err := cmd.Process.Kill(); err != nil {
			t.Logf("killed after %s: %v", after, err) // it was up already
		}
		_ = cmd.Wait() // killed
		if out, code := ctl(t, dir, "lab", "down", "--name", name); code != 0 {
			t.Fatalf("killed after %s, lab down exits %d:\n%s", after, code, out)
		}
		if diff := cmp.Diff(before, Look(t, name, dir)); diff != "" {
			t.Fatalf("killed after %s, left behind (+):\n%s", after, diff)
		}
	}
}

func TestAFailedLabUpSaysWhyAndLeavesNothing(t *testing.T) {
	dir, name := shortDir(t), uniqueName()
	topo, err := lab.LoadTopology("single")
	if err != nil {
		t.Fatal(err)
	}
	topo.Controller = map[string]any{"netwrok": map[string]any{}}
	_, err = lab.Up(t.Context(), topo, lab.Options{Name: name, Dir: dir, BinDir: BinDir()})
	if err == nil || !strings.Contains(err.Error(), "netwrok") || errors.Is(err, lab.ErrUsage) {
		t.Errorf("error %v does not show what the controller said", err)
	}
	if m := Look(t, name, dir); len(m.Namespaces)+len(m.Processes)+len(m.Files) > 0 {
		t.Errorf("left behind: %+v", m)
	}
}
