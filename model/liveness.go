package model

import "time"

// Alive reports whether the agent has sent a heartbeat within downTime, which
// is agent_down_time of the configuration. An agent that was stopped stays
// alive as long, so that a restart moves nothing.
func (a *Agent) Alive(now time.Time, downTime time.Duration) bool {
	return now.Sub(a.HeartbeatAt) < downTime
}
