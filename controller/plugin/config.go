package plugin

import (
	"fmt"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/controller/pick"
	"github.com/lepton-sdn/lepton/controller/segments"
	"github.com/lepton-sdn/lepton/model"
)

// Config is the configuration's network section.
type Config struct {
	segments.Config `yaml:",inline"`

	// L2Population tells the agents the places of all addresses, instead of
	// letting them flood and learn.
	L2Population bool `yaml:"l2population"`
	// DNSDomain completes the names of ports, without a dot at the end.
	DNSDomain string `yaml:"dns_domain"`
	// BaseMAC begins the MACs that are made up: the first three octets are
	// kept, and the fourth too when it is not 00.
	BaseMAC string `yaml:"base_mac"`
	// AgentDownTime is how many seconds after its last heartbeat an agent
	// counts as dead.
	AgentDownTime int `yaml:"agent_down_time"`
	// DHCPAgentsPerNetwork is how many hosts serve a network with DHCP, where
	// there are as many.
	DHCPAgentsPerNetwork int `yaml:"dhcp_agents_per_network"`
	// L3HA makes routers ha whose creators do not say whether they should be.
	L3HA bool `yaml:"l3_ha"`
	// MaxL3AgentsPerRouter is how many hosts have an ha router, where there are as
	// many; 0 for all.
	MaxL3AgentsPerRouter int `yaml:"max_l3_agents_per_router"`
	// Random is where addresses and MACs that nobody asked for come from, numbers
	// below n; nil: evenly from all.
	Random pick.Random `yaml:"-"`
	// LocalDHCP has every host answer DHCP of its own ports (dhcp.mode: local), so
	// that no host serves a network.
	LocalDHCP bool `yaml:"-"`
	// MovesPerSecond is how many routers and networks are moved in a second when
	// an agent is dead, or a better one has come.
	MovesPerSecond int `yaml:"moves_per_second"`
	// Quotas are the limits of projects that have none of their own, by
	// resource; -1 is no limit.
	Quotas map[string]int `yaml:"quotas"`

	// MaxDNSNameservers is how many name servers a subnet may have.
	MaxDNSNameservers int `yaml:"max_dns_nameservers"`
	// MaxSubnetHostRoutes is how many host routes a subnet may have.
	MaxSubnetHostRoutes int `yaml:"max_subnet_host_routes"`
	// MaxAllowedAddressPairs is how many allowed address pairs a port may have.
	MaxAllowedAddressPairs int `yaml:"max_allowed_address_pair"`
}

// DefaultConfig is the network section of a controller that was told nothing.
func DefaultConfig() Config {
	return Config{
		Config:        segments.Default(),
		L2Population:  true,
		DNSDomain:     "openstacklocal",
		BaseMAC:       "fa:16:3e:00:00:00",
		AgentDownTime: 75,

		DHCPAgentsPerNetwork: 2,
		MaxL3AgentsPerRouter: 3,
		MovesPerSecond:       50,
		Quotas: map[string]int{
			QuotaNetwork: 100, QuotaSubnet: 100, QuotaPort: 500,
			QuotaRouter: 10, QuotaFloatingIP: 50,
			QuotaSecurityGroup: 10, QuotaSecurityGroupRule: 100,
			QuotaSubnetPool: -1, QuotaRBACPolicy: 10, QuotaTrunk: -1,
			QuotaInstance: 500,
		},
		MaxDNSNameservers:      5,
		MaxSubnetHostRoutes:    20,
		MaxAllowedAddressPairs: 10,
	}
}

// Validate checks every key; its errors name the key and the value.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if mac, err := model.ParseMAC(c.BaseMAC); err != nil {
		return fmt.Errorf("check base_mac: %w", err)
	} else if mac.Multicast() {
		return fmt.Errorf("check base_mac: %s is a multicast address", c.BaseMAC)
	}
	if strings.HasSuffix(c.DNSDomain, ".") || len(c.DNSDomain) > 253 || strings.ContainsAny(c.DNSDomain, " /\t\n") {
		return fmt.Errorf("check dns_domain: %q is not a domain name without a dot at its end", c.DNSDomain)
	}
	for _, n := range []struct {
		key          string
		value, least int
	}{
		{"agent_down_time", c.AgentDownTime, 1},
		{"dhcp_agents_per_network", c.DHCPAgentsPerNetwork, 1},
		{"moves_per_second", c.MovesPerSecond, 1},
		{"max_l3_agents_per_router", c.MaxL3AgentsPerRouter, 0},
		{"max_dns_nameservers", c.MaxDNSNameservers, 0},
		{"max_subnet_host_routes", c.MaxSubnetHostRoutes, 0},
		{"max_allowed_address_pair", c.MaxAllowedAddressPairs, 0},
	} {
		if n.value < n.least || n.value > 1_000_000 {
			return fmt.Errorf("check %s: %d is not between %d and 1000000", n.key, n.value, n.least)
		}
	}
	if c.MaxL3AgentsPerRouter == 1 || c.MaxL3AgentsPerRouter > maxHAHosts {
		return fmt.Errorf("check max_l3_agents_per_router: %d is neither 0 nor between 2 and %d", c.MaxL3AgentsPerRouter, maxHAHosts)
	}
	for resource, limit := range c.Quotas {
		if !quotaKnown(resource) {
			return fmt.Errorf("check quotas: %q is no resource with a quota", resource)
		}
		if limit < -1 || limit > MaxQuota {
			return fmt.Errorf("check quotas: %s: %d is not between -1 and %d", resource, limit, MaxQuota)
		}
	}
	return nil
}

func (c *Config) agentDownTime() time.Duration { return time.Duration(c.AgentDownTime) * time.Second }
