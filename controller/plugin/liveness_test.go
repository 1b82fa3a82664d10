package plugin

import (
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/model"
)

func TestAgentsAreAliveByTheTimeThatPassedHere(t *testing.T) {
	p, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	p.now = func() time.Time { return clock }
	down := p.config.agentDownTime()
	for name, stamp := range map[string]time.Duration{"an hour ahead": time.Hour, "right": 0, "an hour behind": -time.Hour} {
		t.Run("the other controller's clock is "+name, func(t *testing.T) {
			a := &model.Agent{ID: name, Host: name}
			beat := func() {
				next := *a
				next.HeartbeatAt = clock.Add(stamp)
				a = &next
				p.live.note(a.ID, a, clock)
			}
			others := func() { // somebody else is heard all the time
				p.live.note("other", &model.Agent{ID: "other", HeartbeatAt: clock}, clock)
			}
			others()
			beat()
			if first := p.Alive(a); first != (stamp >= 0) {
				t.Errorf("alive is %t before it was heard here", first)
			}
			for range 10 {
				clock = clock.Add(down / 3)
				others()
				beat()
				if !p.Alive(a) {
					t.Fatal("it is heard and not alive")
				}
			}
			for range 4 {
				clock = clock.Add(down / 3)
				others()
			}
			if p.Alive(a) {
				t.Error("it is silent and alive")
			}
			beat()
			if !p.Alive(a) {
				t.Error("it is heard again and not alive")
			}
		})
	}
}

func TestAgentsAreAliveAfterATimeInWhichNobodyWasHeard(t *testing.T) {
	l := newLiveness(time.Minute)
	start := time.Now()
	note := func(id string, at time.Time) { l.note(id, &model.Agent{ID: id, HeartbeatAt: at}, at) }
	for _, at := range []time.Time{start, start.Add(20 * time.Second)} {
		note("a", at)
		note("b", at)
	}
	later := start.Add(time.Hour)
	note("a", later)
	if h := l.agents["b"]; !h.at.Equal(later) || h.before != 0 {
		t.Errorf("the other one is taken for silent since %s", h.at)
	}
}
