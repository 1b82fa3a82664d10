package flows

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// notation is how the value of a field is written (ovs-fields(7), "Format").
type notation uint8

const (
	decimal notation = iota
	hexadecimal
	ethernet
	ipv4
	ipv6
	portNumber
	fragment
	ctState
	tcpFlags
	tunFlags
	packetType
)

// notation gives the form of f's values in set_field and in most matches.
func (f Field) notation() notation {
	switch f {
	case EthSrc, EthDst, ARPSHA, ARPTHA, NDSLL, NDTLL:
		return ethernet
	case IPv4Src, IPv4Dst, ARPSPA, ARPTPA, TunSrc, TunDst, CTNwSrc, CTNwDst:
		return ipv4
	case IPv6Src, IPv6Dst, TunIPv6Src, TunIPv6Dst, CTIPv6Src, CTIPv6Dst, NDTarget:
		return ipv6
	case InPort, InPort16, ActsetOutput:
		return portNumber
	case IPFrag:
		return fragment
	case CTState:
		return ctState
	case TCPFlags:
		return tcpFlags
	case TunFlags:
		return tunFlags
	case PacketType:
		return packetType
	case PktMark, RecircID, DPHash, CTZone, CTMark, CTLabel, EthType, TunID, TunGBPFlags, Metadata, VLANTCI, IPv6Label:
		return hexadecimal
	}
	if f >= Reg0 && f <= XXReg3 {
		return hexadecimal
	}
	return decimal
}

// The flag names, by bit.
var (
	ctStateNames  = []string{"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"}
	tcpFlagNames  = []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"}
	tunFlagNames  = []string{"oam"}
	fragmentNames = []struct {
		name        string
		value, mask uint64
	}{
		{"no", 0, 3}, {"yes", 1, 1}, {"first", 1, 3}, {"later", 3, 3}, {"not_later", 0, 2},
	}
)

// The bits of a CTState value (ovs-fields(7), "ct_state").
const (
	CTNew         uint64 = 0x01
	CTEstablished uint64 = 0x02
	CTRelated     uint64 = 0x04
	CTReply       uint64 = 0x08
	CTInvalid     uint64 = 0x10
	CTTracked     uint64 = 0x20
	CTSrcNAT      uint64 = 0x40
	CTDstNAT      uint64 = 0x80
)

// flagNames gives the names and the mask that counts as exact for a field of
// flags.
func (n notation) flagNames() (names []string, all uint64) {
	switch n {
	case ctState:
		return ctStateNames, 0xff
	case tcpFlags:
		return tcpFlagNames, 0xfff
	}
	return tunFlagNames, 1
}

func appendHex(b []byte, v Value) []byte {
	if v.IsZero() {
		return append(b, '0')
	}
	b = append(b, "0x"...)
	if v.Hi == 0 {
		return strconv.AppendUint(b, v.Lo, 16)
	}
	b = strconv.AppendUint(b, v.Hi, 16)
	return fmt.Appendf(b, "%016x", v.Lo)
}

func appendMAC(b []byte, v Value) []byte {
	const digits = "0123456789abcdef"
	for shift := 40; shift >= 0; shift -= 8 {
		x := byte(v.Lo >> shift)
		b = append(b, digits[x>>4], digits[x&15])
		if shift > 0 {
			b = append(b, ':')
		}
	}
	return b
}

// appendIP writes an address as inet_ntop(3) does, which unlike netip writes
// ::a.b.c.d with dots.
func appendIP(b []byte, v Value, bits int) []byte {
	if bits == 128 && v.Hi == 0 && v.Lo>>32 == 0 && v.Lo>>16 != 0 {
		b = append(b, "::"...)
		return U64(v.Lo).Addr(32).AppendTo(b)
	}
	return v.Addr(bits).AppendTo(b)
}

// appendIPMasked writes addr, addr/length or addr/mask.
func appendIPMasked(b []byte, v, mask Value, bits int) []byte {
	b = appendIP(b, v, bits)
	if mask == Ones(bits) {
		return b
	}
	b = append(b, '/')
	if n, ok := prefixLength(mask, bits); ok {
		return strconv.AppendInt(b, int64(n), 10)
	}
	return appendIP(b, mask, bits)
}

func prefixLength(mask Value, bits int) (int, bool) {
	n := mask.OnesCount()
	return n, mask == PrefixMask(n, bits)
}

// appendFlags writes a|b for an exact mask and +a-b otherwise.
func appendFlags(b []byte, n notation, v, mask uint64) []byte {
	names, all := n.flagNames()
	if mask&all == all {
		if v == 0 {
			return append(b, '0')
		}
		for i, name := range names {
			if v&(1<<i) != 0 {
				b = append(append(b, name...), '|')
			}
		}
		return b[:len(b)-1]
	}
	for i, name := range names {
		switch bit := uint64(1) << i; {
		case mask&bit == 0:
		case v&bit != 0:
			b = append(append(b, '+'), name...)
		default:
			b = append(append(b, '-'), name...)
		}
	}
	return b
}

func appendFragment(b []byte, v, mask uint64) []byte {
	for _, f := range fragmentNames {
		if f.value == v && f.mask == mask {
			return append(b, f.name...)
		}
	}
	return append(b, "<error>"...)
}

// parseNumber reads a decimal, 0x hexadecimal or 0 octal number of at most 128
// bits.
func parseNumber(s string) (Value, error) {
	digits, isHex := strings.CutPrefix(strings.ToLower(s), "0x")
	if isHex && len(digits) > 16 {
		digits = strings.TrimLeft(digits, "0")
		if len(digits) > 32 {
			return Value{}, fmt.Errorf("number %q: more than 128 bits", s)
		}
		split := max(0, len(digits)-16)
		var v Value
		var err error
		if split > 0 {
			if v.Hi, err = strconv.ParseUint(digits[:split], 16, 64); err != nil {
				return Value{}, fmt.Errorf("number %q: not a number", s)
			}
		}
		if digits != "" {
			if v.Lo, err = strconv.ParseUint(digits[split:], 16, 64); err != nil {
				return Value{}, fmt.Errorf("number %q: not a number", s)
			}
		}
		return v, nil
	}
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil || strings.ContainsRune(s, '_') {
		return Value{}, fmt.Errorf("number %q: not a number", s)
	}
	return U64(n), nil
}

// parseUint reads a number of at most the given bits.
func parseUint(s string, bits int) (uint64, error) {
	v, err := parseNumber(s)
	if err != nil {
		return 0, err
	}
	if !v.AndNot(Ones(bits)).IsZero() {
		return 0, fmt.Errorf("number %q: more than %d bits", s, bits)
	}
	return v.Lo, nil
}

func parseMAC(s string) (Value, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 6 {
		return Value{}, fmt.Errorf("address %q: not six bytes", s)
	}
	var v uint64
	for _, p := range parts {
		x, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return Value{}, fmt.Errorf("address %q: byte %q", s, p)
		}
		v = v<<8 | x
	}
	return U64(v), nil
}

func parseIP(s string, bits int) (Value, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.BitLen() != bits {
		return Value{}, fmt.Errorf("address %q: not an IPv%d address", s, map[int]int{32: 4, 128: 6}[bits])
	}
	return IP(a), nil
}

// parseIPMask reads what stands behind the slash of an address: a length or a
// mask.
func parseIPMask(s string, bits int) (Value, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		if int(n) > bits {
			return Value{}, fmt.Errorf("prefix length %q: more than %d", s, bits)
		}
		return PrefixMask(int(n), bits), nil
	}
	return parseIP(s, bits)
}

// parseFlags reads a|b, +a-b, a number, or value/mask.
func parseFlags(s string, n notation) (v, mask uint64, err error) {
	names, all := n.flagNames()
	bit := func(name string) (uint64, error) {
		for i, candidate := range names {
			if candidate == name {
				return 1 << i, nil
			}
		}
		return 0, fmt.Errorf("flag %q: unknown", name)
	}
	if !strings.HasPrefix(s, "+") && !strings.HasPrefix(s, "-") {
		return parseFlagSet(s, all, bit)
	}
	for s != "" {
		end := strings.IndexAny(s[1:], "+-") + 1
		if end == 0 {
			end = len(s)
		}
		x, err := bit(s[1:end])
		if err != nil {
			return 0, 0, err
		}
		if mask&x != 0 {
			return 0, 0, fmt.Errorf("flag %q: given twice", s[1:end])
		}
		mask |= x
		if s[0] == '+' {
			v |= x
		}
		s = s[end:]
	}
	return v, mask, nil
}

func parseFlagSet(s string, all uint64, bit func(string) (uint64, error)) (v, mask uint64, err error) {
	if value, m, ok := strings.Cut(s, "/"); ok {
		if v, err = parseUint(value, 32); err == nil {
			mask, err = parseUint(m, 32)
		}
		if err == nil && (v|mask)&^all != 0 {
			err = fmt.Errorf("flags %q: unknown bits", s)
		}
		return v & mask, mask, err
	}
	for name := range strings.SplitSeq(s, "|") {
		x, err := parseUint(name, 32)
		if err != nil {
			if x, err = bit(name); err != nil {
				return 0, 0, err
			}
		}
		if x&^all != 0 {
			return 0, 0, fmt.Errorf("flags %q: unknown bits", s)
		}
		v |= x
	}
	return v, all, nil
}

func parsePacketType(s string) (Value, error) {
	inner, ok := strings.CutPrefix(s, "(")
	inner, ok2 := strings.CutSuffix(inner, ")")
	ns, typ, ok3 := strings.Cut(inner, ",")
	if !ok || !ok2 || !ok3 {
		return Value{}, fmt.Errorf("packet type %q: not of the form (namespace,type)", s)
	}
	hi, err := parseUint(strings.TrimSpace(ns), 16)
	if err != nil {
		return Value{}, err
	}
	lo, err := parseUint(strings.TrimSpace(typ), 16)
	return U64(hi<<16 | lo), err
}
