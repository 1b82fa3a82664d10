package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
)

// TestManyClientsOfTwoControllersShareTheSegments has clients of many projects
// make networks with ports until the segment ids are used up: none is given
// twice, none is kept by a failed call, and every project has one default group.
func TestManyClientsOfTwoControllersShareTheSegments(t *testing.T) {
	const ids, clients, projects = 30, 8, 5
	s := sharedStore(t)
	few := func(p *plugin.Config, _ *Config) { p.VXLAN.VNIRanges = []string{fmt.Sprintf("101:%d", 100+ids)} }
	clouds := []*cloud{newCloudOn(t, s, few), newCloudOn(t, s, few)}
	var mu sync.Mutex
	made := map[string]string{} // segmentation id → network
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for i := range ids/clients + 3 {
				c := clouds[(client+i)%2]
				status, out, _ := c.call("POST", "/v2.0/networks", `{"network": {}}`, "X-Project-Id", fmt.Sprint("p", (client+i)%projects))
				switch {
				case status == 201:
					n := out["network"].(map[string]any)
					id := fmt.Sprint(n["provider:segmentation_id"])
					mu.Lock()
					if other, ok := made[id]; ok {
						t.Errorf("networks %s and %s have segment %s", other, n["id"], id)
					}
					made[id] = n["id"].(string)
					mu.Unlock()
				case status != 503 || refusedType(out) != "NoNetworkAvailable":
					t.Errorf("%d %v", status, out)
				}
			}
		})
	}
	all.Wait()
	if len(made) != ids {
		t.Errorf("%d networks have segments, of %d ids", len(made), ids)
	}
	for i := range projects {
		if got := clouds[i%2].list(fmt.Sprint("security-groups?name=default&project_id=p", i), "security_groups"); len(got) != 1 {
			t.Errorf("project p%d has %d default groups", i, len(got))
		}
	}
	// MACs: many at once on one network.
	var network string
	for _, network = range made {
		break
	}
	for client := range clients {
		all.Go(func() {
			for i := range 5 {
				clouds[(client+i)%2].port(network, "")
			}
		})
	}
	all.Wait()
	checkAddresses(t, clouds[0])
	checkAddresses(t, clouds[1])
}

// TestAClientReadsItsWritesThroughTheOtherController writes through one
// controller and reads through the other at once: by id, in the list, and by
// filters that are answered from indexes.
func TestAClientReadsItsWritesThroughTheOtherController(t *testing.T) {
	s := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, s, unlimited), newCloudOn(t, s, unlimited)}
	n := id(clouds[0].network(`{}`))
	clouds[1].subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/16"`)
	var all sync.WaitGroup
	for client := range 6 {
		all.Go(func() {
			for i := range 10 {
				here, there := clouds[(client+i)%2], clouds[(client+i+1)%2]
				name := fmt.Sprintf("c%d-%d", client, i)
				p := here.port(n, fmt.Sprintf(`, "name": %q, "device_id": "d-%s"`, name, name))
				path := "/v2.0/ports/" + id(p)
				ip := p["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
				there.must(http.StatusOK, "GET", path, nil)
				for _, query := range []string{
					"name=" + name, "device_id=d-" + name, "mac_address=" + p["mac_address"].(string),
					"fixed_ips=ip_address%3D" + ip + "&network_id=" + n, "id=" + id(p), "status=DOWN&name=" + name,
				} {
					if got := there.list("ports?"+query, "ports"); len(got) != 1 || id(got[0]) != id(p) {
						t.Errorf("the other controller finds %v by %s", got, query)
					}
				}
				there.must(http.StatusOK, "PUT", path, fmt.Sprintf(`{"port": {"name": "new-%s"}}`, name))
				if got := here.list("ports?name=new-"+name, "ports"); len(got) != 1 {
					t.Errorf("after an update there, here are %v", got)
				}
				if got := here.list("ports?name="+name, "ports"); len(got) != 0 {
					t.Errorf("after an update there, here are still %v", got)
				}
				here.must(http.StatusNoContent, "DELETE", path, nil)
				there.must(http.StatusNotFound, "GET", path, nil)
				if got := there.list("ports?device_id=d-"+name, "ports"); len(got) != 0 {
					t.Errorf("after a deletion here, there are still %v", got)
				}
			}
		})
	}
	all.Wait()
}

// acknowledged are the ids that the API said it made.
type acknowledged struct {
	mu    sync.Mutex
	ids   []string
	fails int
}

func (a *acknowledged) note(status int, out map[string]any) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if status == http.StatusCreated {
		a.ids = append(a.ids, id(out["port"].(map[string]any)))
		return true
	}
	a.fails++
	return status == http.StatusServiceUnavailable
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.ids)
}

// awaitMore waits until so many more requests were acknowledged.
func (a *acknowledged) awaitMore(t *testing.T, more int) {
	t.Helper()
	from := a.count()
	for end := time.Now().Add(30 * time.Second); a.count() < from+more; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d requests were acknowledged in 30 s", a.count()-from, more)
		}
	}
}

// checkAllThere compares what was acknowledged with what both controllers have.
func (a *acknowledged) checkAllThere(t *testing.T, clouds []*cloud) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range clouds {
		err := c.db.Read(context.Background(), func(r records.Reader) error {
			for _, id := range a.ids {
				if _, ok := records.Ports.Get(r, id); !ok {
					t.Errorf("port %s was acknowledged and is gone", id)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		checkAddresses(t, c)
	}
	t.Logf("%d ports made, %d requests refused", len(a.ids), a.fails)
}
