package bridges_test

import (
	"context"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/ovsdb/ovsdbtest"
	"github.com/lepton-sdn/lepton/test/golden"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// desired is a host with one physical network and tunnels to two hosts.
func desired() bridges.Desired {
	return bridges.Desired{
		Integration: "br-int", Tunnel: "br-tun", DatapathType: "netdev", Controller: "tcp:127.0.0.1:6633",
		BridgeMappings:    map[string]string{"physnet1": "br-phys"},
		IntegrationTables: map[int]string{0: "classify", 60: "transient"},
		TunnelTables:      map[int]string{0: "by-port", 22: "flood"},
		ProviderTables:    map[int]string{0: "local", 2: "translate"},
		LocalIP:           addr("192.0.2.1"), DF: true,
		Tunnels: []bridges.Tunnel{
			{Type: model.VXLAN, Host: "hv3", Remote: addr("192.0.2.3"), DstPort: 8472},
			{Type: model.VXLAN, Host: "hv2", Remote: addr("192.0.2.2"), DstPort: 4789},
			{Type: model.GRE, Host: "hv2", Remote: addr("192.0.2.2")},
		},
	}
}

func dial(t testing.TB, endpoint string) *ovsdb.Client {
	t.Helper()
	c, err := ovsdb.Dial(deadline(t), endpoint, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func commit(t testing.TB, c *ovsdb.Client, ops ...ovsdb.Op) {
	t.Helper()
	if err := c.Commit(deadline(t), ops...); err != nil {
		t.Fatal(err)
	}
}

// host is a database on which somebody has made a provider bridge.
func host(t testing.TB) *ovsdb.Client {
	t.Helper()
	c := dial(t, ovsdbtest.Start(t).Endpoint())
	commit(t, c, ovsdb.EnsureBridge{Name: "br-phys", DatapathType: "netdev"}, ovsdb.EnsurePort{Bridge: "br-phys", Name: "eth1"})
	return c
}

func plan(t testing.TB, c *ovsdb.Client, want bridges.Desired) bridges.Plan {
	t.Helper()
	have, err := c.StateWithPorts(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return bridges.NewPlan(have, want)
}

// converge plans and commits, and then there must be nothing left to do.
func converge(t testing.TB, c *ovsdb.Client, want bridges.Desired) bridges.Plan {
	t.Helper()
	first := plan(t, c, want)
	commit(t, c, first.Ops...)
	if again := plan(t, c, want); len(again.Ops) != 0 {
		t.Fatalf("after the plan was committed it is not empty:\n%s", text(again))
	}
	return first
}

func text(p bridges.Plan) string {
	var b strings.Builder
	for _, op := range p.Ops {
		b.WriteString(op.String() + "\n")
	}
	for _, x := range p.Problems {
		b.WriteString("! " + x.Object + ": " + x.Text + "\n")
	}
	return b.String()
}

func TestGoldenPlans(t *testing.T) {
	v6 := desired()
	v6.LocalIP, v6.CSUM, v6.DF = addr("2001:db8::1"), true, false
	v6.Tunnels = []bridges.Tunnel{
		{Type: model.VXLAN, Host: "hv2", Remote: addr("2001:db8::2")},
		{Type: model.GRE, Host: "hv2", Remote: addr("2001:db8::2")},
		{Type: model.Geneve, Host: "hv2", Remote: addr("2001:db8::2")},
	}
	bare := bridges.Desired{Integration: "br-int", Controller: "tcp:127.0.0.1:6633"}
	for name, want := range map[string]bridges.Desired{"fresh": desired(), "ipv6": v6, "bare": bare} {
		t.Run(name, func(t *testing.T) {
			golden.Text(t, filepath.Join("testdata", name+".txt"), text(converge(t, host(t), want)))
		})
	}
}

func TestARestartOnAnUnchangedHostPlansNothing(t *testing.T) {
	srv := ovsdbtest.Start(t)
	srv.RunSwitch(t)
	c := dial(t, srv.Endpoint())
	commit(t, c, ovsdb.EnsureBridge{Name: "br-phys", DatapathType: "netdev"})
	converge(t, c, desired())
	if err := c.CommitAndWait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	again := dial(t, srv.Endpoint())
	if p := plan(t, again, desired()); len(p.Ops)+len(p.Problems) != 0 {
		t.Errorf("plan of the second run:\n%s", text(p))
	}
}

func TestWrongSettingsAreRepaired(t *testing.T) {
	patched := map[string]string{"peer": "patch-int"}
	tests := []struct {
		name  string
		wrong []ovsdb.Op
		plan  []string // what the plan begins with, line by line
	}{
		{
			"fail_mode of br-int",
			[]ovsdb.Op{ovsdb.EnsureBridge{Name: "br-int", FailMode: "standalone"}},
			[]string{"--may-exist add-br br-int "},
		},
		{
			"protocols of the provider bridge",
			[]ovsdb.Op{ovsdb.EnsureBridge{Name: "br-phys", Protocols: []string{"OpenFlow13"}}},
			[]string{"--may-exist add-br br-phys "},
		},
		{
			"the datapath of a bridge",
			[]ovsdb.Op{ovsdb.EnsureBridge{Name: "br-tun", DatapathType: "system"}},
			[]string{"--may-exist add-br br-tun "},
		},
		{
			"the owner's mark",
			[]ovsdb.Op{ovsdb.EnsureBridge{Name: "br-int", RemoveExternalIDs: []string{ovsdb.OwnerKey}}},
			[]string{"--may-exist add-br br-int "},
		},
		{
			"in-band control",
			[]ovsdb.Op{ovsdb.EnsureBridge{Name: "br-int", OtherConfig: map[string]string{"disable-in-band": "false"}}},
			[]string{"--may-exist add-br br-int "},
		},
		{
			"another controller",
			[]ovsdb.Op{ovsdb.SetController{Bridge: "br-phys", Target: "tcp:10.0.0.1:6653"}},
			[]string{"set-controller br-phys "},
		},
		{
			"another probe",
			[]ovsdb.Op{ovsdb.SetController{Bridge: "br-int", Target: "tcp:127.0.0.1:6633", InactivityProbe: 1}},
			[]string{"set-controller br-int "},
		},
		{
			"the name of a table",
			[]ovsdb.Op{ovsdb.SetFlowTables{Bridge: "br-int", Names: map[int]string{0: "zero", 60: "transient"}}},
			[]string{"set Bridge br-int flow_tables:0=classify"},
		},
		{
			"a table of ours too many",
			[]ovsdb.Op{ovsdb.SetFlowTables{
				Bridge: "br-int", Names: map[int]string{0: "classify", 60: "transient", 99: "old"},
				ExternalIDs: map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges},
			}},
			[]string{"set Bridge br-int flow_tables:0=classify"},
		},
		{
			"a patch port that is gone",
			[]ovsdb.Op{ovsdb.DeletePort{Name: "patch-tun"}},
			[]string{"--may-exist add-port br-int patch-tun "},
		},
		{
			"the peer of a patch port",
			[]ovsdb.Op{ovsdb.EnsurePort{Name: "patch-tun", Options: map[string]string{"peer": "nobody"}}},
			[]string{"--may-exist add-port br-int patch-tun "},
		},
		{
			"a patch port on the wrong bridge",
			[]ovsdb.Op{ovsdb.MovePort{Bridge: "br-phys", Name: "patch-tun"}},
			[]string{"move-port br-int patch-tun"},
		},
		{
			"an option of a tunnel",
			[]ovsdb.Op{ovsdb.EnsurePort{Name: "vxlan-c0000202", Options: map[string]string{"remote_ip": "192.0.2.9"}}},
			[]string{"--may-exist add-port br-tun vxlan-c0000202 "},
		},
		{
			"a bridge that is gone, with all that is on it",
			[]ovsdb.Op{ovsdb.DeleteBridge{Name: "br-tun"}},
			[]string{
				"--may-exist add-br br-tun ", "set-controller br-tun ", "set Bridge br-tun ", "--may-exist add-port br-tun patch-int ",
				"--may-exist add-port br-tun gre-c0000202 ", "--may-exist add-port br-tun vxlan-c0000202 ", "--may-exist add-port br-tun vxlan-c0000203 ",
			},
		},
		{
			"a tunnel to a host that shares no network any more",
			[]ovsdb.Op{ovsdb.EnsurePort{
				Bridge: "br-tun", Name: "vxlan-c0000209", Type: "vxlan", Options: map[string]string{"remote_ip": "192.0.2.9"},
				PortExternalIDs: map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges},
			}},
			[]string{"del-port vxlan-c0000209"},
		},
		{
			"patch ports of a mapping that was taken away",
			[]ovsdb.Op{ovsdb.EnsurePort{
				Bridge: "br-int", Name: "int-br-old", Type: "patch", Options: patched,
				PortExternalIDs: map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges},
			}},
			[]string{"del-port int-br-old"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := host(t)
			converge(t, c, desired())
			commit(t, c, tt.wrong...)
			got := strings.Split(strings.TrimSpace(text(converge(t, c, desired()))), "\n")
			if !slices.EqualFunc(got, tt.plan, strings.HasPrefix) {
				t.Errorf("plan is\n%s\nwant lines that begin with\n%s", strings.Join(got, "\n"), strings.Join(tt.plan, "\n"))
			}
		})
	}
}

func TestForeignPortsAreLeftAlone(t *testing.T) {
	c := host(t)
	converge(t, c, desired())
	foreign := []ovsdb.Op{
		ovsdb.EnsurePort{Bridge: "br-int", Name: "tap1", ExternalIDs: map[string]string{"iface-id": "p1"}, Tag: 3},
		ovsdb.EnsurePort{Bridge: "br-tun", Name: "vxlan-0a000001", Type: "vxlan", Options: map[string]string{"remote_ip": "10.0.0.1"}},
		ovsdb.EnsurePort{Bridge: "br-int", Name: "patch-other", Type: "patch", Options: map[string]string{"peer": "x"}},
		ovsdb.EnsurePort{
			Bridge: "br-int", Name: "qr-1", Type: "internal", PortExternalIDs: map[string]string{ovsdb.OwnerKey: ovsdb.OwnerL3},
		},
		ovsdb.SetFlowTables{Bridge: "br-phys", Names: map[int]string{0: "local", 2: "translate", 9: "operator"}},
		ovsdb.EnsureBridge{Name: "br-int", ExternalIDs: map[string]string{"mine": "yes", "lepton-vlan-1": "net"}},
		ovsdb.EnsureBridge{Name: "br-other", FailMode: "standalone"},
		ovsdb.SetController{Bridge: "br-other", Target: "tcp:10.0.0.1:6653"},
	}
	commit(t, c, foreign...)
	before := c.State()
	if p := converge(t, c, desired()); len(p.Ops) != 0 {
		t.Errorf("plan:\n%s", text(p))
	}
	less := desired()
	less.Tunnels, less.BridgeMappings = nil, nil
	converge(t, c, less)
	after := c.State()
	for _, name := range []string{"tap1", "vxlan-0a000001", "patch-other", "qr-1", "eth1"} {
		if !cmp.Equal(before.Ports[name], after.Ports[name]) || !cmp.Equal(before.Interfaces[name], after.Interfaces[name]) {
			t.Errorf("port %s was touched: %+v", name, after.Ports[name])
		}
	}
	for _, name := range []string{"vxlan-c0000202", "gre-c0000202", "int-br-phys", "phy-br-phys"} {
		if _, ok := after.Ports[name]; ok {
			t.Errorf("port %s is still there", name)
		}
	}
	if got := after.Bridges["br-phys"].FlowTables[9].Name; got != "operator" {
		t.Errorf("the operator's table name is %q", got)
	}
}

func TestNothingIsDeletedOnIncompleteInput(t *testing.T) {
	c := host(t)
	converge(t, c, desired())
	less := desired()
	less.Tunnels, less.Incomplete = nil, true
	if p := plan(t, c, less); len(p.Ops) != 0 {
		t.Errorf("plan:\n%s", text(p))
	}
}

func TestPortsThatNeutronMadeAreTakenOver(t *testing.T) {
	c := host(t)
	commit(t, c,
		ovsdb.EnsureBridge{Name: "br-int", DatapathType: "netdev"}, ovsdb.EnsureBridge{Name: "br-tun", DatapathType: "netdev"},
		ovsdb.EnsurePort{Bridge: "br-int", Name: "patch-tun", Type: "patch", Options: map[string]string{"peer": "patch-int"}},
		ovsdb.EnsurePort{Bridge: "br-tun", Name: "patch-int", Type: "patch", Options: map[string]string{"peer": "patch-tun"}})
	uuid := c.State().Ports["patch-tun"].UUID
	converge(t, c, desired())
	if p := c.State().Ports["patch-tun"]; p.UUID != uuid || p.ExternalIDs[ovsdb.OwnerKey] != ovsdb.OwnerBridges {
		t.Errorf("patch-tun is %+v", p)
	}
}

func TestProblemsNameTheThingAndKeepNothingElseBack(t *testing.T) {
	tests := []struct {
		name   string
		change func(*bridges.Desired)
		have   []ovsdb.Op
		object string
		text   []string
		ports  []string // that are there all the same
	}{
		{
			"a mapping to a missing bridge",
			func(d *bridges.Desired) { d.BridgeMappings["physnet2"] = "br-missing" }, nil,
			"bridge br-missing",
			[]string{"does not exist", "physnet2"},
			[]string{"int-br-phys", "vxlan-c0000202"},
		},
		{
			"two physical networks on one bridge",
			func(d *bridges.Desired) { d.BridgeMappings["physnet2"] = "br-phys" }, nil,
			"bridge br-phys",
			[]string{"physnet1", "physnet2"},
			[]string{"int-br-phys"},
		},
		{
			"a mapping to the integration bridge",
			func(d *bridges.Desired) { d.BridgeMappings["physnet2"] = "br-int" }, nil,
			"bridge br-int",
			[]string{"own", "physnet2"},
			[]string{"int-br-phys"},
		},
		{
			"a provider bridge of another datapath",
			func(d *bridges.Desired) { d.DatapathType = "" }, nil,
			"bridge br-phys",
			[]string{"netdev", "physnet1"},
			[]string{"vxlan-c0000202"},
		},
		{
			"a tunnel to the host's own address",
			func(d *bridges.Desired) { d.Tunnels[0].Remote = addr("192.0.2.1") }, nil,
			"tunnel vxlan to host hv3",
			[]string{"same tunnel address as this one", "192.0.2.1"},
			[]string{"vxlan-c0000202"},
		},
		{
			"two hosts with one tunnel address",
			func(d *bridges.Desired) { d.Tunnels[0].Remote = addr("192.0.2.2") }, nil,
			"tunnel vxlan to host hv3",
			[]string{"hv2", "192.0.2.2"},
			[]string{"vxlan-c0000202"},
		},
		{
			"a tunnel to an address of the other family",
			func(d *bridges.Desired) { d.Tunnels[0].Remote = addr("2001:db8::3") }, nil,
			"tunnel vxlan to host hv3",
			[]string{"2001:db8::3", "192.0.2.1"},
			[]string{"vxlan-c0000202"},
		},
		{
			"a host without a tunnel address",
			func(d *bridges.Desired) { d.Tunnels[0].Remote = netip.Addr{} }, nil,
			"tunnel vxlan to host hv3",
			[]string{"has no tunnel address"},
			[]string{"vxlan-c0000202"},
		},
		{
			"no local address",
			func(d *bridges.Desired) { d.LocalIP = netip.Addr{}; d.Tunnels = d.Tunnels[:1] }, nil,
			"tunnel vxlan to host hv3",
			[]string{"tunnel.local_ip"},
			[]string{"int-br-phys"},
		},
		{
			"no tunnel bridge",
			func(d *bridges.Desired) { d.Tunnel = ""; d.Tunnels = d.Tunnels[:1] }, nil,
			"tunnel vxlan to host hv3",
			[]string{"no tunnel bridge"},
			[]string{"int-br-phys"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := host(t)
			want := desired()
			want.BridgeMappings = maps.Clone(want.BridgeMappings)
			tt.change(&want)
			p := converge(t, c, want)
			if len(p.Problems) != 1 || p.Problems[0].Object != tt.object {
				t.Fatalf("problems: %+v", p.Problems)
			}
			for _, part := range tt.text {
				if !strings.Contains(p.Problems[0].Text, part) {
					t.Errorf("%q does not say %q", p.Problems[0].Text, part)
				}
			}
			for _, name := range tt.ports {
				if _, ok := c.Port(name); !ok {
					t.Errorf("port %s was not made", name)
				}
			}
		})
	}
}

func TestAPortThatTheSwitchCannotMakeIsAProblem(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c := dial(t, srv.Endpoint())
	want := desired()
	want.BridgeMappings = nil
	converge(t, c, want)
	if err := srv.SetOFPort("vxlan-c0000202", -1, "could not add network device"); err != nil {
		t.Fatal(err)
	}
	var p bridges.Plan
	for i := 0; len(p.Problems) == 0 && i < 1000; i++ {
		time.Sleep(time.Millisecond)
		p = plan(t, c, want)
	}
	if len(p.Problems) != 1 || p.Problems[0].Object != "interface vxlan-c0000202" ||
		!strings.Contains(p.Problems[0].Text, "could not add network device") {
		t.Errorf("problems: %+v", p.Problems)
	}
}

func TestBridgesWithOneDatapathIDGetTheirOwn(t *testing.T) {
	have := ovsdb.State{Bridges: map[string]ovsdb.Bridge{
		"br-int": {Name: "br-int", DatapathType: "netdev", DatapathID: "0000aaaaaaaaaaaa"},
		"br-a":   {Name: "br-a", DatapathType: "netdev", DatapathID: "0000bbbbbbbbbbbb"},
		"br-b":   {Name: "br-b", DatapathType: "netdev", DatapathID: "0000bbbbbbbbbbbb"},
		"br-c":   {Name: "br-c", DatapathType: "netdev", DatapathID: "0000cccccccccccc"},
	}}
	want := bridges.Desired{
		Integration: "br-int", DatapathType: "netdev",
		BridgeMappings: map[string]string{"p1": "br-a", "p2": "br-b", "p3": "br-c"},
	}
	ids := func() map[string]string {
		out := map[string]string{}
		for _, op := range bridges.NewPlan(have, want).Ops {
			if set, ok := op.(ovsdb.EnsureBridge); ok && set.OtherConfig["datapath-id"] != "" {
				out[set.Name] = set.OtherConfig["datapath-id"]
			}
		}
		return out
	}
	first := ids()
	if len(first) != 1 || len(first["br-b"]) != 16 {
		t.Fatalf("new datapath ids: %v", first)
	}
	b := have.Bridges["br-b"]
	b.OtherConfig = map[string]string{"datapath-id": first["br-b"]}
	b.DatapathID = first["br-b"]
	have.Bridges["br-b"] = b
	if again := ids(); !cmp.Equal(again, first) {
		t.Errorf("asked again: %v, before %v", again, first)
	}
}
