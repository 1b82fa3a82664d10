package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/model"
)

// tracedCloud has, behind guest1 to guest5 (ports 1 to 5): 1 and 2 in a VXLAN
// network, 3 and 4 in VLAN 100 of physnet1, 5 in VLAN 100 of physnet2. On hv2
// are 21 in the VXLAN network and 23 in VLAN 100 of physnet1; hv3 has no member
// of these.
func tracedCloud() *cloud {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	c.network(2, vlan("physnet1", 100))
	c.network(3, vlan("physnet2", 100))
	c.port(1, 1, "10.10.0.11", "2001:db8::11")
	c.port(2, 1, "10.10.0.12", "2001:db8::12")
	c.port(3, 2, "10.20.0.13")
	c.port(4, 2, "10.20.0.14")
	c.port(5, 3, "10.30.0.15")
	c.remote(21, 1, "hv2", "10.10.0.21", "2001:db8::21")
	c.remote(23, 2, "hv2", "10.20.0.23")
	return c
}

// Packets, as ofproto/trace reads them.

func eth(inPort, src int, dst string) string {
	return fmt.Sprintf("in_port=%d,dl_src=%s,dl_dst=%s", inPort, mac(src), dst)
}

const broadcast = "ff:ff:ff:ff:ff:ff"

func udp(from, to string, ports ...int) string {
	s := fmt.Sprintf(",udp,nw_src=%s,nw_dst=%s", from, to)
	if len(ports) == 2 {
		s += fmt.Sprintf(",udp_src=%d,udp_dst=%d", ports[0], ports[1])
	}
	return s
}

func udp6(from, to string, ports ...int) string {
	return strings.NewReplacer("udp,", "udp6,", "nw_src", "ipv6_src", "nw_dst", "ipv6_dst").Replace(udp(from, to, ports...))
}

func arp(op, sha int, spa, tpa string) string {
	return fmt.Sprintf(",arp,arp_op=%d,arp_sha=%s,arp_spa=%s,arp_tpa=%s", op, mac(sha), spa, tpa)
}

func nd(typ int, from, to, target string) string {
	return fmt.Sprintf(",icmp6,ipv6_src=%s,ipv6_dst=%s,nw_ttl=255,icmpv6_type=%d,icmpv6_code=0,nd_target=%s", from, to, typ, target)
}

// at is the MAC of a port as text.
func at(n int) string { return mac(n).String() }

type traced struct {
	name   string
	bridge string
	packet string
	want   []string
}

func (r *rig) expect(t *testing.T, cases []traced) {
	t.Helper()
	for _, c := range cases {
		bridge := c.bridge
		if bridge == "" {
			bridge = "br-int"
		}
		if got := r.send(bridge, c.packet); !slices.Equal(got, c.want) {
			t.Errorf("%s: comes out of %q, want %q\n%s", c.name, got, c.want, r.Appctl("ofproto/trace", bridge, c.packet))
		}
	}
}

// tracedGroups are packets and where they come out, by what they prove.
var tracedGroups = []struct {
	name  string
	view  func() *cloud
	cases []traced
}{
	{"unicast goes to its port and nowhere else", tracedCloud, unicastCases},
	{"floods stay in the network", tracedCloud, floodCases},
	{"guests send from their own addresses only", tracedCloud, identityCases},
	{"guests are neither DHCP servers nor routers", tracedCloud, guardCases},
	{"questions for known addresses stay on the host", tracedCloud, questionCases},
	{"networks with equal ids do not mix", mixedCloud, mixedCases},
	{"ports without port security may be bridges", openCloud, openCases},
	{"allowed address pairs are allowed", pairCloud, pairCases},
	{"what is down is cut off", downCloud, downCases},
	{"tunnels flood where nothing is recorded", learningCloud, learningCases},
	{"an IPv4 port has a link-local address", tracedCloud, linkLocalCases},
	{"a port without rules has base traffic only", bareCloud, bareCases},
	{"a distributed router is here for guests here", routedCloud("hv3"), distributedCases},
	{"a distributed router at home is there for others too", routedCloud("hv1"), homeCases},
	{"requests for metadata go to the proxy and back", metadataCloud, metadataCases},
}

// TestPacketsTakeTheirWay sends packets through the tables in a real switch.
func TestPacketsTakeTheirWay(t *testing.T) {
	r := newRig(t)
	for _, group := range tracedGroups {
		t.Run(group.name, func(t *testing.T) {
			r.load(Compile(&group.view().admitAll().View))
			r.expect(t, group.cases)
		})
	}
}

var unicastCases = []traced{
	{"IPv4 to a guest here", "", eth(11, 1, at(2)) + udp("10.10.0.11", "10.10.0.12"), []string{"guest2"}},
	{"IPv6 to a guest here", "", eth(11, 1, at(2)) + udp6("2001:db8::11", "2001:db8::12"), []string{"guest2"}},
	{"to a guest on another host", "", eth(11, 1, at(21)) + udp("10.10.0.11", "10.10.0.21"), []string{"vxlan-hv2"}},
	{"to a guest here in a VLAN network", "", eth(13, 3, at(4)) + udp("10.20.0.13", "10.20.0.14"), []string{"guest4"}},
	{"out of a VLAN network", "", eth(15, 5, at(99)) + udp("10.30.0.15", "10.30.0.99"), []string{"eth-ext vlan 100"}},
	{"to a MAC of another network", "", eth(13, 3, at(5)) + udp("10.20.0.13", "10.30.0.15"), []string{"eth-phys vlan 100"}},
	{"to itself", "", eth(11, 1, at(1)) + udp("10.10.0.11", "10.10.0.11"), nil},
	{"from a tunnel to a guest here", "br-tun", "tun_id=0x79c," + eth(2, 21, at(1)) + udp("10.10.0.21", "10.10.0.11"), []string{"guest1"}},
	{"from a tunnel to nobody here", "br-tun", "tun_id=0x79c," + eth(2, 21, at(99)) + udp("10.10.0.21", "10.10.0.99"), nil},
	{"from a tunnel with a foreign id", "br-tun", "tun_id=0x79d," + eth(2, 21, at(1)) + udp("10.10.0.21", "10.10.0.11"), nil},
	{"from the physical network to a guest here", "br-phys", eth(9, 23, at(3)) + ",dl_vlan=100" + udp("10.20.0.23", "10.20.0.13"), []string{"guest3"}},
	{"from the physical network with a foreign VLAN id", "br-phys", eth(9, 23, at(3)) + ",dl_vlan=101" + udp("10.20.0.23", "10.20.0.13"), nil},
	{"from a port that nobody knows", "", eth(77, 1, at(2)) + udp("10.10.0.11", "10.10.0.12"), nil},
	{"a guest that sends with a tag", "", eth(11, 1, at(2)) + ",dl_vlan=1" + udp("10.10.0.11", "10.10.0.12"), nil},
}

var floodCases = []traced{
	{"broadcast of a guest", "", eth(11, 1, broadcast) + udp("10.10.0.11", "255.255.255.255"), []string{"guest2", "vxlan-hv2"}},
	{"IPv6 multicast of a guest", "", eth(11, 1, "33:33:00:00:00:fb") + udp6("2001:db8::11", "ff02::fb"), []string{"guest2", "vxlan-hv2"}},
	{"broadcast in a VLAN network", "", eth(13, 3, broadcast) + udp("10.20.0.13", "255.255.255.255"), []string{"eth-phys vlan 100", "guest4"}},
	{"broadcast of a guest alone in its network", "", eth(15, 5, broadcast) + udp("10.30.0.15", "255.255.255.255"), []string{"eth-ext vlan 100"}},
	{"broadcast from a tunnel goes to no other tunnel", "br-tun", "tun_id=0x79c," + eth(2, 21, broadcast) + udp("10.10.0.21", "255.255.255.255"), []string{"guest1", "guest2"}},
	{"broadcast from the physical network", "br-phys", eth(9, 23, broadcast) + ",dl_vlan=100" + udp("10.20.0.23", "255.255.255.255"), []string{"guest3", "guest4"}},
	{"unknown unicast", "", eth(11, 1, at(99)) + udp("10.10.0.11", "10.10.0.99"), []string{"vxlan-hv2"}},
	{"a spanning tree frame", "", eth(11, 1, "01:80:c2:00:00:00") + udp("10.10.0.11", "10.10.0.99"), nil},
}

var identityCases = []traced{
	{"another MAC", "", eth(11, 9, at(2)) + udp("10.10.0.11", "10.10.0.12"), nil},
	{"the MAC of a neighbour", "", eth(11, 2, at(21)) + udp("10.10.0.12", "10.10.0.21"), nil},
	{"another IPv4 address", "", eth(11, 1, at(2)) + udp("10.10.0.12", "10.10.0.12"), nil},
	{"another IPv6 address", "", eth(11, 1, at(2)) + udp6("2001:db8::12", "2001:db8::12"), nil},
	{"another link-local address", "", eth(11, 1, at(2)) + udp6("fe80::1", "2001:db8::12"), nil},
	{"its own link-local address", "", eth(11, 1, at(2)) + udp6("fe80::f816:3eff:fe00:1", "2001:db8::12"), []string{"guest2"}},
	{"neither ARP nor IP", "", eth(11, 1, at(2)) + ",dl_type=0x88cc", nil},
	{"an ARP request of its own", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.99"), []string{"guest2", "vxlan-hv2"}},
	{"an ARP reply of its own", "", eth(11, 1, at(2)) + arp(2, 1, "10.10.0.11", "10.10.0.12"), []string{"guest2"}},
	{"gratuitous ARP for its own address", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.11"), []string{"guest2", "vxlan-hv2"}},
	{"an ARP probe for its own address", "", eth(11, 1, broadcast) + arp(1, 1, "0.0.0.0", "10.10.0.11"), []string{"guest2"}},
	{"an ARP probe for another's address", "", eth(11, 1, broadcast) + arp(1, 1, "0.0.0.0", "10.10.0.12"), nil},
	{"an ARP probe for no address", "", eth(11, 1, broadcast) + arp(1, 1, "0.0.0.0", "0.0.0.0"), nil},
	{"an ARP reply without sender", "", eth(11, 1, broadcast) + arp(2, 1, "0.0.0.0", "10.10.0.11"), nil},
	{"ARP with another's address", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.12", "10.10.0.21"), nil},
	{"ARP with another's MAC inside", "", eth(11, 1, broadcast) + arp(1, 2, "10.10.0.11", "10.10.0.21"), nil},
	{"an announcement after a migration (RARP)", "", eth(11, 1, broadcast) + ",rarp,arp_op=3,arp_sha=" + at(1) + ",arp_tha=" + at(1), []string{"vxlan-hv2"}},
	{"an advertisement of its own", "", eth(11, 1, at(2)) + nd(136, "2001:db8::11", "2001:db8::12", "2001:db8::11"), []string{"guest2"}},
	{"an advertisement of its link-local address", "", eth(11, 1, at(2)) + nd(136, "fe80::f816:3eff:fe00:1", "2001:db8::12", "fe80::f816:3eff:fe00:1"), []string{"guest2"}},
	{"an advertisement of another's address", "", eth(11, 1, at(2)) + nd(136, "2001:db8::11", "2001:db8::12", "2001:db8::21"), nil},
	{"an advertisement from another's address", "", eth(11, 1, at(2)) + nd(136, "2001:db8::21", "2001:db8::12", "2001:db8::11"), nil},
	{"duplicate address detection for its own address", "", eth(11, 1, "33:33:ff:00:00:11") + nd(135, "::", "ff02::1:ff00:11", "2001:db8::11"), []string{"guest2", "vxlan-hv2"}},
	{"duplicate address detection for another's address", "", eth(11, 1, "33:33:ff:00:00:12") + nd(135, "::", "ff02::1:ff00:12", "2001:db8::12"), nil},
	{"an advertisement from no address", "", eth(11, 1, "33:33:ff:00:00:12") + nd(136, "::", "ff02::1:ff00:12", "2001:db8::11"), nil},
	{"a multicast listener report from no address", "", eth(11, 1, "33:33:00:00:00:16") + ",icmp6,ipv6_src=::,ipv6_dst=ff02::16,icmpv6_type=143", []string{"guest2", "vxlan-hv2"}},
	{"a ping from no address", "", eth(11, 1, at(2)) + ",icmp6,ipv6_src=::,ipv6_dst=2001:db8::12,icmpv6_type=128", nil},
}

var guardCases = []traced{
	{"a DHCP client without address", "", eth(11, 1, broadcast) + udp("0.0.0.0", "255.255.255.255", 68, 67), []string{"guest2", "vxlan-hv2"}},
	{"a DHCP client without address and with another MAC", "", eth(11, 9, broadcast) + udp("0.0.0.0", "255.255.255.255", 68, 67), nil},
	{"a DHCP client that renews", "", eth(11, 1, at(2)) + udp("10.10.0.11", "10.10.0.12", 68, 67), []string{"guest2"}},
	{"other packets without address", "", eth(11, 1, broadcast) + udp("0.0.0.0", "255.255.255.255", 68, 53), nil},
	{"a DHCP server", "", eth(11, 1, at(2)) + udp("10.10.0.11", "10.10.0.12", 67, 68), nil},
	{"a DHCP server with another source port", "", eth(11, 1, broadcast) + udp("10.10.0.11", "255.255.255.255", 1067, 68), nil},
	{"a DHCPv6 client", "", eth(11, 1, "33:33:00:01:00:02") + udp6("fe80::f816:3eff:fe00:1", "ff02::1:2", 546, 547), []string{"guest2", "vxlan-hv2"}},
	{"a DHCPv6 server", "", eth(11, 1, at(2)) + udp6("fe80::f816:3eff:fe00:1", "fe80::f816:3eff:fe00:2", 547, 546), nil},
	{"a router advertisement", "", eth(11, 1, "33:33:00:00:00:01") + ",icmp6,ipv6_src=fe80::f816:3eff:fe00:1,ipv6_dst=ff02::1,icmpv6_type=134", nil},
	{"a router solicitation", "", eth(11, 1, "33:33:00:00:00:02") + ",icmp6,ipv6_src=fe80::f816:3eff:fe00:1,ipv6_dst=ff02::2,icmpv6_type=133", []string{"guest2", "vxlan-hv2"}},
	{"a router advertisement from another host", "br-tun", "tun_id=0x79c," + eth(2, 21, "33:33:00:00:00:01") + ",icmp6,ipv6_src=fe80::f816:3eff:fe00:15,ipv6_dst=ff02::1,icmpv6_type=134", []string{"guest1", "guest2"}},
}

var questionCases = []traced{
	{"ARP for a guest elsewhere is answered", "br-tun", eth(1, 1, broadcast) + ",dl_vlan=1" + arp(1, 1, "10.10.0.11", "10.10.0.21"), []string{"guest1"}},
	{"ARP for a guest elsewhere: neighbours hear it, tunnels do not", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.21"), []string{"guest1", "guest2"}},
	{"ARP for a guest here", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.12"), []string{"guest2"}},
	{"ARP for an address that nobody knows", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.99"), []string{"guest2", "vxlan-hv2"}},
	{"unicast ARP is not answered for", "", eth(11, 1, at(21)) + arp(1, 1, "10.10.0.11", "10.10.0.21"), []string{"vxlan-hv2"}},
	{"a solicitation for a guest elsewhere is answered", "", eth(11, 1, "33:33:ff:00:00:21") + nd(135, "2001:db8::11", "ff02::1:ff00:21", "2001:db8::21"), []string{"guest1", "guest2"}},
	{"a solicitation for a link-local address elsewhere is answered", "", eth(11, 1, "33:33:ff:00:00:15") + nd(135, "2001:db8::11", "ff02::1:ff00:15", "fe80::f816:3eff:fe00:15"), []string{"guest1", "guest2"}},
	{"a solicitation for a guest here", "", eth(11, 1, "33:33:ff:00:00:12") + nd(135, "2001:db8::11", "ff02::1:ff00:12", "2001:db8::12"), []string{"guest2"}},
	{"a solicitation for an address that nobody knows", "", eth(11, 1, "33:33:ff:00:00:99") + nd(135, "2001:db8::11", "ff02::1:ff00:99", "2001:db8::99"), []string{"guest2", "vxlan-hv2"}},
	{"questions in a VLAN network go out", "", eth(13, 3, broadcast) + arp(1, 3, "10.20.0.13", "10.20.0.23"), []string{"eth-phys vlan 100", "guest4"}},
}

var linkLocalCases = []traced{
	{"it may send from it", "", eth(13, 3, at(4)) + udp6("fe80::f816:3eff:fe00:3", "fe80::f816:3eff:fe00:4"), []string{"guest4"}},
	{"and from no other", "", eth(13, 3, at(4)) + udp6("2001:db8::3", "fe80::f816:3eff:fe00:4"), nil},
}

// mixedCloud has the same id in three tunnel types and on two physical
// networks.
func mixedCloud() *cloud {
	c := newCloud()
	for i, s := range []model.Segment{
		tunnelled(model.VXLAN, 100), tunnelled(model.GRE, 100), tunnelled(model.Geneve, 100), vlan("physnet1", 100), vlan("physnet2", 100),
	} {
		c.network(i+1, s)
		c.port(i+1, i+1, "10.0.0.11")
		// The same MAC and address in every network.
		r := c.remote(20+i, i+1, "hv2", "10.0.0.12")
		r.MAC = mac(99)
	}
	return c
}

var mixedCases = []traced{
	{"VXLAN in", "br-tun", "tun_id=100," + eth(2, 99, broadcast) + udp("10.0.0.12", "255.255.255.255"), []string{"guest1"}},
	{"GRE in", "br-tun", "tun_id=100," + eth(4, 99, broadcast) + udp("10.0.0.12", "255.255.255.255"), []string{"guest2"}},
	{"Geneve in", "br-tun", "tun_id=100," + eth(6, 99, broadcast) + udp("10.0.0.12", "255.255.255.255"), []string{"guest3"}},
	{"physnet1 in", "br-phys", eth(9, 99, broadcast) + ",dl_vlan=100" + udp("10.0.0.12", "255.255.255.255"), []string{"guest4"}},
	{"physnet2 in", "br-ext", eth(9, 99, broadcast) + ",dl_vlan=100" + udp("10.0.0.12", "255.255.255.255"), []string{"guest5"}},
	{"VXLAN out", "", eth(11, 1, at(99)) + udp("10.0.0.11", "10.0.0.12"), []string{"vxlan-hv2"}},
	{"GRE out", "", eth(12, 2, at(99)) + udp("10.0.0.11", "10.0.0.12"), []string{"gre-hv2"}},
	{"Geneve out", "", eth(13, 3, at(99)) + udp("10.0.0.11", "10.0.0.12"), []string{"geneve-hv2"}},
	{"physnet1 out", "", eth(14, 4, at(99)) + udp("10.0.0.11", "10.0.0.12"), []string{"eth-phys vlan 100"}},
	{"physnet2 out", "", eth(15, 5, at(99)) + udp("10.0.0.11", "10.0.0.12"), []string{"eth-ext vlan 100"}},
}

// openCloud has ordinary guests 1 and 2 and the bridges 3 and 4 in one network,
// an ordinary guest 21 on hv2 and a bridge 31 on hv3.
func openCloud() *cloud {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	for n := 1; n <= 4; n++ {
		p := c.port(n, 1, fmt.Sprintf("10.10.0.1%d", n))
		p.PortSecurityEnabled = n < 3
	}
	dhcp := c.port(5, 1, "10.10.0.2")
	dhcp.PortSecurityEnabled, dhcp.DeviceOwner = false, "network:dhcp"
	c.remote(21, 1, "hv2", "10.10.0.21")
	unsecured(c.remote(31, 1, "hv3", "10.10.0.31"))
	return c
}

var openCases = []traced{
	{"a bridge may send from any address", "", eth(13, 99, at(1)) + udp("192.0.2.1", "10.10.0.11"), []string{"guest1"}},
	{"but not with a tag", "", eth(13, 99, at(1)) + ",dl_vlan=5" + udp("192.0.2.1", "10.10.0.11"), nil},
	{"an unknown address may be behind any bridge", "", eth(11, 1, at(99)) + udp("10.10.0.11", "192.0.2.1"), []string{"guest3", "guest4", "vxlan-hv2", "vxlan-hv3"}},
	{"and behind the other bridge", "", eth(13, 99, at(98)) + udp("192.0.2.1", "192.0.2.2"), []string{"guest4", "vxlan-hv2", "vxlan-hv3"}},
	{"from a tunnel too", "br-tun", "tun_id=0x79c," + eth(2, 21, at(99)) + udp("10.10.0.21", "192.0.2.1"), []string{"guest3", "guest4"}},
	{"a known address elsewhere is not shown to bridges", "", eth(11, 1, at(21)) + udp("10.10.0.11", "10.10.0.21"), []string{"vxlan-hv2"}},
	{"a known address here neither", "", eth(11, 1, at(2)) + udp("10.10.0.11", "10.10.0.12"), []string{"guest2"}},
	{"a DHCP server answers from its own address", "", eth(15, 5, at(1)) + udp("10.10.0.2", "10.10.0.11", 67, 68), []string{"guest1"}},
}

// pairCloud has a guest 1 with pairs, 2 sharing a virtual MAC with 1, and 21 on
// hv2, which shares it too.
func pairCloud() *cloud {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	shared := model.AddressPair{MAC: mac(0x77), IP: prefix("10.10.0.100/32")}
	c.port(1, 1, "10.10.0.11").AllowedAddressPairs = []model.AddressPair{{IP: prefix("10.10.50.0/24")}, {IP: prefix("2001:db8:5::/64")}, shared}
	c.port(2, 1, "10.10.0.12").AllowedAddressPairs = []model.AddressPair{shared}
	c.port(3, 1, "10.10.0.13").AllowedAddressPairs = []model.AddressPair{{MAC: mac(2), IP: prefix("0.0.0.0/0")}}
	c.remote(21, 1, "hv2", "10.10.0.21").AllowedAddressPairs = []model.AddressPair{shared}
	return c
}

var pairCases = []traced{
	{"from a prefix", "", eth(11, 1, at(2)) + udp("10.10.50.7", "10.10.0.12"), []string{"guest2"}},
	{"from an IPv6 prefix", "", eth(11, 1, at(2)) + udp6("2001:db8:5::7", "2001:db8::12"), []string{"guest2"}},
	{"ARP from a prefix", "", eth(11, 1, at(2)) + arp(2, 1, "10.10.50.7", "10.10.0.12"), []string{"guest2"}},
	{"an advertisement of a prefix", "", eth(11, 1, at(2)) + nd(136, "2001:db8:5::7", "2001:db8::12", "2001:db8:5::7"), []string{"guest2"}},
	{"from beside the prefix", "", eth(11, 1, at(2)) + udp("10.10.51.7", "10.10.0.12"), nil},
	{"from the second MAC", "", eth(11, 0x77, at(3)) + udp("10.10.0.100", "10.10.0.13"), []string{"guest3"}},
	{"from the second MAC with the first's address", "", eth(11, 0x77, at(3)) + udp("10.10.0.11", "10.10.0.13"), nil},
	{"to a MAC that several ports share", "", eth(13, 3, "fa:16:3e:00:00:77") + udp("10.10.0.13", "10.10.0.100"), []string{"guest1", "guest2", "vxlan-hv2"}},
	{"to a MAC that several ports share, from one of them", "", eth(11, 1, "fa:16:3e:00:00:77") + udp("10.10.0.11", "10.10.0.100"), []string{"guest2", "vxlan-hv2"}},
	{"to a MAC that another port lists as its pair", "", eth(11, 1, at(2)) + udp("10.10.0.11", "10.10.0.12"), []string{"guest2"}},
	{"from any address", "", eth(13, 2, at(1)) + udp("192.0.2.9", "10.10.0.11"), []string{"guest1"}},
	{"ARP for a shared address is flooded", "", eth(13, 3, broadcast) + arp(1, 3, "10.10.0.13", "10.10.0.100"), []string{"guest1", "guest2", "vxlan-hv2"}},
}

func downCloud() *cloud {
	c := tracedCloud()
	c.Ports[portID(2)].Record.AdminStateUp = false
	c.Networks[networkID(2)].Record.AdminStateUp = false
	return c
}

var downCases = []traced{
	{"a port that is down sends nothing", "", eth(12, 2, at(1)) + udp("10.10.0.12", "10.10.0.11"), nil},
	{"and hears nothing", "", eth(11, 1, broadcast) + udp("10.10.0.11", "255.255.255.255"), []string{"vxlan-hv2"}},
	{"a network that is down carries nothing", "", eth(13, 3, at(4)) + udp("10.20.0.13", "10.20.0.14"), nil},
	{"nor takes anything in", "br-phys", eth(9, 23, broadcast) + ",dl_vlan=100" + udp("10.20.0.23", "255.255.255.255"), nil},
}

// bareCloud has guests 1 and 2 without any rule, guest 3 with all, and the
// trusted port 5 in a VXLAN network; guest 21 is on hv2.
func bareCloud() *cloud {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	inGroups(c.port(1, 1, "10.10.0.11", "2001:db8::11"), 7) // a group that is not known
	inGroups(c.port(2, 1, "10.10.0.12", "2001:db8::12"), 98)
	c.group(98)
	c.port(3, 1, "10.10.0.13", "2001:db8::13")
	dhcp := c.port(5, 1, "10.10.0.2", "2001:db8::2")
	dhcp.DeviceOwner, dhcp.PortSecurityEnabled = "network:dhcp", false
	c.remote(21, 1, "hv2", "10.10.0.21", "2001:db8::21")
	return c
}

func icmp6Of(typ int, from, to string) string {
	return fmt.Sprintf(",icmp6,ipv6_src=%s,ipv6_dst=%s,nw_ttl=255,icmpv6_type=%d,icmpv6_code=0", from, to, typ)
}

const (
	allNodes   = "33:33:00:00:00:01"
	linkLocal1 = "fe80::f816:3eff:fe00:1"
)

var bareCases = []traced{
	{"IPv4 out", "", eth(11, 1, at(3)) + udp("10.10.0.11", "10.10.0.13", 1, 2), nil},
	{"IPv4 out to a trusted port", "", eth(11, 1, at(5)) + udp("10.10.0.11", "10.10.0.2", 1, 2), nil},
	{"IPv4 out to another host", "", eth(12, 2, at(21)) + udp("10.10.0.12", "10.10.0.21", 1, 2), nil},
	{"IPv4 out to nobody known", "", eth(12, 2, at(99)) + udp("10.10.0.12", "192.0.2.1", 1, 2), nil},
	{"IPv4 out to everybody", "", eth(12, 2, broadcast) + udp("10.10.0.12", "255.255.255.255", 1, 2), nil},
	{"IPv4 in", "", eth(13, 3, at(1)) + udp("10.10.0.13", "10.10.0.11", 1, 2), nil},
	{"IPv6 in", "", eth(13, 3, at(2)) + udp6("2001:db8::13", "2001:db8::12", 1, 2), nil},
	{"IPv4 in from a trusted port", "", eth(15, 5, at(1)) + udp("10.10.0.2", "10.10.0.11", 1, 2), nil},
	{"what a DHCP server says of the metadata service's address", "", eth(15, 5, at(1)) + nd(136, "fe80::a9fe:a9fe", linkLocal1, "fe80::a9fe:a9fe"), []string{"guest1"}},
	{"IPv4 in from another host", "br-tun", "tun_id=0x79c," + eth(2, 21, at(2)) + udp("10.10.0.21", "10.10.0.12", 1, 2), nil},
	{"to everybody", "", eth(13, 3, broadcast) + udp("10.10.0.13", "255.255.255.255", 1, 2), []string{"guest5", "vxlan-hv2"}},
	{"to everybody from another host", "br-tun", "tun_id=0x79c," + eth(2, 21, broadcast) + udp("10.10.0.21", "255.255.255.255", 1, 2), []string{"guest3", "guest5"}},
	{"multicast from another host", "br-tun", "tun_id=0x79c," + eth(2, 21, "33:33:00:00:00:fb") + udp6("2001:db8::21", "ff02::fb", 5353, 5353), []string{"guest3", "guest5"}},
	{"an IGMP query", "", eth(15, 5, "01:00:5e:00:00:01") + ",ip,nw_proto=2,nw_src=10.10.0.2,nw_dst=224.0.0.1", []string{"guest3", "vxlan-hv2"}},
	{"ARP", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.12"), []string{"guest2", "guest3", "guest5"}},
	{"an answer by ARP", "", eth(11, 1, at(2)) + arp(2, 1, "10.10.0.11", "10.10.0.12"), []string{"guest2"}},
	{"a DHCP client that begins", "", eth(11, 1, broadcast) + udp("0.0.0.0", "255.255.255.255", 68, 67), []string{"guest3", "guest5", "vxlan-hv2"}},
	{"a DHCP client that renews", "", eth(11, 1, at(5)) + udp("10.10.0.11", "10.10.0.2", 68, 67), []string{"guest5"}},
	{"the answer of a DHCP server", "", eth(15, 5, at(1)) + udp("10.10.0.2", "10.10.0.11", 67, 68), []string{"guest1"}},
	{"the answer of a DHCP server to everybody", "", eth(15, 5, broadcast) + udp("10.10.0.2", "255.255.255.255", 67, 68), []string{"guest1", "guest2", "guest3", "vxlan-hv2"}},
	{"a DHCPv6 client", "", eth(11, 1, at(5)) + udp6(linkLocal1, "2001:db8::2", 546, 547), []string{"guest5"}},
	{"the answer of a DHCPv6 server", "", eth(15, 5, at(1)) + udp6("2001:db8::2", linkLocal1, 547, 546), []string{"guest1"}},
	{"a router solicitation", "", eth(11, 1, at(5)) + icmp6Of(133, linkLocal1, "ff02::2"), []string{"guest5"}},
	{"a router advertisement", "", eth(15, 5, allNodes) + icmp6Of(134, "fe80::1", "ff02::1"), []string{"guest1", "guest2", "guest3", "vxlan-hv2"}},
	{"a neighbour solicitation", "", eth(11, 1, at(2)) + nd(135, linkLocal1, "2001:db8::12", "2001:db8::12"), []string{"guest2"}},
	{"a neighbour advertisement", "", eth(11, 1, at(2)) + nd(136, linkLocal1, "2001:db8::12", linkLocal1), []string{"guest2"}},
	{"a multicast listener query", "", eth(15, 5, allNodes) + icmp6Of(130, "fe80::1", "ff02::1"), []string{"guest1", "guest2", "guest3", "vxlan-hv2"}},
	{"a multicast listener report", "", eth(11, 1, "33:33:00:00:00:16") + icmp6Of(143, linkLocal1, "ff02::16"), []string{"guest2", "guest3", "guest5", "vxlan-hv2"}},
	{"a redirect", "", eth(15, 5, at(1)) + icmp6Of(137, "fe80::1", linkLocal1), nil},
	{"neither ARP nor IP in", "", eth(15, 5, at(1)) + ",dl_type=0x88cc", nil},
	{"neither ARP nor IP to everybody", "", eth(15, 5, broadcast) + ",dl_type=0x88cc", []string{"vxlan-hv2"}},
	{"neither ARP nor IP into a port with all rules", "", eth(15, 5, at(3)) + ",dl_type=0x8847,mpls_label=5", nil},
}

func learningCloud() *cloud {
	c := tracedCloud()
	c.Config.L2Population = false
	return c
}

var learningCases = []traced{
	{"unicast goes to every tunnel of the type", "", eth(11, 1, at(21)) + udp("10.10.0.11", "10.10.0.21"), []string{"vxlan-hv2", "vxlan-hv3"}},
	{"ARP too", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.21"), []string{"guest2", "vxlan-hv2", "vxlan-hv3"}},
}
