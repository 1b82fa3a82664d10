package dhcp

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// This file: what others changed in the servers' namespaces and files.

// Inspect notes what is not as it should be.
func (j *job) Inspect(ctx context.Context) error {
	j.guarded = false // until it has been looked
	inside, err := netns.HasLink(j.Namespace, j.want.Port.Name)
	if err != nil {
		return err
	}
	if !inside {
		j.Note("link %s is missing", j.want.Port.Name)
	}
	state, err := links.Read(j.Namespace)
	if err != nil {
		return err
	}
	changes, _ := links.Diff(state, j.want.Links) // a missing link has been noted
	for _, c := range changes {
		j.Note("lacks: %s", c)
	}
	if err := j.inspectGuard(ctx); err != nil {
		return err
	}
	files := j.want.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if have, err := os.ReadFile(filepath.Join(j.dir(), name)); err != nil || string(have) != files[name] {
			j.Note("file %s of dnsmasq was changed", name)
			j.stained = true
		}
	}
	return nil
}
