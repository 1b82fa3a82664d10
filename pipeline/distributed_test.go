package pipeline

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// distributed makes a port one of a distributed router whose home is the host.
func distributed(p *model.Port, home string) *model.Port {
	p.DeviceOwner, p.PortSecurityEnabled, p.Host = "network:router_interface_distributed", false, home
	return p
}

// routedCloud has guest1 and a distributed router (guest2) in a VXLAN network,
// guest3 and the router (guest4) in VLAN 100. The home is hv3, or this host.
func routedCloud(home string) func() *cloud {
	return func() *cloud {
		c := newCloud()
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.network(2, vlan("physnet1", 100))
		c.port(1, 1, "10.10.0.11", "2001:db8::11")
		c.port(3, 2, "10.20.0.13")
		distributed(c.port(2, 1, "10.10.0.1", "2001:db8::1"), home)
		distributed(c.port(4, 2, "10.20.0.1"), home)
		c.remote(21, 1, "hv2", "10.10.0.21", "2001:db8::21")
		c.remote(23, 2, "hv2", "10.20.0.23")
		return c
	}
}

func standIn(host string, n int) string { return model.PortMAC(host, mac(n)).String() }

func eth2(inPort int, src, dst string) string {
	return fmt.Sprintf("in_port=%d,dl_src=%s,dl_dst=%s", inPort, src, dst)
}

// distributedCases are those of a host that is not the router's home.
var distributedCases = []traced{
	{"a guest to its gateway stays here", "", eth(11, 1, at(2)) + udp("10.10.0.11", "10.20.0.13"), []string{"guest2"}},
	{"a guest to its gateway in a VLAN stays here", "", eth(13, 3, at(4)) + udp("10.20.0.13", "10.10.0.11"), []string{"guest4"}},
	{"routed to a guest here", "", eth(14, 4, at(3)) + udp("10.10.0.11", "10.20.0.13"), []string{"guest3"}},
	{"routed to a guest elsewhere", "", eth(12, 2, at(21)) + udp("10.20.0.13", "10.10.0.21"), []string{"vxlan-hv2"}},
	{"routed to a guest elsewhere in a VLAN", "", eth(14, 4, at(23)) + udp("10.10.0.11", "10.20.0.23"), []string{"eth-phys vlan 100"}},
	{"who has the gateway", "", eth(11, 1, broadcast) + arp(1, 1, "10.10.0.11", "10.10.0.1"), []string{"guest2"}},
	{"who has the gateway in a VLAN stays here", "", eth(13, 3, broadcast) + arp(1, 3, "10.20.0.13", "10.20.0.1"), []string{"guest4"}},
	{"who has the gateway, from others", "br-phys", eth(9, 23, broadcast) + ",dl_vlan=100" + arp(1, 23, "10.20.0.23", "10.20.0.1"), nil},
	{"who has another address, from others", "br-phys", eth(9, 23, broadcast) + ",dl_vlan=100" + arp(1, 23, "10.20.0.23", "10.20.0.13"), []string{"guest3", "guest4"}},
	{"a solicitation of the gateway stays here", "", eth(11, 1, "33:33:ff:00:00:01") + nd(135, "2001:db8::11", "ff02::1:ff00:1", "2001:db8::1"), []string{"guest2"}},
	{"to the router's MAC, from others", "br-phys", eth(9, 23, at(4)) + ",dl_vlan=100" + udp("10.20.0.23", "10.10.0.11"), nil},
	{"to the router's MAC, from a tunnel", "br-tun", "tun_id=0x79c," + eth(2, 21, at(2)) + udp("10.10.0.21", "10.20.0.13"), nil},
	{"to the stand-in, from others", "br-phys", eth2(9, at(23), standIn("hv1", 4)) + ",dl_vlan=100" + udp("10.20.0.23", "10.10.0.11"), []string{"guest4"}},
	{"to the home's stand-in", "", eth2(12, at(2), standIn("hv3", 2)) + udp("10.10.0.11", "203.0.113.9"), []string{"vxlan-hv3"}},
	{"to the home's stand-in in a VLAN", "", eth2(14, at(4), standIn("hv3", 4)) + udp("10.20.0.13", "203.0.113.9"), []string{"eth-phys vlan 100"}},
	{"an advertisement of the router stays here", "", eth(12, 2, "33:33:00:00:00:01") + ",icmp6,ipv6_src=fe80::f816:3eff:fe00:2,ipv6_dst=ff02::1,icmpv6_type=134", []string{"guest1"}},
	{"an announcement of the router stays here", "", eth(14, 4, broadcast) + arp(1, 4, "10.20.0.1", "10.20.0.1"), []string{"guest3"}},
	{"the router asks for a guest elsewhere, and is answered", "", eth(12, 2, broadcast) + arp(1, 2, "10.10.0.1", "10.10.0.21"), []string{"guest1", "guest2"}},
	{"the router asks for what nobody knows", "", eth(12, 2, broadcast) + arp(1, 2, "10.10.0.1", "10.10.0.99"), []string{"guest1", "vxlan-hv2"}},
	{"the router asks in a VLAN", "", eth(14, 4, broadcast) + arp(1, 4, "10.20.0.1", "10.20.0.23"), []string{"eth-phys vlan 100", "guest3"}},
	{"the router solicits a guest elsewhere, and is answered", "", eth(12, 2, "33:33:ff:00:00:21") + nd(135, "fe80::f816:3eff:fe00:2", "ff02::1:ff00:21", "2001:db8::21"), []string{"guest1", "guest2"}},
}

// homeCases are those in which the router's home differs.
var homeCases = []traced{
	{"a guest to its gateway", "", eth(11, 1, at(2)) + udp("10.10.0.11", "10.20.0.13"), []string{"guest2"}},
	{"who has the gateway, from others", "br-phys", eth(9, 23, broadcast) + ",dl_vlan=100" + arp(1, 23, "10.20.0.23", "10.20.0.1"), []string{"guest3", "guest4"}},
	{"to the router's MAC, from others", "br-phys", eth(9, 23, at(4)) + ",dl_vlan=100" + udp("10.20.0.23", "10.10.0.11"), []string{"guest4"}},
	{"to the router's MAC, from a tunnel", "br-tun", "tun_id=0x79c," + eth(2, 21, at(2)) + udp("10.10.0.21", "10.20.0.13"), []string{"guest2"}},
	{"to its stand-in, from a tunnel", "br-tun", "tun_id=0x79c," + eth2(2, standIn("hv2", 2), standIn("hv1", 2)) + udp("10.10.0.21", "203.0.113.9"), []string{"guest2"}},
	{"an announcement of the router", "", eth(14, 4, broadcast) + arp(1, 4, "10.20.0.1", "10.20.0.1"), []string{"eth-phys vlan 100", "guest3"}},
	{"who has the gateway, from a guest here", "", eth(13, 3, broadcast) + arp(1, 3, "10.20.0.13", "10.20.0.1"), []string{"guest4"}},
}

// TestOtherHostsSeeTheStandInOnly looks into the packets that cross the border of
// a host, in both directions.
func TestOtherHostsSeeTheStandInOnly(t *testing.T) {
	linkLocal := func(host string, n int) string { return model.PortMAC(host, mac(n)).LinkLocal().String() }
	here := standIn("hv1", 2)
	for _, c := range []struct {
		name, packet, port string
		want               string // of the packet that comes out there
	}{
		{"routed", eth(12, 2, at(21)) + udp("10.20.0.13", "10.10.0.21"), "vxlan-hv2", "dl_src=" + here},
		{"in a VLAN", eth(14, 4, at(23)) + udp("10.10.0.11", "10.20.0.23"), "eth-phys vlan 100", "dl_src=" + standIn("hv1", 4)},
		{"a question is a probe", eth(14, 4, broadcast) + arp(1, 4, "10.20.0.1", "10.20.0.23"), "eth-phys vlan 100", "dl_src=" + standIn("hv1", 4) + ",arp_spa=0.0.0.0,arp_sha=" + standIn("hv1", 4)},
		{"guests here see the router ask", eth(14, 4, broadcast) + arp(1, 4, "10.20.0.1", "10.20.0.23"), "guest3", "dl_src=" + at(4) + ",arp_spa=10.20.0.1,arp_sha=" + at(4)},
		{"a solicitation", eth(12, 2, "33:33:ff:00:00:99") + nd(135, "fe80::f816:3eff:fe00:2", "ff02::1:ff00:99", "2001:db8::99") + ",nd_sll=" + at(2), "vxlan-hv2", "dl_src=" + here + ",ipv6_src=" + linkLocal("hv1", 2) + ",nd_sll=" + here},
		{"the responder answers the router", eth(12, 2, broadcast) + arp(1, 2, "10.10.0.1", "10.10.0.21"), "guest2", "dl_dst=" + at(2) + ",arp_op=2,arp_tha=" + at(2) + ",arp_sha=" + at(21) + ",arp_spa=10.10.0.21"},
		{"and in IPv6", eth(12, 2, "33:33:ff:00:00:21") + nd(135, "fe80::f816:3eff:fe00:2", "ff02::1:ff00:21", "2001:db8::21"), "guest2", "dl_dst=" + at(2) + ",icmpv6_type=136,ipv6_dst=fe80::f816:3eff:fe00:2"},
		{"a guest's answer", "br-phys in_port=9,dl_src=" + at(23) + ",dl_dst=" + standIn("hv1", 4) + ",dl_vlan=100" + arp(2, 23, "10.20.0.23", "0.0.0.0"), "guest4", "dl_dst=" + at(4) + ",arp_tha=" + at(4)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newSimRig(Compile(&routedCloud("hv3")().admitAll().View))
			bridge, packet, ok := strings.Cut(c.packet, " ")
			if !ok {
				bridge, packet = "br-int", c.packet
			}
			found := false
			_, res := r.send(t, bridge, packet)
			for _, o := range res.Outputs {
				name := r.names[o.Bridge][o.Port]
				if tags := o.Packet.Tags(); len(tags) > 0 {
					name += fmt.Sprintf(" vlan %d", tags[0]&0xfff)
				}
				if name != c.port {
					continue
				}
				found = true
				want, err := flows.ParseMatch(protocolOf(c.want)+c.want, flows.ParseOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range want {
					if got := o.Packet.Get(f.Field); got.And(f.Mask) != f.Value {
						t.Errorf("%s: %v, want %v", f.Field, got, f.Value)
					}
				}
			}
			if !found {
				t.Errorf("nothing at %s\n%v", c.port, res.Trace)
			}
		})
	}
}

// protocolOf is what fields of a match need before them.
func protocolOf(fields string) string {
	switch {
	case strings.Contains(fields, "arp_"):
		return "arp,"
	case strings.Contains(fields, "nd_sll"):
		return "icmp6,icmpv6_type=135,"
	case strings.Contains(fields, "icmpv6"):
		return "icmp6,"
	}
	return ""
}

func TestStandInsAreUnicastAndDiffer(t *testing.T) {
	seen := map[model.MAC]string{}
	for host := range 100 {
		for n := range 20 {
			m := model.PortMAC(fmt.Sprintf("hv%d", host), mac(n))
			if m.Multicast() || m[0] != model.StandInByte {
				t.Fatalf("%s", m)
			}
			if other, ok := seen[m]; ok {
				t.Fatalf("%s is of %s too", m, other)
			}
			seen[m] = fmt.Sprint(host, n)
		}
	}
	if !model.PortMAC("hv1", mac(1)).LinkLocal().IsLinkLocalUnicast() || netip.MustParseAddr(model.PortMAC("hv1", mac(1)).LinkLocal().String()).Is4() {
		t.Error("no link-local address")
	}
}
