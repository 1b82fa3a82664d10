package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

// ledger is a model of one project's quotas: what it has, by resource, and what
// it may have; -1 is no limit.
type ledger struct {
	project string
	have    map[string][]string // ids, in the order in which they were made
	rules   int                 // of security groups, which come with rules
	limits  map[string]int
}

// fits tells whether so many more of a resource may be made.
func (l *ledger) fits(resource string, more int) bool {
	used := len(l.have[resource])
	if resource == "security_group_rule" {
		used = l.rules
	}
	return l.limits[resource] < 0 || used+more <= l.limits[resource]
}

// counted are the resources that the model makes, with their collections.
func counted() map[string]string {
	return map[string]string{
		"network": "networks", "subnetpool": "subnetpools", "router": "routers",
		"security_group": "security-groups", "port": "ports",
	}
}

// quotaRun drives one project of a cloud and its model.
type quotaRun struct {
	*cloud
	rt *rapid.T
	ledger
	network string // of another project, for ports
}

func newQuotaRun(rt *rapid.T, c *cloud, project string) *quotaRun {
	q := &quotaRun{cloud: c, rt: rt, ledger: ledger{project: project, have: map[string][]string{}, limits: map[string]int{}}}
	q.network = id(c.create("networks", "network", `{"project_id": "other"}`))
	for _, resource := range plugin.QuotaResources() {
		q.limits[resource] = c.plugin.DefaultQuota()[resource]
	}
	// The default group is there from the first look on, with its four rules.
	status, out, _ := c.call("GET", "/v2.0/security-groups?project_id="+project, nil, "X-Project-Id", project)
	if groups := out["security_groups"].([]any); status != 200 || len(groups) != 1 {
		rt.Fatalf("%d %v", status, out)
	}
	q.have["security_group"], q.rules = []string{"default"}, 4
	return q
}

// body is a request for objects of a resource.
func (q *quotaRun) body(resource string, n int) string {
	var all []string
	for range n {
		switch resource {
		case "port":
			all = append(all, `{"network_id": "`+q.network+`"}`)
		case "subnetpool":
			all = append(all, `{"name": "p", "prefixes": ["10.0.0.0/8"]}`)
		default:
			all = append(all, `{"name": "x"}`)
		}
	}
	if n == 1 {
		return `{"` + resource + `": ` + all[0] + `}`
	}
	return `{"` + resource + `s": [` + strings.Join(all, ",") + `]}`
}

// make makes one object or several at once, of which all are made or none.
func (q *quotaRun) make(resource string, n int) {
	may := q.fits(resource, n) && (resource != "security_group" || q.fits("security_group_rule", 2*n))
	status, out, _ := q.call("POST", "/v2.0/"+counted()[resource], q.body(resource, n), "X-Project-Id", q.project)
	switch {
	case may && status != 201:
		q.rt.Fatalf("%d of %s: %d %v; the project has %v and may have %v", n, resource, status, out, q.counts(), q.limits)
	case !may && (status != 409 || refusedType(out) != "OverQuota"):
		q.rt.Fatalf("%d of %s: %d %v; the project has %v and may have %v", n, resource, status, out, q.counts(), q.limits)
	case !may:
		return
	}
	for _, v := range out {
		if list, ok := v.([]any); ok {
			for _, o := range list {
				q.have[resource] = append(q.have[resource], id(o.(map[string]any)))
			}
		} else {
			q.have[resource] = append(q.have[resource], id(v.(map[string]any)))
		}
	}
	if resource == "security_group" {
		q.rules += 2 * n
	}
}

// remove deletes one of a resource's objects, if there is one besides the
// default group.
func (q *quotaRun) remove(resource string) {
	first := 0
	if resource == "security_group" {
		first = 1
	}
	have := q.have[resource]
	if len(have) <= first {
		return
	}
	i := rapid.IntRange(first, len(have)-1).Draw(q.rt, "which")
	q.must(204, "DELETE", "/v2.0/"+counted()[resource]+"/"+have[i], nil)
	q.have[resource] = slices.Delete(slices.Clone(have), i, i+1)
	if resource == "security_group" {
		q.rules -= 2
	}
}

// limit changes a limit, also below what there is, or forgets all of them.
func (q *quotaRun) limit(resource string, limit int) {
	path := "/v2.0/quotas/" + q.project
	if limit < -1 {
		q.call("DELETE", path, nil) // 404 when there are none
		for _, resource := range plugin.QuotaResources() {
			q.limits[resource] = q.plugin.DefaultQuota()[resource]
		}
		return
	}
	q.must(200, "PUT", path, fmt.Sprintf(`{"quota": {%q: %d}}`, resource, limit))
	q.limits[resource] = limit
}

func (q *quotaRun) counts() map[string]int {
	n := map[string]int{"security_group_rule": q.rules}
	for resource := range counted() {
		n[resource] = len(q.have[resource])
	}
	return n
}

// check compares the model with what the API says of limits and use.
func (q *quotaRun) check() {
	details := q.must(200, "GET", "/v2.0/quotas/"+q.project+"/details", nil)
	for resource, n := range q.counts() {
		d := details[resource].(map[string]any)
		used, _ := d["used"].(json.Number).Int64()
		limit, _ := d["limit"].(json.Number).Int64()
		if int(used) != n || int(limit) != q.limits[resource] {
			q.rt.Fatalf("%s: %d of %d used, want %d of %d", resource, used, limit, n, q.limits[resource])
		}
	}
}

// TestAnySequenceOfRequestsKeepsQuotasExactly drives a project with creates, in
// bulk too, deletions and changes of its limits: a request succeeds exactly when
// the model says so, and use is counted exactly.
func TestAnySequenceOfRequestsKeepsQuotasExactly(t *testing.T) {
	c := newCloud(t)
	c.must(200, "PUT", "/v2.0/quotas/other", `{"quota": {"network": -1}}`)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		q := newQuotaRun(rt, c, fmt.Sprint("project", n))
		resources := []string{"network", "subnetpool", "router", "security_group", "port"}
		limited := append([]string{"security_group_rule"}, resources...)
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			resource := rapid.SampledFrom(resources).Draw(rt, "resource")
			switch rapid.IntRange(0, 5).Draw(rt, "action") {
			case 0, 1:
				q.make(resource, 1)
			case 2:
				q.make(resource, rapid.IntRange(2, 4).Draw(rt, "number"))
			case 3:
				q.remove(resource)
			default:
				q.limit(rapid.SampledFrom(limited).Draw(rt, "limited"), rapid.IntRange(-2, 8).Draw(rt, "limit"))
			}
			q.check()
		}
		for _, resource := range resources { // room for the next run
			for i := len(q.have[resource]); i > 0; i-- {
				q.remove(resource)
			}
		}
	})
}

// TestAQuotaHoldsAtEveryMoment has clients of two controllers make and delete
// ports while others look: there are never more than the limit, and when all
// have ended exactly as many fit as are free.
func TestAQuotaHoldsAtEveryMoment(t *testing.T) {
	const limit = 10
	s := sharedStore(t)
	few := func(p *plugin.Config, _ *Config) { p.Quotas[plugin.QuotaPort] = limit }
	clouds := []*cloud{newCloudOn(t, s, few), newCloudOn(t, s, few)}
	n := id(clouds[0].network(`{}`))
	body := `{"port": {"network_id": "` + n + `"}}`
	var clients, watchers sync.WaitGroup
	done := make(chan struct{})
	for i := range clouds {
		watchers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got := len(clouds[i].list("ports?fields=id", "ports")); got > limit {
					t.Errorf("%d ports with a limit of %d", got, limit)
				}
			}
		})
	}
	for client := range 6 {
		clients.Go(func() {
			var mine []string
			for i := range 25 {
				c := clouds[(client+i)%2]
				if len(mine) > 0 && rand.IntN(2) == 0 {
					c.must(204, "DELETE", "/v2.0/ports/"+mine[0], nil)
					mine = mine[1:]
					continue
				}
				status, out, _ := c.call("POST", "/v2.0/ports", body)
				if status == 201 {
					mine = append(mine, id(out["port"].(map[string]any)))
				} else if refusedType(out) != "OverQuota" {
					t.Errorf("%d %v", status, out)
				}
			}
		})
	}
	clients.Wait()
	close(done)
	watchers.Wait()
	there := len(clouds[0].list("ports?fields=id", "ports"))
	for i := there; ; i++ {
		status, out, _ := clouds[i%2].call("POST", "/v2.0/ports", body)
		if want := i < limit; want != (status == 201) {
			t.Fatalf("with %d ports of %d: %d %v", i, limit, status, out)
		}
		if status != 201 {
			break
		}
	}
}
