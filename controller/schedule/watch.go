package schedule

import (
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/model"
)

// watch knows since when each agent has been silent, by this process's clock:
// the clocks of other controllers, which stamp heartbeats, do not matter.
type watch struct {
	downTime time.Duration
	agents   map[string]*watched // by the record's id
	// anyone is when any agent was heard last.
	anyone time.Time
}

type watched struct {
	agent *model.Agent
	// heard is when the record's heartbeat last changed, or when watching began.
	heard time.Time
	dead  bool
}

func newWatch(downTime time.Duration) *watch {
	return &watch{downTime: downTime, agents: map[string]*watched{}}
}

// see notes an agent's record. It reports whether the agent can now take what it
// could not before, or has to give up what it has.
func (w *watch) see(a *model.Agent, now time.Time) bool {
	old, known := w.agents[a.ID]
	if !known {
		w.agents[a.ID] = &watched{agent: a, heard: now}
		return true
	}
	changed := differs(old.agent, a)
	if !a.HeartbeatAt.Equal(old.agent.HeartbeatAt) {
		w.anyone = now
		changed = changed || old.dead || !old.agent.Alive(a.HeartbeatAt, w.downTime)
		old.heard, old.dead = now, false
	}
	old.agent = a
	return changed
}

// differs reports whether placements depend on what has changed.
func differs(a, b *model.Agent) bool {
	return a.Host != b.Host || a.AvailabilityZone != b.AvailabilityZone ||
		!slices.Equal(a.Roles, b.Roles) || !slices.Equal(a.TunnelTypes, b.TunnelTypes) ||
		!sameKeys(a.BridgeMappings, b.BridgeMappings) || !sameSettings(a.RoleSettings, b.RoleSettings)
}

func sameKeys(a, b map[string]string) bool {
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}

func sameSettings(a, b map[string]model.RoleSettings) bool {
	for k, v := range a {
		if b[k].AdminStateUp != v.AdminStateUp {
			return false
		}
	}
	return len(a) == len(b)
}

func (w *watch) forget(id string) { delete(w.agents, id) }

// again starts the watch of all agents anew: for a while nobody could be heard.
func (w *watch) again(now time.Time) {
	for _, a := range w.agents {
		a.heard, a.dead = now, false
	}
}

// unheard reports whether nobody was heard for longer than all agents of a cloud
// can keep silent, who send a heartbeat every third of the time after which they
// are dead. Perhaps what they say cannot be stored.
func (w *watch) unheard(now time.Time) bool { return now.Sub(w.anyone) > w.downTime/2 }

// fallen gives the agents that have become dead.
func (w *watch) fallen(now time.Time) []*model.Agent {
	var out []*model.Agent
	for _, a := range w.agents {
		if !a.dead && now.Sub(a.heard) >= w.downTime {
			a.dead = true
			out = append(out, a.agent)
		}
	}
	return out
}

// isDead reports whether the agent is dead, as of the record that was watched.
func (w *watch) isDead(a *model.Agent) bool {
	seen, ok := w.agents[a.ID]
	return ok && seen.dead && seen.agent.HeartbeatAt.Equal(a.HeartbeatAt)
}
