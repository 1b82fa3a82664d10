package localdhcp

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
)

// This file: router advertisements (RFC 4861 section 4.2) of a router that is no
// way out, for subnets that want them and have no router of ours. announce.go says
// when they are sent to guests that do not ask.

// Flags of an advertisement and of a prefix in it.
const (
	flagManaged    = 0x80 // addresses by DHCPv6
	flagOther      = 0x40 // options by DHCPv6
	flagOnLink     = 0x80
	flagAutonomous = 0x40 // addresses by autoconfiguration
)

// The options of an advertisement.
const (
	optLinkAddress = 1
	optPrefix      = 3
	optMTU         = 5
	optResolvers   = 25 // RFC 8106 section 5.1
	optDomains     = 31 // RFC 8106 section 5.2
)

// Lifetimes in seconds: of prefixes the defaults of RFC 4861 section 6.2.1, and of
// names as long as guests prefer these. What guests know outlives an agent that is
// away for days.
const (
	preferredLifetime = 7 * 24 * 3600
	validLifetime     = 30 * 24 * 3600
)

// advertised gives the subnets that the port is told of by advertisements.
func (g guest) advertised() []*answers.Subnet {
	var list []*answers.Subnet
	for _, s := range g.network.Subnets {
		if !s.Advertise {
			continue
		}
		for _, l := range append(g.port.V6[:len(g.port.V6):len(g.port.V6)], g.port.Auto...) {
			if l.Subnet == s {
				list = append(list, s)
				break
			}
		}
	}
	return list
}

// advertise answers a router solicitation; false for one that is malformed, or
// that there is nothing to say to.
func (g guest) advertise(q packet) (packet, fate) {
	subnets := g.advertised()
	if len(subnets) == 0 {
		return packet{}, unknown
	}
	if len(q.payload) < 8 || q.payload[0] != layers.ICMPv6TypeRouterSolicitation || q.payload[1] != 0 {
		return packet{}, malformed
	}
	p := packet{srcMAC: serverMAC, dstMAC: q.srcMAC, src: serverLinkLocal, dst: q.src, icmp: true, payload: g.advertisement(subnets)}
	if q.src.IsUnspecified() {
		p.dst = netip.IPv6LinkLocalAllNodes()
	}
	return p, answered
}

// announcement is an advertisement for a guest that has not asked; false when
// there is nothing to say.
func (g guest) announcement() (packet, bool) {
	subnets := g.advertised()
	if len(subnets) == 0 {
		return packet{}, false
	}
	return packet{
		srcMAC: serverMAC, dstMAC: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, src: serverLinkLocal, dst: netip.IPv6LinkLocalAllNodes(),
		icmp: true, payload: g.advertisement(subnets),
	}, true
}

// advertisement is the message about the subnets.
func (g guest) advertisement(subnets []*answers.Subnet) []byte {
	flags := byte(0)
	for _, s := range subnets {
		switch s.Mode {
		case answers.Stateful:
			flags |= flagManaged
		case answers.Stateless:
			flags |= flagOther
		}
	}
	// Type, code, checksum, hop limit, flags; no lifetime as a router; no times.
	m := []byte{layers.ICMPv6TypeRouterAdvertisement, 0, 0, 0, hopsDHCP, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	m = append(append(m, optLinkAddress, 1), serverMAC...)
	if g.network.MTU > 0 {
		m = binary.BigEndian.AppendUint32(append(m, optMTU, 1, 0, 0), uint32(g.network.MTU))
	}
	for _, s := range subnets {
		how := byte(flagOnLink)
		if s.Mode != answers.Stateful {
			how |= flagAutonomous
		}
		m = append(m, optPrefix, 4, byte(s.CIDR.Bits()), how)
		m = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(m, validLifetime), preferredLifetime)
		m = append(append(m, 0, 0, 0, 0), s.CIDR.Addr().AsSlice()...)
	}
	return append(m, names(subnets)...)
}

// names gives the options of name servers and domains, of the first subnet that
// has any: a guest that makes its own addresses has nobody else to ask.
func names(subnets []*answers.Subnet) (list []byte) {
	for _, s := range subnets {
		for _, o := range s.Options {
			typ := map[uint16]byte{23: optResolvers, 24: optDomains}[o.Code]
			if typ == 0 || len(o.Data) == 0 {
				continue
			}
			data := append(o.Data[:len(o.Data):len(o.Data)], make([]byte, (8-len(o.Data)%8)%8)...)
			list = append(list, typ, byte(1+len(data)/8), 0, 0)
			list = append(binary.BigEndian.AppendUint32(list, preferredLifetime), data...)
		}
		if len(list) > 0 {
			break
		}
	}
	return list
}
