package metadata

import (
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
)

// collector gives the proxy's counters, which it writes down every few seconds.
// They begin anew with the proxy.
type collector struct {
	dir                       string
	requests, refused, scopes *prometheus.Desc
}

// NewMetrics makes the metrics of the proxy whose agent has this run_dir.
func NewMetrics(runDir string) prometheus.Collector {
	return &collector{
		dir:      filepath.Join(runDir, "metadata"),
		requests: prometheus.NewDesc("lepton_agent_metadata_requests_total", "Answers to guests' requests for metadata, by HTTP status.", []string{"status"}, nil),
		refused:  prometheus.NewDesc("lepton_agent_metadata_connections_refused_total", "Connections of guests to the metadata proxy that were beyond its bounds.", nil, nil),
		scopes:   prometheus.NewDesc("lepton_agent_metadata_scopes", "Namespaces in which the metadata proxy is to listen, and in which it does.", []string{"state"}, nil),
	}
}

// Describe says which metrics there are.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.requests
	out <- c.refused
	out <- c.scopes
}

// Collect gives them; none before the proxy has written any.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	now, err := proxy.ReadCounters(c.dir)
	if err != nil {
		return
	}
	for status, n := range now.Requests {
		out <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(n), status)
	}
	out <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(now.Refused))
	out <- prometheus.MustNewConstMetric(c.scopes, prometheus.GaugeValue, float64(now.Scopes), "wanted")
	out <- prometheus.MustNewConstMetric(c.scopes, prometheus.GaugeValue, float64(now.Open), "open")
}
