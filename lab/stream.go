package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Flow describes a stream of numbered UDP packets between two places.
type Flow struct {
	From, To *Place
	Address  netip.AddrPort // the receiver's; it must be one of To's addresses
	// Interval is the pause between packets. Default 1 ms.
	Interval time.Duration
	// Size is the length of the UDP payload in bytes, at least 8. Default 64.
	Size int
}

// StreamResult counts a stream's packets.
type StreamResult struct {
	Sent, Received int
	Duplicates     int
	Reordered      int           // arrived after a later one
	LongestGap     time.Duration // between two arrivals
	// SendErrors counts packets that the sender's own kernel refused.
	SendErrors int
}

// Lost gives the number of packets that were sent and never arrived.
func (r StreamResult) Lost() int { return r.Sent - r.Received }

// Stream is a stream that is under way.
type Stream struct {
	in, out  *net.UDPConn
	flow     Flow
	stop     chan struct{}
	done     sync.WaitGroup
	sent     int
	errors   int
	received StreamResult
}

// StartStream starts a stream and returns when its first packet has arrived,
// so that what is counted from then on is the path and not its beginning.
func StartStream(ctx context.Context, f Flow) (*Stream, error) {
	if f.Interval == 0 {
		f.Interval = time.Millisecond
	}
	f.Size = max(f.Size, 64)
	s := &Stream{flow: f, stop: make(chan struct{})}
	err := inside(f.To.Namespace, func() (err error) {
		s.in, err = listenUDP(f.Address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("stream to %s: listen in %s: %w", f.Address, f.To.Name, err)
	}
	err = holdMuch(s.in)
	if err == nil {
		err = inside(f.From.Namespace, func() (err error) {
			s.out, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(f.Address))
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stream to %s: send from %s: %w", f.Address, f.From.Name, err), s.in.Close())
	}
	if err := s.first(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("stream from %s to %s: %w", f.From.Name, f.Address, err), s.in.Close(), s.out.Close())
	}
	s.done.Add(2)
	go s.receive()
	go s.send()
	return s, nil
}

// holdMuch gives the receiver a buffer of 8 MiB, whatever the machine's limit
// for users is: one that waits for the processor must not count as a lossy
// path.
func holdMuch(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, muchHeld) })
	return errors.Join(err, set)
}

// first sends packets with number 0, which are not counted, until one arrives.
func (s *Stream) first(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("no packet arrived in 10 s"))
	defer cancel()
	buf := make([]byte, 1<<16)
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		_, _ = s.out.Write(make([]byte, s.flow.Size)) // a refusal shows as silence
		if err := s.in.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return false, err
		}
		_, err := s.in.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	return s.in.SetReadDeadline(time.Time{})
}

func (s *Stream) send() {
	defer s.done.Done()
	buf := make([]byte, s.flow.Size)
	tick := time.NewTicker(s.flow.Interval)
	defer tick.Stop()
	for n := uint64(1); ; n++ {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		binary.BigEndian.PutUint64(buf, n)
		if _, err := s.out.Write(buf); err != nil {
			s.errors++
		}
		s.sent++
	}
}

func (s *Stream) receive() {
	defer s.done.Done()
	buf := make([]byte, 1<<16)
	seen := map[uint64]bool{}
	var highest uint64
	var last time.Time
	for {
		n, err := s.in.Read(buf)
		if err != nil {
			return // Stop sets the deadline
		}
		number := binary.BigEndian.Uint64(buf[:max(n, 8)])
		if number == 0 {
			continue
		}
		now := time.Now()
		if !last.IsZero() {
			s.received.LongestGap = max(s.received.LongestGap, now.Sub(last))
		}
		last = now
		switch {
		case seen[number]:
			s.received.Duplicates++
			continue
		case number < highest:
			s.received.Reordered++
		}
		seen[number], highest = true, max(highest, number)
		s.received.Received++
	}
}

// Stop ends the sending, waits half a second for packets that are under way,
// and gives the counts.
func (s *Stream) Stop() (StreamResult, error) {
	close(s.stop)
	deadline := s.in.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	s.done.Wait()
	r := s.received
	r.Sent, r.SendErrors = s.sent, s.errors
	return r, errors.Join(deadline, s.in.Close(), s.out.Close())
}

// listenUDP opens a socket that the stream before may have had: a program that is
// being started holds it for a moment longer than this one, until its exec.
func listenUDP(address netip.AddrPort) (conn *net.UDPConn, err error) {
	for range 50 {
		if conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(address)); !errors.Is(err, unix.EADDRINUSE) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return conn, err
}
