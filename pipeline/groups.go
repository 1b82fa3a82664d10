package pipeline

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: security groups, their rules, and the addresses of remote groups.

// groups is the index of everything about security groups.
type groups struct {
	numbers
	byID map[string]*group
	// users are the local filtered ports by the groups that they name.
	users   map[string]map[*port]bool
	remotes map[string]*remote
}

func newGroups() groups {
	return groups{
		numbers: newNumbers(), byID: map[string]*group{},
		users: map[string]map[*port]bool{}, remotes: map[string]*remote{},
	}
}

// group is the unit of a security group: the flows of its rules, and those that
// lead to its remote groups.
type group struct {
	unit
	id       string
	known    bool
	stateful bool
	rules    []filterRule // by id
	// faulty are the ids of the rules that cannot be realised.
	faulty []string
}

// use is a way in which rules look addresses up in a remote group.
type use struct {
	direction *direction
	family    *family
	stateful  bool
}

// remote is a remote group or a remote address group.
type remote struct {
	id string
	// users are the groups with rules that name it, by how.
	users map[use]map[*group]bool
	// holders are the addresses by the port that is the member, "" for an
	// address group.
	holders   map[string][]netip.Prefix
	addresses map[netip.Prefix]*remoteAddress
}

// remoteAddress is the unit of one address of a remote group.
type remoteAddress struct {
	unit
	remote  *remote
	prefix  netip.Prefix
	holders map[string]bool
}

// lookAtGroup enters a group's rules.
func (s *state) lookAtGroup(v *View, id string) {
	now, known := v.Groups[id]
	known = known && now.Record != nil
	g := s.byID[id]
	switch {
	case g == nil && !known:
		return
	case g == nil:
		g = &group{id: id, stateful: true}
		s.byID[id] = g
	}
	if known != g.known {
		s.reserve(id, known)
	}
	wasStateful, cost := g.stateful, g.cost()
	before := g.uses()
	g.known, g.stateful = known, !known || now.Record.Stateful
	s.readRules(g, now.Rules)
	s.exchangeUses(g, before, g.uses())
	s.mark(g)
	for p := range s.users[id] {
		if g.stateful != wasStateful || g.cost() != cost && s.tooCostly(p) != p.overloaded {
			s.mark(p)
		}
	}
}

// readRules reads the rules and reports those that cannot be realised.
func (s *state) readRules(g *group, rules map[string]*model.SecurityGroupRule) {
	for _, id := range g.faulty {
		s.report("security group rule", id, "")
	}
	g.rules, g.faulty = nil, nil
	if !g.known {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		if rules[id] == nil {
			continue
		}
		r, text := readRule(rules[id], judge{g.stateful, s.base.config.Userspace})
		if text == "" {
			r.id = id
			g.rules = append(g.rules, r)
			continue
		}
		s.report("security group rule", id, text)
		g.faulty = append(g.faulty, id)
	}
}

// uses gives the remote groups that the group's rules name.
func (g *group) uses() map[use]map[string]bool {
	list := map[use]map[string]bool{}
	for _, r := range g.rules {
		if r.remote == "" {
			continue
		}
		u := use{r.direction, r.family, g.stateful}
		if list[u] == nil {
			list[u] = map[string]bool{}
		}
		list[u][r.remote] = true
	}
	return list
}

// cost is the number of lookups that comparing a packet with the group takes at
// most.
func (g *group) cost() int {
	most := 0
	for _, list := range g.uses() {
		most = max(most, len(list))
	}
	return 1 + 2*most
}

// exchangeUses follows a change of the remote groups that a group names.
func (s *state) exchangeUses(g *group, was, now map[use]map[string]bool) {
	for u, list := range was {
		for id := range list {
			if !now[u][id] {
				s.drop(s.remote(id), u, g)
			}
		}
	}
	for u, list := range now {
		for id := range list {
			if !was[u][id] {
				s.name(s.remote(id), u, g)
			}
		}
	}
}

// remote gives the index of a remote group, even of one that has no member.
func (s *state) remote(id string) *remote {
	r := s.remotes[id]
	if r == nil {
		r = &remote{
			id: id, users: map[use]map[*group]bool{}, holders: map[string][]netip.Prefix{},
			addresses: map[netip.Prefix]*remoteAddress{},
		}
		s.remotes[id] = r
	}
	return r
}

// name notes that a group's rules name a remote group. Its addresses need flows
// when that is new.
func (s *state) name(r *remote, u use, g *group) {
	s.reserve(r.id, true)
	if r.users[u] == nil {
		r.users[u] = map[*group]bool{}
		s.markAddresses(r)
	}
	r.users[u][g] = true
}

// drop is the opposite of name.
func (s *state) drop(r *remote, u use, g *group) {
	s.reserve(r.id, false)
	if delete(r.users[u], g); len(r.users[u]) == 0 {
		delete(r.users, u)
		s.markAddresses(r)
	}
	s.forgetRemote(r)
}

func (s *state) markAddresses(r *remote) {
	for _, a := range r.addresses {
		s.mark(a)
	}
}

// forgetRemote takes a remote group out of the index when nothing is known of
// it any more.
func (s *state) forgetRemote(r *remote) {
	if len(r.users) == 0 && len(r.addresses) == 0 {
		delete(s.remotes, r.id)
	}
}

func (s *state) lookAtMember(v *View, key MemberKey) {
	var addresses []netip.Prefix
	if m := v.Members[key]; m != nil {
		addresses = m.Addresses
	}
	s.hold(s.remote(key.Group), key.Port, addresses)
}

func (s *state) lookAtAddressGroup(v *View, id string) {
	var addresses []netip.Prefix
	if g := v.AddressGroups[id]; g != nil {
		addresses = g.Addresses
	}
	s.hold(s.remote(id), "", addresses)
}

// hold replaces the addresses that a holder brings into a remote group.
func (s *state) hold(r *remote, holder string, now []netip.Prefix) {
	keep := map[netip.Prefix]bool{}
	for _, p := range now {
		if p = unmapped(p); p.IsValid() && (p.Bits() > 0 || holder == "") {
			keep[p.Masked()] = true
		}
	}
	for _, p := range r.holders[holder] {
		if a := r.addresses[p]; !keep[p] {
			delete(a.holders, holder)
			s.mark(a)
		}
	}
	for p := range keep {
		a := r.addresses[p]
		if a == nil {
			a = &remoteAddress{remote: r, prefix: p, holders: map[string]bool{}}
			r.addresses[p] = a
		}
		if !a.holders[holder] {
			a.holders[holder] = true
			s.mark(a)
		}
	}
	if r.holders[holder] = slices.Collect(maps.Keys(keep)); len(keep) == 0 {
		delete(r.holders, holder)
	}
	s.forgetRemote(r)
}

// enterGroups notes which groups a local port names.
func (s *state) enterGroups(p *port) {
	if !p.local || !p.secured() {
		return
	}
	p.groups = slices.Compact(slices.Sorted(slices.Values(p.rec.SecurityGroups)))
	for _, id := range p.groups {
		s.reserve(id, true)
		if s.users[id] == nil {
			s.users[id] = map[*port]bool{}
		}
		s.users[id][p] = true
	}
}

func (s *state) leaveGroups(p *port) {
	for _, id := range p.groups {
		s.reserve(id, false)
		if delete(s.users[id], p); len(s.users[id]) == 0 {
			delete(s.users, id)
		}
	}
}

// kinds says whether the port has stateless and stateful groups. One that is
// not known has no rules; it counts as stateful.
func (s *state) kinds(p *port) (stateless, stateful bool) {
	for _, id := range p.groups {
		if g := s.byID[id]; g != nil && !g.stateful {
			stateless = true
		} else {
			stateful = true
		}
	}
	return stateless, stateful
}

// tooCostly reports whether judging a packet for the port takes too many
// lookups. With groups of both kinds all are visited twice: for nothing by those
// of the other kind.
func (s *state) tooCostly(p *port) bool {
	sum := 0
	if stateless, stateful := s.kinds(p); stateless && stateful {
		sum = len(p.groups)
	}
	for _, id := range p.groups {
		if g := s.byID[id]; g != nil {
			sum += g.cost()
		} else {
			sum++
		}
	}
	return sum > maxVisits
}

// renumber marks what depends on numbers that changed.
func (s *state) renumber() {
	for _, id := range s.assign() {
		if g := s.byID[id]; g != nil {
			s.mark(g)
		}
		for p := range s.users[id] {
			s.mark(p)
		}
		if r := s.remotes[id]; r != nil {
			s.markAddresses(r)
			for _, list := range r.users {
				for g := range list {
					s.mark(g)
				}
			}
		}
	}
}

func (g *group) compile(e *emitter) {
	n := e.number(g.id)
	if !g.known || n == 0 {
		return
	}
	seen := map[flows.Key]bool{}
	for i := range g.rules {
		for _, r := range g.ruleFlows(e.state, n, &g.rules[i]) {
			if key := r.Key(); !seen[key] { // of rules that say the same the first counts
				seen[key] = true
				e.integration(r)
			}
		}
	}
	e.integration(g.remoteFlows(e.state, n)...)
}

// flagsOf matches the flags while rules of a kind of group are compared, before
// or after the packet's address was found in the remote group.
func flagsOf(stateful, member bool) flows.FieldMatch {
	var v uint64
	if stateful {
		v |= flagConnection
	}
	if member {
		v |= flagMember
	}
	return flows.MaskedU(regFlags, v, flagConnection|flagMember)
}

// ruleFlows gives the flows of one rule.
func (g *group) ruleFlows(s *state, n uint32, r *filterRule) []flows.Rule {
	inGroup := []flows.FieldMatch{
		flows.ExactU(regGroup, uint64(n)), flows.ExactU(regRemote, 0), flagsOf(g.stateful, r.remote != ""),
	}
	if r.remote != "" {
		inGroup[1] = flows.ExactU(regRemote, uint64(s.number(r.remote)))
		if s.number(r.remote) == 0 {
			return nil
		}
	}
	var list []flows.Rule
	for _, m := range r.matches(g.stateful) {
		list = append(list, r.direction.rules.rule(prioRule, Cookie(FeatureRule, r.id),
			match(append(m, inGroup...)...), raise(flagAdmitted)))
	}
	return list
}

// remoteFlows gives the flows that have the packet's address looked up in each
// of the group's remote groups, when no rule without remote group has admitted
// the packet.
func (g *group) remoteFlows(s *state, n uint32) []flows.Rule {
	var list []flows.Rule
	for u, remotes := range g.uses() {
		var actions []flows.Action
		for _, id := range slices.Sorted(maps.Keys(remotes)) {
			if x := s.number(id); x != 0 {
				actions = append(actions, setReg(regRemote, uint64(x)), u.direction.rules.visit())
			}
		}
		list = append(list, u.direction.rules.rule(prioRemotes, Cookie(FeatureGroup, g.id),
			match(flows.ExactU(regGroup, uint64(n)), flows.ExactU(regRemote, 0), flagsOf(u.stateful, false), etherType(u.family.etherType)),
			append(actions, setReg(regRemote, 0))...))
	}
	return list
}

func (g *group) retire(s *state) {
	if !g.known {
		delete(s.byID, g.id)
	}
}

// compile emits a flow for each way in which rules look the address up.
func (a *remoteAddress) compile(e *emitter) {
	n := e.number(a.remote.id)
	if len(a.holders) == 0 || n == 0 {
		return
	}
	owner := cmp.Or(slices.Min(slices.Collect(maps.Keys(a.holders))), a.remote.id)
	for u := range a.remote.users {
		if u.family != familyOf(a.prefix.Addr()) {
			continue
		}
		parts := []flows.FieldMatch{
			flows.ExactU(regRemote, uint64(n)), etherType(u.family.etherType), flagsOf(u.stateful, false),
		}
		if u.stateful {
			parts = append(parts, inConnection(), flows.Prefix(u.direction.ctRemote(u.family), a.prefix))
		} else {
			parts = append(parts, flows.Prefix(u.direction.remote(u.family), a.prefix))
		}
		e.integration(u.direction.rules.rule(prioRule, Cookie(FeatureMember, owner), match(parts...),
			raise(flagMember), u.direction.rules.visit(), lower(flagMember)))
	}
}

func (a *remoteAddress) retire(s *state) {
	if len(a.holders) == 0 {
		delete(a.remote.addresses, a.prefix)
		s.forgetRemote(a.remote)
	}
}
