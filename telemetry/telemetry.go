// Package telemetry gives both programs their log, and serves metrics, health
// and profiles over HTTP.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Logger makes a log that writes one line per entry to standard error, as
// journald and people read it: time, level, message, then the fields as JSON.
func Logger(level string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	c := zap.NewProductionConfig()
	c.Level = zap.NewAtomicLevelAt(l)
	c.Encoding = "console"
	c.DisableStacktrace = true
	c.DisableCaller = true
	c.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	c.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
	// A flood of one message must not fill the disk: of equal messages within a
	// second the first 100 are written, then every 100th.
	c.Sampling = &zap.SamplingConfig{Initial: 100, Thereafter: 100}
	return c.Build()
}

// Registry gives a registry that already counts the process and the runtime.
func Registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Server serves /metrics, /healthz (the process lives), /readyz (what the checks
// say, as JSON; 503 when something is missing) and, to clients on loopback,
// /debug/pprof/.
type Server struct {
	http http.Server
	ln   net.Listener
}

// Listen opens the address. Serving begins with Run.
func Listen(addr string, reg *prometheus.Registry, checks ...Check) (*Server, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	health := newHealth(checks)
	if err := reg.Register(health); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	mux.HandleFunc("GET /healthz", health.alive)
	mux.HandleFunc("GET /readyz", health.ready)
	mux.Handle("/debug/pprof/", loopbackOnly(http.HandlerFunc(pprof.Index)))
	mux.Handle("/debug/pprof/profile", loopbackOnly(http.HandlerFunc(pprof.Profile)))
	mux.Handle("/debug/pprof/trace", loopbackOnly(http.HandlerFunc(pprof.Trace)))
	return &Server{ln: ln, http: http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}}, nil
}

// loopbackOnly hides a handler from other machines: a profile shows what the
// program is doing and costs it time.
func loopbackOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Addr is the address that is served.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Run serves until the context ends.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
