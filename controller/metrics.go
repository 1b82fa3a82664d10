package controller

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lepton-sdn/lepton/controller/api"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/controller/schedule"
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

// limitMetrics counts the requests that api.rate_limit refuses.
func limitMetrics(reg prometheus.Registerer) func(stranger bool) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lepton_api_rate_limited_total", Help: "API requests answered with 429: of clients that are known, and of strangers.",
	}, []string{"client"})
	reg.MustRegister(total)
	known, strangers := total.WithLabelValues("known"), total.WithLabelValues("stranger")
	return func(stranger bool) {
		if stranger {
			strangers.Inc()
			return
		}
		known.Inc()
	}
}

// recordMetrics shows how far the view of the records has come.
func recordMetrics(reg prometheus.Registerer, db *records.DB) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lepton_records_revision", Help: "Revision of the store that this controller's view shows.",
		}, func() float64 { return float64(db.Revision()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lepton_records_updates_total", Help: "Transactions that this controller has committed.",
		}, func() float64 { return float64(db.Stats().Updates) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lepton_records_conflicts_total", Help: "Transactions that were tried again because others were faster.",
		}, func() float64 { return float64(db.Stats().Conflicts) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lepton_records_reloads_total", Help: "Times that all records were read again because the watch had a gap.",
		}, func() float64 { return float64(db.Stats().Reloads) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lepton_records_undecodable_total", Help: "Values in the store that this controller cannot read.",
		}, func() float64 { return float64(db.Stats().Undecodable) }),
	)
}

// scheduleMetrics shows what the scheduler did, and what it has no agent for.
func scheduleMetrics(reg prometheus.Registerer, s *schedule.Scheduler) {
	reg.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lepton_schedule_placed_total", Help: "Routers and networks put on hosts by this controller.",
		}, func() float64 { return float64(s.Stats().Placed) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lepton_schedule_moved_total", Help: "Routers and networks moved off hosts by this controller.",
		}, func() float64 { return float64(s.Stats().Moved) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lepton_schedule_failures_total", Help: "Attempts of this controller to place a router or a network that failed.",
		}, func() float64 { return float64(s.Stats().Failed) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lepton_schedule_unplaced", Help: "Routers and networks that have fewer hosts than they should, and no agent could have them.",
		}, func() float64 { return float64(s.Stats().Unplaced) }),
	)
}
