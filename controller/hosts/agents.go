package hosts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// claimant begins the Object of the problem that tells of a second agent
// instance which claims the host; its Since is the latest attempt.
const claimant = "agent instance "

// AgentID is the id of a host's agent record: a name-based UUID (RFC 9562,
// version 5), the same whenever and wherever the agent connects.
func AgentID(host string) string {
	space := uuid.NewSHA1(uuid.NameSpaceURL, []byte("lepton:agents"))
	return uuid.NewSHA1(space, []byte(host)).String()
}

// admit writes the agent's record, unless another live instance holds the host
// name.
func (s *Server) admit(st *stream, hello *model.Agent) error {
	var holder *model.Agent
	_, err := s.cfg.DB.Update(st.ctx, func(u *records.Update) error {
		now := time.Now().UTC()
		old, ok := records.Agents.Get(u, AgentID(st.host))
		if holder = nil; ok && s.holds(old, st.instance, now) {
			holder = old
			if rec := s.withClaimant(old, st, "instance "+old.Instance, now); rec != nil {
				records.Agents.Put(u, rec)
			}
			return nil
		}
		if st.contact = (time.Time{}); ok {
			st.contact = old.HeartbeatAt
		}
		rec := introduced(old, hello, now)
		rec.Stream = st.id
		records.Agents.Put(u, rec)
		return nil
	})
	if err != nil {
		st.log.Warn("agent cannot be recorded", zap.Error(err))
		return status.Errorf(codes.Unavailable, "record agent of host %s: %s", st.host, err)
	}
	if holder != nil {
		refusal := rpc.Refuse(pb.Refusal_REASON_HOST_TAKEN, st.host,
			"host %s is taken by agent instance %s; instance %s is refused until that one has left or been silent for %s",
			st.host, holder.Instance, st.instance, s.cfg.AgentDownTime)
		st.log.Warn("agent refused", zap.String("remote", st.remote), zap.Error(refusal))
		return refusal
	}
	return nil
}

// holds reports whether the recorded agent keeps another instance from taking
// its host name.
func (s *Server) holds(rec *model.Agent, instance string, now time.Time) bool {
	return rec.Instance != instance && rec.LeftAt.IsZero() && s.alive(rec, now)
}

func (s *Server) alive(rec *model.Agent, now time.Time) bool {
	if s.cfg.Alive != nil {
		return s.cfg.Alive(rec)
	}
	return rec.Alive(now, s.cfg.AgentDownTime)
}

// rivalPatience is how long a process of the same instance may take to be gone:
// one that was killed has left the stream before the next one can start.
const rivalPatience = time.Second

// refuseRival refuses the stream when another process of the same instance has
// a stream that lives on: the machine was copied together with its state
// directory, and the two would take the host from each other for ever.
func (s *Server) refuseRival(st *stream) error {
	var rival *stream
	if err := s.hub.do(st.ctx, func() { rival = s.hub.hosts[st.host] }); err != nil {
		return err
	}
	if rival == nil || rival.instance != st.instance || rival.started.IsZero() || rival.started.Equal(st.started) {
		return nil
	}
	patience := time.NewTimer(rivalPatience)
	defer patience.Stop()
	select {
	case <-rival.ctx.Done():
		return nil
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	case <-patience.C:
	}
	_, err := s.cfg.DB.Update(st.ctx, func(u *records.Update) error {
		old, ok := records.Agents.Get(u, AgentID(st.host))
		if !ok {
			return nil
		}
		if rec := s.withClaimant(old, st, "its copy at "+rival.remote, time.Now().UTC()); rec != nil {
			records.Agents.Put(u, rec)
		}
		return nil
	})
	if err != nil {
		st.log.Warn("second claimant cannot be recorded", zap.Error(err))
	}
	refusal := rpc.Refuse(pb.Refusal_REASON_HOST_TAKEN, st.host,
		"host %s is taken by another process of agent instance %s, at %s; an agent on a copied machine needs a host name of its own and an empty state_dir",
		st.host, st.instance, rival.remote)
	st.log.Warn("agent refused", zap.String("remote", st.remote), zap.Error(refusal))
	return refusal
}

// withClaimant adds the problem of a second claimant to the holder's record;
// nil when it is there and recent.
func (s *Server) withClaimant(old *model.Agent, st *stream, holder string, now time.Time) *model.Agent {
	p := model.Problem{
		Object: claimant + st.instance,
		Text:   fmt.Sprintf("at %s also claims host %s, which %s holds", st.remote, st.host, holder),
		Since:  now,
	}
	rec := *old
	rec.Problems = slices.Clone(old.Problems)
	i := slices.IndexFunc(rec.Problems, func(q model.Problem) bool { return q.Object == p.Object })
	switch {
	case i < 0:
		rec.Problems = append(rec.Problems, p)
	case now.Sub(rec.Problems[i].Since) < s.cfg.HeartbeatInterval:
		return nil
	default:
		rec.Problems[i] = p
	}
	return &rec
}

// introduced is the record of an agent that says hello; old may be nil. What
// the API writes and what outlives a restart stays.
func introduced(old, hello *model.Agent, now time.Time) *model.Agent {
	rec := *hello
	rec.ID = AgentID(hello.Host)
	rec.HeartbeatAt = now
	rec.CreatedAt, rec.AdminStateUp = now, true
	if old != nil {
		rec.CreatedAt, rec.AdminStateUp, rec.Description = old.CreatedAt, old.AdminStateUp, old.Description
		rec.RoleSettings = old.RoleSettings
		rec.Problems, rec.Findings, rec.Devices, rec.RoleSettings = old.Problems, old.Findings, old.Devices, old.RoleSettings
	}
	if rec.StartedAt.IsZero() {
		rec.StartedAt = now
	}
	return &rec
}

// latest reports whether no other stream of the agent, to any controller, was
// admitted since.
func (st *stream) latest(rec *model.Agent) bool {
	return rec.Instance == st.instance && rec.Stream == st.id
}

// overtaken ends streams whose agents have to introduce themselves again: their
// record was deleted, or another stream came after them.
func overtaken(streams []*stream) {
	for _, st := range streams {
		st.cancel(rpc.Refuse(pb.Refusal_REASON_REPLACED, st.host,
			"agent record of host %s was deleted, or taken over by another instance or stream", st.host))
	}
}

// noteLeave records that the instance took leave, so that another one may take
// the host name at once.
func (s *Server) noteLeave(st *stream) {
	ctx, cancel := context.WithTimeout(st.ctx, farewell)
	defer cancel()
	_, err := s.cfg.DB.Update(ctx, func(u *records.Update) error {
		old, ok := records.Agents.Get(u, AgentID(st.host))
		if !ok || !st.latest(old) || st.gone() {
			return nil
		}
		rec := *old
		rec.LeftAt = time.Now().UTC()
		records.Agents.Put(u, &rec)
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		st.log.Warn("leave of an agent cannot be recorded", zap.Error(err))
	}
}
