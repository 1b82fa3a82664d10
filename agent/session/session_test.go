package session

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

type serverStream = grpc.BidiStreamingServer[pb.AgentMessage, pb.ControllerMessage]

// script is a controller that does with each stream what the test says.
type script struct {
	pb.UnimplementedHostsServer
	play func(n int, st serverStream) error
	n    atomic.Int32
}

func (s *script) Session(st serverStream) error {
	return s.play(int(s.n.Add(1)), st)
}

// controller runs the script and gives the way to it. Streams come one by one.
func controller(t *testing.T, play func(n int, st serverStream) error) Config {
	t.Helper()
	lis := bufconn.Listen(64 << 10)
	g := grpc.NewServer()
	pb.RegisterHostsServer(g, &script{play: play})
	done := make(chan error, 1)
	go func() { done <- g.Serve(lis) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return Config{
		Addresses: []string{"127.0.0.1:1"}, Hello: model.Agent{Host: "hv1", Instance: "i1"},
		RetryFirst: time.Millisecond, RetryMax: 20 * time.Millisecond,
		Dial: func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) },
	}
}

// start runs the session until the test ends, or the function is called.
func start(t *testing.T, cfg Config) (*Session, func()) {
	t.Helper()
	s := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := func() {
		if cancel == nil {
			return
		}
		cancel()
		cancel = nil
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the session does not stop")
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func update(t *testing.T, s *Session) Update {
	t.Helper()
	select {
	case u, ok := <-s.Updates():
		if !ok {
			t.Fatal("updates ended")
		}
		return u
	case <-time.After(patience):
		t.Fatal("no update came")
	}
	return Update{}
}

func welcome(st serverStream, interval time.Duration) error {
	if _, err := st.Recv(); err != nil {
		return err
	}
	return st.Send(&pb.ControllerMessage{Body: &pb.ControllerMessage_Welcome{Welcome: &pb.Welcome{
		HeartbeatIntervalMs: interval.Milliseconds(), Settings: &pb.Settings{L2Population: true},
	}}})
}

func sendUpdate(st serverStream, u *pb.Update) error {
	return st.Send(&pb.ControllerMessage{Body: &pb.ControllerMessage_Update{Update: u}})
}

// untilEnd listens until the agent has no more to say.
func untilEnd(st serverStream) {
	for {
		if _, err := st.Recv(); err != nil {
			return
		}
	}
}

func TestStreamsThatGoWrongAreOpenedAnew(t *testing.T) {
	tests := []struct {
		name   string
		play   func(st serverStream) error
		want   string // in the log
		silent bool
	}{
		{"a controller that says nothing", func(st serverStream) error { <-st.Context().Done(); return nil }, "did not answer", true},
		{"a controller that hangs up", func(serverStream) error { return nil }, "closed the stream", false},
		{"a controller without manners", func(st serverStream) error {
			return sendUpdate(st, &pb.Update{Full: true})
		}, "did not begin with a welcome", false},
		{"a snapshot that is never finished", func(st serverStream) error {
			return errors.Join(welcome(st, time.Hour), sendUpdate(st, &pb.Update{Full: true, More: true, DeletedPorts: []string{"x"}}))
		}, "closed the stream", false},
		{"parts of two updates", func(st serverStream) error {
			err := errors.Join(welcome(st, time.Hour), sendUpdate(st, &pb.Update{Full: true, More: true}), sendUpdate(st, &pb.Update{}))
			<-st.Context().Done()
			return err
		}, "do not belong together", false},
		{"a refusal", func(serverStream) error {
			return rpc.Refuse(pb.Refusal_REASON_HOST_TAKEN, "hv1", "host hv1 is taken")
		}, "controller refuses this agent", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			core, logged := observer.New(zap.WarnLevel)
			cfg := controller(t, func(n int, st serverStream) error {
				if n <= 2 {
					return tt.play(st)
				}
				err := errors.Join(welcome(st, time.Hour), sendUpdate(st, &pb.Update{Full: true, Revision: 42}))
				untilEnd(st)
				return err
			})
			cfg.Log = zap.New(core)
			if tt.silent {
				cfg.HandshakeTimeout = 200 * time.Millisecond
			}
			s, _ := start(t, cfg)
			if u := update(t, s); u.Revision != 42 || !u.Full || u.Deleted.Len() != 0 || !u.Settings.L2Population {
				t.Errorf("update %+v", u)
			}
			if !s.Connected() {
				t.Error("not connected")
			}
			var text strings.Builder
			for _, e := range logged.All() {
				text.WriteString(e.Message)
				if err, ok := e.ContextMap()["error"].(string); ok {
					text.WriteString(" " + err)
				}
			}
			if !strings.Contains(text.String(), tt.want) || logged.Len() != 1 {
				t.Errorf("%d lines logged: %s; want one with %q", logged.Len(), text.String(), tt.want)
			}
		})
	}
}

func TestTheNextControllerIsTriedWhenOneIsDown(t *testing.T) {
	cfg := controller(t, func(_ int, st serverStream) error {
		err := errors.Join(welcome(st, time.Hour), sendUpdate(st, &pb.Update{Full: true}))
		untilEnd(st)
		return err
	})
	alive := cfg.Dial
	cfg.Addresses = []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		if address != "127.0.0.1:2" {
			return nil, errors.New("connection refused")
		}
		return alive(ctx, address)
	}
	s, _ := start(t, cfg)
	update(t, s)
}

func TestAStoppingAgentSaysItsLastWords(t *testing.T) {
	ended := make(chan []string, 1)
	cfg := controller(t, func(_ int, st serverStream) error {
		if err := welcome(st, time.Hour); err != nil {
			return err
		}
		var ports []string
		for {
			m, err := st.Recv()
			if errors.Is(err, io.EOF) {
				ended <- ports
				return nil
			}
			if err != nil {
				return err
			}
			for _, s := range m.GetReport().GetStatuses() {
				ports = append(ports, s.GetPortId())
			}
		}
	})
	s, stop := start(t, cfg)
	for !s.Connected() {
		time.Sleep(time.Millisecond)
	}
	s.Report(statusOf("p1", 1))
	stop()
	select {
	case ports := <-ended:
		if len(ports) != 1 || ports[0] != "p1" {
			t.Errorf("reported %v", ports)
		}
	case <-time.After(patience):
		t.Error("the agent did not take leave")
	}
	if _, ok := <-s.Updates(); ok {
		t.Error("updates go on")
	}
}

func TestAControllerThatDoesNotListenIsLeft(t *testing.T) {
	second := make(chan struct{})
	cfg := controller(t, func(n int, st serverStream) error {
		if err := welcome(st, time.Hour); err != nil {
			return err
		}
		if n == 2 {
			close(second)
		}
		<-st.Context().Done()
		return nil
	})
	cfg.SendTimeout = 100 * time.Millisecond
	s, stop := start(t, cfg)
	text := strings.Repeat("x", 1000)
	for i := range 2000 {
		st := statusOf(strings.Repeat("p", i%50+1)+time.Duration(i).String(), 1)
		st.Error = text
		s.Report(st)
	}
	select {
	case <-second:
	case <-time.After(patience):
		t.Error("the stream was not given up")
	}
	stop()
}

func TestHeartbeatsComeRegularlyAndWithEveryChange(t *testing.T) {
	beats := make(chan *pb.Heartbeat, 100)
	cfg := controller(t, func(_ int, st serverStream) error {
		if err := welcome(st, 400*time.Millisecond); err != nil {
			return err
		}
		for {
			m, err := st.Recv()
			if err != nil {
				return nil
			}
			if hb := m.GetHeartbeat(); hb != nil {
				beats <- hb
			}
		}
	})
	s, _ := start(t, cfg)
	next := func() *pb.Heartbeat {
		t.Helper()
		select {
		case hb := <-beats:
			return hb
		case <-time.After(patience):
			t.Fatal("no heartbeat")
		}
		return nil
	}
	next()
	next()
	began := time.Now()
	s.SetDevices(5, true)
	if hb := next(); hb.GetDevices() != 5 || time.Since(began) > 300*time.Millisecond {
		t.Errorf("%v after %s", hb, time.Since(began))
	}
	for i := range 200 { // a flapping host
		s.SetDevices(i, false)
		time.Sleep(time.Millisecond)
	}
	time.Sleep(2 * beatGap)
	took := time.Since(began)
	if n, most := len(beats), int(took/beatGap)+int(took/(300*time.Millisecond))+2; n > most {
		t.Errorf("%d heartbeats in %s, want at most %d", n, took, most)
	}
}

func TestWaitsGrowToTheirBoundAndAreSpread(t *testing.T) {
	w := retryWait{first: 100 * time.Millisecond, max: time.Second}
	step := 100 * time.Millisecond
	seen := map[time.Duration]bool{}
	for range 20 {
		d := w.next()
		if d < step/2 || d > step {
			t.Errorf("waits %s in the step of %s", d, step)
		}
		seen[d] = true
		step = min(2*step, time.Second)
	}
	if len(seen) < 15 {
		t.Errorf("only %d different waits in 20", len(seen))
	}
	w.reset()
	if d := w.next(); d > 100*time.Millisecond {
		t.Errorf("after a good stream waits %s", d)
	}
}

func TestImpossibleConfigurationsAreNamed(t *testing.T) {
	agent := model.Agent{Host: "hv1", Instance: "i"}
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no controller", Config{Hello: agent}, "no address"},
		{"no host", Config{Addresses: []string{"127.0.0.1:1"}}, "host and instance"},
		{"no port", Config{Addresses: []string{"127.0.0.1"}, Hello: agent}, "127.0.0.1"},
		{"plaintext over a network", Config{Addresses: []string{"[::1]:1", "192.0.2.1:1"}, Hello: agent}, "192.0.2.1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := New(tt.cfg).Run(context.Background()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
