package hosts

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/telemetry"
)

// report is what one agent says about some of its ports and other objects.
type report struct {
	stream   *stream
	sequence uint64
	statuses []model.PortStatus
	objects  []model.ObjectStatus
	rules    map[string]model.RuleCounter // by the rules' digits
}

// recorder stores the statuses that agents report, those of many agents and
// ports in one transaction.
type recorder struct {
	db  *records.DB
	log *zap.Logger
	in  chan report

	loop    *telemetry.Loop
	metrics *Metrics
}

func newRecorder(db *records.DB, log *zap.Logger) *recorder {
	return &recorder{db: db, log: log, in: make(chan report, 256)}
}

// submit hands over a report, and waits while too many are under way.
func (r *recorder) submit(e report) error {
	select {
	case r.in <- e:
		return nil
	case <-e.stream.ctx.Done():
		return context.Cause(e.stream.ctx)
	}
}

// run stores reports until ctx is done.
func (r *recorder) run(ctx context.Context) {
	soon := window{idle: 2 * time.Millisecond, total: 5 * time.Millisecond, most: 256}
	for {
		list := gather(ctx, r.in, soon, func(e report) int { return len(e.statuses) + len(e.objects) + min(len(e.rules), 1) })
		if len(list) == 0 {
			return
		}
		r.loop.Waiting(len(r.in))
		persist(ctx, latest(list), counted(r.loop, r.write), func(s said, err error) {
			r.log.Error("status cannot be stored", zap.Stringer("of", s), zap.String("host", s.stream.host), zap.Error(err))
		})
		if ctx.Err() != nil {
			return
		}
		for _, e := range list {
			e.stream.stored <- e.sequence // has room for all that may be in flight
		}
	}
}

// said is a status and the stream that it came by.
type said struct {
	stream *stream
	port   *model.PortStatus
	object *model.ObjectStatus
	rules  *report // when it is of neither, its counters
}

// String is the key of what the status is about.
func (s said) String() string {
	switch {
	case s.port != nil:
		return "port:" + s.port.PortID + ":" + s.port.Host
	case s.object != nil:
		return s.object.Key()
	}
	return fmt.Sprintf("rules:%s:%d", s.stream.host, s.rules.sequence)
}

// latest gives the last status of each object and host.
func latest(list []report) []said {
	at := map[string]int{}
	var out []said
	add := func(s said) {
		if i, ok := at[s.String()]; ok {
			out[i] = s
			return
		}
		at[s.String()] = len(out)
		out = append(out, s)
	}
	for n := range list {
		e := &list[n]
		if len(e.rules) > 0 {
			add(said{stream: e.stream, rules: e})
		}
		for i := range e.statuses {
			add(said{stream: e.stream, port: &e.statuses[i]})
		}
		for i := range e.objects {
			add(said{stream: e.stream, object: &e.objects[i]})
		}
	}
	return out
}

// write stores the statuses that are news, of what is bound to the host that
// reports them. A stream that has ended has no say any more, nor has one that is
// not its agent's latest: a controller that stood still would bring back what was
// true before. The agent repeats on its next stream what was not acknowledged.
func (r *recorder) write(ctx context.Context, list []said) error {
	var foreign []said
	var orphans []*stream
	_, err := r.db.Update(ctx, func(u *records.Update) error {
		foreign, orphans = nil, nil
		now := time.Now().UTC()
		for _, s := range list {
			rec, ok := records.Agents.Get(u, AgentID(s.stream.host))
			mine := true
			switch {
			case s.stream.gone():
			case !ok || !s.stream.latest(rec):
				orphans = append(orphans, s.stream)
			case s.port != nil:
				mine = writePort(u, s.port, now)
			case s.object != nil:
				mine = writeObject(u, s.object, now)
			default:
				writeRules(u, s.stream.host, s.rules.rules)
			}
			if !mine {
				foreign = append(foreign, s)
			}
		}
		return nil
	})
	if err == nil {
		r.metrics.leftOut(len(foreign))
		overtaken(orphans)
		for _, s := range foreign {
			r.log.Info("report left out: what it is about is not on that host",
				zap.String("host", s.stream.host), zap.String("remote", s.stream.remote), zap.Stringer("of", s))
		}
	}
	return err
}

// writePort stores a port's status; false: the port exists and is not on the
// host.
func writePort(u *records.Update, s *model.PortStatus, now time.Time) bool {
	port, ok := records.Ports.Get(u, s.PortID)
	if !ok || port.Host != s.Host {
		return !ok
	}
	old, ok := records.PortStatuses.Get(u, s.PortID)
	if ok && sameStatus(old, s) {
		return true
	}
	rec := *s
	rec.Since = now
	if ok && old.State == rec.State && old.Host == rec.Host {
		rec.Since = old.Since
	}
	records.PortStatuses.Put(u, &rec)
	return true
}

// writeObject stores an object's status; false: it is not on the host.
func writeObject(u *records.Update, s *model.ObjectStatus, now time.Time) bool {
	old, known := records.ObjectStatuses.Get(u, s.Key())
	if s.State == model.ObjectGone || !hasObject(u, s) {
		if known {
			records.ObjectStatuses.Delete(u, s.Key())
		}
		return s.State == model.ObjectGone || isReplica(u, s)
	}
	rec := *s
	rec.Since = now
	if known && old.State == s.State {
		rec.Since = old.Since
	}
	if !known || *old != rec {
		records.ObjectStatuses.Put(u, &rec)
	}
	return true
}

// hasObject reports whether the object exists and is on the host that reports on
// it.
func hasObject(u *records.Update, s *model.ObjectStatus) bool {
	switch s.Kind {
	case model.ObjectRouter, model.ObjectRouterHA:
		return hasRouter(u, s.ID, s.Host)
	case model.ObjectFloatingIP:
		f, ok := records.FloatingIPs.Get(u, s.ID)
		return ok && (f.Host == s.Host || f.Host == "" && hasRouter(u, f.RouterID, s.Host))
	case model.ObjectDHCP:
		return serves(u, s.ID, s.Host)
	case model.ObjectDHCPPort:
		p, ok := records.Ports.Get(u, s.ID)
		return ok && serves(u, p.NetworkID, s.Host)
	}
	return false
}

// isReplica reports whether the object may be a replica of a distributed router:
// of these nothing is kept, every host with a guest has one, and what is wrong
// with it is among the problems of the host's agent.
func isReplica(u *records.Update, s *model.ObjectStatus) bool {
	id := s.ID
	switch s.Kind {
	case model.ObjectRouter:
	case model.ObjectFloatingIP:
		if f, ok := records.FloatingIPs.Get(u, s.ID); ok {
			id = f.RouterID
		}
	default:
		return false
	}
	r, ok := records.Routers.Get(u, id)
	return ok && r.Distributed
}

func hasRouter(u *records.Update, id, host string) bool {
	b, ok := records.RouterBindings.Get(u, id)
	return ok && b.On(host)
}

func serves(u *records.Update, network, host string) bool {
	b, ok := records.DHCPBindings.Get(u, network)
	return ok && b.On(host)
}

func sameStatus(a, b *model.PortStatus) bool {
	return a.Host == b.Host && a.State == b.State && a.Revision == b.Revision && a.Error == b.Error
}
