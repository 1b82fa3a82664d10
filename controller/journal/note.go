package journal

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
)

// maxDetails bounds what one event says of attributes, in bytes. What a
// transaction changes beyond it is there without them.
const maxDetails = 128 << 10

// Note gives the events of a transaction that changes records, to be written by
// it; see records.Journal. The reader shows the records as they will be.
func (j *Journal) Note(ctx context.Context, r records.Reader, list []records.Change) []store.Op {
	var changed, said Event
	details := 0
	for _, c := range list {
		switch c.Table {
		case records.Agents.Name():
			before, after, _ := records.Agents.Change(c)
			said.Agents = append(said.Agents, agentNews(before, after)...)
			if ch, ok := agentChange(before, after); ok {
				changed.Changes = append(changed.Changes, ch)
			}
		case records.PortStatuses.Name():
			before, after, _ := records.PortStatuses.Change(c)
			said.States = append(said.States, portState(r, before, after)...)
		case records.ObjectStatuses.Name():
			before, after, _ := records.ObjectStatuses.Change(c)
			said.States = append(said.States, objectState(r, before, after)...)
		default:
			ch, ok := j.change(r, c)
			if !ok {
				continue
			}
			if details += size(ch.Attributes); details > maxDetails {
				ch.Attributes = nil
				changed.LeftOut++
			}
			changed.Changes = append(changed.Changes, ch)
		}
	}
	var ops []store.Op
	if len(changed.Changes) > 0 {
		changed.Author = authorOf(ctx)
		ops = append(ops, j.put(changes, &changed))
	}
	if len(said.Agents)+len(said.States) > 0 {
		ops = append(ops, j.put(hosts, &said))
	}
	return slices.DeleteFunc(ops, func(o store.Op) bool { return o.Key == "" })
}

func size(list []Attribute) int {
	n := 0
	for _, a := range list {
		n += len(a.Name) + len(a.Old) + len(a.New) + 40
	}
	return n
}

// put is the operation that writes an event; its key is empty when the event
// cannot be written, which keeps no change back.
func (j *Journal) put(s series, e *Event) store.Op {
	id, err := uuid.NewV7()
	if err == nil {
		e.At = timeOf(id)
		var value []byte
		if value, err = json.Marshal(e); err == nil {
			j.metrics.wrote(s)
			return store.Put(s.key(id), value)
		}
	}
	j.metrics.lose(1)
	j.log.Error("an event cannot be written", errField(err))
	return store.Op{}
}

// change is what happened to a record, if it is one whose changes are noted.
func (j *Journal) change(r records.Reader, c records.Change) (Change, bool) {
	res, ok := resources[c.Table]
	if !ok || c.Old == nil && c.New == nil {
		return Change{}, false
	}
	ch := Change{Resource: res.name, ID: c.ID, Action: Update}
	some := c.New
	switch {
	case c.Old == nil:
		ch.Action = Create
	case c.New == nil:
		ch.Action, some = Delete, c.Old
	}
	if m, ok := some.(interface{ GetMeta() *model.Meta }); ok {
		meta := m.GetMeta()
		ch.Name, ch.Project, ch.Number = meta.Name, meta.ProjectID, meta.Revision
	} else {
		ch.Project = projectOf(r, some)
	}
	ch.Attributes = j.differ.attributes(c.Table, &res, c.Old, c.New)
	ch.depart(c.Old, c.New)
	// A record that was written as it was is no change.
	return ch, ch.Action != Update || len(ch.Attributes)+len(ch.Left) > 0
}

// projectOf is the project of what a record without one is about.
func projectOf(r records.Reader, rec any) string {
	switch rec := rec.(type) {
	case *model.RouterBinding:
		if router, ok := records.Routers.Get(r, rec.RouterID); ok {
			return router.ProjectID
		}
	case *model.DHCPBinding:
		if n, ok := records.Networks.Get(r, rec.NetworkID); ok {
			return n.ProjectID
		}
	case *model.Quota:
		return rec.ProjectID
	}
	return ""
}

// depart notes who had the object and has it no more.
func (c *Change) depart(before, after any) {
	for _, host := range interest.HostsOf(before) {
		if !slices.Contains(interest.HostsOf(after), host) {
			c.Left = append(c.Left, host)
		}
	}
	switch old := before.(type) {
	case *model.Port:
		now, _ := after.(*model.Port)
		if now == nil || len(c.Left) > 0 {
			c.Network = old.NetworkID
		}
		for _, g := range old.SecurityGroups {
			if now == nil || !slices.Contains(now.SecurityGroups, g) {
				c.Groups = append(c.Groups, g)
			}
		}
	case *model.SecurityGroupRule:
		if after == nil {
			c.Groups = []string{old.SecurityGroupID}
		}
	}
}

// agentChange is what an administrator did to an agent's record.
func agentChange(before, after *model.Agent) (Change, bool) {
	if before == nil {
		return Change{}, false
	}
	c := Change{Resource: agentName, ID: before.ID, Name: before.Host, Action: Update}
	if after == nil {
		c.Action = Delete
		return c, true
	}
	note := func(name string, old, now any) {
		if reflect.DeepEqual(old, now) {
			return
		}
		o, _ := json.Marshal(old) // of plain values
		n, _ := json.Marshal(now)
		c.Attributes = append(c.Attributes, Attribute{Name: name, Old: o, New: n})
	}
	note("admin_state_up", before.AdminStateUp, after.AdminStateUp)
	note("description", before.Description, after.Description)
	note("role_settings", before.RoleSettings, after.RoleSettings)
	return c, len(c.Attributes) > 0
}

func portState(r records.Reader, before, after *model.PortStatus) []State {
	if after == nil || before != nil && before.State == after.State && before.Error == after.Error && before.Host == after.Host {
		return nil
	}
	s := State{Resource: "port", ID: after.PortID, Host: after.Host, State: string(after.State), Number: after.Revision, Error: clip(after.Error)}
	if p, ok := records.Ports.Get(r, after.PortID); ok {
		s.Project = p.ProjectID
	}
	return []State{s}
}

func objectState(r records.Reader, before, after *model.ObjectStatus) []State {
	if after == nil || before != nil && before.State == after.State && before.Error == after.Error {
		return nil
	}
	s := State{ID: after.ID, Part: string(after.Kind), Host: after.Host, State: string(after.State), Number: after.Revision, Error: clip(after.Error)}
	switch after.Kind {
	case model.ObjectRouter, model.ObjectRouterHA:
		s.Resource = "router"
		if rec, ok := records.Routers.Get(r, after.ID); ok {
			s.Project = rec.ProjectID
		}
	case model.ObjectFloatingIP:
		s.Resource = "floatingip"
		if rec, ok := records.FloatingIPs.Get(r, after.ID); ok {
			s.Project = rec.ProjectID
		}
	case model.ObjectDHCP:
		s.Resource = "network"
		if rec, ok := records.Networks.Get(r, after.ID); ok {
			s.Project = rec.ProjectID
		}
	case model.ObjectDHCPPort:
		s.Resource = "port"
		if rec, ok := records.Ports.Get(r, after.ID); ok {
			s.Project = rec.ProjectID
		}
	}
	return []State{s}
}

// clip bounds a text that came from elsewhere.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return s[:maxText] + "…"
}

// maxText is the longest text of a host that is written down, in bytes.
const maxText = 512
