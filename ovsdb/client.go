package ovsdb

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"go.uber.org/zap"
)

const (
	database  = "Open_vSwitch"
	monitorID = "lepton"
)

// timing is how patient a Client is.
type timing struct {
	connect    time.Duration // to reach the server and to have its first copy, each
	echoEvery  time.Duration // between two checks that the server lives
	echoWait   time.Duration // for its answer
	backoffMin time.Duration // before the first attempt to reconnect
	backoffMax time.Duration
	transact   time.Duration // for a request whose context has no deadline
}

// defaultTiming notices a dead server within 8 s.
func defaultTiming() timing {
	return timing{
		connect:    10 * time.Second,
		echoEvery:  4 * time.Second,
		echoWait:   4 * time.Second,
		backoffMin: 50 * time.Millisecond,
		backoffMax: 5 * time.Second,
		transact:   10 * time.Second,
	}
}

// Client watches one Open vSwitch database and changes it. Its methods may be
// called from any goroutine.
type Client struct {
	network, address string
	endpoint         string
	keys             func() *tls.Config // of the next connection; nil: without TLS
	log              *zap.Logger
	timing           timing
	copy             *replica
	first            *Watcher

	cancel   context.CancelFunc
	finished chan struct{} // closed when the connection loop has ended
	ready    chan struct{} // closed when the first copy is complete

	readyOnce sync.Once

	mu      sync.Mutex // session, failure
	session *session   // nil while there is no live connection
	failure error      // why the last attempt failed
}

// Dial connects to the database at endpoint ("unix:/path/db.sock",
// "tcp:host:port") and waits until the copy is complete. It tries again until
// ctx is done, and its error then holds both the context's and why the last
// attempt failed; afterwards ctx is no longer used. From then on the Client
// reconnects by itself, for ever, until Close.
func Dial(ctx context.Context, endpoint string, log *zap.Logger) (*Client, error) {
	return dial(ctx, endpoint, nil, log, defaultTiming())
}

// DialTLS is Dial for an endpoint that may also be "ssl:host:port"; keys gives
// the configuration of the next connection and is needed for such a one only.
func DialTLS(ctx context.Context, endpoint string, keys func() *tls.Config, log *zap.Logger) (*Client, error) {
	return dial(ctx, endpoint, keys, log, defaultTiming())
}

func dial(ctx context.Context, endpoint string, keys func() *tls.Config, log *zap.Logger, t timing) (*Client, error) {
	network, address, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if network != "ssl" {
		keys = nil
	} else if keys == nil {
		return nil, fmt.Errorf("database endpoint %q needs a certificate, its key and an authority", endpoint)
	}
	life, cancel := context.WithCancel(context.Background())
	c := &Client{
		network: network, address: address, endpoint: endpoint, keys: keys,
		log: log, timing: t,
		cancel:   cancel,
		finished: make(chan struct{}),
		ready:    make(chan struct{}),
	}
	c.copy = newReplica(func(err error) { log.Warn("skipped a database row", zap.Error(err)) })
	c.first = c.Watch()
	go c.run(life)
	select {
	case <-c.ready:
		return c, nil
	case <-ctx.Done():
		c.Close()
		if c.failure != nil {
			return nil, fmt.Errorf("connect to database at %s: %w: %w", endpoint, ctx.Err(), c.failure)
		}
		return nil, fmt.Errorf("connect to database at %s: %w", endpoint, ctx.Err())
	}
}

// Close ends the connection and all goroutines. The database stays as it is.
func (c *Client) Close() {
	c.cancel()
	<-c.finished
}

// Connected reports whether the copy is live.
func (c *Client) Connected() bool { _, live, _ := c.copy.config(); return live }

// State gives the copy as it is now. It costs nothing until the next change;
// all its maps are read only.
func (c *Client) State() State { return c.copy.state() }

// Interface, Port and Bridge give one row of the copy.
func (c *Client) Interface(name string) (Interface, bool) { return c.copy.iface(name) }

// Port gives one row of the copy.
func (c *Client) Port(name string) (Port, bool) { return c.copy.port(name) }

// Bridge gives one row of the copy.
func (c *Client) Bridge(name string) (Bridge, bool) { return c.copy.bridge(name) }

// Changes fires when TakeDirty has something to tell. Changes and TakeDirty
// are for one consumer; others use Watch.
func (c *Client) Changes() <-chan struct{} { return c.first.Changes() }

// TakeDirty gives what changed since it was last asked.
func (c *Client) TakeDirty() Dirty { return c.first.TakeDirty() }

// Watch makes a watcher for one more consumer. It begins with Full.
func (c *Client) Watch() *Watcher {
	var w *Watcher
	w = newWatcher(func() {
		c.copy.mu.Lock()
		defer c.copy.mu.Unlock()
		delete(c.copy.watchers, w)
	})
	c.copy.mu.Lock()
	defer c.copy.mu.Unlock()
	c.copy.watchers[w] = struct{}{}
	if c.copy.connected {
		w.markFull()
	}
	return w
}

// run keeps a connection until the Client is closed.
func (c *Client) run(ctx context.Context) {
	defer close(c.finished)
	wait, down := c.timing.backoffMin, false
	for {
		loaded, err := c.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.failure = err
		c.mu.Unlock()
		switch {
		case loaded:
			c.log.Warn("lost the database, reconnecting", zap.String("endpoint", c.endpoint), zap.Error(err))
			wait, down = c.timing.backoffMin, true
		case !down: // one line for each outage
			c.log.Warn("cannot reach the database, trying on", zap.String("endpoint", c.endpoint), zap.Error(err))
			down = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, c.timing.backoffMax)
	}
}

// serve makes one connection and stays until it ends. loaded says whether the
// copy was complete at some time.
func (c *Client) serve(ctx context.Context) (loaded bool, err error) {
	dialCtx, cancel := context.WithTimeout(ctx, c.timing.connect)
	defer cancel()
	conn, err := c.reach(dialCtx)
	if err != nil {
		return false, err
	}
	s := newSession(conn, func(_ string, params any) error { return c.copy.apply(params) })
	defer s.close()
	defer c.setSession(nil)
	// Whoever sees the new copy can use the connection: it is set first.
	take := func(result any) error { c.setSession(s); return c.copy.load(result) }
	if _, err := s.call(dialCtx, "monitor", []any{database, monitorID, monitorRequests()}, take); err != nil {
		return false, err
	}
	c.log.Info("connected to the database", zap.String("endpoint", c.endpoint))
	c.readyOnce.Do(func() { close(c.ready) })
	defer c.copy.lost()
	return true, c.watchOver(ctx, s)
}

// reach opens a connection to the server, with the handshake of TLS where there
// is one.
func (c *Client) reach(ctx context.Context) (net.Conn, error) {
	if c.keys == nil {
		return new(net.Dialer).DialContext(ctx, c.network, c.address)
	}
	dialer := tls.Dialer{Config: c.keys()}
	return dialer.DialContext(ctx, "tcp", c.address)
}

// watchOver asks the server from time to time whether it lives, until it does
// not answer, the connection ends or ctx is done.
func (c *Client) watchOver(ctx context.Context, s *session) error {
	ticker := time.NewTicker(c.timing.echoEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return s.err()
		case <-ticker.C:
			echo, cancel := context.WithTimeout(ctx, c.timing.echoWait)
			_, err := s.call(echo, "echo", []any{"lepton"}, nil)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}

func (c *Client) setSession(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
}

// call sends a request over the live connection. Without one it fails at once.
func (c *Client) call(ctx context.Context, method string, params []any) (any, error) {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil {
		return nil, ErrNotConnected
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timing.transact)
		defer cancel()
	}
	return s.call(ctx, method, params, nil)
}

// parseEndpoint reads an active connection method of ovsdb(7): unix:PATH or
// tcp:HOST[:PORT] or ssl:HOST[:PORT], an IPv6 host in brackets. The default port
// is 6640.
func parseEndpoint(endpoint string) (network, address string, err error) {
	method, rest, _ := strings.Cut(endpoint, ":")
	switch {
	case method == "unix" && rest != "":
		return "unix", rest, nil
	case (method == "tcp" || method == "ssl") && rest != "":
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			host, port = strings.Trim(rest, "[]"), "6640"
		}
		if host == "" || strings.ContainsAny(host, "[]/ ") {
			break
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			break
		}
		return method, net.JoinHostPort(host, port), nil
	}
	return "", "", fmt.Errorf("%q is no database endpoint: want unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT", endpoint)
}

// monitorRequests is the <monitor-requests> of RFC 7047, section 4.1.5.
func monitorRequests() map[string]wire.MonitorRequest {
	requests := make(map[string]wire.MonitorRequest, len(monitoredColumns))
	for table, columns := range monitoredColumns {
		requests[table] = wire.MonitorRequest{Columns: columns, Select: wire.NewDefaultMonitorSelect()}
	}
	return requests
}
