package clusterfaults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/soak"
)

// faults are those of one host, by what they leave alone.
func (c *cluster) faults(host string) []fault {
	rest := others(host)
	return []fault{
		{"the controller is killed", func() { c.kill(host, "controller") }, func() { c.start(host, "controller") }, rest},
		{"the controller is paused", func() { c.pause(host, "controller") }, func() { c.resume(host, "controller") }, rest},
		{"the controller is cut off from its clients", func() { c.cut(host, clientsOf) }, func() { c.mend(host, clientsOf) }, rest},
		{"the controller is cut off from the store", func() { c.cut(host, storeOf) }, func() { c.mend(host, storeOf) }, rest},
		{"the host is cut off", func() { c.unplug(host) }, func() { c.replug(host) }, rest},
		{"etcd is killed", func() { c.kill(host, "etcd") }, func() { c.start(host, "etcd") }, controllers},
		{"etcd is paused", func() { c.pause(host, "etcd") }, func() { c.resume(host, "etcd") }, controllers},
		{"etcd is cut off from its peers", func() { c.cut(host, peersOf, peersTo) }, func() { c.mend(host, peersOf, peersTo) }, controllers},
		{"etcd is cut off from controllers", func() { c.cut(host, usersOf) }, func() { c.mend(host, usersOf) }, controllers},
	}
}

// moveLeader makes another member the leader.
func (c *cluster) moveLeader() {
	c.Helper()
	from := c.leader()
	if from == "" {
		return
	}
	client := c.etcd(from)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	list, err := client.MemberList(ctx)
	c.Must(err)
	for _, m := range list.Members {
		if m.Name != from {
			_, err := client.MoveLeader(ctx, m.ID)
			c.Must(err)
			return
		}
	}
}

func TestNoWriteIsLostOrDoneTwice(t *testing.T) {
	t.Parallel()
	c := start(t, onlyControllers)
	rng := soak.Chance(t)
	h := begin(c)
	stop := h.run(rng)
	var plan []fault
	for i := range c.faults("ctl1") {
		plan = append(plan, c.faults(controllers[rng.IntN(3)])[i])
	}
	plan = append(plan, fault{"the leader changes", c.moveLeader, func() {}, controllers}, c.leaderDies())
	rng.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	plan = plan[:soak.Rounds(5, len(plan))]
	end := time.Now().Add(soak.Lasting(t, 0))
	for len(plan) > 0 && !t.Failed() {
		h.try(t, plan[0], rng)
		if plan = plan[1:]; len(plan) == 0 && time.Now().Before(end) {
			all := append(c.faults(controllers[rng.IntN(3)]), c.leaderDies())
			plan = append(plan, all[rng.IntN(len(all))])
		}
	}
	stop()
	h.judge(t)
	made := 0
	for _, w := range h.things {
		if w.created == done {
			made++
		}
	}
	t.Logf("%d things made, %d more of unknown outcome, %d acknowledged changes of the counter", made, len(h.things)-made, h.counted.done)
}

// leaderDies kills the member that leads.
func (c *cluster) leaderDies() fault {
	var host string
	return fault{"the leader is killed", func() {
		c.Eventually("there is a leader", func() error {
			if host = c.leader(); host == "" {
				return fmt.Errorf("none")
			}
			return nil
		})
		c.kill(host, "etcd")
	}, func() { c.start(host, "etcd") }, controllers}
}

// try has a fault for a while under load.
func (h *history) try(t *testing.T, f fault, rng *rand.Rand) {
	t.Helper()
	h.reset()
	f.begin()
	// A cluster takes up to two seconds to find that its leader is gone, and longer
	// beside other work.
	began := time.Now()
	time.Sleep(4*time.Second + time.Duration(rng.IntN(1000))*time.Millisecond)
	for slow := h.slow(f.spared); slow != ""; slow = h.slow(f.spared) {
		if time.Since(began) > 15*time.Second {
			t.Errorf("%s: in %s less than 3 writes through %s", f.name, time.Since(began), slow)
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	during := h.reset()
	f.heal()
	began = time.Now()
	for _, host := range controllers {
		h.c.writes(host)
	}
	line := ""
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, host := range controllers {
		w := during[host]
		line += fmt.Sprintf("\n    %s: %d written, %d read, %d stale, %d refused, %d lost, slowest %s", host, w.written, w.read, w.stale, w.refused, w.lost, w.slowest.Round(time.Millisecond))
	}
	t.Logf("%s; all write %s after it%s", f.name, time.Since(began).Round(time.Millisecond), line)
}

// slow names a controller through which little was written since the last reset;
// "" for none.
func (h *history) slow(hosts []string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, host := range hosts {
		if h.tallies[host].written < 3 {
			return host
		}
	}
	return ""
}
