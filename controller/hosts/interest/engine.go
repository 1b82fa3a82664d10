package interest

import (
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// Engine holds the records that hosts may be interested in, by topic, and the
// feeds of the connected hosts.
type Engine struct {
	revision int64
	applying int64 // the revision of the batch that is applied
	loaded   bool  // a full batch has come: absence means something
	sources  map[source]any
	items    map[rpc.Ref]*item
	topics   map[topicID]*topic
	hosts    map[string]*host
	limit    int
	gap      bool // a batch is applied that follows a gap in the watch
}

// source names a record of the store.
type source struct{ table, id string }

// host is a host by name: with topics, with an agent, or connected.
type host struct {
	name     string
	endpoint model.Endpoint // without Types: see end
	ends     [1 << len(tunnelTypes)]*model.Endpoint
	types    []model.NetworkType // of the tunnels that it can end
	can      tunnelSet           // the same
	mappings map[string]string   // physical network → bridge
	topics   map[*topic]struct{}
	feed     *Feed     // nil: not connected here
	gone     []rpc.Ref // that the host had as its own, the oldest first
}

// New makes an empty engine. A feed with more than limit marks gets a snapshot
// instead.
func New(limit int) *Engine {
	return &Engine{
		sources: map[source]any{},
		items:   map[rpc.Ref]*item{},
		topics:  map[topicID]*topic{},
		hosts:   map[string]*host{},
		limit:   limit,
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
	e.applying = b.Revision
	e.gap = b.Full && e.loaded
	vanished := false
	for _, c := range b.Changes {
		vanished = vanished || e.gap && c.New == nil
		// After a gap in the watch a full batch repeats everything; most of it has
		// not changed.
		if b.Full && e.loaded && c.Old != nil && same(c.Old, c.New) {
			continue
		}
		e.change(c, w)
	}
	if e.gap = false; vanished {
		e.retell(w)
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
	if before, rec, ok := records.Agents.Change(c); ok {
		e.setAgent(before, rec, w)
		return
	}
	at := source{c.Table, c.ID}
	old, after := derive(e.sources[at]), derive(c.New)
	if len(old.items)+len(after.items) == 0 {
		return
	}
	if e.sources[at] = c.New; c.New == nil {
		delete(e.sources, at)
	}
	if _, rec, ok := records.Networks.Change(c); ok {
		e.setNetwork(c.ID, rec, w)
	}
	e.replace(old, after, w)
}

// replace goes over from what a record came to before to what it comes to now.
// What is new comes first: a host that keeps one reason to know something never
// loses it.
func (e *Engine) replace(old, now derived, w *woken) {
	for _, i := range now.items {
		e.put(i.ref, i.rec, i.in, w)
	}
	for _, r := range now.reasons {
		if !slices.Contains(old.reasons, r) {
			e.reason(r, e.join, e.imply, w)
		}
	}
	for _, r := range old.reasons {
		if !slices.Contains(now.reasons, r) {
			e.reason(r, e.leave, e.unimply, w)
		}
	}
	for _, i := range old.items {
		if !slices.ContainsFunc(now.items, func(j derivedItem) bool { return i.ref == j.ref }) {
			e.put(i.ref, nil, nil, w)
		}
	}
}

func (e *Engine) reason(r reason, of func(*host, *topic, *woken), between func(a, b *topic, w *woken), w *woken) {
	if r.host != "" {
		of(e.host(r.host), e.topic(r.to), w)
		return
	}
	between(e.topic(r.from), e.topic(r.to), w)
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
	rewired := !slices.Equal(h.types, rec.TunnelTypes) || !maps.Equal(h.mappings, rec.BridgeMappings)
	if h.endpoint.IP == end.IP && h.endpoint.VXLANPort == end.VXLANPort && !rewired {
		return
	}
	h.endpoint, h.types, h.mappings = end, rec.TunnelTypes, rec.BridgeMappings
	h.can, h.ends = tunnelSetOf(rec.TunnelTypes...), [len(h.ends)]*model.Endpoint{}
	for t := range h.topics {
		t.markEndpoint(h, w)
		if rewired && split(t.network) {
			t.markSplit(w)
		}
	}
}

func (e *Engine) host(name string) *host {
	h := e.hosts[name]
	if h == nil {
		h = &host{name: name, topics: map[*topic]struct{}{}}
		e.hosts[name] = h
	}
	return h
}

func (e *Engine) pruneHost(h *host) {
	if len(h.topics) == 0 && h.feed == nil && !h.endpoint.IP.IsValid() && len(h.types) == 0 && len(h.mappings) == 0 {
		delete(e.hosts, h.name)
	}
}

func (h *host) mark(r rpc.Ref, w *woken) {
	if h.feed != nil {
		h.feed.mark(r, w)
	}
}
