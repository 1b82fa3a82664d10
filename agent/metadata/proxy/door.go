package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Bounds on connections at once. A guest that keeps its own open for nothing
// takes them from no other.
const (
	maxOfAddress = 16
	maxOfScope   = 512
	maxOfAll     = 4096
)

// Delays of the watch over a namespace.
const (
	lookFirst = 100 * time.Millisecond // for one that is not there, doubled up to
	lookMax   = 2 * time.Second
	lookOpen  = 2 * time.Second // whether it is still the same
)

// door is the listening socket of a scope: it opens when the namespace is there,
// and opens anew when that was made anew.
type door struct {
	name string
	log  *zap.Logger
	// serve hands the listener to the HTTP server; it returns when that is closed.
	serve func(net.Listener)
	total *atomic.Int64 // connections of all doors
	// refused is told of connections that are not served.
	refused func()

	scope atomic.Pointer[Scope]
	index atomic.Pointer[index]
	open  atomic.Bool

	mu    sync.Mutex
	conns map[netip.Addr]int
	count int
	ns    string
	links map[int]string
}

// take makes a scope the door's.
func (d *door) take(s *Scope) {
	d.scope.Store(s)
	d.index.Store(newIndex(s))
}

// identity tells a namespace from a later one of the same name.
type identity struct {
	name     string
	dev, ino uint64
}

func identify(name string) (identity, error) {
	st, err := os.Stat(netns.Path(name))
	if err != nil {
		return identity{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, errors.New("no inode")
	}
	return identity{name, sys.Dev, sys.Ino}, nil
}

// namespace finds the scope's namespace.
func (s *Scope) namespace() (identity, error) {
	if name, _ := netns.Own(s.Owner, s.Namespaces...); name != "" {
		return identify(name)
	}
	return identity{}, fmt.Errorf("network namespace %s: %w", s.Namespaces[0], netns.ErrNotExist)
}

// run keeps the door open until ctx is done.
func (d *door) run(ctx context.Context) {
	var (
		wait     = lookFirst
		told     string
		serving  sync.WaitGroup
		listener net.Listener
		at       identity
		port     int
	)
	defer serving.Wait()
	shut := func() {
		if listener != nil {
			_ = listener.Close()
			listener = nil
			d.open.Store(false)
		}
	}
	defer shut()
	for {
		s := d.scope.Load()
		now, err := s.namespace()
		if listener != nil && (err != nil || now != at || port != s.Port) {
			shut()
		}
		if listener == nil && err == nil {
			if listener, err = d.listen(ctx, now.name, s.Port); err == nil {
				at, port, wait, told = now, s.Port, lookFirst, ""
				l := listener
				serving.Go(func() { d.serve(l) })
				d.open.Store(true)
				d.log.Info("serves", zap.String("scope", d.name), zap.String("namespace", now.name), zap.Int("port", s.Port))
			}
		}
		pause := lookOpen
		if err != nil {
			pause, wait = wait/2+rand.N(wait/2), min(2*wait, lookMax)
			if text := err.Error(); text != told && !errors.Is(err, netns.ErrNotExist) {
				told = text
				d.log.Warn("does not serve", zap.String("scope", d.name), zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// listen opens the socket, for both IP versions where there are both.
func (d *door) listen(ctx context.Context, ns string, port int) (net.Listener, error) {
	lc := net.ListenConfig{Control: tellArrival}
	lc.SetMultipathTCP(false) // it tells no arrival
	var l net.Listener
	err := netns.Do(ns, func() (err error) {
		l, err = lc.Listen(ctx, "tcp", fmt.Sprintf("[::]:%d", port))
		if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) {
			l, err = lc.Listen(ctx, "tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.ns, d.links = ns, nil
	d.mu.Unlock()
	return &listener{l.(*net.TCPListener), d}, nil
}

// listener accepts the connections that the bounds allow.
type listener struct {
	*net.TCPListener
	door *door
}

// Accept gives the next connection, a *guestConn.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		if g := l.door.admit(c); g != nil {
			return g, nil
		}
		l.door.refused()
		_ = c.SetLinger(0) // nothing is kept of it
		_ = c.Close()
	}
}

// guestConn is a connection of a guest.
type guestConn struct {
	*net.TCPConn
	door   *door
	source netip.Addr // without zone
	link   string     // by which it came; "" when that is not known
	once   sync.Once
}

// admit counts a connection, unless it is one too many or at an address where
// nobody is served.
func (d *door) admit(c *net.TCPConn) *guestConn {
	remote, ok1 := c.RemoteAddr().(*net.TCPAddr)
	local, ok2 := c.LocalAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		return nil
	}
	source := remote.AddrPort().Addr().WithZone("").Unmap()
	if at := d.scope.Load().Addresses; len(at) > 0 && !slices.Contains(at, local.AddrPort().Addr().WithZone("").Unmap()) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns[source] >= maxOfAddress || d.count >= maxOfScope || d.total.Load() >= maxOfAll {
		return nil
	}
	if d.conns == nil {
		d.conns = map[netip.Addr]int{}
	}
	d.conns[source]++
	d.count++
	d.total.Add(1)
	return &guestConn{TCPConn: c, door: d, source: source, link: d.linkOf(arrival(c, source.Is6()))}
}

// linkOf names a link by its index. The door's mutex is held.
func (d *door) linkOf(i int) string {
	if i == 0 {
		return ""
	}
	name, known := d.links[i]
	if !known {
		if links, err := linkNames(d.ns); err == nil {
			d.links = links
			name = links[i]
		}
	}
	return name
}

// Close ends the connection.
func (c *guestConn) Close() error {
	c.once.Do(func() {
		d := c.door
		d.mu.Lock()
		defer d.mu.Unlock()
		d.total.Add(-1)
		d.count--
		if d.conns[c.source]--; d.conns[c.source] == 0 {
			delete(d.conns, c.source)
		}
	})
	return c.TCPConn.Close()
}
