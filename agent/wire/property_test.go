package wire_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// world is what is true in the cloud and on the host, whatever of it the agent
// has been told.
type world struct {
	h        *host
	rev      int64
	networks map[string]*model.Network
	ports    map[string]*model.Port
	plugged  map[string]bool // port ids
}

// sight is the part of the world that concerns the host, as a controller would
// compute it.
func (w *world) sight() rpc.Update {
	u := rpc.Update{Full: true, Revision: w.rev, Settings: settings}
	mine := map[string]bool{}
	for _, p := range w.ports {
		if p.Host == hostName {
			mine[p.NetworkID] = true
		}
	}
	far := false
	for _, id := range slices.Sorted(maps.Keys(w.ports)) {
		p := w.ports[id]
		if mine[p.NetworkID] {
			u.Ports = append(u.Ports, p)
			far = far || p.Host == peerName && w.networks[p.NetworkID].Segment.Type == model.VXLAN
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.networks)) {
		if mine[id] {
			u.Networks = append(u.Networks, w.networks[id])
		}
	}
	if far {
		u.Endpoints = append(u.Endpoints, peer())
	}
	return u
}

// between is the difference from one sight to another.
func between(old, now rpc.Update) rpc.Update {
	d := rpc.Update{Revision: now.Revision, Settings: now.Settings}
	oldNetworks := index(old.Networks, func(n *model.Network) string { return n.ID })
	for _, n := range now.Networks {
		if oldNetworks[n.ID] != n {
			d.Networks = append(d.Networks, n)
		}
		delete(oldNetworks, n.ID)
	}
	oldPorts := index(old.Ports, func(p *model.Port) string { return p.ID })
	for _, p := range now.Ports {
		if oldPorts[p.ID] != p {
			d.Ports = append(d.Ports, p)
		}
		delete(oldPorts, p.ID)
	}
	d.Deleted.Networks = slices.Sorted(maps.Keys(oldNetworks))
	d.Deleted.Ports = slices.Sorted(maps.Keys(oldPorts))
	d.Endpoints = now.Endpoints
	if len(old.Endpoints) > len(now.Endpoints) {
		d.Deleted.Endpoints = []string{peerName}
	}
	return d
}

func index[T any](list []*T, id func(*T) string) map[string]*T {
	m := map[string]*T{}
	for _, v := range list {
		m[id(v)] = v
	}
	return m
}

// TestAnyOrderOfEventsGivesTheTablesOfAFreshStart plays random lives of a host:
// records come and change as deltas, some told twice, some told only by the
// next snapshot, ports are plugged before and after their records, connections
// break, the agent restarts. At the end the switch must hold exactly what an
// agent that starts anew would put there.
func TestAnyOrderOfEventsGivesTheTablesOfAFreshStart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		t.Run("life", func(t *testing.T) {
			w := &world{
				h: newHost(t), rev: 1, plugged: map[string]bool{},
				networks: map[string]*model.Network{}, ports: map[string]*model.Port{},
			}
			w.live(rt)
			w.h.settled(w.rev)
			w.caughtUp(t)
			w.expectStates(t)
			before := w.quiet()
			w.h.stop()
			w.h.start()
			w.h.cloud.updates <- w.sight()
			w.h.settled(w.rev)
			for name, s := range w.h.switches {
				if diff := cmp.Diff(before[name], s.text()); diff != "" {
					t.Fatalf("%s differs from a fresh start (-had +fresh):\n%s", name, diff)
				}
			}
			w.expectStates(t)
		})
	})
}

// caughtUp waits until the agent has seen the database as it is: what happens in
// it is seen in its order, so a port that is plugged last is wired last.
func (w *world) caughtUp(t *testing.T) {
	t.Helper()
	eventually(t, "all interfaces have numbers", func() bool {
		for _, i := range w.h.state().Interfaces {
			if i.OFPort <= 0 {
				return false
			}
		}
		return true
	})
	told := w.sight()
	n := network(5, model.Segment{Type: model.Local})
	last := port(9, n, hostName)
	w.networks[n.ID], w.ports[last.ID], w.plugged[last.ID] = n, last, true
	w.rev++
	w.h.cloud.updates <- between(told, w.sight())
	w.h.commit(plugOps(last))
	eventually(t, "the last port is wired", func() bool { return w.h.cloud.status(last.ID).State == model.PortActive })
	w.h.settled(w.rev)
}

// expectStates waits until every port of the host has the state that the world
// gives it.
func (w *world) expectStates(t *testing.T) {
	t.Helper()
	for id, p := range w.ports {
		want := model.PortDown
		if w.plugged[id] && p.AdminStateUp {
			want = model.PortActive
		}
		if p.Host == hostName {
			eventually(t, fmt.Sprintf("port %s is %s", id, want), func() bool { return w.h.cloud.status(id).State == want })
		}
	}
}

// quiet waits until nothing has changed for a while, for the bridges are written
// one after the other, and gives the tables.
func (w *world) quiet() map[string][]string {
	last := map[string][]string{}
	for {
		now := map[string][]string{}
		for name, s := range w.h.switches {
			now[name] = s.text()
		}
		numbered := true
		for _, i := range w.h.state().Interfaces {
			numbered = numbered && i.OFPort != 0
		}
		if numbered && maps.EqualFunc(last, now, slices.Equal) {
			return now
		}
		last = now
		time.Sleep(30 * time.Millisecond)
	}
}

func (w *world) live(rt *rapid.T) {
	segments := []model.Segment{
		{Type: model.VXLAN, ID: 5001},
		{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: 101},
		{Type: model.Flat, PhysicalNetwork: "physnet1"},
		{Type: model.Local},
	}
	for i, s := range segments {
		n := network(i+1, s)
		w.networks[n.ID] = n
	}
	told := w.sight()
	w.h.cloud.updates <- told
	for range rapid.IntRange(1, 25).Draw(rt, "steps") {
		w.step(rt)
		w.rev++
		now := w.sight()
		switch rapid.IntRange(0, 9).Draw(rt, "telling") {
		case 0: // told later
			continue
		case 1:
			w.h.cloud.updates <- now
		case 2:
			d := between(told, now)
			w.h.cloud.updates <- d
			w.h.cloud.updates <- d
		default:
			w.h.cloud.updates <- between(told, now)
		}
		told = now
	}
	w.rev++
	w.h.cloud.updates <- between(told, w.sight())
}

// step changes one thing.
func (w *world) step(rt *rapid.T) {
	n := rapid.IntRange(1, 6).Draw(rt, "port")
	nets := slices.Sorted(maps.Keys(w.networks))
	id := port(n, w.networks[nets[0]], hostName).ID
	p := w.ports[id]
	switch rapid.IntRange(0, 7).Draw(rt, "step") {
	case 0, 1, 2: // bind, here or there
		net := w.networks[rapid.SampledFrom(nets).Draw(rt, "network")]
		made := port(n, net, rapid.SampledFrom([]string{hostName, hostName, peerName}).Draw(rt, "host"))
		made.Revision = w.rev
		w.ports[id] = made
	case 3: // change
		if p != nil {
			c := *p
			c.AdminStateUp = !c.AdminStateUp
			c.PortSecurityEnabled = rapid.Bool().Draw(rt, "security")
			c.Revision = w.rev
			w.ports[id] = &c
		}
	case 4: // delete
		delete(w.ports, id)
	case 5: // plug
		if !w.plugged[id] {
			w.plugged[id] = true
			w.h.commit(plugOps(port(n, w.networks[nets[0]], hostName)))
		}
	case 6: // unplug
		if w.plugged[id] {
			delete(w.plugged, id)
			w.h.commit(ovsdb.DeletePort{Name: tap(port(n, w.networks[nets[0]], hostName))})
		}
	case 7: // break
		w.h.switches[rapid.SampledFrom([]string{"br-int", "br-tun", "br-phys"}).Draw(rt, "bridge")].breakConnections()
	}
}
