package hosts

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// report is what one agent says about some of its ports.
type report struct {
	stream   *stream
	sequence uint64
	statuses []model.PortStatus
}

// recorder stores the statuses that agents report, those of many agents and
// ports in one transaction.
type recorder struct {
	db  *records.DB
	log *zap.Logger
	in  chan report
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
		list := gather(ctx, r.in, soon, func(e report) int { return len(e.statuses) })
		if len(list) == 0 {
			return
		}
		persist(ctx, latest(list), r.write, func(s said, err error) {
			r.log.Error("status of a port cannot be stored", zap.String("port", s.status.PortID),
				zap.String("host", s.status.Host), zap.Error(err))
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
	status model.PortStatus
}

// latest gives the last status of each port and host.
func latest(list []report) []said {
	type key struct{ port, host string }
	at := map[key]int{}
	var out []said
	for _, e := range list {
		for _, s := range e.statuses {
			k := key{s.PortID, s.Host}
			if i, ok := at[k]; ok {
				out[i] = said{e.stream, s}
				continue
			}
			at[k] = len(out)
			out = append(out, said{e.stream, s})
		}
	}
	return out
}

// write stores the statuses that are news, of ports bound to the host that
// reports them. A stream that has ended has no say any more: its agent repeats
// on the next one what was not acknowledged.
func (r *recorder) write(ctx context.Context, list []said) error {
	_, err := r.db.Update(ctx, func(u *records.Update) error {
		now := time.Now().UTC()
		for _, s := range list {
			if s.stream.gone() {
				continue
			}
			port, ok := records.Ports.Get(u, s.status.PortID)
			if !ok || port.Host != s.status.Host {
				continue
			}
			old, ok := records.PortStatuses.Get(u, s.status.PortID)
			if ok && sameStatus(old, &s.status) {
				continue
			}
			rec := s.status
			rec.Since = now
			if ok && old.State == rec.State && old.Host == rec.Host {
				rec.Since = old.Since
			}
			records.PortStatuses.Put(u, &rec)
		}
		return nil
	})
	return err
}

func sameStatus(a, b *model.PortStatus) bool {
	return a.Host == b.Host && a.State == b.State && a.Revision == b.Revision && a.Error == b.Error
}
