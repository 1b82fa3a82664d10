package config

import (
	"net/netip"
	"time"

	"github.com/lepton-sdn/lepton/config"
)

// DHCP says how guests are told their addresses.
type DHCP struct {
	// LeaseDuration is how long an address is given for, in seconds; -1 is for
	// ever.
	LeaseDuration int `yaml:"lease_duration"`
	// DNSServers are what the networks' servers ask for names that they do not
	// know: addresses, or ADDRESS:PORT ([ADDRESS]:PORT). With dhcp.mode: local
	// guests of subnets without name servers of their own are told of those at
	// port 53.
	DNSServers []string `yaml:"dnsmasq_dns_servers"`
	// LocalResolv has them ask the name servers of this host's resolv.conf.
	LocalResolv bool `yaml:"dnsmasq_local_resolv"`
	// EnableIsolatedMetadata has guests on networks without router reach metadata
	// at the DHCP server.
	EnableIsolatedMetadata bool `yaml:"enable_isolated_metadata"`
	// ForceMetadata has those on all networks.
	ForceMetadata bool `yaml:"force_metadata"`
}

// maxLease is what fits into a lease's 32 bits below "for ever" (RFC 2131,
// section 3.3).
const maxLease = 1<<32 - 2

func (d DHCP) check(e *config.Errors) {
	if d.LeaseDuration != -1 && (d.LeaseDuration < 120 || d.LeaseDuration > maxLease) {
		e.Add("dhcp.lease_duration", "%d is neither -1 nor between 120 and %d seconds", d.LeaseDuration, maxLease)
	}
	for _, s := range d.DNSServers {
		if _, err := dnsServer(s); err != nil {
			e.Add("dhcp.dnsmasq_dns_servers", "%q is not the address of a name server", s)
		}
	}
}

// LeaseTime is LeaseDuration, negative for ever.
func (d DHCP) LeaseTime() time.Duration { return time.Duration(d.LeaseDuration) * time.Second }

// Servers are DNSServers, which have been checked.
func (d DHCP) Servers() []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range d.DNSServers {
		if a, err := dnsServer(s); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// Resolvers are those of the servers that guests can be told of: on the port that
// every guest asks.
func (d DHCP) Resolvers() []netip.Addr {
	var out []netip.Addr
	for _, a := range d.Servers() {
		if a.Port() == 53 {
			out = append(out, a.Addr())
		}
	}
	return out
}

func dnsServer(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	return netip.ParseAddrPort(s)
}
