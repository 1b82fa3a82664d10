package e2e

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/lab"
)

// servicesHosts is one host with routers, DHCP and metadata, and two with guests.
const servicesHosts = `
hosts:
  - { name: net1, roles: [controller, network], agent: { roles: [l2, l3, dhcp, metadata] } }
  - { name: hv1, roles: [compute] }
  - { name: hv2, roles: [compute] }
`

// What is explained of packet sizes, metadata, DHCP and address resolution is what
// guests see.
func TestExplanationsOfSizesAndServicesAreWhatGuestsSee(t *testing.T) {
	t.Parallel()
	c := Start(t, servicesHosts)
	blue, small, lone, bare := c.Network(Attributes{"name": "blue"}), c.Network(Attributes{"name": "small", "mtu": 1300}), c.Network(nil), c.Network(nil)
	b4, b6 := c.Subnet(blue, "10.10.0.0/24"), c.Subnet(blue, "fd00:10::/64")
	s4, s6 := c.Subnet(small, "10.20.0.0/24"), c.Subnet(small, "fd00:20::/64")
	c.Subnet(lone, "10.30.0.0/24")
	var without Subnet
	c.create("subnet", Attributes{"network_id": bare.ID, "cidr": "10.40.0.0/24", "ip_version": 4, "enable_dhcp": false, "gateway_ip": nil}, &without)
	a, d, b := c.open("hv1", "a", blue), c.open("hv2", "d", blue), c.open("hv2", "b", small)
	l, n := c.Bare("hv1", "l", c.Port(lone, Attributes{"name": "l"})), c.open("hv1", "n", bare)
	r := c.Router(nil, b4, b6, s4, s6)
	c.settle(r)
	for _, g := range []Guest{a, b, d} {
		c.Instance(Attributes{"name": g.Guest.Name}, g)
	}
	c.Eventually("the guests reach each other", func() error { return c.ping(a, b.IP(4)) })
	t.Run("sizes", func(t *testing.T) { c.in(t).explainsSizes(a, b, blue, small) })
	t.Run("metadata", func(t *testing.T) { c.in(t).explainsMetadata(a, l, n) })
	t.Run("DHCP", func(t *testing.T) { c.in(t).explainsDHCP(a, l, n) })
	t.Run("resolution", func(t *testing.T) { c.in(t).explainsResolution(a, d) })
}

// sized asks about an echo request of a size.
func (c *Cloud) sized(from Guest, to netip.Addr, size, mtu int, whole bool) explanation {
	c.Helper()
	q := url.Values{"from": {from.Port.ID}, "to": {to.String()}, "size": {fmt.Sprint(size)}, "dont_fragment": {fmt.Sprint(whole)}}
	if mtu > 0 {
		q.Set("link_mtu", fmt.Sprint(mtu))
	}
	return c.asked(q)
}

func (c *Cloud) explainsSizes(a, b Guest, blue, small Network) {
	c.Helper()
	const told, silent = true, false // whether the sender learns that it was too big
	for _, tc := range []struct {
		from, to     Guest
		family, size int
		whole        bool
		mtu          int     // of the sender's link
		too          Network // for which it is too big
		learns       bool
	}{
		{a, b, 4, 1300, true, 0, Network{}, silent},
		{a, b, 4, 1301, true, 0, small, told},
		{a, b, 4, 1450, false, 0, Network{}, silent},
		{a, b, 4, 2000, false, 0, Network{}, silent},
		{a, b, 4, 1451, true, 0, blue, told},
		{b, a, 4, 1300, true, 0, Network{}, silent},
		{b, a, 4, 1301, true, 0, small, told},
		{b, a, 4, 1400, false, 0, Network{}, silent},
		{a, b, 6, 1300, true, 0, Network{}, silent},
		{a, b, 6, 1301, true, 0, small, told},
		{a, b, 4, 1480, false, 1500, blue, silent},
		{a, b, 4, 1480, true, 1500, blue, silent},
	} {
		name := fmt.Sprintf("%d bytes from %s over IPv%d, whole %v, MTU %d", tc.size, tc.from.Guest.Name, tc.family, tc.whole, tc.mtu)
		if tc.mtu > 0 {
			c.Exec(tc.from.Guest.Name, "ip", "link", "set", "eth0", "mtu", fmt.Sprint(tc.mtu))
			c.Exec(tc.from.Guest.Name, "ip", "route", "flush", "cache") // with the path's MTU that was learned
		}
		said := c.sized(tc.from, tc.to.IP(tc.family), tc.size, tc.mtu, tc.whole)
		real := c.Ping(tc.from, tc.to.IP(tc.family), lab.Ping{Count: 2, Size: tc.size, DontFragment: tc.whole})
		want := "delivered"
		if tc.too.ID != "" {
			want = "too_big network " + tc.too.ID
		}
		if !strings.HasPrefix(said.by(), want) || (said.Verdict == "passes") != (real.Received > 0) || tc.too.ID != "" && (real.Errors > 0) != tc.learns {
			c.Errorf("%s: %s\nit is said: %s, %s; want %s", name, real, said.by(), said.Text, want)
		}
	}
	c.Exec(a.Guest.Name, "ip", "link", "set", "eth0", "mtu", fmt.Sprint(blue.MTU))
}

func (c *Cloud) explainsMetadata(a, l, n Guest) {
	c.Helper()
	c.Takes(l, c.Lease(l, "121"))
	for _, tc := range []struct {
		from Guest
		to   string
		host []string
		by   string
	}{
		{a, "169.254.169.254", []string{"net1"}, "delivered router"},
		{a, "fe80::a9fe:a9fe", []string{"net1"}, "delivered router"},
		{l, "169.254.169.254", []string{"net1"}, "delivered network"},
		{l, "fe80::a9fe:a9fe", []string{"net1"}, "delivered network"},
		{n, "169.254.169.254", nil, "no_metadata subnet"},
	} {
		said := c.explanation(tc.from, tc.to, "tcp", 80)
		base := metadata4
		if strings.Contains(tc.to, ":") {
			base = metadata6
		}
		_, err := c.Get(tc.from, base+"/latest/meta-data/instance-id")
		if (said.Verdict == "passes") != (err == nil) || strings.Join(said.hosts("metadata"), " ") != strings.Join(tc.host, " ") || !strings.HasPrefix(said.Decision.Reason+" "+said.Decision.Object.Kind, tc.by) {
			c.Errorf("%s at %s gets %v; it is said: %s, %s, proxy on %v", tc.from.Guest.Name, tc.to, err, said.by(), said.Text, said.hosts("metadata"))
		}
	}
}

func (c *Cloud) explainsDHCP(a, l, n Guest) {
	c.Helper()
	for _, g := range []Guest{a, l, n} {
		said := c.asked(url.Values{"from": {g.Port.ID}, "protocol": {"udp"}, "port": {"67"}})
		if real := c.leases(g); real != (said.Verdict == "passes") || real && !strings.Contains(said.Text, g.Port.FixedIPs[0].IP.String()) || real != (said.Decision.Reason == "delivered") {
			c.Errorf("%s has a lease: %v; it is said: %s", g.Guest.Name, real, said.Text)
		}
	}
}

// explainsResolution: br-tun answers for a port on another host, which does not
// hear the question.
func (c *Cloud) explainsResolution(a, d Guest) {
	c.Helper()
	said := c.explanation(a, d.IP(4).String(), "ping", 0)
	hears := c.Watch(d, "arp")
	c.Exec(a.Guest.Name, "ip", "neigh", "flush", "dev", "eth0")
	c.Must(c.ping(a, d.IP(4)))
	neighbour := c.Exec(a.Guest.Name, "ip", "neigh", "show", d.IP(4).String())
	if len(said.Forward) < 2 || !strings.Contains(said.Forward[1].Text, "br-tun answers ARP for "+d.IP(4).String()) {
		c.Errorf("it is said: %+v", said.Forward)
	}
	for _, line := range hears() {
		if strings.Contains(line, "who-has "+d.IP(4).String()) {
			c.Errorf("the port hears %s", line)
		}
	}
	if !strings.Contains(neighbour, d.Port.MAC) {
		c.Errorf("%s is at %s", d.IP(4), neighbour)
	}
}
