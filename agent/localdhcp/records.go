package localdhcp

import (
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// book holds the records that answers follow from.
type book struct {
	host     string
	settings answers.Settings
	on       bool // there are no other DHCP servers
	known    bool // there has been a full update

	networks map[string]*model.Network
	subnets  map[string]*model.Subnet
	ports    map[string]*model.Port
	// subnetsOf, ownOf and trustedOf are by network: its subnets, the ports of
	// this host on it, and those of the network service.
	subnetsOf, ownOf, trustedOf map[string]map[string]bool
}

func newBook(host string, settings answers.Settings) *book {
	return &book{
		host: host, settings: settings,
		networks: map[string]*model.Network{}, subnets: map[string]*model.Subnet{}, ports: map[string]*model.Port{},
		subnetsOf: map[string]map[string]bool{}, ownOf: map[string]map[string]bool{}, trustedOf: map[string]map[string]bool{},
	}
}

// apply takes an update, and gives the ports of this host for which the answers
// may be others now.
func (b *book) apply(u *rpc.Update) []string {
	old := *b
	if u.Full {
		*b = *newBook(b.host, b.settings)
	}
	b.known = b.known || u.Full
	b.on, b.settings.Domain = u.Settings.LocalDHCP, u.Settings.DNSDomain
	touched := map[string]bool{} // networks
	b.add(u, touched)
	b.remove(&u.Deleted, touched)
	found := map[string]bool{}
	for network := range touched {
		maps.Copy(found, b.ownOf[network])
	}
	if u.Full || b.on != old.on || b.settings.Domain != old.settings.Domain {
		for _, list := range b.ownOf {
			maps.Copy(found, list)
		}
	}
	return slices.Collect(maps.Keys(found))
}

func (b *book) add(u *rpc.Update, touched map[string]bool) {
	for _, n := range u.Networks {
		b.networks[n.ID] = n
		touched[n.ID] = true
	}
	for _, s := range u.Subnets {
		b.setSubnet(s, touched)
	}
	for _, p := range u.Ports {
		b.setPort(p, touched)
	}
}

func (b *book) remove(gone *rpc.Refs, touched map[string]bool) {
	for _, id := range gone.Ports {
		b.dropPort(id, touched)
	}
	for _, id := range gone.Subnets {
		b.dropSubnet(id, touched)
	}
	for _, id := range gone.Networks {
		delete(b.networks, id)
		touched[id] = true
	}
}

func (b *book) setSubnet(s *model.Subnet, touched map[string]bool) {
	b.dropSubnet(s.ID, touched)
	b.subnets[s.ID] = s
	enter(b.subnetsOf, s.NetworkID, s.ID)
	touched[s.NetworkID] = true
}

func (b *book) dropSubnet(id string, touched map[string]bool) {
	if s := b.subnets[id]; s != nil {
		delete(b.subnets, id)
		leave(b.subnetsOf, s.NetworkID, id)
		touched[s.NetworkID] = true
	}
}

// setPort enters a port. One of this host concerns nobody else; one of the
// network service, such as a router's, all on its network.
func (b *book) setPort(p *model.Port, touched map[string]bool) {
	b.dropPort(p.ID, touched)
	b.ports[p.ID] = p
	if p.Trusted() {
		enter(b.trustedOf, p.NetworkID, p.ID)
		touched[p.NetworkID] = true
	} else if p.Host == b.host {
		enter(b.ownOf, p.NetworkID, p.ID)
	}
}

func (b *book) dropPort(id string, touched map[string]bool) {
	p := b.ports[id]
	if p == nil {
		return
	}
	delete(b.ports, id)
	leave(b.ownOf, p.NetworkID, id)
	if p.Trusted() {
		leave(b.trustedOf, p.NetworkID, id)
		touched[p.NetworkID] = true
	}
}

func enter(index map[string]map[string]bool, key, id string) {
	if index[key] == nil {
		index[key] = map[string]bool{}
	}
	index[key][id] = true
}

func leave(index map[string]map[string]bool, key, id string) {
	if delete(index[key], id); len(index[key]) == 0 {
		delete(index, key)
	}
}

// guest is a port, and what it is to be told.
type guest struct {
	network *answers.Network
	port    *answers.Port
}

// guest gives what a port of this host is told; false when it is told nothing.
func (b *book) guest(id string) (guest, bool) {
	p := b.ports[id]
	if !b.on || p == nil || !b.ownOf[p.NetworkID][id] || b.networks[p.NetworkID] == nil {
		return guest{}, false
	}
	in := answers.Input{Network: b.networks[p.NetworkID], Ports: []*model.Port{p}, Settings: b.settings}
	for s := range b.subnetsOf[p.NetworkID] {
		in.Subnets = append(in.Subnets, b.subnets[s])
	}
	for t := range b.trustedOf[p.NetworkID] {
		in.Ports = append(in.Ports, b.ports[t])
	}
	n := answers.Of(in)
	i := slices.IndexFunc(n.Ports, func(o *answers.Port) bool { return o.ID == id })
	if i < 0 {
		return guest{}, false
	}
	return guest{n, n.Ports[i]}, true
}
