package lab

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"
	for _, tc := range []struct {
		name, line string
		start      uint64
		bad        bool
	}{
		{"an ordinary name", "12 (sh)" + tail, 4242, false},
		{"a name with spaces and parentheses", "12 (a) S (b)" + tail, 4242, false},
		{"a cut line", "12 (sh) S 1 2", 0, true},
		{"no name", "12 sh S 1 2", 0, true},
		{"a start time that is no number", "12 (sh)" + strings.Replace(tail, "4242", "x", 1), 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start, state, err := parseStat([]byte(tc.line))
			if (err != nil) != tc.bad || start != tc.start || (!tc.bad && state != 'S') {
				t.Fatalf("start %d, state %c, error %v", start, state, err)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"))
	f.Add([]byte(")"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _ = parseStat(b) })
}

// sleeper starts a process that lasts, with the mark in its environment.
func sleeper(t *testing.T, mark string, argv ...string) Process {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), markVariable+"="+mark)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	p := Process{Name: argv[0], PID: cmd.Process.Pid}
	var err error
	if p.Start, _, err = procStat(p.PID); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMarkedFindsOnlyTheLabsProcesses(t *testing.T) {
	ours := sleeper(t, "mark-a", "sleep", "60")
	sleeper(t, "mark-ab", "sleep", "60")
	var ps []Process
	// The environment shows once the process has left its starter's image.
	for range 100 {
		var err error
		if ps, err = marked("mark-a"); err != nil {
			t.Fatal(err)
		}
		if len(ps) == 1 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if len(ps) != 1 || ps[0].PID != ours.PID || ps[0].Start != ours.Start {
		t.Fatalf("found %+v, want process %d", ps, ours.PID)
	}
}

func TestStopAllEndsAProcessThatIgnoresTheRequest(t *testing.T) {
	p := sleeper(t, "x", "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
	time.Sleep(50 * time.Millisecond)
	if err := stopAll(context.Background(), []Process{p}, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Fatal("the process is alive")
	}
}

func TestSignalsNeverReachALaterProcessOfTheSameNumber(t *testing.T) {
	p := sleeper(t, "x", "sleep", "60")
	earlier := p
	earlier.Start--
	if earlier.Alive() {
		t.Fatal("a process with another start time counts as alive")
	}
	if err := stopAll(context.Background(), []Process{earlier}, time.Second); err != nil {
		t.Fatal(err)
	}
	if !p.Alive() {
		t.Fatal("the wrong process was stopped")
	}
}
