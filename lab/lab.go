package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"sync/atomic"
	"time"
)

// DefaultDir is where labs live unless told otherwise.
const DefaultDir = "/run/lepton/labs"

// DefaultName is the name of a lab that was given none.
const DefaultName = "lab"

// Options say where and how a lab is built.
type Options struct {
	// Name tells labs apart and begins the names of their namespaces. Default
	// DefaultName.
	Name string
	// Dir is the directory under which labs live. Default DefaultDir. It should
	// be short: Open vSwitch's sockets below it must fit 107 characters.
	Dir string
	// BinDir holds lepton-controller and lepton-agent. Default: beside the
	// running program, else on the PATH.
	BinDir string
	// Bare builds links and Open vSwitch, and starts nothing of Lepton.
	Bare bool
	// Wrap gives the command line that a host's program is started with in the
	// place of its own; nil: its own. It is not noted in the lab's state, so it
	// holds for the Lab that Up gives.
	Wrap func(host, program string, argv []string) []string
	// Progress is told each step as it is done; nil: nobody is.
	Progress func(step string, took time.Duration)
}

// Lab is a running lab. All its state is in its directory, so any number of
// programs can hold the same lab, and a Lab can be used by many goroutines.
type Lab struct {
	plan   *Plan
	mark   string
	bare   bool
	binDir string
	ledger ledger
	client *http.Client        // of the first controller
	asked  atomic.Pointer[API] // instead of the first controller's
	wrap   func(host, program string, argv []string) []string
}

// Name gives the lab's name.
func (l *Lab) Name() string { return l.plan.Lab }

// Dir gives the lab's own directory.
func (l *Lab) Dir() string { return l.plan.Dir }

// Plan gives what was decided before the lab was built. It must not be changed.
func (l *Lab) Plan() *Plan { return l.plan }

// Open gives the lab of that name under dir; empty values mean the defaults.
func Open(name, dir string) (*Lab, error) {
	if dir == "" {
		dir = DefaultDir
	}
	if name == "" {
		name = DefaultName
	}
	led := ledger{filepath.Join(dir, name)}
	s, err := led.read()
	if err != nil {
		return nil, err
	}
	return newLab(led, s), nil
}

// List gives the names of the labs under dir, in order.
func List(dir string) ([]string, error) {
	if dir == "" {
		dir = DefaultDir
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "state.json"))
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	sort.Strings(names)
	return names, nil
}

func newLab(led ledger, s State) *Lab {
	return &Lab{
		plan: s.Plan, mark: s.Mark, bare: s.Bare, binDir: s.BinDir, ledger: led,
		client: clientIn(s.Plan.controller().Namespace),
	}
}

// clientIn gives a client whose connections start in a namespace.
func clientIn(ns string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return dialIn(ctx, ns, network, address)
			},
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     10 * time.Second,
		},
		Timeout: time.Minute,
	}
}

// DialController connects to an address as the first controller's host sees it.
// The address must be a literal one.
func (l *Lab) DialController(ctx context.Context, network, address string) (net.Conn, error) {
	return dialIn(ctx, l.plan.controller().Namespace, network, address)
}

func dialIn(ctx context.Context, ns, network, address string) (net.Conn, error) {
	var c net.Conn
	err := inside(ns, func() (err error) {
		d := net.Dialer{Timeout: 5 * time.Second, FallbackDelay: -1}
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// host finds a host's plan.
func (l *Lab) host(name string) (*HostPlan, error) {
	for i := range l.plan.Hosts {
		if l.plan.Hosts[i].Name == name {
			return &l.plan.Hosts[i], nil
		}
	}
	return nil, fail(ErrNotFound, "lab %s has no host %s: it has %v", l.plan.Lab, name, l.hostNames())
}

func (l *Lab) hostNames() []string {
	var out []string
	for _, h := range l.plan.Hosts {
		out = append(out, h.Name)
	}
	return out
}

// checkRoot says plainly what is missing.
func checkRoot() error {
	if os.Geteuid() != 0 {
		return fail(ErrRoot, "a lab needs root for network namespaces: run as root or with sudo")
	}
	return nil
}
