package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// twoPhysnets is two compute nodes and a third without guests, with two
// physical networks.
const twoPhysnets = `
physical_networks: [{name: physnet1}, {name: physnet2}]
controller: { network: { vlan: { network_vlan_ranges: ["physnet1:100:200", "physnet2:100:200"] } } }
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: hv1, roles: [compute] }
  - { name: hv2, roles: [compute] }
`

func provider(typ, physnet string, id int) Attributes {
	a := Attributes{"provider:network_type": typ}
	if physnet != "" {
		a["provider:physical_network"] = physnet
	}
	if id != 0 {
		a["provider:segmentation_id"] = id
	}
	return a
}

// dual gives the network an IPv4 and an IPv6 subnet. Every network has the
// same ones: addresses never tell networks apart.
func (c *Cloud) dual(n Network) {
	c.Helper()
	c.Subnet(n, "10.0.0.0/24")
	c.Subnet(n, "fd00:10::/64")
}

func TestGuestsOfANetworkReachEachOtherAndNobodyElse(t *testing.T) {
	t.Parallel()
	c := Start(t, twoPhysnets)
	var all [][2]Guest
	for i, tc := range []struct {
		name string
		net  Attributes
		mtu  int
	}{
		{"VXLAN from the pool", nil, 1450},
		{"VXLAN with a VNI", provider("vxlan", "", 4096), 1450},
		{"GRE", provider("gre", "", 4096), 1458},
		{"Geneve", provider("geneve", "", 4096), 1450},
		{"VLAN", provider("vlan", "physnet1", 101), 1500},
		{"VLAN of the same id on another physical network", provider("vlan", "physnet2", 101), 1500},
		{"flat", provider("flat", "physnet1", 0), 1500},
	} {
		n := c.Network(tc.net)
		c.dual(n)
		a := c.Guest("hv1", fmt.Sprintf("a%d", i), n)
		b := c.Guest("hv2", fmt.Sprintf("b%d", i), n)
		all = append(all, [2]Guest{a, b})
		t.Run(tc.name, func(t *testing.T) {
			c := c.in(t)
			if n.MTU != tc.mtu {
				t.Errorf("MTU %d, want %d", n.MTU, tc.mtu)
			}
			c.AllReach(a, b)
			for _, family := range []int{4, 6} {
				if r := c.Ping(a, b.IP(family), lab.Ping{Size: n.MTU, DontFragment: true, Interval: 20 * time.Millisecond}); r.Lost() > 0 {
					t.Errorf("a packet of %d bytes: %s", n.MTU, r)
				}
			}
		})
	}
	t.Run("no network leaks into another", func(t *testing.T) {
		c := c.in(t)
		for i, p := range all {
			q := all[(i+1)%len(all)]
			c.Isolated(p[0], q[0]) // on the same host
			c.Isolated(p[0], q[1]) // on another
		}
	})
}

func TestTCPWorksOverEveryKindOfNetwork(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	for i, tc := range []struct {
		name string
		net  Attributes
	}{
		{"VXLAN", nil},
		{"VLAN", provider("vlan", "physnet1", 101)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := c.in(t)
			n := c.Network(tc.net)
			c.dual(n)
			a := c.Guest("hv1", fmt.Sprintf("a%d", i), n)
			b := c.Guest("hv2", fmt.Sprintf("b%d", i), n)
			for _, family := range []int{4, 6} {
				// Where checksums or sizes are wrong it is next to nothing.
				if rate := c.Download(a, b, family); rate < 2 {
					t.Errorf("IPv%d: %.0f Mbit/s", family, rate)
				}
			}
		})
	}
}

func TestALocalNetworkStaysOnItsHost(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(provider("local", "", 0))
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv1", "b", n)
	other := c.Guest("hv2", "other", n)
	c.AllReach(a, b)
	c.Isolated(a, other)
}

func TestTunnelsOverIPv6TakeSeventyBytes(t *testing.T) {
	t.Parallel()
	c := Start(t, `
underlay_ip: 6
tunnel_types: [vxlan]
hosts:
  - { name: hv1, roles: [controller, compute] }
  - { name: hv2, roles: [compute] }
`)
	n := c.Network(nil)
	if n.MTU != 1430 {
		t.Errorf("MTU %d, want 1430", n.MTU)
	}
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	c.AllReach(a, b)
	if r := c.Ping(a, b.IP(4), lab.Ping{Size: n.MTU, DontFragment: true}); r.Lost() > 0 {
		t.Errorf("a packet of %d bytes: %s", n.MTU, r)
	}
}

func TestKnownUnicastIsSeenByNobodyElse(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	for _, tc := range []struct {
		name string
		net  Attributes
	}{
		{"VXLAN", nil},
		{"VLAN", provider("vlan", "physnet1", 101)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := c.in(t)
			n := c.Network(tc.net)
			c.dual(n)
			a, b := c.Guest("hv1", "a"+tc.name, n), c.Guest("hv2", "b"+tc.name, n)
			near, far := c.Guest("hv1", "near"+tc.name, n), c.Guest("hv2", "far"+tc.name, n)
			third := c.Guest("net1", "third"+tc.name, n)
			// Neither the first packet nor a later one may go astray.
			filter := "(icmp or icmp6 and ip6[40] >= 128 and ip6[40] <= 129 or arp or icmp6 and ip6[40] == 135) and (ether src " + a.Port.MAC + " or ether src " + b.Port.MAC + ")"
			var watches []func() []string
			for _, g := range []Guest{near, far, third} {
				watches = append(watches, c.Watch(g, filter))
			}
			c.AllReach(a, b)
			for i, w := range watches {
				if frames := w(); len(frames) > 0 {
					t.Errorf("third guest %d sees:\n%s", i, frames)
				}
			}
		})
	}
}

func TestPortsGoDownAndUp(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	c.AllReach(a, b)
	if p := c.ShowPort(b.Port.ID); p.Status != "ACTIVE" || p.VIFType != "ovs" || p.Host != "hv2" {
		t.Errorf("a plugged port is %+v", p)
	}

	c.Must(c.Lab.Unplug(t.Context(), b.Port.ID))
	c.Must(c.Lab.AwaitPort(t.Context(), b.Port.ID, "DOWN"))

	moved := c.Plug("hv1", "b", b.Port)
	c.AllReach(a, moved)
	if p := c.ShowPort(b.Port.ID); p.Host != "hv1" {
		t.Errorf("after its move the port is on %s", p.Host)
	}

	c.Update("port", b.Port.ID, Attributes{"admin_state_up": false})
	c.Must(c.Lab.AwaitPort(t.Context(), b.Port.ID, "DOWN"))
	c.Eventually("the port is silent", func() error { return c.silent(a, moved.IP(4)) })
	c.Update("port", b.Port.ID, Attributes{"admin_state_up": true})
	c.Must(c.Lab.AwaitPort(t.Context(), b.Port.ID, "ACTIVE"))
	c.AllReach(a, moved)
}
