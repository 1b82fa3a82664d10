package clusterfaults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
	"github.com/lepton-sdn/lepton/test/soak"
	"github.com/lepton-sdn/lepton/test/trouble"
)

// machines gives every host a machine that programs are started on.
func machines(t testing.TB, hosts ...string) (map[string]*trouble.Machine, func(host, program string, argv []string) []string) {
	t.Helper()
	all := map[string]*trouble.Machine{}
	for _, host := range hosts {
		all[host] = trouble.NewMachine(t)
	}
	return all, func(host, program string, argv []string) []string {
		m, ours := all[host], []string{"controller", "agent", "etcd"}
		if m == nil || !slices.Contains(ours, program) {
			return argv
		}
		return m.Wrap(argv)
	}
}

// TestASlowDiskOfAMemberSlowsAndLosesNothing has one member of etcd wait for its
// disk at every fsync.
func TestASlowDiskOfAMemberSlowsAndLosesNothing(t *testing.T) {
	t.Parallel()
	on, wrap := machines(t, controllers...)
	c := startWrapped(t, onlyControllers, wrap)
	rng := soak.Chance(t)
	h := begin(c)
	stop := h.run(rng)
	slow := func(leader bool, by time.Duration) fault {
		var host string
		name := map[bool]string{true: "the leader's", false: "a follower's"}[leader]
		return fault{fmt.Sprintf("%s disk takes %s longer", name, by), func() {
			c.Eventually("there is a leader", func() error {
				if host = c.leader(); host == "" {
					return fmt.Errorf("none")
				}
				return nil
			})
			if !leader {
				host = others(host)[rng.IntN(2)]
			}
			on[host].SlowDisk(by)
		}, func() { on[host].SlowDisk(0) }, controllers}
	}
	plan := []fault{
		slow(false, 2*time.Second), slow(true, 2*time.Second), slow(true, 200*time.Millisecond), slow(false, 200*time.Millisecond),
	}
	for range soak.Rounds(1, 5) {
		for _, f := range plan[:soak.Rounds(2, len(plan))] {
			h.try(t, f, rng)
		}
	}
	stop()
	h.judge(t)
}

// embeddedStore is a cloud whose controller has the store with itself.
const embeddedStore = `
tunnel_types: [vxlan]
controller: { network: { agent_down_time: 6 } }
hosts:
  - { name: ctl1, roles: [controller] }
  - { name: hv1, roles: [compute] }
`

// TestASlowDiskOfAnEmbeddedStoreSlowsWritesOnly has a controller wait for its disk
// at every fsync.
func TestASlowDiskOfAnEmbeddedStoreSlowsWritesOnly(t *testing.T) {
	t.Parallel()
	on, wrap := machines(t, "ctl1", "hv1")
	c := &cluster{Cloud: e2e.StartWrapped(t, embeddedStore, wrap)}
	c.apis = map[string]*lab.API{"ctl1": c.Lab.API()}
	n := c.Network(nil)
	c.Subnet(n, "10.7.0.0/24")
	near, far := c.Guest("hv1", "near", n), c.Guest("hv1", "far", n)
	c.AllReach(near, far)
	traffic := c.Stream(near, far, 4)
	w := c.writer()
	stop := w.run()
	for _, by := range []time.Duration{200 * time.Millisecond, 2 * time.Second} {
		on["ctl1"].SlowDisk(by)
		time.Sleep(by)
		before, _, _ := w.look()
		slowest := c.reads("/v2.0/ports/"+near.Port.ID, max(3*by, 2*time.Second, soak.Lasting(t, 0)/4))
		made, refused, slow := w.look()
		t.Logf("%s longer: %d written, slowest %s, %d refused; slowest read %s", by, made-before, slow.Round(time.Millisecond), refused, slowest.Round(time.Millisecond))
		if made == before && slow < by {
			t.Errorf("%s longer: nothing is written", by)
		}
		if slowest > time.Second {
			t.Errorf("a read took %s", slowest)
		}
	}
	on["ctl1"].SlowDisk(0)
	if soak.Soaking() {
		c.hangs(on["hv1"], near, n)
	}
	stop()
	c.flowed(traffic())
	w.judge()
	if log := c.log("ctl1", "controller", 0); strings.Contains(log, "agent is dead") {
		t.Errorf("a host that lives is taken for dead:\n%s", log)
	}
	c.AwaitInSync("hv1")
}

// reads asks for something again and again, and gives how long the slowest answer
// took.
func (c *cluster) reads(path string, during time.Duration) (slowest time.Duration) {
	c.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		a := c.ask(c.Context(), "ctl1", "GET", path, nil, nil)
		if a.status != http.StatusOK {
			c.Errorf("GET %s: %+v", path, a)
		}
		slowest = max(slowest, a.took)
	}
	return slowest
}

// hangs has the disk of an agent's records hang.
func (c *cluster) hangs(hv1 *trouble.Machine, near e2e.Guest, n e2e.Network) {
	c.Helper()
	hv1.SlowDisk(10 * time.Second)
	third := c.Guest("hv1", "third", n)
	c.AllReach(near, third)
	c.Eventually("the agent says that its disk hangs", func() error { return c.agentSays("the disk hangs", true) })
	hv1.SlowDisk(0)
	c.Eventually("the agent has no problem", func() error { return c.agentSays("the disk hangs", false) })
}
