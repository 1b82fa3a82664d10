package controller

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lepton-sdn/lepton/controller/api"
	"github.com/lepton-sdn/lepton/controller/records"
)

// requestMetrics counts the API's answers by method, resource and status, and
// their durations by method and resource.
func requestMetrics(reg prometheus.Registerer) func(api.Observation) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lepton_api_requests_total", Help: "Answered API requests.",
	}, []string{"method", "resource", "status"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "lepton_api_request_seconds", Help: "Time to answer an API request.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14), // 0.5 ms to 4 s
	}, []string{"method", "resource"})
	reg.MustRegister(total, seconds)
	return func(o api.Observation) {
		total.WithLabelValues(o.Method, o.Resource, strconv.Itoa(o.Status)).Inc()
		seconds.WithLabelValues(o.Method, o.Resource).Observe(o.Duration.Seconds())
	}
}

// recordMetrics shows how far the view of the records has come.
func recordMetrics(reg prometheus.Registerer, db *records.DB) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lepton_records_revision", Help: "Revision of the store that this controller's view shows.",
	}, func() float64 { return float64(db.Revision()) }))
}
