package pipeline

import (
	"slices"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/flows"
)

// This file: table 60, questions of guests that the agent of their host answers
// itself (`dhcp.mode: local`). They have come through anti-spoofing, if the port
// has it, and end here: nobody else hears them. An answer goes into the port
// straight from the agent.
//
// Where DHCP servers or routers serve the network, the questions for them pass the
// port's meter and go on as they came, so that a guest which asks without end does
// not keep them from the others.

// Questions are kinds of packets from a port that the agent answers.
type Questions uint8

// The questions.
const (
	// AskDHCP is DHCP (RFC 2131), AskDHCPv6 DHCPv6 (RFC 8415).
	AskDHCP Questions = 1 << iota
	AskDHCPv6
	// AskRouter are router solicitations (RFC 4861 section 4.1).
	AskRouter
)

// askMatches are the packets of each question.
var askMatches = []struct {
	question Questions
	match    flows.Match
}{
	{AskDHCP, udpPorts(etherTypeIPv4, dhcpClient, dhcpServer)},
	{AskDHCPv6, udpPorts(etherTypeIPv6, dhcpv6Client, dhcpv6Server)},
	{AskRouter, icmpv6(routerSolicitation, flows.ExactU(flows.ICMPv6Code, 0))},
}

// The meters of the integration bridge that limit questions: a port's is
// FirstAskMeter plus its OpenFlow number modulo AskMeters, so that a guest which
// floods the agent, or the servers of its network, spends the share of ports with
// this remainder only. They must be there before the flows are.
const (
	FirstAskMeter = 256
	AskMeters     = 256
)

// askedBytes is how much of a question the agent gets: all of it.
const askedBytes = 0xffff

// asked is the first byte of the userdata of a question; the port's UUID follows.
const asked = 'Q'

// asking gives the flows that send a port's questions to the agent.
func (p *port) asking() []flows.Rule {
	id, err := uuid.Parse(p.id)
	if err != nil {
		return nil // no port of the API
	}
	toAgent := flows.Controller{
		MaxLen: askedBytes, Userdata: append([]byte{asked}, id[:]...), MeterID: p.askMeter(),
	}
	var rules []flows.Rule
	for _, a := range askMatches {
		if p.asks&a.question != 0 {
			rules = append(rules, transient.rule(prioAsk, Cookie(FeatureAsk, p.id), a.match.With(ofPort(p.ofport)), toAgent))
		}
	}
	return rules
}

// askMeter is the number of the meter that limits the port's questions.
func (p *port) askMeter() uint32 { return FirstAskMeter + p.ofport%AskMeters }

// forServers are the questions for DHCP servers, which take them from any port of
// the guest, and for those who advertise routers: these servers, and routers.
func forServers() []flows.Match {
	return []flows.Match{
		match(etherType(etherTypeIPv4), ipProto(protoUDP), flows.ExactU(flows.UDPDst, dhcpServer)),
		match(etherType(etherTypeIPv6), ipProto(protoUDP), flows.ExactU(flows.UDPDst, dhcpv6Server)),
		icmpv6(routerSolicitation),
	}
}

// servesGuests reports whether the port is of somebody who answers these questions.
func (p *port) servesGuests() bool { return slices.Contains(servers, p.rec.DeviceOwner) }

// ownerDHCP is the device owner of the ports of DHCP servers.
const ownerDHCP = "network:dhcp"

// servers are the device owners of the ports of DHCP servers and of routers.
var servers = []string{
	ownerDHCP, "network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface",
}

// paced gives the flows that send the port's questions for servers through
// its meter. Those of a port with port security carry the flag when they come out
// of the checks, so one flow will do, and nothing else of the packet is looked at.
func (p *port) paced(meterless bool) []flows.Rule {
	if !p.net.shape.served || meterless || p.rec.Trusted() {
		return nil
	}
	cookie, meter := Cookie(FeatureAsk, p.id), flows.Meter{ID: p.askMeter()}
	if p.secured() {
		return []flows.Rule{transient.rule(prioPaced, cookie, match(ofPort(p.ofport), flagged(flagAsking)),
			meter, lower(flagAsking), transient.visit())}
	}
	var rules []flows.Rule
	for _, m := range forServers() {
		rules = append(rules, transient.rule(prioPaced, cookie, m.With(ofPort(p.ofport)).With(unflagged(flagAsking)),
			meter, raise(flagAsking), transient.visit()))
	}
	return rules
}

// ReadAsked reads the userdata of a packet that the switch sent to the agent: the
// id of the port that asks. It is false for one that is no question.
func ReadAsked(userdata []byte) (port string, ok bool) {
	if len(userdata) != 1+len(uuid.UUID{}) || userdata[0] != asked {
		return "", false
	}
	return uuid.UUID(userdata[1:]).String(), true
}
