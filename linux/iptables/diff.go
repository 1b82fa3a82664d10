package iptables

import (
	"fmt"
	"slices"
	"strings"
)

// Diff gives the input for iptables-restore --noflush that leads from have to
// want; "" when nothing differs. Chains that are as they should be are not in
// it, so their counters go on. Each table is one transaction: the kernel takes
// all of it or nothing.
func Diff(have Saved, want Ruleset) (string, error) {
	if err := want.Validate(); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range want.Tables {
		text, err := diffTable(have[t.Name], t, want.Prefix)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func diffTable(have *SavedTable, want Table, prefix string) (string, error) {
	if have == nil {
		have = &SavedTable{}
	}
	var declare, body, remove []string
	desired := map[string]bool{}
	for _, c := range want.Chains {
		desired[c.Name] = true
		same, err := sameRules(have.Chains[c.Name], c)
		if err != nil {
			return "", fmt.Errorf("table %s: chain %s: %w", want.Name, c.Name, err)
		}
		if same {
			continue
		}
		// Declaring a chain that is there empties it.
		declare = append(declare, ":"+c.Name+" - [0:0]")
		for _, r := range c.Rules {
			body = append(body, "-A "+c.Name+" "+r)
		}
	}
	hooks := diffHooks(have, want, prefix)
	for _, name := range have.Order {
		if strings.HasPrefix(name, prefix) && !desired[name] {
			declare = append(declare, ":"+name+" - [0:0]")
			remove = append(remove, "-X "+name)
		}
	}
	lines := slices.Concat(declare, body, hooks, remove)
	if len(lines) == 0 {
		return "", nil
	}
	return "*" + want.Name + "\n" + strings.Join(lines, "\n") + "\nCOMMIT\n", nil
}

func sameRules(have *SavedChain, want Chain) (bool, error) {
	if have == nil {
		return false, nil
	}
	same := len(have.Rules) == len(want.Rules)
	for i, r := range want.Rules {
		text, err := normalise(r)
		if err != nil {
			return false, fmt.Errorf("rule %q: %w", r, err)
		}
		same = same && have.Rules[i] == text
	}
	return same, nil
}

// diffHooks gives the commands that set the hooks of each built-in chain right.
func diffHooks(have *SavedTable, want Table, prefix string) []string {
	var builtin []string
	for _, name := range have.Order {
		if !strings.HasPrefix(name, prefix) {
			builtin = append(builtin, name)
		}
	}
	for _, h := range want.Hooks {
		if !slices.Contains(builtin, h.Chain) {
			builtin = append(builtin, h.Chain)
		}
	}
	var out []string
	for _, chain := range builtin {
		var rules []string
		if c := have.Chains[chain]; c != nil {
			rules = c.Rules
		}
		out = append(out, diffChainHooks(chain, rules, want.Hooks, prefix)...)
	}
	return out
}

func diffChainHooks(chain string, rules []string, hooks []Hook, prefix string) []string {
	var wanted, found, out []string
	for _, h := range hooks {
		if h.Chain == chain {
			wanted = append(wanted, h.rule())
		}
	}
	for _, r := range rules {
		if leadsTo(r, prefix) {
			found = append(found, r)
		}
	}
	if slices.Equal(wanted, found) {
		return nil
	}
	for _, r := range found {
		out = append(out, "-D "+chain+" "+r)
	}
	at := 1
	for _, h := range hooks {
		switch {
		case h.Chain != chain:
		case h.Last:
			out = append(out, "-A "+chain+" "+h.rule())
		default:
			out = append(out, fmt.Sprintf("-I %s %d %s", chain, at, h.rule()))
			at++
		}
	}
	return out
}

// leadsTo reports whether the rule jumps or goes to an owned chain.
func leadsTo(rule, prefix string) bool {
	words, err := split(rule)
	if err != nil {
		return false
	}
	for i, w := range words[:max(0, len(words)-1)] {
		if (w == "-j" || w == "-g") && strings.HasPrefix(words[i+1], prefix) {
			return true
		}
	}
	return false
}
