package hosts

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
	"github.com/lepton-sdn/lepton/telemetry"
)

// beat is a heartbeat as it came.
type beat struct {
	stream *stream
	beat   *pb.Heartbeat
}

// beats writes heartbeats into the agents' records, those of many agents in
// one transaction.
type beats struct {
	db       *records.DB
	log      *zap.Logger
	downTime time.Duration
	in       chan beat

	loop *telemetry.Loop
}

func newBeats(db *records.DB, log *zap.Logger, downTime time.Duration) *beats {
	return &beats{db: db, log: log, downTime: downTime, in: make(chan beat, 256)}
}

func (b *beats) submit(st *stream, hb *pb.Heartbeat) error {
	select {
	case b.in <- beat{st, hb}:
		return nil
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	}
}

// run writes heartbeats until ctx is done.
func (b *beats) run(ctx context.Context) {
	soon := window{idle: 20 * time.Millisecond, total: 100 * time.Millisecond, most: 100}
	for {
		list := gather(ctx, b.in, soon, func(beat) int { return 1 })
		if len(list) == 0 {
			return
		}
		b.loop.Waiting(len(b.in))
		persist(ctx, lastBeats(list), counted(b.loop, b.write), func(e beat, err error) {
			e.stream.log.Error("heartbeat cannot be stored", zap.Error(err))
		})
	}
}

// lastBeats gives the last heartbeat of each stream.
func lastBeats(list []beat) []beat {
	at := map[*stream]int{}
	var out []beat
	for _, e := range list {
		if i, ok := at[e.stream]; ok {
			out[i] = e
			continue
		}
		at[e.stream] = len(out)
		out = append(out, e)
	}
	return out
}

// write stores heartbeats. A stream whose record is gone or another's ends.
func (b *beats) write(ctx context.Context, list []beat) error {
	var orphans []*stream
	_, err := b.db.Update(ctx, func(u *records.Update) error {
		orphans = nil
		now := time.Now().UTC()
		for _, e := range list {
			if e.stream.gone() {
				continue
			}
			old, ok := records.Agents.Get(u, AgentID(e.stream.host))
			if !ok || !e.stream.latest(old) {
				orphans = append(orphans, e.stream)
				continue
			}
			rec := *old
			rec.HeartbeatAt, rec.LeftAt, rec.Dead = now, time.Time{}, false
			rec.Devices, rec.InSync = int(e.beat.GetDevices()), e.beat.GetInSync()
			rec.Problems = append(rpc.DecodeProblems(e.beat), b.claimants(old, now)...)
			rec.Findings = rpc.DecodeFindings(e.beat)
			records.Agents.Put(u, &rec)
		}
		return nil
	})
	if err != nil {
		return err
	}
	overtaken(orphans)
	return nil
}

// claimants gives the problems of the record that tell of other instances
// which claimed the host lately.
func (b *beats) claimants(rec *model.Agent, now time.Time) []model.Problem {
	var out []model.Problem
	for _, p := range rec.Problems {
		if strings.HasPrefix(p.Object, claimant) && now.Sub(p.Since) < b.downTime {
			out = append(out, p)
		}
	}
	return slices.Clip(out)
}
