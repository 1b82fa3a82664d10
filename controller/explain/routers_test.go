package explain

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func TestRoutersAreExplained(t *testing.T) {
	web := func(port int) Question { return Question{From: "a", To: "web", Protocol: "tcp", Port: port} }
	router := func(c *cloud, change func(*model.Router)) {
		c.put(func(u *records.Update) {
			r, _ := records.Routers.Get(u, id("4000", 1))
			with := *r
			change(&with)
			records.Routers.Put(u, &with)
		})
	}
	out := Question{From: "a", To: "198.51.100.1"}
	for _, tc := range []struct {
		name   string
		change func(*cloud)
		q      Question
		want   string
	}{
		{"a router that is down", func(c *cloud) {
			router(c, func(r *model.Router) { r.AdminStateUp = false })
		}, web(80), "dropped forward router_down router router1"},
		{"a router on no host", func(c *cloud) {
			c.put(func(u *records.Update) {
				for p := range records.PortsByDevice.Get(u.Peek(), id("4000", 1)) {
					with := *p
					with.Host = ""
					records.Ports.Put(u, &with)
				}
				records.RouterBindings.Delete(u, id("4000", 1))
			})
		}, web(80), "dropped forward router_not_realized router router1"},
		{"a router that its host has not made", func(c *cloud) {
			c.put(func(u *records.Update) { records.ObjectStatuses.Delete(u, "router:"+id("4000", 1)+":net1") })
		}, web(80), "dropped forward router_not_realized router router1"},
		{"no gateway", func(c *cloud) {
			router(c, func(r *model.Router) { r.Gateway = nil })
		}, out, "dropped forward no_gateway router router1"},
		{"a gateway without a way on", func(c *cloud) {
			c.subnet(9, 9, "203.0.113.0/24", func(s *model.Subnet) { s.Gateway = netip.Addr{} })
		}, out, "dropped forward no_route router router1"},
		{"a route of its own", func(c *cloud) {
			router(c, func(r *model.Router) {
				r.Routes = []model.HostRoute{{Destination: netip.MustParsePrefix("192.168.0.0/16"), NextHop: netip.MustParseAddr("10.2.0.11")}}
			})
		}, Question{From: "a", To: "192.168.1.1", Protocol: "tcp", Port: 80}, "dropped reply port_security port web"},
		{"a subnet without gateway", func(c *cloud) {
			c.subnet(1, 1, "10.1.0.0/24", func(s *model.Subnet) { s.Gateway = netip.Addr{} })
		}, web(80), "dropped forward no_gateway subnet subnet1"},
		{"a gateway that no router is", func(c *cloud) {
			c.subnet(1, 1, "10.1.0.0/24", func(s *model.Subnet) { s.Gateway = netip.MustParseAddr("10.1.0.250") })
		}, web(80), "dropped forward no_gateway subnet subnet1"},
		{"a host route", func(c *cloud) {
			c.subnet(1, 1, "10.1.0.0/24", func(s *model.Subnet) {
				s.Gateway = netip.Addr{}
				s.HostRoutes = []model.HostRoute{{Destination: netip.MustParsePrefix("10.2.0.0/16"), NextHop: netip.MustParseAddr("10.1.0.1")}}
			})
		}, web(80), "passes forward delivered security_group_rule " + ruleID(2, 2)},
		{"an address of no port, forwarded", func(c *cloud) {
			r := &model.Router{Meta: model.Meta{ID: id("4000", 1)}}
			c.floating(7, r, 9, "9 203.0.113.70", nil)
			c.forward(1, 7, 8080, 22, "10.1.0.11")
		}, Question{From: "web", To: "203.0.113.70", Protocol: "tcp", Port: 8080}, "passes forward delivered security_group_rule " + ruleID(1, 2)},
		{"a port that is not forwarded", func(c *cloud) {
			r := &model.Router{Meta: model.Meta{ID: id("4000", 1)}}
			c.floating(7, r, 9, "9 203.0.113.70", nil)
			c.forward(1, 7, 8080, 22, "10.1.0.11")
		}, Question{From: "web", To: "203.0.113.70", Protocol: "tcp", Port: 8081}, "dropped forward not_forwarded floatingip " + id("f100", 7)},
		{"a floating address of nothing", func(c *cloud) {
			c.floating(7, &model.Router{}, 9, "9 203.0.113.70", nil)
		}, Question{From: "web", To: "203.0.113.70"}, "dropped forward unknown_destination floatingip " + id("f100", 7)},
		{"from one address scope into another", func(c *cloud) {
			c.scope(2, "blue")
		}, web(80), "dropped forward address_scope router router1"},
		{"two routers that send to each other", func(c *cloud) {
			s1, s2 := c.subnet(1, 1, "10.1.0.0/24"), c.subnet(2, 2, "10.2.0.0/24")
			_ = s2
			away := netip.MustParsePrefix("172.16.0.0/12")
			c.router(2, "net1", map[int]*model.Subnet{1: {Meta: model.Meta{ID: s1.ID}, Gateway: netip.MustParseAddr("10.1.0.2")}}, func(r *model.Router) {
				r.Routes = []model.HostRoute{{Destination: away, NextHop: netip.MustParseAddr("10.1.0.1")}}
			})
			router(c, func(r *model.Router) {
				r.Routes = []model.HostRoute{{Destination: away, NextHop: netip.MustParseAddr("10.1.0.2")}}
			})
		}, Question{From: "a", To: "172.16.0.1"}, "dropped forward loop network net1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := usual(t)
			tc.change(c)
			if a := c.explain(tc.q); a.line() != tc.want {
				t.Errorf("%s, want %s\n%s", a.line(), tc.want, a.way())
			}
		})
	}
}

// forward sends a TCP port of floating address n to a port of an address.
func (c *cloud) forward(n, floating, external, internal int, ip string) {
	c.put(func(u *records.Update) {
		f, _ := records.FloatingIPs.Get(u, id("f100", floating))
		records.PortForwardings.Put(u, &model.PortForwarding{
			Meta: model.Meta{ID: id("f200", n), ProjectID: "demo"}, FloatingIPID: f.ID, Protocol: "tcp", RouterID: f.RouterID, SubnetID: id("5b00", 1),
			External: model.PortRange{First: external, Last: external}, Internal: model.PortRange{First: internal, Last: internal}, InternalIP: netip.MustParseAddr(ip),
		})
	})
}

// scope puts a subnet into an address scope.
func (c *cloud) scope(subnet int, name string) {
	c.put(func(u *records.Update) {
		records.SubnetPools.Put(u, &model.SubnetPool{Meta: model.Meta{ID: "pool-" + name}, IPVersion: 4, AddressScopeID: name})
		s, _ := records.Subnets.Get(u, id("5b00", subnet))
		with := *s
		with.SubnetPoolID = "pool-" + name
		records.Subnets.Put(u, &with)
	})
}

func TestWithoutSNATTheOutsideNeedsARoute(t *testing.T) {
	c := usual(t)
	c.put(func(u *records.Update) {
		r, _ := records.Routers.Get(u, id("4000", 1))
		with := *r
		with.Gateway = &model.RouterGateway{NetworkID: r.Gateway.NetworkID, PortID: r.Gateway.PortID}
		records.Routers.Put(u, &with)
	})
	a := c.explain(Question{From: "a", To: "198.51.100.1"})
	if a.Verdict != Leaves || len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "a route to 10.1.0.11 by 203.0.113.10") {
		t.Errorf("%s: %v", a.line(), a.Warnings)
	}
}

func TestWhatHostsAreBehindWithIsPending(t *testing.T) {
	c := usual(t)
	if a := c.explain(Question{From: "a", To: "web", Protocol: "tcp", Port: 80}); len(a.Pending)+len(a.Warnings) > 0 {
		t.Fatalf("pending %v, warnings %v", a.Pending, a.Warnings)
	}
	var web *model.Port
	_ = c.db.ReadStale(func(r records.Reader) error {
		for p := range records.PortsByName.Get(r, "web") {
			web = p
		}
		return nil
	})
	c.status(web, model.PortActive, web.Revision-1, "")
	c.put(func(u *records.Update) {
		records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectRouter, ID: id("4000", 1), Host: "net1", State: model.ObjectActive, Revision: 4})
	})
	c.behind["hv1"] = "the host has not confirmed"
	a := c.explain(Question{From: "a", To: "web", Protocol: "tcp", Port: 80})
	var got []string
	for _, p := range a.Pending {
		got = append(got, p.Host+": "+p.Text)
	}
	slices.Sort(got)
	want := []string{
		"hv1: the host has not confirmed",
		"hv2: the host has not applied revision 3 of the port yet, it has 2",
		"net1: the host has not applied revision 5 of it yet, it has 4",
	}
	if !slices.Equal(got, want) {
		t.Errorf("pending %q, want %q", got, want)
	}
	c.now = c.now.Add(1e12)
	if a = c.explain(Question{From: "a", To: "b"}); len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "host hv1 has an agent that has been silent") {
		t.Errorf("warnings %q", a.Warnings)
	}
}

func TestTheNearestRuleDiffersInTheLeast(t *testing.T) {
	c := usual(t)
	for _, tc := range []struct {
		q             Question
		rule, differs string
	}{
		{Question{From: "a", To: "c", Protocol: "tcp", Port: 443}, ruleID(1, 2), "port_range"},
		{Question{From: "a", To: "c", Protocol: "udp", Port: 22}, ruleID(1, 2), "protocol"},
		{Question{From: "strict", To: "c", Protocol: "tcp", Port: 22}, ruleID(3, 1), "port_range"},
		{Question{From: "strict", To: "c"}, ruleID(3, 1), "protocol"},
		{Question{From: "strict", To: "web", Protocol: "tcp", Port: 80}, "", ""},
		{Question{From: "open", To: "web", Protocol: "tcp", Port: 100}, ruleID(2, 3), "remote_group_id"},
	} {
		a, rule, differs := c.explain(tc.q), "", ""
		if a.Nearest != nil {
			rule, differs = a.Nearest.Rule.ID, strings.Join(a.Nearest.Differs, " ")
		}
		if rule != tc.rule || differs != tc.differs {
			t.Errorf("%+v: nearest is %s by %q, want %s by %q\n%s", tc.q, rule, differs, tc.rule, tc.differs, a.way())
		}
	}
	a := c.explain(Question{From: "a", To: "c", Protocol: "tcp", Port: 443})
	if want := "openstack security group rule create --ingress --ethertype IPv4 --protocol tcp --dst-port 443 --remote-ip 10.1.0.11/32 " + id("5c00", 1); a.Advice != want {
		t.Errorf("advice is %q, want %q", a.Advice, want)
	}
}

func TestAPortIsNamedByWhatMeansOnlyIt(t *testing.T) {
	c := usual(t)
	a := c.explain(Question{From: "a", To: "b"}).From.ID
	for text, want := range map[string]string{
		a: "", "a": "", "10.1.0.11": "", a[:9]: "", "9000": "several", "gate": "no port", "nobody": "no port", a[:3]: "no port", "10.9.9.9": "no port",
	} {
		got, err := c.try(Question{From: text, To: "b"})
		switch {
		case want == "" && (err != nil || got.From.ID != a):
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
