package hosts

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/controller/metadata"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

const (
	// maxGuests is how many requests of guests are answered at once.
	maxGuests    = 256
	guestTimeout = 10 * time.Second
)

// Guests answers what guests ask about themselves (*metadata.Service).
type Guests interface {
	Answer(ctx context.Context, host, port string, rq metadata.Request) (metadata.Reply, error)
}

// Metadata answers a guest's request that a host passes on: it is called by gRPC.
func (s *Server) Metadata(ctx context.Context, m *pb.MetadataRequest) (*pb.MetadataReply, error) {
	if s.cfg.Guests == nil {
		return nil, status.Error(codes.Unimplemented, "this controller does not answer guests")
	}
	if err := rpc.CheckHost(m.GetHost()); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "host: %v", err)
	}
	if err := s.checkIdentity(ctx, m.GetHost()); err != nil {
		s.log.Warn("request of a guest refused", zap.String("host", m.GetHost()), zap.String("remote", remoteOf(ctx)), zap.Error(err))
		return nil, err
	}
	select {
	case s.guests <- struct{}{}:
		defer func() { <-s.guests }()
	default:
		return nil, status.Errorf(codes.ResourceExhausted, "controller answers %d guests already", cap(s.guests))
	}
	ctx, cancel := context.WithTimeout(ctx, guestTimeout)
	defer cancel()
	reply, err := s.cfg.Guests.Answer(ctx, m.GetHost(), m.GetPortId(), metadata.Request{Method: m.GetMethod(), Path: m.GetPath(), Body: m.GetBody()})
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "read the records: %v", err)
	}
	return &pb.MetadataReply{Status: uint32(reply.Status), ContentType: reply.ContentType, Body: reply.Body}, nil
}

// settingsFor are the settings that an agent with these roles is told: the
// secret of metadata only where it is needed.
func (s *Server) settingsFor(roles []string) rpc.Settings {
	c := s.cfg.Settings
	if !slices.Contains(roles, "metadata") {
		c.NovaMetadataURL, c.MetadataSecret = "", ""
	}
	return c
}
