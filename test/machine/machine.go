package machine

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

//go:embed boot.sh
var bootScript string

// Times that a machine may take, on a loaded one.
const (
	bootTime = time.Minute
	runTime  = 5 * time.Minute
	stopTime = 20 * time.Second
)

// Options say what kind of machine it is.
type Options struct {
	// Name is its host name.
	Name string
	// Root is the directory that it sees as its own; this machine's unless set.
	Root string
	// Shares are directories of this machine that it can read, by where it sees
	// them.
	Shares map[string]string
}

// Machine is one that runs.
type Machine struct {
	t      testing.TB
	dir    string
	name   string
	pid    int // of its process 1, here
	cgroup string
}

// Boot starts a machine and waits until its basic services are there. It ends
// with the test.
func Boot(t testing.TB, o Options) *Machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("machines need root")
	}
	if o.Root == "" {
		o.Root = "/"
	}
	m := &Machine{t: t, name: o.Name, dir: t.TempDir()}
	m.cgroup = filepath.Join(hierarchy(), fmt.Sprintf("machine-%d-%s", os.Getpid(), filepath.Base(filepath.Dir(m.dir))+o.Name))
	if err := os.MkdirAll(m.cgroup, 0o755); err != nil {
		t.Skipf("no cgroup for a machine: %v", err)
	}
	script := filepath.Join(t.TempDir(), "boot.sh")
	if err := os.WriteFile(script, []byte(bootScript), 0o700); err != nil {
		t.Fatal(err)
	}
	console, err := os.Create(filepath.Join(t.TempDir(), "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	// The shell moves itself into the cgroup, which becomes the machine's root.
	cmd := exec.Command("/bin/sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, m.cgroup,
		"unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--cgroup", "--uts", "--ipc", "--net",
		script, o.Root, m.dir, o.Name)
	for target, source := range o.Shares {
		cmd.Args = append(cmd.Args, source, target)
	}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("boot %s: %v", o.Name, err)
	}
	t.Cleanup(func() { m.halt(cmd) })
	m.await(cmd.Process.Pid, console.Name())
	return m
}

// hierarchy gives the cgroup directory that systemd uses.
func hierarchy() string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return "/sys/fs/cgroup"
	}
	return "/sys/fs/cgroup/systemd"
}

// await waits until process 1 runs and its services are started.
func (m *Machine) await(unshare int, console string) {
	m.t.Helper()
	deadline := time.Now().Add(bootTime)
	for time.Now().Before(deadline) {
		if m.pid == 0 {
			m.pid = onlyChild(unshare)
		}
		if m.pid != 0 {
			out, _ := m.command(context.Background(), "systemctl is-system-running").CombinedOutput()
			if s := strings.TrimSpace(string(out)); s == "running" || s == "degraded" {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	b, _ := os.ReadFile(console)
	m.t.Fatalf("%s has not booted in %v; its console:\n%s", m.name, bootTime, b)
}

// onlyChild gives the child of a process that has one.
func onlyChild(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return child
}

// halt ends all processes of the machine: they end with their process 1.
func (m *Machine) halt(unshare *exec.Cmd) {
	if m.pid != 0 {
		_ = syscall.Kill(m.pid, syscall.SIGKILL)
	}
	_ = syscall.Kill(-unshare.Process.Pid, syscall.SIGKILL)
	_ = unshare.Wait()
	for end := time.Now().Add(stopTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if removeTree(m.cgroup) == nil {
			return
		}
	}
	m.t.Errorf("cgroup %s of machine %s is still in use", m.cgroup, m.name)
}

// removeTree removes a cgroup with those below it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}

// command gives one that runs a line of shell in the machine.
func (m *Machine) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(m.pid), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive",
		"/bin/bash", "-c", "set -o pipefail; "+line)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Try runs a line of shell in the machine and gives what it printed.
func (m *Machine) Try(line string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runTime)
	defer cancel()
	out, err := m.command(ctx, line).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %s: %w", m.name, line, err)
	}
	return strings.TrimSpace(string(out)), err
}

// Run is Try, and ends the test when the line fails.
func (m *Machine) Run(line string) string {
	m.t.Helper()
	out, err := m.Try(line)
	if err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// Eventually runs a line until it succeeds.
func (m *Machine) Eventually(line string, within time.Duration) string {
	m.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		out, err := m.Try(line)
		if err == nil {
			return out
		}
		if time.Now().After(end) {
			m.t.Fatalf("%v, even after %v\n%s", err, within, out)
		}
	}
}

// For gives the machine for a subtest, which fails in its place.
func (m *Machine) For(t testing.TB) *Machine {
	of := *m
	of.t = t
	return &of
}

// Background is a line that runs beside others.
type Background struct {
	m    *Machine
	line string
	cmd  *exec.Cmd
	out  bytes.Buffer
}

// Start runs a line in the background.
func (m *Machine) Start(line string) *Background {
	m.t.Helper()
	b := &Background{m: m, line: line, cmd: m.command(m.t.Context(), line)}
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.out
	if err := b.cmd.Start(); err != nil {
		m.t.Fatalf("%s: %s: %v", m.name, line, err)
	}
	return b
}

// Wait gives what the line printed when it has ended.
func (b *Background) Wait() string {
	b.m.t.Helper()
	if err := b.cmd.Wait(); err != nil {
		b.m.t.Fatalf("%s: %s: %v\n%s", b.m.name, b.line, err, b.out.String())
	}
	return b.out.String()
}

// Put copies files of this machine into a directory of it.
func (m *Machine) Put(dir string, files ...string) {
	m.t.Helper()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			m.t.Fatal(err)
		}
		m.Write(filepath.Join(dir, filepath.Base(f)), string(b))
	}
}

// TryWrite makes a file in the machine.
func (m *Machine) TryWrite(path, content string) error {
	ctx, cancel := context.WithTimeout(context.Background(), runTime)
	defer cancel()
	cmd := m.command(ctx, fmt.Sprintf("mkdir -p %q && cat >%q", filepath.Dir(path), path))
	cmd.Stdin = strings.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: write %s: %w\n%s", m.name, path, err, out)
	}
	return nil
}

// Write is TryWrite, and ends the test when that fails.
func (m *Machine) Write(path, content string) {
	m.t.Helper()
	if err := m.TryWrite(path, content); err != nil {
		m.t.Fatal(err)
	}
}

// Wire joins two machines by a cable: the link here gets the name link, the
// other's end otherLink.
func (m *Machine) Wire(link string, other *Machine, otherLink string) {
	m.t.Helper()
	// Made in the one and moved to the other, so that nothing appears outside.
	m.Run(fmt.Sprintf("ip link add %s type veth peer name cable-end", link))
	ctx, cancel := context.WithTimeout(context.Background(), runTime)
	defer cancel()
	// The process id is one of this machine's, so only its network is entered.
	// A cable between two kernels carries packets whose checksums are left to a
	// NIC, which is not there: Open vSwitch's userspace datapath would drop them.
	move := fmt.Sprintf("ethtool -K %s tx off && ethtool -K cable-end tx off && ip link set cable-end netns %d name %s", link, other.pid, otherLink)
	out, err := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(m.pid), "-n", "/bin/sh", "-c", move).CombinedOutput()
	if err != nil {
		m.t.Fatalf("wire %s to %s: %v\n%s", m.name, other.name, err, out)
	}
}

// PID is the machine's process 1, as seen here: its namespaces are below
// /proc/PID/ns.
func (m *Machine) PID() int { return m.pid }
