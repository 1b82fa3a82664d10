package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

const (
	// maxMessage bounds one message from the server. The whole copy of 5,000
	// ports takes about 4 MB.
	maxMessage = 256 << 20
	// writeTimeout bounds one write: a peer that does not read is dead.
	writeTimeout = 5 * time.Second
)

// ErrNotConnected says that there is no live connection to the database, or
// that it was lost before the answer came: whether the server has carried out
// the request is then unknown.
var ErrNotConnected = errors.New("not connected to the database")

// RequestError is a request that the server refused as a whole (RFC 7047,
// section 4.1, the "error" member).
type RequestError struct{ Method, Text string }

func (e *RequestError) Error() string { return e.Method + " refused: " + e.Text }

// message is any JSON-RPC 1.0 message (RFC 7047, section 4). Its parts are
// decoded in one go: an update of hundreds of ports is a large one.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params any             `json:"params"`
	Result any             `json:"result"`
	Error  any             `json:"error"`
}

type answer struct {
	result any
	err    error
}

// waiting is a request without an answer yet. With take, the result is handed
// over in the reader's goroutine, before any later message is looked at.
type waiting struct {
	ch   chan answer // capacity 1
	take func(result any) error
}

// session is one connection: requests out, answers and notifications in.
type session struct {
	conn   net.Conn
	notify func(method string, params any) error
	done   chan struct{} // closed when the reader has ended

	writing sync.Mutex // one message at a time on the wire

	mu      sync.Mutex // seq, pending, cause
	seq     uint64
	pending map[string]waiting
	cause   error // why the connection ended
}

// newSession starts reading. notify is called for every "update…" message, in
// order, from the reader's goroutine; its error ends the session.
func newSession(conn net.Conn, notify func(method string, params any) error) *session {
	s := &session{
		conn: conn, notify: notify,
		done:    make(chan struct{}),
		pending: make(map[string]waiting),
	}
	go s.read()
	return s
}

// close ends the connection and waits for the reader.
func (s *session) close() {
	s.fail(net.ErrClosed)
	<-s.done
}

// err says why the connection ended; nil while it lives.
func (s *session) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// fail ends the connection; the first cause stays.
func (s *session) fail(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	s.cause = cause
	s.conn.Close() //nolint:errcheck // the connection is given up, whatever close says
	for id, w := range s.pending {
		w.ch <- answer{err: fmt.Errorf("%w: %w", ErrNotConnected, cause)}
		delete(s.pending, id)
	}
}

// call sends a request and waits for its result. take, if given, sees the
// result in the order of messages on the wire.
func (s *session) call(ctx context.Context, method string, params []any, take func(result any) error) (any, error) {
	w := waiting{ch: make(chan answer, 1), take: take}
	s.mu.Lock()
	if s.cause != nil {
		cause := s.cause
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, cause)
	}
	s.seq++
	id := s.seq
	key := fmt.Sprint(id)
	s.pending[key] = w
	s.mu.Unlock()

	b, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err != nil {
		s.forget(key)
		return nil, fmt.Errorf("encode %s: %w", method, err)
	}
	if err := s.write(b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	select {
	case a := <-w.ch:
		var refused *RequestError
		if errors.As(a.err, &refused) {
			refused.Method = method
		}
		return a.result, a.err
	case <-ctx.Done():
		s.forget(key)
		return nil, fmt.Errorf("%s: no answer: %w", method, ctx.Err())
	}
}

func (s *session) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, key)
}

// write sends one message. A failure ends the session: half a message may be
// on the wire.
func (s *session) write(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = s.conn.Write(b)
	}
	if err != nil {
		err = fmt.Errorf("write: %w", err)
		s.fail(err)
	}
	return err
}

// read handles messages until the connection ends. Whatever the peer sends
// ends at most this session: a panic while a message is looked at is a cause
// like any other.
func (s *session) read() {
	defer close(s.done)
	defer func() {
		if p := recover(); p != nil {
			s.fail(fmt.Errorf("handle message: %v\n%s", p, debug.Stack()))
		}
	}()
	limited := &io.LimitedReader{R: s.conn}
	dec := json.NewDecoder(limited)
	for {
		limited.N = maxMessage
		var m message
		if err := dec.Decode(&m); err != nil {
			if limited.N <= 0 {
				err = fmt.Errorf("message longer than %d bytes", maxMessage)
			}
			s.fail(fmt.Errorf("read: %w", err))
			return
		}
		if err := s.handle(m); err != nil {
			s.fail(err)
			return
		}
	}
}

// handle looks at one message. An error ends the session.
func (s *session) handle(m message) error {
	if m.Method == "" {
		return s.answered(m)
	}
	reply := map[string]any{"id": m.ID, "result": []any{}, "error": nil}
	switch {
	case m.Method == "echo":
		if m.Params != nil {
			reply["result"] = m.Params
		}
	case strings.HasPrefix(m.Method, "update"):
		if err := s.notify(m.Method, m.Params); err != nil {
			return err
		}
	default:
		reply["result"], reply["error"] = nil, "unknown method"
	}
	if m.ID == nil || string(m.ID) == "null" { // a notification wants no answer
		return nil
	}
	b, err := json.Marshal(reply)
	if err != nil {
		return fmt.Errorf("encode answer to %s: %w", m.Method, err)
	}
	return s.write(b)
}

// answered hands an answer to the caller that waits for it. One that nobody
// waits for (any more) is dropped.
func (s *session) answered(m message) error {
	key := string(m.ID)
	s.mu.Lock()
	w, ok := s.pending[key]
	delete(s.pending, key)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	if m.Error != nil {
		w.ch <- answer{err: &RequestError{Text: errorText(m.Error)}}
		return nil
	}
	if w.take != nil {
		if err := w.take(m.Result); err != nil {
			w.ch <- answer{err: err}
			return nil
		}
	}
	w.ch <- answer{result: m.Result}
	return nil
}

// errorText makes the "error" member readable: a string, or an object with
// error and details.
func errorText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		r := rowReader{row: v}
		if code := r.str("error"); code != "" {
			return strings.TrimRight(code+": "+r.str("details"), ": ")
		}
	}
	return fmt.Sprintf("%.200v", v)
}
