package interest

import (
	"slices"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// This file: what a host had of its own and has no more. A snapshot says what
// there is; that something is missing because it was deleted, or went to another
// host, and not because the store has lost it, only who saw that happen can say.
// Agents keep what most of their host depends on until they are told.

// maxGone bounds what is remembered of a host; the oldest is forgotten first.
const maxGone = 2048

// noteGone notes what has left hosts that had it as their own: ports, routers,
// networks served with DHCP.
func (e *Engine) noteGone(ref rpc.Ref, old, now any) {
	if e.gap { // it is not there, and nobody saw why
		return
	}
	keep := HostsOf(now)
	for _, name := range HostsOf(old) {
		h := e.hosts[name]
		if h == nil || slices.Contains(keep, name) {
			continue
		}
		h.gone = append(h.gone, ref)
		if b, ok := old.(*model.RouterBinding); ok { // with its binding goes the router
			h.gone = append(h.gone, rpc.Ref{Kind: rpc.KindRouter, ID: b.RouterID})
		}
		if over := len(h.gone) - maxGone; over > 0 {
			h.gone = slices.Delete(h.gone, 0, over)
		}
	}
}

// retell sends snapshots to the hosts that a batch concerns in which records have
// vanished: they are missing, which is not the same as deleted.
func (e *Engine) retell(w *woken) {
	for _, h := range e.hosts {
		if h.feed != nil && len(h.feed.marks) > 0 {
			h.feed.markSnapshot(w)
		}
	}
}

// tellGone adds to a snapshot what the host had and has no more.
func (e *Engine) tellGone(h *host, u *rpc.Update) {
	told := make(map[rpc.Ref]bool, len(h.gone))
	for _, ref := range h.gone {
		if i := e.items[ref]; told[ref] || i != nil && i.seenBy(h, nil) {
			continue
		}
		told[ref] = true
		u.Delete(ref.Kind, ref.ID)
	}
}
