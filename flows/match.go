package flows

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Errors of NewMatch and Match.Validate.
var (
	ErrDuplicateField = errors.New("field matched twice")
	ErrBadField       = errors.New("unknown field")
	ErrValueTooWide   = errors.New("value wider than the field")
)

// MAC makes the value of an Ethernet address of 6 bytes.
func MAC(a net.HardwareAddr) Value {
	var v uint64
	for _, b := range a {
		v = v<<8 | uint64(b)
	}
	return U64(v)
}

// Exact matches all bits of f.
func Exact(f Field, v Value) FieldMatch {
	return FieldMatch{Field: f, Value: v, Mask: f.Full()}
}

// ExactU is Exact for a number.
func ExactU(f Field, v uint64) FieldMatch { return Exact(f, U64(v)) }

// Masked matches the bits of f that mask has set; other bits of v are dropped.
func Masked(f Field, v, mask Value) FieldMatch {
	return FieldMatch{Field: f, Value: v.And(mask), Mask: mask}
}

// MaskedU is Masked for numbers.
func MaskedU(f Field, v, mask uint64) FieldMatch { return Masked(f, U64(v), U64(mask)) }

// Addr matches an exact IPv4 or IPv6 address; the field decides the family.
func Addr(f Field, a netip.Addr) FieldMatch { return Exact(f, IP(a)) }

// Prefix matches the addresses of p.
func Prefix(f Field, p netip.Prefix) FieldMatch {
	return Masked(f, IP(p.Addr()), PrefixMask(p.Bits(), f.Info().Bits))
}

// OnVLAN matches frames with a tag of this VLAN id.
func OnVLAN(id uint16) FieldMatch { return ExactU(VLANVID, uint64(id)|vlanPresent) }

// NoVLAN matches frames without a tag.
func NoVLAN() FieldMatch { return ExactU(VLANVID, 0) }

// vlanPresent is the bit of VLANVID and VLANTCI that says a tag is there.
const vlanPresent = 0x1000

// IsExact reports whether all bits of the field must be equal.
func (m FieldMatch) IsExact() bool { return m.Mask == m.Field.Full() }

// NewMatch makes a Match of its parts: sorted, parts with an empty mask left
// out, bits outside the masks cleared. A field given twice, an unknown field
// and a value or mask wider than its field are errors.
func NewMatch(parts ...FieldMatch) (Match, error) {
	for _, p := range parts {
		if err := p.validate(); err != nil {
			return nil, err
		}
	}
	m := Match(slices.Clone(parts)).Normalize()
	return m, m.Validate()
}

// MustMatch is NewMatch for parts that a program fixes; it panics on an error.
func MustMatch(parts ...FieldMatch) Match {
	m, err := NewMatch(parts...)
	if err != nil {
		panic(err)
	}
	return m
}

// Normalize sorts m in place, drops parts that match everything and clears
// value bits outside the masks. The result is what the functions of this
// package expect.
func (m Match) Normalize() Match {
	out := m[:0]
	for _, p := range m {
		if p.Mask.IsZero() {
			continue
		}
		p.Value = p.Value.And(p.Mask)
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b FieldMatch) int { return cmp.Compare(a.Field, b.Field) })
	if len(out) == 0 {
		return nil
	}
	return out
}

// Validate reports the first field that is unknown, matched twice, or has a
// value or mask wider than it is.
func (m Match) Validate() error {
	for i, p := range m {
		if err := p.validate(); err != nil {
			return err
		}
		if i > 0 && m[i-1].Field == p.Field {
			return fmt.Errorf("match %s: %w", p.Field, ErrDuplicateField)
		}
	}
	return nil
}

func (m FieldMatch) validate() error {
	switch {
	case !m.Field.Valid():
		return fmt.Errorf("match field %d: %w", m.Field, ErrBadField)
	case !m.Mask.AndNot(m.Field.Full()).IsZero() || !m.Value.AndNot(m.Field.Full()).IsZero():
		return fmt.Errorf("match %s: %w", m.Field, ErrValueTooWide)
	}
	return nil
}

// Get finds what m asks of field f.
func (m Match) Get(f Field) (FieldMatch, bool) {
	for _, p := range m {
		if p.Field == f {
			return p, true
		}
	}
	return FieldMatch{}, false
}

// With gives a copy of m in which p replaces what m asks of p's field.
func (m Match) With(p FieldMatch) Match {
	return append(m.Without(p.Field), p).Normalize()
}

// Without gives a copy of m that asks nothing of field f.
func (m Match) Without(f Field) Match {
	out := make(Match, 0, len(m)+1)
	for _, p := range m {
		if p.Field != f {
			out = append(out, p)
		}
	}
	return out
}

// Equal reports whether two normalized matches are the same.
func (m Match) Equal(o Match) bool { return slices.Equal(m, o) }

// Compare orders normalized matches by their fields, values and masks.
func (m Match) Compare(o Match) int {
	for i := range min(len(m), len(o)) {
		a, b := &m[i], &o[i]
		switch {
		case *a == *b:
		case a.Field != b.Field:
			return cmp.Compare(a.Field, b.Field)
		case a.Value != b.Value:
			return a.Value.Compare(b.Value)
		default:
			return a.Mask.Compare(b.Mask)
		}
	}
	return cmp.Compare(len(m), len(o))
}

// Whole is the subfield of all bits of f.
func Whole(f Field) Subfield { return Subfield{Field: f, Bits: f.subfieldBits()} }

// Bits is the subfield of the bits first to last of f, both included, as in
// f[first..last].
func Bits(f Field, first, last int) Subfield {
	return Subfield{Field: f, Start: first, Bits: last - first + 1}
}

// IsZero reports whether s names no field.
func (s Subfield) IsZero() bool { return s.Bits == 0 }

// Mask is the mask of the bits of s within its field.
func (s Subfield) Mask() Value { return Ones(s.Bits).Shl(s.Start) }

// Set writes all bits of f: set_field:v->f.
func Set(f Field, v Value) SetField { return SetField{Field: f, Value: v, Mask: f.Full()} }

// SetU is Set for a number.
func SetU(f Field, v uint64) SetField { return Set(f, U64(v)) }

// SetMasked writes the bits of f that mask has set.
func SetMasked(f Field, v, mask Value) SetField {
	return SetField{Field: f, Value: v.And(mask), Mask: mask}
}
