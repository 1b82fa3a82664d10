package explain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// chance makes random clouds, and says by the words of the API's documents what
// becomes of packets in them: without bridges, tables and conntrack.
type chance struct {
	*cloud
	*rand.Rand
	ends   []*model.Port
	rules  map[string][]*model.SecurityGroupRule // by group
	joined map[string]bool                       // networks with an interface of the router
}

const (
	someNetworks = 3
	someGroups   = 3
)

func newChance(t testing.TB, seed uint64) *chance {
	w := &chance{cloud: newCloud(t), Rand: rand.New(rand.NewPCG(seed, 1)), rules: map[string][]*model.SecurityGroupRule{}, joined: map[string]bool{}}
	interfaces := map[int]*model.Subnet{}
	for n := 1; n <= someNetworks; n++ {
		segment := vxlan(uint32(100 + n))
		if w.IntN(2) == 0 {
			segment = vlan(uint32(100 + n))
		}
		net := w.network(n, segment, func(net *model.Network) { net.AdminStateUp = w.IntN(12) > 0 })
		s := w.subnet(n, n, fmt.Sprintf("10.%d.0.0/24", n))
		if w.IntN(4) > 0 {
			interfaces[n], w.joined[net.ID] = s, true
		}
	}
	for g := 1; g <= someGroups; g++ {
		var words []string
		for range w.IntN(5) {
			words = append(words, w.words())
		}
		w.group(g, words...)
		for i, text := range words {
			w.rules[id("5c00", g)] = append(w.rules[id("5c00", g)], w.rule(g, i+1, text))
		}
	}
	if len(interfaces) > 0 {
		w.router(1, "net1", interfaces)
	}
	for i := range 8 {
		w.ends = append(w.ends, w.someone(i))
	}
	return w
}

func (w *chance) words() string {
	pick := func(list ...string) string { return list[w.IntN(len(list))] }
	text := pick("ingress", "egress") + " " + pick("IPv4", "IPv4", "IPv4", "IPv6")
	switch w.IntN(5) {
	case 0:
		text += " icmp"
	case 1:
		text += " tcp"
	case 2:
		text += pick(" tcp 80-80", " tcp 79-90", " udp 53-53")
	case 3:
		text += " udp"
	}
	return text + pick("", "", " 10.1.0.0/16", " 10.0.0.0/8", " 10.2.0.3/32", " group=1", " group=2")
}

func (w *chance) someone(i int) *model.Port {
	n := 1 + w.IntN(someNetworks)
	host := []string{"hv1", "hv1", "hv2", "hv2", "net1", ""}[w.IntN(6)]
	return w.port(fmt.Sprintf("p%d", i), n, host, []string{fmt.Sprintf("%d 10.%d.0.%d", n, n, 10+i)}, func(p *model.Port) {
		p.AdminStateUp = w.IntN(10) > 0
		p.PortSecurityEnabled = w.IntN(6) > 0
		for g := 1; g <= someGroups && p.PortSecurityEnabled; g++ {
			if w.IntN(2) == 0 {
				p.SecurityGroups = append(p.SecurityGroups, id("5c00", g))
			}
		}
	})
}

// admits gives the rules that let a packet through a port, nil for none; open
// says that it needs none.
func (w *chance) admits(p *model.Port, direction string, remote *model.Port, proto string, port int) (by []string, open bool) {
	if !p.PortSecurityEnabled {
		return nil, true
	}
	ip := remote.FixedIPs[0].IP
	for _, g := range p.SecurityGroups {
		for _, r := range w.rules[g] {
			ok := r.Direction == direction && r.EtherType == "IPv4" && (r.Protocol == "" || r.Protocol == proto)
			ok = ok && (r.PortRangeMin == nil || *r.PortRangeMin <= port && port <= *r.PortRangeMax)
			ok = ok && (!r.NormalizedCIDR.IsValid() || r.NormalizedCIDR.Contains(ip))
			ok = ok && (r.RemoteGroupID == "" || slices.Contains(remote.SecurityGroups, r.RemoteGroupID))
			if ok {
				by = append(by, r.ID)
			}
		}
	}
	return by, false
}

func (w *chance) up(network string) (up bool) {
	_ = w.db.ReadStale(func(r records.Reader) error {
		n, ok := records.Networks.Get(r, network)
		up = ok && n.AdminStateUp
		return nil
	})
	return up
}

// wanted says what becomes of a packet: that it passes, and by which rules; or
// what drops it, as far as that is certain.
func (w *chance) wanted(from, to *model.Port, proto string, port int) (passes bool, by []string, reasons []Reason) {
	out, outOpen := w.admits(from, "egress", to, proto, port)
	in, inOpen := w.admits(to, "ingress", from, proto, port)
	routed := from.NetworkID != to.NetworkID
	switch {
	case from.Host == "" || !from.AdminStateUp || !w.up(from.NetworkID):
		return false, nil, []Reason{ReasonPortUnbound, ReasonPortDown, ReasonNetworkDown}
	case routed && (!w.joined[from.NetworkID] || !w.joined[to.NetworkID]):
		return false, nil, nil
	case !outOpen && out == nil:
		return false, nil, []Reason{ReasonSecurityGroup, ReasonNetworkDown}
	case to.Host == "" || !to.AdminStateUp || !w.up(to.NetworkID):
		return false, nil, []Reason{ReasonPortUnbound, ReasonPortDown, ReasonNetworkDown}
	case !inOpen && in == nil:
		return false, nil, []Reason{ReasonSecurityGroup}
	}
	if inOpen {
		in = out
	}
	return true, in, []Reason{ReasonDelivered}
}

// Explanations of random packets in random clouds are what the API's words say.
func TestRandomPacketsAreExplainedAsTheAPISaysTheyGo(t *testing.T) {
	verdicts := map[Reason]int{}
	for seed := range uint64(40) {
		w := newChance(t, seed)
		for range 25 {
			from, to := w.ends[w.IntN(len(w.ends))], w.ends[w.IntN(len(w.ends))]
			if from == to {
				continue
			}
			q := Question{From: from.ID, To: to.ID, Protocol: []string{"icmp", "tcp", "udp"}[w.IntN(3)]}
			if q.Protocol != "icmp" {
				q.Port = []int{53, 79, 80, 443}[w.IntN(4)]
			}
			passes, by, reasons := w.wanted(from, to, q.Protocol, q.Port)
			a := w.explain(q)
			d := a.Decision
			verdicts[d.Reason]++
			if (a.Verdict == Passes) != passes || reasons != nil && !slices.Contains(reasons, d.Reason) {
				t.Fatalf("seed %d, %s to %s by %s %d: %s, want %v for %v\n%s", seed, from.Name, to.Name, q.Protocol, q.Port, a.line(), passes, reasons, a.way())
			}
			if passes && by != nil && !slices.Contains(by, d.Object.ID) {
				t.Errorf("seed %d, %s to %s: %s is said to admit it, want one of %v", seed, from.Name, to.Name, a.line(), by)
			}
			if d.Reason == ReasonSecurityGroup {
				w.nearestFits(t, seed, a, from, to)
			}
		}
	}
	for _, r := range []Reason{ReasonDelivered, ReasonSecurityGroup, ReasonPortDown, ReasonPortUnbound, ReasonNetworkDown, ReasonNoGateway} {
		if verdicts[r] == 0 {
			t.Errorf("no packet in any cloud was decided by %s: %v", r, verdicts)
		}
	}
}

// nearestFits: the nearest rule is one of the port's groups and of the direction
// that was asked, and does not fit.
func (w *chance) nearestFits(t *testing.T, seed uint64, a *Answer, from, to *model.Port) {
	p, side := from, "egress"
	if a.Decision.Object.ID == to.ID {
		p, side = to, "ingress"
	}
	n := 0
	for _, g := range p.SecurityGroups {
		for _, r := range w.rules[g] {
			if r.Direction == side {
				n++
			}
		}
	}
	switch {
	case (a.Nearest != nil) != (n > 0):
		t.Errorf("seed %d: %d rules of %s for %s, and nearest is %v", seed, n, p.Name, side, a.Nearest)
	case a.Nearest != nil && (len(a.Nearest.Differs) == 0 || !strings.HasPrefix(a.Nearest.Rule.Text, side)):
		t.Errorf("seed %d: nearest is %+v", seed, a.Nearest)
	}
}
