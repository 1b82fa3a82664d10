package main

import (
	"regexp"
	"strings"
)

// step is one table that a traced packet meets.
type step struct {
	bridge  string
	table   string // number
	match   string
	cookie  string
	actions []string
}

var (
	bridgeLine = regexp.MustCompile(`^bridge\("([^"]+)"\)`)
	tableLine  = regexp.MustCompile(`^\s?(\d+)\. (.*)$`)
	ruleParts  = regexp.MustCompile(`^(?:(.*), )?priority \d+(?:, cookie (0x[0-9a-f]+))?$`)
)

// parseTrace reads what ovs-appctl ofproto/trace prints: per bridge the tables
// in the order in which the packet met them, with the rule that matched and
// its actions below. verdict is the datapath's actions.
func parseTrace(out string) (steps []step, verdict string) {
	bridge := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		switch {
		case bridgeLine.MatchString(line):
			bridge = bridgeLine.FindStringSubmatch(line)[1]
		case strings.HasPrefix(line, "Datapath actions: "):
			verdict = strings.TrimPrefix(line, "Datapath actions: ")
		case tableLine.MatchString(line):
			m := tableLine.FindStringSubmatch(line)
			st := step{bridge: bridge, table: m[1], match: m[2]}
			if p := ruleParts.FindStringSubmatch(m[2]); p != nil {
				st.match, st.cookie = p[1], p[2]
			}
			steps = append(steps, st)
		case strings.HasPrefix(line, "    ") && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.actions = append(last.actions, strings.TrimSpace(line))
		}
	}
	return steps, verdict
}

var (
	namedTable    = regexp.MustCompile(`table="?([^",]+)"?,`)
	numberedTable = regexp.MustCompile(`table=(\d+),`)
	aboutCT       = regexp.MustCompile(`^(A clone of the packet is forked|Sets the packet to an untracked state)`)
	jump          = regexp.MustCompile(`^(?:goto_table:|resubmit\(,)(\d+)\)?$`)
)

// tableNames learns the names of a bridge's tables from two dumps of the same
// flows, one with numbers and one with names.
func tableNames(numbered, named string) map[string]string {
	names := map[string]string{}
	a, b := strings.Split(numbered, "\n"), strings.Split(named, "\n")
	for i := range min(len(a), len(b)) {
		w := namedTable.FindStringSubmatch(b[i])
		if w == nil {
			continue
		}
		number := "0" // which ovs-ofctl does not print
		if n := numberedTable.FindStringSubmatch(a[i]); n != nil {
			number = n[1]
		}
		names[number] = w[1]
	}
	return names
}

// condense puts the actions of a step on one line, with the names of the
// tables that it leads to.
func (s step) condense(names map[string]string) string {
	var out []string
	for _, a := range s.actions {
		if m := jump.FindStringSubmatch(a); m != nil {
			a = "→ " + m[1]
			if n := names[m[1]]; n != "" {
				a += " " + n
			}
		}
		// What follows an arrow explains the action before it.
		if why, found := strings.CutPrefix(a, "-> "); found && len(out) > 0 {
			if aboutCT.MatchString(why) {
				// Behind ct the packet goes on as a copy; the trace calls that a drop.
				if out[len(out)-1] == "drop" {
					out = out[:len(out)-1]
				}
				continue
			}
			out[len(out)-1] += " (" + why + ")"
			continue
		}
		out = append(out, a)
	}
	return strings.Join(out, ", ")
}
