package pipeline

import "github.com/lepton-sdn/lepton/flows"

// Incremental compiles a View again and again, each time with work in
// proportion to what changed. It belongs to one goroutine.
type Incremental struct{}

// NewIncremental gives an Incremental that has compiled nothing.
func NewIncremental() *Incremental { return &Incremental{} }

// Compile brings the Program up to date with v, given what changed since the
// last call (the first call looks at everything), and returns what changes on
// each bridge. Bridges without a change are left out.
func (c *Incremental) Compile(v *View, d Dirty) map[string]Change { return map[string]Change{} }

// Program gives the whole program as of the last Compile: the same as
// Compile(v) would give.
func (c *Incremental) Program() *Program { return &Program{Bridges: map[string][]flows.Rule{}} }
