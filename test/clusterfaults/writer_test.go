package clusterfaults

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// writer makes networks through the only controller, one after the other, and
// keeps what was acknowledged.
type writer struct {
	c *cluster

	mu      sync.Mutex
	made    []string
	refused int
	slowest time.Duration // of the answers since the last look
}

// writer gives one whose project has no quota.
func (c *cluster) writer() *writer {
	c.Helper()
	c.Must(c.Lab.API().Call(c.Context(), "PUT", "/v2.0/quotas/writer", map[string]any{"quota": map[string]any{"network": -1}}, nil))
	return &writer{c: c}
}

// run writes until the function that it gives is called.
func (w *writer) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			w.write()
		}
	})
	return func() { cancel(); work.Wait() }
}

func (w *writer) write() {
	var out struct{ Network struct{ ID string } }
	a := w.c.ask(context.Background(), "ctl1", "POST", "/v2.0/networks", map[string]any{"network": map[string]any{"project_id": "writer", "description": strings.Repeat("x", 200)}}, &out)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case a.status == http.StatusCreated:
		w.made = append(w.made, out.Network.ID)
	case a.err == nil:
		w.refused++
		if err := a.proper(); err != nil {
			w.c.Errorf("POST: %v", err)
		}
	}
	if a.err == nil {
		w.slowest = max(w.slowest, a.took)
	}
	if a.status != http.StatusCreated {
		time.Sleep(50 * time.Millisecond)
	}
}

// look gives how much was written in all, and what there was since the last look.
func (w *writer) look() (made, refused int, slowest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	made, refused, slowest = len(w.made), w.refused, w.slowest
	w.refused, w.slowest = 0, 0
	return made, refused, slowest
}

// judge checks that what was acknowledged is there.
func (w *writer) judge() {
	w.c.Helper()
	var there struct{ Networks []listed }
	w.c.Must(w.c.Lab.API().Call(w.c.Context(), "GET", "/v2.0/networks", nil, &there))
	for _, id := range w.made {
		if !slices.ContainsFunc(there.Networks, func(n listed) bool { return n.ID == id }) {
			w.c.Errorf("network %s was acknowledged and is lost", id)
		}
	}
	w.c.Logf("%d networks were made", len(w.made))
}
