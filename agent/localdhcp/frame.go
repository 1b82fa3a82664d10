package localdhcp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// serverMAC is where answers come from: a locally administered address.
var serverMAC = net.HardwareAddr{0x02, 0x1e, 0x00, 0x00, 0x00, 0x02}

// serverLinkLocal is the address of IPv6 that goes with it (RFC 4291 appendix A).
var serverLinkLocal = netip.MustParseAddr("fe80::1e:ff:fe00:2")

// Ports of UDP: RFC 2131 section 4.1, RFC 8415 section 7.2.
const (
	serverPort4, clientPort4 = 67, 68
	serverPort6, clientPort6 = 547, 546
)

// packet is a question or an answer on its way.
type packet struct {
	srcMAC, dstMAC   net.HardwareAddr
	src, dst         netip.Addr
	srcPort, dstPort uint16
	// icmp is set for ICMPv6, of which payload is all; else payload is UDP's.
	icmp    bool
	payload []byte
}

var errFrame = errors.New("no whole datagram of UDP or message of ICMPv6")

// readFrame reads a frame. Whatever is in fragments, cut, tagged, or behind
// extension headers is none. Checksums are not looked at: guests leave them to
// NICs that do not exist.
func readFrame(frame []byte) (packet, error) {
	var (
		eth    layers.Ethernet
		ip4    layers.IPv4
		ip6    layers.IPv6
		udp    layers.UDP
		icmp   layers.ICMPv6
		rest   gopacket.Payload
		layer  []gopacket.LayerType
		parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip4, &ip6, &udp, &icmp, &rest)
	)
	parser.IgnoreUnsupported = true
	if err := parser.DecodeLayers(frame, &layer); err != nil || parser.Truncated || len(layer) < 3 {
		return packet{}, errFrame
	}
	p := packet{srcMAC: eth.SrcMAC, dstMAC: eth.DstMAC}
	switch layer[1] {
	case layers.LayerTypeIPv4:
		p.src, p.dst = address(ip4.SrcIP), address(ip4.DstIP)
	case layers.LayerTypeIPv6:
		p.src, p.dst = address(ip6.SrcIP), address(ip6.DstIP)
	}
	switch layer[2] {
	case layers.LayerTypeUDP:
		p.srcPort, p.dstPort, p.payload = uint16(udp.SrcPort), uint16(udp.DstPort), udp.Payload
	case layers.LayerTypeICMPv6:
		p.icmp, p.payload = true, ip6.Payload
	default:
		return packet{}, errFrame
	}
	return p, nil
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// Hop limits: of DHCP as dnsmasq's, of neighbour discovery 255 (RFC 4861 section
// 6.1.2).
const (
	hopsDHCP      = 64
	hopsDiscovery = 255
)

// frame writes the packet with its checksums.
func (p packet) frame() ([]byte, error) {
	eth := &layers.Ethernet{SrcMAC: p.srcMAC, DstMAC: p.dstMAC, EthernetType: layers.EthernetTypeIPv4}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if p.dst.Is4() {
		ip = &layers.IPv4{
			Version: 4, TTL: hopsDHCP, Protocol: layers.IPProtocolUDP, Flags: layers.IPv4DontFragment,
			SrcIP: p.src.AsSlice(), DstIP: p.dst.AsSlice(),
		}
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		six := &layers.IPv6{Version: 6, HopLimit: hopsDHCP, NextHeader: layers.IPProtocolUDP, SrcIP: p.src.AsSlice(), DstIP: p.dst.AsSlice()}
		if p.icmp {
			six.HopLimit, six.NextHeader = hopsDiscovery, layers.IPProtocolICMPv6
		}
		ip = six
	}
	var over gopacket.SerializableLayer
	payload := p.payload
	if p.icmp {
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(payload[0], payload[1])}
		if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, err
		}
		over, payload = icmp, payload[4:]
	} else {
		udp := &layers.UDP{SrcPort: layers.UDPPort(p.srcPort), DstPort: layers.UDPPort(p.dstPort)}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, err
		}
		over = udp
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		eth, ip, over, gopacket.Payload(payload))
	return bytes.Clone(buf.Bytes()), err
}
