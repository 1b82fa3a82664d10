package pipeline

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
)

// askers gives the ports whose questions go to the agent, as the flows say that
// a packet meets.
func askers(t *testing.T, res sim.Result) []string {
	t.Helper()
	var list []string
	for _, step := range res.Trace {
		if step.Rule == nil {
			continue
		}
		for _, a := range step.Rule.Actions {
			if c, ok := a.(flows.Controller); ok {
				port, ok := ReadAsked(c.Userdata)
				if !ok || c.MaxLen != askedBytes {
					t.Fatalf("%s sends no question", step.Rule)
				}
				list = append(list, port)
			}
		}
	}
	return list
}

// dhcp is a guest's question for an address, dhcpv6 the same over IPv6.
func dhcp(from int) talk {
	k := udp4(from, 0, dhcpClient, dhcpServer)
	k.as = netip.IPv4Unspecified()
	return k
}

func dhcpv6(from int) talk {
	k := v6(udp4(from, 0, dhcpv6Client, dhcpv6Server))
	m := mac(from)
	k.as, k.at = m.LinkLocal(), netip.MustParseAddr("ff02::1:2")
	return k
}

// solicit is a guest's question for a router.
func solicit(from int) talk {
	m := mac(from)
	return talk{from: from, version: 6, proto: layers.IPProtocolICMPv6, src: routerSolicitation, as: m.LinkLocal(), at: netip.IPv6LinkLocalAllRouters()}
}

// TestQuestionsGoToTheAgentAndToNobodyElse sends packets through the real switch
// and the interpreter, which agree on where they come out; the interpreter says
// what goes to the agent.
func TestQuestionsGoToTheAgentAndToNobodyElse(t *testing.T) {
	l := newLive(t)
	c := liveCloud()
	c.admitAll()
	c.Ports[portID(2)].Record.PortSecurityEnabled = false
	c.asks(1, AskDHCP|AskDHCPv6|AskRouter)
	c.asks(2, AskDHCP|AskRouter)
	c.asks(3, AskDHCPv6)
	l.use(c)

	others := func(n int) []string {
		list := []string{"guest1", "guest2", "guest3", "guest4", "guest5", "eth-phys"}
		return slices.DeleteFunc(list, func(s string) bool { return s == endName(n) })
	}
	renewal := udp4(1, trustedEnd, dhcpClient, dhcpServer)
	spoofed := dhcp(1)
	spoofed.as = endIP(4, 4)
	cloned := dhcp(1)
	for _, step := range []struct {
		what   string
		packet talk
		as     int // whose MAC the frame is from, when it is not the sender's
		agent  bool
		want   []string
	}{
		{"a guest without an address asks for it", dhcp(1), 0, true, nil},
		{"one without port security", dhcp(2), 0, true, nil},
		{"one whose network has no DHCP is heard by all", dhcp(3), 0, false, others(3)},
		{"one whose questions nobody answers too", dhcp(4), 0, false, others(4)},
		{"another host's guest is heard by the guests here", dhcp(remoteEnd), 0, false, others(remoteEnd)},
		{"a lease is renewed at a server elsewhere", renewal, 0, true, nil},
		{"an address that is not the guest's", spoofed, 0, false, nil},
		{"a MAC that is not the guest's", cloned, 4, false, nil},
		{"DHCPv6", dhcpv6(1), 0, true, nil},
		{"DHCPv6 alone", dhcpv6(3), 0, true, nil},
		{"DHCPv6 where only DHCP is answered", dhcpv6(2), 0, false, others(2)},
		{"a router is looked for", solicit(1), 0, true, nil},
		{"and where there is one", solicit(4), 0, false, []string{"eth-phys", "guest2", "guest5"}},
		{"other packets to the servers' port", udp4(1, trustedEnd, 1000, dhcpServer), 0, false, []string{"guest5"}},
	} {
		l.count++
		frame := step.packet.frame(t, uint16(l.count))
		if step.as != 0 {
			copy(frame[6:], hardware(step.as))
		}
		wire := l.transmit(endName(step.packet.from), frame)
		got, res := l.simulate(endName(step.packet.from), frame)
		want := slices.Sorted(slices.Values(step.want))
		if !slices.Equal(wire, got) || !slices.Equal(got, want) {
			t.Errorf("%s: the switch puts it out of %q, the interpreter of %q, want %q\n%v", step.what, wire, got, want, res.Trace)
		}
		var asks []string
		if step.agent {
			asks = []string{portID(step.packet.from)}
		}
		if got := askers(t, res); !slices.Equal(got, asks) {
			t.Errorf("%s: the agent hears %q, want %q", step.what, got, asks)
		}
	}
}

func TestPortsShareMetersOnlyWhenThereAreMoreThanMeters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCloud()
		c.network(1, flat("physnet1"))
		seen := map[uint32]uint32{}
		for n := range rapid.IntRange(1, 5).Draw(t, "ports") {
			c.port(n, 1)
			p := c.Ports[portID(n)]
			p.OFPort = rapid.Uint32Range(1, maxOFPort).Draw(t, "ofport")
			p.Asks = AskDHCP | AskDHCPv6
			c.Ports[portID(n)] = p
		}
		for _, r := range Compile(&c.View).Bridges["br-int"] {
			for _, a := range r.Actions {
				ask, ok := a.(flows.Controller)
				if !ok {
					continue
				}
				m, _ := r.Match.Get(regPort)
				ofport := uint32(m.Value.Lo)
				if ask.MeterID < FirstAskMeter || ask.MeterID >= FirstAskMeter+AskMeters {
					t.Fatalf("meter %d of %s", ask.MeterID, r)
				}
				if other, ok := seen[ask.MeterID]; ok && other != ofport && (other-ofport)%AskMeters != 0 {
					t.Fatalf("ports %d and %d share meter %d", ofport, other, ask.MeterID)
				}
				seen[ask.MeterID] = ofport
				if id, ok := ReadAsked(ask.Userdata); !ok || c.Ports[id].OFPort != ofport {
					t.Fatalf("%s is said to come from port %q", r, id)
				}
			}
		}
		if got, ok := ReadAsked(rapid.SliceOf(rapid.Byte()).Draw(t, "userdata")); ok && len(got) != len(portID(1)) {
			t.Fatalf("%q is a port", got)
		}
	})
}
