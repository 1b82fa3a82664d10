package clusterfaults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
	"github.com/lepton-sdn/lepton/test/soak"
)

// withHosts is a cloud with two hosts for guests.
const withHosts = `
tunnel_types: [vxlan]
hosts:
  - { name: ctl, count: 3, roles: [controller] }
  - { name: hv, count: 2, roles: [compute] }
`

// log gives what a host's program has written since the offset.
func (c *cluster) log(host, program string, since int64) string {
	c.Helper()
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name == host {
			b, err := os.ReadFile(filepath.Join(h.Dir, program+".log"))
			c.Must(err)
			return string(b[min(since, int64(len(b))):])
		}
	}
	c.Fatalf("no host %s", host)
	return ""
}

func (c *cluster) logSize(host, program string) int64 { return int64(len(c.log(host, program, 0))) }

// aPort is what a request for a port has as its body.
func aPort(n e2e.Network, more map[string]any) map[string]any {
	attrs := map[string]any{"network_id": n.ID}
	for k, v := range more {
		attrs[k] = v
	}
	return map[string]any{"port": attrs}
}

// TestWithoutAQuorumReadsAndTrafficGoOn stops two members of etcd of three.
func TestWithoutAQuorumReadsAndTrafficGoOn(t *testing.T) {
	t.Parallel()
	c := start(t, withHosts)
	n := c.Network(nil)
	c.Subnet(n, "10.7.0.0/24")
	near, far := c.Guest("hv1", "near", n), c.Guest("hv2", "far", n)
	c.AllReach(near, far)
	c.AwaitInSync("hv1", "hv2")
	for range soak.Rounds(1, 10) {
		traffic := c.Stream(near, far, 4)
		at := map[string]int64{"hv1": c.logSize("hv1", "agent"), "hv2": c.logSize("hv2", "agent")}
		c.kill("ctl1", "etcd")
		c.kill("ctl2", "etcd")
		c.readsOnly(n, near)
		for host, since := range at {
			if out := c.log(host, "agent", since); strings.Contains(out, "no stream to the controller") {
				t.Errorf("the agent of %s lost its controller:\n%s", host, out)
			}
		}
		c.start("ctl2", "etcd")
		for _, host := range controllers {
			t.Logf("%s writes %s after a member came back", host, c.writes(host).Round(time.Millisecond))
		}
		c.start("ctl1", "etcd")
		c.flowed(traffic())
		third := c.Guest("hv2", fmt.Sprintf("g%d", time.Now().UnixNano()%1e6), n)
		// Links that come and go make Open vSwitch's userspace tunnels lose some.
		c.Eventually("the new guest is reached", func() error {
			if r := c.Ping(near, third.IP(4), lab.Ping{Count: 1, Timeout: time.Second}); r.Received == 0 {
				return fmt.Errorf("%s", r)
			}
			return nil
		})
		for _, host := range controllers {
			c.Eventually("no answer is old", func() error {
				if a := c.ask(c.Context(), host, "GET", "/v2.0/ports/"+third.Port.ID, nil, nil); a.status != http.StatusOK || a.stale {
					return fmt.Errorf("%+v", a)
				}
				return nil
			})
		}
	}
}

// readsOnly checks what all controllers say while the store cannot be written.
func (c *cluster) readsOnly(n e2e.Network, g e2e.Guest) {
	c.Helper()
	var all sync.WaitGroup
	for _, host := range controllers {
		all.Go(func() {
			// The first to notice waits for the store.
			c.looksOnly(host, n, g, 15*time.Second)
			c.looksOnly(host, n, g, 5*time.Second)
		})
	}
	all.Wait()
}

func (c *cluster) looksOnly(host string, n e2e.Network, g e2e.Guest, limit time.Duration) {
	for path, want := range map[string]int{
		"/v2.0/ports/" + g.Port.ID: http.StatusOK, "/v2.0/ports?network_id=" + n.ID: http.StatusOK,
		"/v2.0/security-groups": http.StatusOK, "/v2.0/agents": http.StatusOK,
		"/v2.0/ports/no-such-port": http.StatusServiceUnavailable,
	} {
		a := c.ask(c.Context(), host, "GET", path, nil, nil)
		if a.err != nil || a.status != want || !a.stale || a.took > limit {
			c.Errorf("GET %s through %s: %+v", path, host, a)
		}
		if strings.HasSuffix(path, g.Port.ID) && !strings.Contains(a.body, g.Port.MAC) {
			c.Errorf("the port is %s", a.body)
		}
	}
	a := c.ask(c.Context(), host, "POST", "/v2.0/ports", aPort(n, nil), nil)
	if err := a.proper(); err != nil || a.took > 20*time.Second {
		c.Errorf("create through %s after %s: %v", host, a.took, err)
	}
	c.Logf("%s refuses a write after %s", host, a.took.Round(time.Millisecond))
}
