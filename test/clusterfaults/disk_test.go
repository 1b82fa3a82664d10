package clusterfaults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
	"github.com/lepton-sdn/lepton/test/soak"
	"github.com/lepton-sdn/lepton/test/trouble"
)

// startOn starts a cloud with three controllers where some members of etcd have disks
// of their own, by host.
func startOn(t testing.TB, topology string, disks map[string]*trouble.Disk) *cluster {
	t.Helper()
	return startWrapped(t, topology, func(host, program string, argv []string) []string {
		if i := slices.Index(argv, "--data-dir"); i >= 0 && disks[host] != nil {
			argv[i+1] = disks[host].Path + "/etcd"
		}
		return argv
	})
}

// fillOf takes all of the disk of a host's member of etcd and waits until the member
// says why it ends.
func (c *cluster) fillOf(host string, disk *trouble.Disk) {
	c.Helper()
	at := c.logSize(host, "etcd")
	disk.Fill(0)
	c.Eventually("etcd of "+host+" ends", func() error {
		if !strings.Contains(c.log(host, "etcd", at), "no space left on device") {
			return fmt.Errorf("it does not say why")
		}
		return nil
	})
}

// TestMembersWhoseDiskIsFullEndAndComeBack fills the disk of one member of etcd,
// then of another one, while clients write.
func TestMembersWhoseDiskIsFullEndAndComeBack(t *testing.T) {
	t.Parallel()
	disks := map[string]*trouble.Disk{"ctl1": trouble.NewDisk(t, 200<<20), "ctl2": trouble.NewDisk(t, 200<<20)}
	c := startOn(t, onlyControllers, disks)
	h := begin(c)
	stop := h.run(soak.Chance(t))
	for range soak.Rounds(1, 5) {
		c.fillOf("ctl1", disks["ctl1"])
		h.reset()
		c.Eventually("all write with one full disk", func() error {
			if slow := h.slow(controllers); slow != "" {
				return fmt.Errorf("%s does not", slow)
			}
			return nil
		})
		c.fillOf("ctl2", disks["ctl2"])
		c.readsAndRefuses("/v2.0/ports/" + h.counter)
		for _, host := range []string{"ctl1", "ctl2"} {
			disks[host].MakeRoom()
			c.Eventually("etcd of "+host+" starts", func() error { return c.Lab.Start(c.Context(), host, "etcd") })
		}
		for _, host := range controllers {
			t.Logf("%s writes %s after there is room", host, c.writes(host).Round(time.Millisecond))
		}
	}
	stop()
	h.judge(t)
}

// readsAndRefuses checks what all controllers say without a quorum.
func (c *cluster) readsAndRefuses(path string) {
	c.Helper()
	var all sync.WaitGroup
	for _, host := range controllers {
		all.Go(func() {
			if a := c.ask(c.Context(), host, "GET", path, nil, nil); a.status != http.StatusOK {
				c.Errorf("GET through %s: %+v", host, a)
			}
			if err := c.ask(c.Context(), host, "POST", "/v2.0/networks", map[string]any{"network": map[string]any{}}, nil).proper(); err != nil {
				c.Errorf("POST through %s: %v", host, err)
			}
		})
	}
	all.Wait()
}

// onDisks is a cloud whose controller and whose agent have disks of their own.
const onDisks = `
tunnel_types: [vxlan]
controller: { store: { embedded: { dir: %q } }, network: { agent_down_time: 6 } }
hosts:
  - { name: ctl1, roles: [controller] }
  - { name: hv1, roles: [compute], agent: { state_dir: %q } }
`

// refuses waits until writes are refused for want of space, and reads.
func (c *cluster) refuses(what string) {
	c.Helper()
	c.Eventually(what, func() error {
		a := c.ask(c.Context(), "ctl1", "POST", "/v2.0/networks", map[string]any{"network": map[string]any{"project_id": "writer"}}, nil)
		if err := a.proper(); err != nil {
			return err
		}
		if !strings.Contains(a.body, "no space left") {
			return fmt.Errorf("%s", a.body)
		}
		return nil
	})
	if a := c.ask(c.Context(), "ctl1", "GET", "/v2.0/agents", nil, nil); a.status != http.StatusOK || a.stale {
		c.Errorf("GET: %+v", a)
	}
}

// TestFullDisksOfControllerAndAgentStopNeither fills the disk of an embedded
// store, and that of an agent's records.
func TestFullDisksOfControllerAndAgentStopNeither(t *testing.T) {
	t.Parallel()
	store, state := trouble.NewDisk(t, 400<<20), trouble.NewDisk(t, 8<<20)
	c := &cluster{Cloud: e2e.Start(t, fmt.Sprintf(onDisks, store.Path+"/store", state.Path+"/agent"))}
	c.apis = map[string]*lab.API{"ctl1": c.Lab.API()}
	n := c.Network(nil)
	c.Subnet(n, "10.7.0.0/24")
	near, far := c.Guest("hv1", "near", n), c.Guest("hv1", "far", n)
	c.AllReach(near, far)
	traffic := c.Stream(near, far, 4)

	state.Fill(0)
	c.rules(80) // more than fits in the block that the file ends in
	third := c.Guest("hv1", "third", n)
	c.AllReach(near, third)
	c.Eventually("the agent says that its disk is full", func() error { return c.agentSays("no space left on device", true) })
	c.Restart("hv1", "agent", true)
	c.AwaitInSync("hv1")
	fourth := c.Guest("hv1", "fourth", n)
	c.AllReach(near, fourth)
	state.MakeRoom()
	c.Eventually("the agent has no problem", func() error { return c.agentSays("no space left on device", false) })

	w := c.writer()
	stop := w.run()
	time.Sleep(300 * time.Millisecond)
	store.Fill(0)
	full := time.Now()
	c.refuses("a full disk")
	c.kill("ctl1", "controller")
	c.start("ctl1", "controller")
	c.refuses("a controller that starts on a full disk")
	time.Sleep(time.Until(full.Add(downTime + 2*time.Second))) // no heartbeat can be stored
	store.MakeRoom()
	t.Logf("writes %s after there is room", c.writes("ctl1").Round(time.Millisecond))
	stop()
	c.flowed(traffic())
	log := c.log("ctl1", "controller", 0)
	for _, word := range []string{"FATAL", "PANIC", "agent is dead"} {
		if strings.Contains(log, word) {
			t.Errorf("the controller says %s:\n%s", word, log)
		}
	}
	w.judge()
	c.AwaitInSync("hv1")
}

// rules adds rules to the groups of all projects.
func (c *cluster) rules(n int) {
	c.Helper()
	var groups struct {
		Groups []listed `json:"security_groups"`
	}
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/security-groups", nil, &groups))
	for _, g := range groups.Groups {
		var all []any
		for i := range n {
			all = append(all, map[string]any{"security_group_id": g.ID, "direction": "ingress", "protocol": "tcp", "port_range_min": 1000 + i, "port_range_max": 1000 + i})
		}
		c.Must(c.Lab.API().Call(c.Context(), "POST", "/v2.0/security-group-rules", map[string]any{"security_group_rules": all}, nil))
	}
}

// agentSays checks whether the controllers know of a problem of hv1's agent.
func (c *cluster) agentSays(word string, want bool) error {
	a := c.ask(c.Context(), "ctl1", "GET", "/v2.0/agents", nil, nil)
	if got := strings.Contains(a.body, word); a.status != http.StatusOK || got != want {
		return fmt.Errorf("%d %s", a.status, a.body)
	}
	return nil
}
