package dhcp

import (
	"cmp"
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// View is what a host knows of the networks that it may serve. Records are not
// changed in place.
type View struct {
	Domain   string // of the cloud
	Networks map[string]*model.Network
	Subnets  map[string]*model.Subnet
	Bindings map[string]*model.DHCPBinding // by network
	Ports    map[string]*model.Port
	// on are the ports of each network.
	on map[string]map[string]*model.Port
}

// NewView gives an empty one.
func NewView() *View {
	return &View{
		Networks: map[string]*model.Network{}, Subnets: map[string]*model.Subnet{}, Bindings: map[string]*model.DHCPBinding{},
		Ports: map[string]*model.Port{}, on: map[string]map[string]*model.Port{},
	}
}

// Put adds a port, or takes the place of what it was.
func (v *View) Put(p *model.Port) {
	v.Drop(p.ID)
	v.Ports[p.ID] = p
	if v.on[p.NetworkID] == nil {
		v.on[p.NetworkID] = map[string]*model.Port{}
	}
	v.on[p.NetworkID][p.ID] = p
}

// Drop takes a port out.
func (v *View) Drop(id string) {
	p := v.Ports[id]
	if p == nil {
		return
	}
	delete(v.Ports, id)
	if delete(v.on[p.NetworkID], id); len(v.on[p.NetworkID]) == 0 {
		delete(v.on, p.NetworkID)
	}
}

// Input gathers what a network's answers are made from; ok is false when the
// host is not to serve it: it is not known, switched off, not bound to this host,
// or has no port here.
func (v *View) Input(id string) (in answers.Input, ok bool) {
	n, b := v.Networks[id], v.Bindings[id]
	if n == nil || b == nil || !n.AdminStateUp {
		return in, false
	}
	for _, h := range b.Hosts {
		if p := v.Ports[h.PortID]; p != nil && p.NetworkID == id && p.AdminStateUp {
			in.Server = p
		}
	}
	if in.Server == nil {
		return in, false
	}
	in.Network, in.Settings.Domain = n, v.Domain
	for _, s := range v.Subnets {
		if s.NetworkID == id {
			in.Subnets = append(in.Subnets, s)
		}
	}
	in.Ports = slices.SortedFunc(maps.Values(v.on[id]), func(a, b *model.Port) int { return cmp.Compare(a.ID, b.ID) })
	return in, true
}

// apply brings the view up to date and gives the networks that the update may
// concern.
func (v *View) apply(u *rpc.Update) map[string]bool {
	t := map[string]bool{}
	if u.Full {
		for id := range v.Bindings {
			t[id] = true
		}
		*v = *NewView()
	}
	if u.Full || v.Domain != u.Settings.DNSDomain {
		v.Domain = u.Settings.DNSDomain
		for id := range v.Bindings {
			t[id] = true
		}
	}
	v.add(u, t)
	for ref := range u.Deletions() {
		v.remove(ref, t)
	}
	return t
}

// add puts the records of the update in; t gets the networks that they and those
// before them belong to.
func (v *View) add(u *rpc.Update, t map[string]bool) {
	for _, n := range u.Networks {
		v.Networks[n.ID] = n
		t[n.ID] = true
	}
	for _, s := range u.Subnets {
		v.Subnets[s.ID] = s
		t[s.NetworkID] = true
	}
	for _, b := range u.DHCPBindings {
		v.Bindings[b.NetworkID] = b
		t[b.NetworkID] = true
	}
	for _, p := range u.Ports {
		if old := v.Ports[p.ID]; old != nil {
			t[old.NetworkID] = true
		}
		v.Put(p)
		t[p.NetworkID] = true
	}
}

// remove takes a record out.
func (v *View) remove(ref rpc.Ref, t map[string]bool) {
	switch ref.Kind {
	case rpc.KindNetwork:
		t[ref.ID] = true
		delete(v.Networks, ref.ID)
	case rpc.KindSubnet:
		if s := v.Subnets[ref.ID]; s != nil {
			t[s.NetworkID] = true
		}
		delete(v.Subnets, ref.ID)
	case rpc.KindDHCPBinding:
		t[ref.ID] = true
		delete(v.Bindings, ref.ID)
	case rpc.KindPort:
		if p := v.Ports[ref.ID]; p != nil {
			t[p.NetworkID] = true
		}
		v.Drop(ref.ID)
	}
}
