package pipeline

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/test/golden"
)

// TestTheDocumentShowsThePipelineAsItIs writes docs/pipeline.md with -update
// (make docs), and fails when it is stale.
func TestTheDocumentShowsThePipelineAsItIs(t *testing.T) {
	var d document
	d.text(introduction)
	for kind := Integration; kind <= Provider; kind++ {
		d.tables(kind)
	}
	d.registers()
	d.cookies(t)
	d.priorities(t)
	d.costs(t)
	d.dumps()
	golden.Text(t, "../docs/pipeline.md", d.String())
}

const introduction = `# The pipeline

Written by ` + "`make docs`" + ` from the declarations in pipeline/ and from what the tests compile. Do not edit; a test fails when it is stale.

Tables have Neutron's numbers. ` + "`ovs-ofctl --names dump-flows br-int`" + ` prints the names. Flows of an object are found by the first twelve hexadecimal digits of its UUID, without hyphen:

    ovs-ofctl dump-flows br-int | grep 4f1d2a7b93c0

Between the tables packets carry no tag on br-int, where reg6 says which network they are in, and the local VLAN as tag on br-tun and on the way to a provider bridge. NORMAL is used on provider bridges only.

A table goes on to a table with a higher number by goto_table and to one with a lower number by resubmit. No rule can take a way that is not drawn here: building it fails.

Rules of security groups look at a packet's connection, which ` + "`ofproto/trace`" + ` does not have unless it is told. For a packet that begins one:

    ovs-appctl ofproto/trace br-int in_port=tap4f1d2a7b-93,ct_state='trk|new',ct_nw_src=10.0.0.11,ct_nw_dst=10.0.0.12,ct_nw_proto=6,ct_tp_src=40000,ct_tp_dst=22,tcp,dl_src=…,dl_dst=…,nw_src=10.0.0.11,nw_dst=10.0.0.12,tp_src=40000,tp_dst=22

For a reply ` + "`ct_state='trk|est|rpl'`" + `, and in the ct fields the packet that began the connection. Flows of a group and of its rules are found by the group's number too, in reg8, and those that look addresses up in it as a remote group by reg7.`

type document struct{ bytes.Buffer }

func (d *document) text(s string) { d.WriteString(s + "\n\n") }

// tables draws the tables of a kind of bridge.
func (d *document) tables(kind Kind) {
	d.text("## Tables of the " + kind.String())
	d.WriteString("```mermaid\nflowchart TD\n")
	for _, t := range layout.tables {
		if t.kind != kind {
			continue
		}
		fmt.Fprintf(d, "  t%d[\"%d %s\"]\n", t.number, t.number, t.name)
		for _, next := range layout.next[t] {
			line := "-->"
			if t == tunLearn {
				line = "-. learns .->"
			}
			fmt.Fprintf(d, "  t%d %s t%d\n", t.number, line, next.number)
		}
	}
	d.WriteString("```\n\n| table | name | what it does | goes on to |\n| --- | --- | --- | --- |\n")
	for _, t := range layout.tables {
		if t.kind != kind {
			continue
		}
		var next []string
		for _, n := range layout.next[t] {
			next = append(next, strconv.Itoa(int(n.number)))
		}
		fmt.Fprintf(d, "| %d | %s | %s | %s |\n", t.number, t.name, t.about, strings.Join(next, ", "))
	}
	d.WriteString("\n")
}

func (d *document) registers() {
	d.WriteString("## Registers, marks and zones\n\n| where | what |\n| --- | --- |\n")
	for _, r := range registers {
		fmt.Fprintf(d, "| %s | %s |\n", r.field, r.about)
	}
	d.WriteString("| ct_zone | the network's local VLAN; packets of guests are tracked in it once, on their way out or, if they come from elsewhere, on their way in |\n\n")
}

func (d *document) cookies(t *testing.T) {
	fmt.Fprintf(d, "## Cookies\n\n    0x1e ff oooooooooooo\n\n%#x marks Lepton's flows, ff is the feature, oooooooooooo the object: twelve digits of its UUID, or 0.\n\n| ff | feature | flows |\n| --- | --- | --- |\n", cookieMark>>56)
	comments := constants(t, "cookie.go", "Feature")
	for f := FeatureNone + 1; f < numFeatures; f++ {
		fmt.Fprintf(d, "| %02x | %s | %s |\n", uint8(f), f, comments[int(f)].comment)
	}
	d.WriteString("\n")
}

func (d *document) priorities(t *testing.T) {
	d.WriteString("## Priorities\n")
	heading := ""
	for _, c := range constants(t, "priorities.go", "prio") {
		if c.comment == "" {
			t.Errorf("%s has no comment behind it", c.name)
		}
		if c.heading != heading {
			heading = c.heading
			fmt.Fprintf(d, "\n%s\n\n| priority | | flows |\n| --- | --- | --- |\n", heading)
		}
		fmt.Fprintf(d, "| %s | %s | %s |\n", c.value, readable(c.name), c.comment)
	}
	d.WriteString("\n")
}

// costs counts flows beside those that Neutron installs for the same. Neutron's
// figures are of Neutron 21.0.0 (Zed) with the openvswitch firewall driver.
func (d *document) costs(t *testing.T) {
	d.text("## Costs\n\nFlows on br-int, counted by a test, beside those of Neutron 21.0.0 (Zed) with its openvswitch firewall. The example has two hosts with two IPv4 guests each in one VXLAN network, all in their project's default security group, and a DHCP port here.")
	example := func(change ...func(c *cloud)) int {
		c := newCloud()
		c.network(1, tunnelled(model.VXLAN, 1948))
		c.group(1, defaultRules(1)...)
		for n := 1; n <= 2; n++ {
			c.member(1, inGroups(c.port(n, 1, fmt.Sprintf("10.10.0.1%d", n)), 1))
			c.member(1, inGroups(c.remote(n+2, 1, "hv2", fmt.Sprintf("10.10.0.2%d", n)), 1))
		}
		dhcp := c.port(5, 1, "10.10.0.2")
		dhcp.DeviceOwner, dhcp.PortSecurityEnabled = "network:dhcp", false
		for _, f := range change {
			f(c)
		}
		return len(Compile(&c.View).Bridges["br-int"])
	}
	guests := func(n int, ips ...string) func(c *cloud) {
		return func(c *cloud) {
			for i := range n {
				inGroups(c.port(10+i, 1, ips...), 1)
			}
		}
	}
	rule := func(c *cloud) {
		c.Groups[groupID(1)].Rules["x"] = readRuleWords("ingress IPv4 protocol=tcp ports=22-22")
	}
	member := func(c *cloud) { c.member(1, inGroups(c.remote(9, 1, "hv2", "10.10.0.99"), 1)) }
	d.WriteString("| | Neutron | here |\n| --- | --- | --- |\n")
	for _, row := range []struct {
		what    string
		neutron int
		here    int
	}{
		{"a host without networks", 20, len(Compile(&newCloud().View).Bridges["br-int"])},
		{"the example", 140, example()},
		{"one IPv4 guest more here", 56, example(guests(1, "10.10.0.30")) - example()},
		{"one IPv4 and IPv6 guest more here", 0, example(guests(1, "10.10.0.30", "2001:db8::30")) - example()},
		{"one member more on another host", 2, example(member) - example()},
		{"one rule more, with 22 guests here", 2 * 22, example(guests(20), rule) - example(guests(20))},
	} {
		neutron := "not counted"
		if row.neutron > 0 {
			neutron = strconv.Itoa(row.neutron)
		}
		fmt.Fprintf(d, "| %s | %s | %d |\n", row.what, neutron, row.here)
		if row.neutron > 20 && row.here >= row.neutron {
			t.Errorf("%s: %d flows, Neutron needs %d", row.what, row.here, row.neutron)
		}
	}
	d.text("\nA host has more flows of its own, and every guest and rule fewer. A guest in a stateful and in a stateless group takes as many flows as one in a stateful group only.")
}

// readable makes "prioOwnMAC" "own MAC".
func readable(name string) string {
	name = strings.TrimPrefix(name, "prio")
	var b strings.Builder
	for i, c := range name {
		switch {
		case i > 0 && unicode.IsUpper(c) && unicode.IsLower(rune(name[i-1])):
			b.WriteByte(' ')
			fallthrough
		case i == 0:
			if i+1 < len(name) && unicode.IsLower(rune(name[i+1])) {
				c = unicode.ToLower(c)
			}
		}
		b.WriteRune(c)
	}
	return b.String()
}

type constant struct{ name, value, comment, heading string }

// constants reads the constants of a file whose names start with prefix: with
// the comment behind them, and the last comment that stands alone above them.
func constants(t *testing.T, file, prefix string) []constant {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var list []constant
	heading := ""
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		c := constant{name: spec.Names[0].Name, comment: strings.TrimSpace(spec.Comment.Text())}
		if len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				c.value = literal.Value
			}
		}
		if above := strings.TrimSpace(strings.ReplaceAll(spec.Doc.Text(), "\n", " ")); above != "" {
			heading = above
		}
		c.heading = heading
		list = append(list, c)
		return true
	})
	return list
}

// dumps shows what the scenarios compile to: what all have in common once, then
// what each has of its own.
func (d *document) dumps() {
	d.text("## Flows\n\nAs `ovs-ofctl --no-stats --no-names dump-flows` prints them; a test installs them in Open vSwitch and reads them back. Network n of an example has local VLAN n and an id that starts with 4e000000-000n; port n has OpenFlow port 10+n and an id that starts with 90000000-000n. Port 1 of br-int is patch-tun, 2 and 3 are int-br-phys and int-br-ext; port 1 of every other bridge is its patch to br-int; on br-tun 2 and 3 are VXLAN tunnels to hv2 and hv3, 4 and 5 GRE, 6 and 7 Geneve.")
	empty := Compile(&newCloud().View)
	d.text("### What every host has")
	d.program(empty)
	for _, s := range scenarios {
		d.text("### " + strings.ReplaceAll(s.name, "_", " ") + "\n\n" + s.about)
		common := map[string]bool{}
		for bridge, rules := range empty.Bridges {
			for _, r := range rules {
				common[bridge+r.String()] = true
			}
		}
		p := Compile(s.view())
		for bridge, rules := range p.Bridges {
			p.Bridges[bridge] = slices.DeleteFunc(rules, func(r flows.Rule) bool { return common[bridge+r.String()] })
		}
		d.program(p)
	}
	d.Truncate(d.Len() - 1)
}

func (d *document) program(p *Program) {
	for _, bridge := range slices.Sorted(maps.Keys(p.Bridges)) {
		var lines []string
		for _, r := range p.Bridges[bridge] {
			lines = append(lines, r.String())
		}
		if len(lines) > 0 {
			fmt.Fprintf(d, "%s:\n\n```\n%s\n```\n\n", bridge, strings.Join(lines, "\n"))
		}
	}
}
