package localdhcp

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/telemetry"
)

const (
	// queued bounds the questions that wait.
	queued = 1024
	// perSecond and atOnce are a port's share of answers. A guest that boots asks
	// ten times in a minute.
	perSecond, atOnce = 5, 20
	// sendTimeout bounds handing an answer to the switch.
	sendTimeout = time.Second
)

// fate is what became of a question, as the figures name it.
type fate string

const (
	answered  fate = "answered"
	refused   fate = "refused"   // told that it cannot have the address
	released  fate = "released"  // an address was given back
	declined  fate = "declined"  // an address was found in use elsewhere
	malformed fate = "malformed" // cannot be read, or is none
	relayed   fate = "relayed"   // came through a relay
	foreign   fate = "foreign"   // asks for another client
	elsewhere fate = "elsewhere" // is for another server
	unknown   fate = "unknown"   // of a port for which there is nothing to say
	limited   fate = "limited"   // beyond the port's share
	overflow  fate = "overflow"  // the queue was full
	unsent    fate = "unsent"    // the switch did not take the answer
)

var fates = []fate{
	answered, refused, released, declined, malformed, relayed, foreign, elsewhere, unknown, limited, overflow, unsent,
}

// Config says what the server works with.
type Config struct {
	Host string
	// Settings are those of dnsmasq that the agent's configuration has. The domain
	// comes with the records.
	Settings answers.Settings
	Log      *zap.Logger
	// Now is the clock; nil means time.Now.
	Now        func() time.Time
	Registerer prometheus.Registerer
	// Loop counts the questions that are worked on; nil: nothing does.
	Loop *telemetry.Loop
}

// Server answers questions. Its methods may be called from any goroutine.
type Server struct {
	cfg   Config
	queue chan question

	mu     sync.Mutex
	book   *book
	limits map[string]*rate.Limiter // by port, of those that are known
	places map[string]*place        // by port, of those that are plugged
	send   wire.SendPacket          // to the integration bridge; nil: it is not connected

	count *prometheus.CounterVec
}

// question is a packet of a port, and how an answer is sent.
type question struct {
	port   string
	packet ofp.PacketIn
	send   wire.SendPacket
}

// New makes a server that knows nothing yet.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		cfg: cfg, queue: make(chan question, queued), book: newBook(cfg.Host, cfg.Settings), limits: map[string]*rate.Limiter{}, places: map[string]*place{},
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lepton_agent_local_dhcp_questions_total", Help: "Questions of guests that the agent answers itself, by what became of them.",
		}, []string{"result"}),
	}
	for _, f := range fates {
		s.count.WithLabelValues(string(f))
	}
	cfg.Registerer.MustRegister(s.count)
	return s
}

// Apply takes the records. It gives the ports of this host of which other
// questions may be answered than before.
func (s *Server) Apply(u *rpc.Update) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.book.apply(u)
	if u.Full {
		s.tellSoon(changed, firstAnnounce)
	} else {
		s.tellSoon(changed, changeAnnounce)
	}
	for id := range s.limits {
		if s.book.ports[id] == nil {
			delete(s.limits, id)
		}
	}
	return changed
}

// Questions are those of a port that are answered, and what of the records it
// cannot be told, "" for nothing.
func (s *Server) Questions(port string) (pipeline.Questions, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.book.guest(port)
	if !ok {
		return 0, ""
	}
	var texts []string
	for _, p := range g.network.Problems {
		if p.PortID == "" || p.PortID == port {
			texts = append(texts, p.Text)
		}
	}
	var q pipeline.Questions
	if _, ok := g.network.Answer4(g.port); ok {
		q |= pipeline.AskDHCP
	}
	if _, ok := g.network.Answer6(g.port); ok {
		q |= pipeline.AskDHCPv6
	}
	if len(g.advertised()) > 0 {
		q |= pipeline.AskRouter
	}
	return q, strings.Join(texts, "; ")
}

// Take takes a question that the switch sent. It never waits. What is beyond the
// port's share goes before it takes room that others need.
func (s *Server) Take(p ofp.PacketIn, send wire.SendPacket) {
	port, ok := pipeline.ReadAsked(p.Userdata)
	if !ok {
		s.note(unknown)
		return
	}
	if f := s.admit(port); f != answered {
		s.note(f)
		return
	}
	select {
	case s.queue <- question{port, p, send}:
	default:
		s.note(overflow)
	}
}

// admit takes a question from the port's share.
func (s *Server) admit(port string) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book.ports[port] == nil {
		return unknown
	}
	l := s.limits[port]
	if l == nil {
		l = rate.NewLimiter(perSecond, atOnce)
		s.limits[port] = l
	}
	if !l.AllowN(s.cfg.Now(), 1) {
		return limited
	}
	return answered
}

func (s *Server) note(f fate) { s.count.WithLabelValues(string(f)).Inc() }

// Run answers, and advertises, until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(announceTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.announce(ctx)
		case q := <-s.queue:
			began := time.Now()
			f := s.handle(ctx, q)
			s.note(f)
			s.cfg.Loop.Done(began, nil)
			if f == unsent {
				s.cfg.Loop.Failed()
			}
			s.cfg.Loop.Waiting(len(s.queue))
		}
	}
}

// handle answers one question.
func (s *Server) handle(ctx context.Context, q question) fate {
	out, f := s.answer(q.port, q.packet.Data)
	if f == declined {
		s.cfg.Log.Warn("a guest finds its address in use", zap.String("port", q.port))
	}
	if out == nil {
		return f
	}
	in, ok := q.packet.Metadata.Get(flows.InPort)
	if !ok {
		return malformed
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := q.send(ctx, ofp.PacketOut{
		InPort: flows.PortController, Data: out, Actions: []flows.Action{flows.Output{Port: uint32(in.Value.Lo)}},
	})
	if err != nil {
		s.cfg.Log.Warn("an answer to a guest is lost", zap.String("port", q.port), zap.Error(err))
		return unsent
	}
	return f
}

// answer gives the frame that answers a port's frame, nil for none, and what
// became of the question. What a guest sends that no code foresaw must not end
// the agent: the packets are read by code that is not ours.
func (s *Server) answer(port string, frame []byte) (out []byte, f fate) {
	defer func() {
		if recover() != nil {
			out, f = nil, malformed
		}
	}()
	p, err := readFrame(frame)
	if err != nil {
		return nil, malformed
	}
	s.mu.Lock()
	g, ok := s.book.guest(port)
	s.mu.Unlock()
	if !ok {
		return nil, unknown
	}
	reply, f := g.reply(p)
	if reply.dstMAC == nil {
		return nil, f
	}
	if out, err = reply.frame(); err != nil {
		return nil, malformed
	}
	return out, f
}

// reply answers a packet; one without a destination is none.
func (g guest) reply(p packet) (packet, fate) {
	switch {
	case p.icmp:
		return g.advertise(p)
	case p.src.Is4() && p.srcPort == clientPort4 && p.dstPort == serverPort4:
		return g.reply4(p)
	case p.src.Is6() && p.srcPort == clientPort6 && p.dstPort == serverPort6:
		return g.reply6(p)
	}
	return packet{}, malformed
}

func (g guest) reply4(p packet) (packet, fate) {
	q, err := dhcpv4.FromBytes(p.payload)
	if err != nil {
		return packet{}, malformed
	}
	r, f := g.answer4(q)
	if r == nil {
		return packet{}, f
	}
	return toClient4(r, g.serverOf(g.port.V4.Subnet)), f
}

func (g guest) reply6(p packet) (packet, fate) {
	q, err := readMessage6(p.payload)
	switch {
	case err != nil:
		return packet{}, malformed
	case q.MessageType == dhcpv6.MessageTypeRelayForward:
		return packet{}, relayed
	case !slices.Equal(p.srcMAC, g.port.MAC[:]):
		return packet{}, foreign
	}
	r, f := g.answer6(q)
	if r == nil {
		return packet{}, f
	}
	return packet{
		srcMAC: serverMAC, dstMAC: p.srcMAC, src: serverLinkLocal, dst: p.src, srcPort: serverPort6, dstPort: clientPort6, payload: r.ToBytes(),
	}, f
}
