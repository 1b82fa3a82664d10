package nova

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what Nova was told. A nil *Metrics counts nothing.
type Metrics struct {
	events  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	ports   prometheus.Gauge
	duty    prometheus.Gauge
}

// NewMetrics makes and registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_nova_events_total", Help: "Events sent to Nova, by name and by Nova's code for the event (200: taken, 404: no such server).",
		}, []string{"event", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lepton_nova_request_seconds", Help: "Time of a request to Nova, by whether it was answered.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14), // 2 ms to 16 s
		}, []string{"answered"}),
		ports: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_nova_waiting_ports", Help: "Ports that Nova is still to be told of.",
		}),
		duty: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lepton_nova_duty", Help: "1 when it is this controller that tells Nova.",
		}),
	}
	reg.MustRegister(m.events, m.seconds, m.ports, m.duty)
	return m
}

func (m *Metrics) held(held bool) {
	if m == nil {
		return
	}
	m.duty.Set(0)
	if held {
		m.duty.Set(1)
	}
}

func (m *Metrics) waiting(n int) {
	if m != nil {
		m.ports.Set(float64(n))
	}
}

func (m *Metrics) event(name string, o outcome) {
	if m != nil {
		m.events.WithLabelValues(name, strconv.Itoa(o.code)).Inc()
	}
}

func (m *Metrics) sent(d time.Duration, err error) {
	if m != nil {
		m.seconds.WithLabelValues(strconv.FormatBool(err == nil)).Observe(d.Seconds())
	}
}
