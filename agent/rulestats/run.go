package rulestats

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/telemetry"
)

const (
	defaultInterval = 10 * time.Second
	defaultPace     = 30 * time.Second
	// idleFactor is how much longer the wait is while the host has no rule.
	idleFactor = 3
	// readTimeout bounds one read. The switch answers some 10 000 flows within a
	// tenth of a second.
	readTimeout = 5 * time.Second
)

// Config is what Run needs.
type Config struct {
	// Read gives the flows of the integration bridge that a filter chooses.
	Read func(context.Context, ofp.Filter) ([]ofp.FlowStat, error)
	// Report takes the counters that changed, by the digits of the rule.
	Report func(map[string]model.RuleCounter)
	Log    *zap.Logger
	// Loop counts the reads; nil: nothing does.
	Loop *telemetry.Loop
	// Interval is the time between two reads, give or take a tenth; 10 s when 0.
	Interval time.Duration
	// Pace is the least time between two reports, 30 s when 0: the controller
	// stores each.
	Pace time.Duration
}

// Run reads and reports until ctx is done. A read that fails is tried again at
// the next interval; the totals miss nothing by that.
func Run(ctx context.Context, c Config) error {
	if c.Interval <= 0 {
		c.Interval = defaultInterval
	}
	if c.Pace <= 0 {
		c.Pace = defaultPace
	}
	r := &reader{Config: c}
	for {
		wait := c.Interval
		if r.idle {
			wait *= idleFactor
		}
		// Hosts that started together do not read and report together for ever.
		wait += time.Duration((rand.Float64() - 0.5) / 5 * float64(wait))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
			r.turn(ctx)
		}
	}
}

// reader is the state of Run.
type reader struct {
	Config
	meter    Meter
	idle     bool // the last read found no rule
	failing  bool // the last read failed
	reported time.Time
}

// turn reads once, and reports when there is news and it is time.
func (r *reader) turn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	f := ofp.AllFlows
	f.Cookie, f.CookieMask = pipeline.RuleFlows()
	began := time.Now()
	list, err := r.Read(ctx, f)
	r.Loop.Done(began, err)
	if err != nil {
		if !r.failing {
			r.Log.Info("cannot read the counters of security group rules", zap.Error(err))
		}
		r.failing = true
		return
	}
	now := time.Now()
	r.failing, r.idle = false, len(list) == 0
	r.meter.Count(list, now)
	if now.Sub(r.reported) < r.Pace {
		return
	}
	if news := r.meter.News(r.reported); len(news) > 0 {
		r.Report(news)
		r.reported = now
	}
}
