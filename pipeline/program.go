package pipeline

import (
	"cmp"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
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

	// What Keeps needs: the learning networks by cookie, the tunnel ports.
	tunnelBridge string
	learners     []learner
	tunnelPorts  map[uint32]model.NetworkType
}

// Problem says why an object cannot be realised on this host.
type Problem struct {
	// Kind is "network", "port", "physical network" or "security group rule".
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
	// Forget are cookies: every flow with such a cookie is to be deleted. The
	// switch learned them, and what they say holds no longer.
	Forget []uint64
	// Ended are connections that nobody here has any more: the switch's
	// connection tracker is to forget them, once the flows are gone.
	Ended []Connections
}

// Dirty names what changed in a View since the last call of
// Incremental.Compile: added, changed or gone. Naming too much costs time only.
type Dirty struct {
	// All has everything looked at again. Changes of Host, Config, PatchTun or
	// PatchInt are noticed without it.
	All      bool
	Networks []string
	// Ports are ids of local and of remote ports.
	Ports []string
	// Groups are ids of security groups whose record or rules changed.
	Groups        []string
	Members       []MemberKey
	AddressGroups []string
	Logs          []string
	Tunnels       []TunnelKey
	// Physical are names of physical networks.
	Physical []string
}

// program puts all units together.
func (s *state) program() *Program {
	p := &Program{
		Bridges:  byBridge(s.everything()),
		Problems: s.sortedProblems(),

		tunnelBridge: s.base.config.TunnelBridge,
		tunnelPorts:  s.tunnelTypes(),
	}
	for _, l := range s.byNetwork {
		p.learners = append(p.learners, l)
	}
	slices.SortFunc(p.learners, func(a, b learner) int { return cmp.Compare(a.cookie, b.cookie) })
	return p
}

// tunnelTypes gives the types of the tunnel ports by number.
func (s *state) tunnelTypes() map[uint32]model.NetworkType {
	types := map[uint32]model.NetworkType{}
	for key, t := range s.tunnels {
		if s.wins(tunnelPortClaim(t.ofport), key.String()) {
			types[t.ofport] = key.Type
		}
	}
	return types
}

// everything gives the rules of all units, in no particular order.
func (s *state) everything() []placed {
	out := make([]placed, 0, s.size)
	take := func(c compiled) { out = append(out, c.content().list...) }
	take(s.common)
	for _, n := range s.networks {
		take(n)
		n.eachPart(take)
	}
	for _, t := range s.tunnels {
		take(t)
	}
	for _, p := range s.physical {
		take(p)
	}
	for _, g := range s.byID {
		take(g)
	}
	for _, r := range s.remotes {
		for _, a := range r.addresses {
			take(a)
		}
	}
	return out
}
