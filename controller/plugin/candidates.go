package plugin

import (
	"cmp"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Scheduling says how far what is on hosts may be changed: what the records
// alone do not tell.
type Scheduling struct {
	// Dead reports whether an agent has been silent for so long, and been watched
	// for so long, that others take over what it has.
	Dead func(*model.Agent) bool
	// Unanswered reports whether the active host of an ha router has had the time
	// to answer a challenge.
	Unanswered func(router string, c model.RouterChallenge) bool
	// MayMove lets something go to another host while its present one is there.
	MayMove bool
}

// Placement is what became of a router or a network in one go.
type Placement struct {
	// Gained and Lost are the hosts that were added and taken away.
	Gained, Lost []string
	// Paced is set when MayMove was made use of.
	Paced bool
	// Waits is set when something is to move that may not now.
	Waits bool
	// Unplaced is set when there are fewer hosts than there should be, and no
	// other agent that could take it.
	Unplaced bool
	// NoAddress is set when a port is without an address in some subnet, because
	// there is none free.
	NoAddress bool
	// Activated is the host of an ha router that is to forward from now on.
	Activated string
	// Rests is when to look again, because an administrator took it off a host a
	// moment ago, or a host has a moment to answer; zero for nothing of the kind.
	Rests time.Time
}

// handsOff is how long the scheduler leaves alone what an administrator has just
// taken off a host: who moves something by hand takes it off one host and puts
// it on another.
const handsOff = time.Minute

// standing is how a host stands to something that it has.
type standing int

const (
	serving standing = iota // has it and keeps it
	failing                 // dead, or cannot reach it: another one is better
	gone                    // there is no such agent any more
)

// demand is what has to be placed: on agents of which role, which segments of
// which networks these must reach, and in which zones.
type demand struct {
	role     string
	networks []*model.Network
	// segment is the one of the first network that must be reached, "" for any.
	segment string
	hints   []string
	dead    func(*model.Agent) bool
	// takenOff are hosts that an administrator does not want to have it.
	takenOff []model.TakenOff
}

// agentOn finds the agent of a host in a role; what is read becomes a condition
// when r is an update.
func agentOn(r records.Reader, host, role string) (*model.Agent, bool) {
	for found := range records.AgentsByHost.Get(r, host) {
		if a, ok := records.Agents.Get(r, found.ID); ok && slices.Contains(a.Roles, role) {
			return a, true
		}
	}
	return nil, false
}

// stand tells how a host stands to what is demanded.
func (d *demand) stand(r records.Reader, host string) standing {
	a, ok := agentOn(r, host, d.role)
	switch {
	case !ok:
		return gone
	case d.dead(a) || !d.reachedBy(a):
		return failing
	}
	return serving
}

// reachedBy reports whether an agent's host is on all that is demanded.
func (d *demand) reachedBy(a *model.Agent) bool {
	for i, n := range d.networks {
		if _, ok := n.SegmentOn(a); !ok {
			return false
		}
		if i == 0 && d.segment != "" && !onSegmentOf(n, d.segment, a) {
			return false
		}
	}
	return true
}

func onSegmentOf(n *model.Network, segment string, a *model.Agent) bool {
	return slices.ContainsFunc(n.AllSegments(), func(s model.NetworkSegment) bool { return s.ID == segment && a.Reaches(s.Segment) })
}

// enabledFor reports whether an administrator lets the agent get something new in
// the role.
func enabledFor(a *model.Agent, role string) bool {
	settings, ok := a.RoleSettings[role]
	return !ok || settings.AdminStateUp
}

// choose finds the best agent for what is demanded that is none of the hosts
// which are out of the question: in a zone that has none of it yet, then the
// one with the least; nil for none. It becomes a condition of an update.
func (p *Plugin) choose(r records.Reader, d *demand, have []string, load func(host string) int) *model.Agent {
	zones := map[string]bool{}
	for _, host := range have {
		if a, ok := agentOn(r, host, d.role); ok {
			zones[zoneOf(a)] = true
		}
	}
	type candidate struct {
		agent *model.Agent
		near  bool
		load  int
	}
	var all []candidate
	for a := range records.Agents.All(r) {
		if slices.Contains(have, a.Host) || d.offLimits(a.Host) || !p.eligible(a, d) {
			continue
		}
		all = append(all, candidate{a, zones[zoneOf(a)], load(a.Host)})
	}
	if len(all) == 0 {
		return nil
	}
	best := slices.MinFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(rank(a.near), rank(b.near)), cmp.Compare(a.load, b.load), cmp.Compare(a.agent.Host, b.agent.Host))
	})
	agent, ok := records.Agents.Get(r, best.agent.ID)
	if !ok {
		return nil
	}
	return agent
}

// eligible reports whether an agent may get what is demanded.
func (p *Plugin) eligible(a *model.Agent, d *demand) bool {
	return slices.Contains(a.Roles, d.role) && enabledFor(a, d.role) && p.Alive(a) && !d.dead(a) && d.reachedBy(a) &&
		(len(d.hints) == 0 || slices.Contains(d.hints, zoneOf(a)))
}

func (d *demand) offLimits(host string) bool {
	return slices.ContainsFunc(d.takenOff, func(t model.TakenOff) bool { return t.Host == host })
}

// restsUntil is when the last administrator's hand is off for long enough; zero
// for now. What is farther in the future than that is the stamp of a wrong clock,
// which may have been put right since: it is not waited for.
func (p *Plugin) restsUntil(takenOff []model.TakenOff) time.Time {
	var until time.Time
	now := p.now()
	for _, t := range takenOff {
		if end := t.At.Add(handsOff); end.After(now) && end.After(until) && !t.At.After(now.Add(handsOff)) {
			until = end
		}
	}
	return until
}

func zoneOf(a *model.Agent) string { return orDefault(a.AvailabilityZone, defaultZone) }

// zonesOf gives the zones of hosts, each once, in order.
func zonesOf(r records.Reader, hosts []string) []string {
	var zones []string
	for _, host := range hosts {
		for a := range records.AgentsByHost.Get(r, host) {
			zones = append(zones, zoneOf(a))
		}
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// takenOffWithout gives the list without a host.
func takenOffWithout(list []model.TakenOff, host string) []model.TakenOff {
	return slices.DeleteFunc(slices.Clone(list), func(t model.TakenOff) bool { return t.Host == host })
}
