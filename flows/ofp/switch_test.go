package ofp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// startBridge runs Open vSwitch with one bridge, br0, that has the groups, the
// meter and the tunnel option that the test flows use.
func startBridge(t testing.TB) *ovstest.Switch {
	s := ovstest.Start(t)
	s.AddBridge("br0")
	furnish(s, "br0")
	return s
}

func furnish(s *ovstest.Switch, bridge string) {
	s.Ofctl("-O", "OpenFlow15", "add-meter", bridge, "meter=1,kbps,band=type=drop,rate=1000")
	s.Ofctl("-O", "OpenFlow15", "add-group", bridge, "group_id=5,type=all,bucket=output:1")
}

func dial(t testing.TB, s *ovstest.Switch, bridge string) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), "unix", s.Mgmt(bridge))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// deadline is the context of a request.
func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// dumped gives the flows of a bridge as ovs-ofctl prints them, sorted.
func dumped(s *ovstest.Switch, bridge string) []string {
	var lines []string
	for line := range strings.Lines(s.Ofctl("-O", "OpenFlow15", "--no-stats", "--no-names", "dump-flows", bridge)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func printed(rules []flows.Rule) []string {
	lines := make([]string, 0, len(rules))
	for _, r := range rules {
		lines = append(lines, r.String())
	}
	slices.Sort(lines)
	return lines
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFlowsAddedAsTextAreDumpedAsTheSwitchPrintsThem(t *testing.T) {
	s := startBridge(t)
	s.AddFlows("br0", readFile(t, "testdata/actions.flows"))
	rules, err := dial(t, s, "br0").DumpFlows(deadline(t), AllFlows)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dumped(s, "br0"), printed(rules)); diff != "" {
		t.Error(diff)
	}
}

func TestAppliedFlowsAreWhatTheSwitchPrints(t *testing.T) {
	s := startBridge(t)
	for _, path := range []string{"testdata/actions.flows", "../testdata/neutron.flows"} {
		t.Run(path, func(t *testing.T) {
			c := dial(t, s, "br0")
			want := map[string]flows.Rule{} // a dump of many switches has some flows more than once
			for _, r := range rulesOf(t, path) {
				want[fmt.Sprint(r.Table, r.Priority, r.Match)] = r
			}
			var rules, canonical []flows.Rule
			for _, r := range want {
				rules = append(rules, r)
				canonical = append(canonical, overTheWire(t, r))
			}
			if err := c.Apply(deadline(t), rules, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(printed(canonical), dumped(s, "br0")); diff != "" {
				t.Error(diff)
			}
			have, err := c.DumpFlows(deadline(t), AllFlows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(printed(canonical), printed(have)); diff != "" {
				t.Error(diff)
			}
			if err := c.Apply(deadline(t), nil, rules); err != nil {
				t.Fatal(err)
			}
			if left := dumped(s, "br0"); len(left) > 0 {
				t.Errorf("left over: %s", left)
			}
		})
	}
}

// TestFlowsOfTheSwitchEncodeToItsBytes compares instructions byte by byte, of
// the flows that flows can express and of foreign ones.
func TestFlowsOfTheSwitchEncodeToItsBytes(t *testing.T) {
	s := startBridge(t)
	s.Ofctl("add-tlv-map", "br0", "{class=0xffff,type=0,len=4}->tun_metadata0")
	s.AddFlows("br0", readFile(t, "testdata/actions.flows"))
	addForeign(t, s)
	c := dial(t, s, "br0")
	msgs, err := c.request(deadline(t), func(xid uint32) []byte { return AppendFlowRequest(nil, xid, AllFlows) }, lastPart)
	if err != nil {
		t.Fatal(err)
	}
	n, foreign := 0, 0
	for _, msg := range msgs {
		stats, err := DecodeFlowReply(msg, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range stats {
			n++
			if len(f.Unknown) > 0 || strings.Contains(f.String(), "raw(") {
				foreign++
			}
			b := appendInstructions(nil, f.Actions)
			if !bytes.Contains(msg, b) {
				t.Errorf("%v: encodes to %x, which the switch did not send", f.Rule, b)
			}
		}
	}
	if want := len(dumped(s, "br0")); n != want || foreign < 15 {
		t.Errorf("%d flows, %d of them foreign; the switch has %d", n, foreign, want)
	}
	rules, err := c.DumpFlows(deadline(t), AllFlows)
	if err != nil || len(rules) != n-1 {
		t.Errorf("DumpFlows gives %d of %d flows, one of which has an unknown match: %v", len(rules), n, err)
	}
}

// addForeign adds flows that OpenFlow 1.5 text cannot, in some cases, add.
func addForeign(t *testing.T, s *ovstest.Switch) {
	t.Helper()
	for line := range strings.Lines(readFile(t, "testdata/foreign.flows")) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if _, err := s.TryOfctl("-O", "OpenFlow15", "add-flow", "br0", "cookie=0xf,"+line); err == nil {
			continue
		}
		s.Ofctl("add-flow", "br0", "cookie=0xf,"+line)
	}
}

func TestABundleWithABadFlowInstallsNothingAndNamesIt(t *testing.T) {
	s := startBridge(t)
	s.AddFlows("br0", "table=9,priority=9,cookie=0x9,actions=drop\n")
	c := dial(t, s, "br0")
	rules := rulesOfText(t, "priority=1,actions=drop\npriority=2,actions=drop\npriority=3,actions=drop\n")
	rules[1].Actions = []flows.Action{flows.SetU(flows.IPv4Src, 1)} // of packets that need not be IPv4
	prerequisite := flows.Rule{Priority: 4, Match: flows.Match{flows.ExactU(flows.TCPDst, 80)}}
	tooLong := flows.Rule{Priority: 5, Actions: slices.Repeat([]flows.Action{flows.Output{Port: 1}}, 5000)}
	old := rulesOfText(t, "table=9,priority=9,cookie=0x9,actions=drop")

	err := c.Apply(deadline(t), append(slices.Clone(rules), prerequisite), old)
	var refused *BundleError
	if !errors.As(err, &refused) || len(refused.Refused) != 2 {
		t.Fatalf("error is %v", err)
	}
	for i, want := range []Refused{
		{Kind: AddFlow, Index: 1, Rule: rules[1]},
		{Kind: AddFlow, Index: 3, Rule: prerequisite},
	} {
		got := refused.Refused[i]
		if reason := (*Error)(nil); !errors.As(got.Err, &reason) {
			t.Errorf("%v: no error of the switch", got)
		}
		if got.Err = nil; !cmp.Equal(got, want) {
			t.Errorf("refused: %s", cmp.Diff(want, got))
		}
	}
	if have := dumped(s, "br0"); len(have) != 1 {
		t.Errorf("after a refused bundle the switch has %q", have)
	}

	err = c.Apply(deadline(t), append(slices.Clone(rules), tooLong), nil)
	if !errors.As(err, &refused) || len(refused.Refused) != 1 || refused.Refused[0].Index != 3 || !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	if err := c.Apply(deadline(t), []flows.Rule{rules[0], rules[2]}, old); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"priority=1 actions=drop", "priority=3 actions=drop"}, dumped(s, "br0")); diff != "" {
		t.Error(diff)
	}
}

func TestABundleThatFailsInItsCommitChangesNothingAndNamesTheFlow(t *testing.T) {
	s := startBridge(t)
	s.AddFlows("br0", "table=9,priority=9,cookie=0x9,actions=drop\n")
	c := dial(t, s, "br0")
	rules := rulesOfText(t, "priority=1,actions=drop\npriority=2,actions=group:77\n")
	err := c.Apply(deadline(t), rules, rulesOfText(t, "table=9,priority=9,cookie=0x9,actions=drop"))
	var refused *BundleError
	if !errors.As(err, &refused) || len(refused.Refused) != 1 || refused.Refused[0].Index != 1 || refused.Err == nil {
		t.Fatalf("error is %v", err)
	}
	if got := refused.Error(); got != "bundle refused: add flow priority=2 actions=group:77: OFPBAC_BAD_OUT_GROUP" {
		t.Errorf("error reads %q", got)
	}
	if diff := cmp.Diff([]string{"cookie=0x9, table=9, priority=9 actions=drop"}, dumped(s, "br0")); diff != "" {
		t.Error(diff)
	}
	if err := c.Apply(deadline(t), rules[:1], nil); err != nil {
		t.Errorf("without the bad flow: %v", err)
	}
}

func rulesOfText(t testing.TB, text string) []flows.Rule {
	t.Helper()
	rules, err := flows.ParseRules(text, flows.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestDeletingAFlowSparesTheOneThatReplacedIt(t *testing.T) {
	s := startBridge(t)
	s.AddFlows("br0", "priority=1,cookie=0x2,actions=drop\n")
	c := dial(t, s, "br0")
	if err := c.Apply(deadline(t), nil, rulesOfText(t, "priority=1,cookie=0x1,actions=drop")); err != nil {
		t.Fatal(err)
	}
	if have := dumped(s, "br0"); len(have) != 1 {
		t.Errorf("the switch has %q", have)
	}
}

// manyRules are n different flows.
func manyRules(n int) []flows.Rule {
	rules := make([]flows.Rule, n)
	for i := range rules {
		rules[i] = flows.Rule{
			Table: 20, Priority: 2, Cookie: uint64(i),
			Match: flows.MustMatch(flows.OnVLAN(uint16(i%4000+1)), flows.ExactU(flows.EthDst, 0x020000000000+uint64(i))),
			Actions: []flows.Action{
				flows.PopVLAN{}, flows.SetU(flows.TunID, uint64(i)), flows.Output{Port: uint32(i%100 + 1)},
			},
		}
	}
	return rules
}

func TestADumpOfTenThousandFlowsIsComplete(t *testing.T) {
	s := startBridge(t)
	c := dial(t, s, "br0")
	const n = 10000
	rules := manyRules(n)
	if err := c.Apply(deadline(t), rules, nil); err != nil {
		t.Fatal(err)
	}
	stats, err := c.DumpStats(deadline(t), AllFlows)
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, n)
	for _, f := range stats {
		if !cmp.Equal(f.Rule, rules[f.Cookie]) {
			t.Fatalf("flow differs: %s", cmp.Diff(rules[f.Cookie], f.Rule))
		}
		if f.Stats.Duration <= 0 || f.Stats.Duration > time.Minute {
			t.Fatalf("flow has been there for %s", f.Stats.Duration)
		}
		seen[f.Cookie] = true
	}
	if len(stats) != n || slices.Contains(seen, false) {
		t.Errorf("%d flows dumped", len(stats))
	}
	some, err := c.DumpFlows(deadline(t), Filter{Table: 20, Cookie: 0x10, CookieMask: ^uint64(0xf)})
	if err != nil || len(some) != 16 {
		t.Errorf("filter by cookie gives %d flows, %v", len(some), err)
	}
	if none, err := c.DumpFlows(deadline(t), Filter{Table: 21}); err != nil || len(none) != 0 {
		t.Errorf("another table has %d flows, %v", len(none), err)
	}
	one, err := c.DumpFlows(deadline(t), Filter{Table: 255, Match: rules[7].Match})
	if err != nil || len(one) != 1 {
		t.Errorf("filter by match gives %d flows, %v", len(one), err)
	}
	if err := c.Apply(deadline(t), nil, rules); err != nil {
		t.Fatal(err)
	}
	if left := dumped(s, "br0"); len(left) != 0 {
		t.Errorf("%d flows left", len(left))
	}
}

func TestTheEndOfTheSwitchEndsTheConnection(t *testing.T) {
	s := startBridge(t)
	c := dial(t, s, "br0")
	s.StopDaemon()
	select {
	case <-c.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the connection lives on")
	}
	if c.Err() == nil {
		t.Error("there is no error")
	}
	if _, err := c.DumpFlows(deadline(t), AllFlows); !errors.Is(err, c.Err()) {
		t.Errorf("a dump gives %v, the connection ended with %v", err, c.Err())
	}
	s.StartDaemon()
	if _, err := dial(t, s, "br0").DumpFlows(deadline(t), AllFlows); err != nil {
		t.Errorf("after a new connection: %v", err)
	}
}

// nextEvent waits for an event that want accepts.
func nextEvent(t *testing.T, c *Conn, what string, want func(Event) bool) {
	t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		select {
		case e, ok := <-c.Events():
			if !ok {
				t.Fatalf("wait for %s: %v", what, c.Err())
			}
			if want(e) {
				return
			}
		case <-timeout:
			t.Fatalf("wait for %s: nothing came", what)
		}
	}
}

func TestPortsAreListedAndTheirChangesTold(t *testing.T) {
	s := startBridge(t)
	c := dial(t, s, "br0")
	s.AddPort("br0", "p7", 7)
	nextEvent(t, c, "the new port", func(e Event) bool {
		p, ok := e.(PortStatus)
		return ok && p.Reason == PortAdded && p.Port.No == 7 && p.Port.Name == "p7"
	})
	ports, err := c.Ports(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ports, func(p Port) bool { return p.No == 7 })
	if len(ports) != 2 || i < 0 || ports[i].Name != "p7" || ports[i].State&PortLinkDown == 0 {
		t.Fatalf("ports are %+v", ports)
	}
	if mac := strings.Trim(s.Vsctl("get", "interface", "p7", "mac_in_use"), "\"\n"); ports[i].HWAddr.String() != mac {
		t.Errorf("address is %s, the database says %s", ports[i].HWAddr, mac)
	}
	s.Vsctl("del-port", "br0", "p7")
	nextEvent(t, c, "the port's end", func(e Event) bool {
		p, ok := e.(PortStatus)
		return ok && p.Reason == PortDeleted && p.Port.No == 7
	})
}

func TestAPacketGoesOutAndComesBackThroughAController(t *testing.T) {
	s := startBridge(t)
	c := dial(t, s, "br0")
	rules := rulesOfText(t, "table=0,priority=5,cookie=0x77,dl_type=0x88b5,actions=set_field:0x9->reg3,controller(userdata=aa.bb,meter_id=1)")
	if err := c.Apply(deadline(t), rules, nil); err != nil {
		t.Fatal(err)
	}
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5}, make([]byte, 46)...)
	out := PacketOut{InPort: flows.PortLocal, Actions: []flows.Action{flows.Output{Port: flows.PortTable}}, Data: frame}
	if err := c.PacketOut(deadline(t), out); err != nil {
		t.Fatal(err)
	}
	nextEvent(t, c, "the packet", func(e Event) bool {
		p, ok := e.(PacketIn)
		if !ok {
			return false
		}
		want := PacketIn{
			Reason: 1, Cookie: 0x77, Userdata: []byte{0xaa, 0xbb}, Data: frame, FullLen: len(frame),
			Metadata: flows.MustMatch(flows.ExactU(flows.Reg3, 9), flows.ExactU(flows.InPort, uint64(flows.PortLocal))),
		}
		p.Metadata = slices.DeleteFunc(p.Metadata, func(m flows.FieldMatch) bool { return m.Value.IsZero() })
		if !cmp.Equal(want, p) {
			t.Errorf("packet differs: %s", cmp.Diff(want, p))
		}
		return true
	})
	bad := out
	bad.Actions = []flows.Action{flows.Group{ID: 99}}
	if err := c.PacketOut(deadline(t), bad); err != nil {
		t.Fatal(err)
	}
	nextEvent(t, c, "the refusal", func(e Event) bool { _, ok := e.(*Error); return ok })
}

func TestGroupsArePutReplacedAndDeleted(t *testing.T) {
	s := ovstest.Start(t)
	s.AddBridge("br0")
	c := dial(t, s, "br0")
	group := func(port uint32) Group {
		return Group{ID: 8, Type: GroupSelect, Buckets: []Bucket{
			{ID: 0, Weight: 10, Actions: []flows.Action{flows.SetU(flows.Reg0, 1), flows.Output{Port: port}}},
			{ID: 1, Weight: 20, Actions: []flows.Action{flows.Output{Port: 2}}},
		}}
	}
	failover := Group{ID: 9, Type: GroupFailover, Buckets: []Bucket{{WatchPort: 1, Actions: []flows.Action{flows.Output{Port: 1}}}}}
	rule := rulesOfText(t, "actions=group:8")
	for _, put := range [][]Group{{group(1), failover}, {group(3)}} {
		if err := c.ApplyChanges(deadline(t), Changes{PutGroups: put, Add: rule}); err != nil {
			t.Fatal(err)
		}
		have, err := c.Groups(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(have, func(g Group) bool { return g.ID == 8 })
		if len(have) != 2 || i < 0 || !cmp.Equal(have[i], put[0]) {
			t.Fatalf("groups are %+v", have)
		}
		if j := 1 - i; len(put) > 1 && !cmp.Equal(have[j], failover) {
			t.Errorf("failover group: %s", cmp.Diff(failover, have[j]))
		}
	}
	if text := s.Ofctl("-O", "OpenFlow15", "dump-groups", "br0"); !strings.Contains(text, "group_id=8,type=select,bucket=bucket_id:0,weight:10,actions=set_field:0x1->reg0,output:3,bucket=") {
		t.Errorf("the switch prints %s", text)
	}
	bad := group(1)
	bad.Type = GroupIndirect // of two buckets
	var refused *BundleError
	if err := c.ApplyChanges(deadline(t), Changes{PutGroups: []Group{bad}}); !errors.As(err, &refused) || refused.Refused[0].Group != 8 {
		t.Errorf("a bad group gives %v", err)
	}
	if err := c.ApplyChanges(deadline(t), Changes{Delete: rule, DeleteGroups: []uint32{8, 9}}); err != nil {
		t.Fatal(err)
	}
	if have, err := c.Groups(deadline(t)); err != nil || len(have) != 0 {
		t.Errorf("groups left: %+v, %v", have, err)
	}
}

func TestFlowChangesAreTold(t *testing.T) {
	s := startBridge(t)
	s.AddFlows("br0", "table=3,priority=1,send_flow_rem,actions=drop\n")
	c := dial(t, s, "br0")
	initial, err := c.Monitor(deadline(t))
	if err != nil || len(initial) != 1 || initial[0].Event != FlowInitial || initial[0].Rule.Table != 3 {
		t.Fatalf("monitor begins with %+v, %v", initial, err)
	}
	s.AddFlows("br0", "table=4,priority=2,reg1=5,actions=output:1\n")
	nextEvent(t, c, "the added flow", func(e Event) bool {
		u, ok := e.(FlowUpdates)
		return ok && u[0].Event == FlowAdded && u[0].Rule.String() == "table=4, priority=2,reg1=0x5 actions=output:1"
	})
	s.Ofctl("del-flows", "br0", "table=3")
	var removed, told bool
	nextEvent(t, c, "the removed flow", func(e Event) bool {
		switch e := e.(type) {
		case FlowRemoved:
			removed = e.Reason == RemovedDeleted && e.Flow.Table == 3
		case FlowUpdates:
			told = told || e[0].Event == FlowDeleted && e[0].Rule.Table == 3
		}
		return removed && told
	})
	if err := c.Apply(deadline(t), rulesOfText(t, "table=5,actions=drop"), nil); err != nil {
		t.Fatal(err)
	}
	nextEvent(t, c, "our own change", func(e Event) bool {
		u, ok := e.(FlowUpdates)
		return ok && u[0].Event == FlowOwn
	})
	if c.Dropped() != 0 {
		t.Errorf("%d events dropped", c.Dropped())
	}
}

func TestAWatchTellsOfChangesOnly(t *testing.T) {
	s := startBridge(t)
	s.AddFlows("br0", "table=3,priority=1,actions=drop\n")
	c := dial(t, s, "br0")
	if err := c.Watch(deadline(t)); err != nil {
		t.Fatal(err)
	}
	s.AddFlows("br0", "table=4,priority=2,actions=drop\n")
	nextEvent(t, c, "the added flow", func(e Event) bool {
		u, ok := e.(FlowUpdates)
		if ok && u[0].Rule.Table == 3 {
			t.Errorf("told of a flow that was there: %+v", u[0])
		}
		return ok && u[0].Event == FlowAdded && u[0].Rule.Table == 4
	})
}

func TestAnIdleConnectionToASwitchStaysGood(t *testing.T) {
	s := startBridge(t)
	var d net.Dialer
	nc, err := d.DialContext(t.Context(), "unix", s.Mgmt("br0"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(t.Context(), nc, settings{idle: 100 * time.Millisecond, silence: 400 * time.Millisecond, events: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case <-c.Done():
		t.Errorf("the connection ended: %v", c.Err())
	case <-time.After(1500 * time.Millisecond):
	}
}
