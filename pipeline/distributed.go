package pipeline

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: networks with an interface of a distributed router. br-int tables 1
// and 95, and the way to the router's home on br-tun.
//
// The interface is plugged on every host that routes, everywhere with the same
// MAC and addresses, so a guest's packets to its gateway stay on the host. What
// crosses the border of a host must not show that MAC: switches would see it
// move, and an answer to a question that the router asks would end at the router
// of the answering guest's host. So there each host's interface has a MAC of its
// own, a stand-in (model.PortMAC):
//
//	out  from the router's MAC          the stand-in is the sender
//	     its ARP request                a probe: the stand-in, of no address
//	     its neighbour solicitation     of the stand-in's link-local address
//	     questions for its addresses    stay here
//	in   to the stand-in                to the router
//	     to the router's MAC            dropped
//	     questions for its addresses    dropped
//
// A probe (RFC 5227 section 1.1) changes nobody's ARP cache, and is answered to
// the stand-in. The port record names a host, the router's home: there the router
// shows its own MAC and answers for its addresses, for hosts that do not route
// and for machines on a physical network.

// standInPrefix begins all stand-ins.
var standInPrefix = flows.MaskedU(flows.EthSrc, model.StandInByte<<40, 0xff<<40)

func borderBase() []flows.Rule {
	return []flows.Rule{arriving.miss(arriving.to(transient)), leaving.miss()}
}

// metadataAddress is the metadata service's in IPv6, which all interfaces of
// routers have.
var metadataAddress = netip.MustParseAddr("fe80::a9fe:a9fe")

// routed are the interfaces of distributed routers that are plugged here, in the
// order of their ids. Of several with one MAC it is the first: the API gives a
// MAC once in a network, and records that say otherwise must harm nobody else.
func (n *network) routed() []*port {
	if n.distributed == 0 {
		return nil
	}
	var list []*port
	for p := range n.local {
		if p.rec.Distributed() {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *port) int { return cmp.Compare(a.id, b.id) })
	seen := make(map[model.MAC]bool, len(list))
	return slices.DeleteFunc(list, func(p *port) bool {
		again := seen[p.rec.MAC]
		seen[p.rec.MAC] = true
		return again
	})
}

// out is how packets of a network leave br-int for other hosts, from table 94.
func (n *network) out() []flows.Action {
	if len(n.routed()) > 0 {
		return []flows.Action{output.to(leaving)}
	}
	return append(tag(n.vlan), send(n.shape.uplink.port))
}

// border gives the rules of the network's distributed routers.
func (n *network) border(e *emitter) {
	routers := n.routed()
	if n.shape.uplink.port == 0 || len(routers) == 0 {
		return
	}
	out := append(tag(n.vlan), send(n.shape.uplink.port))
	e.integration(leaving.rule(prioLeave, Cookie(FeatureNetwork, n.id), match(inNetwork(n.vlan)), out...))
	e.integration(n.metadata(routers, e.base.host)...)
	taken := map[netip.Addr]bool{}
	for _, p := range routers {
		b := crossing{
			port: p, addresses: untaken(taken, p.rec), home: p.rec.Host == e.base.host, standIn: model.PortMAC(e.base.host, p.rec.MAC),
			cookie: Cookie(FeatureRouter, p.id), out: out,
		}
		e.integration(b.arrives()...)
		e.integration(b.leaves()...)
		if n.tunnelled() && !b.home {
			if o := e.tunnelTo(p.rec.Host, n.segment.Type); o != 0 {
				e.tunnel(tunUnicast.rule(prioRecorded, b.cookie,
					match(flows.OnVLAN(n.vlan), to(model.PortMAC(p.rec.Host, p.rec.MAC))), n.encapsulated([]uint32{o})...))
			}
		}
	}
}

// metadata keeps questions for the metadata service's address, which several
// interfaces in the network may have, on this side of the border.
func (n *network) metadata(routers []*port, host string) []flows.Rule {
	m := match(append(familyOf(metadataAddress).question(metadataAddress), inNetwork(n.vlan))...)
	rules := []flows.Rule{leaving.rule(prioKept, Cookie(FeatureNetwork, n.id), m)}
	if !slices.ContainsFunc(routers, func(p *port) bool { return p.rec.Host == host }) {
		rules = append(rules, arriving.rule(prioAnswered, Cookie(FeatureNetwork, n.id), m))
	}
	return rules
}

// untaken gives a port's addresses in their order, without those that a port
// before it has, and takes them: one address has one rule, whatever records say.
func untaken(taken map[netip.Addr]bool, p *model.Port) []netip.Addr {
	var list []netip.Addr
	for _, ip := range slices.SortedFunc(maps.Keys(addressesOf(p)), netip.Addr.Compare) {
		if !taken[ip] {
			list = append(list, ip)
		}
		taken[ip] = true
	}
	return list
}

// crossing is one router's interface at the border of this host.
type crossing struct {
	port *port
	// addresses are those that questions are about.
	addresses []netip.Addr
	home      bool // hosts that do not route find the router here
	standIn   model.MAC
	cookie    uint64
	out       []flows.Action
}

func (b crossing) match(parts ...flows.FieldMatch) flows.Match {
	return match(append(parts, inNetwork(b.port.net.vlan))...)
}

// discovery matches a message of IPv6 neighbour discovery.
func (b crossing) discovery(typ uint64, more ...flows.FieldMatch) flows.Match {
	return icmpv6(typ, append(more, flows.ExactU(flows.ICMPv6Code, 0), inNetwork(b.port.net.vlan))...)
}

// questions match ARP requests and neighbour solicitations for the router's
// addresses.
func (b crossing) questions(more ...flows.FieldMatch) []flows.Match {
	var list []flows.Match
	for _, ip := range b.addresses {
		list = append(list, b.match(append(familyOf(ip).question(ip), more...)...))
	}
	return list
}

// arrives gives the way in, in table 1.
func (b crossing) arrives() []flows.Rule {
	mac := b.port.rec.MAC
	deliver := []flows.Action{flows.Set(flows.EthDst, macValue(mac)), setReg(regPort, uint64(b.port.ofport)), arriving.to(ingress)}
	answer := func(m flows.Match, more ...flows.Action) flows.Rule {
		return arriving.rule(prioAnswered, b.cookie, m, append(more, deliver...)...)
	}
	rules := []flows.Rule{
		answer(b.match(to(b.standIn), etherType(etherTypeARP), flows.ExactU(flows.ARPOp, arpReply)), flows.Set(flows.ARPTHA, macValue(mac))),
		answer(b.discovery(neighborAdvertisement, to(b.standIn)), flows.Set(flows.IPv6Dst, flows.IP(mac.LinkLocal()))),
		arriving.rule(prioStandIn, b.cookie, b.match(to(b.standIn)), deliver...),
	}
	if b.home {
		return rules
	}
	rules = append(rules, arriving.rule(prioStandIn, b.cookie, b.match(to(mac))))
	for _, m := range b.questions() {
		rules = append(rules, arriving.rule(prioAnswered, b.cookie, m))
	}
	return rules
}

// leaves gives the way out, in table 95.
func (b crossing) leaves() []flows.Rule {
	mac := b.port.rec.MAC
	out := func(more ...flows.Action) []flows.Action { return append(more, b.out...) }
	hide := flows.Set(flows.EthSrc, macValue(b.standIn))
	rules := []flows.Rule{
		leaving.rule(prioAsked, b.cookie, b.match(from(mac), etherType(etherTypeARP), flows.ExactU(flows.ARPOp, arpRequest)),
			out(hide, flows.Set(flows.ARPSHA, macValue(b.standIn)), flows.SetU(flows.ARPSPA, 0))...),
		leaving.rule(prioAsked, b.cookie, b.discovery(neighborSolicitation, from(mac)),
			out(hide, flows.Set(flows.IPv6Src, flows.IP(b.standIn.LinkLocal())), flows.Set(flows.NDSLL, macValue(b.standIn)))...),
		leaving.rule(prioHidden, b.cookie, b.match(from(mac)), out(hide)...),
	}
	// What the router says of itself, and what is asked of it, crosses the border
	// at its home only.
	var says []flows.Action
	if b.home {
		says = b.out
	}
	rules = append(rules,
		leaving.rule(prioSaid, b.cookie, b.match(from(mac), multicast()), says...),
		leaving.rule(prioSaid, b.cookie, b.match(from(mac), etherType(etherTypeARP)), says...))
	for _, m := range b.questions() {
		rules = append(rules, leaving.rule(prioKept, b.cookie, m))
	}
	if b.home {
		for _, m := range b.questions(from(mac)) {
			rules = append(rules, leaving.rule(prioAnnounced, b.cookie, m, says...))
		}
	}
	return rules
}
