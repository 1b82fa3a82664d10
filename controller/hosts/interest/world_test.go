package interest

import (
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// world is all records, as plainly as can be.
type world struct {
	networks map[string]*model.Network
	subnets  map[string]*model.Subnet
	ports    map[string]*model.Port
	agents   map[string]*model.Agent
}

func newWorld() *world {
	return &world{
		networks: map[string]*model.Network{}, subnets: map[string]*model.Subnet{},
		ports: map[string]*model.Port{}, agents: map[string]*model.Agent{},
	}
}

// set changes one record, nil deletes it, and gives the change.
func set[T any](table map[string]*T, name, id string, rec *T) records.Change {
	c := records.Change{Table: name, ID: id}
	if old := table[id]; old != nil {
		c.Old = old
	}
	if rec == nil {
		delete(table, id)
		return c
	}
	table[id], c.New = rec, rec
	return c
}

func (w *world) setNetwork(id string, n *model.Network) records.Change {
	return set(w.networks, records.Networks.Name(), id, n)
}

func (w *world) setSubnet(id string, s *model.Subnet) records.Change {
	return set(w.subnets, records.Subnets.Name(), id, s)
}

func (w *world) setPort(id string, p *model.Port) records.Change {
	return set(w.ports, records.Ports.Name(), id, p)
}

func (w *world) setAgent(id string, a *model.Agent) records.Change {
	return set(w.agents, records.Agents.Name(), id, a)
}

// everything is the full batch of the world.
func (w *world) everything(revision int64) records.Batch {
	b := records.Batch{Revision: revision, Full: true}
	add := func(table, id string, rec any) {
		b.Changes = append(b.Changes, records.Change{Table: table, ID: id, New: rec})
	}
	for id, r := range w.networks {
		add(records.Networks.Name(), id, r)
	}
	for id, r := range w.subnets {
		add(records.Subnets.Name(), id, r)
	}
	for id, r := range w.ports {
		add(records.Ports.Name(), id, r)
	}
	for id, r := range w.agents {
		add(records.Agents.Name(), id, r)
	}
	return b
}

// known is what a host knows: what it must know according to the world, or
// what updates have told it.
type known struct {
	Networks  map[string]*model.Network
	Subnets   map[string]*model.Subnet
	Ports     map[string]*model.Port
	Endpoints map[string]*model.Endpoint
}

func newKnown() *known {
	return &known{
		map[string]*model.Network{},
		map[string]*model.Subnet{},
		map[string]*model.Port{},
		map[string]*model.Endpoint{},
	}
}

// interestOf says from the definition what a host must know.
func (w *world) interestOf(host string) *known {
	k := newKnown()
	on := map[string]map[string]bool{} // network → hosts with a port
	for _, p := range w.ports {
		if h := BoundHost(p); h != "" {
			if on[p.NetworkID] == nil {
				on[p.NetworkID] = map[string]bool{}
			}
			on[p.NetworkID][h] = true
		}
	}
	for id, hosts := range on {
		if !hosts[host] {
			continue
		}
		n := w.networks[id]
		wire := w.wire(n, host)
		if n != nil {
			seen := *n
			if len(n.Segments) > 1 {
				seen.Segment, seen.Segments = wire, nil
			}
			k.Networks[id] = &seen
		}
		if !wire.Type.Tunneled() {
			continue
		}
		for _, a := range w.agents {
			if a.Host != host && hosts[a.Host] && a.TunnelIP.IsValid() && slices.Contains(a.TunnelTypes, wire.Type) && w.wire(n, a.Host) == wire {
				k.addEndpoint(a, wire.Type)
			}
		}
	}
	for id, s := range w.subnets {
		if on[s.NetworkID][host] {
			k.Subnets[id] = s
		}
	}
	for id, p := range w.ports {
		switch {
		case BoundHost(p) == "" || !on[p.NetworkID][host]:
		case w.wire(w.networks[p.NetworkID], p.Host) != w.wire(w.networks[p.NetworkID], host):
		case p.Host == host:
			k.Ports[id] = p
		default:
			k.Ports[id] = elsewhere(p)
		}
	}
	return k
}

// wire is the first segment of the network that the host's agent reaches, or
// the first.
func (w *world) wire(n *model.Network, host string) model.Segment {
	if n == nil {
		return model.Segment{}
	}
	a := w.agents["agent-"+host]
	if a == nil {
		a = &model.Agent{}
	}
	for _, s := range n.Segments {
		if len(n.Segments) > 1 && a.Reaches(s.Segment) {
			return s.Segment
		}
	}
	return n.Segment
}

func (k *known) addEndpoint(a *model.Agent, t model.NetworkType) {
	end := k.Endpoints[a.Host]
	if end == nil {
		end = &model.Endpoint{Host: a.Host, IP: a.TunnelIP, VXLANPort: a.VXLANPort}
		k.Endpoints[a.Host] = end
	}
	if !slices.Contains(end.Types, t) {
		end.Types = append(end.Types, t)
		slices.Sort(end.Types)
	}
}

// update takes over what the host is told.
func (k *known) update(u *rpc.Update) {
	if u.Full {
		*k = *newKnown()
	}
	for _, r := range u.Networks {
		k.Networks[r.ID] = r
	}
	for _, r := range u.Subnets {
		k.Subnets[r.ID] = r
	}
	for _, r := range u.Ports {
		k.Ports[r.ID] = r
	}
	for _, r := range u.Endpoints {
		k.Endpoints[r.Host] = r
	}
	remove(k.Networks, u.Deleted.Networks)
	remove(k.Subnets, u.Deleted.Subnets)
	remove(k.Ports, u.Deleted.Ports)
	remove(k.Endpoints, u.Deleted.Endpoints)
}

func remove[T any](m map[string]*T, ids []string) {
	for _, id := range ids {
		delete(m, id)
	}
}

func aNetwork(id string, t model.NetworkType) *model.Network {
	n := &model.Network{Meta: model.Meta{ID: id}, AdminStateUp: true, MTU: 1450}
	n.Segment = model.Segment{Type: t, ID: 100}
	if t.Physical() {
		n.Segment.PhysicalNetwork = "physnet1"
	}
	return n
}

func aPort(id, network, host string) *model.Port {
	return &model.Port{
		Meta: model.Meta{ID: id}, NetworkID: network, Host: host, AdminStateUp: true,
		MAC: model.MAC{0xfa, 0x16, 0x3e, 0, 0, id[len(id)-1]},
	}
}

func anAgent(host string, last byte, types ...model.NetworkType) *model.Agent {
	return &model.Agent{
		ID: "agent-" + host, Host: host, TunnelIP: netip.AddrFrom4([4]byte{192, 0, 2, last}),
		VXLANPort: 4789, TunnelTypes: types,
	}
}
