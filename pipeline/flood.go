package pipeline

import (
	"slices"

	"github.com/lepton-sdn/lepton/flows"
)

// This file: what goes to many. br-int tables 62 and 94, br-tun table 22. Every
// receiver's own filter is asked.
//
// Open vSwitch never sends a packet back to the port it came from, unless told
// so by IN_PORT. So one list serves packets from every member and from other
// hosts: the sender's own entry has no effect.

// floodPage is how many ports one flow reaches. A flow-mod holds 64 KiB, a port
// takes 32 bytes of it.
const floodPage = 1000

// list is a flood list: a table's rules that send some packets of a network to
// ports, each through its own ingress tables, and then on.
type list struct {
	table    *table
	priority uint16 // the following pages have the next higher one
	match    []flows.FieldMatch
	ports    []*port
	then     []flows.Action
}

// flood gives the rules of a list.
func (n *network) flood(l list) []flows.Rule {
	var rules []flows.Rule
	for page := uint64(0); ; page++ {
		ports := l.ports[:min(len(l.ports), floodPage)]
		l.ports = l.ports[len(ports):]
		actions := make([]flows.Action, 0, 2*len(ports)+len(l.then)+2)
		for _, p := range ports {
			actions = append(actions, setReg(regPort, uint64(p.ofport)), ingress.visit())
		}
		m, priority := slices.Clone(l.match), l.priority
		if page > 0 {
			m, priority = append(m, flows.ExactU(regPage, page)), l.priority+1
		}
		last := len(l.ports) == 0
		if last {
			actions = append(actions, l.then...)
		} else {
			actions = append(actions, setReg(regPage, page+1), l.table.visit())
		}
		rules = append(rules, l.table.rule(priority, Cookie(FeatureNetwork, n.id), match(m...), actions...))
		if last {
			return rules
		}
	}
}

// flooded gives table 94: the way out, and to everybody.
func (n *network) flooded() []flows.Rule {
	var out []flows.Action
	var rules []flows.Rule
	if n.shape.uplink.port != 0 {
		out = n.out()
		rules = append(rules, output.rule(prioUplink, Cookie(FeatureNetwork, n.id), match(inNetwork(n.vlan)), out...))
	}
	everybody := n.members(func(*port) bool { return true })
	rules = append(rules, n.flood(list{output, prioFlood, []flows.FieldMatch{inNetwork(n.vlan), multicast()}, everybody, out})...)
	if len(everybody) > judgedPage {
		rules = append(rules, n.judged(everybody, out)...)
	}
	return rules
}

// judgedPage is how many ports' rules one pass through the tables can ask.
const judgedPage = 32

// judged gives the flood list of multicast that rules are asked about. Each
// page is a pass of its own: the switch bounds what one pass may do, so that a
// packet to many ports with many groups would reach nobody.
func (n *network) judged(ports []*port, out []flows.Action) []flows.Rule {
	cookie := Cookie(FeatureNetwork, n.id)
	asked := []flows.FieldMatch{inNetwork(n.vlan), multicast(), inPass()}
	var rules []flows.Rule
	var fork []flows.Action
	for page := range slices.Chunk(ports, judgedPage) {
		number := uint64(len(fork)/2 + 1)
		fork = append(fork, setReg(regPage, number), output.track())
		var actions []flows.Action
		for _, p := range page {
			actions = append(actions, setReg(regPort, uint64(p.ofport)), ingress.visit())
		}
		rules = append(rules, output.rule(prioJudgedFlood+1, cookie, match(append(slices.Clone(asked), flows.ExactU(regPage, number))...), actions...))
	}
	for _, f := range families {
		rules = append(rules, output.rule(prioJudgedFlood, cookie,
			match(append(slices.Clone(asked), etherType(f.etherType), flows.ExactU(regPage, 0))...),
			slices.Concat(fork, []flows.Action{setReg(regPage, 0)}, out)...))
	}
	return rules
}

// inPass matches packets that the connection tracker has seen: those that rules
// are asked about.
func inPass() flows.FieldMatch { return ctState(flows.CTTracked, 0) }

// searched gives table 62: unknown unicast goes to the ports without port
// security too, as any of them may be a bridge.
func (n *network) searched() []flows.Rule {
	open := n.members((*port).open)
	return n.flood(list{unknown, prioOpenPorts, []flows.FieldMatch{inNetwork(n.vlan)}, open, []flows.Action{unknown.to(output)}})
}

// carriedToAll gives table 22: broadcast, multicast and unicast to unknown
// addresses go to every host with a member; without l2population the members
// are not known, and they go to every host.
func (n *network) carriedToAll(e *emitter) []flows.Rule {
	var outputs []uint32
	if e.base.config.L2Population {
		for host := range n.hosts {
			if port := e.tunnelTo(host, n.segment.Type); port != 0 {
				outputs = append(outputs, port)
			}
		}
	} else {
		for key, t := range e.tunnels {
			if key.Type == n.segment.Type {
				outputs = append(outputs, t.ofport)
			}
		}
	}
	if len(outputs) == 0 {
		return nil
	}
	return []flows.Rule{tunFlood.rule(prioNetwork, Cookie(FeatureNetwork, n.id),
		match(flows.OnVLAN(n.vlan)), n.encapsulated(outputs)...)}
}

// members gives the local ports for which keep holds, by port number.
func (n *network) members(keep func(*port) bool) []*port {
	list := make([]*port, 0, len(n.local))
	for p := range n.local {
		if keep(p) && !p.standby {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *port) int { return int(a.ofport) - int(b.ofport) })
	return list
}
