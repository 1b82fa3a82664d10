package hosts

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lepton-sdn/lepton/rpc/pb"
)

// Metrics are the figures of the agents' streams. A nil one counts nothing.
type Metrics struct {
	server *Server // whose agents are counted when somebody looks

	refused                              *prometheus.CounterVec
	left                                 prometheus.Counter
	connected, waiting, behind, farthest *prometheus.Desc
}

// NewMetrics registers the figures. They are of the one server that is made with
// them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_agents_refused_total", Help: "Streams of agents that were refused or ended by this controller, by reason.",
		}, []string{"reason"}),
		left: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lepton_agents_reports_left_out_total", Help: "Reports of agents about what is not on their host.",
		}),
		connected: prometheus.NewDesc("lepton_agents_connected", "Agents whose stream this controller serves.", nil, nil),
		waiting:   prometheus.NewDesc("lepton_agents_waiting_records", "Changed records that wait to be sent, of all agents.", nil, nil),
		behind:    prometheus.NewDesc("lepton_agents_behind", "Connected agents that have not acknowledged all that they were sent.", nil, nil),
		farthest:  prometheus.NewDesc("lepton_agents_revisions_behind", "Revisions that the slowest connected agent has not acknowledged.", nil, nil),
	}
	reg.MustRegister(m, m.refused, m.left)
	return m
}

func (m *Metrics) of(s *Server) {
	if m != nil {
		m.server = s
	}
}

func (m *Metrics) refuse(reason pb.Refusal_Reason) {
	if m != nil {
		m.refused.WithLabelValues(reason.String()).Inc()
	}
}

func (m *Metrics) leftOut(n int) {
	if m != nil {
		m.left.Add(float64(n))
	}
}

// Describe says which figures there are.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.connected, m.waiting, m.behind, m.farthest} {
		out <- d
	}
}

// Collect gives the figures of the agents' streams as they are; none while the
// server does not run.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	if m.server == nil || !m.server.Serving() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	agents, err := m.server.Agents(ctx)
	if err != nil {
		return
	}
	var waiting, behind int
	var farthest int64
	for _, a := range agents {
		waiting += a.Waiting
		if lag := a.Sent - a.Acked; lag > 0 {
			behind++
			farthest = max(farthest, lag)
		}
	}
	for d, v := range map[*prometheus.Desc]float64{
		m.connected: float64(len(agents)), m.waiting: float64(waiting), m.behind: float64(behind), m.farthest: float64(farthest),
	} {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}
