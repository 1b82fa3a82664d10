package pipeline

import (
	"cmp"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: where unicast goes. br-int tables 60, 61 and 62, br-tun table 20.

func deliveryBase() []flows.Rule {
	base := Cookie(FeatureBase, "")
	rules := []flows.Rule{
		// Spanning tree, LACP, LLDP and the like end at the first bridge (IEEE
		// 802.1Q, table 8-1), as NORMAL has it too.
		transient.rule(prioBridgeControl, base,
			match(flows.MaskedU(flows.EthDst, 0x0180c2000000, 0xfffffffffff0))),
		transient.rule(prioMulticast, base, match(multicast()), transient.to(output)),
		transient.miss(transient.to(direct)),
		direct.miss(direct.to(unknown)),
		unknown.miss(unknown.to(output)),
	}
	return append(rules, multicastBase()...)
}

// station is a MAC in a network, and the ports that have it.
type station struct {
	unit
	net     *network
	mac     model.MAC
	holders map[*port]bool // true: the port's own MAC, false: an address pair's
}

// receivers gives the ports that get what is sent to the MAC, sorted by id: the
// ports whose own MAC it is; if there are none, all that may use it by an
// address pair, which share a virtual MAC (RFC 5798 section 7.3) and know
// themselves which of them is the master.
func (s *station) receivers() (local, remote []*port) {
	own := false
	for _, isOwn := range s.holders {
		own = own || isOwn
	}
	for p, isOwn := range s.holders {
		switch {
		case isOwn != own:
		case p.local && !p.standby:
			local = append(local, p)
		default:
			remote = append(remote, p)
		}
	}
	byID := func(a, b *port) int { return cmp.Compare(a.id, b.id) }
	slices.SortFunc(local, byID)
	slices.SortFunc(remote, byID)
	return local, remote
}

func (s *station) compile(e *emitter) {
	if !s.net.shape.active || len(s.holders) == 0 {
		return
	}
	local, remote := s.receivers()
	e.integration(s.delivered(local, remote)...)
	if len(remote) > 0 && s.net.tunnelled() && e.base.config.L2Population {
		e.tunnel(s.carried(e, remote))
	}
	if s.net.tunnelled() && !s.net.shape.learning {
		e.tunnel(s.located(e)...)
	}
}

// delivered gives the way on br-int. A MAC that is elsewhere needs a flow only
// where table 62 would show the packet to other ports.
func (s *station) delivered(local, remote []*port) []flows.Rule {
	if len(local) == 0 && !s.net.shape.open {
		return nil
	}
	var actions []flows.Action
	for i, p := range local {
		actions = append(actions, setReg(regPort, uint64(p.ofport)))
		if i == len(local)-1 && len(remote) == 0 {
			actions = append(actions, direct.to(ingress))
		} else {
			actions = append(actions, ingress.visit())
		}
	}
	if len(remote) > 0 {
		actions = append(actions, direct.to(output))
	}
	return []flows.Rule{direct.rule(prioKnownMAC, s.cookie(local, remote), match(inNetwork(s.net.vlan), to(s.mac)), actions...)}
}

// carried gives the way on br-tun: to the tunnels of the hosts that have the
// MAC, or nowhere as long as there is no tunnel.
func (s *station) carried(e *emitter, remote []*port) flows.Rule {
	var outputs []uint32
	priority := uint16(prioRecorded)
	for _, p := range remote {
		if shared(p.rec) {
			priority = prioShared
		}
		for _, host := range p.others {
			if n := e.tunnelTo(host, s.net.segment.Type); n != 0 {
				outputs = append(outputs, n)
			}
		}
	}
	return tunUnicast.rule(priority, s.cookie(remote, nil),
		match(flows.OnVLAN(s.net.vlan), to(s.mac)), s.net.encapsulated(outputs)...)
}

func (s *station) cookie(first, second []*port) uint64 {
	if len(first) == 0 {
		first = second
	}
	return Cookie(FeatureDelivery, first[0].id)
}
