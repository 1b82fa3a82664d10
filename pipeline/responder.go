package pipeline

import (
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/flows"
)

// This file: br-tun table 21, which answers questions about addresses that the
// records know.

// addressee is an IP address in a network, and the ports that may have it: by a
// fixed address, or by an address pair of exactly this address.
type addressee struct {
	unit
	net     *network
	ip      netip.Addr
	holders map[*port]bool // true: a fixed address
}

// Bits of nd_reserved in an advertisement (RFC 4861 section 4.4).
const (
	advertRouter    = 1 << 31
	advertSolicited = 1 << 30
	advertOverride  = 1 << 29
)

func responderBase() []flows.Rule {
	cookie := Cookie(FeatureBase, "")
	return []flows.Rule{
		tunFromInt.rule(prioQuestion, cookie,
			match(etherType(etherTypeARP), flows.ExactU(flows.ARPOp, arpRequest), flows.Exact(flows.EthDst, flows.Ones(48))),
			tunFromInt.to(tunResolve)),
		tunFromInt.rule(prioQuestion, cookie,
			icmpv6(neighborSolicitation, flows.ExactU(flows.ICMPv6Code, 0), flows.MaskedU(flows.EthDst, 0x3333<<32, 0xffff<<32)),
			tunFromInt.to(tunResolve)),
		// The second half of an IPv6 answer: the link-layer address of an
		// advertisement can be written only in a rule that matches one.
		tunResolve.rule(prioAnswerReady, cookie,
			icmpv6(neighborAdvertisement, flows.ExactU(flows.ICMPv6Code, 0)),
			move(flows.EthSrc, flows.NDTLL), send(flows.PortInPort)),
		// Duplicate address detection must reach whoever has the address.
		tunResolve.rule(prioUnspecified, cookie,
			icmpv6(neighborSolicitation, flows.ExactU(flows.IPv6Src, 0)), tunResolve.to(tunFlood)),
		tunResolve.miss(tunResolve.to(tunFlood)),
	}
}

// compile answers for a port on another host. For a port here nothing is
// answered, as it has heard the question itself; the question goes no further.
// An address that more than one port may have is nobody's for certain: the
// question is flooded, and the present holder answers.
func (a *addressee) compile(e *emitter) {
	if !a.net.shape.active || len(a.holders) != 1 {
		return
	}
	for p, fixed := range a.holders {
		switch {
		case !fixed || !p.rec.AdminStateUp:
		case p.local && !p.standby:
			e.tunnel(a.kept(p)...)
		default:
			e.tunnel(a.answered(p))
		}
	}
}

// kept drops questions for a port of this host, but not its own announcement
// that it has the address now (gratuitous ARP, RFC 5227 section 3).
func (a *addressee) kept(p *port) []flows.Rule {
	cookie := Cookie(FeatureResponder, p.id)
	question := append(familyOf(a.ip).question(a.ip), flows.OnVLAN(a.net.vlan))
	rules := []flows.Rule{tunResolve.rule(prioAnswer, cookie, match(question...))}
	if a.ip.Is4() {
		rules = append(rules, tunResolve.rule(prioGratuitous, cookie,
			match(append(question, flows.Addr(flows.ARPSPA, a.ip))...), tunResolve.to(tunFlood)))
	}
	return rules
}

// answered turns the question into the answer and sends it back.
func (a *addressee) answered(p *port) flows.Rule {
	actions := []flows.Action{
		move(flows.EthSrc, flows.EthDst),
		flows.Set(flows.EthSrc, macValue(p.rec.MAC)),
	}
	if a.ip.Is4() {
		actions = append(actions, arpAnswer(a.ip, p)...)
	} else {
		actions = append(actions, ndAnswer(a.ip, p)...)
	}
	return tunResolve.rule(prioAnswer, Cookie(FeatureResponder, p.id),
		match(append(familyOf(a.ip).question(a.ip), flows.OnVLAN(a.net.vlan))...), actions...)
}

func arpAnswer(ip netip.Addr, p *port) []flows.Action {
	return []flows.Action{
		flows.SetU(flows.ARPOp, arpReply),
		move(flows.ARPSHA, flows.ARPTHA),
		move(flows.ARPSPA, flows.ARPTPA),
		flows.Set(flows.ARPSHA, macValue(p.rec.MAC)),
		flows.Set(flows.ARPSPA, flows.IP(ip)),
		send(flows.PortInPort),
	}
}

// ndAnswer keeps the target and turns the option "source link-layer address"
// into "target link-layer address" (RFC 4861 section 4.6.1). A router must say
// that it is one, or hosts take it off their list of default routers (RFC 4861
// section 7.2.5).
func ndAnswer(ip netip.Addr, p *port) []flows.Action {
	flags := uint64(advertSolicited | advertOverride)
	if strings.HasPrefix(p.rec.DeviceOwner, "network:router") || strings.HasPrefix(p.rec.DeviceOwner, "network:ha_router") {
		flags |= advertRouter
	}
	return []flows.Action{
		move(flows.IPv6Src, flows.IPv6Dst),
		flows.Set(flows.IPv6Src, flows.IP(ip)),
		flows.SetU(flows.NDOptionsType, optionTargetLinkLayer),
		flows.SetU(flows.NDReserved, flags),
		flows.SetU(flows.ICMPv6Type, neighborAdvertisement),
		tunResolve.to(tunResolve),
	}
}

// optionTargetLinkLayer is the neighbour discovery option 2.
const optionTargetLinkLayer = 2
