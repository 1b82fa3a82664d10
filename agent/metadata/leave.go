package metadata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// This file: what an earlier agent left that this one is not to have.

// Leave stops the proxy that an earlier agent left on a host which no longer
// serves metadata, and removes its files, its port and its namespace.
func Leave(ctx context.Context, c Config) error {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	return errors.Join(stopProxy(ctx, c.Children, c.RunDir), leaveLink(ctx, c))
}

func stopProxy(ctx context.Context, children *child.Supervisor, runDir string) error {
	if err := children.Stop(ctx, childName); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(runDir, "metadata"))
}

// leaveLink removes the proxy's port from the integration bridge, and the
// namespace.
func leaveLink(ctx context.Context, c Config) error {
	if i, ok := c.DB.State().Interfaces[LocalLink]; ok && i.ExternalIDs[localKey] == c.Host {
		if err := internalport.Drop(ctx, c.DB, ovsdb.DeletePort{Bridge: c.Bridge, Name: LocalLink}); err != nil {
			return fmt.Errorf("port on %s: %w", c.Bridge, err)
		}
	}
	_, err := netns.DeleteOwn(c.Owner, localSpaces(c.Host)...)
	return err
}
