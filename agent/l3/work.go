package l3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/linux/announce"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/linux/conntrack"
	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/linux/shaping"
	"github.com/lepton-sdn/lepton/linux/sysctl"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// namespacePrefix begins the names of routers' namespaces.
const namespacePrefix = "qrouter-"

// routerKey is the external_id of an interface that says whose it is.
const routerKey = "lepton-router"

// job is one attempt to bring one router to what is desired.
type job struct {
	cfg  *Config
	id   string
	want *Namespace // nil: remove it
	// light looks at the links only; sweep looks at the tracked connections
	// whether or not a rule changed.
	light, sweep bool
	// audit looks for what others changed first.
	audit bool

	ns  string
	res result
}

// result is what became of a job.
type result struct {
	id       string
	err      error
	changes  int
	appeared []links.Address
	// found is what others changed, in the namespace ns.
	found []string
	ns    string
	took  time.Duration
}

func (j *job) run(ctx context.Context) result {
	j.res.id = j.id
	j.res.err = j.attempt(ctx)
	return j.res
}

// realise brings the router to what is desired: what lets traffic pass comes
// after what filters and translates it.
func (j *job) realise(ctx context.Context) error {
	name, made, err := j.namespace()
	if err != nil {
		return err
	}
	j.ns = name
	if made {
		j.res.changes++
	}
	moved, err := j.ports(ctx)
	if err != nil {
		return err
	}
	if j.light && !made && !moved {
		return nil
	}
	j.switchOver()
	set, err := sysctl.Apply(name, j.want.Sysctls)
	j.res.changes += len(set)
	if err != nil {
		return err
	}
	changed, refused := j.rules(ctx)
	if refused != nil && !onlyHelpers(refused) {
		return refused
	}
	errs := []error{refused}
	if changed || j.sweep {
		errs = append(errs, j.connections())
	}
	done, err := links.Apply(name, j.want.Links)
	j.took(done)
	limited, unlimited := shaping.Apply(name, j.want.Limits)
	j.res.changes += len(limited)
	errs = append(errs, err, unlimited, j.advertise(ctx), j.watch(ctx))
	j.resync(ctx)
	return errors.Join(errs...)
}

// namespace makes the router's namespace if it is not there. One that this agent
// has made stays the router's, also when the other agent lets go of the shorter
// name.
func (j *job) namespace() (name string, made bool, err error) {
	for _, name = range j.names() {
		if owner, exists, err := netns.Owner(name); err == nil && exists && owner == j.cfg.Owner {
			return name, false, nil
		}
	}
	for _, name = range j.names() {
		made, err = netns.Ensure(name, j.cfg.Owner)
		if !errors.Is(err, netns.ErrForeign) {
			return name, made, err
		}
	}
	return "", false, err
}

// names are those that the namespace may have. Another agent on this machine
// may have the router too, or still.
func (j *job) names() []string {
	return []string{namespacePrefix + j.id, namespacePrefix + j.id + "-" + j.cfg.Host}
}

// ports brings the router's ports on the integration bridge to what is desired
// and their links into the namespace. It reports whether a link was moved.
func (j *job) ports(ctx context.Context) (moved bool, err error) {
	var ops []ovsdb.Op
	ports := j.want.ports(j.cfg.Bridge)
	desired := map[string]bool{}
	for _, p := range ports {
		ops, desired[p.Name] = append(ops, p), true
	}
	ops = append(ops, j.surplus(desired)...)
	if err := j.cfg.DB.Commit(ctx, ops...); err != nil {
		return false, fmt.Errorf("ports on %s: %w", j.cfg.Bridge, err)
	}
	for _, p := range ports {
		did, err := internalport.Fetch(ctx, j.cfg.DB, p, j.cfg.SwitchNamespace, j.ns)
		if did {
			j.res.changes++
		}
		if err != nil {
			return moved, err
		}
		moved = moved || did
	}
	return moved, nil
}

// ports are the router's ports as the database should have them.
func (n *Namespace) ports(bridge string) []ovsdb.EnsurePort {
	var ports []ovsdb.EnsurePort
	for _, p := range n.Ports {
		ids := map[string]string{
			"iface-id": p.ID, "attached-mac": p.MAC.String(), "iface-status": "active", routerKey: n.RouterID,
		}
		if n.HA != nil && p.Name != n.HA.Link {
			ids[haKey] = n.HA.part()
		}
		ports = append(ports, ovsdb.EnsurePort{
			Bridge: bridge, Name: p.Name, Type: "internal", MTURequest: p.MTU, ExternalIDs: ids,
		})
	}
	return ports
}

// surplus gives the deletion of the router's ports that are not desired.
func (j *job) surplus(desired map[string]bool) []ovsdb.Op {
	var ops []ovsdb.Op
	for name, i := range j.cfg.DB.State().Interfaces {
		if i.ExternalIDs[routerKey] == j.id && !desired[name] {
			ops = append(ops, ovsdb.DeletePort{Name: name})
			j.res.changes++
		}
	}
	return ops
}

// rules applies the rules of both families.
func (j *job) rules(ctx context.Context) (changed bool, err error) {
	var errs []error
	for _, f := range []iptables.Family{iptables.IPv4, iptables.IPv6} {
		set := j.want.V4
		if f == iptables.IPv6 {
			set = j.want.V6
		}
		did, err := iptables.Apply(ctx, j.ns, f, set)
		if did {
			j.res.changes++
			changed = true
		}
		errs = append(errs, err)
	}
	return changed, errors.Join(errs...)
}

// onlyHelpers reports whether only the raw table was refused, which holds
// nothing but conntrack helpers.
func onlyHelpers(err error) bool {
	var table *iptables.TableError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !onlyHelpers(e) {
				return false
			}
		}
		return true
	}
	return errors.As(err, &table) && table.Table == "raw"
}

// connections ends those that what is desired no longer translates.
func (j *job) connections() error {
	if len(j.want.NAT.Networks) == 0 {
		return nil
	}
	// Nothing of IPv6 is translated.
	n, err := conntrack.Delete(j.ns, conntrack.IPv4, func(e conntrack.Entry) bool { return !j.want.NAT.Justifies(e) })
	j.res.changes += n
	return err
}

// radvdName is the name of the router's radvd among the children.
func radvdName(id string) string { return "radvd-" + id }

// radvdFile is a file of the router's radvd.
func (j *job) radvdFile(suffix string) string {
	return filepath.Join(j.cfg.RunDir, "radvd", j.id+suffix)
}

// advertise has radvd run as the records say.
func (j *job) advertise(ctx context.Context) error {
	if j.want.RADVD == "" {
		return j.silence(ctx)
	}
	path := j.radvdFile(".conf")
	have, err := os.ReadFile(path)
	if err != nil || string(have) != j.want.RADVD {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("radvd: %w", err)
		}
		if err := os.WriteFile(path+".new", []byte(j.want.RADVD), 0o644); err != nil {
			return fmt.Errorf("radvd: %w", err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("radvd: %w", err)
		}
		j.res.changes++
	}
	return j.cfg.Children.Ensure(child.Spec{
		Name: radvdName(j.id), Namespace: j.ns, Path: "radvd",
		Args:   []string{"-n", "-C", path, "-p", j.radvdFile(".pid"), "-m", "stderr"},
		Config: digest(j.want.RADVD), Reload: syscall.SIGHUP, Log: j.radvdFile(".log"),
	})
}

// silence stops radvd and removes its files.
func (j *job) silence(ctx context.Context) error {
	if err := j.cfg.Children.Stop(ctx, radvdName(j.id)); err != nil {
		return err
	}
	for _, suffix := range []string{".conf", ".pid", ".log"} {
		if err := os.Remove(j.radvdFile(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// remove takes the router off this host.
func (j *job) remove(ctx context.Context) error {
	if err := j.silence(ctx); err != nil {
		return err
	}
	// The other hosts of an ha router hear that this one goes after it has gone.
	ops := j.surplus(nil)
	last := slices.IndexFunc(ops, func(op ovsdb.Op) bool { return strings.HasPrefix(op.(ovsdb.DeletePort).Name, haPrefix) })
	if last >= 0 {
		ops = slices.Delete(ops, last, last+1)
	}
	if err := j.drop(ctx, ops); err != nil {
		return err
	}
	if err := j.unwatch(ctx); err != nil {
		return err
	}
	if err := j.drop(ctx, j.surplus(nil)); err != nil {
		return err
	}
	var errs []error
	for _, name := range j.names() {
		owner, exists, err := netns.Owner(name)
		if err == nil && exists && owner == j.cfg.Owner {
			err = netns.Delete(name, j.cfg.Owner)
			j.res.changes++
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// drop deletes ports.
func (j *job) drop(ctx context.Context, ops []ovsdb.Op) error {
	if err := internalport.Drop(ctx, j.cfg.DB, ops...); err != nil {
		return fmt.Errorf("ports on %s: %w", j.cfg.Bridge, err)
	}
	return nil
}

// prepare makes the ports of all routers at once, when the first records have
// come: Open vSwitch takes as long for two hundred ports in one transaction as
// for a few. It reports whether that is done. Should it be refused, because of
// one router, each router still makes its own.
func (l *Loop) prepare(ctx context.Context) bool {
	if l.prepared == nil {
		done := make(chan struct{})
		l.prepared = done
		var ops []ovsdb.Op
		for _, id := range slices.Sorted(maps.Keys(l.routers)) {
			if r := l.routers[id]; r.want != nil && l.cfg.Audit.Mode() != audit.Hold {
				for _, p := range r.want.ports(l.cfg.Bridge) {
					ops = append(ops, p)
				}
			}
		}
		l.workers.Go(func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(ctx, jobTimeout)
			defer cancel()
			if err := l.cfg.DB.Commit(ctx, ops...); err != nil {
				l.log.Warn("ports of all routers not made at once", zap.Error(err))
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

// sweep looks once for what is left of routers that went while no agent ran.
// The records must be complete.
func (l *Loop) sweep(context.Context) {
	if l.swept || l.stale || !l.cfg.DB.State().Connected {
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
		if id := i.ExternalIDs[routerKey]; id != "" {
			found[id] = true
		}
	}
	children, err := l.cfg.Children.Names()
	if err != nil {
		l.log.Warn("children cannot be listed", zap.Error(err))
	}
	for _, name := range children {
		for _, prefix := range []string{radvdName(""), keepalivedName(""), conntrackdName("")} {
			if id, ok := strings.CutPrefix(name, prefix); ok {
				found[id] = true
			}
		}
	}
	for id := range found {
		if l.routers[id] == nil {
			l.routers[id] = &router{id: id, wait: retryFirst, due: time.Now()}
		}
	}
}

// announceDue announces what is due and gives when the next one is.
func (l *Loop) announceDue(_ context.Context, r *router, now time.Time) time.Time {
	next := now.Add(time.Hour)
	if r.want == nil {
		r.announce = nil
	}
	var left []announcement
	for _, a := range r.announce {
		if a.at.After(now) {
			left, next = append(left, a), earlier(next, a.at)
			continue
		}
		j := job{cfg: &l.cfg, id: r.id}
		l.workers.Go(func() {
			for _, ns := range j.names() {
				if owner, exists, err := netns.Owner(ns); err == nil && exists && owner == l.cfg.Owner {
					if err := announce.Send(ns, a.link, a.addr); err != nil {
						l.log.Debug("address not announced", zap.Error(err))
					}
				}
			}
		})
		if a.n++; a.n < len(announceAfter) {
			a.at = a.at.Add(announceAfter[a.n])
			left, next = append(left, a), earlier(next, a.at)
		}
	}
	r.announce = left
	return next
}
