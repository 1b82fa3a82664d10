package pipeline

import (
	"cmp"
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
)

// Incremental compiles a View again and again, each time with work in
// proportion to what changed. It belongs to one goroutine.
//
// The program is made of units: the rules of one port, of one MAC in a network
// (a station), of one IP address in a network (an addressee), of one network,
// tunnel port, or physical network, of one security group, of one address in a
// remote group, and those that always hold. A change of the
// View is first entered into the indexes that the units are compiled from; that
// marks units, and only those are compiled again. Compile is the same thing
// started from nothing, so that the two cannot drift apart.
type Incremental struct {
	state *state
}

// NewIncremental gives an Incremental that has compiled nothing.
func NewIncremental() *Incremental { return &Incremental{} }

// Compile brings the Program up to date with v, given what changed since the
// last call (the first call looks at everything), and returns what changes on
// each bridge. Bridges without a change are left out. v is not kept, except for
// its records.
func (c *Incremental) Compile(v *View, d Dirty) map[string]Change {
	old := c.state
	if old != nil && !d.All && old.base == baseOf(v) {
		old.look(v, d)
		return old.leaveBehind(old.settle().changes())
	}
	c.state = compileState(v)
	if old == nil {
		return difference{now: c.state.everything()}.changes()
	}
	c.state.takeOver(old)
	return c.state.leaveBehind(difference{old.everything(), c.state.everything()}.changes())
}

// leaveBehind adds to the changes what the switch keeps beside its flows and has
// to forget.
func (s *state) leaveBehind(changes map[string]Change) map[string]Change {
	changes = s.forget(changes, s.base.config.TunnelBridge)
	return s.end(changes, s.base.config.IntegrationBridge)
}

// compileState compiles a View from nothing.
func compileState(v *View) *state {
	s := newState(v)
	s.mark(s.common)
	s.look(v, everything(v))
	s.settle()
	return s
}

// Program gives the whole program as of the last Compile: the same as
// Compile(v) would give. It costs time in proportion to the program's size.
func (c *Incremental) Program() *Program {
	if c.state == nil {
		return &Program{Bridges: map[string][]flows.Rule{}}
	}
	return c.state.program()
}

// Problems gives the problems as of the last Compile, sorted.
func (c *Incremental) Problems() []Problem {
	if c.state == nil {
		return nil
	}
	return c.state.sortedProblems()
}

// base is what all rules may depend on. A change of it compiles everything.
type base struct {
	host               string
	config             Config
	patchTun, patchInt uint32
	metadata           MetadataPort
}

func baseOf(v *View) base {
	b := base{host: v.Host, config: v.Config, patchTun: v.PatchTun, patchInt: v.PatchInt, metadata: v.Metadata}
	b.config.IntegrationBridge = cmp.Or(b.config.IntegrationBridge, "br-int")
	b.config.TunnelBridge = cmp.Or(b.config.TunnelBridge, "br-tun")
	return b
}

// responds reports whether br-tun answers questions for addresses.
func (b base) responds() bool {
	return b.patchInt != 0 && b.config.L2Population && b.config.ARPResponder
}

// state is all that Incremental knows.
type state struct {
	base base
	*claimBook
	common   *common
	networks map[string]*network
	ports    map[string]*port
	physical map[string]*physical
	tunnels  map[TunnelKey]*tunnelPort
	// problems are texts by what they are about.
	problems map[subject]string
	// pending are the ports that have to join their networks again.
	pending map[*port]bool
	// marked are the units to compile again.
	marked []compiled
	size   int // rules in all units
	learners
	groups
	tracked
	logs
}

// subject is what a problem is about.
type subject struct{ kind, id string }

func newState(v *View) *state {
	return &state{
		base:      baseOf(v),
		claimBook: &claimBook{holders: map[claim]map[string]bool{}},
		common:    &common{},
		networks:  map[string]*network{},
		ports:     map[string]*port{},
		physical:  map[string]*physical{},
		tunnels:   map[TunnelKey]*tunnelPort{},
		problems:  map[subject]string{},
		pending:   map[*port]bool{},
		learners:  learners{byNetwork: map[string]learner{}, stale: map[uint64]bool{}},
		groups:    newGroups(),
		tracked:   newTracked(),
		logs:      newLogs(),
	}
}

func everything(v *View) Dirty {
	var d Dirty
	for id := range v.Networks {
		d.Networks = append(d.Networks, id)
	}
	for id := range v.Ports {
		d.Ports = append(d.Ports, id)
	}
	for id := range v.Remotes {
		d.Ports = append(d.Ports, id)
	}
	for id := range v.Groups {
		d.Groups = append(d.Groups, id)
	}
	for key := range v.Members {
		d.Members = append(d.Members, key)
	}
	for id := range v.AddressGroups {
		d.AddressGroups = append(d.AddressGroups, id)
	}
	for id := range v.Logs {
		d.Logs = append(d.Logs, id)
	}
	for key := range v.Tunnels {
		d.Tunnels = append(d.Tunnels, key)
	}
	for name := range v.Physical {
		d.Physical = append(d.Physical, name)
	}
	return d
}

// look enters what changed into the indexes.
func (s *state) look(v *View, d Dirty) {
	for _, name := range d.Physical {
		s.lookAtPhysical(v, name)
	}
	for _, key := range d.Tunnels {
		s.lookAtTunnel(v, key)
	}
	for _, id := range d.Networks {
		s.lookAtNetwork(v, id)
	}
	for _, id := range d.Groups {
		s.lookAtGroup(v, id)
	}
	for _, key := range d.Members {
		s.lookAtMember(v, key)
	}
	for _, id := range d.AddressGroups {
		s.lookAtAddressGroup(v, id)
	}
	for _, id := range d.Ports {
		s.lookAtPort(v, id)
	}
	for _, id := range d.Logs {
		s.lookAtLog(v, id)
	}
}

func (s *state) lookAtPhysical(v *View, name string) {
	now, p := v.Physical[name], s.physical[name]
	switch {
	case p == nil && now == (PhysicalBridge{}) || p != nil && p.facts == now:
		return
	case p == nil:
		p = &physical{name: name}
		s.physical[name] = p
	}
	affected := s.exchange(bridgeClaim(p.facts.Bridge), bridgeClaim(now.Bridge), name)
	p.facts = now
	s.mark(p)
	for other := range affected {
		s.mark(s.physical[other])
	}
	for _, n := range s.networks {
		s.mark(n)
	}
}

func (s *state) lookAtTunnel(v *View, key TunnelKey) {
	now, t := v.Tunnels[key], s.tunnels[key]
	switch {
	case t == nil && now == 0 || t != nil && t.ofport == now:
		return
	case t == nil:
		t = &tunnelPort{key: key}
		s.tunnels[key] = t
	default:
		s.tunnelMoved(key.Type)
	}
	affected := s.exchange(tunnelPortClaim(t.ofport), tunnelPortClaim(now), key.String())
	if t.ofport = now; now == 0 {
		delete(s.tunnels, key)
	}
	s.mark(t)
	if len(affected) > 0 {
		for _, other := range s.tunnels {
			s.mark(other)
			s.tunnelMoved(other.key.Type)
		}
	}
	for _, n := range s.networks {
		if n.segment.Type == key.Type {
			s.mark(n)
			s.markStationsOn(n, key.Host)
		}
	}
}

func (s *state) lookAtNetwork(v *View, id string) {
	now, n := factsOf(v, id), s.networks[id]
	switch {
	case n == nil && !now.known || n != nil && n.networkFacts == now:
		return
	case n == nil:
		n = s.network(id)
	}
	affected := s.exchange(n.vlanClaim(), now.vlanClaim(), id)
	for other := range s.exchange(n.segmentClaim(), now.segmentClaim(), id) {
		affected[other] = true
	}
	// What a network's ports may do depends on these facts.
	n.networkFacts = now
	for p := range n.ports {
		s.leave(p)
	}
	s.mark(n)
	for other := range affected {
		s.mark(s.networks[other])
	}
}

func (s *state) lookAtPort(v *View, id string) {
	now, was := currentPort(v, id), s.ports[id]
	if now == was || now != nil && was != nil && now.samePlace(was) {
		return
	}
	var before, after claim
	if was != nil {
		s.leave(was)
		s.mark(was)
		s.mark(was.net)
		delete(s.pending, was)
		delete(s.ports, id)
		delete(was.net.ports, was)
		s.leaveGroups(was)
		delete(s.problems, subject{"port", id})
		before = was.claim()
		if now == nil {
			s.farewell(was)
		}
	}
	if now != nil {
		now.net = s.network(now.rec.NetworkID)
		now.net.ports[now] = true
		s.enterGroups(now)
		s.ports[id], s.pending[now] = now, true
		s.mark(now)
		after = now.claim()
	}
	for other := range s.exchange(before, after, id) {
		s.leave(s.ports[other])
	}
}

// currentPort finds a port in the View: the local one, if it is bound to this
// host or known as nothing else.
func currentPort(v *View, id string) *port {
	l, plugged := v.Ports[id]
	plugged = plugged && l.Record != nil
	r := v.Remotes[id]
	remote := r != nil && r.Host != "" && r.Host != v.Host
	switch {
	case plugged && (l.Record.Host == v.Host || !remote):
		return &port{id: id, rec: l.Record, local: true, ofport: l.OFPort, asks: l.Asks, standby: l.Standby && shared(l.Record), others: sharersOf(l.Record, v.Host)}
	case remote && shared(r):
		return &port{id: id, rec: r, plugged: plugged, others: sharersOf(r, v.Host)}
	case remote:
		return &port{id: id, rec: r, plugged: plugged, others: []string{r.Host}}
	}
	return nil
}

// network gives the index of a network, even of one that the View does not
// hold: a port may come before its network.
func (s *state) network(id string) *network {
	n := s.networks[id]
	if n == nil {
		n = newNetwork(id)
		s.networks[id] = n
	}
	return n
}

// exchange moves a claimant from one claim to another; the zero claim is none.
// It gives the other claimants of both, for whom the winner may have changed.
func (s *state) exchange(was, now claim, id string) map[string]bool {
	affected := map[string]bool{}
	if was == now {
		return affected
	}
	if was != (claim{}) {
		maps.Copy(affected, s.withdraw(was, id))
	}
	if now != (claim{}) {
		maps.Copy(affected, s.enter(now, id))
	}
	delete(affected, id)
	return affected
}

// mark notes that a unit must be compiled again.
func (s *state) mark(c compiled) {
	if u := c.content(); !u.marked {
		u.marked = true
		s.marked = append(s.marked, c)
	}
}

// settle has the pending ports join, compiles the marked units and gives the
// difference.
func (s *state) settle() difference {
	s.admitNetworks()
	s.joinPending()
	s.reshapeNetworks()
	s.renumber()
	e := &emitter{state: s}
	d := difference{}
	for _, c := range s.marked {
		u := c.content()
		d.was = append(d.was, u.list...)
		c.compile(e)
		s.size -= len(u.list)
		u.list, u.marked = e.take(), false
		s.size += len(u.list)
		d.now = append(d.now, u.list...)
		c.retire(s)
	}
	clear(s.marked)
	s.marked = s.marked[:0]
	return d
}

// sortedProblems gives the problems in order.
func (s *state) sortedProblems() []Problem {
	list := make([]Problem, 0, len(s.problems))
	for o, text := range s.problems {
		list = append(list, Problem{Kind: o.kind, ID: o.id, Text: text})
	}
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Text, b.Text))
	})
	return list
}

func (s *state) report(kind, id, text string) {
	if text == "" {
		delete(s.problems, subject{kind, id})
		return
	}
	s.problems[subject{kind, id}] = text
}
