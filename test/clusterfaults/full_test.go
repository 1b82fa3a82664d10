package clusterfaults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lepton-sdn/lepton/test/documents"
)

// smallStore is a cloud whose etcd takes 16 MiB.
const smallStore = `
tunnel_types: [vxlan]
etcd: ["--quota-backend-bytes=16777216"]
controller: { network: { agent_down_time: 6 } }
hosts:
  - { name: ctl, count: 3, roles: [controller] }
  - { name: hv, count: 2, roles: [compute] }
`

// fill writes until etcd has no space.
func (c *cluster) fill(client *clientv3.Client) {
	c.Helper()
	value := strings.Repeat("x", 1<<20)
	for i := range 100 {
		ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
		_, err := client.Put(ctx, fmt.Sprint("/junk/", i), value)
		cancel()
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return
		}
		c.Must(err)
	}
	c.Fatal("etcd does not become full")
}

// TestAFullStoreIsReadAndSaysSo fills etcd and makes room as docs/operations.md
// tells.
func TestAFullStoreIsReadAndSaysSo(t *testing.T) {
	t.Parallel()
	c := start(t, smallStore)
	n := c.Network(nil)
	c.Subnet(n, "10.7.0.0/24")
	near, far := c.Guest("hv1", "near", n), c.Guest("hv2", "far", n)
	c.AllReach(near, far)
	client := c.etcd(controllers...)
	traffic := c.Stream(near, far, 4)
	c.fill(client)
	for _, host := range controllers {
		c.Eventually("writes are refused through "+host, func() error {
			a := c.ask(c.Context(), host, "POST", "/v2.0/ports", aPort(n, nil), nil)
			if err := a.proper(); err != nil {
				return err
			}
			if !strings.Contains(a.body, "no space") || a.took > 5*time.Second {
				return fmt.Errorf("after %s: %s", a.took, a.body)
			}
			return nil
		})
		a := c.ask(c.Context(), host, "GET", "/v2.0/ports/"+near.Port.ID, nil, nil)
		if a.status != http.StatusOK || a.stale {
			t.Errorf("GET through %s: %+v", host, a)
		}
	}
	c.kill("ctl3", "controller")
	c.start("ctl3", "controller")
	if a := c.ask(c.Context(), "ctl3", "GET", "/v2.0/ports/"+near.Port.ID, nil, nil); a.status != http.StatusOK {
		t.Errorf("GET through a controller that started on a full store: %+v", a)
	}
	time.Sleep(downTime + 2*time.Second) // no heartbeat can be stored
	roomy := time.Now()
	c.makeRoom(client)
	c.asDocumented(client.Endpoints())
	for _, host := range controllers {
		t.Logf("%s writes %s after the alarm is off", host, c.writes(host).Round(time.Millisecond))
	}
	c.flowed(traffic())
	// Agents that lost their controller meanwhile could not be recorded, thus not
	// come back, and nobody took them for dead.
	c.heardSince(roomy, "hv1", "hv2")
	c.AwaitInSync("hv1", "hv2")
	third := c.Guest("hv2", "third", n)
	c.AllReach(near, third)
}

// makeRoom takes away what filled the store; it needs more than that.
func (c *cluster) makeRoom(client *clientv3.Client) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 30*time.Second)
	defer cancel()
	_, err := client.Delete(ctx, "/junk/", clientv3.WithPrefix())
	c.Must(err)
	st, err := client.Status(ctx, client.Endpoints()[0])
	c.Must(err)
	if len(st.Errors) == 0 {
		c.Errorf("etcd raises no alarm: %+v", st)
	}
}

// asDocumented types what the operator is told to.
func (c *cluster) asDocumented(endpoints []string) {
	c.Helper()
	page, err := documents.Read(filepath.Join("..", ".."), "docs/operations.md")
	c.Must(err)
	i := slices.IndexFunc(page.Blocks, func(b documents.Block) bool { return slices.Equal(b.Places, []string{"etcd"}) })
	if i < 0 {
		c.Fatal("docs/operations.md says nowhere how to make room")
	}
	variable := regexp.MustCompile(`ETCDCTL_ENDPOINTS=http\S+`)
	commands := variable.ReplaceAllString(page.Blocks[i].Text, "ETCDCTL_ENDPOINTS="+strings.Join(endpoints, ","))
	c.Log(c.Exec("ctl1", "bash", "-c", "set -ex\n"+commands))
}
