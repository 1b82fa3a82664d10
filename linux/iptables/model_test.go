package iptables

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// simulate carries out the input of iptables-restore --noflush on s, as far as
// Diff uses it.
func simulate(t *rapid.T, s Saved, text string) {
	var table *SavedTable
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line[0] == '*':
			table = s[line[1:]]
		case line == "COMMIT":
		case line[0] == ':':
			name, _, _ := strings.Cut(line[1:], " ")
			if table.Chains[name] == nil {
				table.Order = append(table.Order, name)
			}
			table.Chains[name] = &SavedChain{Policy: "-"}
		default:
			if err := table.command(line); err != nil {
				t.Fatalf("%q: %v in\n%s", line, err, text)
			}
		}
	}
}

func (t *SavedTable) command(line string) error {
	f := strings.SplitN(line, " ", 3)
	c := t.Chains[f[1]]
	if c == nil {
		return fmt.Errorf("no chain")
	}
	switch f[0] {
	case "-A":
		c.Rules = append(c.Rules, f[2])
	case "-I":
		var at int
		var rule string
		if n, err := fmt.Sscanf(f[2], "%d", &at); n != 1 || err != nil {
			return fmt.Errorf("no number")
		}
		_, rule, _ = strings.Cut(f[2], " ")
		if at < 1 || at > len(c.Rules)+1 {
			return fmt.Errorf("no such place")
		}
		c.Rules = slices.Insert(c.Rules, at-1, rule)
	case "-D":
		i := slices.Index(c.Rules, f[2])
		if i < 0 {
			return fmt.Errorf("no such rule")
		}
		c.Rules = slices.Delete(c.Rules, i, i+1)
	case "-X":
		for name, other := range t.Chains {
			for _, r := range other.Rules {
				if len(c.Rules) > 0 || strings.HasSuffix(r, "-j "+f[1]) {
					return fmt.Errorf("chain is used in %s", name)
				}
			}
		}
		delete(t.Chains, f[1])
		t.Order = slices.DeleteFunc(t.Order, func(n string) bool { return n == f[1] })
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}
