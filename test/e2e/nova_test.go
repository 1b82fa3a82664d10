package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

const novaAddress = "127.0.0.1:8774"

// compute stands in for Nova on the controller's host: it takes events and
// remembers them.
type compute struct {
	c      *Cloud
	server *http.Server
	mu     sync.Mutex
	events []string // "name status port server"
}

// listen begins to serve, after a stop too.
func (n *compute) listen() {
	n.c.Helper()
	place, err := n.c.Lab.Place("hv1")
	n.c.Must(err)
	var l net.Listener
	l, err = place.Listen(novaAddress)
	n.c.Must(err)
	n.server = &http.Server{Handler: n, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = n.server.Serve(l) }() // ends with stop
}

func (n *compute) stop() { _ = n.server.Close() } // there is nothing to lose

func (n *compute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Events []map[string]any `json:"events"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || r.URL.Path != "/v2.1/os-server-external-events" || r.Header.Get("X-Auth-Token") != "nova-token" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range in.Events {
		n.events = append(n.events, strings.ReplaceAll(fmt.Sprintf("%v %v %v %v", e["name"], e["status"], e["tag"], e["server_uuid"]), "<nil> ", ""))
		e["code"] = 200
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"events": in.Events})
}

func (n *compute) count(event string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, e := range n.events {
		if e == event {
			count++
		}
	}
	return count
}

// arrives waits for an event, and makes sure that it is the only one of its kind.
func (n *compute) arrives(event string) {
	n.c.Helper()
	n.c.Eventually("the event "+event, func() error {
		if n.count(event) == 0 {
			n.mu.Lock()
			defer n.mu.Unlock()
			return fmt.Errorf("Nova was told %q", slices.Clone(n.events))
		}
		return nil
	})
	time.Sleep(200 * time.Millisecond)
	if got := n.count(event); got != 1 {
		n.c.Errorf("the event %s came %d times", event, got)
	}
}

// startWithNova starts a cloud of one host that tells Nova of its ports, and makes
// a network.
func startWithNova(t *testing.T) (*Cloud, *compute, Network) {
	t.Helper()
	topo, err := lab.LoadTopology("single")
	if err != nil {
		t.Fatal(err)
	}
	topo.Controller = map[string]any{"nova": map[string]any{"url": "http://" + novaAddress + "/v2.1", "token": "nova-token"}}
	c := StartTopology(t, topo)
	nova := &compute{c: c}
	nova.listen()
	t.Cleanup(func() { nova.stop() })
	n := c.Network(nil)
	c.dual(n)
	return c, nova, n
}

func TestNovaIsToldOfPorts(t *testing.T) {
	t.Parallel()
	c, nova, n := startWithNova(t)
	// plug gives a guest a port as Nova does, and gives the end of its events.
	plug := func(name string) (Port, string) {
		g := c.Guest("hv1", name, n)
		var shown struct {
			Port struct {
				DeviceID string `json:"device_id"`
			}
		}
		c.Must(c.Lab.API().Call(t.Context(), "GET", "/v2.0/ports/"+g.Port.ID, nil, &shown))
		return g.Port, g.Port.ID + " " + shown.Port.DeviceID
	}

	a, tail := plug("a")
	nova.arrives("network-vif-plugged completed " + tail)
	c.Update("port", a.ID, Attributes{"name": "renamed"})
	nova.arrives("network-changed " + tail)

	// The controller dies between the port's status and the event about it.
	nova.stop()
	b, tailB := plug("b")
	c.Must(c.Lab.Stop(t.Context(), "hv1", "controller", true))
	nova.listen()
	c.Must(c.Lab.Start(t.Context(), "hv1", "controller"))
	nova.arrives("network-vif-plugged completed " + tailB)
	if got := nova.count("network-vif-plugged completed " + tail); got != 1 {
		t.Errorf("after the restart the event of the other port has come %d times", got)
	}

	c.Must(c.Lab.Unplug(t.Context(), "b"))
	nova.arrives("network-vif-unplugged completed " + tailB)
	c.Delete("port", b.ID)
	nova.arrives("network-vif-deleted " + tailB)
}
