package sim

import (
	"github.com/lepton-sdn/lepton/flows"
)

// maxTags is the number of VLAN tags that Open vSwitch keeps of a packet.
const maxTags = 2

// Bits of the 16 bits of a VLAN tag.
const (
	tagPresent  = 0x1000
	tagID       = 0x0fff
	tagPriority = 0xe000
)

// Packet is a packet in the switch: its metadata and header fields. A copy is
// independent of the original.
type Packet struct {
	values [flows.NumFields]flows.Value
	// tags are the VLAN tags' control information, the outermost first; without
	// the present bit there is no tag.
	tags [maxTags]uint16
	// quoted is the beginning of another packet that an ICMP error carries. It is
	// never changed.
	quoted *Packet
}

// Quote makes the packet an ICMP error about another packet, of which only
// addresses, protocol, ports and ICMP type matter.
func (p *Packet) Quote(about Packet) { p.quoted = &about }

// NewPacket makes a packet of its fields; masks do not count.
func NewPacket(fields ...flows.FieldMatch) Packet {
	var p Packet
	for _, f := range fields {
		p.Set(f.Field, f.Value)
	}
	return p
}

// Get reads a field, 0 if the packet does not have it.
func (p *Packet) Get(f flows.Field) flows.Value {
	switch {
	case f >= flows.XReg0 && f <= flows.XReg7:
		first := flows.Reg0 + 2*(f-flows.XReg0)
		return flows.U64(p.values[first].Lo<<32 | p.values[first+1].Lo)
	case f >= flows.XXReg0 && f <= flows.XXReg3:
		first := flows.Reg0 + 4*(f-flows.XXReg0)
		return flows.Value{
			Hi: p.values[first].Lo<<32 | p.values[first+1].Lo,
			Lo: p.values[first+2].Lo<<32 | p.values[first+3].Lo,
		}
	}
	switch f {
	case flows.VLANTCI:
		return flows.U64(uint64(p.tags[0]))
	case flows.VLANVID:
		return flows.U64(uint64(p.tags[0]) & (tagPresent | tagID))
	case flows.VLANPCP:
		return flows.U64(uint64(p.tags[0]) >> 13)
	case flows.IPTOS:
		return flows.U64(p.values[flows.IPDSCP].Lo<<2 | p.values[flows.IPECN].Lo)
	case flows.InPort16:
		return p.values[flows.InPort].And(flows.Ones(16))
	}
	return p.values[f]
}

// Num reads a field of at most 64 bits.
func (p *Packet) Num(f flows.Field) uint64 { return p.Get(f).Lo }

// Set writes a field, whether the packet is of its protocol or not.
func (p *Packet) Set(f flows.Field, v flows.Value) {
	v = v.And(f.Full())
	switch {
	case f >= flows.XReg0 && f <= flows.XReg7:
		p.setRegisters(flows.Reg0+2*(f-flows.XReg0), 2, v)
		return
	case f >= flows.XXReg0 && f <= flows.XXReg3:
		p.setRegisters(flows.Reg0+4*(f-flows.XXReg0), 4, v)
		return
	}
	switch f {
	case flows.VLANTCI:
		p.tags[0] = uint16(v.Lo)
	case flows.VLANVID:
		p.tags[0] = p.tags[0]&tagPriority | uint16(v.Lo)
	case flows.VLANPCP:
		p.tags[0] = p.tags[0]&^tagPriority | uint16(v.Lo)<<13 | tagPresent
	case flows.IPTOS:
		p.values[flows.IPDSCP], p.values[flows.IPECN] = flows.U64(v.Lo>>2), flows.U64(v.Lo&3)
	case flows.InPort16:
		p.values[flows.InPort] = flows.U64(uint64(widen(uint32(v.Lo))))
	default:
		p.values[f] = v
	}
}

// SetNum writes a field of at most 64 bits.
func (p *Packet) SetNum(f flows.Field, v uint64) { p.Set(f, flows.U64(v)) }

func (p *Packet) setRegisters(first flows.Field, n int, v flows.Value) {
	for i := range n {
		p.values[first+flows.Field(i)] = v.Shr(32 * (n - 1 - i)).And(flows.Ones(32))
	}
}

// widen turns the reserved numbers among the 16-bit ports into those of 32 bits.
func widen(port uint32) uint32 {
	if port >= 0xff00 && port <= 0xffff {
		return port | 0xffff0000
	}
	return port
}

// has reports whether the packet has the field.
func (p *Packet) has(f flows.Field) bool { return f.PresentIn(p.Get) }

// matches reports whether the packet satisfies m.
func (p *Packet) matches(m flows.Match) bool {
	for _, part := range m {
		if isPort(part.Field) && !p.values[flows.IPFrag].IsZero() {
			// To rules fragments have no ports, not even the first one: that is how
			// the switch handles fragments unless told otherwise.
			if !part.Value.IsZero() || !p.has(part.Field) {
				return false
			}
			continue
		}
		if p.Get(part.Field).And(part.Mask) != part.Value || !p.has(part.Field) {
			return false
		}
	}
	return true
}

// isPort tells the fields that the switch keeps where it keeps ports.
func isPort(f flows.Field) bool {
	switch f {
	case flows.TCPSrc, flows.TCPDst, flows.UDPSrc, flows.UDPDst, flows.SCTPSrc, flows.SCTPDst,
		flows.ICMPType, flows.ICMPCode, flows.ICMPv6Type, flows.ICMPv6Code:
		return true
	}
	return false
}

// subfield reads bits of a field.
func (p *Packet) subfield(s flows.Subfield) flows.Value {
	return p.Get(s.Field).Shr(s.Start).And(flows.Ones(s.Bits))
}

// write writes the bits of a field that mask has set.
func (p *Packet) write(f flows.Field, v, mask flows.Value) {
	p.Set(f, p.Get(f).AndNot(mask).Or(v.And(mask)))
}

func (p *Packet) pushTag() {
	copy(p.tags[1:], p.tags[:])
	p.tags[0] = tagPresent
}

func (p *Packet) popTag() {
	if p.tags[0]&tagPresent == 0 {
		return
	}
	copy(p.tags[:], p.tags[1:])
	p.tags[maxTags-1] = 0
}

// Tags gives the packet's VLAN tags, the outermost first.
func (p *Packet) Tags() []uint16 {
	var tags []uint16
	for _, t := range p.tags {
		if t&tagPresent != 0 {
			tags = append(tags, t)
		}
	}
	return tags
}

// clearConntrack forgets what the connection tracker said.
func (p *Packet) clearConntrack() {
	for f := flows.CTState; f <= flows.CTTpDst; f++ {
		p.values[f] = flows.Value{}
	}
}

// enterBridge makes the packet one that comes in through a patch port
// (patch ports carry neither registers nor tunnel data).
func (p *Packet) enterBridge(port uint32) {
	for f := flows.Reg0; f <= flows.Metadata; f++ {
		p.values[f] = flows.Value{}
	}
	p.SetNum(flows.InPort, uint64(port))
	p.clearConntrack()
}

// Match gives the fields that the packet has as an exact match, without
// metadata that are zero.
func (p *Packet) Match() flows.Match {
	var m flows.Match
	for f := flows.PktMark; int(f) < flows.NumFields; f++ {
		switch f {
		case flows.InPort16, flows.VLANVID, flows.VLANPCP, flows.IPTOS:
			continue
		}
		if f >= flows.XReg0 && f <= flows.XXReg3 {
			continue
		}
		v := p.Get(f)
		if isHeader(f) && p.has(f) || !v.IsZero() {
			m = append(m, flows.Exact(f, v))
		}
	}
	return m
}

// isHeader tells the packet's own fields from metadata.
func isHeader(f flows.Field) bool {
	return f >= flows.VLANTCI && f != flows.IPFrag || f == flows.EthType || f == flows.IPProto
}

// String writes the packet as ofproto/trace takes and prints it.
func (p *Packet) String() string { return p.Match().String() }
