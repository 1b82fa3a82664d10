package schedule

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func inZone(zone string) func(*model.Agent) {
	return func(a *model.Agent) { a.AvailabilityZone = zone }
}

// dhcpPorts gives the DHCP ports of a network by host.
func (w *world) dhcpPorts(network string) map[string]*model.Port {
	out := map[string]*model.Port{}
	w.read(func(r records.Reader) {
		for port := range records.PortsByNetwork.Get(r, network) {
			if port.DeviceOwner == plugin.OwnerDHCP {
				out[port.Host] = port
			}
		}
	})
	return out
}

func (w *world) hostsOf(what string) string { return fmt.Sprint(w.places()[what]) }

func TestRoutersGoToTheAgentWithTheFewestInTheirZone(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	w.agent("a1", inZone("a"))
	w.agent("a2", inZone("a"))
	w.agent("b1", inZone("b"))
	count := map[string]int{}
	for range 6 {
		r := w.router(func(s *plugin.RouterSpec) { s.AZHints = []string{"a"} })
		w.attach(r, w.addSubnet(w.network()))
		w.settle()
		count[w.hostsOf("router/"+r)]++
	}
	if count["[a1]"] != 3 || count["[a2]"] != 3 {
		t.Errorf("routers of zone a are on %v", count)
	}
	r := w.router()
	w.attach(r, w.addSubnet(w.network()))
	w.settle()
	if got := w.hostsOf("router/" + r); got != "[b1]" {
		t.Errorf("a router of no zone is on %s", got)
	}
}

func TestTheHostsOfANetworkAreInDifferentZonesWhereTheyCan(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	w.agent("a1", inZone("a"))
	w.agent("a2", inZone("a"))
	w.agent("b1", inZone("b"))
	n := w.network()
	w.addSubnet(n)
	w.settle()
	if got := w.hostsOf("network/" + n); got != "[a1 b1]" {
		t.Errorf("the network is on %s", got)
	}
}

func TestWhatReachesNoNetworkGetsNone(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	flat := func(s *plugin.NetworkSpec) {
		s.Provider = plugin.SegmentSpec{Type: "flat", PhysicalNetwork: "public"}
	}
	public := func(a *model.Agent) { a.BridgeMappings = map[string]string{"public": "br-ex"} }
	w.agent("inner")
	w.agent("outer1", public)
	n := w.network(flat)
	s := w.addSubnet(n)
	r := w.router()
	w.attach(r, s)
	w.settleOn("router/"+r, "[outer1]")
	w.settleOn("network/"+n, "[outer1]")
	// With its bridge gone a host keeps what nobody else can have, until somebody
	// can.
	w.change("outer1", func(a *model.Agent) { a.BridgeMappings = nil })
	w.settleOn("router/"+r, "[outer1]")
	w.agent("outer2", public)
	w.settleOn("router/"+r, "[outer2]")
	w.settleOn("network/"+n, "[outer2]")
}

// settleOn waits until something is on the hosts, and stays there.
func (w *world) settleOn(what, hosts string) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if w.hostsOf(what) != hosts {
			continue
		}
		time.Sleep(10 * time.Millisecond)
		if w.idle() && w.hostsOf(what) == hosts {
			return
		}
	}
	w.t.Fatalf("%s is on %s, want %s", what, w.hostsOf(what), hosts)
}

func TestTheServerOfANetworkKeepsItsAddressWhenItMoves(t *testing.T) {
	w := newWorld(t, func(c *plugin.Config) { c.DHCPAgentsPerNetwork = 1 })
	defer w.run()()
	w.agent("net1")
	n := w.network()
	w.addSubnet(n)
	w.settle()
	before := w.dhcpPorts(n)["net1"]
	w.agent("net2")
	w.kill("net1")
	w.settle()
	after := w.dhcpPorts(n)["net2"]
	if before == nil || after == nil || after.ID != before.ID || after.MAC != before.MAC || !slices.Equal(after.FixedIPs, before.FixedIPs) || after.DeviceID == before.DeviceID {
		t.Errorf("the port was %+v, is %+v", before, after)
	}
	w.revive("net1")
	w.settleOn("network/"+n, "[net2]")
}

func TestARestartOfAllControllersMovesNothing(t *testing.T) {
	w := newWorld(t)
	stop := w.run()
	w.agent("net1")
	n := w.network()
	r := w.router()
	w.attach(r, w.addSubnet(n))
	w.settle()
	w.agent("net2")
	w.settle()
	before := fmt.Sprint(w.places())
	// While no controller is there, no heartbeat is stored: at the start all
	// agents look dead.
	for _, host := range []string{"net1", "net2"} {
		w.change(host, func(a *model.Agent) { a.HeartbeatAt = time.Now().Add(-time.Hour) })
	}
	again := w.alsoRun()
	time.Sleep(30 * time.Millisecond)
	if got := fmt.Sprint(w.places()); got != before {
		t.Errorf("moved to %s, was %s", got, before)
	}
	w.pass(2 * testDownTime) // they are heard again
	if got := fmt.Sprint(w.places()); got != before {
		t.Errorf("moved to %s, was %s", got, before)
	}
	again()
	stop()
}

// alsoRun starts another scheduler on the first store.
func (w *world) alsoRun() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s := New(Config{DB: w.dbs[0], Rules: w.rules, Log: w.schedulers[0].cfg.Log, DownTime: testDownTime, MovesPerSecond: 10})
	s.tick, s.now = 5*time.Millisecond, w.now
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	return func() { cancel(); <-done }
}

func TestADeadHostIsLeftAtTheConfiguredPace(t *testing.T) {
	w := newWorld(t, func(c *plugin.Config) { c.MovesPerSecond, c.DHCPAgentsPerNetwork = 10, 1 })
	w.dbs[1].Close()
	w.dbs = w.dbs[:1] // one controller, so that there is one pace
	defer w.run()()
	w.agent("net1")
	var routers []string
	for range 15 {
		r := w.router()
		s := w.addSubnet(w.network(), func(s *plugin.SubnetSpec) { s.EnableDHCP = false })
		w.attach(r, s)
		routers = append(routers, r)
	}
	w.settle()
	w.agent("net2")
	begin := time.Now()
	w.kill("net1")
	w.settle()
	// Ten are free at once, five more take half a second.
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("%d routers moved in %s", len(routers), took)
	}
	if got := w.schedulers[0].Stats(); got.Moved != 15 || got.Placed != 15 || got.Failed != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestAFullSubnetKeepsNoOtherFromBeingServed(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	full, other := w.network(), w.network()
	tiny := w.addSubnet(full, func(s *plugin.SubnetSpec) {
		start := s.CIDR.Addr().Next().Next()
		s.AllocationPools = []model.IPRange{{Start: start, End: start}}
	})
	w.addSubnet(full)
	w.agent("net1")
	w.agent("net2")
	w.addSubnet(other)
	w.settleOn("network/"+other, "[net1 net2]")
	w.settleOn("network/"+full, "[net1 net2]")
	served := 0
	for _, port := range w.dhcpPorts(full) {
		served += len(port.FixedIPs)
		if slices.ContainsFunc(port.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == tiny }) && len(port.FixedIPs) != 2 {
			t.Errorf("port %+v", port)
		}
	}
	if served != 3 { // one address for two in the small subnet, one each in the large one
		t.Errorf("%d addresses", served)
	}
}

func TestADHCPPortThatIsDeletedOrReservedComesToItsHost(t *testing.T) {
	w := newWorld(t, func(c *plugin.Config) { c.DHCPAgentsPerNetwork = 1 })
	defer w.run()()
	n := w.network()
	s := w.addSubnet(n)
	var reserved string
	w.update(func(u *records.Update) (err error) {
		p := &plugin.PortSpec{}
		p.NetworkID, p.DeviceOwner, p.DeviceID, p.ProjectID = n, plugin.OwnerDHCP, "reserved_dhcp_port", "p1"
		reserved, err = w.rules.CreatePort(w.call, u, p)
		return err
	})
	w.agent("net1")
	w.settle()
	if port := w.dhcpPorts(n)["net1"]; port == nil || port.ID != reserved {
		t.Fatalf("port %+v, want the reserved %s", port, reserved)
	}
	w.update(func(u *records.Update) error { return w.rules.DeletePort(u, reserved) })
	w.settle()
	if port := w.dhcpPorts(n)["net1"]; port == nil || port.ID == reserved || port.FixedIPs[0].SubnetID != s {
		t.Errorf("port %+v", port)
	}
}

func TestNetworksAreTakenOffTheirServersWhenHostsAnswerThemselves(t *testing.T) {
	w := newWorld(t)
	for _, host := range []string{"net1", "net2"} {
		w.agent(host)
	}
	n := w.network()
	w.addSubnet(n)
	how := plugin.Scheduling{Dead: func(*model.Agent) bool { return false }}
	w.update(func(u *records.Update) error { _, err := w.rules.PlaceNetwork(u, n, how); return err })
	if got := w.dhcpPorts(n); len(got) != 2 {
		t.Fatalf("ports %v", got)
	}
	w.config.LocalDHCP = true
	var err error
	if w.rules, err = plugin.New(w.config); err != nil {
		t.Fatal(err)
	}
	w.config.DHCPAgentsPerNetwork = 0 // is what is checked
	defer w.run()()
	w.settle()
	other := w.network()
	w.addSubnet(other)
	w.settle()
	if got := w.places(); len(got) > 0 || len(w.dhcpPorts(n)) > 0 || len(w.dhcpPorts(other)) > 0 {
		t.Errorf("networks are served by %v", got)
	}
	err = w.try(func(u *records.Update) error { return w.rules.AddNetworkToAgent(u, "agent-net1", other) })
	if err == nil {
		t.Error("an agent is given a network")
	}
}
