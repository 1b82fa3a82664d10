package iptables

import (
	"fmt"
	"strings"
)

// Saved is what iptables-save printed: table → chains, as they are.
type Saved map[string]*SavedTable

// SavedTable is a table as it is.
type SavedTable struct {
	// Order has the names of the chains as they were printed.
	Order  []string
	Chains map[string]*SavedChain
}

// SavedChain is a chain as it is.
type SavedChain struct {
	Policy string   // ACCEPT, DROP; "-" for chains that are not built in
	Rules  []string // normalised, without "-A CHAIN"
}

// limits of what Parse takes in, far above what a namespace holds.
const (
	maxSaved     = 64 << 20 // bytes
	maxSavedLine = 64 << 10 // bytes
)

// Parse reads the output of iptables-save or ip6tables-save, with or without
// counters. It fails, with the number of the line, for everything that it does
// not understand: a ruleset that is half understood must not be changed.
func Parse(text string) (Saved, error) {
	if len(text) > maxSaved {
		return nil, fmt.Errorf("ruleset of %d bytes is too long", len(text))
	}
	out := Saved{}
	var table *SavedTable
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		var err error
		switch {
		case len(line) > maxSavedLine:
			err = fmt.Errorf("is too long")
		case line == "" || line[0] == '#':
		case line[0] == '*' && table == nil:
			table, err = out.open(line[1:])
		case table == nil:
			err = fmt.Errorf("is outside a table")
		case line == "COMMIT":
			table = nil
		case line[0] == ':':
			err = table.declare(line[1:])
		default:
			err = table.rule(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d, %.80q: %w", n, line, err)
		}
	}
	if table != nil {
		return nil, fmt.Errorf("line %d: the table has no COMMIT", n)
	}
	return out, nil
}

func (s Saved) open(name string) (*SavedTable, error) {
	if name == "" || strings.ContainsAny(name, " \t") || s[name] != nil {
		return nil, fmt.Errorf("is not the beginning of another table")
	}
	t := &SavedTable{Chains: map[string]*SavedChain{}}
	s[name] = t
	return t, nil
}

// declare reads "CHAIN POLICY [packets:bytes]".
func (t *SavedTable) declare(line string) error {
	f := strings.Fields(line)
	if len(f) < 2 || len(f) > 3 || len(f) == 3 && !counters(f[2]) || t.Chains[f[0]] != nil {
		return fmt.Errorf("does not declare another chain")
	}
	t.Order = append(t.Order, f[0])
	t.Chains[f[0]] = &SavedChain{Policy: f[1]}
	return nil
}

// rule reads "[packets:bytes] -A CHAIN …".
func (t *SavedTable) rule(line string) error {
	words, err := split(line)
	if err != nil {
		return err
	}
	if len(words) > 0 && counters(words[0]) {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "-A" {
		return fmt.Errorf("is not a rule")
	}
	c := t.Chains[words[1]]
	if c == nil {
		return fmt.Errorf("chain %q was not declared", words[1])
	}
	c.Rules = append(c.Rules, strings.Join(words[2:], " "))
	return nil
}

// counters reports whether the word is [packets:bytes].
func counters(s string) bool {
	inner, ok := strings.CutPrefix(s, "[")
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(inner, "]")
	packets, bytes, colon := strings.Cut(inner, ":")
	return ok && colon && digits(packets) && digits(bytes)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// split cuts a line into words. A word in double quotes keeps them, with
// backslashes as they are, so that joining gives the line back.
func split(line string) ([]string, error) {
	var words []string
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		start, quoted := i, false
		for ; i < len(line) && (quoted || line[i] != ' ' && line[i] != '\t'); i++ {
			switch line[i] {
			case '"':
				quoted = !quoted
			case '\\':
				i++ // the next one is meant as it is
			}
		}
		if quoted || i > len(line) {
			return nil, fmt.Errorf("ends within quotes")
		}
		words = append(words, line[start:i])
	}
	return words, nil
}

// normalise gives the text of a rule in the form of SavedChain.Rules.
func normalise(rule string) (string, error) {
	words, err := split(rule)
	return strings.Join(words, " "), err
}
