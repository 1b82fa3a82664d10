package l3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
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
	maxBusy    = 8                      // routers at once
	jobTimeout = 30 * time.Second       // for one attempt at one router
	retryFirst = 500 * time.Millisecond // after a failure, doubled up to
	retryMax   = time.Minute
	auditEvery = 5 * time.Minute // a router that nothing happened to
)

// announceAfter says when an address that appeared is announced: at once, and
// again, because its port may not be wired yet and frames get lost.
var announceAfter = []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 6 * time.Second}

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
	Host string
	// Owner marks the namespaces of this agent: it has to be another one for
	// every agent on the machine, and the same after a restart.
	Owner string
	// Bridge is the integration bridge.
	Bridge string
	// SwitchNamespace is where Open vSwitch makes its links; "" is the agent's
	// own network namespace.
	SwitchNamespace string
	RunDir          string // for the files of the routers' programs
	DB              Database
	Children        *child.Supervisor
	Controller      Controller
	// Connected says that a controller can be asked, nil that none can.
	Connected func() bool
	// Audit takes what was found changed by others; nil: it is only repaired.
	Audit *audit.Auditor
	// Loop counts the workers' jobs; nil: nothing does.
	Loop *telemetry.Loop
	Log  *zap.Logger
}

// Loop owns the routers of the host. Use New, then Run.
type Loop struct {
	cfg Config
	log *zap.Logger

	view *View
	// full says that view is complete; before, nothing is removed.
	full     bool
	stale    bool  // view is what the host had stored: what it lacks may exist
	revision int64 // of the records
	acked    int64
	swept    bool // what is left of routers that are gone has been looked for
	// prepared is closed when the ports of the first records were made; ready says
	// that this was seen.
	prepared <-chan struct{}
	ready    bool
	routers  map[string]*router
	links    map[string]string // link → router
	results  chan result
	busy     int
	workers  sync.WaitGroup
	told     []model.Problem
	audits   *audit.Consumer
	auditing bool        // an audit was asked for and has not ended
	vrrp     chan string // ids of ha routers of which keepalived has news
	asks     bool        // there is a controller to ask about ha routers
}

// router is what the loop knows of one router.
type router struct {
	id   string
	want *Namespace // nil: it is to go
	// due is when it is to be worked on next; light says that only its links
	// are to be looked at.
	due      time.Time
	light    bool
	busy     bool
	audit    bool // it is looked at because of an audit
	again    bool // it changed while it was worked on
	known    bool // it has been brought to what was desired once
	tried    bool // want has been worked on, and problem is what came of it
	wait     time.Duration
	problem  string
	since    time.Time
	announce []announcement
	// reported is what the controller was told, by kind and id.
	reported map[string]model.ObjectStatus

	// Of an ha router: the host's part, when it is to be thought over, what the
	// controller was told of it, and whether the router's links may be up.
	part     *part
	decide   time.Time
	saidPart model.ObjectStatus
	forwards bool
	// refreshed is when the router last showed itself on its links.
	refreshed time.Time
}

// announcement is an address to be announced on a link, so many times already.
type announcement struct {
	link string
	addr netip.Addr
	at   time.Time
	n    int
}

// New makes a loop that has done nothing yet.
func New(cfg Config) *Loop {
	return &Loop{
		cfg: cfg, log: cfg.Log, view: NewView(cfg.Host), routers: map[string]*router{}, links: map[string]string{},
		results: make(chan result, maxBusy), audits: cfg.Audit.Consumer(), vrrp: make(chan string, 64),
	}
}

// Run works until ctx is done. It leaves the routers as they are.
func (l *Loop) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.workers.Wait()
	defer cancel()
	watch := l.cfg.DB.Watch()
	defer watch.Close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	l.workers.Go(func() {
		if err := followVRRP(ctx, l.cfg.RunDir, l.vrrp); err != nil {
			l.log.Error("states of ha routers are not followed", zap.Error(err))
		}
	})
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
			l.onResult(r)
		case id := <-l.vrrp:
			l.onVRRP(id)
		case <-timer.C:
		}
		timer.Reset(max(time.Until(l.step(ctx)), time.Millisecond))
	}
}

// take brings the records and what follows from them up to date.
func (l *Loop) take(u *rpc.Update) {
	touched := l.view.Apply(u)
	l.revision = u.Revision
	if u.Full {
		l.full, l.stale, l.acked = true, !u.Stored.IsZero(), 0
		for id, r := range l.routers {
			touched[id] = true
			r.reported, r.saidPart = nil, model.ObjectStatus{} // a controller that is new to us is told everything
		}
	}
	if !l.full {
		return
	}
	for id := range touched {
		l.describe(id)
	}
}

// describe compiles a router anew and has it worked on if that made a
// difference.
func (l *Loop) describe(id string) {
	r := l.routers[id]
	in, here := l.view.Input(id)
	switch {
	case !here && r == nil:
		return
	case r == nil:
		r = &router{id: id, wait: retryFirst}
		l.routers[id] = r
	}
	var want *Namespace
	if here {
		l.decideHA(r, &in)
		defer l.reportHA(r)
		n := Desired(in)
		want = &n
	}
	if r.known && !r.busy && want != nil && r.want != nil && r.want.same(want) {
		r.want = want // revisions may be new
		if r.tried {
			l.report(r, r.trouble())
		}
		return
	}
	maps.DeleteFunc(l.links, func(_, owner string) bool { return owner == id })
	if want != nil {
		for _, p := range want.Ports {
			l.links[p.Name] = id
		}
	}
	r.want, r.due, r.light, r.again = want, time.Now(), false, r.busy
	r.tried = false
	r.wait, r.audit = retryFirst, r.audit && r.busy // an audit would find the change of the records
}

// takeDatabase has the routers looked at whose links may have been made anew.
func (l *Loop) takeDatabase(d ovsdb.Dirty) {
	if d.Full {
		for _, r := range l.routers {
			r.look(false)
		}
		return
	}
	for _, name := range d.Interfaces {
		if r := l.routers[l.links[name]]; r != nil {
			r.look(true)
		}
	}
}

// look has the router looked at soon.
func (r *router) look(light bool) {
	soon := time.Now()
	switch {
	case r.busy:
		r.again = true
	case r.audit:
		r.audit = false // an audit would find what the switch did
	case r.problem == "" && r.due.After(soon):
		r.due, r.light = soon, light
	}
}

// step starts what is due and gives when it wants to be called again.
func (l *Loop) step(ctx context.Context) time.Time {
	now := time.Now()
	next := now.Add(time.Hour)
	if !l.full {
		return next
	}
	l.sweep(ctx)
	if l.ready = l.ready || l.prepare(ctx); !l.ready {
		return next
	}
	next = earlier(next, l.lookAtController(now))
	for _, id := range slices.Sorted(maps.Keys(l.routers)) {
		r := l.routers[id]
		if !r.decide.IsZero() {
			if !r.decide.After(now) {
				l.describe(id)
			}
			next = earlier(next, cmp.Or(r.decide, next))
		}
		if !r.busy && !r.due.After(now) && l.busy < maxBusy {
			l.start(ctx, r)
		}
		if !r.busy {
			next = earlier(next, l.announceDue(ctx, r, now))
			if r.due.After(now) {
				next = earlier(next, r.due)
			}
		}
	}
	l.auditDone()
	l.tell()
	l.acknowledge()
	return next
}

// acknowledge tells the controller how far the host has followed. Routers that
// cannot be realised do not hold it up: they are reported as such.
func (l *Loop) acknowledge() {
	settled, n, waiting := l.swept, 0, 0
	for _, r := range l.routers {
		if r.busy || r.again || !r.known {
			waiting++
		}
		settled = settled && !r.busy && !r.again && (r.known || r.problem != "")
		if r.want != nil {
			n++
		}
	}
	l.cfg.Loop.Waiting(waiting)
	l.cfg.Controller.SetDevices(n, settled)
	if settled && l.acked != l.revision {
		l.acked = l.revision
		l.cfg.Controller.Ack(l.acked)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// start has a worker bring the router to what is desired.
func (l *Loop) start(ctx context.Context, r *router) {
	r.busy, r.again = true, false
	l.busy++
	j := job{cfg: &l.cfg, id: r.id, want: r.want, light: r.light && r.known, sweep: !r.known, audit: r.audit}
	l.workers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, jobTimeout)
		defer cancel()
		began := time.Now()
		res := j.run(ctx)
		res.took = time.Since(began)
		l.results <- res
	})
}

// onResult takes what a worker made of a router.
func (l *Loop) onResult(res result) {
	l.busy--
	l.cfg.Loop.Took(res.took, res.err)
	r := l.routers[res.id]
	r.busy, r.audit = false, false
	l.found(res)
	now := time.Now()
	if res.changes > 0 {
		l.log.Info("router changed", zap.String("router", r.id), zap.Int("changes", res.changes),
			zap.Duration("took", res.took), zap.Bool("gone", r.want == nil))
	}
	for _, a := range res.appeared {
		if a.Prefix == metadataV6 {
			continue // others may have it, and guests who talk to them
		}
		r.announce = append(r.announce, announcement{link: a.Link, addr: a.Prefix.Addr(), at: now})
	}
	switch {
	case res.err != nil:
		delay := r.wait/2 + rand.N(r.wait/2)
		r.wait = min(2*r.wait, retryMax)
		r.due, r.light = now.Add(delay), false
		r.fail(l.log, res.err.Error())
	case r.want == nil && !r.again:
		for _, kind := range []model.ObjectKind{model.ObjectRouter, model.ObjectRouterHA} {
			l.cfg.Controller.ReportObjects(model.ObjectStatus{Kind: kind, ID: r.id, State: model.ObjectGone})
		}
		delete(l.routers, r.id)
		return
	default:
		r.known, r.wait, r.light = true, retryFirst, false
		r.due = now.Add(auditEvery/2 + rand.N(auditEvery))
		r.fail(l.log, "")
	}
	r.tried = !r.again
	r.onRealised(res.err)
	l.report(r, res.err)
	l.reportHA(r)
	if r.again {
		r.due, r.known, r.again = now, r.known && res.err == nil, false
	}
}

// report tells the controller what became of the router and its floating
// addresses, as far as that is news.
func (l *Loop) report(r *router, err error) {
	if r.want == nil || r.again {
		return
	}
	state, text := model.ObjectActive, ""
	if r.want.HA != nil && !r.want.HA.Active {
		state = model.ObjectStandby
	}
	if err != nil {
		state, text = model.ObjectError, err.Error()
	}
	statuses := []model.ObjectStatus{{Kind: model.ObjectRouter, ID: r.id, Revision: r.want.Revision, State: state, Error: text}}
	for _, f := range r.want.Floating {
		statuses = append(statuses, model.ObjectStatus{Kind: model.ObjectFloatingIP, ID: f.ID, Revision: f.Revision, State: state, Error: text})
	}
	told := map[string]model.ObjectStatus{}
	var news []model.ObjectStatus
	for _, s := range statuses {
		told[s.Key()] = s
		if r.reported[s.Key()] != s {
			news = append(news, s)
		}
	}
	r.reported = told
	if len(news) > 0 {
		l.cfg.Controller.ReportObjects(news...)
	}
}

// fail notes a problem, or its end.
func (r *router) fail(log *zap.Logger, text string) {
	if text == r.problem {
		return
	}
	r.problem, r.since = text, time.Now().UTC()
	if text != "" {
		log.Warn("router cannot be realised", zap.String("router", r.id), zap.String("text", text))
	}
}

// trouble is the router's problem as an error, nil for none.
func (r *router) trouble() error {
	if r.problem == "" {
		return nil
	}
	return errors.New(r.problem)
}

// tell tells of problems when they have changed.
func (l *Loop) tell() {
	var found []model.Problem
	for _, id := range slices.Sorted(maps.Keys(l.routers)) {
		r := l.routers[id]
		if r.problem != "" {
			found = append(found, model.Problem{Object: "router " + id, Text: r.problem, Since: r.since})
		}
		if r.want != nil {
			for i, text := range r.want.Problems {
				found = append(found, model.Problem{Object: fmt.Sprintf("router %s (%d)", id, i+1), Text: text})
			}
		}
	}
	if !slices.Equal(found, l.told) {
		l.told = found
		l.cfg.Controller.SetProblems(slices.Clone(found))
	}
}
