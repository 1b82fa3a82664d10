package hosts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Defaults of Config.
const (
	DefaultHeartbeatInterval = 20 * time.Second
	DefaultAgentDownTime     = 75 * time.Second
	DefaultSendTimeout       = 20 * time.Second
	DefaultMaxAgents         = 5000
)

const (
	// helloTimeout bounds the wait for an agent's introduction.
	helloTimeout = 10 * time.Second
	// stopTimeout bounds how long streams may take to end when the server stops.
	stopTimeout = 3 * time.Second
	// maxMessage bounds a message from an agent, in bytes. A full report and a
	// full heartbeat stay below.
	maxMessage = 1 << 20
	// maxMarks is the number of changed records that wait for one agent before a
	// snapshot takes their place.
	maxMarks = 4096
	// maxHellos is how many agents are introduced and given their snapshot at
	// once: a thousand that come back together are served in turn instead of all
	// too late.
	maxHellos = 32
	// settleTimeout is how long an agent may keep its turn.
	settleTimeout = 2 * time.Second
)

// Config says what to serve, and how. Durations and bounds left zero get the
// package's defaults.
type Config struct {
	DB *records.DB
	// Keys are the controller's side of mutual TLS; nil means plaintext, which is
	// allowed on loopback addresses only. With them an agent must name a host that
	// its certificate carries as a DNS name.
	Keys     *pki.Keys
	Settings rpc.Settings
	// Guests answers what guests ask about themselves; nil: nobody does.
	Guests Guests
	// Journal is where it is written which hosts applied which changes, and where
	// snapshots take from what was deleted; nil: nowhere.
	Journal *journal.Journal
	Log     *zap.Logger
	// HeartbeatInterval is what agents are told, AgentDownTime how long after
	// the last heartbeat an agent counts as alive.
	HeartbeatInterval, AgentDownTime time.Duration
	// Alive reports whether an agent counts as alive; nil: by the stamp of its last
	// heartbeat.
	Alive func(*model.Agent) bool
	// SendTimeout is how long an agent may take to accept a message.
	SendTimeout time.Duration
	// MaxAgents bounds the streams served at once.
	MaxAgents int
	// Loops and Metrics count what the server's goroutines do; nil: nothing does.
	Loops   *telemetry.Loops
	Metrics *Metrics
}

// Server serves the agents' streams.
type Server struct {
	pb.UnimplementedHostsServer

	cfg      Config
	log      *zap.Logger
	hub      *hub
	encoder  rpc.Encoder
	recorder *recorder
	beats    *beats
	ledger   *journal.Ledger // nil: none
	slots    chan struct{}   // one token per stream
	hellos   chan struct{}   // one token per introduction under way
	guests   chan struct{}   // one token per request of a guest
	stopping chan struct{}
	serving  atomic.Bool
}

// New makes a server; Serve runs it.
func New(cfg Config) *Server {
	orDefault(&cfg.AgentDownTime, DefaultAgentDownTime)
	// An agent that misses one heartbeat is not dead.
	orDefault(&cfg.HeartbeatInterval, min(DefaultHeartbeatInterval, cfg.AgentDownTime/3))
	orDefault(&cfg.SendTimeout, DefaultSendTimeout)
	orDefault(&cfg.MaxAgents, DefaultMaxAgents)
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	var ledger *journal.Ledger
	if cfg.Journal != nil {
		ledger = journal.NewLedger(cfg.Journal)
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, ledger: ledger,
		hub:      newHub(interest.New(maxMarks)),
		recorder: newRecorder(cfg.DB, cfg.Log),
		beats:    newBeats(cfg.DB, cfg.Log, cfg.AgentDownTime),
		slots:    make(chan struct{}, cfg.MaxAgents),
		hellos:   make(chan struct{}, maxHellos),
		guests:   make(chan struct{}, maxGuests),
		stopping: make(chan struct{}),
	}
	s.hub.loop, s.recorder.loop, s.beats.loop = cfg.Loops.Loop("streams"), cfg.Loops.Loop("reports"), cfg.Loops.Loop("heartbeats")
	s.recorder.metrics = cfg.Metrics
	cfg.Metrics.of(s)
	return s
}

// Serving reports whether agents are served.
func (s *Server) Serving() bool { return s.serving.Load() }

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Serve serves the listener's connections until ctx is done, then ends the
// streams. What agents had reported but was not stored by then, they report
// again to the next controller. It may be called once.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	if a, ok := lis.Addr().(*net.TCPAddr); ok && s.cfg.Keys == nil && !a.IP.IsLoopback() {
		return fmt.Errorf("serve agents on %s: only a loopback address may be served without TLS", a)
	}
	// What streams rely on outlives them.
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var owners errgroup.Group
	owners.Go(func() error { s.hub.run(base); return nil })
	owners.Go(func() error { s.recorder.run(base); return nil })
	owners.Go(func() error { s.beats.run(base); return nil })
	owners.Go(func() error { s.ledger.Run(base); return nil })
	owners.Go(func() error { s.expel(base); return nil })
	ready := newReadiness(s.cfg.DB, s.log, s.stopping)
	owners.Go(func() error { ready.run(base); return nil })
	s.cfg.DB.OnApply(s.hub.apply)

	g := grpc.NewServer(s.options()...)
	pb.RegisterHostsServer(g, s)
	healthpb.RegisterHealthServer(g, ready)
	served := make(chan error, 1)
	go func() { served <- g.Serve(lis) }()
	s.serving.Store(true)
	defer s.serving.Store(false)
	var err error
	select {
	case <-ctx.Done():
		s.stop(g)
		<-served
	case err = <-served:
		err = fmt.Errorf("serve agents on %s: %w", lis.Addr(), err)
		close(s.stopping)
		g.Stop()
	}
	stop()
	return errors.Join(err, owners.Wait())
}

// stop ends the streams, telling their agents why, and then the connections.
func (s *Server) stop(g *grpc.Server) {
	close(s.stopping)
	late := time.AfterFunc(stopTimeout, g.Stop)
	defer late.Stop()
	g.GracefulStop()
}

func (s *Server) options() []grpc.ServerOption {
	creds := insecure.NewCredentials()
	if s.cfg.Keys != nil {
		creds = s.cfg.Keys.Credentials()
	}
	return []grpc.ServerOption{
		grpc.Creds(creds),
		grpc.ConnectionTimeout(helloTimeout),
		grpc.MaxConcurrentStreams(64), // requests of guests; sessions have bounds of their own
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.ReadBufferSize(16 << 10), grpc.WriteBufferSize(16 << 10),
	}
}

// AgentState is what the server knows of a connected agent beyond its record.
type AgentState struct {
	Host, Instance, Remote string
	Since                  time.Time // of the stream
	Sent, Acked            int64     // revisions
	Waiting                int       // changed records not yet sent
}

// Agents gives the connected agents, sorted by host.
func (s *Server) Agents(ctx context.Context) ([]AgentState, error) {
	var list []AgentState
	err := s.hub.do(ctx, func() { list = s.hub.states() })
	return list, err
}
