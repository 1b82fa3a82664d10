package l3

import (
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/linux/announce"
)

// This file: addresses that appeared on a router's links are announced, so that
// neighbours and switches learn where they are.

// announceAfter says when an address that appeared is announced: at once, and
// again, because its port may not be wired yet and frames get lost.
var announceAfter = []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 6 * time.Second}

// announcement is an address to be announced on a link, so many times already.
type announcement struct {
	link string
	addr netip.Addr
	at   time.Time
	n    int
}

// announceDue announces what is due and gives when the next one is; zero for none.
func (l *Loop) announceDue(r *router, now time.Time) (next time.Time) {
	if r.want == nil {
		r.announce = nil
	}
	var left []announcement
	for _, a := range r.announce {
		if a.at.After(now) {
			left, next = append(left, a), upkeep.Earlier(next, a.at)
			continue
		}
		l.keeper.Go(func() { l.announce(r.ID, a.link, a.addr) })
		if a.n++; a.n < len(announceAfter) {
			a.at = a.at.Add(announceAfter[a.n])
			left, next = append(left, a), upkeep.Earlier(next, a.at)
		}
	}
	r.announce = left
	return next
}

// announce announces an address on a link of a router, if the router is there.
func (l *Loop) announce(router, link string, addr netip.Addr) {
	ns := l.keeper.Namespace(router)
	if ns == "" {
		return
	}
	if err := announce.Send(ns, link, addr); err != nil {
		l.cfg.Log.Debug("address not announced", zap.Error(err))
	}
}
