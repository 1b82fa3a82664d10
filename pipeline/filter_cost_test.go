package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/lepton-sdn/lepton/model"
)

// filterCrowd gives ports guests, all in the same groups of rules rules each.
func filterCrowd(ports, groups, rules int) *cloud {
	c := crowd(ports, 100)
	for g := 1; g <= groups; g++ {
		var list []string
		for r := range rules {
			list = append(list, fmt.Sprintf("ingress IPv4 protocol=tcp ports=%d-%d", 1000*g+r, 1000*g+r))
		}
		c.group(g, list...)
		for _, p := range c.Ports {
			inGroups(p.Record, g)
		}
	}
	return c
}

func TestPortsAndRulesAddUp(t *testing.T) {
	count := func(ports, rules int) int {
		return len(Compile(&filterCrowd(ports, 10, rules).View).Bridges["br-int"])
	}
	few, ports, rules := count(10, 20), count(30, 20), count(10, 40)
	if got := ports - few; got != 20*9 {
		t.Errorf("20 ports more are %d flows more, want 9 for each", got)
	}
	if got := rules - few; got != 10*20 {
		t.Errorf("20 rules more in each of 10 groups are %d flows more, want one for each", got)
	}
}

// TestWhatAChangeSendsDoesNotDependOnThePorts counts the flow-mods of changes.
func TestWhatAChangeSendsDoesNotDependOnThePorts(t *testing.T) {
	changed := func(ports int, change func(c *cloud) Dirty) (set, deleted int) {
		c := filterCrowd(ports, 1, 3)
		c.group(2, "ingress IPv4 group=3", "ingress IPv6 group=3", "egress IPv4 protocol=udp group=3")
		for _, p := range c.Ports {
			inGroups(p.Record, 2)
		}
		inc := NewIncremental()
		inc.Compile(&c.View, Dirty{})
		for _, ch := range inc.Compile(&c.View, change(c)) {
			set, deleted = set+len(ch.Set), deleted+len(ch.Delete)
		}
		return set, deleted
	}
	withRule := func(group int, words string) func(*cloud) Dirty {
		return func(c *cloud) Dirty {
			g := c.Groups[groupID(group)]
			g.Rules = maps.Clone(g.Rules)
			r := readRuleWords(words)
			r.ID = ruleID(group, 50)
			g.Rules[r.ID] = r
			c.Groups[groupID(group)] = g
			return Dirty{Groups: []string{groupID(group)}}
		}
	}
	for _, test := range []struct {
		name         string
		change       func(*cloud) Dirty
		set, deleted int
	}{
		{"a rule", withRule(1, "ingress IPv4 protocol=tcp ports=80-80"), 1, 0},
		{"a rule of 80 ports that need 3 masks", withRule(1, "ingress IPv4 protocol=tcp ports=8000-8079"), 2, 0},
		{"a rule with another remote group", withRule(2, "ingress IPv4 protocol=tcp group=4"), 2, 0},
		{"a rule gone", func(c *cloud) Dirty {
			g := c.Groups[groupID(1)]
			g.Rules = maps.Clone(g.Rules)
			delete(g.Rules, ruleID(1, 2))
			c.Groups[groupID(1)] = g
			return Dirty{Groups: []string{groupID(1)}}
		}, 0, 1},
		{"a dual-stack member", func(c *cloud) Dirty {
			p := record(900, 1, "hv3", "10.9.0.1", "2001:db8:9::1")
			c.member(3, p)
			return Dirty{Members: []MemberKey{{groupID(3), p.ID}}}
		}, 3, 0},
		{"a member of a group that nobody names", func(c *cloud) Dirty {
			p := record(900, 1, "hv3", "10.9.0.1")
			c.member(8, p)
			return Dirty{Members: []MemberKey{{groupID(8), p.ID}}}
		}, 0, 0},
	} {
		for _, ports := range []int{10, 200} {
			if set, deleted := changed(ports, test.change); set != test.set || deleted != test.deleted {
				t.Errorf("%s, with %d ports: sets %d flows and deletes %d, want %d and %d", test.name, ports, set, deleted, test.set, test.deleted)
			}
		}
	}
}

func TestAPortWithTooManyGroupsIsClosedAndReported(t *testing.T) {
	build := func(remotes int) *cloud {
		c := newCloud()
		c.network(1, tunnelled(model.VXLAN, 1948))
		var rules []string
		for n := range remotes {
			rules = append(rules, fmt.Sprintf("ingress IPv4 group=%d", 100+n))
		}
		c.group(1, append(rules, "egress IPv4")...)
		inGroups(c.port(1, 1, "10.10.0.11"), 1)
		c.group(2, "egress IPv4")
		inGroups(c.port(2, 1, "10.10.0.12"), 2)
		return c
	}
	visits := func(p *Program, port int) int {
		n := 0
		for _, r := range p.Bridges["br-int"] {
			if r.Cookie == Cookie(FeatureFilter, portID(port)) {
				n += len(r.Actions) - 1
			}
		}
		return n
	}
	inc := NewIncremental()
	for _, test := range []struct{ remotes, visits, problems int }{{(maxVisits - 1) / 2, 4, 0}, {maxVisits / 2, 0, 1}, {3, 4, 0}} {
		c := build(test.remotes)
		inc.Compile(&c.View, Dirty{Groups: []string{groupID(1)}})
		p := inc.Program()
		if len(p.Problems) != test.problems || visits(p, 1) != test.visits || visits(p, 2) != 4 {
			t.Errorf("with %d remote groups the port has the problems %v and %d actions, its neighbour %d", test.remotes, p.Problems, visits(p, 1), visits(p, 2))
		}
		if test.problems == 1 && (p.Problems[0].Kind != "port" || p.Problems[0].ID != portID(1)) {
			t.Errorf("the problem is %v", p.Problems[0])
		}
	}
}

// worstPorts fills a page with ports that are as costly as a port may be. The
// sender is port 1; all others admit its packet by the last thing that they look
// at.
func worstPorts(kind string) *cloud {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	c.group(2, "egress IPv4")
	inGroups(c.port(1, 1, "10.10.0.1"), 2)
	c.remote(200, 1, "hv2")
	remotes, in := (maxVisits-1)/2, []int{1}
	switch kind {
	case "remote groups beside a stateless group":
		remotes -= 2
		c.group(3).Stateful = false
		in = append(in, 3)
	case "many groups of both kinds":
		remotes, in = 0, nil
		for n := range maxVisits / 2 {
			c.group(300 + n).Stateful = n > 0
			in = append(in, 300+n)
		}
		c.group(in[len(in)-1], "ingress IPv4")
	}
	var rules []string
	for n := range remotes {
		rules = append(rules, fmt.Sprintf("ingress IPv4 group=%d", 100+n), fmt.Sprintf("egress IPv4 group=%d", 100+n))
	}
	c.group(1, rules...)
	c.member(100+remotes-1, c.Ports[portID(1)].Record)
	for n := 2; n <= judgedPage; n++ {
		inGroups(c.port(n, 1, fmt.Sprintf("10.10.0.%d", n)), in...)
	}
	c.log(1, model.LogAll, "", "")
	return c
}

// TestTheWorstPortsStayWithinTheSwitchsLimits floods to a page of ports that are
// as costly as a port may be.
func TestTheWorstPortsStayWithinTheSwitchsLimits(t *testing.T) {
	r := newRig(t)
	want := []string{"guest2", "guest3", "guest4", "guest5", "vxlan-hv2"}
	for _, kind := range []string{"remote groups", "remote groups beside a stateless group", "many groups of both kinds"} {
		c := worstPorts(kind)
		p := Compile(&c.View)
		if len(p.Problems) > 0 {
			t.Fatal(kind, p.Problems)
		}
		packet := "ct_state=trk|new,ct_nw_src=10.10.0.1,ct_nw_dst=255.255.255.255,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2," +
			eth(11, 1, broadcast) + udp("10.10.0.1", "255.255.255.255", 1, 2)
		if got, res := newSimRig(p).send(t, "br-int", packet); !slices.Equal(got, want) || len(res.Errors) > 0 {
			t.Errorf("%s: in the interpreter it comes out of %q, want %q: %v", kind, got, want, res.Errors)
		}
		r.load(p)
		if got := r.send("br-int", packet); !slices.Equal(got, want) {
			t.Errorf("%s: it comes out of %q, want %q", kind, got, want)
		}
		// Some groups more and the port is closed, alone.
		one := c.Ports[portID(2)].Record
		for n := range 3 {
			c.group(290 + n)
			one.SecurityGroups = append(one.SecurityGroups, groupID(290+n))
		}
		if p := Compile(&c.View); len(p.Problems) != 1 || p.Problems[0].ID != one.ID {
			t.Errorf("%s: with more groups the problems are %v", kind, p.Problems)
		}
	}
}
