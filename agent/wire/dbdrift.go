package wire

import (
	"fmt"
	"reflect"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// This file: what others changed in the database. The database tells of every
// change at once; what lacks there although it was there before and nothing else
// is wanted now, somebody has taken away.

// rightTag is a tag that was seen on a port.
type rightTag struct {
	uuid string // of the row: a port that is made anew is another one
	tag  int
}

// siftPlan tells which operations put right what others changed, and leaves
// these out unless they are to be repaired.
func (l *Loop) siftPlan(ops []ovsdb.Op, desired bridges.Desired) []ovsdb.Op {
	if len(ops) == 0 {
		l.db.planned = &desired
		clear(l.db.strange)
		return nil
	}
	if l.db.planned == nil || !reflect.DeepEqual(*l.db.planned, desired) {
		return ops
	}
	for _, op := range ops {
		l.tellDatabase(audit.Finding{Kind: "database", Text: "lacks: " + op.String()})
	}
	if l.cfg.Audit.Mode() == audit.Watch {
		return nil
	}
	return ops
}

// siftTag reports whether a port's tag is to be set.
func (l *Loop) siftTag(p ovsdb.Port, want int) bool {
	right := rightTag{p.UUID, want}
	if p.Tag == want {
		l.db.tagged[p.Name] = right
		return false
	}
	if l.db.tagged[p.Name] != right {
		return true
	}
	object := ""
	if plug, ok := l.facts.plugs[p.Name]; ok {
		object = "port " + plug.portID
	}
	l.tellDatabase(audit.Finding{
		Kind: "port", Place: l.cfg.Bridges.Integration, Object: object,
		Text: fmt.Sprintf("port %s has tag %d instead of %d", p.Name, p.Tag, want),
	})
	return l.cfg.Audit.Mode() != audit.Watch
}

// heldOps gives the operations, or in mode hold tells of them and gives none.
func (l *Loop) heldOps(ops []ovsdb.Op) []ovsdb.Op {
	if l.cfg.Audit.Mode() != audit.Hold {
		return ops
	}
	for _, op := range ops {
		l.tellDatabase(audit.Finding{Kind: "database", Text: "held back: " + op.String()})
	}
	return nil
}

// tellDatabase notes a finding once, until the database is seen to be right.
func (l *Loop) tellDatabase(f audit.Finding) {
	if l.db.strange[f.Text] {
		return
	}
	l.db.strange[f.Text] = true
	l.cfg.Audit.Found(f)
}
