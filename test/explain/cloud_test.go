package explain

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/explain"
	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/store/mem"
)

// cloud is a random one: three networks of guests, an external one, and a router
// between them. Nothing but the router is in a packet's way.
type cloud struct {
	testing.TB
	*rand.Rand
	db     *records.DB
	engine *interest.Engine
	now    time.Time
	count  int

	router   *model.Router
	homes    []string // hosts of the router, the active one first
	ports    []*model.Port
	behind   []*model.Port // guests on the router's networks
	targets  []netip.Addr
	forwards []int // ports of floating addresses that something is forwarded of
}

const networks = 3

func newCloud(t testing.TB, seed uint64) *cloud {
	db, err := records.Open(t.Context(), mem.New(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := &cloud{TB: t, Rand: rand.New(rand.NewPCG(seed, 8)), db: db, now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	if _, err := db.Update(t.Context(), func(u *records.Update) error { c.fill(u); return nil }); err != nil {
		t.Fatal(err)
	}
	c.engine = interest.New(1000)
	db.OnApply(func(b records.Batch) {
		if b.Full {
			c.engine.Apply(b)
		}
	})
	return c
}

// one reports true once in n times.
func (c *cloud) one(n int) bool { return c.IntN(n) == 0 }

func (c *cloud) meta() model.Meta {
	c.count++
	return model.Meta{ID: fmt.Sprintf("%08x-%04x-4000-8000-000000000000", uint32(c.count)*0x9e3779b1, c.count), ProjectID: "demo", Revision: 1}
}

func (c *cloud) fill(u *records.Update) {
	for i, host := range []string{"hv1", "hv2", "net1", "net2"} {
		records.Agents.Put(u, &model.Agent{
			ID: c.meta().ID, Host: host, Roles: []string{"l2", []string{"dvr", "l3"}[i/2]}, HeartbeatAt: c.now,
			TunnelTypes: []model.NetworkType{model.VXLAN}, TunnelIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(11 + i)}), VXLANPort: 4789,
			BridgeMappings: map[string]string{"physnet1": "br-phys"}, DatapathType: "netdev",
		})
	}
	c.router = &model.Router{Meta: c.meta(), AdminStateUp: true}
	switch c.IntN(3) {
	case 0:
		c.router.Distributed, c.homes = true, []string{"net1"}
	case 1:
		c.router.HA, c.router.VRID, c.homes = true, 7, []string{"net2", "net1"}
	default:
		c.homes = []string{"net1"}
	}
	for n := 1; n <= networks; n++ {
		c.inside(u, n)
	}
	c.outside(u)
	c.routes()
	records.Routers.Put(u, c.router)
	b := &model.RouterBinding{RouterID: c.router.ID}
	for i, host := range c.homes {
		b.Hosts = append(b.Hosts, model.RouterHost{Host: host, Active: i == 0})
		records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectRouter, ID: c.router.ID, Host: host, State: model.ObjectActive, Revision: 1})
	}
	records.RouterBindings.Put(u, b)
}

// pool puts a subnet into an address scope, or none.
func (c *cloud) pool(u *records.Update, s *model.Subnet) {
	if n := c.IntN(4); n > 1 {
		s.SubnetPoolID = fmt.Sprintf("pool-%d-%d", n, s.IPVersion)
		records.SubnetPools.Put(u, &model.SubnetPool{
			Meta: model.Meta{ID: s.SubnetPoolID}, IPVersion: s.IPVersion, AddressScopeID: fmt.Sprintf("scope-%d-%d", n, s.IPVersion),
		})
	}
}

func (c *cloud) network(u *records.Update, n int, external bool) *model.Network {
	net := &model.Network{Meta: c.meta(), AdminStateUp: true, MTU: 1450, External: external, Segment: model.Segment{Type: model.VXLAN, ID: uint32(100 + n)}}
	if external || c.one(3) {
		net.Segment = model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: uint32(100 + n)}
	}
	records.Networks.Put(u, net)
	return net
}

func (c *cloud) subnet(u *records.Update, net *model.Network, cidr string) *model.Subnet {
	p := netip.MustParsePrefix(cidr)
	s := &model.Subnet{Meta: c.meta(), NetworkID: net.ID, IPVersion: 4, CIDR: p, Gateway: p.Addr().Next()}
	if p.Addr().Is6() {
		s.IPVersion = 6
	}
	c.pool(u, s)
	records.Subnets.Put(u, s)
	return s
}

// at is the n-th address of a subnet.
func at(s *model.Subnet, n byte) model.FixedIP {
	b := s.CIDR.Addr().AsSlice()
	b[len(b)-1] = n
	ip, _ := netip.AddrFromSlice(b)
	return model.FixedIP{SubnetID: s.ID, IP: ip}
}

func (c *cloud) port(u *records.Update, net *model.Network, host, owner string, fixed ...model.FixedIP) *model.Port {
	p := &model.Port{
		Meta: c.meta(), NetworkID: net.ID, AdminStateUp: true, MAC: model.MAC{0xfa, 0x16, 0x3e, 0, 0, byte(c.count)},
		Host: host, VIFType: "ovs", DeviceOwner: owner, FixedIPs: fixed,
	}
	if owner != "compute:nova" {
		p.DeviceID = c.router.ID
		if c.router.HA && owner != "network:floatingip" {
			p.HAHosts = c.homes
		}
	}
	c.put(u, p)
	return p
}

func (c *cloud) put(u *records.Update, p *model.Port) {
	records.Ports.Put(u, p)
	if p.Host != "" {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: p.ID, Host: p.Host, State: model.PortActive, Revision: 1})
	}
}

// inside is a network with guests, which the router may be on.
func (c *cloud) inside(u *records.Update, n int) {
	net := c.network(u, n, false)
	four, six := c.subnet(u, net, fmt.Sprintf("10.%d.0.0/24", n)), c.subnet(u, net, fmt.Sprintf("fd00:%d::/64", n))
	owner := "network:router_interface"
	if c.router.Distributed {
		owner = "network:router_interface_distributed"
	}
	joined := !c.one(8)
	if joined {
		c.port(u, net, c.homes[0], owner, at(four, 1))
		c.port(u, net, c.homes[0], owner, at(six, 1))
		c.targets = append(c.targets, at(four, 1).IP)
	}
	for i := range byte(2) {
		g := c.port(u, net, []string{"hv1", "hv2"}[c.IntN(2)], "compute:nova", at(four, 11+i), at(six, 11+i))
		if c.ports = append(c.ports, g); joined {
			c.behind = append(c.behind, g)
		}
		c.targets = append(c.targets, g.FixedIPs[0].IP, g.FixedIPs[0].IP, g.FixedIPs[1].IP)
	}
}

// outside is the external network, the way there, floating addresses, and a guest
// on it that stands for the world.
func (c *cloud) outside(u *records.Update) {
	net := c.network(u, 9, true)
	four, six := c.subnet(u, net, "203.0.113.0/24"), c.subnet(u, net, "2001:db8::/64")
	world := c.port(u, net, "hv1", "compute:nova", at(four, 150), at(six, 150))
	c.ports = append(c.ports, world)
	c.targets = append(c.targets, world.FixedIPs[0].IP, world.FixedIPs[1].IP, netip.MustParseAddr("192.0.2.1"),
		netip.MustParseAddr("203.0.113.200"), netip.MustParseAddr("198.18.0.9"), netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("172.17.0.1"))
	if c.one(2) {
		c.subnet(u, net, "198.51.100.0/24")
		c.targets = append(c.targets, netip.MustParseAddr("198.51.100.7"))
	}
	if c.one(6) {
		return
	}
	gw := c.port(u, net, c.homes[0], "network:router_gateway", at(four, 10), at(six, 10))
	c.router.Gateway = &model.RouterGateway{NetworkID: net.ID, PortID: gw.ID, EnableSNAT: !c.one(3)}
	c.targets = append(c.targets, gw.FixedIPs[0].IP)
	for i := range min(c.IntN(4), len(c.behind)) {
		c.floating(u, net, at(four, byte(20+i)))
	}
}

// floating makes a floating address, that stands for a guest or of which ports are
// forwarded.
func (c *cloud) floating(u *records.Update, net *model.Network, ip model.FixedIP) {
	guest := c.behind[c.IntN(len(c.behind))]
	keeps := c.port(u, net, "", "network:floatingip", ip)
	keeps.DeviceID = "floating"
	f := &model.FloatingIP{Meta: c.meta(), FloatingNetworkID: net.ID, FloatingIP: ip.IP, FloatingPortID: keeps.ID, RouterID: c.router.ID}
	c.targets = append(c.targets, ip.IP, ip.IP, ip.IP)
	if c.one(3) {
		for i := range 1 + c.IntN(3) {
			c.forward(u, f, 100*(i+1), guest)
		}
	} else if c.unused(u, guest) {
		f.PortID, f.FixedIP, f.SubnetID = guest.ID, guest.FixedIPs[0].IP, guest.FixedIPs[0].SubnetID
		if c.router.Distributed && !c.one(4) {
			f.Host, keeps.Host = guest.Host, guest.Host
		}
	}
	c.put(u, keeps)
	records.FloatingIPs.Put(u, f)
	for _, host := range append(c.homes, f.Host) {
		records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectFloatingIP, ID: f.ID, Host: host, State: model.ObjectActive, Revision: 1})
	}
}

// unused reports whether no floating address stands for the guest.
func (c *cloud) unused(u *records.Update, guest *model.Port) bool {
	for range records.FloatingIPsByPort.Get(u.Peek(), guest.ID) {
		return false
	}
	return true
}

func (c *cloud) forward(u *records.Update, f *model.FloatingIP, first int, guest *model.Port) {
	external := model.PortRange{First: first, Last: first + c.IntN(3)}
	internal := model.PortRange{First: 80, Last: 80}
	switch c.IntN(3) {
	case 0:
		internal = external
	case 1:
		internal = model.PortRange{First: 5000, Last: 5000 + external.Len() - 1}
	}
	for port := external.First; port <= external.Last; port++ {
		c.forwards = append(c.forwards, port)
	}
	records.PortForwardings.Put(u, &model.PortForwarding{
		Meta: c.meta(), FloatingIPID: f.ID, Protocol: []string{"tcp", "udp"}[c.IntN(2)], External: external, Internal: internal,
		PortID: guest.ID, InternalIP: guest.FixedIPs[0].IP, SubnetID: guest.FixedIPs[0].SubnetID, RouterID: c.router.ID,
	})
}

// routes gives the router routes of its own, and destinations to which nothing is
// translated.
func (c *cloud) routes() {
	for dst, hops := range map[string][]string{
		"172.16.0.0/24": {"10.1.0.12", "203.0.113.150", "10.2.0.99"}, "172.17.0.0/16": {"10.2.0.11", "203.0.113.200"},
		"172.17.0.0/24": {"10.3.0.12"}, "0.0.0.0/0": {"203.0.113.150", "10.1.0.11"}, "198.51.100.0/25": {"203.0.113.150"},
	} {
		if c.one(4) {
			c.router.Routes = append(c.router.Routes, model.HostRoute{Destination: netip.MustParsePrefix(dst), NextHop: netip.MustParseAddr(hops[c.IntN(len(hops))])})
		}
	}
	for _, p := range []string{"203.0.113.128/25", "198.18.0.0/15", "192.0.2.0/24", "0.0.0.0/0"} {
		if c.one(6) {
			c.router.NATExempt = append(c.router.NATExempt, netip.MustParsePrefix(p))
		}
	}
}

// explain asks what becomes of a packet.
func (c *cloud) explain(q explain.Question) (a *explain.Answer) {
	err := c.db.Read(c.Context(), func(r records.Reader) error {
		from, _ := records.Ports.Get(r, q.From)
		to, err := explain.FindPort(r, "to", q.To, func(*model.Port) bool { return true })
		if err != nil {
			return err
		}
		a, err = explain.Explain(c.Context(), explain.World{Reader: r, Records: c.told, Now: c.now, DownTime: time.Minute}, q, from, to)
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	return a
}

// told is what a host is sent.
func (c *cloud) told(_ context.Context, host string) (*rpc.Update, string, error) {
	u := c.engine.Snapshot(host)
	u.Settings.L2Population = true
	return u, "", nil
}
