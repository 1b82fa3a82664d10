package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// routingHosts is a network node beside two compute nodes that route for their
// own guests.
const routingHosts = `
physical_networks: [{name: physnet1}]
hosts:
  - { name: ctl, roles: [controller] }
  - { name: net1, roles: [network] }
  - { name: hv1, roles: [compute], agent: { roles: [l2, dvr] } }
  - { name: hv2, roles: [compute], agent: { roles: [l2, dvr] } }
`

// DistributedRouter is Router for one that is on every host.
func (c *Cloud) DistributedRouter(external *Network, subnets ...Subnet) Router {
	c.Helper()
	attrs := Attributes{"distributed": true}
	if external != nil {
		attrs["external_gateway_info"] = Attributes{"network_id": external.ID}
	}
	var r Router
	c.create("router", attrs, &r)
	for _, s := range subnets {
		c.AddInterface(r, s)
	}
	return r
}

// crossing counts the frames on all links between a host and others that show
// one of the addresses, in a tunnel or not.
func (c *Cloud) crossing(host string, addresses ...netip.Addr) func() int {
	c.Helper()
	var stops []func() string
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name != host {
			continue
		}
		for _, cable := range h.Cables {
			stops = append(stops, c.Capture(c.placed(host).Place, cable.Link, "udp port 4789 or icmp or icmp6 or tcp"))
		}
	}
	return func() (n int) {
		for _, stop := range stops {
			for line := range strings.Lines(stop()) {
				if slices.ContainsFunc(addresses, func(a netip.Addr) bool { return shows(line, a) }) {
					n++
				}
			}
		}
		return n
	}
}

// shows reports whether tcpdump's line is about a packet from or to the address.
func shows(line string, a netip.Addr) bool {
	for _, before := range []string{" ", "> "} {
		_, rest, found := strings.Cut(line, before+a.String())
		if found && (strings.HasPrefix(rest, " > ") || strings.HasPrefix(rest, ": ") || strings.HasPrefix(rest, ".")) {
			return true
		}
	}
	return false
}

// replicated waits until the hosts have the router.
func (c *Cloud) replicated(r Router, hosts ...string) {
	c.Helper()
	c.Eventually("replicas", func() error {
		found := 0
		for _, name := range []string{"", "-hv1", "-hv2", "-net1"} {
			if _, err := os.Stat("/run/netns/qrouter-" + r.ID + name); err == nil {
				found++
			}
		}
		if found < len(hosts) {
			return fmt.Errorf("%d namespaces", found)
		}
		for _, h := range hosts {
			if !strings.Contains(c.Exec(h, "ovs-vsctl", "list-ports", "br-int"), "qr-") {
				return fmt.Errorf("%s has no interface", h)
			}
		}
		return nil
	})
}

func TestDistributedRoutersAreWhereTheGuestsAre(t *testing.T) {
	c := Start(t, routingHosts)
	ext, outside := c.external()
	out4, out6 := outside.IP(4), outside.IP(6)
	blue, green := c.Network(nil), c.Network(nil)
	blue4, blue6 := c.Subnet(blue, "10.10.0.0/24"), c.Subnet(blue, "fd00:10::/64")
	green4, green6 := c.Subnet(green, "10.20.0.0/24"), c.Subnet(green, "fd00:20::/64")
	r := c.DistributedRouter(&ext, blue4, blue6, green4, green6)
	a, d := c.open("hv1", "a", blue), c.open("hv1", "d", green)
	b, e := c.open("hv2", "b", blue), c.open("hv2", "e", green)
	c.replicated(r, "net1", "hv1", "hv2")
	for _, g := range []Guest{a, b, d, e, outside} {
		c.Serve(g, 80)
	}
	gw4 := r.External(4)
	c.Exec("outside", "ip", "-6", "route", "add", "fd00:10::/64", "via", r.External(6).String())

	t.Run("between guests of one host nothing leaves it", func(t *testing.T) {
		c := c.in(t)
		c.SeenAs(a, d.IP(4), 80, a.IP(4)) // neighbours are known now
		c.SeenAs(a, d.IP(6), 80, a.IP(6))
		left := c.crossing("hv1", a.IP(4), d.IP(4), a.IP(6), d.IP(6))
		c.Reaches(a, d)
		c.SeenAs(d, a.IP(4), 80, d.IP(4))
		if n := left(); n > 0 {
			t.Errorf("%d packets left the host", n)
		}
	})
	t.Run("between guests of two hosts nothing passes the network node", func(t *testing.T) {
		c := c.in(t)
		c.SeenAs(a, e.IP(4), 80, a.IP(4))
		c.SeenAs(a, e.IP(6), 80, a.IP(6))
		left, passed := c.crossing("hv1", a.IP(4), e.IP(4), a.IP(6), e.IP(6)), c.crossing("net1", a.IP(4), e.IP(4), a.IP(6), e.IP(6))
		c.Reaches(a, e)
		c.SeenAs(e, a.IP(4), 80, e.IP(4))
		if there, here := passed(), left(); there > 0 || here < 40 {
			t.Errorf("%d packets passed the network node, %d left the host", there, here)
		}
	})
	t.Run("out by the network node", func(t *testing.T) { c.in(t).SeenAs(b, out4, 80, gw4) })
	t.Run("IPv6 out and in by the network node", func(t *testing.T) {
		c.in(t).SeenAs(a, out6, 80, a.IP(6))
		c.in(t).SeenAs(outside, b.IP(6), 80, out6)
	})
	fip := c.FloatingIP(ext, &a.Port)
	t.Run("in and out by a floating address", func(t *testing.T) {
		c := c.in(t)
		c.SeenAs(outside, fip.Address, 80, out4)
		c.SeenAs(a, out4, 80, fip.Address)
		passed := c.crossing("net1", fip.Address, a.IP(4))
		c.SeenAs(a, out4, 80, fip.Address)
		c.SeenAs(outside, fip.Address, 80, out4)
		if n := passed(); n > 0 {
			t.Errorf("%d packets passed the network node", n)
		}
	})
	t.Run("to a floating address from within", func(t *testing.T) {
		c.in(t).SeenAs(d, fip.Address, 80, gw4)
		c.in(t).SeenAs(e, fip.Address, 80, gw4)
		c.in(t).SeenAs(b, fip.Address, 80, gw4)
		c.in(t).SeenAs(a, fip.Address, 80, fip.Address)
	})
}
