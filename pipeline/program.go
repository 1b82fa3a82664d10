package pipeline

import (
	"github.com/lepton-sdn/lepton/flows"
)

// Program is the desired content of a host's bridges.
type Program struct {
	// Bridges holds the rules of every bridge that Lepton programs, by bridge
	// name, sorted by table, then descending priority, then match. No two rules
	// of a bridge have the same table, priority and match.
	Bridges map[string][]flows.Rule
	// Problems are the objects that cannot be realised, or not completely,
	// sorted by kind, id and text. All other objects are unaffected.
	Problems []Problem
}

// Problem says why an object cannot be realised on this host.
type Problem struct {
	// Kind is "network", "port" or "physical network".
	Kind string
	// ID is the object's id, or the physical network's name.
	ID string
	// Text is one lower-case sentence without the object's name.
	Text string
}

// Change is what must be done to one bridge to follow a change of the View.
type Change struct {
	// Set are rules to add, or to put in the place of the rule with the same
	// table, priority and match.
	Set []flows.Rule
	// Delete are rules to take away; only table, priority and match count.
	Delete []flows.Rule
}

// Dirty names what changed in a View since the last call of
// Incremental.Compile: added, changed or gone. Naming too much costs time only.
type Dirty struct {
	// All has everything looked at again. Changes of Host, Config, PatchTun or
	// PatchInt are noticed without it.
	All      bool
	Networks []string
	// Ports are ids of local and of remote ports.
	Ports   []string
	Tunnels []TunnelKey
	// Physical are names of physical networks.
	Physical []string
}
