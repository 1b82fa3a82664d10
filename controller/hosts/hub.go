package hosts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
	"github.com/lepton-sdn/lepton/telemetry"
)

// errStopped is what the hub answers when it runs no more.
var errStopped = errors.New("server stopped")

// hub owns the interest engine and the streams by host. All but its channels
// belongs to the goroutine of run; others hand it functions.
type hub struct {
	commands chan func()
	done     chan struct{} // closed when run has ended

	engine  *interest.Engine
	streams map[*interest.Feed]*stream
	hosts   map[string]*stream

	loop *telemetry.Loop
}

func newHub(e *interest.Engine) *hub {
	return &hub{
		commands: make(chan func(), 64), done: make(chan struct{}),
		engine: e, streams: map[*interest.Feed]*stream{}, hosts: map[string]*stream{},
	}
}

func (h *hub) run(ctx context.Context) {
	defer close(h.done)
	for {
		select {
		case f := <-h.commands:
			began := time.Now()
			f()
			h.loop.Done(began, nil)
			h.loop.Waiting(len(h.commands))
		case <-ctx.Done():
			return
		}
	}
}

// apply takes over a batch of changes. It is called by the goroutine that
// applies them to the records, and waits only for work in memory.
func (h *hub) apply(b records.Batch) {
	f := func() {
		for _, feed := range h.engine.Apply(b) {
			h.streams[feed].stir()
		}
	}
	select {
	case h.commands <- f:
	case <-h.done:
	}
}

// do runs the function in the hub's goroutine and waits for it.
func (h *hub) do(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case h.commands <- func() { defer close(ran); f() }:
	case <-h.done:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-ran:
		return nil
	case <-h.done:
		return errStopped
	}
}

// join makes the stream its host's; a stream that the host had before ends.
func (h *hub) join(ctx context.Context, st *stream) error {
	return h.do(ctx, func() {
		if old := h.hosts[st.host]; old != nil {
			old.cancel(rpc.Refuse(pb.Refusal_REASON_REPLACED, st.host,
				"agent of host %s opened a newer stream from %s", st.host, st.remote))
			h.leave(old)
		}
		st.feed = h.engine.Connect(st.host)
		h.hosts[st.host] = st
		h.streams[st.feed] = st
		if st.feed.Pending() {
			st.stir()
		}
	})
}

// leave forgets a stream, if it is still its host's. It runs in the hub.
func (h *hub) leave(st *stream) {
	if h.hosts[st.host] == st {
		delete(h.hosts, st.host)
		delete(h.streams, st.feed)
		h.engine.Disconnect(st.feed)
	}
}

// next gives what the stream's host must be told now, sorted, and what it is
// about; nil for nothing.
func (h *hub) next(ctx context.Context, st *stream) (u *rpc.Update, told []interest.Told, err error) {
	err = h.do(ctx, func() {
		if u = h.engine.Next(st.feed); u != nil {
			told = st.feed.Told()
		}
	})
	if u != nil {
		u.Sort() // here, because everybody waits for the hub
	}
	return u, told, err
}

func (h *hub) states() []AgentState {
	var list []AgentState
	for _, st := range h.hosts {
		list = append(list, AgentState{
			Host: st.host, Instance: st.instance, Remote: st.remote, Since: st.since,
			Sent: st.sent.Load(), Acked: st.acked.Load(), Waiting: st.feed.Waiting(),
		})
	}
	slices.SortFunc(list, func(a, b AgentState) int { return strings.Compare(a.Host, b.Host) })
	return list
}
