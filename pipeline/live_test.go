package pipeline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
)

// This file: real frames through a real switch with its connection tracker, and
// the same frames through the interpreter with its own.

// The ends of conversations: guests 1 to 4 behind guest1 to guest4, the trusted
// port 5 behind guest5, and guest 6 on another host, behind eth-phys. All are in
// VLAN 100 of physnet1.
const (
	trustedEnd = 5
	remoteEnd  = 6
)

// liveCloud has the ends, with the groups that a test gives them.
func liveCloud() *cloud {
	c := newCloud()
	c.network(1, vlan("physnet1", 100))
	for n := 1; n <= 4; n++ {
		c.port(n, 1, endIP(n, 4).String(), endIP(n, 6).String())
	}
	dhcp := c.port(trustedEnd, 1, endIP(trustedEnd, 4).String(), endIP(trustedEnd, 6).String())
	dhcp.DeviceOwner, dhcp.PortSecurityEnabled = "network:dhcp", false
	c.remote(remoteEnd, 1, "hv2", endIP(remoteEnd, 4).String(), endIP(remoteEnd, 6).String())
	return c
}

func endIP(n, version int) netip.Addr {
	if version == 4 {
		return netip.MustParseAddr(fmt.Sprintf("10.0.0.1%d", n))
	}
	return netip.MustParseAddr(fmt.Sprintf("2001:db8::1%d", n))
}

// live is a switch, and the interpreter beside it.
type live struct {
	*rig
	t     *testing.T
	wires map[string]wire
	sim   *simRig
	conns *sim.Conns
	count uint32
	// closed are the ends that are not connected.
	closed map[string]bool
	loaded *Program
}

func newLive(t *testing.T) *live {
	l := &live{rig: newRig(t), t: t, wires: map[string]wire{}, conns: &sim.Conns{Userspace: true}}
	for _, name := range []string{"guest1", "guest2", "guest3", "guest4", "guest5", "eth-phys"} {
		l.Exec("sysctl", "-qw", "net.ipv6.conf."+name+".disable_ipv6=1")
		l.Exec("ip", "link", "set", name, "up", "promisc", "on")
		l.wires[name] = l.listen(name)
	}
	return l
}

// use puts the tables into the switch and the interpreter. Connections stay.
func (l *live) use(c *cloud) {
	l.t.Helper()
	p := Compile(&c.View)
	for _, problem := range p.Problems {
		l.t.Fatalf("problem: %v", problem)
	}
	l.closed = map[string]bool{}
	for n := 1; n <= trustedEnd; n++ {
		if r := c.Ports[portID(n)].Record; r == nil || !r.AdminStateUp {
			l.closed[endName(n)] = true
		}
	}
	changed := &Program{Bridges: map[string][]flows.Rule{}}
	for bridge, rules := range p.Bridges {
		if l.loaded == nil || !flows.Diff(l.loaded.Bridges[bridge], rules).Empty() {
			changed.Bridges[bridge] = rules
		}
	}
	l.load(changed)
	l.loaded = p
	l.Appctl("fdb/flush")
	l.Appctl("dpctl/del-flows") // what the datapath remembers of the tables before
	l.sim = newSimRig(p)
}

// forget has both forget all connections.
func (l *live) forget() {
	l.Appctl("dpctl/flush-conntrack")
	l.conns = &sim.Conns{Userspace: true}
}

// talk is a packet from one end to another, or to all.
type talk struct {
	from, to int // to 0: broadcast, or multicast
	version  int
	proto    layers.IPProtocol
	src, dst uint16 // ports; type and code for ICMP
	flags    string // of TCP: S, SA, A, AR (an ACK back)
	about    *talk  // what an ICMP error quotes
	length   int    // of the payload
	// as and at are the addresses of both ends, where they are not their own.
	as, at netip.Addr
}

// source is the address that the packet comes from.
func (k talk) source() netip.Addr {
	if k.as.IsValid() {
		return k.as
	}
	return endIP(k.from, k.version)
}

// target is the address that the packet goes to.
func (k talk) target() netip.Addr {
	switch {
	case k.at.IsValid():
		return k.at
	case k.to > 0:
		return endIP(k.to, k.version)
	case k.version == 4:
		return netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	return netip.MustParseAddr("ff02::fb")
}

func (k talk) String() string {
	text := fmt.Sprintf("%d→%d %s→%s %s %d %d %s", k.from, k.to, k.source(), k.target(), k.proto, k.src, k.dst, k.flags)
	if k.about != nil {
		text += fmt.Sprintf(" about (%s)", k.about)
	}
	return text
}

// reply gives the answer to a packet.
func (k talk) reply() talk {
	r := k
	r.from, r.to, r.as, r.at = k.to, k.from, k.at, k.as
	switch {
	case k.proto == layers.IPProtocolICMPv4:
		r.src = 0
	case k.proto == layers.IPProtocolICMPv6:
		r.src = 129
	default:
		r.src, r.dst = k.dst, k.src
	}
	if k.flags == "S" {
		r.flags = "SA"
	}
	return r
}

// refused gives the ICMP error that the receiver answers with, or a router on
// the way.
func (k talk) refused(by int) talk {
	e := talk{from: by, to: k.from, at: k.as, version: k.version, proto: layers.IPProtocolICMPv4, src: 3, dst: 3, about: &k}
	if k.version == 6 {
		e.proto, e.src, e.dst = layers.IPProtocolICMPv6, 1, 4
	}
	return e
}

// frame writes the packet; id makes it unique.
func (k talk) frame(t testing.TB, id uint16) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: hardware(k.from), DstMAC: hardware(k.to), EthernetType: layers.EthernetTypeIPv4}
	if k.to == 0 {
		eth.DstMAC = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	stack := []gopacket.SerializableLayer{eth}
	if k.version == 6 {
		eth.EthernetType = layers.EthernetTypeIPv6
	}
	if k.from == remoteEnd {
		stack = append(stack, &layers.Dot1Q{VLANIdentifier: 100, Type: eth.EthernetType})
		eth.EthernetType = layers.EthernetTypeDot1Q
	}
	stack = append(stack, k.packet(t, id)...)
	return serialize(t, stack)
}

func serialize(t testing.TB, stack []gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(buf.Bytes())
}

func hardware(n int) net.HardwareAddr { m := mac(n); return m[:] }

func (k talk) packet(t testing.TB, id uint16) []gopacket.SerializableLayer {
	from, to := k.source().AsSlice(), k.target().AsSlice()
	if k.version == 4 {
		ip := &layers.IPv4{Version: 4, TTL: 64, Id: id, Protocol: k.proto, SrcIP: from, DstIP: to}
		return append([]gopacket.SerializableLayer{ip}, k.transport(t, ip)...)
	}
	ip := &layers.IPv6{Version: 6, HopLimit: 255, FlowLabel: uint32(id), NextHeader: k.proto, SrcIP: from, DstIP: to}
	return append([]gopacket.SerializableLayer{ip}, k.transport(t, ip)...)
}

func (k talk) transport(t testing.TB, ip gopacket.NetworkLayer) []gopacket.SerializableLayer {
	payload := gopacket.Payload(bytes.Repeat([]byte{0x5a}, max(k.length, 16)))
	switch k.proto {
	case layers.IPProtocolTCP:
		l := &layers.TCP{SrcPort: layers.TCPPort(k.src), DstPort: layers.TCPPort(k.dst), Window: 1000}
		switch k.flags {
		case "S":
			l.SYN, l.Seq = true, 100
		case "SA":
			l.SYN, l.ACK, l.Seq, l.Ack = true, true, 500, 101
		case "AR":
			l.ACK, l.Seq, l.Ack = true, 501, 101
		default:
			l.ACK, l.Seq, l.Ack = true, 101, 501
		}
		_ = l.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{l}
	case layers.IPProtocolUDP:
		l := &layers.UDP{SrcPort: layers.UDPPort(k.src), DstPort: layers.UDPPort(k.dst)}
		_ = l.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{l, payload}
	case layers.IPProtocolSCTP:
		return []gopacket.SerializableLayer{&layers.SCTP{SrcPort: layers.SCTPPort(k.src), DstPort: layers.SCTPPort(k.dst)}, payload}
	case layers.IPProtocolICMPv4:
		l := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(uint8(k.src), uint8(k.dst)), Id: 7, Seq: 1}
		if k.about != nil {
			l.Id, l.Seq, payload = 0, 0, serialize(t, k.about.packet(t, 0))
		}
		return []gopacket.SerializableLayer{l, payload}
	case layers.IPProtocolICMPv6:
		l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(uint8(k.src), uint8(k.dst))}
		_ = l.SetNetworkLayerForChecksum(ip)
		body := append([]byte{0, 7, 0, 1}, payload...) // identifier and number
		if k.about != nil {
			body = append(make([]byte, 4), serialize(t, k.about.packet(t, 0))...)
		}
		return []gopacket.SerializableLayer{l, gopacket.Payload(body)}
	}
	return []gopacket.SerializableLayer{payload}
}

func endName(n int) string {
	if n == remoteEnd {
		return "eth-phys"
	}
	return fmt.Sprintf("guest%d", n)
}

// transmit sends a frame into a port and gives where it comes out. Behind it
// goes a question by ARP that everybody hears: who has heard it without the
// frame does not get the frame. In the place of an end that is not connected
// the trusted one asks, a moment later.
func (l *live) transmit(from string, frames ...[]byte) []string {
	l.t.Helper()
	l.count++
	for _, f := range frames {
		l.wires[from].send(l.t, f)
	}
	asks := from
	if l.closed[from] {
		asks = endName(trustedEnd)
		time.Sleep(20 * time.Millisecond)
	}
	end := slices.IndexFunc([]string{"", "guest1", "guest2", "guest3", "guest4", "guest5", "eth-phys"}, func(s string) bool { return s == asks })
	sentinel := question(l.t, end, l.count)
	l.wires[asks].send(l.t, sentinel)
	out := []string{}
	for name, w := range l.wires {
		if name != asks && !l.closed[name] && w.hears(l.t, name, body(sentinel), frames) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (w wire) send(t testing.TB, frame []byte) {
	t.Helper()
	if _, err := unix.Write(int(w), frame); err != nil {
		t.Fatalf("send a frame: %v", err)
	}
}

// question is an ARP request of an end for its own address, with a number.
func question(t testing.TB, end int, number uint32) []byte {
	tag := binary.BigEndian.AppendUint32([]byte{2, 0}, number)
	eth := &layers.Ethernet{SrcMAC: hardware(end), DstMAC: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EthernetType: layers.EthernetTypeARP}
	arp := &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
		SourceHwAddress: hardware(end), SourceProtAddress: endIP(end, 4).AsSlice(), DstHwAddress: tag, DstProtAddress: endIP(end, 4).AsSlice(),
	}
	if end == remoteEnd {
		eth.EthernetType = layers.EthernetTypeDot1Q
		return serialize(t, []gopacket.SerializableLayer{eth, &layers.Dot1Q{VLANIdentifier: 100, Type: layers.EthernetTypeARP}, arp})
	}
	return serialize(t, []gopacket.SerializableLayer{eth, arp})
}

// body gives what follows the Ethernet header and a tag, neither of which the
// receiver need see as they were sent.
func body(frame []byte) []byte {
	if binary.BigEndian.Uint16(frame[12:]) == etherTypeVLAN {
		return frame[18:]
	}
	return frame[14:]
}

// hears reads until the sentinel and reports whether all the frames came
// before.
func (w wire) hears(t testing.TB, name string, sentinel []byte, frames [][]byte) bool {
	t.Helper()
	heard := make([]bool, len(frames))
	buf := make([]byte, 4096)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		n, from, err := unix.Recvfrom(int(w), buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatalf("read from %s: %v", name, err)
		}
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if bytes.Contains(buf[:n], sentinel) {
			return !slices.Contains(heard, false)
		}
		for i, f := range frames {
			heard[i] = heard[i] || bytes.Contains(buf[:n], body(f))
		}
	}
	t.Fatalf("%s has not heard the end of the packets", name)
	return false
}

// simulate runs a frame through the interpreter.
func (l *live) simulate(from string, frame []byte) ([]string, sim.Result) {
	l.t.Helper()
	bridge, port := "br-int", uint32(0)
	for number, name := range l.sim.names[l.sim.bridges["br-int"]] {
		if name == from {
			port = number
		}
	}
	if from == "eth-phys" {
		bridge, port = "br-phys", 9
	}
	p, err := sim.FromFrame(frame, port)
	if err != nil {
		l.t.Fatal(err)
	}
	res := l.sim.bridges[bridge].Run(p, sim.Options{Conns: l.conns})
	out := []string{}
	for _, o := range res.Outputs {
		if name := l.sim.names[o.Bridge][o.Port]; name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), res
}

// both sends a packet through switch and interpreter, which have to agree.
func (l *live) both(k talk) []string {
	l.t.Helper()
	l.count++
	frame := k.frame(l.t, uint16(l.count))
	got := l.transmit(endName(k.from), frame)
	if want, res := l.simulate(endName(k.from), frame); !slices.Equal(got, want) {
		l.t.Fatalf("%s: the switch puts it out of %q, the interpreter of %q\n%v", k, got, want, res.Trace)
	}
	return got
}

// passes demands that a packet reaches its receiver, and nobody else.
func (l *live) passes(what string, k talk) {
	l.t.Helper()
	if got, want := l.both(k), []string{endName(k.to)}; !slices.Equal(got, want) {
		l.t.Errorf("%s: %s comes out of %q, want %q", what, k, got, want)
	}
}

// fails demands that a packet reaches nobody.
func (l *live) fails(what string, k talk) {
	l.t.Helper()
	if got := l.both(k); len(got) > 0 {
		l.t.Errorf("%s: %s comes out of %q, want nothing", what, k, got)
	}
}

func tcp4(from, to int, src, dst uint16) talk {
	return talk{from: from, to: to, version: 4, proto: layers.IPProtocolTCP, src: src, dst: dst, flags: "S"}
}

func udp4(from, to int, src, dst uint16) talk {
	return talk{from: from, to: to, version: 4, proto: layers.IPProtocolUDP, src: src, dst: dst}
}

func ping(from, to, version int) talk {
	if version == 6 {
		return talk{from: from, to: to, version: 6, proto: layers.IPProtocolICMPv6, src: 128}
	}
	return talk{from: from, to: to, version: 4, proto: layers.IPProtocolICMPv4, src: 8}
}

func v6(k talk) talk {
	k.version = 6
	return k
}
