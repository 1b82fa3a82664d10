package lab

import (
	"net/netip"
	"testing"
	"time"
)

func TestPingCountsWhatIsItsOwn(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	reply := func(kind byte, id, seq byte) []byte { return []byte{kind, 0, 0, 0, 0, id, 0, seq} }
	unreachable := func(kind byte, header int, id byte) []byte {
		m := make([]byte, icmpHeader+header+icmpHeader)
		m[0], m[icmpHeader+header+5] = kind, id
		return m
	}
	for _, tc := range []struct {
		name     string
		to, from netip.Addr
		message  []byte
		want     PingResult
	}{
		{"an answer", four, four, reply(0, 7, 1), PingResult{Received: 1}},
		{"an IPv6 answer", six, six, reply(129, 7, 1), PingResult{Received: 1}},
		{"an answer for the second time", four, four, reply(0, 7, 0), PingResult{Duplicates: 1}},
		{"another program's answer", four, four, reply(0, 8, 1), PingResult{}},
		{"somebody else's answer", four, netip.MustParseAddr("192.0.2.2"), reply(0, 7, 1), PingResult{}},
		{"an answer to what was not sent", four, four, reply(0, 7, 9), PingResult{}},
		{"an unreachable host", four, netip.MustParseAddr("192.0.2.2"), unreachable(3, 20, 7), PingResult{Errors: 1}},
		{"a packet too big", six, netip.MustParseAddr("2001:db8::2"), unreachable(2, 40, 7), PingResult{Errors: 1}},
		{"another program's unreachable host", four, four, unreachable(3, 20, 8), PingResult{}},
		{"a cut message", four, four, []byte{0, 0, 0}, PingResult{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := echo{to: tc.to, id: 7, sentAt: make([]time.Time, 2), result: PingResult{Times: []time.Duration{1, 0}}}
			e.take(tc.from, tc.message)
			got := e.result
			if got.Received != tc.want.Received || got.Duplicates != tc.want.Duplicates || got.Errors != tc.want.Errors {
				t.Fatalf("%+v", got)
			}
		})
	}
}

func FuzzPingTakesAnything(f *testing.F) {
	f.Add(true, []byte{0, 0, 0, 0, 0, 7, 0, 1})
	f.Add(false, []byte{1, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, v4 bool, m []byte) {
		to := netip.MustParseAddr("2001:db8::1")
		if v4 {
			to = netip.MustParseAddr("192.0.2.1")
		}
		e := echo{to: to, id: 7, sentAt: make([]time.Time, 2), result: PingResult{Times: make([]time.Duration, 2)}}
		e.take(to, m)
	})
}

func TestRequestsHaveTheSizeOfTheWholePacket(t *testing.T) {
	for _, tc := range []struct {
		name string
		to   string
		size int
		want int
	}{
		{"IPv4 takes 20 bytes", "192.0.2.1", 1450, 1430},
		{"IPv6 takes 40 bytes", "2001:db8::1", 1450, 1410},
		{"less than the headers is the headers", "192.0.2.1", 10, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := echo{to: netip.MustParseAddr(tc.to), how: Ping{Size: tc.size}, id: 7}
			m := e.message(1)
			if len(m) != tc.want {
				t.Fatalf("%d bytes, want %d", len(m), tc.want)
			}
			if e.to.Is4() && internetChecksum(m) != 0 {
				t.Fatal("the checksum is wrong")
			}
		})
	}
}

func TestPingOnTheLoopback(t *testing.T) {
	needRoot(t)
	ns := unique("labt6")
	if err := createNetns(ns, "m", guestSysctls()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := deleteNetns(ns, "m"); err != nil {
			t.Error(err)
		}
	})
	p := &Place{Name: "p", Namespace: ns}
	for _, tc := range []struct {
		name, to string
		how      Ping
		want     PingResult
	}{
		{"IPv4", "127.0.0.1", Ping{Interval: time.Millisecond}, PingResult{Sent: 3, Received: 3}},
		{"IPv6", "::1", Ping{Interval: time.Millisecond}, PingResult{Sent: 3, Received: 3}},
		{"what is too large", "127.0.0.1", Ping{Size: 65537, DontFragment: true, Interval: time.Millisecond, Timeout: 10 * time.Millisecond}, PingResult{Sent: 3, Errors: 3}},
		{"without a route", "192.0.2.1", Ping{Count: 1, Timeout: 10 * time.Millisecond}, PingResult{Sent: 1, Errors: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := p.Ping(t.Context(), netip.MustParseAddr(tc.to), tc.how)
			if err != nil {
				t.Fatal(err)
			}
			if r.Sent != tc.want.Sent || r.Received != tc.want.Received || r.Errors != tc.want.Errors || r.Duplicates != 0 {
				t.Fatalf("%s", r)
			}
		})
	}
}
