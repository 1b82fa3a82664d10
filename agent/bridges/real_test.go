package bridges_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// settle converges a real switch and waits until it has done it.
func settle(t *testing.T, c *ovsdb.Client, want bridges.Desired) {
	t.Helper()
	if err := c.CommitAndWait(deadline(t), plan(t, c, want).Ops...); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, c, want); len(p.Ops)+len(p.Problems) != 0 {
		t.Fatalf("after the plan was realised it is not empty:\n%s", text(p))
	}
}

func TestARealSwitchIsConverged(t *testing.T) {
	sw := ovstest.Start(t)
	sw.Vsctl("add-br", "br-phys", "--", "set", "bridge", "br-phys", "datapath_type=netdev")
	c := dial(t, sw.DB())
	settle(t, c, desired())
	for _, port := range []string{
		"patch-tun", "patch-int", "int-br-phys", "phy-br-phys", "vxlan-c0000202", "gre-c0000202", "vxlan-c0000203",
	} {
		if i, _ := c.Interface(port); i.OFPort <= 0 || i.Error != "" {
			t.Errorf("%s is %+v", port, i)
		}
	}
	for _, bridge := range []string{"br-int", "br-tun", "br-phys"} {
		if got := sw.Ofctl("dump-flows", bridge); strings.Contains(got, "actions") {
			t.Errorf("%s is not closed: %s", bridge, got)
		}
	}
	if got := sw.Ofctl("-O", "OpenFlow15", "--names", "dump-table-features", "br-int"); !strings.Contains(got, "classify") {
		t.Errorf("tables of br-int are not named:\n%.300s", got)
	}
	if got := sw.Vsctl("show"); !strings.Contains(got, `Controller "tcp:127.0.0.1:6633"`) {
		t.Errorf("ovs-vsctl show:\n%s", got)
	}
	settleAfterDamage(t, sw, c)

	sw.StopDaemon()
	sw.StartDaemon()
	if p := plan(t, c, desired()); len(p.Ops) != 0 {
		t.Errorf("plan after a restart of ovs-vswitchd:\n%s", text(p))
	}
}

// settleAfterDamage has an operator break things with ovs-vsctl.
func settleAfterDamage(t *testing.T, sw *ovstest.Switch, c *ovsdb.Client) {
	t.Helper()
	sw.Vsctl("del-controller", "br-int", "--", "del-port", "patch-tun", "--", "set-fail-mode", "br-phys", "standalone",
		"--", "set", "bridge", "br-tun", "protocols=OpenFlow13", "--", "clear", "bridge", "br-int", "flow_tables",
		"--", "set", "interface", "vxlan-c0000202", "options:remote_ip=192.0.2.77",
		"--", "add-port", "br-int", "foreign0", "--", "set", "interface", "foreign0", "type=internal")
	// The client hears of it a moment later than ovs-vsctl returns.
	for i := 0; len(plan(t, c, desired()).Ops) < 6 && i < 1000; i++ {
		time.Sleep(time.Millisecond)
	}
	settle(t, c, desired())
	if got := strings.Fields(sw.Vsctl("list-ports", "br-int")); strings.Join(got, " ") != "foreign0 int-br-phys patch-tun" {
		t.Errorf("ports of br-int: %q", got)
	}
}

func TestRealTunnelsOverIPv6(t *testing.T) {
	sw := ovstest.Start(t)
	c := dial(t, sw.DB())
	settle(t, c, bridges.Desired{
		Integration: "br-int", Tunnel: "br-tun", DatapathType: "netdev", Controller: "tcp:127.0.0.1:6633",
		LocalIP: addr("2001:db8::1"), CSUM: true,
		Tunnels: []bridges.Tunnel{
			{Type: model.VXLAN, Host: "hv2", Remote: addr("2001:db8::2")},
			{Type: model.GRE, Host: "hv2", Remote: addr("2001:db8::2")},
			{Type: model.Geneve, Host: "hv2", Remote: addr("2001:db8::2")},
		},
	})
	for _, port := range []string{"vxlan-pehtjzksi", "gre-pehtjzksiqr", "geneve-pehtjzks"} {
		if i, _ := c.Interface(port); i.OFPort <= 0 || i.Error != "" {
			t.Errorf("%s is %+v", port, i)
		}
	}
}

func TestRealBridgesWithOneDatapathIDAreToldApart(t *testing.T) {
	sw := ovstest.Start(t)
	for _, name := range []string{"br-a", "br-b"} {
		sw.Vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "other_config:hwaddr=02:00:00:00:00:0a")
	}
	c := dial(t, sw.DB())
	want := bridges.Desired{
		Integration: "br-int", DatapathType: "netdev", Controller: "tcp:127.0.0.1:6633",
		BridgeMappings: map[string]string{"p1": "br-a", "p2": "br-b"},
	}
	if a, b := c.State().Bridges["br-a"].DatapathID, c.State().Bridges["br-b"].DatapathID; a != b || a == "" {
		t.Fatalf("the datapath ids are %q and %q, not equal", a, b)
	}
	settle(t, c, want)
	for i := 0; c.State().Bridges["br-a"].DatapathID == c.State().Bridges["br-b"].DatapathID; i++ {
		if i == 1000 {
			t.Fatal("the datapath ids are still equal")
		}
		time.Sleep(time.Millisecond)
	}
	if p := plan(t, c, want); len(p.Ops) != 0 {
		t.Errorf("plan:\n%s", text(p))
	}
}
