package ofp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of a connection's end.
var (
	// ErrClosed is the error of a connection that Close ended.
	ErrClosed = errors.New("connection closed")
	// ErrSilent is the error of a connection whose peer answered nothing.
	ErrSilent = errors.New("switch does not answer")
	// ErrVersion is the error of a peer that does not speak OpenFlow 1.5.
	ErrVersion = errors.New("peer does not speak OpenFlow 1.5")
)

// Times and bounds of a connection.
const (
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 5 * time.Second  // without a word from the switch before an echo request
	silenceTimeout   = 10 * time.Second // without a word before the connection is given up
	writeQueue       = 256              // buffers
	eventQueue       = 1024             // events
	readBuffer       = 64 << 10         // bytes
	maxGather        = 64               // buffers in one write
)

// settings are the times and bounds that tests shorten.
type settings struct {
	idle, silence time.Duration
	events        int
}

var defaults = settings{idle: idleTimeout, silence: silenceTimeout, events: eventQueue}

// Conn is a connection to a switch. Its methods may be called from any
// goroutine. All of them end with the connection, and with their context.
type Conn struct {
	nc       net.Conn
	settings settings
	features Features
	in       *bufio.Reader
	out      chan []byte
	calls    pending
	bundles  atomic.Uint32
	events   chan Event
	dropped  atomic.Uint64
	heard    atomic.Int64 // when the switch last said something, Unix nanoseconds

	once    sync.Once
	err     error // set before done is closed
	done    chan struct{}
	workers sync.WaitGroup
}

// Dial connects to a switch: network "unix" and the path of a bridge's
// management socket, or "tcp" and an address. The handshake takes at most 5
// seconds.
func Dial(ctx context.Context, network, address string) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to switch: %w", err)
	}
	return NewConn(ctx, nc)
}

// NewConn makes a Conn of an established connection: it exchanges hellos, asks
// for the features and for asynchronous messages, within 5 seconds. On an
// error nc is closed.
func NewConn(ctx context.Context, nc net.Conn) (*Conn, error) { return newConn(ctx, nc, defaults) }

func newConn(ctx context.Context, nc net.Conn, s settings) (*Conn, error) {
	c := &Conn{
		nc: nc, settings: s,
		out:    make(chan []byte, writeQueue),
		events: make(chan Event, s.events),
		done:   make(chan struct{}),
	}
	l := &liveReader{c: c}
	c.in = bufio.NewReaderSize(l, readBuffer)
	if err := c.handshake(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	l.live = true
	c.heard.Store(time.Now().UnixNano())
	c.workers.Add(2)
	go c.read()
	go c.write()
	return c, nil
}

// Features is what the switch said of itself, its datapath id above all.
func (c *Conn) Features() Features { return c.features }

// Done is closed when the connection has ended; Err says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is nil as long as the connection is good.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close ends the connection and waits for its goroutines.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.workers.Wait()
	return nil
}

// fail ends the connection for a reason; the first one counts.
func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
		c.nc.Close()
	})
}

// handshake runs before the goroutines start.
func (c *Conn) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := c.shakeHands()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("shake hands with switch: %w", err)
	}
	return nil
}

func (c *Conn) shakeHands() error {
	if _, err := c.nc.Write(appendHello(nil, c.calls.reserve(1))); err != nil {
		return err
	}
	msg, err := readMessage(c.in)
	if err != nil {
		return err
	}
	hello, err := DecodeHello(msg)
	if err != nil {
		return err
	}
	if !hello.Speaks() {
		refuse := Error{XID: hello.XID, Type: errorHelloFailed, Code: codeIncompatible, Data: []byte(ErrVersion.Error())}
		if _, err := c.nc.Write(appendError(nil, refuse)); err != nil {
			return err
		}
		return ErrVersion
	}
	xid := c.calls.reserve(3)
	ask := appendEmpty(nil, typeFeaturesRequest, xid)
	ask = appendSetConfig(ask, xid+1)
	ask = appendPacketInFormat(ask, xid+2)
	if _, err := c.nc.Write(ask); err != nil {
		return err
	}
	return c.awaitFeatures(xid)
}

// awaitFeatures reads until the answer to the features request. What comes
// before it is of no interest yet, except that echo requests want an answer.
func (c *Conn) awaitFeatures(xid uint32) error {
	for {
		msg, err := readMessage(c.in)
		if err != nil {
			return err
		}
		h, err := DecodeHeader(msg)
		if err != nil {
			return err
		}
		switch {
		case h.Type == typeEchoRequest:
			if _, err := c.nc.Write(appendEmpty(nil, typeEchoReply, h.XID, msg[headerLen:]...)); err != nil {
				return err
			}
		case h.Type == typeError && h.XID <= xid:
			e, err := DecodeError(msg)
			if err != nil {
				return err
			}
			return e
		case h.Type == typeFeaturesReply:
			c.features, err = DecodeFeatures(msg)
			return err
		}
	}
}

// readMessage reads one whole message into a slice of its own.
func readMessage(in *bufio.Reader) ([]byte, error) {
	head, err := in.Peek(headerLen)
	if err != nil {
		return nil, err
	}
	h, err := DecodeHeader(head)
	if err != nil {
		return nil, err
	}
	msg := make([]byte, h.Length)
	_, err = io.ReadFull(in, msg)
	return msg, err
}

// liveReader reads from the connection. Once the handshake, which has a
// deadline of its own, is over, it notes when something came, and a silence
// that lasts too long is an error.
type liveReader struct {
	c    *Conn
	live bool
}

func (l *liveReader) Read(b []byte) (int, error) {
	if !l.live {
		return l.c.nc.Read(b)
	}
	if err := l.c.nc.SetReadDeadline(time.Now().Add(l.c.settings.silence)); err != nil {
		return 0, err
	}
	n, err := l.c.nc.Read(b)
	if n > 0 {
		l.c.heard.Store(time.Now().UnixNano())
	}
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		err = fmt.Errorf("%w for %s", ErrSilent, l.c.settings.silence)
	}
	return n, err
}

// read is the reader goroutine. It owns the events channel's sending side.
func (c *Conn) read() {
	defer c.workers.Done()
	defer close(c.events)
	for {
		msg, err := readMessage(c.in)
		if err != nil {
			c.fail(fmt.Errorf("read from switch: %w", err))
			return
		}
		h, err := DecodeHeader(msg)
		if err != nil || h.Version != Version {
			c.fail(fmt.Errorf("read from switch: version %d: %w", h.Version, ErrMalformed))
			return
		}
		c.dispatch(h, msg)
	}
}

// dispatch never blocks.
func (c *Conn) dispatch(h Header, msg []byte) {
	switch h.Type {
	case typeEchoRequest:
		select {
		case c.out <- appendEmpty(nil, typeEchoReply, h.XID, msg[headerLen:]...):
		default: // so much waits to be written that the switch hears from us anyway
		}
		return
	case typeEchoReply:
		return
	case typePortStatus, typeFlowRemoved, typeExperimenter:
	default:
		if c.calls.deliver(h, msg) {
			return
		}
	}
	e, err := decodeEvent(h, msg)
	switch {
	case err != nil:
		c.dropped.Add(1)
		return
	case e == nil:
		return
	}
	select {
	case c.events <- e:
	default:
		c.dropped.Add(1)
	}
}

// write is the writer goroutine. What waits is written together. When the
// switch has been silent for a while it is asked for an echo; the reader gives
// up when that brings nothing.
func (c *Conn) write() {
	defer c.workers.Done()
	idle := time.NewTimer(c.settings.idle)
	defer idle.Stop()
	for {
		select {
		case <-c.done:
			return
		case b := <-c.out:
			if _, err := c.gather(b).WriteTo(c.nc); err != nil {
				c.fail(fmt.Errorf("write to switch: %w", err))
				return
			}
		case <-idle.C:
			silent := time.Since(time.Unix(0, c.heard.Load()))
			if silent < c.settings.idle {
				idle.Reset(c.settings.idle - silent)
				continue
			}
			if _, err := c.nc.Write(appendEmpty(nil, typeEchoRequest, c.calls.reserve(1))); err != nil {
				c.fail(fmt.Errorf("write to switch: %w", err))
				return
			}
			idle.Reset(c.settings.idle)
		}
	}
}

// gather adds what else waits to be written.
func (c *Conn) gather(b []byte) *net.Buffers {
	all := net.Buffers{b}
	for len(all) < maxGather {
		select {
		case b := <-c.out:
			all = append(all, b)
		default:
			return &all
		}
	}
	return &all
}

// send queues messages. b belongs to the connection from then on.
func (c *Conn) send(ctx context.Context, b []byte) error {
	select {
	case c.out <- b:
		return nil
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait waits for the end of a call. Without success the call is forgotten.
func (c *Conn) wait(ctx context.Context, k *call) ([][]byte, error) {
	select {
	case <-k.done:
		return k.msgs, k.err
	case <-c.done:
		c.calls.forget(k)
		return nil, c.err
	case <-ctx.Done():
		c.calls.forget(k)
		return nil, ctx.Err()
	}
}
