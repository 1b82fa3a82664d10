package hosts

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

const (
	// maxInFlight is how many reports of one agent may wait to be stored; then
	// its stream is not read until one is.
	maxInFlight = 16
	// farewell bounds how long the last reports of a leaving agent may take.
	farewell = time.Second
	// updateGap is the least time between two updates to one agent: the first
	// goes at once, those of a burst travel together.
	updateGap = 10 * time.Millisecond
)

var errLeft = errors.New("agent left in good order")

type wire = grpc.BidiStreamingServer[pb.AgentMessage, pb.ControllerMessage]

// ordered is a wire whose messages are numbered. One goroutine sends and one
// receives.
type ordered struct {
	wire
	sent, received rpc.Order
}

func (o *ordered) Send(m *pb.ControllerMessage) error {
	m.Number = o.sent.Next()
	return o.wire.Send(m)
}

func (o *ordered) Recv() (*pb.AgentMessage, error) {
	m, err := o.wire.Recv()
	if err != nil {
		return nil, err
	}
	if err := o.received.Check(m.GetNumber()); err != nil {
		return nil, rpc.Refuse(pb.Refusal_REASON_MALFORMED, "", "%s", err)
	}
	return m, nil
}

// stream is one agent's connection.
type stream struct {
	host, instance, remote string
	id                     string // as in the agent's record while this is its latest
	roles                  []string
	since                  time.Time
	started                time.Time       // the agent's process; zero: it does not say
	ctx                    context.Context // ends with the stream; its cause says why
	cancel                 context.CancelCauseFunc
	wire                   wire
	log                    *zap.Logger

	feed     *interest.Feed // the hub's
	wake     chan struct{}  // one token when the feed may have something to tell
	stored   chan uint64    // sequences of stored reports, to be acknowledged
	inFlight chan struct{}  // one token per report from arrival to acknowledgement
	settled  func()         // called when the agent has its snapshot: lets the next one in

	sent, acked atomic.Int64
	debts       debts
	// contact is when the host's agent was last heard before this stream; zero: it
	// is not known.
	contact time.Time
}

// stir wakes the stream's sender.
func (st *stream) stir() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// gone reports whether the stream has ended or was told to.
func (st *stream) gone() bool { return st.ctx.Err() != nil }

// Session serves one agent: it is called by gRPC, and the stream ends when it
// returns.
func (s *Server) Session(w wire) error {
	err := s.session(&ordered{wire: w})
	if r := (*rpc.Refusal)(nil); errors.As(err, &r) {
		s.cfg.Metrics.refuse(r.Reason)
	}
	return err
}

func (s *Server) session(w wire) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return status.Errorf(codes.ResourceExhausted, "controller serves %d agents already", cap(s.slots))
	}
	ctx, cancel := context.WithCancelCause(w.Context())
	defer cancel(nil)
	agent, err := s.receiveHello(ctx, w)
	if err != nil {
		return err
	}
	st := &stream{
		host: agent.Host, instance: agent.Instance, id: uuid.NewString(), remote: remoteOf(ctx), since: time.Now(), started: agent.StartedAt, roles: agent.Roles,
		ctx: ctx, cancel: cancel, wire: w,
		log:      s.log.With(zap.String("host", agent.Host)),
		wake:     make(chan struct{}, 1),
		stored:   make(chan uint64, maxInFlight),
		inFlight: make(chan struct{}, maxInFlight),
	}
	if err := s.refuseRival(st); err != nil {
		return err
	}
	if err := s.enter(st); err != nil {
		return err
	}
	defer st.settled()
	if err := s.admit(st, agent); err != nil {
		return err
	}
	return s.serve(st)
}

// enter waits until few enough agents are being introduced. The place is free
// again when the agent has its snapshot, or is slow to take it.
func (s *Server) enter(st *stream) error {
	select {
	case s.hellos <- struct{}{}:
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	case <-s.stopping:
		return stopping(st.host)
	}
	leave := sync.OnceFunc(func() { <-s.hellos })
	slow := time.AfterFunc(settleTimeout, leave)
	st.settled = func() {
		slow.Stop()
		leave()
	}
	return nil
}

// receiveHello waits for the introduction and checks who speaks.
func (s *Server) receiveHello(ctx context.Context, w wire) (*model.Agent, error) {
	type received struct {
		m   *pb.AgentMessage
		err error
	}
	first := make(chan received, 1)
	go func() {
		m, err := w.Recv()
		first <- received{m, err}
	}()
	patience := time.NewTimer(helloTimeout)
	defer patience.Stop()
	select {
	case r := <-first:
		if r.err != nil {
			return nil, r.err
		}
		agent, err := s.checkHello(ctx, r.m.GetHello())
		if err != nil {
			s.log.Warn("agent refused", zap.String("host", r.m.GetHello().GetHost()), zap.String("remote", remoteOf(ctx)), zap.Error(err))
		}
		return agent, err
	case <-patience.C:
		return nil, rpc.Refuse(pb.Refusal_REASON_MALFORMED, "", "no introduction within %s", helloTimeout)
	case <-s.stopping:
		return nil, stopping("")
	}
}

func (s *Server) checkHello(ctx context.Context, h *pb.Hello) (*model.Agent, error) {
	if h == nil {
		return nil, rpc.Refuse(pb.Refusal_REASON_MALFORMED, "", "the first message is no introduction")
	}
	if h.GetProtocol() != rpc.ProtocolVersion {
		return nil, rpc.Refuse(pb.Refusal_REASON_PROTOCOL, h.GetHost(),
			"agent speaks version %d of the protocol, this controller %d", h.GetProtocol(), rpc.ProtocolVersion)
	}
	agent, err := rpc.DecodeHello(h)
	if err != nil {
		return nil, rpc.Refuse(pb.Refusal_REASON_MALFORMED, h.GetHost(), "introduction: %s", err)
	}
	if err := s.checkIdentity(ctx, agent.Host); err != nil {
		return nil, err
	}
	return agent, s.checkRoles(ctx, agent)
}

// serve works on an admitted stream until it ends.
func (s *Server) serve(st *stream) error {
	if err := s.hub.join(st.ctx, st); err != nil {
		return err
	}
	defer func() { _ = s.hub.do(context.Background(), func() { s.hub.leave(st) }) }()
	welcome := &pb.Welcome{
		AgentId:             AgentID(st.host),
		HeartbeatIntervalMs: s.cfg.HeartbeatInterval.Milliseconds(),
		Settings:            rpc.EncodeSettings(s.settingsFor(st.roles)),
	}
	st.log.Info("agent connected", zap.String("remote", st.remote), zap.String("instance", st.instance))
	go func() { st.cancel(s.send(st, welcome)) }()
	left := make(chan struct{})
	go func() {
		if err := s.receive(st); !errors.Is(err, errLeft) {
			st.cancel(err)
			return
		}
		close(left)
	}()
	err := s.outlast(st, left)
	st.log.Info("agent disconnected", zap.String("remote", st.remote), zap.Error(err))
	if errors.Is(err, errLeft) {
		return nil
	}
	return err
}

// outlast waits for the stream's end and says why it came.
func (s *Server) outlast(st *stream, left <-chan struct{}) error {
	select {
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	case <-s.stopping:
		return stopping(st.host)
	case <-left:
	}
	// Taking every token means that no report is in flight any more.
	late := time.NewTimer(farewell)
	defer late.Stop()
	for range cap(st.inFlight) {
		select {
		case st.inFlight <- struct{}{}:
		case <-late.C:
			return errLeft
		case <-st.ctx.Done():
			return context.Cause(st.ctx)
		}
	}
	s.noteLeave(st)
	return errLeft
}

// receive takes what the agent sends until the stream ends.
func (s *Server) receive(st *stream) error {
	for {
		m, err := st.wire.Recv()
		if errors.Is(err, io.EOF) {
			return errLeft
		}
		if err != nil {
			return err
		}
		switch body := m.GetBody().(type) {
		case *pb.AgentMessage_Report:
			err = s.report(st, body.Report)
		case *pb.AgentMessage_Heartbeat:
			err = s.beats.submit(st, body.Heartbeat)
		case *pb.AgentMessage_Ack:
			st.acked.Store(body.Ack.GetRevision())
			s.ledger.Note(st.host, st.debts.pay(body.Ack.GetRevision()))
		default:
			err = rpc.Refuse(pb.Refusal_REASON_MALFORMED, st.host, "message is none that an agent may send here")
		}
		if err != nil {
			return err
		}
	}
}

// report hands statuses over to be stored; those that make no sense are left
// out, and acknowledged with the others.
func (s *Server) report(st *stream, r *pb.Report) error {
	select {
	case st.inFlight <- struct{}{}:
	case <-st.ctx.Done():
		return context.Cause(st.ctx)
	}
	list := r.GetStatuses()
	e := report{stream: st, sequence: r.GetSequence()}
	for _, m := range list[:min(len(list), rpc.MaxStatuses)] {
		status, err := rpc.DecodeStatus(m)
		if err != nil {
			st.log.Warn("status of a port cannot be used", zap.String("port", m.GetPortId()), zap.Error(err))
			continue
		}
		status.Host = st.host
		e.statuses = append(e.statuses, status)
	}
	objects := r.GetObjects()
	for _, m := range objects[:min(len(objects), rpc.MaxStatuses)] {
		status, err := rpc.DecodeObjectStatus(m)
		if err != nil {
			st.log.Warn("status of an object cannot be used", zap.String("id", m.GetId()), zap.Error(err))
			continue
		}
		status.Host = st.host
		e.objects = append(e.objects, status)
	}
	e.rules = decodeRules(st, r.GetRules())
	return s.recorder.submit(e)
}

// send sends what there is to tell until the stream ends; it is the only one
// to send on the stream.
func (s *Server) send(st *stream, welcome *pb.Welcome) error {
	if err := s.sendOne(st, &pb.ControllerMessage{Body: &pb.ControllerMessage_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	gap := time.NewTimer(0) // runs out when the next update may go
	defer gap.Stop()
	<-gap.C
	wake, next := st.wake, time.Time{}
	for {
		var err error
		select {
		case <-st.ctx.Done():
			return context.Cause(st.ctx)
		case seq := <-st.stored:
			err = s.sendOne(st, &pb.ControllerMessage{Body: &pb.ControllerMessage_ReportAck{
				ReportAck: &pb.ReportAck{Sequence: seq},
			}})
			<-st.inFlight
		case <-wake:
			wake = nil
			gap.Reset(time.Until(next))
		case <-gap.C:
			err = s.sendUpdate(st)
			wake, next = st.wake, time.Now().Add(updateGap)
		}
		if err != nil {
			return err
		}
	}
}

// sendUpdate sends what the host must be told now. What comes meanwhile wakes
// the stream again.
func (s *Server) sendUpdate(st *stream) error {
	u, told, err := s.hub.next(st.ctx, st)
	if err != nil || u == nil {
		return err
	}
	s.prove(st, u)
	if s.ledger != nil {
		st.debts.owe(u, told)
	}
	skipped := func(r rpc.Rejected) {
		st.log.Error("record cannot be sent", zap.String("kind", string(r.Kind)), zap.String("id", r.ID), zap.Error(r.Err))
	}
	for part := range s.encoder.Parts(u, rpc.PartSize, skipped) {
		if err := s.sendOne(st, &pb.ControllerMessage{Body: &pb.ControllerMessage_Update{Update: part}}); err != nil {
			return err
		}
	}
	st.sent.Store(u.Revision)
	st.settled()
	return nil
}

func (s *Server) sendOne(st *stream, m *pb.ControllerMessage) error {
	late := time.AfterFunc(s.cfg.SendTimeout, func() {
		st.cancel(rpc.Refuse(pb.Refusal_REASON_STUCK, st.host,
			"agent of host %s took no message for %s", st.host, s.cfg.SendTimeout))
	})
	defer late.Stop()
	return st.wire.Send(m)
}

func stopping(host string) error {
	return rpc.Refuse(pb.Refusal_REASON_STOPPING, host, "controller is stopping")
}

func remoteOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return "unknown"
}
