package explain

import "strings"

// Redact takes out of an answer what a project may not see: hosts, tables, and
// the objects of other projects. seen reports whether an object of this kind and
// project is shown.
func (a *Answer) Redact(seen func(kind, project string) bool) {
	shown := func(o *Object) bool { return o == nil || seen(o.Kind, o.project) }
	for _, list := range [][]Step{a.Forward, a.Reply} {
		for i := range list {
			list[i].redact(shown)
		}
	}
	if !shown(a.To) {
		a.To = &Object{Kind: a.To.Kind}
	}
	if d := a.Decision; d != nil {
		d.redact(shown)
		a.Text = sentence(a.Verdict, d)
	}
	if a.Nearest != nil && !shown(&a.Nearest.Rule) {
		a.Nearest, a.Advice = nil, ""
	}
	kept := []Pending{}
	for _, p := range a.Pending { // without what hosts say, which may name their parts
		if p.Object != nil && shown(p.Object) {
			kept = append(kept, Pending{Object: p.Object, Text: "a host has not realised it as it is now"})
		}
	}
	a.Pending, a.Warnings = kept, []string{}
}

func (s *Step) redact(shown func(*Object) bool) {
	s.Host, s.Path, s.Tables = "", nil, nil
	foreign, rules := false, []string{}
	for k := range s.Objects {
		switch o := &s.Objects[k]; {
		case !shown(o):
			s.Objects[k], foreign = Object{Kind: o.Kind}, true
		case o.Kind == kindRule:
			rules = append(rules, o.String())
		}
	}
	for _, end := range []**Object{&s.In, &s.Out} {
		if !shown(*end) {
			*end, s.NextHop = &Object{Kind: (*end).Kind}, ""
		}
	}
	switch {
	case s.Kind == "physical_network" || s.Kind == "tunnel":
		s.Text = "from host to host, or to a machine outside"
	case s.Kind == "bridges":
		if s.Text = "over the bridges of a host"; len(rules) > 0 {
			s.Text += ", admitted by " + strings.Join(rules, " and ")
		}
	case foreign:
		s.Text, s.Packet = "over what is not your project's", ""
	}
}

func (d *Decision) redact(shown func(*Object) bool) {
	d.Host = ""
	if !shown(d.Object) {
		d.Object = &Object{Kind: d.Object.Kind}
		d.Text = "a " + strings.ReplaceAll(d.Object.Kind, "_", " ") + " that is not your project's decides"
		return
	}
	if plain, ok := plainly[d.Reason]; ok {
		d.Text = plain + ": " + d.Object.String()
	}
}

// plainly are the reasons whose texts tell of hosts, or of other objects than the
// one that decides.
var plainly = map[Reason]string{
	ReasonPortNotWired:  "the port is not wired",
	ReasonPortUnbound:   "the port is bound to no host",
	ReasonNoTunnel:      "no way leads to the other host",
	ReasonUnknown:       "nothing has the address that the packet is sent to",
	ReasonRouterNowhere: "no host has the router",
	ReasonPipeline:      "the packet does not find its way",
	ReasonTooBig:        "the packet is too big for the network",
	ReasonNoMetadata:    "nobody answers for metadata",
	ReasonOtherSource:   "the answer comes from an unexpected address",
}
