package clusterfaults

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/e2e"
	"github.com/lepton-sdn/lepton/test/soak"
)

// novaAt is where Nova listens: the management address of the fourth host.
const novaAt = "198.18.0.4:8774"

// withNova is a cloud with a host for guests, whose controllers tell Nova of ports.
const withNova = `
tunnel_types: [vxlan]
controller: { nova: { url: "http://` + novaAt + `/v2.1", token: nova-token } }
hosts:
  - { name: ctl, count: 3, roles: [controller] }
  - { name: hv, count: 1, roles: [compute] }
`

// novasAnswers are what Nova says to a host's controller.
var novasAnswers = what{"--sport", "8774"}

// toldIn is how long Nova may wait for news of a port that is ACTIVE when the
// controller is lost whose duty it is: that is found out after ten seconds.
const toldIn = 25 * time.Second

// compute stands in for Nova: it takes events and remembers who brought them.
type compute struct {
	c       *cluster
	mu      sync.Mutex
	events  []told
	deaf    string        // the host that gets no answers
	answers chan struct{} // closed when it gets them
}

// told is an event as Nova got it.
type told struct {
	by, name, port string
	at             time.Time
}

func startWithNova(t *testing.T) (*cluster, *compute) {
	t.Helper()
	c := start(t, withNova)
	nova := &compute{c: c, answers: make(chan struct{})}
	place, err := c.Lab.Place("hv1")
	c.Must(err)
	l, err := place.Listen(novaAt)
	c.Must(err)
	server := &http.Server{Handler: nova, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return c, nova
}

func (n *compute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Events []map[string]any `json:"events"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || r.URL.Path != "/v2.1/os-server-external-events" || r.Header.Get("X-Auth-Token") != "nova-token" {
		n.c.Errorf("Nova was asked %s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	by := address
	for _, h := range n.c.Lab.Plan().Hosts {
		if h.Mgmt.Addr().String() == address {
			by = h.Name
		}
	}
	n.mu.Lock()
	for _, e := range in.Events {
		n.events = append(n.events, told{by: by, name: fmt.Sprint(e["name"]), port: fmt.Sprint(e["tag"]), at: time.Now()})
		e["code"] = http.StatusOK
	}
	var wait chan struct{}
	if by == n.deaf {
		wait = n.answers
	}
	n.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-r.Context().Done():
			return
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"events": in.Events})
}

// deafen keeps answers from a host; the function that it gives sends them.
func (n *compute) deafen(host string) (answer func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf, n.answers = host, make(chan struct{})
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.deaf = ""
		close(n.answers)
	}
}

// since gives the events that fit, from a time on; "" fits all.
func (n *compute) since(t time.Time, by, name, port string) (found []told) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if !e.at.Before(t) && (by == "" || e.by == by) && (name == "" || e.name == name) && (port == "" || e.port == port) {
			found = append(found, e)
		}
	}
	return found
}

// await waits for news of a port, by any host or by others than one.
func (n *compute) await(name string, g e2e.Guest, but string) told {
	n.c.Helper()
	var last told
	n.c.Eventually("Nova to be told "+name, func() error {
		for _, e := range n.since(time.Time{}, "", name, g.Port.ID) {
			if e.by != but {
				last = e
				return nil
			}
		}
		return fmt.Errorf("%v", n.since(time.Time{}, "", "", g.Port.ID))
	})
	return last
}

const (
	plugged   = "network-vif-plugged"
	unplugged = "network-vif-unplugged"
)

// novaFaults are what can become of the controller that tells Nova. mute says that
// it got no answer to what it sent last.
func (c *cluster) novaFaults(host string) []struct {
	fault
	mute bool
} {
	return []struct {
		fault
		mute bool
	}{
		{fault{"is paused", func() { c.pause(host, "controller") }, func() { c.resume(host, "controller") }, nil}, true},
		{fault{"is killed", func() { c.kill(host, "controller") }, func() { c.start(host, "controller") }, nil}, true},
		{fault{"is cut off from the store", func() { c.cut(host, storeOf) }, func() { c.mend(host, storeOf) }, nil}, false},
		{fault{"is cut off from Nova", func() { c.cut(host, novasAnswers) }, func() { c.mend(host, novasAnswers) }, nil}, false},
		{fault{"is cut off from everything", func() { c.unplug(host) }, func() { c.replug(host) }, nil}, false},
	}
}

// TestNovaIsToldWhicheverControllerIsLost has the controller go away whose duty it
// is to tell Nova, with a port that Nova was told of without an answer, one that
// waits to be told, and one that comes while it is away.
func TestNovaIsToldWhicheverControllerIsLost(t *testing.T) {
	t.Parallel()
	c, nova := startWithNova(t)
	rng := soak.Chance(t)
	n := c.Network(nil)
	c.Subnet(n, "10.7.0.0/24")
	plugs, doubled := 0, 0
	for round, which := range rng.Perm(5)[:soak.Rounds(2, 5)] {
		guest := func(name string) e2e.Guest { plugs++; return c.Guest("hv1", fmt.Sprint(name, round), n) }
		host := nova.await(plugged, guest("before"), "").by
		f := c.novaFaults(host)[which]
		c.Must(c.Lab.Ask(others(host)[rng.IntN(2)]))
		guests := map[string]e2e.Guest{}
		answer := func() {}
		if f.mute {
			answer = nova.deafen(host)
			guests["told without an answer"] = guest("mute")
			nova.await(plugged, guests["told without an answer"], "")
			guests["waiting to be told"] = guest("waits")
		}
		f.begin()
		began := time.Now()
		guests["new"] = guest("new")
		active := time.Now()
		for what, g := range guests {
			e := nova.await(plugged, g, host)
			t.Logf("the controller that tells Nova %s: of a port %s Nova was told %s after that, by another one", f.name, what, e.at.Sub(began).Round(100*time.Millisecond))
			if late := e.at.Sub(active); late > toldIn {
				t.Errorf("the controller %s: Nova was told of a port %s %s after it was ACTIVE", f.name, what, late)
			}
		}
		gone := guests["new"]
		c.Must(c.Lab.Unplug(c.Context(), gone.Guest.Name))
		nova.await(unplugged, gone, host)

		healed := time.Now()
		answer()
		f.heal()
		c.writes(host)
		time.Sleep(3 * time.Second) // it would have said by then what it still knew
		if stale := nova.since(healed, host, "", ""); len(stale) > 0 {
			t.Errorf("the controller %s and came back: it told Nova %v, which is another one's duty", f.name, stale)
		}
		for what, g := range guests {
			most := 1
			if what == "told without an answer" {
				most = 2
			}
			times := len(nova.since(time.Time{}, "", plugged, g.Port.ID))
			if doubled += times - 1; times > most {
				t.Errorf("the controller %s: Nova was told %d times of a port %s", f.name, times, what)
			}
		}
		if all := nova.since(time.Time{}, "", unplugged, gone.Port.ID); len(all) != 1 {
			t.Errorf("the controller %s: %v", f.name, all)
		}
	}
	t.Logf("%d ports plugged, %d events twice", plugs, doubled)
}
