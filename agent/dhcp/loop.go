package dhcp

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Limits of the work.
const (
	maxBusy    = 8                      // networks at once
	jobTimeout = 30 * time.Second       // for one attempt at one network
	retryFirst = 500 * time.Millisecond // after a failure, doubled up to
	retryMax   = time.Minute
	auditEvery = 2 * time.Minute // a network that nothing happened to
)

// Database is Open vSwitch's configuration database (*ovsdb.Client).
type Database interface {
	internalport.Database
	Watch() *ovsdb.Watcher
}

// Controller is the loop's end of the connection to the controllers
// (*feed.Consumer).
type Controller interface {
	Updates() <-chan rpc.Update
	Ack(revision int64)
	ReportObjects(statuses ...model.ObjectStatus)
	SetProblems(problems []model.Problem)
	SetDevices(n int, inSync bool)
}

// Config says what the loop works with.
type Config struct {
	Options Options
	Host    string
	// Owner marks the namespaces of this agent: it has to be another one for
	// every agent on the machine, and the same after a restart.
	Owner string
	// Bridge is the integration bridge.
	Bridge string
	// SwitchNamespace is where Open vSwitch makes its links; "" is the agent's
	// own network namespace.
	SwitchNamespace string
	RunDir          string // for dnsmasq's files
	DB              Database
	Children        *child.Supervisor
	Controller      Controller
	// Audit takes what was found changed by others; nil: it is only repaired.
	Audit *audit.Auditor
	// Loop counts the workers' jobs; nil: nothing does.
	Loop *telemetry.Loop
	Log  *zap.Logger
}

// Loop owns the DHCP servers of the host. Use New, then Run.
type Loop struct {
	cfg Config
	log *zap.Logger

	view *View
	// full says that view is complete; before, nothing is removed.
	full     bool
	stored   bool  // view is what the host had stored: what it lacks may exist
	revision int64 // of the records
	acked    int64
	swept    bool // what is left of networks that are gone has been looked for
	// prepared is closed when the ports of the first records were made; ready says
	// that this was seen.
	prepared <-chan struct{}
	ready    bool
	networks map[string]*network
	links    map[string]string // link → network
	results  chan result
	busy     int
	workers  sync.WaitGroup
	told     []model.Problem
	audits   *audit.Consumer
	auditing bool // an audit was asked for and has not ended
}

// network is what the loop knows of one network.
type network struct {
	id   string
	want *Server // nil: it is to go
	// stale says that the records have changed since want was made of them.
	stale bool
	// due is when it is to be worked on next; light says that only its link is to
	// be looked at.
	due     time.Time
	light   bool
	busy    bool
	audit   bool // it is looked at because of an audit
	guarded bool // the rules of its namespace are in order
	// newcomers watches its link; nil: nobody does.
	newcomers *newcomers
	again     bool // something happened to it while it was worked on
	known     bool // it has been brought to what was desired once
	tried     bool // want has been worked on, and problem is what came of it
	wait      time.Duration
	problem   string
	since     time.Time
	// reported is what the controller was told, by kind and id.
	reported map[string]model.ObjectStatus
}

// New makes a loop that has done nothing yet.
func New(cfg Config) *Loop {
	return &Loop{
		cfg: cfg, log: cfg.Log, view: NewView(), networks: map[string]*network{}, links: map[string]string{},
		results: make(chan result, maxBusy), audits: cfg.Audit.Consumer(),
	}
}

// Run works until ctx is done. It leaves the servers as they are.
func (l *Loop) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.workers.Wait()
	defer cancel()
	watch := l.cfg.DB.Watch()
	defer watch.Close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	updates := l.cfg.Controller.Updates()
	for {
		prepared := l.prepared
		if l.ready {
			prepared = nil
		}
		select {
		case <-prepared:
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				updates = nil
				continue
			}
			l.take(&u)
		case <-watch.Changes():
			l.takeDatabase(watch.TakeDirty())
		case <-l.audits.Due():
			l.audit()
		case r := <-l.results:
			l.onResult(ctx, r)
		case <-timer.C:
		}
		timer.Reset(max(time.Until(l.step(ctx)), time.Millisecond))
	}
}

// take brings the records up to date and marks what follows from them.
func (l *Loop) take(u *rpc.Update) {
	touched := l.view.apply(u)
	l.revision = u.Revision
	if u.Full {
		l.full, l.stored, l.acked = true, !u.Stored.IsZero(), 0
		for id, n := range l.networks {
			touched[id] = true
			n.reported = nil // a controller that is new to us is told everything
		}
	}
	for id := range touched {
		n := l.networks[id]
		if n == nil {
			if l.view.Bindings[id] == nil {
				continue
			}
			n = &network{id: id, wait: retryFirst}
			l.networks[id] = n
		}
		n.stale = true
	}
}

// describe compiles what has changed and has it worked on if that made a
// difference.
func (l *Loop) describe(n *network) {
	n.stale = false
	in, here := l.view.Input(n.id)
	var want *Server
	if here {
		want = Desired(in, l.cfg.Options)
	}
	if want != nil && n.want != nil && n.want.same(want) || want == nil && n.want == nil && n.known {
		if want != nil && n.known && n.tried && n.problem == "" {
			l.report(n, n.want, nil) // maybe to a controller that is new
		}
		return
	}
	if n.want != nil {
		delete(l.links, n.want.Port.Name)
	}
	if want != nil {
		l.links[want.Port.Name] = n.id
	}
	n.want, n.due, n.light, n.wait = want, time.Now(), false, retryFirst
	n.tried, n.audit = false, false // an audit would find the change of the records
}

// takeDatabase has the networks looked at whose link may have been made anew.
func (l *Loop) takeDatabase(d ovsdb.Dirty) {
	if d.Full {
		for _, n := range l.networks {
			n.look(false)
		}
		return
	}
	for _, name := range d.Interfaces {
		if n := l.networks[l.links[name]]; n != nil {
			n.look(true)
		}
	}
}

// look has the network looked at soon.
func (n *network) look(light bool) {
	soon := time.Now()
	switch {
	case n.busy:
		n.again = true
	case n.audit:
		n.audit = false // an audit would find what the switch did
	case n.problem == "" && n.due.After(soon):
		n.due, n.light = soon, light
	}
}

// step starts what is due and gives when it wants to be called again.
func (l *Loop) step(ctx context.Context) time.Time {
	now := time.Now()
	next := now.Add(time.Hour)
	if !l.full {
		return next
	}
	for _, n := range l.networks {
		if n.stale && !n.busy {
			l.describe(n)
		}
	}
	l.sweep()
	if l.ready = l.ready || l.prepare(ctx); !l.ready {
		return next
	}
	for _, id := range slices.Sorted(maps.Keys(l.networks)) {
		n := l.networks[id]
		switch {
		case n.busy:
		case n.due.After(now):
			if n.due.Before(next) {
				next = n.due
			}
		case l.busy < maxBusy:
			l.start(ctx, n)
		}
	}
	l.auditDone()
	l.tell()
	l.acknowledge()
	return next
}

// acknowledge tells the controller how far the host has followed. Networks that
// cannot be served do not hold it up: they are reported as such.
func (l *Loop) acknowledge() {
	settled, served, waiting := l.swept, 0, 0
	for _, n := range l.networks {
		if n.busy || n.stale || n.again || !n.known {
			waiting++
		}
		settled = settled && !n.busy && !n.stale && !n.again && (n.known || n.problem != "")
		if n.want != nil {
			served++
		}
	}
	l.cfg.Loop.Waiting(waiting)
	l.cfg.Controller.SetDevices(served, settled)
	if settled && l.acked != l.revision {
		l.acked = l.revision
		l.cfg.Controller.Ack(l.acked)
	}
}

// start has a worker bring the network's server to what is desired.
func (l *Loop) start(ctx context.Context, n *network) {
	n.busy, n.again = true, false
	l.busy++
	j := job{cfg: &l.cfg, id: n.id, want: n.want, light: n.light && n.known, first: !n.known, guarded: n.guarded, audit: n.audit}
	l.workers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, jobTimeout)
		defer cancel()
		began := time.Now()
		res := j.run(ctx)
		res.took = time.Since(began)
		l.results <- res
	})
}

// onResult takes what a worker made of a network.
func (l *Loop) onResult(ctx context.Context, res result) {
	l.busy--
	l.cfg.Loop.Took(res.took, res.err)
	n := l.networks[res.id]
	n.busy, n.tried, n.audit, n.guarded = false, true, false, res.guarded
	l.found(res)
	now := time.Now()
	if res.changes > 0 {
		l.log.Info("dhcp server changed", zap.String("network", n.id), zap.Int("changes", res.changes),
			zap.Duration("took", res.took), zap.Bool("gone", n.want == nil))
	}
	switch {
	case res.err != nil:
		delay := n.wait/2 + rand.N(n.wait/2)
		n.wait = min(2*n.wait, retryMax)
		n.due, n.light = now.Add(delay), false
		n.fail(l.log, res.err.Error())
	default:
		n.known, n.wait, n.light = true, retryFirst, false
		n.due = now.Add(auditEvery/2 + rand.N(auditEvery))
		n.fail(l.log, "")
	}
	if res.err == nil && res.want != nil && res.at != "" {
		l.welcome(ctx, n, res.want, res.at)
	}
	if res.want != nil {
		l.report(n, res.want, res.err)
	} else if res.err == nil && !n.stale && !n.again {
		l.forget(n)
		return
	}
	if n.again {
		n.due = now
	}
}

// forget ends the life of a network whose server is gone.
func (l *Loop) forget(n *network) {
	n.unwatch()
	l.retract(n, nil)
	l.cfg.Controller.ReportObjects(model.ObjectStatus{Kind: model.ObjectDHCP, ID: n.id, State: model.ObjectGone})
	n.known = true
	if l.view.Bindings[n.id] == nil {
		delete(l.networks, n.id)
	}
}

// report tells the controller what became of the server and of the ports that it
// answers, as far as that is news. The ports come first: from the time that the
// server is there, ports wait for it.
func (l *Loop) report(n *network, s *Server, err error) {
	state, text := model.ObjectActive, ""
	if err != nil {
		state, text = model.ObjectError, err.Error()
	}
	var all []model.ObjectStatus
	if err == nil {
		for _, id := range s.Serves {
			all = append(all, model.ObjectStatus{Kind: model.ObjectDHCPPort, ID: id, State: model.ObjectActive})
		}
	}
	all = append(all, model.ObjectStatus{Kind: model.ObjectDHCP, ID: n.id, State: state, Error: text})
	told := map[string]model.ObjectStatus{}
	var news []model.ObjectStatus
	for _, st := range all {
		told[st.Key()] = st
		if n.reported[st.Key()] != st {
			news = append(news, st)
		}
	}
	if err != nil { // what it had, it may still have
		for key, st := range n.reported {
			if st.Kind == model.ObjectDHCPPort {
				told[key] = st
			}
		}
	}
	l.retract(n, told)
	n.reported = told
	if len(news) > 0 {
		l.cfg.Controller.ReportObjects(news...)
	}
}

// retract takes back what was told of ports that are not among those now.
func (l *Loop) retract(n *network, now map[string]model.ObjectStatus) {
	var gone []model.ObjectStatus
	for _, key := range slices.Sorted(maps.Keys(n.reported)) {
		if st := n.reported[key]; st.Kind == model.ObjectDHCPPort && now[key].ID == "" {
			st.State = model.ObjectGone
			gone = append(gone, st)
		}
	}
	n.reported = nil
	if len(gone) > 0 {
		l.cfg.Controller.ReportObjects(gone...)
	}
}

// fail notes a problem, or its end.
func (n *network) fail(log *zap.Logger, text string) {
	if text == n.problem {
		return
	}
	n.problem, n.since = text, time.Now().UTC()
	if text != "" {
		log.Warn("network cannot be served with DHCP", zap.String("network", n.id), zap.String("text", text))
	}
}

// tell tells of problems when they have changed.
func (l *Loop) tell() {
	var found []model.Problem
	for _, id := range slices.Sorted(maps.Keys(l.networks)) {
		n := l.networks[id]
		if n.problem != "" {
			found = append(found, model.Problem{Object: "network " + id, Text: n.problem, Since: n.since})
		}
		if n.want == nil {
			continue
		}
		for i, p := range n.want.Problems {
			object := fmt.Sprintf("network %s (%d)", id, i+1)
			if p.PortID != "" {
				object = fmt.Sprintf("port %s (dhcp %d)", p.PortID, i+1)
			}
			found = append(found, model.Problem{Object: object, Text: p.Text})
		}
	}
	if !slices.Equal(found, l.told) {
		l.told = found
		l.cfg.Controller.SetProblems(slices.Clone(found))
	}
}
