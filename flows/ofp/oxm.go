package ofp

import (
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// appendOXM adds the OXM header of f as OpenFlow 1.5 has it (OpenFlow 1.5.1,
// section 7.2.3.2). A masked header announces twice the length.
func appendOXM(b []byte, i flows.Info, masked bool) []byte {
	n, bit := i.WireBytes, byte(0)
	if masked {
		n, bit = 2*n, 1
	}
	if i.Class == flows.ClassExperimenter {
		n += 4
	}
	b = append(u16(b, i.Class), i.Number<<1|bit, byte(n))
	if i.Class == flows.ClassExperimenter {
		b = u32(b, i.Experimenter)
	}
	return b
}

// appendNXM adds the 4-byte header that Nicira's actions use for a field
// whatever the OpenFlow version is.
func appendNXM(b []byte, f flows.Field) []byte {
	i := f.Info()
	return append(u16(b, i.NXMClass), i.NXMNumber<<1, byte(i.WireBytes))
}

// appendField adds an OXM header with a value and, when it leaves bits of the
// field out, a mask.
func appendField(b []byte, f flows.Field, v, mask flows.Value) []byte {
	i := f.Info()
	masked := mask != flows.Ones(i.Bits)
	b = appendOXM(b, i, masked)
	b = appendValue(b, v, i.WireBytes)
	if masked {
		b = appendValue(b, mask, i.WireBytes)
	}
	return b
}

// appendMatch adds an ofp_match (OpenFlow 1.5.1, section 7.2.3.1) padded to 8
// bytes. m is canonical; its order satisfies the fields' prerequisites.
func appendMatch(b []byte, m flows.Match) []byte {
	start := len(b)
	b = u16(u16(b, matchOXM), 0)
	for _, f := range m {
		b = appendField(b, f.Field, f.Value, f.Mask)
	}
	setLength(b, start, 2)
	return pad8(b, start)
}

// oxmHeader is an OXM or NXM header taken apart.
type oxmHeader struct {
	field  flows.Field // NoField when flows has no such field
	masked bool
	length int // bytes of value and mask together
}

// oxm takes a header from r.
func (r *reader) oxm() oxmHeader {
	class, number, n := r.u16(), r.u8(), int(r.u8())
	experimenter := uint32(0)
	if class == flows.ClassExperimenter {
		experimenter = r.u32()
		n -= 4
	}
	if r.bad || n < 0 {
		r.bad = true
		return oxmHeader{}
	}
	h := oxmHeader{masked: number&1 != 0, length: n}
	h.field, _ = flows.FieldByOXM(class, number>>1, experimenter)
	return h
}

// subfield takes a header without value as actions use it to name a field.
// A field that flows does not have, or of another length, makes r bad.
func (r *reader) subfield(start, bits int) flows.Subfield {
	h := r.oxm()
	if !h.field.Valid() || h.masked || h.length != h.field.Info().WireBytes || bits < 1 || start+bits > 128 {
		r.bad = true
		return flows.Subfield{}
	}
	return flows.Subfield{Field: h.field, Start: start, Bits: bits}
}

// fieldValue takes the value and mask of a header. ok is false, and r stays
// good, for a field that flows does not have or that has bits set outside it.
func (r *reader) fieldValue(h oxmHeader) (m flows.FieldMatch, ok bool) {
	p := r.take(h.length)
	if !h.field.Valid() || r.bad {
		return m, false
	}
	i := h.field.Info()
	n := i.WireBytes
	full := flows.Ones(i.Bits)
	m = flows.FieldMatch{Field: h.field, Mask: full}
	switch {
	case h.masked && h.length == 2*n:
		m.Mask = flows.FromBytes(p[n:]).And(full)
	case h.masked || h.length != n:
		return m, false
	}
	m.Value = flows.FromBytes(p[:n])
	return m, m.Value.AndNot(full).IsZero()
}

// match takes an ofp_match with its padding. Fields that flows does not have
// are given back as they are.
func (r *reader) match() (m flows.Match, unknown []byte, err error) {
	typ, n := r.u16(), int(r.u16())
	fields := &reader{b: r.take(n - 4)}
	r.skip(padding(n))
	if r.bad || typ != matchOXM {
		r.bad = true
		return nil, nil, malformed("match")
	}
	return decodeFields(fields)
}

// decodeFields decodes the fields of a match up to the end of r.
func decodeFields(r *reader) (m flows.Match, unknown []byte, err error) {
	m = make(flows.Match, 0, countFields(r.b))
	for r.len() > 0 {
		whole := r.b
		h := r.oxm()
		f, ok := r.fieldValue(h)
		switch {
		case r.bad:
			return nil, nil, malformed("match")
		case !ok:
			unknown = append(unknown, whole[:len(whole)-r.len()]...)
		default:
			m = appendPart(m, f)
		}
	}
	m = m.Normalize()
	for i := 1; i < len(m); i++ {
		if m[i].Field == m[i-1].Field {
			return nil, nil, fmt.Errorf("decode match: %s twice: %w", m[i].Field, ErrMalformed)
		}
	}
	return m, unknown, nil
}

// countFields counts the fields that fill b, registers twice since each
// becomes two.
func countFields(b []byte) (n int) {
	for len(b) >= 4 {
		n++
		if b[0] == byte(flows.ClassPacketRegs>>8) && b[1] == byte(flows.ClassPacketRegs&0xff) {
			n++
		}
		b = b[min(len(b), 4+int(b[3])):]
	}
	return n
}

// appendPart adds f as rules write it: Open vSwitch reports registers in pairs,
// and the Ethernet packet type where nothing else implies it.
func appendPart(m flows.Match, f flows.FieldMatch) flows.Match {
	switch {
	case f.Field >= flows.XReg0 && f.Field <= flows.XReg7:
		first, low := flows.Reg0+2*(f.Field-flows.XReg0), flows.Ones(32)
		return append(m,
			flows.FieldMatch{Field: first, Value: f.Value.Shr(32), Mask: f.Mask.Shr(32)},
			flows.FieldMatch{Field: first + 1, Value: f.Value.And(low), Mask: f.Mask.And(low)})
	case f.Field == flows.PacketType && f.Value.IsZero() && f.IsExact():
		return m
	}
	return append(m, f)
}
