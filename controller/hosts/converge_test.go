package hosts_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// scissors cuts connections in the middle of whatever they carry.
type scissors struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (s *scissors) over(dial func(context.Context, string) (net.Conn, error)) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, a string) (net.Conn, error) {
		conn, err := dial(ctx, a)
		if err == nil {
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
		}
		return conn, err
	}
}

func (s *scissors) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// shuffle makes one random change of the records.
func (c *cloud) shuffle(r *rand.Rand) {
	id := fmt.Sprint("port-", r.IntN(60))
	network := fmt.Sprint("net-", r.IntN(6))
	group := fmt.Sprint("group-", r.IntN(4))
	switch r.IntN(13) {
	case 8:
		c.put(&model.SecurityGroup{Meta: model.Meta{ID: group, Revision: r.Int64N(1000)}})
	case 9:
		c.put(&model.SecurityGroupRule{
			Meta: model.Meta{ID: fmt.Sprint("rule-", r.IntN(8))}, SecurityGroupID: group, Direction: "ingress", EtherType: "IPv4",
			RemoteGroupID: fmt.Sprint("group-", r.IntN(4)),
		})
	case 10:
		router := fmt.Sprint("router-", r.IntN(3))
		c.put(&model.Router{Meta: model.Meta{ID: router, Revision: r.Int64N(1000)}}, &model.RouterBinding{
			RouterID: router, Hosts: []model.RouterHost{{Host: fmt.Sprint("hv", r.IntN(4)), Active: true}},
		})
	case 11:
		c.put(&model.DHCPBinding{NetworkID: network, Hosts: []model.DHCPHost{{Host: fmt.Sprint("hv", r.IntN(4))}}})
	case 12:
		c.update(func(u *records.Update) { records.SecurityGroupRules.Delete(u, fmt.Sprint("rule-", r.IntN(8))) })
	case 0:
		c.update(func(u *records.Update) { records.Ports.Delete(u, id) })
	case 1:
		n := vxlan(network)
		n.Revision = r.Int64N(1000)
		c.put(n)
	case 2:
		s := subnet(fmt.Sprint("sub-", r.IntN(6)), network)
		s.Revision = r.Int64N(1000)
		c.put(s)
	default:
		p := port(id, network, fmt.Sprint("hv", r.IntN(4)))
		p.Revision, p.AdminStateUp = r.Int64N(1000), r.IntN(2) == 0
		p.SecurityGroups = []string{group}
		c.put(p)
	}
}

func TestHostsConvergeThroughCutsAndRestarts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	c := newCloud(t)
	for i := range 6 {
		c.put(vxlan(fmt.Sprint("net-", i)))
	}
	second, err := records.Open(context.Background(), c.store, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	other := &cloud{t: t, store: c.store, db: second}
	// Two controllers; the first is replaced now and then.
	var mu sync.Mutex
	ctls := []*controller{c.serve(hosts.Config{}), other.serve(hosts.Config{})}
	dial := func(ctx context.Context, a string) (net.Conn, error) {
		mu.Lock()
		ctl := ctls[int(a[len(a)-1]-'1')]
		mu.Unlock()
		return ctl.dial(ctx, a)
	}
	var all []*host
	var knives []*scissors
	for i := range 4 {
		knife := &scissors{}
		knives = append(knives, knife)
		all = append(all, c.join(session.Config{
			Hello: hello(fmt.Sprint("hv", i)), Dial: knife.over(dial), Queue: 1,
			Addresses: []string{"127.0.0.1:1", "127.0.0.1:2"},
		}))
	}
	for step := range 400 {
		c.shuffle(r)
		if r.IntN(15) == 0 {
			knives[r.IntN(len(knives))].cut()
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Millisecond) // let some updates through
		}
		if step%130 == 100 {
			mu.Lock()
			old := ctls[0]
			ctls[0] = c.serve(hosts.Config{})
			mu.Unlock()
			old.stop()
		}
	}
	for i, h := range all {
		c.settled(fmt.Sprint("hv", i), h)
	}
}

func TestAStoppingControllerHandsItsAgentsOver(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), port("p1", "n1", "hv1"))
	first, second := c.serve(hosts.Config{}), c.serve(hosts.Config{})
	h := c.join(session.Config{
		Hello: hello("hv1"), Addresses: []string{"127.0.0.1:1", "127.0.0.1:2"},
		Dial: func(ctx context.Context, a string) (net.Conn, error) {
			if a == "127.0.0.1:1" {
				return first.dial(ctx, a)
			}
			return second.dial(ctx, a)
		},
	})
	c.settled("hv1", h)
	serving := func(ctl *controller) bool {
		states, err := ctl.server.Agents(t.Context())
		return err == nil && len(states) == 1
	}
	if serving(second) {
		first, second = second, first
	}
	began := time.Now()
	first.stop()
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("stopping took %s", d)
	}
	c.eventually("the other controller", func() bool { return serving(second) })
	c.put(port("p2", "n1", "hv1"))
	c.settled("hv1", h)
}

func TestARecordThatCannotBeUsedIsReportedAndTheOthersAre(t *testing.T) {
	c := newCloud(t)
	bad := port("bad", "n1", "hv1")
	bad.MAC = model.MAC{}
	c.put(vxlan("n1"), port("good", "n1", "hv1"), bad)
	ctl := c.serve(hosts.Config{})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.eventually("the good port", func() bool { return h.knows().Ports["good"] != nil })
	first := h.told()[0]
	if len(first.Rejected) != 1 || first.Rejected[0].Kind != rpc.KindPort || first.Rejected[0].ID != "bad" {
		t.Errorf("rejected %v", first.Rejected)
	}
	problems := func() []model.Problem { return c.agent("hv1").Problems }
	c.eventually("the problem", func() bool {
		return slices.ContainsFunc(problems(), func(p model.Problem) bool { return p.Object == "port bad" })
	})
	c.put(port("bad", "n1", "hv1"))
	c.eventually("the mended port", func() bool { return h.knows().Ports["bad"] != nil })
	c.eventually("the problem's end", func() bool { return len(problems()) == 0 })
}

func TestASlowHostGetsFewerAndLargerUpdates(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), port("p0", "n1", "hv1"))
	ctl := c.serve(hosts.Config{})
	s := session.New(session.Config{
		Hello: hello("hv1"), Dial: ctl.dial, Addresses: []string{"127.0.0.1:1"}, Queue: 1,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	c.eventually("the connection", s.Connected)
	const changes = 1500
	name := strings.Repeat("a long name ", 100)
	for i := range changes {
		p := port(fmt.Sprint("p", i%100), "n1", "hv1")
		p.Name, p.Revision = name, int64(i)
		c.put(p)
	}
	var k known
	var count int
	want := c.expected("hv1")
	for difference(want, k) != "" {
		select {
		case u := <-s.Updates():
			k.update(&u)
			count++
		case <-time.After(patience):
			t.Fatalf("after %d updates:\n%s", count, difference(want, k))
		}
	}
	if count > changes/3 {
		t.Errorf("%d updates for %d changes that waited", count, changes)
	}
}
