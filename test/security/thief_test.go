package security

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// cloud is a lab of a test.
type cloud struct{ *e2e.Cloud }

func (c *cloud) in(t testing.TB) *cloud { return &cloud{&e2e.Cloud{TB: t, Lab: c.Lab}} }

// host gives the plan of a host.
func (c *cloud) host(name string) lab.HostPlan {
	c.Helper()
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name == name {
			return h
		}
	}
	c.Fatalf("no host %s", name)
	return lab.HostPlan{}
}

func (c *cloud) file(host string, parts ...string) string {
	c.Helper()
	return filepath.Join(append([]string{c.host(host).Dir}, parts...)...)
}

// log reads what a host's program has logged.
func (c *cloud) log(host, program string) string {
	c.Helper()
	b, err := os.ReadFile(c.file(host, program+".log"))
	c.Must(err)
	return string(b)
}

// logs waits until the controller has written a line with all the words since
// the offset.
func (c *cloud) logs(since int, words ...string) {
	c.Helper()
	c.Eventually("the controller logs "+strings.Join(words, " "), func() error {
		for line := range strings.Lines(c.log("net1", "controller")[since:]) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return nil
			}
		}
		return errors.New("no such line")
	})
}

// thief is somebody with a certificate of the cloud, on host hv2.
type thief struct {
	*cloud
	creds credentials.TransportCredentials
}

// steal copies a host's certificate and key, as they are now.
func (c *cloud) steal(host string) pki.Files {
	c.Helper()
	dir := c.TempDir()
	f := pki.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: filepath.Join(dir, "ca.pem")}
	for from, to := range map[string]string{"cert.pem": f.Cert, "key.pem": f.Key, "ca.pem": f.CA} {
		b, err := os.ReadFile(c.file(host, "tls", from))
		c.Must(err)
		c.Must(os.WriteFile(to, b, 0o600))
	}
	return f
}

// as gives a thief with these files.
func (c *cloud) as(f pki.Files) *thief {
	c.Helper()
	keys, err := f.Open(zap.NewNop())
	c.Must(err)
	return &thief{c, keys.Credentials()}
}

// client speaks to the controller from host hv2.
func (th *thief) client() pb.HostsClient {
	th.Helper()
	place, err := th.Lab.Place("hv2")
	th.Must(err)
	conn, err := grpc.NewClient("passthrough:///"+th.host("net1").Mgmt.Addr().String()+":9797",
		grpc.WithTransportCredentials(th.creds), grpc.WithDisableRetry(),
		grpc.WithContextDialer(func(ctx context.Context, address string) (conn net.Conn, err error) {
			insideErr := place.Inside(func() error {
				var d net.Dialer
				conn, err = d.DialContext(ctx, "tcp", address)
				return err
			})
			return conn, errors.Join(err, insideErr)
		}))
	th.Must(err)
	th.Cleanup(func() { _ = conn.Close() })
	return pb.NewHostsClient(conn)
}

// hello is the introduction of an agent on a host, with the tunnel's end of hv1.
func (c *cloud) hello(host, instance string, roles ...string) *pb.AgentMessage {
	c.Helper()
	return &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: rpc.EncodeHello(&model.Agent{
		Host: host, Instance: instance, Version: "stolen", Roles: append([]string{"l2"}, roles...), StartedAt: time.Now(),
		IntegrationBridge: "br-int", TunnelTypes: []model.NetworkType{"vxlan"}, TunnelIP: c.host("hv1").Tunnel.Addr(), VXLANPort: 4789,
	})}}
}

// session is a stream that the controller has welcomed. Its reader takes down
// what comes.
type session struct {
	*thief
	stream grpc.BidiStreamingClient[pb.AgentMessage, pb.ControllerMessage]
	end    context.CancelFunc

	mu     sync.Mutex
	state  rpc.State
	stored uint64 // the last report that was acknowledged
	err    error  // why the stream ended
}

// open opens a stream; the error says why there is none.
func (th *thief) open(hello *pb.AgentMessage) (*session, error) {
	th.Helper()
	ctx, cancel := context.WithCancel(th.Context())
	th.Cleanup(cancel)
	late := time.AfterFunc(20*time.Second, cancel)
	defer late.Stop()
	stream, err := th.client().Session(ctx)
	if err == nil {
		_ = stream.Send(hello)
		_, err = stream.Recv()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &session{thief: th, stream: stream, end: cancel}
	go s.read()
	return s, nil
}

func (s *session) read() {
	var parts rpc.Assembler
	for {
		m, err := s.stream.Recv()
		s.mu.Lock()
		if err == nil && m.GetUpdate() != nil {
			var u *rpc.Update
			if u, err = parts.Add(m.GetUpdate()); u != nil {
				s.state.Apply(u)
			}
		}
		if m.GetReportAck() != nil {
			s.stored = m.GetReportAck().GetSequence()
		}
		s.err = err
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// refused wants a stream to be refused, with words for the client and in the
// controller's log.
func (th *thief) refused(hello *pb.AgentMessage, words string, logged ...string) {
	th.Helper()
	since := len(th.log("net1", "controller"))
	s, err := th.open(hello)
	if err == nil {
		s.end()
		th.Errorf("served; want it refused with %q", words)
		return
	}
	if !strings.Contains(status.Convert(err).Message(), words) {
		th.Errorf("refused with %v, want %q", err, words)
	}
	th.logs(since, logged...)
}

// told waits for the first records, and gives the ids of all that came.
func (s *session) told() map[string]bool {
	s.Helper()
	ids := map[string]bool{}
	s.Eventually("records", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for ref := range s.state.Records() {
			ids[ref.ID] = true
		}
		if !s.state.Known() {
			return errors.New("none yet")
		}
		return s.err
	})
	return ids
}

// ended waits until the controller has ended the stream, and gives its reason.
func (s *session) ended() error {
	s.Helper()
	var why error
	s.Eventually("the end of the stream", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if why = s.err; why == nil {
			return errors.New("it goes on")
		}
		return nil
	})
	return why
}

// report sends a report and waits until it was dealt with.
func (s *session) report(r *pb.Report) {
	s.Helper()
	s.Must(s.stream.Send(&pb.AgentMessage{Body: &pb.AgentMessage_Report{Report: r}}))
	s.Eventually("the report is acknowledged", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err != nil {
			return s.err
		}
		if s.stored < r.GetSequence() {
			return fmt.Errorf("%d is", s.stored)
		}
		return nil
	})
}

// get reads an object of the API as text, to be compared.
func (c *cloud) get(path string) string {
	c.Helper()
	var answer any
	c.Must(c.Lab.API().Call(c.Context(), "GET", path, nil, &answer))
	return fmt.Sprint(answer)
}
