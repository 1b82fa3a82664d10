package dhcp

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// TestGuestsResolveNamesOfOthersOnlyWhereServersAreSet has a guest ask for names
// of the cloud and of elsewhere; another one plays the server that knows those.
func TestGuestsResolveNamesOfOthersOnlyWhereServersAreSet(t *testing.T) {
	for _, forwards := range []bool{false, true} {
		in, o := isolated(), options()
		six(&in, "dhcpv6-stateful", "")
		in.Ports[1].DNSName = "web"
		if forwards {
			o.Servers = []netip.AddrPort{netip.MustParseAddrPort("10.30.0.44:5353")}
		}
		d := serve(t, Desired(in, o))
		linuxtest.Run(t, d.far, "ip", "address", "add", "10.30.0.44/24", "dev", "guest0")
		asked := d.upstream("10.30.0.44:5353")
		for name, want := range map[string]string{
			"web.openstacklocal.":             "10.30.0.120",
			"120.0.30.10.in-addr.arpa.":       "web.openstacklocal.",
			"none.openstacklocal.":            "",
			"serial-00.invalid.":              "",
			reverse6("2001:db8::101"):         "web.openstacklocal.",
			"www.example.":                    map[bool]string{true: "192.0.2.80"}[forwards],
			"host-10-30-0-44.openstacklocal.": "10.30.0.44",
		} {
			if got := d.resolve("10.30.0.1:53", name); got != want {
				t.Errorf("with servers %v: %s is %q, want %q", o.Servers, name, got, want)
			}
		}
		if list := asked(); forwards != (len(list) > 0) || len(list) > 0 && list[0] != "www.example." {
			t.Errorf("with servers %v these were asked for %q", o.Servers, list)
		}
	}
}

// reverse6 is the name under which the names of an address of IPv6 are (RFC 3596
// section 2.5).
func reverse6(address string) string {
	const digits = "0123456789abcdef"
	name := "ip6.arpa."
	for _, b := range netip.MustParseAddr(address).As16() {
		name = string(digits[b&15]) + "." + string(digits[b>>4]) + "." + name
	}
	return name
}

// upstream answers every question for an IPv4 address on the far end of the link.
// What it gives tells what it was asked for, each name once.
func (d *served) upstream(at string) (asked func() []string) {
	d.t.Helper()
	var conn net.PacketConn
	err := netns.Do(d.far, func() (err error) {
		conn, err = net.ListenPacket("udp4", at)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	names := make(chan string, 100)
	go func() {
		defer close(names)
		for buf := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			names <- q.Name.String()
			m.Response, m.Additionals = true, nil
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 80}},
			}}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return func() (list []string) {
		_ = conn.Close()
		for name := range names {
			list = append(list, name)
		}
		return list
	}
}

// resolve asks from the far end for the address, or the name, that goes with a
// name; "" for none.
func (d *served) resolve(server, name string) string {
	d.t.Helper()
	typ := dnsmessage.TypeA
	if n := len(name); n > 5 && name[n-5:] == "arpa." {
		typ = dnsmessage.TypePTR
	}
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
	}
	b, err := q.Pack()
	if err != nil {
		d.t.Fatal(err)
	}
	var conn net.Conn
	err = netns.Do(d.far, func() (err error) {
		conn, err = net.Dial("udp4", server)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	for buf := make([]byte, 1500); ; {
		if _, err := conn.Write(b); err != nil {
			d.t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			d.t.Fatalf("%s: %v", name, err)
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil {
			continue
		}
		for _, a := range m.Answers {
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				return netip.AddrFrom4(body.A).String()
			case *dnsmessage.PTRResource:
				return body.PTR.String()
			}
		}
		return ""
	}
}
