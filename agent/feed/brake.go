package feed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// This file: the brake. A controller deletes what it deletes by name: in a
// difference, or in the list of deletions that a full update may have. Records
// that a full update simply lacks are gone as well, and for a few that is all
// there is to know; when it is most of what the host carries, the controller's
// store is more likely to be wrong than the host. Then they are kept.

// Brake says when a full update removes too much.
type Brake struct {
	// Host is this host: its own ports count.
	Host string
	// Share is what may go at once, in percent of what the host has of a kind; 0
	// or 100 and more: everything, there is no brake.
	Share int
	// Floor is how many may always go; of records about other hosts ten times as
	// many.
	Floor int
	// Plugged reports whether a port's interface is in the switch: nothing is
	// lost by a port that has none. nil: all are.
	Plugged func() map[string]bool
}

// brakeObject is what the problem is about.
const brakeObject = "brake"

// tally counts what there is of a class of records, and what of it would go.
type tally struct {
	class      string
	had, lost  int
	floorTimes int
}

// judge gives the update as it is to be used: a full one that would remove too
// much gets what it lacks.
func (f *Feed) judge(u rpc.Update) rpc.Update {
	b := f.cfg.Brake
	if b.Share <= 0 || b.Share >= 100 {
		return u
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !u.Full {
		f.follow(&u)
		return u
	}
	missing := f.state.Missing(&u)
	over := f.overshoot(&u, missing)
	if len(over) == 0 {
		f.setHeld(nil, "")
		return u
	}
	held := make(map[rpc.Ref]bool, len(missing))
	u = clone(&u)
	for _, r := range missing {
		held[r] = true
		u.Put(r.Kind, f.state.Get(r))
	}
	f.setHeld(held, fmt.Sprintf("revision %d of the controller lacks %s, and names none of them as deleted: %d records are kept until it has or deletes them, or leptonctl release lets go",
		u.Revision, strings.Join(over, ", "), len(held)))
	return u
}

// clone gives an update whose lists may be added to.
func clone(u *rpc.Update) rpc.Update {
	c := rpc.Update{Full: u.Full, Stored: u.Stored, Revision: u.Revision, Settings: u.Settings, Deleted: u.Deleted, Rejected: u.Rejected}
	for r, rec := range u.Records() {
		c.Put(r.Kind, rec)
	}
	return c
}

// follow takes what a difference names off the list of what is held.
func (f *Feed) follow(u *rpc.Update) {
	if len(f.held) == 0 {
		return
	}
	for r := range u.Records() {
		delete(f.held, r)
	}
	for r := range u.Deletions() {
		delete(f.held, r)
	}
	if len(f.held) == 0 {
		f.setHeld(nil, "")
	}
	f.cfg.Metrics.brake(len(f.held))
}

// setHeld notes what is held and why; nothing for an empty text. The mutex is
// held.
func (f *Feed) setHeld(held map[rpc.Ref]bool, text string) {
	switch {
	case text != "":
		f.log.Error("brake: "+text, zap.Int("records", len(held)))
	case len(f.held) > 0 || f.own[brakeObject].Text != "":
		f.log.Info("brake: nothing is held any more")
	}
	f.held = held
	f.setProblem(brakeObject, text, f.cfg.Now())
	f.cfg.Metrics.brake(len(held))
}

// overshoot says of which classes too much would go.
func (f *Feed) overshoot(u *rpc.Update, missing []rpc.Ref) []string {
	if len(missing) <= f.cfg.Brake.Floor {
		return nil
	}
	c := f.newCensus(u)
	for r, rec := range f.state.Records() {
		if t := c.classOf(r, rec); t != nil {
			t.had++
		}
	}
	for _, r := range missing {
		if t := c.classOf(r, f.state.Get(r)); t != nil {
			t.lost++
		}
	}
	var over []string
	for _, t := range []*tally{&c.ports, &c.routers, &c.dhcp, &c.around} {
		if t.lost > f.cfg.Brake.Floor*t.floorTimes && t.lost*100 > t.had*f.cfg.Brake.Share {
			over = append(over, fmt.Sprintf("%d of %d %s", t.lost, t.had, t.class))
		}
	}
	return over
}

// census sorts records into the classes that are counted.
type census struct {
	host             string
	plugged          map[string]bool // nil: all
	networks, groups map[string]bool // that the host has after the update

	ports, routers, dhcp, around tally
}

func (f *Feed) newCensus(u *rpc.Update) *census {
	c := &census{
		host: f.cfg.Brake.Host, networks: map[string]bool{}, groups: map[string]bool{},
		ports:   tally{class: "plugged ports of this host", floorTimes: 1},
		routers: tally{class: "routers", floorTimes: 1},
		dhcp:    tally{class: "networks served with DHCP", floorTimes: 1},
		around:  tally{class: "ports elsewhere, rules and members of this host's networks and groups", floorTimes: 10},
	}
	if f.cfg.Brake.Plugged != nil {
		c.plugged = f.cfg.Brake.Plugged()
	}
	for _, n := range u.Networks {
		c.networks[n.ID] = true
	}
	for _, g := range u.Groups {
		c.groups[g.ID] = true
	}
	return c
}

// classOf gives the class of a record, nil for one that does not count. What
// belongs to a network or a group that the host has no more goes with it.
func (c *census) classOf(r rpc.Ref, rec any) *tally {
	switch rec := rec.(type) {
	case *model.Port:
		switch {
		case rec.Host == c.host && (c.plugged == nil || c.plugged[rec.ID]):
			return &c.ports
		case rec.Host != c.host && c.networks[rec.NetworkID]:
			return &c.around
		}
	case *model.Router:
		return &c.routers
	case *model.DHCPBinding:
		return &c.dhcp
	case *model.SecurityGroupRule:
		if c.groups[rec.SecurityGroupID] {
			return &c.around
		}
	case *model.GroupMember:
		if c.groups[rec.GroupID] {
			return &c.around
		}
	}
	return nil
}

// ErrNotRunning is the answer of a feed that does not run.
var ErrNotRunning = errors.New("the agent is stopping")

// Release lets go of what the brake keeps, and gives the number of records. The
// loops then remove what is gone.
func (f *Feed) Release(ctx context.Context) (int, error) {
	answer := make(chan int, 1)
	select {
	case f.release <- answer:
		return <-answer, nil
	case <-ctx.Done():
		return 0, errors.Join(ErrNotRunning, ctx.Err())
	}
}

// Held tells how many records the brake keeps, and why.
func (f *Feed) Held() (int, model.Problem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.held), f.own[brakeObject]
}

func (f *Feed) letGo(ctx context.Context) int {
	f.mu.Lock()
	held := f.held
	u := rpc.Update{Revision: f.state.Revision(), Settings: f.state.Settings()}
	for _, r := range slices.SortedFunc(maps.Keys(held), compareRefs) {
		u.Delete(r.Kind, r.ID)
	}
	f.setHeld(nil, "")
	f.mu.Unlock()
	if len(held) > 0 {
		f.log.Warn("brake: released by an operator", zap.Int("records", len(held)))
		f.take(ctx, u)
	}
	return len(held)
}

func compareRefs(a, b rpc.Ref) int {
	if n := strings.Compare(string(a.Kind), string(b.Kind)); n != 0 {
		return n
	}
	return strings.Compare(a.ID, b.ID)
}
