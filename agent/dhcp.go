package agent

import (
	"slices"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/dhcp"
	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// dhcpLoop makes the loop that keeps the DHCP servers of the networks of this
// host.
func dhcpLoop(o Options, instance string, db *ovsdb.Client, children *child.Supervisor, updates *feed.Feed) *dhcp.Loop {
	cfg := o.Config
	return dhcp.New(dhcp.Config{
		Options: dhcpOptions(cfg), Host: cfg.Host, Owner: namespaceOwner(instance), Bridge: cfg.OVS.IntegrationBridge,
		RunDir: cfg.RunDir, DB: db, Children: children, Controller: updates.Consumer("dhcp"), Audit: o.audit, Loop: o.loops.Loop("dhcp"), Log: o.Log,
	})
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
