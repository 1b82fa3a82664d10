package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// twoOfARouter is a controller of its own, two network nodes and a compute node.
const twoOfARouter = `
physical_networks: [{name: physnet1}]
hosts:
  - { name: ctl, roles: [controller] }
  - { name: net1, roles: [network] }
  - { name: net2, roles: [network] }
  - { name: hv2, roles: [compute] }
`

// failover bounds how long an ha router may be away when its host dies.
const failover = 3 * time.Second

// haCloud is an ha router between a VXLAN network and an external one, with a
// guest that has a floating address and one that has none.
type haCloud struct {
	*Cloud
	outside, plain, floating Guest
	router                   Router
	fip                      FloatingIP
}

func startHA(t *testing.T) *haCloud {
	c := &haCloud{Cloud: Start(t, twoOfARouter)}
	var ext Network
	ext, c.outside = c.external()
	n := c.Network(nil)
	s4, s6 := c.Subnet(n, "10.0.0.0/24"), c.Subnet(n, "fd00:10::/64")
	c.plain, c.floating = c.open("hv2", "plain", n), c.open("hv2", "floating", n)
	c.create("router", Attributes{"ha": true, "external_gateway_info": Attributes{"network_id": ext.ID}}, &c.router)
	c.AddInterface(c.router, s4)
	c.AddInterface(c.router, s6)
	c.fip = c.FloatingIP(ext, &c.floating.Port)
	for _, g := range []Guest{c.outside, c.plain, c.floating} {
		c.Serve(g, 80)
	}
	c.Exec("outside", "ip", "-6", "route", "add", "fd00:10::/64", "via", c.router.External(6).String())
	c.settled()
	return c
}

// settled waits until both hosts have the router and traffic passes.
func (c *haCloud) settled() {
	c.Helper()
	c.Eventually("one active host and one on standby", func() error {
		if s := c.states(); len(s) != 2 || s["active"] == "" || s["standby"] == "" {
			return fmt.Errorf("the API says %v", s)
		}
		return c.oneForwards()
	})
	c.SeenAs(c.plain, c.outside.IP(4), 80, c.router.External(4))
	c.SeenAs(c.outside, c.fip.Address, 80, c.outside.IP(4))
	c.SeenAs(c.outside, c.plain.IP(6), 80, c.outside.IP(6))
}

// states gives the hosts of the router by their part, as the API shows them.
func (c *haCloud) states() map[string]string {
	c.Helper()
	var answer struct {
		Agents []struct {
			Host  string `json:"host"`
			State string `json:"ha_state"`
		}
	}
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/routers/"+c.router.ID+"/l3-agents", nil, &answer))
	out := map[string]string{}
	for _, a := range answer.Agents {
		out[a.State] = a.Host
	}
	return out
}

// forwarding gives the network nodes on which the router is in use.
func (c *haCloud) forwarding() (hosts []string) {
	c.Helper()
	for _, host := range []string{"net1", "net2"} {
		if c.forwards(host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// forwards reports whether a host says of the router's ports that it uses them.
func (c *haCloud) forwards(host string) bool {
	c.Helper()
	out := c.Exec(host, "ovs-vsctl", "--bare", "--columns=external_ids", "find", "Interface", "external_ids:lepton-router="+c.router.ID)
	return strings.Contains(out, "lepton-ha=active")
}

func (c *haCloud) oneForwards() error {
	if hosts := c.forwarding(); len(hosts) != 1 {
		return fmt.Errorf("forwarding: %v", hosts)
	}
	return nil
}

// links takes a host off all networks, or back.
func (c *haCloud) links(host, state string) {
	c.Helper()
	c.Exec(host, "sh", "-c", "for l in mgmt underlay phys1; do ip link set $l "+state+"; done")
}

// gap measures how long requests of a client go without answer while f is at
// work, over an open connection.
type talking struct {
	conn    net.Conn
	longest atomic.Int64
	done    chan error
	stop    context.CancelFunc
}

// talk sends a line every 20 ms over one connection, until it is told to stop.
func (c *haCloud) talk(from Guest, to netip.Addr) *talking {
	c.Helper()
	conn, _, err := c.Dial(from, to, 80)
	c.Must(err)
	ctx, stop := context.WithCancel(c.Context())
	p := &talking{conn: conn, done: make(chan error, 1), stop: stop}
	go func() {
		defer conn.Close()
		for i := 0; ctx.Err() == nil; i++ {
			began := time.Now()
			_ = conn.SetDeadline(began.Add(15 * time.Second))
			var word string
			if _, err := fmt.Fprintln(conn, i); err != nil {
				p.done <- err
				return
			}
			if _, err := fmt.Fscan(conn, &word); err != nil {
				p.done <- err
				return
			}
			p.longest.Store(max(p.longest.Load(), int64(time.Since(began))))
			time.Sleep(20 * time.Millisecond)
		}
		p.done <- nil
	}()
	return p
}

// survives demands that the connection is alive.
func (c *haCloud) survives(name string, p *talking) {
	c.Helper()
	p.stop()
	if err := <-p.done; err != nil {
		c.Errorf("%s: the connection is gone: %v", name, err)
		return
	}
	c.Logf("%s: the longest wait for an answer was %s", name, time.Duration(p.longest.Load()).Round(time.Millisecond))
}

// under runs f while a connection goes out through SNAT, another one comes in by
// the floating address, and a third one goes over IPv6; it gives how long pings
// were lost.
func (c *haCloud) under(f func()) (gap time.Duration) {
	c.Helper()
	probes := map[string]*talking{
		"through SNAT":          c.talk(c.plain, c.outside.IP(4)),
		"by a floating address": c.talk(c.outside, c.fip.Address),
		"over IPv6":             c.talk(c.outside, c.plain.IP(6)),
	}
	const interval = 20 * time.Millisecond
	result := make(chan lab.PingResult, 3)
	for _, way := range []struct {
		from Guest
		to   netip.Addr
	}{{c.outside, c.fip.Address}, {c.plain, c.outside.IP(4)}, {c.outside, c.plain.IP(6)}} {
		go func() {
			r, _ := way.from.Ping(c.Context(), way.to, lab.Ping{Count: 400, Interval: interval})
			result <- r
		}()
	}
	time.Sleep(time.Second)
	f()
	for range 3 {
		r := <-result
		gap = max(gap, time.Duration(r.Lost())*interval)
		if r.Sent < 300 {
			c.Errorf("pings: %s", r)
		}
	}
	for name, p := range probes {
		c.survives(name, p)
	}
	return gap
}

// steady demands that the same host goes on forwarding, alone, while f is at
// work, and that no ping is lost.
func (c *haCloud) steady(what string, f func()) {
	c.Helper()
	before := c.forwarding()
	ctx, stop := context.WithCancel(c.Context())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if now := c.forwarding(); !slices.Equal(now, before) {
				done <- fmt.Errorf("forwarding are %v", now)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		done <- nil
	}()
	gap := c.under(f)
	stop()
	if err := <-done; err != nil || gap > 0 {
		c.Errorf("%s: %v, and not %v all the time; %s lost", what, err, before, gap)
	}
}

func TestAnHARouterFailsOverOnlyWhenItsHostIsGone(t *testing.T) {
	c := startHA(t)
	first, second := c.states()["active"], c.states()["standby"]
	c.explainsActive(first)

	c.steady("agents restart", func() {
		for _, host := range []string{first, second, first} {
			c.Restart(host, "agent", true)
		}
	})
	// The hosts do not hear each other, and both reach the controller.
	c.steady("a split", func() {
		c.split(first, second, true)
		time.Sleep(5 * time.Second)
		c.split(first, second, false)
		time.Sleep(time.Second)
	})
	if s := c.states(); s["active"] != first {
		t.Errorf("after a split the API says %v", s)
	}

	// A host that is back before its agent has seen that it was away still has the
	// controllers' word that the router is its own.
	c.away(first, second)
	c.back(first, second)
	c.away(second, first)
	c.back(second, first)

	c.Must(c.Lab.Stop(c.Context(), "ctl", "controller", true))
	c.dies(first, "without a controller")
	c.Must(c.Lab.Start(c.Context(), "ctl", "controller"))
	c.activeIs(second)
	c.explainsActive(second)
	c.links(first, "up")
	c.settled()
}

// dies takes a host off all networks, and demands that another one has its router
// soon.
func (c *haCloud) dies(host, how string) {
	c.Helper()
	gap := c.under(func() { c.links(host, "down") })
	c.Logf("%s died %s: %s lost", host, how, gap)
	if gap > failover || gap == 0 {
		c.Errorf("%s died %s: %s lost", host, how, gap)
	}
}

func (c *haCloud) away(host, other string) {
	c.Helper()
	c.dies(host, "")
	c.activeIs(other)
}

// back brings a host back, which is to change nothing. Until its keepalived has
// heard the other one it answers for the router, too: on a machine without time
// that may cost a moment.
func (c *haCloud) back(host, other string) {
	c.Helper()
	gap := c.under(func() { c.links(host, "up") })
	c.Logf("%s came back: %s lost", host, gap)
	if gap > failover/2 {
		c.Errorf("%s came back: %s lost", host, gap)
	}
	if s, now := c.states(), c.forwarding(); s["active"] != other || s["standby"] != host || !slices.Equal(now, []string{other}) {
		c.Errorf("%s came back: the API says %v, forwarding are %v", host, s, now)
	}
}

func (c *haCloud) activeIs(host string) {
	c.Helper()
	c.Eventually(host+" to be active", func() error {
		if s := c.states(); s["active"] != host {
			return fmt.Errorf("the API says %v", s)
		}
		return nil
	})
}

// split keeps two hosts from hearing each other by the underlay, or lets them
// again.
func (c *haCloud) split(a, b string, apart bool) {
	c.Helper()
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		peer := ""
		for _, h := range c.Lab.Plan().Hosts {
			if h.Name == pair[1] {
				peer = h.Tunnel.Addr().String()
			}
		}
		match := "priority=60000,ip,nw_src=" + peer
		if apart {
			c.Exec(pair[0], "ovs-ofctl", "add-flow", "br-ul", match+",actions=drop")
		} else {
			c.Exec(pair[0], "ovs-ofctl", "--strict", "del-flows", "br-ul", match)
		}
	}
}

// explainsActive demands that packets are explained as they go, by the router on
// its active host.
func (c *haCloud) explainsActive(host string) {
	c.Helper()
	for _, tc := range []struct {
		from Guest
		to   netip.Addr
		port int
		back int // passages through the router, there and back
	}{
		{c.plain, c.outside.IP(4), 80, 2},
		{c.outside, c.fip.Address, 80, 2},
		{c.plain, c.fip.Address, 80, 2},
		{c.plain, c.outside.IP(4), 81, 2},
		{c.floating, c.outside.IP(4), 80, 2},
	} {
		said := c.explanation(tc.from, tc.to.String(), "tcp", tc.port)
		hosts := said.hosts("router")
		if said.Verdict != "passes" || len(hosts) != tc.back || slices.ContainsFunc(hosts, func(h string) bool { return h != host }) {
			c.Errorf("%s to %s: %s, by the router on %v, want %s", tc.from.Guest.Name, tc.to, said.Text, hosts, host)
		}
		if answers := c.answersAt(tc.from, tc.to, "tcp", tc.port); answers != (tc.port == 80) {
			c.Errorf("%s to %s port %d: answers %v", tc.from.Guest.Name, tc.to, tc.port, answers)
		}
	}
}
