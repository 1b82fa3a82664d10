package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
)

func rules(t testing.TB, lines ...string) []flows.Rule {
	t.Helper()
	rules, err := flows.ParseRules(strings.Join(lines, "\n"), flows.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func packet(t testing.TB, text string) Packet {
	t.Helper()
	m, err := flows.ParseMatch(text, flows.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return NewPacket(m...)
}

// outputs writes each output as bridge, port and the packet's VLAN ids.
func outputs(r Result) []string {
	got := []string{}
	for _, o := range r.Outputs {
		text := fmt.Sprintf("%s:%d", o.Bridge.Name, o.Port)
		if o.Port >= 0xffffff00 {
			text = fmt.Sprintf("%s:%s", o.Bridge.Name, flows.FormatActions([]flows.Action{flows.Output{Port: o.Port}}, flows.FormatOptions{}))
		}
		for _, tag := range o.Packet.Tags() {
			text += fmt.Sprintf(" vlan %d", tag&tagID)
		}
		got = append(got, text)
	}
	return got
}

func TestPacketsThroughOneBridge(t *testing.T) {
	const tcp = "in_port=1,tcp,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=1000,tp_dst=80"
	tests := []struct {
		name   string
		rules  []string
		packet string
		want   []string
	}{
		{"a miss is a drop", []string{"in_port=2 actions=output:3"}, tcp, nil},
		{"the higher priority is hit", []string{"priority=1 actions=output:2", "priority=2,tcp actions=output:3"}, tcp, []string{"br:3"}},
		{"a resubmit comes back", []string{"actions=resubmit(,1),output:4", "table=1 actions=output:3"}, tcp, []string{"br:3", "br:4"}},
		{"what a resubmit writes stays", []string{"actions=resubmit(,1),resubmit(,2)", "table=1 actions=load:5->NXM_NX_REG0[]", "table=2,reg0=5 actions=output:3"}, tcp, []string{"br:3"}},
		{"a resubmit with a port looks up with it and acts without it", []string{"in_port=1 actions=resubmit(7,0)", "in_port=7 actions=output:1,output:7,IN_PORT"}, tcp, []string{"br:7", "br:1"}},
		{"goto_table goes on", []string{"actions=output:2,goto_table:5", "table=5 actions=output:3"}, tcp, []string{"br:2", "br:3"}},
		{"a packet is not output to where it came from", []string{"actions=output:1,output:2"}, tcp, []string{"br:2"}},
		{"IN_PORT sends it back all the same", []string{"actions=IN_PORT"}, tcp, []string{"br:1"}},
		{"an input port of 0 allows any output", []string{"actions=load:0->NXM_OF_IN_PORT[],output:1"}, tcp, []string{"br:1"}},
		{"a register holds the port", []string{"actions=load:6->NXM_NX_REG5[],output:NXM_NX_REG5[]"}, tcp, []string{"br:6"}},
		{"a tag is pushed and set", []string{"actions=push_vlan:0x8100,set_field:4101->vlan_vid,output:2"}, tcp, []string{"br:2 vlan 5"}},
		{"writing 0 to the tag takes it off", []string{"dl_vlan=5 actions=load:0->NXM_OF_VLAN_TCI[],output:2"}, tcp + ",dl_vlan=5", []string{"br:2"}},
		{"each output has the packet of its moment", []string{"actions=output:2,push_vlan:0x8100,set_field:4101->vlan_vid,output:3"}, tcp, []string{"br:2", "br:3 vlan 5"}},
		{"a field that the packet lacks is not written", []string{"actions=output:2,resubmit(,1)", "table=1,arp actions=output:3"}, tcp, []string{"br:2"}},
		{"the TTL ends at 1", []string{"ip actions=dec_ttl,output:2"}, "in_port=1,ip,nw_ttl=1", []string{"br:CONTROLLER:65535"}},
		{"a group copies the packet", []string{"actions=group:1,output:4"}, tcp, []string{"br:2 vlan 9", "br:3", "br:4"}},
		{
			"a conjunction needs all clauses",
			[]string{
				"priority=5,nw_src=10.0.0.1,ip actions=conjunction(7,1/2)", "priority=5,tcp,tp_dst=81 actions=conjunction(7,2/2)",
				"priority=5,conj_id=7 actions=output:2", "priority=1 actions=output:3",
			},
			tcp,
			[]string{"br:3"},
		},
		{
			"a conjunction with all clauses leads to its rule",
			[]string{
				"priority=5,nw_src=10.0.0.1,ip actions=conjunction(7,1/2)", "priority=5,tcp,tp_dst=80 actions=conjunction(7,2/2),conjunction(8,1/2)",
				"priority=5,conj_id=7 actions=output:2", "priority=1 actions=output:3",
			},
			tcp,
			[]string{"br:2"},
		},
		{
			"a rule above a conjunction wins",
			[]string{
				"priority=5,nw_src=10.0.0.1,ip actions=conjunction(7,1/2)", "priority=5,tcp,tp_dst=80 actions=conjunction(7,2/2)",
				"priority=5,conj_id=7 actions=output:2", "priority=6 actions=output:3",
			},
			tcp,
			[]string{"br:3"},
		},
		{
			"ct goes on in its table after the pass",
			[]string{"ip actions=ct(table=1,zone=5),output:2", "table=1,ct_state=+new+trk,ct_zone=5,ip actions=output:3"},
			tcp,
			[]string{"br:2", "br:3"},
		},
		{
			"a pass that goes too deep has no effect",
			[]string{"actions=output:2,resubmit(,0)"},
			tcp, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBridge("br", rules(t, tt.rules...))
			b.Groups = map[uint32]Group{1: {All: true, Buckets: [][]flows.Action{
				{flows.PushVLAN{EtherType: 0x8100}, flows.SetU(flows.VLANVID, 0x1009), flows.Output{Port: 2}}, {flows.Output{Port: 3}},
			}}}
			r := b.Run(packet(t, tt.packet), Options{})
			if diff := cmp.Diff(append([]string{}, tt.want...), outputs(r)); diff != "" {
				t.Errorf("outputs (-want +got):\n%s\n%v", diff, r.Trace)
			}
		})
	}
}

func TestAPatchPortLeadsIntoTheOtherBridge(t *testing.T) {
	in := NewBridge("br-int", rules(t, "in_port=1 actions=load:5->NXM_NX_REG0[],output:9,resubmit(,1)", "table=1,reg0=5 actions=output:2"))
	tun := NewBridge("br-tun", rules(t, "in_port=4,reg0=0 actions=load:7->NXM_NX_TUN_ID[],output:1", "in_port=4,reg0=5 actions=drop"))
	in.Patches = map[uint32]Peer{9: {Bridge: tun, Port: 4}}
	r := in.Run(packet(t, "in_port=1,arp"), Options{})
	if diff := cmp.Diff([]string{"br-tun:1", "br-int:2"}, outputs(r)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if id := r.Outputs[0].Packet.Num(flows.TunID); id != 7 {
		t.Errorf("tunnel id %d, want 7", id)
	}
	if id := r.Outputs[1].Packet.Num(flows.TunID); id != 0 {
		t.Errorf("tunnel id %d came back through the patch port", id)
	}
}

func TestNormalKnowsStations(t *testing.T) {
	b := NewBridge("br", rules(t, "actions=NORMAL"))
	b.Ports = []uint32{1, 2, 3}
	b.Stations = map[Station]uint32{{MAC: 2, VLAN: 5}: 3}
	for text, want := range map[string][]string{
		"in_port=1,dl_dst=00:00:00:00:00:02,dl_vlan=5,arp": {"br:3 vlan 5"},
		"in_port=3,dl_dst=00:00:00:00:00:02,dl_vlan=5,arp": {},
		"in_port=1,dl_dst=00:00:00:00:00:02,arp":           {"br:2", "br:3"},
	} {
		if diff := cmp.Diff(want, outputs(b.Run(packet(t, text), Options{}))); diff != "" {
			t.Errorf("%s: outputs (-want +got):\n%s", text, diff)
		}
	}
}

func TestLearnedRulesCarryWhatThePacketHad(t *testing.T) {
	b := NewBridge("br-tun", rules(t, "table=10 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0x5,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[]),output:1", "priority=1 actions=resubmit(,10)"))
	r := b.Run(packet(t, "in_port=2,tun_id=0x3e8,dl_vlan=1,dl_src=fa:16:3e:00:00:01,arp"), Options{})
	want := "cookie=0x5, table=20, hard_timeout=300, priority=1,vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:00:00:01 actions=load:0->NXM_OF_VLAN_TCI[],load:0x3e8->NXM_NX_TUN_ID[],output:2"
	if len(r.Learned[b]) != 1 || r.Learned[b][0].String() != want {
		t.Fatalf("learned %v, want %s", r.Learned[b], want)
	}
	b.Add(r.Learned[b]...)
	b.Add(rules(t, "priority=2,in_port=1 actions=resubmit(,20)")...)
	answer := b.Run(packet(t, "in_port=1,dl_vlan=1,dl_dst=fa:16:3e:00:00:01,arp"), Options{})
	if diff := cmp.Diff([]string{"br-tun:2"}, outputs(answer)); diff != "" {
		t.Errorf("the answer's outputs (-want +got):\n%s", diff)
	}
}

func TestRulesOfEqualPriorityAreReported(t *testing.T) {
	b := NewBridge("br", rules(t, "priority=5,in_port=1 actions=output:2", "priority=5,arp actions=output:3", "priority=4 actions=drop"))
	if ties := b.Run(packet(t, "in_port=1,arp"), Options{}).Ties(); len(ties) != 1 || !strings.Contains(ties[0].String(), "undefined") {
		t.Errorf("ties are %v", ties)
	}
	if ties := b.Run(packet(t, "in_port=2,arp"), Options{}).Ties(); len(ties) != 0 {
		t.Errorf("ties are %v", ties)
	}
}

func TestTheTraceReadsFromTopToBottom(t *testing.T) {
	b := NewBridge("br", rules(t, "cookie=0x1,actions=resubmit(,1),resubmit(,2),output:1", "cookie=0x2,table=1 actions=drop"))
	var lines []string
	for _, s := range b.Run(packet(t, "in_port=1,arp"), Options{}).Trace {
		lines = append(lines, s.String())
	}
	want := []string{
		"br cookie=0x1, actions=resubmit(,1),resubmit(,2),output:1",
		"  br cookie=0x2, table=1, actions=drop",
		"  br table 2: no match, drop",
		"  skipping output to input port 1",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}

func TestRulesCanBeChanged(t *testing.T) {
	b := NewBridge("br", rules(t, "priority=1 actions=output:2"))
	want := rules(t, "priority=1 actions=output:3", "table=4,priority=1 actions=drop")
	b.Apply(flows.Diff(b.Rules(), want))
	if !flows.Diff(b.Rules(), want).Empty() {
		t.Errorf("rules are %v", b.Rules())
	}
}
