package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// maxLog is the size in bytes at which a log is begun anew: what a program prints
// may be what somebody's packets make it print, and the directory may be memory.
const maxLog = 1 << 20

// process is a process that cannot be taken for another one.
type process struct {
	pid   int
	start uint64
	fd    *os.File // pidfd
	ended chan struct{}
	how   string // set before ended is closed
}

// openProcess gives the process with that pid and start, or nil.
func openProcess(pid int, start uint64) *process {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	if is, err := startOf(pid); err != nil || is != start {
		f.Close()
		return nil
	}
	p := &process{pid: pid, start: start, fd: f, ended: make(chan struct{})}
	go p.watch()
	return p
}

// watch waits for the end of the process, without holding a thread.
func (p *process) watch() {
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return
	}
	err = conn.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if err != nil { // closed: somebody else will look after it
		return
	}
	p.how = "ended"
	// Only the one who started it can know how, and has to clear it away.
	var status unix.WaitStatus
	if n, err := unix.Wait4(p.pid, &status, unix.WNOHANG, nil); err == nil && n == p.pid {
		switch {
		case status.Signaled():
			p.how = "was killed: " + status.Signal().String()
		default:
			p.how = fmt.Sprintf("ended with status %d", status.ExitStatus())
		}
	}
	close(p.ended)
}

// leave lets go of the process, which goes on.
func (p *process) leave() {
	_ = p.fd.Close()
}

func (p *process) signal(sig syscall.Signal) error {
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", sent)
}

// launch starts the program in a session of its own, so that nothing that
// happens to the agent's terminal or process group reaches it.
func (s *Supervisor) launch(spec Spec) (*process, error) {
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir = "/"
	cmd.Env = append(append(os.Environ(), spec.Env...), mark+s.file(spec.Name))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if spec.Log != "" {
		f, err := openLog(spec.Log)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.Stdout, cmd.Stderr = f, f
	}
	if err := netns.Do(spec.Namespace, cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	pid := cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }()
	start, err := startOf(pid)
	if err == nil {
		if p := openProcess(pid, start); p != nil {
			return p, nil
		}
	}
	_, _ = cmd.Process.Wait()
	return nil, fmt.Errorf("start %s: it ended at once", spec.Path)
}

func openLog(path string) (*os.File, error) {
	if _, err := trimLog(path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
}

// trimLog empties a log that has become too long. Whoever writes it appends, and
// goes on at its beginning.
func trimLog(path string) (did bool, err error) {
	if st, err := os.Stat(path); err != nil || st.Size() <= maxLog {
		return false, nil // one that is not there is not too long
	}
	return true, os.Truncate(path, 0)
}
