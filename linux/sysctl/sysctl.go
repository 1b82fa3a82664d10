// Package sysctl sets kernel parameters of a network namespace.
package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Apply writes the settings that have another value, in the order of their
// names, and says which. Names are those of sysctl(8), with dots, and begin
// with "net.": only those belong to a namespace. A setting that this kernel
// does not have is skipped, as on a machine without IPv6. The others are
// written even when one fails.
func Apply(namespace string, want map[string]string) (changed []string, err error) {
	err = netns.Do(namespace, func() error {
		var errs []error
		for _, name := range slices.Sorted(maps.Keys(want)) {
			did, err := set(name, want[name])
			if err != nil {
				errs = append(errs, err)
			}
			if did {
				changed = append(changed, name+"="+want[name])
			}
		}
		return errors.Join(errs...)
	})
	return changed, err
}

// set writes a setting of the calling thread's namespace if it differs.
func set(name, value string) (bool, error) {
	if !strings.HasPrefix(name, "net.") || strings.ContainsAny(name, "/") || strings.Contains(name, "..") {
		return false, fmt.Errorf("sysctl %q is not one of a network namespace", name)
	}
	path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read sysctl %s: %w", name, err)
	}
	if slices.Equal(strings.Fields(string(have)), strings.Fields(value)) {
		return false, nil
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return false, fmt.Errorf("set sysctl %s to %s: %w", name, value, err)
	}
	return true, nil
}
