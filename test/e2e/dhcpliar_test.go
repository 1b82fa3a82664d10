package e2e

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"
)

// This file: a guest that speaks to the DHCP servers in the name of another one.
// Its frames are its own, so anti-spoofing lets them pass; what is in them lies.

// TestAGuestSpeaksToTheDHCPServersForItselfOnly has a guest decline, give back and
// claim the addresses of its neighbour, which gets them all the same.
func TestAGuestSpeaksToTheDHCPServersForItselfOnly(t *testing.T) {
	c := Start(t, `
agent: { dhcp: { lease_duration: 600 } }
hosts:
  - { name: all, roles: [controller, network, compute], agent: { roles: [l2, dhcp] } }
`)
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "2001:db8:1::/64", "ip_version": 6, "ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful",
	}, &Subnet{})
	victim := c.Bare("all", "victim", c.Port(n, Attributes{"extra_dhcp_opts": []Attributes{{"opt_name": "client-id", "opt_value": "victim"}}}))
	l := newLiar(c, c.Bare("all", "liar", c.Port(n, nil)), victim)

	told := c.Lease(victim)
	l.server4 = net.ParseIP(told["serverid"]).To4()
	l.denies4()
	for what, how := range map[string][]string{"by its MAC": nil, "by its port's identifier": {"-x", "0x3d:" + hex.EncodeToString([]byte("victim"))}} {
		if told := c.Udhcpc(victim, how...); told["ip"] != c.fixed(victim.Port, 4).String() {
			t.Errorf("%s the victim is told %v", what, told)
		}
	}
	l.claims4()
	l.denies6()
	c.Must(l.six.Close())
	if told := c.Dhclient(victim, 6); told["new_ip6_address"] != c.fixed(victim.Port, 6).String() {
		t.Errorf("the victim is told %v", told)
	}
	// Installed anew, it calls itself otherwise.
	if told := c.Dhclient(victim, 6); told["new_ip6_address"] != c.fixed(victim.Port, 6).String() {
		t.Errorf("with another DUID the victim is told %v", told)
	}
	if told := c.Dhclient(l.Guest, 6); told["new_ip6_address"] != c.fixed(l.Guest.Port, 6).String() {
		t.Errorf("the liar is told %v", told)
	}
	c.Lease(l.Guest)
}

// liar is a guest, and whom it pretends to be.
type liar struct {
	*Cloud
	Guest
	victim     Guest
	own, other net.HardwareAddr
	four, six  net.PacketConn
	server4    net.IP
}

func newLiar(c *Cloud, g, victim Guest) *liar {
	c.Helper()
	l := &liar{Cloud: c, Guest: g, victim: victim, own: hardware(g.Port.MAC), other: hardware(victim.Port.MAC)}
	l.four = c.onLink(g, "udp4", "0.0.0.0:68")
	c.Eventually("a socket of IPv6", func() error { // once the address is known to be nobody else's
		mac := l.own
		address := net.IP{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}
		return g.Inside(func() (err error) {
			l.six, err = net.ListenUDP("udp6", &net.UDPAddr{IP: address, Port: 546, Zone: g.NICs[0].Link})
			return err
		})
	})
	c.Cleanup(func() { _ = l.six.Close() })
	return l
}

// onLink opens a socket on the guest's link that may send to all.
func (c *Cloud) onLink(g Guest, network, address string) (conn net.PacketConn) {
	c.Helper()
	c.Must(g.Inside(func() (err error) {
		lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
			_ = raw.Control(func(fd uintptr) {
				err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1), unix.BindToDevice(int(fd), g.NICs[0].Link))
			})
			return err
		}}
		conn, err = lc.ListenPacket(c.Context(), network, address)
		return err
	}))
	c.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Types of DHCP messages: RFC 2132 section 9.6, RFC 8415 section 7.3.
const (
	discover4, request4, decline4, release4 = 1, 3, 4, 7
	solicit6, rebind6, decline6, relay6     = 1, 6, 9, 12
)

// lies are messages of a type with a client's address, each of which says in
// another way that it is the victim's: by the MAC, by the port's identifier, as
// some clients write it too, by an identifier that holds the MAC, without a MAC,
// and through a relay.
func (l *liar) lies(typ byte, options ...byte) (list [][]byte) {
	id := func(id string) []byte { return append([]byte{61, byte(len(id))}, id...) }
	for _, how := range []struct {
		mac   net.HardwareAddr
		id    []byte
		relay net.IP
	}{
		{l.other, nil, nil},
		{l.own, id("victim"), nil},
		{l.own, id("\x00victim"), nil},
		{l.own, id("\x01" + string(l.other)), nil},
		{nil, id("\x01" + string(l.other)), nil},
		{l.other, nil, l.server4},
	} {
		m := make([]byte, 240, 300)
		copy(m, []byte{1, 1, byte(len(how.mac)), 0, 9, 9, 9, 9, 0, 0, 0x80, 0})
		if typ == release4 {
			copy(m[12:], l.fixed(l.victim.Port, 4).AsSlice())
		}
		copy(m[24:], how.relay)
		copy(m[28:], how.mac)
		copy(m[236:], []byte{99, 130, 83, 99})
		m = slices.Concat(m, []byte{53, 1, typ}, options, how.id, []byte{255})
		list = append(list, m)
	}
	return list
}

func (l *liar) tell4(messages ...[]byte) {
	l.Helper()
	for _, m := range messages {
		_, err := l.four.WriteTo(m, &net.UDPAddr{IP: net.IPv4bcast, Port: 67})
		l.Must(err)
	}
}

// denies4 declines and gives back the victim's address.
func (l *liar) denies4() {
	l.Helper()
	server, wants := append([]byte{54, 4}, l.server4...), append([]byte{50, 4}, l.fixed(l.victim.Port, 4).AsSlice()...)
	l.tell4(l.lies(decline4, append(wants, server...)...)...)
	l.tell4(l.lies(release4, server...)...)
}

// claims4 asks for the victim's address, and demands that nobody gives it.
func (l *liar) claims4() {
	l.Helper()
	l.tell4(l.lies(discover4)...)
	l.tell4(l.lies(request4, append([]byte{50, 4}, l.fixed(l.victim.Port, 4).AsSlice()...)...)...)
	buf := make([]byte, 1500)
	for {
		_ = l.four.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		n, _, err := l.four.ReadFrom(buf)
		if err != nil {
			return
		}
		if n > 20 && net.IP(buf[16:20]).Equal(l.fixed(l.victim.Port, 4).AsSlice()) {
			l.Errorf("the liar hears %q", buf[:n])
		}
	}
}

func option6(code uint16, data ...byte) []byte {
	m := binary.BigEndian.AppendUint16(nil, code)
	return append(binary.BigEndian.AppendUint16(m, uint16(len(data))), data...)
}

// tell6 sends a message and gives the answer, nil for none.
func (l *liar) tell6(typ byte, parts ...[]byte) []byte {
	l.Helper()
	_, err := l.six.WriteTo(slices.Concat(append([][]byte{{typ, 7, 7, 7}}, parts...)...), &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547, Zone: l.NICs[0].Link})
	l.Must(err)
	buf := make([]byte, 1500)
	_ = l.six.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	n, _, err := l.six.ReadFrom(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// denies6 takes the victim's address for a client of the liar's, and declines it
// in the name of the victim's MAC, as a relay would tell it.
func (l *liar) denies6() {
	l.Helper()
	duid := option6(1, append([]byte{0, 3, 0, 1}, l.own...)...)
	address := option6(5, append(l.fixed(l.victim.Port, 6).AsSlice(), 0, 0, 2, 0, 0, 0, 2, 0)...)
	association := option6(3, append([]byte{0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0}, address...)...)
	advert := l.tell6(solicit6, duid, option6(3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0))
	m, err := dhcpv6.MessageFromBytes(advert)
	if err != nil || m.Options.ServerID() == nil {
		l.Fatalf("no server advertises itself: %v, %q", err, advert)
	}
	server := option6(2, m.Options.ServerID().ToBytes()...)
	if answer := l.tell6(rebind6, duid, association); strings.Contains(string(answer), string(l.fixed(l.victim.Port, 6).AsSlice())) {
		l.Errorf("the liar gets the victim's address: %q", answer)
	}
	link := append(append(slices.Clone(l.fixed(l.victim.Port, 6).AsSlice()[:8]), make([]byte, 7)...), 1)
	inner := slices.Concat([]byte{decline6, 7, 7, 7}, duid, server, association)
	relayed := slices.Concat([]byte{relay6, 0}, link, l.fixed(l.victim.Port, 6).AsSlice(),
		option6(79, append([]byte{0, 1}, l.other...)...), option6(9, inner...))
	_, err = l.six.WriteTo(relayed, &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547, Zone: l.NICs[0].Link})
	l.Must(err)
}
