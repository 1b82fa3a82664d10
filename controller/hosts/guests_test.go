package hosts_test

import (
	"context"
	"net"
	"testing"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/metadata"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// guests answers with who asked.
type guests struct{}

func (guests) Answer(_ context.Context, host, port string, rq metadata.Request) (metadata.Reply, error) {
	return metadata.Reply{Status: 200, ContentType: "text/plain", Body: []byte(host + " " + port + " " + rq.Method + " " + rq.Path)}, nil
}

func TestAHostPassesOnRequestsOfItsOwnGuestsOnly(t *testing.T) {
	ca := authority(t)
	serverKeys, err := certificates(t, ca, "controller").Open(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctl := newCloud(t).serve(hosts.Config{Keys: serverKeys, Guests: guests{}})
	clientKeys, err := certificates(t, ca, "hv1").Open(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///controller", grpc.WithTransportCredentials(clientKeys.Credentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ctl.lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := pb.NewHostsClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m := &pb.MetadataRequest{Host: "hv1", PortId: "p", Method: "GET", Path: "/latest"}
	reply, err := client.Metadata(ctx, m)
	if err != nil || reply.GetStatus() != 200 || string(reply.GetBody()) != "hv1 p GET /latest" {
		t.Errorf("%v %v", reply, err)
	}
	for host, want := range map[string]codes.Code{"hv2": codes.PermissionDenied, "": codes.InvalidArgument, "a b": codes.InvalidArgument} {
		m.Host = host
		if _, err := client.Metadata(ctx, m); status.Code(err) != want {
			t.Errorf("host %q: %v, want %s", host, err, want)
		}
	}
}

func TestTheSecretOfMetadataIsForHostsThatServeIt(t *testing.T) {
	c := newCloud(t)
	ctl := c.serve(hosts.Config{Settings: rpc.Settings{L2Population: true, NovaMetadataURL: "http://nova:8775", MetadataSecret: "s"}})
	for host, roles := range map[string][]string{"hv1": {"l2"}, "net1": {"l2", "metadata"}} {
		a := hello(host)
		a.Roles = roles
		h := c.join(session.Config{Hello: a, Dial: ctl.dial})
		var told rpc.Settings
		c.eventually("an update", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.updates) > 0 {
				told = h.updates[0].Settings
			}
			return len(h.updates) > 0
		})
		if secret := told.MetadataSecret == "s" && told.NovaMetadataURL != ""; secret != (host == "net1") || !told.L2Population {
			t.Errorf("%s is told %+v", host, told)
		}
	}
}
