package clusterfaults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/e2e"
	"github.com/lepton-sdn/lepton/test/soak"
)

// withRouters is a cloud with two network nodes and a host for guests.
const withRouters = `
tunnel_types: [vxlan]
physical_networks: [{name: physnet1}]
controller: { network: { agent_down_time: 30, dhcp_agents_per_network: 1 } }
hosts:
  - { name: ctl, count: 3, roles: [controller] }
  - { name: net, count: 2, roles: [network], agent: { roles: [l2, l3, dhcp, metadata] } }
  - { name: hv, count: 1, roles: [compute] }
`

var connectedLine = regexp.MustCompile(`connected to the controller\s+\{"address": "([0-9.]+):`)

// controllerOf finds the controller that a host's agent went to last.
func (c *cluster) controllerOf(host string) string {
	c.Helper()
	all := connectedLine.FindAllStringSubmatch(c.log(host, "agent", 0), -1)
	if len(all) == 0 {
		return ""
	}
	for _, h := range c.Lab.Plan().Hosts {
		if h.Mgmt.Addr().String() == all[len(all)-1][1] {
			return h.Name
		}
	}
	return ""
}

// bindings tells which hosts have which routers and DHCP networks, as the first
// controller that is asked says.
func (c *cluster) bindings() map[string][]string {
	c.Helper()
	out := map[string][]string{}
	agents, err := c.Lab.API().Agents(c.Context())
	c.Must(err)
	for _, a := range agents {
		path := map[string]string{"L3 agent": "l3-routers", "DHCP agent": "dhcp-networks"}[a.Type]
		if path == "" {
			continue
		}
		var of map[string][]struct {
			ID string `json:"id"`
		}
		c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/agents/"+a.ID+"/"+path, nil, &of))
		for _, list := range of {
			for _, o := range list {
				out[o.ID] = append(out[o.ID], a.Host)
			}
		}
	}
	for _, hosts := range out {
		slices.Sort(hosts)
	}
	return out
}

// routed makes a network with DHCP behind a router.
func (c *cluster) routed() (e2e.Network, e2e.Router) {
	c.Helper()
	n := c.Network(nil)
	r := c.Router(nil, c.Subnet(n, "10.7.0.0/24"))
	c.Eventually("router and network have their hosts", func() error {
		if b := c.bindings(); len(b[r.ID]) != 1 || len(b[n.ID]) != 1 {
			return fmt.Errorf("they are on %v", b)
		}
		return nil
	})
	return n, r
}

func TestAgentsFindAnotherController(t *testing.T) {
	t.Parallel()
	c := start(t, withRouters)
	rng := soak.Chance(t)
	n, _ := c.routed()
	guests := []e2e.Guest{c.Guest("hv1", "g0", n)}
	near := c.Guest("net1", "near", n)
	c.AllReach(near, guests[0])
	before := fmt.Sprint(c.bindings())
	faults := func(host string) []fault {
		return []fault{
			{"the controller is killed", func() { c.kill(host, "controller") }, func() { c.start(host, "controller") }, nil},
			{"the controller is paused", func() { c.pause(host, "controller") }, func() { c.resume(host, "controller") }, nil},
			{"the controller is cut off from its agents", func() { c.cut(host, agentsOf) }, func() { c.mend(host, agentsOf) }, nil},
			{"the controller is cut off from the store", func() { c.cut(host, storeOf) }, func() { c.mend(host, storeOf) }, nil},
		}
	}
	order := rng.Perm(4)[:soak.Rounds(2, 4)]
	traffic := c.Stream(near, guests[0], 4)
	for i, which := range order {
		victim := c.controllerOf("hv1")
		f := faults(victim)[which]
		c.Must(c.Lab.Ask(others(victim)[rng.IntN(2)]))
		at := c.logSize("hv1", "agent")
		began := time.Now()
		f.begin()
		// Agents are given 15 s to find that a connection is dead.
		c.Eventually("the agent has another controller", func() error {
			if now := c.controllerOf("hv1"); now == victim || !connectedLine.MatchString(c.log("hv1", "agent", at)) {
				return fmt.Errorf("%s", now)
			}
			return nil
		})
		moved := time.Since(began)
		g := c.Guest("hv1", fmt.Sprint("g", i+1), n)
		c.Reaches(near, g)
		t.Logf("%s: the agent has another one after %s, a new guest is reached after %s", f.name, moved.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
		if moved > 25*time.Second {
			t.Errorf("%s: the agent has another controller after %s", f.name, moved)
		}
		f.heal()
		c.writes(victim)
		c.Must(c.Lab.Ask(victim))
		c.AwaitInSync("hv1", "net1", "net2")
		if now := fmt.Sprint(c.bindings()); now != before {
			t.Errorf("%s: routers and networks are on %s, were on %s", f.name, now, before)
		}
	}
	c.flowed(traffic())
	for _, host := range controllers {
		for _, word := range []string{"\tmoved\t", "agent is dead"} {
			if strings.Contains(c.log(host, "controller", 0), word) {
				t.Errorf("%s has %q in its log", host, word)
			}
		}
	}
}
