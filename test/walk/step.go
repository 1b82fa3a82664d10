package walk

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// Step is a command typed into the client, and what it must say.
type Step struct {
	// Command is what is typed, without the client's own name. $name stands for
	// what a step before has saved, or for a name of the session.
	Command string
	// Shows is what the answer to a command with -f json must have: Attributes
	// of an object, or []Attributes of a list's rows in any order. Attributes
	// that are not named may be anything. nil: anything. $name is replaced in
	// texts.
	Shows any
	// Among lets a list have other rows too: services have ports of their own.
	Among bool
	// Refused is what the client must say of a command that fails.
	Refused string
	// Saves names the id in the answer, or in the one row of a list, for $name
	// of later steps.
	Saves string
}

// Attributes are those of an API object, as the client shows them.
type Attributes = map[string]any

// Chapter is a group of commands.
type Chapter struct {
	Name  string
	Steps []Step
}

// answers reports whether the client prints a JSON document for the command.
func (s Step) answers() bool { return strings.Contains(s.Command+" ", " -f json ") }

// filled is the step with the names replaced.
func (s Step) filled(names map[string]string) (Step, error) {
	// Longer names first: $fip2 is not $fip and a 2.
	keys := slices.SortedFunc(maps.Keys(names), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, k := range keys {
		pairs = append(pairs, "$"+k, names[k])
	}
	r := strings.NewReplacer(pairs...)
	s.Command, s.Refused = r.Replace(s.Command), r.Replace(s.Refused)
	if s.Shows != nil {
		// Numbers and lists become what a JSON answer has.
		b, err := json.Marshal(s.Shows)
		if err != nil {
			return s, err
		}
		if err := json.Unmarshal([]byte(r.Replace(string(b))), &s.Shows); err != nil {
			return s, err
		}
	}
	if i := strings.Index(s.Command, "$"); i >= 0 {
		return s, fmt.Errorf("%q has a name that nothing saved", s.Command)
	}
	return s, nil
}

// check says what is wrong with an answer; "" when nothing.
func (s Step) check(a answer) string {
	if (s.Refused == "") != (a.said == "") || !strings.Contains(a.said, s.Refused) {
		return fmt.Sprintf("%s\n is refused with %q, want %q", s.Command, a.said, s.Refused)
	}
	if diff := difference(s.Shows, a.shown, s.Among); diff != "" {
		return fmt.Sprintf("%s\n shows what it should not (-want +got):\n%s", s.Command, diff)
	}
	return ""
}

// id finds what the step saves in an answer.
func (s Step) id(a answer) (string, error) {
	o, isObject := a.shown.(map[string]any)
	if rows, ok := a.shown.([]any); ok && len(rows) == 1 {
		o, isObject = rows[0].(map[string]any)
	}
	if isObject {
		for _, key := range []string{"id", "ID"} {
			if id, ok := o[key].(string); ok {
				return id, nil
			}
		}
	}
	return "", fmt.Errorf("%s\n shows no id to save as %s: %v", s.Command, s.Saves, a.shown)
}

// difference compares what was wanted of an answer with the answer, both as JSON
// has them.
func difference(want, got any, among bool) string {
	if want == nil {
		return ""
	}
	rows, isList := want.([]any)
	if !isList {
		return cmp.Diff(want, only(want, got))
	}
	found, ok := got.([]any)
	if !ok {
		return fmt.Sprintf("no rows, but %v", got)
	}
	if len(found) != len(rows) && !among {
		return fmt.Sprintf("%d rows, want %d: %v", len(found), len(rows), got)
	}
	for _, row := range rows {
		has := func(f any) bool { return cmp.Equal(row, only(row, f)) }
		if !slices.ContainsFunc(found, has) {
			return fmt.Sprintf("no row with %v in %v", row, got)
		}
	}
	return ""
}

// only gives the attributes of got that want has too.
func only(want, got any) any {
	w, ok1 := want.(map[string]any)
	g, ok2 := got.(map[string]any)
	if !ok1 || !ok2 {
		return got
	}
	out := map[string]any{}
	for k := range w {
		if v, ok := g[k]; ok {
			out[k] = v
		}
	}
	return out
}
