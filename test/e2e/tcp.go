package e2e

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Serve answers connections to a TCP port of the guest with a line that says
// from which address they come, and echoes what is sent afterwards.
func (c *Cloud) Serve(g Guest, port int) {
	c.Helper()
	var l net.Listener
	c.Must(netns.Do(g.Guest.Namespace, func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	c.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
				if err != nil {
					return
				}
				fmt.Fprintln(conn, from.Addr().Unmap())
				_, _ = io.Copy(conn, conn)
			})
		}
	})
}

// Dial connects from the guest to what Serve serves, and gives the address that
// the other end sees.
func (c *Cloud) Dial(g Guest, to netip.Addr, port int) (net.Conn, netip.Addr, error) {
	var conn net.Conn
	err := netns.Do(g.Guest.Namespace, func() (err error) {
		conn, err = net.DialTimeout("tcp", netip.AddrPortFrom(to, uint16(port)).String(), time.Second)
		return err
	})
	if err != nil {
		return nil, netip.Addr{}, err
	}
	var text string
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err = fmt.Fscanln(conn, &text); err == nil {
		var seen netip.Addr
		if seen, err = netip.ParseAddr(text); err == nil {
			return conn, seen, nil
		}
	}
	conn.Close()
	return nil, netip.Addr{}, err
}

// SeenAs waits until a connection comes about, and demands which address the
// other end sees.
func (c *Cloud) SeenAs(g Guest, to netip.Addr, port int, want netip.Addr) {
	c.Helper()
	c.Eventually(fmt.Sprintf("a connection from %s to %s port %d", g.Guest.Name, to, port), func() error {
		conn, seen, err := c.Dial(g, to, port)
		if err != nil {
			return err
		}
		conn.Close()
		if seen != want {
			return fmt.Errorf("it is seen as %s, not as %s", seen, want)
		}
		return nil
	})
}

// Refused demands that no connection comes about.
func (c *Cloud) Refused(g Guest, to netip.Addr, port int) {
	c.Helper()
	if conn, seen, err := c.Dial(g, to, port); err == nil {
		conn.Close()
		c.Errorf("%s has a connection to %s port %d, seen as %s", g.Guest.Name, to, port, seen)
	}
}
