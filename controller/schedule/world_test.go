package schedule

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

const testDownTime = time.Minute

// reporter is a *testing.T or a *rapid.T.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world is a store with two controllers' schedulers on it, whose clock stands
// still unless it is moved.
type world struct {
	t          reporter
	dbs        []*records.DB
	schedulers []*Scheduler
	rules      *plugin.Plugin
	config     plugin.Config
	call       plugin.Call

	mu     sync.Mutex
	clock  time.Time
	full   *atomic.Bool // the store takes no writes
	beats  int
	silent map[string]bool // hosts whose agents send nothing
	subnet int
}

// readOnly is a store that can be full.
type readOnly struct {
	store.Store
	full atomic.Bool
}

func (r *readOnly) Txn(ctx context.Context, txn store.Txn) (store.Result, error) {
	if r.full.Load() {
		return store.Result{}, store.ErrFull
	}
	return r.Store.Txn(ctx, txn)
}

func newWorld(t reporter, change ...func(*plugin.Config)) *world {
	t.Helper()
	config := plugin.DefaultConfig()
	config.MovesPerSecond = 1000
	config.Quotas = map[string]int{}
	for _, f := range change {
		f(&config)
	}
	rules, err := plugin.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, rules: rules, config: config, clock: time.Now(), silent: map[string]bool{},
		call: plugin.Call{Who: identity.Identity{Admin: true, ProjectID: "p1"}, Given: map[string]bool{}},
	}
	st := &readOnly{Store: mem.New()}
	w.full = &st.full
	for range 2 {
		db, err := records.Open(context.Background(), st, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		w.dbs = append(w.dbs, db)
	}
	return w
}

// run starts the schedulers and returns what ends them and the stores.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, db := range w.dbs {
		s := New(Config{DB: db, Rules: w.rules, Log: zap.NewNop(), DownTime: testDownTime, MovesPerSecond: w.config.MovesPerSecond})
		s.tick, s.now = 5*time.Millisecond, w.now
		w.schedulers = append(w.schedulers, s)
		running.Go(func() { _ = s.Run(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
		for _, db := range w.dbs {
			_ = db.Close()
		}
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// pass lets time pass; agents that are not silent go on sending heartbeats.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	step := testDownTime / 4
	for ; d > 0; d -= step {
		w.mu.Lock()
		w.clock = w.clock.Add(step)
		w.mu.Unlock()
		w.update(func(u *records.Update) error {
			for a := range records.Agents.All(u) {
				if w.silent[a.Host] {
					continue
				}
				w.beats++
				rec := *a
				rec.HeartbeatAt = time.Now().Add(time.Duration(w.beats))
				records.Agents.Put(u, &rec)
			}
			return nil
		})
		time.Sleep(15 * time.Millisecond) // three ticks
	}
}

// kill silences an agent until every controller takes it for dead.
func (w *world) kill(host string) {
	w.t.Helper()
	w.silent[host] = true
	for range 40 {
		w.pass(testDownTime / 4)
		dead := 0
		for _, s := range w.schedulers {
			s.mu.Lock()
			if seen, ok := s.watch.agents["agent-"+host]; !ok || seen.dead {
				dead++
			}
			s.mu.Unlock()
		}
		if dead == len(w.schedulers) {
			return
		}
	}
	w.t.Fatalf("the agent of %s does not die", host)
}

// revive lets an agent be heard again.
func (w *world) revive(host string) {
	w.t.Helper()
	delete(w.silent, host)
	w.beats++
	w.change(host, func(a *model.Agent) { a.HeartbeatAt = time.Now().Add(time.Duration(w.beats)) })
}

func (w *world) update(fn func(*records.Update) error) {
	w.t.Helper()
	if err := w.try(fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) try(fn func(*records.Update) error) error {
	_, err := w.dbs[0].Update(context.Background(), fn)
	return err
}

func (w *world) read(fn func(records.Reader)) {
	w.t.Helper()
	for _, db := range w.dbs {
		if err := db.Read(context.Background(), func(records.Reader) error { return nil }); err != nil {
			w.t.Fatal(err)
		}
	}
	_ = w.dbs[0].ReadStale(func(r records.Reader) error { fn(r); return nil })
}

// agent makes a live agent known.
func (w *world) agent(host string, change ...func(*model.Agent)) {
	w.t.Helper()
	a := &model.Agent{
		ID: "agent-" + host, Host: host, Roles: []string{"l2", "l3", "dhcp"}, TunnelTypes: []model.NetworkType{model.VXLAN},
		AdminStateUp: true, HeartbeatAt: time.Now(),
	}
	for _, f := range change {
		f(a)
	}
	delete(w.silent, host)
	w.update(func(u *records.Update) error { records.Agents.Put(u, a); return nil })
}

// change changes an agent's record, if there is one.
func (w *world) change(host string, f func(*model.Agent)) {
	w.t.Helper()
	w.update(func(u *records.Update) error {
		if old, ok := records.Agents.Get(u, "agent-"+host); ok {
			a := *old
			f(&a)
			records.Agents.Put(u, &a)
		}
		return nil
	})
}

func (w *world) network(change ...func(*plugin.NetworkSpec)) (id string) {
	w.t.Helper()
	s := &plugin.NetworkSpec{}
	s.ProjectID, s.AdminStateUp = "p1", true
	for _, f := range change {
		f(s)
	}
	w.update(func(u *records.Update) (err error) { id, err = w.rules.CreateNetwork(w.call, u, s); return err })
	return id
}

// addSubnet makes a subnet with DHCP of its own range.
func (w *world) addSubnet(network string, change ...func(*plugin.SubnetSpec)) (id string) {
	w.t.Helper()
	w.subnet++
	s := &plugin.SubnetSpec{}
	s.NetworkID, s.ProjectID, s.EnableDHCP, s.IPVersion = network, "p1", true, 4
	s.CIDR = netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", w.subnet/256, w.subnet%256))
	for _, f := range change {
		f(s)
	}
	w.update(func(u *records.Update) (err error) { id, err = w.rules.CreateSubnet(w.call, u, s); return err })
	return id
}

// slaac makes a subnet one of IPv6, where guests make their own addresses.
func slaac(s *plugin.SubnetSpec) {
	range4 := s.CIDR.Addr().As4()
	s.CIDR = netip.MustParsePrefix(fmt.Sprintf("fd00:0:%x:%x::/64", range4[1], range4[2]))
	s.IPVersion, s.IPv6AddressMode, s.IPv6RAMode = 6, plugin.ModeSLAAC, plugin.ModeSLAAC
}

func (w *world) router(change ...func(*plugin.RouterSpec)) (id string) {
	w.t.Helper()
	s := &plugin.RouterSpec{}
	s.ProjectID, s.AdminStateUp = "p1", true
	for _, f := range change {
		f(s)
	}
	w.update(func(u *records.Update) (err error) { id, err = w.rules.CreateRouter(w.call, u, s); return err })
	return id
}

func (w *world) attach(router, subnet string) {
	w.t.Helper()
	w.update(func(u *records.Update) error {
		_, err := w.rules.AddInterface(w.call, u, router, plugin.InterfaceSpec{SubnetID: subnet})
		return err
	})
}

// settle waits until nobody has anything to do, and all is as it should be.
func (w *world) settle() {
	w.t.Helper()
	var wrong error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		var revision int64
		w.read(func(r records.Reader) { revision, wrong = r.Revision(), w.check(r) })
		if wrong != nil || !w.idle() {
			continue
		}
		time.Sleep(3 * time.Millisecond)
		var later int64
		w.read(func(r records.Reader) { later = r.Revision() })
		if later == revision && w.idle() {
			return
		}
	}
	w.t.Fatalf("not at rest: %v", wrong)
}

func (w *world) idle() bool {
	for _, s := range w.schedulers {
		s.mu.Lock()
		next := s.queue.next()
		idle := len(s.changed) == 0 && (next.IsZero() || next.After(time.Now()))
		s.mu.Unlock()
		if !idle {
			return false
		}
	}
	return true
}

// live gives the hosts whose agents are not dead, and those of them that may get
// something new in the role.
func (w *world) live(r records.Reader, role string) (all, enabled []string) {
	for a := range records.Agents.All(r) {
		if !slices.Contains(a.Roles, role) || w.silent[a.Host] {
			continue
		}
		all = append(all, a.Host)
		if settings, ok := a.RoleSettings[role]; !ok || settings.AdminStateUp {
			enabled = append(enabled, a.Host)
		}
	}
	return all, enabled
}

func (w *world) exists(r records.Reader, host string) bool {
	for range records.AgentsByHost.Get(r, host) {
		return true
	}
	return false
}

// check says what is wrong.
func (w *world) check(r records.Reader) error {
	for b := range records.RouterBindings.All(r) {
		if _, ok := records.Routers.Get(r, b.RouterID); !ok {
			return fmt.Errorf("binding of router %s is left", b.RouterID)
		}
	}
	for b := range records.DHCPBindings.All(r) {
		if _, ok := records.Networks.Get(r, b.NetworkID); !ok {
			return fmt.Errorf("binding of network %s is left", b.NetworkID)
		}
	}
	for router := range records.Routers.All(r) {
		if err := w.checkRouter(r, router); err != nil {
			return fmt.Errorf("router %s: %w", router.ID, err)
		}
	}
	for n := range records.Networks.All(r) {
		if err := w.checkNetwork(r, n); err != nil {
			return fmt.Errorf("network %s: %w", n.ID, err)
		}
	}
	return nil
}

func (w *world) checkRouter(r records.Reader, router *model.Router) error {
	var hosts []string
	if b, ok := records.RouterBindings.Get(r, router.ID); ok {
		for _, h := range b.Hosts {
			hosts = append(hosts, h.Host)
		}
	}
	if router.HA {
		return w.checkHA(r, router)
	}
	live, enabled := w.live(r, "l3")
	ports := slices.Collect(records.PortsByDevice.Get(r, router.ID))
	switch {
	case len(hosts) > 1:
		return fmt.Errorf("is on %v", hosts)
	case len(hosts) == 1 && !w.exists(r, hosts[0]):
		return fmt.Errorf("is on %v, which is gone", hosts)
	case len(ports) > 0 && len(enabled) > 0 && (len(hosts) == 0 || !slices.Contains(live, hosts[0])):
		return fmt.Errorf("is on %v, live are %v", hosts, live)
	}
	for _, port := range ports {
		if want := strings.Join(hosts, ""); port.Host != want || want != "" && port.VIFType == plugin.VIFUnbound {
			return fmt.Errorf("port %s is on %q (%s), the router on %q", port.ID, port.Host, port.VIFType, want)
		}
	}
	return nil
}

func (w *world) checkNetwork(r records.Reader, n *model.Network) error {
	var hosts []model.DHCPHost
	if b, ok := records.DHCPBindings.Get(r, n.ID); ok {
		hosts = b.Hosts
	}
	var subnets []string
	for s := range records.SubnetsByNetwork.Get(r, n.ID) {
		if s.EnableDHCP {
			subnets = append(subnets, s.ID)
		}
	}
	slices.Sort(subnets)
	live, enabled := w.live(r, "dhcp")
	serving, ports := 0, map[string]bool{}
	for _, h := range hosts {
		if !w.exists(r, h.Host) {
			return fmt.Errorf("is on %s, which is gone", h.Host)
		}
		if slices.Contains(live, h.Host) {
			serving++
		}
		enabled = slices.DeleteFunc(enabled, func(e string) bool { return e == h.Host })
		if err := checkDHCPPort(r, h, subnets); err != nil {
			return fmt.Errorf("host %s: %w", h.Host, err)
		}
		if h.PortID != "" && ports[h.PortID] {
			return fmt.Errorf("port %s is of two hosts", h.PortID)
		}
		ports[h.PortID] = true
	}
	if len(subnets) > 0 && serving < w.config.DHCPAgentsPerNetwork && len(enabled) > 0 {
		return fmt.Errorf("is served by %d of %v, could be by %v", serving, hosts, enabled)
	}
	for port := range records.PortsByNetwork.Get(r, n.ID) {
		if port.DeviceOwner == plugin.OwnerDHCP && !ports[port.ID] {
			return fmt.Errorf("DHCP port %s is nobody's", port.ID)
		}
	}
	return nil
}

func checkDHCPPort(r records.Reader, h model.DHCPHost, subnets []string) error {
	if len(subnets) == 0 {
		if h.PortID != "" {
			return fmt.Errorf("has a port without DHCP")
		}
		return nil
	}
	port, ok := records.Ports.Get(r, h.PortID)
	if !ok {
		return fmt.Errorf("has no port")
	}
	var have []string
	for _, f := range port.FixedIPs {
		have = append(have, f.SubnetID)
		if owner, _ := r.Claimed("ip/" + f.SubnetID + "/" + f.IP.String()); owner != port.ID {
			return fmt.Errorf("has %s, which is of %q", f.IP, owner)
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, subnets) || port.Host != h.Host || port.VIFType == plugin.VIFUnbound {
		return fmt.Errorf("has port %s on %q (%s) in %v, want %v", port.ID, port.Host, port.VIFType, have, subnets)
	}
	return nil
}

// places gives where everything is: "router/<id>" or "network/<id>" to hosts.
func (w *world) places() map[string][]string {
	all := map[string][]string{}
	w.read(func(r records.Reader) {
		for b := range records.RouterBindings.All(r) {
			for _, h := range b.Hosts {
				all["router/"+b.RouterID] = append(all["router/"+b.RouterID], h.Host)
			}
		}
		for b := range records.DHCPBindings.All(r) {
			for _, h := range b.Hosts {
				all["network/"+b.NetworkID] = append(all["network/"+b.NetworkID], h.Host)
			}
			slices.Sort(all["network/"+b.NetworkID]) // whichever was chosen first
		}
	})
	return all
}
