package interest

import (
	"maps"
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Engine holds the records that hosts may be interested in, indexed by host
// and network, and the feeds of the connected hosts.
type Engine struct {
	revision int64
	loaded   bool // a full batch has come: absence means something
	networks map[string]*network
	subnets  map[string]*model.Subnet
	ports    map[string]*model.Port // bound ones
	hosts    map[string]*host
	limit    int
}

// network is a network and what is on it. It exists as long as one of its
// parts does, in whatever order they come and go.
type network struct {
	rec     *model.Network // nil: only its parts are known
	subnets map[string]*model.Subnet
	ports   map[string]*model.Port
	hosts   map[*host]int // number of ports bound there, never 0
}

// host is a host by name: with ports, with an agent, or connected.
type host struct {
	name     string
	endpoint model.Endpoint // without Types: see ends
	ends     []model.NetworkType
	mappings map[string]string // physical network → bridge
	networks map[string]*network
	feed     *Feed // nil: not connected here
}

// New makes an empty engine. A feed with more than limit marks gets a snapshot
// instead.
func New(limit int) *Engine {
	return &Engine{
		networks: map[string]*network{},
		subnets:  map[string]*model.Subnet{},
		ports:    map[string]*model.Port{},
		hosts:    map[string]*host{},
		limit:    limit,
	}
}

// Revision is the store's revision that the engine shows, 0 before the first
// batch.
func (e *Engine) Revision() int64 { return e.revision }

// Apply takes over a batch of changes. Batches come in the order of their
// revisions, the first one full. It gives the feeds that now have something to
// say and had nothing before.
func (e *Engine) Apply(b records.Batch) []*Feed {
	w := &woken{}
	for _, c := range b.Changes {
		// After a gap in the watch a full batch repeats everything; most of it has
		// not changed.
		if b.Full && e.loaded && c.Old != nil && reflect.DeepEqual(c.Old, c.New) {
			continue
		}
		e.change(c, w)
	}
	e.revision = b.Revision
	if b.Full && !e.loaded {
		e.loaded = true
		for _, h := range e.hosts {
			if h.feed != nil {
				h.feed.markAll(w)
			}
		}
	}
	return w.feeds
}

func (e *Engine) change(c records.Change, w *woken) {
	if _, rec, ok := records.Ports.Change(c); ok {
		e.setPort(c.ID, rec, w)
	} else if _, rec, ok := records.Networks.Change(c); ok {
		e.setNetwork(c.ID, rec, w)
	} else if _, rec, ok := records.Subnets.Change(c); ok {
		e.setSubnet(c.ID, rec, w)
	} else if before, rec, ok := records.Agents.Change(c); ok {
		e.setAgent(before, rec, w)
	}
}

func (e *Engine) setNetwork(id string, rec *model.Network, w *woken) {
	n := e.network(id)
	before, same := n.tunnel(), sameSegments(n.rec, rec)
	n.markMesh(w, before != tunnelOf(rec))
	n.rec = rec
	n.markMesh(w, before != tunnelOf(rec))
	if !same {
		n.markSplit(w)
	}
	n.mark(ref{networkKind, id}, w)
	e.prune(id)
}

func (e *Engine) setSubnet(id string, rec *model.Subnet, w *woken) {
	if old := e.subnets[id]; old != nil {
		delete(e.subnets, id)
		n := e.network(old.NetworkID)
		delete(n.subnets, id)
		n.mark(ref{subnetKind, id}, w)
		e.prune(old.NetworkID)
	}
	if rec == nil {
		return
	}
	e.subnets[id] = rec
	n := e.network(rec.NetworkID)
	n.subnets[id] = rec
	n.mark(ref{subnetKind, id}, w)
}

func (e *Engine) setPort(id string, rec *model.Port, w *woken) {
	old := e.ports[id]
	if rec != nil && BoundHost(rec) == "" {
		rec = nil
	}
	if old != nil && rec != nil && old.NetworkID == rec.NetworkID && old.Host == rec.Host {
		e.replacePort(old, rec, w)
		return
	}
	// The new place first: a host that keeps a port on the network never leaves it.
	if rec != nil {
		e.addPort(rec, w)
	}
	if old != nil {
		e.removePort(old, w)
	}
	if rec != nil {
		e.ports[id] = rec
		e.network(rec.NetworkID).ports[id] = rec
	}
}

// replacePort handles the change of a port that stays where it is. Other hosts
// learn of it only when it changes what they act on.
func (e *Engine) replacePort(old, rec *model.Port, w *woken) {
	e.ports[rec.ID] = rec
	n := e.networks[rec.NetworkID]
	n.ports[rec.ID] = rec
	r := ref{portKind, rec.ID}
	if sameElsewhere(old, rec) {
		e.hosts[rec.Host].mark(r, w)
		return
	}
	n.mark(r, w)
}

func (e *Engine) addPort(p *model.Port, w *woken) {
	n, h := e.network(p.NetworkID), e.host(p.Host)
	e.ports[p.ID] = p
	n.ports[p.ID] = p
	n.hosts[h]++
	if n.hosts[h] == 1 {
		h.networks[p.NetworkID] = n
		h.markNetwork(p.NetworkID, n, w)
		h.markPeers(n, w)
		n.markEndpoint(h, w)
	}
	n.mark(ref{portKind, p.ID}, w)
}

func (e *Engine) removePort(p *model.Port, w *woken) {
	n, h := e.networks[p.NetworkID], e.hosts[p.Host]
	n.mark(ref{portKind, p.ID}, w)
	delete(e.ports, p.ID)
	delete(n.ports, p.ID)
	n.hosts[h]--
	if n.hosts[h] == 0 {
		delete(n.hosts, h)
		delete(h.networks, p.NetworkID)
		h.markNetwork(p.NetworkID, n, w)
		h.markPeers(n, w)
		n.markEndpoint(h, w)
		e.pruneHost(h)
	}
	e.prune(p.NetworkID)
}

// setAgent takes over the tunnel end of a host's agent. Heartbeats change
// agents all the time; they end here.
func (e *Engine) setAgent(before, rec *model.Agent, w *woken) {
	if rec == nil {
		if before == nil {
			return
		}
		rec = &model.Agent{Host: before.Host}
	}
	h := e.host(rec.Host)
	defer e.pruneHost(h)
	end := model.Endpoint{Host: rec.Host, IP: rec.TunnelIP, VXLANPort: rec.VXLANPort}
	same := slices.Equal(h.ends, rec.TunnelTypes)
	rewired := !same || !maps.Equal(h.mappings, rec.BridgeMappings)
	if h.endpoint.IP == end.IP && h.endpoint.VXLANPort == end.VXLANPort && same && !rewired {
		return
	}
	h.endpoint, h.ends, h.mappings = end, rec.TunnelTypes, rec.BridgeMappings
	for _, n := range h.networks {
		n.markEndpoint(h, w)
		if rewired && split(n.rec) {
			n.markSplit(w)
		}
	}
}

func (e *Engine) network(id string) *network {
	n := e.networks[id]
	if n == nil {
		n = &network{
			subnets: map[string]*model.Subnet{}, ports: map[string]*model.Port{}, hosts: map[*host]int{},
		}
		e.networks[id] = n
	}
	return n
}

func (e *Engine) host(name string) *host {
	h := e.hosts[name]
	if h == nil {
		h = &host{name: name, networks: map[string]*network{}}
		e.hosts[name] = h
	}
	return h
}

// prune forgets a network of which nothing is left.
func (e *Engine) prune(id string) {
	if n := e.networks[id]; n.rec == nil && len(n.subnets) == 0 && len(n.hosts) == 0 {
		delete(e.networks, id)
	}
}

func (e *Engine) pruneHost(h *host) {
	if len(h.networks) == 0 && h.feed == nil && !h.endpoint.IP.IsValid() && len(h.ends) == 0 && len(h.mappings) == 0 {
		delete(e.hosts, h.name)
	}
}

// tunnel is the type of a tunnelled network, "" for another or unknown one.
func (n *network) tunnel() model.NetworkType { return tunnelOf(n.rec) }

func tunnelOf(rec *model.Network) model.NetworkType {
	if rec == nil || !rec.Segment.Type.Tunneled() {
		return ""
	}
	return rec.Segment.Type
}

// markMesh marks, when the network's type changes, the tunnel ends of all hosts
// on it for all of them.
func (n *network) markMesh(w *woken, changed bool) {
	if !changed {
		return
	}
	for h := range n.hosts {
		h.markPeers(n, w)
	}
}

// mark marks a record for every host on the network.
func (n *network) mark(r ref, w *woken) {
	for h := range n.hosts {
		h.mark(r, w)
	}
}

// markEndpoint marks a host's tunnel end for the other hosts on the network.
func (n *network) markEndpoint(of *host, w *woken) {
	if !n.tunnels() {
		return
	}
	for h := range n.hosts {
		if h != of {
			h.mark(ref{endpointKind, of.name}, w)
		}
	}
}

func (h *host) mark(r ref, w *woken) {
	if h.feed != nil {
		h.feed.mark(r, w)
	}
}

// markNetwork marks a network that the host joins or leaves, with all on it.
func (h *host) markNetwork(id string, n *network, w *woken) {
	if h.feed == nil {
		return
	}
	h.mark(ref{networkKind, id}, w)
	for s := range n.subnets {
		h.mark(ref{subnetKind, s}, w)
	}
	for p := range n.ports {
		h.mark(ref{portKind, p}, w)
	}
}

// markPeers marks the tunnel ends of the other hosts on the network for one.
func (h *host) markPeers(n *network, w *woken) {
	if h.feed == nil || !n.tunnels() {
		return
	}
	for other := range n.hosts {
		if other != h {
			h.mark(ref{endpointKind, other.name}, w)
		}
	}
}

// shared gives the tunnel types that the other host can end and that both have
// a network of, sorted.
func (h *host) shared(other *host) []model.NetworkType {
	few, many := h.networks, other
	if len(other.networks) < len(few) {
		few, many = other.networks, h
	}
	types := map[model.NetworkType]struct{}{}
	for _, n := range few {
		t := h.tunnelOn(n)
		if t == "" || !slices.Contains(other.ends, t) {
			continue
		}
		if _, both := n.hosts[many]; both && together(n, h, other) {
			types[t] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(types))
}
