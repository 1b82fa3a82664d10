package sim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/flows"
)

// ErrNotEthernet is the error of bytes that are no Ethernet frame.
var ErrNotEthernet = errors.New("not an Ethernet frame")

// FromFrame reads the fields of an Ethernet frame that comes in through a port.
// As Open vSwitch does by default it looks behind one VLAN tag. Headers that
// are cut short leave their fields 0.
func FromFrame(frame []byte, inPort uint32) (Packet, error) {
	var p Packet
	decoded := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	eth, ok := decoded.LinkLayer().(*layers.Ethernet)
	if !ok {
		return p, fmt.Errorf("read frame of %d bytes: %w", len(frame), ErrNotEthernet)
	}
	p.SetNum(flows.InPort, uint64(inPort))
	p.Set(flows.EthSrc, flows.MAC(eth.SrcMAC))
	p.Set(flows.EthDst, flows.MAC(eth.DstMAC))
	ethType, payload := eth.EthernetType, eth.LayerPayload()
	if tag, ok := decoded.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok {
		p.SetNum(flows.VLANTCI, uint64(tag.Priority)<<13|tagPresent|uint64(tag.VLANIdentifier))
		ethType, payload = tag.Type, tag.LayerPayload()
	}
	if ethType < 0x600 {
		ethType = ethNone
	}
	p.SetNum(flows.EthType, uint64(ethType))
	switch ethType {
	case ethARP, ethRARP:
		decoded = gopacket.NewPacket(payload, layers.LayerTypeARP, gopacket.NoCopy)
		if arp, ok := decoded.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
			p.readARP(arp)
		}
	default:
		p.readIP(decoded)
	}
	return p, nil
}

// ethNone is the Ethernet type of a frame that has a length instead
// (OFP_DL_TYPE_NOT_ETH_TYPE).
const ethNone = 0x05ff

// The Ethernet types of address resolution; the reverse one has the same form
// (RFC 903).
const (
	ethARP  = layers.EthernetTypeARP
	ethRARP = layers.EthernetType(0x8035)
)

// readIP reads an IP header and what it carries.
func (p *Packet) readIP(decoded gopacket.Packet) {
	switch p.Num(flows.EthType) {
	case ethIPv4:
		ip, ok := decoded.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		if !ok {
			return
		}
		p.readIPv4(ip)
		if p.Num(flows.IPFrag) == fragFirst { // gopacket stops at fragments
			decoded = gopacket.NewPacket(ip.LayerPayload(), ip.Protocol.LayerType(), gopacket.NoCopy)
		}
		p.readTransport(decoded)
	case ethIPv6:
		if ip, ok := decoded.Layer(layers.LayerTypeIPv6).(*layers.IPv6); ok {
			p.readIPv6(ip, decoded)
			p.readTransport(decoded)
		}
	}
}

// The values of IPFrag on fragments.
const (
	fragFirst = 1
	fragLater = 3
)

func address(ip net.IP) flows.Value {
	a, _ := netip.AddrFromSlice(ip)
	return flows.IP(a)
}

func (p *Packet) readIPv4(ip *layers.IPv4) {
	p.Set(flows.IPv4Src, address(ip.SrcIP.To4()))
	p.Set(flows.IPv4Dst, address(ip.DstIP.To4()))
	p.SetNum(flows.IPProto, uint64(ip.Protocol))
	p.SetNum(flows.IPTOS, uint64(ip.TOS))
	p.SetNum(flows.IPTTL, uint64(ip.TTL))
	p.setFragment(ip.FragOffset, ip.Flags&layers.IPv4MoreFragments != 0)
}

// setFragment says which part of a datagram the packet is.
func (p *Packet) setFragment(offset uint16, more bool) {
	switch {
	case offset > 0:
		p.SetNum(flows.IPFrag, fragLater)
	case more:
		p.SetNum(flows.IPFrag, fragFirst)
	}
}

func (p *Packet) readIPv6(ip *layers.IPv6, decoded gopacket.Packet) {
	p.Set(flows.IPv6Src, address(ip.SrcIP))
	p.Set(flows.IPv6Dst, address(ip.DstIP))
	p.SetNum(flows.IPv6Label, uint64(ip.FlowLabel))
	p.SetNum(flows.IPTOS, uint64(ip.TrafficClass))
	p.SetNum(flows.IPTTL, uint64(ip.HopLimit))
	proto := ip.NextHeader
	for _, layer := range decoded.Layers() {
		switch x := layer.(type) {
		case *layers.IPv6HopByHop:
			proto = x.NextHeader
		case *layers.IPv6Routing:
			proto = x.NextHeader
		case *layers.IPv6Destination:
			proto = x.NextHeader
		case *layers.IPv6Fragment:
			proto = x.NextHeader
			p.setFragment(x.FragmentOffset, x.MoreFragments)
			if x.FragmentOffset > 0 {
				proto = layers.IPProtocolIPv6Fragment // what it carries is not looked at
			}
		}
	}
	p.SetNum(flows.IPProto, uint64(proto))
}

func (p *Packet) readARP(arp *layers.ARP) {
	if arp.Operation < 256 { // others are 0 to the switch
		p.SetNum(flows.ARPOp, uint64(arp.Operation))
	}
	p.Set(flows.ARPSPA, flows.FromBytes(arp.SourceProtAddress))
	p.Set(flows.ARPTPA, flows.FromBytes(arp.DstProtAddress))
	p.Set(flows.ARPSHA, flows.FromBytes(arp.SourceHwAddress))
	p.Set(flows.ARPTHA, flows.FromBytes(arp.DstHwAddress))
}

// readTransport reads the first transport header; what a tunnel carries stays
// unread.
func (p *Packet) readTransport(decoded gopacket.Packet) {
	if p.Num(flows.IPFrag) == fragLater {
		return
	}
	for _, layer := range decoded.Layers() {
		switch l := layer.(type) {
		case *layers.TCP:
			p.setPresent(flows.TCPSrc, uint64(l.SrcPort))
			p.setPresent(flows.TCPDst, uint64(l.DstPort))
			p.setPresent(flows.TCPFlags, tcpFlags(l))
		case *layers.UDP:
			p.setPresent(flows.UDPSrc, uint64(l.SrcPort))
			p.setPresent(flows.UDPDst, uint64(l.DstPort))
		case *layers.SCTP:
			p.setPresent(flows.SCTPSrc, uint64(l.SrcPort))
			p.setPresent(flows.SCTPDst, uint64(l.DstPort))
		case *layers.ICMPv4:
			p.setPresent(flows.ICMPType, uint64(l.TypeCode.Type()))
			p.setPresent(flows.ICMPCode, uint64(l.TypeCode.Code()))
			p.readQuoted(l.LayerPayload())
		case *layers.ICMPv6:
			p.setPresent(flows.ICMPv6Type, uint64(l.TypeCode.Type()))
			p.setPresent(flows.ICMPv6Code, uint64(l.TypeCode.Code()))
			p.readND(decoded)
			if payload := l.LayerPayload(); len(payload) > 4 {
				p.readQuoted(payload[4:])
			}
		default:
			continue
		}
		return
	}
}

// readQuoted reads the beginning of the packet that an ICMP error is about. Of
// its transport header there may be no more than 8 bytes (RFC 792).
func (p *Packet) readQuoted(b []byte) {
	if !p.isError() {
		return
	}
	var q Packet
	q.Set(flows.EthType, p.Get(flows.EthType))
	switch {
	case p.Num(flows.EthType) == ethIPv4 && len(b) >= 28 && b[0]>>4 == 4 && len(b) >= int(b[0]&15)*4+8:
		q.SetNum(flows.IPProto, uint64(b[9]))
		q.Set(flows.IPv4Src, flows.FromBytes(b[12:16]))
		q.Set(flows.IPv4Dst, flows.FromBytes(b[16:20]))
		b = b[int(b[0]&15)*4:]
	case p.Num(flows.EthType) == ethIPv6 && len(b) >= 48 && b[0]>>4 == 6:
		q.SetNum(flows.IPProto, uint64(b[6]))
		q.Set(flows.IPv6Src, flows.FromBytes(b[8:24]))
		q.Set(flows.IPv6Dst, flows.FromBytes(b[24:40]))
		b = b[40:]
	default:
		return
	}
	for _, f := range []flows.Field{flows.TCPSrc, flows.UDPSrc, flows.SCTPSrc} {
		q.setPresent(f, uint64(b[0])<<8|uint64(b[1]))
	}
	for _, f := range []flows.Field{flows.TCPDst, flows.UDPDst, flows.SCTPDst} {
		q.setPresent(f, uint64(b[2])<<8|uint64(b[3]))
	}
	for _, f := range []flows.Field{flows.ICMPType, flows.ICMPv6Type} {
		q.setPresent(f, uint64(b[0]))
	}
	p.Quote(q)
}

// setPresent writes a field if the packet is of its protocol.
func (p *Packet) setPresent(f flows.Field, v uint64) {
	if p.has(f) {
		p.SetNum(f, v)
	}
}

// readND reads neighbour discovery messages.
func (p *Packet) readND(decoded gopacket.Packet) {
	if !p.has(flows.NDTarget) {
		return
	}
	for _, layer := range decoded.Layers() {
		switch l := layer.(type) {
		case *layers.ICMPv6NeighborSolicitation:
			p.Set(flows.NDTarget, address(l.TargetAddress))
			p.readNDOptions(l.Options)
		case *layers.ICMPv6NeighborAdvertisement:
			p.Set(flows.NDTarget, address(l.TargetAddress))
			p.SetNum(flows.NDReserved, uint64(l.Flags)<<24)
			p.readNDOptions(l.Options)
		}
	}
}

// readNDOptions reads the link-layer addresses (RFC 4861, section 4.6.1).
func (p *Packet) readNDOptions(options layers.ICMPv6Options) {
	for _, o := range options {
		switch {
		case len(o.Data) != 6:
		case o.Type == layers.ICMPv6OptSourceAddress:
			p.Set(flows.NDSLL, flows.FromBytes(o.Data))
		case o.Type == layers.ICMPv6OptTargetAddress:
			p.Set(flows.NDTLL, flows.FromBytes(o.Data))
		default:
			continue
		}
		p.SetNum(flows.NDOptionsType, uint64(o.Type))
	}
}

func tcpFlags(l *layers.TCP) uint64 {
	var flags uint64
	for i, set := range []bool{l.FIN, l.SYN, l.RST, l.PSH, l.ACK, l.URG, l.ECE, l.CWR, l.NS} {
		if set {
			flags |= 1 << i
		}
	}
	return flags
}
