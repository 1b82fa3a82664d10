package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Bounds on a request, in bytes and time.
const (
	maxHeader     = 16 << 10
	maxBody       = 16 << 10 // of a guest
	maxAnswer     = 4 << 20  // of who is asked
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // header and body
	askTimeout    = 30 * time.Second
	writeTimeout  = askTimeout + 15*time.Second
	idleTimeout   = 10 * time.Second
	// maxAsking is how many requests are passed on at once.
	maxAsking = 512
)

// question is a guest's request as far as it goes on.
type question struct {
	port   *Port
	source netip.Addr
	method string
	target string // path, escaped, and query
	body   []byte
}

// answer is what the guest gets.
type answer struct {
	status      int
	contentType string
	body        []byte
	warning     error // for the operator; nil: none
}

// backend knows the answers.
type backend interface {
	ask(ctx context.Context, q *question) (*answer, error)
	// close gives up what the backend keeps, when what is under way has ended.
	close()
}

// handler answers the requests of guests.
type handler struct {
	log     *zap.Logger
	limits  *limits
	backend atomic.Pointer[backend]
	asking  chan struct{}
	told    complaint
	counts  *counting
}

func newHandler(log *zap.Logger) *handler {
	return &handler{log: log, limits: newLimits(), asking: make(chan struct{}, maxAsking), counts: newCounting()}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// server is the HTTP server of all doors.
func (h *handler) server() *http.Server {
	return &http.Server{
		Handler: h, ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: zap.NewStdLog(zap.NewNop()),
	}
}

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &counted{ResponseWriter: rw}
	defer func() { h.counts.answered(w.status) }()
	c, ok := r.Context().Value(connKey{}).(*guestConn)
	if !ok {
		refuse(w, http.StatusInternalServerError)
		return
	}
	port := c.door.index.Load().find(c.link, c.source)
	if port == nil { // nobody we know
		w.Header().Set("Connection", "close")
		refuse(w, http.StatusNotFound)
		return
	}
	if !h.limits.allow(port.ID) {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests)
		return
	}
	// The server's own writer learns that a body is too long, and does not wait for
	// the rest of it.
	q, status := read(rw, r)
	if status != 0 {
		refuse(w, status)
		return
	}
	q.port, q.source = port, c.source
	if port.Source.IsValid() {
		q.source = port.Source
	}
	select {
	case h.asking <- struct{}{}:
		defer func() { <-h.asking }()
	default:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	h.pass(w, r, q)
}

// read takes of a request what goes on, or gives the status of the refusal.
func read(w http.ResponseWriter, r *http.Request) (*question, int) {
	path := r.URL.EscapedPath()
	switch {
	case !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}, r.Method):
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, DELETE")
		return nil, http.StatusMethodNotAllowed
	case !strings.HasPrefix(path, "/") || climbs(r.URL.Path):
		return nil, http.StatusBadRequest
	}
	q := &question{method: r.Method, target: path}
	if r.URL.RawQuery != "" {
		q.target += "?" + r.URL.RawQuery
	}
	var err error
	q.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	large := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil:
		return nil, http.StatusBadRequest
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		q.body = nil
	}
	return q, 0
}

// climbs reports whether a path has a part that leads out of where it stands:
// behind a URL with a path of its own a guest would reach what is beside it.
func climbs(path string) bool {
	for part := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// pass asks who knows, and gives the guest the answer.
func (h *handler) pass(w http.ResponseWriter, r *http.Request, q *question) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	a, err := (*h.backend.Load()).ask(ctx, q)
	if err != nil {
		if r.Context().Err() == nil {
			h.told.log(h.log, err)
		}
		status := http.StatusBadGateway
		if errors.Is(err, context.DeadlineExceeded) {
			status = http.StatusGatewayTimeout
		}
		refuse(w, status)
		return
	}
	if a.warning != nil {
		h.told.log(h.log, a.warning)
	}
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // the guest may be gone
	}
}

func refuse(w http.ResponseWriter, status int) {
	text := http.StatusText(status) + "\n"
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the guest may be gone
}
