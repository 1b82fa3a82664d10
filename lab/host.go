package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
)

// Place is where commands can run: a host or a guest of the lab, or what plays
// the internet.
type Place struct {
	Name      string
	Namespace string
	env       []string
}

// Place finds a host or a guest by name.
func (l *Lab) Place(name string) (*Place, error) {
	mark := markVariable + "=" + l.mark
	if h, err := l.host(name); err == nil {
		return &Place{h.Name, h.Namespace, append(h.environment(), mark)}, nil
	}
	if name == internetName && l.plan.Internet != "" {
		return &Place{name, l.plan.Internet, append(withoutVariables(os.Environ(), "OVS_", "OS_", markVariable+"="), mark)}, nil
	}
	s, err := l.ledger.read()
	if err != nil {
		return nil, err
	}
	g := s.guest(name)
	if g == nil {
		return nil, fail(ErrNotFound, "lab %s has no host or guest %s: leptonctl lab status lists them", l.plan.Lab, name)
	}
	h, err := l.host(g.Host)
	if err != nil {
		return nil, err
	}
	// A guest knows nothing of its host's switch.
	env := append(withoutVariables(h.environment(), "OVS_", "OS_", "LEPTON_HOST=", "LEPTON_AGENT_CONFIG="), mark)
	return &Place{g.Name, g.Namespace, env}, nil
}

// Inside runs f on a thread in the place's network namespace. The sockets that f
// opens itself belong there for good.
func (p *Place) Inside(f func() error) error { return inside(p.Namespace, f) }

// Listen opens a TCP address of the place, for a service that a test or a tool
// plays there.
func (p *Place) Listen(address string) (net.Listener, error) {
	var l net.Listener
	err := inside(p.Namespace, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return l, nil
}

// Command is a command that will run in the place. It ends with the context.
// Start it with Start or Run of this package: the methods of exec.Cmd itself
// would run it in the caller's own namespace.
func (p *Place) Command(ctx context.Context, argv ...string) *Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = p.env
	cmd.WaitDelay = 2 * time.Second
	return &Cmd{Cmd: cmd, place: p}
}

// Cmd is an exec.Cmd that runs in a host or a guest.
type Cmd struct {
	*exec.Cmd
	place *Place
}

// Start starts the command in its place.
func (c *Cmd) Start() error {
	if err := inside(c.place.Namespace, c.Cmd.Start); err != nil {
		return fmt.Errorf("%s: %s: %w", c.place.Name, strings.Join(c.Args, " "), err)
	}
	return nil
}

// Run runs the command and gives what it wrote, both outputs together; the
// error has it too.
func (c *Cmd) Run() (string, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Start()
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s: %s: %w: %s", c.place.Name, strings.Join(c.Args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return out.String(), nil
}

// Exec runs a command in the place and gives what it wrote.
func (p *Place) Exec(ctx context.Context, argv ...string) (string, error) {
	return p.Command(ctx, argv...).Run()
}

// Become replaces this program by a command in the place; extra variables are
// added to its environment. It returns only when that fails. With lasting set
// the command outlives the lab: it is the operator's own, such as a shell.
func (p *Place) Become(argv, extra []string, lasting bool) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	env := append(slices.Clone(p.env), extra...)
	if lasting {
		env = withoutVariables(env, markVariable+"=")
	}
	runtime.LockOSThread()
	ns, err := netns.GetFromName(p.Namespace)
	if err == nil {
		err = netns.Set(ns)
	}
	if err != nil {
		return fmt.Errorf("enter network namespace %s: %w", p.Namespace, err)
	}
	if err := syscall.Exec(path, argv, env); err != nil {
		return fmt.Errorf("%s: %s: %w", p.Name, path, err)
	}
	return nil
}

// ExitCode gives the exit code of a command that failed; ok is false when it
// did not run at all.
func ExitCode(err error) (code int, ok bool) {
	var ee *exec.ExitError
	if !errors.As(err, &ee) {
		return 0, false
	}
	return ee.ExitCode(), true
}
