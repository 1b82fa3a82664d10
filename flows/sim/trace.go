package sim

import (
	"fmt"
	"strings"

	"github.com/lepton-sdn/lepton/flows"
)

// Step is a lookup, or a remark on what an action did.
type Step struct {
	Bridge *Bridge
	// Pass counts the passes through the tables, from 0.
	Pass int
	// Depth is the number of lookups that this one is nested in.
	Depth int
	Table uint8
	// Rule is what was hit, nil for a miss or a remark.
	Rule *flows.Rule
	// Clauses are the conjunctive rules that led to Rule.
	Clauses []*flows.Rule
	// Tie is another rule of the same priority that matches too: which of them
	// the switch takes is undefined.
	Tie *flows.Rule
	// Note is a remark, such as why an output was left out.
	Note string
}

// String writes the step as one line, indented by its depth.
func (s Step) String() string {
	var b strings.Builder
	b.WriteString(strings.Repeat("  ", s.Depth))
	switch {
	case s.Note != "":
		b.WriteString(s.Note)
	case s.Rule == nil:
		fmt.Fprintf(&b, "%s table %d: no match, drop", s.Bridge.Name, s.Table)
	default:
		fmt.Fprintf(&b, "%s %s", s.Bridge.Name, s.Rule)
	}
	if s.Tie != nil {
		fmt.Fprintf(&b, " (undefined: as likely %s)", s.Tie)
	}
	return b.String()
}

// Ties gives the steps of which the switch might take another.
func (r Result) Ties() []Step {
	var ties []Step
	for _, s := range r.Trace {
		if s.Tie != nil {
			ties = append(ties, s)
		}
	}
	return ties
}

// Cookies gives the cookies of the rules hit, in order.
func (r Result) Cookies() []uint64 {
	var cookies []uint64
	for _, s := range r.Trace {
		if s.Rule != nil {
			cookies = append(cookies, s.Rule.Cookie)
		}
	}
	return cookies
}

func (t *translation) step(number uint8, h hit) {
	t.runner.result.Trace = append(t.runner.result.Trace, Step{
		Bridge: t.bridge, Pass: len(t.runner.result.Finals), Depth: t.nesting, Table: number, Rule: h.rule, Clauses: h.clauses, Tie: h.tie,
	})
}

func (t *translation) note(format string, args ...any) {
	t.runner.result.Trace = append(t.runner.result.Trace, Step{
		Bridge: t.bridge, Pass: len(t.runner.result.Finals), Depth: t.nesting, Table: t.current, Note: fmt.Sprintf(format, args...),
	})
}
