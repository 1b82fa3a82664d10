package packetlog

import (
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"go.uber.org/zap"
)

// summary is what a line says of a packet.
type summary struct {
	srcMAC, dstMAC string
	etherType      string
	src, dst       netip.Addr
	protocol       string
	// srcPort and dstPort are those of TCP, UDP and SCTP, type and code those of
	// ICMP; -1 where the packet has none or it was cut off.
	srcPort, dstPort, icmpType, icmpCode int
}

// flow is what the packets of one connection in one direction have in common.
type flow struct {
	src, dst                         netip.Addr
	protocol                         string
	srcPort, dstPort, icmpType, code int
}

func (s summary) flow() flow {
	return flow{s.src, s.dst, s.protocol, s.srcPort, s.dstPort, s.icmpType, s.icmpCode}
}

// summarize reads an Ethernet frame as far as it goes: guests send what they
// like, and the switch cuts it.
func summarize(frame []byte) summary {
	s := summary{srcPort: -1, dstPort: -1, icmpType: -1, icmpCode: -1}
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	for _, layer := range p.Layers() {
		s.take(layer)
		if layer.LayerType() == layers.LayerTypeICMPv4 || layer.LayerType() == layers.LayerTypeICMPv6 {
			break // what it quotes is another packet
		}
	}
	return s
}

func (s *summary) take(layer gopacket.Layer) {
	switch h := layer.(type) {
	case *layers.Ethernet:
		s.srcMAC, s.dstMAC, s.etherType = h.SrcMAC.String(), h.DstMAC.String(), h.EthernetType.String()
	case *layers.ARP:
		s.src, s.dst = address(h.SourceProtAddress), address(h.DstProtAddress)
	case *layers.IPv4:
		s.src, s.dst, s.protocol = address(h.SrcIP), address(h.DstIP), h.Protocol.String()
	case *layers.IPv6:
		s.src, s.dst, s.protocol = address(h.SrcIP), address(h.DstIP), h.NextHeader.String()
	case *layers.IPv6HopByHop:
		s.protocol = h.NextHeader.String()
	case *layers.IPv6Destination:
		s.protocol = h.NextHeader.String()
	case *layers.IPv6Routing:
		s.protocol = h.NextHeader.String()
	case *layers.IPv6Fragment:
		s.protocol = h.NextHeader.String()
	case *layers.TCP:
		s.srcPort, s.dstPort = int(h.SrcPort), int(h.DstPort)
	case *layers.UDP:
		s.srcPort, s.dstPort = int(h.SrcPort), int(h.DstPort)
	case *layers.SCTP:
		s.srcPort, s.dstPort = int(h.SrcPort), int(h.DstPort)
	case *layers.ICMPv4:
		s.icmpType, s.icmpCode = int(h.TypeCode.Type()), int(h.TypeCode.Code())
	case *layers.ICMPv6:
		s.icmpType, s.icmpCode = int(h.TypeCode.Type()), int(h.TypeCode.Code())
	}
}

func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}

// fields gives what there is to say.
func (s summary) fields() []zap.Field {
	var list []zap.Field
	text := func(key, v string) {
		if v != "" {
			list = append(list, zap.String(key, v))
		}
	}
	number := func(key string, v int) {
		if v >= 0 {
			list = append(list, zap.Int(key, v))
		}
	}
	text("src_mac", s.srcMAC)
	text("dst_mac", s.dstMAC)
	text("ethertype", s.etherType)
	if s.src.IsValid() {
		text("src_ip", s.src.String())
	}
	if s.dst.IsValid() {
		text("dst_ip", s.dst.String())
	}
	text("protocol", s.protocol)
	number("src_port", s.srcPort)
	number("dst_port", s.dstPort)
	number("icmp_type", s.icmpType)
	number("icmp_code", s.icmpCode)
	return list
}
