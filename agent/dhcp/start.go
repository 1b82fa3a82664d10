package dhcp

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// prepare makes the ports of all servers at once, when the first records have
// come: Open vSwitch takes as long for two hundred ports in one transaction as
// for a few. It reports whether that is done. Should it be refused, because of
// one network, each still makes its own.
func (l *Loop) prepare(ctx context.Context) bool {
	if l.prepared == nil {
		done := make(chan struct{})
		l.prepared = done
		var ops []ovsdb.Op
		for _, id := range slices.Sorted(maps.Keys(l.networks)) {
			if n := l.networks[id]; n.want != nil && l.cfg.Audit.Mode() != audit.Hold {
				ops = append(ops, n.want.port(l.cfg.Bridge))
			}
		}
		l.workers.Go(func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(ctx, jobTimeout)
			defer cancel()
			if err := l.cfg.DB.Commit(ctx, ops...); err != nil {
				l.log.Warn("ports of all dhcp servers not made at once", zap.Error(err))
			}
		})
	}
	select {
	case <-l.prepared:
		return true
	default:
		return false
	}
}

// sweep looks once for what is left of servers that went while no agent ran.
// The records must be complete.
func (l *Loop) sweep() {
	if l.swept || l.stored || !l.cfg.DB.State().Connected {
		return
	}
	l.swept = true
	found := map[string]bool{}
	names, err := netns.List(namespacePrefix)
	if err != nil {
		l.log.Warn("namespaces cannot be listed", zap.Error(err))
	}
	for _, name := range names {
		id := strings.TrimSuffix(strings.TrimPrefix(name, namespacePrefix), "-"+l.cfg.Host)
		if owner, exists, err := netns.Owner(name); err == nil && exists && owner == l.cfg.Owner {
			found[id] = true
		}
	}
	for _, i := range l.cfg.DB.State().Interfaces {
		if id := i.ExternalIDs[networkKey]; id != "" {
			found[id] = true
		}
	}
	children, err := l.cfg.Children.Names()
	if err != nil {
		l.log.Warn("children cannot be listed", zap.Error(err))
	}
	for _, name := range children {
		if id, ok := strings.CutPrefix(name, childName("")); ok {
			found[id] = true
		}
	}
	dirs, err := os.ReadDir(filepath.Join(l.cfg.RunDir, "dhcp"))
	if err != nil && !os.IsNotExist(err) {
		l.log.Warn("files of dnsmasq cannot be listed", zap.Error(err))
	}
	for _, d := range dirs {
		found[d.Name()] = true
	}
	for id := range found {
		if l.networks[id] == nil {
			l.networks[id] = &network{id: id, wait: retryFirst, due: time.Now()}
		}
	}
}
