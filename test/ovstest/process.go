package ovstest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child that dies with the test process.
type process struct {
	pid  int
	done chan struct{}
}

// start runs a program in the background.
func (s *Switch) start(name string, args ...string) *process {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = s.Env()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the child ends,
		// so this one has to outlive it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("start %s: %v", name, err)
	}
	p.pid = cmd.Process.Pid
	return p
}

// stop kills the process and waits for its end.
func (p *process) stop() {
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	<-p.done
}
