package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
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
		if found, _ := filepath.Glob("/run/netns/qrouter-" + r.ID + "*"); len(found) < len(hosts) {
			return fmt.Errorf("namespaces %q", found)
		}
		for _, h := range hosts {
			if !strings.Contains(c.Exec(h, "ovs-vsctl", "list-ports", "br-int"), "qr-") {
				return fmt.Errorf("%s has no interface", h)
			}
		}
		return nil
	})
}

// routerChanges counts how often the host's agent said that it changed a router.
func (c *Cloud) routerChanges(host string) int {
	c.Helper()
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name == host {
			b, err := os.ReadFile(filepath.Join(h.Dir, "agent.log"))
			c.Must(err)
			return strings.Count(string(b), "router changed")
		}
	}
	c.Fatalf("no host %s", host)
	return 0
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
	t.Run("an agent that restarts writes nothing, and loses no packet and no connection", func(t *testing.T) {
		c := c.in(t)
		before := c.routerChanges("hv1")
		changes := c.FlowChanges("hv1", "br-int")
		c.restartUnderTraffic("hv1", outside, fip)
		if got := changes(); len(got) > 0 {
			t.Errorf("flows changed:\n%s", strings.Join(got, "\n"))
		}
		if now := c.routerChanges("hv1"); now != before {
			t.Errorf("%d changes of routers", now-before)
		}
	})
	t.Run("a floating address moves to another host", func(t *testing.T) {
		c := c.in(t)
		const interval = 20 * time.Millisecond
		done := make(chan lab.PingResult)
		go func() {
			r, _ := outside.Ping(c.Context(), fip.Address, lab.Ping{Count: 100, Interval: interval})
			done <- r
		}()
		c.Update("floatingip", fip.ID, Attributes{"port_id": e.Port.ID})
		if r := <-done; r.Sent < 50 || time.Duration(r.Lost())*interval > time.Second {
			t.Errorf("more than a second on its way: %s", r)
		} else {
			t.Logf("%d of %d pings lost on its way, one every %s", r.Lost(), r.Sent, interval)
		}
		c.SeenAs(e, out4, 80, fip.Address)
		c.SeenAs(outside, fip.Address, 80, out4)
		c.SeenAs(a, out4, 80, gw4)
	})
	c.Must(c.Lab.Unplug(t.Context(), e.Port.ID)) // from hv2
	moved := c.Plug("hv1", "moved", e.Port)
	c.Serve(moved, 80)
	t.Run("a guest moves with its floating address", func(t *testing.T) {
		c := c.in(t)
		const interval = 20 * time.Millisecond
		if got := c.Ping(outside, fip.Address, lab.Ping{Count: 75, Interval: interval}); time.Duration(got.Lost())*interval > time.Second {
			t.Errorf("more than a second after the guest: %s", got)
		} else {
			t.Logf("%d of %d pings lost, one every %s", got.Lost(), got.Sent, interval)
		}
		c.SeenAs(outside, fip.Address, 80, out4)
		c.SeenAs(moved, out4, 80, fip.Address)
		c.SeenAs(moved, b.IP(4), 80, moved.IP(4))
	})
	t.Run("without the network node", func(t *testing.T) {
		c := c.in(t)
		for _, h := range c.Lab.Plan().Hosts {
			for _, cable := range h.Cables {
				if h.Name == "net1" {
					c.Exec("net1", "ip", "link", "set", cable.Link, "down")
				}
			}
		}
		c.Refused(b, out4, 80)
		c.SeenAs(outside, fip.Address, 80, out4)
		c.SeenAs(d, b.IP(4), 80, d.IP(4))
		c.SeenAs(d, b.IP(6), 80, d.IP(6))
		c.Reaches(a, d)
		f := c.FloatingIP(ext, &b.Port)
		c.SeenAs(b, out4, 80, f.Address)
	})
}

// mixedHosts differ in what they can: hv1 routes, hv2 does not, and hv3 routes,
// but is not on the external network.
const mixedHosts = `
physical_networks: [{name: physnet1}, {name: physnet2}]
hosts:
  - { name: ctl, roles: [controller] }
  - { name: net1, roles: [network] }
  - { name: hv1, roles: [compute], agent: { roles: [l2, dvr] } }
  - { name: hv2, roles: [compute] }
  - { name: hv3, roles: [compute], agent: { roles: [l2, dvr] }, physical_networks: [physnet2] }
`

func TestADistributedRouterServesHostsThatDoNotRoute(t *testing.T) {
	t.Parallel()
	c := Start(t, mixedHosts)
	ext, outside := c.external()
	red, blue := c.Network(provider("vlan", "physnet2", 100)), c.Network(nil)
	red4, red6 := c.Subnet(red, "10.30.0.0/24"), c.Subnet(red, "fd00:30::/64")
	blue4, blue6 := c.Subnet(blue, "10.10.0.0/24"), c.Subnet(blue, "fd00:10::/64")
	// A router on one host becomes a distributed one.
	r := c.Router(&ext, red4, red6, blue4, blue6)
	red1, blue1 := c.open("hv1", "red1", red), c.open("hv1", "blue1", blue)
	red2, blue2 := c.open("hv2", "red2", red), c.open("hv2", "blue2", blue)
	red3, blue3 := c.open("hv3", "red3", red), c.open("hv3", "blue3", blue)
	all := []Guest{red1, red2, red3, blue1, blue2, blue3}
	for _, g := range append(all, outside) {
		c.Serve(g, 80)
	}
	out4 := outside.IP(4)
	c.SeenAs(red1, out4, 80, r.External(4))
	c.Update("router", r.ID, Attributes{"admin_state_up": false})
	c.Update("router", r.ID, Attributes{"distributed": true})
	c.Update("router", r.ID, Attributes{"admin_state_up": true})
	c.replicated(r, "net1", "hv1", "hv3")
	for _, a := range all {
		for _, b := range all {
			if strings.HasPrefix(a.Guest.Name, "red") != strings.HasPrefix(b.Guest.Name, "red") {
				c.SeenAs(a, b.IP(4), 80, a.IP(4))
				c.SeenAs(a, b.IP(6), 80, a.IP(6))
			}
		}
		c.SeenAs(a, out4, 80, r.External(4))
	}
	t.Run("no switch sees the router's MAC move", func(t *testing.T) {
		c := c.in(t)
		var ports struct {
			Ports []struct {
				MAC string `json:"mac_address"`
			}
		}
		c.Must(c.Lab.API().Call(t.Context(), "GET", "/v2.0/ports?device_owner=network:router_interface_distributed", nil, &ports))
		var macs []string
		for _, p := range ports.Ports {
			macs = append(macs, "ether src "+p.MAC)
		}
		var stops []func() string
		for _, h := range c.Lab.Plan().Hosts {
			for _, cable := range h.Cables {
				if h.Name == "hv1" || h.Name == "hv3" {
					stops = append(stops, c.Capture(c.placed(h.Name).Place, cable.Link, "outbound and ("+strings.Join(macs, " or ")+")"))
				}
			}
		}
		c.Reaches(blue1, red2)
		c.Reaches(red3, blue1)
		c.Reaches(blue3, red1)
		for _, stop := range stops {
			if out := stop(); strings.Contains(out, " > ") {
				t.Errorf("seen outside:\n%s", out)
			}
		}
	})
	t.Run("floating addresses of hosts without the external network", func(t *testing.T) {
		c := c.in(t)
		for _, g := range []Guest{red2, blue3, red1} {
			f := c.FloatingIP(ext, &g.Port)
			c.SeenAs(outside, f.Address, 80, out4)
			c.SeenAs(g, out4, 80, f.Address)
			c.SeenAs(blue1, f.Address, 80, r.External(4))
		}
	})
	t.Run("an address that nobody is known to have", func(t *testing.T) {
		c := c.in(t)
		c.Exec("red3", "ip", "addr", "add", "10.30.0.77/24", "dev", red3.Guest.NICs[0].Link)
		c.SeenAs(blue1, netip.MustParseAddr("10.30.0.77"), 80, blue1.IP(4))
		c.Exec("blue2", "ip", "addr", "add", "10.10.0.77/24", "dev", blue2.Guest.NICs[0].Link)
		c.SeenAs(red1, netip.MustParseAddr("10.10.0.77"), 80, red1.IP(4))
	})
	t.Run("on one host again", func(t *testing.T) {
		c := c.in(t)
		c.Update("router", r.ID, Attributes{"admin_state_up": false})
		c.Update("router", r.ID, Attributes{"distributed": false})
		c.Update("router", r.ID, Attributes{"admin_state_up": true})
		for _, h := range []string{"hv1", "hv3"} {
			c.Eventually(h+" to let go", func() error {
				if ports := c.Exec(h, "ovs-vsctl", "list-ports", "br-int"); strings.Contains(ports, "qr-") || strings.Contains(ports, "qg-") {
					return fmt.Errorf("br-int has %s", ports)
				}
				return nil
			})
		}
		c.SeenAs(red1, blue3.IP(4), 80, red1.IP(4))
	})
}

func TestADistributedRouterFindsItsNewHome(t *testing.T) {
	t.Parallel()
	c := Start(t, `
physical_networks: [{name: physnet1}]
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: net2, roles: [network] }
  - { name: hv2, roles: [compute], agent: { roles: [l2, dvr] } }
`)
	ext, outside := c.external()
	n := c.Network(nil)
	r := c.DistributedRouter(&ext, c.Subnet(n, "10.0.0.0/24"), c.Subnet(n, "fd00::/64"))
	g := c.open("hv2", "g", n)
	c.Serve(outside, 80)
	c.Exec("outside", "ip", "-6", "route", "add", "fd00::/64", "via", r.External(6).String())
	c.SeenAs(g, outside.IP(4), 80, r.External(4))
	agents := c.l3Agents()
	for _, to := range []string{"net2", "net1"} {
		for _, from := range []string{"net1", "net2"} {
			// It is on one of them; that it is not on the other is refused.
			_ = c.Lab.API().Call(t.Context(), "DELETE", "/v2.0/agents/"+agents[from]+"/l3-routers/"+r.ID, nil, nil)
		}
		c.Must(c.Lab.API().Call(t.Context(), "POST", "/v2.0/agents/"+agents[to]+"/l3-routers", map[string]any{"router_id": r.ID}, nil))
		passed := c.crossing(to, outside.IP(4))
		c.SeenAs(g, outside.IP(4), 80, r.External(4))
		c.SeenAs(g, outside.IP(6), 80, g.IP(6))
		if passed() == 0 {
			t.Errorf("at home on %s, and nothing passed it", to)
		}
	}
}
