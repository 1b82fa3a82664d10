package pipeline

import (
	"cmp"
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: what becomes of the flows that the switch makes itself, by the
// learn action of br-tun table 10. They are not in the Program. They must go
// when the network, its local VLAN, its tunnel id or the tunnel do: what takes
// the VLAN or the port next would inherit them.

// learner is a network whose senders the switch learns, and what the flows that
// it makes look like.
type learner struct {
	cookie uint64
	vlan   uint16
	tunID  uint32
	typ    model.NetworkType
}

// learners are the networks whose senders the switch learns.
type learners struct {
	byNetwork map[string]learner
	// stale are the cookies of learned flows that have to go.
	stale map[uint64]bool
}

// learns reports whether the switch learns any senders.
func (sh shape) learns() bool { return sh.learning || sh.standIns || sh.shared }

// relearn follows a change of a network's shape.
func (l *learners) relearn(n *network) {
	now := learner{Cookie(FeatureLearned, n.id), n.vlan, n.segment.ID, n.segment.Type}
	was, learning := l.byNetwork[n.id]
	if learning && (was != now || !n.shape.learns()) {
		l.stale[was.cookie] = true
		delete(l.byNetwork, n.id)
	}
	if n.shape.learns() {
		l.byNetwork[n.id] = now
	}
}

// tunnelMoved notes that a tunnel port is no longer what it was.
func (l *learners) tunnelMoved(t model.NetworkType) {
	for _, n := range l.byNetwork {
		if n.typ == t {
			l.stale[n.cookie] = true
		}
	}
}

// takeOver notes what an earlier state leaves behind.
func (s *state) takeOver(old *state) {
	s.inherit(&old.tracked)
	for id, was := range old.ports {
		if s.ports[id] == nil {
			s.farewell(was)
		}
	}
	for id, was := range old.byNetwork {
		if s.byNetwork[id] != was {
			s.stale[was.cookie] = true
		}
	}
	for key, was := range old.tunnels {
		if now := s.tunnels[key]; now == nil || now.ofport != was.ofport {
			s.tunnelMoved(key.Type)
		}
	}
	// Another tunnel may have taken its number while it stayed.
	now := s.tunnelTypes()
	for ofport, was := range old.tunnelTypes() {
		if now[ofport] != was {
			s.tunnelMoved(was)
		}
	}
}

// forget adds the stale cookies to the changes of a bridge.
func (l *learners) forget(changes map[string]Change, bridge string) map[string]Change {
	if len(l.stale) == 0 {
		return changes
	}
	c := changes[bridge]
	c.Forget = slices.Sorted(maps.Keys(l.stale))
	changes[bridge] = c
	clear(l.stale)
	return changes
}

// keeps reports whether r is a flow that l would make now, given the tunnel
// ports by number.
func (l learner) keeps(r flows.Rule, tunnels map[uint32]model.NetworkType) bool {
	r = flows.Canonical(r)
	vlan, ok := r.Match.Get(flows.VLANVID)
	if !ok || r.Cookie != l.cookie || vlan.Value.Lo&0xfff != uint64(l.vlan) {
		return false
	}
	for _, a := range r.Actions {
		switch a := a.(type) {
		case flows.Output:
			if tunnels[a.Port] != l.typ {
				return false
			}
		case flows.SetField:
			if a.Field == flows.TunID && a.Value != flows.U64(uint64(l.tunID)) {
				return false
			}
		}
	}
	return true
}

// Keeps reports whether a flow that the switch has learned itself may stay:
// a learned flow found on a bridge is to be deleted when Keeps is false. It is
// false for every flow that is not learned.
func (p *Program) Keeps(bridge string, r flows.Rule) bool {
	if bridge != p.tunnelBridge || !Learned(r.Cookie) {
		return false
	}
	i, ok := slices.BinarySearchFunc(p.learners, r.Cookie, func(l learner, cookie uint64) int {
		return cmp.Compare(l.cookie, cookie)
	})
	return ok && p.learners[i].keeps(r, p.tunnelPorts)
}
