package switches_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/switches"
	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// packet makes an Ethernet frame with an IP packet that begins a connection.
func packet(t *testing.T, src, dst string, proto layers.IPProtocol, number uint16) []byte {
	t.Helper()
	from, to := net.ParseIP(src), net.ParseIP(dst)
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer = &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: from, DstIP: to}
	if from.To4() == nil {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: from, DstIP: to}
	}
	network, stack := ip.(gopacket.NetworkLayer), []gopacket.SerializableLayer{eth, ip}
	switch proto {
	case layers.IPProtocolICMPv4:
		stack = append(stack, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(uint8(number>>8), 0), Id: number})
	case layers.IPProtocolICMPv6:
		l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
		_ = l.SetNetworkLayerForChecksum(network)
		stack = append(stack, l, &layers.ICMPv6Echo{Identifier: number})
	case layers.IPProtocolTCP:
		l := &layers.TCP{SrcPort: layers.TCPPort(number), DstPort: 6, SYN: true, Window: 100}
		_ = l.SetNetworkLayerForChecksum(network)
		stack = append(stack, l)
	case layers.IPProtocolUDP:
		l := &layers.UDP{SrcPort: layers.UDPPort(number), DstPort: 6}
		_ = l.SetNetworkLayerForChecksum(network)
		stack = append(stack, l)
	}
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, opts, append(stack, gopacket.Payload(make([]byte, 16)))...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// known gives the connections that the switch remembers, as protocol, both
// addresses and zone.
func known(sw *ovstest.Switch) []string {
	list := []string{}
	for line := range strings.Lines(sw.Appctl("dpctl/dump-conntrack")) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ",orig=(src=")
		src, rest, _ := strings.Cut(rest, ",dst=")
		dst, rest, _ := strings.Cut(rest, ",")
		_, zone, _ := strings.Cut(rest, "zone=")
		zone, _, _ = strings.Cut(zone, ",")
		list = append(list, fmt.Sprintf("%s %s %s zone %s", name, src, dst, zone))
	}
	slices.Sort(list)
	return list
}

// TestEveryConnectionOfAnAddressIsForgottenAndNoOther has a switch remember
// connections of every kind, between addresses that go and that stay.
func TestEveryConnectionOfAnAddressIsForgottenAndNoOther(t *testing.T) {
	sw := ovstest.Start(t)
	sw.AddBridge("br0")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := reach(ctx, t, sw)
	raw, err := ofp.Dial(ctx, "unix", sw.Mgmt("br0"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	remember := func(zone uint16, frame []byte) {
		t.Helper()
		err := raw.PacketOut(ctx, ofp.PacketOut{
			InPort: flows.PortLocal, Data: frame, Actions: []flows.Action{flows.CT{Commit: true, Table: flows.NoTable, Zone: zone}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	protocols := map[int][]layers.IPProtocol{4: {1, 2, 6, 17, 33, 47, 50, 112, 132, 136}, 6: {6, 17, 47, 58, 132}}
	ends := map[int][]string{4: {"10.0.0.1", "10.0.0.2", "10.0.0.3"}, 6: {"2001:db8::1", "2001:db8::2", "2001:db8::3"}}
	fill := func() {
		t.Helper()
		for version, list := range protocols {
			a := ends[version]
			for _, proto := range list {
				for zone := uint16(5); zone <= 6; zone++ {
					for n, kind := range []uint16{8, 13, 8} { // of ICMP; echo, timestamp, and another echo
						number := kind<<8 | uint16(n)
						remember(zone, packet(t, a[0], a[1], proto, number))
						remember(zone, packet(t, a[1], a[2], proto, number))
						remember(zone, packet(t, a[2], a[0], proto, number))
					}
				}
			}
		}
		if err := raw.Barrier(ctx); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	before := known(sw)
	var want []string
	for _, line := range before {
		if words := strings.Fields(line); words[4] == "6" || words[1] == ends[4][1] || words[1] == ends[6][1] {
			want = append(want, line)
		}
	}
	if len(before) != 2*3*(3*6+9) {
		t.Fatalf("the switch remembers %d connections:\n%s", len(before), strings.Join(before, "\n"))
	}
	list := []pipeline.Connections{{Zone: 5, Address: netip.MustParseAddr(ends[4][0])}, {Zone: 5, Address: netip.MustParseAddr(ends[6][0])}}
	if err := c.Flush(ctx, list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, known(sw)); diff != "" {
		t.Errorf("other connections are left than wanted (-want +got):\n%s", diff)
	}
	if err := c.Flush(ctx, []pipeline.Connections{{Zone: 5}, {Zone: 6}}); err != nil {
		t.Fatal(err)
	}
	if left := known(sw); len(left) > 0 {
		t.Errorf("after a flush of both zones %q are left", left)
	}

	// Without the control socket those with ports go, and the rest is no error.
	fill()
	if err := os.Rename(filepath.Join(sw.Dir, "ovs-vswitchd.ctl"), filepath.Join(sw.Dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	err = c.Flush(ctx, list)
	_ = os.Rename(filepath.Join(sw.Dir, "elsewhere"), filepath.Join(sw.Dir, "ovs-vswitchd.ctl"))
	if err != nil {
		t.Errorf("without a control socket: %v", err)
	}
	left := known(sw)
	if slices.Contains(left, "udp 10.0.0.1 10.0.0.2 zone 5") || !slices.Contains(left, "icmp 10.0.0.1 10.0.0.2 zone 5") {
		t.Errorf("without a control socket %q are left", left)
	}
}

// reach gives the connection to br0 that the agent would use.
func reach(ctx context.Context, t *testing.T, sw *ovstest.Switch) wire.Switch {
	t.Helper()
	hub, err := switches.Listen(t.Context(), switches.Config{
		Address: "127.0.0.1:0", RunDir: sw.Dir, Log: zap.NewNop(), Names: func(uint64) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := hub.Dial(ctx, "br0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
