package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Loops count what the loops of a program do, each under its name. A nil one
// counts nothing.
type Loops struct {
	seconds *prometheus.HistogramVec
	errors  *prometheus.CounterVec
	waiting *prometheus.GaugeVec
}

// NewLoops registers the figures.
func NewLoops(reg prometheus.Registerer) *Loops {
	l := &Loops{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lepton_loop_seconds", Help: "Time that one piece of a loop's work took: a round, or a job of a worker.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10), // 0.1 ms to 26 s
		}, []string{"loop"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_loop_errors_total", Help: "Pieces of a loop's work that failed; they are tried again.",
		}, []string{"loop"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lepton_loop_waiting", Help: "What waits for a loop to work on it: the length of its queue.",
		}, []string{"loop"}),
	}
	reg.MustRegister(l.seconds, l.errors, l.waiting)
	return l
}

// Loop gives the figures of one loop, which are there from now on.
func (l *Loops) Loop(name string) *Loop {
	if l == nil {
		return nil
	}
	return &Loop{l.seconds.WithLabelValues(name), l.errors.WithLabelValues(name), l.waiting.WithLabelValues(name)}
}

// Loop counts what one loop does. A nil one counts nothing.
type Loop struct {
	seconds prometheus.Observer
	errors  prometheus.Counter
	waiting prometheus.Gauge
}

// Done counts a piece of work that began then, and its failure.
func (l *Loop) Done(began time.Time, err error) { l.Took(time.Since(began), err) }

// Took is Done for work of which it is known how long it took.
func (l *Loop) Took(d time.Duration, err error) {
	if l == nil {
		return
	}
	l.seconds.Observe(d.Seconds())
	if err != nil {
		l.errors.Inc()
	}
}

// Failed counts a failure outside of a piece of work, such as a connection that
// was lost.
func (l *Loop) Failed() {
	if l != nil {
		l.errors.Inc()
	}
}

// Waiting says how much waits now.
func (l *Loop) Waiting(n int) {
	if l != nil {
		l.waiting.Set(float64(n))
	}
}
