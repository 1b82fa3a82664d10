package localdhcp

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/lepton-sdn/lepton/model"
)

// discover is what a guest sends first.
func discover(w *world, modify ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	q, err := dhcpv4.NewDiscovery(hardware(w.one), modify...)
	if err != nil {
		panic(err)
	}
	return q
}

func request(w *world, modify ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	return discover(w, append([]dhcpv4.Modifier{dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest)}, modify...)...)
}

func with4(code uint8, value ...byte) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), value))
}

func ip4(code uint8, ip string) dhcpv4.Modifier { return with4(code, addr(ip).AsSlice()...) }

const (
	optRequested = 50
	optServer    = 54
	optWanted    = 55
	optSize      = 57
	optClient    = 61
)

func TestDHCPIsAnsweredAsTheClientsStateDemands(t *testing.T) {
	w := newWorld()
	g := w.guest(t, guest1)
	silent := dhcpv4.MessageTypeNone
	typed := func(m dhcpv4.MessageType, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
		return discover(w, append(more, dhcpv4.WithMessageType(m))...)
	}
	for _, tc := range []struct {
		what string
		q    *dhcpv4.DHCPv4
		want dhcpv4.MessageType
		fate fate
	}{
		{"a first question", discover(w), dhcpv4.MessageTypeOffer, answered},
		{"one that hopes for another address", discover(w, ip4(optRequested, "10.30.0.99")), dhcpv4.MessageTypeOffer, answered},
		{"the offer is taken", request(w, ip4(optServer, "10.30.0.1"), ip4(optRequested, "10.30.0.11")), dhcpv4.MessageTypeAck, answered},
		{"another address is taken", request(w, ip4(optServer, "10.30.0.1"), ip4(optRequested, "10.30.0.12")), dhcpv4.MessageTypeNak, refused},
		{"another server's offer is taken", request(w, ip4(optServer, "10.30.0.2"), ip4(optRequested, "10.30.0.11")), silent, elsewhere},
		{"a guest boots again", request(w, ip4(optRequested, "10.30.0.11")), dhcpv4.MessageTypeAck, answered},
		{"a guest boots with a former address", request(w, ip4(optRequested, "192.168.1.5")), dhcpv4.MessageTypeNak, refused},
		{"a lease is renewed", request(w, dhcpv4.WithClientIP(net.IP{10, 30, 0, 11})), dhcpv4.MessageTypeAck, answered},
		{"another's lease is renewed", request(w, dhcpv4.WithClientIP(net.IP{10, 30, 0, 12})), dhcpv4.MessageTypeNak, refused},
		{"nothing is requested", request(w), dhcpv4.MessageTypeNak, refused},
		{"only options are asked for", typed(dhcpv4.MessageTypeInform, dhcpv4.WithClientIP(net.IP{10, 30, 0, 11})), dhcpv4.MessageTypeAck, answered},
		{"the address is given back", typed(dhcpv4.MessageTypeRelease), silent, released},
		{"the address is in use", typed(dhcpv4.MessageTypeDecline), silent, declined},
		{"a server's message", typed(dhcpv4.MessageTypeOffer), silent, malformed},
		{"a type that does not exist", typed(77), silent, malformed},
		{"BOOTP", discover(w, dhcpv4.WithoutOption(dhcpv4.OptionDHCPMessageType)), silent, malformed},
		{"an answer", discover(w, func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootReply }), silent, malformed},
		{"a relay", discover(w, dhcpv4.WithGatewayIP(net.IP{10, 30, 0, 5})), silent, relayed},
		{"a relay's option", discover(w, with4(optRelay, 1, 1, 1)), silent, relayed},
		{"another's MAC", discover(w, dhcpv4.WithHwAddr(hardware(w.two))), silent, foreign},
		{"a MAC of another kind", discover(w, dhcpv4.WithHwAddr(net.HardwareAddr{1, 2, 3, 4, 5, 6, 7, 8})), silent, malformed},
		{"another's MAC as identifier", discover(w, with4(optClient, append([]byte{1}, hardware(w.two)...)...)), silent, foreign},
		{"its own MAC as identifier", discover(w, with4(optClient, append([]byte{1}, hardware(w.one)...)...)), dhcpv4.MessageTypeOffer, answered},
		{"a DUID as identifier", discover(w, with4(optClient, 255, 1, 2, 3, 4, 0, 2, 0, 0, 9)), dhcpv4.MessageTypeOffer, answered},
	} {
		r, f := g.answer4(tc.q)
		got := silent
		if r != nil {
			got = r.MessageType()
			if r.TransactionID != tc.q.TransactionID || cmp.Diff(r.ClientHWAddr, tc.q.ClientHWAddr) != "" ||
				string(r.Options.Get(dhcpv4.OptionClientIdentifier)) != string(tc.q.Options.Get(dhcpv4.OptionClientIdentifier)) {
				t.Errorf("%s: the answer is for another question:\n%s", tc.what, r.Summary())
			}
		}
		if got != tc.want || f != tc.fate {
			t.Errorf("%s: %s, %s; want %s, %s", tc.what, got, f, tc.want, tc.fate)
		}
	}
}

// lines gives a message as people read it, without what is different each time.
func lines(m *dhcpv4.DHCPv4) []string {
	var out []string
	for line := range strings.Lines(m.Summary()) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "transaction ID") && !strings.Contains(line, "Unassigned") && !strings.HasPrefix(line, "DHCPv4 Message") {
			out = append(out, line)
		}
	}
	return out
}

func TestALeaseSaysWhatTheRecordsSay(t *testing.T) {
	w := newWorld()
	w.one.DNSName = "web"
	w.one.ExtraDHCPOpts = []model.DHCPOption{
		{Name: "bootfile-name", Value: "pxelinux.0", IPVersion: 4},
		{Name: "tftp-server", Value: "192.0.2.9", IPVersion: 4},
		{Name: "server-ip-address", Value: "192.0.2.9", IPVersion: 4},
		{Name: "tag:ipxe,209", Value: "menu", IPVersion: 4},
		{Name: "ntp-server", Value: "192.0.2.123", IPVersion: 4},
	}
	g := w.guest(t, guest1)
	options := func(q *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
		r, f := g.answer4(q)
		if f != answered {
			t.Fatalf("%s:\n%s", f, q.Summary())
		}
		return r
	}
	anything := dhcpv4.WithoutOption(dhcpv4.OptionParameterRequestList)
	all := options(discover(w, anything))
	want := []string{
		"opcode: BootReply", "hwtype: Ethernet", "hopcount: 0", "num seconds: 0", "flags: Unicast (0x00)",
		"client IP: 0.0.0.0", "your IP: 10.30.0.11", "server IP: 192.0.2.9", "gateway IP: 0.0.0.0",
		"client MAC: " + w.one.MAC.String(), "server hostname:", "bootfile name:", "options:",
		"Subnet Mask: ffffff00", "Router: 10.30.0.1", "Domain Name Server: 192.0.2.53, 192.0.2.54", "Host Name: web", "Domain Name: openstacklocal",
		"Interface MTU: [5 170]", "Broadcast Address: 10.30.0.255", "NTP Servers: 192.0.2.123", "IP Addresses Lease Time: 24h0m0s",
		"DHCP Message Type: OFFER", "Server Identifier: 10.30.0.1", "Renew Time Value: 12h0m0s", "Rebinding Time Value: 21h0m0s",
		"TFTP Server Name: 192.0.2.9", "Bootfile Name: pxelinux.0", "Classless Static Route: route to 192.0.2.0/25 via 10.30.0.7; route to 0.0.0.0/0 via 10.30.0.1",
		"unknown (249): [25 192 0 2 0 10 30 0 7 0 10 30 0 1]",
	}
	if diff := cmp.Diff(want, lines(all)); diff != "" {
		t.Errorf("the offer is another (- want, + got):\n%s", diff)
	}

	few := options(request(w, ip4(optRequested, "10.30.0.11"), with4(optWanted, 1, 3)))
	if got := few.Options; got.Has(dhcpv4.OptionDomainName) || got.Has(dhcpv4.OptionClasslessStaticRoute) || !got.Has(dhcpv4.OptionRouter) || !got.Has(dhcpv4.OptionInterfaceMTU) {
		t.Errorf("a client that wants the router only, and the MTU that all get, is told:\n%s", few.Summary())
	}
	if few.BootFileName != "pxelinux.0" || few.ServerHostName != "192.0.2.9" {
		t.Errorf("a client that cannot read options for booting finds %q and %q in the header", few.BootFileName, few.ServerHostName)
	}
	if ipxe := options(discover(w, anything, with4(optIPXE, 1))); string(ipxe.Options[209]) != "menu" || all.Options[209] != nil {
		t.Errorf("iPXE is told %q, others %q", ipxe.Options[209], all.Options[209])
	}
	informed := options(discover(w, dhcpv4.WithMessageType(dhcpv4.MessageTypeInform), dhcpv4.WithClientIP(net.IP{10, 30, 0, 11})))
	if informed.Options.Has(dhcpv4.OptionIPAddressLeaseTime) || !informed.YourIPAddr.IsUnspecified() || !informed.Options.Has(dhcpv4.OptionRouter) {
		t.Errorf("a client that has an address is told:\n%s", informed.Summary())
	}
}

func TestLeasesWithoutEndAndSubnetsWithoutGateway(t *testing.T) {
	w := newWorld()
	w.four.Gateway = addr("0.0.0.0").Prev() // none
	s := w.server()
	s.book.settings.LeaseTime = -time.Second
	g, _ := s.book.guest(guest1)
	r, f := g.answer4(discover(w))
	if f != answered {
		t.Fatal(f)
	}
	if got := r.Options.Get(dhcpv4.OptionIPAddressLeaseTime); string(got) != "\xff\xff\xff\xff" || r.Options.Has(dhcpv4.OptionRenewTimeValue) {
		t.Errorf("a lease without end has the time %v:\n%s", got, r.Summary())
	}
	if got := r.ServerIdentifier().String(); got != "169.254.169.254" || r.Options.Has(dhcpv4.OptionRouter) {
		t.Errorf("where there is no gateway the server is %s:\n%s", got, r.Summary())
	}
}

func TestAnAnswerFitsIntoWhatTheClientTakes(t *testing.T) {
	w := newWorld()
	for n := range 40 {
		w.four.HostRoutes = append(w.four.HostRoutes, model.HostRoute{Destination: w.four.CIDR, NextHop: addr("10.30.0.7")})
		w.one.ExtraDHCPOpts = append(w.one.ExtraDHCPOpts, model.DHCPOption{Name: string(rune('1'+n/10)) + "7" + string(rune('0'+n%10)), Value: strings.Repeat("x", 200), IPVersion: 4})
	}
	g := w.guest(t, guest1)
	for _, tc := range []struct{ size, most int }{{0, 576}, {300, 576}, {1000, 1000}, {65535, 1450}} {
		q := discover(w)
		if tc.size > 0 {
			q = discover(w, with4(optSize, byte(tc.size>>8), byte(tc.size)))
		}
		r, _ := g.answer4(q)
		if n := len(r.ToBytes()) + headersOf4; n > tc.most || !r.Options.Has(dhcpv4.OptionSubnetMask) {
			t.Errorf("a client that takes %d gets %d bytes, want at most %d", tc.size, n, tc.most)
		}
	}
}

// An option that does not fit keeps out nothing that does.
func TestWhatDoesNotFitLeavesRoomForTheRest(t *testing.T) {
	w := newWorld()
	for n := range 28 {
		w.four.HostRoutes = append(w.four.HostRoutes, model.HostRoute{
			Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 32), NextHop: addr("10.30.0.7"),
		})
	}
	r, _ := w.guest(t, guest1).answer4(discover(w, with4(61, make([]byte, 100)...))) // which comes back
	got := r.Options
	if got.Has(dhcpv4.OptionClasslessStaticRoute) || !got.Has(dhcpv4.OptionRouter) || !got.Has(dhcpv4.OptionInterfaceMTU) {
		t.Errorf("a client that takes 576 bytes is told:\n%s", r.Summary())
	}
}

func TestAnswersAreAddressedSoThatTheClientHearsThem(t *testing.T) {
	w := newWorld()
	g := w.guest(t, guest1)
	for _, tc := range []struct {
		what    string
		q       *dhcpv4.DHCPv4
		ip, mac string
	}{
		{"a client that hears its new address", discover(w), "10.30.0.11", w.one.MAC.String()},
		{"one that does not", discover(w, dhcpv4.WithBroadcast(true)), "255.255.255.255", "ff:ff:ff:ff:ff:ff"},
		{"one that has an address", request(w, dhcpv4.WithClientIP(net.IP{10, 30, 0, 11})), "10.30.0.11", w.one.MAC.String()},
		{"one that is refused", request(w, ip4(optRequested, "10.30.0.9")), "255.255.255.255", "ff:ff:ff:ff:ff:ff"},
		{"one that wants options", discover(w, dhcpv4.WithMessageType(dhcpv4.MessageTypeInform), dhcpv4.WithClientIP(net.IP{10, 30, 0, 11})), "10.30.0.11", w.one.MAC.String()},
	} {
		r, _ := g.answer4(tc.q)
		p := toClient4(r, addr("10.30.0.1"))
		if p.dst.String() != tc.ip || p.dstMAC.String() != tc.mac || p.srcPort != 67 || p.dstPort != 68 {
			t.Errorf("%s: to %s at %s", tc.what, p.dst, p.dstMAC)
		}
	}
}
