package proxy

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// countEvery is how often the counters are written down, if they have changed.
const countEvery = 5 * time.Second

// Counters are what the proxy has done since it was started.
type Counters struct {
	// Requests are the answers to guests by HTTP status.
	Requests map[string]uint64 `json:"requests"`
	// Refused are connections beyond the bounds, or at addresses where nobody is
	// served.
	Refused uint64 `json:"refused_connections"`
	// Scopes are the namespaces to be served, Open those that are.
	Scopes int `json:"scopes"`
	Open   int `json:"open_scopes"`
}

// countersFile is where the counters are written down.
func countersFile(dir string) string { return filepath.Join(dir, "counters.json") }

// ReadCounters reads what the proxy has written down; it is a few seconds old.
func ReadCounters(dir string) (Counters, error) {
	var c Counters
	return c, readJSON(countersFile(dir), &c)
}

// counting counts.
type counting struct {
	mu       sync.Mutex
	counters Counters
}

func newCounting() *counting { return &counting{counters: Counters{Requests: map[string]uint64{}}} }

func (c *counting) answered(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counters.Requests[strconv.Itoa(status)]++
}

func (c *counting) refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counters.Refused++
}

func (c *counting) now() Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.counters
	now.Requests = maps.Clone(now.Requests)
	return now
}

// counted notes the status of an answer.
type counted struct {
	http.ResponseWriter
	status int
}

// WriteHeader sends the header.
func (w *counted) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives the writer beneath, for http.ResponseController.
func (w *counted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// keepCounters writes the counters down until ctx is done, whenever they have
// changed. Where they cannot be written, they are not.
func (p *Proxy) keepCounters(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	var last []byte
	for {
		c := p.handler.counts.now()
		p.mu.Lock()
		c.Scopes = len(p.doors)
		for _, d := range p.doors {
			if d.open.Load() {
				c.Open++
			}
		}
		p.mu.Unlock()
		b, err := json.Marshal(c)
		if err == nil && string(b) != string(last) {
			fresh := countersFile(p.dir) + ".new"
			if err = os.WriteFile(fresh, b, 0o600); err == nil {
				err = os.Rename(fresh, countersFile(p.dir))
			}
			if err == nil {
				last = b
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
