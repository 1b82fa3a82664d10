package interest

import (
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// A network of several segments is another one on each of them: a host is told
// the segment that it is on, and only the ports and tunnel ends of the hosts on
// the same one. Such networks are few and their segments seldom change; what
// changes them sends snapshots.

// split reports whether a network has several segments.
func split(n *model.Network) bool { return n != nil && len(n.Segments) > 1 }

// wire gives the segment by which the host realises the network, the first when
// it can realise none.
func (h *host) wire(n *network) model.Segment {
	if n.rec == nil {
		return model.Segment{}
	}
	if split(n.rec) {
		can := model.Agent{BridgeMappings: h.mappings, TunnelTypes: h.ends}
		if s, ok := n.rec.SegmentOn(&can); ok {
			return s
		}
	}
	return n.rec.Segment
}

// tunnelOn is the type of the tunnels by which the host realises the network, ""
// for none.
func (h *host) tunnelOn(n *network) model.NetworkType {
	if t := h.wire(n).Type; t.Tunneled() {
		return t
	}
	return ""
}

// together reports whether both hosts realise the network by the same segment.
func together(n *network, a, b *host) bool {
	return !split(n.rec) || a == b || a.wire(n) == b.wire(n)
}

// tunnels reports whether any host may realise the network by tunnels.
func (n *network) tunnels() bool {
	return n.rec != nil && (n.rec.Segment.Type.Tunneled() ||
		slices.ContainsFunc(n.rec.Segments, func(s model.NetworkSegment) bool { return s.Segment.Type.Tunneled() }))
}

func (h *host) networkAsSeen(n *network) *model.Network {
	if !split(n.rec) {
		return n.rec
	}
	seen := *n.rec
	seen.Segment, seen.Segments = h.wire(n), nil
	return &seen
}

// markSplit marks everything for the hosts on a network of several segments.
func (n *network) markSplit(w *woken) {
	for h := range n.hosts {
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
	f.marks, f.all = map[ref]struct{}{}, true
}

// sameSegments reports whether hosts realise both states of a network alike.
func sameSegments(a, b *model.Network) bool {
	return !split(a) && !split(b) || a != nil && b != nil && slices.EqualFunc(a.Segments, b.Segments,
		func(x, y model.NetworkSegment) bool { return x.Segment == y.Segment })
}
