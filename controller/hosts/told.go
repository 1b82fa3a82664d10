package hosts

import (
	"context"
	"fmt"
	"time"

	"github.com/lepton-sdn/lepton/rpc"
)

// Told is what a host is to know, and how far it has come.
type Told struct {
	// Update is everything that the host is told at Update.Revision: what its agent
	// would be sent if it connected now. The records in it are shared and must not
	// be changed.
	Update *rpc.Update
	// Connected says that the host's agent is connected to this controller. Only
	// then Waiting, the number of changed records that it has not been sent, and
	// Unconfirmed, whether it has not realised all that it was sent, mean anything.
	Connected   bool
	Waiting     int
	Unconfirmed bool
}

// catchUpTime bounds the wait for the revision that somebody has read.
const catchUpTime = 2 * time.Second

// Tell gives what a host is to know, as of a revision of the store or later. It
// fails when that does not come within two seconds.
func (s *Server) Tell(ctx context.Context, host string, revision int64) (Told, error) {
	ctx, cancel := context.WithTimeout(ctx, catchUpTime)
	defer cancel()
	if err := s.hub.reach(ctx, revision); err != nil {
		return Told{}, fmt.Errorf("records of host %s: %w", host, err)
	}
	var t Told
	err := s.hub.do(ctx, func() {
		t.Update = s.hub.engine.Snapshot(host)
		st := s.hub.hosts[host]
		if t.Connected = st != nil; st != nil {
			t.Waiting = st.feed.Waiting()
			t.Unconfirmed = st.acked.Load() < st.sent.Load()
			t.Update.Settings = s.settingsFor(st.roles)
			return
		}
		t.Update.Settings = s.settingsFor(nil)
	})
	return t, err
}

// reach waits until the engine shows a revision.
func (h *hub) reach(ctx context.Context, revision int64) error {
	for {
		var now int64
		if err := h.do(ctx, func() { now = h.engine.Revision() }); err != nil || now >= revision {
			return err
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
