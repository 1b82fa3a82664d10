package pipeline

import "github.com/lepton-sdn/lepton/flows"

// This file: br-int table 0, where a packet gets its port and its network.

func classifyBase() []flows.Rule {
	return []flows.Rule{
		classify.rule(prioDeadVLAN, Cookie(FeatureBase, ""), match(flows.OnVLAN(0xfff))),
		classify.miss(),
		canary.rule(prioMiss, Cookie(FeatureCanary, "")|Version, nil),
	}
}

// Version is the number of this pipeline, held by the canary's cookie. It grows
// when flows of two versions cannot stand side by side.
const Version = 1

// classified is where a local port's packets join the pipeline. Guests send
// without tag; what carries one is dropped.
func (p *port) classified() flows.Rule {
	next := transient
	if p.secured() {
		next = claims
	}
	return classify.rule(prioWired, Cookie(FeaturePort, p.id),
		match(inPort(p.ofport), flows.NoVLAN()),
		setReg(regPort, uint64(p.ofport)), setReg(regNetwork, uint64(p.net.vlan)), classify.to(next))
}

// classified is where packets of a network come in from other hosts.
func (n *network) classified() flows.Rule {
	into := setReg(regNetwork, uint64(n.vlan))
	next := transient
	if len(n.routed()) > 0 {
		next = arriving
	}
	actions := []flows.Action{flows.PopVLAN{}, into, classify.to(next)}
	tagged := flows.OnVLAN(n.vlan)
	if n.segment.Type.Physical() {
		tagged = flows.OnVLAN(uint16(n.segment.ID))
	}
	if n.untagged() {
		tagged, actions = flows.NoVLAN(), actions[1:]
	}
	return classify.rule(prioWired, Cookie(FeatureNetwork, n.id), match(inPort(n.shape.uplink.port), tagged), actions...)
}
