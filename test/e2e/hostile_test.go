package e2e

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestAGuestThatSendsGarbageDisturbsNobody has a guest send, as fast as it can,
// frames that it has no right to send or that are nothing at all. Its neighbour
// sees none of them, and conversations of others go on.
func TestAGuestThatSendsGarbageDisturbsNobody(t *testing.T) {
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.dual(n)
	open := c.SecurityGroup("open")
	victim, far := c.GuestIn("hv1", "victim", n, open), c.GuestIn("hv2", "far", n, open)
	liar := c.GuestIn("hv1", "liar", n, open)
	c.Rule("hv1", open, Attributes{"protocol": "tcp", "port_range_min": 80, "port_range_max": 80})
	c.Rule("hv1", open, Attributes{"protocol": "udp", "port_range_min": 53, "port_range_max": 53, "ethertype": "IPv6"})
	c.Echo(victim, 53, 80)
	talks := []*Conversation{
		c.Converse("TCP of others", far, victim, "tcp", 80, 4),
		c.Converse("UDP of others", far, victim, "udp", 53, 6),
	}
	c.AwaitInSync("hv1")
	flows := slices.Sorted(slices.Values(c.Flows("hv1", "br-int")))
	// The guest's kernel has a right to what it sends to IPv6 multicast itself.
	seen := c.Watch(victim, "not ether[0:2] = 0x3333 and (ether src "+liar.Port.MAC+" or ether src fa:16:3e:66:66:66 or ether proto 0x88b5 or vlan)")
	before := answers(talks)
	sent := c.flood(liar, victim, 2*time.Second)
	during := answers(talks)
	if frames := seen(); len(frames) > 0 {
		t.Errorf("of %d frames the victim sees\n%s", sent, frames)
	}
	t.Logf("%d frames in 2 s, conversations of others were answered %v times meanwhile", sent, []int64{during[0] - before[0], during[1] - before[1]})
	for i, v := range talks {
		// Undisturbed they are answered 400 times; sender and switch share the
		// machine's processors with them.
		if during[i]-before[i] < 40 {
			t.Errorf("%s: %d answers in 2 s", v.name, during[i]-before[i])
		}
	}
	c.Alive(talks...)
	if !c.Answers(liar, victim, "tcp", 80, 4) {
		t.Error("speaking properly, the guest is not heard any more")
	}
	if diff := cmp.Diff(flows, slices.Sorted(slices.Values(c.Flows("hv1", "br-int")))); diff != "" {
		t.Errorf("the flows have changed:\n%s", diff)
	}
}

func answers(list []*Conversation) []int64 {
	var n []int64
	for _, v := range list {
		n = append(n, v.answered.Load())
	}
	return n
}

// flood sends garbage from a guest for a while and gives how many frames.
func (c *Cloud) flood(from, to Guest, how time.Duration) (sent int) {
	c.Helper()
	c.Must(from.Inside(func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
			return err
		}
		g := garbage{rand.New(rand.NewPCG(1, 2)), from, to}
		for end := time.Now().Add(how); time.Now().Before(end); {
			if _, err := unix.Write(fd, g.frame()); err == nil {
				sent++
			}
		}
		return nil
	}))
	if sent < 1000 {
		c.Fatalf("only %d frames were sent", sent)
	}
	return sent
}

// garbage makes frames that must not arrive.
type garbage struct {
	*rand.Rand
	from, to Guest
}

func (g garbage) frame() []byte {
	own, victim := hardware(g.from.Port.MAC), hardware(g.to.Port.MAC)
	foreign := hardware("fa:16:3e:66:66:66")
	multicast := net.HardwareAddr{0x01, 0, 0x5e, 1, 2, 3}
	from, to := g.from.IP(4), g.to.IP(4)
	const udp, tcp, icmp = 17, 6, 1
	switch g.IntN(10) {
	case 0: // a protocol that nobody knows
		return ethernet(victim, own, 0x88b5, g.bytes(g.IntN(1400)))
	case 1: // another MAC
		return ethernet(victim, foreign, 0x0800, ipv4(from, to, tcp, 0, g.bytes(40)))
	case 2: // another address, a new one each time
		return ethernet(victim, own, 0x0800, ipv4(netip.AddrFrom4([4]byte(g.bytes(4))), to, udp, 0, g.bytes(40)))
	case 3: // a tag
		return ethernet(victim, own, 0x8100, append([]byte{0, byte(g.IntN(4)), 8, 0}, ipv4(from, to, udp, 0, g.bytes(40))...))
	case 4: // cut short anywhere
		whole := ipv4(from, to, tcp, 0, g.bytes(20))
		return ethernet(victim, own, 0x0800, whole[:g.IntN(30)])
	case 5: // a fragment of nothing
		return ethernet(victim, own, 0x0800, ipv4(from, to, udp, uint16(1+g.IntN(100)), g.bytes(64)))
	case 6: // to a port that no rule admits, with multicast on the outside
		return ethernet(multicast, own, 0x0800, ipv4(from, to, udp, 0, append([]byte{3, 232, 3, 231, 0, 28, 0, 0}, g.bytes(20)...)))
	case 7: // ARP for another's address
		arp := append([]byte{0, 1, 8, 0, 6, 4, 0, 2}, own...)
		return ethernet(victim, own, 0x0806, slices.Concat(arp, to.AsSlice(), victim, to.AsSlice(), make([]byte, 18)))
	case 8: // an answer that nobody asked for
		return ethernet(victim, own, 0x0800, ipv4(from, to, icmp, 0, append([]byte{0, 0, 0, 0}, g.bytes(20)...)))
	}
	return ethernet(victim, own, 0x86dd, g.bytes(g.IntN(80)))
}

func (g garbage) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func hardware(s string) net.HardwareAddr {
	mac, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return mac
}

func ethernet(to, from net.HardwareAddr, ethType uint16, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16(slices.Concat(to, from), ethType), payload...)
}

// ipv4 makes a packet; offset counts eight bytes.
func ipv4(from, to netip.Addr, proto byte, offset uint16, payload []byte) []byte {
	h := make([]byte, 20, 20+len(payload))
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(h[6:], offset)
	copy(h[12:], from.AsSlice())
	copy(h[16:], to.AsSlice())
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	return append(h, payload...)
}

// TestEqualConnectionsInTwoNetworksAreTwo has guests with the same addresses in
// two networks hold the same conversation, from the same port to the same port.
func TestEqualConnectionsInTwoNetworksAreTwo(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	var talks []*Conversation
	var rules []string
	for _, name := range []string{"red", "blue"} {
		n := c.Network(Attributes{"name": name})
		s := c.Subnet(n, "10.0.0.0/24")
		group := c.SecurityGroup(name)
		at := func(host, who, ip string) Guest {
			return c.Plug(host, name+who, c.Port(n, Attributes{
				"name": name + who, "security_groups": []string{group},
				"fixed_ips": []Attributes{{"subnet_id": s.ID, "ip_address": ip}},
			}))
		}
		client, server := at("hv1", "client", "10.0.0.11"), at("hv2", "server", "10.0.0.12")
		c.Echo(server, 80)
		if c.Answers(client, server, "tcp", 80, 4) {
			t.Fatalf("%s: answers without a rule", name)
		}
		rules = append(rules, c.Rule("hv2", group, Attributes{"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}))
		talks = append(talks, c.ConverseFrom(40000, name, client, server, "tcp", 80, 4))
	}
	c.Alive(talks...)
	c.NoRule("hv2", rules[1])
	c.Cut(talks[1])
	c.Alive(talks[0])
}
