package child

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Supervisor runs children. Its methods may be called from any goroutine.
type Supervisor struct {
	dir    string
	boot   string
	log    *zap.Logger
	timing timing

	mu       sync.Mutex
	closed   bool
	children map[string]*child
	wg       sync.WaitGroup
}

// timing holds the delays, which tests shorten.
type timing struct {
	first, max time.Duration // before a restart
	steady     time.Duration // a child that ran as long starts from first again
	grace      time.Duration // between SIGTERM and SIGKILL
	look       time.Duration // between two looks at a log
}

// New makes a Supervisor that keeps its children's files in dir, which it makes
// when it is not there. The directory must not survive a reboot needlessly, and
// must survive the agent: /run/lepton/children, say.
func New(dir string, log *zap.Logger) (*Supervisor, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory of children: %w", err)
	}
	boot, err := bootID()
	if err != nil {
		return nil, fmt.Errorf("read boot id: %w", err)
	}
	return &Supervisor{
		dir: dir, boot: boot, log: log, children: map[string]*child{},
		timing: timing{first: 500 * time.Millisecond, max: 30 * time.Second, steady: time.Minute, grace: 5 * time.Second, look: 2 * time.Second},
	}, nil
}

// child is the goroutine of one child.
type child struct {
	s    *Supervisor
	name string
	wake chan struct{} // the desired state changed
	quit chan struct{} // let go of the process
	done chan struct{} // the goroutine has ended

	mu     sync.Mutex
	spec   Spec
	stop   bool
	status Status

	// The goroutine's own.
	proc    *process
	running record
	wait    time.Duration
	trimmed time.Time // when it was last told that its log is too long
}

// ErrClosed says that the Supervisor has let go of its children.
var ErrClosed = errors.New("supervisor is closed")

// Ensure has the child run as spec says, and returns at once. See Status for
// what became of it.
func (s *Supervisor) Ensure(spec Spec) error {
	if err := spec.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	c := s.children[spec.Name]
	if c == nil {
		c = s.start(spec.Name, spec, false)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop {
		return fmt.Errorf("child %s is being stopped", spec.Name)
	}
	c.spec = spec
	c.poke()
	return nil
}

// start makes the goroutine of a child.
func (s *Supervisor) start(name string, spec Spec, stop bool) *child {
	c := &child{
		s: s, name: name, spec: spec, stop: stop, status: Status{Name: name},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	s.children[name] = c
	s.wg.Go(c.run)
	return c
}

func (c *child) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Stop ends the child, with SIGTERM and after a while with SIGKILL, also one
// that an earlier agent started, and waits until it is gone. One that is not
// there is fine.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	s.mu.Lock()
	c := s.children[name]
	switch {
	case s.closed:
		s.mu.Unlock()
		return ErrClosed
	case c == nil:
		if _, ok := s.read(name); !ok {
			s.mu.Unlock()
			return nil
		}
		c = s.start(name, Spec{Name: name}, true)
	}
	c.mu.Lock()
	c.stop = true
	c.mu.Unlock()
	c.poke()
	s.mu.Unlock()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop child %s: %w", name, ctx.Err())
	}
}

// Signal sends a signal to the child if it runs.
func (s *Supervisor) Signal(name string, sig syscall.Signal) error {
	r, ok := s.read(name)
	if !ok || r.PID == 0 || r.Boot != s.boot {
		return fmt.Errorf("signal child %s: it does not run", name)
	}
	p := openProcess(r.PID, r.Start)
	if p == nil {
		return fmt.Errorf("signal child %s: it does not run", name)
	}
	defer p.leave()
	return p.signal(sig)
}

// Status tells of a child; ok is false when nobody asked for it.
func (s *Supervisor) Status(name string) (st Status, ok bool) {
	s.mu.Lock()
	c := s.children[name]
	s.mu.Unlock()
	if c == nil {
		return Status{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, true
}

// Names gives the children that there are, sorted, those of an earlier agent
// included.
func (s *Supervisor) Names() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name := range s.children {
		out = append(out, name)
	}
	for _, f := range files {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Close lets go of the children, which go on.
func (s *Supervisor) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		for _, c := range s.children {
			close(c.quit)
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// run is the goroutine of a child.
func (c *child) run() {
	defer close(c.done)
	c.wait = c.s.timing.first
	c.adopt()
	look := time.NewTicker(c.s.timing.look)
	defer look.Stop()
	var retry <-chan time.Time
	for {
		spec, stop := c.desired()
		if stop {
			if c.end() {
				c.forget()
			}
			return
		}
		if retry == nil {
			retry = c.converge(spec)
		}
		var ended chan struct{}
		if c.proc != nil {
			ended = c.proc.ended
		}
		select {
		case <-c.quit:
			if c.proc != nil {
				c.proc.leave()
			}
			return
		case <-ended:
			retry = c.onEnd()
		case <-retry:
			retry = nil
		case <-look.C:
			c.trim(spec.Log)
		case <-c.wake:
			if now, _ := c.desired(); !now.same(spec) {
				retry = nil // another program may do better
			}
		}
	}
}

func (c *child) desired() (Spec, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spec, c.stop
}

func (c *child) tell(f func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.status)
}

// adopt takes over the process that an earlier agent started.
func (c *child) adopt() {
	r, ok := c.s.read(c.name)
	if !ok {
		return
	}
	c.proc = c.s.find(c.name, r)
	if c.proc == nil {
		return
	}
	r.PID, r.Start = c.proc.pid, c.proc.start
	c.running = r
	c.tell(func(st *Status) { st.PID, st.Since = r.PID, time.Now() })
	c.s.log.Info("child adopted", zap.String("child", c.name), zap.Int("pid", r.PID))
}

// trim keeps the child's log short, and tells of that once a minute.
func (c *child) trim(log string) {
	if log == "" {
		return
	}
	did, err := trimLog(log)
	if (did || err != nil) && time.Since(c.trimmed) > time.Minute {
		c.trimmed = time.Now()
		c.s.log.Warn("child prints much: its log is begun anew", zap.String("child", c.name), zap.String("log", log), zap.Error(err))
	}
}

// converge makes the process what spec says. It gives when to try again.
func (c *child) converge(spec Spec) <-chan time.Time {
	if c.proc != nil {
		stays := c.running.Command == spec.command() && inside(c.proc.pid, spec.Namespace)
		switch {
		case stays && c.running.Config == spec.Config:
			return nil
		case stays && spec.Reload != 0:
			return c.reload(spec)
		}
		if !c.end() {
			return nil
		}
	}
	return c.begin(spec)
}

func (c *child) reload(spec Spec) <-chan time.Time {
	err := c.proc.signal(spec.Reload)
	if err == nil {
		c.running.Config = spec.Config
		err = c.s.write(c.name, c.running)
	}
	if err != nil {
		return c.failed(fmt.Errorf("reload: %w", err))
	}
	c.s.log.Info("child reloaded", zap.String("child", c.name), zap.Int("pid", c.proc.pid))
	return nil
}

// begin starts the program.
func (c *child) begin(spec Spec) <-chan time.Time {
	r := record{Boot: c.s.boot, Command: spec.command(), Config: spec.Config}
	if err := c.s.write(c.name, r); err != nil {
		return c.failed(err)
	}
	p, err := c.s.launch(spec)
	if err != nil {
		return c.failed(errors.Join(err, c.s.forget(c.name)))
	}
	r.PID, r.Start = p.pid, p.start
	c.proc, c.running = p, r
	// Without the pid in the file the process is still found by its mark.
	if err := c.s.write(c.name, r); err != nil {
		c.s.log.Warn("pid of child not written", zap.String("child", c.name), zap.Error(err))
	}
	c.tell(func(st *Status) { st.PID, st.Since = p.pid, time.Now() })
	c.s.log.Info("child started", zap.String("child", c.name), zap.Int("pid", p.pid))
	return nil
}

// onEnd takes note that the process ended by itself.
func (c *child) onEnd() <-chan time.Time {
	how := c.proc.how
	c.proc.leave()
	c.proc = nil
	var since time.Time
	c.tell(func(st *Status) { since, st.PID, st.Error, st.Restarts = st.Since, 0, how, st.Restarts+1 })
	if time.Since(since) >= c.s.timing.steady {
		c.wait = c.s.timing.first
	}
	return c.failed(errors.New(how))
}

// failed gives the delay before the next attempt.
func (c *child) failed(err error) <-chan time.Time {
	delay := c.wait/2 + rand.N(c.wait/2+1)
	c.wait = min(2*c.wait, c.s.timing.max)
	c.tell(func(st *Status) { st.Error = err.Error() })
	c.s.log.Warn("child does not run", zap.String("child", c.name), zap.Error(err), zap.Duration("again_in", delay))
	return time.After(delay)
}

// end stops the process and waits for its end. It reports false when the
// Supervisor was closed before.
func (c *child) end() bool {
	if c.proc == nil {
		return true
	}
	defer func() {
		c.proc.leave()
		c.proc = nil
		c.tell(func(st *Status) { st.PID = 0 })
	}()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := c.proc.signal(sig); err != nil {
			c.s.log.Warn("child not signalled", zap.String("child", c.name), zap.Error(err))
		}
		select {
		case <-c.proc.ended:
			c.s.log.Info("child stopped", zap.String("child", c.name), zap.Int("pid", c.proc.pid))
			return true
		case <-time.After(c.s.timing.grace):
		case <-c.quit:
			return false
		}
	}
	c.s.log.Error("child cannot be killed", zap.String("child", c.name), zap.Int("pid", c.proc.pid))
	return true
}

// forget takes the child out of the Supervisor.
func (c *child) forget() {
	if err := c.s.forget(c.name); err != nil {
		c.s.log.Warn("file of child stays", zap.String("child", c.name), zap.Error(err))
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.children[c.name] == c {
		delete(c.s.children, c.name)
	}
}
