package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// grace is how long a program may take to end when asked to.
const grace = 10 * time.Second

// children are the programs that were started and not yet stopped.
type children struct {
	dir     string
	env     []string
	running []*child
}

type child struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the program has been collected
}

// environment is what the programs get of their own: nothing of the caller's
// that could name another cloud, Python or proxy.
func environment(dir string) []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "LANG=C.UTF-8", "PYTHONWARNINGS=ignore",
		"OS_KEYSTONE_CONFIG_DIR=" + dir,
	}
}

// command prepares a program with its output in DIR/name.log, in a process
// group of its own.
func (c *children) command(ctx context.Context, name string, argv ...string) (*exec.Cmd, error) {
	log, err := os.OpenFile(c.log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd, nil
}

// log is the path of the log of a program.
func (c *children) log(name string) string { return filepath.Join(c.dir, name+".log") }

// do runs a program to its end. The end of its log is part of the error.
func (c *children) do(ctx context.Context, name string, argv ...string) error {
	cmd, err := c.command(ctx, name, argv...)
	if err != nil {
		return err
	}
	defer closeLog(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, c.tail(name))
	}
	return nil
}

// start leaves a program running until stop.
func (c *children) start(name string, argv ...string) (*child, error) {
	cmd, err := c.command(context.Background(), name, argv...)
	if err != nil {
		return nil, err
	}
	defer closeLog(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &child{name: name, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // told by the log
		close(p.ended)
	}()
	c.running = append(c.running, p)
	return p, nil
}

// closeLog closes this side of a program's log.
func closeLog(cmd *exec.Cmd) {
	if f, ok := cmd.Stdout.(*os.File); ok {
		_ = f.Close()
	}
}

// ready waits until the program answers, and fails when it ends before.
func (c *children) ready(ctx context.Context, p *child, answers func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s\n%s", p.name, p.cmd.ProcessState, c.tail(p.name))
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w\n%s", p.name, ctx.Err(), err, c.tail(p.name))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop ends the programs with all that they started, the youngest first.
func (c *children) stop() {
	for len(c.running) > 0 {
		p := c.running[len(c.running)-1]
		c.running = c.running[:len(c.running)-1]
		group := -p.cmd.Process.Pid
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(grace):
		}
		// What is left of the group; nothing, as a rule.
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-p.ended
	}
}

// tail gives the last lines of a program's log.
func (c *children) tail(name string) string {
	const lines = 15
	b, err := os.ReadFile(c.log(name))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// freeAddresses gives loopback addresses with ports that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	out := make([]string, n)
	for i := range out {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		// Held until all are found, so that no two are the same.
		defer l.Close()
		out[i] = l.Addr().String()
	}
	return out, nil
}
