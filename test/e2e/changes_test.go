package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// undisturbed runs f while numbered packets flow from a to b, and fails if one
// of them was lost, doubled or overtaken.
func (c *Cloud) undisturbed(a, b Guest, f func()) {
	c.Helper()
	stop := c.Stream(a, b, 4)
	f()
	time.Sleep(100 * time.Millisecond)
	if r := stop(); r.Lost() > 0 || r.Duplicates > 0 || r.Reordered > 0 || r.SendErrors > 0 {
		c.Errorf("%s to %s: %+v, lost %d", a.Guest.Name, b.Guest.Name, r, r.Lost())
	}
}

func TestChangesTouchOnlyWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(provider("vlan", "physnet1", 101))
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	// A VLAN of the same bridges: Open vSwitch's userspace tunnels lose packets
	// for some milliseconds when a link of the host comes or goes, as guests' do
	// here, because it reads its tunnels' routes again.
	bystanders := c.Network(provider("vlan", "physnet1", 102))
	c.dual(bystanders)
	x, y := c.Guest("hv1", "x", bystanders), c.Guest("hv2", "y", bystanders)

	c.undisturbed(x, y, func() {
		t.Run("a VLAN network gets another segmentation id", func(t *testing.T) {
			c := c.in(t)
			c.Update("network", n.ID, Attributes{"provider:segmentation_id": 150})
			for _, host := range []string{"hv1", "hv2"} {
				c.Eventually("the provider bridge of "+host+" uses the new id", func() error {
					flows := strings.Join(c.Flows(host, "br-physnet1"), "\n")
					if strings.Contains(flows, "mod_vlan_vid:101") || !strings.Contains(flows, "mod_vlan_vid:150") {
						return fmt.Errorf("flows:\n%s", flows)
					}
					return nil
				})
			}
			c.AllReach(a, b)
		})
		t.Run("a port gets another address", func(t *testing.T) {
			c := c.in(t)
			old := b.IP(4)
			c.Update("port", b.Port.ID, Attributes{"fixed_ips": []Attributes{{"ip_address": "10.0.0.200"}}})
			c.Exec("b", "ip", "address", "add", "10.0.0.200/24", "dev", "eth0")
			c.Eventually("the new address answers", func() error {
				out, err := a.Exec(t.Context(), "ping", "-c1", "-W1", "10.0.0.200")
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			})
			// The old one is still on the guest, but it is no longer its own.
			c.Eventually("the old address is silent", func() error { return c.silent(a, old) })
		})
		t.Run("a network comes and goes", func(t *testing.T) {
			c := c.in(t)
			n := c.Network(nil)
			c.dual(n)
			g := c.Guest("hv1", "g", n)
			c.Must(c.Lab.Unplug(t.Context(), g.Port.ID))
			c.Must(c.Lab.AwaitPort(t.Context(), g.Port.ID, "DOWN"))
			c.Delete("port", g.Port.ID)
			c.Delete("network", n.ID)
		})
		t.Run("a plugged port is deleted", func(t *testing.T) {
			c := c.in(t)
			g := c.Guest("hv1", "g", bystanders)
			c.Reaches(g, y)
			c.Delete("port", g.Port.ID)
			c.Eventually("its guest is cut off", func() error { return c.silent(g, y.IP(4)) })
		})
	})
}

func TestTunnelsLeadOnlyToHostsThatShareANetwork(t *testing.T) {
	t.Parallel()
	c := Start(t, `
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: hv, count: 3, roles: [compute] }
`)
	n, other := c.Network(nil), c.Network(nil)
	c.dual(n)
	c.dual(other)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	c.Guest("hv3", "lonely", other)
	c.AllReach(a, b)
	for host, want := range map[string]int{"hv1": 1, "hv2": 1, "hv3": 0} {
		if got := strings.Count(c.Exec(host, "ovs-vsctl", "list-ports", "br-tun"), "vxlan-"); got != want {
			t.Errorf("%s has %d tunnels, want %d", host, got, want)
		}
	}
	// The third host joins, and leaves again.
	d := c.Guest("hv3", "d", n)
	c.AllReach(a, b, d)
	c.Must(c.Lab.Unplug(t.Context(), d.Port.ID))
	c.Delete("port", d.Port.ID)
	for host, want := range map[string]int{"hv1": 1, "hv2": 1, "hv3": 0} {
		c.Eventually("the tunnels to hv3 go", func() error {
			if got := strings.Count(c.Exec(host, "ovs-vsctl", "list-ports", "br-tun"), "vxlan-"); got != want {
				return fmt.Errorf("%s has %d tunnels, want %d", host, got, want)
			}
			return nil
		})
	}
	c.AllReach(a, b)
}

func TestWithoutL2PopulationHostsFloodAndLearn(t *testing.T) {
	t.Parallel()
	c := Start(t, `
controller: { network: { l2population: false } }
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: hv1, roles: [compute] }
  - { name: hv2, roles: [compute] }
`)
	n := c.Network(nil)
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	c.AllReach(a, b)
	learned := func() error {
		for _, f := range c.Flows("hv1", "br-tun") {
			if strings.Contains(f, "table=20") && strings.Contains(f, b.Port.MAC) {
				return nil
			}
		}
		return fmt.Errorf("no flow of table 20 for %s", b.Port.MAC)
	}
	c.Eventually("hv1 has learned where b is", learned)
}
