package pipeline

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb/unixctl"
)

// This file: random packets through random groups, by ofproto/trace with
// --ct-next and by the interpreter, rule by rule. Here the connection tracker
// says what the test likes, whether it makes sense or not; where it is asked
// itself, live_test.go and firewall_test.go compare.

// hit is what ofproto/trace and the interpreter say of a packet: the cookies of
// the rules that it met, in order, and where it came out.
type hit struct{ Cookies, Out []string }

// untied leaves of cookies only mark and feature where rules of the same
// priority match, of which either may be taken.
func (h hit) untied(res sim.Result) hit {
	h.Cookies = slices.Clone(h.Cookies)
	n := 0
	for _, step := range res.Trace {
		if step.Rule == nil {
			continue
		}
		if step.Tie != nil && n < len(h.Cookies) {
			h.Cookies[n] = h.Cookies[n][:len("0x1eff")]
		}
		n++
	}
	return h
}

// tracedRule finds the rules in a report of ofproto/trace.
var tracedRule = regexp.MustCompile(`(?m)^ *\d+\. .*, cookie (0x[0-9a-f]+)$`)

// traceNext traces a packet of which successive passes get these states.
func (r *rig) traceNext(bridge, packet string, states []uint64) (hit, string) {
	r.t.Helper()
	args := []string{bridge, packet}
	for _, s := range states {
		args = append(args, "--ct-next", strings.ReplaceAll(stateText(s), "|", ","))
	}
	// ovs-appctl would take longer to start than the switch to answer.
	report, err := unixctl.Call(r.t.Context(), filepath.Join(r.Dir, "ovs-vswitchd.ctl"), "ofproto/trace", args...)
	if err != nil {
		r.t.Fatalf("trace of %s: %v", packet, err)
	}
	h := hit{Out: r.cameOut(packet, report)}
	for _, m := range tracedRule.FindAllStringSubmatch(report, -1) {
		h.Cookies = append(h.Cookies, m[1])
	}
	return h, report
}

// traceNext does the same in the interpreter.
func (r *simRig) traceNext(t *testing.T, bridge, packet string, states []uint64) (hit, sim.Result) {
	t.Helper()
	m, err := flows.ParseMatch(packet, flows.ParseOptions{})
	if err != nil {
		t.Fatalf("packet %s: %v", packet, err)
	}
	res := r.bridges[bridge].Run(sim.NewPacket(m...), sim.Options{CTStates: states})
	h := hit{Out: r.cameOut(res)}
	for _, step := range res.Trace {
		if step.Rule != nil {
			h.Cookies = append(h.Cookies, fmt.Sprintf("%#x", step.Rule.Cookie))
		}
	}
	return h, res
}

// stateText writes a connection's state, such as trk|new.
func stateText(s uint64) string {
	return strings.TrimPrefix(flows.Match{flows.Exact(flows.CTState, flows.U64(s))}.String(), "ct_state=")
}

// flow writes the packet as ofproto/trace reads it. Two of three are tracked
// already, with the connection that the connection tracker puts them to: behind
// --ct-next there is none.
func (k talk) flow(w *wall) (bridge, packet string) {
	to := broadcast
	if k.to > 0 {
		to = at(k.to)
	}
	if w.IntN(12) == 0 {
		to = w.one(at(99), at(k.from), allNodes)
	}
	bridge, packet = "br-int", eth(10+k.from, k.from, to)
	if k.from == remoteEnd {
		bridge, packet = "br-phys", eth(9, remoteEnd, to)+",dl_vlan=100"
	} else if w.IntN(30) == 0 {
		packet += ",dl_vlan=100"
	}
	began := k
	switch {
	case k.about != nil:
		began = *k.about
	case w.IntN(3) == 0:
		began = k.reply()
	case w.IntN(6) == 0 && len(w.past) > 0:
		began = w.past[w.IntN(len(w.past))]
	}
	packet += k.header().text(w)
	if state := w.states()[0]; w.IntN(3) > 0 {
		packet += ",ct_state=" + stateText(state)
		if state&(flows.CTNew|flows.CTEstablished) > 0 && began.version == k.version { // or trace refuses it
			packet += began.header().connectionText()
		}
	}
	return bridge, packet
}

// text writes what rules see of a packet.
func (h header) text(w *wall) string {
	family, src, dst := "ip", "nw_src", "nw_dst"
	if h.version == 6 {
		family, src, dst = "ipv6", "ipv6_src", "ipv6_dst"
	}
	s := fmt.Sprintf(",%s,nw_proto=%d,%s=%s,%s=%s,nw_ttl=255", family, h.proto, src, h.src, dst, h.dst)
	fragment := w.IntN(15) == 0
	if fragment {
		s += ",nw_frag=" + w.one("first", "later")
	}
	names := map[layers.IPProtocol][2]string{
		layers.IPProtocolTCP: {"tcp_src", "tcp_dst"}, layers.IPProtocolUDP: {"udp_src", "udp_dst"}, layers.IPProtocolSCTP: {"sctp_src", "sctp_dst"},
		layers.IPProtocolICMPv4: {"icmp_type", "icmp_code"}, layers.IPProtocolICMPv6: {"icmpv6_type", "icmpv6_code"},
	}[h.proto]
	if names[0] == "" || strings.HasSuffix(s, "later") {
		return s
	}
	if h.proto == layers.IPProtocolTCP && !fragment {
		s += ",tcp_flags=" + w.one("0x2", "0x12", "0x10", "0x4")
	}
	return s + fmt.Sprintf(",%s=%d,%s=%d", names[0], h.first, names[1], h.second)
}

// connectionText writes what the connection tracker says of the packet that
// began a connection.
func (h header) connectionText() string {
	src, dst := "ct_nw_src", "ct_nw_dst"
	if h.version == 6 {
		src, dst = "ct_ipv6_src", "ct_ipv6_dst"
	}
	return fmt.Sprintf(",%s=%s,%s=%s,ct_nw_proto=%d,ct_tp_src=%d,ct_tp_dst=%d", src, h.src, dst, h.dst, h.proto, h.first, h.second)
}

// states are what the connection tracker says of the passes to come.
func (w *wall) states() []uint64 {
	var list []uint64
	for range 1 + w.IntN(2) {
		list = append(list, flows.CTTracked|[]uint64{
			flows.CTNew, flows.CTNew, flows.CTEstablished, flows.CTEstablished | flows.CTReply, flows.CTInvalid,
			flows.CTRelated, flows.CTRelated | flows.CTEstablished | flows.CTReply, flows.CTNew | flows.CTRelated,
		}[w.IntN(8)])
	}
	return list
}

// TestRandomPacketsMeetTheSameRulesInTraceAndInterpreter sends thousands of
// packets through random groups. A log or two copy some of them.
func TestRandomPacketsMeetTheSameRulesInTraceAndInterpreter(t *testing.T) {
	r := newRig(t)
	passed, total, rules := 0, 0, map[string]bool{}
	for seed := range uint64(12) {
		w := &wall{Rand: rand.New(rand.NewPCG(seed, 6)), port: 1000}
		c := w.cloud()
		if w.IntN(2) == 0 {
			c.log(1, model.LogAll, groupID(1+w.IntN(3)), "")
		}
		p := Compile(&c.View)
		r.load(p)
		s := newSimRig(p)
		for range 180 {
			bridge, packet := w.talk().flow(w)
			states := w.states()
			want, report := r.traceNext(bridge, packet, states)
			got, res := s.traceNext(t, bridge, packet, states)
			if diff := cmp.Diff(want.untied(res), got.untied(res)); diff != "" {
				t.Fatalf("seed %d: %s, states %v (-switch +interpreter):\n%s\n%v\n%s", seed, packet, states, diff, res.Trace, report)
			}
			total++
			if len(got.Out) > 0 {
				passed++
			}
			for _, cookie := range got.Cookies {
				if strings.HasPrefix(cookie, "0x1e0d") {
					rules[fmt.Sprint(seed, cookie)] = true
				}
			}
		}
	}
	t.Logf("%d of %d packets passed and met %d rules", passed, total, len(rules))
	if passed < total/10 || passed > total*9/10 || len(rules) < 50 {
		t.Errorf("%d of %d packets passed and met %d rules, which proves little", passed, total, len(rules))
	}
}
