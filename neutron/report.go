package neutron

import "slices"

// Report is what came of a plan.
type Report struct {
	DryRun bool     `json:"dry_run"`
	Counts []*Count `json:"counts"`
	Steps  []Step   `json:"steps,omitempty"` // of a dry run
	Notes  []Note   `json:"notes"`
}

// Complete reports whether all that Lepton can have is there as it was.
func (r *Report) Complete() bool {
	return !slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Verdict != LeftOut })
}

// Report is that of a plan which is not run.
func (p *Plan) Report() *Report {
	return &Report{DryRun: true, Counts: p.shown(), Steps: p.Steps, Notes: notes(p.Notes)}
}

// shown gives the counts of what there is.
func (p *Plan) shown() []*Count {
	return slices.DeleteFunc(slices.Clone(p.Counts), func(c *Count) bool { return *c == Count{Kind: c.Kind} })
}

// notes gives a list that is never null.
func notes(all []Note) []Note {
	if all == nil {
		return []Note{}
	}
	return all
}
