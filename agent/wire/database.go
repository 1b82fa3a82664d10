package wire

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/ovsdb"
)

const (
	// databaseTimeout bounds one transaction or question to ovsdb-server.
	databaseTimeout = 10 * time.Second
	// databaseRetryFirst and databaseRetryMax bound the wait after a failed one.
	databaseRetryFirst = 200 * time.Millisecond
	databaseRetryMax   = 10 * time.Second
)

// dbState is what the loop knows of the database, and what it wants there.
type dbState struct {
	connected bool // a complete copy has been seen
	state     ovsdb.State
	vlans     map[string]uint16 // network id → local VLAN, as stored in the database
	// tags are the access ports whose tag may have to be set, name → VLAN.
	tags map[string]int
	// tagged are the ports whose tag was seen to be right, and planned is what
	// the database was seen to hold all of; strange is what was found changed since
	// and told.
	tagged  map[string]rightTag
	planned *bridges.Desired
	strange map[string]bool
	// replan says that bridges, tunnels or VLANs may have to change; settled
	// that the last plan found nothing to do.
	replan, settled bool

	busy    bool // a transaction is under way
	asking  bool // a question is under way
	results chan dbResult
	retryAt time.Time
	wait    time.Duration
}

// dbResult is the end of a transaction or of a question.
type dbResult struct {
	asked  map[string]string // question: interface name → uuid
	placed map[string]bool
	ops    int
	err    error
}

func (d *dbState) init() {
	d.tagged, d.strange = map[string]rightTag{}, map[string]bool{}
	d.vlans, d.tags = map[string]uint16{}, map[string]int{}
	d.results = make(chan dbResult, 2)
	d.replan = true
	d.wait = databaseRetryFirst
}

// takeDatabase looks at what changed in the database.
func (l *Loop) takeDatabase() {
	d := l.cfg.DB.TakeDirty()
	if d.Empty() {
		return
	}
	l.db.state = l.cfg.DB.State()
	if d.Full {
		l.db.connected, l.scanAll = true, true
		for _, id := range l.facts.replace(l.db.state.Interfaces) {
			l.rescan[id] = true
		}
		l.checkTags()
	}
	for _, name := range d.Interfaces {
		row, ok := l.db.state.Interfaces[name]
		for _, id := range l.facts.set(name, row, ok) {
			l.rescan[id] = true
		}
	}
	for _, name := range d.Ports {
		l.checkTag(name)
	}
	if d.Full || d.Root || len(d.Bridges) > 0 || l.touchesOurs(d) {
		l.db.replan = true
		l.readVLANs()
		l.lookAtSwitchPorts()
	}
}

// touchesOurs reports whether a port or interface changed that is not a
// guest's: a patch, a tunnel.
func (l *Loop) touchesOurs(d ovsdb.Dirty) bool {
	for _, name := range d.Interfaces {
		if _, guest := l.facts.plugs[name]; !guest {
			return true
		}
	}
	for _, name := range d.Ports {
		if _, guest := l.facts.plugs[name]; !guest {
			return true
		}
	}
	return false
}

// readVLANs takes the stored local VLANs; networks whose VLAN changed are
// looked at again.
func (l *Loop) readVLANs() {
	stored := bridges.LocalVLANs(l.db.state.Bridges[l.cfg.Bridges.Integration])
	for id, v := range stored {
		if l.db.vlans[id] != v {
			l.touched.networks[id] = true
		}
	}
	for id := range l.db.vlans {
		if _, ok := stored[id]; !ok {
			l.touched.networks[id] = true
		}
	}
	l.db.vlans = stored
}

// checkTag has the tag of a guest's port compared with its network's VLAN.
func (l *Loop) checkTag(name string) {
	p, ok := l.facts.plugs[name]
	if !ok {
		return
	}
	if local, ok := l.view.Ports[p.portID]; ok && local.OFPort == uint32(p.ofport) {
		l.db.tags[name] = int(l.view.Networks[local.Record.NetworkID].VLAN)
	}
}

func (l *Loop) checkTags() {
	for name := range l.facts.plugs {
		l.checkTag(name)
	}
}

// planDatabase starts what the database lacks: one question and one
// transaction at a time, each in a goroutine of its own.
func (l *Loop) planDatabase(ctx context.Context, now time.Time) time.Time {
	if !l.db.connected {
		return time.Time{}
	}
	if now.Before(l.db.retryAt) {
		return l.db.retryAt
	}
	if !l.db.asking && len(l.facts.unplaced) > 0 {
		l.ask(ctx)
	}
	if l.db.busy {
		return time.Time{}
	}
	ops, wake := l.restoreOps(now)
	ops = append(l.heldOps(ops), l.databaseOps()...)
	if len(ops) == 0 {
		l.db.settled = l.mirror.full
		return wake
	}
	l.db.busy, l.db.settled = true, false
	l.workers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
		defer cancel()
		l.db.results <- dbResult{ops: len(ops), err: l.cfg.DB.Commit(ctx, ops...)}
	})
	return time.Time{}
}

// databaseOps gives everything that the database lacks.
func (l *Loop) databaseOps() []ovsdb.Op {
	var ops []ovsdb.Op
	if l.db.replan {
		desired := l.desiredBridges()
		plan := bridges.NewPlan(l.db.state, desired)
		ops = append(ops, l.siftPlan(plan.Ops, desired)...)
		found := map[string]string{}
		for _, p := range plan.Problems {
			found[p.Object] = p.Text
		}
		l.problems.replace(sourceBridges, found)
		if l.mirror.full {
			ops = append(ops, l.vlanOps()...)
		}
		if len(ops) == 0 {
			l.db.replan = false
		}
	}
	if l.mirror.full {
		ops = append(ops, l.staleOps()...)
	}
	for _, name := range slices.Sorted(maps.Keys(l.db.tags)) {
		if p, ok := l.db.state.Ports[name]; ok && l.siftTag(p, l.db.tags[name]) {
			ops = append(ops, ovsdb.SetPortTag{Port: name, Tag: l.db.tags[name]})
		}
	}
	clear(l.db.tags)
	return l.heldOps(ops)
}

// vlanOps gives local VLANs to networks that have none, and takes back those of
// networks that are gone, once no flow uses them any more.
func (l *Loop) vlanOps() []ovsdb.Op {
	bridge := l.cfg.Bridges.Integration
	if _, ok := l.db.state.Bridges[bridge]; !ok {
		return nil
	}
	want := maps.Clone(l.db.vlans)
	if l.inSync() && !l.stale() {
		maps.DeleteFunc(want, func(id string, _ uint16) bool { return l.mirror.networks[id] == nil })
	}
	added, without := bridges.AllocateVLANs(want, slices.Collect(maps.Keys(l.mirror.networks)))
	maps.Copy(want, added)
	found := map[string]string{}
	for _, id := range without {
		found["network "+id] = "no local VLAN is free: all 4094 are in use on this host"
	}
	l.problems.replace(sourceVLANs, found)
	if op, ok := bridges.StoreVLANs(bridge, l.db.vlans, want); ok {
		return []ovsdb.Op{op}
	}
	return nil
}

// ask finds out which of the new interfaces are on the integration bridge.
func (l *Loop) ask(ctx context.Context) {
	l.db.asking = true
	asked := maps.Clone(l.facts.unplaced)
	l.workers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
		defer cancel()
		placed, err := l.cfg.DB.PortsOf(ctx, l.cfg.Bridges.Integration)
		l.db.results <- dbResult{asked: asked, placed: placed, err: err}
	})
}

// onDatabase takes the end of a transaction or of a question.
func (l *Loop) onDatabase(res dbResult) {
	question := res.asked != nil
	if question {
		l.db.asking = false
	} else {
		l.db.busy = false
	}
	if res.err != nil {
		l.db.replan = true
		l.db.retryAt = l.cfg.Now().Add(l.db.wait/2 + rand.N(l.db.wait/2))
		l.db.wait = min(2*l.db.wait, databaseRetryMax)
		l.problems.replace(sourceDatabase, map[string]string{"database": res.err.Error()})
		l.checkTags()
		return
	}
	l.db.wait = databaseRetryFirst
	l.problems.replace(sourceDatabase, nil)
	if question {
		for _, id := range l.facts.place(res.asked, res.placed) {
			l.rescan[id] = true
		}
		return
	}
	l.log.Info("database changed", zap.Int("operations", res.ops))
	l.db.replan = true
	l.checkTags()
	l.takeDatabase()
}

// desiredBridges is what the database should hold: the configured bridges, and
// tunnels to the hosts that share a network with this one.
func (l *Loop) desiredBridges() bridges.Desired {
	d := l.cfg.Bridges
	d.Tunnels, d.Incomplete = nil, !l.mirror.full || l.stale()
	for _, host := range slices.Sorted(maps.Keys(l.mirror.endpoints)) {
		e := l.mirror.endpoints[host]
		for _, t := range e.Types {
			if slices.Contains(l.cfg.TunnelTypes, t) {
				d.Tunnels = append(d.Tunnels, bridges.Tunnel{Type: t, Host: host, Remote: e.IP, DstPort: e.VXLANPort})
			}
		}
	}
	return d
}
