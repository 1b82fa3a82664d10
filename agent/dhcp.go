package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/dhcp"
	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// serveDHCP starts the loop that keeps the DHCP servers of the networks of this
// host. Their dnsmasqs have a directory of their own, because a Supervisor knows
// only its own children.
func serveDHCP(ctx context.Context, g *errgroup.Group, o Options, instance string, db *ovsdb.Client, updates *feed.Feed) error {
	cfg := o.Config
	children, err := child.New(filepath.Join(cfg.RunDir, "dhcp-children"), o.Log)
	if err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	servers := dhcp.New(dhcp.Config{
		Options: dhcpOptions(cfg), Host: cfg.Host, Owner: namespaceOwner(instance), Bridge: cfg.OVS.IntegrationBridge,
		RunDir: cfg.RunDir, DB: db, Children: children, Controller: updates.Consumer("dhcp"), Log: o.Log,
	})
	g.Go(func() error {
		defer children.Close()
		return servers.Run(ctx)
	})
	return nil
}

// dhcpOptions is what the configuration says about DHCP. Guests are sent to the
// server for metadata only where this host has metadata.
func dhcpOptions(c *config.Config) dhcp.Options {
	metadata := slices.Contains(c.Roles, "metadata")
	return dhcp.Options{
		Settings: answers.Settings{
			LeaseTime:        c.DHCP.LeaseTime(),
			IsolatedMetadata: metadata && c.DHCP.EnableIsolatedMetadata,
			ForceMetadata:    metadata && c.DHCP.ForceMetadata,
		},
		Servers: c.DHCP.Servers(), LocalResolver: c.DHCP.LocalResolv,
	}
}
