package feed

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the feed's figures. A nil one counts nothing.
type Metrics struct {
	feed *Feed // whose consumers are looked at when somebody asks

	staleSince, fileSize, fileFailed, held prometheus.Gauge
	revision, realised, behind, waiting    *prometheus.Desc
}

// NewMetrics registers the feed's figures. They are of the one feed that is made
// with them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		staleSince: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_agent_records_stale_since_seconds", Help: "Since when no controller has confirmed the records in use, Unix time; 0: they are a controller's.",
		}),
		fileSize: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_agent_records_file_bytes", Help: "Size of the records on disk.",
		}),
		fileFailed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_agent_records_file_failed", Help: "1 while the records cannot be written to disk.",
		}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_agent_brake_held_records", Help: "Records that the brake keeps although a controller no longer has them.",
		}),
		revision: prometheus.NewDesc("lepton_agent_records_revision", "Revision of the store that the host's records are of.", nil, nil),
		realised: prometheus.NewDesc("lepton_agent_loop_revision", "Revision up to which a loop has realised the records.", []string{"loop"}, nil),
		behind:   prometheus.NewDesc("lepton_agent_loop_revisions_behind", "Revisions that a loop has not realised yet.", []string{"loop"}, nil),
		waiting:  prometheus.NewDesc("lepton_agent_loop_updates_waiting", "Updates of the records that wait for a loop.", []string{"loop"}, nil),
	}
	reg.MustRegister(m, m.staleSince, m.fileSize, m.fileFailed, m.held)
	return m
}

func (m *Metrics) of(f *Feed) {
	if m != nil {
		m.feed = f
	}
}

// Describe says which figures there are of the consumers.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.revision, m.realised, m.behind, m.waiting} {
		out <- d
	}
}

// Collect gives how far the consumers have come.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	f := m.feed
	if f == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.state.Revision()
	gauge(m.revision, now)
	for _, c := range f.consumers {
		waiting := len(c.waiting)
		if c.behind {
			waiting = backlog
		}
		gauge(m.realised, c.acked, c.name)
		gauge(m.behind, max(now-c.acked, 0), c.name)
		gauge(m.waiting, int64(waiting), c.name)
	}
}

func (m *Metrics) stale(since time.Time) {
	switch {
	case m == nil:
	case since.IsZero():
		m.staleSince.Set(0)
	default:
		m.staleSince.Set(float64(since.Unix()))
	}
}

func (m *Metrics) file(size int64, failed bool) {
	if m == nil {
		return
	}
	m.fileSize.Set(float64(size))
	m.fileFailed.Set(0)
	if failed {
		m.fileFailed.Set(1)
	}
}

func (m *Metrics) brake(held int) {
	if m != nil {
		m.held.Set(float64(held))
	}
}
