package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/lepton-sdn/lepton/rpc/pb"
)

// attemptTimeout bounds one controller's answer; then another one is asked.
const attemptTimeout = 8 * time.Second

// controllers are the controllers, of which one is asked at a time.
type controllers struct {
	host    string
	clients []pb.HostsClient
	conns   []*grpc.ClientConn
	good    atomic.Int64 // the one that answered last
}

func newControllers(s *Settings, log *zap.Logger) (*controllers, error) {
	creds := insecure.NewCredentials()
	if s.CertFile != "" {
		keys, err := s.files().Open(log)
		if err != nil {
			return nil, err
		}
		creds = keys.Credentials()
	}
	c := &controllers{host: s.Host}
	for _, address := range s.Controllers {
		conn, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(creds), grpc.WithDisableServiceConfig(),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
		if err != nil {
			c.close()
			return nil, fmt.Errorf("set up connection to %s: %w", address, err)
		}
		c.conns, c.clients = append(c.conns, conn), append(c.clients, pb.NewHostsClient(conn))
	}
	return c, nil
}

// ask asks the controller that answered last, and when it does not the others.
func (c *controllers) ask(ctx context.Context, q *question) (*answer, error) {
	path, _, _ := strings.Cut(q.target, "?")
	m := &pb.MetadataRequest{Host: c.host, PortId: q.port.ID, Method: q.method, Path: path, Body: q.body}
	first := c.good.Load()
	var errs []error
	for i := range c.clients {
		at := (int(first) + i) % len(c.clients)
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		reply, err := c.clients[at].Metadata(attempt, m)
		cancel()
		if err == nil {
			c.good.Store(int64(at))
			return &answer{status: int(reply.GetStatus()), contentType: reply.GetContentType(), body: reply.GetBody()}, nil
		}
		errs = append(errs, fmt.Errorf("ask controller %s: %w", c.conns[at].Target(), err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (c *controllers) close() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}
