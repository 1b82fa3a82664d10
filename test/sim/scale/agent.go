package scale

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/rpc"
)

// agent is one simulated host: the real end of the stream, and the records that
// came by it.
type agent struct {
	host    string
	fleet   *fleet
	session *session.Session
	count   traffic

	mu         sync.Mutex
	notes      notes
	snapshots  int
	snapshotAt time.Time
	said       map[rpc.Ref]int64 // revisions of what was reported
	line       net.Conn          // the latest
}

// introduction says who the agent is.
type introduction struct {
	hello   model.Agent
	keys    *pki.Keys // nil: plaintext
	address string    // the controller's
}

func newAgent(f *fleet, in introduction) *agent {
	a := &agent{host: in.hello.Host, fleet: f, said: map[rpc.Ref]int64{}}
	a.session = session.New(session.Config{
		Addresses: []string{in.address}, Keys: in.keys, Hello: in.hello, Dial: a.dial,
	})
	return a
}

// dial connects by a line that the simulation may cut.
func (a *agent) dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l := &line{Conn: c, count: &a.count, left: a.fleet.weather.bytes()}
	a.mu.Lock()
	a.line = l
	a.mu.Unlock()
	return l, nil
}

// cut breaks the agent's connection.
func (a *agent) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.line != nil {
		_ = a.line.Close() // it may have ended
	}
}

// live takes what the controller sends until the session ends.
func (a *agent) live() {
	for u := range a.session.Updates() {
		if d := a.fleet.weather.delay(); d > 0 {
			time.Sleep(d)
		}
		a.take(&u)
	}
}

// take does what an agent does with an update, but for the switch: it realises
// it, reports, and acknowledges.
func (a *agent) take(u *rpc.Update) {
	a.mu.Lock()
	a.notes.apply(u, a.host)
	if u.Full {
		a.snapshots++
		a.snapshotAt = time.Now()
	}
	ports, objects := a.news(u)
	devices := 0
	for r := range a.said {
		if r.Kind == rpc.KindPort {
			devices++
		}
	}
	a.mu.Unlock()
	a.fleet.hear(a.host, u)
	if len(ports) > 0 {
		a.session.Report(ports...)
	}
	if len(objects) > 0 {
		a.session.ReportObjects(objects...)
	}
	a.session.SetDevices(devices, true)
	a.session.Ack(u.Revision)
}

// news gives the statuses that an update makes due: of own ports, of routers
// here and of their floating addresses. The mutex is held.
func (a *agent) news(u *rpc.Update) (ports []model.PortStatus, objects []model.ObjectStatus) {
	for _, p := range u.Ports {
		r := rpc.Ref{Kind: rpc.KindPort, ID: p.ID}
		switch {
		case p.Host != a.host:
			delete(a.said, r)
		case a.say(r, p.Revision):
			ports = append(ports, model.PortStatus{PortID: p.ID, State: model.PortActive, Revision: p.Revision})
		}
	}
	for _, r := range u.Routers {
		if a.say(rpc.Ref{Kind: rpc.KindRouter, ID: r.ID}, r.Revision) {
			objects = append(objects, model.ObjectStatus{Kind: model.ObjectRouter, ID: r.ID, State: model.ObjectActive, Revision: r.Revision})
		}
	}
	for _, f := range u.FloatingIPs {
		if a.say(rpc.Ref{Kind: rpc.KindFloatingIP, ID: f.ID}, f.Revision) {
			objects = append(objects, model.ObjectStatus{Kind: model.ObjectFloatingIP, ID: f.ID, State: model.ObjectActive, Revision: f.Revision})
		}
	}
	for r := range a.said {
		if !a.notes.has(r) {
			delete(a.said, r)
		}
	}
	return ports, objects
}

// say reports whether the revision is news, and notes it.
func (a *agent) say(r rpc.Ref, revision int64) bool {
	if old, ok := a.said[r]; ok && old == revision {
		return false
	}
	a.said[r] = revision
	return true
}

// since reports whether the agent has had a snapshot after that time.
func (a *agent) since(t time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.snapshotAt.After(t)
}

// weather is what befalls connections and agents while it is bad.
type weather struct {
	mu   sync.Mutex
	rng  *rand.Rand
	bad  bool
	cuts int
}

// bytes gives after how many bytes a new connection breaks; half of them hold.
func (w *weather) bytes() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.bad || w.rng.IntN(2) == 0 {
		return -1
	}
	w.cuts++
	return 1 + int64(w.rng.ExpFloat64()*60_000) // about the middle of a snapshot
}

// delay gives how long an agent takes for an update.
func (w *weather) delay() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.bad || w.rng.IntN(10) > 0 {
		return 0
	}
	return time.Duration(w.rng.Int64N(int64(200 * time.Millisecond)))
}

func (w *weather) set(bad bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = bad
}
