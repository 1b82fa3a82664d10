package wire

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the loop's figures.
type Metrics struct {
	compile  prometheus.Histogram
	apply    *prometheus.HistogramVec
	flowMods *prometheus.CounterVec
	ports    prometheus.Gauge
	inSync   prometheus.Gauge
	problems prometheus.Gauge
}

// NewMetrics registers the loop's figures.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	buckets := prometheus.ExponentialBuckets(0.0001, 4, 9) // 0.1 ms to 6.5 s
	m := &Metrics{
		compile: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lepton_agent_compile_seconds", Help: "Time to compile a change of the records into flows.", Buckets: buckets,
		}),
		apply: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lepton_agent_bundle_seconds", Help: "Time until a bridge had taken a bundle.", Buckets: buckets,
		}, []string{"bridge"}),
		flowMods: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_agent_flow_mods_total", Help: "Flow changes sent to a bridge.",
		}, []string{"bridge"}),
		ports: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_agent_ports", Help: "Ports of this host that are plugged.",
		}),
		inSync: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_agent_in_sync", Help: "1 when every bridge holds what it should.",
		}),
		problems: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_agent_problems", Help: "Things that this host cannot realise at the moment.",
		}),
	}
	reg.MustRegister(m.compile, m.apply, m.flowMods, m.ports, m.inSync, m.problems)
	return m
}

func (m *Metrics) compiled(d time.Duration) { m.compile.Observe(d.Seconds()) }

func (m *Metrics) applied(bridge string, mods int, d time.Duration) {
	m.apply.WithLabelValues(bridge).Observe(d.Seconds())
	m.flowMods.WithLabelValues(bridge).Add(float64(mods))
}

func (m *Metrics) state(ports, problems int, inSync bool) {
	m.ports.Set(float64(ports))
	m.problems.Set(float64(problems))
	m.inSync.Set(0)
	if inSync {
		m.inSync.Set(1)
	}
}
