package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// Task is one attempt to bring one object to what is desired: a type with a Job
// in it. A worker calls one of its other methods, or Inspect and then another.
type Task interface {
	AsJob() *Job
	// Inspect notes what is not as it should be in the object's namespace, and of
	// its files, and changes nothing.
	Inspect(context.Context) error
	// Realise writes what differs from what is desired.
	Realise(context.Context) error
	// Remove takes the object off this host.
	Remove(context.Context) error
}

// Job is what all tasks have.
type Job struct {
	ID string
	// Light looks at the links only; First is the first attempt of this agent, or
	// one after others that may have left anything. Audit looks for what others
	// changed first.
	Light, First, Audit bool

	// Namespace is the object's, once there is one.
	Namespace string
	// Changes counts what was written.
	Changes int
	Err     error

	unwanted bool
	names    []string
	kind     *Kind
	cfg      *Config
	found    []string // what others changed
	took     time.Duration
}

// AsJob is the job itself, for Task.
func (j *Job) AsJob() *Job { return j }

// Note says that something is not as it should be.
func (j *Job) Note(format string, args ...any) {
	j.found = append(j.found, fmt.Sprintf(format, args...))
}

// errHeld is what keeps an object from being brought to what is desired in mode
// hold.
var errHeld = errors.New("held back")

// attempt does what the mode allows: in mode hold, and at an audit in mode watch,
// the object is only looked at.
func attempt(ctx context.Context, t Task) error {
	j := t.AsJob()
	mode := j.cfg.Audit.Mode()
	switch {
	case mode == audit.Hold && j.unwanted:
		return fmt.Errorf("%w: the %s is to be removed", errHeld, j.kind.Thing)
	case j.unwanted:
		return t.Remove(ctx)
	case mode == audit.Hold || j.Audit:
		if err := inspect(ctx, t); err != nil {
			return err
		}
	}
	switch {
	case mode == audit.Hold && len(j.found) > 0:
		return fmt.Errorf("%w: %s", errHeld, strings.Join(j.found, "; "))
	case mode == audit.Hold, mode == audit.Watch && j.Audit:
		return nil
	}
	return t.Realise(ctx)
}

func inspect(ctx context.Context, t Task) (err error) {
	j := t.AsJob()
	if j.Namespace, err = netns.Own(j.cfg.Owner, j.names...); err != nil {
		return err
	}
	if j.Namespace == "" {
		j.Note("its network namespace is missing")
		return nil
	}
	return t.Inspect(ctx)
}

// audit has every object looked at that is not worked on anyway. Nothing tells of
// what others change in namespaces and files, so they are read at intervals.
func (k *Keeper[O, J]) audit() {
	k.auditing = true
	now := time.Now()
	for _, o := range k.Objects {
		if i := o.AsItem(); !i.busy && i.due.After(now) && i.known && o.Wanted() && i.problem == "" {
			i.audit, i.due, i.light = true, now, false
		}
	}
}

// auditDone says so when all have been looked at.
func (k *Keeper[O, J]) auditDone() {
	if !k.auditing {
		return
	}
	for _, o := range k.Objects {
		if o.AsItem().audit {
			return
		}
	}
	k.auditing = false
	k.audits.Done()
}

// found tells what an audit found.
func (k *Keeper[O, J]) found(j *Job) {
	list := make([]audit.Finding, len(j.found))
	for n, text := range j.found {
		list[n] = audit.Finding{Kind: k.kind.Drift, Place: j.Namespace, Object: k.kind.Noun + " " + j.ID, Text: text}
	}
	k.cfg.Audit.Found(list...)
}
