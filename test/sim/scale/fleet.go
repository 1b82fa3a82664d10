package scale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// fleet is all simulated agents.
type fleet struct {
	agents  []*agent
	weather weather
	running sync.WaitGroup

	mu  sync.Mutex
	ear *ear // nil: nobody listens
}

// ear notes who is told of what.
type ear struct {
	heard    map[rpc.Ref]map[string]time.Time // when each host was first told of a record
	messages map[string]int                   // updates by host
}

// hostName names the simulated hosts.
func hostName(i int) string { return fmt.Sprintf("sim-%04d", i) }

// newFleet makes the agents. Hosts below routers have the role l3 and a bridge to
// the outside.
func newFleet(o Options, c *control) (*fleet, error) {
	f := &fleet{weather: weather{rng: rand.New(rand.NewPCG(o.Seed, 2))}}
	for i := range o.Agents {
		hello := model.Agent{
			Host: hostName(i), Instance: uuid.NewString(), Version: "simulated", Roles: []string{"l2"},
			TunnelTypes: []model.NetworkType{"vxlan"}, VXLANPort: 4789, StartedAt: time.Now(),
			TunnelIP:          netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)}),
			IntegrationBridge: "br-int", DatapathType: "system",
		}
		if i < o.gateways() {
			hello.Roles = append(hello.Roles, "l3")
			hello.BridgeMappings = map[string]string{physnet: "br-ex"}
		}
		keys, err := c.keys(hello.Host)
		if err != nil {
			return nil, err
		}
		f.agents = append(f.agents, newAgent(f, introduction{hello, keys, c.rpc}))
	}
	return f, nil
}

// run starts the agents; they end with ctx.
func (f *fleet) run(ctx context.Context) {
	for _, a := range f.agents {
		f.running.Go(func() { _ = a.session.Run(ctx) }) // its configuration is good
		f.running.Go(a.live)
	}
}

// cutAll breaks all connections.
func (f *fleet) cutAll() {
	for _, a := range f.agents {
		a.cut()
	}
}

// behind counts the agents without a snapshot since then.
func (f *fleet) behind(t time.Time) int {
	n := 0
	for _, a := range f.agents {
		if !a.since(t) {
			n++
		}
	}
	return n
}

// awaitSnapshots waits until every agent has had a snapshot since then, and gives
// the time of the last one.
func (f *fleet) awaitSnapshots(ctx context.Context, since time.Time, patience time.Duration) (time.Time, error) {
	err := until(ctx, patience, func() (string, error) {
		if n := f.behind(since); n > 0 {
			return fmt.Sprintf("%d of %d agents have no snapshot", n, len(f.agents)), nil
		}
		return "", nil
	})
	var last time.Time
	for _, a := range f.agents {
		a.mu.Lock()
		if a.snapshotAt.After(last) {
			last = a.snapshotAt
		}
		a.mu.Unlock()
	}
	return last, err
}

// traffic sums the bytes that all agents have received and sent.
func (f *fleet) traffic() (in, out int64) {
	for _, a := range f.agents {
		in, out = in+a.count.in.Load(), out+a.count.out.Load()
	}
	return in, out
}

// listen has the fleet note who is told of what from now on.
func (f *fleet) listen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ear = &ear{heard: map[rpc.Ref]map[string]time.Time{}, messages: map[string]int{}}
}

// deaf ends listening and gives what was heard.
func (f *fleet) deaf() *ear {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.ear
	f.ear = nil
	return e
}

// heardBy counts the hosts that were told of a record while somebody listens.
func (f *fleet) heardBy(r rpc.Ref) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ear.heard[r])
}

// hear notes an update for who listens.
func (f *fleet) hear(host string, u *rpc.Update) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ear == nil {
		return
	}
	f.ear.messages[host]++
	note := func(r rpc.Ref) {
		m := f.ear.heard[r]
		if m == nil {
			m = map[string]time.Time{}
			f.ear.heard[r] = m
		}
		if _, ok := m[host]; !ok {
			m[host] = now
		}
	}
	for r := range u.Records() {
		note(r)
	}
	for r := range u.Deletions() {
		note(r)
	}
}
