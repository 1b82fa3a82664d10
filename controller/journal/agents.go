package journal

import (
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// maxProblems bounds what one agent's record may tell at once.
const maxProblems = 32

// brakeObject is what an agent's problem about its brake is about.
const brakeObject = "brake"

// agentNews is what a change of an agent's record tells; either may be nil.
// Most changes are heartbeats, and tell nothing.
func agentNews(before, after *model.Agent) []AgentNews {
	if after == nil {
		return nil // by an administrator: a change
	}
	var out []AgentNews
	tell := func(what, text string) {
		if len(out) < maxProblems {
			out = append(out, AgentNews{Host: after.Host, What: what, Text: clip(text)})
		}
	}
	version := "version " + after.Version + ", roles " + strings.Join(after.Roles, ", ")
	switch {
	case before == nil:
		tell(AgentCame, "for the first time, "+version)
		return out
	case before.Instance != after.Instance:
		tell(AgentCame, "another instance than before, "+version)
	case !before.StartedAt.Equal(after.StartedAt):
		tell(AgentCame, "restarted, "+version)
	case !before.LeftAt.IsZero() && after.LeftAt.IsZero():
		tell(AgentCame, version)
	case before.LeftAt.IsZero() && !after.LeftAt.IsZero():
		tell(AgentLeft, "in good order")
	case !before.Dead && after.Dead:
		tell(AgentDead, "no heartbeat since "+after.HeartbeatAt.UTC().Format("2006-01-02T15:04:05Z"))
	case before.Dead && !after.Dead:
		tell(AgentBack, "")
	}
	differing(before.Problems, after.Problems, func(p model.Problem) {
		if p.Object == brakeObject {
			tell(AgentHeld, p.Text)
			return
		}
		tell(AgentProblem, p.Object+": "+p.Text)
	})
	differing(after.Problems, before.Problems, func(p model.Problem) {
		if p.Object == brakeObject {
			if !slices.ContainsFunc(after.Problems, func(q model.Problem) bool { return q.Object == brakeObject }) {
				tell(AgentReleased, "")
			}
			return
		}
		if !slices.ContainsFunc(after.Problems, func(q model.Problem) bool { return q.Object == p.Object }) {
			tell(AgentSolved, p.Object+": "+p.Text)
		}
	})
	return out
}

// differing calls fn for what is in the second list and not in the first.
func differing(a, b []model.Problem, fn func(model.Problem)) {
	for _, p := range b {
		if !slices.ContainsFunc(a, func(q model.Problem) bool { return q.Object == p.Object && q.Text == p.Text }) {
			fn(p)
		}
	}
}
