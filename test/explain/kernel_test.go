package explain

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/agent/l3"
	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/links"
)

// packet is what routers look at of a packet.
type packet struct {
	proto    string // as explanations call it
	src, dst netip.AddrPort
}

// back is the packet that answers.
func (p packet) back() packet { return packet{p.proto, p.dst, p.src} }

func (p packet) String() string {
	if p.proto == "icmp" {
		return fmt.Sprintf("icmp %s → %s", p.src.Addr(), p.dst.Addr())
	}
	return fmt.Sprintf("%s %s → %s", p.proto, p.src, p.dst)
}

// connection is an entry of connection tracking: what its packets look like as
// they arrive, in both directions.
type connection struct {
	original, reply packet
	mark            uint64
	dnat            bool
}

// kernel is a router's namespace with its connections.
type kernel struct {
	ns    l3.Namespace
	conns []*connection
}

// fate is what the kernel does with a packet.
type fate struct {
	packet  packet // as it leaves, or as it is delivered
	local   bool
	dropped string // why
	hops    []links.NextHop
}

func (f fate) String() string {
	switch {
	case f.dropped != "":
		return "dropped: " + f.dropped
	case f.local:
		return "local " + f.packet.String()
	}
	return fmt.Sprintf("%s by %v", f.packet, f.hops)
}

// passage is a packet on its way through the hooks.
type passage struct {
	*kernel
	set      iptables.Ruleset
	conn     *connection
	in, out  string
	packet   packet
	mark     uint64
	fresh    bool // the first one of its connection
	forth    bool // in the direction of the first one
	finished bool // the table has decided
	dropped  string
}

// receive takes a packet that comes in by a link.
func (k *kernel) receive(in string, p packet) fate {
	s := k.begin(p)
	s.in = in
	s.run("mangle", "PREROUTING")
	if s.fresh {
		s.run("nat", "PREROUTING")
	} else {
		s.packet.dst = s.translated().dst
	}
	if k.owns(s.packet.dst.Addr()) {
		s.run("filter", "INPUT")
		return s.confirm(fate{packet: s.packet, local: true, dropped: s.dropped})
	}
	return s.leave()
}

// answer sends what the router itself answers to a packet that it got.
func (k *kernel) answer(p packet) fate {
	s := k.begin(p.back())
	s.run("filter", "OUTPUT")
	return s.leave()
}

// leave routes the packet, and takes it through the last hooks.
func (s *passage) leave() fate {
	hops := s.route()
	if len(hops) == 0 {
		return fate{dropped: "no route"}
	}
	s.out = hops[0].Link
	if s.in != "" {
		s.run("mangle", "FORWARD")
		s.run("filter", "FORWARD")
	}
	s.run("mangle", "POSTROUTING")
	if s.fresh {
		s.run("nat", "POSTROUTING")
	} else {
		s.packet.src = s.translated().src
	}
	return s.confirm(fate{packet: s.packet, hops: hops, dropped: s.dropped})
}

// begin finds the packet's connection, or makes one that is not confirmed yet.
func (k *kernel) begin(p packet) *passage {
	s := &passage{kernel: k, packet: p, set: k.ns.V4}
	if p.dst.Addr().Is6() {
		s.set = k.ns.V6
	}
	for _, c := range k.conns {
		if c.original == p || c.reply == p {
			s.conn, s.forth = c, c.original == p
			return s
		}
	}
	s.conn, s.fresh = &connection{original: p, reply: p.back()}, true
	return s
}

// translated is the packet as the connection has it.
func (s *passage) translated() packet {
	if s.forth {
		return s.conn.reply.back()
	}
	return s.conn.original.back()
}

func (s *passage) confirm(f fate) fate {
	if f.dropped == "" && s.fresh {
		s.conns = append(s.conns, s.conn)
	}
	return f
}

// owns reports whether a link has the address.
func (k *kernel) owns(ip netip.Addr) bool {
	for _, l := range k.ns.Links.Links {
		if slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == ip }) {
			return true
		}
	}
	return false
}

// route asks the main table, and then those that policy rules name.
func (s *passage) route() []links.NextHop {
	tables := []int{links.MainTable}
	rules := slices.SortedFunc(slices.Values(s.ns.Links.Rules), links.Rule.Compare)
	for _, r := range rules {
		if r.From.Contains(s.packet.src.Addr()) && (r.In == "" || r.In == s.in) {
			tables = append(tables, r.Table)
		}
	}
	for _, t := range tables {
		if hops := s.lookup(t, s.packet.dst.Addr()); len(hops) > 0 {
			return hops
		}
	}
	return nil
}

// lookup finds the longest prefix; what an address brings with it is in the main
// table.
func (k *kernel) lookup(table int, dst netip.Addr) (hops []links.NextHop) {
	longest := -1
	try := func(p netip.Prefix, to []links.NextHop) {
		if p.Contains(dst) && p.Bits() > longest {
			longest, hops = p.Bits(), to
		}
	}
	for _, r := range k.ns.Links.Routes {
		if r.Table == table || r.Table == 0 && table == links.MainTable {
			try(r.Dst, r.NextHops)
		}
	}
	for _, l := range k.ns.Links.Links {
		for _, a := range l.Addresses {
			if table == links.MainTable && a.Bits() < a.Addr().BitLen() {
				try(a.Masked(), []links.NextHop{{Link: l.Name}})
			}
		}
	}
	return hops
}

// run takes the packet through the hooks of a built-in chain.
func (s *passage) run(table, chain string) {
	s.finished = false
	for _, t := range s.set.Tables {
		if t.Name != table {
			continue
		}
		for _, last := range []bool{false, true} {
			for _, h := range t.Hooks {
				if h.Chain == chain && h.Last == last && !s.finished && s.dropped == "" {
					s.chain(t, h.Target)
				}
			}
		}
	}
}

func (s *passage) chain(t iptables.Table, name string) {
	i := slices.IndexFunc(t.Chains, func(c iptables.Chain) bool { return c.Name == name })
	if i < 0 {
		panic("there is no chain " + name)
	}
	for _, rule := range t.Chains[i].Rules {
		if s.finished || s.dropped != "" {
			return
		}
		if target := s.match(rule); target != nil {
			s.jump(t, rule, target)
		}
	}
}

var comment = regexp.MustCompile(` ?-m comment --comment ("[^"]*"|\S+)`)

// match gives the words of the target when the rule matches, nil when it does not.
func (s *passage) match(rule string) []string {
	words := strings.Fields(comment.ReplaceAllString(rule, ""))
	module, hit, not := "", true, false
	for i := 0; i < len(words); i += 2 {
		if words[i] == "!" {
			not = true
			i++
		}
		if words[i] == "-j" {
			if hit {
				return words[i+1:]
			}
			return nil
		}
		option, value := words[i], words[i+1]
		if option == "-m" {
			module = value
		} else if s.holds(rule, module+" "+option, value) == not {
			hit = false
		}
		// "! -o" and "-m mark ! --mark" turn one condition round.
		not = false
	}
	panic("a rule without target: " + rule)
}

// holds says whether one condition of a rule does.
func (s *passage) holds(rule, option, value string) bool {
	number := func(text string) uint64 {
		n, err := strconv.ParseUint(text, 0, 32)
		if err != nil {
			panic(rule + ": " + err.Error())
		}
		return n
	}
	marked := func(have uint64) bool {
		want, mask, _ := strings.Cut(value, "/")
		return have&number(mask) == number(want)
	}
	module, option, _ := strings.Cut(option, " ")
	switch option {
	case "-s":
		return netip.MustParsePrefix(value).Contains(s.packet.src.Addr())
	case "-d":
		return netip.MustParsePrefix(value).Contains(s.packet.dst.Addr())
	case "-i":
		return onLink(value, s.in)
	case "-o":
		return onLink(value, s.out)
	case "-p":
		return value == s.packet.proto || value == "ipv6-icmp" && s.packet.proto == "icmp"
	case "--dport":
		first, last, isRange := strings.Cut(value, ":")
		if !isRange {
			last = first
		}
		port := uint64(s.packet.dst.Port())
		return port >= number(first) && port <= number(last)
	case "--mark":
		if module == "connmark" {
			return marked(s.conn.mark)
		}
		return marked(s.mark)
	case "--ctstate":
		if value == "DNAT" {
			return s.conn.dnat
		}
	case "--icmp-type", "--icmpv6-type":
		return false // only redirects are asked for, and these are echoes
	}
	panic("unknown condition " + option + " " + value + " in " + rule)
}

func onLink(pattern, link string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "+"); ok {
		return strings.HasPrefix(link, prefix)
	}
	return pattern == link
}

// jump carries out the target of a rule.
func (s *passage) jump(t iptables.Table, rule string, words []string) {
	args := map[string]string{}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "--restore-mark", "--save-mark", "--random-fully":
			args[words[i]] = "" // without a value
		default:
			args[words[i]] = words[i+1]
			i++
		}
	}
	value := func(name string) uint64 {
		n, err := strconv.ParseUint(args[name], 0, 32)
		if err != nil {
			panic(rule + ": " + err.Error())
		}
		return n
	}
	switch target := words[0]; target {
	case "ACCEPT":
		s.finished = true
	case "DROP":
		s.dropped = rule
	case "MARK":
		set, mask, _ := strings.Cut(args["--set-xmark"], "/")
		args["set"], args["mask"] = set, mask
		s.mark = s.mark&^value("mask") ^ value("set")
	case "CONNMARK":
		nf, ct := value("--nfmask"), value("--ctmask")
		if _, save := args["--save-mark"]; save {
			s.conn.mark = s.conn.mark&^ct ^ s.mark&nf
		} else {
			s.mark = s.mark&^nf ^ s.conn.mark&ct
		}
	case "DNAT":
		s.packet.dst = s.target(rule, args["--to-destination"])
		s.conn.reply.src, s.conn.dnat, s.finished = s.packet.dst, true, true
	case "SNAT":
		s.packet.src = netip.AddrPortFrom(netip.MustParseAddr(args["--to-source"]), s.packet.src.Port())
		s.conn.reply.dst, s.finished = s.packet.src, true
	case "REDIRECT":
		s.packet.dst = netip.AddrPortFrom(s.first(s.in, s.packet.dst.Addr().Is6()), uint16(value("--to-ports")))
		s.conn.reply.src, s.conn.dnat, s.finished = s.packet.dst, true, true
	case "CT":
	default:
		if !strings.HasPrefix(target, s.set.Prefix) || len(words) > 1 {
			panic("unknown target in " + rule)
		}
		s.chain(t, target)
	}
}

// target reads where a packet is translated to: an address, with a port or a
// range in which the packet's own is.
func (s *passage) target(rule, text string) netip.AddrPort {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(ip, s.packet.dst.Port())
	}
	before, _, isRange := strings.Cut(text, "-")
	to := netip.MustParseAddrPort(before)
	if !isRange {
		return to
	}
	if !strings.Contains(rule, fmt.Sprintf("--dport %d:%s ", to.Port(), text[len(before)+1:])) {
		panic("a range that is translated to another one: " + rule)
	}
	return netip.AddrPortFrom(to.Addr(), s.packet.dst.Port())
}

// first is the first address of a link's family.
func (k *kernel) first(link string, v6 bool) netip.Addr {
	for _, l := range k.ns.Links.Links {
		for _, a := range l.Addresses {
			if l.Name == link && a.Addr().Is6() == v6 {
				return a.Addr()
			}
		}
	}
	return netip.Addr{}
}
