package session

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// place is a controller that tells whether it has its store.
type place struct {
	*health.Server
	lis    *bufconn.Listener
	opened chan string // its name, with every stream
}

func (p *place) store(has bool) {
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if has {
		state = healthpb.HealthCheckResponse_SERVING
	}
	p.SetServingStatus(rpc.StoreService, state)
}

func newPlace(t *testing.T, name string, opened chan string) *place {
	t.Helper()
	p := &place{Server: health.NewServer(), lis: bufconn.Listen(64 << 10), opened: opened}
	p.store(true)
	g := grpc.NewServer()
	pb.RegisterHostsServer(g, &script{play: func(_ int, st serverStream) error {
		err := errors.Join(welcome(st, time.Hour), sendUpdate(st, &pb.Update{Full: true}))
		opened <- name
		untilEnd(st)
		return err
	}})
	healthpb.RegisterHealthServer(g, p)
	done := make(chan error, 1)
	go func() { done <- g.Serve(p.lis) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestAControllerWithoutStoreIsLeftForOneThatHasIt(t *testing.T) {
	opened := make(chan string, 10)
	places := map[string]*place{"127.0.0.1:1": newPlace(t, "127.0.0.1:1", opened), "127.0.0.1:2": newPlace(t, "127.0.0.1:2", opened)}
	cfg := Config{
		Addresses: []string{"127.0.0.1:1", "127.0.0.1:2"}, RetryFirst: time.Millisecond, RetryMax: 20 * time.Millisecond,
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			return places[address].lis.DialContext(ctx)
		},
	}
	cfg.Hello.Host, cfg.Hello.Instance = "hv1", "i1"
	s, _ := start(t, cfg)
	go func() {
		for range s.Updates() {
		}
	}()
	at := within(t, opened)
	for range 3 {
		other := strings.NewReplacer("1:1", "1:2", "1:2", "1:1").Replace(at)
		// While none has it there is nothing to be won.
		places[other].store(false)
		places[at].store(false)
		select {
		case where := <-opened:
			t.Fatalf("no controller has its store, and the agent went from %s to %s", at, where)
		case <-time.After(100 * time.Millisecond):
		}
		if !s.Connected() {
			t.Fatal("no controller has its store, and the agent has no controller")
		}
		places[other].store(true)
		if at = within(t, opened); at != other {
			t.Fatalf("the agent went to %s", at)
		}
		places[at].store(true)
	}
}

func within(t *testing.T, ch <-chan string) string {
	t.Helper()
	select {
	case s := <-ch:
		return s
	case <-time.After(patience):
		t.Fatal("no stream was opened")
		return ""
	}
}
