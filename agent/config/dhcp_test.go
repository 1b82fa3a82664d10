package config

import (
	"strings"
	"testing"
	"time"
)

func TestSettingsOfDHCPAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*DHCP)
		wrong  string // "" for nothing
	}{
		"the defaults":          {func(*DHCP) {}, ""},
		"for ever":              {func(d *DHCP) { d.LeaseDuration = -1 }, ""},
		"no time":               {func(d *DHCP) { d.LeaseDuration = 0 }, "dhcp.lease_duration"},
		"less than two minutes": {func(d *DHCP) { d.LeaseDuration = 119 }, "dhcp.lease_duration"},
		"more than 32 bits":     {func(d *DHCP) { d.LeaseDuration = 1 << 32 }, "dhcp.lease_duration"},
		"name servers":          {func(d *DHCP) { d.DNSServers = []string{"192.0.2.53", "[2001:db8::53]:5353", "2001:db8::54"} }, ""},
		"a name":                {func(d *DHCP) { d.DNSServers = []string{"ns.example"} }, "dhcp.dnsmasq_dns_servers"},
		"an option of dnsmasq":  {func(d *DHCP) { d.DNSServers = []string{"192.0.2.53@eth0"} }, "dhcp.dnsmasq_dns_servers"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Default()
			tc.change(&c.DHCP)
			err := c.Validate()
			if tc.wrong == "" && err != nil || tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)) {
				t.Fatalf("error %v, want one about %q", err, tc.wrong)
			}
		})
	}
	d := DHCP{LeaseDuration: 600, DNSServers: []string{"192.0.2.53", "[2001:db8::53]:5353"}}
	if s := d.Servers(); len(s) != 2 || s[0].String() != "192.0.2.53:53" || s[1].String() != "[2001:db8::53]:5353" || d.LeaseTime() != 10*time.Minute {
		t.Errorf("servers %v, lease %s", s, d.LeaseTime())
	}
}
