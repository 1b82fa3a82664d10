package announce

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
)

var hw = [6]byte{0xfa, 0x16, 0x3e, 1, 2, 3}

func TestAnIPv4AddressIsAnnouncedByRequestAndReply(t *testing.T) {
	a := netip.MustParseAddr("203.0.113.9")
	got := frames(hw, a)
	if len(got) != 2 {
		t.Fatalf("%d frames", len(got))
	}
	for i, f := range got {
		p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
		eth, _ := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
		arp, _ := p.Layer(layers.LayerTypeARP).(*layers.ARP)
		if eth == nil || arp == nil || p.ErrorLayer() != nil {
			t.Fatalf("frame %d does not decode: %v", i, p)
		}
		if eth.DstMAC.String() != "ff:ff:ff:ff:ff:ff" || len(f) < 60 || int(arp.Operation) != i+1 ||
			net.IP(arp.SourceProtAddress).String() != a.String() || net.IP(arp.DstProtAddress).String() != a.String() ||
			net.HardwareAddr(arp.SourceHwAddress).String() != net.HardwareAddr(hw[:]).String() {
			t.Errorf("frame %d is %v", i, p)
		}
	}
}

func TestAnIPv6AddressIsAnnouncedByAnAdvertisement(t *testing.T) {
	a := netip.MustParseAddr("2001:db8::9")
	got := frames(hw, a)
	if len(got) != 1 {
		t.Fatalf("%d frames", len(got))
	}
	p := gopacket.NewPacket(got[0], layers.LayerTypeEthernet, gopacket.Default)
	ip, _ := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	icmp, _ := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	na, _ := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if ip == nil || icmp == nil || na == nil {
		t.Fatalf("does not decode: %v", p)
	}
	if ip.HopLimit != 255 || ip.DstIP.String() != "ff02::1" || ip.SrcIP.String() != a.String() || na.TargetAddress.String() != a.String() ||
		!na.Router() || !na.Override() || na.Solicited() || len(na.Options) != 1 || net.HardwareAddr(na.Options[0].Data).String() != net.HardwareAddr(hw[:]).String() {
		t.Errorf("advertisement is %v", p)
	}
	// gopacket computes the same checksum.
	buf := gopacket.NewSerializeBuffer()
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	want := icmp.Checksum
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}, ip, icmp, na); err != nil {
		t.Fatal(err)
	}
	if icmp.Checksum != want {
		t.Errorf("checksum is %#x, should be %#x", want, icmp.Checksum)
	}
}

func TestANeighbourBelievesTheAnnouncement(t *testing.T) {
	a, b := linuxtest.Namespace(t), linuxtest.Namespace(t)
	linuxtest.Veth(t, a, "x0", b, "x1")
	linuxtest.Run(t, a, "ip", "link", "set", "x0", "address", "fa:16:3e:01:02:03")
	linuxtest.Run(t, b, "ip", "addr", "add", "203.0.113.1/24", "dev", "x1")
	linuxtest.Run(t, b, "ip", "addr", "add", "2001:db8::1/64", "dev", "x1", "nodad")
	old := "02:00:00:00:00:99"
	for _, addr := range []string{"203.0.113.9", "2001:db8::9"} {
		linuxtest.Run(t, b, "ip", "neigh", "add", addr, "lladdr", old, "dev", "x1", "nud", "stale")
	}
	// Neighbours keep to a fresh entry for a second (neigh/…/locktime).
	linuxtest.Run(t, b, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/neigh/x1/locktime")
	linuxtest.Run(t, b, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/neigh/x1/locktime")
	if err := Send(a, "x0", netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8::9")); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"203.0.113.9", "2001:db8::9"} {
		var out string
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if out = linuxtest.Run(t, b, "ip", "neigh", "show", addr); strings.Contains(out, "fa:16:3e:01:02:03") {
				break
			}
		}
		if !strings.Contains(out, "fa:16:3e:01:02:03") {
			t.Errorf("the neighbour has %q", out)
		}
	}
}

func TestALinkThatIsNotThereIsNamed(t *testing.T) {
	ns := linuxtest.Namespace(t)
	err := Send(ns, "qg-none", netip.MustParseAddr("203.0.113.9"))
	if err == nil || !strings.Contains(err.Error(), "qg-none") || !strings.Contains(err.Error(), ns) {
		t.Fatalf("error: %v", err)
	}
}
