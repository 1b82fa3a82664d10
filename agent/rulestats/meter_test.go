package rulestats

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

const (
	web = "4f1d2a7b-93c0-4f6e-8a55-0123456789ab"
	ssh = "00000000-0001-4f6e-8a55-0123456789ab"

	webDigits = "4f1d2a7b93c0"
	sshDigits = "000000000001"
)

// stat is a flow of a rule: n tells it from the rule's others.
func stat(rule string, n uint16, age time.Duration, packets, bytes uint64) ofp.FlowStat {
	return ofp.FlowStat{
		Rule:  flows.Rule{Table: 82, Priority: n, Cookie: pipeline.Cookie(pipeline.FeatureRule, rule)},
		Stats: flows.Stats{Duration: age, Packets: packets, Bytes: bytes},
	}
}

func TestTotalsAreThoseOfAllFlowsOfARuleAndNeverFall(t *testing.T) {
	type totals map[string][2]uint64
	other := stat("", 9, time.Second, 1000, 1000)
	other.Cookie = pipeline.Cookie(pipeline.FeaturePort, web)
	for name, tc := range map[string]struct {
		reads [][]ofp.FlowStat
		want  totals
	}{
		"nothing admitted yet": {[][]ofp.FlowStat{{stat(web, 1, 1, 0, 0)}}, totals{}},
		"several flows of two rules": {
			[][]ofp.FlowStat{{stat(web, 1, 1, 2, 20), stat(web, 2, 1, 3, 30), stat(ssh, 1, 1, 7, 70)}},
			totals{webDigits: {5, 50}, sshDigits: {7, 70}},
		},
		"growing": {[][]ofp.FlowStat{{stat(web, 1, 1, 2, 20)}, {stat(web, 1, 2, 5, 50)}}, totals{webDigits: {5, 50}}},
		"installed anew": {
			[][]ofp.FlowStat{{stat(web, 1, 9, 5, 50)}, {stat(web, 1, 2, 1, 10)}}, totals{webDigits: {6, 60}},
		},
		"installed anew and busier than before": {
			[][]ofp.FlowStat{{stat(web, 1, 9, 5, 50)}, {stat(web, 1, 2, 8, 80)}}, totals{webDigits: {13, 130}},
		},
		"gone and back": {
			[][]ofp.FlowStat{{stat(web, 1, 9, 5, 50)}, nil, {stat(web, 1, 1, 5, 50)}}, totals{webDigits: {10, 100}},
		},
		"one of two flows goes": {
			[][]ofp.FlowStat{{stat(web, 1, 9, 5, 50), stat(web, 2, 9, 2, 20)}, {stat(web, 1, 10, 6, 60)}}, totals{webDigits: {8, 80}},
		},
		"flows that are no rule's": {[][]ofp.FlowStat{{other, {Stats: flows.Stats{Packets: 3}}}}, totals{}},
	} {
		t.Run(name, func(t *testing.T) {
			var m Meter
			for i, list := range tc.reads {
				m.Count(list, time.Unix(int64(i+1), 0))
			}
			got := totals{}
			for digits, c := range m.News(time.Time{}) {
				got[digits] = [2]uint64{c.Packets, c.Bytes}
			}
			if !maps.Equal(got, tc.want) {
				t.Errorf("totals %v, want %v", got, tc.want)
			}
		})
	}
}

// A flow that comes, counts and goes at will never takes from its rule's total,
// and a flow that only grows is counted exactly.
func TestAnyHistoryOfFlowsIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Meter
		steady, before := uint64(0), uint64(0)
		for step := range rapid.IntRange(1, 20).Draw(t, "reads") {
			list := []ofp.FlowStat{}
			steady += rapid.Uint64Range(0, 9).Draw(t, "steady")
			list = append(list, stat(ssh, 1, time.Duration(step+1), steady, 10*steady))
			if rapid.Bool().Draw(t, "there") {
				n := rapid.Uint64Range(0, 9).Draw(t, "counted")
				list = append(list, stat(web, 1, time.Duration(rapid.IntRange(0, 9).Draw(t, "age")), n, 10*n))
			}
			m.Count(list, time.Unix(int64(step+1), 0))
			all := m.News(time.Time{})
			if all[sshDigits].Packets != steady || all[sshDigits].Bytes != 10*steady {
				t.Fatalf("%+v of a flow that counted %d", all[sshDigits], steady)
			}
			if all[webDigits].Packets < before {
				t.Fatalf("%d after %d", all[webDigits].Packets, before)
			}
			before = all[webDigits].Packets
		}
	})
}

func TestTotalsOfDeletedRulesDoNotPileUp(t *testing.T) {
	var m Meter
	for i := range 3 * maxIdle {
		s := stat("", 1, 1, 1, 1)
		s.Cookie |= uint64(i + 1)
		m.Count([]ofp.FlowStat{stat(web, 1, time.Duration(i), uint64(i+1), 1), s}, time.Unix(int64(i), 0))
	}
	if n := len(m.totals); n > maxIdle+2 {
		t.Errorf("%d totals are held", n)
	}
	if n := m.totals[webDigits].Packets; n != 3*maxIdle {
		t.Errorf("%d packets of the rule that stays", n)
	}
}

// bridge is a switch that a test fills.
type bridge struct {
	mu       sync.Mutex
	packets  uint64
	failing  bool
	reported []map[string]model.RuleCounter
}

func (b *bridge) read(_ context.Context, f ofp.Filter) ([]ofp.FlowStat, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := stat(web, 1, time.Hour, b.packets, 10*b.packets)
	if s.Cookie&f.CookieMask != f.Cookie || pipeline.Cookie(pipeline.FeaturePort, web)&f.CookieMask == f.Cookie {
		return nil, errors.New("the filter does not choose the flows of rules")
	}
	if b.failing {
		return nil, errors.New("away")
	}
	return []ofp.FlowStat{s}, nil
}

func (b *bridge) report(news map[string]model.RuleCounter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reported = append(b.reported, news)
}

func (b *bridge) set(packets uint64, failing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.packets, b.failing = packets, failing
}

// last gives the number of reports and the packets that the last one told.
func (b *bridge) last() (reports int, packets uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.reported); n > 0 {
		return n, b.reported[n-1][webDigits].Packets
	}
	return 0, 0
}

func TestOnlyWhatChangedIsReportedAndAFailedReadLosesNothing(t *testing.T) {
	b := &bridge{packets: 3}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Read: b.read, Report: b.report, Log: zap.NewNop(), Interval: time.Millisecond, Pace: time.Millisecond})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	tells := func(reports int, packets uint64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			n, p := b.last()
			if n == reports && p == packets {
				return
			}
			if n > reports || time.Now().After(deadline) {
				t.Fatalf("%d reports, the last of %d packets, want %d of %d", n, p, reports, packets)
			}
		}
	}
	tells(1, 3)
	b.set(3, true)
	time.Sleep(20 * time.Millisecond)
	b.set(5, false)
	tells(2, 5)
	time.Sleep(50 * time.Millisecond)
	tells(2, 5) // nothing changed
}

func TestReportsKeepTheirPace(t *testing.T) {
	b := &bridge{packets: 1}
	r := &reader{Config: Config{Read: b.read, Report: b.report, Log: zap.NewNop(), Pace: time.Hour}}
	for i := range 5 {
		b.set(uint64(i+1), false)
		r.turn(context.Background())
	}
	if n, p := b.last(); n != 1 || p != 1 {
		t.Fatalf("%d reports, the last of %d packets", n, p)
	}
	r.Pace = 0
	r.turn(context.Background())
	if n, p := b.last(); n != 2 || p != 5 {
		t.Fatalf("%d reports, the last of %d packets", n, p)
	}
}
