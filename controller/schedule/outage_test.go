package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func TestNobodyIsDeadBecauseHeartbeatsCouldNotBeStored(t *testing.T) {
	start := time.Now()
	w := newWatch(testDownTime)
	beat := func(host string, at time.Time) {
		w.see(&model.Agent{ID: host, Host: host, HeartbeatAt: at}, at)
	}
	both := func(at time.Time) { beat("a", at); beat("b", at) }
	both(start)
	both(start.Add(testDownTime / 3))
	// The store takes no writes for a long time, then that of one agent first.
	late := start.Add(10 * testDownTime)
	if dead := w.fallen(late); len(dead) > 0 {
		t.Errorf("without any heartbeat %d agents are dead", len(dead))
	}
	beat("b", late)
	if dead := w.fallen(late.Add(testDownTime / 4)); len(dead) > 0 {
		t.Errorf("after the first heartbeat %s is dead", dead[0].Host)
	}
	// Who is silent from then on is dead when its time is up.
	at := late
	for range 4 {
		at = at.Add(testDownTime / 3)
		beat("b", at)
	}
	if dead := w.fallen(at); len(dead) != 1 || dead[0].Host != "a" {
		t.Errorf("%d agents are dead", len(dead))
	}
}

func TestWhenNoHeartbeatCanBeStoredNothingMoves(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	w.agent("net1")
	r := w.router()
	w.attach(r, w.addSubnet(w.network()))
	w.settle()
	w.agent("net2")
	w.pass(testDownTime)
	before := fmt.Sprint(w.places())
	w.silent["net1"], w.silent["net2"] = true, true
	w.pass(4 * testDownTime)
	// The one that has nothing is heard first.
	w.revive("net2")
	w.pass(testDownTime / 4)
	w.revive("net1")
	w.pass(2 * testDownTime)
	if got := fmt.Sprint(w.places()); got != before {
		t.Errorf("moved to %s, was %s", got, before)
	}
	w.read(func(r records.Reader) {
		if records.Agents.Len(r) != 2 {
			t.Error("agents are gone")
		}
	})
}
