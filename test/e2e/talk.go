package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// impatience is how long a guest waits for an answer that may not come.
const impatience = 400 * time.Millisecond

// Echo has a guest answer on TCP and UDP ports, over IPv4 and IPv6, with what it
// hears, until the test ends.
func (c *Cloud) Echo(g Guest, ports ...int) {
	c.Helper()
	for _, port := range ports {
		for _, family := range []string{"4", "6"} {
			c.Must(g.Inside(func() error {
				l, err := net.Listen("tcp"+family, ":"+strconv.Itoa(port))
				if err != nil {
					return err
				}
				u, err := net.ListenPacket("udp"+family, ":"+strconv.Itoa(port))
				if err != nil {
					return err
				}
				c.Cleanup(func() { _ = l.Close(); _ = u.Close() })
				go answerTCP(l)
				go answerUDP(u)
				return nil
			}))
		}
	}
}

func answerTCP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 1500)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if _, err := conn.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

func answerUDP(u net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := u.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = u.WriteTo(buf[:n], from) // a guest that is gone is no error of ours
	}
}

// connect opens a conversation: network is tcp or udp. The port at this end is
// any with 0.
func connect(from Guest, network string, port int, to netip.AddrPort) (conn net.Conn, err error) {
	err = from.Inside(func() error {
		d := net.Dialer{Timeout: impatience}
		switch {
		case port > 0 && network == "tcp":
			d.LocalAddr = &net.TCPAddr{Port: port}
		case port > 0:
			d.LocalAddr = &net.UDPAddr{Port: port}
		}
		conn, err = d.Dial(network, to.String())
		return err
	})
	return conn, err
}

// Answers reports whether a guest answers another: network is tcp, udp or ping.
func (c *Cloud) Answers(from, to Guest, network string, port, family int) bool {
	c.Helper()
	return c.answersAt(from, to.IP(family), network, port)
}

// answersAt is Answers for an address, whoever has it.
func (c *Cloud) answersAt(from Guest, address netip.Addr, network string, port int) bool {
	c.Helper()
	if network == "ping" {
		return c.Ping(from, address, lab.Ping{Count: 1, Timeout: impatience}).Received > 0
	}
	conn, err := connect(from, network, 0, netip.AddrPortFrom(address, uint16(port)))
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(impatience))
	if _, err := conn.Write([]byte("?")); err != nil {
		return false
	}
	_, err = conn.Read(make([]byte, 1))
	return err == nil
}

// Conversation is a connection on which a question is asked and answered again
// and again.
type Conversation struct {
	name     string
	answered atomic.Int64
	conn     net.Conn
	done     sync.WaitGroup
}

// Converse begins a conversation over tcp or udp, which ends with the test.
func (c *Cloud) Converse(name string, from, to Guest, network string, port, family int) *Conversation {
	c.Helper()
	return c.ConverseFrom(0, name, from, to, network, port, family)
}

// ConverseFrom is Converse from a given port.
func (c *Cloud) ConverseFrom(own int, name string, from, to Guest, network string, port, family int) *Conversation {
	c.Helper()
	at := netip.AddrPortFrom(to.IP(family), uint16(port))
	conn, err := connect(from, network, own, at)
	for tries := 1; err != nil && tries < 4; tries++ { // a switch without time goes on by older flows for a moment
		conn, err = connect(from, network, own, at)
	}
	if err != nil {
		c.Fatalf("%s: %v", name, err)
	}
	v := &Conversation{name: name, conn: conn}
	v.done.Add(2)
	go v.ask()
	go v.hear()
	c.Cleanup(func() {
		_ = conn.Close()
		v.done.Wait()
	})
	c.Alive(v)
	return v
}

func (v *Conversation) ask() {
	defer v.done.Done()
	for {
		if _, err := v.conn.Write([]byte("?")); err != nil && errorIsFinal(err) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (v *Conversation) hear() {
	defer v.done.Done()
	buf := make([]byte, 1500)
	for {
		n, err := v.conn.Read(buf)
		v.answered.Add(int64(n))
		if err != nil && errorIsFinal(err) {
			return
		}
	}
}

// errorIsFinal tells the end of a connection from what a datagram may meet.
func errorIsFinal(err error) bool {
	op, ok := err.(*net.OpError)
	return !ok || op.Net == "tcp" || op.Net == "tcp4" || op.Net == "tcp6" || op.Err == net.ErrClosed
}

// Alive waits until new answers come. A TCP connection that was cut tries again
// after ever longer pauses.
func (c *Cloud) Alive(list ...*Conversation) {
	c.Helper()
	for _, v := range list {
		before := v.answered.Load()
		c.Eventually(v.name+" goes on", func() error {
			if v.answered.Load() <= before {
				return fmt.Errorf("no answer since %d", before)
			}
			return nil
		})
	}
}

// Cut checks that no answer comes any more, but for those under way.
func (c *Cloud) Cut(list ...*Conversation) {
	c.Helper()
	for _, v := range list {
		quiet := func() error {
			before := v.answered.Load()
			time.Sleep(250 * time.Millisecond)
			if n := v.answered.Load() - before; n > 0 {
				return fmt.Errorf("%d answers in a quarter of a second", n)
			}
			return nil
		}
		c.Eventually(v.name+" is cut", quiet)
		if err := quiet(); err != nil {
			c.Errorf("%s is cut, and then it is not: %v", v.name, err)
		}
	}
}
