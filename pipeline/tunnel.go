package pipeline

import (
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: br-tun, except for the answers (responder.go), unicast
// (delivery.go) and flooding (flood.go).

// learnedTimeout is how long the switch keeps a learned address, in seconds.
const learnedTimeout = 300

func tunnelBase(b base) []flows.Rule {
	cookie := Cookie(FeatureBase, "")
	rules := []flows.Rule{
		tunClassify.rule(prioTunnelPort, cookie, match(inPort(b.patchInt)), tunClassify.to(tunFromInt)),
		tunClassify.miss(),
		tunFromInt.rule(prioTunMulticast, cookie, match(multicast()), tunFromInt.to(tunFlood)),
		tunFromInt.rule(prioTunUnicast, cookie, match(unicast()), tunFromInt.to(tunUnicast)),
		tunFromInt.miss(),
		tunGRE.miss(), tunVXLAN.miss(), tunGeneve.miss(),
		tunLearn.miss(send(b.patchInt)),
		tunUnicast.miss(tunUnicast.to(tunFlood)),
		tunFlood.miss(),
	}
	if b.responds() {
		rules = append(rules, responderBase()...)
	}
	return rules
}

// decapsulation gives the table in which a type's tunnel ids are looked up. The
// tables are apart so that a VXLAN and a GRE network may have the same id.
func decapsulation(t model.NetworkType) *table {
	switch t {
	case model.GRE:
		return tunGRE
	case model.VXLAN:
		return tunVXLAN
	case model.Geneve:
		return tunGeneve
	}
	return nil
}

// tunnelPort is the unit of one tunnel port: packets from it go to the table of
// its encapsulation.
type tunnelPort struct {
	unit
	key    TunnelKey
	ofport uint32
}

func (t *tunnelPort) compile(e *emitter) {
	next := decapsulation(t.key.Type)
	free := t.ofport != 0 && t.ofport != e.base.patchInt && e.wins(tunnelPortClaim(t.ofport), t.key.String())
	if next == nil || !free || e.base.patchInt == 0 {
		return
	}
	e.tunnel(tunClassify.rule(prioTunnelPort, Cookie(FeatureTunnel, t.key.Host), match(inPort(t.ofport)), tunClassify.to(next)))
}

func (k TunnelKey) String() string { return string(k.Type) + " to " + k.Host }

// tunnelTo gives the tunnel port that leads to a host, 0 for none.
func (s *state) tunnelTo(host string, t model.NetworkType) uint32 {
	if p := s.tunnels[TunnelKey{host, t}]; p != nil {
		return p.ofport
	}
	return 0
}

// received gives what a network needs on the way from the tunnels to br-int.
func (n *network) received(e *emitter) []flows.Rule {
	in := decapsulation(n.segment.Type)
	rules := []flows.Rule{
		in.rule(prioNetwork, Cookie(FeatureTunnel, n.id), match(flows.ExactU(flows.TunID, uint64(n.segment.ID))),
			append(tag(n.vlan), in.to(tunLearn))...),
	}
	if n.shape.learning || n.shape.standIns {
		who := []flows.FieldMatch{flows.OnVLAN(n.vlan)}
		if !n.shape.learning {
			who = append(who, standInPrefix)
		}
		rules = append(rules, tunLearn.rule(prioNetwork, Cookie(FeatureTunnel, n.id), match(who...), n.learned(), send(e.base.patchInt)))
	}
	return rules
}

// learned makes the flow that sends what is meant for the sender of this packet
// to the tunnel that the packet came from.
func (n *network) learned() flows.Action {
	vlan := flows.Bits(flows.VLANTCI, 0, 11)
	return flows.Learn{
		Table: tunUnicast.number, Priority: prioLearned, HardTimeout: learnedTimeout, Cookie: Cookie(FeatureLearned, n.id),
		Specs: []flows.LearnSpec{
			{Kind: flows.LearnMatch, Src: vlan, Dst: vlan},
			{Kind: flows.LearnMatch, Src: flows.Whole(flows.EthSrc), Dst: flows.Whole(flows.EthDst)},
			{Kind: flows.LearnLoad, Bits: 16, Dst: flows.Whole(flows.VLANTCI)},
			{Kind: flows.LearnLoad, Src: flows.Whole(flows.TunID), Dst: flows.Whole(flows.TunID)},
			{Kind: flows.LearnOutput, Src: flows.Whole(flows.InPort)},
		},
	}
}

// encapsulated gives the actions that send a packet with local VLAN out of
// tunnel ports; without a port they drop it.
func (n *network) encapsulated(outputs []uint32) []flows.Action {
	if len(outputs) == 0 {
		return nil
	}
	slices.Sort(outputs)
	actions := []flows.Action{flows.PopVLAN{}, flows.SetU(flows.TunID, uint64(n.segment.ID))}
	for _, o := range slices.Compact(outputs) {
		actions = append(actions, send(o))
	}
	return actions
}
