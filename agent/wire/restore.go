package wire

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// This file: other_config:flow-restore-wait. An ovs-vswitchd that finds it when
// it starts leaves the kernel's datapath as the one before it left it, and sends
// nothing up, until the flag is gone; so connections go on while its tables are
// empty. ovs-ctl sets it for a restart. When ovs-vswitchd dies nobody does, except
// the agent, which hears of that first: it sets the flag, with a mark of its own,
// if all bridges are Lepton's. Other bridges would stand still with ours, and if
// the agent died before it takes the flag away nobody would wake them; ours carry
// nothing without the agent's flows anyway.
//
// The flag is taken away as soon as all bridges have their flows; a flag of ours
// also when that does not come about within restoreWait, and somebody else's
// when it is still there restoreGrace after our flows are.

const (
	restoreWait  = 30 * time.Second
	restoreGrace = 10 * time.Second
	restoreFlag  = "flow-restore-wait"
)

// restore is what the loop knows of a switch that starts.
type restore struct {
	gone   bool      // nobody answers at the integration bridge
	backAt time.Time // since when somebody does; zero: not yet
	doneAt time.Time // since when all bridges have their flows while the flag is there
}

// noteLost notes whether the switch is gone, or just a connection.
func (l *Loop) noteLost(bridge string, err error) {
	if bridge != l.cfg.Bridges.Integration {
		return
	}
	l.restore.backAt, l.restore.doneAt = time.Time{}, time.Time{}
	l.restore.gone = errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// noteBack notes that the switch answers.
func (l *Loop) noteBack(bridge string) {
	if bridge == l.cfg.Bridges.Integration {
		l.restore.gone, l.restore.backAt = false, l.cfg.Now()
	}
}

// restoreOps sets the flag or takes it away. It returns when it wants to be asked
// again.
func (l *Loop) restoreOps(now time.Time) ([]ovsdb.Op, time.Time) {
	root := l.db.state.OpenVSwitch
	flag, mark := root.OtherConfig[restoreFlag] == "true", root.ExternalIDs[ovsdb.RestoreKey] != ""
	clear := []ovsdb.Op{ovsdb.SetRoot{RemoveOtherConfig: []string{restoreFlag}, RemoveExternalIDs: []string{ovsdb.RestoreKey}}}
	switch {
	case !flag && mark && !l.restore.gone: // somebody has taken it away
		return []ovsdb.Op{ovsdb.SetRoot{RemoveExternalIDs: []string{ovsdb.RestoreKey}}}, time.Time{}
	case !flag && l.restore.gone && l.mayHoldSwitch():
		l.log.Warn("ovs-vswitchd is gone: the next one is to wait for its flows")
		return []ovsdb.Op{ovsdb.SetRoot{
			OtherConfig: map[string]string{restoreFlag: "true"},
			ExternalIDs: map[string]string{ovsdb.RestoreKey: now.UTC().Format(time.RFC3339)},
		}}, time.Time{}
	case !flag || l.restore.gone || l.restore.backAt.IsZero():
		l.restore.doneAt = time.Time{}
		return nil, time.Time{}
	}
	if l.restore.doneAt.IsZero() && l.filled() {
		l.restore.doneAt = now
	}
	var due time.Time
	switch {
	case mark && !l.restore.doneAt.IsZero():
		due = now
	case mark:
		due = l.restore.backAt.Add(restoreWait)
	case !l.restore.doneAt.IsZero():
		due = l.restore.doneAt.Add(restoreGrace)
	}
	if due.IsZero() || now.Before(due) {
		return nil, due
	}
	l.log.Info("ovs-vswitchd need not wait any more: flow-restore-wait is taken away",
		zap.Bool("ours", mark), zap.Bool("all flows installed", !l.restore.doneAt.IsZero()))
	return clear, time.Time{}
}

// filled reports whether all bridges have their flows.
func (l *Loop) filled() bool {
	if l.gen == 0 {
		return false
	}
	for name, b := range l.bridges {
		if l.wanted(name) && (!b.synced || b.working() || b.applied != l.gen) {
			return false
		}
	}
	return true
}

// mayHoldSwitch reports whether only Lepton's bridges wait with a switch that
// waits, and whether the agent knows what they wait for.
func (l *Loop) mayHoldSwitch() bool {
	if l.gen == 0 || l.cfg.Audit.Mode() == audit.Hold {
		return false
	}
	ours := append(slices.Collect(maps.Values(l.cfg.Bridges.BridgeMappings)), l.cfg.Bridges.Integration, l.cfg.Bridges.Tunnel)
	for name := range l.db.state.Bridges {
		if !slices.Contains(ours, name) {
			return false
		}
	}
	return true
}
