package wire

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Database is Open vSwitch's configuration database (*ovsdb.Client).
type Database interface {
	Changes() <-chan struct{}
	TakeDirty() ovsdb.Dirty
	State() ovsdb.State
	Interface(name string) (ovsdb.Interface, bool)
	Port(name string) (ovsdb.Port, bool)
	Commit(ctx context.Context, ops ...ovsdb.Op) error
	PortsOf(ctx context.Context, bridge string) (map[string]bool, error)
}

// Controller is the loop's end of the connection to the controllers
// (*feed.Consumer).
type Controller interface {
	Updates() <-chan rpc.Update
	Report(statuses ...model.PortStatus)
	Ack(revision int64)
	SetProblems(problems []model.Problem)
	SetDevices(n int, inSync bool)
}

// PacketLog writes down packets (*packetlog.Log). It never waits.
type PacketLog interface {
	SetLogs(logs map[string]*model.Log)
	Take(p ofp.PacketIn)
	// Meters are what bounds the packets that the switch sends.
	Meters() []ofp.Meter
}

// Responder answers questions of guests (*localdhcp.Server).
type Responder interface {
	// Apply takes the records. It gives the ids of this host's ports of which
	// other questions may be answered than before.
	Apply(u *rpc.Update) []string
	// Questions are those of a port that are answered, and what cannot be answered
	// as the records want it, "" for nothing.
	Questions(port string) (pipeline.Questions, string)
	// Take takes a question that the switch sent. It never waits. send sends the
	// answer to the same switch.
	Take(p ofp.PacketIn, send SendPacket)
	// Plugged tells at which OpenFlow port of the integration bridge a port is; 0:
	// it is not there any more.
	Plugged(port string, ofport uint32)
	// Connected gives the way to the integration bridge for packets that nobody
	// asked for; nil when it is lost.
	Connected(send SendPacket)
}

// SendPacket hands a packet to a switch.
type SendPacket func(ctx context.Context, p ofp.PacketOut) error

// Config says what the loop works with.
type Config struct {
	Host string
	// Bridges are the bridges that must exist; the loop fills in the tunnels.
	Bridges      bridges.Desired
	TunnelTypes  []model.NetworkType
	ARPResponder bool
	DB           Database
	Controller   Controller
	Dial         Dialer
	Metrics      *Metrics
	// Loop counts the loop's rounds; nil: nothing does.
	Loop *telemetry.Loop
	// Audit takes what was found changed by others; nil: it is only repaired.
	Audit *audit.Auditor
	// Packets takes what the integration bridge sends for logs; nil: nobody does.
	Packets PacketLog
	// Responder takes what the integration bridge sends of the questions that it
	// answers; nil: nobody does.
	Responder Responder
	// MetadataLink is the port of the metadata proxy on the integration bridge; "":
	// there is none.
	MetadataLink string
	Log          *zap.Logger
	// LookAtMeters is how often it is seen to it that nobody deleted the meters
	// of logs; 0 means 10 s.
	LookAtMeters time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Loop owns the layer-2 state of the host. Use New, then Run.
type Loop struct {
	cfg Config
	log *zap.Logger

	mirror  *mirror
	facts   *facts
	touched *touched
	rescan  map[string]bool // ports to look at again because of the database
	scanAll bool            // everything in the database may be new

	view  pipeline.View
	inc   *pipeline.Incremental
	dirty pipeline.Dirty
	// gen counts programs; 0: nothing has been compiled.
	gen uint64

	bridges map[string]*bridge
	events  chan switchEvent
	workers sync.WaitGroup // drivers, and what talks to the database

	audits   *audit.Consumer
	auditing bool // an audit was asked for and has not ended

	restore restore

	db      dbState
	ports   map[string]*portState
	waiting map[string]bool // ports whose wiring is not in the switches yet
	// meterless is why there are no logs, and questions for DHCP servers pass
	// without limit: the switch has no meters.
	meterless string
	problems  problems
	acked     int64
	began     time.Time
	inSyncAt  time.Time
	// touchedAt is when the tunnels were touched last.
	touchedAt time.Time
}

// New makes a loop that has done nothing yet.
func New(cfg Config) *Loop {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &Loop{
		cfg: cfg, log: cfg.Log,
		mirror: newMirror(), facts: newFacts(), touched: newTouched(), rescan: map[string]bool{},
		inc:     pipeline.NewIncremental(),
		bridges: map[string]*bridge{},
		// Unbuffered: once the driver has told that its connection is lost, the
		// loop has heard it and hands over nothing more.
		events:   make(chan switchEvent),
		ports:    map[string]*portState{},
		waiting:  map[string]bool{},
		problems: newProblems(cfg.Now, cfg.Log),
		audits:   cfg.Audit.Consumer(),
	}
	l.db.init()
	l.view = pipeline.View{
		Host:     cfg.Host,
		Networks: map[string]pipeline.Network{},
		Ports:    map[string]pipeline.LocalPort{},
		Remotes:  map[string]*model.Port{},
		Tunnels:  map[pipeline.TunnelKey]uint32{},
		Physical: map[string]pipeline.PhysicalBridge{},

		Groups:        map[string]pipeline.SecurityGroup{},
		Members:       map[pipeline.MemberKey]*model.GroupMember{},
		AddressGroups: map[string]*model.AddressGroup{},
		Logs:          map[string]*model.Log{},
	}
	return l
}

// Run works until ctx is done. It leaves the switch as it is.
func (l *Loop) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.workers.Wait()
	defer cancel()
	l.began = l.cfg.Now()
	l.ensureDriver(ctx, l.cfg.Bridges.Integration)
	l.ensureDriver(ctx, l.cfg.Bridges.Tunnel)
	for _, br := range l.cfg.Bridges.BridgeMappings {
		l.ensureDriver(ctx, br)
	}
	updates := l.cfg.Controller.Updates()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				updates = nil
				continue
			}
			l.takeUpdate(&u)
		case <-l.cfg.DB.Changes():
			l.takeDatabase()
		case ev := <-l.events:
			l.onSwitch(ev)
		case res := <-l.db.results:
			l.onDatabase(res)
		case <-l.audits.Due():
			l.audit()
		case <-timer.C:
		}
		l.drain(updates)
		began := time.Now()
		if next := l.step(ctx); !next.IsZero() {
			timer.Reset(max(next.Sub(l.cfg.Now()), time.Millisecond))
		}
		l.cfg.Loop.Done(began, nil)
		l.cfg.Loop.Waiting(len(l.waiting))
	}
}

func (l *Loop) takeUpdate(u *rpc.Update) {
	wasStored := !l.mirror.stored.IsZero()
	l.mirror.apply(u, l.touched)
	if l.cfg.Responder != nil { // before the flows bring it questions
		for _, id := range l.cfg.Responder.Apply(u) {
			l.touched.ports[id] = true
		}
	}
	if wasStored && l.mirror.stored.IsZero() { // now it is known what is too much
		for _, b := range l.bridges {
			b.leftovers, b.audit = true, true
		}
	}
	l.rejected(u)
	if u.Full { // this controller has not heard of any revision yet
		l.acked = 0
	}
}

// drain takes what is already waiting, so that a burst is compiled once.
func (l *Loop) drain(updates <-chan rpc.Update) {
	for {
		select {
		case u, ok := <-updates:
			if !ok {
				return
			}
			l.takeUpdate(&u)
		case <-l.cfg.DB.Changes():
			l.takeDatabase()
		default:
			return
		}
	}
}

// step brings everything nearer to what is desired. It returns when it wants
// to be called again even if nothing happens.
func (l *Loop) step(ctx context.Context) time.Time {
	now := l.cfg.Now()
	if l.db.connected && l.mirror.full {
		l.lookAtRecords()
	}
	wake := l.planDatabase(ctx, now)
	if l.ready() {
		l.compile()
		wake = earlier(wake, l.touchTunnels(now))
		wake = earlier(wake, l.feedSwitches(now))
		l.tellPorts()
		if l.acknowledge() {
			wake = earlier(wake, now)
		}
	}
	inSync := l.inSync()
	l.cfg.Controller.SetDevices(len(l.view.Ports), inSync)
	l.cfg.Metrics.state(len(l.view.Ports), l.problems.count(), inSync)
	l.tellProblems()
	return wake
}

// ready reports whether the loop knows enough to delete anything: the records
// and the database are complete, it is known which interfaces are on the
// integration bridge, and the bridges and local VLANs are there.
func (l *Loop) ready() bool {
	if !l.mirror.full || !l.db.connected && l.gen == 0 {
		return false
	}
	return l.gen > 0 || l.db.settled && len(l.facts.unplaced) == 0
}

// compile turns what changed into changes of the bridges' programs.
func (l *Loop) compile() {
	d := l.dirty
	if l.gen > 0 && !d.All && len(d.Networks)+len(d.Ports)+len(d.Tunnels)+len(d.Physical)+
		len(d.Groups)+len(d.Members)+len(d.AddressGroups)+len(d.Logs) == 0 {
		return
	}
	began := time.Now()
	changes := l.inc.Compile(&l.view, d)
	l.cfg.Metrics.compiled(time.Since(began))
	l.dirty = pipeline.Dirty{}
	l.gen++
	l.tellPipeline()
	for _, id := range d.Ports {
		l.markWiring(id)
	}
	for _, id := range d.Networks {
		for port := range l.mirror.portsOf[id] {
			l.markWiring(port)
		}
	}
	if d.All {
		for id := range l.ports {
			l.markWiring(id)
		}
	}
	for _, id := range d.Groups {
		l.markGroup(id)
	}
	if len(d.Tunnels)+len(d.Physical) > 0 {
		for id := range l.waiting { // their way to other hosts has just come
			l.markWiring(id)
		}
	}
	for name, c := range changes {
		if b := l.bridges[name]; b != nil {
			b.change(c)
		}
	}
}

// tellPipeline takes over what the pipeline cannot realise, and has the ports
// looked at for which that is news.
func (l *Loop) tellPipeline() {
	found := map[string]string{}
	for _, p := range l.inc.Problems() {
		found[p.Kind+" "+p.ID] = p.Text
	}
	for object := range l.problems.replace(sourcePipeline, found) {
		kind, id := splitObject(object)
		switch kind {
		case "port":
			l.markWiring(id)
		case "network":
			for port := range l.mirror.portsOf[id] {
				l.markWiring(port)
			}
		default:
			l.markGroup(l.groupOf(kind, id))
		}
	}
}

// splitObject takes the name of a problem's object apart.
func splitObject(object string) (kind, id string) {
	at := strings.LastIndexByte(object, ' ')
	return object[:max(at, 0)], object[at+1:]
}

// feedSwitches hands every idle bridge what it lacks.
func (l *Loop) feedSwitches(now time.Time) (wake time.Time) {
	for _, b := range l.bridges {
		if b.loaded {
			p := l.inc.Program()
			if b.name == l.cfg.Bridges.Integration && !l.stale() {
				b.end(l.inc.Ended(b.have))
			}
			b.sync(p.Bridges[b.name], func(r flows.Rule) bool { return p.Keeps(b.name, r) }, l.mayDelete())
			l.log.Info("bridge compared", zap.String("bridge", b.name),
				zap.Int("flows", len(p.Bridges[b.name])), zap.Int("changes", len(b.pending)))
		}
		wake = earlier(wake, b.retryRefused(now))
		wake = earlier(wake, b.calm(now))
		if l.cfg.Audit.Mode() == audit.Hold {
			l.holdBack(b)
			b.look()
			continue
		}
		b.next(l.gen)
	}
	l.auditDone()
	return wake
}

// ensureDriver starts the goroutine of a bridge.
func (l *Loop) ensureDriver(ctx context.Context, name string) {
	if l.bridges[name] != nil {
		return
	}
	b := newBridge(name)
	jobs := make(chan job, 1)
	b.jobs = jobs
	l.bridges[name] = b
	d := &driver{bridge: name, dial: l.cfg.Dial, jobs: jobs, events: l.events, log: l.log}
	if name == l.cfg.Bridges.Integration {
		d.packets, d.responder, d.metered = l.cfg.Packets, l.cfg.Responder, true
		d.meterInterval = cmp.Or(l.cfg.LookAtMeters, 10*time.Second)
	}
	l.workers.Go(func() { d.run(ctx) })
}

// onSwitch takes what a bridge's goroutine tells.
func (l *Loop) onSwitch(ev switchEvent) {
	b := l.bridges[ev.bridge]
	switch ev.kind {
	case switchSynced:
		b.lost()
		b.have, b.loaded = ev.have, true
		l.noteBack(ev.bridge)
		if b.name == l.cfg.Bridges.Tunnel {
			l.touchedAt = time.Time{} // a new switch knows no MAC of the tunnels' other ends
		}
		if b.name == l.cfg.Bridges.Integration {
			l.setMeterless(ev.meterless)
		}
	case switchApplied:
		b.done(ev.gen)
		if len(l.problems.sources[sourceRefused+ev.bridge]) > 0 {
			l.tellRefused(b)
		}
		l.cfg.Metrics.applied(ev.bridge, ev.count, ev.took)
		l.log.Info("bridge changed", zap.String("bridge", ev.bridge), zap.Int("changes", ev.count),
			zap.Duration("took", ev.took), zap.Int64("rev", l.mirror.revision))
	case switchRefused:
		l.cfg.Loop.Failed()
		l.onRefused(b, ev.err)
	case switchAudited:
		l.onAudited(b, ev.have)
		l.onStrangeMeters(b, ev.meters)
	case switchChanged:
		l.onChanged(b, ev.updates)
	case switchLost:
		l.cfg.Loop.Failed()
		if b.synced {
			l.log.Warn("bridge lost", zap.String("bridge", ev.bridge), zap.Error(ev.err))
		}
		if changed := (*changedMetersError)(nil); errors.As(ev.err, &changed) {
			l.cfg.Audit.Found(audit.Finding{Kind: "meter", Place: ev.bridge, Text: changed.Error()})
		}
		b.lost()
		l.noteLost(ev.bridge, ev.err)
	}
}

// inSync reports whether every bridge holds the present program and nothing
// waits to be looked at.
func (l *Loop) inSync() bool {
	if l.gen == 0 || !l.mirror.full {
		return false
	}
	for name, b := range l.bridges {
		if l.wanted(name) && (!b.synced || b.working() || b.applied != l.gen || len(b.refused) > 0) {
			return false
		}
	}
	return true
}

// wanted reports whether the program has rules for the bridge. A mapped bridge
// that does not exist is a problem of its own and does not keep the host out
// of step.
func (l *Loop) wanted(name string) bool {
	_, ok := l.db.state.Bridges[name]
	return ok
}

// acknowledge tells the controller how far the host has followed. It reports
// whether local VLANs can be taken back now that no flow uses them.
func (l *Loop) acknowledge() bool {
	if !l.inSync() {
		return false
	}
	if l.inSyncAt.IsZero() {
		l.inSyncAt = l.cfg.Now()
		l.log.Info("in sync", zap.Int64("rev", l.mirror.revision), zap.Int("ports", len(l.view.Ports)),
			zap.Duration("after", l.inSyncAt.Sub(l.began)))
	}
	if l.acked == l.mirror.revision {
		return false
	}
	l.acked = l.mirror.revision
	l.cfg.Controller.Ack(l.acked)
	unused := len(l.db.vlans) > len(l.mirror.networks) && !l.stale()
	l.db.replan = l.db.replan || unused
	return unused
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
