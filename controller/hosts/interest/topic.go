package interest

import (
	"slices"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// topicID names a topic: what it is about, and of which object.
type topicID struct {
	kind topicKind
	id   string
}

type topicKind uint8

const (
	// wiring is a network as hosts with a port on it need it: the network, its
	// subnets, its bound ports.
	wiring topicKind = iota
	// routing is a network as a router on it or a DHCP server needs it: the
	// network, its subnets.
	routing
	// serving is a network as its DHCP servers need it: every port.
	serving
	group        // a security group with its rules
	members      // the ports of a security group
	addressGroup // an address group
	router       // a router with all that belongs to it
	pool         // a subnet pool
	qos          // a QoS policy
	// attached is what a host needs because a guest of it is on a network: the
	// network's distributed routers.
	attached
	atPort  // what is about a port, for the host that it is bound to
	anyPort // what is about every port, for hosts with any; the id is "all"
)

// topic is a set of records that hosts need together. It exists as long as
// something refers to it, in whatever order its parts come and go.
type topic struct {
	id    topicID
	items map[rpc.Ref]*item
	hosts map[*host]int // number of reasons to need it, never 0
	// implies are the topics that hosts need because of this one, with the number
	// of reasons; implied is the number of topics that imply this one.
	implies map[*topic]int
	implied int
	network *model.Network // of a wiring or routing topic; nil: not known
}

// item is a record that hosts may be told of.
type item struct {
	rec    any
	topics []*topic
	others any // rec as hosts see it that it is not about; nil: nobody has asked
}

// as is the record as the host sees it. What most hosts see is made once.
func (i *item) as(h *host) any {
	if n, ok := i.rec.(*model.Network); ok && split(n) {
		return h.onItsSegment(n)
	}
	if about(i.rec, h.name) {
		return seen(i.rec, h.name)
	}
	if i.others == nil {
		i.others = seen(i.rec, "")
	}
	return i.others
}

// seenBy reports whether one of the item's topics, but the one given, shows it to
// the host.
func (i *item) seenBy(h *host, but *topic) bool {
	for _, t := range i.topics {
		if t != but && t.shows(i, h) {
			return true
		}
	}
	return false
}

// shows reports whether the topic lets the host know an item of it: all that it
// needs the topic for, but no ports on another segment of a network.
func (t *topic) shows(i *item, h *host) bool {
	if t.hosts[h] == 0 {
		return false
	}
	p, ok := i.rec.(*model.Port)
	return !ok || t.id.kind != wiring || !split(t.network) || together(t, h, t.hostNamed(p.Host))
}

func (t *topic) hostNamed(name string) *host {
	for h := range t.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

func (e *Engine) topic(id topicID) *topic {
	t := e.topics[id]
	if t == nil {
		t = &topic{id: id, items: map[rpc.Ref]*item{}, hosts: map[*host]int{}, implies: map[*topic]int{}}
		e.topics[id] = t
	}
	return t
}

// prune forgets a topic of which nothing is left.
func (e *Engine) prune(t *topic) {
	if len(t.items)+len(t.hosts)+len(t.implies)+t.implied == 0 && t.network == nil {
		delete(e.topics, t.id)
	}
}

// join gives a host one more reason to need a topic.
func (e *Engine) join(h *host, t *topic, w *woken) {
	t.hosts[h]++
	if t.hosts[h] > 1 {
		return
	}
	h.topics[t] = struct{}{}
	h.markItems(t, w)
	if t.id.kind == wiring {
		h.markPeers(t, w)
		t.markEndpoint(h, w)
	}
	for also := range t.implies {
		e.join(h, also, w)
	}
}

// leave takes one reason away.
func (e *Engine) leave(h *host, t *topic, w *woken) {
	t.hosts[h]--
	if t.hosts[h] > 0 {
		return
	}
	delete(t.hosts, h)
	delete(h.topics, t)
	h.markItems(t, w)
	if t.id.kind == wiring {
		h.markPeers(t, w)
		t.markEndpoint(h, w)
	}
	for also := range t.implies {
		e.leave(h, also, w)
	}
	e.prune(t)
	e.pruneHost(h)
}

// imply adds a reason why hosts that need one topic need another.
func (e *Engine) imply(from, to *topic, w *woken) {
	from.implies[to]++
	if from.implies[to] > 1 {
		return
	}
	to.implied++
	for h := range from.hosts {
		e.join(h, to, w)
	}
}

func (e *Engine) unimply(from, to *topic, w *woken) {
	from.implies[to]--
	if from.implies[to] > 0 {
		return
	}
	delete(from.implies, to)
	to.implied--
	for h := range from.hosts {
		e.leave(h, to, w)
	}
	e.prune(from)
	e.prune(to)
}

// put makes a record, which may have been there before, what it is now, in the
// topics that it belongs to now. A nil record is gone.
func (e *Engine) put(ref rpc.Ref, rec any, in []topicID, w *woken) {
	i := e.items[ref]
	if i == nil {
		if rec == nil {
			return
		}
		i = &item{}
		e.items[ref] = i
	}
	before, old := i.topics, i.rec
	i.topics, i.rec, i.others = make([]*topic, 0, len(in)), rec, nil
	for _, id := range in {
		t := e.topic(id)
		t.items[ref] = i
		i.topics = append(i.topics, t)
	}
	e.markChange(ref, old, i, before, w)
	e.noteGone(ref, old, rec)
	for _, t := range before {
		if !slices.Contains(i.topics, t) {
			delete(t.items, ref)
			e.prune(t)
		}
	}
	if rec == nil {
		delete(e.items, ref)
	}
}

// markChange marks an item for the hosts that see something else of it than
// before.
func (e *Engine) markChange(ref rpc.Ref, old any, i *item, before []*topic, w *woken) {
	saw := &item{rec: old, topics: before}
	for _, t := range slices.Concat(before, i.topics) {
		if split(t.network) && !same(old, i.rec) { // who is on which segment may change
			for h := range t.hosts {
				h.mark(ref, w)
			}
			continue
		}
		if slices.Contains(before, t) && slices.Contains(i.topics, t) {
			continue
		}
		for h := range t.hosts {
			if saw.seenBy(h, nil) != i.seenBy(h, nil) {
				h.mark(ref, w)
			}
		}
	}
	if old == nil || i.rec == nil {
		return
	}
	// The few hosts that the record is about see more of it than the others.
	for _, name := range append(HostsOf(old), HostsOf(i.rec)...) {
		if h := e.hosts[name]; h != nil && i.seenBy(h, nil) && !same(seen(old, name), seen(i.rec, name)) {
			h.mark(ref, w)
		}
	}
	if same(seen(old, ""), seen(i.rec, "")) {
		return
	}
	about := append(HostsOf(old), HostsOf(i.rec)...)
	for _, t := range i.topics {
		for h := range t.hosts {
			if !slices.Contains(about, h.name) && i.seenBy(h, nil) {
				h.mark(ref, w)
			}
		}
	}
}

// markItems marks, for a host that has joined or left the topic, what it gains
// or loses with it.
func (h *host) markItems(t *topic, w *woken) {
	if h.feed == nil || h.feed.all {
		return
	}
	for ref, i := range t.items {
		if !i.seenBy(h, t) {
			h.mark(ref, w)
		}
	}
}

// setNetwork notes what a network is, for its segments and for the tunnels
// between its hosts.
func (e *Engine) setNetwork(id string, rec *model.Network, w *woken) {
	for _, k := range []topicKind{wiring, routing} {
		t := e.topic(topicID{k, id})
		before := t.network
		mesh := k == wiring && firstTunnel(before) != firstTunnel(rec)
		t.markMesh(w, mesh)
		t.network = rec
		t.markMesh(w, mesh)
		if !sameSegments(before, rec) {
			t.markSplit(w)
		}
		e.prune(t)
	}
}

// firstTunnel is the type of a network's first segment if it is tunnelled.
func firstTunnel(n *model.Network) model.NetworkType {
	if n == nil || !n.Segment.Type.Tunneled() {
		return ""
	}
	return n.Segment.Type
}

// markMesh marks, when the network's type changes, the tunnel ends of all hosts
// on it for all of them.
func (t *topic) markMesh(w *woken, changed bool) {
	if !changed {
		return
	}
	for h := range t.hosts {
		h.markPeers(t, w)
	}
}

// markEndpoint marks a host's tunnel end for the other hosts on the network.
func (t *topic) markEndpoint(of *host, w *woken) {
	if !t.tunnels() {
		return
	}
	for h := range t.hosts {
		if h != of {
			h.mark(rpc.Ref{Kind: rpc.KindEndpoint, ID: of.name}, w)
		}
	}
}

// markPeers marks the tunnel ends of the other hosts on the network for one.
func (h *host) markPeers(t *topic, w *woken) {
	if h.feed == nil || !t.tunnels() {
		return
	}
	for other := range t.hosts {
		if other != h {
			h.mark(rpc.Ref{Kind: rpc.KindEndpoint, ID: other.name}, w)
		}
	}
}
