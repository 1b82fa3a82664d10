package l3

import (
	"maps"

	"github.com/lepton-sdn/lepton/rpc"
)

// Apply brings the view up to date and gives the routers that the update may
// concern.
func (v *View) Apply(u *rpc.Update) map[string]bool {
	old := *v
	if u.Full {
		*v = *NewView(old.Host)
	}
	t := map[string]bool{}
	v.add(u, &old, t)
	for ref := range u.Deletions() {
		v.remove(ref, t)
	}
	if u.Full {
		for id := range old.Routers {
			t[id] = true
		}
		for id := range v.Routers {
			t[id] = true
		}
	}
	return t
}

// add puts the records of the update in; t gets the routers that they and
// those before them belong to.
func (v *View) add(u *rpc.Update, old *View, t map[string]bool) {
	for _, n := range u.Networks {
		v.Networks[n.ID] = n
		v.onNetwork(n.ID, t)
	}
	for _, s := range u.Subnets {
		v.Subnets[s.ID] = s
		v.onNetwork(s.NetworkID, t)
	}
	for _, p := range u.SubnetPools {
		v.Pools[p.ID] = p
		for _, s := range v.Subnets {
			if s.SubnetPoolID == p.ID {
				v.onNetwork(s.NetworkID, t)
			}
		}
	}
	for _, p := range u.QoSPolicies {
		v.Policies[p.ID] = p
		v.touchPolicy(p.ID, t)
	}
	for _, p := range u.Ports {
		v.touchPort(p.ID, t)
		v.Ports[p.ID] = p
		v.touchPort(p.ID, t)
	}
	for _, r := range u.Routers {
		v.Routers[r.ID] = r
		t[r.ID] = true
	}
	for _, b := range u.RouterBindings {
		v.Bindings[b.RouterID] = b
		t[b.RouterID] = true
	}
	for _, f := range u.FloatingIPs {
		v.touchFloating(f.ID, t)
		v.FloatingIPs[f.ID] = f
		v.touchFloating(f.ID, t)
	}
	for _, f := range u.PortForwardings {
		if before := old.Forwardings[f.ID]; before != nil {
			t[before.RouterID] = true
		}
		v.Forwardings[f.ID] = f
		t[f.RouterID] = true
	}
	for _, h := range u.ConntrackHelpers {
		if before := old.Helpers[h.ID]; before != nil {
			t[before.RouterID] = true
		}
		v.Helpers[h.ID] = h
		t[h.RouterID] = true
	}
}

// remove takes a record out.
func (v *View) remove(ref rpc.Ref, t map[string]bool) {
	switch ref.Kind {
	case rpc.KindNetwork:
		v.onNetwork(ref.ID, t)
		delete(v.Networks, ref.ID)
	case rpc.KindSubnet:
		if s := v.Subnets[ref.ID]; s != nil {
			v.onNetwork(s.NetworkID, t)
		}
		delete(v.Subnets, ref.ID)
	case rpc.KindPort:
		v.touchPort(ref.ID, t)
		delete(v.Ports, ref.ID)
	case rpc.KindRouter:
		t[ref.ID] = true
		delete(v.Routers, ref.ID)
	case rpc.KindRouterBinding:
		t[ref.ID] = true
		delete(v.Bindings, ref.ID)
	case rpc.KindFloatingIP:
		v.touchFloating(ref.ID, t)
		delete(v.FloatingIPs, ref.ID)
	case rpc.KindPortForwarding:
		if f := v.Forwardings[ref.ID]; f != nil {
			t[f.RouterID] = true
		}
		delete(v.Forwardings, ref.ID)
	case rpc.KindConntrackHelper:
		if h := v.Helpers[ref.ID]; h != nil {
			t[h.RouterID] = true
		}
		delete(v.Helpers, ref.ID)
	case rpc.KindSubnetPool:
		if v.Pools[ref.ID] != nil { // its subnets lose their scope
			for id := range maps.Keys(v.Routers) {
				t[id] = true
			}
		}
		delete(v.Pools, ref.ID)
	case rpc.KindQoSPolicy:
		v.touchPolicy(ref.ID, t)
		delete(v.Policies, ref.ID)
	}
}

// touchPolicy adds the routers with a part that names a QoS policy.
func (v *View) touchPolicy(id string, t map[string]bool) {
	for _, r := range v.Routers {
		if r.Gateway != nil && r.Gateway.QoSPolicyID == id {
			t[r.ID] = true
		}
	}
	for _, f := range v.FloatingIPs {
		if f.QoSPolicyID == id {
			v.touchFloating(f.ID, t)
		}
	}
}

// onNetwork adds the routers with a port on the network.
func (v *View) onNetwork(id string, t map[string]bool) {
	for _, p := range v.Ports {
		if p.NetworkID == id && v.Routers[p.DeviceID] != nil {
			t[p.DeviceID] = true
		}
	}
}

func (v *View) touchPort(id string, t map[string]bool) {
	p := v.Ports[id]
	if p == nil || p.DeviceID == "" {
		return
	}
	t[p.DeviceID] = true
	if f := v.FloatingIPs[p.DeviceID]; f != nil && p.DeviceOwner == ownerFloating {
		t[f.RouterID] = true
	}
}

// touchFloating adds the routers that a floating address and its forwardings
// belong to.
func (v *View) touchFloating(id string, t map[string]bool) {
	f := v.FloatingIPs[id]
	if f == nil {
		return
	}
	if f.RouterID != "" {
		t[f.RouterID] = true
	}
	for _, p := range v.Forwardings {
		if p.FloatingIPID == id {
			t[p.RouterID] = true
		}
	}
}
