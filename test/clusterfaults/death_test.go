package clusterfaults

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
	"github.com/lepton-sdn/lepton/test/soak"
)

// downTime is short: agents that are silent for so long are dead.
const downTime = 6 * time.Second

// soonDead is withRouters where agents are dead soon.
var soonDead = strings.Replace(withRouters, "agent_down_time: 30", "agent_down_time: 6", 1)

// activeOn lists the hosts whose switch has the router's interface with a network.
func (c *cluster) activeOn(r e2e.Router) (hosts []string) {
	c.Helper()
	var of struct{ Ports []e2e.Port }
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/ports?device_id="+r.ID, nil, &of))
	for _, host := range []string{"net1", "net2"} {
		out := c.Exec(host, "ovs-vsctl", "--bare", "--columns=name", "find", "Interface", "external_ids:iface-id="+of.Ports[0].ID)
		if strings.TrimSpace(out) != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// is says what is wrong when something is not as it should be.
func is[T any](what string, got, want T) error {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("%s: %v, want %v", what, got, want)
	}
	return nil
}

// TestTheWorkOfADeadHostMovesOnce has a host die while one controller stands still
// and another one is killed, and come back after they did.
func TestTheWorkOfADeadHostMovesOnce(t *testing.T) {
	t.Parallel()
	c := start(t, soonDead)
	rng := soak.Chance(t)
	n, r := c.routed()
	g := c.Guest("hv1", "g", n)
	gateway := netip.MustParseAddr("10.7.0.1")
	answers := func() error {
		if p := c.Ping(g, gateway, lab.Ping{Count: 1, Timeout: 200 * time.Millisecond}); p.Received == 0 {
			return fmt.Errorf("%s", p)
		}
		return nil
	}
	c.Eventually("the router answers", answers)
	for round := range soak.Rounds(1, 10) {
		dying := c.bindings()[r.ID][0]
		heir := map[string]string{"net1": "net2", "net2": "net1"}[dying]
		p := rng.Perm(3)
		asleep, killed, awake := controllers[p[0]], controllers[p[1]], controllers[p[2]]
		c.Must(c.Lab.Ask(awake))
		moves := c.moves(r.ID)
		c.pause(asleep, "controller")
		c.kill(killed, "controller")
		for _, program := range []string{"agent", "ovs-vswitchd"} {
			c.kill(dying, program)
		}
		began := time.Now()
		c.Eventually("the router has its other host", func() error { return is("router", c.bindings()[r.ID], []string{heir}) })
		t.Logf("the host dies with %s asleep and %s killed: its router is elsewhere after %s", asleep, killed, time.Since(began).Round(100*time.Millisecond))
		c.Eventually("the router answers", answers)
		c.start(killed, "controller")
		c.resume(asleep, "controller")
		c.writes(asleep)
		for end := time.Now().Add(2 * downTime); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			if err := is("router", c.bindings()[r.ID], []string{heir}); err != nil {
				t.Fatalf("after %s woke: %v", asleep, err)
			}
		}
		// The dead host comes back with what it had: it is not to route.
		c.start(dying, "ovs-vswitchd")
		c.start(dying, "agent")
		c.AwaitInSync(dying)
		c.Eventually("only one host has the router", func() error { return is("router", c.activeOn(r), []string{heir}) })
		if err := is("router", c.bindings()[r.ID], []string{heir}); err != nil {
			t.Error(err)
		}
		c.Eventually("the router answers", answers)
		if now := c.moves(r.ID); now != moves+1 {
			t.Errorf("round %d: all controllers together moved the router %d times", round, now-moves)
		}
	}
}

// moves counts in all controllers' logs how often an object was moved.
func (c *cluster) moves(id string) int {
	c.Helper()
	n := 0
	for _, host := range controllers {
		lines := slices.Collect(strings.Lines(c.log(host, "controller", 0)))
		for _, line := range lines {
			if strings.Contains(line, "\tmoved\t") && strings.Contains(line, id) {
				n++
			}
		}
	}
	return n
}
