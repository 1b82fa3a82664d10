package lab

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Ping says how to ping. ping(8) itself will not do for tests: once something
// has answered, it waits for the rest only twice as long as the slowest answer
// took, and calls what comes later lost.
type Ping struct {
	// Count is the number of requests. Default 3.
	Count int
	// Interval is the pause between requests. Default 100 ms.
	Interval time.Duration
	// Size is the length of the whole IP packet in bytes. Default 84.
	Size int
	// DontFragment refuses to send packets larger than the path takes.
	DontFragment bool
	// Timeout is how long answers may take after the last request. Default 1 s.
	Timeout time.Duration
}

// PingResult counts what came back.
type PingResult struct {
	Sent, Received int
	Duplicates     int
	// Errors counts packets too large to send and ICMP errors.
	Errors int
	// Times has the round-trip time of each request, 0 without answer.
	Times []time.Duration
}

// Lost gives the number of requests without an answer.
func (r PingResult) Lost() int { return r.Sent - r.Received }

// String shows every request with its time.
func (r PingResult) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d answered, %d duplicates, %d errors:", r.Received, r.Sent, r.Duplicates, r.Errors)
	for _, t := range r.Times {
		if t == 0 {
			b.WriteString(" lost")
			continue
		}
		fmt.Fprintf(&b, " %.1fms", float64(t.Microseconds())/1000)
	}
	return b.String()
}

// ICMP types (RFC 792, RFC 4443).
const (
	echoRequest4, echoReply4, unreachable4 = 8, 0, 3
	echoRequest6, echoReply6               = 128, 129
	unreachable6, tooBig6                  = 1, 2
	icmpHeader                             = 8
)

// Ping pings an address from the place. It is no error when nothing answers:
// the result says so.
func (p *Place) Ping(ctx context.Context, to netip.Addr, how Ping) (PingResult, error) {
	how = how.complete()
	e := echo{to: to, how: how, result: PingResult{Times: make([]time.Duration, how.Count)}}
	err := inside(p.Namespace, e.open)
	if err == nil {
		err = e.run(ctx)
	}
	if err != nil {
		return e.result, fmt.Errorf("%s: ping %s: %w", p.Name, to, err)
	}
	return e.result, nil
}

func (p Ping) complete() Ping {
	if p.Count == 0 {
		p.Count = 3
	}
	if p.Interval == 0 {
		p.Interval = 100 * time.Millisecond
	}
	if p.Timeout == 0 {
		p.Timeout = time.Second
	}
	if p.Size == 0 {
		p.Size = 84
	}
	return p
}

// echo is one series of requests.
type echo struct {
	to     netip.Addr
	how    Ping
	conn   *net.IPConn
	id     uint16
	sentAt []time.Time
	result PingResult
}

// open opens the socket in the calling thread's namespace.
func (e *echo) open() error {
	network, level, option, value := "ip4:icmp", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO
	if e.to.Is6() {
		network, level, option, value = "ip6:ipv6-icmp", unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO
	}
	var b [2]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	e.id = binary.BigEndian.Uint16(b[:])
	c, err := net.ListenIP(network, nil)
	if err != nil {
		return err
	}
	e.conn = c
	if !e.how.DontFragment {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return errors.Join(err, c.Close())
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, value) })
	if err = errors.Join(err, set); err != nil {
		return errors.Join(err, c.Close())
	}
	return nil
}

// run sends the requests and reads answers in between.
func (e *echo) run(ctx context.Context) error {
	defer e.conn.Close()
	next := time.Now()
	for n := range e.how.Count {
		if err := e.send(n); err != nil {
			return err
		}
		next = next.Add(e.how.Interval)
		until := next
		if n == e.how.Count-1 {
			until = time.Now().Add(e.how.Timeout)
		}
		if err := e.read(ctx, until, n == e.how.Count-1); err != nil {
			return err
		}
	}
	return nil
}

// message makes an echo request; IPv6 sockets fill in the checksum themselves.
func (e *echo) message(seq int) []byte {
	header := 20 // IPv4 without options
	if e.to.Is6() {
		header = 40
	}
	m := make([]byte, max(e.how.Size-header, icmpHeader))
	m[0] = echoRequest4
	if e.to.Is6() {
		m[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(m[4:], e.id)
	binary.BigEndian.PutUint16(m[6:], uint16(seq))
	if e.to.Is4() {
		binary.BigEndian.PutUint16(m[2:], internetChecksum(m))
	}
	return m
}

// internetChecksum is that of RFC 1071.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func (e *echo) send(seq int) error {
	e.sentAt = append(e.sentAt, time.Now())
	e.result.Sent++
	_, err := e.conn.WriteToIP(e.message(seq), &net.IPAddr{IP: e.to.AsSlice()})
	for _, refusal := range []syscall.Errno{unix.EMSGSIZE, unix.ENETUNREACH, unix.EHOSTUNREACH} {
		if errors.Is(err, refusal) {
			e.result.Errors++
			return nil
		}
	}
	return err
}

// read takes answers until that time, and when it is the last look only until
// every request has been answered or refused.
func (e *echo) read(ctx context.Context, until time.Time, last bool) error {
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	if err := e.conn.SetReadDeadline(until); err != nil {
		return err
	}
	buf := make([]byte, 1<<16)
	for !last || e.result.Received+e.result.Errors < e.result.Sent {
		n, from, err := e.conn.ReadFromIP(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		source, _ := netip.AddrFromSlice(from.IP)
		e.take(source.Unmap(), buf[:n])
	}
	return nil
}

// take counts what one ICMP message says about the requests. A raw socket
// sees the messages of all programs in the namespace.
func (e *echo) take(from netip.Addr, m []byte) {
	if len(m) < icmpHeader {
		return
	}
	reply, unreachable, inner := byte(echoReply4), m[0] == unreachable4, icmpHeader+20
	if e.to.Is6() {
		reply, unreachable, inner = echoReply6, m[0] == unreachable6 || m[0] == tooBig6, icmpHeader+40
	}
	switch {
	case unreachable && len(m) >= inner+icmpHeader && binary.BigEndian.Uint16(m[inner+4:]) == e.id:
		e.result.Errors++
	case m[0] == reply && from == e.to && binary.BigEndian.Uint16(m[4:]) == e.id:
		seq := int(binary.BigEndian.Uint16(m[6:]))
		switch {
		case seq >= len(e.sentAt):
			return
		case e.result.Times[seq] != 0:
			e.result.Duplicates++
		default:
			e.result.Times[seq] = max(time.Since(e.sentAt[seq]), 1)
			e.result.Received++
		}
	}
}
