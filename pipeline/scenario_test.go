package pipeline

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/test/golden"
)

// cloud builds Views in few words.
type cloud struct{ View }

// newCloud gives host hv1 with tunnels to hv2 and hv3 and two provider bridges.
func newCloud() *cloud {
	c := &cloud{View{
		Host:     "hv1",
		Config:   Config{L2Population: true, ARPResponder: true},
		Networks: map[string]Network{}, Ports: map[string]LocalPort{}, Remotes: map[string]*model.Port{},
		Groups: map[string]SecurityGroup{}, Members: map[MemberKey]*model.GroupMember{}, AddressGroups: map[string]*model.AddressGroup{},
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
	{"default_group", "Two dual-stack guests here and two on another host in one VXLAN network, all in the default group 1, whose members may talk to each other; and a DHCP port.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.group(1, defaultRules(1)...)
		for n := 1; n <= 2; n++ {
			c.member(1, inGroups(c.port(n, 1, fmt.Sprintf("10.10.0.1%d", n), fmt.Sprintf("2001:db8::1%d", n)), 1))
			c.member(1, inGroups(c.remote(n+2, 1, "hv2", fmt.Sprintf("10.10.0.2%d", n), fmt.Sprintf("2001:db8::2%d", n)), 1))
		}
		dhcp := c.port(5, 1, "10.10.0.2")
		dhcp.DeviceOwner, dhcp.PortSecurityEnabled = "network:dhcp", false
	}},
	{"rules", "A guest in two groups: every kind of rule in group 1, among them remote group 2 and remote address group 1; group 2 admits SSH.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.group(1,
			"egress IPv4 protocol=udp ports=53-53", "egress IPv6",
			"ingress IPv4 protocol=icmp", "ingress IPv6 protocol=ipv6-icmp ports=128-0",
			"ingress IPv4 protocol=tcp ports=8000-8010 group=2", "ingress IPv4 protocol=132 ports=7-7 addresses=1",
			"ingress IPv4 protocol=vrrp prefix=10.10.0.0/24",
		)
		c.group(2, "ingress IPv4 protocol=tcp ports=22-22")
		c.AddressGroups[addressGroupID(1)] = &model.AddressGroup{Meta: model.Meta{ID: addressGroupID(1)}, Addresses: []netip.Prefix{prefix("192.0.2.0/24"), prefix("2001:db8:2::/48")}}
		c.member(2, inGroups(c.port(1, 1, "10.10.0.11", "2001:db8::11"), 1, 2))
		c.member(2, inGroups(c.remote(2, 1, "hv2", "10.10.0.12"), 2))
	}},
	{"logs", "A guest in group 1, of which everything is logged, and one in group 2, of which a log of its own has what is dropped.", func(c *cloud) {
		c.network(1, flat("physnet1"))
		c.group(1, "egress IPv4", "ingress IPv4 protocol=tcp ports=22-22")
		c.group(2, "egress IPv4")
		inGroups(c.port(1, 1, "198.51.100.11"), 1)
		inGroups(c.port(2, 1, "198.51.100.12"), 2)
		c.log(1, model.LogAll, groupID(1), "")
		c.log(2, model.LogDrop, "", portID(2))
		c.log(3, model.LogAll, groupID(1), portID(2)) // which is not in it
	}},
	{"questions", "The agent answers DHCP, DHCPv6 and router solicitations of guest 1, and DHCP of guest 2, which has no port security.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.port(1, 1, "10.10.0.11", "2001:db8::11")
		c.asks(1, AskDHCP|AskDHCPv6|AskRouter)
		c.port(2, 1, "10.10.0.12").PortSecurityEnabled = false
		c.asks(2, AskDHCP)
	}},
	{"metadata", "The host answers its guests' requests for metadata (`metadata.mode: local`); guest 2 has no port security.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.port(1, 1, "10.10.0.11", "2001:db8::11")
		c.port(2, 1, "10.10.0.12").PortSecurityEnabled = false
		c.Metadata = MetadataPort{15}
	}},
	{"stateless logs", "A guest in the stateless group 1, of which what is admitted is logged, and one in it and in the stateful group 2.", func(c *cloud) {
		c.network(1, flat("physnet1"))
		c.group(1, "egress IPv4", "ingress IPv4 protocol=tcp ports=22-22").Stateful = false
		c.group(2, "egress IPv6")
		inGroups(c.port(1, 1, "198.51.100.11"), 1)
		inGroups(c.port(2, 1, "198.51.100.12"), 1, 2)
		c.log(1, model.LogAccept, groupID(1), "")
	}},
	{"distributed", "Guests in a VXLAN and in a VLAN network, with a distributed router between them whose home is hv3.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.network(2, vlan("physnet1", 100))
		c.port(1, 1, "10.10.0.11")
		c.port(2, 2, "10.20.0.12")
		distributed(c.port(3, 1, "10.10.0.1"), "hv3")
		distributed(c.port(6, 1, "2001:db8::1"), "hv3")
		distributed(c.port(4, 2, "10.20.0.1"), "hv3")
		c.remote(5, 1, "hv2", "10.10.0.15")
	}},
	{"stateless", "A guest in the stateless group 1, and one in it and in the stateful group 2.", func(c *cloud) {
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.group(1, "egress IPv4 protocol=tcp ports=80-80", "ingress IPv4 protocol=icmp ports=0-", "ingress IPv4 protocol=udp ports=53-53 group=1").Stateful = false
		c.group(2, "egress IPv4")
		c.member(1, inGroups(c.port(1, 1, "10.10.0.11"), 1))
		c.member(1, inGroups(c.port(2, 1, "10.10.0.12"), 1, 2))
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

func TestScenariosGiveTheGoldenTables(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			golden.Text(t, filepath.Join("testdata", s.name+".flows"), Compile(s.view()).text())
		})
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// groupID makes the id of group n, whose number is n in the last digits:
// 0x5c000001 for group 1. ruleID makes that of rule n of a group.
func groupID(n int) string { return fmt.Sprintf("5c00%04x-0000-4000-8000-000000000000", n) }

func ruleID(group, n int) string {
	return fmt.Sprintf("b1%02x%04x-0000-4000-8000-000000000000", group, n)
}

// group adds group n with rules written as words: direction, ethertype, and any
// of protocol=, ports=from-to, prefix=, group=n, addresses=n.
func (c *cloud) group(n int, rules ...string) *model.SecurityGroup {
	g := SecurityGroup{
		Record: &model.SecurityGroup{Meta: model.Meta{ID: groupID(n)}, Stateful: true},
		Rules:  map[string]*model.SecurityGroupRule{},
	}
	for i, words := range rules {
		r := readRuleWords(words)
		r.ID, r.SecurityGroupID = ruleID(n, i+1), groupID(n)
		g.Rules[r.ID] = r
	}
	c.Groups[groupID(n)] = g
	return g.Record
}

func readRuleWords(words string) *model.SecurityGroupRule {
	r := &model.SecurityGroupRule{}
	for _, w := range strings.Fields(words) {
		key, value, _ := strings.Cut(w, "=")
		number := func() int {
			n, err := strconv.Atoi(value)
			if err != nil {
				panic(words)
			}
			return n
		}
		switch key {
		case "ingress", "egress":
			r.Direction = key
		case "IPv4", "IPv6":
			r.EtherType = key
		case "ports":
			from, to, _ := strings.Cut(value, "-")
			r.PortRangeMin, r.PortRangeMax = intOf(from), intOf(to)
		case "prefix":
			r.RemoteIPPrefix, r.NormalizedCIDR = value, netip.MustParsePrefix(value)
		case "group":
			r.RemoteGroupID = groupID(number())
		case "addresses":
			r.RemoteAddressGroupID = addressGroupID(number())
		case "protocol":
			r.Protocol = value
		default:
			panic("unknown word " + w)
		}
	}
	return r
}

func intOf(s string) *int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return nil
	}
	return &n
}

// member makes a port a member of a remote group.
func (c *cloud) member(group int, p *model.Port) {
	m := &model.GroupMember{GroupID: groupID(group), PortID: p.ID}
	for _, f := range p.FixedIPs {
		m.Addresses = append(m.Addresses, netip.PrefixFrom(f.IP, f.IP.BitLen()))
	}
	for _, pair := range p.AllowedAddressPairs {
		if pair.IP.Bits() > 0 {
			m.Addresses = append(m.Addresses, pair.IP)
		}
	}
	c.Members[MemberKey{m.GroupID, m.PortID}] = m
}

func addressGroupID(n int) string {
	return fmt.Sprintf("ad00%04x-0000-4000-8000-000000000000", n)
}

// inGroups puts a port into groups.
func inGroups(p *model.Port, groups ...int) *model.Port {
	for _, n := range groups {
		p.SecurityGroups = append(p.SecurityGroups, groupID(n))
	}
	return p
}

// defaultRules are those of a project's default group n.
func defaultRules(n int) []string {
	return []string{
		"egress IPv4", "egress IPv6",
		fmt.Sprintf("ingress IPv4 group=%d", n), fmt.Sprintf("ingress IPv6 group=%d", n),
	}
}

func logID(n int) string { return fmt.Sprintf("10600000-%04x-4000-8000-000000000000", n) }

// log adds log n about a group, a port, both or everything.
func (c *cloud) log(n int, event, group, port string) *model.Log {
	r := &model.Log{
		Meta: model.Meta{ID: logID(n)}, ResourceType: model.LogSecurityGroup, Event: event,
		ResourceID: group, TargetID: port, Enabled: true,
	}
	if c.Logs == nil {
		c.Logs = map[string]*model.Log{}
	}
	c.Logs[r.ID] = r
	return r
}

// asks has the agent answer questions of port n.
func (c *cloud) asks(n int, q Questions) {
	p := c.Ports[portID(n)]
	p.Asks = q
	c.Ports[portID(n)] = p
}

// admitAll puts the ports without a group into one that admits everything. A
// test that wants a port to have no rules puts it into a group without rules.
func (c *cloud) admitAll() *cloud {
	c.group(99, "egress IPv4", "egress IPv6", "ingress IPv4", "ingress IPv6")
	for _, p := range c.Ports {
		if len(p.Record.SecurityGroups) == 0 {
			inGroups(p.Record, 99)
		}
	}
	return c
}
