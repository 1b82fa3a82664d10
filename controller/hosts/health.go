package hosts

import (
	"context"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/rpc"
)

const (
	// probeEvery is how often the store is asked whether it answers, and
	// probeTimeout how long it may take.
	probeEvery, probeTimeout = 2 * time.Second, 2 * time.Second
	// storePatience is how long it may be silent before agents hear of it: longer
	// than a cluster takes to choose another leader.
	storePatience = 5 * time.Second
)

// readiness tells agents by gRPC's health protocol whether this controller has
// its store. Those of one that was cut off from the store leave it for one that
// was not: it can neither tell them of changes nor keep their heartbeats. When
// all controllers are without store, agents stay where they are.
type readiness struct {
	*health.Server
	db       *records.DB
	log      *zap.Logger
	stopping <-chan struct{}
}

func newReadiness(db *records.DB, log *zap.Logger, stopping <-chan struct{}) *readiness {
	r := &readiness{Server: health.NewServer(), db: db, log: log, stopping: stopping}
	r.SetServingStatus(rpc.StoreService, healthpb.HealthCheckResponse_SERVING)
	return r
}

// run asks the store until ctx is done.
func (r *readiness) run(ctx context.Context) {
	heard, away := time.Now(), false
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, probeTimeout)
		err := r.db.Read(bounded, func(records.Reader) error { return nil })
		cancel()
		if err == nil {
			heard = time.Now()
		}
		switch gone := time.Since(heard) >= storePatience; {
		case ctx.Err() != nil, gone == away:
		case gone:
			away = true
			r.log.Warn("the store does not answer: agents are told to look for another controller", zap.Error(err))
			r.SetServingStatus(rpc.StoreService, healthpb.HealthCheckResponse_NOT_SERVING)
		default:
			away = false
			r.log.Info("the store answers again")
			r.SetServingStatus(rpc.StoreService, healthpb.HealthCheckResponse_SERVING)
		}
	}
}

// Watch is the protocol's; it ends with the server.
func (r *readiness) Watch(in *healthpb.HealthCheckRequest, w healthWatch) error {
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	go func() {
		select {
		case <-r.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return r.Server.Watch(in, endingWatch{w, ctx})
}

type healthWatch = grpc.ServerStreamingServer[healthpb.HealthCheckResponse]

// endingWatch is a watch that ends with a context of ours.
type endingWatch struct {
	healthWatch
	ctx context.Context
}

// Context is grpc.ServerStream's.
func (w endingWatch) Context() context.Context { return w.ctx }
