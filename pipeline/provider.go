package pipeline

import (
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// This file: the bridges of physical networks. What Lepton has to say there is
// only which VLAN id a network has outside; forwarding is NORMAL's.

// physical is the unit of one physical network's bridge.
type physical struct {
	unit
	name  string
	facts PhysicalBridge
}

// unfit says why the bridge cannot serve the physical network.
func (p *physical) unfit(s *state) string {
	switch c := s.base.config; {
	case p.facts.Bridge == "":
		return ""
	case p.facts.Bridge == c.IntegrationBridge || p.facts.Bridge == c.TunnelBridge:
		return fmt.Sprintf("is mapped to bridge %s, which is not for physical networks", p.facts.Bridge)
	case !s.wins(bridgeClaim(p.facts.Bridge), p.name):
		return fmt.Sprintf("is mapped to bridge %s, which physical network %q has already", p.facts.Bridge, s.winner(bridgeClaim(p.facts.Bridge)))
	}
	return ""
}

func (p *physical) compile(e *emitter) {
	text := p.unfit(e.state)
	e.report("physical network", p.name, text)
	if p.facts.Bridge == "" || text != "" {
		return
	}
	e.provider(p.facts.Bridge, provClassify.miss(send(flows.PortNormal)), provSegment.miss())
	if p.facts.PhyPort != 0 {
		e.provider(p.facts.Bridge, provClassify.rule(prioFromInt, Cookie(FeatureProvider, ""),
			match(inPort(p.facts.PhyPort)), provClassify.to(provSegment)))
	}
}

// translated gives a network's tag on its way to the physical network.
func (n *network) translated() flows.Rule {
	actions := []flows.Action{flows.PopVLAN{}, send(flows.PortNormal)}
	if !n.untagged() {
		actions[0] = flows.SetU(flows.VLANVID, vlanPresent|uint64(n.segment.ID))
	}
	return provSegment.rule(prioSegment, Cookie(FeatureProvider, n.id), match(flows.OnVLAN(n.vlan)), actions...)
}
