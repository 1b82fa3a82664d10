package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Question asks what becomes of a packet.
type Question struct {
	// From is a port: its id, its name, the beginning of its id, or one of its
	// fixed addresses, as long as that names one port only. To is a port in the
	// same way, or any address.
	From, To string
	// Protocol is a name or a number of IP; empty is icmp, an echo request.
	Protocol string
	// Port and SourcePort are those of TCP, UDP and SCTP. A source port of 0 is
	// usualSourcePort.
	Port, SourcePort int
	// IPVersion is 4, 6, or 0 for what both ends have, 4 first.
	IPVersion int
	// Size is the length of the IP packet in bytes, 0: sizes are not looked at.
	// DontFragment has it arrive whole or not at all, as TCP and path MTU discovery
	// do. LinkMTU is the MTU of the sender's own link, 0: its network's.
	Size, LinkMTU int
	DontFragment  bool
	// Verbose has the answer show the flows that the packet hits.
	Verbose bool
}

// usualSourcePort is the source port of packets whose port nobody chose.
const usualSourcePort = 40000

// shortest is the least that must be given of an id.
const shortest = 4

// BadQuestion says what is wrong with a question.
type BadQuestion struct {
	// Field is the question's: from, to, protocol …
	Field, Text string
	// Unknown says that there is no such port.
	Unknown bool
}

func (e *BadQuestion) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Text) }

func bad(field, format string, args ...any) *BadQuestion {
	return &BadQuestion{Field: field, Text: fmt.Sprintf(format, args...)}
}

// FindPort finds the port that a text names among those that are visible. It is
// nil, without an error, for an address that no port has.
func FindPort(r records.Reader, field, text string, visible func(*model.Port) bool) (*model.Port, error) {
	if text == "" {
		return nil, bad(field, "names no port")
	}
	if p, ok := records.Ports.Get(r, text); ok && visible(p) {
		return p, nil
	}
	var found []*model.Port
	note := func(p *model.Port) {
		if visible(p) && len(found) <= maxNamed {
			found = append(found, p)
		}
	}
	ip, err := netip.ParseAddr(text)
	if err == nil {
		for p := range records.PortsByIP.Get(r, records.AddressKey(ip)) {
			note(p)
		}
		return only(field, text, found, true)
	}
	for p := range records.PortsByName.Get(r, text) {
		note(p)
	}
	if len(found) == 0 && len(text) >= shortest && !strings.ContainsFunc(text, notOfID) {
		for p := range records.Ports.After(r, text) {
			if !strings.HasPrefix(p.ID, text) || len(found) > maxNamed {
				break
			}
			note(p)
		}
	}
	return only(field, text, found, false)
}

// maxNamed bounds how many ports an error lists.
const maxNamed = 5

func notOfID(c rune) bool { return !strings.ContainsRune("0123456789abcdef-", c) }

func only(field, text string, found []*model.Port, address bool) (*model.Port, error) {
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var ids []string
		for _, p := range found[:min(len(found), maxNamed)] {
			ids = append(ids, p.ID)
		}
		slices.Sort(ids)
		return nil, bad(field, "%q names several ports: give the id of one (%s …)", text, strings.Join(ids, ", "))
	case address:
		return nil, nil
	}
	return nil, &BadQuestion{
		Field: field, Unknown: true,
		Text: fmt.Sprintf("no port has the id, the name, or an id that begins with %q", text),
	}
}

// packet makes the packet that is asked about. to is nil for an address.
func (q *Question) packet(r records.Reader, from, to *model.Port) (head, error) {
	dst, err := q.destination(from, to)
	if err != nil {
		return head{}, err
	}
	h := head{dst: dst, src: sourceFor(r, from, dst)}
	switch {
	case q.asksDHCP():
		h.src, _ = dhcpSource(from, h.v6())
	case dst.Is6() && dst.IsLinkLocalUnicast():
		h.src = from.MAC.LinkLocal()
	}
	if slices.ContainsFunc(from.FixedIPs, func(f model.FixedIP) bool { return f.IP == dst }) {
		return h, bad("to", "%s is an address of the port that sends: what a guest sends to itself never reaches its port", dst)
	}
	if !h.src.IsValid() {
		return h, nil // the walk says so
	}
	if err := q.protocol(&h); err != nil {
		return h, err
	}
	if q.asksDHCP() {
		_, h.sport = dhcpSource(from, h.v6())
	}
	return h, q.sizes(h)
}

func (q *Question) protocol(h *head) error {
	name := strings.ToLower(q.Protocol)
	if name == "" {
		name = "icmp"
	}
	n, ok := model.ProtocolNumber(name)
	if !ok {
		return bad("protocol", "%q is neither a protocol's name (tcp, udp, icmp, sctp …) nor a number from 0 to 255", q.Protocol)
	}
	switch {
	case h.v6() && n == model.ProtoICMP:
		n = model.ProtoICMPv6
	case !h.v6() && n == model.ProtoICMPv6:
		return bad("protocol", "%s is of IPv6, and %s is of IPv4", q.Protocol, h.dst)
	}
	h.proto = uint8(n)
	for field, port := range map[string]int{"port": q.Port, "source_port": q.SourcePort} {
		switch {
		case port < 0 || port > 0xffff:
			return bad(field, "%d is not between 1 and 65535", port)
		case port != 0 && !h.hasPorts():
			return bad(field, "protocol %s has no ports: only tcp, udp and sctp have", name)
		}
	}
	if !h.hasPorts() {
		return nil
	}
	if q.Port == 0 {
		return bad("port", "is needed with protocol %s", name)
	}
	h.dport, h.sport = uint16(q.Port), uint16(q.SourcePort)
	if h.sport == 0 {
		h.sport = usualSourcePort
	}
	return nil
}

// destination chooses the address that is sent to.
func (q *Question) destination(from, to *model.Port) (netip.Addr, error) {
	if q.IPVersion != 0 && q.IPVersion != 4 && q.IPVersion != 6 {
		return netip.Addr{}, bad("ip_version", "%d is neither 4 nor 6", q.IPVersion)
	}
	if q.To == "" && !q.asksDHCP() {
		return netip.Addr{}, bad("to", "names a port or an address, and is missing")
	}
	if q.asksDHCP() {
		return q.dhcpServers()
	}
	if ip, err := netip.ParseAddr(q.To); err == nil {
		ip = ip.Unmap()
		switch {
		case ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || ip.IsUnspecified() || ip.Zone() != "":
			return ip, bad("to", "%s is not the address of one machine", q.To)
		case ip.IsLoopback():
			return ip, bad("to", "%s is the sender itself: it leaves no machine", q.To)
		case q.IPVersion == 4 && ip.Is6(), q.IPVersion == 6 && ip.Is4():
			return ip, bad("ip_version", "%d does not fit the address %s", q.IPVersion, ip)
		}
		return ip, nil
	}
	if to == nil {
		return netip.Addr{}, bad("to", "%q is neither a port nor an address", q.To)
	}
	for _, six := range []bool{false, true} {
		if q.IPVersion == 4 && six || q.IPVersion == 6 && !six {
			continue
		}
		if q.IPVersion == 0 && !has(from, six) && has(from, !six) {
			continue
		}
		for _, f := range to.FixedIPs {
			if f.IP.Is6() == six {
				return f.IP, nil
			}
		}
	}
	return netip.Addr{}, bad("to", "port %s has no address that port %s could send to", to.ID, from.ID)
}

func has(p *model.Port, six bool) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return f.IP.Is6() == six })
}

// sourceFor chooses the port's address that it sends from: one of the subnet that
// the destination is in, or the first of its family. It is invalid for none.
func sourceFor(r records.Reader, p *model.Port, dst netip.Addr) netip.Addr {
	var first netip.Addr
	for _, f := range p.FixedIPs {
		if f.IP.Is6() != dst.Is6() {
			continue
		}
		if s, ok := records.Subnets.Get(r, f.SubnetID); ok && s.CIDR.Contains(dst) {
			return f.IP
		}
		if !first.IsValid() {
			first = f.IP
		}
	}
	return first
}
