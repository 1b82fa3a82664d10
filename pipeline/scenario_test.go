package pipeline

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/model"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/pipeline.md")

// cloud builds Views in few words.
type cloud struct{ View }

// newCloud gives host hv1 with tunnels to hv2 and hv3 and two provider bridges.
func newCloud() *cloud {
	c := &cloud{View{
		Host:     "hv1",
		Config:   Config{L2Population: true, ARPResponder: true},
		Networks: map[string]Network{}, Ports: map[string]LocalPort{}, Remotes: map[string]*model.Port{},
		PatchTun: 1, PatchInt: 1,
		Tunnels:  map[TunnelKey]uint32{},
		Physical: map[string]PhysicalBridge{"physnet1": {"br-phys", 2, 1}, "physnet2": {"br-ext", 3, 1}},
	}}
	for i, t := range []model.NetworkType{model.VXLAN, model.GRE, model.Geneve} {
		c.Tunnels[TunnelKey{"hv2", t}] = uint32(2 + 2*i)
		c.Tunnels[TunnelKey{"hv3", t}] = uint32(3 + 2*i)
	}
	return c
}

// networkID and portID make ids whose cookies a reader recognizes: network 1
// and port 1 are 4e0000000001 and 900000000001.
func networkID(n int) string { return fmt.Sprintf("4e000000-%04x-4000-8000-000000000000", n) }

func portID(n int) string { return fmt.Sprintf("90000000-%04x-4000-8000-000000000000", n) }

func mac(n int) model.MAC { return model.MAC{0xfa, 0x16, 0x3e, 0, byte(n >> 8), byte(n)} }

// network adds network n, with local VLAN n.
func (c *cloud) network(n int, segment model.Segment, change ...func(*model.Network)) {
	r := &model.Network{Meta: model.Meta{ID: networkID(n)}, AdminStateUp: true, PortSecurityEnabled: true, Segment: segment}
	for _, f := range change {
		f(r)
	}
	c.Networks[r.ID] = Network{Record: r, VLAN: uint16(n)}
}

// record makes the record of port n, with MAC …:n.
func record(n, network int, host string, ips ...string) *model.Port {
	r := &model.Port{
		Meta: model.Meta{ID: portID(n)}, NetworkID: networkID(network), MAC: mac(n), AdminStateUp: true,
		Host: host, PortSecurityEnabled: true, DeviceOwner: "compute:nova",
	}
	for _, ip := range ips {
		r.FixedIPs = append(r.FixedIPs, model.FixedIP{IP: netip.MustParseAddr(ip)})
	}
	return r
}

// port plugs port n into br-int with OpenFlow port 10+n.
func (c *cloud) port(n, network int, ips ...string) *model.Port {
	r := record(n, network, c.Host, ips...)
	c.Ports[r.ID] = LocalPort{Record: r, OFPort: uint32(10 + n)}
	return r
}

// remote adds port n on another host.
func (c *cloud) remote(n, network int, host string, ips ...string) *model.Port {
	r := record(n, network, host, ips...)
	c.Remotes[r.ID] = r
	return r
}

func flat(physnet string) model.Segment {
	return model.Segment{Type: model.Flat, PhysicalNetwork: physnet}
}

func vlan(physnet string, id uint32) model.Segment {
	return model.Segment{Type: model.VLAN, PhysicalNetwork: physnet, ID: id}
}

func tunnelled(t model.NetworkType, id uint32) model.Segment { return model.Segment{Type: t, ID: id} }

func unsecured(p *model.Port) { p.PortSecurityEnabled = false }

// scenario is a View worth looking at.
type scenario struct {
	name  string
	about string
	build func(c *cloud)
}

var scenarios = []scenario{
	{"flat", "Two guests on a flat network.", func(c *cloud) {
		c.network(1, flat("physnet1"))
		c.port(1, 1, "198.51.100.11")
		c.port(2, 1, "198.51.100.12")
	}},
	{"vlan", "A VLAN network with id 100 beside a flat one, one guest each, and a DHCP port in the VLAN network.", func(c *cloud) {
		c.network(1, flat("physnet1"))
		c.network(2, vlan("physnet1", 100))
		c.port(1, 1, "198.51.100.11")
		c.port(2, 2, "10.100.0.12")
		dhcp := c.port(3, 2, "10.100.0.2")
		dhcp.DeviceOwner, dhcp.PortSecurityEnabled = "network:dhcp", false
	}},
	{"vxlan", "A VXLAN network: two guests here, two on another host, a router on a third; l2population and the responder are on.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.port(1, 1, "10.10.0.11")
		c.port(2, 1, "10.10.0.12")
		c.remote(3, 1, "hv2", "10.10.0.13")
		c.remote(4, 1, "hv2", "10.10.0.14")
		router := c.remote(5, 1, "hv3", "10.10.0.1", "2001:db8::1")
		router.DeviceOwner, router.PortSecurityEnabled = "network:router_interface", false
	}},
	{"vxlan_learn", "The same without l2population: br-tun floods and learns.", func(c *cloud) {
		c.Config.L2Population = false
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.port(1, 1, "10.10.0.11")
		c.port(2, 1, "10.10.0.12")
	}},
	{"gre_geneve", "A GRE, a Geneve and a VXLAN network with the same id do not mix.", func(c *cloud) {
		for i, t := range []model.NetworkType{model.GRE, model.Geneve, model.VXLAN} {
			c.network(i+1, tunnelled(t, 77))
			c.port(i+1, i+1, fmt.Sprintf("10.%d.0.11", i+1))
			c.remote(i+11, i+1, "hv2", fmt.Sprintf("10.%d.0.12", i+1))
		}
	}},
	{"dual_stack", "A guest with an IPv4 and an IPv6 address, and one elsewhere.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.port(1, 1, "10.10.0.11", "2001:db8::11")
		c.remote(2, 1, "hv2", "10.10.0.12", "2001:db8::12")
	}},
	{"pairs", "Allowed address pairs: a second address, a prefix behind a second MAC, and a virtual router's MAC and address that two guests share, one here and one elsewhere.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		virtual := model.MAC{0, 0, 0x5e, 0, 1, 7}
		shared := model.AddressPair{MAC: virtual, IP: netip.MustParsePrefix("10.10.0.100/32")}
		c.port(1, 1, "10.10.0.11").AllowedAddressPairs = []model.AddressPair{
			{IP: netip.MustParsePrefix("10.10.0.200/32")},
			{MAC: mac(0x77), IP: netip.MustParsePrefix("10.10.77.0/24")},
			shared,
		}
		c.remote(2, 1, "hv2", "10.10.0.12").AllowedAddressPairs = []model.AddressPair{shared}
	}},
	{"port_security_off", "A guest without port security here and one elsewhere, beside ordinary ones.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.port(1, 1, "10.10.0.11")
		unsecured(c.port(2, 1, "10.10.0.12"))
		c.remote(3, 1, "hv2", "10.10.0.13")
		unsecured(c.remote(4, 1, "hv3", "10.10.0.14"))
	}},
	{"admin_down", "A network that is down, and a port that is down in one that is up.", func(c *cloud) {
		c.network(1, flat("physnet1"), func(n *model.Network) { n.AdminStateUp = false })
		c.network(2, vlan("physnet1", 100))
		c.port(1, 1, "198.51.100.11")
		c.port(2, 2, "10.100.0.12")
		c.port(3, 2, "10.100.0.13").AdminStateUp = false
	}},
	{"two_physnets", "VLAN id 100 on two physical networks are two networks.", func(c *cloud) {
		c.network(1, vlan("physnet1", 100))
		c.network(2, vlan("physnet2", 100))
		c.port(1, 1, "10.1.0.11")
		c.port(2, 2, "10.2.0.11")
	}},
	{"local", "A local network does not leave the host.", func(c *cloud) {
		c.network(1, model.Segment{Type: model.Local})
		c.port(1, 1, "10.1.0.11")
		c.port(2, 1, "10.1.0.12")
	}},
}

func (s scenario) view() *View {
	c := newCloud()
	s.build(c)
	return &c.View
}

// text writes a program as a human would paste it.
func (p *Program) text() string {
	var b bytes.Buffer
	for _, bridge := range slices.Sorted(maps.Keys(p.Bridges)) {
		fmt.Fprintf(&b, "# %s\n", bridge)
		for _, r := range p.Bridges[bridge] {
			fmt.Fprintln(&b, r)
		}
	}
	for _, problem := range p.Problems {
		fmt.Fprintf(&b, "# problem: %s %s %s\n", problem.Kind, problem.ID, problem.Text)
	}
	return b.String()
}

// golden compares text with a file of testdata.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is not what the pipeline gives now (-update rewrites it):\n%s", path, diff)
	}
}

func TestScenariosGiveTheGoldenTables(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			golden(t, filepath.Join("testdata", s.name+".flows"), Compile(s.view()).text())
		})
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
