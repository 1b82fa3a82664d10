package links_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
)

// policed is config with a table for what comes in by one link, and one for an
// address.
func policed() links.Config {
	c := config()
	for _, r := range []links.Route{via("0.0.0.0/0", "169.254.0.1@in"), via("::/0", "fe80::1@in")} {
		r.Table, r.NextHops[0].OnLink = 70000, true
		c.Routes = append(c.Routes, r)
		c.Rules = append(c.Rules, links.Rule{Priority: 34000, From: netip.PrefixFrom(r.Dst.Addr(), 0), In: "in", Table: 70000})
	}
	r := via("0.0.0.0/0", "203.0.113.1@out")
	r.Table = 3405803783
	c.Routes = append(c.Routes, r)
	c.Rules = append(c.Rules, links.Rule{Priority: 33000, From: netip.MustParsePrefix("10.0.0.9/32"), Table: 3405803783})
	return c
}

func TestPolicyRulesLeadToTablesOfTheirOwn(t *testing.T) {
	ns := pair(t)
	apply(t, ns, config())
	linuxtest.Run(t, ns, "ip", "rule", "add", "from", "192.0.2.1", "lookup", "99", "priority", "100")
	first := apply(t, ns, policed())
	if again := apply(t, ns, policed()); again != "[]" || strings.Count(first, "rule add") != 3 {
		t.Fatalf("first %s, then %s", first, again)
	}
	for cmd, parts := range map[string][]string{
		"ip rule":                        {"100:\tfrom 192.0.2.1 lookup 99", "33000:\tfrom 10.0.0.9 lookup 3405803783", "34000:\tfrom all iif in lookup 70000"},
		"ip -6 rule":                     {"34000:\tfrom all iif in lookup 70000"},
		"ip route get 198.51.100.99":     {"198.51.100.99 dev in"},
		"ip route show table 3405803783": {"default via 203.0.113.1 dev out"},
		"ip -6 route show table 70000":   {"default via fe80::1 dev in"},
		"ip route show table 70000":      {"default via 169.254.0.1 dev in proto static onlink"},
	} {
		out := linuxtest.Run(t, ns, strings.Fields(cmd)...)
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("%s does not show %q:\n%s", cmd, part, out)
			}
		}
	}
	done := apply(t, ns, config())
	if strings.Count(done, "rule del") != 3 || strings.Count(done, "route del") != 3 {
		t.Errorf("not all is gone again: %s", done)
	}
	if out := linuxtest.Run(t, ns, "ip", "rule"); !strings.Contains(out, "192.0.2.1") || strings.Contains(out, "lookup 70000") {
		t.Errorf("rules left:\n%s", out)
	}
}
