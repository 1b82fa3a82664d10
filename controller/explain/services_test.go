package explain

import (
	"errors"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// served is the usual cloud with a DHCP server on net1 for network 1, and network 4
// of two addresses, which has no router and a server on hv2.
func served(t testing.TB) *cloud {
	c := usual(t)
	c.network(4, vxlan(104))
	for n, cidr := range map[int]string{1: "10.1.0.0/24", 4: "10.4.0.0/24"} {
		c.subnet(n, n, cidr, func(s *model.Subnet) { s.EnableDHCP = true })
	}
	c.port("lone", 4, "hv1", []string{"4 10.4.0.11"}, in(1))
	for n, host := range map[int]string{1: "net1", 4: "hv2"} {
		server := c.port("dhcp-"+host, n, host, []string{map[int]string{1: "1 10.1.0.2", 4: "4 10.4.0.2"}[n]}, func(p *model.Port) {
			p.DeviceOwner, p.PortSecurityEnabled = ownerDHCP, false
		})
		c.put(func(u *records.Update) {
			records.DHCPBindings.Put(u, &model.DHCPBinding{NetworkID: id("4e00", n), Hosts: []model.DHCPHost{{Host: host, PortID: server.ID}}})
		})
	}
	return c
}

// role gives a host's agent a role more.
func (c *cloud) role(host, role string) {
	c.put(func(u *records.Update) {
		for a := range records.AgentsByHost.Get(u.Peek(), host) {
			with := *a
			with.Roles = append([]string{role}, a.Roles...)
			records.Agents.Put(u, &with)
		}
	})
}

// local has a host answer its own guests.
func (c *cloud) local(host string) {
	c.put(func(u *records.Update) {
		for a := range records.AgentsByHost.Get(u.Peek(), host) {
			with := *a
			with.LocalMetadata = true
			records.Agents.Put(u, &with)
		}
	})
}

func TestServicesAndSizesAreExplained(t *testing.T) {
	dhcp := func(from string) Question { return Question{From: from, Protocol: "udp", Port: 67} }
	metadata := func(from string) Question {
		return Question{From: from, To: "169.254.169.254", Protocol: "tcp", Port: 80}
	}
	for _, tc := range []struct {
		name   string
		change func(*cloud)
		q      Question
		want   string
	}{
		{"a DHCP server on another host", func(*cloud) {}, dhcp("a"), "passes forward delivered port dhcp-net1"},
		{"no subnet with DHCP", func(*cloud) {}, dhcp("web"), "dropped forward no_dhcp port web"},
		{"a server that is gone", func(c *cloud) {
			c.put(func(u *records.Update) { records.DHCPBindings.Delete(u, id("4e00", 1)) })
		}, dhcp("a"), "dropped forward no_dhcp network net1"},
		{"a port that is down asks", func(*cloud) {}, dhcp("down"), "dropped forward port_down port down"},
		{"metadata by a router whose host has no proxy", func(*cloud) {}, metadata("a"), "dropped forward no_metadata port router1-1"},
		{"metadata by a router", func(c *cloud) { c.role("net1", "metadata") }, metadata("a"), "passes forward delivered router router1"},
		{"metadata of an isolated network", func(c *cloud) { c.role("hv2", "metadata") }, metadata("lone"), "passes forward delivered network net4"},
		{"metadata of nobody", func(*cloud) {}, metadata("lone"), "dropped forward no_metadata subnet subnet4"},
		{"metadata of the guest's own host, whatever rules there are", func(c *cloud) { c.role("hv2", "metadata"); c.local("hv2") }, metadata("bare"), "passes forward delivered port bare"},
		{"metadata of a host that answers others only", func(c *cloud) { c.role("hv2", "metadata"); c.local("hv2") }, metadata("a"), "dropped forward no_metadata port router1-1"},
		{"metadata of the guest's own host without a way there", func(c *cloud) { c.role("hv1", "metadata"); c.local("hv1") }, metadata("lone"), "dropped forward no_metadata subnet subnet4"},
		{"metadata of the guest's own host over IPv6", func(c *cloud) { c.role("hv1", "metadata"); c.local("hv1") }, Question{From: "lone", To: "fe80::a9fe:a9fe", Protocol: "tcp", Port: 80}, "passes forward delivered port lone"},
		{"metadata that no rule lets out of the port", func(c *cloud) { c.role("net1", "metadata") }, metadata("bare"), "dropped forward security_group port bare"},
		{"as large as may be", func(*cloud) {}, Question{From: "a", To: "b", Size: 1450, DontFragment: true}, "passes forward delivered security_group_rule " + ruleID(1, 3)},
		{"too large for its link", func(*cloud) {}, Question{From: "a", To: "b", Size: 1451, DontFragment: true}, "dropped forward too_big network net1"},
		{"in fragments", func(*cloud) {}, Question{From: "a", To: "b", Size: 1451}, "passes forward delivered security_group_rule " + ruleID(1, 3)},
		{"too large for the network", func(*cloud) {}, Question{From: "a", To: "b", Size: 1451, LinkMTU: 1500}, "dropped forward too_big network net1"},
		{"too large behind the router", func(c *cloud) {
			c.network(2, vxlan(102), func(n *model.Network) { n.MTU = 1400 })
		}, Question{From: "a", To: "web", Protocol: "tcp", Port: 80, Size: 1401, DontFragment: true}, "dropped forward too_big network net2"},
		{"cut by the router", func(c *cloud) {
			c.network(2, vxlan(102), func(n *model.Network) { n.MTU = 1400 })
		}, Question{From: "a", To: "web", Protocol: "tcp", Port: 80, Size: 1401}, "passes forward delivered security_group_rule " + ruleID(2, 2)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := served(t)
			tc.change(c)
			if a := c.explain(tc.q); a.line() != tc.want {
				t.Errorf("%s, want %s\n%s", a.line(), tc.want, a.way())
			}
		})
	}
}

func TestNonsenseAboutSizesAndServicesNamesTheField(t *testing.T) {
	c := usual(t)
	for field, q := range map[string]Question{
		"size: 27":                        {To: "b", Size: 27},
		"size: 65536":                     {To: "b", Size: 65536},
		"size: 39":                        {To: "b", Protocol: "tcp", Port: 80, Size: 39},
		"size: of a question":             {Protocol: "udp", Port: 67, Size: 300, To: "255.255.255.255"},
		"dont_fragment":                   {To: "b", DontFragment: true},
		"to: 10.1.0.11 is an address of ": {To: "10.1.0.11"},
		"to: 127.0.0.1 is the sender":     {To: "127.0.0.1"},
		"to: ::1 is the sender":           {To: "::1"},
		"link_mtu: means":                 {To: "b", LinkMTU: 1500},
		"link_mtu: 67":                    {To: "b", Size: 100, LinkMTU: 67},
		"ip_version: 6":                   {Protocol: "udp", Port: 67, IPVersion: 6, To: "255.255.255.255"},
		"to: 255.255.255.255":             {Protocol: "udp", Port: 547, To: "255.255.255.255"},
		"to: 255.255.255.255 is not the ": {Protocol: "udp", Port: 68, To: "255.255.255.255"},
	} {
		q.From = "a"
		_, err := c.try(q)
		var b *BadQuestion
		if !errors.As(err, &b) || !strings.HasPrefix(b.Error(), field) {
			t.Errorf("%+v: %v, want %q", q, err, field)
		}
	}
}
