// Package iptables renders rulesets, reads them back and applies the
// difference, atomically per table.
//
//	desired Ruleset ──────────────┐
//	                              ├─ Diff ─► text ─► ip(6)tables-restore --noflush
//	ip(6)tables-save ─► Parse ────┘
//
// Chains whose names begin with the Ruleset's prefix are owned, and so are the
// rules of other chains that jump to them, the hooks. Everything else, the
// policies of built-in chains included, is somebody else's and stays.
//
// Rules are written as `iptables-save` prints them, so that they can be
// compared as text: addresses with the length of their prefix, -s -d -i -o -p
// before matches, matches in the order in which they were given, the target
// last. Counters are ignored.
package iptables

import (
	"fmt"
	"slices"
	"strings"
)

// Family chooses the programs: iptables or ip6tables.
type Family int

// The families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

func (f Family) String() string {
	if f == IPv6 {
		return "ip6tables"
	}
	return "iptables"
}

// maxChain is the longest name that the kernel takes (XT_EXTENSION_MAXNAMELEN
// without its end).
const maxChain = 28

// Ruleset is what is desired of the tables of one family, in one namespace.
type Ruleset struct {
	// Prefix begins the names of all chains that are owned.
	Prefix string
	Tables []Table
}

// Table is a part of a Ruleset: filter, nat, mangle or raw. A table without
// chains and hooks holds nothing of ours.
type Table struct {
	Name   string
	Hooks  []Hook
	Chains []Chain
}

// Hook is the rule of a built-in chain that leads into an owned one. Hooks of
// one chain come in the order given: the first ones before all foreign rules,
// those with Last after them.
type Hook struct {
	Chain  string // PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING
	Target string
	Last   bool
}

// rule is the text of the hook's rule without its chain.
func (h Hook) rule() string { return "-j " + h.Target }

// Chain is an owned chain and its rules, in order. A rule is the text that
// follows "-A CHAIN " in the output of iptables-save.
type Chain struct {
	Name  string
	Rules []string
}

// Table gives the table of that name, made at the end if it is not there.
func (r *Ruleset) Table(name string) *Table {
	for i := range r.Tables {
		if r.Tables[i].Name == name {
			return &r.Tables[i]
		}
	}
	r.Tables = append(r.Tables, Table{Name: name})
	return &r.Tables[len(r.Tables)-1]
}

// Hook leads a built-in chain into an owned one.
func (t *Table) Hook(chain, target string) {
	t.Hooks = append(t.Hooks, Hook{Chain: chain, Target: target})
}

// Add appends rules to a chain, made if it is not there. Without rules it only
// makes the chain.
func (t *Table) Add(chain string, rules ...string) {
	i := slices.IndexFunc(t.Chains, func(c Chain) bool { return c.Name == chain })
	if i < 0 {
		t.Chains = append(t.Chains, Chain{Name: chain})
		i = len(t.Chains) - 1
	}
	t.Chains[i].Rules = append(t.Chains[i].Rules, rules...)
}

// Validate refuses what cannot be carried out, so that no half of it is tried.
func (r Ruleset) Validate() error {
	if r.Prefix == "" {
		return fmt.Errorf("ruleset without a prefix")
	}
	for _, t := range r.Tables {
		known := map[string]bool{}
		for _, c := range t.Chains {
			switch {
			case !strings.HasPrefix(c.Name, r.Prefix) || len(c.Name) > maxChain || strings.ContainsAny(c.Name, " \t\n\""):
				return fmt.Errorf("table %s: chain %q is not one of prefix %s with at most %d characters", t.Name, c.Name, r.Prefix, maxChain)
			case known[c.Name]:
				return fmt.Errorf("table %s: chain %s comes twice", t.Name, c.Name)
			}
			known[c.Name] = true
			for _, rule := range c.Rules {
				if strings.ContainsAny(rule, "\n\r\x00") || strings.TrimSpace(rule) == "" {
					return fmt.Errorf("table %s: chain %s: rule %q is not one line", t.Name, c.Name, rule)
				}
			}
		}
		for _, h := range t.Hooks {
			if !known[h.Target] {
				return fmt.Errorf("table %s: %s leads to chain %s, which is not there", t.Name, h.Chain, h.Target)
			}
		}
	}
	return nil
}

// String is the ruleset as iptables-save would print it in a namespace that
// holds nothing else, without counters and comments: for golden files and for
// people.
func (r Ruleset) String() string {
	var b strings.Builder
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "*%s\n", t.Name)
		for _, c := range t.Chains {
			fmt.Fprintf(&b, ":%s -\n", c.Name)
		}
		for _, h := range t.Hooks {
			fmt.Fprintf(&b, "-A %s %s\n", h.Chain, h.rule())
		}
		for _, c := range t.Chains {
			for _, rule := range c.Rules {
				fmt.Fprintf(&b, "-A %s %s\n", c.Name, rule)
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}

// Comment is the match that carries a text, as iptables-save prints it. Texts
// are cut at what the kernel keeps, 255 bytes, and characters that end a word
// or a line in its format become "_".
func Comment(text string) string {
	clean := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '"' || c == '\\' || c == '\'' {
			return '_'
		}
		return c
	}, text)
	clean = strings.ToValidUTF8(clean[:min(len(clean), 255)], "")
	if plain(clean) {
		return "-m comment --comment " + clean
	}
	return `-m comment --comment "` + clean + `"`
}

// plain reports whether iptables-save prints the text without quotes.
func plain(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != ""
}
