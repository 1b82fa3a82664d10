package l3

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/model"
)

// Names of chains. What begins with chainPrefix is ours.
const (
	chainPrefix = "lepton-"
	wrapped     = chainPrefix + "l3-"
	bottom      = chainPrefix + "postrouting-bottom"
)

// Marks, Neutron's: the lower half says what the packet is, the upper half
// which address scope it or its connection comes from.
const (
	metadataMark = "0x1/0xffff"
	externalMark = "0x2/0xffff" // came in by the gateway
	scopeMask    = "0xffff0000"
	noScope      = 1024 // the upper half of what is in no address scope
)

// metadataPort is where the metadata proxy listens in the router's namespace.
const metadataPort = 9697

// builder renders the rules of one family of one router.
type builder struct {
	in     Input
	v6     bool
	ext    string // link of the gateway, or a pattern of links; "" without any
	set    iptables.Ruleset
	scopes map[string]int
}

// ruleset gives the rules of a family, tables in the order in which they must
// be there before traffic passes.
func ruleset(in Input, f iptables.Family) iptables.Ruleset {
	b := &builder{in: in, v6: f == iptables.IPv6, set: iptables.Ruleset{Prefix: chainPrefix}, scopes: scopeMarks(in)}
	switch {
	case in.Replica && len(in.Lent) > 0:
		b.ext = externalPrefix + "+" // each address has a link of its own
	case in.Gateway != nil && !in.Replica:
		b.ext = linkName(externalPrefix, in.Gateway.Port.ID)
	}
	b.filter()
	b.nat()
	b.mangle()
	b.raw()
	return b.set
}

// table gives a table in which the built-in chains lead into wrapped ones.
func (b *builder) table(name string, chains ...string) *iptables.Table {
	t := b.set.Table(name)
	for _, c := range chains {
		t.Hook(c, wrapped+c)
		t.Add(wrapped + c)
	}
	return t
}

// scopeMarks numbers the address scopes of a router. A scope's number comes
// from its id, so that it stays when other scopes come and go: connections
// carry it.
func scopeMarks(in Input) map[string]int {
	marks := map[string]int{"": noScope}
	used := map[int]bool{noScope: true}
	found := map[string]bool{}
	for _, f := range in.faces() {
		for _, a := range f.Addresses {
			found[a.Scope] = true
		}
	}
	delete(found, "")
	for _, id := range slices.Sorted(maps.Keys(found)) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id))
		const span = 0xffff - noScope
		n := noScope + 1 + int(h.Sum32()%span)
		for used[n] {
			n = noScope + 1 + (n-noScope)%span
		}
		marks[id], used[n] = n, true
	}
	return marks
}

// scopeMark is the mark with its mask as iptables-save prints it.
func (b *builder) scopeMark(scope string) string {
	return fmt.Sprintf("0x%x/%s", b.scopes[scope]<<16, scopeMask)
}

// scopeOf gives the scope of a port's addresses of this family; ok is false
// when it has none.
func (b *builder) scopeOf(i Interface) (string, bool) {
	a, ok := i.first(b.v6)
	return a.Scope, ok
}

func (b *builder) filter() {
	t := b.table("filter", "INPUT", "FORWARD")
	t.Add(wrapped+"INPUT",
		"-m mark --mark "+metadataMark+" -j ACCEPT",
		fmt.Sprintf("-p tcp -m tcp --dport %d -j DROP", metadataPort))
	b.noRedirects(t)
	t.Add(wrapped+"FORWARD", "-j "+wrapped+"scope")
	t.Add(wrapped + "scope")
	for _, f := range b.in.faces() {
		scope, ok := b.scopeOf(f.Interface)
		// What is translated on its way out leaves its scope in good order.
		if !ok || f.external && !b.v6 && b.in.Router.Gateway.EnableSNAT {
			continue
		}
		t.Add(wrapped+"scope", "-o "+f.link+" -m mark ! --mark "+b.scopeMark(scope)+" -j DROP")
	}
}

func (b *builder) nat() {
	t := b.table("nat", "PREROUTING")
	metadata := "-d 169.254.169.254/32"
	if b.v6 {
		metadata = "-d fe80::a9fe:a9fe/128"
	}
	t.Add(wrapped+"PREROUTING", fmt.Sprintf("%s -i %s+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports %d", metadata, internalPrefix, metadataPort))
	if b.ext == "" || b.v6 {
		return
	}
	for _, c := range []string{"OUTPUT", "POSTROUTING"} {
		t.Hook(c, wrapped+c)
		t.Add(wrapped + c)
	}
	t.Hooks = append(t.Hooks, iptables.Hook{Chain: "POSTROUTING", Target: bottom, Last: true})
	// What goes from one subnet to another, and to destinations that are exempt,
	// keeps its addresses.
	t.Add(wrapped+"POSTROUTING", "! -o "+b.ext+" -m conntrack ! --ctstate DNAT -j ACCEPT")
	for _, p := range b.in.Router.NATExempt {
		destination := "-d " + p.Masked().String() + " "
		if p.Bits() == 0 {
			destination = "" // as iptables-save prints all of them
		}
		t.Add(wrapped+"POSTROUTING", destination+"-o "+b.ext+" -m conntrack ! --ctstate DNAT "+
			iptables.Comment("NAT exemption of router "+b.in.Router.ID)+" -j ACCEPT")
	}
	b.floating(t)
	b.forwardings(t)
	b.snat(t)
}

// floating adds the rules of floating addresses that stand for a fixed one.
func (b *builder) floating(t *iptables.Table) {
	t.Add(wrapped + "float-snat")
	for _, f := range b.in.FloatingIPs {
		if !f.FixedIP.Is4() || !f.FloatingIP.Is4() {
			continue
		}
		comment := iptables.Comment("floating IP " + f.ID)
		dnat := "-d " + only(f.FloatingIP) + " " + comment + " -j DNAT --to-destination " + f.FixedIP.String()
		t.Add(wrapped+"PREROUTING", dnat)
		t.Add(wrapped+"OUTPUT", dnat)
		t.Add(wrapped+"float-snat", "-s "+only(f.FixedIP)+" "+comment+" -j SNAT --to-source "+f.FloatingIP.String()+" --random-fully")
	}
}

// forwardings adds the rules of forwarded ports.
func (b *builder) forwardings(t *iptables.Table) {
	byID := map[string]*model.FloatingIP{}
	for _, f := range b.in.FloatingIPs {
		byID[f.ID] = f
	}
	for _, f := range b.in.Forwardings {
		fip := byID[f.FloatingIPID]
		if fip == nil || !fip.FloatingIP.Is4() || !f.InternalIP.Is4() {
			continue
		}
		for _, r := range portMaps(f) {
			rule := fmt.Sprintf("-d %s -p %s -m %s --dport %s %s -j DNAT --to-destination %s:%s",
				only(fip.FloatingIP), f.Protocol, f.Protocol, span(r.External, ":"),
				iptables.Comment("port forwarding "+f.ID), f.InternalIP, span(r.Internal, "-"))
			t.Add(wrapped+"PREROUTING", rule)
			t.Add(wrapped+"OUTPUT", rule)
		}
	}
}

// portMap is a range of ports and where it goes.
type portMap struct{ External, Internal model.PortRange }

// portMaps gives a rule's worth of ports each. The kernel shifts a whole range
// of ports only where both ranges are the same; others go one by one.
func portMaps(f *model.PortForwarding) []portMap {
	if f.External == f.Internal || f.Internal.Len() == 1 {
		return []portMap{{f.External, f.Internal}}
	}
	var out []portMap
	for i := range min(f.External.Len(), f.Internal.Len()) {
		e, n := f.External.First+i, f.Internal.First+i
		out = append(out, portMap{model.PortRange{First: e, Last: e}, model.PortRange{First: n, Last: n}})
	}
	return out
}

func span(r model.PortRange, sep string) string {
	if r.Len() == 1 {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d%s%d", r.First, sep, r.Last)
}

// snat adds the translation of what goes out without a floating address.
func (b *builder) snat(t *iptables.Table) {
	snat := wrapped + "snat"
	t.Add(snat, "-j "+wrapped+"float-snat")
	t.Add(bottom, iptables.Comment("Perform source NAT on outgoing traffic.")+" -j "+snat)
	a, ok := b.in.Gateway.first(false)
	if !ok {
		return
	}
	to := " -j SNAT --to-source " + a.IP.String() + " --random-fully"
	if b.in.Router.Gateway.EnableSNAT && !b.in.Replica {
		if a.Scope != "" {
			// Within one address scope addresses are unique, and stay.
			t.Add(snat, "-o "+b.ext+" -m connmark --mark "+b.scopeMark(a.Scope)+" -j ACCEPT")
		}
		t.Add(snat, "-o "+b.ext+to)
	}
	// A guest that asks a floating address of its own router has to get the
	// answer from the router.
	t.Add(snat, "-m mark ! --mark "+externalMark+" -m conntrack --ctstate DNAT"+to)
}

func (b *builder) mangle() {
	t := b.table("mangle", "PREROUTING")
	pre, scope := wrapped+"PREROUTING", wrapped+"scope"
	metadata := "-d 169.254.169.254/32"
	if b.v6 {
		metadata = "-d fe80::a9fe:a9fe/128"
	}
	nat := b.ext != "" && !b.v6
	if nat {
		t.Add(pre, "-i "+b.ext+" -j MARK --set-xmark "+externalMark)
	}
	t.Add(pre, "-j "+scope)
	t.Add(scope)
	for _, f := range b.in.faces() {
		if s, ok := b.scopeOf(f.Interface); ok {
			t.Add(scope, "-i "+f.link+" -j MARK --set-xmark "+b.scopeMark(s))
		}
	}
	if nat {
		b.connectionScopes(t)
	}
	t.Add(pre, metadata+" -i "+internalPrefix+"+ -p tcp -m tcp --dport 80 -j MARK --set-xmark "+metadataMark)
}

// connectionScopes lets answers pass to the scope that their connection came
// from, and floating addresses cross scopes, as their purpose is.
func (b *builder) connectionScopes(t *iptables.Table) {
	const masks = "--nfmask " + scopeMask + " --ctmask " + scopeMask
	t.Add(wrapped+"PREROUTING", "-m connmark ! --mark 0x0/"+scopeMask+" -j CONNMARK --restore-mark "+masks)
	external, _ := b.scopeOf(*b.in.Gateway)
	scopes := b.scopesOfSubnets()
	var into, outOf []string
	float := wrapped + "float-snat"
	for _, f := range b.in.FloatingIPs {
		if fixed := scopes[f.SubnetID]; f.FixedIP.Is4() && fixed != external {
			comment := iptables.Comment("floating IP " + f.ID)
			into = append(into, "-d "+only(f.FloatingIP)+" "+comment+" -j MARK --set-xmark "+b.scopeMark(fixed))
			outOf = append(outOf, "-s "+only(f.FixedIP)+" -o "+b.ext+" "+comment+" -j "+float)
		}
	}
	for _, f := range b.in.Forwardings {
		if s := scopes[f.SubnetID]; s != external {
			for _, fip := range b.in.FloatingIPs {
				if fip.ID == f.FloatingIPID {
					into = append(into, fmt.Sprintf("-d %s -p %s -m %s --dport %s %s -j MARK --set-xmark %s", only(fip.FloatingIP),
						f.Protocol, f.Protocol, span(f.External, ":"), iptables.Comment("port forwarding "+f.ID), b.scopeMark(s)))
				}
			}
		}
	}
	if len(into) > 0 {
		t.Add(wrapped+"PREROUTING", "-j "+wrapped+"floatingip")
		t.Add(wrapped+"floatingip", into...)
	}
	if len(outOf) > 0 {
		t.Hook("FORWARD", wrapped+"FORWARD")
		t.Add(wrapped+"FORWARD", outOf...)
		// The connection keeps the scope it came from, for the answers.
		t.Add(float, "-m connmark --mark 0x0/"+scopeMask+" -j CONNMARK --save-mark "+masks,
			"-j MARK --set-xmark "+b.scopeMark(external))
	}
	t.Hook("POSTROUTING", wrapped+"POSTROUTING")
	t.Add(wrapped+"POSTROUTING", "-o "+b.ext+" -m connmark --mark 0x0/"+scopeMask+" -j CONNMARK --save-mark "+masks)
}

func (b *builder) scopesOfSubnets() map[string]string {
	out := map[string]string{}
	for _, f := range b.in.faces() {
		for _, a := range f.Addresses {
			out[a.Subnet.ID] = a.Scope
		}
	}
	return out
}

// raw sets conntrack helpers. It comes last: a helper that this kernel does not
// have must not keep the rest away.
func (b *builder) raw() {
	t := b.set.Table("raw")
	helpers := slices.Clone(b.in.Helpers)
	slices.SortFunc(helpers, func(x, y *model.ConntrackHelper) int { return cmp.Compare(x.ID, y.ID) })
	for i, h := range helpers {
		if i == 0 {
			t.Hook("PREROUTING", wrapped+"PREROUTING")
		}
		t.Add(wrapped+"PREROUTING", fmt.Sprintf("-p %s -m %s --dport %d %s -j CT --helper %s",
			h.Protocol, h.Protocol, h.Port, iptables.Comment("conntrack helper "+h.ID), h.Helper))
	}
}

// only is an address as iptables-save prints one that is alone.
func only(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }
