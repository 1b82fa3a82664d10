package sim

import (
	"slices"

	"github.com/lepton-sdn/lepton/flows"
)

// Bridge is a switch with its tables.
type Bridge struct {
	Name string
	// Ports are the ports that exist, for flooding; nil: any port may be output
	// to and a flood is an output to the reserved port.
	Ports []uint32
	// Groups by id.
	Groups map[uint32]Group
	// Patches are the patch ports, by number.
	Patches map[uint32]Peer
	// Stations is what NORMAL has learned; it does not learn by itself.
	Stations map[Station]uint32

	tables [256]table
}

// Peer is the other end of a patch port.
type Peer struct {
	Bridge *Bridge
	Port   uint32
}

// Station is an Ethernet address on a VLAN, 0 for untagged frames.
type Station struct {
	MAC  uint64
	VLAN uint16
}

// Group is a group of buckets.
type Group struct {
	// All runs every bucket on a copy of the packet; otherwise only the first
	// runs (the choice of a select group is not simulated).
	All     bool
	Buckets [][]flows.Action
}

// NewBridge makes a bridge with these rules. Rules with the same key replace
// those before them.
func NewBridge(name string, rules []flows.Rule) *Bridge {
	b := &Bridge{Name: name}
	b.Add(rules...)
	return b
}

// Add adds rules, replacing those with the same key.
func (b *Bridge) Add(rules ...flows.Rule) { b.set(flows.Delta{Add: rules}.Apply(b.Rules())) }

// Apply makes the changes of d.
func (b *Bridge) Apply(d flows.Delta) { b.set(d.Apply(b.Rules())) }

// Rules gives the bridge's rules, sorted.
func (b *Bridge) Rules() []flows.Rule {
	var all []flows.Rule
	for _, t := range b.tables {
		for _, e := range t {
			all = append(all, e.rule)
		}
	}
	return all
}

func (b *Bridge) set(rules []flows.Rule) {
	b.tables = [256]table{}
	for _, r := range rules {
		b.tables[r.Table] = append(b.tables[r.Table], compile(r))
	}
}

// hasPort reports whether a port can be output to.
func (b *Bridge) hasPort(port uint32) bool {
	if b.Ports == nil || port == flows.PortLocal {
		return true
	}
	_, patch := b.Patches[port]
	return patch || slices.Contains(b.Ports, port)
}

// table is a flow table, by falling priority.
type table []entry

// entry is a rule with its match in the fields that packets have.
type entry struct {
	rule    flows.Rule
	match   flows.Match
	clauses []flows.Conjunction
}

func compile(r flows.Rule) entry {
	e := entry{rule: r, match: flows.Canonical(r).Match}
	for _, a := range r.Actions {
		if c, ok := a.(flows.Conjunction); ok {
			e.clauses = append(e.clauses, c)
		}
	}
	return e
}

// hit is the result of a lookup.
type hit struct {
	rule *flows.Rule
	// clauses are the conjunctive rules that led to it.
	clauses []*flows.Rule
	// tie is another rule of the same priority that matches too.
	tie *flows.Rule
}

// lookup finds the rule that a packet hits, nil for none. A conjunctive match
// counts at the priority of its clauses; the rule with its conj_id may stand
// at any (ovs-fields(7), "Conjunctive Match Fields").
func (t table) lookup(p *Packet) hit {
	for start := 0; start < len(t); {
		end := start
		for end < len(t) && t[end].rule.Priority == t[start].rule.Priority {
			end++
		}
		level := t[start:end]
		if h := level.hard(p); h.rule != nil {
			return h
		}
		if h := t.conjunctive(level, p); h.rule != nil {
			return h
		}
		start = end
	}
	return hit{}
}

// hard finds the first rule that is no clause.
func (t table) hard(p *Packet) hit {
	var h hit
	for i := range t {
		e := &t[i]
		if e.clauses != nil || !p.matches(e.match) {
			continue
		}
		switch {
		case h.rule == nil:
			h.rule = &e.rule
		case e.rule.Priority == h.rule.Priority && h.tie == nil:
			h.tie = &e.rule
		case e.rule.Priority < h.rule.Priority:
			return h
		}
	}
	return h
}

// conjunctive tries the clauses of one priority. Of several conjunctions that
// are satisfied the lowest id counts.
func (t table) conjunctive(level table, p *Packet) hit {
	satisfied := map[uint32]uint64{}
	sizes := map[uint32]uint8{}
	var clauses []*entry
	for i := range level {
		e := &level[i]
		if e.clauses == nil || !p.matches(e.match) {
			continue
		}
		clauses = append(clauses, e)
		for _, c := range e.clauses {
			satisfied[c.ID] |= 1 << (c.K - 1)
			sizes[c.ID] = c.N
		}
	}
	var ids []uint32
	for id, have := range satisfied {
		if have == 1<<sizes[id]-1 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		with := *p
		with.SetNum(flows.ConjID, uint64(id))
		h := t.hard(&with)
		if h.rule == nil {
			continue
		}
		for _, e := range clauses {
			if slices.ContainsFunc(e.clauses, func(c flows.Conjunction) bool { return c.ID == id }) {
				h.clauses = append(h.clauses, &e.rule)
			}
		}
		return h
	}
	return hit{}
}
