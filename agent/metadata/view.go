package metadata

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// Prefixes of the names of scopes, which are those of namespaces.
const (
	routerScope = "qrouter-"
	dhcpScope   = "qdhcp-"
)

// Where the proxy listens: behind a router's redirect, and at the addresses
// themselves.
const (
	redirectPort = 9697
	directPort   = 80
)

// serviceAddresses are those at which guests ask.
func serviceAddresses() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fe80::a9fe:a9fe")}
}

// view is what the host knows, as far as guests' requests are concerned.
type view struct {
	host, owner string // of the namespaces
	state       rpc.State
	ports       map[string]map[string]*model.Port // by network
	faces       map[string]map[string]*model.Port // router's interfaces, by router
}

func newView(host, owner string) *view {
	return &view{host: host, owner: owner, ports: map[string]map[string]*model.Port{}, faces: map[string]map[string]*model.Port{}}
}

// apply takes over an update and gives the names of the scopes that may have
// changed.
func (v *view) apply(u *rpc.Update) map[string]bool {
	touched := map[string]bool{} // scopes
	networks := map[string]bool{}
	ports := map[rpc.Ref]bool{}
	for r := range u.Records() {
		v.touch(r, touched, ports)
	}
	for r := range u.Deletions() {
		v.touch(r, touched, ports)
	}
	if u.Full {
		for _, name := range v.names() {
			touched[name] = true
		}
		v.ports, v.faces = map[string]map[string]*model.Port{}, map[string]map[string]*model.Port{}
	}
	for r := range ports {
		if p, ok := v.state.Get(r).(*model.Port); ok {
			v.place(p, nil, networks, touched)
		}
	}
	v.state.Apply(u)
	if u.Full { // with what could not be carried
		for r := range v.state.Records() {
			v.touch(r, touched, ports)
		}
	}
	for r := range ports {
		if p, ok := v.state.Get(r).(*model.Port); ok {
			v.place(p, p, networks, touched)
		}
	}
	for id := range networks {
		touched[dhcpScope+id] = true
		for _, p := range v.ports[id] {
			if face(p) {
				touched[routerScope+p.DeviceID] = true
			}
		}
	}
	return touched
}

// touch notes what a record that changes concerns.
func (v *view) touch(r rpc.Ref, scopes map[string]bool, ports map[rpc.Ref]bool) {
	switch r.Kind {
	case rpc.KindRouter, rpc.KindRouterBinding:
		scopes[routerScope+r.ID] = true
	case rpc.KindDHCPBinding:
		scopes[dhcpScope+r.ID] = true
	case rpc.KindPort:
		ports[r] = true
	}
}

// place puts a port into the indexes, or takes it out when now is nil.
func (v *view) place(p, now *model.Port, networks, touched map[string]bool) {
	put(v.ports, p.NetworkID, p.ID, now)
	networks[p.NetworkID] = true
	if face(p) {
		put(v.faces, p.DeviceID, p.ID, now)
		touched[routerScope+p.DeviceID] = true
	}
}

func put(index map[string]map[string]*model.Port, key, id string, p *model.Port) {
	switch {
	case p != nil && index[key] == nil:
		index[key] = map[string]*model.Port{id: p}
	case p != nil:
		index[key][id] = p
	default:
		delete(index[key], id)
		if len(index[key]) == 0 {
			delete(index, key)
		}
	}
}

// face reports whether a port is a router's interface to a tenant's network.
func face(p *model.Port) bool {
	return p.DeviceOwner == "network:ha_router_replicated_interface" || strings.HasPrefix(p.DeviceOwner, "network:router_interface")
}

// names gives the scopes that there are.
func (v *view) names() []string {
	var out []string
	for r := range v.state.Records() {
		switch r.Kind {
		case rpc.KindRouter:
			out = append(out, routerScope+r.ID)
		case rpc.KindDHCPBinding:
			out = append(out, dhcpScope+r.ID)
		}
	}
	slices.Sort(out)
	return out
}

// scope describes where guests ask; false when there is no such place here.
func (v *view) scope(name string) (proxy.Scope, bool) {
	s := proxy.Scope{Namespaces: []string{name, name + "-" + v.host}, Owner: v.owner, Networks: []proxy.Network{}}
	if id, ok := strings.CutPrefix(name, routerScope); ok {
		r, ok := v.state.Get(rpc.Ref{Kind: rpc.KindRouter, ID: id}).(*model.Router)
		if !ok || !r.AdminStateUp {
			return s, false
		}
		s.Port = redirectPort
		for _, p := range sorted(v.faces[id]) {
			s.Networks = append(s.Networks, proxy.Network{ID: p.NetworkID, Link: "qr-" + p.ID[:min(11, len(p.ID))], Ports: v.guests(p.NetworkID)})
		}
		return s, true
	}
	id := strings.TrimPrefix(name, dhcpScope)
	if v.state.Get(rpc.Ref{Kind: rpc.KindDHCPBinding, ID: id}) == nil {
		return s, false
	}
	s.Port, s.Addresses = directPort, serviceAddresses()
	s.Networks = append(s.Networks, proxy.Network{ID: id, Ports: v.guests(id)})
	return s, true
}

// guests gives the ports of a network that may ask.
func (v *view) guests(network string) []proxy.Port {
	out := []proxy.Port{}
	for _, p := range sorted(v.ports[network]) {
		if !p.Trusted() {
			out = append(out, guest(p))
		}
	}
	return out
}

// guest gives a port with the addresses that it may ask from: its own, the
// link-local one of its MAC, and single ones of its allowed address pairs, with
// those of their MACs.
func guest(p *model.Port) proxy.Port {
	out := proxy.Port{ID: p.ID, Instance: p.DeviceID, Project: p.ProjectID}
	for _, f := range p.FixedIPs {
		out.Addresses = append(out.Addresses, f.IP)
	}
	out.Addresses = append(out.Addresses, p.MAC.LinkLocal())
	for _, a := range p.AllowedAddressPairs {
		if a.IP.IsSingleIP() {
			out.Others = append(out.Others, a.IP.Addr())
		}
		if a.MAC != (model.MAC{}) && a.MAC != p.MAC {
			out.Others = append(out.Others, a.MAC.LinkLocal())
		}
	}
	out.Addresses, out.Others = distinct(out.Addresses), distinct(out.Others)
	return out
}

func distinct(list []netip.Addr) []netip.Addr {
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

func sorted(ports map[string]*model.Port) []*model.Port {
	return slices.SortedFunc(maps.Values(ports), func(a, b *model.Port) int { return cmp.Compare(a.ID, b.ID) })
}
