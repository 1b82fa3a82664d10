package pipeline

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
)

// This file: who gets a packet according to the records alone. It knows what
// the API says of security groups, and neither flows nor registers.

// oracle judges packets of the ends in one network. It remembers connections as
// people speak of them: who began, and with what.
type oracle struct {
	c     *cloud
	known map[header]bool
}

// header is what rules look at in a packet, or in the one that began its
// connection.
type header struct {
	version  int
	proto    layers.IPProtocol
	src, dst netip.Addr
	// first and second are the ports, or type and code of ICMP.
	first, second uint16
}

func (k talk) header() header {
	return header{k.version, k.proto, k.source(), k.target(), k.src, k.dst}
}

// opposite is what the first packet of the connection looked like, if the
// packet is an answer in it.
func (h header) opposite() header {
	h.src, h.dst = h.dst, h.src
	switch h.proto {
	case layers.IPProtocolICMPv4:
		h.first = map[uint16]uint16{0: 8, 14: 13}[h.first]
	case layers.IPProtocolICMPv6:
		h.first--
	default:
		h.first, h.second = h.second, h.first
	}
	return h
}

// connection is what tells the packet's connection from others: of protocols
// without ports, and of SCTP, which the userspace datapath does not know, two
// ends have only one.
func (h header) connection() header {
	if h.proto == layers.IPProtocolGRE || h.proto == layers.IPProtocolSCTP {
		h.first, h.second = 0, 0
	}
	return h
}

// delivered gives the ends that a packet reaches, and remembers what it begins.
func (o *oracle) delivered(k talk) []string {
	asked, admitted := false, true
	if sender := o.filtered(k.from); sender != nil {
		if !mayUse(sender, k.source()) {
			return nil
		}
		if admitted, asked = o.judge(sender, "egress", k); !admitted {
			return nil
		}
	}
	out := []string{}
	for n := 1; n <= remoteEnd; n++ {
		if n == k.from || k.to != 0 && n != k.to {
			continue
		}
		if receiver := o.filtered(n); receiver != nil {
			var also bool
			if admitted, also = o.judge(receiver, "ingress", k); !admitted {
				continue
			}
			asked = asked || also
		}
		out = append(out, endName(n))
	}
	if _, _, how := o.connection(k); asked && how == "new" && k.to != 0 && len(out) > 0 {
		o.known[k.header().connection()] = true
	}
	slices.Sort(out)
	return out
}

// filtered gives the port of an end whose traffic is filtered.
func (o *oracle) filtered(n int) *model.Port {
	if p := o.c.Ports[portID(n)].Record; p != nil && p.PortSecurityEnabled && !p.Trusted() {
		return p
	}
	return nil
}

func mayUse(p *model.Port, a netip.Addr) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return f.IP == a }) ||
		slices.ContainsFunc(p.AllowedAddressPairs, func(pair model.AddressPair) bool { return pair.IP.Contains(a) })
}

// judge asks the groups of a port. Stateless ones look at the packet, the
// others at the one that began its connection; asked reports whether they were
// needed.
func (o *oracle) judge(p *model.Port, direction string, k talk) (admitted, asked bool) {
	if o.admits(p, false, direction, k.header()) {
		return true, false
	}
	stateful := slices.ContainsFunc(p.SecurityGroups, func(id string) bool {
		g := o.c.Groups[id].Record
		return g == nil || g.Stateful
	})
	if !stateful {
		return false, false
	}
	began, reply, how := o.connection(k)
	if how == "invalid" {
		return false, true
	}
	if reply {
		direction = map[string]string{"egress": "ingress", "ingress": "egress"}[direction]
	}
	return o.admits(p, true, direction, began), true
}

// connection tells what began the packet's connection, and whether the packet
// goes the other way. how is "new", "known" or "invalid".
func (o *oracle) connection(k talk) (began header, reply bool, how string) {
	if k.about != nil {
		// An error about a packet goes the other way than that packet.
		switch h := k.about.header(); {
		case o.known[h.connection()]:
			return h, true, "known"
		case o.known[h.opposite().connection()]:
			return h.opposite(), false, "known"
		}
		return header{}, false, "invalid"
	}
	h := k.header()
	switch {
	case o.known[h.connection()]:
		return h, false, "known"
	case o.known[h.opposite().connection()]:
		return h.opposite(), true, "known"
	case k.flags == "SA",
		k.proto == layers.IPProtocolICMPv4 && k.src != 8 && k.src != 13,
		k.proto == layers.IPProtocolICMPv6 && k.src != 128:
		return header{}, false, "invalid"
	}
	return h, false, "new"
}

// admits reports whether a rule of the port's groups, of one of both kinds,
// admits what has this header.
func (o *oracle) admits(p *model.Port, stateful bool, direction string, h header) bool {
	for _, id := range p.SecurityGroups {
		g := o.c.Groups[id]
		if g.Record == nil || g.Record.Stateful != stateful {
			continue
		}
		for _, r := range g.Rules {
			if r.Direction == direction && o.says(r, h) {
				return true
			}
		}
	}
	return false
}

func (o *oracle) says(r *model.SecurityGroupRule, h header) bool {
	if r.EtherType != fmt.Sprintf("IPv%d", h.version) {
		return false
	}
	other := h.src
	if r.Direction == "egress" {
		other = h.dst
	}
	switch {
	case r.NormalizedCIDR.IsValid() && !r.NormalizedCIDR.Contains(other):
		return false
	case r.RemoteGroupID != "" && !o.isMember(r.RemoteGroupID, other):
		return false
	case r.RemoteAddressGroupID != "" && !slices.ContainsFunc(o.c.AddressGroups[r.RemoteAddressGroupID].Addresses, func(p netip.Prefix) bool { return p.Contains(other) }):
		return false
	}
	return r.Protocol == "" || saysProtocol(r, h)
}

func (o *oracle) isMember(group string, a netip.Addr) bool {
	for key, m := range o.c.Members {
		if key.Group == group && slices.ContainsFunc(m.Addresses, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return true
		}
	}
	return false
}

func saysProtocol(r *model.SecurityGroupRule, h header) bool {
	number, known := map[string]int{"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1}[r.Protocol]
	if !known {
		number, _ = strconv.Atoi(r.Protocol)
	}
	if number != int(h.proto) {
		return false
	}
	from, to := r.PortRangeMin, r.PortRangeMax
	switch h.proto {
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		return (from == nil || int(h.first) == *from) && (to == nil || int(h.second) == *to)
	}
	return from == nil || int(h.second) >= *from && int(h.second) <= *to
}

// TestRandomGroupsMeanInTheTablesWhatTheyMeanInTheRecords compares the
// interpreter with the oracle on random groups that change while packets,
// answers and errors go to and fro. The switch is compared with both in
// TestRandomGroupsAndPacketsTakeTheSameWay, on fewer.
func TestRandomGroupsMeanInTheTablesWhatTheyMeanInTheRecords(t *testing.T) {
	t.Parallel()
	passed, total := 0, 0
	for seed := range uint64(80) {
		w := &wall{Rand: rand.New(rand.NewPCG(seed, 5)), port: 1000}
		l := &live{t: t, conns: &sim.Conns{Userspace: true}}
		o := &oracle{known: map[header]bool{}}
		for range 6 {
			o.c = w.cloud()
			l.sim = newSimRig(Compile(&o.c.View))
			for range 60 {
				k := w.talk()
				l.count++
				got, res := l.simulate(endName(k.from), k.frame(t, uint16(l.count)))
				if want := o.delivered(k); !slices.Equal(got, want) {
					t.Fatalf("seed %d: %s comes out of %q, the records say %q\n%v", seed, k, got, want, res.Trace)
				}
				total++
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
