package interest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// Feed is what one connected host has still to be told. Like its engine it
// belongs to one goroutine.
type Feed struct {
	host  *host
	limit int
	marks map[ref]struct{}
	all   bool // a snapshot is due; marks is empty
	ready bool // the engine is loaded: absence means something
}

type kind uint8

const (
	networkKind kind = iota
	subnetKind
	portKind
	endpointKind
)

// ref names a record to look at again.
type ref struct {
	kind kind
	id   string
}

// woken collects the feeds that get their first mark.
type woken struct{ feeds []*Feed }

// Connect opens the feed of a host; a feed that it had before gets nothing
// more. The feed begins with a snapshot.
func (e *Engine) Connect(name string) *Feed {
	h := e.host(name)
	h.feed = &Feed{host: h, limit: e.limit, marks: map[ref]struct{}{}, all: true, ready: e.loaded}
	return h.feed
}

// Disconnect ends the feed; one that was replaced is left alone.
func (e *Engine) Disconnect(f *Feed) {
	if f.host.feed == f {
		f.host.feed = nil
		e.pruneHost(f.host)
	}
}

// Host is the name of the feed's host.
func (f *Feed) Host() string { return f.host.name }

// Pending reports whether Next has something to tell.
func (f *Feed) Pending() bool { return f.ready && (f.all || len(f.marks) > 0) }

// Waiting is the number of marked records; all of them counts as one.
func (f *Feed) Waiting() int {
	if f.all {
		return 1
	}
	return len(f.marks)
}

func (f *Feed) mark(r ref, w *woken) {
	if f.all {
		return
	}
	if len(f.marks) == 0 && f.ready {
		w.feeds = append(w.feeds, f)
	}
	f.marks[r] = struct{}{}
	if len(f.marks) > f.limit {
		f.marks, f.all = map[ref]struct{}{}, true
	}
}

func (f *Feed) markAll(w *woken) {
	f.marks, f.all, f.ready = map[ref]struct{}{}, true, true
	w.feeds = append(w.feeds, f)
}

// Next gives what the host must be told to know the engine's present revision:
// the snapshot, or the difference to what Next gave before; nil when there is
// nothing. The records in it are shared and must not be changed. They are
// sorted by id.
func (e *Engine) Next(f *Feed) *rpc.Update {
	if !f.Pending() || f.host.feed != f {
		return nil
	}
	u := &rpc.Update{Full: f.all, Revision: e.revision}
	if f.all {
		e.snapshot(f.host, u)
	} else {
		for r := range f.marks {
			e.resolve(f.host, r, u)
		}
	}
	f.all = false
	// A map keeps the room of its largest moment: start small again.
	f.marks = map[ref]struct{}{}
	sortUpdate(u)
	return u
}

// snapshot adds everything that the host is interested in.
func (e *Engine) snapshot(h *host, u *rpc.Update) {
	peers := map[*host]struct{}{}
	for _, n := range h.networks {
		if n.rec != nil {
			u.Networks = append(u.Networks, h.networkAsSeen(n))
		}
		for _, s := range n.subnets {
			u.Subnets = append(u.Subnets, s)
		}
		for _, p := range n.ports {
			if together(n, h, e.hosts[p.Host]) {
				u.Ports = append(u.Ports, h.portAsSeen(p))
			}
		}
		if n.tunnels() {
			for other := range n.hosts {
				peers[other] = struct{}{}
			}
		}
	}
	for other := range peers {
		if end := h.endpointAsSeen(other); end != nil {
			u.Endpoints = append(u.Endpoints, end)
		}
	}
}

// resolve adds what the record is to the host now: its value, or a deletion.
func (e *Engine) resolve(h *host, r ref, u *rpc.Update) {
	switch r.kind {
	case networkKind:
		if n := h.networks[r.id]; n != nil && n.rec != nil {
			u.Networks = append(u.Networks, h.networkAsSeen(n))
		} else {
			u.Deleted.Networks = append(u.Deleted.Networks, r.id)
		}
	case subnetKind:
		if s := e.subnets[r.id]; s != nil && h.networks[s.NetworkID] != nil {
			u.Subnets = append(u.Subnets, s)
		} else {
			u.Deleted.Subnets = append(u.Deleted.Subnets, r.id)
		}
	case portKind:
		if p := e.ports[r.id]; p != nil && h.networks[p.NetworkID] != nil && together(h.networks[p.NetworkID], h, e.hosts[p.Host]) {
			u.Ports = append(u.Ports, h.portAsSeen(p))
		} else {
			u.Deleted.Ports = append(u.Deleted.Ports, r.id)
		}
	case endpointKind:
		if other := e.hosts[r.id]; other != nil {
			if end := h.endpointAsSeen(other); end != nil {
				u.Endpoints = append(u.Endpoints, end)
				return
			}
		}
		u.Deleted.Endpoints = append(u.Deleted.Endpoints, r.id)
	}
}

func (h *host) portAsSeen(p *model.Port) *model.Port {
	if p.Host == h.name {
		return p
	}
	return elsewhere(p)
}

// endpointAsSeen gives the other host's tunnel end with the types that the two
// share, nil when there is no tunnel between them.
func (h *host) endpointAsSeen(other *host) *model.Endpoint {
	if other == h || !other.endpoint.IP.IsValid() {
		return nil
	}
	types := h.shared(other)
	if len(types) == 0 {
		return nil
	}
	end := other.endpoint
	end.Types = types
	return &end
}

func sortUpdate(u *rpc.Update) {
	slices.SortFunc(u.Networks, func(a, b *model.Network) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(u.Subnets, func(a, b *model.Subnet) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(u.Ports, func(a, b *model.Port) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(u.Endpoints, func(a, b *model.Endpoint) int { return strings.Compare(a.Host, b.Host) })
	for _, ids := range [][]string{u.Deleted.Networks, u.Deleted.Subnets, u.Deleted.Ports, u.Deleted.Endpoints} {
		slices.Sort(ids)
	}
}
