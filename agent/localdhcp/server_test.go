package localdhcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// questionOf is a frame of a port as the switch sends it.
func questionOf(port string, frame []byte) ofp.PacketIn {
	id := uuid.MustParse(port)
	return ofp.PacketIn{
		Userdata: append([]byte("Q"), id[:]...), Data: frame,
		Metadata: flows.MustMatch(flows.ExactU(flows.InPort, 17)),
	}
}

func must(frame []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return frame
}

// dhcpFrame, dhcpv6Frame and solicitation are what guest 1 sends.
func dhcpFrame(w *world, q *dhcpv4.DHCPv4) []byte {
	return must(packet{
		srcMAC: hardware(w.one), dstMAC: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, src: netip.IPv4Unspecified(), dst: everybody,
		srcPort: clientPort4, dstPort: serverPort4, payload: q.ToBytes(),
	}.frame())
}

func dhcpv6Frame(w *world, q *dhcpv6.Message) []byte {
	return must(packet{
		srcMAC: hardware(w.one), dstMAC: net.HardwareAddr{0x33, 0x33, 0, 1, 0, 2}, src: w.one.MAC.LinkLocal(), dst: addr("ff02::1:2"),
		srcPort: clientPort6, dstPort: serverPort6, payload: q.ToBytes(),
	}.frame())
}

func solicitation(w *world) []byte {
	return must(packet{
		srcMAC: hardware(w.one), dstMAC: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 2}, src: w.one.MAC.LinkLocal(), dst: addr("ff02::2"),
		icmp: true, payload: []byte{layers.ICMPv6TypeRouterSolicitation, 0, 0, 0, 0, 0, 0, 0},
	}.frame())
}

// sum adds 16-bit words as checksums do (RFC 1071); what carries its checksum
// comes to 0xffff.
func sum(parts ...[]byte) uint16 {
	total := uint32(0)
	for i, b := range bytes.Join(parts, nil) {
		total += uint32(b) << (8 * (1 - i%2))
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// checksums reports whether a frame has its checksums, of IPv4, UDP and ICMPv6.
func checksums(frame []byte) bool {
	ip := frame[14:]
	if binary.BigEndian.Uint16(frame[12:]) == 0x86dd {
		return sum(ip[8:40], []byte{0, ip[6]}, ip[4:6], ip[40:]) == 0xffff
	}
	length := binary.BigEndian.AppendUint16(nil, uint16(len(ip)-20))
	return sum(ip[:20]) == 0xffff && sum(ip[12:20], []byte{0, ip[9]}, length, ip[20:]) == 0xffff
}

func TestAnswersGoBackIntoThePortWithWhatTheRecordsSay(t *testing.T) {
	w := newWorld()
	s := w.server()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer running.Wait()
	defer cancel()
	sent := make(chan ofp.PacketOut, 1)
	send := func(_ context.Context, p ofp.PacketOut) error { sent <- p; return nil }
	for what, frame := range map[string][]byte{
		"DHCP":                  dhcpFrame(w, discover(w)),
		"DHCPv6":                dhcpv6Frame(w, message(dhcpv6.MessageTypeSolicit, ia(1))),
		"a router solicitation": solicitation(w),
	} {
		s.Take(questionOf(guest1, frame), send)
		select {
		case p := <-sent:
			if out, ok := p.Actions[0].(flows.Output); !ok || out.Port != 17 || p.InPort != flows.PortController {
				t.Errorf("%s is answered by %v from %d", what, p.Actions, p.InPort)
			}
			if !bytes.Equal(p.Data[:6], hardware(w.one)) || !bytes.Equal(p.Data[6:12], serverMAC) || !checksums(p.Data) {
				t.Errorf("%s is answered by a frame that the guest cannot use: %x", what, p.Data)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s is not answered", what)
		}
	}
	for range 3 {
		s.Take(questionOf(remote, dhcpFrame(w, discover(w))), send) // not of this host
	}
	s.Take(questionOf("00000000-0000-4000-8000-000000000000", nil), send)
	s.Take(ofp.PacketIn{Userdata: []byte("A")}, send)
	deadline := time.Now().Add(5 * time.Second)
	for counted(t, s, unknown) < 5 {
		if time.Now().After(deadline) {
			t.Fatal("questions of unknown ports are not counted")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAGuestThatFloodsSpendsItsOwnShareOnly(t *testing.T) {
	w := newWorld()
	s := w.server()
	now := time.Unix(1_000_000, 0)
	s.cfg.Now = func() time.Time { return now }
	frame := dhcpFrame(w, discover(w))
	for range 5000 {
		s.Take(questionOf(guest1, frame), nil)
	}
	if got, want := len(s.queue), atOnce; got != want || counted(t, s, limited) != 5000-want {
		t.Errorf("%d questions wait, and %d are counted as too many", got, counted(t, s, limited))
	}
	s.Take(questionOf(guest2, frame), nil)
	if got := len(s.queue); got != atOnce+1 {
		t.Errorf("the other guest's question does not wait among %d", got)
	}
	now = now.Add(time.Second)
	for range 100 {
		s.Take(questionOf(guest1, frame), nil)
	}
	if got := len(s.queue); got != atOnce+1+perSecond {
		t.Errorf("%d questions wait a second later", got)
	}
	for len(s.queue) < queued {
		s.queue <- question{}
	}
	now = now.Add(time.Second)
	s.Take(questionOf(guest2, frame), nil)
	if counted(t, s, overflow) != 1 {
		t.Errorf("%d questions found the queue full", counted(t, s, overflow))
	}
	s.Apply(&rpc.Update{Revision: 2, Settings: w.Settings, Deleted: rpc.Refs{Ports: []string{guest1, guest2}}})
	if len(s.limits) > 0 {
		t.Error("shares of ports that are gone are kept")
	}
}

// TestQuestionsFollowFromTheRecords goes through what may change about a port.
func TestQuestionsFollowFromTheRecords(t *testing.T) {
	const all = pipeline.AskDHCP | pipeline.AskDHCPv6 | pipeline.AskRouter
	for _, tc := range []struct {
		what   string
		change func(w *world)
		want   pipeline.Questions
	}{
		{"stateful", func(*world) {}, all},
		{"DHCP servers elsewhere", func(w *world) { w.Settings.LocalDHCP = false }, 0},
		{"no DHCP", func(w *world) { w.four.EnableDHCP = false }, pipeline.AskDHCPv6 | pipeline.AskRouter},
		{"no DHCPv6", func(w *world) { w.six.EnableDHCP = false }, pipeline.AskDHCP},
		{"a router", func(w *world) { w.router(subnet6, "2001:db8::1") }, pipeline.AskDHCP | pipeline.AskDHCPv6},
		{"a router of IPv4", func(w *world) { w.router(subnet4, "10.30.0.1") }, all},
		{"a router of others", func(w *world) { w.six.IPv6RAMode = "" }, pipeline.AskDHCP | pipeline.AskDHCPv6},
		{"slaac", func(w *world) { w.six.IPv6AddressMode, w.six.IPv6RAMode = "slaac", "slaac" }, pipeline.AskDHCP | pipeline.AskRouter},
		{"no address", func(w *world) { w.one.FixedIPs = nil }, 0},
		{"an address of IPv4", func(w *world) { w.one.FixedIPs = w.one.FixedIPs[:1] }, pipeline.AskDHCP},
		{"another host", func(w *world) { w.one.Host = "hv2" }, 0},
		{"a router's port", func(w *world) { w.one.DeviceOwner = "network:router_interface" }, 0},
		{"no network", func(w *world) { w.Networks = nil }, 0},
	} {
		w := newWorld()
		tc.change(w)
		if got, problem := w.server().Questions(guest1); got != tc.want || problem != "" {
			t.Errorf("%s: %b, problem %q, want %b", tc.what, got, problem, tc.want)
		}
	}
}

func TestWhatCannotBeToldIsAProblemOfItsPort(t *testing.T) {
	w := newWorld()
	w.two.ExtraDHCPOpts = []model.DHCPOption{{Name: "nonsense", Value: "x", IPVersion: 4}}
	s := w.server()
	if got, problem := s.Questions(guest2); got&pipeline.AskDHCP == 0 || !strings.Contains(problem, `"nonsense"`) {
		t.Errorf("%b, problem %q", got, problem)
	}
	if _, problem := s.Questions(guest1); problem != "" {
		t.Errorf("the other port has the problem %q", problem)
	}
}

// TestAnUpdateNamesThePortsWhoseAnswersMayChange compares what an update is said
// to change with what it changes.
func TestAnUpdateNamesThePortsWhoseAnswersMayChange(t *testing.T) {
	w := newWorld()
	s := w.server()
	step := func(what string, u rpc.Update, want ...string) {
		t.Helper()
		u.Settings, u.Revision = w.Settings, u.Revision+1
		if got := slices.Sorted(slices.Values(s.Apply(&u))); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	off := *w.four
	off.EnableDHCP = false
	step("a subnet loses DHCP", rpc.Update{Subnets: []*model.Subnet{&off}}, guest1, guest2)
	if got, _ := s.Questions(guest1); got&pipeline.AskDHCP != 0 {
		t.Error("DHCP is still answered")
	}
	step("a port of elsewhere", rpc.Update{Ports: []*model.Port{w.elsewhere_}})
	w.router(subnet6, "2001:db8::1")
	step("a router comes", rpc.Update{Ports: w.Ports[len(w.Ports)-1:]}, guest1, guest2)
	step("a router goes", rpc.Update{Deleted: rpc.Refs{Ports: []string{router1}}}, guest1, guest2)
	step("a subnet goes", rpc.Update{Deleted: rpc.Refs{Subnets: []string{subnet6}}}, guest1, guest2)
	if got, _ := s.Questions(guest1); got != 0 {
		t.Errorf("without subnets %b are answered", got)
	}
	again := w.Update
	again.Subnets = []*model.Subnet{&off}
	step("all anew", again, guest1, guest2)
	w.Settings.LocalDHCP = false
	step("there are DHCP servers from now on", rpc.Update{}, guest1, guest2)
}

func TestAdvertisementsTellOfPrefixesAndOfNoWayOut(t *testing.T) {
	for mode, want := range map[string]struct{ flags, prefix byte }{
		"dhcpv6-stateful":  {flagManaged, flagOnLink},
		"dhcpv6-stateless": {flagOther, flagOnLink | flagAutonomous},
		"slaac":            {0, flagOnLink | flagAutonomous},
	} {
		w := newWorld()
		w.six.IPv6AddressMode, w.six.IPv6RAMode = mode, mode
		out, f := w.server().answer(guest1, solicitation(w))
		if f != answered || !checksums(out) {
			t.Fatalf("%s: %s, %x", mode, f, out)
		}
		p := gopacket.NewPacket(out, layers.LayerTypeEthernet, gopacket.Default)
		ip, _ := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
		ra, ok := p.Layer(layers.LayerTypeICMPv6RouterAdvertisement).(*layers.ICMPv6RouterAdvertisement)
		if !ok || ip.HopLimit != 255 || address(ip.DstIP) != w.one.MAC.LinkLocal() || !address(ip.SrcIP).IsLinkLocalUnicast() {
			t.Fatalf("%s: %s", mode, p)
		}
		if ra.RouterLifetime != 0 || ra.Flags != want.flags {
			t.Errorf("%s: lifetime %d, flags %x", mode, ra.RouterLifetime, ra.Flags)
		}
		var found []layers.ICMPv6Opt
		for _, o := range ra.Options {
			found = append(found, o.Type)
			if o.Type == 25 && !bytes.Equal(o.Data, append([]byte{0, 0, 0, 9, 0x3a, 0x80}, addr("2001:db8:53::1").AsSlice()...)) {
				t.Errorf("%s: name servers %x", mode, o.Data)
			}
			if o.Type == 31 && !bytes.Equal(o.Data, append([]byte{0, 0, 0, 9, 0x3a, 0x80}, "\x0eopenstacklocal\x00"...)) {
				t.Errorf("%s: domains %x", mode, o.Data)
			}
			switch o.Type {
			case layers.ICMPv6OptPrefixInfo:
				prefix, _ := netip.AddrFromSlice(o.Data[14:30])
				if o.Data[0] != 64 || o.Data[1] != want.prefix || prefix != addr("2001:db8::") || !bytes.Equal(o.Data[2:10], []byte{0, 0x27, 0x8d, 0, 0, 9, 0x3a, 0x80}) {
					t.Errorf("%s: prefix %x", mode, o.Data)
				}
			case layers.ICMPv6OptMTU:
				if !bytes.Equal(o.Data, []byte{0, 0, 0, 0, 0x05, 0xaa}) {
					t.Errorf("%s: MTU %x", mode, o.Data)
				}
			}
		}
		if !slices.Equal(found, []layers.ICMPv6Opt{layers.ICMPv6OptSourceAddress, layers.ICMPv6OptMTU, layers.ICMPv6OptPrefixInfo, 25, 31}) && mode != "slaac" {
			t.Errorf("%s: options %v", mode, found)
		}
	}
}

func TestAGuestThatMovesIsToldTheSameThere(t *testing.T) {
	w := newWorld()
	before := w.server()
	for _, frame := range [][]byte{
		dhcpFrame(w, discover(w)), dhcpv6Frame(w, message(dhcpv6.MessageTypeRenew, toServer(serverDUID), ia(1, "2001:db8::11"))), solicitation(w),
	} {
		w.one.Host = here
		was, f := before.answer(guest1, frame)
		w.one.Host = "hv2"
		after := New(Config{Host: "hv2", Settings: before.cfg.Settings, Log: before.cfg.Log, Registerer: prometheus.NewRegistry()})
		after.Apply(&w.Update)
		if is, g := after.answer(guest1, frame); f != answered || f != g || !bytes.Equal(was, is) {
			t.Errorf("%s: %x, there %s: %x", f, was, g, is)
		}
	}
	moved := *w.one
	before.Apply(&rpc.Update{Revision: 2, Settings: w.Settings, Ports: []*model.Port{&moved}})
	if _, f := before.answer(guest1, dhcpFrame(w, discover(w))); f != unknown {
		t.Errorf("the host that it left answers: %s", f)
	}
}

// BenchmarkAnswer is what a question costs, on a network with a thousand ports.
func BenchmarkAnswer(b *testing.B) {
	w := newWorld()
	for n := range 1000 {
		p := w.port(uuid.NewString(), here, 14)
		p.FixedIPs = []model.FixedIP{{SubnetID: subnet4, IP: netip.AddrFrom4([4]byte{10, 30, byte(1 + n>>8), byte(n)})}}
	}
	s := w.server()
	for name, frame := range map[string][]byte{
		"DHCP": dhcpFrame(w, discover(w)), "DHCPv6": dhcpv6Frame(w, message(dhcpv6.MessageTypeSolicit, ia(1), wanted)),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, f := s.answer(guest1, frame); f != answered {
					b.Fatal(f)
				}
			}
		})
	}
}

// FuzzAnswer feeds a hostile guest's frames: whatever comes back is a whole frame
// from the server to that guest, of addresses that are its own.
func FuzzAnswer(f *testing.F) {
	w := newWorld()
	s := w.server()
	for _, frame := range [][]byte{
		dhcpFrame(w, discover(w)), dhcpFrame(w, request(w, ip4(optRequested, "10.30.0.11"))), solicitation(w),
		dhcpv6Frame(w, message(dhcpv6.MessageTypeSolicit, ia(1), wanted)),
		dhcpv6Frame(w, message(dhcpv6.MessageTypeRenew, toServer(serverDUID), ia(1, "2001:db8::99"))), nil, make([]byte, 64),
	} {
		f.Add(frame)
		for cut := range 8 {
			f.Add(frame[:len(frame)*cut/8])
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		out, fate := s.answer(guest1, frame)
		again, same := s.answer(guest1, frame)
		if !bytes.Equal(out, again) || fate != same {
			t.Errorf("one question, two answers: %s %x, %s %x", fate, out, same, again)
		}
		if out == nil {
			return
		}
		if !bytes.Equal(out[6:12], serverMAC) || !checksums(out) || len(out) > 14+max(w.network.MTU, leastMTU) {
			t.Errorf("%d bytes, %x", len(out), out)
		}
		p, err := readFrame(out)
		if err != nil {
			t.Fatal(err)
		}
		if p.dstPort == clientPort4 {
			m, err := dhcpv4.FromBytes(p.payload)
			if err != nil {
				t.Fatal(err)
			}
			if ip := address(m.YourIPAddr); !ip.IsUnspecified() && ip != addr("10.30.0.11") {
				t.Errorf("the guest gets %s", ip)
			}
		}
	})
}
