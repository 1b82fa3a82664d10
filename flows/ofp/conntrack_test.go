package ofp

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/flows"
)

// TestConnectionsAreFlushedByZoneAndByAddress lets a switch remember connections
// and forget some of them.
func TestConnectionsAreFlushedByZoneAndByAddress(t *testing.T) {
	s := startBridge(t)
	c := dial(t, s, "br0")
	remember := func(zone uint16, src, dst string) {
		t.Helper()
		err := c.PacketOut(deadline(t), PacketOut{
			InPort: flows.PortLocal, Data: datagram(t, src, dst),
			Actions: []flows.Action{flows.CT{Commit: true, Table: flows.NoTable, Zone: zone}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	known := func() (list []string) {
		for line := range strings.Lines(s.Appctl("dpctl/dump-conntrack")) {
			var src string
			if _, rest, ok := strings.Cut(line, "orig=(src="); ok {
				src, _, _ = strings.Cut(rest, ",")
			}
			_, zone, _ := strings.Cut(strings.TrimSpace(line), "zone=")
			if src != "" {
				list = append(list, src+" in "+zone)
			}
		}
		slices.Sort(list)
		return list
	}
	remember(5, "10.0.0.1", "10.0.0.2")
	remember(5, "10.0.0.2", "10.0.0.3")
	remember(5, "10.0.0.4", "10.0.0.5")
	remember(6, "10.0.0.1", "10.0.0.2")
	remember(5, "2001:db8::1", "2001:db8::2")
	remember(5, "2001:db8::3", "2001:db8::1")
	remember(5, "2001:db8::4", "2001:db8::5")
	ping := PacketOut{
		InPort: flows.PortLocal, Data: echo6(t, "2001:db8::1", "2001:db8::9"),
		Actions: []flows.Action{flows.CT{Commit: true, Table: flows.NoTable, Zone: 8}},
	}
	if err := c.PacketOut(deadline(t), ping); err != nil {
		t.Fatal(err)
	}
	if err := c.Barrier(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if got := known(); len(got) != 8 {
		t.Fatalf("the switch remembers %q, want eight connections", got)
	}
	for _, test := range []struct {
		flush []Connections
		left  []string
	}{
		{nil, []string{"10.0.0.1 in 5", "10.0.0.1 in 6", "10.0.0.2 in 5", "10.0.0.4 in 5", "2001:db8::1 in 5", "2001:db8::1 in 8", "2001:db8::3 in 5", "2001:db8::4 in 5"}},
		// A switch that is asked to forget this one by its address is no more.
		{
			[]Connections{{Zone: 8, Address: netip.MustParseAddr("2001:db8::1")}, {Zone: 5, Address: netip.MustParseAddr("10.0.0.1")}},
			[]string{"10.0.0.1 in 6", "10.0.0.2 in 5", "10.0.0.4 in 5", "2001:db8::1 in 5", "2001:db8::1 in 8", "2001:db8::3 in 5", "2001:db8::4 in 5"},
		},
		{[]Connections{{Zone: 8}}, []string{"10.0.0.1 in 6", "10.0.0.2 in 5", "10.0.0.4 in 5", "2001:db8::1 in 5", "2001:db8::3 in 5", "2001:db8::4 in 5"}},
		{
			[]Connections{{Zone: 5, Address: netip.MustParseAddr("10.0.0.2")}, {Zone: 5, Address: netip.MustParseAddr("2001:db8::1")}},
			[]string{"10.0.0.1 in 6", "10.0.0.4 in 5", "2001:db8::4 in 5"},
		},
		{[]Connections{{Zone: 5}}, []string{"10.0.0.1 in 6"}},
		{[]Connections{{Zone: 7}, {Zone: 6}}, nil},
	} {
		if err := c.FlushConnections(deadline(t), test.flush); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.left, known()); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", test.flush, diff)
		}
	}
}

// echo6 makes an Ethernet frame with an ICMPv6 echo request.
func echo6(t testing.TB, src, dst string) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv6}
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolICMPv6, SrcIP: net.ParseIP(src), DstIP: net.ParseIP(dst)}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, opts, eth, ip, icmp, &layers.ICMPv6Echo{Identifier: 5, SeqNumber: 1}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAFlushByAddressSurvivesEveryKindOfConnection: a switch that remembers
// ICMPv6 dies of a flush that looks at it. A guest may send what it likes.
func TestAFlushByAddressSurvivesEveryKindOfConnection(t *testing.T) {
	s := startBridge(t)
	c := dial(t, s, "br0")
	for _, version := range []string{"4", "6"} {
		src, dst := "10.0.0.1", "10.0.0.2"
		if version == "6" {
			src, dst = "2001:db8::1", "2001:db8::2"
		}
		for proto := range 256 {
			err := c.PacketOut(deadline(t), PacketOut{
				InPort: flows.PortLocal, Data: packetOf(t, src, dst, uint8(proto)),
				Actions: []flows.Action{flows.CT{Commit: true, Table: flows.NoTable, Zone: 5}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Barrier(deadline(t)); err != nil {
		t.Fatal(err)
	}
	before := strings.Count(s.Appctl("dpctl/dump-conntrack"), "zone=5")
	if before < 400 {
		t.Fatalf("the switch remembers %d connections, which proves little", before)
	}
	list := []Connections{{Zone: 5, Address: netip.MustParseAddr("10.0.0.1")}, {Zone: 5, Address: netip.MustParseAddr("2001:db8::1")}}
	if err := c.FlushConnections(deadline(t), list); err != nil {
		t.Fatal(err)
	}
	remembers := func(what string, want bool) {
		t.Helper()
		found := slices.ContainsFunc(strings.Split(s.Appctl("dpctl/dump-conntrack"), "\n"), func(line string) bool { return strings.HasPrefix(line, what) })
		if found != want {
			t.Errorf("the switch remembers %s: %t, want %t", what, found, want)
		}
	}
	for _, protocol := range []string{"udp", "tcp", "sctp"} {
		remembers(protocol+",", false)
	}
	list = []Connections{{5, list[0].Address, 47}, {5, list[0].Address, 1}, {5, list[1].Address, 58}}
	if err := c.FlushConnections(deadline(t), list); err != nil {
		t.Fatal(err)
	}
	remembers("47,orig=(src=10.", false)
	remembers("47,orig=(src=2001:", true)
	if err := c.FlushConnections(deadline(t), []Connections{{Zone: 5}}); err != nil {
		t.Fatal(err)
	}
	if left := strings.TrimSpace(s.Appctl("dpctl/dump-conntrack")); left != "" {
		t.Errorf("after a flush of the zone the switch remembers\n%s", left)
	}
}

// packetOf makes an Ethernet frame with an IP packet of a protocol, of which the
// transport header is what a UDP datagram, a TCP segment or an ICMP query has.
func packetOf(t testing.TB, src, dst string, proto uint8) []byte {
	t.Helper()
	from, to := net.ParseIP(src), net.ParseIP(dst)
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocol(proto), SrcIP: from, DstIP: to}
	network := ip.(gopacket.NetworkLayer)
	if from.To4() == nil {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocol(proto), SrcIP: from, DstIP: to}
		network = ip.(gopacket.NetworkLayer)
	}
	var inner []gopacket.SerializableLayer
	switch proto {
	case 1:
		inner = append(inner, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7})
	case 6:
		l := &layers.TCP{SrcPort: 5, DstPort: 6, SYN: true, Window: 100}
		_ = l.SetNetworkLayerForChecksum(network)
		inner = append(inner, l)
	case 17:
		l := &layers.UDP{SrcPort: 5, DstPort: 6}
		_ = l.SetNetworkLayerForChecksum(network)
		inner = append(inner, l)
	case 58:
		l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
		_ = l.SetNetworkLayerForChecksum(network)
		inner = append(inner, l)
	}
	b := gopacket.NewSerializeBuffer()
	stack := append([]gopacket.SerializableLayer{eth, ip}, append(inner, gopacket.Payload([]byte{0, 7, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}))...)
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// datagram makes an Ethernet frame with a UDP datagram.
func datagram(t testing.TB, src, dst string) []byte { return packetOf(t, src, dst, 17) }
