package records

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/store"
)

// headTimeout bounds one question for the head, whoever shares it.
const headTimeout = 3 * time.Second

// headReader shares the question for the store's head among callers. An answer
// serves those who asked before the question was put; who comes later joins the
// next one. So a thousand concurrent reads cost two questions, not a thousand.
type headReader struct {
	store store.Store
	mu    sync.Mutex
	busy  bool
	next  *headCall // waits for the one under way
}

type headCall struct {
	done chan struct{}
	head int64
	err  error
}

func newHeadReader(s store.Store) *headReader { return &headReader{store: s} }

func (h *headReader) head(ctx context.Context) (int64, error) {
	h.mu.Lock()
	if !h.busy {
		// Nobody to share with: ask on the caller's own goroutine.
		h.busy = true
		h.mu.Unlock()
		return h.alone(ctx)
	}
	if h.next == nil {
		h.next = &headCall{done: make(chan struct{})}
	}
	call := h.next
	h.mu.Unlock()
	select {
	case <-call.done:
		return call.head, call.err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

func (h *headReader) alone(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	head, err := h.store.Head(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next != nil {
		go h.serve(h.take())
	} else {
		h.busy = false
	}
	return head, err
}

// serve puts the question for those who wait, until nobody does.
func (h *headReader) serve(call *headCall) {
	for call != nil {
		ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
		call.head, call.err = h.store.Head(ctx)
		cancel()
		close(call.done)
		h.mu.Lock()
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
