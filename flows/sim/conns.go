package sim

import (
	"slices"

	"github.com/lepton-sdn/lepton/flows"
)

// Conns is a connection table with zones. It follows the kernel's: a
// connection is established once a reply was seen, and packets of the original
// direction are new until then. Nothing expires.
type Conns struct {
	// Userspace follows the userspace datapath of Open vSwitch 3.1 where it
	// differs from the kernel: it does not know the ports of SCTP, and ICMP
	// queries with a code are invalid.
	Userspace bool

	conns map[tuple]*conn
}

// tuple is one direction of a connection. For ICMP the ports are the identifier
// and the type of the query, which makes replies the reverse of requests.
type tuple struct {
	zone     uint16
	src, dst flows.Value
	ethType  uint16
	proto    uint8
	srcPort  uint16
	dstPort  uint16
}

type conn struct {
	original tuple
	// first and second are what the switch shows as ct_tp_src and ct_tp_dst: the
	// ports, or the type and the code of an ICMP query.
	first, second uint16
	replied       bool
	mark          uint32
	label         flows.Value
}

// Conn describes a connection of the table.
type Conn struct {
	Zone     uint16
	Src, Dst flows.Value
	Proto    uint8
	SrcPort  uint16
	DstPort  uint16
	Mark     uint32
	Replied  bool
}

// tracking is what a ct action asks for.
type tracking struct {
	bridge    *Bridge
	packet    Packet // with the mark and label that exec wrote
	table     uint8
	zone      uint16
	commit    bool
	force     bool
	markMask  flows.Value
	labelMask flows.Value
}

// Len is the number of connections.
func (c *Conns) Len() int { return len(c.conns) }

// Each calls f for every connection, in no particular order.
func (c *Conns) Each(f func(Conn)) {
	for _, x := range c.conns {
		o := x.original
		f(Conn{Zone: o.zone, Src: o.src, Dst: o.dst, Proto: o.proto, SrcPort: o.srcPort, DstPort: o.dstPort, Mark: x.mark, Replied: x.replied})
	}
}

// Flush forgets the connections for which drop is true, as conntrack -D does.
func (c *Conns) Flush(drop func(Conn) bool) {
	for key, x := range c.conns {
		o := x.original
		if drop(Conn{Zone: o.zone, Src: o.src, Dst: o.dst, Proto: o.proto, SrcPort: o.srcPort, DstPort: o.dstPort, Mark: x.mark, Replied: x.replied}) {
			delete(c.conns, key)
		}
	}
}

// process sets the packet's connection state and commits it if that is asked.
func (c *Conns) process(p *Packet, t tracking) {
	wantMark, wantLabel := p.Get(flows.CTMark), p.Get(flows.CTLabel)
	p.clearConntrack()
	p.SetNum(flows.CTZone, uint64(t.zone))
	if p.isError() {
		c.relate(p, t.zone)
		return
	}
	key, ok := c.tuple(p, t.zone)
	x, reply := c.find(key)
	if !ok || x == nil && !p.mayBegin() {
		p.SetNum(flows.CTState, flows.CTTracked|flows.CTInvalid)
		return
	}
	if x != nil && reply && t.force && t.commit {
		delete(c.conns, x.original)
		x, reply = nil, false
	}
	state := flows.CTTracked
	switch {
	case x == nil:
		state |= flows.CTNew
		x = &conn{original: key, first: key.srcPort, second: key.dstPort}
		if key.proto == protoICMP || key.proto == protoICMPv6 {
			x.second = uint16(p.Num(flows.ICMPCode) | p.Num(flows.ICMPv6Code))
		}
		if t.commit {
			c.add(x)
		}
	case reply:
		x.replied = true
		state |= flows.CTEstablished | flows.CTReply
	case x.replied:
		state |= flows.CTEstablished
	default:
		state |= flows.CTNew
	}
	if t.commit {
		x.mark = uint32(flows.U64(uint64(x.mark)).AndNot(t.markMask).Or(wantMark.And(t.markMask)).Lo)
		x.label = x.label.AndNot(t.labelMask).Or(wantLabel.And(t.labelMask))
	}
	p.SetNum(flows.CTState, state)
	p.setConn(x)
}

// relate gives an ICMP error to the connection of the packet that it is about.
// It goes the other way than that packet.
func (c *Conns) relate(p *Packet, zone uint16) {
	p.SetNum(flows.CTState, flows.CTTracked|flows.CTInvalid)
	if p.quoted == nil {
		return
	}
	about, ok := c.tuple(p.quoted, zone)
	outer, _ := p.addresses()
	if !ok || about.ethType != outer.ethType || about.src != outer.dst {
		return
	}
	x, reply := c.find(about.reverse())
	if x == nil {
		return
	}
	state := flows.CTTracked | flows.CTRelated
	if reply {
		state |= flows.CTReply
	}
	p.SetNum(flows.CTState, state)
	p.setConn(x)
}

// isError reports whether the packet is an ICMP error (RFC 792, RFC 4443).
func (p *Packet) isError() bool {
	switch {
	case p.has(flows.ICMPType):
		return slices.Contains([]uint64{3, 4, 5, 11, 12}, p.Num(flows.ICMPType))
	case p.has(flows.ICMPv6Type):
		t := p.Num(flows.ICMPv6Type)
		return t >= 1 && t <= 4
	}
	return false
}

// mayBegin reports whether a packet may be the first that is seen of its
// connection: for ICMP a query, for TCP anything but the second step of the
// handshake, and nothing with flags that contradict each other.
func (p *Packet) mayBegin() bool {
	switch {
	case p.has(flows.ICMPType):
		return slices.Contains([]uint64{8, 13, 15, 17}, p.Num(flows.ICMPType))
	case p.has(flows.ICMPv6Type):
		return p.Num(flows.ICMPv6Type) == 128
	case p.has(flows.TCPFlags):
		return mayBeginTCP(p.Num(flows.TCPFlags))
	}
	return true
}

func (c *Conns) add(x *conn) {
	if c.conns == nil {
		c.conns = map[tuple]*conn{}
	}
	c.conns[x.original] = x
}

func (c *Conns) find(key tuple) (x *conn, reply bool) {
	if x = c.conns[key]; x != nil {
		return x, false
	}
	if x = c.conns[key.reverse()]; x != nil {
		return x, true
	}
	return nil, false
}

func (t tuple) reverse() tuple {
	t.src, t.dst = t.dst, t.src
	t.srcPort, t.dstPort = t.dstPort, t.srcPort
	return t
}

// The protocols whose ports a tuple has.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// icmpQueries pairs the types of queries and their answers (RFC 792, RFC 4443).
var icmpQueries = map[uint64]uint64{8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}

func mayBeginTCP(flags uint64) bool {
	const fin, syn, rst, push, ack, urgent = 1, 2, 4, 8, 16, 32
	switch {
	case flags&syn != 0:
		return flags&(rst|fin|ack) == 0 && flags&(push|urgent) == 0
	case flags&(ack|rst) == 0:
		return false
	}
	return flags&ack != 0 || flags&(fin|push|urgent) == 0
}

// tuple gives the direction that a packet belongs to, or false for a packet
// that has no connection: not IP, or ICMP other than queries.
func (c *Conns) tuple(p *Packet, zone uint16) (tuple, bool) {
	t, ok := p.addresses()
	if t.zone = zone; !ok {
		return t, false
	}
	switch t.proto {
	case protoTCP:
		t.srcPort, t.dstPort = uint16(p.Num(flows.TCPSrc)), uint16(p.Num(flows.TCPDst))
	case protoUDP:
		t.srcPort, t.dstPort = uint16(p.Num(flows.UDPSrc)), uint16(p.Num(flows.UDPDst))
	case protoSCTP:
		if c.Userspace {
			return t, true
		}
		t.srcPort, t.dstPort = uint16(p.Num(flows.SCTPSrc)), uint16(p.Num(flows.SCTPDst))
	case protoICMP:
		typ := p.Num(flows.ICMPType)
		answer, ok := icmpQueries[typ]
		t.srcPort, t.dstPort = uint16(typ), uint16(answer)
		return t, ok && (!c.Userspace || p.Num(flows.ICMPCode) == 0)
	case protoICMPv6:
		typ := p.Num(flows.ICMPv6Type)
		t.srcPort, t.dstPort = uint16(typ), uint16(typ^1)
		return t, (typ == 128 || typ == 129) && (!c.Userspace || p.Num(flows.ICMPv6Code) == 0)
	}
	return t, true
}

// addresses gives the part of a tuple that all IP packets have.
func (p *Packet) addresses() (tuple, bool) {
	t := tuple{ethType: uint16(p.Num(flows.EthType)), proto: uint8(p.Num(flows.IPProto))}
	switch t.ethType {
	case ethIPv4:
		t.src, t.dst = p.Get(flows.IPv4Src), p.Get(flows.IPv4Dst)
	case ethIPv6:
		t.src, t.dst = p.Get(flows.IPv6Src), p.Get(flows.IPv6Dst)
	default:
		return t, false
	}
	return t, true
}

// setConn tells the packet what is known of its connection: the mark, the label
// and the original direction.
func (p *Packet) setConn(x *conn) {
	t := x.original
	p.SetNum(flows.CTMark, uint64(x.mark))
	p.Set(flows.CTLabel, x.label)
	if t.ethType == ethIPv4 {
		p.Set(flows.CTNwSrc, t.src)
		p.Set(flows.CTNwDst, t.dst)
	} else {
		p.Set(flows.CTIPv6Src, t.src)
		p.Set(flows.CTIPv6Dst, t.dst)
	}
	p.SetNum(flows.CTNwProto, uint64(t.proto))
	p.SetNum(flows.CTTpSrc, uint64(x.first))
	p.SetNum(flows.CTTpDst, uint64(x.second))
}

// The Ethernet types of packets that can have connections.
const (
	ethIPv4 = 0x0800
	ethIPv6 = 0x86dd
)

// swapTuple exchanges the packet's addresses and ports for those of the
// original direction, for resubmit(,,ct). False: there are none.
func (p *Packet) swapTuple() bool {
	ethType := p.Num(flows.EthType)
	if p.Num(flows.CTNwProto) == 0 || ethType != ethIPv4 && ethType != ethIPv6 {
		return false
	}
	if ethType == ethIPv4 {
		p.Set(flows.IPv4Src, p.Get(flows.CTNwSrc))
		p.Set(flows.IPv4Dst, p.Get(flows.CTNwDst))
	} else {
		p.Set(flows.IPv6Src, p.Get(flows.CTIPv6Src))
		p.Set(flows.IPv6Dst, p.Get(flows.CTIPv6Dst))
	}
	p.Set(flows.IPProto, p.Get(flows.CTNwProto))
	for _, f := range []flows.Field{flows.TCPSrc, flows.UDPSrc, flows.SCTPSrc, flows.ICMPType, flows.ICMPv6Type} {
		p.Set(f, p.Get(flows.CTTpSrc))
	}
	for _, f := range []flows.Field{flows.TCPDst, flows.UDPDst, flows.SCTPDst, flows.ICMPCode, flows.ICMPv6Code} {
		p.Set(f, p.Get(flows.CTTpDst))
	}
	return true
}
