package flows

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Value is the content of a field or register: up to 128 bits, right-aligned,
// most significant bits in Hi.
type Value struct{ Hi, Lo uint64 }

// U64 makes a value of at most 64 bits.
func U64(v uint64) Value { return Value{Lo: v} }

// IP makes the value of an IPv4 or IPv6 address.
func IP(a netip.Addr) Value {
	if a.Is4() {
		b := a.As4()
		return Value{Lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return Value{Hi: binary.BigEndian.Uint64(b[:8]), Lo: binary.BigEndian.Uint64(b[8:])}
}

// Ones gives a value whose lowest n bits are set, n from 0 to 128.
func Ones(n int) Value {
	switch {
	case n <= 0:
		return Value{}
	case n < 64:
		return Value{Lo: 1<<n - 1}
	case n == 64:
		return Value{Lo: ^uint64(0)}
	case n < 128:
		return Value{Hi: 1<<(n-64) - 1, Lo: ^uint64(0)}
	}
	return Value{Hi: ^uint64(0), Lo: ^uint64(0)}
}

// PrefixMask gives the mask of a prefix of length bits in a field of width
// width (32 or 128).
func PrefixMask(bits, width int) Value {
	return Ones(width).AndNot(Ones(width - bits))
}

// And gives v & w.
func (v Value) And(w Value) Value { return Value{v.Hi & w.Hi, v.Lo & w.Lo} }

// AndNot gives v &^ w.
func (v Value) AndNot(w Value) Value { return Value{v.Hi &^ w.Hi, v.Lo &^ w.Lo} }

// Or gives v | w.
func (v Value) Or(w Value) Value { return Value{v.Hi | w.Hi, v.Lo | w.Lo} }

// Shl gives v << n.
func (v Value) Shl(n int) Value {
	switch {
	case n == 0:
		return v
	case n >= 128:
		return Value{}
	case n >= 64:
		return Value{Hi: v.Lo << (n - 64)}
	}
	return Value{Hi: v.Hi<<n | v.Lo>>(64-n), Lo: v.Lo << n}
}

// Shr gives v >> n.
func (v Value) Shr(n int) Value {
	switch {
	case n == 0:
		return v
	case n >= 128:
		return Value{}
	case n >= 64:
		return Value{Lo: v.Hi >> (n - 64)}
	}
	return Value{Hi: v.Hi >> n, Lo: v.Lo>>n | v.Hi<<(64-n)}
}

// IsZero reports whether no bit is set.
func (v Value) IsZero() bool { return v.Hi|v.Lo == 0 }

// Less orders values as unsigned numbers.
func (v Value) Less(w Value) bool { return v.Hi < w.Hi || v.Hi == w.Hi && v.Lo < w.Lo }

// Compare orders values as unsigned numbers: -1, 0 or 1.
func (v Value) Compare(w Value) int { return cmp.Or(cmp.Compare(v.Hi, w.Hi), cmp.Compare(v.Lo, w.Lo)) }

// Addr gives the IPv4 address (bits 32) or IPv6 address (bits 128) in v.
func (v Value) Addr(bits int) netip.Addr {
	if bits == 32 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(v.Lo))
		return netip.AddrFrom4(b)
	}
	return netip.AddrFrom16(v.As16())
}

// As16 gives the 16 bytes of v, most significant first.
func (v Value) As16() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], v.Hi)
	binary.BigEndian.PutUint64(b[8:], v.Lo)
	return b
}

// FromBytes reads a value of at most 16 bytes, most significant first.
func FromBytes(b []byte) Value {
	var v Value
	for _, x := range b {
		v = v.Shl(8)
		v.Lo |= uint64(x)
	}
	return v
}

// OnesCount is the number of bits set.
func (v Value) OnesCount() int { return bits.OnesCount64(v.Hi) + bits.OnesCount64(v.Lo) }
