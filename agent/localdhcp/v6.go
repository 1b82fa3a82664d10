package localdhcp

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
)

// readMessage6 reads a message. Identifiers are kept as they are, byte by byte;
// of all options only those are taken apart that are looked into.
func readMessage6(data []byte) (*dhcpv6.Message, error) {
	if len(data) < 4 {
		return nil, errFrame
	}
	m := &dhcpv6.Message{MessageType: dhcpv6.MessageType(data[0])}
	copy(m.TransactionID[:], data[1:])
	err := m.Options.FromBytesWithParser(data[4:], func(code dhcpv6.OptionCode, data []byte) (dhcpv6.Option, error) {
		switch code {
		case dhcpv6.OptionIANA, dhcpv6.OptionIATA, dhcpv6.OptionIAPD, dhcpv6.OptionORO, dhcpv6.OptionUserClass:
			return dhcpv6.ParseOption(code, data)
		}
		return &dhcpv6.OptionGeneric{OptionCode: code, OptionData: bytes.Clone(data)}, nil
	})
	return m, err
}

// server6 is what a message is answered from.
type server6 struct {
	guest
	answer answers.Answer
	id     []byte // a DUID
	q      *dhcpv6.Message
}

// answer6 gives the answer to a message of DHCPv6, nil for none, and what became
// of the message: RFC 8415 sections 16 and 18.3.
func (g guest) answer6(q *dhcpv6.Message) (*dhcpv6.Message, fate) {
	a, ok := g.network.Answer6(g.port)
	if !ok {
		return nil, unknown
	}
	s := server6{guest: g, answer: a, id: g.network.DUID(), q: q}
	if f := s.admits(); f != answered {
		return nil, f
	}
	r := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: q.TransactionID}
	for _, id := range q.GetOption(dhcpv6.OptionClientID) {
		r.AddOption(id)
	}
	r.AddOption(generic6(dhcpv6.OptionServerID, s.id))
	return s.fill(r)
}

// fill makes the answer of what it starts as.
func (s server6) fill(r *dhcpv6.Message) (*dhcpv6.Message, fate) {
	switch s.q.MessageType {
	case dhcpv6.MessageTypeSolicit:
		if s.q.GetOneOption(dhcpv6.OptionRapidCommit) != nil {
			r.AddOption(generic6(dhcpv6.OptionRapidCommit, nil))
		} else {
			r.MessageType = dhcpv6.MessageTypeAdvertise
		}
		s.lease(r)
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		s.lease(r)
	case dhcpv6.MessageTypeInformationRequest:
		s.configure(r)
	case dhcpv6.MessageTypeConfirm:
		status, ok := s.confirm()
		if !ok {
			return nil, malformed
		}
		r.AddOption(status)
	case dhcpv6.MessageTypeRelease:
		r.AddOption(statusOf(iana.StatusSuccess, "released"))
		return r, released
	case dhcpv6.MessageTypeDecline:
		r.AddOption(statusOf(iana.StatusSuccess, "declined"))
		return r, declined
	default:
		return nil, malformed
	}
	return r, answered
}

// admits reports whether the message names the client and the servers that it is
// for as it must.
func (s server6) admits() fate {
	clients, servers := s.q.GetOption(dhcpv6.OptionClientID), s.q.GetOption(dhcpv6.OptionServerID)
	mine := len(servers) == 1 && bytes.Equal(servers[0].ToBytes(), s.id)
	switch {
	case len(clients) > 1 || len(servers) > 1 || len(clients) == 1 && !validDUID(clients[0].ToBytes()):
		return malformed
	}
	switch s.q.MessageType {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRebind:
		if len(clients) == 0 || len(servers) > 0 {
			return malformed
		}
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		if len(clients) == 0 || len(servers) == 0 {
			return malformed
		}
		if !mine {
			return elsewhere
		}
	case dhcpv6.MessageTypeInformationRequest:
		if len(servers) == 1 && !mine {
			return elsewhere
		}
	default:
		return malformed
	}
	return answered
}

// validDUID reports whether it has a type and 1 to 128 bytes more (RFC 8415
// section 11.1).
func validDUID(id []byte) bool { return len(id) >= 3 && len(id) <= 130 }

// lease answers for every identity association: the first of addresses gets all
// of the port's, as there is one client behind it; the others get none.
func (s server6) lease(r *dhcpv6.Message) {
	given := false
	for _, o := range s.q.Options.Options {
		switch ia := o.(type) {
		case *dhcpv6.OptIANA:
			r.AddOption(s.association(ia, !given))
			given = true
		case *dhcpv6.OptIATA:
			r.AddOption(&dhcpv6.OptIATA{IaId: ia.IaId, Options: dhcpv6.IdentityOptions{
				Options: dhcpv6.Options{statusOf(iana.StatusNoAddrsAvail, "no temporary addresses")},
			}})
		case *dhcpv6.OptIAPD:
			r.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: dhcpv6.PDOptions{
				Options: dhcpv6.Options{statusOf(iana.StatusNoPrefixAvail, "no prefixes")},
			}})
		}
	}
	if r.MessageType == dhcpv6.MessageTypeAdvertise && len(s.answer.Leases) == 0 {
		r.AddOption(statusOf(iana.StatusNoAddrsAvail, "no addresses")) // RFC 8415 section 18.3.9
	}
	s.configure(r)
}

// association gives the answer for one association. Addresses in it that the
// client should not have end at once (RFC 8415 section 18.3.4).
func (s server6) association(ia *dhcpv6.OptIANA, gets bool) dhcpv6.Option {
	out := &dhcpv6.OptIANA{IaId: ia.IaId}
	own := map[netip.Addr]bool{}
	preferred, valid := s.lifetimes(ia)
	for _, l := range s.answer.Leases {
		if gets {
			own[l.IP] = true
			out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: l.IP.AsSlice(), PreferredLifetime: preferred, ValidLifetime: valid})
		}
	}
	if extends := s.q.MessageType == dhcpv6.MessageTypeRenew || s.q.MessageType == dhcpv6.MessageTypeRebind; extends {
		for _, a := range ia.Options.Addresses() {
			if ip := address(a.IPv6Addr); ip.Is6() && !own[ip] {
				out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: ip.AsSlice()})
			}
		}
	}
	if len(own) == 0 {
		out.Options.Add(statusOf(iana.StatusNoAddrsAvail, "no address"))
		return out
	}
	out.T1, out.T2 = preferred/2, preferred/8*7
	if preferred == forever {
		out.T1, out.T2 = forever, forever
	}
	return out
}

// leastLifetime is the shortest lifetime that a client gets, whatever it asks for.
const leastLifetime = 120 * time.Second

// lifetimes gives the times of an association's addresses: the records', or less
// if the client wants less (RFC 8415 section 21.6).
func (s server6) lifetimes(ia *dhcpv6.OptIANA) (preferred, valid time.Duration) {
	preferred, valid = lifetime(s.answer.LeaseTime), lifetime(s.answer.LeaseTime)
	for _, a := range ia.Options.Addresses() {
		if a.PreferredLifetime <= 0 || a.PreferredLifetime > a.ValidLifetime {
			continue
		}
		preferred = min(preferred, max(a.PreferredLifetime, leastLifetime))
		valid = min(valid, max(a.ValidLifetime, leastLifetime))
	}
	return preferred, valid
}

// forever is the time that has no end (RFC 8415 section 7.7).
const forever = 0xffffffff * time.Second

func lifetime(d time.Duration) time.Duration {
	if d < 0 || d >= forever {
		return forever
	}
	return d.Truncate(time.Second)
}

// confirm tells whether the client's addresses are of the links that it is on;
// false when it names none (RFC 8415 section 18.3.3).
func (s server6) confirm() (dhcpv6.Option, bool) {
	found := false
	for _, ia := range s.q.Options.IANA() {
		for _, a := range ia.Options.Addresses() {
			ip := address(a.IPv6Addr)
			found = true
			if !slices.ContainsFunc(s.network.Subnets, func(n *answers.Subnet) bool { return n.CIDR.Contains(ip) }) {
				return statusOf(iana.StatusNotOnLink, "not here"), true
			}
		}
	}
	return statusOf(iana.StatusSuccess, "all here"), found
}

// optRefresh is how long options are good for (RFC 8415 section 21.23), optFQDN
// the client's name (RFC 4704).
const (
	optRefresh = 32
	optFQDN    = 39
)

// options are those that the records tell, and what follows from the rest of the
// answer: until when a client that has no lease is told the truth, and its name.
func (s server6) options() []answers.Option {
	list := slices.Clone(s.answer.Options)
	has := func(code uint16) bool {
		return slices.ContainsFunc(list, func(o answers.Option) bool { return o.Code == code })
	}
	if s.q.MessageType == dhcpv6.MessageTypeInformationRequest && !has(optRefresh) {
		list = append(list, answers.Option{Code: optRefresh, Data: seconds(s.answer.LeaseTime), Force: true})
	}
	if name := s.name(); name != "" {
		data := []byte{1} // the server takes care of it
		for label := range strings.SplitSeq(name, ".") {
			data = append(append(data, byte(len(label))), label...)
		}
		list = append(list, answers.Option{Code: optFQDN, Data: append(data, 0), Force: true})
	}
	return list
}

// name is the full name of the client's first address.
func (s server6) name() string {
	for _, l := range slices.Concat(s.port.V6, s.port.Auto) {
		switch {
		case l.Host == "":
		case s.network.Domain == "":
			return l.Host
		default:
			return l.Host + "." + s.network.Domain
		}
	}
	return ""
}

// configure adds the options that the client asks for, as long as the message
// fits into a frame of the network.
func (s server6) configure(r *dhcpv6.Message) {
	room := s.room() - len(r.ToBytes())
	asked := s.q.Options.RequestedOptions()
	for _, o := range s.options() {
		code := dhcpv6.OptionCode(o.Code)
		if o.Data == nil || !s.suits(o) || !o.Force && !slices.Contains(asked, code) {
			continue
		}
		if room -= 4 + len(o.Data); room < 0 {
			return
		}
		r.AddOption(generic6(code, o.Data))
	}
}

// leastMTU is what every link carries (RFC 8200 section 5), headersOf6 what IPv6
// and UDP take of it.
const (
	leastMTU   = 1280
	headersOf6 = 48
)

func (s server6) room() int { return max(s.network.MTU, leastMTU) - headersOf6 }

// suits reports whether an option is for clients of this kind.
func (s server6) suits(o answers.Option) bool {
	ipxe := slices.ContainsFunc(s.q.Options.UserClasses(), func(class []byte) bool { return bytes.Equal(class, []byte("iPXE")) })
	return o.Client == answers.Any || (o.Client == answers.IPXE6) == ipxe
}

func generic6(code dhcpv6.OptionCode, data []byte) dhcpv6.Option {
	return &dhcpv6.OptionGeneric{OptionCode: code, OptionData: data}
}

func statusOf(code iana.StatusCode, text string) dhcpv6.Option {
	return &dhcpv6.OptStatusCode{StatusCode: code, StatusMessage: text}
}
