package neutron

import (
	"fmt"
	"net/http"
	"slices"
)

// Step is one request that makes something in Lepton.
type Step struct {
	Kind string `json:"kind"` // what it is about
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Does string `json:"does"` // "create", "add interface", …

	method, path, member string
	body                 Object
	optional             []string // see resource
	phase                int      // steps of a phase do not depend on each other
}

// Counts reports whether the step is counted: what is done to an object that was
// made before is not.
func (s Step) Counts() bool {
	return s.Does != "set routes" && s.Does != "make default" && s.Does != "name"
}

// Verdict is what a note says of an object.
type Verdict string

// Verdicts, the last three of which leave something for a person to do.
const (
	LeftOut Verdict = "left out" // on purpose: Lepton has its own, or needs none
	Lacks   Verdict = "lacks"    // taken, but for an attribute
	Differs Verdict = "differs"  // is in Lepton, and is not the same
	Failed  Verdict = "failed"   // was refused
	Unknown Verdict = "not taken"
)

// Note is about an object that is not, or not wholly, in Lepton as it was.
type Note struct {
	Kind      string  `json:"kind"`
	ID        string  `json:"id"`
	Name      string  `json:"name,omitempty"`
	Verdict   Verdict `json:"verdict"`
	Attribute string  `json:"attribute,omitempty"`
	Reason    string  `json:"reason"`
}

// Count counts the objects of a kind.
type Count struct {
	Kind    string `json:"kind"`
	Found   int    `json:"found"`   // in the source
	Present int    `json:"present"` // of them in Lepton before
	Made    int    `json:"made"`
	LeftOut int    `json:"left_out"`
	Failed  int    `json:"failed"`
}

// Plan is what has to be done, and what will not be.
type Plan struct {
	Steps  []Step
	Notes  []Note
	Counts []*Count
	phase  int
	world  *world
	target Snapshot
}

// Compare plans how to make in the target what the source has.
func Compare(source, target Snapshot) *Plan {
	p := &Plan{world: newWorld(source), target: target}
	for _, r := range resources() {
		p.take(r)
		switch r.kind {
		case "QoS policy":
			p.qosRules()
		case "network":
			p.segments()
			// What is shared comes before what uses it; networks are published when
			// their policies are made.
		case "RBAC policy":
			p.defaultNetworks()
		case "router":
			p.interfaces()
			p.routes()
			p.helpers()
		case "floating IP":
			p.forwardings()
		}
	}
	p.quotas()
	p.leftovers()
	return p
}

// begin starts a phase with a count of its own.
func (p *Plan) begin(kind string) *Count {
	p.phase++
	c := &Count{Kind: kind}
	p.Counts = append(p.Counts, c)
	return c
}

func (p *Plan) step(s Step) {
	s.phase = p.phase
	p.Steps = append(p.Steps, s)
}

// note adds what there is to say of an object.
func (p *Plan) note(kind string, o Object, n Note) {
	n.Kind, n.ID, n.Name = kind, o.id(), o.text("name")
	p.Notes = append(p.Notes, n)
}

// take plans the objects of a resource.
func (p *Plan) take(r resource) {
	count, have := p.begin(r.kind), p.target.byID(r.kind)
	if r.rank != nil {
		defer func(first int) { p.rank(first, r) }(len(p.Steps))
	}
	for _, o := range p.world.source.Objects[r.kind] {
		count.Found++
		if r.admit != nil {
			if reason := r.admit(p.world, o); reason != "" {
				count.LeftOut++
				p.note(r.kind, o, Note{Verdict: LeftOut, Reason: reason})
				continue
			}
		}
		there, ok := have[o.id()]
		if r.kind == "port" && p.world.withOwner(o) {
			count.Found-- // counted there
			if ok {
				p.compare(r, o, there)
			}
			continue
		}
		for _, name := range r.lost {
			if set(o[name]) {
				p.note(r.kind, o, Note{Verdict: Lacks, Attribute: name, Reason: fmt.Sprintf("%v is not taken", o[name])})
			}
		}
		if ok {
			count.Present++
			p.compare(r, o, there)
			continue
		}
		p.step(Step{
			Kind: r.kind, ID: o.id(), Name: o.text("name"), Does: "create",
			method: http.MethodPost, path: r.path, member: r.member, body: p.body(r, o), optional: r.optional,
		})
	}
}

// rank puts the steps from the first on into phases of their own, by the rank of
// what they make.
func (p *Plan) rank(first int, r resource) {
	steps := p.Steps[first:]
	slices.SortStableFunc(steps, func(a, b Step) int { return r.rank(a.body) - r.rank(b.body) })
	most := 0
	for i := range steps {
		most = r.rank(steps[i].body)
		steps[i].phase += most
	}
	p.phase += most
}

// set reports whether an attribute has a value that means something.
func set(v any) bool {
	return v != nil && v != false && canonical(v) != ""
}

// body is what is sent to make an object.
func (p *Plan) body(r resource, o Object) Object {
	body := o.with(r.sent)
	if _, ok := body["project_id"]; !ok && slices.Contains(r.sent, "project_id") {
		body["project_id"] = o.project()
	}
	if r.shape != nil {
		r.shape(p.world, o, body)
	}
	had := imported(o)
	if r.had != nil {
		for name, value := range r.had(p.world, o) {
			had[name] = value
		}
	}
	body["lepton_import"] = had
	return body
}

// imported is the part of lepton_import that all resources have.
func imported(o Object) Object {
	had := o.with([]string{"id", "created_at", "updated_at", "revision_number", "tags"})
	if len(o.objects("tags")) == 0 && canonical(had["tags"]) == "" {
		delete(had, "tags")
	}
	return had
}

// compare notes in what an object differs from the one that is there.
func (p *Plan) compare(r resource, o, there Object) {
	names := r.sent
	if r.compared != nil {
		names = r.compared(o)
	}
	for _, name := range append(slices.Clone(names), "tags") {
		was, is := o[name], there[name]
		if name == "project_id" {
			was, is = o.project(), there.project()
		}
		if _, shown := o[name]; !shown || same(was, is) {
			continue
		}
		p.note(r.kind, o, Note{Verdict: Differs, Attribute: name, Reason: fmt.Sprintf("%s in Neutron, %s in Lepton", brief(was), brief(is))})
	}
}

// brief shows a value in a line.
func brief(v any) string {
	const most = 200
	text := canonical(v)
	if text == "" {
		return "nothing"
	}
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
