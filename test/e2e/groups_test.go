package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// SecurityGroup creates a security group and gives its id. It has the rules that
// let everything out, and none that let anything in.
func (c *Cloud) SecurityGroup(name string) string {
	c.Helper()
	var g struct{ ID string }
	c.create("security_group", Attributes{"name": name}, &g)
	return g.ID
}

// Rule adds a rule and waits until the host has its flow.
func (c *Cloud) Rule(host, group string, attrs Attributes) string {
	c.Helper()
	all := Attributes{"security_group_id": group, "direction": "ingress", "ethertype": "IPv4"}
	for k, v := range attrs {
		all[k] = v
	}
	var r struct{ ID string }
	c.create("security_group_rule", all, &r)
	c.Eventually("the rule is in the switch", func() error {
		if c.ruleFlows(host, r.ID) == 0 {
			return fmt.Errorf("no flow of rule %s on %s", r.ID, host)
		}
		return nil
	})
	return r.ID
}

// NoRule deletes a rule and waits until the host has no flow of it.
func (c *Cloud) NoRule(host, id string) {
	c.Helper()
	c.Delete("security_group_rule", id)
	c.Eventually("the rule is gone from the switch", func() error {
		if n := c.ruleFlows(host, id); n > 0 {
			return fmt.Errorf("%d flows of rule %s on %s", n, id, host)
		}
		return nil
	})
}

func (c *Cloud) ruleFlows(host, id string) int {
	c.Helper()
	digits := strings.ReplaceAll(id, "-", "")[:12]
	return strings.Count(c.Exec(host, "ovs-ofctl", "dump-flows", "br-int", "cookie=0x1e0d"+digits+"/-1"), "cookie=")
}

// GuestIn is Guest with security groups.
func (c *Cloud) GuestIn(host, name string, n Network, groups ...string) Guest {
	c.Helper()
	return c.Plug(host, name, c.Port(n, Attributes{"name": name, "security_groups": groups}))
}

// probe is something that a guest may try.
type probe struct {
	from    string
	network string
	port    int
	family  int
}

func (p probe) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%s %s%d %d", p.from, p.network, p.family, p.port), " 0")
}

// admitted tries everything at once and gives what was answered.
func (c *Cloud) admitted(to Guest, from map[string]Guest) []string {
	c.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var answered []string
	for name, g := range from {
		for _, family := range []int{4, 6} {
			for _, p := range []probe{{name, "tcp", 80, family}, {name, "tcp", 81, family}, {name, "udp", 53, family}, {name, "ping", 0, family}} {
				wg.Go(func() {
					if c.Answers(g, to, p.network, p.port, p.family) {
						mu.Lock()
						defer mu.Unlock()
						answered = append(answered, p.String())
					}
				})
			}
		}
	}
	wg.Wait()
	slices.Sort(answered)
	return answered
}

// admits checks that just what is wanted is answered. What nobody may ask is
// never answered; an answer that a switch without time did not give by the rule
// at once is asked for once more.
func (c *Cloud) admits(to Guest, from map[string]Guest, want []string) {
	c.Helper()
	got := c.admitted(to, from)
	if len(got) < len(want) && !slices.ContainsFunc(got, func(g string) bool { return !slices.Contains(want, g) }) {
		c.Logf("not at once: admits %q of %q", got, want)
		got = c.admitted(to, from)
	}
	if !slices.Equal(got, want) {
		c.Errorf("admits %q, want %q", got, want)
	}
}

func TestRulesOfEveryKindAdmitWhatTheySay(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.dual(n)
	web, friends := c.SecurityGroup("web"), c.SecurityGroup("friends")
	server := c.GuestIn("hv2", "server", n, web)
	far, near := c.GuestIn("hv1", "far", n, friends), c.Guest("hv2", "near", n)
	clients := map[string]Guest{"far": far, "near": near}
	c.Echo(server, 53, 80, 81)
	var office struct{ ID string }
	c.create("address_group", Attributes{"name": "office", "addresses": []string{near.IP(4).String() + "/32"}}, &office)
	for _, tc := range []struct {
		name string
		rule Attributes
		want []string
	}{
		{"one TCP port", Attributes{"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}, []string{"far tcp4 80", "near tcp4 80"}},
		{"a range of TCP ports", Attributes{"protocol": "6", "port_range_min": 78, "port_range_max": 81}, []string{"far tcp4 80", "far tcp4 81", "near tcp4 80", "near tcp4 81"}},
		{"a UDP port over IPv6", Attributes{"ethertype": "IPv6", "protocol": "udp", "port_range_min": 53, "port_range_max": 53}, []string{"far udp6 53", "near udp6 53"}},
		{"ICMP", Attributes{"protocol": "icmp"}, []string{"far ping4", "near ping4"}},
		{"another type of ICMP", Attributes{"protocol": "icmp", "port_range_min": 13}, nil},
		{"echo requests over IPv6", Attributes{"ethertype": "IPv6", "protocol": "ipv6-icmp", "port_range_min": 128, "port_range_max": 0}, []string{"far ping6", "near ping6"}},
		{"any protocol from a prefix", Attributes{"remote_ip_prefix": far.IP(4).String() + "/32"}, []string{"far ping4", "far tcp4 80", "far tcp4 81", "far udp4 53"}},
		{"TCP from a group", Attributes{"ethertype": "IPv6", "protocol": "tcp", "remote_group_id": friends}, []string{"far tcp6 80", "far tcp6 81"}},
		{"UDP from an address group", Attributes{"protocol": "udp", "remote_address_group_id": office.ID}, []string{"near udp4 53"}},
		{"the way out", Attributes{"direction": "egress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := c.in(t)
			id := c.Rule("hv2", web, tc.rule)
			c.admits(server, clients, tc.want)
			c.NoRule("hv2", id)
		})
	}
	if got := c.admitted(server, clients); len(got) > 0 {
		t.Errorf("without a rule the group admits %q", got)
	}
	// What the server asks itself is answered.
	c.Echo(far, 8080)
	c.Rule("hv1", friends, Attributes{"protocol": "tcp", "port_range_min": 8080, "port_range_max": 8080, "remote_group_id": web})
	if !c.Answers(server, far, "tcp", 8080, 4) {
		t.Error("the server gets no answer to its own question")
	}
}

func TestAChangeOfGroupsCutsItsConnectionsOnly(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.dual(n)
	web, friends, outside := c.SecurityGroup("web"), c.SecurityGroup("friends"), c.SecurityGroup("outside")
	server := c.GuestIn("hv2", "server", n, web)
	far, near := c.GuestIn("hv1", "far", n, friends, outside), c.GuestIn("hv2", "near", n, outside)
	c.Echo(server, 53, 80, 81, 82)
	c.Echo(near, 90)
	tcpPort := func(port int, more Attributes) Attributes {
		a := Attributes{"protocol": "tcp", "port_range_min": port, "port_range_max": port}
		for k, v := range more {
			a[k] = v
		}
		return a
	}
	open := c.Rule("hv2", web, tcpPort(80, nil))
	c.Rule("hv2", web, tcpPort(81, Attributes{"remote_group_id": friends}))
	c.Rule("hv2", web, Attributes{"protocol": "udp", "port_range_min": 53, "port_range_max": 53, "ethertype": "IPv6"})
	c.Rule("hv2", outside, tcpPort(90, nil))

	byRule := c.Converse("TCP that a rule admits", far, server, "tcp", 80, 4)
	byMember := c.Converse("TCP that a membership admits", far, server, "tcp", 81, 4)
	byOther := c.Converse("UDP that another rule admits", near, server, "udp", 53, 6)
	out := c.Converse("TCP from the server", server, near, "tcp", 90, 4)

	c.NoRule("hv2", open)
	c.Cut(byRule)
	c.Alive(byMember, byOther, out)

	c.Rule("hv2", web, tcpPort(80, nil))
	c.Alive(byRule, byMember, byOther, out)

	c.Update("port", far.Port.ID, Attributes{"security_groups": []string{outside}})
	c.Cut(byMember)
	c.Alive(byRule, byOther, out)

	c.Update("port", far.Port.ID, Attributes{"security_groups": []string{outside, friends}})
	c.Alive(byRule, byMember, byOther, out)

	c.Update("port", server.Port.ID, Attributes{"security_groups": []string{}})
	c.Cut(byRule, byMember, byOther, out)
	c.Update("port", server.Port.ID, Attributes{"security_groups": []string{web}})
	c.Alive(byRule, byMember, byOther, out)

	// Rules come and go beside a stream that loses nothing.
	c.Rule("hv2", web, Attributes{"protocol": "udp", "port_range_min": 5001, "port_range_max": 5001})
	c.undisturbed(far, server, func() {
		for range 5 {
			id := c.Rule("hv2", web, tcpPort(82, nil))
			time.Sleep(20 * time.Millisecond)
			c.NoRule("hv2", id)
		}
	})

	// No host remembers what a deleted port began, echoes included. What the
	// server still sends to it are connections of the server's.
	c.Rule("hv2", web, Attributes{"protocol": "icmp"})
	c.Rule("hv2", web, Attributes{"protocol": "ipv6-icmp", "ethertype": "IPv6"})
	for _, family := range []int{4, 6} {
		if !c.Answers(far, server, "ping", 0, family) {
			t.Errorf("IPv%d: no answer to a ping", family)
		}
	}
	remembered := func(host string) (lines []string) {
		for line := range strings.Lines(c.Exec(host, "ovs-appctl", "dpctl/dump-conntrack")) {
			if strings.Contains(line, "orig=(src="+far.IP(4).String()+",") || strings.Contains(line, "orig=(src="+far.IP(6).String()+",") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	for _, host := range []string{"hv1", "hv2"} {
		list := strings.Join(remembered(host), "")
		for _, protocol := range []string{"tcp,", "icmp,", "icmpv6,"} {
			if !strings.Contains(list, protocol) {
				t.Errorf("%s remembers no %s of the port that is still there:\n%s", host, protocol, list)
			}
		}
	}
	c.Delete("port", far.Port.ID)
	c.Cut(byRule, byMember)
	c.Alive(byOther, out)
	for _, host := range []string{"hv1", "hv2"} {
		c.Eventually(host+" has forgotten the connections of a port that is deleted", func() error {
			if list := remembered(host); len(list) > 0 {
				return fmt.Errorf("it remembers\n%s", strings.Join(list, ""))
			}
			return nil
		})
	}
}
