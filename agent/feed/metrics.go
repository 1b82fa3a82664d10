package feed

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the feed's figures. A nil one counts nothing.
type Metrics struct {
	staleSince, fileSize, fileFailed, held prometheus.Gauge
}

// NewMetrics registers the feed's figures.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		staleSince: gauge("lepton_agent_records_stale_since_seconds",
			"Since when no controller has confirmed the records in use, Unix time; 0: they are a controller's."),
		fileSize:   gauge("lepton_agent_records_file_bytes", "Size of the records on disk."),
		fileFailed: gauge("lepton_agent_records_file_failed", "1 while the records cannot be written to disk."),
		held:       gauge("lepton_agent_brake_held_records", "Records that the brake keeps although a controller no longer has them."),
	}
	reg.MustRegister(m.staleSince, m.fileSize, m.fileFailed, m.held)
	return m
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
