package clusterfaults

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/soak"
	"github.com/lepton-sdn/lepton/test/trouble"
)

// clocks are of hosts, by how much they are ahead.
type clocks map[string]time.Duration

// set has clocks jump.
func (c clocks) set(on map[string]*trouble.Machine) {
	for host, ahead := range c {
		on[host].SetClock(ahead)
	}
}

// TestClocksThatDifferAndJumpMoveNothing gives hosts clocks that are hours apart,
// and has them jump while all hosts live, and while one dies.
func TestClocksThatDifferAndJumpMoveNothing(t *testing.T) {
	t.Parallel()
	on, wrap := machines(t, "ctl1", "ctl2", "ctl3", "net1", "net2", "hv1")
	clocks{"ctl1": time.Hour, "hv1": 20 * time.Minute}.set(on)
	c := startWrapped(t, soonDead, wrap)
	rng := soak.Chance(t)
	n, r := c.routed()
	near, far := c.Guest("hv1", "near", n), c.Guest("hv1", "far", n)
	c.AllReach(near, far)
	c.differ("ctl1", time.Hour)
	traffic := c.Stream(near, far, 4)
	before := c.bindings()
	c.restartAhead()
	for round := range soak.Rounds(1, 5) {
		clocks{"ctl1": -time.Hour + time.Minute, "ctl2": 3 * time.Hour, "hv1": -45 * time.Minute, "net2": time.Hour}.set(on)
		c.quiet(before, downTime+time.Second)
		dying := before[r.ID][0]
		heir := map[string]string{"net1": "net2", "net2": "net1"}[dying]
		moves := c.moves(r.ID)
		for _, program := range []string{"agent", "ovs-vswitchd"} {
			c.kill(dying, program)
		}
		began := time.Now()
		clocks{"ctl1": time.Hour, "ctl3": time.Duration(rng.IntN(120)-60) * time.Minute}.set(on)
		c.Eventually("the router has its other host", func() error { return is("router", c.bindings()[r.ID], []string{heir}) })
		if took := time.Since(began); took < downTime-2*time.Second {
			t.Errorf("a host that was silent for %s is taken for dead after %s", took, downTime)
		}
		t.Logf("round %d: the router is elsewhere %s after its host died", round, time.Since(began).Round(100*time.Millisecond))
		clocks{"ctl2": 0, "ctl3": 0}.set(on)
		c.start(dying, "ovs-vswitchd")
		c.start(dying, "agent")
		c.AwaitInSync(dying)
		before = c.bindings()
		c.quiet(before, time.Second)
		if now := c.moves(r.ID); now != moves+1 {
			t.Errorf("all controllers together moved the router %d times", now-moves)
		}
	}
	c.behindItsCertificate(on["hv1"])
	c.flowed(traffic())
	c.AwaitInSync("net1", "net2", "hv1")
	c.eventsTell(n.ID)
}

// restartAhead starts ctl1 anew, by whose clock all heartbeats are an hour old: it
// may call hosts dead until it has heard them, but acts on nothing.
func (c *cluster) restartAhead() {
	c.Helper()
	c.kill("ctl1", "controller")
	c.start("ctl1", "controller")
	began := time.Now()
	c.Eventually("ctl1 calls all hosts alive", func() error { return c.allAlive("ctl1") })
	c.Logf("a controller that starts an hour ahead calls all hosts alive after %s", time.Since(began).Round(100*time.Millisecond))
}

// behindItsCertificate starts hv1's agent by a clock at which its certificate is
// not valid yet.
func (c *cluster) behindItsCertificate(hv1 *trouble.Machine) {
	c.Helper()
	hv1.SetClock(-5 * time.Hour)
	at := c.logSize("hv1", "agent")
	c.Restart("hv1", "agent", true)
	c.Eventually("the agent says what is wrong", func() error {
		if log := c.log("hv1", "agent", at); !strings.Contains(log, "is not yet valid") {
			return fmt.Errorf("it says %s", log)
		}
		return nil
	})
	hv1.SetClock(0)
	began := time.Now()
	c.Eventually("the agent is connected", func() error {
		if !connectedLine.MatchString(c.log("hv1", "agent", at)) {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	c.Logf("the agent is connected %s after its clock is right", time.Since(began).Round(100*time.Millisecond))
}

// stamped is a line of a log.
var stamped = regexp.MustCompile(`(?m)^(20\S+Z)\t`)

// differ checks that a controller has the clock that it is to have.
func (c *cluster) differ(host string, ahead time.Duration) {
	c.Helper()
	line := stamped.FindStringSubmatch(c.log(host, "controller", 0))
	if line == nil {
		c.Fatalf("the log of %s has no time", host)
	}
	at, err := time.Parse(time.RFC3339, line[1])
	if off := time.Until(at) - ahead; err != nil || off.Abs() > time.Minute {
		c.Errorf("the log of %s says %s (%v), want a clock that is %s ahead", host, line[1], err, ahead)
	}
}

// quiet checks for a while that all hosts live, nothing moves, and writes go on.
func (c *cluster) quiet(before map[string][]string, during time.Duration) {
	c.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		if now := c.bindings(); fmt.Sprint(now) != fmt.Sprint(before) {
			c.Errorf("routers and networks are on %v, were on %v", now, before)
			return
		}
		for _, host := range controllers {
			if err := c.allAlive(host); err != nil {
				c.Error(err)
			}
			if took := c.writes(host); took > 5*time.Second {
				c.Errorf("%s writes after %s", host, took)
			}
		}
	}
}

// eventsTell checks that every controller tells what became of an object.
func (c *cluster) eventsTell(id string) {
	c.Helper()
	for _, host := range controllers {
		a := c.ask(c.Context(), host, "GET", "/v2.0/lepton-events?resource_id="+id, nil, nil)
		if a.status != http.StatusOK || !strings.Contains(a.body, id) {
			c.Errorf("events through %s: %d %s", host, a.status, a.body)
		}
	}
}

// allAlive says whom a host's controller takes for dead.
func (c *cluster) allAlive(host string) error {
	var list struct {
		Agents []struct {
			Host, Binary string
			Alive        bool
		}
	}
	if a := c.ask(c.Context(), host, "GET", "/v2.0/agents", nil, &list); a.status != http.StatusOK || a.stale {
		return fmt.Errorf("agents through %s: %+v", host, a)
	}
	for _, a := range list.Agents {
		if !a.Alive {
			return fmt.Errorf("%s takes %s of %s for dead", host, a.Binary, a.Host)
		}
	}
	return nil
}
