package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// This file: security groups, their rules, members and logs on the way from the
// records to the view.

func (m *mirror) addGroups(u *rpc.Update, t *touched) {
	for _, g := range u.Groups {
		m.groups[g.ID] = g
		t.groups[g.ID] = true
	}
	for _, r := range u.Rules {
		m.setRule(r, t)
	}
	for _, g := range u.Members {
		key := pipeline.MemberKey{Group: g.GroupID, Port: g.PortID}
		m.members[key] = g
		t.members[key] = true
	}
	for _, g := range u.AddressGroups {
		m.addresses[g.ID] = g
		t.addresses[g.ID] = true
	}
	for _, r := range u.Logs {
		m.logs[r.ID] = r
		t.logs[r.ID] = true
	}
}

func (m *mirror) dropGroups(u *rpc.Update, t *touched) {
	for _, id := range u.Deleted.Groups {
		delete(m.groups, id)
		t.groups[id] = true
	}
	for _, id := range u.Deleted.Rules {
		m.dropRule(id, t)
	}
	for _, id := range u.Deleted.Members {
		key := memberKey(id)
		delete(m.members, key)
		t.members[key] = true
	}
	for _, id := range u.Deleted.AddressGroups {
		delete(m.addresses, id)
		t.addresses[id] = true
	}
	for _, id := range u.Deleted.Logs {
		delete(m.logs, id)
		t.logs[id] = true
	}
}

// replaceGroups notes that all of the old is in question.
func (m *mirror) replaceGroups(old *mirror, t *touched) {
	for id := range old.groups {
		t.groups[id] = true
	}
	for _, r := range old.rules {
		t.groups[r.SecurityGroupID] = true
	}
	for key := range old.members {
		t.members[key] = true
	}
	for id := range old.addresses {
		t.addresses[id] = true
	}
	for id := range old.logs {
		t.logs[id] = true
	}
}

func (m *mirror) setRule(r *model.SecurityGroupRule, t *touched) {
	m.dropRule(r.ID, t)
	m.rules[r.ID] = r
	of := m.rulesOf[r.SecurityGroupID]
	if of == nil {
		of = map[string]*model.SecurityGroupRule{}
		m.rulesOf[r.SecurityGroupID] = of
	}
	of[r.ID] = r
	t.groups[r.SecurityGroupID] = true
}

func (m *mirror) dropRule(id string, t *touched) {
	r := m.rules[id]
	if r == nil {
		return
	}
	delete(m.rules, id)
	of := m.rulesOf[r.SecurityGroupID]
	delete(of, id)
	if len(of) == 0 {
		delete(m.rulesOf, r.SecurityGroupID)
	}
	t.groups[r.SecurityGroupID] = true
}

// memberKey reads what rpc.MemberID made.
func memberKey(id string) pipeline.MemberKey {
	group, port, _ := strings.Cut(id, "/")
	return pipeline.MemberKey{Group: group, Port: port}
}

// lookAtGroups brings the view's groups, members and address groups in line with
// the records that were touched. A group is in the view together with its rules,
// or, as long as its own record is missing, not at all: then nothing passes by it.
func (l *Loop) lookAtGroups(t *touched) {
	for id := range t.groups {
		rec := l.mirror.groups[id]
		old, had := l.view.Groups[id]
		switch {
		case rec == nil && !had:
			continue
		case rec == nil:
			delete(l.view.Groups, id)
		case had && old.Record == rec && maps.Equal(old.Rules, l.mirror.rulesOf[id]):
			continue
		default:
			l.view.Groups[id] = pipeline.SecurityGroup{Record: rec, Rules: maps.Clone(l.mirror.rulesOf[id])}
		}
		l.dirty.Groups = append(l.dirty.Groups, id)
	}
	for key := range t.members {
		if follow(l.view.Members, l.mirror.members, key) {
			l.dirty.Members = append(l.dirty.Members, key)
		}
	}
	for id := range t.addresses {
		if follow(l.view.AddressGroups, l.mirror.addresses, id) {
			l.dirty.AddressGroups = append(l.dirty.AddressGroups, id)
		}
	}
	l.lookAtLogs(t)
}

// lookAtLogs does the same for the logs. There are none, and it is told, while
// the switch cannot limit what it would send for them.
func (l *Loop) lookAtLogs(t *touched) {
	if len(t.logs) == 0 {
		return
	}
	logs, found := l.mirror.logs, map[string]string{}
	if l.meterless != "" {
		for id := range logs {
			found["log "+id] = "is not written here: " + l.meterless
		}
		logs = nil
	}
	l.problems.replace(sourceMeters, found)
	changed := false
	for id := range t.logs {
		if follow(l.view.Logs, logs, id) {
			l.dirty.Logs = append(l.dirty.Logs, id)
			changed = true
		}
	}
	if changed && l.cfg.Packets != nil {
		l.cfg.Packets.SetLogs(l.view.Logs)
	}
}

// setMeterless notes why the integration bridge has no meters, nil if it has.
func (l *Loop) setMeterless(err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("%s limits no packets for logs: %v", l.cfg.Bridges.Integration, err)
	}
	if text == l.meterless {
		return
	}
	l.meterless = text
	l.view.Config.Meterless = text != ""
	l.dirty.All = true
	for id := range l.mirror.logs {
		l.touched.logs[id] = true
	}
}

// follow makes one entry of a map what it is in another, and reports whether it
// was something else.
func follow[K comparable, T any](view, records map[K]*T, key K) bool {
	rec, old := records[key], view[key]
	if rec == old {
		return false
	}
	if rec == nil {
		delete(view, key)
	} else {
		view[key] = rec
	}
	return true
}

// markGroup notes, for the ports of this host in the group, that the newest
// program changed it.
func (l *Loop) markGroup(id string) {
	for port := range l.mirror.usersOf[id] {
		l.markWiring(port)
	}
}

// The kinds of problem that are a security group's.
const (
	kindGroup = "security group"
	kindRule  = "security group rule"
)

// groupOf finds the group of what a problem is about: a group, or one of its
// rules; "" for anything else.
func (l *Loop) groupOf(kind, id string) string {
	switch kind {
	case kindGroup:
		return id
	case kindRule:
		if r := l.mirror.rules[id]; r != nil {
			return r.SecurityGroupID
		}
	}
	return ""
}

// problemOfGroups says what of the port's groups cannot be realised, "" for
// nothing. The port works without it: such a rule admits nothing.
func (l *Loop) problemOfGroups(p *model.Port) string {
	var found []string
	for source, list := range l.problems.sources {
		if source != sourcePipeline && !strings.HasPrefix(source, sourceRefused) {
			continue
		}
		for object, problem := range list {
			if g := l.groupOf(splitObject(object)); g != "" && slices.Contains(p.SecurityGroups, g) {
				found = append(found, object+": "+problem.Text)
			}
		}
	}
	slices.Sort(found)
	return strings.Join(found, "; ")
}
