package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// quick is the ping of the assertions: many and fast, so that one packet that
// is lost or doubled shows.
var quick = lab.Ping{Count: 10, Interval: 20 * time.Millisecond}

// Ping pings and gives the counts.
func (c *Cloud) Ping(from Guest, to netip.Addr, how lab.Ping) lab.PingResult {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	r, err := from.Ping(ctx, to, how)
	c.Must(err)
	return r
}

// Reaches checks that every one of ten pings is answered exactly once, over
// each IP version that both guests have. It begins at once: a port that is
// ACTIVE carries its first packet, or on a machine that is short of time the
// first of a second later.
func (c *Cloud) Reaches(from, to Guest) {
	c.Helper()
	tried := false
	for _, family := range []int{4, 6} {
		if !from.IP(family).IsValid() || !to.IP(family).IsValid() {
			continue
		}
		tried = true
		r := c.Ping(from, to.IP(family), quick)
		if r.Lost() > 0 {
			// Where its threads get no time, the userspace datapath goes on for a moment by
			// what it decided about a port before that was wired.
			c.Logf("%s to %s: not at once: %s", from.Guest.Name, to.Guest.Name, r)
			r = c.Ping(from, to.IP(family), quick)
		}
		if r.Lost() > 0 || r.Duplicates > 0 || r.Errors > 0 {
			c.Errorf("%s on %s to %s on %s: %s", from.Guest.Name, from.Host, to.Guest.Name, to.Host, r)
		}
	}
	if !tried {
		c.Errorf("%s and %s have no address in common", from.Guest.Name, to.Guest.Name)
	}
}

// AllReach checks Reaches for each ordered pair.
func (c *Cloud) AllReach(guests ...Guest) {
	c.Helper()
	for _, a := range guests {
		for _, b := range guests {
			if a.Guest.Name != b.Guest.Name {
				c.Reaches(a, b)
			}
		}
	}
}

// silent says what answers at the address, if anything does.
func (c *Cloud) silent(from Guest, to netip.Addr) error {
	c.Helper()
	if r := c.Ping(from, to, lab.Ping{Count: 1, Timeout: 200 * time.Millisecond}); r.Received > 0 {
		return fmt.Errorf("%s still reaches %s: %s", from.Guest.Name, to, r)
	}
	return nil
}

// Isolated checks that nothing of one guest arrives at the other, in either
// direction: not the answer to a ping, and no frame at all with the sender's
// MAC. Addresses of the target are made reachable for the sender first, so
// that it is not its own routing table that keeps them apart.
func (c *Cloud) Isolated(a, b Guest) {
	c.Helper()
	for _, p := range [][2]Guest{{a, b}, {b, a}} {
		from, to := p[0], p[1]
		seen := c.Watch(to, "ether src "+from.Port.MAC)
		for _, n := range to.Guest.NICs {
			for _, addr := range n.Addresses {
				host := netip.PrefixFrom(addr.Addr(), addr.Addr().BitLen())
				c.Exec(from.Guest.Name, "ip", "route", "replace", host.String(), "dev", from.Guest.NICs[0].Link)
				r := c.Ping(from, addr.Addr(), lab.Ping{Count: 3, Interval: 50 * time.Millisecond, Timeout: 300 * time.Millisecond})
				// Networks share subnets: another guest may have the address here.
				answered := c.Exec(from.Guest.Name, "ip", "neigh", "show", addr.Addr().String(), "dev", from.Guest.NICs[0].Link)
				if r.Received > 0 && strings.Contains(answered, to.Port.MAC) {
					c.Errorf("%s reaches %s: %s", from.Guest.Name, to.Guest.Name, r)
				}
				c.Exec(from.Guest.Name, "ip", "route", "del", host.String(), "dev", from.Guest.NICs[0].Link)
			}
		}
		if frames := seen(); len(frames) > 0 {
			c.Errorf("%s sees frames of %s:\n%s", to.Guest.Name, from.Guest.Name, strings.Join(frames, "\n"))
		}
	}
}

// Watch starts tcpdump on the first NIC of a guest. The function that it gives
// stops that and returns the frames that came in and match the filter.
func (c *Cloud) Watch(g Guest, filter string) func() []string {
	c.Helper()
	return c.WatchLink(g.Place, g.Guest.NICs[0].Link, "inbound and ("+filter+")")
}

// WatchLink starts tcpdump on a link of a place and returns when it listens.
func (c *Cloud) WatchLink(p *lab.Place, link, filter string) func() []string {
	c.Helper()
	stop := c.Capture(p, link, filter)
	return func() []string {
		var frames []string
		for _, l := range strings.Split(stop(), "\n") {
			// A frame's line begins with its time.
			if len(l) > 2 && l[2] == ':' && l[0] >= '0' && l[0] <= '2' {
				frames = append(frames, l)
			}
		}
		return frames
	}
}

// Capture is WatchLink for all that tcpdump says: of a frame in a tunnel, the
// line below is about what it carries.
func (c *Cloud) Capture(p *lab.Place, link, filter string) func() string {
	c.Helper()
	ctx, cancel := context.WithCancel(c.Context())
	cmd := p.Command(ctx, "tcpdump", "-n", "-e", "-l", "--immediate-mode", "-i", link, filter)
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		cancel()
		c.Fatal(err)
	}
	c.Eventually("tcpdump listens", func() error {
		if !strings.Contains(out.String(), "listening on") {
			return fmt.Errorf("tcpdump says %q", out.String())
		}
		return nil
	})
	return func() string {
		// What was sent before this call has reached the kernel's buffer by now.
		time.Sleep(100 * time.Millisecond)
		cancel()
		_ = cmd.Wait() // killed by us
		return out.String()
	}
}

// lines collects output of a running command.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Stream starts numbered UDP packets from one guest to another, one per
// millisecond, and gives the function that ends them and counts.
func (c *Cloud) Stream(from, to Guest, family int) func() lab.StreamResult {
	c.Helper()
	if n, err := c.Lab.HoldMuch(); err != nil {
		c.Logf("the switches may lose packets while they wait for the processor: %v", err)
	} else if n == 0 && c.Lab.Plan().Datapath == "netdev" {
		c.Fatal("no switch has a packet socket")
	}
	s, err := lab.StartStream(c.Context(), lab.Flow{
		From: from.Place, To: to.Place,
		Address: netip.AddrPortFrom(to.IP(family), 5001),
	})
	c.Must(err)
	return func() lab.StreamResult {
		c.Helper()
		r, err := s.Stop()
		c.Must(err)
		return r
	}
}

// Download sends data over TCP for a second with iperf3 and gives the rate in
// Mbit/s as iperf3's receiver saw it.
func (c *Cloud) Download(from, to Guest, family int) float64 {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	server := to.Command(ctx, "iperf3", "-s", "-1", "-p", "5201")
	c.Must(server.Start())
	var rate float64
	c.Eventually("iperf3", func() error {
		out, err := from.Exec(ctx, "iperf3", "-c", to.IP(family).String(), "-p", "5201", "-t", "1", "-f", "m")
		if err != nil {
			return err
		}
		rate, err = receiverRate(out)
		return err
	})
	_ = server.Wait() // it has served its one client
	return rate
}

// receiverRate reads the receiver's line of iperf3's summary.
func receiverRate(out string) (float64, error) {
	for _, l := range strings.Split(out, "\n") {
		if !strings.Contains(l, "receiver") {
			continue
		}
		f := strings.Fields(l)
		for i, w := range f {
			if w == "Mbits/sec" && i > 0 {
				var rate float64
				_, err := fmt.Sscan(f[i-1], &rate)
				return rate, err
			}
		}
	}
	return 0, fmt.Errorf("no receiver's line in %q", out)
}
