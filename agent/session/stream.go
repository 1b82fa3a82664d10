package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

const (
	// linger lets reports that are made one by one travel together.
	linger = time.Millisecond
	// beatGap keeps a host whose problems come and go from writing to the
	// store without pause.
	beatGap = 100 * time.Millisecond
	// farewell is how long the last messages may take when the agent stops.
	farewell = time.Second
	// maxMessage bounds a message from the controller, in bytes.
	maxMessage = 4 << 20
)

var (
	errHandshake = errors.New("controller did not answer the introduction in time")
	errSend      = errors.New("controller did not take a message in time")
	errLeft      = errors.New("agent stops")
)

type stream = grpc.BidiStreamingClient[pb.AgentMessage, pb.ControllerMessage]

// ordered is a stream whose messages are numbered. One goroutine sends and one
// receives.
type ordered struct {
	stream
	sent, received rpc.Order
}

func (o *ordered) Send(m *pb.AgentMessage) error {
	m.Number = o.sent.Next()
	return o.stream.Send(m)
}

func (o *ordered) Recv() (*pb.ControllerMessage, error) {
	m, err := o.stream.Recv()
	if err != nil {
		return nil, err
	}
	if err := o.received.Check(m.GetNumber()); err != nil {
		return nil, err
	}
	return m, nil
}

// connect opens one stream and works on it until it ends. The error says why
// it ended and is never nil.
func (s *Session) connect(ctx context.Context, address string) error {
	conn, err := grpc.NewClient("passthrough:///"+address, s.dialOptions()...)
	if err != nil {
		return fmt.Errorf("set up connection to %s: %w", address, err)
	}
	defer conn.Close()

	// The stream outlives ctx by the time that leaving in good order takes.
	streamCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(errLeft)
	patience := time.AfterFunc(s.cfg.HandshakeTimeout, func() { cancel(errHandshake) })
	defer patience.Stop()
	leave := context.AfterFunc(ctx, func() { cancel(errLeft) })
	defer leave()

	st, welcome, err := s.introduce(streamCtx, conn)
	if err != nil {
		return because(streamCtx, err)
	}
	if !patience.Stop() || !leave() {
		return because(streamCtx, errLeft)
	}
	s.connected.Store(true)
	defer s.connected.Store(false)
	s.log.Info("connected to the controller", zap.String("address", address),
		zap.String("agent", welcome.GetAgentId()))

	var others sync.WaitGroup
	others.Go(func() {
		w := writer{st: st, out: s.out, cancel: cancel, timeout: s.cfg.SendTimeout}
		if err := w.run(ctx, streamCtx, heartbeatInterval(welcome)); err != nil {
			cancel(err)
		}
	})
	others.Go(func() {
		if better := s.watchStore(streamCtx, conn, address); better != "" {
			cancel(&betterError{better})
		}
	})
	err = s.read(ctx, streamCtx, st, rpc.DecodeSettings(welcome.GetSettings()))
	err = because(streamCtx, err)
	cancel(err)
	others.Wait()
	return err
}

// because prefers our own reason for ending the stream to gRPC's "canceled".
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return errors.New("controller closed the stream")
	}
	return err
}

func (s *Session) dialOptions() []grpc.DialOption {
	creds := insecure.NewCredentials()
	if s.cfg.Keys != nil {
		creds = s.cfg.Keys.Credentials()
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(s.cfg.Dial),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.DefaultConfig, MinConnectTimeout: s.cfg.TransportTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithReadBufferSize(16 << 10), grpc.WithWriteBufferSize(16 << 10),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
	}
}

// introduce sends Hello and waits for Welcome.
func (s *Session) introduce(ctx context.Context, conn *grpc.ClientConn) (stream, *pb.Welcome, error) {
	opened, err := pb.NewHostsClient(conn).Session(ctx)
	if err != nil {
		return nil, nil, err
	}
	st := &ordered{stream: opened}
	hello := &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: rpc.EncodeHello(&s.cfg.Hello)}}
	if err := st.Send(hello); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	m, err := st.Recv() // also gives the reason when Send has met the end of the stream
	if err != nil {
		return nil, nil, err
	}
	w := m.GetWelcome()
	if w == nil {
		return nil, nil, errors.New("controller did not begin with a welcome")
	}
	return st, w, nil
}

// read hands over what the controller sends until the stream ends. When ctx is
// done nobody wants updates any more, but acknowledgements still count.
func (s *Session) read(ctx, streamCtx context.Context, st stream, settings Settings) error {
	parts := rpc.Assembler{Settings: settings}
	bad := rejections{out: s.out, log: s.log}
	for {
		m, err := st.Recv()
		if err != nil {
			return err
		}
		switch body := m.GetBody().(type) {
		case *pb.ControllerMessage_Update:
			u, err := parts.Add(body.Update)
			if err != nil {
				return err
			}
			if u == nil {
				continue
			}
			bad.note(u)
			select {
			case s.updates <- *u:
			case <-ctx.Done():
			case <-streamCtx.Done():
				return context.Cause(streamCtx)
			}
		case *pb.ControllerMessage_ReportAck:
			s.out.stored(body.ReportAck.GetSequence())
		}
	}
}

// writer sends the outbox over one stream.
type writer struct {
	st      stream
	out     *outbox
	cancel  context.CancelCauseFunc
	timeout time.Duration

	lastBeat time.Time
}

// run sends until the stream ends, or until ctx is done: then it sends what is
// left and closes its half.
func (w *writer) run(ctx, streamCtx context.Context, interval time.Duration) error {
	w.out.rewind()
	beat := time.NewTimer(0)
	defer beat.Stop()
	for {
		select {
		case <-streamCtx.Done():
			return nil
		case <-ctx.Done():
			return w.leave()
		case <-beat.C:
			if err := w.heartbeat(); err != nil {
				return err
			}
			beat.Reset(jittered(interval))
		case <-w.out.wake:
			pause(streamCtx, linger)
			if err := w.flush(); err != nil {
				return err
			}
			if w.out.changed() {
				beat.Reset(max(0, beatGap-time.Since(w.lastBeat)))
			}
		}
	}
}

func (w *writer) flush() error {
	for m := w.out.next(); m != nil; m = w.out.next() {
		if err := w.send(m); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) heartbeat() error {
	w.lastBeat = time.Now()
	return w.send(w.out.heartbeat())
}

// leave ends the stream in good order; the controller answers by ending it.
func (w *writer) leave() error {
	time.AfterFunc(farewell, func() { w.cancel(errLeft) })
	if err := w.flush(); err != nil {
		return err
	}
	return w.st.CloseSend()
}

func (w *writer) send(m *pb.AgentMessage) error {
	late := time.AfterFunc(w.timeout, func() { w.cancel(errSend) })
	defer late.Stop()
	err := w.st.Send(m)
	if errors.Is(err, io.EOF) {
		return nil // Recv has the reason
	}
	return err
}

func heartbeatInterval(w *pb.Welcome) time.Duration {
	d := time.Duration(w.GetHeartbeatIntervalMs()) * time.Millisecond
	return min(max(d, 50*time.Millisecond), time.Minute)
}

// jittered gives d less up to a fifth of it, so that agents which connected
// together do not write together.
func jittered(d time.Duration) time.Duration { return d - rand.N(d/5+1) }

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
