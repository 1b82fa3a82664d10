package iptables

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
)

func background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// sample is a ruleset with every form of rule that routers have.
func sample() Ruleset {
	r := Ruleset{Prefix: "lepton-"}
	nat := r.Table("nat")
	nat.Hook("PREROUTING", "lepton-l3-PREROUTING")
	nat.Hook("POSTROUTING", "lepton-l3-POSTROUTING")
	nat.Hooks = append(nat.Hooks, Hook{Chain: "POSTROUTING", Target: "lepton-postrouting-bottom", Last: true})
	nat.Add("lepton-l3-PREROUTING",
		`-d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697`,
		`-d 203.0.113.134/32 `+Comment("floating IP 8a21c637-45ae-4b6c-8ec9-6dbf7fd309d4")+` -j DNAT --to-destination 10.10.0.228`,
		`-d 203.0.113.7/32 -p tcp -m tcp --dport 8000:8010 -j DNAT --to-destination 10.10.0.3:80-90`)
	nat.Add("lepton-l3-POSTROUTING", `! -o qg-6d4184ea-7a -m conntrack ! --ctstate DNAT -j ACCEPT`)
	nat.Add("lepton-l3-snat",
		`-o qg-6d4184ea-7a -j SNAT --to-source 203.0.113.147 --random-fully`,
		`-m mark ! --mark 0x2/0xffff -m conntrack --ctstate DNAT -j SNAT --to-source 203.0.113.147 --random-fully`)
	nat.Add("lepton-postrouting-bottom", `-m comment --comment "Perform source NAT on outgoing traffic." -j lepton-l3-snat`)
	filter := r.Table("filter")
	filter.Hook("FORWARD", "lepton-l3-FORWARD")
	filter.Add("lepton-l3-FORWARD", `-o qr-3355e3ac-62 -m mark ! --mark 0x4000000/0xffff0000 -j DROP`)
	r.Table("mangle")
	return r
}

func TestARulesetIsAppliedOnceAndReadBackAsItWas(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		ns, ctx := linuxtest.Namespace(t), background(t)
		want := sample()
		if f == IPv6 {
			want = Ruleset{Prefix: "lepton-"}
			nat := want.Table("nat")
			nat.Hook("PREROUTING", "lepton-l3-PREROUTING")
			nat.Add("lepton-l3-PREROUTING", `-d fe80::a9fe:a9fe/128 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697`)
		}
		if changed, err := Apply(ctx, ns, f, want); err != nil || !changed {
			t.Fatalf("%s: changed %v, %v", f, changed, err)
		}
		have, err := Read(ctx, ns, f)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := Diff(have, want); err != nil || text != "" {
			t.Errorf("%s: applied, and still different: %v\n%s", f, err, text)
		}
	}
}

func TestOnlyChainsThatDifferAreWritten(t *testing.T) {
	ns, ctx := linuxtest.Namespace(t), background(t)
	if _, err := Apply(ctx, ns, IPv4, sample()); err != nil {
		t.Fatal(err)
	}
	want := sample()
	want.Tables[0].Chains[2].Rules = want.Tables[0].Chains[2].Rules[:1]
	want.Tables[1].Chains, want.Tables[1].Hooks = nil, nil
	have, err := Read(ctx, ns, IPv4)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Diff(have, want)
	if err != nil {
		t.Fatal(err)
	}
	const expected = `*nat
:lepton-l3-snat - [0:0]
-A lepton-l3-snat -o qg-6d4184ea-7a -j SNAT --to-source 203.0.113.147 --random-fully
COMMIT
*filter
:lepton-l3-FORWARD - [0:0]
-D FORWARD -j lepton-l3-FORWARD
-X lepton-l3-FORWARD
COMMIT
`
	if text != expected {
		t.Fatalf("difference is\n%s", text)
	}
	if _, err := Apply(ctx, ns, IPv4, want); err != nil {
		t.Fatal(err)
	}
	if out := linuxtest.Run(t, ns, "iptables-save"); strings.Contains(out, "lepton-l3-FORWARD") {
		t.Fatalf("the chain is still there:\n%s", out)
	}
}

func TestForeignRulesAndChainsStay(t *testing.T) {
	ns, ctx := linuxtest.Namespace(t), background(t)
	for _, cmd := range []string{
		"iptables -t nat -N their-chain", "iptables -t nat -A POSTROUTING -o eth9 -j MASQUERADE",
		"iptables -t nat -A their-chain -j ACCEPT", "iptables -P FORWARD DROP", "iptables -A FORWARD -i eth9 -j ACCEPT",
	} {
		linuxtest.Run(t, ns, strings.Fields(cmd)...)
	}
	if _, err := Apply(ctx, ns, IPv4, sample()); err != nil {
		t.Fatal(err)
	}
	want := `-A POSTROUTING -j lepton-l3-POSTROUTING
-A POSTROUTING -o eth9 -j MASQUERADE
-A POSTROUTING -j lepton-postrouting-bottom
`
	if out := linuxtest.Run(t, ns, "iptables-save", "-t", "nat"); !strings.Contains(out, want) || !strings.Contains(out, "-A their-chain -j ACCEPT") {
		t.Fatalf("the table has:\n%s", out)
	}
	// Everything of ours goes, nothing of theirs.
	if _, err := Apply(ctx, ns, IPv4, Ruleset{Prefix: "lepton-", Tables: []Table{{Name: "nat"}, {Name: "filter"}}}); err != nil {
		t.Fatal(err)
	}
	out := linuxtest.Run(t, ns, "iptables-save")
	if strings.Contains(out, "lepton-") || !strings.Contains(out, "-A POSTROUTING -o eth9 -j MASQUERADE") ||
		!strings.Contains(out, ":FORWARD DROP") || !strings.Contains(out, "-A FORWARD -i eth9 -j ACCEPT") {
		t.Fatalf("left:\n%s", out)
	}
}

func TestHooksThatSomebodyMovedOrDoubledAreSetRight(t *testing.T) {
	ns, ctx := linuxtest.Namespace(t), background(t)
	if _, err := Apply(ctx, ns, IPv4, sample()); err != nil {
		t.Fatal(err)
	}
	linuxtest.Run(t, ns, "iptables", "-t", "nat", "-I", "POSTROUTING", "-j", "lepton-postrouting-bottom")
	linuxtest.Run(t, ns, "iptables", "-t", "nat", "-A", "POSTROUTING", "-p", "tcp", "-j", "lepton-l3-snat")
	if changed, err := Apply(ctx, ns, IPv4, sample()); err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	out := linuxtest.Run(t, ns, "iptables-save", "-t", "nat")
	if strings.Count(out, "-A POSTROUTING") != 2 {
		t.Fatalf("the table has:\n%s", out)
	}
}

func TestARulesetThatIsRefusedLeavesThePreviousOne(t *testing.T) {
	ns, ctx := linuxtest.Namespace(t), background(t)
	if _, err := Apply(ctx, ns, IPv4, sample()); err != nil {
		t.Fatal(err)
	}
	before, err := Read(ctx, ns, IPv4)
	if err != nil {
		t.Fatal(err)
	}
	bad := sample()
	bad.Tables[0].Chains[0].Rules = append(bad.Tables[0].Chains[0].Rules, "-d 203.0.113.300/32 -j DNAT --to-destination 10.0.0.1")
	bad.Tables[1].Add("lepton-l3-FORWARD", "-j ACCEPT")
	_, refused := Apply(ctx, ns, IPv4, bad)
	if refused == nil || !strings.Contains(refused.Error(), "203.0.113.300") {
		t.Fatalf("error: %v", refused)
	}
	after, err := Read(ctx, ns, IPv4)
	if err != nil {
		t.Fatal(err)
	}
	var table *TableError
	if !errors.As(refused, &table) || table.Table != "nat" {
		t.Errorf("error is of %+v", table)
	}
	if rules := after["filter"].Chains["lepton-l3-FORWARD"].Rules; len(rules) != 2 {
		t.Errorf("the other table was not taken: %q", rules)
	}
	for name, c := range before["nat"].Chains {
		if strings.Join(c.Rules, "\n") != strings.Join(after["nat"].Chains[name].Rules, "\n") {
			t.Errorf("chain %s has become %q", name, after["nat"].Chains[name].Rules)
		}
	}
}

func TestRulesetsThatCannotBeAreRefusedBeforeAnythingIsTried(t *testing.T) {
	for name, r := range map[string]Ruleset{
		"no prefix":       {},
		"foreign chain":   {Prefix: "lepton-", Tables: []Table{{Name: "nat", Chains: []Chain{{Name: "x"}}}}},
		"long name":       {Prefix: "lepton-", Tables: []Table{{Name: "nat", Chains: []Chain{{Name: "lepton-" + strings.Repeat("x", 30)}}}}},
		"twice":           {Prefix: "lepton-", Tables: []Table{{Name: "nat", Chains: []Chain{{Name: "lepton-a"}, {Name: "lepton-a"}}}}},
		"two lines":       {Prefix: "lepton-", Tables: []Table{{Name: "nat", Chains: []Chain{{Name: "lepton-a", Rules: []string{"-j ACCEPT\n-A INPUT -j DROP"}}}}}},
		"hook to nowhere": {Prefix: "lepton-", Tables: []Table{{Name: "nat", Hooks: []Hook{{Chain: "INPUT", Target: "lepton-a"}}}}},
	} {
		if _, err := Diff(Saved{}, r); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestCommentsComeBackAsTheyWere(t *testing.T) {
	ns, ctx := linuxtest.Namespace(t), background(t)
	r := Ruleset{Prefix: "lepton-"}
	filter := r.Table("filter")
	for _, text := range []string{
		"plain", "two words", `with "quotes" and \ and 'these'`, "umlaut ü", "a.b", "", "line\nbreak", strings.Repeat("long ", 80),
		"floating-ip:203.0.113.1", "semi;colon", "$(reboot)", "#hash", strings.Repeat("ü", 200), "UPPER_lower-09",
	} {
		filter.Add("lepton-c", Comment(text)+" -j ACCEPT")
	}
	if _, err := Apply(ctx, ns, IPv4, r); err != nil {
		t.Fatal(err)
	}
	if changed, err := Apply(ctx, ns, IPv4, r); err != nil || changed {
		t.Fatalf("changed again: %v, %v\n%s", changed, err, linuxtest.Run(t, ns, "iptables-save"))
	}
}

func TestParseReadsWhatTheReferencePrints(t *testing.T) {
	saved, err := Parse(`# Generated by iptables-save v1.8.9 (nf_tables) on Fri Nov 20 15:39:59 2026
*nat
:POSTROUTING ACCEPT [1:84]
:own-snat - [0:0]
[12:3456] -A POSTROUTING -j own-snat
-A own-snat -m comment --comment "Perform source NAT \"now\"." -j RETURN
COMMIT
# Completed
`)
	if err != nil {
		t.Fatal(err)
	}
	nat := saved["nat"]
	if nat.Chains["POSTROUTING"].Policy != "ACCEPT" || nat.Chains["POSTROUTING"].Rules[0] != "-j own-snat" ||
		nat.Chains["own-snat"].Rules[0] != `-m comment --comment "Perform source NAT \"now\"." -j RETURN` {
		t.Fatalf("read %+v", nat.Chains)
	}
}

func TestParseNamesTheLineThatItDoesNotUnderstand(t *testing.T) {
	for text, part := range map[string]string{
		"-A INPUT -j ACCEPT\n":                               "line 1",
		"*nat\n:INPUT ACCEPT [0:0]\n":                        "no COMMIT",
		"*nat\n:INPUT ACCEPT\n-A OUTPUT -j X\nCOMMIT\n":      `line 3`,
		"*nat\n:INPUT ACCEPT\n-A INPUT --c \"x\nCOMMIT\n":    "quotes",
		"*nat\n*filter\nCOMMIT\n":                            "line 2",
		"*nat\n:INPUT ACCEPT\n:INPUT ACCEPT\nCOMMIT\n":       "line 3",
		"*nat\nCOMMIT\n*nat\nCOMMIT\n":                       "line 3",
		"*nat\n:INPUT ACCEPT\n-I INPUT -j ACCEPT\nCOMMIT":    "line 3",
		"*nat\n" + strings.Repeat("x", 100<<10) + "\nCOMMIT": "too long",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// print writes a Saved as iptables-save does.
func (s Saved) print() string {
	var b strings.Builder
	for name, t := range s {
		b.WriteString("*" + name + "\n")
		for _, c := range t.Order {
			b.WriteString(":" + c + " " + t.Chains[c].Policy + " [0:0]\n")
		}
		for _, c := range t.Order {
			for _, r := range t.Chains[c].Rules {
				b.WriteString("-A " + c + " " + r + "\n")
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"testdata/*.txt"} {
		files, _ := filepath.Glob(dir)
		for _, path := range files {
			if b, err := os.ReadFile(path); err == nil {
				f.Add(string(b))
			}
		}
	}
	f.Add("*nat\n:INPUT ACCEPT [0:0]\n[1:2] -A INPUT -m comment --comment \"a \\\" b\" -j ACCEPT\nCOMMIT\n")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := Parse(text)
		if err != nil {
			return
		}
		second, err := Parse(first.print())
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%s", err, first.print())
		}
		for name, table := range first {
			for chain, c := range table.Chains {
				if got := second[name].Chains[chain]; got == nil || strings.Join(got.Rules, "\n") != strings.Join(c.Rules, "\n") {
					t.Fatalf("chain %s of %s became %+v", chain, name, got)
				}
			}
		}
	})
}

// TestADifferenceLeadsFromAnyStateToAnyRuleset carries differences out on a
// model of iptables-restore --noflush.
func TestADifferenceLeadsFromAnyStateToAnyRuleset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := Saved{}, drawRuleset(t, "want")
		foreign := []string{"-i eth9 -j ACCEPT", "-j their-chain"}[:rapid.IntRange(0, 2).Draw(t, "foreign")]
		have["nat"] = &SavedTable{Order: []string{"PREROUTING", "their-chain"}, Chains: map[string]*SavedChain{
			"PREROUTING": {Policy: "ACCEPT", Rules: slices.Clone(foreign)}, "their-chain": {Policy: "-"},
		}}
		for _, r := range []Ruleset{drawRuleset(t, "first"), want} {
			text, err := Diff(have, r)
			if err != nil {
				t.Fatal(err)
			}
			simulate(t, have, text)
			if again, err := Diff(have, r); err != nil || again != "" {
				t.Fatalf("still different after\n%s: %v\n%s", text, err, again)
			}
		}
		left := []string{}
		for _, r := range have["nat"].Chains["PREROUTING"].Rules {
			if !leadsTo(r, "lepton-") {
				left = append(left, r)
			}
		}
		if strings.Join(left, "\n") != strings.Join(foreign, "\n") {
			t.Fatalf("foreign rules became %q", left)
		}
	})
}

func drawRuleset(t *rapid.T, label string) Ruleset {
	r := Ruleset{Prefix: "lepton-"}
	nat := r.Table("nat")
	for _, name := range []string{"lepton-a", "lepton-b", "lepton-c"} {
		if !rapid.Bool().Draw(t, label+name) {
			continue
		}
		nat.Add(name)
		for range rapid.IntRange(0, 3).Draw(t, label+name+" rules") {
			nat.Add(name, rapid.SampledFrom([]string{"-j ACCEPT", "-s 10.0.0.0/8 -j DROP", `-m comment --comment "x  y" -j ACCEPT`}).Draw(t, "rule"))
		}
		if rapid.Bool().Draw(t, label+name+" hook") {
			nat.Hooks = append(nat.Hooks, Hook{Chain: "PREROUTING", Target: name, Last: name == "lepton-c"})
		}
	}
	return r
}
