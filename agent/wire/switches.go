package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
)

// Switch is one connection to one bridge.
type Switch interface {
	// Flows gives all flows of the bridge that carry Lepton's cookie mark.
	Flows(ctx context.Context) ([]flows.Rule, error)
	// Apply installs and deletes in one atomic bundle, adds first. A refused
	// rule gives an *ofp.BundleError, and nothing is changed.
	Apply(ctx context.Context, add, del []flows.Rule) error
	// Forget deletes all flows with exactly one of these cookies: what the
	// switch learned itself.
	Forget(ctx context.Context, cookies []uint64) error
	// Flush has the connection tracker forget connections. A switch that cannot
	// is no error: they expire.
	Flush(ctx context.Context, ended []pipeline.Connections) error
	// Touch sends a frame that means nothing out of the ports.
	Touch(ctx context.Context, ports []uint32) error
	// Meters gives the bridge's meters.
	Meters(ctx context.Context) ([]ofp.Meter, error)
	// PutMeter makes a meter or changes it.
	PutMeter(ctx context.Context, m ofp.Meter) error
	// PacketOut sends a packet through actions.
	PacketOut(ctx context.Context, p ofp.PacketOut) error
	// Watch has changes of the flow table by others told among the Events.
	Watch(ctx context.Context) error
	// Dropped counts the events that were lost.
	Dropped() uint64
	// Events gives what the switch tells unasked. It is closed with the
	// connection, or nil.
	Events() <-chan ofp.Event
	// Done is closed when the connection is lost.
	Done() <-chan struct{}
	Close() error
}

// Dialer connects to a bridge.
type Dialer func(ctx context.Context, bridge string) (Switch, error)

const (
	// dialTimeout bounds a connection and its handshake, dumpTimeout reading
	// all flows, applyTimeout one bundle of any size.
	dialTimeout  = 3 * time.Second
	dumpTimeout  = 20 * time.Second
	applyTimeout = 20 * time.Second
	// retryFirst and retryMax bound the wait before a bridge is dialled again.
	retryFirst = 50 * time.Millisecond
	retryMax   = 250 * time.Millisecond
)

// job is a difference that a bridge must take.
type job struct {
	add, del []flows.Rule
	forget   []uint64               // cookies of learned flows, deleted after the rest
	ended    []pipeline.Connections // flushed after the flow changes
	touch    []uint32               // tunnel ports, touched after the rest
	gen      uint64
	// audit has the flows read, and nothing else done.
	audit bool
}

// switchEvent is what a bridge's goroutine tells the loop.
type switchEvent struct {
	bridge string
	kind   switchEventKind
	have   []flows.Rule // synced, audited: the flows that the bridge holds
	meters []ofp.Meter  // audited: those of questions that limit otherwise than they should
	gen    uint64       // applied, refused: of the job
	err    error        // refused, lost
	// updates are those of a change; none: what changed is not known.
	updates ofp.FlowUpdates
	took    time.Duration
	count   int // applied: flow-mods sent
	// meterless is why a synced bridge cannot limit the copies for logs; nil: it
	// can.
	meterless error
}

type switchEventKind int

const (
	switchSynced  switchEventKind = iota // connected, and its flows read
	switchApplied                        // the job is in the switch
	switchRefused                        // the switch refused the job; nothing changed
	switchLost                           // the connection is gone; the job too, or not
	switchAudited                        // the flows were read
	switchChanged                        // somebody changed flows, or may have
)

// driver keeps one bridge connected and carries jobs to it, one at a time. It
// holds no state that matters: after a lost connection it reads the bridge
// anew and the loop computes the difference.
type driver struct {
	bridge string
	dial   Dialer
	jobs   chan job // capacity 1; the loop sends only when the driver is idle
	events chan<- switchEvent
	log    *zap.Logger
	// packets takes the copies of packets that logs ask for, responder the
	// questions of guests; nil: nobody does.
	packets   PacketLog
	responder Responder
	// metered is set for the bridge that has flows with meters.
	metered bool
	// meterInterval is how often the meters of logs are looked at.
	meterInterval time.Duration
}

func (d *driver) run(ctx context.Context) {
	wait := retryFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := d.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		served := time.Since(began) > retryMax
		if served {
			wait = retryFirst
		}
		d.log.Debug("bridge not connected", zap.String("bridge", d.bridge), zap.Error(err))
		if !d.tell(ctx, switchEvent{kind: switchLost, err: err}) {
			return
		}
		if served {
			continue // is it the connection, or the switch?
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		wait = min(2*wait, retryMax)
	}
}

// serve makes one connection and stays until it ends.
func (d *driver) serve(ctx context.Context) error {
	sw, err := within(ctx, dialTimeout, func(ctx context.Context) (Switch, error) { return d.dial(ctx, d.bridge) })
	if err != nil {
		return err
	}
	defer sw.Close()
	m, err := d.meter(ctx, sw)
	if err != nil {
		return fmt.Errorf("read meters: %w", err)
	}
	d.dropJob()
	_, err = within(ctx, dialTimeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, sw.Watch(ctx) })
	if refused := (*ofp.Error)(nil); errors.As(err, &refused) {
		d.log.Warn("flows that others change are found by audits only: the switch refuses to tell of them",
			zap.String("bridge", d.bridge), zap.Error(err))
	} else if err != nil {
		return err
	}
	began := time.Now()
	have, err := within(ctx, dumpTimeout, sw.Flows)
	if err != nil {
		return fmt.Errorf("read flows: %w", err)
	}
	if !d.tell(ctx, switchEvent{kind: switchSynced, have: m.limited(have), took: time.Since(began), meterless: m.refused}) {
		return ctx.Err()
	}
	var listening sync.WaitGroup
	heard, stop := context.WithCancel(ctx)
	listening.Go(func() { d.listen(heard, sw) })
	defer listening.Wait()
	defer stop()
	if d.responder != nil {
		d.responder.Connected(sw.PacketOut)
		defer d.responder.Connected(nil)
	}
	return d.work(ctx, sw, m)
}

// work carries out jobs until the connection ends, and looks after the meters of
// logs where there are any.
func (d *driver) work(ctx context.Context, sw Switch, m meters) error {
	var look <-chan time.Time
	if len(m.kept) > 0 {
		ticker := time.NewTicker(d.meterInterval)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-sw.Done():
			return errors.New("connection lost")
		case j := <-d.jobs:
			act := d.apply
			if j.audit {
				act = d.look
			}
			if err := act(ctx, sw, j); err != nil {
				return err
			}
		case <-look:
			if err := d.lookAtMeters(ctx, sw, m.kept); err != nil {
				return err
			}
		}
	}
}

// listen hands on the packets that the switch sends, until ctx is done or the
// connection ends.
func (d *driver) listen(ctx context.Context, sw Switch) {
	events, dropped := sw.Events(), sw.Dropped()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			switch e := e.(type) {
			case ofp.PacketIn:
				d.hand(e, sw)
			case ofp.FlowUpdates:
				if slices.ContainsFunc(e, byOthers) {
					d.tell(ctx, switchEvent{kind: switchChanged, updates: e})
				}
			}
			if !ok {
				return
			}
			if n := sw.Dropped(); n != dropped {
				dropped = n
				d.tell(ctx, switchEvent{kind: switchChanged})
			}
		}
	}
}

// byOthers reports whether a change was not made by this connection.
func byOthers(u ofp.FlowUpdate) bool { return u.Event != ofp.FlowOwn && u.Event != ofp.MonitorPaused }

// hand gives a packet to whoever it is for.
func (d *driver) hand(p ofp.PacketIn, sw Switch) {
	if _, asks := pipeline.ReadAsked(p.Userdata); asks && d.responder != nil {
		d.responder.Take(p, sw.PacketOut)
	} else if !asks && d.packets != nil {
		d.packets.Take(p)
	}
}

// look reads the flows.
func (d *driver) look(ctx context.Context, sw Switch, _ job) error {
	began := time.Now()
	have, err := within(ctx, dumpTimeout, sw.Flows)
	if err != nil {
		return fmt.Errorf("read flows: %w", err)
	}
	strange, err := d.strangeMeters(ctx, sw, have)
	if err != nil {
		return fmt.Errorf("read meters: %w", err)
	}
	if !d.tell(ctx, switchEvent{kind: switchAudited, have: have, meters: strange, took: time.Since(began)}) {
		return ctx.Err()
	}
	return nil
}

// apply carries out one job. A refusal is told and is no error; anything else
// ends the connection.
func (d *driver) apply(ctx context.Context, sw Switch, j job) error {
	began := time.Now()
	_, err := within(ctx, applyTimeout, func(ctx context.Context) (struct{}, error) {
		if err := d.putMeters(ctx, sw, j.add); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, carryOut(ctx, sw, j)
	})
	ev := switchEvent{kind: switchApplied, gen: j.gen, took: time.Since(began), count: len(j.add) + len(j.del)}
	var refused *ofp.BundleError
	switch {
	case errors.As(err, &refused) && len(refused.Refused) > 0:
		ev.kind, ev.err = switchRefused, err
	case err != nil:
		return fmt.Errorf("apply %d flow changes: %w", ev.count, err)
	}
	if !d.tell(ctx, ev) {
		return ctx.Err()
	}
	return nil
}

// The limit of a port's questions, in packets a second and at once. A guest that
// boots asks ten times in a minute.
const (
	askedPerSecond = 20
	askedAtOnce    = 40
)

// putMeters makes the meters that new flows of questions need. They stay: there
// are few. A switch that refuses one refuses the flow, too, and that is told.
func (d *driver) putMeters(ctx context.Context, sw Switch, add []flows.Rule) error {
	done := map[uint32]bool{}
	for _, r := range add {
		if f, _, _ := pipeline.Explain(r.Cookie); f != pipeline.FeatureAsk {
			continue
		}
		for _, a := range r.Actions {
			id := meterOf(a)
			if id == 0 || done[id] {
				continue
			}
			done[id] = true
			err := sw.PutMeter(ctx, ofp.Meter{ID: id, Rate: askedPerSecond, Burst: askedAtOnce})
			if refused := (*ofp.Error)(nil); err != nil && !errors.As(err, &refused) {
				return err
			}
		}
	}
	return nil
}

func carryOut(ctx context.Context, sw Switch, j job) error {
	if len(j.add)+len(j.del) > 0 {
		if err := sw.Apply(ctx, j.add, j.del); err != nil {
			return err
		}
	}
	if len(j.forget) > 0 {
		if err := sw.Forget(ctx, j.forget); err != nil {
			return err
		}
	}
	if len(j.ended) > 0 {
		if err := sw.Flush(ctx, j.ended); err != nil {
			return err
		}
	}
	if len(j.touch) > 0 {
		return sw.Touch(ctx, j.touch)
	}
	return nil
}

// dropJob forgets a job that was handed over while the connection was down.
func (d *driver) dropJob() {
	select {
	case <-d.jobs:
	default:
	}
}

func (d *driver) tell(ctx context.Context, ev switchEvent) bool {
	ev.bridge = d.bridge
	select {
	case d.events <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}

// within runs f with a deadline.
func within[T any](ctx context.Context, d time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}
