package inspect

import (
	"errors"
	"testing"

	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

const (
	portID    = "4f1d2a7b-93c0-4000-8000-000000000001"
	networkID = "4f1d2a7b-93c0-4000-8000-000000000002" // the same digits as the port
	ruleID    = "aaaaaaaa-bbbb-4000-8000-000000000003"
)

// known are a port, its network and a rule.
func known() *Objects {
	from, to := 22, 23
	u := &rpc.Update{Full: true, Revision: 1}
	u.Put(rpc.KindPort, &model.Port{Meta: model.Meta{ID: portID, Name: "web"}, NetworkID: networkID, DeviceOwner: "compute:nova"})
	u.Put(rpc.KindNetwork, &model.Network{Meta: model.Meta{ID: networkID}})
	u.Put(rpc.KindRule, &model.SecurityGroupRule{
		Meta: model.Meta{ID: ruleID}, Direction: "ingress", EtherType: "IPv4", Protocol: "tcp",
		PortRangeMin: &from, PortRangeMax: &to, RemoteIPPrefix: "10.0.0.0/8",
	})
	return NewObjects(u)
}

func TestACookieIsReadAsTheObjectThatItsFeatureIsAbout(t *testing.T) {
	for cookie, want := range map[uint64]string{
		pipeline.Cookie(pipeline.FeatureIdentity, portID):   "identity of port " + portID + ` "web" (compute:nova)`,
		pipeline.Cookie(pipeline.FeatureNetwork, portID):    "network " + networkID,
		pipeline.Cookie(pipeline.FeatureRule, ruleID):       "security group rule " + ruleID + " (ingress IPv4 tcp 22-23 remote 10.0.0.0/8)",
		pipeline.Cookie(pipeline.FeatureRule, portID):       "rule of 4f1d2a7b93c0",
		pipeline.Cookie(pipeline.FeatureBase, ""):           "base",
		pipeline.Cookie(pipeline.FeatureCanary, "anything"): "pipeline",
		0x1234: "foreign",
	} {
		if got := known().Owner(cookie); got != want {
			t.Errorf("%#x: %q, want %q", cookie, got, want)
		}
	}
	if got := NoObjects().Owner(pipeline.Cookie(pipeline.FeaturePort, portID)); got != "port of 4f1d2a7b93c0" {
		t.Errorf("without records: %q", got)
	}
}

func TestAStepOfATraceShowsItsOwner(t *testing.T) {
	trace := "bridge(\"br-int\")\n 0. in_port=1, priority 10, cookie 0x1e064f1d2a7b93c0\n    goto_table:24\n" +
		"24. No match.\n71. ip, priority 5\n    drop\n\nFinal flow: cookie 0x1\n"
	want := "bridge(\"br-int\")\n 0. in_port=1, priority 10  ← port " + portID + " \"web\" (compute:nova)\n    goto_table:24\n" +
		"24. No match.\n71. ip, priority 5\n    drop\n\nFinal flow: cookie 0x1\n"
	if got := annotate(trace, known()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnIPPacketIsTheFirstOfItsConnection(t *testing.T) {
	for packet, added := range map[string]string{
		"in_port=1,arp": "",
		"in_port=1,ip":  "", // of no address
		"tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,ct_state=trk|est":   "",
		"tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=9,tp_dst=22": ",ct_state=trk|new,ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=6,ct_tp_src=9,ct_tp_dst=22",
		"icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,icmp_type=8":       ",ct_state=trk|new,ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,ct_tp_src=8,ct_tp_dst=0",
		"ipv6,nw_proto=17,ipv6_src=fd00::1,ipv6_dst=fd00::2":     ",ct_state=trk|new,ct_ipv6_src=fd00::1,ct_ipv6_dst=fd00::2,ct_nw_proto=17,ct_tp_src=0,ct_tp_dst=0",
	} {
		if got := Tracked(packet); got != packet+added {
			t.Errorf("%s: %s", packet, got)
		}
	}
}

func TestAChoiceIsByTableObjectAndUse(t *testing.T) {
	stat := func(table uint8, cookie, packets uint64) *ofp.FlowStat {
		s := &ofp.FlowStat{}
		s.Table, s.Cookie, s.Stats.Packets = table, cookie, packets
		return s
	}
	of := pipeline.Cookie(pipeline.FeaturePort, portID)
	table := uint8(24)
	for _, tc := range []struct {
		name   string
		choice Choice
		flow   *ofp.FlowStat
		want   bool
	}{
		{"everything", Choice{}, stat(1, 0x55, 0), true},
		{"another table", Choice{Table: &table}, stat(25, of, 0), false},
		{"the table", Choice{Table: &table}, stat(24, of, 0), true},
		{"the object", Choice{Object: portID}, stat(0, of, 0), true},
		{"the object by its digits", Choice{Object: "4F1D2A7B93C0"}, stat(0, of, 0), true},
		{"another object", Choice{Object: ruleID}, stat(0, of, 0), false},
		{"too few digits", Choice{Object: "4f1d"}, stat(0, of, 0), false},
		{"a foreign flow", Choice{Object: portID}, stat(0, 0x064f1d2a7b93c0, 0), false},
		{"one that saw nothing", Choice{Hit: true}, stat(0, of, 0), false},
		{"one that saw packets", Choice{Hit: true}, stat(0, of, 7), true},
	} {
		if got := tc.choice.takes(tc.flow); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestABridgeThatIsNotThereIsToldFromASwitchThatIsNot(t *testing.T) {
	for _, name := range []string{"../br-int", ""} {
		if _, err := (Switch{RunDir: t.TempDir()}).Flows(t.Context(), name, NoObjects(), Choice{}); !errors.Is(err, ErrNoBridge) {
			t.Errorf("%q: %v", name, err)
		}
	}
	sw := Switch{RunDir: t.TempDir()}
	look := func(bridge string) (error, error) {
		_, flows := sw.Flows(t.Context(), bridge, NoObjects(), Choice{})
		_, trace := sw.Trace(t.Context(), bridge, NoObjects(), "in_port=1")
		return flows, trace
	}
	if flows, trace := look("br-int"); !errors.Is(flows, ErrNoSwitch) || !errors.Is(trace, ErrNoSwitch) {
		t.Errorf("without a switch: %v, %v", flows, trace)
	}
	real := ovstest.Start(t)
	real.AddBridge("br-int")
	sw.RunDir = real.Dir
	if flows, trace := look("br-none"); !errors.Is(flows, ErrNoBridge) || !errors.Is(trace, ErrNoBridge) {
		t.Errorf("without the bridge: %v, %v", flows, trace)
	}
	if flows, trace := look("br-int"); flows != nil || trace != nil {
		t.Errorf("with the bridge: %v, %v", flows, trace)
	}
	if _, err := sw.Trace(t.Context(), "br-int", NoObjects(), "in_port=1,colour=red"); !errors.Is(err, ErrPacket) {
		t.Errorf("of a packet that is none: %v", err)
	}
	real.StopDaemon()
	if flows, trace := look("br-int"); !errors.Is(flows, ErrNoSwitch) || !errors.Is(trace, ErrNoSwitch) {
		t.Errorf("with a switch that has ended: %v, %v", flows, trace)
	}
}
