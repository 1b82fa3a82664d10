package hosts_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/zap"
	"google.golang.org/grpc/test/bufconn"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
	"github.com/lepton-sdn/lepton/store/mem"
)

// patience bounds every wait of the tests.
const patience = 20 * time.Second

// cloud is a controller without its API: records and the agents' server.
type cloud struct {
	t     testing.TB
	store *mem.Store
	db    *records.DB
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	s := mem.New()
	db, err := records.Open(context.Background(), s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = db.Close()
		_ = s.Close()
	})
	return &cloud{t: t, store: s, db: db}
}

// put writes records, in one transaction.
func (c *cloud) put(recs ...any) {
	c.t.Helper()
	c.update(func(u *records.Update) {
		for _, r := range recs {
			switch r := r.(type) {
			case *model.Network:
				records.Networks.Put(u, r)
			case *model.Subnet:
				records.Subnets.Put(u, r)
			case *model.Port:
				records.Ports.Put(u, r)
			case *model.Agent:
				records.Agents.Put(u, r)
			case *model.SecurityGroup:
				records.SecurityGroups.Put(u, r)
			case *model.SecurityGroupRule:
				records.SecurityGroupRules.Put(u, r)
			case *model.Router:
				records.Routers.Put(u, r)
			case *model.RouterBinding:
				records.RouterBindings.Put(u, r)
			case *model.FloatingIP:
				records.FloatingIPs.Put(u, r)
			case *model.DHCPBinding:
				records.DHCPBindings.Put(u, r)
			default:
				c.t.Fatalf("no table for %T", r)
			}
		}
	})
}

func (c *cloud) update(fn func(*records.Update)) {
	c.t.Helper()
	if _, err := c.db.Update(context.Background(), func(u *records.Update) error { fn(u); return nil }); err != nil {
		c.t.Fatal(err)
	}
}

func get[T any](c *cloud, table *records.Table[T], id string) (rec *T) {
	c.t.Helper()
	_ = c.db.ReadStale(func(r records.Reader) error { rec, _ = table.Get(r, id); return nil })
	return rec
}

func (c *cloud) agent(host string) *model.Agent { return get(c, records.Agents, hosts.AgentID(host)) }

// statusWrites counts the transactions that write statuses of ports from now on.
func (c *cloud) statusWrites() *atomic.Int64 {
	var n atomic.Int64
	c.db.OnApply(func(b records.Batch) {
		of := func(ch records.Change) bool { return ch.Table == records.PortStatuses.Name() }
		if !b.Full && slices.ContainsFunc(b.Changes, of) {
			n.Add(1)
		}
	})
	return &n
}

// eventually waits until the condition holds.
func (c *cloud) eventually(what string, ok func() bool) {
	c.t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			c.t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// controller is a running server and the way to it.
type controller struct {
	server *hosts.Server
	lis    *bufconn.Listener
	stop   func()
}

// serve runs a server until the test ends, or stop is called.
func (c *cloud) serve(cfg hosts.Config) *controller {
	cfg.DB = c.db
	if cfg.HeartbeatInterval == 0 {
		cfg.HeartbeatInterval = 200 * time.Millisecond
	}
	ctl := &controller{server: hosts.New(cfg), lis: bufconn.Listen(64 << 10)}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ctl.server.Serve(ctx, ctl.lis) }()
	ctl.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			c.t.Errorf("serve: %v", err)
		}
	})
	c.t.Cleanup(ctl.stop)
	return ctl
}

func (ctl *controller) dial(ctx context.Context, _ string) (net.Conn, error) {
	return ctl.lis.DialContext(ctx)
}

// host is an agent that does nothing but listen, and what it knows.
type host struct {
	*session.Session
	stop func()

	mu       sync.Mutex
	known    known
	updates  []rpc.Update
	revision int64
}

func hello(name string) model.Agent {
	return model.Agent{
		Host: name, Instance: "instance-" + name, Version: "1.0", Roles: []string{"l2"},
		TunnelTypes: []model.NetworkType{model.VXLAN},
		TunnelIP:    netip.MustParseAddr("192.0.2.1"), VXLANPort: 4789,
		BridgeMappings: map[string]string{"physnet1": "br-phys"},
	}
}

// join runs an agent until the test ends, or stop is called.
func (c *cloud) join(cfg session.Config) *host {
	if cfg.Addresses == nil {
		cfg.Addresses = []string{"127.0.0.1:9797"}
	}
	cfg.RetryFirst, cfg.RetryMax = 5*time.Millisecond, 50*time.Millisecond
	h := &host{Session: session.New(cfg)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- h.Run(ctx) }()
	go func() {
		for u := range h.Updates() {
			h.take(u)
			h.Ack(u.Revision)
		}
		ended <- nil
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			c.t.Errorf("run session: %v", err)
		}
	})
	c.t.Cleanup(h.stop)
	return h
}

func (h *host) take(u rpc.Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known.update(&u)
	h.updates = append(h.updates, u)
	h.revision = u.Revision
}

func (h *host) knows() known {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known.clone()
}

// told gives the updates that came, and forgets them.
func (h *host) told() []rpc.Update {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.updates
	h.updates = nil
	return list
}

// known is what a host knows.
type known struct {
	Networks  map[string]*model.Network
	Subnets   map[string]*model.Subnet
	Ports     map[string]*model.Port
	Endpoints map[string]*model.Endpoint
	Others    map[rpc.Ref]any
}

func (k known) clone() known {
	c := known{Others: maps.Clone(k.Others)}
	c.update(&rpc.Update{
		Networks: values(k.Networks), Subnets: values(k.Subnets),
		Ports: values(k.Ports), Endpoints: values(k.Endpoints),
	})
	return c
}

func values[T any](m map[string]*T) (list []*T) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

func (k *known) update(u *rpc.Update) {
	if u.Full {
		*k = known{}
	}
	apply(&k.Networks, u.Networks, u.Deleted.Networks, func(r *model.Network) string { return r.ID })
	apply(&k.Subnets, u.Subnets, u.Deleted.Subnets, func(r *model.Subnet) string { return r.ID })
	apply(&k.Ports, u.Ports, u.Deleted.Ports, func(r *model.Port) string { return r.ID })
	apply(&k.Endpoints, u.Endpoints, u.Deleted.Endpoints, func(r *model.Endpoint) string { return r.Host })
	if k.Others == nil {
		k.Others = map[rpc.Ref]any{}
	}
	for ref, rec := range u.Records() {
		switch ref.Kind {
		case rpc.KindNetwork, rpc.KindSubnet, rpc.KindPort, rpc.KindEndpoint:
		default:
			k.Others[ref] = rec
		}
	}
	for ref := range u.Deletions() {
		delete(k.Others, ref)
	}
}

func apply[T any](m *map[string]*T, recs []*T, deleted []string, id func(*T) string) {
	if *m == nil {
		*m = map[string]*T{}
	}
	for _, r := range recs {
		(*m)[id(r)] = r
	}
	for _, key := range deleted {
		delete(*m, key)
	}
}

// expected is what a host must know according to the records, in the form in
// which it arrives.
func (c *cloud) expected(host string) known {
	c.t.Helper()
	e := interest.New(1)
	b := records.Batch{Full: true, Revision: 1}
	_ = c.db.ReadStale(func(r records.Reader) error {
		changesOf(&b, r, records.Networks)
		changesOf(&b, r, records.Subnets)
		changesOf(&b, r, records.Ports)
		changesOf(&b, r, records.Agents)
		changesOf(&b, r, records.SecurityGroups)
		changesOf(&b, r, records.SecurityGroupRules)
		changesOf(&b, r, records.Routers)
		changesOf(&b, r, records.RouterBindings)
		changesOf(&b, r, records.FloatingIPs)
		changesOf(&b, r, records.DHCPBindings)
		return nil
	})
	e.Apply(b)
	var parts []*pb.Update
	for p := range e.Next(e.Connect(host)).Parts(rpc.PartSize, nil) {
		parts = append(parts, p)
	}
	var a rpc.Assembler
	var k known
	for _, p := range parts {
		u, err := a.Add(p)
		if err != nil {
			c.t.Fatal(err)
		}
		if u != nil {
			k.update(u)
		}
	}
	return k
}

func changesOf[T any](b *records.Batch, r records.Reader, table *records.Table[T]) {
	for rec := range table.All(r) {
		b.Changes = append(b.Changes, records.Change{Table: table.Name(), ID: idOf(rec), New: rec})
	}
}

func idOf(rec any) string {
	switch r := rec.(type) {
	case *model.Agent:
		return r.ID
	case *model.RouterBinding:
		return r.RouterID
	case *model.DHCPBinding:
		return r.NetworkID
	}
	return rec.(interface{ GetMeta() *model.Meta }).GetMeta().ID
}

func difference(want, got known) string {
	return gocmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}))
}

// settled waits until the host knows what it must know.
func (c *cloud) settled(name string, h *host) {
	c.t.Helper()
	end := time.Now().Add(patience)
	for {
		diff := difference(c.expected(name), h.knows())
		if diff == "" {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s: must know (-), knows (+):\n%s", name, diff)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func vxlan(id string) *model.Network {
	return &model.Network{
		Meta: model.Meta{ID: id, Revision: 1}, AdminStateUp: true, MTU: 1450,
		Segment: model.Segment{Type: model.VXLAN, ID: 100},
	}
}

func subnet(id, network string) *model.Subnet {
	return &model.Subnet{
		Meta: model.Meta{ID: id}, NetworkID: network, IPVersion: 4,
		CIDR: netip.MustParsePrefix("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.0.1"), EnableDHCP: true,
	}
}

func port(id, network, host string) *model.Port {
	p := &model.Port{
		Meta: model.Meta{ID: id, Revision: 1}, NetworkID: network, Host: host, AdminStateUp: true,
		MAC: model.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}, VIFType: "ovs", PortSecurityEnabled: true,
		FixedIPs: []model.FixedIP{{SubnetID: "s1", IP: netip.MustParseAddr("10.0.0.5")}},
	}
	for _, b := range []byte(id) {
		p.MAC[4] = p.MAC[4]*31 + p.MAC[5]
		p.MAC[5] = p.MAC[5]*7 + b
	}
	return p
}

func portIDs(list []*model.Port) (ids []string) {
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	slices.SortFunc(ids, cmp.Compare[string])
	return ids
}
