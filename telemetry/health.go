package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// checkTimeout bounds the checks of one look; they run side by side.
	checkTimeout = 2 * time.Second
	// lookLasts is how long an outcome is told again instead of looking anew.
	lookLasts = 500 * time.Millisecond
)

// Check is one thing that a program needs for its work.
type Check struct {
	Name string
	// Test says what is wrong, nil for nothing. It may be called at any time and
	// by several goroutines, and ends with its context.
	Test func(context.Context) error
	// Lasting says that the program goes on with its work without it: it is told,
	// and does not make the program unready.
	Lasting bool
}

// Outcome is what a check found.
type Outcome struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
	// Needed says that the program is not ready without it.
	Needed bool `json:"needed"`
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready  bool      `json:"ready"`
	Checks []Outcome `json:"checks"`
}

// health runs the checks of a program.
type health struct {
	checks []Check
	began  time.Time

	mu   sync.Mutex
	last Readiness
	at   time.Time
}

func newHealth(checks []Check) *health { return &health{checks: checks, began: time.Now()} }

// look runs all checks side by side. Who asks meanwhile waits and gets the same.
func (h *health) look(ctx context.Context) Readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.at.IsZero() && time.Since(h.at) < lookLasts {
		return h.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	now := Readiness{Ready: true, Checks: make([]Outcome, len(h.checks))}
	var all sync.WaitGroup
	for i, c := range h.checks {
		all.Go(func() {
			o := Outcome{Name: c.Name, OK: true, Needed: !c.Lasting}
			if err := c.Test(ctx); err != nil {
				o.OK, o.Reason = false, err.Error()
			}
			now.Checks[i] = o
		})
	}
	all.Wait()
	for _, o := range now.Checks {
		now.Ready = now.Ready && (o.OK || !o.Needed)
	}
	h.last, h.at = now, time.Now()
	return now
}

// ready answers /readyz.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	now := h.look(r.Context())
	status := http.StatusOK
	if !now.Ready {
		status = http.StatusServiceUnavailable
	}
	answerJSON(w, status, now)
}

// alive answers /healthz: who answers lives.
func (h *health) alive(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, map[string]any{"alive": true, "uptime_seconds": time.Since(h.began).Seconds()})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone
}

var checkOK = prometheus.NewDesc("lepton_check_ok", "1 when what the program needs is there, by check of /readyz.", []string{"check"}, nil)

// Describe says which metrics there are.
func (h *health) Describe(out chan<- *prometheus.Desc) { out <- checkOK }

// Collect gives the outcome of every check.
func (h *health) Collect(out chan<- prometheus.Metric) {
	for _, o := range h.look(context.Background()).Checks {
		v := 0.0
		if o.OK {
			v = 1
		}
		out <- prometheus.MustNewConstMetric(checkOK, prometheus.GaugeValue, v, o.Name)
	}
}
