package l3

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/linux/iptables"
)

// differences are the rules in which we differ from the reference for the same
// objects, as "table: rule" in our names, each with the reason.
var differences = map[string]struct{ theirs, ours []string }{
	"the chain 'mark' held one rule and is written where it was called": {
		theirs: []string{"mangle: lepton-l3-PREROUTING -j lepton-l3-mark", "mangle: lepton-l3-mark -i qg-6d4184ea-7a -j MARK --set-xmark 0x2/0xffff"},
		ours:   []string{"mangle: lepton-l3-PREROUTING -i qg-6d4184ea-7a -j MARK --set-xmark 0x2/0xffff"},
	},
	"chains that hold nothing, or that nothing leads to, are not made": {
		theirs: []string{
			"mangle: lepton-l3-PREROUTING -j lepton-l3-floatingip",
			"mangle: lepton-l3-float-snat -m connmark --mark 0x0/0xffff0000 -j CONNMARK --save-mark --nfmask 0xffff0000 --ctmask 0xffff0000",
			"mangle: INPUT -j lepton-l3-INPUT", "mangle: FORWARD -j lepton-l3-FORWARD", "mangle: OUTPUT -j lepton-l3-OUTPUT",
			"raw: PREROUTING -j lepton-l3-PREROUTING", "raw: OUTPUT -j lepton-l3-OUTPUT",
			"filter: FORWARD -j lepton-filter-top", "filter: OUTPUT -j lepton-filter-top", "filter: lepton-filter-top -j lepton-l3-local",
			"filter: OUTPUT -j lepton-l3-OUTPUT",
		},
	},
}

// differences6 are those of IPv6.
var differences6 = map[string]struct{ theirs, ours []string }{
	"chains that hold nothing are not made": {
		theirs: []string{
			"mangle: INPUT -j lepton-l3-INPUT", "mangle: FORWARD -j lepton-l3-FORWARD", "mangle: OUTPUT -j lepton-l3-OUTPUT",
			"mangle: POSTROUTING -j lepton-l3-POSTROUTING",
			"raw: PREROUTING -j lepton-l3-PREROUTING", "raw: OUTPUT -j lepton-l3-OUTPUT",
			"filter: FORWARD -j lepton-filter-top", "filter: OUTPUT -j lepton-filter-top", "filter: lepton-filter-top -j lepton-l3-local",
			"filter: OUTPUT -j lepton-l3-OUTPUT",
		},
	},
	"nothing saves a mark to a connection of IPv6, so there is none to restore: without NAT no path crosses scopes": {
		theirs: []string{"mangle: lepton-l3-PREROUTING -m connmark ! --mark 0x0/0xffff0000 -j CONNMARK --restore-mark --nfmask 0xffff0000 --ctmask 0xffff0000"},
	},
}

var ourComments = regexp.MustCompile(`-m comment --comment "floating IP [0-9a-f-]+" `)

// rulesOf gives the rules as "table: chain rule", in our names.
func rulesOf(t *testing.T, text string) map[string]bool {
	t.Helper()
	text = strings.NewReplacer("neutron-l3-agent-", wrapped, "neutron-", chainPrefix).Replace(text)
	saved, err := iptables.Parse(ourComments.ReplaceAllString(text, ""))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for table, s := range saved {
		for name, c := range s.Chains {
			for _, r := range c.Rules {
				out[table+": "+name+" "+r] = true
			}
		}
	}
	return out
}

func TestRulesAreThoseOfTheReferenceForTheSameObjects(t *testing.T) {
	n := desired(t, func(*View) {})
	for _, tc := range []struct {
		file        string
		rules       iptables.Ruleset
		differences map[string]struct{ theirs, ours []string }
	}{
		{"reference-v4.txt", n.V4, differences},
		{"reference-v6.txt", n.V6, differences6},
	} {
		b, err := os.ReadFile("testdata/" + tc.file)
		if err != nil {
			t.Fatal(err)
		}
		want := rulesOf(t, string(b))
		for why, d := range tc.differences {
			for _, r := range d.theirs {
				if !want[r] {
					t.Errorf("%s: %s: the reference has no rule %q", tc.file, why, r)
				}
				delete(want, r)
			}
			for _, r := range d.ours {
				want[r] = true
			}
		}
		got := map[string]bool{}
		for _, table := range tc.rules.Tables {
			for _, h := range table.Hooks {
				got[table.Name+": "+h.Chain+" -j "+h.Target] = true
			}
			for _, c := range table.Chains {
				for _, r := range c.Rules {
					got[table.Name+": "+c.Name+" "+ourComments.ReplaceAllString(r, "")] = true
				}
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s (-reference +ours):\n%s", tc.file, diff)
		}
	}
}

// TestTheOrderOfRulesThatDecideIsTheReference holds the chains in which the
// first rule that matches wins.
func TestTheOrderOfRulesThatDecideIsTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/reference-v4.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("neutron-l3-agent-", wrapped, "neutron-", chainPrefix).Replace(string(b))
	saved, err := iptables.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range desired(t, func(*View) {}).V4.Tables {
		for _, c := range table.Chains {
			if table.Name == "mangle" {
				continue // marks are set by masks that do not meet
			}
			var got []string
			for _, r := range c.Rules {
				got = append(got, ourComments.ReplaceAllString(r, ""))
			}
			if diff := cmp.Diff(saved[table.Name].Chains[c.Name].Rules, got); diff != "" {
				t.Errorf("%s %s (-reference +ours):\n%s", table.Name, c.Name, diff)
			}
		}
	}
}
