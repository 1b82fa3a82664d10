package metadata

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// This file: what others changed of the proxy's files and, in mode local, of its
// port, link and namespace. The redirects of routers and the addresses of DHCP
// servers are audited with those.

// audit looks for files that are not as they were written, and for such as nobody
// wrote.
func (l *Loop) audit() {
	defer l.audits.Done()
	if !l.full {
		return
	}
	found, strangers := l.changedFiles()
	l.cfg.Audit.Found(found...)
	if len(found) == 0 || l.cfg.Audit.Mode() != audit.Repair {
		return
	}
	for _, path := range strangers {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.log.Warn("a file in the metadata proxy's directory cannot be removed", zap.String("file", path), zap.Error(err))
		}
	}
	l.write()
	// The proxy may have read what somebody wrote.
	if err := l.cfg.Children.Signal(childName, syscall.SIGHUP); err != nil {
		l.log.Warn("the metadata proxy does not read its files again", zap.Error(err))
	}
}

// changedFiles lists what is not as it was written, and has it written again at
// the next write if that is the mode. Strangers are files of scopes that nobody
// here wrote.
func (l *Loop) changedFiles() (found []audit.Finding, strangers []string) {
	note := func(path, text string) {
		f := audit.Finding{Kind: "metadata", Place: l.dir, Text: fmt.Sprintf("file %s of the metadata proxy %s", filepath.Base(path), text)}
		found = append(found, f)
	}
	for _, path := range slices.Sorted(maps.Keys(l.written)) {
		b, err := os.ReadFile(path)
		sum := sha256.Sum256(b)
		switch {
		case err != nil:
			note(path, "is missing")
		case hex.EncodeToString(sum[:]) != l.written[path]:
			note(path, "was changed")
		default:
			continue
		}
		if l.cfg.Audit.Mode() == audit.Repair {
			delete(l.written, path)
			if filepath.Dir(path) == l.scopesDir() {
				l.dirty[strings.TrimSuffix(filepath.Base(path), ".json")] = true
			}
		}
	}
	entries, err := os.ReadDir(l.scopesDir())
	if err != nil || !l.complete {
		return found, nil
	}
	for _, e := range entries {
		path := filepath.Join(l.scopesDir(), e.Name())
		if l.written[path] == "" && !l.dirty[strings.TrimSuffix(e.Name(), ".json")] {
			note(path, "is not ours")
			strangers = append(strangers, path)
		}
	}
	return found, strangers
}

func (l *Loop) scopesDir() string { return filepath.Dir(proxy.ScopeFile(l.dir, "x")) }

// heldBack is what mode hold keeps from being done.
func heldBack(list []string) error {
	return fmt.Errorf("held back: %s", strings.Join(list, "; "))
}

// inspectLink lists what is not as it should be of the proxy's port, link and
// namespace, and changes nothing.
func (l *Loop) inspectLink() ([]string, error) {
	var notes []string
	if i, ok := l.cfg.DB.State().Interfaces[LocalLink]; !ok || i.ExternalIDs[localKey] != l.cfg.Host {
		notes = append(notes, "port "+LocalLink+" is missing on "+l.cfg.Bridge)
	}
	ns, err := netns.Own(l.cfg.Owner, localSpaces(l.cfg.Host)...)
	if err != nil {
		return nil, err
	}
	if ns == "" {
		return append(notes, "its network namespace is missing"), nil
	}
	inside, err := netns.HasLink(ns, LocalLink)
	if err != nil {
		return nil, err
	}
	if !inside {
		return append(notes, "link "+LocalLink+" is missing in "+ns), nil
	}
	state, err := links.Read(ns)
	if err != nil {
		return nil, err
	}
	changes, _ := links.Diff(state, localConfig())
	for _, c := range changes {
		notes = append(notes, fmt.Sprintf("lacks: %s", c))
	}
	return notes, nil
}

// tellLink notes what was found of the link, once as long as it stays so.
func (l *Loop) tellLink(notes []string) {
	if slices.Equal(notes, l.linkTold) {
		return
	}
	if l.linkTold = notes; l.cfg.Audit.Mode() == audit.Repair {
		l.linkTold = nil
	}
	list := make([]audit.Finding, len(notes))
	for i, text := range notes {
		list[i] = audit.Finding{Kind: "metadata", Place: localScope, Text: text}
	}
	l.cfg.Audit.Found(list...)
}
