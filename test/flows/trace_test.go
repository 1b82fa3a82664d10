package flows_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

var (
	traceTables  = flag.Int("trace-tables", 30, "number of random sets of rules to compare with ofproto/trace")
	tracePackets = flag.Int("trace-packets", 12, "number of packets for each set of rules")
	traceSeed    = flag.Uint64("trace-seed", 1, "seed of the first set of rules")
)

// TestPacketsTakeTheSameWayThroughSimulationAndSwitch runs random packets
// through random rules in package sim and through ofproto/trace.
func TestPacketsTakeTheSameWayThroughSimulationAndSwitch(t *testing.T) {
	s := traceBridge(t)
	datapath := datapathPorts(s)
	hits, failures := 0, 0
	for n := range *traceTables {
		seed := *traceSeed + uint64(n)
		w := world{rand.New(rand.NewPCG(seed, 0))}
		b, lines := w.install(t, s)
		for range *tracePackets {
			text := w.packet()
			states := w.states()
			got := simTrace(t, b, text, states)
			if got.tooLong || len(got.cookies) > longestTrace {
				continue
			}
			hits += len(got.cookies)
			if got.failed {
				failures++
			}
			want := switchTrace(s, text, states, datapath).upTo(got)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(way{})); diff != "" {
				t.Fatalf("seed %d: %s\nct states %v\n%s\n(-switch +simulation):\n%s", seed, text, states, strings.Join(lines, "\n"), diff)
			}
		}
	}
	t.Logf("%d rules hit, %d passes given up", hits, failures)
}

// longestTrace is the number of rules up to which the switch's report comes in
// reasonable time.
const longestTrace = 1000

// way is what both sides say of a packet.
type way struct {
	cookies []string
	// outputs are the ports of each pass, sorted.
	outputs [][]uint32
	// finals are the packets at the end of each pass.
	finals []string
	failed bool
	// tooLong is a packet that the datapath drops but ofproto/trace follows.
	tooLong bool
}

// upTo cuts the switch's way where the simulation's stops, at a pass that was
// given up: ofproto/trace goes on behind its ct actions, which never happen.
func (w way) upTo(got way) way {
	if got.failed {
		w.cookies = w.cookies[:min(len(w.cookies), len(got.cookies))]
		w.outputs, w.finals = w.outputs[:len(got.outputs)], w.finals[:len(got.finals)]
		w.outputs[len(w.outputs)-1] = nil
	}
	return w
}

// traceBridge has ports 1 to 3 and groups 1 to 3.
func traceBridge(t *testing.T) *ovstest.Switch {
	s := ovstest.Start(t)
	s.AddBridge("br")
	for i := 1; i <= 3; i++ {
		s.AddPort("br", fmt.Sprintf("p%d", i), i)
	}
	s.Ofctl("-O", "OpenFlow15", "add-group", "br", "group_id=1,type=all,bucket=output:1,bucket=set_field:1->reg0,output:2,bucket=resubmit(,2)")
	s.Ofctl("-O", "OpenFlow15", "add-group", "br", "group_id=2,type=indirect,bucket=set_field:00:00:00:00:00:07->eth_src,output:3")
	s.Ofctl("-O", "OpenFlow15", "add-group", "br", "group_id=3,type=all,bucket=pop_vlan,output:1")
	return s
}

// groups are those of traceBridge.
func groups(t *testing.T) map[uint32]sim.Group {
	list := func(text string) []flows.Action {
		a, err := flows.ParseActions(text, flows.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	return map[uint32]sim.Group{
		1: {All: true, Buckets: [][]flows.Action{list("output:1"), list("set_field:1->reg0,output:2"), list("resubmit(,2)")}},
		2: {Buckets: [][]flows.Action{list("set_field:00:00:00:00:00:07->eth_src,output:3")}},
		3: {All: true, Buckets: [][]flows.Action{list("pop_vlan,output:1")}},
	}
}

// install puts random rules into the switch and into a simulated bridge. What
// the switch refuses, such as groups that do not exist, is left out.
func (w world) install(t *testing.T, s *ovstest.Switch) (*sim.Bridge, []string) {
	s.Ofctl("-O", "OpenFlow15", "del-flows", "br")
	var accepted []string
	for _, line := range w.rules(30) {
		if usable(line) {
			accepted = append(accepted, line)
		}
	}
	s.AddFlows("br", strings.Join(accepted, "\n"))
	rules, err := flows.ParseRules(strings.Join(accepted, "\n"), flows.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := sim.NewBridge("br", rules)
	b.Ports = []uint32{1, 2, 3, flows.PortLocal}
	b.Groups = groups(t)
	return b, accepted
}

// usable leaves out rules that contradict themselves or that the switch does
// not accept.
func usable(line string) bool {
	r, err := flows.ParseRule(line, flows.ParseOptions{})
	return err == nil && r.Check() == nil && !strings.Contains(line, "group:9")
}

// TestCheckRefusesWhatTheSwitchRefuses compares Check with the switch on random
// rules.
func TestCheckRefusesWhatTheSwitchRefuses(t *testing.T) {
	s := traceBridge(t)
	refused := 0
	for _, line := range (world{rand.New(rand.NewPCG(*traceSeed, 1))}).rules(200) {
		r, err := flows.ParseRule(line, flows.ParseOptions{})
		if err != nil || strings.Contains(line, "group:9") {
			continue
		}
		ours := r.Check()
		_, theirs := s.TryOfctl("-O", "OpenFlow15", "add-flow", "br", line)
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%s\n Check says      %v\n the switch says %v", line, ours, theirs)
		}
		if ours != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no rule was refused")
	}
}

// states gives what the connection tracker says of the passes to come.
func (w world) states() []uint64 {
	var states []uint64
	for range w.IntN(3) {
		states = append(states, flows.CTTracked|[]uint64{
			flows.CTNew, flows.CTEstablished, flows.CTEstablished | flows.CTReply, flows.CTInvalid, flows.CTNew | flows.CTRelated,
		}[w.IntN(5)])
	}
	return states
}

// stateWords writes connection states for --ct-next.
func stateWords(state uint64) string {
	m := flows.Match{flows.Exact(flows.CTState, flows.U64(state))}
	return strings.ReplaceAll(strings.TrimPrefix(m.String(), "ct_state="), "|", ",")
}

func simTrace(t *testing.T, b *sim.Bridge, text string, states []uint64) way {
	m, err := flows.ParseMatch(text, flows.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := b.Run(sim.NewPacket(m...), sim.Options{CTStates: states})
	got := way{failed: len(r.Errors) > 0}
	last := len(r.Finals) - 1
	if got.failed {
		last = r.Errors[0].Pass
		got.tooLong = !strings.Contains(r.Errors[0].Reason, "resubmit") && !strings.Contains(r.Errors[0].Reason, "depth")
	}
	for _, step := range r.Trace {
		if step.Rule == nil || step.Pass > last {
			continue
		}
		got.cookies = append(got.cookies, fmt.Sprintf("%#x", step.Rule.Cookie))
		// The switch's report would go on behind every ct of the failed pass.
		got.tooLong = got.tooLong || got.failed && slices.ContainsFunc(step.Rule.Actions, isCT)
	}
	for i := range last + 1 {
		got.finals = append(got.finals, nonZero(r.Finals[i]))
		got.outputs = append(got.outputs, nil)
	}
	for _, o := range r.Outputs {
		if o.Pass > last {
			continue
		}
		got.outputs[o.Pass] = append(got.outputs[o.Pass], o.Port)
	}
	for _, ports := range got.outputs {
		slices.Sort(ports)
	}
	return got
}

func isCT(a flows.Action) bool {
	_, ok := a.(flows.CT)
	return ok
}

var (
	cookieLine = regexp.MustCompile(`(?m)^ *\d+\. .*, cookie (0x[0-9a-f]+)$|^ *\d+\. .*priority \d+()$`)
	flowLine   = regexp.MustCompile(`(?m)^(Final flow|Flow|Datapath actions): (.*)$`)
	// hiddenParts are printed by the switch but no field of a flow, or 0: the ids
	// of recirculation, second tags, ND options, the type of an IGMP message.
	hiddenParts = regexp.MustCompile(`(recirc_id=0x[0-9a-f]+,?|(?:vlan_tci|dl_vlan|dl_vlan_pcp)1=[^,]*,|eth,|,nd_[st]ll=00:00:00:00:00:00|,tp_src=22,tp_dst=0)`)
)

// switchTrace runs ofproto/trace and reads its report.
func switchTrace(s *ovstest.Switch, text string, states []uint64, datapath map[string]uint32) way {
	args := []string{"ofproto/trace", "br", text}
	for _, state := range states {
		args = append(args, "--ct-next", stateWords(state))
	}
	report := s.Appctl(args...)
	want := way{failed: strings.Contains(report, "over max translation depth") || strings.Contains(report, "over 4096 resubmit")}
	for _, m := range cookieLine.FindAllStringSubmatch(report, -1) {
		want.cookies = append(want.cookies, m[1])
	}
	var flow string
	for _, m := range flowLine.FindAllStringSubmatch(report, -1) {
		switch m[1] {
		case "Flow":
			flow = m[2]
		case "Final flow":
			if m[2] != "unchanged" {
				flow = m[2]
			}
			want.finals = append(want.finals, normalFlow(flow))
		case "Datapath actions":
			want.outputs = append(want.outputs, outputs(m[2], datapath))
		}
	}
	return want
}

// normalFlow brings a flow of the report into the form of sim's packets.
func normalFlow(text string) string {
	m, err := flows.ParseMatch(hiddenParts.ReplaceAllString(text, ""), flows.ParseOptions{})
	if err != nil {
		return text + ": " + err.Error()
	}
	return nonZero(sim.NewPacket(m...))
}

// nonZero writes the fields of a packet that are not 0; the others are not
// there, or the switch does not print them.
func nonZero(p sim.Packet) string {
	m := slices.DeleteFunc(p.Match(), func(part flows.FieldMatch) bool { return part.Value.IsZero() })
	return m.String()
}

// outputs gives the OpenFlow ports of datapath actions, sorted.
func outputs(actions string, datapath map[string]uint32) []uint32 {
	var ports []uint32
	depth, start := 0, 0
	for i, c := range actions + "," {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth > 0 {
				continue
			}
			word := actions[start:i]
			start = i + 1
			if port, ok := datapath[word]; ok {
				ports = append(ports, port)
			}
			if strings.HasPrefix(word, "userspace(") && strings.Contains(word, "controller(") {
				ports = append(ports, flows.PortController)
			}
		}
	}
	slices.Sort(ports)
	return ports
}

// datapathPorts maps the datapath's port numbers to those of OpenFlow.
func datapathPorts(s *ovstest.Switch) map[string]uint32 {
	ports := map[string]uint32{}
	for _, m := range regexp.MustCompile(`(\d+)/(\d+): \(`).FindAllStringSubmatch(s.Appctl("dpif/show"), -1) {
		n, _ := strconv.ParseUint(m[1], 10, 32)
		if n == 65534 {
			n = uint64(flows.PortLocal)
		}
		ports[m[2]] = uint32(n)
	}
	return ports
}

// TestFramesHaveTheSameFieldsInSimulationAndSwitch gives the frames of package
// sim to ofproto/trace and compares the fields.
func TestFramesHaveTheSameFieldsInSimulationAndSwitch(t *testing.T) {
	s := traceBridge(t)
	b, err := os.ReadFile("../../flows/sim/testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range strings.Split(string(b), "\nframe ")[1:] {
		lines := strings.Split(record, "\n")
		data, err := hex.DecodeString(strings.ReplaceAll(lines[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		p, err := sim.FromFrame(data, 1)
		if err != nil {
			t.Fatal(err)
		}
		report := s.Appctl("ofproto/trace", "br", "in_port=1", hex.EncodeToString(data))
		flow := flowLine.FindStringSubmatch(report)[2]
		p.SetNum(flows.NDReserved, 0) // the switch has them but does not print them
		p.SetNum(flows.NDOptionsType, 0)
		if diff := cmp.Diff(normalFlow(flow), nonZero(p)); diff != "" {
			t.Errorf("%s\n%s (-switch +simulation):\n%s", lines[0], flow, diff)
		}
	}
}
