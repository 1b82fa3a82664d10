package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Update is a snapshot of what the host must know, or a difference to it.
type Update = rpc.Update

// Settings are the cloud's choices that every host follows.
type Settings = rpc.Settings

// Config says whom to connect to, and as whom.
type Config struct {
	// Addresses are the controllers' agent addresses, "host:port". One of them
	// is used at a time.
	Addresses []string
	// Keys are the agent's side of mutual TLS; nil means plaintext, which is
	// allowed to loopback addresses only.
	Keys *pki.Keys
	// Hello is how the agent introduces itself: host, instance, version, roles,
	// bridge mappings, tunnel ends.
	Hello model.Agent
	Log   *zap.Logger // nil: no log
	// Loop counts the streams that ended or could not be had; nil: nothing does.
	Loop *telemetry.Loop

	// The rest has defaults.

	// RetryFirst and RetryMax bound the wait between attempts: 200 ms, 15 s.
	RetryFirst, RetryMax time.Duration
	// DialTimeout bounds the wait for a controller to accept a connection: 5 s.
	DialTimeout time.Duration
	// TransportTimeout bounds an attempt until there is a connection that can
	// carry streams: 10 s. A controller that stands still accepts TCP connections
	// and nothing more.
	TransportTimeout time.Duration
	// HandshakeTimeout bounds an attempt until the controller's Welcome, which
	// takes its turn when many agents come at once: 60 s.
	HandshakeTimeout time.Duration
	// SendTimeout is how long a message may wait for the controller to take it
	// before the stream is given up: 15 s.
	SendTimeout time.Duration
	// Queue is the number of updates that wait for the reader: 16.
	Queue int
	// Findings gives what was found changed on the host, the newest first. Every
	// heartbeat tells the first model.MaxFindings; nil: there is nothing.
	Findings func() []model.Finding
	// Dial replaces the TCP dialer.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Session is the agent's lasting connection to the controllers.
type Session struct {
	cfg       Config
	log       *zap.Logger
	updates   chan Update
	out       *outbox
	connected atomic.Bool
}

// New makes a session; Run connects it.
func New(cfg Config) *Session {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	orDefault(&cfg.RetryFirst, 200*time.Millisecond)
	orDefault(&cfg.RetryMax, 15*time.Second)
	orDefault(&cfg.DialTimeout, 5*time.Second)
	orDefault(&cfg.TransportTimeout, 10*time.Second)
	orDefault(&cfg.HandshakeTimeout, time.Minute)
	orDefault(&cfg.SendTimeout, 15*time.Second)
	if cfg.Queue <= 0 {
		cfg.Queue = 16
	}
	if cfg.Dial == nil {
		d := &net.Dialer{Timeout: cfg.DialTimeout}
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address)
		}
	}
	out := newOutbox()
	out.findings = cfg.Findings
	return &Session{cfg: cfg, log: cfg.Log, updates: make(chan Update, cfg.Queue), out: out}
}

func orDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// Updates gives what the controller sends, in order. Every connection begins
// with a Full update. A reader that falls behind holds up the stream and gets
// fewer, larger updates. The channel is closed when Run returns.
func (s *Session) Updates() <-chan Update { return s.updates }

// Report hands over states of ports. They are sent within a few milliseconds,
// the latest per port, and kept until a controller has stored them, over
// reconnects too. Host and Since are the controller's to fill in.
func (s *Session) Report(statuses ...model.PortStatus) { s.out.report(statuses) }

// ReportObjects hands over states of other objects, in the same way, the latest
// per kind and id.
func (s *Session) ReportObjects(statuses ...model.ObjectStatus) { s.out.reportObjects(statuses) }

// ReportRules hands over counters of security group rules, by the digits that
// their cookies have (pipeline.Explain), in the same way.
func (s *Session) ReportRules(counters map[string]model.RuleCounter) { s.out.reportRules(counters) }

// Ack tells the controller that everything up to the revision is realised.
func (s *Session) Ack(revision int64) { s.out.ack(revision) }

// SetProblems replaces what the host cannot do at the moment. A change is sent
// at once, and repeated with every heartbeat.
func (s *Session) SetProblems(p []model.Problem) { s.out.setProblems(p) }

// SetDevices tells the number of plugged devices and whether the switch holds
// what it should. A change is sent at once.
func (s *Session) SetDevices(n int, inSync bool) { s.out.setDevices(n, inSync) }

// Connected reports whether a controller has accepted the agent on the present
// stream.
func (s *Session) Connected() bool { return s.connected.Load() }

// Run keeps the session connected until ctx is done. It then sends what is
// still waiting, for at most a second, and takes leave of the controller. It
// returns an error only when the configuration makes connecting impossible,
// and may be called once.
func (s *Session) Run(ctx context.Context) error {
	defer close(s.updates)
	if err := s.cfg.check(); err != nil {
		return err
	}
	var (
		wait = retryWait{first: s.cfg.RetryFirst, max: s.cfg.RetryMax}
		next = rand.IntN(len(s.cfg.Addresses)) // spreads agents over the controllers
		said complaint
	)
	for {
		address := s.cfg.Addresses[next%len(s.cfg.Addresses)]
		began := time.Now()
		err := s.connect(ctx, address)
		if ctx.Err() != nil {
			return nil
		}
		s.cfg.Loop.Failed()
		if time.Since(began) > s.cfg.RetryMax {
			wait.reset()
		}
		next++
		if better := (*betterError)(nil); errors.As(err, &better) {
			next = slices.Index(s.cfg.Addresses, better.address)
			wait.reset()
		}
		pause := wait.next()
		said.log(s.log, address, err, pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (c *Config) check() error {
	if len(c.Addresses) == 0 {
		return errors.New("connect to the controller: no address given")
	}
	if c.Hello.Host == "" || c.Hello.Instance == "" {
		return errors.New("connect to the controller: host and instance are needed")
	}
	for _, a := range c.Addresses {
		host, _, err := net.SplitHostPort(a)
		if err != nil {
			return fmt.Errorf("connect to the controller at %q: %w", a, err)
		}
		ip := net.ParseIP(host)
		if c.Keys == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("connect to the controller at %q: only a loopback address may be used without TLS", a)
		}
	}
	return nil
}

// retryWait gives growing waits. Each is drawn from the upper half of its step,
// so that a thousand agents that lost one controller come back spread out.
type retryWait struct {
	first, max, step time.Duration
}

func (b *retryWait) reset() { b.step = 0 }

func (b *retryWait) next() time.Duration {
	if b.step == 0 {
		b.step = b.first
	} else {
		b.step = min(b.step*2, b.max)
	}
	return b.step/2 + rand.N(b.step/2+1)
}

// complaint keeps an agent without controller from filling its log: the same
// failure at the same address is told once a minute.
type complaint struct {
	text string
	at   time.Time
}

func (c *complaint) log(log *zap.Logger, address string, err error, pause time.Duration) {
	text := address + ": " + err.Error()
	if text == c.text && time.Since(c.at) < time.Minute {
		return
	}
	c.text, c.at = text, time.Now()
	if r, ok := rpc.AsRefusal(err); ok {
		log.Warn("controller refuses this agent", zap.String("address", address),
			zap.Stringer("reason", r.Reason), zap.String("text", r.Text), zap.Duration("retry", pause))
		return
	}
	log.Warn("no stream to the controller", zap.String("address", address),
		zap.Error(err), zap.Duration("retry", pause))
}
