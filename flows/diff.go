package flows

import "slices"

// Delta is what makes one set of rules into another.
type Delta struct {
	// Add holds new rules, and those whose cookie, timeouts, flags or actions
	// change: an OpenFlow ADD replaces the rule with the same key.
	Add []Rule
	// Delete holds rules that are no longer wanted.
	Delete []Rule
}

// Empty reports whether there is nothing to do.
func (d Delta) Empty() bool { return len(d.Add) == 0 && len(d.Delete) == 0 }

// Len is the number of flow-mods that d takes.
func (d Delta) Len() int { return len(d.Add) + len(d.Delete) }

// Diff gives what has to be sent to a switch that has the rules have so that
// it has want. Both lists may come in any order; of rules with the same key the
// last counts, as it does when they are sent. The result is sorted by
// Rule.Compare and holds rules as they were given. Neither list is changed.
func Diff(have, want []Rule) Delta {
	var d Delta
	h, w := index(have), index(want)
	for len(h) > 0 || len(w) > 0 {
		order := 0
		switch {
		case len(h) == 0:
			order = 1
		case len(w) == 0:
			order = -1
		default:
			order = h[0].compare(w[0])
		}
		switch {
		case order < 0:
			d.Delete = append(d.Delete, *h[0].rule)
			h = h[1:]
			continue
		case order > 0:
			d.Add = append(d.Add, *w[0].rule)
			w = w[1:]
			continue
		}
		if !h[0].rule.sameContent(*w[0].rule) {
			d.Add = append(d.Add, *w[0].rule)
		}
		h, w = h[1:], w[1:]
	}
	return d
}

// Apply gives the rules of a switch that had the rules have and got d, sorted.
func (d Delta) Apply(have []Rule) []Rule {
	gone := make(map[Key]bool, len(d.Delete))
	for _, r := range d.Delete {
		gone[r.Key()] = true
	}
	all := make([]Rule, 0, len(have)+len(d.Add))
	for _, r := range have {
		if !gone[r.Key()] {
			all = append(all, r)
		}
	}
	entries := index(append(all, d.Add...))
	out := make([]Rule, len(entries))
	for i, e := range entries {
		out[i] = *e.rule
	}
	return out
}

// entry is a rule with its canonical match.
type entry struct {
	rule  *Rule
	match Match
}

func (e entry) compare(o entry) int {
	if c := compareStanding(e.rule, o.rule); c != 0 {
		return c
	}
	return e.match.Compare(o.match)
}

// index sorts rules without moving them and keeps the last one of each key.
func index(rules []Rule) []entry {
	entries := make([]entry, len(rules))
	sorted := true
	for i := range rules {
		entries[i] = entry{&rules[i], canonicalMatch(rules[i].Match)}
		sorted = sorted && (i == 0 || entries[i-1].compare(entries[i]) < 0)
	}
	if sorted {
		return entries
	}
	slices.SortStableFunc(entries, entry.compare)
	last := entries[:0]
	for i, e := range entries {
		if i+1 < len(entries) && e.compare(entries[i+1]) == 0 {
			continue
		}
		last = append(last, e)
	}
	return last
}
