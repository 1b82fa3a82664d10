package session

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/lepton-sdn/lepton/rpc"
)

// checkTimeout bounds the question whether another controller has its store.
const checkTimeout = 5 * time.Second

// noticed is how long, in first pauses before a retry, another controller has to
// have its store: 5 s. By then it has noticed when it has lost it too.
const noticed = 25

// betterError ends a stream to a controller without store: another one has its.
type betterError struct{ address string }

func (e *betterError) Error() string {
	return fmt.Sprintf("controller has lost its store, the one at %s has not", e.address)
}

// watchStore follows whether the stream's controller has its store. While it has
// not, it looks for another that has, and gives its address; until then, or when
// all of them have lost it, the stream stays. It returns "" when the stream ends,
// and with a controller that does not tell.
func (s *Session) watchStore(ctx context.Context, conn *grpc.ClientConn, address string) string {
	if len(s.cfg.Addresses) < 2 {
		return ""
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{Service: rpc.StoreService})
	if err != nil {
		return ""
	}
	states := make(chan healthpb.HealthCheckResponse_ServingStatus)
	go func() {
		defer close(states)
		for {
			r, err := watch.Recv()
			if err != nil {
				return
			}
			select {
			case states <- r.GetStatus():
			case <-ctx.Done():
				return
			}
		}
	}()
	for state := range states {
		for state == healthpb.HealthCheckResponse_NOT_SERVING {
			s.log.Warn("controller has lost its store", zap.String("address", address))
			var found string
			if found, state = s.search(ctx, address, states); found != "" {
				return found
			}
		}
	}
	return ""
}

// search asks the other controllers, again and again and less and less often,
// until one has its store or the present one's state changes. All agents of a
// controller begin at the same moment, so the first pause is random too.
func (s *Session) search(ctx context.Context, address string, states <-chan healthpb.HealthCheckResponse_ServingStatus) (string, healthpb.HealthCheckResponse_ServingStatus) {
	wait := retryWait{first: s.cfg.RetryFirst * 10, max: 2 * s.cfg.RetryMax}
	at := slices.Index(s.cfg.Addresses, address)
	for n := 1; ; n++ {
		timer := time.NewTimer(wait.next())
		select {
		case state := <-states: // closed: unknown, and the stream has ended
			timer.Stop()
			return "", state
		case <-timer.C:
		}
		other := s.cfg.Addresses[(at+n)%len(s.cfg.Addresses)]
		if other == address || !s.hasStore(ctx, other) {
			continue
		}
		// When all lose it, they notice one after the other.
		timer.Reset(noticed * s.cfg.RetryFirst)
		select {
		case state := <-states:
			timer.Stop()
			return "", state
		case <-timer.C:
		}
		if s.hasStore(ctx, other) {
			return other, 0
		}
	}
}

// hasStore asks a controller.
func (s *Session) hasStore(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address, s.dialOptions()...)
	if err != nil {
		return false
	}
	defer conn.Close()
	r, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: rpc.StoreService})
	return err == nil && r.GetStatus() == healthpb.HealthCheckResponse_SERVING
}
