package pipeline

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: br-int tables 24, 25 and 71, where a port with port security
// proves that its packets are its own.

// source is an address that a port may use: a MAC with a prefix.
type source struct {
	mac    model.MAC
	prefix netip.Prefix
}

// sources gives what a port may send from: its fixed addresses, its allowed
// address pairs, and the link-local address of each of its MACs. Sorted, each
// once.
func sources(p *model.Port) []source {
	var list []source
	add := func(mac model.MAC, prefix netip.Prefix) {
		if prefix.IsValid() && mac != (model.MAC{}) && !mac.Multicast() {
			list = append(list, source{mac, prefix.Masked()})
		}
	}
	for _, f := range p.FixedIPs {
		if a := f.IP.Unmap().WithZone(""); a.IsValid() {
			add(p.MAC, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	for _, pair := range p.AllowedAddressPairs {
		mac := pair.MAC
		if mac == (model.MAC{}) {
			mac = p.MAC
		}
		add(mac, unmapped(pair.IP))
	}
	for _, mac := range ownMACs(p) {
		add(mac, netip.PrefixFrom(mac.LinkLocal(), 128))
	}
	slices.SortFunc(list, func(a, b source) int {
		return cmp.Or(slices.Compare(a.mac[:], b.mac[:]), a.prefix.Addr().Compare(b.prefix.Addr()),
			cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	return slices.Compact(list)
}

// unmapped gives a prefix of IPv4 addresses written as IPv6 its IPv4 form.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// ownMACs gives the MACs of a port, its own first, then those of its allowed
// address pairs in order, each once.
func ownMACs(p *model.Port) []model.MAC {
	list := []model.MAC{p.MAC}
	for _, pair := range p.AllowedAddressPairs {
		if pair.MAC != (model.MAC{}) && !pair.MAC.Multicast() && !slices.Contains(list, pair.MAC) {
			list = append(list, pair.MAC)
		}
	}
	slices.SortFunc(list[1:], func(a, b model.MAC) int { return slices.Compare(a[:], b[:]) })
	return list
}

// identity gives the rules of one port: what it may claim, and what it may send
// from.
func (p *port) identity() []flows.Rule {
	cookie := Cookie(FeatureIdentity, p.id)
	var rules []flows.Rule
	for _, mac := range ownMACs(p.rec) {
		rules = append(rules, macs.rule(prioOwnMAC, cookie, match(ofPort(p.ofport), from(mac)), macs.to(guard)))
	}
	for _, s := range sources(p.rec) {
		f := familyOf(s.prefix.Addr())
		rules = append(rules, guard.rule(prioOwnIP, cookie,
			match(ofPort(p.ofport), inNetwork(p.net.vlan), from(s.mac), etherType(f.etherType), flows.Prefix(f.source, s.prefix)),
			guard.to(egressRules)))
		if f == ipv4 {
			rules = append(rules, claims.rule(prioClaim, cookie,
				match(ofPort(p.ofport), from(s.mac), etherType(etherTypeARP), flows.Exact(flows.ARPSHA, macValue(s.mac)), flows.Prefix(flows.ARPSPA, s.prefix)),
				claims.to(macs)))
		}
	}
	return rules
}

// identityBase gives the rules that hold for all ports with port security.
func identityBase() []flows.Rule {
	return slices.Concat(claimsBase(), []flows.Rule{macs.miss(macs.to(dropped))}, guardBase(), []flows.Rule{dropped.miss()})
}

// claimsBase. A probe asks whether anybody has an address that the sender means
// to use, and has no sender address yet. Whoever is about to use the same
// address gives it up when he hears the probe (RFC 5227 section 2.1.1, RFC 4862
// section 5.4.3), so a guest may probe for its own addresses only. Its target
// takes the sender's place for the length of the check, so that the flow which
// allows the claim allows the probe too; guardBase puts things right again.
//
// In IPv6 a port may claim what it may send from, so the target of probes and
// advertisements is checked in the sender's place by table 71 itself; claimed
// puts things right, and has an advertisement checked again by its real sender.
func claimsBase() []flows.Rule {
	base := Cookie(FeatureBase, "")
	unclaimed, wellFormed := flows.ExactU(regProbe, 0), flows.ExactU(flows.ICMPv6Code, 0)
	return []flows.Rule{
		claims.rule(prioProbe, base,
			match(unclaimed, etherType(etherTypeARP), flows.ExactU(flows.ARPOp, arpRequest), flows.ExactU(flows.ARPSPA, 0)),
			setReg(regProbe, probeChecked), move(flows.ARPTPA, flows.ARPSPA), claims.to(claims)),
		claims.rule(prioProbe, base, icmpv6(neighborSolicitation, unclaimed, wellFormed, flows.ExactU(flows.IPv6Src, 0)),
			setReg(regProbe, probeChecked), move(flows.NDTarget, flows.IPv6Src), claims.to(macs)),
		claims.rule(prioProbe, base, icmpv6(neighborAdvertisement, unclaimed, wellFormed),
			setReg(regProbe, targetChecked), move(flows.IPv6Src, regSource), move(flows.NDTarget, flows.IPv6Src), claims.to(macs)),
		claims.rule(prioNoClaim, base, match(etherType(etherTypeARP)), claims.to(dropped)),
		claims.rule(prioNoClaim, base, icmpv6(neighborAdvertisement), claims.to(dropped)),
		claims.miss(claims.to(macs)),
	}
}

// claimed is where targets come to that were found to be a port's own.
func claimed() []flows.Rule {
	base := Cookie(FeatureBase, "")
	return []flows.Rule{
		egressRules.rule(prioClaimed, base, icmpv6(neighborSolicitation, flows.ExactU(regProbe, probeChecked)),
			flows.SetU(flows.IPv6Src, 0), setReg(regProbe, 0), egressRules.to(transient)),
		egressRules.rule(prioClaimed, base, icmpv6(neighborAdvertisement, flows.ExactU(regProbe, targetChecked)),
			move(regSource, flows.IPv6Src), setReg(regSource, 0), setReg(regProbe, 0), egressRules.to(guard)),
	}
}

// guardBase. ARP has been checked in table 24. RARP is what QEMU announces a
// migrated guest with; it holds no IP address.
func guardBase() []flows.Rule {
	base := Cookie(FeatureBase, "")
	probed := flows.ExactU(regProbe, probeChecked)
	udp := func(ethType uint64, more ...flows.FieldMatch) flows.Match {
		return match(append(more, etherType(ethType), ipProto(protoUDP))...)
	}
	drop := func(m flows.Match) flows.Rule { return guard.rule(prioGuard, base, m, guard.to(dropped)) }
	pass := func(m flows.Match) flows.Rule { return guard.rule(prioNoAddress, base, m, guard.to(transient)) }
	rules := []flows.Rule{
		drop(udp(etherTypeIPv4, flows.ExactU(flows.UDPDst, dhcpClient))),
		drop(udp(etherTypeIPv6, flows.ExactU(flows.UDPDst, dhcpv6Client))),
		drop(icmpv6(routerAdvertisement)),
		guard.rule(prioProbed, base, match(probed, etherType(etherTypeARP)),
			flows.SetU(flows.ARPSPA, 0), setReg(regProbe, 0), guard.to(transient)),
		pass(match(etherType(etherTypeARP))),
		pass(match(etherType(etherTypeRARP))),
		guard.rule(prioNoAddress, base, udp(etherTypeIPv4, flows.ExactU(flows.IPv4Src, 0), flows.ExactU(flows.IPv4Dst, 0xffffffff),
			flows.ExactU(flows.UDPSrc, dhcpClient), flows.ExactU(flows.UDPDst, dhcpServer)),
			raise(flagAsking), guard.to(transient)),
	}
	for _, t := range []uint64{mldReport, mldDone, mldv2Report} {
		rules = append(rules, pass(icmpv6(t, flows.ExactU(flows.IPv6Src, 0))))
	}
	return append(rules,
		guard.rule(prioNoAddress, base, icmpv6(routerSolicitation, flows.ExactU(flows.IPv6Src, 0)), raise(flagAsking), guard.to(transient)),
		guard.miss(guard.to(dropped)))
}
