package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParsePing(t *testing.T) {
	for _, tc := range []struct {
		name, out string
		want      PingResult
		bad       bool
	}{
		{"all came back", "x\n3 packets transmitted, 3 received, 0% packet loss, time 2ms\n", PingResult{Sent: 3, Received: 3}, false},
		{"duplicates are counted", "3 packets transmitted, 3 received, +2 duplicates, 0% packet loss", PingResult{Sent: 3, Received: 3, Duplicates: 2}, false},
		{"errors are counted", "2 packets transmitted, 0 received, +2 errors, 100% packet loss", PingResult{Sent: 2, Errors: 2}, false},
		{"no summary is an error", "ping: connect: Network is unreachable", PingResult{}, true},
		{"an absurd number is an error", "99999999999999999999 packets transmitted, 0 received", PingResult{}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parsePing(tc.out)
			if !tc.bad {
				tc.want.Output = tc.out
			}
			if (err != nil) != tc.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func FuzzParsePing(f *testing.F) {
	f.Add("3 packets transmitted, 3 received, +2 duplicates, +1 errors, 0% packet loss")
	f.Fuzz(func(_ *testing.T, out string) { _, _ = parsePing(out) })
}

func TestPingSizesAreThoseOfTheWholePacket(t *testing.T) {
	for _, tc := range []struct {
		name string
		how  Ping
		to   string
		want string
	}{
		{"the default is three quick ones", Ping{}, "10.0.0.1", "ping -n -c 3 -i 0.100 -W 1.000 10.0.0.1"},
		{"IPv4 has 28 bytes of headers", Ping{Size: 1450, DontFragment: true, Count: 1}, "10.0.0.1", "ping -n -c 1 -i 0.100 -W 1.000 -s 1422 -M do 10.0.0.1"},
		{"IPv6 has 48 bytes of headers", Ping{Size: 1450, Timeout: 2 * time.Second}, "fd00::1", "ping -n -c 3 -i 0.100 -W 2.000 -s 1402 fd00::1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(tc.how.args(netip.MustParseAddr(tc.to)), " ")
			if got != tc.want {
				t.Fatalf("%s\nwant %s", got, tc.want)
			}
		})
	}
}
