package shaping

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is two namespaces with a link between them, and two addresses at the
// near end.
type pair struct {
	t         *testing.T
	near, far string
}

const farV4 = "192.0.2.9"

var limited, free, v6 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")

func newPair(t *testing.T) pair {
	p := pair{t, linuxtest.Namespace(t), linuxtest.Namespace(t)}
	linuxtest.Run(t, p.near, "ip", "link", "add", "l0", "type", "veth", "peer", "name", "l0", "netns", p.far)
	for _, a := range []string{"192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64"} {
		p.run(p.near, "ip addr add "+a+" dev l0"+nodad(a))
	}
	p.run(p.far, "ip addr add "+farV4+"/24 dev l0")
	p.run(p.far, "ip addr add 2001:db8::9/64 dev l0 nodad")
	p.run(p.near, "ip link set l0 up")
	p.run(p.far, "ip link set l0 up")
	return p
}

func nodad(a string) string {
	if strings.Contains(a, ":") {
		return " nodad"
	}
	return ""
}

func (p pair) run(ns, line string) string {
	p.t.Helper()
	return linuxtest.Run(p.t, ns, strings.Fields(line)...)
}

func (p pair) apply(l Link) []string {
	p.t.Helper()
	l.Name, l.Ifb, l.Owner = "l0", "ifb-l0", "lepton test"
	done, err := Apply(p.near, []Link{l})
	if err != nil {
		p.t.Fatal(err)
	}
	again, err := Apply(p.near, []Link{l})
	if err != nil || len(again) > 0 {
		p.t.Fatalf("applied again it writes %q, %v", again, err)
	}
	return done
}

// rate sends for a while and gives what arrives in bit/s, the first moments
// apart.
func (p pair) rate(from, to string, local netip.Addr, remote string) float64 {
	p.t.Helper()
	return p.rateFor(time.Second, from, to, local, remote)
}

// unlimited demands that much more passes than any limit here lets.
func (p pair) unlimited(what, from, to string, local netip.Addr, remote string) {
	p.t.Helper()
	if got := p.rateFor(200*time.Millisecond, from, to, local, remote); got < 100e6 {
		p.t.Errorf("%s passes at %.2f Mbit/s", what, got/1e6)
	}
}

func (p pair) rateFor(window time.Duration, from, to string, local netip.Addr, remote string) float64 {
	p.t.Helper()
	var l net.Listener
	err := netns.Do(to, func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(remote, "0"))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	var c net.Conn
	err = netns.Do(from, func() (err error) {
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: local.AsSlice()}}
		c, err = d.Dial("tcp", l.Addr().String())
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		block := make([]byte, 16<<10)
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}()
	s, err := l.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	count := func(d time.Duration) (n int) {
		for _ = s.SetReadDeadline(time.Now().Add(d)); ; {
			k, err := s.Read(buf)
			n += k
			if err != nil {
				return n
			}
		}
	}
	count(window / 2)
	began := time.Now()
	n := count(window)
	took := time.Since(began)
	c.Close()
	s.Close()
	<-sent
	return float64(n) * 8 / took.Seconds()
}

// about demands that a rate is that of the limit, headers apart. A busy machine
// may hold a measurement up, but not each of three.
func (p pair) about(what string, rate func() float64, want float64) {
	p.t.Helper()
	var got float64
	for range 3 {
		if got = rate(); got > 0.8*want && got < 1.2*want {
			return
		}
	}
	p.t.Errorf("%s passes at %.2f Mbit/s, the limit is %.2f", what, got/1e6, want/1e6)
}

// sending measures again each time.
func (p pair) sending(from, to string, local netip.Addr, remote string) func() float64 {
	return func() float64 { return p.rate(from, to, local, remote) }
}

func TestOneAddressIsLimitedInEachDirection(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.apply(Link{
		Out: Direction{Classes: []Class{{Minor: 7, Rate: 10e6, Addresses: []netip.Addr{limited}}}},
		In:  Direction{Classes: []Class{{Minor: 7, Rate: 20e6, Addresses: []netip.Addr{limited}}}},
	})
	p.about("what leaves", p.sending(p.near, p.far, limited, farV4), 10e6)
	p.about("what arrives", p.sending(p.far, p.near, netip.MustParseAddr(farV4), limited.String()), 20e6)
	p.unlimited("what leaves from another address", p.near, p.far, free, farV4)
	p.unlimited("what arrives for another address", p.far, p.near, netip.MustParseAddr(farV4), free.String())
	// A new limit, and none, while a queue may hold packets.
	p.apply(Link{Out: Direction{Classes: []Class{{Minor: 7, Rate: 40e6, Addresses: []netip.Addr{limited}}}}})
	p.about("what leaves by the new limit", p.sending(p.near, p.far, limited, farV4), 40e6)
	p.unlimited("what arrives without a limit", p.far, p.near, netip.MustParseAddr(farV4), limited.String())
	if links := p.run(p.near, "ip -br link"); strings.Contains(links, "ifb") {
		t.Errorf("left behind: %s", links)
	}
	p.apply(Link{})
	if q := p.run(p.near, "tc qdisc show dev l0"); strings.Contains(q, "htb") || strings.Contains(q, "ingress") {
		t.Errorf("left behind: %s", q)
	}
}

func TestALimitForAllSparesExemptAddressesAndNeighbourDiscovery(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	rest := func(rate uint64) Direction {
		return Direction{Exempt: []netip.Addr{free}, Classes: []Class{{Minor: 9, Rate: rate}}}
	}
	p.apply(Link{Out: rest(10e6), In: rest(20e6)})
	p.about("what leaves", p.sending(p.near, p.far, limited, farV4), 10e6)
	p.about("IPv6 that leaves", p.sending(p.near, p.far, v6, "2001:db8::9"), 10e6)
	p.about("IPv6 that arrives", p.sending(p.far, p.near, netip.MustParseAddr("2001:db8::9"), v6.String()), 20e6)
	p.unlimited("what leaves from the exempt address", p.near, p.far, free, farV4)
	p.unlimited("what arrives for the exempt address", p.far, p.near, netip.MustParseAddr(farV4), free.String())
	before := p.run(p.near, "tc -s class show dev l0")
	p.run(p.near, "ip neigh flush dev l0")
	p.run(p.near, "ping -c 1 -W 2 -I 2001:db8::1 2001:db8::9")
	after := p.run(p.near, "tc -s class show dev l0")
	if packetsOf(t, after)-packetsOf(t, before) != 1 {
		t.Errorf("more than the ping was counted:\n%s\n%s", before, after)
	}
}

// packetsOf reads the packets of the first class.
func packetsOf(t *testing.T, show string) int {
	t.Helper()
	f := strings.Fields(show)
	for i, w := range f {
		if w == "pkt" {
			var n int
			for _, d := range f[i-1] {
				n = 10*n + int(d-'0')
			}
			return n
		}
	}
	t.Fatalf("no packets in %q", show)
	return 0
}

func TestOnlyTheDifferenceIsWritten(t *testing.T) {
	p := newPair(t)
	one := Class{Minor: 7, Rate: 10e6, Addresses: []netip.Addr{limited}}
	two := Class{Minor: 8, Rate: 10e6, Burst: 1 << 20, Addresses: []netip.Addr{free, v6}}
	p.apply(Link{Out: Direction{Classes: []Class{one}}})
	got := strings.Join(p.apply(Link{Out: Direction{Classes: []Class{one, two}}}), "\n")
	if !strings.Contains(got, "classid 1e:8") || strings.Contains(got, "1e:7") || strings.Count(got, "filter add") != 2 {
		t.Errorf("a second limit writes\n%s", got)
	}
	one.Rate = 20e9 * 2 // above 2^32 bytes a second
	if got := p.apply(Link{Out: Direction{Classes: []Class{one, two}}}); len(got) != 1 || !strings.Contains(got[0], "classid 1e:7") {
		t.Errorf("another rate writes %q", got)
	}
	two.Addresses = []netip.Addr{v6}
	if got := p.apply(Link{Out: Direction{Classes: []Class{one, two}}}); len(got) != 1 || !strings.Contains(got[0], "filter del") {
		t.Errorf("one address less writes %q", got)
	}
	if got := strings.Join(p.apply(Link{Out: Direction{Classes: []Class{two}}}), "\n"); !strings.HasSuffix(got, "class del dev l0 classid 1e:7") {
		t.Errorf("one limit less writes\n%s", got)
	}
}

func TestAQdiscOfSomebodyElseStays(t *testing.T) {
	p := newPair(t)
	p.run(p.near, "tc qdisc add dev l0 root handle 77: tbf rate 1gbit burst 100k latency 50ms")
	_, err := Apply(p.near, []Link{{Name: "l0", Ifb: "ifb-l0", Out: Direction{Classes: []Class{{Minor: 7, Rate: 10e6, Addresses: []netip.Addr{limited}}}}}})
	if err == nil || !strings.Contains(err.Error(), "tbf 77: is somebody else's") {
		t.Errorf("error %v", err)
	}
	if _, err := Apply(p.near, []Link{{Name: "l0", Ifb: "ifb-l0"}}); err != nil {
		t.Error(err)
	}
	if q := p.run(p.near, "tc qdisc show dev l0"); !strings.Contains(q, "tbf 77:") {
		t.Errorf("qdiscs: %s", q)
	}
}
