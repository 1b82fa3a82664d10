package dhcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// This file: what others changed in the servers' namespaces and files. Nothing
// tells of that, so they are read at intervals.

// errHeld is what keeps a server from being brought to what is desired in mode
// hold.
var errHeld = errors.New("held back")

// audit has every server looked at that is not worked on anyway.
func (l *Loop) audit() {
	l.auditing = true
	now := time.Now()
	for _, n := range l.networks {
		if !n.busy && n.due.After(now) && n.known && n.want != nil && n.problem == "" {
			n.audit, n.due, n.light = true, now, false
		}
	}
}

// auditDone says so when all have been looked at.
func (l *Loop) auditDone() {
	if !l.auditing {
		return
	}
	for _, n := range l.networks {
		if n.audit {
			return
		}
	}
	l.auditing = false
	l.audits.Done()
}

// found tells what an audit found.
func (l *Loop) found(res result) {
	list := make([]audit.Finding, len(res.found))
	for i, text := range res.found {
		list[i] = audit.Finding{Kind: "dhcp", Place: res.ns, Object: "network " + res.id, Text: text}
	}
	l.cfg.Audit.Found(list...)
}

// attempt does what the mode allows: in mode hold, and at an audit in mode watch,
// the server is only looked at.
func (j *job) attempt(ctx context.Context) error {
	mode := j.cfg.Audit.Mode()
	if mode == audit.Hold && j.want == nil {
		return fmt.Errorf("%w: the server is to be removed", errHeld)
	}
	if j.want != nil && (mode == audit.Hold || j.audit) {
		if err := j.inspect(ctx); err != nil {
			return err
		}
	}
	switch {
	case mode == audit.Hold && len(j.res.found) > 0:
		return fmt.Errorf("%w: %s", errHeld, strings.Join(j.res.found, "; "))
	case mode == audit.Hold, mode == audit.Watch && j.audit:
		return nil
	case j.want == nil:
		return j.remove(ctx)
	}
	err := j.realise(ctx)
	if err == nil && j.stained { // dnsmasq may have read what somebody wrote
		err = j.cfg.Children.Signal(childName(j.id), syscall.SIGHUP)
	}
	return err
}

// inspect lists what is not as it should be, and changes nothing.
func (j *job) inspect(ctx context.Context) error {
	for _, name := range j.names() {
		owner, exists, err := netns.Owner(name)
		if err != nil {
			return err
		}
		if exists && owner == j.cfg.Owner {
			j.res.ns = name
		}
	}
	if j.res.ns == "" {
		j.note("its network namespace is missing")
		return nil
	}
	inside, err := netns.HasLink(j.res.ns, j.want.Port.Name)
	if err != nil {
		return err
	}
	if !inside {
		j.note("link %s is missing", j.want.Port.Name)
	}
	state, err := links.Read(j.res.ns)
	if err != nil {
		return err
	}
	changes, _ := links.Diff(state, j.want.Links) // a missing link has been noted
	for _, c := range changes {
		j.note("lacks: %s", c)
	}
	if err := j.inspectGuard(ctx); err != nil {
		return err
	}
	files := j.want.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if have, err := os.ReadFile(filepath.Join(j.dir(), name)); err != nil || string(have) != files[name] {
			j.note("file %s of dnsmasq was changed", name)
			j.stained = true
		}
	}
	return nil
}

func (j *job) note(format string, args ...any) {
	j.res.found = append(j.res.found, fmt.Sprintf(format, args...))
}
