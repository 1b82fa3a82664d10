package plugin

import (
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// liveness knows since when each agent has been silent, by this process's clock:
// heartbeats are stamped by any controller, and clocks differ and jump. Only of an
// agent that was not heard since this process began do the stamps tell.
type liveness struct {
	downTime time.Duration

	mu     sync.Mutex
	agents map[string]heard // by the record's id
	anyone time.Time        // when any agent was heard
}

// heard is a heartbeat and when it came to be known here.
type heard struct {
	beat time.Time // as stamped
	at   time.Time
	// before is how long the agent had been silent by then.
	before time.Duration
}

func newLiveness(downTime time.Duration) *liveness {
	return &liveness{downTime: downTime, agents: map[string]heard{}}
}

// NoteHeartbeats is for records.DB.OnApply. Without it agents are alive by their
// stamps alone.
func (p *Plugin) NoteHeartbeats(b records.Batch) {
	for _, c := range b.Changes {
		if _, after, ok := records.Agents.Change(c); ok {
			p.live.note(c.ID, after, p.now())
		}
	}
}

func (l *liveness) note(id string, a *model.Agent, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, known := l.agents[id]
	switch {
	case a == nil:
		delete(l.agents, id)
	case !known:
		l.agents[id] = heard{beat: a.HeartbeatAt, at: now, before: max(now.Sub(a.HeartbeatAt), 0)}
	case !a.HeartbeatAt.Equal(old.beat):
		if !l.anyone.IsZero() && now.Sub(l.anyone) > l.downTime/2 {
			// For a while no heartbeat could be stored: all get their time again.
			for other, h := range l.agents {
				h.at, h.before = now, 0
				l.agents[other] = h
			}
		}
		l.anyone = now
		l.agents[id] = heard{beat: a.HeartbeatAt, at: now}
	}
}

// Alive reports whether the agent was heard of lately.
func (p *Plugin) Alive(a *model.Agent) bool {
	now := p.now()
	p.live.mu.Lock()
	h, known := p.live.agents[a.ID]
	p.live.mu.Unlock()
	switch {
	case !known:
		return a.Alive(now, p.config.agentDownTime())
	case !h.beat.Equal(a.HeartbeatAt):
		return true // a heartbeat that is being noted
	}
	return h.before+now.Sub(h.at) < p.config.agentDownTime()
}
