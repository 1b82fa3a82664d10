package localdhcp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lepton-sdn/lepton/model"
)

var (
	clientDUID = []byte{0, 1, 0, 1, 0x2e, 1, 2, 3, 0xfa, 0x16, 0x3e, 1, 2, 3}
	serverDUID = append([]byte{0, 4}, "\x40\xf7\x8d\xa5\xe2\x38\x42\x31\xa7\x07\x9d\x8a\x6c\x40\xd9\x37"...)
)

// message is a client's, with its identifier.
func message(typ dhcpv6.MessageType, options ...dhcpv6.Option) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: typ, TransactionID: dhcpv6.TransactionID{1, 2, 3}}
	m.AddOption(generic6(dhcpv6.OptionClientID, clientDUID))
	for _, o := range options {
		m.AddOption(o)
	}
	return m
}

// ia is an association that names addresses.
func ia(id byte, ips ...string) dhcpv6.Option {
	o := &dhcpv6.OptIANA{IaId: [4]byte{0, 0, 0, id}}
	for _, ip := range ips {
		o.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: addr(ip).AsSlice()})
	}
	return o
}

// shorter has an association ask for times.
func shorter(o dhcpv6.Option, preferred, valid time.Duration) dhcpv6.Option {
	for _, a := range o.(*dhcpv6.OptIANA).Options.Addresses() {
		a.PreferredLifetime, a.ValidLifetime = preferred, valid
	}
	return o
}

func toServer(id []byte) dhcpv6.Option { return generic6(dhcpv6.OptionServerID, id) }

// wanted asks for name servers, domains, and what is set for a port.
var wanted = dhcpv6.OptRequestedOption(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList, dhcpv6.OptionBootfileURL)

// told gives what an answer says, in the order in which it says it.
func told(m *dhcpv6.Message) string {
	if m == nil {
		return "nothing"
	}
	words := []string{m.MessageType.String()}
	for _, o := range m.Options.Options {
		switch o := o.(type) {
		case *dhcpv6.OptIANA:
			words = append(words, fmt.Sprintf("NA %d", o.IaId[3]))
			if o.T1 > 0 {
				words = append(words, fmt.Sprintf("T1 %s T2 %s", o.T1, o.T2))
			}
			for _, a := range o.Options.Addresses() {
				words = append(words, fmt.Sprintf("%s for %s", a.IPv6Addr, a.ValidLifetime))
			}
			if s := o.Options.Status(); s != nil {
				words = append(words, s.StatusCode.String())
			}
		case *dhcpv6.OptIATA:
			words = append(words, "TA "+o.Options.Status().StatusCode.String())
		case *dhcpv6.OptIAPD:
			words = append(words, "PD "+o.Options.Status().StatusCode.String())
		case *dhcpv6.OptStatusCode:
			words = append(words, o.StatusCode.String())
		default:
			switch o.Code() {
			case dhcpv6.OptionClientID, dhcpv6.OptionServerID:
			default:
				words = append(words, fmt.Sprintf("%d", o.Code()))
			}
		}
	}
	return strings.Join(words, ", ")
}

func TestDHCPv6IsAnsweredAsTheMessageDemands(t *testing.T) {
	const lease = "NA 1, T1 12h0m0s T2 21h0m0s, 2001:db8::11 for 24h0m0s"
	w := newWorld()
	w.one.ExtraDHCPOpts = []model.DHCPOption{
		{Name: "bootfile-url", Value: "tftp://[2001:db8::9]/a", IPVersion: 6},
		{Name: "65", Value: "unasked", IPVersion: 6},
	}
	g := w.guest(t, guest1)
	mine, other := toServer(serverDUID), toServer([]byte{0, 4, 1})
	rapid := generic6(dhcpv6.OptionRapidCommit, nil)
	nameless := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeSolicit, Options: dhcpv6.MessageOptions{Options: dhcpv6.Options{ia(1)}}}
	stateless := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeInformationRequest, Options: dhcpv6.MessageOptions{Options: dhcpv6.Options{wanted}}}
	for _, tc := range []struct {
		what string
		q    *dhcpv6.Message
		want string
		fate fate
	}{
		{"a first question", message(dhcpv6.MessageTypeSolicit, ia(1), wanted), "ADVERTISE, " + lease + ", 23, 24, 59, 39", answered},
		{"one in a hurry", message(dhcpv6.MessageTypeSolicit, rapid, ia(1)), "REPLY, 14, " + lease + ", 39", answered},
		{"the offer is taken", message(dhcpv6.MessageTypeRequest, mine, ia(1, "2001:db8::11")), "REPLY, " + lease + ", 39", answered},
		{"another address is taken", message(dhcpv6.MessageTypeRequest, mine, ia(1, "2001:db8::12")), "REPLY, " + lease + ", 39", answered},
		{"another server's offer is taken", message(dhcpv6.MessageTypeRequest, other, ia(1)), "nothing", elsewhere},
		{"a client wants its address for two hours", message(dhcpv6.MessageTypeRequest, mine, shorter(ia(1, "2001:db8::11"), 2*time.Hour, 3*time.Hour)), "REPLY, NA 1, T1 1h0m0s T2 1h45m0s, 2001:db8::11 for 3h0m0s, 39", answered},
		{"or for a moment", message(dhcpv6.MessageTypeRequest, mine, shorter(ia(1, "2001:db8::11"), time.Second, time.Second)), "REPLY, NA 1, T1 1m0s T2 1m45s, 2001:db8::11 for 2m0s, 39", answered},
		{"or for longer than it may", message(dhcpv6.MessageTypeRequest, mine, shorter(ia(1, "2001:db8::11"), 100*time.Hour, 100*time.Hour)), "REPLY, " + lease + ", 39", answered},
		{"a lease is renewed", message(dhcpv6.MessageTypeRenew, mine, ia(1, "2001:db8::11")), "REPLY, " + lease + ", 39", answered},
		{"a former address is renewed", message(dhcpv6.MessageTypeRenew, mine, ia(1, "2001:db8::99")), "REPLY, " + lease + ", 2001:db8::99 for 0s, 39", answered},
		{"nobody renewed it", message(dhcpv6.MessageTypeRebind, ia(1, "2001:db8::11")), "REPLY, " + lease + ", 39", answered},
		{"a guest is back on a link", message(dhcpv6.MessageTypeConfirm, ia(1, "2001:db8::11")), "REPLY, Success", answered},
		{"a guest is on another link", message(dhcpv6.MessageTypeConfirm, ia(1, "2001:db8:1::11")), "REPLY, NotOnLink", answered},
		{"a guest confirms nothing", message(dhcpv6.MessageTypeConfirm, ia(1)), "nothing", malformed},
		{"only options are asked for", message(dhcpv6.MessageTypeInformationRequest, wanted), "REPLY, 23, 24, 59, 32, 39", answered},
		{"only options are asked for by nobody", stateless, "REPLY, 23, 24, 59, 32, 39", answered},
		{"options of another server", message(dhcpv6.MessageTypeInformationRequest, other, wanted), "nothing", elsewhere},
		{"the address is given back", message(dhcpv6.MessageTypeRelease, mine, ia(1, "2001:db8::11")), "REPLY, Success", released},
		{"the address is in use", message(dhcpv6.MessageTypeDecline, mine, ia(1, "2001:db8::11")), "REPLY, Success", declined},
		{"two associations", message(dhcpv6.MessageTypeSolicit, ia(1), ia(2)), "ADVERTISE, " + lease + ", NA 2, NoAddrsAvail, 39", answered},
		{"temporary addresses and prefixes", message(dhcpv6.MessageTypeSolicit, &dhcpv6.OptIATA{}, &dhcpv6.OptIAPD{}), "ADVERTISE, TA NoAddrsAvail, PD NoPrefixAvail, 39", answered},
		{"a client without name", nameless, "nothing", malformed},
		{"a request without server", message(dhcpv6.MessageTypeRequest, ia(1)), "nothing", malformed},
		{"a question to one server", message(dhcpv6.MessageTypeSolicit, mine, ia(1)), "nothing", malformed},
		{"two servers", message(dhcpv6.MessageTypeRequest, mine, mine), "nothing", malformed},
		{"a name that is too long", message(dhcpv6.MessageTypeInformationRequest, generic6(dhcpv6.OptionClientID, make([]byte, 131))), "nothing", malformed},
		{"a server's message", message(dhcpv6.MessageTypeReply), "nothing", malformed},
		{"a type that does not exist", message(99), "nothing", malformed},
	} {
		q, err := readMessage6(tc.q.ToBytes())
		if err != nil {
			t.Fatalf("%s: %v", tc.what, err)
		}
		r, f := g.answer6(q)
		if got := told(r); got != tc.want || f != tc.fate {
			t.Errorf("%s: %s, %s\nwant %s, %s", tc.what, got, f, tc.want, tc.fate)
		}
		if r == nil {
			continue
		}
		if r.TransactionID != tc.q.TransactionID || string(r.GetOneOption(dhcpv6.OptionServerID).ToBytes()) != string(serverDUID) {
			t.Errorf("%s: the answer is not of this server to this question", tc.what)
		}
		if diff := cmp.Diff(tc.q.GetOption(dhcpv6.OptionClientID), r.GetOption(dhcpv6.OptionClientID),
			cmp.Comparer(func(a, b dhcpv6.Option) bool { return string(a.ToBytes()) == string(b.ToBytes()) })); diff != "" {
			t.Errorf("%s: the client gets another name back: %s", tc.what, diff)
		}
	}
}

func TestStatelessSubnetsGiveOptionsOnly(t *testing.T) {
	w := newWorld()
	w.six.IPv6AddressMode, w.six.IPv6RAMode = "dhcpv6-stateless", "dhcpv6-stateless"
	g := w.guest(t, guest1)
	for q, want := range map[*dhcpv6.Message]string{
		message(dhcpv6.MessageTypeInformationRequest, wanted): "REPLY, 23, 24, 32, 39",
		message(dhcpv6.MessageTypeSolicit, ia(1), wanted):     "ADVERTISE, NA 1, NoAddrsAvail, NoAddrsAvail, 23, 24, 39",
	} {
		r, _ := g.answer6(q)
		if got := told(r); got != want {
			t.Errorf("%s: %s, want %s", q.MessageType, got, want)
		}
	}
}
