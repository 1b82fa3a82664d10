package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// mark is the environment variable by which a process is found whose pid could
// not be written down.
const mark = "LEPTON_CHILD="

// record is the content of a child's file.
type record struct {
	// PID is 0 from before the process is started until its pid is known.
	PID int `json:"pid"`
	// Start is when the process started, in clock ticks after boot
	// (proc(5), /proc/pid/stat, field 22); Boot is which boot.
	Start   uint64 `json:"start"`
	Boot    string `json:"boot"`
	Command string `json:"command"`
	Config  string `json:"config"`
}

func (s *Supervisor) file(name string) string { return filepath.Join(s.dir, name+".json") }

func (s *Supervisor) write(name string, r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.dir, "."+name+".new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.file(name))
}

// read gives the child's file; ok is false when there is none, or none that
// can be read.
func (s *Supervisor) read(name string) (r record, ok bool) {
	b, err := os.ReadFile(s.file(name))
	return r, err == nil && json.Unmarshal(b, &r) == nil
}

func (s *Supervisor) forget(name string) error {
	if err := os.Remove(s.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// find opens the process that a record is about; nil when it is gone.
func (s *Supervisor) find(name string, r record) *process {
	if r.Boot != s.boot {
		return nil
	}
	if r.PID != 0 {
		return openProcess(r.PID, r.Start)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	want := mark + s.file(name)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || !strings.Contains("\x00"+string(env), "\x00"+want+"\x00") {
			continue
		}
		if start, err := startOf(pid); err == nil {
			return openProcess(pid, start)
		}
	}
	return nil
}

// startOf reads when a process started.
func startOf(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses and may hold anything.
	_, rest, ok := cutLast(string(b), ")")
	f := strings.Fields(rest)
	if !ok || len(f) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat cannot be read", pid)
	}
	if f[0] == "Z" || f[0] == "X" {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	return strconv.ParseUint(f[19], 10, 64)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// bootID names this boot of the machine.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// inside reports whether the process is in the named namespace; a namespace
// that was deleted and made again is another one.
func inside(pid int, namespace string) bool {
	path := "/proc/thread-self/ns/net"
	if namespace != "" {
		path = netns.Path(namespace)
	}
	var want, have unix.Stat_t
	return unix.Stat(path, &want) == nil && unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &have) == nil &&
		want.Ino == have.Ino && want.Dev == have.Dev
}
