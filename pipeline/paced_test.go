package pipeline

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
)

// limits gives the meters of actions on the way of a packet.
func limits(res sim.Result) (list []uint32) {
	for _, step := range res.Trace {
		if step.Rule == nil {
			continue
		}
		for _, a := range step.Rule.Actions {
			if m, ok := a.(flows.Meter); ok {
				list = append(list, m.ID)
			}
		}
	}
	return list
}

// TestQuestionsForServersPassTheirPortsMeterAndGoWhereTheyWouldGo sends packets
// through the real switch and the interpreter. guest5 is the server of all.
func TestQuestionsForServersPassTheirPortsMeterAndGoWhereTheyWouldGo(t *testing.T) {
	l := newLive(t)
	c := liveCloud()
	c.admitAll()
	c.Ports[portID(2)].Record.PortSecurityEnabled = false
	others := func(n int) []string {
		list := []string{"guest1", "guest2", "guest3", "guest4", "guest5", "eth-phys"}
		return slices.DeleteFunc(list, func(s string) bool { return s == endName(n) })
	}
	meter := func(guest int) []uint32 { return []uint32{uint32(FirstAskMeter + 10 + guest)} }
	spoofed := dhcp(1)
	spoofed.as = endIP(4, 4)
	server := []string{"guest5"}
	from := func(k talk, a netip.Addr) talk { k.as = a; return k }
	for _, meterless := range []bool{false, true} {
		c.Config.Meterless = meterless
		l.use(c)
		for _, step := range []struct {
			what   string
			packet talk
			meters []uint32
			want   []string
		}{
			{"a guest asks for an address", dhcp(1), meter(1), others(1)},
			{"one without port security", dhcp(2), meter(2), others(2)},
			{"over IPv6", dhcpv6(1), meter(1), others(1)},
			{"over IPv6 without port security", dhcpv6(2), meter(2), others(2)},
			{"a lease is renewed", udp4(3, trustedEnd, dhcpClient, dhcpServer), meter(3), server},
			{"without port security", udp4(2, trustedEnd, dhcpClient, dhcpServer), meter(2), server},
			{"an address that is not the guest's", spoofed, nil, nil},
			{"another host's guest, which is limited there", dhcp(remoteEnd), nil, others(remoteEnd)},
			{"the server itself asks", dhcp(trustedEnd), nil, others(trustedEnd)},
			{"the server answers", udp4(trustedEnd, 1, dhcpServer, dhcpClient), nil, []string{"guest1"}},
			{"from a port that no client has", udp4(1, trustedEnd, 1000, dhcpServer), meter(1), server},
			{"and without port security", udp4(2, trustedEnd, 1000, dhcpServer), meter(2), server},
			{"and over IPv6", v6(udp4(1, trustedEnd, 1000, dhcpv6Server)), meter(1), server},
			{"to a server in a guest", udp4(1, 3, 1000, dhcpServer), meter(1), []string{"guest3"}},
			{"its answer", udp4(3, 1, dhcpServer, 1000), nil, []string{"guest1"}},
			{"an answer from the port of servers", udp4(1, 3, dhcpServer, 1000), nil, []string{"guest3"}},
			{"a router is looked for", solicit(1), meter(1), []string{"eth-phys", "guest2", "guest5"}},
			{"by a guest without an address", from(solicit(1), netip.IPv6Unspecified()), meter(1), []string{"eth-phys", "guest2", "guest5"}},
			{"and without port security", solicit(2), meter(2), []string{"eth-phys", "guest5"}},
			{"by the server itself", solicit(trustedEnd), nil, []string{"eth-phys", "guest2"}},
			{"other packets to the server", udp4(1, trustedEnd, 1000, 53), nil, server},
			{"and without port security", udp4(2, trustedEnd, 1000, 53), nil, server},
		} {
			l.count++
			frame := step.packet.frame(t, uint16(l.count))
			wire := l.transmit(endName(step.packet.from), frame)
			got, res := l.simulate(endName(step.packet.from), frame)
			want := slices.Sorted(slices.Values(step.want))
			if !slices.Equal(wire, got) || !slices.Equal(got, want) {
				t.Errorf("%s: the switch puts it out of %q, the interpreter of %q, want %q\n%v", step.what, wire, got, want, res.Trace)
			}
			if meterless {
				step.meters = nil
			}
			if got := limits(res); !slices.Equal(got, step.meters) {
				t.Errorf("%s: passes the meters %v, want %v", step.what, got, step.meters)
			}
		}
	}
}

// TestAStormOfQuestionsSpendsTheShareOfItsPortOnly sends more questions than the
// meters let pass.
func TestAStormOfQuestionsSpendsTheShareOfItsPortOnly(t *testing.T) {
	l := newLive(t)
	c := liveCloud()
	c.admitAll()
	c.Ports[portID(2)].Record.PortSecurityEnabled = false
	l.use(c)
	storm := func(k talk) (frames [][]byte) {
		for n := range 20 {
			frames = append(frames, k.frame(t, uint16(1000+n)))
		}
		return frames
	}
	heard := func(k talk, frames ...[]byte) bool {
		return slices.Contains(l.transmit(endName(k.from), frames...), endName(trustedEnd))
	}
	kinds := []talk{
		dhcp(1), dhcpv6(1), dhcp(2), dhcpv6(2), solicit(1), solicit(2),
		udp4(1, trustedEnd, 1000, dhcpServer), v6(udp4(1, trustedEnd, 1000, dhcpv6Server)), udp4(2, trustedEnd, 1000, dhcpServer),
	}
	for _, k := range kinds {
		if !heard(k, k.frame(t, 6)) || !heard(k, storm(k)...) { // the first makes the datapath's flows
			t.Fatalf("%s: the server does not hear 20, which the meter lets pass", k)
		}
	}
	for _, guest := range []int{1, 2} {
		l.Ofctl("-O", "OpenFlow15", "mod-meter", "br-int",
			fmt.Sprintf("meter=%d,pktps,burst,stats,band=type=drop,rate=1,burst_size=2", FirstAskMeter+10+guest))
	}
	for _, k := range kinds {
		if heard(k, storm(k)...) {
			t.Errorf("%s: the server hears all 20", k)
		}
		other := dhcp(3)
		if !heard(other, other.frame(t, 7)) {
			t.Errorf("in the storm of %s the server does not hear guest3", k)
		}
		beside := udp4(k.from, trustedEnd, 1000, 53)
		if !heard(beside, beside.frame(t, 8)) {
			t.Errorf("after %s the guest's other packets do not pass", k)
		}
	}
}

func TestOnlyPortsOnNetworksWithServersAreLimited(t *testing.T) {
	limited := func(c *cloud) map[string]int {
		n := map[string]int{}
		for _, r := range Compile(&c.View).Bridges["br-int"] {
			if len(r.Actions) > 0 {
				if _, ok := r.Actions[0].(flows.Meter); ok {
					_, digits, _ := Explain(r.Cookie)
					n[digits]++
				}
			}
		}
		return n
	}
	digits := func(n int) string { _, d, _ := Explain(Cookie(FeatureAsk, portID(n))); return d }
	for _, owner := range []string{"network:dhcp", "network:router_interface"} {
		c := newCloud()
		c.network(1, flat("physnet1"))
		c.port(1, 1, "10.0.0.11")
		c.port(2, 1, "10.0.0.12").PortSecurityEnabled = false
		inc := NewIncremental()
		inc.Compile(&c.View, Dirty{})
		if got := limited(c); len(got) > 0 {
			t.Errorf("limited without a server: %v", got)
		}
		c.remote(3, 1, "hv2", "10.0.0.2").DeviceOwner = owner
		changes := inc.Compile(&c.View, Dirty{Ports: []string{portID(3)}})
		if got := limited(c); len(got) != 2 || got[digits(1)] != 1 || got[digits(2)] != 3 {
			t.Errorf("with %s on another host %v are limited", owner, got)
		}
		set := 0
		for _, r := range changes["br-int"].Set {
			if f, _, _ := Explain(r.Cookie); f == FeatureAsk {
				set++
			}
		}
		if set != 4 {
			t.Errorf("the coming of %s sets %d flows with meters, want 4", owner, set)
		}
	}
}
