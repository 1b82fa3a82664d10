package flows_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
)

// TestSimulationAndSwitchLearnTheSame sends packets through learn actions. With
// -generate ofproto/trace installs what it learns.
func TestSimulationAndSwitchLearnTheSame(t *testing.T) {
	s := traceBridge(t)
	tests := []struct{ name, action, packet string }{
		{
			"a station behind a tunnel",
			"learn(table=20,hard_timeout=300,priority=1,cookie=0x5,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[])",
			"in_port=2,tun_id=0x3e8,dl_vlan=7,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1",
		},
		{
			"an untagged station",
			"learn(table=20,idle_timeout=10,send_flow_rem,NXM_OF_VLAN_TCI[],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
			"in_port=3,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,dl_type=0x88cc",
		},
		{
			"the answer of a connection",
			"learn(table=20,priority=7,eth_type=0x800,nw_proto=6,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_IP_DST[]=NXM_OF_IP_SRC[],NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[],load:0x1->NXM_NX_REG0[],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15])",
			"in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tcp_src=1000,tcp_dst=80,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02",
		},
		{
			"parts of one field",
			"learn(table=20,NXM_NX_REG0[0..7]=NXM_NX_REG1[8..15],NXM_NX_REG0[8..15]=0x7,in_port=2,output:NXM_NX_REG2[])",
			"in_port=1,reg1=0x1234,reg2=3,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,dl_type=0x88cc",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			match := ""
			if strings.Contains(tt.packet, "tcp") {
				match = "tcp,"
			}
			line := "table=0,priority=1," + match + "actions=" + tt.action
			s.Ofctl("-O", "OpenFlow15", "del-flows", "br")
			s.AddFlows("br", line)
			s.Appctl("ofproto/trace", "br", tt.packet, "-generate")
			theirs, err := flows.ParseRules(s.Ofctl("-O", "OpenFlow15", "--no-stats", "--no-names", "dump-flows", "br", "table=20"), flows.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			rules, err := flows.ParseRules(line, flows.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			packet, err := flows.ParseMatch(tt.packet, flows.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			b := sim.NewBridge("br", rules)
			ours := b.Run(sim.NewPacket(packet...), sim.Options{}).Learned[b]
			if len(theirs) != 1 || len(ours) != 1 || !theirs[0].Equal(ours[0]) {
				t.Errorf("learned (-switch +simulation):\n%s", cmp.Diff(texts(theirs), texts(ours)))
			}
		})
	}
}

func texts(rules []flows.Rule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, flows.Canonical(r).String())
	}
	return out
}
