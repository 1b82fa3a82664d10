package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// The ports of etcd, its own standard ones, on the management network.
const (
	etcdClientPort = 2379
	etcdPeerPort   = 2380
)

func (h HostPlan) etcdClientURL() string {
	return "http://" + netip.AddrPortFrom(h.Mgmt.Addr(), etcdClientPort).String()
}

func (h HostPlan) etcdPeerURL() string {
	return "http://" + netip.AddrPortFrom(h.Mgmt.Addr(), etcdPeerPort).String()
}

// storeConfig is where a host's controller keeps its records: with itself, or,
// where there are several controllers, in the cluster that all their hosts run.
func (p *Plan) storeConfig(h HostPlan) map[string]any {
	all := p.controllers()
	if len(all) == 1 {
		return map[string]any{"embedded": map[string]any{"dir": h.stateDir(controllerProgram)}}
	}
	var endpoints []string
	for _, c := range all {
		endpoints = append(endpoints, c.etcdClientURL())
	}
	return map[string]any{"endpoints": endpoints}
}

func findEtcd() (string, error) {
	path, err := exec.LookPath("etcd")
	if err != nil {
		return "", fail(ErrNotFound, "several controllers need etcd: install the package etcd-server")
	}
	return path, nil
}

// etcdArgv are the options of a host's member of the cluster.
func (p *Plan) etcdArgv(h HostPlan) []string {
	var members []string
	for _, c := range p.controllers() {
		members = append(members, c.Name+"="+c.etcdPeerURL())
	}
	return append([]string{
		"--name", h.Name, "--data-dir", filepath.Join(h.stateDir(etcdProgram)),
		"--listen-client-urls", h.etcdClientURL(), "--advertise-client-urls", h.etcdClientURL(),
		"--listen-peer-urls", h.etcdPeerURL(), "--initial-advertise-peer-urls", h.etcdPeerURL(),
		"--initial-cluster", strings.Join(members, ","), "--initial-cluster-token", p.Lab,
		"--max-txn-ops", "10000",
	}, p.Topology.Etcd...)
}

// controllers starts the controllers, and before them the store that several of
// them share.
func (b *builder) controllers(ctx context.Context) error {
	all := b.plan.controllers()
	if len(all) > 1 {
		if err := b.step("etcd", func() error { return b.cluster(ctx, all) }); err != nil {
			return err
		}
	}
	return b.step("controllers", func() error {
		g, ctx := errgroup.WithContext(ctx)
		for _, h := range all {
			g.Go(func() error { return b.lab.launch(ctx, h, controllerProgram) })
		}
		return g.Wait()
	})
}

// cluster starts etcd's members and waits until all of them serve clients, which
// each does once it has found the others.
func (b *builder) cluster(ctx context.Context, all []HostPlan) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("etcd does not serve after 30 s"))
	defer cancel()
	for _, h := range all {
		if err := b.lab.launch(ctx, h, etcdProgram); err != nil {
			return err
		}
	}
	for _, h := range all {
		err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
			conn, err := dialIn(ctx, h.Namespace, "tcp", strings.TrimPrefix(h.etcdClientURL(), "http://"))
			if err != nil {
				return false, nil // asked again until the deadline
			}
			return true, conn.Close()
		})
		if err != nil {
			return fmt.Errorf("start etcd on %s: %w; the end of %s:\n%s", h.Name, err, h.logFile(etcdProgram), tail(h.logFile(etcdProgram), 5))
		}
	}
	return nil
}

// Pause keeps a host's program from running until Resume, as a machine does
// that stands still: its connections stay open and answer nothing.
func (l *Lab) Pause(host, program string) error { return l.send(host, program, unix.SIGSTOP) }

// Resume lets a paused program go on.
func (l *Lab) Resume(host, program string) error { return l.send(host, program, unix.SIGCONT) }

func (l *Lab) send(host, program string, sig unix.Signal) error {
	p, err := l.find(host, program)
	if err != nil {
		return err
	}
	return p.signal(sig)
}
