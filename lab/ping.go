package lab

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"time"
)

// Ping says how to ping.
type Ping struct {
	// Count is the number of requests. Default 3.
	Count int
	// Interval is the pause between requests. Default 100 ms.
	Interval time.Duration
	// Size is the length of the whole IP packet in bytes; 0: ping's usual one.
	Size int
	// DontFragment refuses to send packets larger than the path takes.
	DontFragment bool
	// Timeout is how long to wait for an answer. Default 1 s.
	Timeout time.Duration
}

// PingResult counts what came back.
type PingResult struct {
	Sent, Received int
	Duplicates     int
	Errors         int // ICMP errors, or packets too large to send
	Output         string
}

// Lost gives the number of requests without an answer.
func (r PingResult) Lost() int { return r.Sent - r.Received }

// args gives ping(8)'s arguments.
func (p Ping) args(to netip.Addr) []string {
	if p.Count == 0 {
		p.Count = 3
	}
	if p.Interval == 0 {
		p.Interval = 100 * time.Millisecond
	}
	if p.Timeout == 0 {
		p.Timeout = time.Second
	}
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
	argv := []string{"ping", "-n", "-c", strconv.Itoa(p.Count), "-i", seconds(p.Interval), "-W", seconds(p.Timeout)}
	if p.Size != 0 {
		header := 20 + 8 // IPv4 and ICMP (RFC 791, RFC 792)
		if to.Is6() {
			header = 40 + 8 // IPv6 and ICMPv6 (RFC 8200, RFC 4443)
		}
		argv = append(argv, "-s", strconv.Itoa(p.Size-header))
	}
	if p.DontFragment {
		argv = append(argv, "-M", "do")
	}
	return append(argv, to.String())
}

// Ping pings an address from the place. It is no error when nothing answers:
// the result says so.
func (p *Place) Ping(ctx context.Context, to netip.Addr, how Ping) (PingResult, error) {
	out, err := p.Exec(ctx, how.args(to)...)
	r, parseErr := parsePing(out)
	if parseErr == nil {
		return r, nil
	}
	// ping exits 1 for no answer, and 2 for anything else.
	if code, ran := ExitCode(err); ran && code == 2 && how.DontFragment {
		return PingResult{Errors: 1, Output: out}, nil
	}
	if err == nil {
		err = parseErr
	}
	return r, fmt.Errorf("ping %s: %w", to, err)
}

var pingSummary = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?(?:, \+(\d+) errors)?`)

// parsePing reads the summary that ping(8) of iputils prints.
func parsePing(out string) (PingResult, error) {
	m := pingSummary.FindStringSubmatch(out)
	if m == nil {
		return PingResult{}, fmt.Errorf("no summary in the output of ping: %q", out)
	}
	r := PingResult{Output: out}
	for i, dst := range []*int{&r.Sent, &r.Received, &r.Duplicates, &r.Errors} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return PingResult{}, fmt.Errorf("read summary of ping: %w", err)
		}
		*dst = n
	}
	return r, nil
}
