package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// parallel bounds how many hosts are built at the same time.
const parallel = 16

// builder is a lab on its way up.
type builder struct {
	lab  *Lab
	plan *Plan
	opts Options
}

// Up builds a lab and returns when all of it works: every agent is alive at
// the controller and in sync. If anything fails, what was made is taken down again.
func Up(ctx context.Context, t Topology, opts Options) (*Lab, error) {
	b, release, err := prepare(ctx, t, opts)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := b.build(ctx); err != nil {
		// The caller's context may be what ended the building.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("lab %s: %w", b.plan.Lab, err), b.lab.clear(cleanup))
	}
	return b.lab, nil
}

// prepare checks that the lab can be built, decides all of it, and writes that
// down. Nothing but the lab's directory is made. The lab is held until release.
func prepare(ctx context.Context, t Topology, opts Options) (*builder, func(), error) {
	if err := checkRoot(); err != nil {
		return nil, nil, err
	}
	t = t.complete()
	if err := t.Validate(); err != nil {
		return nil, nil, fail(ErrUsage, "topology: %w", err)
	}
	if opts.Name == "" {
		opts.Name = DefaultName
	}
	if opts.Dir == "" {
		opts.Dir = DefaultDir
	}
	if !nameForm.MatchString(opts.Name) {
		return nil, nil, fail(ErrUsage, "lab name %q is not one of lower-case letters, digits and hyphens", opts.Name)
	}
	dir, err := filepath.Abs(filepath.Join(opts.Dir, opts.Name))
	if err != nil {
		return nil, nil, fmt.Errorf("lab %s: %w", opts.Name, err)
	}
	plan := newPlan(opts.Name, dir, pickDatapath(ctx, t.Datapath), t)
	state := State{Mark: uuid.NewString(), CreatedAt: time.Now().UTC(), Bare: opts.Bare, Plan: plan}
	if err := plan.fits(); err != nil {
		return nil, nil, err
	}
	if !opts.Bare {
		if state.BinDir, err = findPrograms(opts.BinDir); err != nil {
			return nil, nil, err
		}
	}
	state.Namespaces = append(state.Namespaces, plan.Fabric)
	for _, h := range plan.Hosts {
		state.Namespaces = append(state.Namespaces, h.Namespace)
	}
	if plan.Internet != "" {
		state.Namespaces = append(state.Namespaces, plan.Internet)
	}
	led := ledger{dir}
	release, err := claim(led, state)
	if err != nil {
		return nil, nil, err
	}
	l := newLab(led, state)
	l.wrap = opts.Wrap
	return &builder{lab: l, plan: plan, opts: opts}, release, nil
}

// claim makes the lab's directory with its state, unless the name is taken.
func claim(led ledger, s State) (_ func(), err error) {
	if err := os.MkdirAll(led.dir, 0o755); err != nil {
		return nil, fmt.Errorf("create directory of the lab: %w", err)
	}
	unlock, err := led.hold(true)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	name := s.Plan.Lab
	if _, err := led.read(); err == nil {
		return nil, fail(ErrExists, "lab %s is there already: take it down with leptonctl lab down --name %s", name, name)
	}
	taken, err := namespaces(name + "-")
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	for _, ns := range s.Namespaces {
		for _, t := range taken {
			if t == ns {
				// Its directory is not ours either, when it is still empty.
				return nil, errors.Join(
					fail(ErrExists, "network namespace %s belongs to something else: choose another --name", ns),
					led.forget())
			}
		}
	}
	return unlock, led.write(s)
}

// fits checks that names and paths are short enough for the kernel.
func (p *Plan) fits() error {
	for _, h := range p.Hosts {
		longest := filepath.Join(h.ovsDir(), "ovs-vswitchd.1234567.ctl")
		if len(longest) > maxSocketPath {
			return fail(ErrUsage, "socket %s is longer than %d characters: choose a shorter --dir or --name", longest, maxSocketPath)
		}
	}
	return nil
}

// findPrograms gives the directory that holds both of Lepton's daemons.
func findPrograms(dir string) (string, error) {
	agent, err := findBinary(dir, "lepton-agent")
	if err != nil {
		return "", err
	}
	found := filepath.Dir(agent)
	_, err = findBinary(found, "lepton-controller")
	return found, err
}

// step runs a part of the building and tells how long it took.
func (b *builder) step(name string, f func() error) error {
	start := time.Now()
	if err := f(); err != nil {
		return err
	}
	if b.opts.Progress != nil {
		b.opts.Progress(name, time.Since(start))
	}
	return nil
}

// eachHost runs f for all hosts, several at a time.
func (b *builder) eachHost(ctx context.Context, f func(context.Context, HostPlan) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, h := range b.plan.Hosts {
		g.Go(func() error { return f(ctx, h) })
	}
	return g.Wait()
}

func (b *builder) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("not up after 5 minutes"))
	defer cancel()
	if err := b.step("network namespaces, switches and cables", func() error { return b.fabric(ctx) }); err != nil {
		return err
	}
	if err := b.step("Open vSwitch, datapath "+b.plan.Datapath, func() error { return b.switches(ctx) }); err != nil {
		return err
	}
	if !b.opts.Bare {
		if err := b.step("certificates", b.certificates); err != nil {
			return err
		}
		if err := b.controllers(ctx); err != nil {
			return err
		}
		if err := b.step("agents", func() error { return b.agents(ctx) }); err != nil {
			return err
		}
	}
	return b.lab.ledger.update(func(s *State) error { s.Ready = true; return nil })
}

// fabric makes the namespaces, the switches and the cables between them.
func (b *builder) fabric(ctx context.Context) error {
	mtu := b.plan.Topology.MTU
	if err := createNetns(b.plan.Fabric, b.lab.mark, switchSysctls()); err != nil {
		return err
	}
	for _, sw := range b.plan.Switches {
		if err := createSwitch(b.plan.Fabric, sw, mtu); err != nil {
			return err
		}
	}
	return b.eachHost(ctx, func(_ context.Context, h HostPlan) error {
		if err := createNetns(h.Namespace, b.lab.mark, hostSysctls()); err != nil {
			return err
		}
		for _, c := range h.Cables {
			err := createVeth(
				end{netns: b.plan.Fabric, name: c.Port, up: true},
				end{netns: h.Namespace, name: c.Link, up: true}, mtu)
			if err != nil {
				return err
			}
			if err := attach(b.plan.Fabric, c.Switch, c.Port); err != nil {
				return err
			}
		}
		return withLinks(h.Namespace, func(l *links) error { return l.addAddress(mgmtLink, h.Mgmt) })
	})
}

// switches starts every host's Open vSwitch.
func (b *builder) switches(ctx context.Context) error {
	for _, h := range b.plan.Hosts {
		for _, d := range []string{h.ovsDir(), filepath.Join(h.Dir, "run")} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return fmt.Errorf("host %s: %w", h.Name, err)
			}
		}
		if err := b.plan.writeConfigs(h); err != nil {
			return err
		}
	}
	empty, err := b.createDatabase(ctx)
	if err != nil {
		return err
	}
	err = b.eachHost(ctx, func(ctx context.Context, h HostPlan) error { return b.startOVS(ctx, h, empty) })
	if err != nil {
		return err
	}
	return b.internet(ctx)
}

// agents starts lepton-agent wherever the plan has one, and waits until the
// controller calls them all alive and in sync.
func (b *builder) agents(ctx context.Context) error {
	var want []string
	err := b.eachHost(ctx, func(ctx context.Context, h HostPlan) error {
		if !h.RunsAgent() {
			return nil
		}
		return b.lab.launch(ctx, h, agentProgram)
	})
	if err != nil {
		return err
	}
	for _, h := range b.plan.Hosts {
		if h.RunsAgent() {
			want = append(want, h.Name)
		}
	}
	return b.lab.awaitAgents(ctx, want)
}

// awaitAgents waits until the controller calls the hosts' agents alive and in
// sync.
func (l *Lab) awaitAgents(ctx context.Context, hosts []string) error {
	limit := 30*time.Second + time.Duration(len(hosts))*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not alive and in sync after %s", limit))
	defer cancel()
	var missing []string
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		agents, err := l.API().Agents(ctx)
		if err != nil {
			return false, nil // asked again until the deadline
		}
		ready := map[string]bool{}
		for _, a := range agents {
			ready[a.Host] = ready[a.Host] || a.Ready()
		}
		missing = missing[:0]
		for _, h := range hosts {
			p, err := l.find(h, agentProgram)
			if err != nil {
				return false, err
			}
			if !p.Alive() {
				return false, fmt.Errorf("lepton-agent on %s ended; the end of %s:\n%s", h, p.Log, tail(p.Log, 5))
			}
			if !ready[h] {
				missing = append(missing, h)
			}
		}
		return len(missing) == 0, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("agents on %s: %w; see agent.log in their directories under %s",
			strings.Join(missing, ", "), context.Cause(ctx), l.plan.Dir)
	}
	return err
}
