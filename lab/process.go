package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// markVariable is the environment variable by which a lab's processes, and
// what they start in turn, are told from all others.
const markVariable = "LEPTON_LAB"

// Process is a program that the lab started. A number alone is not an
// identity: numbers are used again, so the start time goes with it.
type Process struct {
	Name string   `json:"name"` // ovsdb-server, ovs-vswitchd, controller, agent
	Host string   `json:"host"`
	Argv []string `json:"argv"`
	Log  string   `json:"log"`
	PID  int      `json:"pid"` // 0: about to start, or stopped on purpose
	// Start is the start time in clock ticks since boot (proc(5), stat field 22).
	Start uint64 `json:"start"`
}

// Alive reports whether the very process still runs. One that was killed does
// until the last of its threads has ended: until then it holds its locks.
func (p Process) Alive() bool {
	if p.PID == 0 {
		return false
	}
	start, state, err := procStat(p.PID)
	return err == nil && start == p.Start && (state != 'Z' || threads(p.PID) > 1)
}

// threads counts those that a process still has.
func threads(pid int) int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0
	}
	return len(tasks)
}

// procStat reads the start time and the state of a process.
func procStat(pid int) (start uint64, state byte, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStat(b)
}

// parseStat reads proc(5)'s stat line. The program's name stands in
// parentheses and may itself hold spaces and parentheses.
func parseStat(b []byte) (start uint64, state byte, err error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, errors.New("parse process status: no program name")
	}
	f := strings.Fields(string(b[i+1:]))
	const startField = 22 - 3 // the first field after the name is number 3
	if len(f) <= startField {
		return 0, 0, fmt.Errorf("parse process status: %d fields after the name", len(f))
	}
	start, err = strconv.ParseUint(f[startField], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("parse process status: start time: %w", err)
	}
	return start, f[0][0], nil
}

// launch starts a program in a namespace, in a session of its own, with its
// output appended to p.Log, and fills in p's identity.
func launch(p *Process, ns string, env []string) error {
	if err := os.MkdirAll(filepath.Dir(p.Log), 0o755); err != nil {
		return fmt.Errorf("start %s on %s: %w", p.Name, p.Host, err)
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s on %s: %w", p.Name, p.Host, err)
	}
	defer log.Close()
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = env, log, log, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := inside(ns, cmd.Start); err != nil {
		return fmt.Errorf("start %s on %s: %w", p.Name, p.Host, err)
	}
	p.PID = cmd.Process.Pid
	p.Start, _, err = procStat(p.PID)
	// Whoever outlives the program collects it; the result is read from its log.
	go func() { _ = cmd.Wait() }()
	if err != nil {
		return fmt.Errorf("start %s on %s: it ended at once, see %s: %w", p.Name, p.Host, p.Log, err)
	}
	return nil
}

// marked lists every process that carries the mark, except this one and those
// it runs under: a lab may be taken down from a shell inside it.
func marked(mark string) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	own := ancestors()
	want := []byte(markVariable + "=" + mark)
	var out []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || slices.Contains(own, pid) {
			continue
		}
		// A process that ends meanwhile has no environment to read.
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || !slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return bytes.Equal(v, want) }) {
			continue
		}
		start, state, err := procStat(pid)
		if err != nil || state == 'Z' {
			continue
		}
		out = append(out, Process{PID: pid, Start: start})
	}
	return out, nil
}

// ancestors lists this process, its parent, and so on.
func ancestors() []int {
	var out []int
	for pid := os.Getpid(); pid > 1 && len(out) < 64; {
		out = append(out, pid)
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			break
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 2 {
			break
		}
		pid, _ = strconv.Atoi(f[1])
	}
	return out
}

// signal sends a signal to exactly that process, never to a later one with the
// same number. A process that is gone is fine.
func (p Process) signal(sig unix.Signal) error {
	fd, err := p.handle()
	if fd < 0 {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to %s (process %d): %w", unix.SignalName(sig), p.Name, p.PID, err)
	}
	return nil
}

// handle opens the process; -1 when it is gone.
func (p Process) handle() (int, error) {
	if p.PID == 0 {
		return -1, nil
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", p.PID, err)
	}
	// Checked after the handle is held, so the number cannot change hands.
	if !p.Alive() {
		unix.Close(fd)
		return -1, nil
	}
	return fd, nil
}

// wait returns when the process has ended or the context is done.
func (p Process) wait(ctx context.Context) error {
	fd, err := p.handle()
	if fd < 0 {
		return err
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 50)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for process %d: %w", p.PID, err)
		}
		if n > 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s (process %d) to end: %w", p.Name, p.PID, ctx.Err())
		}
	}
}

// stopAll ends processes: politely, and after the grace period for good.
func stopAll(ctx context.Context, ps []Process, grace time.Duration) error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, p.signal(unix.SIGTERM))
	}
	polite, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for _, p := range ps {
		if p.wait(polite) == nil {
			continue
		}
		errs = append(errs, p.signal(unix.SIGKILL))
		if err := p.wait(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// tail gives the last lines of a log, to be shown with an error.
func tail(path string, lines int) string {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
