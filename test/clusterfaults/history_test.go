package clusterfaults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// What clients compete for: all of it is used up in every run.
const (
	addresses   = 61 // of a /26 without network, gateway and broadcast
	vnis        = 30
	quota       = 25 // ports of a project
	projects    = 3
	clients     = 9
	counterName = "counter"
)

// outcome is what a client knows of something that it asked for.
type outcome int

const (
	never   outcome = iota // did not ask, or was refused
	unknown                // no answer, or one that leaves it open
	done                   // acknowledged
)

// thing is a port or a network that a client asked for, under a name that nobody
// else uses.
type thing struct {
	kind, name, id   string
	created, deleted outcome
}

// tally counts what became of requests to one controller.
type tally struct {
	written, read, stale, refused, lost int
	slowest                             time.Duration // of what was answered
}

// history is what all clients asked for and were told.
type history struct {
	c       *cluster
	network string // with the subnet
	counter string // a port whose description is counted up

	mu      sync.Mutex
	things  []*thing
	counted struct{ done, unknown int }
	tallies map[string]*tally
	wrong   []string
}

// begin makes what the clients compete for.
func begin(c *cluster) *history {
	c.Helper()
	h := &history{c: c}
	h.reset()
	n := c.Network(map[string]any{"name": "shared"})
	h.network = n.ID
	c.Must(c.Lab.API().Call(c.Context(), "POST", "/v2.0/subnets", map[string]any{"subnet": map[string]any{
		"network_id": n.ID, "cidr": "10.0.0.0/26", "ip_version": 4, "enable_dhcp": false,
	}}, nil))
	for p := range projects {
		c.Must(c.Lab.API().Call(c.Context(), "PUT", "/v2.0/quotas/"+project(p), map[string]any{"quota": map[string]any{"port": quota, "network": -1}}, nil))
	}
	h.counter = c.Port(n, map[string]any{"name": counterName, "description": "0", "project_id": "counters"}).ID
	return h
}

func project(n int) string { return fmt.Sprint("p", n) }

// reset begins to count anew, and gives what was counted, which h.mu guards.
func (h *history) reset() map[string]*tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.tallies
	h.tallies = map[string]*tally{}
	for _, host := range controllers {
		h.tallies[host] = &tally{}
	}
	return old
}

func (h *history) fail(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.wrong) < 20 {
		h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
	}
}

// run has clients ask until the function that it gives is called.
func (h *history) run(rng *rand.Rand) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for n := range clients {
		w := &client{h: h, n: n, rng: rand.New(rand.NewPCG(rng.Uint64(), uint64(n)))}
		// Three clients for each controller: one that is lost keeps the others busy.
		w.host = controllers[n%len(controllers)]
		all.Go(func() { w.work(ctx) })
	}
	return func() { cancel(); all.Wait() }
}

// client asks one request after the other.
type client struct {
	h    *history
	n    int
	host string
	rng  *rand.Rand
	mine []*thing
	made int
}

func (w *client) work(end context.Context) {
	ctx := context.Background() // what was begun is finished
	for end.Err() == nil {
		switch dice := w.rng.IntN(100); {
		case dice < 40:
			w.create(ctx, "port")
		case dice < 50:
			w.create(ctx, "network")
		case dice < 75:
			w.remove(ctx)
		case dice < 83:
			w.count(ctx)
		default:
			w.look(ctx)
		}
		select {
		case <-end.Done():
		case <-time.After(time.Duration(w.rng.IntN(10)) * time.Millisecond):
		}
	}
}

// ask sends a request and judges the answer as such.
func (w *client) ask(ctx context.Context, host, method, path string, body, out any, headers ...string) answer {
	// A request belongs to the fault in which it began: what clients try at a host
	// that is cut off comes through seconds later, in the next one.
	w.h.mu.Lock()
	t := w.h.tallies[host]
	w.h.mu.Unlock()
	a := w.h.c.ask(ctx, host, method, path, body, out, headers...)
	w.h.mu.Lock()
	switch {
	case a.err != nil:
		t.lost++
	case a.status == http.StatusServiceUnavailable && !strings.Contains(a.body, "NoNetworkAvailable"):
		t.refused++
	case method == "GET" && a.stale:
		t.stale++
	case method == "GET":
		t.read++
	case a.status < 300:
		t.written++
	}
	if a.err == nil {
		t.slowest = max(t.slowest, a.took)
	}
	w.h.mu.Unlock()
	if a.err == nil && a.status >= 500 {
		if err := a.proper(); err != nil {
			w.h.fail("%s %s through %s: %v", method, path, host, err)
		}
	}
	if a.err != nil || a.status == http.StatusServiceUnavailable {
		// A client that is refused waits, as Retry-After asks, though not as long.
		time.Sleep(time.Duration(20+w.rng.IntN(80)) * time.Millisecond)
	}
	return a
}

// settled tells what a write's answer means.
func (a answer) settled(good int) outcome {
	switch {
	case a.err != nil || a.status == http.StatusServiceUnavailable && !strings.Contains(a.body, "NoNetworkAvailable"):
		return unknown
	case a.status == good:
		return done
	}
	return never
}

func (w *client) create(ctx context.Context, kind string) {
	w.made++
	t := &thing{kind: kind, name: fmt.Sprintf("c%d-%d", w.n, w.made)}
	attrs := map[string]any{"name": t.name, "project_id": project(w.rng.IntN(projects))}
	if kind == "port" {
		attrs["network_id"] = w.h.network
	}
	var out map[string]struct {
		ID string `json:"id"`
	}
	a := w.ask(ctx, w.host, "POST", "/v2.0/"+kind+"s", map[string]any{kind: attrs}, &out)
	t.created, t.id = a.settled(http.StatusCreated), out[kind].ID
	switch {
	case t.created != never:
	case strings.Contains(a.body, "OverQuota"), strings.Contains(a.body, "IpAddressGenerationFailure"), strings.Contains(a.body, "NoNetworkAvailable"):
		return
	default:
		w.h.fail("create %s through %s: %d %s", kind, w.host, a.status, a.body)
		return
	}
	w.h.mu.Lock()
	w.h.things = append(w.h.things, t)
	w.h.mu.Unlock()
	if t.created == done {
		w.mine = append(w.mine, t)
	}
}

func (w *client) remove(ctx context.Context) {
	if len(w.mine) == 0 {
		return
	}
	i := w.rng.IntN(len(w.mine))
	t := w.mine[i]
	a := w.ask(ctx, w.host, "DELETE", "/v2.0/"+t.kind+"s/"+t.id, nil, nil)
	before := t.deleted
	switch t.deleted = a.settled(http.StatusNoContent); {
	case t.deleted == unknown:
	case t.deleted == done:
	case before == unknown && a.status == http.StatusNotFound:
		t.deleted = done // the one before has done it
	default:
		w.h.fail("delete %s %s through %s: %d %s", t.kind, t.name, w.host, a.status, a.body)
	}
	if t.deleted == done {
		w.mine = append(w.mine[:i], w.mine[i+1:]...)
		w.gone(ctx, t)
	}
}

// gone reads through another controller what was deleted.
func (w *client) gone(ctx context.Context, t *thing) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	host := controllers[w.rng.IntN(len(controllers))]
	a := w.ask(ctx, host, "GET", "/v2.0/"+t.kind+"s/"+t.id, nil, nil)
	if a.err == nil && a.status == http.StatusOK && !a.stale {
		w.h.fail("%s %s was deleted through %s and is there through %s", t.kind, t.name, w.host, host)
	}
}

// look reads through any controller what was made.
func (w *client) look(ctx context.Context) {
	if len(w.mine) == 0 {
		return
	}
	t := w.mine[w.rng.IntN(len(w.mine))]
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	host := controllers[w.rng.IntN(len(controllers))]
	a := w.ask(ctx, host, "GET", "/v2.0/"+t.kind+"s/"+t.id, nil, nil)
	if a.err == nil && a.status == http.StatusNotFound && t.deleted == never {
		w.h.fail("%s %s was made through %s and is not there through %s", t.kind, t.name, w.host, host)
	}
}

// count adds one to the counter, if nobody else did meanwhile.
func (w *client) count(ctx context.Context) {
	var seen struct {
		Port struct {
			Description string `json:"description"`
			Revision    int    `json:"revision_number"`
		} `json:"port"`
	}
	path := "/v2.0/ports/" + w.h.counter
	if a := w.ask(ctx, w.host, "GET", path, nil, &seen); a.err != nil || a.status != http.StatusOK {
		return
	}
	var n int
	if _, err := fmt.Sscan(seen.Port.Description, &n); err != nil {
		w.h.fail("the counter is %q", seen.Port.Description)
		return
	}
	a := w.ask(ctx, w.host, "PUT", path, map[string]any{"port": map[string]any{"description": fmt.Sprint(n + 1)}}, nil,
		"If-Match", fmt.Sprint("revision_number=", seen.Port.Revision))
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	switch a.settled(http.StatusOK) {
	case done:
		w.h.counted.done++
	case unknown:
		w.h.counted.unknown++
	}
}

// listed is an object as a list shows it.
type listed struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Project      string `json:"project_id"`
	Segmentation int    `json:"provider:segmentation_id"`
	MAC          string `json:"mac_address"`
	Description  string `json:"description"`
	FixedIPs     []struct {
		IP string `json:"ip_address"`
	} `json:"fixed_ips"`
}

// list reads all objects of a kind through a host's controller.
func (h *history) list(host, kind string) []listed {
	h.c.Helper()
	var out map[string][]listed
	a := h.c.ask(h.c.Context(), host, "GET", "/v2.0/"+kind+"s", nil, &out)
	if a.err != nil || a.status != http.StatusOK || a.stale {
		h.c.Fatalf("list of %ss through %s: %+v", kind, host, a)
	}
	return out[kind+"s"]
}

// judge compares what is there with the history, through every controller.
func (h *history) judge(t testing.TB) {
	t.Helper()
	for _, s := range h.wrong {
		t.Error(s)
	}
	for _, host := range controllers {
		ports, networks := h.list(host, "port"), h.list(host, "network")
		h.exactlyOnce(t, host, "port", ports)
		h.exactlyOnce(t, host, "network", networks)
		unique(t, host+": address", ports, func(p listed) string {
			if len(p.FixedIPs) != 1 {
				t.Errorf("%s: port %s has addresses %v", host, p.Name, p.FixedIPs)
				return p.ID
			}
			return p.FixedIPs[0].IP
		})
		unique(t, host+": MAC", ports, func(p listed) string { return p.MAC })
		unique(t, host+": VNI", networks, func(n listed) string { return fmt.Sprint(n.Segmentation) })
		unique(t, host+": default group of", h.list(host, "security-group"), func(g listed) string { return g.Project + "/" + g.Name })
		for _, p := range ports {
			if p.ID == h.counter {
				h.checkCounter(t, host, p.Description)
			}
		}
		h.checkQuotas(t, host, ports)
	}
	h.useUp(t)
}

// exactlyOnce compares the objects of a kind with what was asked for.
func (h *history) exactlyOnce(t testing.TB, host, kind string, there []listed) {
	t.Helper()
	ids := map[string][]string{}
	for _, o := range there {
		ids[o.Name] = append(ids[o.Name], o.ID)
	}
	for _, w := range h.things {
		if w.kind != kind {
			continue
		}
		got := ids[w.name]
		delete(ids, w.name)
		switch {
		case len(got) > 1:
			t.Errorf("%s: %s %s was made %d times", host, kind, w.name, len(got))
		case len(got) == 0 && w.created == done && w.deleted == never:
			t.Errorf("%s: %s %s was acknowledged and is lost", host, kind, w.name)
		case len(got) == 1 && w.deleted == done:
			t.Errorf("%s: %s %s was deleted and is there", host, kind, w.name)
		case len(got) == 1 && w.id != "" && got[0] != w.id:
			t.Errorf("%s: %s %s was made as %s and is %s", host, kind, w.name, w.id, got[0])
		}
	}
	delete(ids, counterName)
	delete(ids, "shared")
	for name := range ids {
		t.Errorf("%s: %s %q is there, and its making was refused", host, kind, name)
	}
}

func unique(t testing.TB, what string, list []listed, key func(listed) string) {
	t.Helper()
	seen := map[string]string{}
	for _, o := range list {
		k := key(o)
		if other, ok := seen[k]; ok {
			t.Errorf("%s %s is taken by %s and %s", what, k, other, o.ID)
		}
		seen[k] = o.ID
	}
}

func (h *history) checkCounter(t testing.TB, host, value string) {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(value, &n); err != nil || n < h.counted.done || n > h.counted.done+h.counted.unknown {
		t.Errorf("%s: the counter is %q after %d acknowledged changes and %d of unknown outcome", host, value, h.counted.done, h.counted.unknown)
	}
}

// used is a quota as its details show it.
type used struct {
	Used  int `json:"used"`
	Limit int `json:"limit"`
}

func (h *history) checkQuotas(t testing.TB, host string, ports []listed) {
	t.Helper()
	for n := range projects {
		count := 0
		for _, p := range ports {
			if p.Project == project(n) {
				count++
			}
		}
		var out struct{ Quota map[string]used }
		if a := h.c.ask(h.c.Context(), host, "GET", "/v2.0/quotas/"+project(n)+"/details.json", nil, &out); a.err != nil || a.status != http.StatusOK {
			t.Errorf("%s: quota of %s: %+v", host, project(n), a)
		}
		if q := out.Quota["port"]; q.Used != count || count > quota || q.Limit != quota {
			t.Errorf("%s: %s has %d ports, its quota says %+v", host, project(n), count, q)
		}
	}
}

// useUp makes ports and networks until there is nothing left to give: an address,
// a VNI or a place in a quota that was lost on the way is missing then.
func (h *history) useUp(t testing.TB) {
	t.Helper()
	fill := func(kind, refusal string, attrs map[string]any) {
		for range 200 {
			a := h.c.ask(h.c.Context(), "ctl1", "POST", "/v2.0/"+kind+"s", map[string]any{kind: attrs}, nil)
			if a.status != http.StatusCreated {
				if !strings.Contains(a.body, refusal) {
					t.Errorf("%s refused with %d %s, want %s", kind, a.status, a.body, refusal)
				}
				return
			}
		}
		t.Errorf("%ss are made without end", kind)
	}
	// Quotas first: ports without addresses use them up.
	bare := map[string]any{"network_id": h.network, "project_id": project(0), "fixed_ips": []any{}}
	fill("port", "OverQuota", bare)
	count := 0
	for _, p := range h.list("ctl2", "port") {
		if p.Project == project(0) {
			count++
		}
	}
	if count != quota {
		t.Errorf("%s has its quota used up with %d ports of %d", project(0), count, quota)
	}
	fill("port", "IpAddressGenerationFailure", map[string]any{"network_id": h.network, "project_id": "unlimited"})
	given := 0
	for _, p := range h.list("ctl2", "port") {
		given += len(p.FixedIPs)
	}
	if given != addresses {
		t.Errorf("%d addresses of %d can be given", given, addresses)
	}
	fill("network", "NoNetworkAvailable", map[string]any{})
	if n := len(h.list("ctl3", "network")); n != vnis {
		t.Errorf("%d VNIs of %d can be given", n, vnis)
	}
}
