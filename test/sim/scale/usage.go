package scale

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process takes.
type usage struct {
	resident, peak int           // MiB
	cpu            time.Duration // user and system, since it began
}

// clockTick is what /proc counts processor time in: USER_HZ is 100 on every
// Linux that Go runs on.
const clockTick = 10 * time.Millisecond

func (p *process) usage() (u usage, err error) {
	pid := p.cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.Atoi(f[1])
		switch f[0] {
		case "VmRSS:":
			u.resident = kib >> 10
		case "VmHWM:":
			u.peak = kib >> 10
		}
	}
	text, err = os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The fields behind the name, which may hold spaces: proc(5).
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) < 13 {
		return u, fmt.Errorf("/proc/%d/stat has %d fields behind the name", pid, len(f))
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	u.cpu = time.Duration(user+system) * clockTick
	return u, nil
}

// ownTime is the processor time of this process, which is that of all agents.
func ownTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0 // it cannot fail for the process itself: getrusage(2)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// forgetPeak begins a new measurement of the peak of resident memory.
func (p *process) forgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0)
}

// metric reads a figure of the controller's own, summed over its labels.
func (c *control) metric(ctx context.Context, name string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := c.api.HTTP.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	sum, found := 0.0, false
	s := bufio.NewScanner(res.Body)
	for s.Scan() {
		key, value, ok := strings.Cut(s.Text(), " ")
		if base, _, _ := strings.Cut(key, "{"); !ok || base != name {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("the controller has no metric %s", name)
	}
	return sum, s.Err()
}

// profile writes a profile of the controller's to a file of that name, where
// profiles are wanted; one of the processor's time covers the seconds that follow.
func (w *world) profile(ctx context.Context, name string, seconds int) error {
	if w.o.Profiles == "" {
		return nil
	}
	url := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", w.control.metrics, name, seconds)
	if seconds == 0 {
		url = fmt.Sprintf("http://%s/debug/pprof/%s", w.control.metrics, name)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := w.control.api.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.Create(filepath.Join(w.o.Profiles, name+".pprof"))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, res.Body)
	return errors.Join(err, f.Close())
}

// enoughFiles raises the limit of open files to what n agents need, here and in
// the controller, which inherits it.
func enoughFiles(n int) error {
	need := uint64(2*n + 512)
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Cur >= need {
		return nil
	}
	if l.Max < need {
		return fmt.Errorf("%d agents need %d open files, and the limit is %d: raise it with ulimit -n", n, need, l.Max)
	}
	l.Cur = need
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}
