package hosts_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// mangler stands between agents and a controller. It forwards messages late,
// twice, in another order, or not at all.
type mangler struct {
	pb.UnimplementedHostsServer
	to      *controller
	seed    uint64
	streams atomic.Uint64
	honest  atomic.Bool

	delayed, doubled, swapped, lost atomic.Int64
}

// mangle puts a mangler before a controller and gives the way to it.
func (c *cloud) mangle(to *controller, seed uint64) (*mangler, func(context.Context, string) (net.Conn, error)) {
	m := &mangler{to: to, seed: seed}
	lis := bufconn.Listen(64 << 10)
	g := grpc.NewServer(grpc.Creds(insecure.NewCredentials()))
	pb.RegisterHostsServer(g, m)
	served := make(chan error, 1)
	go func() { served <- g.Serve(lis) }()
	c.t.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil {
			c.t.Errorf("mangler: %v", err)
		}
	})
	return m, func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
}

// Session forwards one agent's stream, each direction by itself, until either
// side ends.
func (m *mangler) Session(agent grpc.BidiStreamingServer[pb.AgentMessage, pb.ControllerMessage]) error {
	conn, err := grpc.NewClient("passthrough:///controller", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(m.to.dial))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(agent.Context())
	defer cancel()
	controller, err := pb.NewHostsClient(conn).Session(ctx)
	if err != nil {
		return err
	}
	stream := m.streams.Add(1)
	ended := make(chan error, 2)
	go func() { ended <- forward(m, rand.New(rand.NewPCG(m.seed, 2*stream)), agent.Recv, controller.Send) }()
	go func() { ended <- forward(m, rand.New(rand.NewPCG(m.seed, 2*stream+1)), controller.Recv, agent.Send) }()
	return <-ended
}

// forward passes messages on until the stream ends, each with its own fate.
func forward[M any](m *mangler, r *rand.Rand, receive func() (M, error), send func(M) error) error {
	for {
		msg, err := receive()
		if err != nil {
			return err
		}
		out := []M{msg}
		if !m.honest.Load() {
			switch r.IntN(40) {
			case 0:
				m.lost.Add(1)
				out = nil
			case 1:
				m.doubled.Add(1)
				out = append(out, msg)
			case 2:
				second, err := receive()
				if err != nil {
					return err
				}
				m.swapped.Add(1)
				out = []M{second, msg}
			case 3, 4, 5:
				m.delayed.Add(1)
				time.Sleep(rand.N(5 * time.Millisecond))
			}
		}
		for _, msg := range out {
			if err := send(msg); err != nil {
				return err
			}
		}
	}
}

func TestHostsConvergeWhenMessagesAreLateDoubledSwappedOrLost(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	c := newCloud(t)
	for i := range 6 {
		c.put(vxlan(fmt.Sprint("net-", i)))
	}
	m, dial := c.mangle(c.serve(hosts.Config{}), seed)
	var all []*host
	for i := range 4 {
		name := fmt.Sprint("hv", i)
		c.put(port("own-"+name, "net-0", name))
		all = append(all, c.join(session.Config{Hello: hello(name), Dial: dial, Queue: 1}))
	}
	// What an agent says last of its port is what the controller has to know.
	last := make([]model.PortStatus, len(all))
	states := []model.PortState{model.PortActive, model.PortDown, model.PortError}
	for step := range 600 {
		c.shuffle(r)
		if i := r.IntN(len(all)); step > 20 {
			last[i] = model.PortStatus{PortID: fmt.Sprint("own-hv", i), State: states[r.IntN(len(states))], Revision: int64(step)}
			all[i].Report(last[i])
		}
		if r.IntN(3) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	// That a message is missing shows at the next one.
	m.honest.Store(true)
	c.put(subnet("sub-last", "net-0"))
	for i, h := range all {
		c.settled(fmt.Sprint("hv", i), h)
	}
	for _, want := range last {
		c.eventually("the last word about "+want.PortID, func() bool {
			got := get(c, records.PortStatuses, want.PortID)
			return got != nil && got.State == want.State && got.Revision == want.Revision
		})
	}
	t.Logf("%d streams: %d messages late, %d doubled, %d swapped, %d lost", m.streams.Load(), m.delayed.Load(), m.doubled.Load(), m.swapped.Load(), m.lost.Load())
	if m.doubled.Load() == 0 || m.swapped.Load() == 0 || m.lost.Load() == 0 || m.streams.Load() < 20 {
		t.Error("the stream was hardly disturbed")
	}
}
