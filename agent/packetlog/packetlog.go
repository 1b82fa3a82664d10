// Package packetlog writes down what security groups admit and refuse, for the
// logs of the API (`openstack network log create`): one line for each packet
// of which the switch sends a copy.
//
//	switch ─ meter ─ packet-in ─▶ Take ─▶ queue ─▶ Run: repeated? ─▶ rate limit ─▶ line
//	                                        │full
//	                                        └▶ counted, and gone
//
// Packets come from guests, who may send as many as they like: nothing here
// waits for the writing, and what is left out is counted.
package packetlog

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/telemetry"
)

const (
	// queued bounds the packets that wait to be written.
	queued = 1024
	// again is how long a connection is not written of again after its last
	// packet: until it gets an answer, all its packets count as first ones.
	again = 30 * time.Second
	// remembered bounds the connections of which that is known.
	remembered = 4096
)

// Config says how packets are written.
type Config struct {
	// Rate is the number of packets written in a second, Burst how many may come
	// at once.
	Rate, Burst int
	// Out takes the lines.
	Out *zap.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Registerer takes the figures.
	Registerer prometheus.Registerer
	// Loop counts the packets that are written; nil: nothing does.
	Loop *telemetry.Loop
}

// Log writes packets. Take and SetLogs may be called from any goroutine.
type Log struct {
	cfg     Config
	queue   chan ofp.PacketIn
	logs    atomic.Pointer[map[string]*model.Log]
	limit   *rate.Limiter
	seen    map[connection]time.Time // only Run
	packets *prometheus.CounterVec
}

// The fates of packets, as the figures name them.
const (
	written  = "written"
	repeated = "repeated" // of a connection that was written of a moment ago
	limited  = "limited"  // beyond the rate
	overflow = "overflow" // the queue was full
	unknown  = "unknown"  // not asked for by a log that is still there
	back     = "back"     // its sender's own, sent to all
)

// New makes a log that knows no logs yet.
func New(cfg Config) *Log {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &Log{
		cfg: cfg, queue: make(chan ofp.PacketIn, queued), seen: map[connection]time.Time{},
		limit: rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Burst),
		packets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_agent_logged_packets_total", Help: "Packets that the switch sent to be logged, by what became of them.",
		}, []string{"result"}),
	}
	for _, fate := range []string{written, repeated, limited, overflow, unknown, back} {
		l.packets.WithLabelValues(fate)
	}
	cfg.Registerer.MustRegister(l.packets)
	l.SetLogs(nil)
	return l
}

// SetLogs says which logs there are, by id. The map is not kept.
func (l *Log) SetLogs(logs map[string]*model.Log) {
	now := maps.Clone(logs)
	l.logs.Store(&now)
}

// Take takes a packet that the switch sent. It never waits.
func (l *Log) Take(p ofp.PacketIn) {
	select {
	case l.queue <- p:
	default:
		l.packets.WithLabelValues(overflow).Inc()
	}
}

// metered is how many packets the switch sends for each that may be written:
// connections that get no answer send many that are left out.
const metered = 10

// Meters are the switch's limits. What stateless groups admit has one of its
// own, or a file transfer through one would leave nothing of the others.
func (l *Log) Meters() []ofp.Meter {
	one := ofp.Meter{Rate: uint32(metered * l.cfg.Rate), Burst: uint32(metered * l.cfg.Burst)}
	list := []ofp.Meter{one, one}
	list[0].ID, list[1].ID = pipeline.LogMeter, pipeline.HeadersMeter
	return list
}

// Run writes until ctx is done.
func (l *Log) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-l.queue:
			began := time.Now()
			l.packets.WithLabelValues(l.write(p)).Inc()
			l.cfg.Loop.Done(began, nil)
			l.cfg.Loop.Waiting(len(l.queue))
		}
	}
}

// write writes of one packet and says what became of it. Projects do not see
// each other's logs: each has a line of its own.
func (l *Log) write(p ofp.PacketIn) string {
	why, ok := pipeline.ReadLogged(p.Userdata)
	projects := l.projects(why.Logs)
	if !ok || len(projects) == 0 {
		return unknown
	}
	now := l.cfg.Now()
	s := summarize(p.Data)
	way := pipeline.WayOf(p.Metadata)
	if way == pipeline.WayBack {
		return back
	}
	outward := way == pipeline.WayOut
	if why.Accepted && l.again(connection{why.Port, outward, s.flow()}, now) {
		return repeated
	}
	if !l.limit.AllowN(now, 1) {
		return limited
	}
	action, direction := "DROP", "ingress"
	if why.Accepted {
		action = "ACCEPT"
	}
	if outward {
		direction = "egress"
	}
	for _, project := range slices.Sorted(maps.Keys(projects)) {
		l.cfg.Out.Info("packet", append([]zap.Field{
			zap.String("action", action), zap.String("project_id", project),
			zap.Strings("log_resource_ids", projects[project]), zap.String("vm_port", why.Port),
			zap.String("direction", direction), zap.Int("length", p.FullLen),
		}, s.fields()...)...)
	}
	return written
}

// projects gives the logs that are still there by their project.
func (l *Log) projects(ids []string) map[string][]string {
	known, projects := *l.logs.Load(), map[string][]string{}
	for _, id := range ids {
		if log := known[id]; log != nil {
			projects[log.ProjectID] = append(projects[log.ProjectID], id)
		}
	}
	return projects
}

// connection is a connection as a port sees it.
type connection struct {
	port    string
	outward bool
	flow    flow
}

// again notes that a connection was seen, and reports whether it was a moment
// ago.
func (l *Log) again(c connection, now time.Time) bool {
	last, ok := l.seen[c]
	if !ok && len(l.seen) >= remembered {
		clear(l.seen)
	}
	l.seen[c] = now
	return ok && now.Sub(last) < again
}
