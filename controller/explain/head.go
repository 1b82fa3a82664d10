package explain

import (
	"fmt"
	"net/netip"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
)

// head is what of a packet routers look at and change.
type head struct {
	src, dst     netip.Addr
	proto        uint8
	sport, dport uint16 // of TCP, UDP and SCTP
	// reply is set on the answer to a packet: an ICMP echo reply, a TCP segment
	// with SYN and ACK.
	reply bool
}

func (h head) v6() bool { return h.dst.Is6() }

// answer is the packet that answers h.
func (h head) answer() head {
	return head{src: h.dst, dst: h.src, proto: h.proto, sport: h.dport, dport: h.sport, reply: !h.reply}
}

func (h head) icmp() bool { return h.proto == model.ProtoICMP || h.proto == model.ProtoICMPv6 }

func (h head) hasPorts() bool {
	return h.proto == model.ProtoTCP || h.proto == model.ProtoUDP || h.proto == model.ProtoSCTP
}

// protocol is the name of the protocol, its number if it has none here.
func (h head) protocol() string {
	switch h.proto {
	case model.ProtoICMP, model.ProtoICMPv6:
		return "icmp"
	case model.ProtoTCP:
		return "tcp"
	case model.ProtoUDP:
		return "udp"
	case model.ProtoSCTP:
		return "sctp"
	}
	return fmt.Sprint(h.proto)
}

func (h head) String() string {
	if !h.hasPorts() {
		return fmt.Sprintf("%s %s → %s", h.protocol(), h.src, h.dst)
	}
	return fmt.Sprintf("%s %s → %s", h.protocol(), netip.AddrPortFrom(h.src, h.sport), netip.AddrPortFrom(h.dst, h.dport))
}

// ICMP types of echo and its answer (RFC 792, RFC 4443).
const (
	echoRequest, echoReply   = 8, 0
	echoRequest6, echoReply6 = 128, 129
	etherTypeIPv4            = 0x0800
	etherTypeIPv6            = 0x86dd
	tcpSYN, tcpACK           = 0x02, 0x10
	usualTTL                 = 64
)

// frame makes the Ethernet frame of h.
func (h head) frame(src, dst model.MAC) sim.Packet {
	p := sim.NewPacket(flows.Exact(flows.EthSrc, flows.MAC(src[:])), flows.Exact(flows.EthDst, flows.MAC(dst[:])))
	if h.v6() {
		p.SetNum(flows.EthType, etherTypeIPv6)
		p.Set(flows.IPv6Src, flows.IP(h.src))
		p.Set(flows.IPv6Dst, flows.IP(h.dst))
	} else {
		p.SetNum(flows.EthType, etherTypeIPv4)
		p.Set(flows.IPv4Src, flows.IP(h.src))
		p.Set(flows.IPv4Dst, flows.IP(h.dst))
	}
	p.SetNum(flows.IPProto, uint64(h.proto))
	p.SetNum(flows.IPTTL, usualTTL)
	h.transport(&p)
	return p
}

func (h head) transport(p *sim.Packet) {
	switch h.proto {
	case model.ProtoTCP:
		state := uint64(tcpSYN)
		if h.reply {
			state |= tcpACK
		}
		p.SetNum(flows.TCPSrc, uint64(h.sport))
		p.SetNum(flows.TCPDst, uint64(h.dport))
		p.SetNum(flows.TCPFlags, state)
	case model.ProtoUDP:
		p.SetNum(flows.UDPSrc, uint64(h.sport))
		p.SetNum(flows.UDPDst, uint64(h.dport))
	case model.ProtoSCTP:
		p.SetNum(flows.SCTPSrc, uint64(h.sport))
		p.SetNum(flows.SCTPDst, uint64(h.dport))
	case model.ProtoICMP:
		p.SetNum(flows.ICMPType, h.icmpType())
	case model.ProtoICMPv6:
		p.SetNum(flows.ICMPv6Type, h.icmpType())
	}
}

func (h head) icmpType() uint64 {
	switch {
	case h.v6() && h.reply:
		return echoReply6
	case h.v6():
		return echoRequest6
	case h.reply:
		return echoReply
	}
	return echoRequest
}
