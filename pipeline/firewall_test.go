package pipeline

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/model"
)

// guestsIn puts guests 1 to 4 into the groups that are named for each, and
// makes all members of their groups, guest 6 of group 6.
func (c *cloud) guestsIn(groups ...[]int) {
	for i, list := range groups {
		p := c.Ports[portID(i+1)].Record
		inGroups(p, list...)
		for _, g := range list {
			c.member(g, p)
		}
	}
	c.member(6, c.Remotes[portID(remoteEnd)])
}

// TestRulesAdmitWhatTheySayAndNothingElse sends packets of every kind of rule.
func TestRulesAdmitWhatTheySayAndNothingElse(t *testing.T) {
	l := newLive(t)
	proto := func(p layers.IPProtocol, from, to int) talk {
		return talk{from: from, to: to, version: 4, proto: p, src: 1000, dst: 7}
	}
	icmpOf := func(typ, code uint16) talk {
		k := ping(1, 2, 4)
		k.src, k.dst = typ, code
		return k
	}
	for _, test := range []struct {
		rule          string
		admits, else_ []talk
	}{
		{"ingress IPv4", []talk{tcp4(1, 2, 1, 1), udp4(remoteEnd, 2, 1, 1), ping(trustedEnd, 2, 4), proto(layers.IPProtocolGRE, 1, 2)}, []talk{v6(tcp4(1, 2, 1, 1))}},
		{"ingress IPv6", []talk{v6(tcp4(1, 2, 1, 1)), ping(1, 2, 6)}, []talk{tcp4(1, 2, 1, 1)}},
		{"ingress IPv4 protocol=tcp", []talk{tcp4(1, 2, 1, 1)}, []talk{udp4(1, 2, 1, 1), ping(1, 2, 4)}},
		{"ingress IPv4 protocol=tcp ports=80-80", []talk{tcp4(1, 2, 1, 80)}, []talk{tcp4(1, 2, 80, 81), tcp4(1, 2, 80, 79), udp4(1, 2, 1, 80)}},
		{"ingress IPv4 protocol=17 ports=1000-1999", []talk{udp4(1, 2, 1, 1000), udp4(1, 2, 1, 1500), udp4(1, 2, 1, 1999)}, []talk{udp4(1, 2, 1, 999), udp4(1, 2, 1, 2000), tcp4(1, 2, 1, 1500)}},
		{"ingress IPv6 protocol=udp ports=1-65534", []talk{v6(udp4(1, 2, 1, 65534)), v6(udp4(1, 2, 1, 1))}, []talk{v6(udp4(1, 2, 1, 65535)), udp4(1, 2, 1, 1)}},
		{"ingress IPv4 protocol=sctp ports=7-7", []talk{proto(layers.IPProtocolSCTP, 1, 2)}, []talk{udp4(1, 2, 1, 7)}},
		{"ingress IPv4 protocol=gre", []talk{proto(layers.IPProtocolGRE, 1, 2)}, []talk{proto(layers.IPProtocolESP, 1, 2)}},
		{"ingress IPv4 protocol=icmp", []talk{ping(1, 2, 4), icmpOf(13, 0)}, []talk{udp4(1, 2, 1, 1), ping(1, 2, 6)}},
		{"ingress IPv4 protocol=icmp ports=8-", []talk{ping(1, 2, 4)}, []talk{icmpOf(13, 0)}},
		{"ingress IPv4 protocol=icmp ports=8-0", []talk{ping(1, 2, 4)}, []talk{icmpOf(13, 0)}},
		{"ingress IPv6 protocol=ipv6-icmp ports=128-0", []talk{ping(1, 2, 6)}, []talk{v6(udp4(1, 2, 1, 1)), ping(1, 2, 4)}},
		{"ingress IPv4 prefix=10.0.0.10/31", []talk{tcp4(1, 2, 1, 1)}, []talk{tcp4(3, 2, 1, 1), tcp4(remoteEnd, 2, 1, 1)}},
		{"ingress IPv4 prefix=0.0.0.0/0", []talk{tcp4(1, 2, 1, 1)}, []talk{v6(tcp4(1, 2, 1, 1))}},
		{"ingress IPv6 prefix=2001:db8::16/128", []talk{v6(tcp4(remoteEnd, 2, 1, 1))}, []talk{v6(tcp4(1, 2, 1, 1)), tcp4(remoteEnd, 2, 1, 1)}},
		{"ingress IPv4 group=6", []talk{tcp4(remoteEnd, 2, 1, 1)}, []talk{tcp4(1, 2, 1, 1), tcp4(trustedEnd, 2, 1, 1), v6(tcp4(remoteEnd, 2, 1, 1))}},
		{"ingress IPv6 protocol=tcp ports=5-6 group=6", []talk{v6(tcp4(remoteEnd, 2, 1, 6))}, []talk{v6(tcp4(remoteEnd, 2, 1, 7)), v6(tcp4(1, 2, 1, 6))}},
		{"ingress IPv4 group=2", []talk{tcp4(1, 2, 1, 1), tcp4(3, 2, 1, 1)}, []talk{tcp4(remoteEnd, 2, 1, 1)}},
		{"ingress IPv4 addresses=1", []talk{tcp4(3, 2, 1, 1)}, []talk{tcp4(1, 2, 1, 1), tcp4(remoteEnd, 2, 1, 1)}},
	} {
		for _, stateful := range []bool{true, false} {
			c := liveCloud()
			c.group(1, "egress IPv4", "egress IPv6")
			c.group(2, test.rule).Stateful = stateful
			c.AddressGroups[addressGroupID(1)] = &model.AddressGroup{Meta: model.Meta{ID: addressGroupID(1)}, Addresses: []netip.Prefix{prefix("10.0.0.13/32")}}
			c.guestsIn([]int{1, 2}, []int{1, 2}, []int{1, 2}, []int{1, 2})
			l.use(c)
			l.forget()
			what := fmt.Sprintf("%s, stateful %t", test.rule, stateful)
			for _, k := range test.admits {
				l.passes(what, k)
			}
			for _, k := range test.else_ {
				l.fails(what, k)
			}
			// The same rule the other way round: what is admitted in is admitted out.
			c = liveCloud()
			c.group(1, "ingress IPv4", "ingress IPv6")
			c.group(2, strings.Replace(test.rule, "ingress", "egress", 1)).Stateful = stateful
			c.AddressGroups[addressGroupID(1)] = &model.AddressGroup{Meta: model.Meta{ID: addressGroupID(1)}, Addresses: []netip.Prefix{prefix("10.0.0.13/32")}}
			c.guestsIn([]int{1, 2}, []int{1, 2}, []int{1, 2}, []int{1, 2})
			l.use(c)
			l.forget()
			for _, k := range test.admits {
				l.passes(what+" as egress", k.turned())
			}
			for _, k := range test.else_ {
				l.fails(what+" as egress", k.turned())
			}
		}
	}
}

// turned gives the same packet from the receiver to the sender.
func (k talk) turned() talk {
	k.from, k.to = k.to, k.from
	return k
}

// TestAChangeCutsWhatItAdmittedAndNothingElse keeps two connections: one that
// the change takes the ground from, and one that it must not touch.
func TestAChangeCutsWhatItAdmittedAndNothingElse(t *testing.T) {
	l := newLive(t)
	type change struct {
		name string
		do   func(c *cloud)
		cut  []talk
		stay []talk
	}
	web, web6 := tcp4(1, 2, 1000, 80), v6(tcp4(1, 2, 1000, 80))
	dns, far := udp4(1, 2, 1000, 53), tcp4(remoteEnd, 2, 1000, 443)
	out := udp4(2, remoteEnd, 1000, 123)
	all := []talk{web, web6, dns, far, out}
	without := func(group int, rules ...int) func(*cloud) {
		return func(c *cloud) {
			g := c.Groups[groupID(group)]
			g.Rules = maps.Clone(g.Rules)
			for _, n := range rules {
				delete(g.Rules, ruleID(group, n))
			}
			c.Groups[groupID(group)] = g
		}
	}
	build := func() *cloud {
		c := liveCloud()
		c.group(1, "egress IPv4 prefix=10.0.0.0/24", "egress IPv6", "ingress IPv4 protocol=tcp ports=80-80", "ingress IPv6 protocol=tcp ports=80-80 group=1", "ingress IPv4 protocol=udp ports=53-53 group=3")
		c.group(2, "ingress IPv4 protocol=tcp ports=443-443 group=6")
		c.group(3)
		c.guestsIn([]int{1, 3}, []int{1, 2}, []int{1}, nil)
		return c
	}
	for _, ch := range []change{
		{"nothing", func(*cloud) {}, nil, all},
		{"a rule goes", without(1, 3), []talk{web}, []talk{web6, dns, far, out}},
		{"a rule with a remote group goes", without(1, 4), []talk{web6}, []talk{web, dns, far, out}},
		{"the egress rule goes", without(1, 1), []talk{web, dns, out}, []talk{web6, far}},
		{"a remote member goes", func(c *cloud) { delete(c.Members, MemberKey{groupID(6), portID(remoteEnd)}) }, []talk{far}, []talk{web, web6, dns, out}},
		{"a local member goes", func(c *cloud) { delete(c.Members, MemberKey{groupID(3), portID(1)}) }, []talk{dns}, []talk{web, web6, far, out}},
		{"a group leaves the port", func(c *cloud) { c.Ports[portID(2)].Record.SecurityGroups = []string{groupID(1)} }, []talk{far}, []talk{web, web6, dns, out}},
		{"a group is gone", func(c *cloud) { delete(c.Groups, groupID(2)) }, []talk{far}, []talk{web, web6, dns, out}},
		{"the port is gone", func(c *cloud) { delete(c.Ports, portID(1)) }, []talk{web, web6, dns}, []talk{far, out}},
		{"the port is down", func(c *cloud) { c.Ports[portID(1)].Record.AdminStateUp = false }, []talk{web, web6, dns}, []talk{far, out}},
	} {
		l.forget()
		l.use(build())
		for _, k := range all {
			l.passes(ch.name+": before", k)
			l.passes(ch.name+": answer before", k.reply())
		}
		c := build()
		ch.do(c)
		l.use(c)
		for _, k := range ch.cut {
			l.misses(ch.name+": cut", k.again())
			l.misses(ch.name+": answer cut", k.reply().again())
			l.misses(ch.name+": error cut", k.refused(k.to))
		}
		for _, k := range ch.stay {
			l.passes(ch.name+": stays", k.again())
			l.passes(ch.name+": answer stays", k.reply().again())
		}
		l.use(build())
		for _, k := range all {
			l.passes(ch.name+": undone", k.again())
			l.passes(ch.name+": answer undone", k.reply().again())
		}
	}
}

// misses demands that a packet does not reach its receiver. What is sent to a
// port that is gone may be for a port that came up elsewhere.
func (l *live) misses(what string, k talk) {
	l.t.Helper()
	if got := l.both(k); slices.Contains(got, endName(k.to)) {
		l.t.Errorf("%s: %s comes out of %q", what, k, got)
	}
}

// again gives a later packet of the same connection and direction.
func (k talk) again() talk {
	switch k.flags {
	case "S":
		k.flags = "A"
	case "SA":
		k.flags = "AR"
	}
	return k
}

// TestADeniedConnectionIsNotRemembered: nothing is committed until both sides
// have admitted it.
func TestADeniedConnectionIsNotRemembered(t *testing.T) {
	l := newLive(t)
	c := liveCloud()
	c.group(1, "egress IPv4", "egress IPv6", "ingress IPv4 protocol=tcp ports=80-80")
	c.guestsIn([]int{1}, []int{1}, []int{1}, []int{1})
	l.use(c)
	l.fails("denied by the receiver", tcp4(1, 2, 1000, 81))
	l.fails("denied by the receiver", udp4(remoteEnd, 2, 1000, 81))
	if table := l.Appctl("dpctl/dump-conntrack"); strings.TrimSpace(table) != "" {
		t.Errorf("the switch remembers\n%s", table)
	}
	l.passes("admitted", tcp4(1, 2, 1000, 80))
	l.passes("admitted to another host", udp4(1, remoteEnd, 1000, 80))
	table := l.Appctl("dpctl/dump-conntrack")
	if strings.Count(table, "zone=1") != 2 {
		t.Errorf("the switch remembers\n%s\nwant two connections of zone 1", table)
	}
}

// TestInvalidPacketsAreDropped: a second step of a handshake without the first,
// an ICMP error about nothing.
func TestInvalidPacketsAreDropped(t *testing.T) {
	l := newLive(t)
	c := liveCloud()
	c.admitAll()
	l.use(c)
	l.fails("answer without question", tcp4(1, 2, 1000, 80).reply())
	l.fails("answer without question", ping(1, 2, 4).reply())
	l.fails("error about nothing", udp4(1, 2, 1, 2).refused(2))
	l.passes("question", udp4(1, 2, 1, 2))
	l.passes("error about it", udp4(1, 2, 1, 2).refused(2))
	l.passes("error of a router about it", udp4(1, 2, 1, 2).refused(trustedEnd))
	l.passes("question", v6(udp4(1, remoteEnd, 1, 2)))
	l.passes("error about it", v6(udp4(1, remoteEnd, 1, 2)).refused(remoteEnd))
}

// TestStatelessGroupsAdmitNoAnswers: in a stateless group each direction needs a
// rule, and the connection tracker is left alone.
func TestStatelessGroupsAdmitNoAnswers(t *testing.T) {
	l := newLive(t)
	web := tcp4(1, remoteEnd, 1000, 80)
	use := func(rules ...string) {
		c := liveCloud()
		c.group(1, rules...).Stateful = false
		c.group(2, "ingress IPv4 protocol=udp ports=53-53")
		c.guestsIn([]int{1}, []int{1, 2}, nil, nil)
		l.use(c)
	}
	use("egress IPv4 protocol=tcp ports=80-80")
	l.passes("question", web)
	l.fails("answer without a rule", web.reply())
	use("egress IPv4 protocol=tcp ports=80-80", "ingress IPv4 protocol=tcp ports=1000-1000")
	l.passes("answer with a rule", web.reply())
	l.passes("answer without question", tcp4(1, remoteEnd, 1000, 81).reply())
	l.fails("error without a rule", web.refused(remoteEnd))
	use("egress IPv4 protocol=tcp ports=80-80", "ingress IPv4 protocol=icmp ports=3-")
	l.passes("error with a rule", web.refused(remoteEnd))
	if table := l.Appctl("dpctl/dump-conntrack"); strings.TrimSpace(table) != "" {
		t.Errorf("the switch remembers\n%s", table)
	}
	// Guest 2 has a stateful group too.
	dns := udp4(remoteEnd, 2, 1000, 53)
	l.passes("question to the stateful group", dns)
	l.passes("its answer", dns.reply())
	l.passes("question from the stateless group", tcp4(2, remoteEnd, 1000, 80))
	l.fails("its answer", tcp4(2, remoteEnd, 1000, 80).reply())
	// From the stateless group of one guest to the stateful one of another.
	use("egress IPv4 protocol=udp ports=53-53", "ingress IPv4 protocol=udp ports=1000-1000")
	near := udp4(1, 2, 1000, 53)
	l.passes("question to a neighbour", near)
	l.passes("answer of a neighbour", near.reply())
}

// TestFragments: the connection tracker puts fragments together before they are
// judged; to a stateless group they have no ports.
func TestFragments(t *testing.T) {
	l := newLive(t)
	for _, test := range []struct {
		rule     string
		stateful bool
		admitted bool
	}{
		{"ingress IPv4 protocol=udp ports=53-53", true, true},
		{"ingress IPv4 protocol=udp ports=54-54", true, false},
		{"ingress IPv4 protocol=tcp", true, false},
		{"ingress IPv4 protocol=udp", false, true},
		{"ingress IPv4 protocol=udp ports=53-53", false, false},
	} {
		c := liveCloud()
		c.group(2, test.rule).Stateful = test.stateful
		c.guestsIn(nil, []int{2}, nil, nil)
		l.use(c)
		l.forget()
		k := udp4(trustedEnd, 2, 1000, 53)
		k.length = 1600
		l.count++
		first, later := fragments(k.frame(t, uint16(l.count)), 1408)
		if got := l.transmit("guest5", first, later); slices.Contains(got, "guest2") != test.admitted {
			t.Errorf("%s, stateful %t: the datagram comes out of %q", test.rule, test.stateful, got)
		}
		if got := l.transmit("guest5", first); test.stateful && len(got) > 0 {
			t.Errorf("%s: the first fragment alone comes out of %q", test.rule, got)
		}
	}
	c := liveCloud()
	l.use(c.admitAll())
	server := udp4(1, 2, 67, 68)
	server.length = 1600
	if got := l.transmit("guest1", server.fragments(t)...); len(got) > 0 {
		t.Errorf("a DHCP server's answer in fragments comes out of %q", got)
	}
	server.dst = 69
	if got := l.transmit("guest1", server.fragments(t)...); !slices.Equal(got, []string{"guest2"}) {
		t.Errorf("another datagram in fragments comes out of %q", got)
	}
}

// fragments writes the packet in two fragments.
func (k talk) fragments(t testing.TB) [][]byte {
	first, later := fragments(k.frame(t, k.dst), 1408)
	return [][]byte{first, later}
}

// fragments cuts the payload of an IPv4 frame in two.
func fragments(frame []byte, at int) (first, later []byte) {
	const header = 14 + 20
	first, later = slices.Clone(frame[:header+at]), append(slices.Clone(frame[:header]), frame[header+at:]...)
	finish := func(f []byte, offset uint16) {
		binary.BigEndian.PutUint16(f[16:], uint16(len(f)-14))
		binary.BigEndian.PutUint16(f[20:], offset)
		binary.BigEndian.PutUint16(f[24:], 0)
		var sum uint32
		for i := 14; i < header; i += 2 {
			sum += uint32(binary.BigEndian.Uint16(f[i:]))
		}
		sum = sum&0xffff + sum>>16
		binary.BigEndian.PutUint16(f[24:], ^uint16(sum&0xffff+sum>>16))
	}
	finish(first, 1<<13)
	finish(later, uint16(at/8))
	return first, later
}

// TestRandomGroupsAndPacketsTakeTheSameWay compares switch and interpreter,
// both with their connection trackers, and what the records say, on random
// groups that change while packets, answers and errors go to and fro.
func TestRandomGroupsAndPacketsTakeTheSameWay(t *testing.T) {
	l := newLive(t)
	passed, total := 0, 0
	for seed := range uint64(12) {
		w := &wall{Rand: rand.New(rand.NewPCG(seed, 4)), port: 1000}
		o := &oracle{known: map[header]bool{}}
		l.forget()
		for range 4 {
			o.c = w.cloud()
			l.use(o.c)
			for range 40 {
				k := w.talk()
				total++
				got := l.both(k)
				if want := o.delivered(k); !slices.Equal(got, want) {
					t.Fatalf("seed %d: %s comes out of %q, the records say %q", seed, k, got, want)
				}
				if len(got) > 0 {
					passed++
				}
			}
		}
	}
	t.Logf("%d of %d packets passed", passed, total)
	if passed < total/10 || passed > total*9/10 {
		t.Errorf("%d of %d packets passed, which proves little", passed, total)
	}
}

// wall makes random groups and packets.
type wall struct {
	*rand.Rand
	port uint16
	past []talk
}

func (w *wall) one(choices ...string) string { return choices[w.IntN(len(choices))] }

func (w *wall) rule() string {
	direction, family := w.one("ingress", "egress"), w.one("IPv4", "IPv4", "IPv6")
	words := []string{direction, family}
	switch w.IntN(6) {
	case 0:
		words = append(words, "protocol=tcp", w.one("", "ports=80-80", "ports=22-80", "ports=81-90"))
	case 1:
		words = append(words, "protocol=udp", w.one("", "ports=53-53", "ports=50-100"))
	case 2:
		if family == "IPv4" {
			words = append(words, "protocol=icmp", w.one("", "ports=8-0", "ports=3-"))
		} else {
			words = append(words, "protocol=58", w.one("", "ports=128-"))
		}
	case 3:
		words = append(words, w.one("protocol=sctp", "protocol=47"))
	}
	switch w.IntN(4) {
	case 0:
		words = append(words, w.one("group=1", "group=2", "group=6"))
	case 1:
		if family == "IPv4" {
			words = append(words, w.one("prefix=10.0.0.0/24", "prefix=10.0.0.12/31", "addresses=1"))
		} else {
			words = append(words, w.one("prefix=2001:db8::/64", "prefix=2001:db8::10/126", "addresses=1"))
		}
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

func (w *wall) cloud() *cloud {
	c := liveCloud()
	for g := 1; g <= 3; g++ {
		var rules []string
		for range w.IntN(6) {
			rules = append(rules, w.rule())
		}
		c.group(g, rules...).Stateful = w.IntN(4) > 0
	}
	c.group(4, "egress IPv4", "egress IPv6")
	c.AddressGroups[addressGroupID(1)] = &model.AddressGroup{Meta: model.Meta{ID: addressGroupID(1)}, Addresses: []netip.Prefix{prefix("10.0.0.16/31"), prefix("2001:db8::14/128")}}
	in := make([][]int, 4)
	for i := range in {
		for g := 1; g <= 4; g++ {
			if w.IntN(2) == 0 {
				in[i] = append(in[i], g)
			}
		}
	}
	w.pairs(c)
	c.guestsIn(in...)
	return c
}

// pairs gives guests addresses beside their own, down to every address.
func (w *wall) pairs(c *cloud) {
	for n, prefixes := range [][]string{1: {"10.0.0.64/28", "2001:db8::64/124"}, 2: {"0.0.0.0/0"}, 3: {"10.0.0.70/32", "::/0"}} {
		if w.IntN(2) == 0 {
			continue
		}
		for _, p := range prefixes {
			r := c.Ports[portID(n)].Record
			r.AllowedAddressPairs = append(r.AllowedAddressPairs, model.AddressPair{IP: prefix(p)})
		}
	}
}

// elsewhere is an address that is nobody's own.
func (w *wall) elsewhere(version int) netip.Addr {
	if version == 4 {
		return netip.MustParseAddr(w.one("10.0.0.66", "10.0.0.70", "10.0.0.99"))
	}
	return netip.MustParseAddr(w.one("2001:db8::66", "2001:db8::99"))
}

// talk gives a new packet, or an answer to, a repetition of or an error about
// one that was sent before.
func (w *wall) talk() talk {
	if len(w.past) > 0 && w.IntN(2) == 0 {
		k := w.past[w.IntN(len(w.past))]
		switch w.IntN(4) {
		case 0:
			if k.to != 0 {
				return k.refused([]int{k.to, trustedEnd}[w.IntN(2)])
			}
		case 1:
			if k.flags == "" {
				return k
			}
		default:
			if k.to != 0 {
				return k.reply()
			}
		}
	}
	w.port++
	k := talk{from: 1 + w.IntN(6), to: 1 + w.IntN(6), version: 4 + 2*w.IntN(2), src: w.port}
	switch w.IntN(6) {
	case 0, 1:
		k.proto, k.dst, k.flags = layers.IPProtocolTCP, []uint16{22, 80, 85, 443}[w.IntN(4)], "S"
	case 2, 3:
		if k.proto, k.dst = layers.IPProtocolUDP, []uint16{53, 99, 5353}[w.IntN(3)]; w.IntN(4) == 0 {
			k.to = 0
		}
	case 4:
		k = ping(k.from, k.to, k.version)
	case 5:
		if k.proto, k.dst = layers.IPProtocolSCTP, 7; w.IntN(2) == 0 {
			k.proto = layers.IPProtocolGRE
		}
	}
	if k.to == k.from {
		k.to = k.from%6 + 1
	}
	if w.IntN(4) == 0 {
		k.as = w.elsewhere(k.version)
	}
	if k.to != 0 && w.IntN(6) == 0 {
		k.at = w.elsewhere(k.version)
	}
	w.past = append(w.past, k)
	return k
}
