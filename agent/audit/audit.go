package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
)

// Mode says what is done about drift.
type Mode string

// The modes.
const (
	Repair Mode = "repair"
	Watch  Mode = "watch"
	Hold   Mode = "hold"
)

// Kept is how many findings are remembered.
const Kept = 500

// Finding is one thing that is not as the agent made it.
type Finding = model.Finding

// Config says how the host is audited.
type Config struct {
	Mode Mode
	// Interval is the time between two audits of everything.
	Interval   time.Duration
	Registerer prometheus.Registerer
	Log        *zap.Logger
}

// Auditor collects findings. A nil one finds nothing and repairs everything.
type Auditor struct {
	cfg   Config
	found *prometheus.CounterVec
	runs  prometheus.Counter
	now   chan chan struct{}
	turn  chan struct{} // one token: an audit that somebody waits for
	news  chan Finding  // the last one, until Tell has seen it

	mu        sync.Mutex
	findings  []Finding // the oldest first
	total     int
	consumers []*Consumer
}

// New makes an auditor; Run works it.
func New(cfg Config) *Auditor {
	a := &Auditor{
		cfg: cfg, now: make(chan chan struct{}), turn: make(chan struct{}, 1), news: make(chan Finding, 1),
		found: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_agent_drift_total", Help: "What was found on the host that is not as the agent made it.",
		}, []string{"kind"}),
		runs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lepton_agent_audits_total", Help: "Audits of everything that the agent has made.",
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(a.found, a.runs)
	}
	if cfg.Log == nil {
		a.cfg.Log = zap.NewNop()
	}
	return a
}

// Mode gives what is done about drift.
func (a *Auditor) Mode() Mode {
	if a == nil {
		return Repair
	}
	return a.cfg.Mode
}

// Interval gives the time between two audits.
func (a *Auditor) Interval() time.Duration { return a.cfg.Interval }

// Found notes findings: At and Repaired are filled in.
func (a *Auditor) Found(list ...Finding) {
	if a == nil || len(list) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range list {
		f.At, f.Repaired = time.Now().UTC(), a.cfg.Mode == Repair
		a.found.WithLabelValues(f.Kind).Inc()
		a.total++
		a.findings = append(a.findings, f)
		a.cfg.Log.Warn("drift", zap.String("kind", f.Kind), zap.String("place", f.Place),
			zap.String("object", f.Object), zap.String("text", f.Text), zap.Bool("repaired", f.Repaired))
	}
	select {
	case a.news <- a.findings[len(a.findings)-1]:
	default:
	}
	if over := len(a.findings) - Kept; over > 0 {
		a.findings = slices.Delete(a.findings, 0, over)
	}
}

// Findings gives the last findings, the oldest first, and how many there were
// since the agent started.
func (a *Auditor) Findings() (last []Finding, total int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.findings), a.total
}

// Newest gives the last findings for the controllers, the newest first.
func (a *Auditor) Newest() []Finding {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := slices.Clone(a.findings[max(0, len(a.findings)-model.MaxFindings):])
	slices.Reverse(last)
	return last
}

// Tell has set called with what controllers are to know of drift, until ctx is
// done: a problem from the first finding on until nothing was found for somewhat
// longer than an interval. They keep it in their journal.
func (a *Auditor) Tell(ctx context.Context, set func([]model.Problem)) error {
	patience := a.cfg.Interval + a.cfg.Interval/2
	quiet := time.NewTimer(patience)
	defer quiet.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case f := <-a.news:
			quiet.Reset(patience)
			if !told {
				set([]model.Problem{a.problem(f)})
				told = true
			}
		case <-quiet.C:
			if told {
				set(nil)
				told = false
			}
		}
	}
}

// problem tells of the first finding of a time of drift; leptonctl has them all.
func (a *Auditor) problem(f Finding) model.Problem {
	done := "is put right"
	if a.cfg.Mode != Repair {
		done = "is left as it is, in mode " + string(a.cfg.Mode)
	}
	about := f.Kind
	for _, s := range []string{f.Place, f.Object} {
		if s != "" {
			about += ", " + s
		}
	}
	return model.Problem{
		Object: "drift", Since: f.At,
		Text: fmt.Sprintf("somebody else changes what the agent made, which %s; first %s: %s; leptonctl audit on the host lists all", done, about, f.Text),
	}
}

// Consumer is one loop's end.
type Consumer struct {
	due  chan struct{}
	done chan struct{} // one token when an audit that was due has ended
}

// Consumer makes a loop's end. All are made before Run is called. It may be
// called on a nil Auditor.
func (a *Auditor) Consumer() *Consumer {
	c := &Consumer{due: make(chan struct{}, 1), done: make(chan struct{}, 1)}
	if a != nil {
		a.consumers = append(a.consumers, c)
	}
	return c
}

// Due gives a token whenever the loop is to look at everything. It calls Done
// when it has.
func (c *Consumer) Due() <-chan struct{} { return c.due }

// Done says that the audit has ended.
func (c *Consumer) Done() {
	select {
	case c.done <- struct{}{}:
	default:
	}
}

// Run has the loops audit until ctx is done.
func (a *Auditor) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			a.begin()
		case ready := <-a.now:
			a.begin()
			close(ready)
		}
	}
}

func (a *Auditor) begin() {
	a.runs.Inc()
	for _, c := range a.consumers {
		select {
		case <-c.done: // of an audit that nobody waited for
		default:
		}
		select {
		case c.due <- struct{}{}:
		default:
		}
	}
}

// Now has the loops audit at once and waits until all have, or ctx is done. Who
// asks meanwhile has an audit after that.
func (a *Auditor) Now(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ready := make(chan struct{})
	select {
	case a.now <- ready:
		<-ready
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, c := range a.consumers {
		select {
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
