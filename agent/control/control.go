// Package control is the agent's socket for the operator of its host:
// run_dir/agent.sock, for root only, HTTP with JSON.
//
//	GET  /audit     what was found, and what the brake keeps
//	POST /audit     look at everything now, then the same
//	POST /release   let go of what the brake keeps
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/model"
)

// auditWait bounds an audit that somebody waits for.
const auditWait = 20 * time.Second

// Brake is what keeps records that a controller lacks (*feed.Feed).
type Brake interface {
	Held() (int, model.Problem)
	Release(ctx context.Context) (int, error)
}

// Status is the answer to /audit.
type Status struct {
	Host     string          `json:"host"`
	Mode     audit.Mode      `json:"mode"`
	Interval float64         `json:"interval"` // seconds
	Findings []audit.Finding `json:"findings"` // the last ones, the oldest first
	Total    int             `json:"total"`    // since the agent started
	// Held is how many records the brake keeps, and Brake why.
	Held  int            `json:"held"`
	Brake *model.Problem `json:"brake,omitempty"`
}

// Released is the answer to /release.
type Released struct {
	Records int `json:"records"`
}

// Server serves the socket.
type Server struct {
	http http.Server
	ln   net.Listener
}

// Listen makes the socket, in the place of one that a dead agent left. Serving
// begins with Run.
func Listen(path, host string, a *audit.Auditor, b Brake) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("make control socket: %w", err), ln.Close())
	}
	s := &server{host: host, audit: a, brake: b}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /audit", s.show)
	mux.HandleFunc("POST /audit", s.look)
	mux.HandleFunc("POST /release", s.release)
	return &Server{ln: ln, http: http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, IdleTimeout: 10 * time.Second,
		MaxHeaderBytes: 16 << 10,
	}}, nil
}

// Run serves until the context ends.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve control socket: %w", err)
	}
	return nil
}

type server struct {
	host  string
	audit *audit.Auditor
	brake Brake
}

func (s *server) show(w http.ResponseWriter, _ *http.Request) {
	st := Status{Host: s.host, Mode: s.audit.Mode(), Interval: s.audit.Interval().Seconds()}
	st.Findings, st.Total = s.audit.Findings()
	var p model.Problem
	if st.Held, p = s.brake.Held(); p.Text != "" {
		st.Brake = &p
	}
	answer(w, st)
}

func (s *server) look(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), auditWait)
	defer cancel()
	if err := s.audit.Now(ctx); err != nil {
		http.Error(w, fmt.Sprintf("audit: not all loops have ended theirs after %s: %v", auditWait, err), http.StatusGatewayTimeout)
		return
	}
	s.show(w, r)
}

func (s *server) release(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), auditWait)
	defer cancel()
	n, err := s.brake.Release(ctx)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer(w, Released{Records: n})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that is gone
}
