package ofp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// Version is the version byte of OpenFlow 1.5, the only one this package
// speaks.
const Version = 0x06

// MaxMessage is the length in bytes of the longest message: the header's
// length field has 16 bits.
const MaxMessage = 0xffff

const headerLen = 8

// Message types (OpenFlow 1.5.1, section 7.1.1).
const (
	typeHello            = 0
	typeError            = 1
	typeEchoRequest      = 2
	typeEchoReply        = 3
	typeExperimenter     = 4
	typeFeaturesRequest  = 5
	typeFeaturesReply    = 6
	typeSetConfig        = 9
	typeFlowRemoved      = 11
	typePortStatus       = 12
	typePacketOut        = 13
	typeFlowMod          = 14
	typeGroupMod         = 15
	typeMultipartRequest = 18
	typeMultipartReply   = 19
	typeBarrierRequest   = 20
	typeBarrierReply     = 21
	typeMeterMod         = 29
	typeBundleControl    = 33
	typeBundleAdd        = 34
)

// Experimenter ids.
const (
	nicira = 0x00002320
)

// Wildcards and reserved numbers (OpenFlow 1.5.1, sections 7.2.3.1, 7.3.4).
const (
	noBuffer  = 0xffffffff
	groupAny  = 0xffffffff
	groupAll  = 0xfffffffc
	noBucket  = 0xffffffff
	tableAll  = 0xff
	matchOXM  = 1
	maxLenAll = 0xffff // send the whole packet to the controller
)

// ErrMalformed is what the decoders' errors wrap: lengths that do not fit, or
// values that the specification does not allow.
var ErrMalformed = errors.New("malformed OpenFlow message")

func malformed(what string) error { return fmt.Errorf("decode %s: %w", what, ErrMalformed) }

// Header begins every message (OpenFlow 1.5.1, section 7.1.1).
type Header struct {
	Version uint8
	Type    uint8
	Length  uint16 // bytes, this header included
	XID     uint32 // transaction id; a reply carries the request's
}

// DecodeHeader reads the header of the message that begins b.
func DecodeHeader(b []byte) (Header, error) {
	if len(b) < headerLen {
		return Header{}, malformed("header")
	}
	h := Header{
		Version: b[0], Type: b[1],
		Length: binary.BigEndian.Uint16(b[2:]), XID: binary.BigEndian.Uint32(b[4:]),
	}
	if h.Length < headerLen {
		return h, malformed("header")
	}
	return h, nil
}

// appendHeader begins a message whose length setLength sets later.
func appendHeader(b []byte, typ uint8, xid uint32) []byte {
	b = append(b, Version, typ, 0, 0)
	return binary.BigEndian.AppendUint32(b, xid)
}

// appendMultipart begins a multipart request that has one part.
func appendMultipart(b []byte, kind uint16, xid uint32) []byte {
	b = appendHeader(b, typeMultipartRequest, xid)
	b = binary.BigEndian.AppendUint16(b, kind)
	return appendZeros(b, 6) // flags, padding
}

// setLength writes the length of the structure that began at start and ends
// with b into its 16-bit length field, which is at byte offset at of it.
func setLength(b []byte, start, at int) {
	binary.BigEndian.PutUint16(b[start+at:], uint16(len(b)-start))
}

func u16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func u32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
func u64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

func appendZeros(b []byte, n int) []byte {
	for range n {
		b = append(b, 0)
	}
	return b
}

// pad8 adds zeros until the structure that began at start is a multiple of 8
// bytes long.
func pad8(b []byte, start int) []byte {
	return appendZeros(b, padding(len(b)-start))
}

func padding(n int) int { return -n & 7 }

// appendValue adds the lowest n bytes of v, most significant first.
func appendValue(b []byte, v flows.Value, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		if i >= 8 {
			b = append(b, byte(v.Hi>>(8*(i-8))))
		} else {
			b = append(b, byte(v.Lo>>(8*i)))
		}
	}
	return b
}

// reader takes a byte slice apart. Reading past its end gives zeros and sets
// bad, so that a decoder checks once at its end.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) len() int { return len(r.b) }

// take gives the next n bytes, not copied.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) skip(n int) { r.take(n) }

// zero takes n bytes that must be zero.
func (r *reader) zero(n int) {
	for _, x := range r.take(n) {
		if x != 0 {
			r.bad = true
		}
	}
}

// end requires that what is left is padding: at most 7 zeros.
func (r *reader) end() bool {
	if len(r.b) > 7 {
		r.bad = true
	}
	r.zero(len(r.b))
	return !r.bad
}

func (r *reader) u8() uint8 {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// property takes the next property: a 16-bit type and a 16-bit length, the
// content, and padding to 8 bytes that the length leaves out (OpenFlow 1.5.1,
// section 7.2.1).
func (r *reader) property() (typ uint16, content *reader) {
	typ = r.u16()
	n := int(r.u16())
	content = &reader{b: r.take(n - 4)}
	if !r.bad {
		r.skip(padding(n))
	}
	return typ, content
}

// appendProperty adds a property.
func appendProperty(b []byte, typ uint16, content []byte) []byte {
	start := len(b)
	b = u16(u16(b, typ), uint16(4+len(content)))
	b = append(b, content...)
	return pad8(b, start)
}
