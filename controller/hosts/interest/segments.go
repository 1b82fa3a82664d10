package interest

import (
	"slices"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// A network of several segments is another one on each of them: a host is told
// the segment that it is on, and only the ports and tunnel ends of the hosts on
// the same one. Such networks are few and their segments seldom change; what
// changes them sends snapshots.

// split reports whether a network has several segments.
func split(n *model.Network) bool { return n != nil && len(n.Segments) > 1 }

// wire gives the segment by which the host realises the network, the first when
// it can realise none.
func (h *host) wire(n *model.Network) model.Segment {
	if n == nil {
		return model.Segment{}
	}
	if split(n) {
		can := model.Agent{BridgeMappings: h.mappings, TunnelTypes: h.types}
		if s, ok := n.SegmentOn(&can); ok {
			return s
		}
	}
	return n.Segment
}

// tunnelOn is the type of the tunnels by which the host realises the network, ""
// for none.
func (h *host) tunnelOn(n *model.Network) model.NetworkType {
	if t := h.wire(n).Type; t.Tunneled() {
		return t
	}
	return ""
}

// together reports whether both hosts, the second of which may be unknown,
// realise the network by the same segment.
func together(t *topic, a, b *host) bool {
	return !split(t.network) || a == b || b != nil && a.wire(t.network) == b.wire(t.network)
}

// tunnels reports whether any host may realise the topic's network by tunnels
// because of it.
func (t *topic) tunnels() bool {
	return t.id.kind == wiring && t.network != nil && (t.network.Segment.Type.Tunneled() ||
		slices.ContainsFunc(t.network.Segments, func(s model.NetworkSegment) bool { return s.Segment.Type.Tunneled() }))
}

// onItsSegment is a network of several segments as the host sees it.
func (h *host) onItsSegment(n *model.Network) *model.Network {
	own := *n
	own.Segment, own.Segments = h.wire(n), nil
	return &own
}

// markSplit marks everything for the hosts on a network of several segments.
func (t *topic) markSplit(w *woken) {
	for h := range t.hosts {
		if h.feed != nil {
			h.feed.markSnapshot(w)
		}
	}
}

// markSnapshot makes a snapshot due.
func (f *Feed) markSnapshot(w *woken) {
	if f.all {
		return
	}
	if len(f.marks) == 0 && f.ready {
		w.feeds = append(w.feeds, f)
	}
	f.marks, f.all = map[rpc.Ref]int64{}, true
}

// sameSegments reports whether hosts realise both states of a network alike.
func sameSegments(a, b *model.Network) bool {
	return !split(a) && !split(b) || a != nil && b != nil && slices.EqualFunc(a.Segments, b.Segments,
		func(x, y model.NetworkSegment) bool { return x.Segment == y.Segment })
}
