package faults

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// manyHosts is how many hosts with an Open vSwitch of their own there are.
const manyHosts = 30

// crowd is a cloud of many hosts, with a guest on each, all on one network.
type crowd struct {
	*pair
	hosts  []string
	guests []e2e.Guest
}

func newCrowd(t *testing.T) *crowd {
	began := time.Now()
	c := &crowd{pair: &pair{Cloud: e2e.Start(t, fmt.Sprintf(
		"tunnel_types: [vxlan]\nhosts:\n  - { name: ctl, roles: [controller] }\n  - { name: hv, count: %d, roles: [compute] }\n", manyHosts))}}
	t.Logf("%d hosts are there after %s", manyHosts, time.Since(began))
	c.net = c.Network(nil)
	c.subnet = c.Subnet(c.net, "10.7.0.0/22")
	var requests []lab.PlugRequest
	var ports []e2e.Port
	for i := range manyHosts {
		host := fmt.Sprintf("hv%d", i+1)
		c.hosts = append(c.hosts, host)
		ports = append(ports, c.Port(c.net, e2e.Attributes{"name": "on-" + host}))
		requests = append(requests, lab.PlugRequest{Host: host, Port: ports[i].ID, Guest: "g" + host, Wait: true})
	}
	began = time.Now()
	plugged, err := c.Lab.PlugAll(t.Context(), requests)
	c.Must(err)
	t.Logf("a guest on each is ACTIVE after %s", time.Since(began))
	for i, g := range plugged {
		place, err := c.Lab.Place(g.Name)
		c.Must(err)
		c.guests = append(c.guests, e2e.Guest{Guest: g, Place: place, Port: ports[i]})
	}
	return c
}

// each runs f for every host, several at a time, and reports the errors.
func (c *crowd) each(f func(i int) error) {
	c.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(c.hosts))
	room := make(chan struct{}, 8)
	for i := range c.hosts {
		wg.Go(func() {
			room <- struct{}{}
			errs[i] = f(i)
			<-room
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			c.Errorf("%s: %v", c.hosts[i], err)
		}
	}
}

// mesh checks the tunnel bridge of a host: a tunnel to each other one, flooding
// to all of them, every other guest's MAC sent to one and its address answered
// for, and nothing learned.
func (c *crowd) mesh(i int) error {
	place, err := c.Lab.Place(c.hosts[i])
	if err != nil {
		return err
	}
	out, err := place.Exec(c.Context(), "ovs-ofctl", "dump-flows", "--no-stats", "--no-names", "br-tun")
	if err != nil {
		return err
	}
	var unicast, answers, floods, learned int
	for line := range strings.Lines(out) {
		switch {
		case strings.Contains(line, "table=20,") && strings.Contains(line, "hard_timeout"):
			learned++
		case strings.Contains(line, "table=20,") && strings.Contains(line, "dl_dst=") && strings.Count(line, "output:") == 1:
			unicast++
		case strings.Contains(line, "table=21,") && strings.Contains(line, "arp_op=1") && strings.Contains(line, "IN_PORT"):
			answers++
		case strings.Contains(line, "table=22,") && strings.Contains(line, "dl_vlan="):
			floods += strings.Count(line, "output:")
		}
	}
	if want := len(c.hosts) - 1; unicast != want || answers != want || floods != want || learned != 0 {
		return fmt.Errorf("%d MACs, %d addresses answered for, flooding to %d tunnels, want %d of each; %d learned", unicast, answers, floods, want, learned)
	}
	return nil
}

// pairs gives each host's guest two others to talk to: the next one, and one at
// random.
func (c *crowd) pairs(pick func(n int) int) [][]e2e.Guest {
	var all [][]e2e.Guest
	n := len(c.guests)
	for i := range n {
		all = append(all, []e2e.Guest{c.guests[(i+1)%n], c.guests[(i+2+pick(n-3))%n]})
	}
	return all
}

// meet waits until all pairs have exchanged a ping. The userspace datapath drops
// packets until it knows the MAC of the other end of a tunnel, and all hosts ask
// for all others' at once.
func (c *crowd) meet(pairs [][]e2e.Guest) {
	c.Helper()
	c.each(func(i int) error {
		var last error
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
			last = nil
			for _, to := range pairs[i] {
				r, err := c.guests[i].Ping(c.Context(), to.IP(4), lab.Ping{Count: 1, Timeout: 200 * time.Millisecond})
				if err == nil && r.Received == 0 {
					err = fmt.Errorf("to %s: %s", to.Host, r)
				}
				last = errors.Join(last, err)
			}
			if last == nil {
				return nil
			}
		}
		return last
	})
}

// pings checks that no ping between the pairs is lost or doubled.
func (c *crowd) pings(pairs [][]e2e.Guest) {
	c.Helper()
	c.each(func(i int) error {
		for _, to := range pairs[i] {
			r, err := c.guests[i].Ping(c.Context(), to.IP(4), lab.Ping{Count: 3, Interval: 20 * time.Millisecond, Timeout: 2 * time.Second})
			if err != nil {
				return err
			}
			if r.Lost() > 0 || r.Duplicates > 0 {
				return fmt.Errorf("to %s: %s", to.Host, r)
			}
		}
		return nil
	})
}

// connections gives the times at which a host's agent has connected since the
// offset of its log.
func (c *crowd) connections(host string, since int64) []time.Time {
	c.Helper()
	b, err := os.ReadFile(c.file(host, "agent.log"))
	c.Must(err)
	var all []time.Time
	for line := range strings.Lines(string(b[since:])) {
		stamp, _, _ := strings.Cut(line, "\t")
		if at, err := time.Parse("2006-01-02T15:04:05.000Z07:00", stamp); err == nil && strings.Contains(line, "\tconnected to the controller") {
			all = append(all, at)
		}
	}
	return all
}

// TestThirtyHostsOutliveARestartOfTheController has thirty real agents and
// switches on one network.
func TestThirtyHostsOutliveARestartOfTheController(t *testing.T) {
	rng := chance(t)
	c := newCrowd(t)
	c.AwaitInSync(c.hosts...)
	c.each(c.mesh)
	began := time.Now()
	pairs := c.pairs(rng.IntN)
	c.meet(pairs)
	t.Logf("%d pairs of guests have met after %s", 2*len(pairs), time.Since(began))
	c.pings(pairs)

	mods := make([]float64, len(c.hosts))
	logs := make([]int64, len(c.hosts))
	for i, host := range c.hosts {
		mods[i], logs[i] = c.figure(host, "lepton_agent_flow_mods_total"), c.logSize(host)
	}
	traffic := c.Stream(c.guests[0], c.guests[len(c.guests)-1], 4)
	changes := c.FlowChanges(c.hosts[0], "br-tun")
	began = time.Now()
	c.Restart("ctl", "controller", true)
	answers := time.Now()
	var back []time.Time
	c.Eventually("all agents connected again", func() error {
		back = nil
		for i, host := range c.hosts {
			list := c.connections(host, logs[i])
			if len(list) == 0 {
				return fmt.Errorf("%d agents are, %s is not", len(back), host)
			}
			back = append(back, list[len(list)-1])
		}
		return nil
	})
	c.AwaitInSync(c.hosts...)
	slices.SortFunc(back, time.Time.Compare)
	first, last := back[0], back[len(back)-1]
	t.Logf("controller killed and back after %s, first agent after %s, last after %s", answers.Sub(began), first.Sub(began), last.Sub(began))
	if last.Sub(first) < 20*time.Millisecond {
		t.Errorf("all agents came back within %s: their waits are not spread", last.Sub(first))
	}
	time.Sleep(500 * time.Millisecond) // for what may come after the snapshots
	for i, host := range c.hosts {
		if now := c.figure(host, "lepton_agent_flow_mods_total"); now != mods[i] {
			t.Errorf("%s sent %.0f flow-mods because its controller was restarted", host, now-mods[i])
		}
	}
	if list := changes(); len(list) > 0 {
		t.Errorf("%s: %d changes, the first is %s", c.hosts[0], len(list), list[0])
	}
	if r := traffic(); r.Lost() > 0 {
		t.Errorf("lost %d packets of %d", r.Lost(), r.Sent)
	}
	c.each(c.mesh)
	c.pings(pairs)
}
