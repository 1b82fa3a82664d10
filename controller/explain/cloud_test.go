package explain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/store/mem"
)

// cloud is the records of a cloud, in which everything is realised unless a test
// says otherwise, and the engine that knows what hosts are sent.
type cloud struct {
	testing.TB
	db     *records.DB
	engine *interest.Engine
	behind map[string]string // host → what it has not confirmed
	now    time.Time
	ports  int
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	db, err := records.Open(t.Context(), mem.New(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := &cloud{TB: t, db: db, behind: map[string]string{}, now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	for i, host := range []string{"hv1", "hv2", "net1"} {
		roles := []string{"l2"}
		if host == "net1" {
			roles = append(roles, "l3")
		}
		c.put(func(u *records.Update) {
			records.Agents.Put(u, &model.Agent{
				ID: "a0000000-0000-4000-8000-00000000000" + fmt.Sprint(i), Host: host, Roles: roles, HeartbeatAt: c.now,
				TunnelTypes: []model.NetworkType{model.VXLAN}, TunnelIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(11 + i)}), VXLANPort: 4789,
				BridgeMappings: map[string]string{"physnet1": "br-phys"}, IntegrationBridge: "br-int", DatapathType: "netdev",
			})
		})
	}
	return c
}

// put changes records.
func (c *cloud) put(fn func(*records.Update)) {
	c.Helper()
	if _, err := c.db.Update(c.Context(), func(u *records.Update) error { fn(u); return nil }); err != nil {
		c.Fatal(err)
	}
	c.engine = nil
}

// id makes the UUID of object n of a kind, whose digits in cookies are its own.
func id(kind string, n int) string {
	return fmt.Sprintf("%s%04x-%04x-4000-8000-000000000000", kind, n, n)
}

func (c *cloud) network(n int, s model.Segment, change ...func(*model.Network)) *model.Network {
	net := &model.Network{
		Meta: model.Meta{ID: id("4e00", n), Name: fmt.Sprintf("net%d", n), ProjectID: "demo"}, AdminStateUp: true, PortSecurityEnabled: true, MTU: 1450, Segment: s,
	}
	for _, f := range change {
		f(net)
	}
	c.put(func(u *records.Update) { records.Networks.Put(u, net) })
	return net
}

// subnet makes a subnet whose gateway is its first address.
func (c *cloud) subnet(n, network int, cidr string, change ...func(*model.Subnet)) *model.Subnet {
	p := netip.MustParsePrefix(cidr)
	s := &model.Subnet{
		Meta: model.Meta{ID: id("5b00", n), Name: fmt.Sprintf("subnet%d", n), ProjectID: "demo"}, NetworkID: id("4e00", network),
		IPVersion: 4, CIDR: p.Masked(), Gateway: p.Addr().Next(),
	}
	if p.Addr().Is6() {
		s.IPVersion = 6
	}
	for _, f := range change {
		f(s)
	}
	c.put(func(u *records.Update) { records.Subnets.Put(u, s) })
	return s
}

// port makes a port that its host has wired. ips are fixed addresses, each with
// the number of its subnet: "1 10.0.0.5".
func (c *cloud) port(name string, network int, host string, ips []string, change ...func(*model.Port)) *model.Port {
	c.Helper()
	c.ports++
	p := &model.Port{
		Meta: model.Meta{ID: id("9000", c.ports), Name: name, ProjectID: "demo", Revision: 3}, NetworkID: id("4e00", network), AdminStateUp: true,
		MAC: model.MAC{0xfa, 0x16, 0x3e, 0, byte(c.ports >> 8), byte(c.ports)}, Host: host, VIFType: "ovs", PortSecurityEnabled: true, DeviceOwner: "compute:nova",
	}
	for _, text := range ips {
		var subnet int
		var ip string
		if _, err := fmt.Sscan(text, &subnet, &ip); err != nil {
			c.Fatal(text, err)
		}
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: id("5b00", subnet), IP: netip.MustParseAddr(ip)})
	}
	for _, f := range change {
		f(p)
	}
	state := model.PortActive
	if !p.AdminStateUp {
		state = model.PortDown
	}
	c.put(func(u *records.Update) {
		records.Ports.Put(u, p)
		if p.Host != "" {
			records.PortStatuses.Put(u, &model.PortStatus{PortID: p.ID, Host: p.Host, State: state, Revision: p.Revision})
		}
	})
	return p
}

func (c *cloud) status(p *model.Port, state model.PortState, revision int64, text string) {
	c.put(func(u *records.Update) {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: p.ID, Host: p.Host, State: state, Revision: revision, Error: text})
	})
}

func in(groups ...int) func(*model.Port) {
	return func(p *model.Port) {
		for _, n := range groups {
			p.SecurityGroups = append(p.SecurityGroups, id("5c00", n))
		}
	}
}

// group makes a group of rules in words: "ingress IPv4 tcp 80-90 10.0.0.0/8", or
// "group=2" in the place of the prefix.
func (c *cloud) group(n int, rules ...string) {
	c.Helper()
	c.put(func(u *records.Update) {
		records.SecurityGroups.Put(u, &model.SecurityGroup{Meta: model.Meta{ID: id("5c00", n), Name: fmt.Sprintf("group%d", n), ProjectID: "demo"}, Stateful: true})
		for i, words := range rules {
			records.SecurityGroupRules.Put(u, c.rule(n, i+1, words))
		}
	})
}

func ruleID(group, n int) string {
	return fmt.Sprintf("b100%02x%02x-%02x%02x-4000-8000-000000000000", group, n, group, n)
}

func (c *cloud) rule(group, n int, words string) *model.SecurityGroupRule {
	r := &model.SecurityGroupRule{Meta: model.Meta{ID: ruleID(group, n), ProjectID: "demo"}, SecurityGroupID: id("5c00", group)}
	for i, word := range strings.Fields(words) {
		var from, to, remote int
		switch {
		case i == 0:
			r.Direction = word
		case i == 1:
			r.EtherType = word
		case strings.Contains(word, "/"):
			r.RemoteIPPrefix, r.NormalizedCIDR = word, netip.MustParsePrefix(word)
		case strings.HasPrefix(word, "group="):
			_, _ = fmt.Sscanf(word, "group=%d", &remote)
			r.RemoteGroupID = id("5c00", remote)
		case strings.Contains(word, "-") && r.Protocol != "":
			_, _ = fmt.Sscanf(word, "%d-%d", &from, &to)
			r.PortRangeMin, r.PortRangeMax = &from, &to
		default:
			r.Protocol = word
		}
	}
	return r
}

// router makes a router that its host has, with an interface in each subnet: its
// address is the subnet's gateway.
func (c *cloud) router(n int, host string, interfaces map[int]*model.Subnet, change ...func(*model.Router)) *model.Router {
	r := &model.Router{Meta: model.Meta{ID: id("4000", n), Name: fmt.Sprintf("router%d", n), ProjectID: "demo", Revision: 5}, AdminStateUp: true}
	for _, f := range change {
		f(r)
	}
	for network, s := range interfaces {
		c.port(fmt.Sprintf("router%d-%d", n, network), network, host, nil, func(p *model.Port) {
			p.DeviceID, p.DeviceOwner, p.PortSecurityEnabled = r.ID, ownerInterface, false
			if r.Distributed {
				p.DeviceOwner = ownerDistributed
			}
			p.FixedIPs = []model.FixedIP{{SubnetID: s.ID, IP: s.Gateway}}
		})
	}
	c.put(func(u *records.Update) {
		records.Routers.Put(u, r)
		records.RouterBindings.Put(u, &model.RouterBinding{RouterID: r.ID, Hosts: []model.RouterHost{{Host: host, Active: true}}})
		records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectRouter, ID: r.ID, Host: host, State: model.ObjectActive, Revision: r.Revision})
	})
	return r
}

// gateway gives a router a way out.
func (c *cloud) gateway(r *model.Router, network int, host, ip string, snat bool) {
	p := c.port("gateway", network, host, []string{ip}, func(p *model.Port) {
		p.DeviceID, p.DeviceOwner, p.PortSecurityEnabled, p.ProjectID = r.ID, ownerGateway, false, ""
	})
	with := *r
	with.Gateway = &model.RouterGateway{NetworkID: p.NetworkID, PortID: p.ID, EnableSNAT: snat}
	*r = with
	c.put(func(u *records.Update) { records.Routers.Put(u, &with) })
}

// floating gives a port a floating address.
func (c *cloud) floating(n int, r *model.Router, network int, ip string, p *model.Port) *model.FloatingIP {
	keeps := c.port("floating", network, "", []string{ip}, func(k *model.Port) { k.DeviceOwner, k.Host = ownerFloating, "" })
	f := &model.FloatingIP{
		Meta: model.Meta{ID: id("f100", n), ProjectID: "demo", Revision: 2}, FloatingNetworkID: id("4e00", network), FloatingIP: keeps.FixedIPs[0].IP,
		FloatingPortID: keeps.ID, RouterID: r.ID,
	}
	if p != nil {
		f.PortID, f.FixedIP, f.SubnetID = p.ID, p.FixedIPs[0].IP, p.FixedIPs[0].SubnetID
	}
	b := "net1"
	c.put(func(u *records.Update) {
		records.FloatingIPs.Put(u, f)
		records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectFloatingIP, ID: f.ID, Host: b, State: model.ObjectActive, Revision: 2})
	})
	return f
}

// told is what a host is sent.
func (c *cloud) told(_ context.Context, host string) (*rpc.Update, string, error) {
	u := c.engine.Snapshot(host)
	u.Settings.L2Population = true
	return u, c.behind[host], nil
}

// try explains, and gives what went wrong.
func (c *cloud) try(q Question) (a *Answer, err error) {
	c.Helper()
	if c.engine == nil {
		c.engine = interest.New(1000)
		c.db.OnApply(func(b records.Batch) {
			if b.Full {
				c.engine.Apply(b)
			}
		})
	}
	err = c.db.Read(c.Context(), func(r records.Reader) error {
		all := func(*model.Port) bool { return true }
		from, err := FindPort(r, "from", q.From, all)
		if err != nil {
			return err
		}
		if from == nil {
			return errors.New("no port")
		}
		var to *model.Port
		if q.To != "" {
			if to, err = FindPort(r, "to", q.To, all); err != nil {
				return err
			}
		}
		a, err = Explain(c.Context(), World{Reader: r, Records: c.told, Now: c.now, DownTime: time.Minute}, q, from, to)
		return err
	})
	return a, err
}

func (c *cloud) explain(q Question) *Answer {
	c.Helper()
	a, err := c.try(q)
	if err != nil {
		c.Fatal(err)
	}
	return a
}

// line is an answer in short: verdict, direction, reason, deciding object.
func (a *Answer) line() string {
	d := a.Decision
	if d == nil {
		return string(a.Verdict) + " without decision"
	}
	name := "-"
	if d.Object != nil {
		name = d.Object.Kind + " " + d.Object.Name
		if d.Object.Name == "" {
			name = d.Object.Kind + " " + d.Object.ID
		}
	}
	return fmt.Sprintf("%s %s %s %s", a.Verdict, d.Direction, d.Reason, name)
}

func (a *Answer) way() string {
	var b strings.Builder
	fmt.Fprintln(&b, a.Text)
	for i, list := range [][]Step{a.Forward, a.Reply} {
		fmt.Fprintln(&b, [2]string{"forward", "reply"}[i])
		for _, s := range list {
			fmt.Fprintf(&b, "  %s %s: %s | %s\n", s.Kind, s.Host, s.Packet, s.Text)
			for _, f := range s.Tables {
				fmt.Fprintf(&b, "      %s %d %s: %s\n", f.Bridge, f.Table, f.Name, f.Text)
			}
		}
	}
	for _, p := range a.Pending {
		fmt.Fprintf(&b, "pending %s: %s\n", p.Host, p.Text)
	}
	return b.String()
}
