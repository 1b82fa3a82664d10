package pipeline

import (
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: the ports of ha routers. They are plugged on every host of their
// router, with one MAC, which one of the hosts uses. Which one can change while
// no controller is there to tell, so it is learned from what comes out of the
// tunnels of these hosts, of them only; as long as nothing was learned, what is
// meant for the router goes to all of them. On the hosts themselves the port is
// open where it is in use, and closed on standby.

// shared reports whether several hosts may use the port.
func shared(p *model.Port) bool { return len(p.HAHosts) > 0 }

// sharersOf gives the hosts besides host that may use a shared port.
func sharersOf(p *model.Port, host string) []string {
	var out []string
	for _, h := range p.HAHosts {
		if h != host {
			out = append(out, h)
		}
	}
	return out
}

// located has the switch learn which host uses a MAC of an ha router. A network
// of which it learns all senders needs no such rules.
func (s *station) located(e *emitter) []flows.Rule {
	if !s.net.shape.shared || !e.base.config.L2Population {
		return nil
	}
	var rules []flows.Rule
	done := map[uint32]bool{0: true}
	local, remote := s.receivers()
	for _, p := range slices.Concat(local, remote) {
		if !shared(p.rec) || p.rec.MAC != s.mac {
			continue
		}
		for _, host := range p.others {
			n := e.tunnelTo(host, s.net.segment.Type)
			if done[n] {
				continue
			}
			done[n] = true
			rules = append(rules, tunLearn.rule(prioLocated, Cookie(FeatureDelivery, p.id),
				match(inPort(n), flows.OnVLAN(s.net.vlan), from(s.mac)), s.net.learned(), send(e.base.patchInt)))
		}
	}
	return rules
}
