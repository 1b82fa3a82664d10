package wire

import (
	"time"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// mirror is the host's copy of the records that concern it.
type mirror struct {
	full      bool      // a complete snapshot has arrived
	stored    time.Time // not zero: the records are the host's own, as of then
	revision  int64
	settings  rpc.Settings
	networks  map[string]*model.Network
	ports     map[string]*model.Port
	endpoints map[string]*model.Endpoint
	// portsOf is network id → ids of its ports, local and remote.
	portsOf map[string]map[string]bool

	groups    map[string]*model.SecurityGroup
	rules     map[string]*model.SecurityGroupRule
	members   map[pipeline.MemberKey]*model.GroupMember
	addresses map[string]*model.AddressGroup
	logs      map[string]*model.Log
	// rulesOf is group id → its rules by id, and usersOf group id → the ports of
	// this host that are in it.
	rulesOf map[string]map[string]*model.SecurityGroupRule
	usersOf map[string]map[string]bool
}

// touched names the records that an update changed.
type touched struct {
	all       bool
	networks  map[string]bool
	ports     map[string]bool
	endpoints bool
	groups    map[string]bool // whose record or rules changed
	members   map[pipeline.MemberKey]bool
	addresses map[string]bool
	logs      map[string]bool
}

func newTouched() *touched {
	return &touched{
		networks: map[string]bool{}, ports: map[string]bool{},
		groups: map[string]bool{}, members: map[pipeline.MemberKey]bool{}, addresses: map[string]bool{},
		logs: map[string]bool{},
	}
}

func newMirror() *mirror {
	return &mirror{
		networks:  map[string]*model.Network{},
		ports:     map[string]*model.Port{},
		endpoints: map[string]*model.Endpoint{},
		portsOf:   map[string]map[string]bool{},

		groups:    map[string]*model.SecurityGroup{},
		rules:     map[string]*model.SecurityGroupRule{},
		members:   map[pipeline.MemberKey]*model.GroupMember{},
		addresses: map[string]*model.AddressGroup{},
		logs:      map[string]*model.Log{},
		rulesOf:   map[string]map[string]*model.SecurityGroupRule{},
		usersOf:   map[string]map[string]bool{},
	}
}

// apply brings the mirror to the update's revision and notes what it touched.
func (m *mirror) apply(u *rpc.Update, t *touched) {
	if u.Full {
		m.replace(u, t)
		return
	}
	m.revision = u.Revision
	if m.settings != u.Settings {
		m.settings = u.Settings
		t.all = true
	}
	m.add(u, t)
	for _, id := range u.Deleted.Ports {
		m.dropPort(id)
		t.ports[id] = true
	}
	for _, id := range u.Deleted.Networks {
		delete(m.networks, id)
		t.networks[id] = true
	}
	for _, host := range u.Deleted.Endpoints {
		delete(m.endpoints, host)
		t.endpoints = true
	}
	m.dropGroups(u, t)
}

// replace takes a snapshot.
func (m *mirror) replace(u *rpc.Update, t *touched) {
	old := *m
	*m = *newMirror()
	m.full, m.stored, m.revision, m.settings = true, u.Stored, u.Revision, u.Settings
	for id := range old.networks {
		t.networks[id] = true
	}
	for id := range old.ports {
		t.ports[id] = true
	}
	m.replaceGroups(&old, t)
	m.add(u, t)
	t.all, t.endpoints = true, true
}

func (m *mirror) add(u *rpc.Update, t *touched) {
	for _, n := range u.Networks {
		m.networks[n.ID] = n
		t.networks[n.ID] = true
	}
	for _, p := range u.Ports {
		m.setPort(p)
		t.ports[p.ID] = true
	}
	for _, e := range u.Endpoints {
		m.endpoints[e.Host] = e
		t.endpoints = true
	}
	m.addGroups(u, t)
}

func (m *mirror) setPort(p *model.Port) {
	m.dropPort(p.ID)
	m.ports[p.ID] = p
	if m.portsOf[p.NetworkID] == nil {
		m.portsOf[p.NetworkID] = map[string]bool{}
	}
	m.portsOf[p.NetworkID][p.ID] = true
	for _, g := range p.SecurityGroups {
		if m.usersOf[g] == nil {
			m.usersOf[g] = map[string]bool{}
		}
		m.usersOf[g][p.ID] = true
	}
}

func (m *mirror) dropPort(id string) {
	p := m.ports[id]
	if p == nil {
		return
	}
	delete(m.ports, id)
	delete(m.portsOf[p.NetworkID], id)
	if len(m.portsOf[p.NetworkID]) == 0 {
		delete(m.portsOf, p.NetworkID)
	}
	for _, g := range p.SecurityGroups {
		delete(m.usersOf[g], id)
		if len(m.usersOf[g]) == 0 {
			delete(m.usersOf, g)
		}
	}
}
