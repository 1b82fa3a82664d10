package l3

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// Device owners of a router's ports.
const (
	ownerInterface = "network:router_interface"
	ownerGateway   = "network:router_gateway"
)

// View is what a host knows of its routers. Records are not changed in place.
type View struct {
	// Host is this host's name.
	Host        string
	Networks    map[string]*model.Network
	Subnets     map[string]*model.Subnet
	Ports       map[string]*model.Port
	Routers     map[string]*model.Router
	Bindings    map[string]*model.RouterBinding // by the router's id
	FloatingIPs map[string]*model.FloatingIP
	Forwardings map[string]*model.PortForwarding
	Helpers     map[string]*model.ConntrackHelper
	Pools       map[string]*model.SubnetPool
	Policies    map[string]*model.QoSPolicy
}

// NewView gives an empty one of a host.
func NewView(host string) *View {
	return &View{
		Host:     host,
		Networks: map[string]*model.Network{}, Subnets: map[string]*model.Subnet{}, Ports: map[string]*model.Port{},
		Routers: map[string]*model.Router{}, Bindings: map[string]*model.RouterBinding{}, FloatingIPs: map[string]*model.FloatingIP{},
		Forwardings: map[string]*model.PortForwarding{}, Helpers: map[string]*model.ConntrackHelper{},
		Pools: map[string]*model.SubnetPool{}, Policies: map[string]*model.QoSPolicy{},
	}
}

// Input is what one router is made from.
type Input struct {
	Router *model.Router
	// Replica is set where a distributed router is not at home.
	Replica bool
	// Gateway is the way out; nil for none. A replica does not have it as a link.
	Gateway    *Interface
	Interfaces []Interface
	// Lent are the floating addresses that have a link of their own.
	Lent []Lent
	// FloatingIPs are those in use with this router, with and without a fixed
	// address of their own.
	FloatingIPs []*model.FloatingIP
	Forwardings []*model.PortForwarding
	Helpers     []*model.ConntrackHelper
	// Policies are the QoS policies that the gateway and floating addresses
	// name, by id.
	Policies map[string]*model.QoSPolicy
	// HA is set for an ha router.
	HA *HA
}

// Interface is a port of a router.
type Interface struct {
	Port    *model.Port
	Network *model.Network
	// Addresses are the port's, with the subnets they are of.
	Addresses []Address
	// Others are the network's other subnets, on which the port has no address.
	Others []*model.Subnet
}

// Address is an address of a router's port.
type Address struct {
	IP     netip.Addr
	Subnet *model.Subnet
	// Scope is the address scope of the subnet; "" for none.
	Scope string
}

// Prefix is the address with the length of its subnet's prefix.
func (a Address) Prefix() netip.Prefix { return netip.PrefixFrom(a.IP, a.Subnet.CIDR.Bits()) }

// Input gathers what belongs to a router, in the order of ids; ok is false when
// the host is not to have it: it is not known, or switched off. What refers to
// records that have not come is left out: it comes with them.
func (v *View) Input(id string) (in Input, ok bool) {
	r := v.Routers[id]
	if r == nil || !r.AdminStateUp {
		return Input{}, false
	}
	in.Router, in.Replica = r, v.replica(r)
	for _, pid := range slices.Sorted(maps.Keys(v.Ports)) {
		p := v.Ports[pid]
		if p.DeviceID != id || v.Networks[p.NetworkID] == nil || !p.AdminStateUp {
			continue
		}
		i := v.face(p)
		switch {
		case r.Gateway != nil && r.Gateway.PortID == pid:
			in.Gateway = &i
		case isInterface(p):
			in.Interfaces = append(in.Interfaces, i)
		}
	}
	for _, f := range v.FloatingIPs {
		if f.RouterID == id && v.translates(f, in.Replica) {
			in.FloatingIPs = append(in.FloatingIPs, f)
		}
	}
	for _, f := range v.Forwardings {
		if f.RouterID == id && !in.Replica && v.FloatingIPs[f.FloatingIPID] != nil {
			in.Forwardings = append(in.Forwardings, f)
			if fip := v.FloatingIPs[f.FloatingIPID]; !slices.Contains(in.FloatingIPs, fip) {
				in.FloatingIPs = append(in.FloatingIPs, fip)
			}
		}
	}
	for _, h := range v.Helpers {
		if h.RouterID == id {
			in.Helpers = append(in.Helpers, h)
		}
	}
	in.Policies = v.policies(in)
	in.HA = v.haOf(r)
	slices.SortFunc(in.FloatingIPs, func(a, b *model.FloatingIP) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(in.Forwardings, func(a, b *model.PortForwarding) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(in.Helpers, func(a, b *model.ConntrackHelper) int { return cmp.Compare(a.ID, b.ID) })
	v.lend(&in)
	return in, true
}

// policies gives the QoS policies that a router's parts name.
func (v *View) policies(in Input) map[string]*model.QoSPolicy {
	out := map[string]*model.QoSPolicy{}
	note := func(id string) {
		if p := v.Policies[id]; p != nil {
			out[id] = p
		}
	}
	if g := in.Router.Gateway; g != nil {
		note(g.QoSPolicyID)
	}
	for _, f := range in.FloatingIPs {
		note(f.QoSPolicyID)
	}
	return out
}

func (v *View) face(p *model.Port) Interface {
	i := Interface{Port: p, Network: v.Networks[p.NetworkID]}
	on := map[string]bool{}
	for _, f := range p.FixedIPs {
		s := v.Subnets[f.SubnetID]
		if s == nil {
			continue
		}
		on[s.ID] = true
		a := Address{IP: f.IP, Subnet: s}
		if pool := v.Pools[s.SubnetPoolID]; pool != nil {
			a.Scope = pool.AddressScopeID
		}
		i.Addresses = append(i.Addresses, a)
	}
	for _, id := range slices.Sorted(maps.Keys(v.Subnets)) {
		if s := v.Subnets[id]; s.NetworkID == p.NetworkID && !on[id] {
			i.Others = append(i.Others, s)
		}
	}
	return i
}
