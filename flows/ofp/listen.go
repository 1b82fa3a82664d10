package ofp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// maxHandshakes bounds the connections that are shaking hands at a time;
// further ones are closed at once, and their switches try again.
const maxHandshakes = 256

// Listener accepts the switches that have Lepton as their controller.
type Listener struct {
	ln  net.Listener
	log *zap.Logger
}

// Listen listens on a TCP address such as 127.0.0.1:6633.
func Listen(ctx context.Context, address string, log *zap.Logger) (*Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for switches on %s: %w", address, err)
	}
	return &Listener{ln: ln, log: log}, nil
}

// Addr is the address that the listener listens on.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Serve accepts switches until ctx ends. Each one shakes hands by itself,
// within 5 seconds, and is then given to handle in a goroutine of its own
// together with its datapath id. The connection is closed when handle returns.
// Serve closes the listener, waits for all handlers, and returns nil; ctx ends
// the handlers too.
func (l *Listener) Serve(ctx context.Context, handle func(ctx context.Context, dpid uint64, c *Conn)) error {
	stop := context.AfterFunc(ctx, func() { l.ln.Close() })
	defer stop()
	var handlers sync.WaitGroup
	defer handlers.Wait()
	shaking := make(chan struct{}, maxHandshakes)
	for wait := time.Duration(0); ; {
		nc, err := l.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			return nil
		}
		if err != nil {
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			l.log.Warn("accept switch", zap.Error(err), zap.Duration("retry", wait))
			sleep(ctx, wait/2+rand.N(wait/2))
			continue
		}
		wait = 0
		select {
		case shaking <- struct{}{}:
		default:
			l.log.Warn("refuse switch: too many are connecting", zap.Stringer("peer", nc.RemoteAddr()))
			nc.Close()
			continue
		}
		handlers.Go(func() { l.serve(ctx, nc, shaking, handle) })
	}
}

// serve runs one connection.
func (l *Listener) serve(ctx context.Context, nc net.Conn, shaking chan struct{}, handle func(context.Context, uint64, *Conn)) {
	c, err := NewConn(ctx, nc)
	<-shaking
	if err != nil {
		l.log.Warn("refuse switch", zap.Stringer("peer", nc.RemoteAddr()), zap.Error(err))
		return
	}
	defer c.Close()
	handle(ctx, c.Features().DatapathID, c)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
