package plugin

import (
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/model"
)

func TestAHandIsOffWithinTwoMinutesWhateverTheClockThatStampedItSaid(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	p := &Plugin{now: func() time.Time { return now }}
	for stamp, want := range map[time.Duration]time.Duration{ // both from now, 0 for no rest
		0: time.Minute, -20 * time.Second: 40 * time.Second, -time.Minute: 0, -time.Hour: 0,
		20 * time.Second: 80 * time.Second, time.Minute: 2 * time.Minute, 2 * time.Hour: 0,
	} {
		got := p.restsUntil([]model.TakenOff{{Host: "net1", At: now.Add(stamp)}, {Host: "net2", At: now.Add(-time.Hour)}})
		if want == 0 && !got.IsZero() || want > 0 && !got.Equal(now.Add(want)) {
			t.Errorf("taken off at %s from now, left alone until %s, want %s", stamp, got, want)
		}
	}
}
