package topology

import (
	"cmp"
	"slices"
	"sync"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Place is where ports are counted: those of one project, on one network, bound
// to one host. Host is empty for ports that are bound to none.
type Place struct{ Project, Network, Host string }

// Count is what there is at a place. Ports, Active and Error are about ports of
// guests; Active are those that their host has wired, Error those that it could
// not wire. Service are the network service's own: device owners network:*.
type Count struct{ Ports, Active, Error, Service int }

// Add adds up.
func (c *Count) Add(o Count) {
	c.Ports += o.Ports
	c.Active += o.Active
	c.Error += o.Error
	c.Service += o.Service
}

func (c *Count) remove(o Count) { c.Add(Count{-o.Ports, -o.Active, -o.Error, -o.Service}) }

// Cell is a place with its count.
type Cell struct {
	Place
	Count
}

// Tally counts the ports of a database as they change. It is safe for concurrent
// use.
type Tally struct {
	mu       sync.Mutex
	ports    map[string]port   // by id
	reports  map[string]report // by port id, also of ports that are not there yet
	cells    map[Place]*Count
	revision int64
}

// port is what is counted of a port.
type port struct {
	place   Place
	service bool
}

type report struct {
	host  string
	state model.PortState
}

// NewTally makes a Tally of nothing. Apply is to be given to records.DB.OnApply.
func NewTally() *Tally {
	return &Tally{ports: map[string]port{}, reports: map[string]report{}, cells: map[Place]*Count{}}
}

// Apply takes in what one revision changed.
func (t *Tally) Apply(b records.Batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range b.Changes {
		if _, now, ok := records.Ports.Change(c); ok {
			t.setPort(c.ID, now)
		} else if _, now, ok := records.PortStatuses.Change(c); ok {
			t.setReport(c.ID, now)
		}
	}
	t.revision = b.Revision
}

// Cells gives all places with ports, in the order of networks, hosts and
// projects, and the revision of the records that they are of.
func (t *Tally) Cells() ([]Cell, int64) {
	t.mu.Lock()
	out := make([]Cell, 0, len(t.cells))
	for p, c := range t.cells {
		out = append(out, Cell{p, *c})
	}
	revision := t.revision
	t.mu.Unlock()
	slices.SortFunc(out, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Project, b.Project))
	})
	return out, revision
}

func (t *Tally) setPort(id string, now *model.Port) {
	t.uncount(id)
	if now == nil {
		delete(t.ports, id)
		return
	}
	t.ports[id] = port{place: Place{now.ProjectID, now.NetworkID, now.Host}, service: now.Trusted()}
	t.count(id)
}

func (t *Tally) setReport(id string, now *model.PortStatus) {
	t.uncount(id)
	if now == nil {
		delete(t.reports, id)
	} else {
		t.reports[id] = report{now.Host, now.State}
	}
	t.count(id)
}

// of is what a port adds to its place.
func (t *Tally) of(id string, p port) Count {
	if p.service {
		return Count{Service: 1}
	}
	c := Count{Ports: 1}
	if r := t.reports[id]; p.place.Host != "" && r.host == p.place.Host {
		switch r.state {
		case model.PortActive:
			c.Active = 1
		case model.PortError:
			c.Error = 1
		}
	}
	return c
}

func (t *Tally) count(id string) {
	p, ok := t.ports[id]
	if !ok {
		return
	}
	c := t.cells[p.place]
	if c == nil {
		c = &Count{}
		t.cells[p.place] = c
	}
	c.Add(t.of(id, p))
}

func (t *Tally) uncount(id string) {
	p, ok := t.ports[id]
	if !ok {
		return
	}
	c := t.cells[p.place]
	if c.remove(t.of(id, p)); *c == (Count{}) {
		delete(t.cells, p.place)
	}
}
