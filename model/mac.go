package model

import (
	"fmt"
	"net/netip"
)

// MAC is an Ethernet address. The zero value means "none".
type MAC [6]byte

// ParseMAC reads a MAC as six hexadecimal octets separated by colons, or by
// hyphens, in either case, as Neutron accepts them.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return m, fmt.Errorf("%q is not a MAC address", s)
	}
	for i := range m {
		hi, ok1 := hexDigit(s[3*i])
		lo, ok2 := hexDigit(s[3*i+1])
		if !ok1 || !ok2 || (i < 5 && s[3*i+2] != ':' && s[3*i+2] != '-') {
			return MAC{}, fmt.Errorf("%q is not a MAC address", s)
		}
		m[i] = hi<<4 | lo
	}
	return m, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// String gives the form with colons and lower-case digits; "" for the zero MAC.
func (m MAC) String() string {
	if m == (MAC{}) {
		return ""
	}
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, o := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[o>>4], digits[o&15])
	}
	return string(b)
}

// MarshalText gives the string form.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the string form; empty text gives the zero MAC.
func (m *MAC) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*m = MAC{}
		return nil
	}
	v, err := ParseMAC(string(b))
	if err != nil {
		return err
	}
	*m = v
	return nil
}

// Multicast reports whether the group bit is set.
func (m MAC) Multicast() bool { return m[0]&1 == 1 }

// LinkLocal gives the IPv6 link-local address made from the MAC as EUI-64
// (RFC 4291, appendix A).
func (m MAC) LinkLocal() netip.Addr { return m.EUI64(netip.MustParsePrefix("fe80::/64")) }

// EUI64 gives the address that stateless autoconfiguration makes from the MAC
// in the prefix (RFC 4862).
func (m MAC) EUI64(p netip.Prefix) netip.Addr {
	a := p.Addr().As16()
	a[8], a[9], a[10], a[11] = m[0]^2, m[1], m[2], 0xff
	a[12], a[13], a[14], a[15] = 0xfe, m[3], m[4], m[5]
	return netip.AddrFrom16(a)
}
