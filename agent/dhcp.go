package agent

import (
	"slices"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/dhcp"
	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
)

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
