package pipeline

import (
	"slices"

	"github.com/lepton-sdn/lepton/flows"
)

// This file: br-int tables 72, 73, 81, 82, 91 and 92, where security groups are
// asked, as far as they do not depend on groups and rules.
//
// A port's one flow in table 72, and its one in 82, visits the table once for
// each of the port's groups, with the group's number in reg8:
//
//	71 ─▶ 72 ─ reg5=port ─┬─ reg8=group ─┬─ a rule without remote group: admitted
//	                      │              └─ reg7=remote group ─ its address is a
//	                      ├─ reg8=group      member ─ a rule with it: admitted
//	                      └─▶ 73 ─▶ 91 ─▶ 60, or 93
//
// Rules of a stateful group match what the connection tracker says of the
// packet that began the connection (its original direction), whichever packet
// of the connection is judged. So a reply is admitted exactly as long as the
// rules admit the connection that it belongs to; for that it crosses over to
// the table of the other direction, where the connection was admitted. ICMP
// errors that belong to a connection are judged as packets of it. Nothing needs
// to be marked or cleared when a rule, a member or a group goes.
//
// Stateless groups are asked first, by the packet's own headers, and without
// the connection tracker. Only ports with a stateless group take the time.

// direction is one of the two ways through a port.
type direction struct {
	// name is that of a rule's direction.
	name string
	// rules is the table in which rules are compared, verdict the one that acts
	// on the result.
	rules, verdict *table
	// remote gives the field in which the other end's address stands: in the
	// packet, and in its connection.
	remote, ctRemote func(*family) flows.Field
}

var outward = &direction{
	name: "egress", rules: egressRules, verdict: acceptOrIngress,
	remote:   func(f *family) flows.Field { return f.destination },
	ctRemote: func(f *family) flows.Field { return f.ctDestination },
}

var inward = &direction{
	name: "ingress", rules: ingressRules, verdict: acceptedIngress,
	remote:   func(f *family) flows.Field { return f.source },
	ctRemote: func(f *family) flows.Field { return f.ctSource },
}

var directions = []*direction{outward, inward}

// opposite gives the other direction.
func (d *direction) opposite() *direction {
	if d == outward {
		return inward
	}
	return outward
}

// noGroup matches a packet that is not being compared with a group's rules.
func noGroup() flows.FieldMatch { return flows.ExactU(regGroup, 0) }

func filterBase() []flows.Rule {
	var rules []flows.Rule
	for _, d := range directions {
		rules = append(rules, d.base()...)
	}
	return slices.Concat(rules, egressBase(), ingressBase(), verdictBase())
}

// base gives what tables 72 and 82 have in common.
func (d *direction) base() []flows.Rule {
	t, base := d.rules, Cookie(FeatureBase, "")
	byConnection := []flows.FieldMatch{noGroup(), flagged(flagConnection)}
	rules := []flows.Rule{
		t.rule(prioAdmitted, base, match(flagged(flagAdmitted))),
		t.rule(prioConnection, base, match(append(byConnection, ctState(flows.CTTracked|flows.CTInvalid, 0))...), t.to(dropped)),
		t.rule(prioConnection, base,
			match(append([]flows.FieldMatch{noGroup(), flows.MaskedU(regFlags, flagConnection, flagConnection|flagCrossed)},
				ctState(flows.CTTracked|flows.CTReply, flows.CTInvalid))...),
			raise(flagCrossed), t.to(d.opposite().rules)),
		t.rule(prioNoHeaders, base, match(noGroup(), unflagged(flagConnection)), raise(flagConnection), t.to(t)),
		t.miss(),
	}
	for _, f := range families {
		rules = append(rules, t.rule(prioConnection, base,
			match(append(byConnection, etherType(f.etherType), ctState(0, flows.CTTracked))...), t.track()))
	}
	return rules
}

// discovery are the ICMPv6 messages without which hosts do not find each other
// and routers. The connection tracker knows no connections of them. Hosts hear
// the listener reports of others, too (RFC 2710 section 4).
var discovery = []uint64{mldQuery, mldReport, mldDone, neighborSolicitation, neighborAdvertisement, mldv2Report}

func udpPorts(ethType, from, to uint64) flows.Match {
	return match(etherType(ethType), ipProto(protoUDP), flows.ExactU(flows.UDPSrc, from), flows.ExactU(flows.UDPDst, to))
}

// ownRight are the packets that a guest may send from its own address without
// any rule.
func ownRight() []flows.Match {
	list := []flows.Match{
		udpPorts(etherTypeIPv4, dhcpClient, dhcpServer),
		udpPorts(etherTypeIPv6, dhcpv6Client, dhcpv6Server),
		icmpv6(routerSolicitation),
	}
	for _, typ := range discovery {
		list = append(list, icmpv6(typ))
	}
	return list
}

// guestRight are the packets that reach any guest without any rule, beside ARP.
func guestRight() []flows.Match {
	list := []flows.Match{
		udpPorts(etherTypeIPv4, dhcpServer, dhcpClient),
		udpPorts(etherTypeIPv6, dhcpv6Server, dhcpv6Client),
		icmpv6(routerAdvertisement),
	}
	for _, typ := range discovery {
		list = append(list, icmpv6(typ))
	}
	return list
}

func egressBase() []flows.Rule {
	var rules []flows.Rule
	for _, m := range forServers() {
		rules = append(rules, egressRules.rule(prioAsking, Cookie(FeatureBase, ""),
			m.With(noGroup()).With(unflagged(flagAsking|flagInward)), raise(flagAsking), egressRules.to(egressRules)))
	}
	for _, m := range ownRight() {
		rules = append(rules, egressRules.rule(prioBase, Cookie(FeatureBase, ""), m.With(noGroup()), egressRules.to(transient)))
	}
	return slices.Concat(rules, claimed(), serversInFragments(), []flows.Rule{acceptedEgress.miss(acceptedEgress.to(transient))})
}

// serversInFragments drops what table 71 drops of DHCP servers when it could
// not see the ports, because the packet came in fragments: the connection
// tracker has put them together.
func serversInFragments() []flows.Rule {
	var rules []flows.Rule
	for f, port := range map[*family]uint64{ipv4: dhcpClient, ipv6: dhcpv6Client} {
		rules = append(rules, egressRules.rule(prioServer, Cookie(FeatureBase, ""),
			match(noGroup(), flagged(flagConnection), etherType(f.etherType), ctState(flows.CTTracked, flows.CTReply|flows.CTInvalid),
				flows.ExactU(flows.CTNwProto, protoUDP), flows.ExactU(flows.CTTpDst, port)),
			egressRules.to(dropped)))
	}
	return rules
}

func ingressBase() []flows.Rule {
	base := Cookie(FeatureBase, "")
	var rules []flows.Rule
	for _, m := range append(guestRight(), match(etherType(etherTypeARP))) {
		rules = append(rules, ingress.rule(prioIngressBase, base, m, intoPort))
	}
	for _, f := range families {
		rules = append(rules, ingress.rule(prioFiltered, base, match(etherType(f.etherType)),
			setReg(regFlags, flagInward), setReg(regGroup, 0), ingress.to(ingressRules)))
	}
	return append(rules, ingress.miss(setReg(regFlags, flagInward), ingress.to(dropped)))
}

// intoPort sends the packet out of the port that it is for.
var intoPort flows.Action = flows.OutputReg{Src: flows.Whole(regPort), MaxLen: 0xffff}

// verdictBase. Only the first packets of a unicast connection are remembered:
// what was sent to many gets no replies that could be told by it.
func verdictBase() []flows.Rule {
	base := Cookie(FeatureBase, "")
	var rules []flows.Rule
	for _, d := range directions {
		t := d.verdict
		rules = append(
			rules,
			t.rule(prioJudgedCrossed, base, match(flagged(flagCrossed)), lower(flagCrossed), t.to(d.opposite().verdict)),
			t.rule(prioNotByHeaders, base, match(unflagged(flagConnection)), raise(flagConnection), setReg(regGroup, 0), t.to(d.rules)),
			t.miss(t.to(dropped)),
		)
	}
	for _, f := range families {
		rules = append(rules, acceptedIngress.rule(prioNewConnection, base,
			match(flagged(flagAdmitted), isNew(), unicast(), etherType(f.etherType)), commit(), intoPort))
	}
	return append(rules,
		acceptOrIngress.rule(prioJudged, base, match(flagged(flagAdmitted)), acceptOrIngress.to(acceptedEgress)),
		acceptedIngress.rule(prioJudged, base, match(flagged(flagAdmitted)), intoPort))
}

// isNew matches packets of a connection that is not remembered, or got no reply
// yet.
func isNew() flows.FieldMatch { return ctState(flows.CTTracked|flows.CTNew, flows.CTInvalid) }

// multicastBase: table 60 has IP multicast tracked once for all receivers, and
// table 94 remembers the connections that leave the host.
func multicastBase() []flows.Rule {
	base := Cookie(FeatureBase, "")
	var rules []flows.Rule
	for _, m := range guestRight() {
		rules = append(rules, transient.rule(prioBaseMulticast, base, m.With(multicast()), transient.to(output)))
	}
	for _, f := range families {
		rules = append(
			rules,
			transient.rule(prioTrackMulticast, base,
				match(ctState(0, flows.CTTracked), etherType(f.etherType), multicast()), output.track()),
			output.rule(prioCommit, base, match(isNew(), etherType(f.etherType), unicast()), commit(), output.to(output)),
		)
	}
	return rules
}

// maxVisits bounds the lookups that judging a packet for one port takes in one
// direction. The switch allows 4,096 in one pass; a pass judges one packet for
// at most judgedPage receivers, or for a sender, a receiver and replies.
const maxVisits = 120

// filter gives the port's flows in tables 72 and 82. A port whose groups name
// too many remote groups is visited by none: it is closed.
func (p *port) filter(s *state) []flows.Rule {
	var rules []flows.Rule
	for _, d := range directions {
		var actions []flows.Action
		priority := uint16(prioGroups)
		stateless, stateful := s.kinds(p)
		if stateless {
			priority = prioHeadersFirst
		}
		for _, id := range p.groups {
			if n := s.number(id); n != 0 && !p.overloaded {
				actions = append(actions, setReg(regGroup, uint64(n)), d.rules.visit())
			}
		}
		if stateless && !stateful {
			actions = append(actions, raise(flagConnection)) // there is nobody to ask by it
		}
		rules = append(rules, d.rules.rule(priority, Cookie(FeatureFilter, p.id),
			match(ofPort(p.ofport), noGroup()), append(actions, d.rules.to(d.verdict))...))
	}
	return rules
}

// unfiltered lets everything into a port without filter.
func (p *port) unfiltered() flows.Rule {
	return ingress.rule(prioUnfiltered, Cookie(FeatureFilter, p.id), match(ofPort(p.ofport)),
		setReg(regFlags, flagInward|flagAdmitted), ingress.to(acceptedIngress))
}
