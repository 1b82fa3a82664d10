package child

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// supervisor makes one with short delays, whose children end with the test.
func supervisor(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s, err := New(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s.timing = timing{first: 20 * time.Millisecond, max: 80 * time.Millisecond, steady: time.Minute, grace: 300 * time.Millisecond, look: 5 * time.Millisecond}
	t.Cleanup(func() {
		s.Close()
		s.mu.Lock()
		s.closed, s.children = false, map[string]*child{}
		s.mu.Unlock()
		names, _ := s.Names()
		for _, n := range names {
			_ = s.Stop(context.Background(), n)
		}
		s.Close()
	})
	return s
}

func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ready() {
			return
		}
	}
	t.Fatalf("wait for %s: not there", what)
}

func running(t *testing.T, s *Supervisor, name string) int {
	t.Helper()
	var st Status
	await(t, name+" to run", func() bool { st, _ = s.Status(name); return st.PID != 0 })
	return st.PID
}

func gone(pid int) bool {
	_, err := startOf(pid)
	return err != nil
}

func ensure(t *testing.T, s *Supervisor, spec Spec) {
	t.Helper()
	if err := s.Ensure(spec); err != nil {
		t.Fatal(err)
	}
}

func TestAChildRunsInItsNamespaceAndIsStopped(t *testing.T) {
	ns := linuxtest.Namespace(t)
	s := supervisor(t, t.TempDir())
	ensure(t, s, Spec{Name: "a", Namespace: ns, Path: "sleep", Args: []string{"1000"}})
	pid := running(t, s, "a")
	is, _ := os.Stat("/proc/" + strconv.Itoa(pid) + "/ns/net")
	want, err := os.Stat(netns.Path(ns))
	if err != nil || !os.SameFile(is, want) {
		t.Fatalf("it is elsewhere: %v", err)
	}
	ensure(t, s, Spec{Name: "a", Namespace: ns, Path: "sleep", Args: []string{"1000"}})
	if again := running(t, s, "a"); again != pid {
		t.Fatalf("asked twice, it runs as %d and %d", pid, again)
	}
	if err := s.Stop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Fatal("it still runs")
	}
	if names, err := s.Names(); err != nil || len(names) != 0 {
		t.Fatalf("left %v, %v", names, err)
	}
	if err := s.Stop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
}

func TestAChildThatEndsIsStartedAgainWithADelay(t *testing.T) {
	s := supervisor(t, t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	ensure(t, s, Spec{Name: "a", Path: "sh", Args: []string{"-c", "echo once; exit 3"}, Log: log})
	await(t, "restarts", func() bool { st, _ := s.Status("a"); return st.Restarts >= 3 })
	st, _ := s.Status("a")
	if !strings.Contains(st.Error, "status 3") {
		t.Errorf("it ended how? %q", st.Error)
	}
	if b, _ := os.ReadFile(log); strings.Count(string(b), "once") < 3 {
		t.Errorf("the log has %q", b)
	}
	ensure(t, s, Spec{Name: "b", Path: "no-such-program"})
	await(t, "an error", func() bool { st, _ := s.Status("b"); return strings.Contains(st.Error, "no-such-program") })
	// A killed one too.
	ensure(t, s, Spec{Name: "c", Path: "sleep", Args: []string{"1000"}})
	pid := running(t, s, "c")
	_ = syscall.Kill(pid, syscall.SIGKILL)
	await(t, "another pid", func() bool { st, _ := s.Status("c"); return st.PID != 0 && st.PID != pid })
}

func TestALogStaysShortHoweverMuchAChildPrints(t *testing.T) {
	s := supervisor(t, t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	// 100 kB, a hundred times: as much as a guest's packets make radvd complain.
	const script = `i=0; while [ $i -lt 100 ]; do i=$((i+1)); head -c 100000 /dev/zero | tr '\0' x; sleep 0.01; done; echo last; exec sleep 1000`
	ensure(t, s, Spec{Name: "a", Path: "sh", Args: []string{"-c", script}, Log: log})
	pid := running(t, s, "a")
	var most int64
	await(t, "all to be printed", func() bool {
		if st, err := os.Stat(log); err == nil {
			most = max(most, st.Size())
		}
		b, _ := os.ReadFile(log)
		return strings.HasSuffix(string(b), "last\n")
	})
	if most > 3*maxLog {
		t.Errorf("the log grew to %d bytes", most)
	}
	b, err := os.ReadFile(log)
	if err != nil || len(b) > maxLog || strings.Contains(string(b), "\x00") {
		t.Errorf("%d bytes are left, with a hole: %t, %v", len(b), strings.Contains(string(b), "\x00"), err)
	}
	if again := running(t, s, "a"); again != pid {
		t.Errorf("the child was restarted")
	}
}

func TestTheNextAgentAdoptsWhatRuns(t *testing.T) {
	dir := t.TempDir()
	first := supervisor(t, dir)
	spec := Spec{Name: "a", Path: "sleep", Args: []string{"1000"}, Config: "1"}
	ensure(t, first, spec)
	pid := running(t, first, "a")
	first.Close()
	if gone(pid) {
		t.Fatal("it ended with its supervisor")
	}
	if err := first.Ensure(spec); err == nil {
		t.Fatal("a closed supervisor takes children")
	}
	second := supervisor(t, dir)
	ensure(t, second, spec)
	if got := running(t, second, "a"); got != pid {
		t.Fatalf("started again as %d, was %d", got, pid)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	await(t, "another pid", func() bool { st, _ := second.Status("a"); return st.PID != 0 && st.PID != pid })
}

func TestAnOrphanWhosePidWasNotWrittenIsFound(t *testing.T) {
	dir := t.TempDir()
	first := supervisor(t, dir)
	spec := Spec{Name: "a", Path: "sleep", Args: []string{"1000"}}
	ensure(t, first, spec)
	pid := running(t, first, "a")
	first.Close()
	r, _ := first.read("a")
	r.PID, r.Start = 0, 0
	if err := first.write("a", r); err != nil {
		t.Fatal(err)
	}
	second := supervisor(t, dir)
	ensure(t, second, spec)
	if got := running(t, second, "a"); got != pid {
		t.Fatalf("started again as %d, was %d", got, pid)
	}
}

func TestAPidThatIsAnotherProcessIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	s := supervisor(t, dir)
	ensure(t, s, Spec{Name: "innocent", Path: "sleep", Args: []string{"1000"}})
	pid := running(t, s, "innocent")
	if err := s.write("a", record{PID: pid, Start: 1, Boot: s.boot, Command: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := s.write("b", record{PID: pid, Start: 1, Boot: "another boot", Command: "x"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := s.Stop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if err := s.Signal(name, syscall.SIGKILL); err == nil {
			t.Error("signalled")
		}
	}
	if gone(pid) {
		t.Fatal("an innocent process was stopped")
	}
}

func TestNewFilesReloadAndAnotherCommandRestarts(t *testing.T) {
	s := supervisor(t, t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	const script = `trap 'echo reloaded' HUP; echo started; while :; do sleep 0.02; done`
	spec := Spec{Name: "a", Path: "sh", Args: []string{"-c", script}, Config: "1", Reload: syscall.SIGHUP, Log: log}
	ensure(t, s, spec)
	pid := running(t, s, "a")
	logged := func(text string) bool { b, _ := os.ReadFile(log); return strings.Contains(string(b), text) }
	await(t, "the trap", func() bool { return logged("started") })
	spec.Config = "2"
	ensure(t, s, spec)
	await(t, "a reload", func() bool { return logged("reloaded") })
	if got := running(t, s, "a"); got != pid {
		t.Fatalf("restarted as %d, was %d", got, pid)
	}
	spec.Args = []string{"-c", script + " # another"}
	ensure(t, s, spec)
	await(t, "another pid", func() bool { st, _ := s.Status("a"); return st.PID != 0 && st.PID != pid })
	if !gone(pid) {
		t.Fatal("the old one still runs")
	}
}

func TestAChildThatIgnoresTermIsKilled(t *testing.T) {
	s := supervisor(t, t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	ensure(t, s, Spec{Name: "a", Path: "sh", Args: []string{"-c", `trap '' TERM; echo ready; while :; do sleep 0.02; done`}, Log: log})
	pid := running(t, s, "a")
	await(t, "the trap", func() bool { b, _ := os.ReadFile(log); return len(b) > 0 })
	if err := s.Stop(t.Context(), "a"); err != nil || !gone(pid) {
		t.Fatalf("stopped: %v, gone %v", err, gone(pid))
	}
}

func TestAChildFollowsANamespaceThatWasMadeAnew(t *testing.T) {
	dir, ns := t.TempDir(), linuxtest.Namespace(t)
	first := supervisor(t, dir)
	spec := Spec{Name: "a", Namespace: ns, Path: "sleep", Args: []string{"1000"}}
	ensure(t, first, spec)
	pid := running(t, first, "a")
	first.Close()
	if err := netns.Delete(ns, linuxtest.Owner); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.Ensure(ns, linuxtest.Owner); err != nil {
		t.Fatal(err)
	}
	second := supervisor(t, dir)
	ensure(t, second, spec)
	await(t, "another pid", func() bool { st, _ := second.Status("a"); return st.PID != 0 && st.PID != pid })
}

func TestBadSpecsAreRefused(t *testing.T) {
	s := supervisor(t, t.TempDir())
	for _, spec := range []Spec{{}, {Name: "a"}, {Name: "../a", Path: "x"}, {Name: ".a", Path: "x"}, {Name: "a", Path: "x\x00"}} {
		if err := s.Ensure(spec); err == nil {
			t.Errorf("%+v was taken", spec)
		}
	}
}
