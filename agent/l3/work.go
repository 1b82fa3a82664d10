package l3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/linux/conntrack"
	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/shaping"
	"github.com/lepton-sdn/lepton/linux/sysctl"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// routerKey is the external_id of an interface that says whose it is.
const routerKey = "lepton-router"

// job is one attempt to bring one router to what is desired. The first looks at
// the tracked connections whether or not a rule changed.
type job struct {
	upkeep.Job
	cfg      *Config
	want     *Namespace // nil: remove it
	appeared []links.Address
}

// Realise brings the router to what is desired: what lets traffic pass comes
// after what filters and translates it.
func (j *job) Realise(ctx context.Context) error {
	made, err := j.EnsureNamespace()
	if err != nil {
		return err
	}
	moved, err := j.EnsurePorts(ctx, j.want.ports(j.cfg.Bridge)...)
	if err != nil {
		return err
	}
	if j.Light && !made && !moved {
		return nil
	}
	j.switchOver()
	set, err := sysctl.Apply(j.Namespace, j.want.Sysctls)
	j.Changes += len(set)
	if err != nil {
		return err
	}
	changed, refused := j.rules(ctx)
	if refused != nil && !onlyHelpers(refused) {
		return refused
	}
	errs := []error{refused}
	if changed || j.First {
		errs = append(errs, j.connections())
	}
	done, err := links.Apply(j.Namespace, j.want.Links)
	j.took(done)
	limited, unlimited := shaping.Apply(j.Namespace, j.want.Limits)
	j.Changes += len(limited)
	errs = append(errs, err, unlimited, j.advertise(ctx), j.watch(ctx))
	j.resync(ctx)
	return errors.Join(errs...)
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

// rules applies the rules of both families.
func (j *job) rules(ctx context.Context) (changed bool, err error) {
	var errs []error
	for _, f := range []iptables.Family{iptables.IPv4, iptables.IPv6} {
		set := j.want.V4
		if f == iptables.IPv6 {
			set = j.want.V6
		}
		did, err := iptables.Apply(ctx, j.Namespace, f, set)
		if did {
			j.Changes++
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
	n, err := conntrack.Delete(j.Namespace, conntrack.IPv4, func(e conntrack.Entry) bool { return !j.want.NAT.Justifies(e) })
	j.Changes += n
	return err
}

// radvdName is the name of the router's radvd among the children.
func radvdName(id string) string { return "radvd-" + id }

// radvdFile is a file of the router's radvd.
func (j *job) radvdFile(suffix string) string {
	return filepath.Join(j.cfg.RunDir, "radvd", j.ID+suffix)
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
		j.Changes++
	}
	return j.cfg.Children.Ensure(child.Spec{
		Name: radvdName(j.ID), Namespace: j.Namespace, Path: "radvd",
		Args:   []string{"-n", "-C", path, "-p", j.radvdFile(".pid"), "-m", "stderr"},
		Config: digest(j.want.RADVD), Reload: syscall.SIGHUP, Log: j.radvdFile(".log"),
	})
}

// silence stops radvd and removes its files.
func (j *job) silence(ctx context.Context) error {
	if err := j.cfg.Children.Stop(ctx, radvdName(j.ID)); err != nil {
		return err
	}
	for _, suffix := range []string{".conf", ".pid", ".log"} {
		if err := os.Remove(j.radvdFile(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Remove takes the router off this host.
func (j *job) Remove(ctx context.Context) error {
	if err := j.silence(ctx); err != nil {
		return err
	}
	// The other hosts of an ha router hear that this one goes after it has gone.
	ops := j.Surplus()
	last := slices.IndexFunc(ops, func(op ovsdb.Op) bool { return strings.HasPrefix(op.(ovsdb.DeletePort).Name, haPrefix) })
	if last >= 0 {
		ops = slices.Delete(ops, last, last+1)
	}
	if err := j.DropPorts(ctx, ops...); err != nil {
		return err
	}
	if err := j.unwatch(ctx); err != nil {
		return err
	}
	if err := j.DropPorts(ctx, j.Surplus()...); err != nil {
		return err
	}
	return j.DeleteNamespace()
}
