package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// flowsOf counts the rules on br-int that name a port.
func flowsOf(p *Program, id string) int {
	n := 0
	for _, r := range p.Bridges["br-int"] {
		if r.Cookie&objectMask == object(id) {
			n++
		}
	}
	return n
}

func TestADualStackPortTakesNineFlowsOnBrInt(t *testing.T) {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	c.port(1, 1, "10.10.0.11", "2001:db8::11")
	c.port(2, 1, "10.10.0.12")
	p := Compile(&c.View)
	if n := flowsOf(p, portID(1)); n != 9 {
		t.Errorf("a port with an IPv4 and an IPv6 address has %d flows, want 9", n)
	}
	if n := flowsOf(p, portID(2)); n != 8 {
		t.Errorf("a port with an IPv4 address has %d flows, want 8", n)
	}
}

// TestTheRestOfBrIntGrowsWithFloodListsOnly. Networks with more ports than one
// pass can ask the rules of have pages of a flood list, and the two flows that
// send a packet to all of them.
func TestTheRestOfBrIntGrowsWithFloodListsOnly(t *testing.T) {
	count := func(ports int) int {
		p := Compile(&crowd(ports, ports).View)
		return len(p.Bridges["br-int"]) - 9*ports
	}
	few := count(2)
	for ports, pages := range map[int]int{judgedPage: 0, judgedPage + 1: 2 + 2, 200: 7 + 2} {
		if many := count(ports); many != few+pages {
			t.Errorf("beside the ports' own flows there are %d with 2 ports and %d with %d, want %d more", few, many, ports, pages)
		}
	}
}

func TestProblemsNameTheObjectAndLeaveOthersAlone(t *testing.T) {
	healthy := func() *cloud {
		c := newCloud()
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.port(1, 1, "10.10.0.11")
		c.remote(2, 1, "hv2", "10.10.0.12")
		return c
	}
	want := Compile(&healthy().View)
	for _, test := range []struct {
		name string
		harm func(*cloud)
		want string
	}{
		{"a physical network without bridge", func(c *cloud) {
			c.network(2, vlan("physnet9", 5))
			c.port(3, 2, "10.2.0.3")
		}, `network 4e000000-0002-4000-8000-000000000000 needs physical network "physnet9", which has no bridge on this host`},
		{"a bridge without patch", func(c *cloud) {
			c.Physical["physnet9"] = PhysicalBridge{Bridge: "br-nine"}
			c.network(2, vlan("physnet9", 5))
		}, `network 4e000000-0002-4000-8000-000000000000 needs bridge br-nine, which is not joined to the integration bridge`},
		{"a bridge that serves two physical networks", func(c *cloud) {
			c.Physical["physnet9"] = PhysicalBridge{"br-phys", 7, 8}
		}, `physical network physnet9 is mapped to bridge br-phys, which physical network "physnet1" has already`},
		{"br-int as provider bridge", func(c *cloud) {
			c.Physical["physnet9"] = PhysicalBridge{"br-int", 7, 8}
		}, `physical network physnet9 is mapped to bridge br-int, which is not for physical networks`},
		{"a segment that another network has", func(c *cloud) {
			c.network(2, tunnelled(model.VXLAN, 1948))
		}, `network 4e000000-0002-4000-8000-000000000000 has vxlan id 1948, which network 4e000000-0001-4000-8000-000000000000 has too`},
		{"a local VLAN that another network has", func(c *cloud) {
			c.network(2, tunnelled(model.VXLAN, 1949))
			n := c.Networks[networkID(2)]
			n.VLAN = 1
			c.Networks[networkID(2)] = n
		}, `network 4e000000-0002-4000-8000-000000000000 has local VLAN 1, which network 4e000000-0001-4000-8000-000000000000 has too`},
		{"a local VLAN that does not exist", func(c *cloud) {
			c.network(4095, tunnelled(model.VXLAN, 1949))
		}, `network 4e000000-0fff-4000-8000-000000000000 has local VLAN 4095, which is not between 1 and 4094`},
		{"a VLAN id that does not exist", func(c *cloud) {
			c.network(2, vlan("physnet1", 4095))
		}, `network 4e000000-0002-4000-8000-000000000000 has VLAN id 4095, which is not between 1 and 4094`},
		{"an unknown network type", func(c *cloud) {
			c.network(2, tunnelled("stt", 7))
		}, `network 4e000000-0002-4000-8000-000000000000 has the unknown network type "stt"`},
		{"a port in no network", func(c *cloud) {
			c.port(3, 7, "10.2.0.3")
		}, `port 90000000-0003-4000-8000-000000000000 is in network 4e000000-0007-4000-8000-000000000000, which this host does not have`},
		{"a port bound elsewhere", func(c *cloud) {
			c.port(3, 1, "10.10.0.13").Host = "hv9"
		}, `port 90000000-0003-4000-8000-000000000000 is plugged here, but bound to host "hv9"`},
		{"a port without OpenFlow port", func(c *cloud) {
			c.Ports[portID(3)] = LocalPort{Record: record(3, 1, "hv1"), OFPort: 0}
		}, `port 90000000-0003-4000-8000-000000000000 has OpenFlow port 0, which is not between 1 and 65279`},
		{"two ports with one OpenFlow port", func(c *cloud) {
			c.Ports[portID(3)] = LocalPort{Record: record(3, 1, "hv1"), OFPort: 11}
		}, `port 90000000-0003-4000-8000-000000000000 has OpenFlow port 11, which port 90000000-0001-4000-8000-000000000000 has too`},
		{"a multicast MAC", func(c *cloud) {
			c.port(3, 1).MAC = model.MAC{1, 2, 3, 4, 5, 6}
		}, `port 90000000-0003-4000-8000-000000000000 has the MAC "01:02:03:04:05:06", which no port can have`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := healthy()
			test.harm(c)
			p := Compile(&c.View)
			if len(p.Problems) != 1 {
				t.Fatalf("has the problems %v, want one", p.Problems)
			}
			got := fmt.Sprint(p.Problems[0].Kind, " ", p.Problems[0].ID, " ", p.Problems[0].Text)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			for _, bridge := range []string{"br-int", "br-tun"} {
				if d := flows.Diff(p.Bridges[bridge], want.Bridges[bridge]); len(d.Add) > 0 {
					t.Errorf("%s lacks %v", bridge, d.Add)
				}
			}
		})
	}
}

func TestAHostWithoutTunnelsHasNoTunnelBridge(t *testing.T) {
	c := newCloud()
	c.PatchTun, c.PatchInt = 0, 0
	c.network(1, tunnelled(model.VXLAN, 1948))
	c.port(1, 1, "10.10.0.11")
	p := Compile(&c.View)
	if rules, ok := p.Bridges["br-tun"]; ok {
		t.Errorf("br-tun has %d rules", len(rules))
	}
	want := []Problem{{"network", networkID(1), "needs vxlan tunnels, which this host does not have"}}
	if diff := cmp.Diff(want, p.Problems); diff != "" {
		t.Error(diff)
	}
}

func TestBridgesCanHaveOtherNames(t *testing.T) {
	c := newCloud()
	c.Config.IntegrationBridge, c.Config.TunnelBridge = "int", "tun"
	p := Compile(&c.View)
	for _, bridge := range []string{"int", "tun", "br-phys", "br-ext"} {
		if len(p.Bridges[bridge]) == 0 {
			t.Errorf("bridge %s has no rules", bridge)
		}
	}
	if len(p.Bridges) != 4 {
		t.Errorf("the program has %d bridges, want 4", len(p.Bridges))
	}
}

func TestEveryTableSaysWhatHappensToTheRest(t *testing.T) {
	c := newCloud()
	p := Compile(&c.View)
	for _, table := range layout.tables {
		bridge := [...]string{"br-int", "br-tun", "br-phys"}[table.kind]
		if !slices.ContainsFunc(p.Bridges[bridge], func(r flows.Rule) bool {
			return r.Table == table.number && r.Priority == prioMiss && len(r.Match) == 0
		}) {
			t.Errorf("%s has no rule for what no other rule matches", table)
		}
	}
}

func TestALongFloodListIsCutIntoPages(t *testing.T) {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	for n := range 2*floodPage + 1 {
		unsecured(c.port(n, 1))
	}
	p := Compile(&c.View)
	reached := map[uint64]int{}
	pages := map[uint8]int{}
	for _, r := range p.Bridges["br-int"] {
		if r.Table != output.number && r.Table != unknown.number || r.Priority == prioJudgedFlood || r.Priority == prioJudgedFlood+1 {
			continue
		}
		if len(r.Actions) > 2*floodPage+3 {
			t.Errorf("a rule of table %d has %d actions", r.Table, len(r.Actions))
		}
		if r.Priority != prioMiss && r.Priority != prioUplink && r.Priority != prioCommit {
			pages[r.Table]++
		}
		for _, a := range r.Actions {
			if set, ok := a.(flows.SetField); ok && set.Field == regPort {
				reached[set.Value.Lo]++
			}
		}
	}
	if pages[output.number] != 3 || pages[unknown.number] != 3 {
		t.Errorf("lists have %v pages by table, want 3", pages)
	}
	for n := range 2*floodPage + 1 {
		if reached[uint64(10+n)] != 2 {
			t.Fatalf("port %d is in %d lists, want in that of table 94 and in that of table 62", 10+n, reached[uint64(10+n)])
		}
	}
}

func TestAChangeThatNoFlowShowsChangesNothing(t *testing.T) {
	c := tracedCloud()
	inc := NewIncremental()
	inc.Compile(&c.View, Dirty{})
	renamed := *c.Ports[portID(1)].Record
	renamed.Name, renamed.Revision = "web", 7
	c.Ports[portID(1)] = LocalPort{Record: &renamed, OFPort: 11}
	if changes := inc.Compile(&c.View, Dirty{Ports: []string{portID(1)}}); len(changes) > 0 {
		t.Errorf("a new name changes %v", changes)
	}
	if changes := inc.Compile(&c.View, Dirty{All: true}); len(changes) > 0 {
		t.Errorf("looking at everything again changes %v", changes)
	}
}

func TestAChangeTouchesOnlyItsPort(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*model.Port)
		sets   int
	}{
		{"another address", func(p *model.Port) { p.FixedIPs = record(1, 1, "hv1", "10.10.0.99", "2001:db8::11").FixedIPs }, 2},
		{"down", func(p *model.Port) { p.AdminStateUp = false }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := tracedCloud()
			inc := NewIncremental()
			inc.Compile(&c.View, Dirty{})
			changed := *c.Ports[portID(1)].Record
			test.change(&changed)
			c.Ports[portID(1)] = LocalPort{Record: &changed, OFPort: 11}
			change := inc.Compile(&c.View, Dirty{Ports: []string{portID(1)}})["br-int"]
			if len(change.Set) != test.sets {
				t.Errorf("sets %v", change.Set)
			}
			for _, r := range slices.Concat(change.Set, change.Delete) {
				if o := r.Cookie & objectMask; o != object(portID(1)) && o != object(networkID(1)) {
					t.Errorf("touches %s", r)
				}
			}
		})
	}
}

// TestTheSwitchLearnsAndForgets lets a real switch learn a sender and asks what
// becomes of the flow.
func TestTheSwitchLearnsAndForgets(t *testing.T) {
	r := newRig(t)
	c := openCloud()
	inc := NewIncremental()
	c.admitAll()
	inc.Compile(&c.View, Dirty{})
	p := inc.Program()
	r.load(p)
	packet := "tun_id=0x79c," + eth(3, 99, at(1)) + udp("192.0.2.1", "10.10.0.11")
	r.Appctl("ofproto/trace", "br-tun", packet, "-generate")
	var learned []flows.Rule
	for _, rule := range r.dump("br-tun") {
		if Learned(rule.Cookie) {
			learned = append(learned, rule)
		}
	}
	if len(learned) != 1 {
		t.Fatalf("the switch learned %v, want one flow", learned)
	}
	if got := r.send("br-int", eth(11, 1, at(99))+udp("10.10.0.11", "192.0.2.1")); !slices.Contains(got, "vxlan-hv3") || slices.Contains(got, "vxlan-hv2") {
		t.Errorf("unicast to the learned address comes out of %q", got)
	}
	if !p.Keeps("br-tun", learned[0]) {
		t.Errorf("the program does not keep %s", learned[0])
	}
	for _, rule := range p.Bridges["br-tun"] {
		if p.Keeps("br-tun", rule) {
			t.Errorf("the program takes %s for a learned flow", rule)
		}
	}
	for _, test := range []struct {
		name   string
		change func() Dirty
	}{
		{"the tunnel has moved", func() Dirty {
			c.Tunnels[TunnelKey{"hv3", model.VXLAN}] = 33
			return Dirty{Tunnels: []TunnelKey{{"hv3", model.VXLAN}}}
		}},
		{"the network has another tunnel id", func() Dirty {
			c.network(1, tunnelled(model.VXLAN, 1949))
			return Dirty{Networks: []string{networkID(1)}}
		}},
		{"nobody needs learning any more", func() Dirty {
			delete(c.Remotes, portID(31))
			return Dirty{Ports: []string{portID(31)}}
		}},
	} {
		change := inc.Compile(&c.View, test.change())["br-tun"]
		if !slices.Contains(change.Forget, learned[0].Cookie) {
			t.Errorf("%s: the changes do not forget the learned flow", test.name)
		}
		if inc.Program().Keeps("br-tun", learned[0]) {
			t.Errorf("%s: the program keeps the learned flow", test.name)
		}
	}
}

func TestCookiesSayWhoseAFlowIs(t *testing.T) {
	const id = "4f1d2a7b-93c0-4c55-8d1e-6b0a7c1f2e3d"
	cookie := Cookie(FeatureIdentity, id)
	if text := fmt.Sprintf("%#x", cookie); !strings.HasSuffix(text, "4f1d2a7b93c0") {
		t.Errorf("the cookie %s does not end in the id's first digits", text)
	}
	feature, prefix, ours := Explain(cookie)
	if feature != FeatureIdentity || prefix != "4f1d2a7b93c0" || !ours {
		t.Errorf("the cookie is explained as %s %s %t", feature, prefix, ours)
	}
	if _, _, ours := Explain(0x4f1d2a7b93c0); ours || Ours(0) {
		t.Error("a foreign cookie is taken for ours")
	}
	if Learned(cookie) || !Learned(Cookie(FeatureLearned, id)) {
		t.Error("learned flows are not told from others")
	}
	if _, prefix, _ := Explain(Cookie(FeatureBase, "")); prefix != "" {
		t.Errorf("no object is explained as %q", prefix)
	}
	if Cookie(FeaturePort, "hv2") == Cookie(FeaturePort, "hv3") || !Ours(Cookie(FeaturePort, "hv2")) {
		t.Error("ids that are no UUIDs are not told apart")
	}
	for f := range numFeatures {
		if strings.HasPrefix(f.String(), "feature ") {
			t.Errorf("feature %d has no name", f)
		}
	}
}

func FuzzCookie(f *testing.F) {
	f.Add("4f1d2a7b-93c0-4c55-8d1e-6b0a7c1f2e3d")
	f.Add("")
	f.Add("hv1")
	f.Add("4F1D2A7B-93C0")
	f.Fuzz(func(t *testing.T, id string) {
		feature, prefix, ours := Explain(Cookie(FeaturePort, id))
		if feature != FeaturePort || !ours || prefix != "" && len(prefix) != 12 {
			t.Errorf("the cookie of %q is explained as %s %q %t", id, feature, prefix, ours)
		}
	})
}

func TestFaultyDeclarationsPanic(t *testing.T) {
	a, b := &table{Integration, 1, "a", ""}, &table{Integration, 2, "b", ""}
	other := &table{Tunnel, 3, "other", ""}
	for _, test := range []struct {
		name  string
		fault func()
	}{
		{"a table declared twice", func() { newLayout([]*table{a, {Integration, 1, "c", ""}}, nil) }},
		{"a table without name", func() { newLayout([]*table{{Integration, 1, "", ""}}, nil) }},
		{"a table name that OVSDB refuses", func() { newLayout([]*table{{Integration, 1, strings.Repeat("x", 32), ""}}, nil) }},
		{"an arrow to an undeclared table", func() { newLayout([]*table{a}, []arrow{{a, []*table{b}}}) }},
		{"an arrow to another bridge", func() { newLayout([]*table{a, other}, []arrow{{a, []*table{other}}}) }},
		{"arrows declared twice", func() { newLayout([]*table{a, b}, []arrow{{a, []*table{b}}, {a, []*table{b}}}) }},
		{"goto without arrow", func() { classify.rule(prioMiss, 0, nil, classify.to(output)) }},
		{"resubmit without arrow", func() { output.rule(prioMiss, 0, nil, classify.visit()) }},
		{"learn without arrow", func() { classify.rule(prioMiss, 0, nil, flows.Learn{Table: 5}) }},
		{"ct without arrow", func() { classify.rule(prioMiss, 0, nil, flows.CT{Table: 72}) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("does not panic")
				}
			}()
			test.fault()
		})
	}
	classify.rule(prioMiss, 0, nil, flows.CT{Commit: true, Table: flows.NoTable})
}

func TestTableNamesAreThoseOfTheLayout(t *testing.T) {
	names := TableNames(Tunnel)
	if names[21] != "arp_nd_responder" || len(names) != 9 {
		t.Errorf("br-tun has the tables %v", names)
	}
}
