package journal

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what happens to the journal. Nil ones count nothing.
type Metrics struct {
	written *prometheus.CounterVec
	lost    prometheus.Counter
	removed prometheus.Counter
	kept    *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		written: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_journal_written_total", Help: "Events handed to the store by this controller, conflicts and failures included.",
		}, []string{"series"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lepton_journal_left_out_total", Help: "What hosts said that the journal has no room for.",
		}),
		removed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lepton_journal_removed_total", Help: "Events removed because they were too old or too many.",
		}),
		kept: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lepton_journal_events", Help: "Events in the journal, as of the last look of the controller that keeps it.",
		}, []string{"series"}),
	}
	reg.MustRegister(m.written, m.lost, m.removed, m.kept)
	return m
}

func (s series) label() string {
	if s == changes {
		return "changes"
	}
	return "hosts"
}

func (m *Metrics) wrote(s series) {
	if m != nil {
		m.written.WithLabelValues(s.label()).Inc()
	}
}

func (m *Metrics) lose(n int) {
	if m != nil {
		m.lost.Add(float64(n))
	}
}

func (m *Metrics) remove(n int) {
	if m != nil {
		m.removed.Add(float64(n))
	}
}

func (m *Metrics) keep(s series, n int) {
	if m != nil {
		m.kept.WithLabelValues(s.label()).Set(float64(n))
	}
}
