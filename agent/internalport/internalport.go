// Package internalport gets the links of internal ports of Open vSwitch into
// the network namespaces of routers and DHCP servers, and takes them away again.
//
// ovs-vswitchd makes the device of a row of type "internal" once, and takes a row
// that was deleted and made again before it looked for the same one
// (ovs-vswitchd.conf.db(5), table Interface). A device that went with its
// namespace meanwhile is then in no namespace, and the switch does not miss it.
package internalport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// Deadlines.
const (
	// patience is how long Open vSwitch may take to make a link.
	patience = 10 * time.Second
	// suspicion is how long a link may be missing before the switch is asked
	// whether it is still at work.
	suspicion = time.Second
	// look is between two looks at what the switch says of a port.
	look = 3 * time.Millisecond
	// followed is how long the switch may take to do what the database says.
	followed = 5 * time.Second
)

// Database is Open vSwitch's configuration database (*ovsdb.Client).
type Database interface {
	Commit(ctx context.Context, ops ...ovsdb.Op) error
	CommitAndWait(ctx context.Context, ops ...ovsdb.Op) error
	State() ovsdb.State
}

// Fetch gets the link of a port that the database has into the namespace to from
// the one in which Open vSwitch makes its links, "" being the caller's own. It
// reports whether it moved the link. One that the switch believes to have and
// that is in neither has the port made anew.
//
// The error is netns.ErrNotMade, with what the switch says, when there is no link
// after ten seconds.
func Fetch(ctx context.Context, db Database, port ovsdb.EnsurePort, from, to string) (moved bool, err error) {
	await(ctx, db, port.Name, to)
	moved, err = netns.FetchLink(ctx, port.Name, from, to, suspicion)
	if !errors.Is(err, netns.ErrNotMade) {
		return moved, err
	}
	if settle(ctx, db) == nil {
		moved, err = netns.FetchLink(ctx, port.Name, from, to, 0)
		if !errors.Is(err, netns.ErrNotMade) {
			return moved, err
		}
		if db.State().Interfaces[port.Name].OFPort > 0 {
			if err := remake(ctx, db, port); err != nil {
				return false, fmt.Errorf("port %s, which has lost its link: %w", port.Name, err)
			}
		}
	}
	moved, err = netns.FetchLink(ctx, port.Name, from, to, patience)
	if text := db.State().Interfaces[port.Name].Error; errors.Is(err, netns.ErrNotMade) && text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return moved, err
}

// await gives Open vSwitch time to be done with a link that is to be moved, a
// second at most. It makes the device first and then opens it by its name, which
// fails when that has gone to another namespace meanwhile; the interface has an
// ofport, or -1, after that.
func await(ctx context.Context, db Database, link, to string) {
	if inside, err := netns.HasLink(to, link); err != nil || inside {
		return
	}
	for deadline := time.Now().Add(suspicion); db.State().Interfaces[link].OFPort == 0 && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(look):
		}
	}
}

// remake has the switch let go of a port before it is made again.
func remake(ctx context.Context, db Database, port ovsdb.EnsurePort) error {
	ctx, cancel := context.WithTimeout(ctx, followed)
	defer cancel()
	if err := db.CommitAndWait(ctx, ovsdb.DeletePort{Bridge: port.Bridge, Name: port.Name}); err != nil {
		return err
	}
	return db.Commit(ctx, port)
}

// Drop deletes ports, and waits until Open vSwitch has let go of their links: the
// namespace that holds them may be deleted then. A switch that does not follow
// within five seconds holds nothing up; Fetch puts right what comes of it.
func Drop(ctx context.Context, db Database, ops ...ovsdb.Op) error {
	if len(ops) == 0 {
		return nil
	}
	if err := db.Commit(ctx, ops...); err != nil {
		return err
	}
	_ = settle(ctx, db)
	return ctx.Err()
}

// settle waits until Open vSwitch has done what the database says, five seconds
// at most.
func settle(ctx context.Context, db Database) error {
	ctx, cancel := context.WithTimeout(ctx, followed)
	defer cancel()
	return db.CommitAndWait(ctx)
}
