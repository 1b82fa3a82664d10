package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// This file: what an object has on its host, which is a namespace and ports of
// the integration bridge.

// names are those that the namespace of an object may have. Another agent on this
// machine may have the object too, or still.
func (k *Keeper[O, J]) names(id string) []string {
	return []string{k.kind.Prefix + id, k.kind.Prefix + id + "-" + k.cfg.Host}
}

// Namespace gives that of an object, "" when there is none or it cannot be read.
func (k *Keeper[O, J]) Namespace(id string) string {
	name, err := netns.Own(k.cfg.Owner, k.names(id)...)
	if err != nil {
		return ""
	}
	return name
}

// EnsureNamespace makes the object's namespace if it is not there.
func (j *Job) EnsureNamespace() (made bool, err error) {
	if j.Namespace, made, err = netns.EnsureOwn(j.cfg.Owner, j.names...); made {
		j.Changes++
	}
	return made, err
}

// DeleteNamespace removes the object's namespace, and what it had under the other
// name.
func (j *Job) DeleteNamespace() error {
	n, err := netns.DeleteOwn(j.cfg.Owner, j.names...)
	j.Changes += n
	return err
}

// EnsurePorts brings the object's ports on the integration bridge to what is
// desired and their links into its namespace. It reports whether a link was moved.
func (j *Job) EnsurePorts(ctx context.Context, ports ...ovsdb.EnsurePort) (moved bool, err error) {
	var ops []ovsdb.Op
	var names []string
	for _, p := range ports {
		ops, names = append(ops, p), append(names, p.Name)
	}
	if err := j.cfg.DB.Commit(ctx, append(ops, j.Surplus(names...)...)...); err != nil {
		return false, fmt.Errorf("ports on %s: %w", j.cfg.Bridge, err)
	}
	for _, p := range ports {
		did, err := internalport.Fetch(ctx, j.cfg.DB, p, j.cfg.SwitchNamespace, j.Namespace)
		if did {
			j.Changes++
		}
		moved = moved || did
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// Surplus gives the deletion of the object's ports but for those that are desired.
func (j *Job) Surplus(desired ...string) []ovsdb.Op {
	var ops []ovsdb.Op
	for name, i := range j.cfg.DB.State().Interfaces {
		if i.ExternalIDs[j.kind.Key] == j.ID && !slices.Contains(desired, name) {
			ops = append(ops, ovsdb.DeletePort{Name: name})
			j.Changes++
		}
	}
	return ops
}

// DropPorts deletes ports, and waits until the switch has let go of their links.
func (j *Job) DropPorts(ctx context.Context, ops ...ovsdb.Op) error {
	if err := internalport.Drop(ctx, j.cfg.DB, ops...); err != nil {
		return fmt.Errorf("ports on %s: %w", j.cfg.Bridge, err)
	}
	return nil
}

// Prepare makes the ports of all objects at once, when the first records have
// come: Open vSwitch takes as long for two hundred ports in one transaction as
// for a few. It reports whether that is done. Should it be refused, because of
// one object, each still makes its own.
func (k *Keeper[O, J]) Prepare(ctx context.Context, ports func(O) []ovsdb.EnsurePort) bool {
	if k.prepared == nil {
		done := make(chan struct{})
		k.prepared = done
		var ops []ovsdb.Op
		for _, o := range k.Sorted() {
			if !o.Wanted() || k.cfg.Audit.Mode() == audit.Hold {
				continue
			}
			for _, p := range ports(o) {
				ops = append(ops, p)
			}
		}
		k.workers.Go(func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(ctx, jobTimeout)
			defer cancel()
			if err := k.cfg.DB.Commit(ctx, ops...); err != nil {
				k.cfg.Log.Warn("ports not made at once", zap.String("of", k.kind.Thing), zap.Error(err))
			}
		})
	}
	select {
	case <-k.prepared:
		k.ready = true
	default:
	}
	return k.ready
}

// Leftovers gives, once, the ids of which the host has something: a namespace, a
// port, a program. Those of no object are of one that went while no agent ran,
// for which the records must be complete. ok is false before and after.
func (k *Keeper[O, J]) Leftovers() (ids map[string]bool, ok bool) {
	db := k.cfg.DB.State()
	if k.swept || k.stored || !db.Connected {
		return nil, false
	}
	k.swept, ids = true, map[string]bool{}
	names, err := netns.List(k.kind.Prefix)
	if err != nil {
		k.cfg.Log.Warn("namespaces cannot be listed", zap.Error(err))
	}
	for _, name := range names {
		if own, err := netns.Own(k.cfg.Owner, name); err == nil && own != "" {
			ids[strings.TrimSuffix(strings.TrimPrefix(name, k.kind.Prefix), "-"+k.cfg.Host)] = true
		}
	}
	for _, i := range db.Interfaces {
		if id := i.ExternalIDs[k.kind.Key]; id != "" {
			ids[id] = true
		}
	}
	children, err := k.cfg.Children.Names()
	if err != nil {
		k.cfg.Log.Warn("children cannot be listed", zap.Error(err))
	}
	for _, name := range children {
		for _, prefix := range k.kind.Children {
			if id, ok := strings.CutPrefix(name, prefix); ok {
				ids[id] = true
			}
		}
	}
	return ids, true
}
