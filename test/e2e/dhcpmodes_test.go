package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goLocal has the hosts answer DHCP themselves from now on, and waits until the
// controller's, which served the network, does not any more, and the other, which
// has guests, does.
func (c *Cloud) goLocal(controller, other string, n Network) {
	c.Helper()
	c.Must(c.Lab.Stop(c.Context(), controller, "controller", false))
	for _, h := range c.Lab.Plan().Hosts {
		path := filepath.Join(h.Dir, "controller.yaml")
		if h.Name != controller {
			continue
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		c.Must(err)
		_, err = f.WriteString("\ndhcp: { mode: local }\n")
		c.Must(errors.Join(err, f.Close()))
	}
	c.Must(c.Lab.Start(c.Context(), controller, "controller"))
	c.Eventually("the network has no server", func() error {
		if ns := c.dhcpNamespace(n, controller); ns != "" || c.dnsmasq(n, controller) != 0 {
			return fmt.Errorf("namespace %s, dnsmasq %d", ns, c.dnsmasq(n, controller))
		}
		if !strings.Contains(c.Exec(other, "ovs-ofctl", "dump-flows", "br-int", "cookie=0x1e10000000000000/0xffff000000000000"), "tp_dst=67") {
			return errors.New("no flows send questions to the agent")
		}
		return nil
	})
}

// telling are the options that the client asks for by name and by number.
var telling = []string{
	"-O", "subnet", "-O", "router", "-O", "dns", "-O", "hostname", "-O", "domain", "-O", "mtu", "-O", "broadcast", "-O", "ntpsrv", "-O", "lease",
	"-O", "tftp", "-O", "bootfile", "-O", "search", "-O", "staticroutes", "-O", "msstaticroutes", "-O", "224", "-O", "timezone", "-O", "nisdomain",
}

// TestLocalDHCPTellsWhatDnsmasqTells asks both for the same ports. What differs is
// written down here, and in the design.
func TestLocalDHCPTellsWhatDnsmasqTells(t *testing.T) {
	t.Parallel()
	c := Start(t, `
agent: { dhcp: { enable_isolated_metadata: false } }
hosts:
  - { name: all, roles: [controller, network, compute], agent: { roles: [l2, l3, dhcp] } }
`)
	n := c.Network(Attributes{"dns_domain": "blue.example."})
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "10.0.0.0/24", "ip_version": 4, "dns_nameservers": []string{"192.0.2.53"},
		"host_routes": []Attributes{{"destination": "192.0.2.128/25", "nexthop": "10.0.0.7"}},
	}, &Subnet{})
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "2001:db8::/64", "ip_version": 6, "dns_nameservers": []string{"2001:db8:53::1"},
		"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful",
	}, &Subnet{})
	a := c.Bare("all", "a", c.Port(n, Attributes{"dns_name": "web", "extra_dhcp_opts": []Attributes{
		{"opt_name": "ntp-server", "opt_value": "192.0.2.123"},
		{"opt_name": "bootfile-name", "opt_value": "pxelinux.0"},
		{"opt_name": "tftp-server", "opt_value": "192.0.2.69"},
		{"opt_name": "server-ip-address", "opt_value": "192.0.2.69"},
		{"opt_name": "domain-search", "opt_value": "x.example,y.example"},
		{"opt_name": "224", "opt_value": "text"},
	}}))
	b := c.Bare("all", "b", c.Port(n, nil))
	asked := func() map[string]Told {
		return map[string]Told{
			"a": c.Udhcpc(a, telling...), "b": c.Udhcpc(b, telling...), "a by dhclient": c.Dhclient(a, 4),
			"a of IPv6": c.Dhclient(a, 6), "options of IPv6": c.Dhclient(a, 60),
		}
	}
	dnsmasq := asked()
	c.goLocal("all", "all", n)
	differs := map[string]string{
		"serverid":                   "the gateway",
		"new_dhcp_server_identifier": "the gateway",
		"siaddr":                     "nobody, where no option says another",
		"opt61":                      "the client gets its identifier back (RFC 6842)",
		"new_dhcp6_status_code":      "an answer that grants something does not say so once more",
	}
	for who, local := range asked() {
		if dnsmasq[who] == nil || local == nil {
			t.Errorf("%s: dnsmasq tells %v, the host %v", who, dnsmasq[who], local)
			continue
		}
		keys := maps.Clone(dnsmasq[who])
		maps.Copy(keys, local)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if ofTheRun(key) || differs[key] != "" {
				continue
			}
			if was, is := dnsmasq[who][key], local[key]; was != is {
				t.Errorf("%s: %s is %q of dnsmasq, and %q of the host", who, key, was, is)
			}
		}
	}
}

// ofTheRun reports whether a variable of a client's script is about the run.
func ofTheRun(key string) bool {
	return slices.Contains([]string{"pid", "new_dhcp6_client_id", "new_life_starts", "new_starts", "new_expiry"}, key) || strings.HasPrefix(key, "_")
}
