package explain

import (
	"testing"

	"github.com/lepton-sdn/lepton/model"
)

func vxlan(id uint32) model.Segment { return model.Segment{Type: model.VXLAN, ID: id} }

func vlan(id uint32) model.Segment {
	return model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: id}
}

func external(n *model.Network) { n.External, n.ProjectID = true, "operators" }

// usual is a cloud with two VXLAN networks, a VLAN network, a flat external one,
// and a router between them on net1.
func usual(t testing.TB) *cloud {
	c := newCloud(t)
	c.network(1, vxlan(101))
	c.network(2, vxlan(102))
	c.network(3, vlan(100))
	c.network(9, model.Segment{Type: model.Flat, PhysicalNetwork: "physnet1"}, external)
	s1, s2 := c.subnet(1, 1, "10.1.0.0/24"), c.subnet(2, 2, "10.2.0.0/24")
	c.subnet(3, 3, "10.3.0.0/24")
	c.subnet(9, 9, "203.0.113.0/24")
	c.group(1, "egress IPv4", "ingress IPv4 tcp 22-22", "ingress IPv4 icmp")
	c.group(2, "egress IPv4", "ingress IPv4 tcp 80-90 10.1.0.0/16", "ingress IPv4 group=1", "ingress IPv6 tcp 443-443")
	c.group(3, "egress IPv4 tcp 80-80", "ingress IPv4")
	r := c.router(1, "net1", map[int]*model.Subnet{1: s1, 2: s2})
	c.gateway(r, 9, "net1", "9 203.0.113.10", true)

	c.port("a", 1, "hv1", []string{"1 10.1.0.11"}, in(1))
	c.port("b", 1, "hv1", []string{"1 10.1.0.12"}, in(1))
	c.port("c", 1, "hv2", []string{"1 10.1.0.13"}, in(1))
	c.port("web", 2, "hv2", []string{"2 10.2.0.11"}, in(2))
	c.port("strict", 1, "hv2", []string{"1 10.1.0.14"}, in(3))
	c.port("bare", 1, "hv2", []string{"1 10.1.0.15"})
	c.port("open", 1, "hv2", []string{"1 10.1.0.16"}, func(p *model.Port) { p.PortSecurityEnabled = false })
	c.port("v1", 3, "hv1", []string{"3 10.3.0.11"}, in(1))
	c.port("v2", 3, "hv2", []string{"3 10.3.0.12"}, in(1))
	c.port("down", 1, "hv2", []string{"1 10.1.0.17"}, in(1), func(p *model.Port) { p.AdminStateUp = false })
	c.port("unbound", 1, "", []string{"1 10.1.0.18"}, in(1))
	broken := c.port("broken", 1, "hv2", []string{"1 10.1.0.19"}, in(1))
	c.status(broken, model.PortError, 3, "interface tap1 has another MAC")
	unplugged := c.port("unplugged", 1, "hv2", []string{"1 10.1.0.20"}, in(1))
	c.status(unplugged, model.PortDown, 3, "")
	c.floating(1, r, 9, "9 203.0.113.20", c.port("pub", 1, "hv1", []string{"1 10.1.0.30"}, in(1)))
	return c
}

func TestVerdictsNameWhatDecides(t *testing.T) {
	c := usual(t)
	rule := func(group, n int) string { return "security_group_rule " + ruleID(group, n) }
	for _, tc := range []struct {
		name string
		q    Question
		want string
	}{
		{"on one host", Question{From: "a", To: "b"}, "passes forward delivered " + rule(1, 3)},
		{"over a VXLAN tunnel", Question{From: "a", To: "c", Protocol: "tcp", Port: 22}, "passes forward delivered " + rule(1, 2)},
		{"over a VLAN", Question{From: "v1", To: "v2"}, "passes forward delivered " + rule(1, 3)},
		{"a port that no rule has", Question{From: "a", To: "c", Protocol: "tcp", Port: 443}, "dropped forward security_group port c"},
		{"on one host, too", Question{From: "a", To: "b", Protocol: "udp", Port: 53}, "dropped forward security_group port b"},
		{"what the sender's rules do not have", Question{From: "strict", To: "c"}, "dropped forward security_group port strict"},
		{"a port without groups", Question{From: "bare", To: "c"}, "dropped forward security_group port bare"},
		{"to a port without groups", Question{From: "a", To: "bare"}, "dropped forward security_group port bare"},
		{"a port without port security", Question{From: "a", To: "open", Protocol: "udp", Port: 9}, "passes forward delivered " + rule(1, 1)},
		{"between two without", Question{From: "open", To: "a"}, "passes forward delivered " + rule(1, 3)},
		{"over a router, by prefix", Question{From: "a", To: "web", Protocol: "tcp", Port: 85}, "passes forward delivered " + rule(2, 2)},
		{"over a router, by remote group", Question{From: "a", To: "web", Protocol: "udp", Port: 85}, "passes forward delivered " + rule(2, 3)},
		{"the receiver is down", Question{From: "a", To: "down"}, "dropped forward port_down port down"},
		{"the sender is down", Question{From: "down", To: "a"}, "dropped forward port_down port down"},
		{"the receiver is unbound", Question{From: "a", To: "unbound"}, "dropped forward port_unbound port unbound"},
		{"the receiver cannot be wired", Question{From: "a", To: "broken"}, "dropped forward port_not_wired port broken"},
		{"the receiver is not plugged", Question{From: "a", To: "unplugged"}, "dropped forward port_not_wired port unplugged"},
		{"an address of nobody", Question{From: "a", To: "10.1.0.99"}, "dropped forward unknown_destination network net1"},
		{"an address of nobody behind the router", Question{From: "a", To: "10.2.0.99"}, "dropped forward unknown_destination network net2"},
		{"a machine on the VLAN", Question{From: "v1", To: "10.3.0.99"}, "leaves forward delivered " + rule(1, 1)},
		{"outside by SNAT", Question{From: "a", To: "198.51.100.1", Protocol: "tcp", Port: 80}, "leaves forward delivered " + rule(1, 1)},
		{"outside by a floating address", Question{From: "pub", To: "198.51.100.1"}, "leaves forward delivered " + rule(1, 1)},
		{"to a floating address", Question{From: "web", To: "203.0.113.20", Protocol: "tcp", Port: 22}, "passes forward delivered " + rule(1, 2)},
		{"the gateway", Question{From: "a", To: "10.1.0.1"}, "passes forward delivered " + rule(1, 1)},
		{"a service of the gateway", Question{From: "a", To: "10.1.0.1", Protocol: "tcp", Port: 22}, "dropped forward not_forwarded router router1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.TB = t
			tc.q.Verbose = true
			if a := c.explain(tc.q); a.line() != tc.want {
				t.Errorf("%s, want %s\n%s", a.line(), tc.want, a.way())
			}
		})
	}
}

func TestObjectsAreCalledAsPeopleCallThem(t *testing.T) {
	for want, o := range map[string]*Object{
		"floating IP x":                  {Kind: kindFloatingIP, ID: "x"},
		"security group web":             {Kind: "security_group", ID: "x", Name: "web"},
		"security group rule x (egress)": {Kind: kindRule, ID: "x", Text: "egress"},
		"port":                           {Kind: kindPort}, // another project's
		"nothing":                        nil,
	} {
		if got := o.String(); got != want {
			t.Errorf("%+v is called %q, not %q", o, got, want)
		}
	}
}
