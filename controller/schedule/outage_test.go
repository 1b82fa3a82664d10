package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
)

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
	w.full.Store(true)
	for range 16 { // for four times as long as it takes to be dead
		w.mu.Lock()
		w.clock = w.clock.Add(testDownTime / 4)
		w.mu.Unlock()
		time.Sleep(15 * time.Millisecond) // three ticks
	}
	// The one that has nothing is heard first.
	w.silent["net1"] = true
	w.full.Store(false)
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
