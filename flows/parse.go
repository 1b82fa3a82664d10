package flows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseOptions says how ParseRule reads names.
type ParseOptions struct {
	// Ports finds the number of a port by name; nil: only numbers and reserved
	// names are ports.
	Ports func(name string) (uint32, bool)
	// Tables finds the number of a table by name; nil: only numbers are tables.
	Tables func(name string) (uint8, bool)
}

// ErrNoActions is the error of a flow without actions=.
var ErrNoActions = errors.New("flow has no actions")

// ParseRule reads a flow as ovs-ofctl dump-flows prints it or as ovs-ofctl
// add-flow accepts it. What a switch counted (duration, n_packets, n_bytes,
// idle_age, hard_age) is read over. Errors name the word that is wrong.
//
// A table that is not named is 0 and a priority 32768. Actions that the newer
// OpenFlow versions express otherwise are read as that: mod_dl_src and its kin
// as SetField, mod_vlan_vid with a PushVLAN before it where the match does not
// say that there is a tag, strip_vlan as PopVLAN.
func ParseRule(text string, o ParseOptions) (Rule, error) {
	r, _, err := ParseRuleStats(text, o)
	return r, err
}

// ParseRuleStats is ParseRule that also returns what the switch counted.
func ParseRuleStats(text string, o ParseOptions) (Rule, Stats, error) {
	p := ruleParser{o: o, rule: Rule{Priority: defaultPriority}, stats: Stats{IdleAge: -1, HardAge: -1}}
	if err := p.parse(text); err != nil {
		return Rule{}, Stats{}, fmt.Errorf("parse flow: %w", err)
	}
	return p.rule, p.stats, nil
}

// ParseRules reads flows, one a line, and skips empty lines, comments that
// start with #, and the line with which a dump starts. Errors name the line.
func ParseRules(text string, o ParseOptions) ([]Rule, error) {
	var rules []Rule
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || isDumpHeader(line) {
			continue
		}
		r, err := ParseRule(line, o)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// isDumpHeader knows NXST_FLOW reply (xid=0x4): and OFPST_FLOW reply (OF1.5) (xid=0x2):
func isDumpHeader(line string) bool {
	return strings.Contains(line, "ST_FLOW reply (") && strings.HasSuffix(line, "):")
}

// ParseMatch reads a match such as tcp,nw_dst=192.0.2.1,tp_dst=22.
func ParseMatch(text string, o ParseOptions) (Match, error) {
	p := matchParser{o: o}
	s := scanner{rest: text}
	for {
		w, ok, err := s.next()
		if err == nil && ok {
			err = p.add(w)
		}
		if err != nil {
			return nil, fmt.Errorf("parse match: %w", err)
		}
		if !ok {
			break
		}
	}
	m, err := p.finish()
	if err != nil {
		return nil, fmt.Errorf("parse match: %w", err)
	}
	return m, nil
}

// ParseActions reads actions as they stand behind actions=.
func ParseActions(text string, o ParseOptions) ([]Action, error) {
	p := actionParser{o: o}
	actions, err := p.list(text)
	if err != nil {
		return nil, fmt.Errorf("parse actions: %w", err)
	}
	return actions, nil
}

type ruleParser struct {
	o     ParseOptions
	rule  Rule
	stats Stats
	match matchParser
}

func (p *ruleParser) parse(text string) error {
	p.match.o = p.o
	s := scanner{rest: text}
	for {
		s.rest = strings.TrimLeft(s.rest, separators)
		if actions, ok := cutActions(s.rest); ok {
			return p.finish(actions)
		}
		w, ok, err := s.next()
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoActions
		}
		known, err := p.attribute(w)
		if err == nil && !known {
			err = p.match.add(w)
		}
		if err != nil {
			return err
		}
	}
}

// cutActions takes actions= off the front.
func cutActions(s string) (string, bool) {
	for _, word := range []string{"actions", "action"} {
		if rest, ok := strings.CutPrefix(s, word); ok {
			if rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), "="); ok {
				return rest, true
			}
		}
	}
	return "", false
}

func (p *ruleParser) finish(actions string) (err error) {
	if p.rule.Match, err = p.match.finish(); err != nil {
		return err
	}
	ap := actionParser{o: p.o, match: p.rule.Match, instructions: true}
	p.rule.Actions, err = ap.list(actions)
	return err
}

// attribute reads what is neither match nor actions.
func (p *ruleParser) attribute(w word) (known bool, err error) {
	for _, f := range flagNames {
		if w.key == f.name && w.sep == 0 {
			p.rule.Flags |= f.flag
			return true, nil
		}
	}
	switch w.key {
	case "table":
		p.rule.Table, err = parseTable(w.value, p.o)
	case "priority":
		p.rule.Priority, err = parse16(w.value)
	case "cookie":
		p.rule.Cookie, err = parseUint(w.value, 64)
	case "idle_timeout":
		p.rule.IdleTimeout, err = parse16(w.value)
	case "hard_timeout":
		p.rule.HardTimeout, err = parse16(w.value)
	case "n_packets":
		p.stats.Packets, err = parseUint(w.value, 64)
	case "n_bytes":
		p.stats.Bytes, err = parseUint(w.value, 64)
	case "duration":
		p.stats.Duration, err = parseSeconds(strings.TrimSuffix(w.value, "s"))
	case "idle_age":
		p.stats.IdleAge, err = parseSeconds(w.value)
	case "hard_age":
		p.stats.HardAge, err = parseSeconds(w.value)
	default:
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("%s: %w", w.key, err)
	}
	return true, nil
}

// parseSeconds reads seconds with at most nine decimals.
func parseSeconds(s string) (time.Duration, error) {
	whole, part, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || len(part) > 9 {
		return 0, fmt.Errorf("seconds %q: not a number", s)
	}
	nsec, err := strconv.ParseUint((part + "000000000")[:9], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("seconds %q: not a number", s)
	}
	return time.Duration(sec)*time.Second + time.Duration(nsec), nil
}

func parse16(s string) (uint16, error) {
	n, err := parseUint(s, 16)
	return uint16(n), err
}

// parseTable reads the number or name of a table.
func parseTable(s string, o ParseOptions) (uint8, error) {
	if n, err := parseUint(s, 8); err == nil && n != 0xff {
		return uint8(n), nil
	}
	name, err := unquote(s)
	if err != nil {
		return 0, err
	}
	if o.Tables != nil {
		if n, ok := o.Tables(name); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("table %q: unknown", name)
}

// parsePort reads the number or name of a port. 16-bit reserved numbers become
// those of 32 bits.
func parsePort(s string, o ParseOptions) (uint32, error) {
	if n, err := parseUint(s, 32); err == nil {
		if n >= 0xff00 && n <= 0xffff {
			n |= 0xffff0000
		}
		return uint32(n), nil
	}
	if s == "" {
		return 0, errors.New("port missing")
	}
	name, err := unquote(s)
	if err != nil {
		return 0, err
	}
	for _, reserved := range reservedPorts {
		if strings.EqualFold(name, reserved.name) && s[0] != '"' {
			return reserved.port, nil
		}
	}
	if o.Ports != nil {
		if port, ok := o.Ports(name); ok {
			return port, nil
		}
	}
	return 0, fmt.Errorf("port %q: unknown", name)
}
