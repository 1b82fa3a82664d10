package answers

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// Option is an option of DHCPv4 (RFC 2132) or DHCPv6 (RFC 8415).
type Option struct {
	// Code is the option's number; 255 of DHCPv4 is no option but the address of
	// the next server (siaddr), as in dnsmasq.
	Code uint16
	// Name is dnsmasq's for it; "" where it has none.
	Name string
	// Text is the value as people write it, of printable ASCII; "" where it can
	// only be written as bytes.
	Text string
	// Characters tells that the value is always a text, of printable ASCII, or
	// (60 of DHCPv6) several with commas between them.
	Characters bool
	// Data is the value as it is sent. Nil means that the option is not sent.
	Data []byte
	// Client limits the option to some clients.
	Client Client
	// Force has it sent to clients that did not ask for it.
	Force bool
}

// Client is a set of clients.
type Client string

// The sets of clients that options of ports may be limited to: those that are
// iPXE (DHCPv4 option 175; DHCPv6 user class iPXE), and the others.
const (
	Any      Client = ""
	IPXE     Client = "ipxe"
	NotIPXE  Client = "!ipxe"
	IPXE6    Client = "ipxe6"
	NotIPXE6 Client = "!ipxe6"
)

// format is how an option's value is written and sent.
type format int

const (
	guess format = iota // by what the value looks like
	addrs               // addresses
	u8                  // whole numbers
	u16                 // …
	u32
	text   // characters
	names  // domain names (RFC 1035, section 3.1)
	routes // prefix, next hop, …
	params // texts with lengths of two bytes (RFC 5970, section 3.2)
	sip    // addresses or domain names, with a byte that says which (RFC 3361)
	ntp    // addresses, each as an option in the option (RFC 5908)
)

type known struct {
	code uint16
	name string
	as   format
}

// known4 are the options of DHCPv4 that have a name, which is dnsmasq's.
var known4 = []known{
	{1, "netmask", addrs},
	{2, "time-offset", u32},
	{3, "router", addrs},
	{6, "dns-server", addrs},
	{7, "log-server", addrs},
	{9, "lpr-server", addrs},
	{12, "hostname", text},
	{13, "boot-file-size", u16},
	{15, "domain-name", text},
	{16, "swap-server", addrs},
	{17, "root-path", text},
	{18, "extension-path", text},
	{19, "ip-forward-enable", u8},
	{20, "non-local-source-routing", u8},
	{21, "policy-filter", addrs},
	{22, "max-datagram-reassembly", u16},
	{23, "default-ttl", u8},
	{26, "mtu", u16},
	{27, "all-subnets-local", u8},
	{28, "broadcast", addrs},
	{31, "router-discovery", u8},
	{32, "router-solicitation", addrs},
	{33, "static-route", addrs},
	{34, "trailer-encapsulation", u8},
	{35, "arp-timeout", u32},
	{36, "ethernet-encap", u8},
	{37, "tcp-ttl", u8},
	{38, "tcp-keepalive", u32},
	{40, "nis-domain", text},
	{41, "nis-server", addrs},
	{42, "ntp-server", addrs},
	{44, "netbios-ns", addrs},
	{45, "netbios-dd", addrs},
	{46, "netbios-nodetype", u8},
	{47, "netbios-scope", guess},
	{48, "x-windows-fs", addrs},
	{49, "x-windows-dm", addrs},
	{58, "T1", u32},
	{59, "T2", u32},
	{60, "vendor-class", guess},
	{64, "nis+-domain", text},
	{65, "nis+-server", addrs},
	{66, "tftp-server", text},
	{67, "bootfile-name", text},
	{68, "mobile-ip-home", addrs},
	{69, "smtp-server", addrs},
	{70, "pop3-server", addrs},
	{71, "nntp-server", addrs},
	{74, "irc-server", addrs},
	{77, "user-class", guess},
	{93, "client-arch", u16},
	{94, "client-interface-id", guess},
	{97, "client-machine-id", guess},
	{100, "posix-timezone", text},
	{101, "tzdb-timezone", text},
	{108, "ipv6-only", u32},
	{119, "domain-search", names},
	{120, "sip-server", sip},
	{121, "classless-static-route", routes},
	{125, "vendor-id-encap", guess},
	{150, "tftp-server-address", addrs},
	{249, "", routes},
	{255, "server-ip-address", addrs},
}

// known6 are those of DHCPv6.
var known6 = []known{
	{21, "sip-server-domain", names},
	{22, "sip-server", addrs},
	{23, "dns-server", addrs},
	{24, "domain-search", names},
	{27, "nis-server", addrs},
	{28, "nis+-server", addrs},
	{29, "nis-domain", names},
	{30, "nis+-domain", names},
	{31, "sntp-server", addrs},
	{32, "information-refresh-time", u32},
	{41, "posix-timezone", text},
	{42, "tzdb-timezone", text},
	{56, "ntp-server", ntp},
	{59, "bootfile-url", text},
	{60, "bootfile-param", params},
}

// reserved4 and reserved6 are options that the protocol itself uses: a port
// cannot have them.
var (
	reserved4 = []uint16{0, 50, 51, 52, 53, 54, 55, 57, 61, 81, 82, 118}
	reserved6 = []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 19, 20, 25, 26, 39}
)

func nameOf(table []known, code uint16) string {
	for _, k := range table {
		if k.code == code {
			return k.name
		}
	}
	return ""
}

// maxOption is how many bytes an option of a port may have. DHCPv4 has 255 in
// one (RFC 2132, section 2).
const maxOption = 255

// Encode reads an extra DHCP option of a port. Its name is dnsmasq's name or a
// number, for some clients only behind "tag:ipxe," or "tag:!ipxe,". An empty
// value asks that the option be not sent.
func Encode(o model.DHCPOption) (Option, error) {
	v6 := o.IPVersion == 6
	client, name, err := clientOf(strings.TrimSpace(o.Name), v6)
	if err != nil {
		return Option{}, err
	}
	k, err := find(name, v6)
	if err != nil {
		return Option{}, err
	}
	out := Option{Code: k.code, Name: k.name, Client: client, Characters: k.as == text || k.as == params}
	if o.Value == "" {
		return out, nil
	}
	if len(o.Value) > maxOption {
		return Option{}, fmt.Errorf("value has %d characters, and %d are the most", len(o.Value), maxOption)
	}
	if out.Data, err = encode(k.as, o.Value, v6); err != nil {
		return Option{}, fmt.Errorf("value %q: %w", clip(o.Value), err)
	}
	if len(out.Data) > maxOption {
		return Option{}, fmt.Errorf("value takes %d bytes, and %d are the most", len(out.Data), maxOption)
	}
	out.Text = canonical(k.as, o.Value, out.Data, v6)
	return out, nil
}

// canonical is how a value is written: in one way for addresses and numbers,
// which may be given with blanks and in other ways.
func canonical(as format, value string, data []byte, v6 bool) string {
	switch as {
	case ntp:
		return canonical(addrs, value, unwrapped(data), v6)
	case addrs:
		size := map[bool]int{false: 4, true: 16}[v6]
		var list []netip.Addr
		for b := range slices.Chunk(data, size) {
			a, _ := netip.AddrFromSlice(b)
			list = append(list, a)
		}
		return join(list)
	case u8, u16, u32:
		var n uint64
		for _, b := range data {
			n = n<<8 | uint64(b)
		}
		return strconv.FormatUint(n, 10)
	case names, routes, sip: // without blanks, which may be line breaks
		parts := strings.Split(value, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		return strings.Join(parts, ",")
	}
	if printable(value) {
		return value
	}
	return ""
}

// clientOf cuts the clients off an option's name.
func clientOf(name string, v6 bool) (Client, string, error) {
	rest, tagged := strings.CutPrefix(name, "tag:")
	if !tagged {
		return Any, name, nil
	}
	tag, rest, ok := strings.Cut(rest, ",")
	sets := []Client{IPXE, NotIPXE}
	if v6 {
		sets = []Client{IPXE6, NotIPXE6}
	}
	if !ok || !slices.Contains(sets, Client(tag)) {
		return Any, "", fmt.Errorf("the tag is neither %q nor %q", sets[0], sets[1])
	}
	return Client(tag), strings.TrimSpace(rest), nil
}

// find looks an option up by its name or number.
func find(name string, v6 bool) (known, error) {
	table, reserved, most := known4, reserved4, uint64(255)
	if v6 {
		table, reserved, most = known6, reserved6, math.MaxUint16
		name = strings.TrimPrefix(name, "option6:")
	} else {
		name = strings.TrimPrefix(name, "option:")
	}
	if code, err := strconv.ParseUint(name, 10, 32); err == nil {
		if code > most || slices.Contains(reserved, uint16(code)) {
			return known{}, fmt.Errorf("option %d is not for a port to set", code)
		}
		for _, k := range table {
			if k.code == uint16(code) {
				return k, nil
			}
		}
		return known{code: uint16(code)}, nil
	}
	for _, k := range table {
		if k.name != "" && strings.EqualFold(k.name, name) {
			return k, nil
		}
	}
	return known{}, errors.New("there is no option of that name; its number may do")
}

func encode(as format, value string, v6 bool) ([]byte, error) {
	switch as {
	case addrs:
		return encodeAddrs(value, v6)
	case u8:
		return encodeNumber(value, 1)
	case u16:
		return encodeNumber(value, 2)
	case u32:
		return encodeNumber(value, 4)
	case text, params:
		return encodeText(as, value)
	case names:
		return encodeNames(value)
	case sip:
		return encodeSIP(value)
	case ntp:
		return encodeNTP(value)
	case routes:
		return encodeRoutes(value)
	}
	return encodeGuess(value, v6), nil
}

func encodeText(as format, value string) ([]byte, error) {
	if !printable(value) {
		return nil, errors.New("it has characters that are not printable ASCII")
	}
	if as == text {
		return []byte(value), nil
	}
	var out []byte
	for p := range strings.SplitSeq(value, ",") {
		if p == "" {
			return nil, errors.New("a parameter in it is empty")
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(p))), p...)
	}
	return out, nil
}

func encodeNames(value string) ([]byte, error) {
	var out []byte
	for n := range strings.SplitSeq(value, ",") {
		n = strings.TrimSuffix(strings.TrimSpace(n), ".")
		if !validName(n) {
			return nil, errors.New("it is no list of domain names")
		}
		out = append(out, wireName(n)...)
	}
	return out, nil
}

func encodeSIP(value string) ([]byte, error) {
	if list, err := encodeAddrs(value, false); err == nil {
		return append([]byte{1}, list...), nil
	}
	list, err := encodeNames(value)
	if digits := strings.Trim(value, "0123456789") == ""; err != nil || digits {
		return nil, errors.New("it is neither a list of addresses of IPv4 nor one of domain names")
	}
	return append([]byte{0}, list...), nil
}

// ntpHeader is how many bytes an address in the option of NTP servers has before
// it: its code, of a unicast or of a multicast address, and its length.
const ntpHeader = 4

func encodeNTP(value string) ([]byte, error) {
	list, err := encodeAddrs(value, true)
	if err != nil {
		return nil, err
	}
	var out []byte
	for a := range slices.Chunk(list, 16) {
		code := byte(1)
		if a[0] == 0xff {
			code = 2
		}
		out = append(append(out, 0, code, 0, 16), a...)
	}
	return out, nil
}

// unwrapped are the addresses that encodeNTP has written.
func unwrapped(data []byte) []byte {
	var out []byte
	for a := range slices.Chunk(data, ntpHeader+16) {
		out = append(out, a[ntpHeader:]...)
	}
	return out
}

// wireName writes a domain name as labels with lengths, without compression.
func wireName(name string) []byte {
	var out []byte
	for label := range strings.SplitSeq(name, ".") {
		out = append(append(out, byte(len(label))), label...)
	}
	return append(out, 0)
}

func encodeAddrs(value string, v6 bool) ([]byte, error) {
	var out []byte
	for s := range strings.SplitSeq(value, ",") {
		s = strings.TrimSpace(s)
		if v6 {
			s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
		}
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" || a.Is4() == v6 {
			return nil, fmt.Errorf("it is no list of addresses of IPv%d", map[bool]int{false: 4, true: 6}[v6])
		}
		out = append(out, a.AsSlice()...)
	}
	return out, nil
}

func encodeNumber(value string, size int) ([]byte, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 0, 64)
	if err != nil || n < -(1<<(8*size-1)) || n >= 1<<(8*size) {
		return nil, fmt.Errorf("it is no number of %d bytes", size)
	}
	return binary.BigEndian.AppendUint64(nil, uint64(n))[8-size:], nil
}

func encodeRoutes(value string) ([]byte, error) {
	parts := strings.Split(value, ",")
	if len(parts)%2 != 0 {
		return nil, errors.New("it is no list of prefixes, each with a next hop")
	}
	var list []model.HostRoute
	for i := 0; i < len(parts); i += 2 {
		p, err := netip.ParsePrefix(strings.TrimSpace(parts[i]))
		hop, err2 := netip.ParseAddr(strings.TrimSpace(parts[i+1]))
		if err != nil || err2 != nil || !p.Addr().Is4() || !hop.Is4() {
			return nil, errors.New("it is no list of prefixes, each with a next hop")
		}
		list = append(list, model.HostRoute{Destination: p.Masked(), NextHop: hop})
	}
	return classless(121, list).Data, nil
}

// encodeGuess takes addresses, a number, bytes with colons between them, and
// everything else as characters.
func encodeGuess(value string, v6 bool) []byte {
	if b, err := encodeAddrs(value, v6); err == nil {
		return b
	}
	if n, err := strconv.ParseUint(value, 10, 32); err == nil {
		switch {
		case n <= math.MaxUint8:
			return []byte{byte(n)}
		case n <= math.MaxUint16:
			return binary.BigEndian.AppendUint16(nil, uint16(n))
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n))
	}
	if b, err := hex.DecodeString(strings.ReplaceAll(value, ":", "")); err == nil && len(value) == 3*len(b)-1 {
		return b
	}
	return []byte(value)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
