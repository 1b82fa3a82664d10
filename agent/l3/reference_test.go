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
	"github.com/lepton-sdn/lepton/model"
)

// difference is what the reference has and we have instead, as "table: rule" in
// our names.
type difference struct{ theirs, ours []string }

// differences are the rules in which we differ from the reference for the same
// objects, each with the reason; qg is the gateway's link.
func differences(qg string) map[string]difference {
	return map[string]difference{
		"the chain 'mark' held one rule and is written where it was called": {
			theirs: []string{"mangle: lepton-l3-PREROUTING -j lepton-l3-mark", "mangle: lepton-l3-mark -i " + qg + " -j MARK --set-xmark 0x2/0xffff"},
			ours:   []string{"mangle: lepton-l3-PREROUTING -i " + qg + " -j MARK --set-xmark 0x2/0xffff"},
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
}

// differences6 are those of IPv6.
var differences6 = map[string]difference{
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

// withMetadata is scenario i_metadata of the reference: one network, and no
// floating address.
func withMetadata() *View {
	const router, port, gateway = "7252567d-a1f4-487f-b659-c743f1a3805a", "3987e110-63a9-4bc8-bc8f-cc51daade650", "0ec1b680-7234-47d4-8b99-2069c5921831"
	v := NewView("hv1")
	v.network(vxID, 1450)
	v.network(extID, 1500)
	v.subnet(vxSubnet, vxID, "10.10.0.0/24", "10.10.0.1")
	v.subnet(extSubnet, extID, "203.0.113.0/24", "203.0.113.1")
	v.port(port, router, vxID, ownerInterface, "fa:16:3e:78:ae:48", [2]string{vxSubnet, "10.10.0.1"})
	v.port(gateway, router, extID, ownerGateway, "fa:16:3e:e3:10:9e", [2]string{extSubnet, "203.0.113.136"})
	v.Routers[router] = &model.Router{
		Meta: model.Meta{ID: router, Name: "r1"}, AdminStateUp: true,
		Gateway: &model.RouterGateway{NetworkID: extID, PortID: gateway, EnableSNAT: true},
	}
	return v
}

// referenceRules are the rulesets of the reference with ours for the same
// objects.
func referenceRules(t *testing.T) []referenceRuleset {
	t.Helper()
	var out []referenceRuleset
	for file, v := range map[string]*View{"reference": reference(), "reference-metadata": withMetadata()} {
		for id := range v.Routers {
			in, ok := v.Input(id)
			if !ok {
				t.Fatal("the host is not to have the router")
			}
			n := Desired(in)
			out = append(out,
				referenceRuleset{file + "-v4.txt", n.V4, differences(linkName(externalPrefix, in.Gateway.Port.ID))},
				referenceRuleset{file + "-v6.txt", n.V6, differences6})
		}
	}
	return out
}

type referenceRuleset struct {
	file        string
	rules       iptables.Ruleset
	differences map[string]difference
}

func TestRulesAreThoseOfTheReferenceForTheSameObjects(t *testing.T) {
	for _, tc := range referenceRules(t) {
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
	for _, tc := range referenceRules(t) {
		b, err := os.ReadFile("testdata/" + tc.file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("neutron-l3-agent-", wrapped, "neutron-", chainPrefix).Replace(string(b))
		saved, err := iptables.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tc.rules.Tables {
			for _, c := range table.Chains {
				if table.Name == "mangle" {
					continue // marks are set by masks that do not meet
				}
				var got []string
				for _, r := range c.Rules {
					got = append(got, ourComments.ReplaceAllString(r, ""))
				}
				if diff := cmp.Diff(saved[table.Name].Chains[c.Name].Rules, got); diff != "" {
					t.Errorf("%s: %s %s (-reference +ours):\n%s", tc.file, table.Name, c.Name, diff)
				}
			}
		}
	}
}
