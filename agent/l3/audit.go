package l3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// This file: what others changed in the routers' namespaces. Nothing tells of
// that, so they are read at intervals.

// errHeld is what keeps a router from being brought to what is desired in mode
// hold.
var errHeld = errors.New("held back")

// audit has every router looked at that is not worked on anyway.
func (l *Loop) audit() {
	l.auditing = true
	now := time.Now()
	for _, r := range l.routers {
		if !r.busy && r.due.After(now) && r.known && r.want != nil && r.problem == "" {
			r.audit, r.due, r.light = true, now, false
		}
	}
}

// auditDone says so when all have been looked at.
func (l *Loop) auditDone() {
	if !l.auditing {
		return
	}
	for _, r := range l.routers {
		if r.audit {
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
		list[i] = audit.Finding{Kind: "router", Place: res.ns, Object: "router " + res.id, Text: text}
	}
	l.cfg.Audit.Found(list...)
}

// attempt does what the mode allows: in mode hold, and at an audit in mode watch,
// the router is only looked at.
func (j *job) attempt(ctx context.Context) error {
	mode := j.cfg.Audit.Mode()
	if mode == audit.Hold && j.want == nil {
		return fmt.Errorf("%w: the router is to be removed", errHeld)
	}
	if mode == audit.Hold || j.audit {
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
	return j.realise(ctx)
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
	ns := j.res.ns
	if ns == "" {
		j.note("its network namespace is missing")
		return nil
	}
	for _, p := range j.want.Ports {
		inside, err := netns.HasLink(ns, p.Name)
		if err != nil {
			return err
		}
		if !inside {
			j.note("link %s is missing", p.Name)
		}
	}
	for family, set := range map[iptables.Family]iptables.Ruleset{iptables.IPv4: j.want.V4, iptables.IPv6: j.want.V6} {
		have, err := iptables.Read(ctx, ns, family)
		if err != nil {
			return err
		}
		text, err := iptables.Diff(have, set)
		if err != nil {
			return err
		}
		if n := strings.Count(text, "\n"); n > 0 {
			j.note("rules of %s are not as they were: %d lines put them right", family, n)
		}
	}
	state, err := links.Read(ns)
	if err != nil {
		return err
	}
	changes, _ := links.Diff(state, j.want.Links) // a missing link has been noted
	for _, c := range changes {
		j.note("lacks: %s", c)
	}
	if want := j.want.RADVD; want != "" {
		if have, err := os.ReadFile(j.radvdFile(".conf")); err != nil || string(have) != want {
			j.note("the file of radvd was changed")
		}
	}
	return nil
}

func (j *job) note(format string, args ...any) {
	j.res.found = append(j.res.found, fmt.Sprintf(format, args...))
}
