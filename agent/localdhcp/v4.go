package localdhcp

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
)

// linkLocalServer is the server where a subnet has no gateway.
var linkLocalServer = answers.MetadataIP

// everybody is the address of all on the link.
var everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Options of the protocol (RFC 2132) that no record tells.
const (
	optRelay    = 82  // relay agent information (RFC 3046)
	optIPXE     = 175 // iPXE says that it is iPXE
	optFilename = 67
	optTFTP     = 66
	nextServer  = 255 // in answers: the header's siaddr
)

// sizes of messages: the least that every client takes (RFC 2132 section 9.10),
// headers of IPv4 and UDP, and what comes before the options (RFC 2131 section
// 2), the magic cookie included.
const (
	leastMessage = 576
	headersOf4   = 28
	fixedPart    = 240
)

// answer4 gives the answer to a message of DHCP, nil for none, and what became of
// the message.
func (g guest) answer4(q *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, fate) {
	a, ok := g.network.Answer4(g.port)
	switch {
	case q.OpCode != dhcpv4.OpcodeBootRequest || q.HWType != iana.HWTypeEthernet || len(q.ClientHWAddr) != 6:
		return nil, malformed
	case !q.GatewayIPAddr.IsUnspecified() || q.Options.Has(dhcpv4.GenericOptionCode(optRelay)):
		return nil, relayed
	case !bytes.Equal(q.ClientHWAddr, g.port.MAC[:]) || g.foreignID(q):
		return nil, foreign
	case !ok:
		return nil, unknown
	}
	s := server4{guest: g, answer: a, lease: a.Leases[0], id: g.serverOf(a.Leases[0].Subnet)}
	switch q.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return s.offer(q, dhcpv4.MessageTypeOffer), answered
	case dhcpv4.MessageTypeRequest:
		return s.request(q)
	case dhcpv4.MessageTypeInform:
		return s.inform(q), answered
	case dhcpv4.MessageTypeDecline:
		return nil, declined
	case dhcpv4.MessageTypeRelease:
		return nil, released
	case dhcpv4.MessageTypeNone:
		return nil, malformed // BOOTP
	}
	return nil, malformed
}

// foreignID reports whether the client calls itself by another MAC than its own
// (RFC 2132 section 9.14). Of other identifiers nothing can be said; the answer
// does not depend on them.
func (g guest) foreignID(q *dhcpv4.DHCPv4) bool {
	id := q.Options.Get(dhcpv4.OptionClientIdentifier)
	return len(id) == 7 && id[0] == byte(iana.HWTypeEthernet) && !bytes.Equal(id[1:], g.port.MAC[:])
}

// serverOf is how the server calls itself on a subnet.
func (g guest) serverOf(s *answers.Subnet) netip.Addr {
	if s.Gateway.Is4() {
		return s.Gateway
	}
	return linkLocalServer
}

// server4 is what a message is answered from.
type server4 struct {
	guest
	answer answers.Answer
	lease  answers.Lease
	id     netip.Addr
}

// request answers a DHCPREQUEST (RFC 2131 section 4.3.2).
func (s server4) request(q *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, fate) {
	server, wants := address(q.ServerIdentifier()), address(q.RequestedIPAddress())
	switch {
	case server.IsValid() && server != s.id:
		return nil, elsewhere // the client has chosen another server
	case !wants.IsValid():
		wants = address(q.ClientIPAddr) // it renews or rebinds
	}
	if wants != s.lease.IP {
		return s.refuse(q), refused
	}
	return s.offer(q, dhcpv4.MessageTypeAck), answered
}

// reply begins an answer. The client gets its identifier back (RFC 6842).
func (s server4) reply(q *dhcpv4.DHCPv4, typ dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	r := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootReply, HWType: q.HWType, TransactionID: q.TransactionID, Flags: q.Flags,
		ClientIPAddr: net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: net.IPv4zero,
		ClientHWAddr: q.ClientHWAddr, Options: dhcpv4.Options{},
	}
	r.UpdateOption(dhcpv4.OptMessageType(typ))
	r.UpdateOption(dhcpv4.OptServerIdentifier(s.id.AsSlice()))
	if id := q.Options.Get(dhcpv4.OptionClientIdentifier); len(id) > 0 {
		r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientIdentifier, id))
	}
	return r
}

// refuse tells the client that it cannot have the address.
func (s server4) refuse(q *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	r := s.reply(q, dhcpv4.MessageTypeNak)
	r.UpdateOption(dhcpv4.OptMessage("wrong address"))
	return r
}

// offer gives the client its address, with the times of RFC 2131 section 4.4.5.
func (s server4) offer(q *dhcpv4.DHCPv4, typ dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	r := s.reply(q, typ)
	r.YourIPAddr = s.lease.IP.AsSlice()
	if typ == dhcpv4.MessageTypeAck {
		r.ClientIPAddr = q.ClientIPAddr
	}
	t := s.answer.LeaseTime
	r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionIPAddressLeaseTime, seconds(t)))
	if t >= 0 {
		r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRenewTimeValue, seconds(t/2)))
		r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRebindingTimeValue, seconds(t/8*7)))
	}
	s.configure(q, r)
	return r
}

// inform tells a client that has an address everything else.
func (s server4) inform(q *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	r := s.reply(q, dhcpv4.MessageTypeAck)
	r.ClientIPAddr = q.ClientIPAddr
	s.configure(q, r)
	return r
}

// seconds is a time as options have it; a negative one is for ever.
func seconds(d time.Duration) []byte {
	n := uint32(0xffffffff)
	if d >= 0 {
		n = uint32(min(d/time.Second, 0xfffffffe))
	}
	return binary.BigEndian.AppendUint32(nil, n)
}

// important is the order in which options are put in as long as there is room:
// those that a client cannot do without first, the others by code.
var important = []uint16{1, 121, 3, 6, 26, 15, 249, 28}

// configure adds the options that the client asks for, or all to one that asks
// for none, as far as the message may grow.
func (s server4) configure(q, r *dhcpv4.DHCPv4) {
	room := s.room(q) - size4(r.Options)
	list := slices.Clone(s.answer.Options)
	slices.SortStableFunc(list, func(a, b answers.Option) int { return rank4(a) - rank4(b) })
	for _, o := range list {
		switch {
		case o.Data == nil || !suits4(o, q):
		case o.Code == nextServer:
			r.ServerIPAddr = o.Data[:min(len(o.Data), 4)]
		case !asksFor(q, o):
			s.header(r, o)
		default:
			// What does not fit is left out, and keeps nothing else out.
			if size := size4(dhcpv4.Options{uint8(o.Code): o.Data}); size <= room {
				room -= size
				r.Options[uint8(o.Code)] = o.Data
			}
		}
	}
}

// header puts what to boot into the header for a client that does not ask for it
// as options.
func (s server4) header(r *dhcpv4.DHCPv4, o answers.Option) {
	switch o.Code {
	case optFilename:
		r.BootFileName = string(o.Data)
	case optTFTP:
		r.ServerHostName = string(o.Data)
	}
}

func rank4(o answers.Option) int {
	if i := slices.Index(important, o.Code); i >= 0 {
		return i
	}
	return len(important) + int(o.Code)
}

// size4 is how many bytes options take.
func size4(o dhcpv4.Options) int { return len(o.ToBytes()) }

// room is how many bytes of options fit: into what the client takes, and into a
// frame of the network.
func (s server4) room(q *dhcpv4.DHCPv4) int {
	most := leastMessage
	if n, err := q.MaxMessageSize(); err == nil {
		most = max(most, int(n))
	}
	if s.network.MTU > leastMessage {
		most = min(most, s.network.MTU)
	}
	return most - headersOf4 - fixedPart - 1 // the end
}

// asksFor reports whether the client wants an option: it has asked for it, or for
// none at all.
func asksFor(q *dhcpv4.DHCPv4, o answers.Option) bool {
	if o.Force || !q.Options.Has(dhcpv4.OptionParameterRequestList) {
		return true
	}
	return q.IsOptionRequested(dhcpv4.GenericOptionCode(o.Code))
}

// suits4 reports whether an option is for clients of this kind.
func suits4(o answers.Option, q *dhcpv4.DHCPv4) bool {
	ipxe := q.Options.Has(dhcpv4.GenericOptionCode(optIPXE))
	return o.Client == answers.Any || (o.Client == answers.IPXE) == ipxe
}

// toClient4 addresses an answer (RFC 2131 section 4.1): to the address that the
// client has, to all when it can hear nothing else, or to the one that it is
// given.
func toClient4(r *dhcpv4.DHCPv4, server netip.Addr) packet {
	p := packet{
		srcMAC: serverMAC, dstMAC: r.ClientHWAddr, src: server, srcPort: serverPort4, dstPort: clientPort4, payload: r.ToBytes(),
	}
	has, gets := address(r.ClientIPAddr), address(r.YourIPAddr)
	switch {
	case r.MessageType() == dhcpv4.MessageTypeNak:
		p.dst = everybody
	case !has.IsUnspecified():
		p.dst = has
	case r.IsBroadcast() || gets.IsUnspecified():
		p.dst = everybody
	default:
		p.dst = gets
	}
	if p.dst == everybody {
		p.dstMAC = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return p
}
