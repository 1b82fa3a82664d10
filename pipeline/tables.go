package pipeline

import (
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// Kind is a kind of bridge: each has tables of its own.
type Kind uint8

// The kinds of bridges.
const (
	Integration Kind = iota // br-int
	Tunnel                  // br-tun
	Provider                // the bridge of a physical network
)

func (k Kind) String() string {
	return [...]string{"integration bridge (br-int)", "tunnel bridge (br-tun)", "provider bridges"}[k]
}

// table is one table of a kind of bridge.
type table struct {
	kind   Kind
	number uint8
	name   string // for OVSDB's Flow_Table; at most 31 bytes
	about  string
}

// br-int, in the order in which a packet meets the tables. Packets are without
// tag from the first table on; reg6 says which network they are in.
var (
	classify = &table{
		Integration, 0, "classify",
		"Which network is the packet in, and which port did it come from? A port or a segment without a flow here is not connected. What DHCP servers and routers say of fe80::a9fe:a9fe, which several of them may have, loses its override flag.",
	}
	arriving = &table{
		Integration, 1, "from_other_hosts",
		"Networks with a distributed router that is plugged here: what other hosts send. The router's stand-in takes what is for the router; nothing else may be for its MAC, unless this is its home.",
	}
	claims = &table{
		Integration, 24, "arp_nd_spoofing",
		"May this port say that it has this address? ARP by sender address and MAC. A probe with unspecified sender is a claim to its target: it is checked with the target in the sender's place (reg4=1). So is the target of an IPv6 advertisement (reg4=2), before the advertisement itself.",
	}
	macs = &table{
		Integration, 25, "mac_spoofing",
		"May this port send from this MAC?",
	}
	guard = &table{
		Integration, 71, "egress_base",
		"May this port send from this address? DHCP servers and router advertisements in guests are dropped; packets from the unspecified address pass where a host without address needs them.",
	}
	egressRules = &table{
		Integration, 72, "egress_rules",
		"Does a rule of one of the groups of port reg5 admit the packet on its way out of the port? IPv6 neighbour discovery, multicast listener discovery and DHCP clients need no rule. Visited once for each group (reg8) and each of its remote groups (reg7). Replies go to 82: the rules that admitted the connection admit its replies.",
	}
	acceptOrIngress = &table{
		Integration, 73, "accept_or_ingress",
		"What the rules of 72 have said: admitted or not.",
	}
	acceptedEgress = &table{
		Integration, 91, "accepted_egress",
		"Admitted on the way out of a port. Where a log asks for it, the first packets of a connection are copied to the agent, and what a stateless group has admitted.",
	}
	transient = &table{
		Integration, 60, "transient",
		"Where accepted packets of guests, packets of unfiltered ports and packets from other hosts meet, to be delivered. Bridge control frames end here, and the questions of ports that the agent answers itself (`dhcp.mode: local`) go to it. Those for the DHCP servers and routers of the network pass the port's meter first. Where the host answers requests for metadata (`metadata.mode: local`), questions for that address are answered here, and requests of ports without port security leave for the proxy.",
	}
	direct = &table{
		Integration, 61, "local_mac_direct",
		"Known unicast: to the one port that has the MAC (reg5), or straight out when the MAC is known elsewhere.",
	}
	unknown = &table{
		Integration, 62, "transient_egress",
		"Unknown unicast: a port without port security may be a bridge with the destination behind it.",
	}
	ingress = &table{
		Integration, 81, "ingress_base",
		"On the way into port reg5: ports without filter, and what needs no rule: ARP, IPv6 neighbour discovery, router advertisements, multicast listener discovery and answers of DHCP servers. What is neither ARP nor IP ends here.",
	}
	ingressRules = &table{
		Integration, 82, "ingress_rules",
		"Does a rule of one of the groups of port reg5 admit the packet on its way into the port? As table 72. Replies go to 72.",
	}
	acceptedIngress = &table{
		Integration, 92, "accepted_ingress",
		"What the rules of 82 have said. The admitted goes into the port; a new connection is remembered now that both sides have admitted it. Copies for logs as in 91.",
	}
	dropped = &table{
		Integration, 93, "dropped",
		"What anti-spoofing and the security groups refused. Where a log asks for it, a copy goes to the agent.",
	}
	output = &table{
		Integration, 94, "output",
		"Broadcast and multicast to every member and out, the rest out only: out is patch-tun or `int-<bridge>`, with the local VLAN as tag.",
	}
	leaving = &table{
		Integration, 95, "to_other_hosts",
		"Networks with a distributed router that is plugged here: what leaves for other hosts. The router's MAC gives way to its stand-in, and questions for its addresses stay here.",
	}
	canary = &table{
		Integration, 23, "canary",
		"No packet comes here. One flow, whose cookie holds the pipeline's version, shows that the tables are in place.",
	}
)

// br-tun, in the order in which a packet meets the tables. Packets carry the
// local VLAN as tag.
var (
	tunClassify = &table{
		Tunnel, 0, "classify",
		"From br-int, or from a tunnel of which kind?",
	}
	tunFromInt = &table{
		Tunnel, 2, "unicast_or_multicast",
		"From br-int: unicast, questions about addresses, other broadcast and multicast.",
	}
	tunGRE = &table{
		Tunnel, 3, "gre",
		"GRE key to local VLAN.",
	}
	tunVXLAN = &table{
		Tunnel, 4, "vxlan",
		"VXLAN VNI to local VLAN.",
	}
	tunGeneve = &table{
		Tunnel, 6, "geneve",
		"Geneve VNI to local VLAN.",
	}
	tunLearn = &table{
		Tunnel, 10, "learn",
		"To br-int; in networks with addresses that no record tells, the sender is learned into table 20 for 300 seconds. So are the MACs of ha routers, which move from host to host by themselves.",
	}
	tunResolve = &table{
		Tunnel, 21, "arp_nd_responder",
		"ARP requests and neighbour solicitations for known addresses: answered for ports elsewhere, dropped for ports here, who have heard them. The rest is flooded.",
	}
	tunUnicast = &table{
		Tunnel, 20, "unicast_to_tunnel",
		"MAC to the tunnel of its host.",
	}
	tunFlood = &table{
		Tunnel, 22, "flood",
		"To every host with a member of the network.",
	}
)

// Provider bridges.
var (
	provClassify = &table{
		Provider, 0, "classify",
		"From br-int, or from the physical network, which NORMAL serves.",
	}
	provSegment = &table{
		Provider, 2, "local_to_segment",
		"Local VLAN to the network's VLAN id, or to no tag.",
	}
)

// layout holds all tables in packet order, and all arrows: where packets of a
// table may go on, and which tables its learn actions may write.
var layout = newLayout(
	[]*table{
		classify, arriving, claims, macs, guard, egressRules, acceptOrIngress, acceptedEgress, transient, direct, unknown,
		ingress, ingressRules, acceptedIngress, dropped, output, leaving, canary,
		tunClassify, tunFromInt, tunGRE, tunVXLAN, tunGeneve, tunLearn, tunResolve, tunUnicast, tunFlood,
		provClassify, provSegment,
	},
	[]arrow{
		{classify, []*table{arriving, claims, transient}},
		{arriving, []*table{transient, ingress}},
		{claims, []*table{claims, macs, dropped}},
		{macs, []*table{guard, dropped}},
		{guard, []*table{egressRules, transient, dropped}},
		{egressRules, []*table{guard, egressRules, acceptOrIngress, ingressRules, transient, dropped}},
		{acceptOrIngress, []*table{egressRules, acceptedEgress, acceptedIngress, dropped}},
		{acceptedEgress, []*table{transient}},
		{transient, []*table{transient, direct, output}},
		{direct, []*table{unknown, ingress, output}},
		{unknown, []*table{unknown, ingress, output}},
		{ingress, []*table{ingressRules, acceptedIngress, dropped}},
		{ingressRules, []*table{ingressRules, acceptedIngress, egressRules, dropped}},
		{acceptedIngress, []*table{ingressRules, acceptedIngress, acceptOrIngress, dropped}},
		{output, []*table{ingress, output, leaving}},

		{tunClassify, []*table{tunFromInt, tunGRE, tunVXLAN, tunGeneve}},
		{tunFromInt, []*table{tunResolve, tunUnicast, tunFlood}},
		{tunGRE, []*table{tunLearn}},
		{tunVXLAN, []*table{tunLearn}},
		{tunGeneve, []*table{tunLearn}},
		{tunLearn, []*table{tunUnicast}}, // by learn: no packet goes this way
		{tunResolve, []*table{tunResolve, tunFlood}},
		{tunUnicast, []*table{tunFlood}},

		{provClassify, []*table{provSegment}},
	})

// arrow says where packets of a table may go on.
type arrow struct {
	from *table
	to   []*table
}

// plan is a checked set of tables and arrows.
type plan struct {
	tables []*table
	next   map[*table][]*table
	// allowed has a bit for every arrow: by kind, number, next number.
	allowed [3][256][256]bool
}

// newLayout checks the declarations. A fault in them is the programmer's: it
// panics.
func newLayout(tables []*table, arrows []arrow) *plan {
	p := &plan{tables: tables, next: map[*table][]*table{}}
	seen := map[Kind]map[uint8]*table{Integration: {}, Tunnel: {}, Provider: {}}
	for _, t := range tables {
		switch {
		case seen[t.kind][t.number] != nil:
			panic(fmt.Sprintf("table %d of the %s is declared twice", t.number, t.kind))
		case t.name == "" || len(t.name) > maxTableName:
			panic(fmt.Sprintf("table %d of the %s has the name %q", t.number, t.kind, t.name))
		}
		seen[t.kind][t.number] = t
	}
	for _, a := range arrows {
		if p.next[a.from] != nil {
			panic(fmt.Sprintf("arrows from %s are declared twice", a.from))
		}
		for _, t := range a.to {
			if seen[a.from.kind][a.from.number] != a.from || seen[a.from.kind][t.number] != t {
				panic(fmt.Sprintf("arrow from %s to %s joins what is not declared on one bridge", a.from, t))
			}
			p.allowed[t.kind][a.from.number][t.number] = true
		}
		p.next[a.from] = a.to
	}
	return p
}

// maxTableName is OpenFlow's OFP_MAX_TABLE_NAME_LEN without the final zero.
const maxTableName = 31

// check panics if an action leads from t to where no arrow does.
func (p *plan) check(t *table, actions []flows.Action) {
	for _, a := range actions {
		to := uint8(flows.NoTable)
		switch a := a.(type) {
		case flows.GotoTable:
			to = a.Table
		case flows.Resubmit:
			to = a.Table
		case flows.Learn:
			to = a.Table
		case flows.CT:
			if to = a.Table; to == flows.NoTable {
				continue
			}
		default:
			continue
		}
		if !p.allowed[t.kind][t.number][to] {
			panic(fmt.Sprintf("no arrow leads from %s to table %d", t, to))
		}
	}
}

func (t *table) String() string {
	return fmt.Sprintf("table %d (%s) of the %s", t.number, t.name, t.kind)
}

// rule makes a rule of t. A jump without an arrow panics.
func (t *table) rule(priority uint16, cookie uint64, m flows.Match, actions ...flows.Action) flows.Rule {
	layout.check(t, actions)
	return flows.Rule{Table: t.number, Priority: priority, Cookie: cookie, Match: m, Actions: actions}
}

// miss makes the rule of t for what no other rule of t matches.
func (t *table) miss(actions ...flows.Action) flows.Rule {
	return t.rule(prioMiss, Cookie(FeatureBase, ""), nil, actions...)
}

// to sends the packet on from t to next for good: goto_table where OpenFlow
// allows it (to a higher number only), else resubmit.
func (t *table) to(next *table) flows.Action {
	if next.number > t.number {
		return flows.GotoTable{Table: next.number}
	}
	return next.visit()
}

// visit sends the packet through t and what follows, and goes on with the next
// action; what t changed in the packet stays changed.
func (t *table) visit() flows.Action {
	return flows.Resubmit{InPort: flows.PortInPort, Table: t.number}
}

// TableNames gives the names of a kind of bridge's tables by number, for
// OVSDB's Bridge.flow_tables.
func TableNames(k Kind) map[uint8]string {
	names := map[uint8]string{}
	for _, t := range layout.tables {
		if t.kind == k {
			names[t.number] = t.name
		}
	}
	return names
}
