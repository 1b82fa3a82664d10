package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/telemetry"
)

// This file: what an operator's monitoring asks the agent.

// settleTime is how long a change may take to be realised before the host counts
// as not in sync.
const settleTime = 5 * time.Second

// checks are those of /readyz. The host works on without a controller, on the
// records that it has.
func checks(db *ovsdb.Client, sess *session.Session, updates *feed.Feed) []telemetry.Check {
	return []telemetry.Check{
		{Name: "ovsdb", Test: func(context.Context) error {
			if !db.Connected() {
				return errors.New("the database of Open vSwitch is not connected")
			}
			return nil
		}},
		{Name: "records", Test: func(context.Context) error {
			if !updates.Standing(settleTime).Known {
				return errors.New("there are no records: no controller has answered, and none are on the disk")
			}
			return nil
		}},
		{Name: "sync", Test: func(context.Context) error {
			if s := updates.Standing(settleTime); len(s.Unsynced) > 0 {
				return fmt.Errorf("the host does not have what the records say yet: %s", strings.Join(s.Unsynced, ", "))
			}
			return nil
		}},
		{Name: "controller", Lasting: true, Test: func(context.Context) error {
			switch s := updates.Standing(settleTime); {
			case !sess.Connected() && !s.Stale.IsZero():
				return fmt.Errorf("no controller is connected, the records on the disk are used, which none has confirmed since %s", s.Stale.UTC().Format(time.RFC3339))
			case !sess.Connected():
				return errors.New("no controller is connected")
			}
			return nil
		}},
	}
}

// childFigures tell of the programs that the agent runs.
type childFigures struct {
	children          *child.Supervisor
	running, restarts *prometheus.Desc
}

func newChildFigures(children *child.Supervisor) prometheus.Collector {
	return &childFigures{
		children: children,
		running:  prometheus.NewDesc("lepton_agent_children", "Programs that the agent runs (dnsmasq, radvd, keepalived, the metadata proxy), by whether they run now.", []string{"state"}, nil),
		restarts: prometheus.NewDesc("lepton_agent_children_restarts", "How often programs that the agent runs have ended by themselves, of those that there are.", nil, nil),
	}
}

// Describe says which figures there are.
func (c *childFigures) Describe(out chan<- *prometheus.Desc) {
	out <- c.running
	out <- c.restarts
}

// Collect gives them.
func (c *childFigures) Collect(out chan<- prometheus.Metric) {
	names, err := c.children.Names()
	if err != nil {
		return
	}
	var running, down, restarts int
	for _, name := range names {
		st, ok := c.children.Status(name)
		switch {
		case !ok: // of an earlier agent
		case st.PID > 0:
			running++
		default:
			down++
		}
		restarts += st.Restarts
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(c.running, running, "running")
	gauge(c.running, down, "down")
	gauge(c.restarts, restarts)
}
