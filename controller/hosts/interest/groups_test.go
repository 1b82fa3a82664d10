package interest

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func aRule(id, group, remote string) *model.SecurityGroupRule {
	return &model.SecurityGroupRule{
		Meta: model.Meta{ID: id}, SecurityGroupID: group, RemoteGroupID: remote, Direction: "ingress", EtherType: "IPv4",
	}
}

// newGroupScene adds to the scene: a1 on hv1 is in group web, which admits group
// db by rule r-db and the addresses of group office; v3 on hv3 is in db, which
// admits nobody; b2 on hv2 is in no group. Router r is on hv3 with b3 as its
// interface, and hv1 serves net-b.
func newGroupScene(t *testing.T) *scene {
	t.Helper()
	s := newScene(t)
	in := func(id string, groups ...string) records.Change {
		p := *s.ports[id]
		p.SecurityGroups = groups
		p.FixedIPs = []model.FixedIP{{SubnetID: "s", IP: netip.MustParseAddr("10.0.0.1")}}
		return s.setPort(id, &p)
	}
	office := aRule("r-office", "web", "")
	office.RemoteAddressGroupID = "office"
	b3 := *s.ports["b3"]
	b3.DeviceOwner, b3.DeviceID = "network:router_interface", "r"
	s.engine.Apply(records.Batch{Revision: 2, Changes: []records.Change{
		s.setGroup("web", &model.SecurityGroup{Meta: model.Meta{ID: "web"}}),
		s.setGroup("db", &model.SecurityGroup{Meta: model.Meta{ID: "db"}}),
		s.setAddressGroup("office", &model.AddressGroup{Meta: model.Meta{ID: "office"}}),
		s.setRule("r-db", aRule("r-db", "web", "db")), s.setRule("r-office", office),
		in("a1", "web"), in("v3", "db"),
		s.setPort("b3", &b3), s.setRouter("r", &model.Router{Meta: model.Meta{ID: "r"}}),
		s.setRouterHosts("r", &model.RouterBinding{RouterID: "r", Hosts: []model.RouterHost{{Host: "hv3", Active: true}}}),
		s.setDHCPHosts("net-b", &model.DHCPBinding{NetworkID: "net-b", Hosts: []model.DHCPHost{{Host: "hv1", PortID: "d"}}}),
	}})
	for _, f := range s.feeds {
		s.engine.Next(f)
	}
	return s
}

func TestGroupsAndServicesReachTheHostsThatNeedThem(t *testing.T) {
	readdress := func(p *model.Port) *model.Port {
		q := *p
		q.FixedIPs = []model.FixedIP{{SubnetID: "s", IP: netip.MustParseAddr("10.0.0.2")}}
		return &q
	}
	regroup := func(p *model.Port, groups ...string) *model.Port { q := *p; q.SecurityGroups = groups; return &q }
	tests := []struct {
		name   string
		change func(*scene) records.Change
		want   map[string][]string
	}{
		{
			"a rule is told to the hosts with a port in its group, alone",
			func(s *scene) records.Change { return s.setRule("r-new", aRule("r-new", "web", "")) },
			map[string][]string{"hv1": {"+security group rule r-new"}},
		},
		{
			"a rule that names a group brings its members",
			func(s *scene) records.Change { return s.setRule("r-self", aRule("r-self", "web", "web")) },
			map[string][]string{"hv1": {"+security group member web/a1", "+security group rule r-self"}},
		},
		{
			"a rule that goes takes the members along",
			func(s *scene) records.Change { return s.setRule("r-db", nil) },
			map[string][]string{"hv1": {"-security group member db/v3", "-security group rule r-db"}},
		},
		{
			"one more member of a group that is named as remote is one record",
			func(s *scene) records.Change { return s.setPort("b2", regroup(s.ports["b2"], "db")) },
			map[string][]string{
				"hv1": {"+security group member db/b2"},
				"hv2": {"+port b2", "+security group db"},
			},
		},
		{
			"a member's new address is told where it counts",
			func(s *scene) records.Change { return s.setPort("v3", readdress(s.ports["v3"])) },
			map[string][]string{"hv1": {"+port v3", "+security group member db/v3"}, "hv3": {"+port v3"}},
		},
		{
			"an unbound port is a member too",
			func(s *scene) records.Change { return s.setPort("unbound", regroup(s.ports["unbound"], "db")) },
			map[string][]string{"hv1": {"+security group member db/unbound"}},
		},
		{
			"a port that leaves its group takes all of it from its host",
			func(s *scene) records.Change { return s.setPort("a1", regroup(s.ports["a1"])) },
			map[string][]string{"hv1": {
				"+port a1", "-address group office", "-security group member db/v3", "-security group rule r-db",
				"-security group rule r-office", "-security group web",
			}},
		},
		{
			"an address group is told to the hosts whose rules name it",
			func(s *scene) records.Change {
				return s.setAddressGroup("office", &model.AddressGroup{Meta: model.Meta{ID: "office", Revision: 2}})
			},
			map[string][]string{"hv1": {"+address group office"}},
		},
		{
			"a group nobody uses is told to nobody",
			func(s *scene) records.Change { return s.setRule("r-x", aRule("r-x", "other", "db")) },
			nil,
		},
		{
			"a floating IP is told to its router's host",
			func(s *scene) records.Change {
				return s.setFloatingIP("f", &model.FloatingIP{Meta: model.Meta{ID: "f"}, RouterID: "r"})
			},
			map[string][]string{"hv3": {"+floating ip f"}},
		},
		{
			"a gateway brings its network",
			func(s *scene) records.Change {
				return s.setRouter("r", &model.Router{Meta: model.Meta{ID: "r"}, Gateway: &model.RouterGateway{NetworkID: "net-a"}})
			},
			map[string][]string{"hv3": {"+network net-a", "+router r", "+subnet sub-a"}},
		},
		{
			"a router that moves takes its interfaces and networks along",
			func(s *scene) records.Change {
				return s.setRouterHosts("r", &model.RouterBinding{RouterID: "r", Hosts: []model.RouterHost{{Host: "hv2"}}})
			},
			map[string][]string{
				"hv2": {"+router binding r", "+router r"}, // b3 and net-b it knows already
				"hv3": {"-router binding r", "-router r"},
			},
		},
		{
			"a distributed router is told to the hosts of guests on its network",
			func(s *scene) records.Change {
				q := *s.ports["b3"]
				q.DeviceOwner = "network:router_interface_distributed"
				return s.setPort("b3", &q)
			},
			map[string][]string{
				"hv1": {"+port b3"},
				"hv2": {"+port b3", "+router binding r", "+router r"},
				"hv3": {"+port b3"},
			},
		},
		{
			"an unbound port is told to the DHCP server of its network",
			func(s *scene) records.Change { return s.setPort("b9", aPort("b9", "net-b", "")) },
			map[string][]string{"hv1": {"+port b9"}},
		},
		{
			"a network that is served no more is told",
			func(s *scene) records.Change { return s.setDHCPHosts("net-b", nil) },
			map[string][]string{"hv1": {"-dhcp binding net-b", "-network net-b", "-port b2", "-port b3", "-subnet sub-b"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newGroupScene(t)
			s.engine.Apply(records.Batch{Revision: 3, Changes: []records.Change{tt.change(s)}})
			got := map[string][]string{}
			for name, f := range s.feeds {
				if u := s.engine.Next(f); u != nil {
					got[name] = told(u)
				}
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAMemberAdmitsItsAddressesAndPairsButNotEverybody(t *testing.T) {
	p := aPort("p", "net", "hv1")
	p.FixedIPs = []model.FixedIP{{IP: netip.MustParseAddr("2001:db8::5")}, {IP: netip.MustParseAddr("10.0.0.5")}}
	p.AllowedAddressPairs = []model.AddressPair{
		{IP: netip.MustParsePrefix("10.0.0.5/32")},
		{IP: netip.MustParsePrefix("10.1.2.3/24")},
		{IP: netip.MustParsePrefix("0.0.0.0/0")},
		{IP: netip.MustParsePrefix("::/0")},
	}
	want := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.5/32"), netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("2001:db8::5/128"),
	}
	if got := memberAddresses(p); !cmp.Equal(want, got, cmpopts.EquateComparable(netip.Prefix{})) {
		t.Errorf("got %v", got)
	}
}

func TestAPortWithoutBindingIsNoHostsPortForItsServer(t *testing.T) {
	s := newGroupScene(t)
	p := aPort("b9", "net-b", "hv1")
	p.VIFType = bindingFailed
	s.engine.Apply(records.Batch{Revision: 3, Changes: []records.Change{s.setPort("b9", p)}})
	u := s.engine.Next(s.feeds["hv1"])
	if len(u.Ports) != 1 || u.Ports[0].Host != "" {
		t.Errorf("the host of a port that it could not bind was told %v", u.Ports)
	}
}
