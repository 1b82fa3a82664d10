// Package agent runs on every hypervisor and network node, beside Open vSwitch:
// it puts the parts of the agent together.
package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/model"
)

// Options are what a configuration file does not say.
type Options struct {
	Config  *config.Config
	Version string
	Log     *zap.Logger
	// Ready is called once, when the agent has reached Open vSwitch and works.
	Ready func()
}

// Run is the agent. It returns when ctx is done, or with what makes it
// impossible to work. The switch keeps its flows either way.
func Run(ctx context.Context, o Options) error {
	lock, err := lockDir(o.Config.StateDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	h, err := open(ctx, o)
	if err != nil || h == nil {
		return err
	}
	defer h.close()
	all, err := h.loops()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range all {
		g.Go(func() error { return run(ctx) })
	}
	o.Ready()
	return g.Wait()
}

// hello is how the agent introduces itself.
func hello(o Options, instance string) model.Agent {
	c := o.Config
	a := model.Agent{
		Host: c.Host, Instance: instance, Version: o.Version, Roles: c.Roles,
		BridgeMappings: c.OVS.BridgeMappings, TunnelTypes: c.Tunnel.ModelTypes(), TunnelIP: c.Tunnel.LocalIP,
		VXLANPort: c.Tunnel.VXLANPort, IntegrationBridge: c.OVS.IntegrationBridge,
		DatapathType: c.OVS.DatapathType, AvailabilityZone: c.AvailabilityZone, StartedAt: time.Now().UTC(),
		LocalMetadata: metadataLink(c) != "",
	}
	return a
}

// lockDir makes the directory and keeps other agents out of it, for two that
// share one identity would take each other's place at the controller for ever.
// The lock ends with the process.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("state_dir: %s is in use by another lepton-agent: %w", dir, err), f.Close())
	}
	return f, nil
}

// lastingID reads the agent's own identity, or makes one at the first start.
// It tells two agents that claim one host name apart from one that restarted.
func lastingID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		if id, err := uuid.Parse(strings.TrimSpace(string(b))); err == nil {
			return id.String(), nil
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	id := uuid.NewString()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	return id, nil
}
