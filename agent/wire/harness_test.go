package wire_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/ovsdb/ovsdbtest"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// tableSwitch is a switch that is nothing but its flow tables.
type tableSwitch struct {
	mu     sync.Mutex
	rules  map[flows.Key]flows.Rule
	mods   int // flow changes that were sent
	jobs   int // bundles
	refuse func(flows.Rule) bool
	cut    chan struct{} // closed: connections break
	stuck  bool          // Apply does not come back before its deadline

	touched []uint32
	flushed []pipeline.Connections
	meters  []ofp.Meter
	packets []ofp.PacketOut
	events  chan ofp.Event // what the switch tells
	// meterless is a switch that has no meters.
	meterless bool
	// unlimited are flows whose meter was deleted since they were installed.
	unlimited map[flows.Key]bool
}

func newTableSwitch() *tableSwitch {
	return &tableSwitch{rules: map[flows.Key]flows.Rule{}, cut: make(chan struct{}), events: make(chan ofp.Event)}
}

func (s *tableSwitch) text() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.rules {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return out
}

func (s *tableSwitch) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mods
}

// breakConnections cuts what is connected; new connections work.
func (s *tableSwitch) breakConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.cut)
	s.cut = make(chan struct{})
}

// tableConn is a connection to a tableSwitch.
type tableConn struct {
	*tableSwitch
	done <-chan struct{}
}

func (c tableConn) Flows(context.Context) ([]flows.Rule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(c.rules)), func(r flows.Rule) bool { return !pipeline.Ours(r.Cookie) }), nil
}

func (c tableConn) Apply(ctx context.Context, add, del []flows.Rule) error {
	c.mu.Lock()
	stuck := c.stuck
	c.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var e ofp.BundleError
	for i, r := range add {
		if c.refuse != nil && c.refuse(r) {
			e.Refused = append(e.Refused, ofp.Refused{Kind: ofp.AddFlow, Index: i, Rule: r, Err: errors.New("OFPBAC_BAD_OUT_PORT")})
		}
	}
	if len(e.Refused) > 0 {
		return &e
	}
	c.mods += len(add) + len(del)
	c.jobs++
	for _, r := range add {
		c.rules[r.Key()] = r
		delete(c.unlimited, r.Key())
	}
	for _, r := range del {
		delete(c.rules, r.Key())
	}
	return nil
}

func (c tableConn) Forget(_ context.Context, cookies []uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, r := range c.rules {
		if slices.Contains(cookies, r.Cookie) {
			delete(c.rules, k)
		}
	}
	return nil
}

func (c tableConn) Watch(context.Context) error { return nil }
func (c tableConn) Dropped() uint64             { return 0 }

func (c tableConn) Events() <-chan ofp.Event { return c.events }

func (c tableConn) Meters(context.Context) ([]ofp.Meter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.meters), nil
}

func (c tableConn) PutMeter(_ context.Context, m ofp.Meter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meterless {
		return &ofp.Error{Type: 12, Code: 10} // OFPMMFC_OUT_OF_METERS
	}
	c.mods++
	c.meters = append(slices.DeleteFunc(c.meters, func(h ofp.Meter) bool { return h.ID == m.ID }), m)
	return nil
}

func (c tableConn) PacketOut(_ context.Context, p ofp.PacketOut) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.packets = append(c.packets, p)
	return nil
}

func (c tableConn) Touch(_ context.Context, ports []uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched = append(c.touched, ports...)
	return nil
}

func (c tableConn) Flush(_ context.Context, ended []pipeline.Connections) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushed = append(c.flushed, ended...)
	return nil
}

func (c tableConn) Done() <-chan struct{} { return c.done }
func (c tableConn) Close() error          { return nil }

// cloud plays the controller for one host.
type cloud struct {
	updates chan rpc.Update

	mu       sync.Mutex
	statuses map[string]model.PortStatus
	problems []model.Problem
	acked    int64
	inSync   bool
}

func newCloud() *cloud {
	return &cloud{updates: make(chan rpc.Update, 16), statuses: map[string]model.PortStatus{}}
}

func (c *cloud) Updates() <-chan rpc.Update { return c.updates }

func (c *cloud) Report(list ...model.PortStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range list {
		c.statuses[s.PortID] = s
	}
}

func (c *cloud) Ack(rev int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = rev
}

func (c *cloud) SetProblems(p []model.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = p
}

func (c *cloud) SetDevices(_ int, inSync bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inSync = inSync
}

func (c *cloud) status(port string) model.PortStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.statuses[port]
}

func (c *cloud) revision() (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked, c.inSync
}

func (c *cloud) problemTexts() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, p := range c.problems {
		fmt.Fprintf(&b, "%s: %s\n", p.Object, p.Text)
	}
	return b.String()
}

// host is one machine: a database, its switches, and a loop that can be
// restarted.
type host struct {
	t        *testing.T
	db       *ovsdbtest.Server
	switches map[string]*tableSwitch
	cloud    *cloud
	stop     func()
	// responder, when it is there, is the one of the next loop.
	responder wire.Responder
	// packets is what the loop writes packets with, nil for nothing.
	packets wire.PacketLog
	// mode is the next loop's; audit is the present loop's auditor.
	mode  audit.Mode
	audit *audit.Auditor
}

const (
	hostName = "hv1"
	peerName = "hv2"
)

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, db: ovsdbtest.Start(t), switches: map[string]*tableSwitch{}}
	for _, name := range []string{"br-int", "br-tun", "br-phys"} {
		h.switches[name] = newTableSwitch()
	}
	h.db.RunSwitch(t)
	h.commit(ovsdb.EnsureBridge{Name: "br-phys", DatapathType: "netdev"})
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

// start runs a new loop, as an agent that has just started.
func (h *host) start() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := ovsdb.Dial(ctx, h.db.Endpoint(), zap.NewNop())
	if err != nil {
		h.t.Fatal(err)
	}
	h.cloud = newCloud()
	h.audit = audit.New(audit.Config{Mode: cmp.Or(h.mode, audit.Repair), Interval: time.Hour})
	auditor := h.audit
	loop := wire.New(wire.Config{
		Host: hostName,
		Bridges: bridges.Desired{
			Integration: "br-int", Tunnel: "br-tun", DatapathType: "netdev", Controller: "tcp:127.0.0.1:6633",
			BridgeMappings: map[string]string{"physnet1": "br-phys"},
			LocalIP:        netip.MustParseAddr("192.0.2.1"), DF: true,
		},
		TunnelTypes: []model.NetworkType{model.VXLAN}, ARPResponder: true,
		Audit: auditor, Packets: h.packets, LookAtMeters: 20 * time.Millisecond,
		DB: db, Controller: h.cloud, Metrics: wire.NewMetrics(prometheus.NewRegistry()), Responder: h.responder, Log: zap.NewNop(),
		Dial: func(_ context.Context, bridge string) (wire.Switch, error) {
			s := h.switches[bridge]
			s.mu.Lock()
			defer s.mu.Unlock()
			return tableConn{tableSwitch: s, done: s.cut}, nil
		},
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = loop.Run(ctx)
	}()
	audited := make(chan struct{})
	go func() {
		defer close(audited)
		_ = auditor.Run(ctx)
	}()
	h.stop = func() {
		cancel()
		<-ended
		<-audited
		db.Close()
	}
	eventually(h.t, "the agent makes its bridges", func() bool {
		s := h.state()
		return s.Interfaces["patch-tun"].OFPort > 0 && s.Interfaces["patch-int"].OFPort > 0
	})
}

// commit changes the database as someone else would.
func (h *host) commit(ops ...ovsdb.Op) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db, err := ovsdb.Dial(ctx, h.db.Endpoint(), zap.NewNop())
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	if err := db.Commit(ctx, ops...); err != nil {
		h.t.Fatal(err)
	}
}

// plugOps is what Nova does when it plugs a tap.
func plugOps(p *model.Port) ovsdb.Op {
	return ovsdb.EnsurePort{
		Bridge: "br-int", Name: tap(p),
		ExternalIDs: map[string]string{"iface-id": p.ID, "attached-mac": p.MAC.String(), "iface-status": "active"},
	}
}

func tap(p *model.Port) string { return "tap" + p.ID[:11] }

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// settled waits until the host has acknowledged the revision and is in sync.
func (h *host) settled(rev int64) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("in sync at revision %d; problems: %s", rev, h.cloud.problemTexts()), func() bool {
		got, inSync := h.cloud.revision()
		return got == rev && inSync
	})
}

// network makes one with this segment.
func network(n int, seg model.Segment) *model.Network {
	return &model.Network{
		Meta:         model.Meta{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", n), Revision: 1},
		AdminStateUp: true, PortSecurityEnabled: true, MTU: 1450, Segment: seg,
	}
}

func port(n int, net *model.Network, on string) *model.Port {
	return &model.Port{
		Meta:      model.Meta{ID: fmt.Sprintf("%08x-1111-4000-8000-000000000000", n), Revision: 1},
		NetworkID: net.ID, MAC: model.MAC{0xfa, 0x16, 0x3e, 0, byte(n >> 8), byte(n)}, AdminStateUp: true,
		FixedIPs:            []model.FixedIP{{IP: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})}},
		Host:                on,
		PortSecurityEnabled: true,
	}
}

func peer() *model.Endpoint {
	return &model.Endpoint{Host: peerName, IP: netip.MustParseAddr("192.0.2.2"), Types: []model.NetworkType{model.VXLAN}, VXLANPort: 4789}
}

// state reads the database.
func (h *host) state() ovsdb.State {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db, err := ovsdb.Dial(ctx, h.db.Endpoint(), zap.NewNop())
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	return db.State()
}

func (h *host) portTag(name string) int { return h.state().Ports[name].Tag }

func (h *host) hasPort(name string) bool {
	_, ok := h.state().Ports[name]
	return ok
}

func (h *host) storedVLANs() int {
	n := 0
	for key := range h.state().Bridges["br-int"].ExternalIDs {
		if strings.HasPrefix(key, ovsdb.VLANKeyPrefix) {
			n++
		}
	}
	return n
}
