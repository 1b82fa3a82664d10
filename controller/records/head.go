package records

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/store"
)

// headTimeout bounds one question for the head, whoever shares it. A cluster that
// loses its leader has another one within it.
const headTimeout = 4500 * time.Millisecond

// awayPatience is how long somebody who would take old records waits for a store
// that did not answer the last time.
const awayPatience = 250 * time.Millisecond

// headReader shares the question for the store's head among callers. An answer
// serves those who asked before the question was put; who comes later joins the
// next one. So a thousand concurrent reads cost two questions, not a thousand.
type headReader struct {
	store store.Store
	mu    sync.Mutex
	busy  bool
	next  *headCall // waits for the one under way
	// heard is when the store answered last, and away whether it has failed to since.
	heard time.Time
	away  bool
}

type headCall struct {
	done chan struct{}
	head int64
	err  error
}

func newHeadReader(s store.Store) *headReader { return &headReader{store: s, heard: time.Now()} }

// silence is how long ago the store answered last, and whether it has failed to
// since.
func (h *headReader) silence() (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.heard), h.away
}

func (h *headReader) head(ctx context.Context) (int64, error) {
	h.mu.Lock()
	if !h.busy && !h.away {
		// Nobody to share with: ask on the caller's own goroutine.
		h.busy = true
		h.mu.Unlock()
		return h.alone(ctx)
	}
	if h.next == nil {
		h.next = &headCall{done: make(chan struct{})}
	}
	call := h.next
	if !h.busy { // a question that outlives a caller's short patience
		h.busy = true
		go h.serve(h.take())
	}
	h.mu.Unlock()
	select {
	case <-call.done:
		return call.head, call.err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

func (h *headReader) alone(ctx context.Context) (int64, error) {
	bounded, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	head, err := h.store.Head(bounded)
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() == nil { // a caller who left early says nothing about the store
		h.note(err)
	}
	if h.next != nil {
		go h.serve(h.take())
	} else {
		h.busy = false
	}
	return head, err
}

// note keeps what an answer says about the store.
func (h *headReader) note(err error) {
	h.away = err != nil
	if err == nil {
		h.heard = time.Now()
	}
}

// serve puts the question for those who wait, until nobody does.
func (h *headReader) serve(call *headCall) {
	for call != nil {
		ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
		call.head, call.err = h.store.Head(ctx)
		cancel()
		close(call.done)
		h.mu.Lock()
		h.note(call.err)
		if call = h.take(); call == nil {
			h.busy = false
		}
		h.mu.Unlock()
	}
}

func (h *headReader) take() *headCall {
	call := h.next
	h.next = nil
	return call
}
