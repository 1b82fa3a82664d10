package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// twoPhysicalNetworks has one for the outside and one for a tenant's flat
// network.
const twoPhysicalNetworks = `
physical_networks: [{name: physnet1}, {name: physnet2}]
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: hv1, roles: [compute] }
  - { name: hv2, roles: [compute] }
`

// forward makes a port forwarding of a floating address.
func (c *Cloud) forward(f FloatingIP, to Guest, attrs Attributes) {
	c.Helper()
	attrs["internal_ip_address"], attrs["internal_port_id"] = to.IP(4).String(), to.Port.ID
	c.Must(c.Lab.API().Call(c.Context(), "POST", "/v2.0/floatingips/"+f.ID+"/port_forwardings", map[string]any{"port_forwarding": attrs}, nil))
}

// hears waits until a datagram or a connection to an address is answered.
func (c *Cloud) hears(from Guest, network string, to netip.Addr, port int) {
	c.Helper()
	c.Eventually(fmt.Sprintf("an answer from %s %s port %d", network, to, port), func() error {
		conn, err := connect(from, network, 0, netip.AddrPortFrom(to, uint16(port)))
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(impatience))
		if _, err := conn.Write([]byte("?")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		return err
	})
}

func TestARouterJoinsNetworksOfEveryKind(t *testing.T) {
	t.Parallel()
	c := Start(t, twoPhysicalNetworks)
	ext, outside := c.external()
	c.Serve(outside, 80)
	kinds := map[string]Network{
		"vxlan": c.Network(nil),
		"vlan":  c.Network(provider("vlan", "physnet2", 105)),
		"flat":  c.Network(provider("flat", "physnet2", 0)),
	}
	var subnets []Subnet
	guests := map[string]Guest{}
	for i, kind := range []string{"vxlan", "vlan", "flat"} {
		subnets = append(subnets, c.Subnet(kinds[kind], fmt.Sprintf("10.%d.0.0/24", i+1)), c.Subnet(kinds[kind], fmt.Sprintf("fd00:%d::/64", i+1)))
		guests[kind] = c.open([]string{"hv1", "hv2"}[i%2], kind, kinds[kind])
	}
	r := c.Router(&ext, subnets...)
	for _, g := range guests {
		c.Echo(g, 7)
	}
	c.Exec("outside", "ip", "-6", "route", "add", "fd00::/16", "via", r.External(6).String())
	for name, g := range guests {
		c.SeenAs(g, outside.IP(4), 80, r.External(4))
		c.SeenAs(g, outside.IP(6), 80, g.IP(6))
		for other, h := range guests {
			if name != other {
				c.hears(g, "tcp", h.IP(4), 7)
				c.hears(g, "tcp", h.IP(6), 7)
			}
		}
	}
	for _, kind := range []string{"vxlan", "vlan", "flat"} {
		fip := c.FloatingIP(ext, &[]Port{guests[kind].Port}[0])
		c.hears(outside, "tcp", fip.Address, 7)
	}
	// Packets larger than the smaller MTU come back as too big, and the sender
	// learns it: what arrives is whole.
	for _, family := range []int{4, 6} {
		got := c.Ping(guests["vlan"], guests["vxlan"].IP(family), lab.Ping{Count: 1})
		if got.Received != 1 {
			t.Errorf("IPv%d: %s", family, got)
		}
	}
	if rate := c.Download(guests["vlan"], guests["vxlan"], 4); rate < 1 {
		t.Errorf("from MTU 1500 to MTU 1450: %.1f Mbit/s", rate)
	}
	if rate := c.Download(guests["vlan"], guests["vxlan"], 6); rate < 1 {
		t.Errorf("from MTU 1500 to MTU 1450 over IPv6: %.1f Mbit/s", rate)
	}
}

func TestForwardedPortsAndExtraRoutes(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	ext, outside := c.external()
	blue, green := c.Network(nil), c.Network(nil)
	blue4, green4 := c.Subnet(blue, "10.1.0.0/24"), c.Subnet(green, "10.2.0.0/24")
	a, b, d := c.open("hv1", "a", blue), c.open("hv2", "b", blue), c.open("hv1", "d", green)
	r := c.Router(&ext, blue4, green4)

	t.Run("forwarded ports of UDP and ranges", func(t *testing.T) {
		c := c.in(t)
		c.Echo(a, 53, 8000, 8001, 9000)
		c.Echo(b, 6000)
		f := c.FloatingIP(ext, nil)
		c.forward(f, a, Attributes{"protocol": "udp", "external_port": 5353, "internal_port": 53})
		c.forward(f, a, Attributes{"protocol": "tcp", "external_port_range": "8000:8001", "internal_port_range": "8000:8001"})
		c.forward(f, a, Attributes{"protocol": "udp", "external_port_range": "7000:7001", "internal_port_range": "8000:8001"})
		c.forward(f, b, Attributes{"protocol": "tcp", "external_port_range": "6100:6105", "internal_port_range": "6000:6000"})
		c.hears(outside, "udp", f.Address, 5353)
		c.hears(outside, "tcp", f.Address, 8000)
		c.hears(outside, "tcp", f.Address, 8001)
		c.hears(outside, "udp", f.Address, 7000)
		c.hears(outside, "udp", f.Address, 7001)
		c.hears(outside, "tcp", f.Address, 6103)
		c.hears(d, "udp", f.Address, 5353) // from within
		for _, port := range []int{53, 5353, 8002, 9000, 6106} {
			c.Refused(outside, f.Address, port)
		}
	})
	t.Run("several next hops", func(t *testing.T) {
		c := c.in(t)
		for _, g := range []Guest{a, b} {
			for i := range 16 {
				c.Exec(g.Guest.Name, "ip", "addr", "add", fmt.Sprintf("192.0.2.%d/32", 64+i), "dev", "lo")
			}
		}
		through := func(hops ...Guest) {
			c.Helper()
			var routes []Attributes
			for _, g := range hops {
				routes = append(routes, Attributes{"destination": "192.0.2.64/28", "nexthop": g.IP(4).String()})
			}
			c.Update("router", r.ID, Attributes{"routes": routes})
			c.Eventually(fmt.Sprintf("packets through %d next hops", len(hops)), func() error { return c.spread(d, []Guest{a, b}, hops) })
		}
		through(a, b)
		through(b)
		through(a)
		c.Update("router", r.ID, Attributes{"routes": []Attributes{}})
		c.Eventually("the route to go", func() error { return c.silent(d, netip.MustParseAddr("192.0.2.70")) })
	})
}

// spread pings sixteen addresses that several guests have, and demands that
// exactly the wanted guests hear of them.
func (c *Cloud) spread(from Guest, all, want []Guest) error {
	c.Helper()
	stop := map[string]func() []string{}
	for _, g := range all {
		stop[g.Guest.Name] = c.Watch(g, "icmp[icmptype] == icmp-echo")
	}
	answered := 0
	for i := range 16 {
		r := c.Ping(from, netip.AddrFrom4([4]byte{192, 0, 2, byte(64 + i)}), lab.Ping{Count: 1, Timeout: impatience})
		answered += r.Received
	}
	heard, wanted := map[string]bool{}, map[string]bool{}
	for name, f := range stop {
		heard[name] = len(f()) > 0
	}
	for _, g := range want {
		wanted[g.Guest.Name] = true
	}
	for name, was := range heard {
		if was != wanted[name] {
			return fmt.Errorf("%s hears pings: %t", name, was)
		}
	}
	if answered != 16 {
		return fmt.Errorf("%d of 16 pings were answered", answered)
	}
	return nil
}

func TestRoutersOfTheSameIPv6AddressesDoNotMeet(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	var left, right [2]Guest
	for i := range 2 {
		n, m := c.Network(nil), c.Network(nil)
		s, z := c.Subnet(n, "fd00:10::/64"), c.Subnet(m, "fd00:20::/64")
		left[i] = c.open("hv1", fmt.Sprintf("left%d", i), n)
		right[i] = c.open("hv2", fmt.Sprintf("right%d", i), m)
		c.Router(nil, s, z)
	}
	for i := range 2 {
		c.Echo(right[i], 7)
		c.hears(left[i], "tcp", right[i].IP(6), 7)
		if right[i].IP(6) == right[1-i].IP(6) {
			continue // chance gave both the same address
		}
		if err := c.silent(left[i], right[1-i].IP(6)); err != nil {
			t.Error(err)
		}
	}
}

// quickDeath has agents that are silent for a few seconds be dead.
const quickDeath = `
physical_networks: [{name: physnet1}]
controller: { network: { agent_down_time: 4 } }
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: net2, roles: [network] }
  - { name: hv2, roles: [compute] }
`

func TestARouterOfAHostThatDiesIsTakenUpByAnother(t *testing.T) {
	t.Parallel()
	c := Start(t, quickDeath)
	ext, outside := c.external()
	// net1 has the controller, so it is a router on net2 that is to lose its
	// host: of two, one is there.
	n, r := c.routerOn("net2", ext)
	if r.ID == "" {
		n, r = c.routerOn("net2", ext)
	}
	if r.ID == "" {
		t.Fatal("net2 has none of two routers")
	}
	g := c.open("hv2", "g", n)
	c.Serve(g, 80)
	c.Serve(outside, 80)
	fip := c.FloatingIP(ext, &g.Port)
	c.SeenAs(outside, fip.Address, 80, outside.IP(4))

	// The host dies: its agent, and what it forwards.
	for _, program := range []string{"agent", "ovs-vswitchd"} {
		c.Must(c.Lab.Stop(t.Context(), "net2", program, true))
	}
	c.Must(c.cut("net2"))
	var bound time.Time
	c.Eventually("the router to be given to net1", func() error {
		if !slices.Contains(c.routersOn("net1"), r.ID) {
			return errors.New("it is not there")
		}
		bound = time.Now()
		return nil
	})
	c.Eventually("an answer", func() error {
		if r := c.Ping(outside, fip.Address, lab.Ping{Count: 1, Timeout: 50 * time.Millisecond}); r.Received == 0 {
			return errors.New("none")
		}
		return nil
	})
	took := time.Since(bound)
	c.SeenAs(outside, fip.Address, 80, outside.IP(4))
	t.Logf("reached again %s after net1 had the router", took.Round(time.Millisecond))
	if took > time.Second {
		t.Errorf("the floating address was reached %s after the new host had the router", took)
	}
	c.SeenAs(g, outside.IP(4), 80, fip.Address)
}

// routersOn gives the ids of the routers that a host has.
func (c *Cloud) routersOn(host string) (ids []string) {
	c.Helper()
	var of struct{ Routers []Router }
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/agents/"+c.l3Agents()[host]+"/l3-routers", nil, &of))
	for _, r := range of.Routers {
		ids = append(ids, r.ID)
	}
	return ids
}

// routerOn makes a router with a network and gives both if they are on the host.
func (c *Cloud) routerOn(host string, ext Network) (Network, Router) {
	c.Helper()
	n := c.Network(nil)
	r := c.Router(&ext, c.Subnet(n, "10.0.0.0/24"))
	there := false
	c.Eventually("the router to have a host", func() error {
		there = slices.Contains(c.routersOn(host), r.ID)
		for other := range c.l3Agents() {
			if slices.Contains(c.routersOn(other), r.ID) {
				return nil
			}
		}
		return errors.New("it has none")
	})
	if !there {
		return Network{}, Router{}
	}
	return n, r
}

// cut takes a host's links to the physical networks and the underlay down.
func (c *Cloud) cut(host string) error {
	p, err := c.Lab.Place(host)
	if err != nil {
		return err
	}
	for _, link := range []string{"underlay", "phys1"} {
		if out, err := p.Exec(c.Context(), "ip", "link", "set", link, "down"); err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(out))
		}
	}
	return nil
}
