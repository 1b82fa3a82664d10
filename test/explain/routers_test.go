package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/agent/l3"
	"github.com/lepton-sdn/lepton/controller/explain"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/model"
)

// desired is what agent/l3 makes of the records that a host is sent.
func (c *cloud) desired(host string) *kernel {
	c.Helper()
	u, _, _ := c.told(c.Context(), host)
	v := l3.NewView(host)
	v.Apply(u)
	in, ok := v.Input(c.router.ID)
	if !ok {
		c.Fatalf("host %s is to have no router, and a packet is said to cross it there", host)
	}
	if in.HA != nil {
		in.HA.Active = host == c.homes[0]
	}
	return &kernel{ns: l3.Desired(in)}
}

// read makes a packet of an explanation's text.
func (c *cloud) read(text string) packet {
	words := strings.Fields(text)
	if len(words) != 4 || words[2] != "→" {
		c.Fatalf("no packet: %q", text)
	}
	end := func(s string) netip.AddrPort {
		if a, err := netip.ParseAddr(s); err == nil {
			return netip.AddrPortFrom(a, 0)
		}
		return netip.MustParseAddrPort(s)
	}
	return packet{words[0], end(words[1]), end(words[3])}
}

// crossings compares each passage through the router that an explanation has with
// what the rules give. It counts the kinds of passages in seen.
func (c *cloud) crossings(a *explain.Answer, seen map[string]int) error {
	hosts := map[string]*kernel{}
	for _, way := range [][]explain.Step{a.Forward, a.Reply} {
		var got packet // of a router that answers by itself
		for i, s := range way {
			if s.Kind != "router" {
				continue
			}
			k := hosts[s.Host]
			if k == nil {
				k = c.desired(s.Host)
				hosts[s.Host] = k
			}
			var f fate
			if s.In == nil {
				got = c.read(a.Forward[len(a.Forward)-1].Packet)
				f = k.answer(got)
			} else {
				f = k.receive(k.link(s.In.ID), c.read(s.Packet))
			}
			next := ""
			if i+1 < len(way) {
				next = way[i+1].Packet
			}
			if wrong := agrees(a, s, f, next, k); wrong != "" {
				return fmt.Errorf("%s: %s\nthe rules: %s\n%s", s.Text, wrong, f, k.ns)
			}
			seen[kind(c.read(s.Packet), f)]++
		}
	}
	return nil
}

// agrees says what a stage has otherwise than the rules.
func agrees(a *explain.Answer, s explain.Step, f fate, next string, k *kernel) string {
	switch {
	case s.Out == nil && a.Verdict == explain.Dropped && a.Decision.Reason != explain.ReasonNotForwarded:
		if f.dropped == "" {
			return "it is said to end there"
		}
		return ""
	case s.Out == nil:
		if !f.local {
			return "it is said to be for the router itself"
		}
		return ""
	case f.dropped != "" || f.local:
		return "it is said to go on"
	case next != "" && s.In != nil && next != f.packet.String():
		return "it is said to go on as " + next
	case s.In == nil && s.Packet != f.packet.String():
		return "the answer is said to be " + s.Packet
	}
	ok := slices.ContainsFunc(f.hops, func(h links.NextHop) bool {
		via := h.Via
		if !via.IsValid() {
			via = f.packet.dst.Addr()
		}
		home := h.OnLink && via.IsLinkLocalUnicast()
		return h.Link == k.link(s.Out.ID) && (via.String() == s.NextHop || home && s.NextHop == "")
	})
	if !ok {
		return fmt.Sprintf("it is said to leave by %s to %s", k.link(s.Out.ID), s.NextHop)
	}
	return ""
}

// link finds the link of a port.
func (k *kernel) link(port string) string {
	for _, p := range k.ns.Ports {
		if p.ID == port {
			return p.Name
		}
	}
	return "none"
}

// kind tells apart what routers do.
func kind(before packet, f fate) string {
	switch {
	case f.dropped == "no route":
		return "no route"
	case f.dropped != "":
		return "dropped by a rule"
	case f.local:
		return "local"
	case f.packet.src.Addr() != before.src.Addr() && f.packet.dst.Addr() != before.dst.Addr():
		return "both translated"
	case f.packet.src.Addr() != before.src.Addr():
		return "source translated"
	case f.packet.dst.Addr() != before.dst.Addr():
		return "destination translated"
	case f.hops[0].OnLink:
		return "to the home"
	case before.dst.Addr().Is6():
		return "IPv6"
	}
	return "as it came"
}

// What is explained of routers is what their rules, routes and addresses do.
func TestRoutersAreExplainedAsTheirRulesAre(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(45) {
		c := newCloud(t, seed)
		for range 25 {
			from, to := c.ports[c.IntN(len(c.ports))], c.targets[c.IntN(len(c.targets))]
			if c.one(6) && len(c.forwards) > 0 { // a guest asks the world, or its own floating address
				from = c.ports[0]
			}
			if slices.ContainsFunc(from.FixedIPs, func(f model.FixedIP) bool { return f.IP == to }) {
				continue // it would ask itself, which no router sees
			}
			q := explain.Question{From: from.ID, To: to.String(), Protocol: []string{"icmp", "tcp", "udp"}[c.IntN(3)]}
			if q.Protocol != "icmp" {
				q.Port = append(c.forwards, 80)[c.IntN(len(c.forwards)+1)]
			}
			a := c.explain(q)
			if err := c.crossings(a, seen); err != nil {
				t.Fatalf("seed %d: %+v from %s: %s\n%v", seed, a.Packet, a.From.Text, a.Text, err)
			}
		}
	}
	for _, k := range []string{
		"no route", "dropped by a rule", "local", "both translated", "source translated", "destination translated", "to the home", "IPv6", "as it came",
	} {
		if seen[k] < 5 {
			t.Errorf("only %d passages are %q: %v", seen[k], k, seen)
		}
	}
	t.Log(seen)
}
