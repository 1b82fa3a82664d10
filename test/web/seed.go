package web

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store/etcd"
)

// Seed is a cloud's records in the making. The same calls make the same cloud.
type Seed struct {
	rng   *rand.Rand
	now   time.Time
	puts  []func(*records.Update)
	Ports []*model.Port
	// Networks are the ids by name.
	Networks map[string]string
}

// NewSeed makes one of nothing.
func NewSeed() *Seed {
	return &Seed{Networks: map[string]string{}, rng: rand.New(rand.NewPCG(1, 2)), now: time.Now().UTC().Truncate(time.Second)}
}

// ID is another UUID.
func (s *Seed) ID() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], s.rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], s.rng.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

func (s *Seed) meta(name, project string) model.Meta {
	return model.Meta{ID: s.ID(), Name: name, ProjectID: project, CreatedAt: s.now, UpdatedAt: s.now, Revision: 1}
}

func (s *Seed) put(fn func(*records.Update)) { s.puts = append(s.puts, fn) }

// Host adds a host with an agent.
func (s *Seed) Host(name string, change ...func(*model.Agent)) {
	n := len(s.puts)
	a := &model.Agent{
		ID: s.ID(), Host: name, Instance: s.ID(), Version: "1.0.0", Roles: []string{"l2", "l3", "dhcp"},
		BridgeMappings: map[string]string{"physnet1": "br-phys"}, TunnelTypes: []model.NetworkType{model.VXLAN},
		TunnelIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(n%250 + 1)}), IntegrationBridge: "br-int", DatapathType: "system",
		AdminStateUp: true, CreatedAt: s.now, StartedAt: s.now, HeartbeatAt: s.now.Add(time.Hour), InSync: true, Devices: 12,
	}
	for _, f := range change {
		f(a)
	}
	s.put(func(u *records.Update) { records.Agents.Put(u, a) })
}

// Network adds a network with one subnet.
func (s *Seed) Network(name, project, cidr string, change ...func(*model.Network)) (*model.Network, *model.Subnet) {
	n := &model.Network{
		Meta: s.meta(name, project), AdminStateUp: true, PortSecurityEnabled: true, MTU: 1450,
		Segment: model.Segment{Type: model.VXLAN, ID: uint32(1000 + len(s.puts))},
	}
	for _, f := range change {
		f(n)
	}
	s.Networks[name] = n.ID
	p := netip.MustParsePrefix(cidr)
	sub := &model.Subnet{
		Meta: s.meta(name+"-subnet", project), NetworkID: n.ID, IPVersion: 4, CIDR: p, Gateway: p.Addr().Next(), EnableDHCP: true,
	}
	s.put(func(u *records.Update) { records.Networks.Put(u, n); records.Subnets.Put(u, sub) })
	return n, sub
}

// External says that a network is an external one, on a physical network, for
// every project.
func (s *Seed) External(n *model.Network) {
	n.External, n.MTU, n.Segment = true, 1500, model.Segment{Type: model.Flat, PhysicalNetwork: "physnet1"}
	rule := &model.RBACPolicy{
		Meta: s.meta("", n.ProjectID), ObjectType: "network", ObjectID: n.ID, Action: model.ActionExternal, TargetProject: model.Everybody,
	}
	s.put(func(u *records.Update) { records.RBACPolicies.Put(u, rule) })
}

// Group adds a security group with the rules that everybody has at first, and SSH.
func (s *Seed) Group(name, project string) string {
	g := &model.SecurityGroup{Meta: s.meta(name, project), Stateful: true}
	s.put(func(u *records.Update) { records.SecurityGroups.Put(u, g) })
	ssh := 22
	for _, r := range []model.SecurityGroupRule{
		{Direction: "egress", EtherType: "IPv4"},
		{Direction: "egress", EtherType: "IPv6"},
		{Direction: "ingress", EtherType: "IPv4", RemoteGroupID: g.ID},
		{Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortRangeMin: &ssh, PortRangeMax: &ssh, RemoteIPPrefix: "198.51.100.0/24", NormalizedCIDR: netip.MustParsePrefix("198.51.100.0/24")},
	} {
		r.Meta, r.SecurityGroupID = s.meta("", project), g.ID
		s.put(func(u *records.Update) { records.SecurityGroupRules.Put(u, &r) })
	}
	return g.ID
}

// Port adds a port of a guest, or with an owner network:* one of the service; its
// host has wired it.
func (s *Seed) Port(sub *model.Subnet, k int, change ...func(*model.Port, *model.PortStatus)) *model.Port {
	base := sub.CIDR.Addr().As4()
	ip := binary.BigEndian.Uint32(base[:]) + uint32(k) + 2
	i := len(s.Ports)
	p := &model.Port{
		Meta: s.meta("", sub.ProjectID), NetworkID: sub.NetworkID, MAC: model.MAC{0xfa, 0x16, 0x3e, byte(i >> 16), byte(i >> 8), byte(i)},
		AdminStateUp: true, FixedIPs: []model.FixedIP{{SubnetID: sub.ID, IP: netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)})}},
		DeviceID: s.ID(), DeviceOwner: "compute:nova", VNICType: "normal", VIFType: "ovs", PortSecurityEnabled: true,
	}
	st := &model.PortStatus{PortID: p.ID, State: model.PortActive, Revision: 1, Since: s.now}
	for _, f := range change {
		f(p, st)
	}
	st.Host = p.Host
	s.Ports = append(s.Ports, p)
	s.put(func(u *records.Update) {
		records.Ports.Put(u, p)
		if p.Host != "" {
			records.PortStatuses.Put(u, st)
		}
	})
	return p
}

// Router adds a router with a gateway (nil for none) and interfaces in subnets.
func (s *Seed) Router(name string, gateway *model.Subnet, host string, subnets ...*model.Subnet) *model.Router {
	r := &model.Router{Meta: s.meta(name, subnets[0].ProjectID), AdminStateUp: true}
	owned := func(owner string) func(*model.Port, *model.PortStatus) {
		return func(p *model.Port, _ *model.PortStatus) {
			p.DeviceID, p.DeviceOwner, p.Host, p.PortSecurityEnabled = r.ID, owner, host, false
		}
	}
	if gateway != nil {
		p := s.Port(gateway, 100+s.rng.IntN(100), owned(plugin.OwnerRouterGateway))
		r.Gateway = &model.RouterGateway{NetworkID: gateway.NetworkID, PortID: p.ID, EnableSNAT: true}
	}
	for _, sub := range subnets {
		s.Port(sub, -1, owned(plugin.OwnerRouterInterface))
	}
	s.put(func(u *records.Update) {
		records.Routers.Put(u, r)
		records.RouterBindings.Put(u, &model.RouterBinding{RouterID: r.ID, Hosts: []model.RouterHost{{Host: host, Active: true, Since: s.now}}})
		records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectRouter, ID: r.ID, Host: host, State: model.ObjectActive, Revision: 1, Since: s.now})
	})
	return r
}

// Write stores the cloud in the directory of an embedded store.
func (s *Seed) Write(ctx context.Context, dir string) (err error) {
	st, err := etcd.OpenEmbedded(ctx, etcd.Embedded{Dir: dir, Log: zap.NewNop()})
	if err != nil {
		return err
	}
	defer func() {
		if e := st.Close(); err == nil {
			err = e
		}
	}()
	db, err := records.Open(ctx, st, zap.NewNop())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for some := range slices.Chunk(s.puts, 1000) {
		if _, err := db.Update(ctx, func(u *records.Update) error {
			for _, put := range some {
				put(u)
			}
			return nil
		}); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	return nil
}
