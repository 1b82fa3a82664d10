package interest

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// world is all records, as plainly as can be.
type world struct {
	networks    map[string]*model.Network
	subnets     map[string]*model.Subnet
	ports       map[string]*model.Port
	agents      map[string]*model.Agent
	groups      map[string]*model.SecurityGroup
	rules       map[string]*model.SecurityGroupRule
	addrGroups  map[string]*model.AddressGroup
	routers     map[string]*model.Router
	routerHosts map[string]*model.RouterBinding
	floating    map[string]*model.FloatingIP
	forwardings map[string]*model.PortForwarding
	helpers     map[string]*model.ConntrackHelper
	pools       map[string]*model.SubnetPool
	dhcpHosts   map[string]*model.DHCPBinding
	logs        map[string]*model.Log
	trunks      map[string]*model.Trunk
	policies    map[string]*model.QoSPolicy
}

func newWorld() *world {
	return &world{
		networks: map[string]*model.Network{}, subnets: map[string]*model.Subnet{},
		ports: map[string]*model.Port{}, agents: map[string]*model.Agent{},
		groups: map[string]*model.SecurityGroup{}, rules: map[string]*model.SecurityGroupRule{},
		addrGroups: map[string]*model.AddressGroup{}, routers: map[string]*model.Router{},
		routerHosts: map[string]*model.RouterBinding{}, floating: map[string]*model.FloatingIP{},
		forwardings: map[string]*model.PortForwarding{}, helpers: map[string]*model.ConntrackHelper{},
		pools: map[string]*model.SubnetPool{}, dhcpHosts: map[string]*model.DHCPBinding{},
		logs: map[string]*model.Log{}, trunks: map[string]*model.Trunk{}, policies: map[string]*model.QoSPolicy{},
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

func (w *world) setGroup(id string, g *model.SecurityGroup) records.Change {
	return set(w.groups, records.SecurityGroups.Name(), id, g)
}

func (w *world) setRule(id string, r *model.SecurityGroupRule) records.Change {
	return set(w.rules, records.SecurityGroupRules.Name(), id, r)
}

func (w *world) setAddressGroup(id string, g *model.AddressGroup) records.Change {
	return set(w.addrGroups, records.AddressGroups.Name(), id, g)
}

func (w *world) setRouter(id string, r *model.Router) records.Change {
	return set(w.routers, records.Routers.Name(), id, r)
}

func (w *world) setRouterHosts(id string, b *model.RouterBinding) records.Change {
	return set(w.routerHosts, records.RouterBindings.Name(), id, b)
}

func (w *world) setFloatingIP(id string, f *model.FloatingIP) records.Change {
	return set(w.floating, records.FloatingIPs.Name(), id, f)
}

func (w *world) setForwarding(id string, f *model.PortForwarding) records.Change {
	return set(w.forwardings, records.PortForwardings.Name(), id, f)
}

func (w *world) setHelper(id string, h *model.ConntrackHelper) records.Change {
	return set(w.helpers, records.ConntrackHelpers.Name(), id, h)
}

func (w *world) setPool(id string, p *model.SubnetPool) records.Change {
	return set(w.pools, records.SubnetPools.Name(), id, p)
}

func (w *world) setDHCPHosts(id string, b *model.DHCPBinding) records.Change {
	return set(w.dhcpHosts, records.DHCPBindings.Name(), id, b)
}

func (w *world) setLog(id string, l *model.Log) records.Change {
	return set(w.logs, records.Logs.Name(), id, l)
}

func (w *world) setTrunk(id string, t *model.Trunk) records.Change {
	return set(w.trunks, records.Trunks.Name(), id, t)
}

func (w *world) setPolicy(id string, p *model.QoSPolicy) records.Change {
	return set(w.policies, records.QoSPolicies.Name(), id, p)
}

// everything is the full batch of the world.
func (w *world) everything(revision int64) records.Batch {
	b := records.Batch{Revision: revision, Full: true}
	addAll(&b, records.Networks.Name(), w.networks)
	addAll(&b, records.Subnets.Name(), w.subnets)
	addAll(&b, records.Ports.Name(), w.ports)
	addAll(&b, records.Agents.Name(), w.agents)
	addAll(&b, records.SecurityGroups.Name(), w.groups)
	addAll(&b, records.SecurityGroupRules.Name(), w.rules)
	addAll(&b, records.AddressGroups.Name(), w.addrGroups)
	addAll(&b, records.Routers.Name(), w.routers)
	addAll(&b, records.RouterBindings.Name(), w.routerHosts)
	addAll(&b, records.FloatingIPs.Name(), w.floating)
	addAll(&b, records.PortForwardings.Name(), w.forwardings)
	addAll(&b, records.ConntrackHelpers.Name(), w.helpers)
	addAll(&b, records.SubnetPools.Name(), w.pools)
	addAll(&b, records.DHCPBindings.Name(), w.dhcpHosts)
	addAll(&b, records.Logs.Name(), w.logs)
	addAll(&b, records.Trunks.Name(), w.trunks)
	addAll(&b, records.QoSPolicies.Name(), w.policies)
	return b
}

func addAll[T any](b *records.Batch, table string, recs map[string]*T) {
	for id, r := range recs {
		b.Changes = append(b.Changes, records.Change{Table: table, ID: id, New: r})
	}
}

// known is what a host knows: what it must know according to the world, or
// what updates have told it.
type known map[rpc.Ref]any

func (k known) add(kind rpc.Kind, id string, rec any) { k[rpc.Ref{Kind: kind, ID: id}] = rec }

// interestOf says from the definition what a host must know.
func (w *world) interestOf(host string) known {
	k := known{}
	here, routers := w.wired(host)
	routed, served := map[string]bool{}, map[string]bool{}
	for id, b := range w.routerHosts {
		if routers[id] {
			seen := &model.RouterBinding{RouterID: id}
			for _, h := range b.Hosts {
				if h.Host == host {
					seen.Hosts = append(seen.Hosts, h)
				}
			}
			k.add(rpc.KindRouterBinding, id, seen)
		}
	}
	for id, b := range w.dhcpHosts {
		for _, h := range b.Hosts {
			if h.Host == host {
				served[id], routed[id] = true, true
				k.add(rpc.KindDHCPBinding, id, &model.DHCPBinding{NetworkID: id, Hosts: []model.DHCPHost{h}})
			}
		}
	}
	for _, p := range w.ports {
		if ofRouter(p) && routers[p.DeviceID] {
			routed[p.NetworkID] = true
		}
	}
	w.routersOf(k, routers, routed)
	w.networksOf(k, host, here, routed)
	for id, p := range w.ports {
		bound := BoundHost(p)
		switch {
		case bound == host && bound != "":
			k.add(rpc.KindPort, id, p)
		case here[p.NetworkID] && bound != "" && w.sameWire(p.NetworkID, bound, host), served[p.NetworkID], ofRouter(p) && routers[p.DeviceID]:
			k.add(rpc.KindPort, id, elsewhere(p))
		}
	}
	w.groupsOf(k, host)
	w.extrasOf(k, host)
	return k
}

func (w *world) routersOf(k known, routers, routed map[string]bool) {
	for id := range routers {
		if r := w.routers[id]; r != nil {
			k.add(rpc.KindRouter, id, r)
			if r.Gateway != nil {
				routed[r.Gateway.NetworkID] = true
			}
		}
	}
	for id, f := range w.floating {
		if routers[f.RouterID] {
			k.add(rpc.KindFloatingIP, id, f)
		}
	}
	for id, f := range w.forwardings {
		if routers[f.RouterID] {
			k.add(rpc.KindPortForwarding, id, f)
		}
	}
	for id, h := range w.helpers {
		if routers[h.RouterID] {
			k.add(rpc.KindConntrackHelper, id, h)
		}
	}
}

func (w *world) networksOf(k known, host string, here, routed map[string]bool) {
	for id, n := range w.networks {
		wire := w.wire(n, host)
		if here[id] || routed[id] {
			seen := *n
			if len(n.Segments) > 1 {
				seen.Segment, seen.Segments = wire, nil
			}
			k.add(rpc.KindNetwork, id, &seen)
		}
		if !here[id] || !wire.Type.Tunneled() {
			continue
		}
		for _, a := range w.agents {
			if a.Host != host && w.hasPort(a.Host, id) && a.TunnelIP.IsValid() && slices.Contains(a.TunnelTypes, wire.Type) && w.wire(n, a.Host) == wire {
				k.addEndpoint(a, wire.Type)
			}
		}
	}
	for id, s := range w.subnets {
		if here[s.NetworkID] || routed[s.NetworkID] {
			k.add(rpc.KindSubnet, id, s)
		}
		if p := w.pools[s.SubnetPoolID]; p != nil && routed[s.NetworkID] {
			seen := &model.SubnetPool{IPVersion: p.IPVersion, AddressScopeID: p.AddressScopeID}
			seen.ID = p.ID
			k.add(rpc.KindSubnetPool, p.ID, seen)
		}
	}
}

// wired gives the networks that a host takes part in, and the routers that it
// has: those that are bound to it, and the distributed ones of its guests.
func (w *world) wired(host string) (networks, routers map[string]bool) {
	networks, routers = map[string]bool{}, map[string]bool{}
	guests := map[string]bool{}
	for _, p := range w.ports {
		if BoundHost(p) == host && host != "" {
			networks[p.NetworkID] = true
			guests[p.NetworkID] = guests[p.NetworkID] || !ofRouter(p) && p.DeviceOwner != "network:floatingip"
		}
	}
	for id, b := range w.routerHosts {
		if b.On(host) {
			routers[id] = true
		}
	}
	for _, p := range w.ports {
		if p.Distributed() && ofRouter(p) && guests[p.NetworkID] {
			routers[p.DeviceID] = true
		}
	}
	for _, p := range w.ports {
		if p.Distributed() && ofRouter(p) && routers[p.DeviceID] {
			networks[p.NetworkID] = true
		}
	}
	return networks, routers
}

func (w *world) hasPort(host, network string) bool {
	networks, _ := w.wired(host)
	return networks[network]
}

func (w *world) groupsOf(k known, host string) {
	for _, p := range w.ports {
		if BoundHost(p) != host {
			continue
		}
		for _, id := range p.SecurityGroups {
			if g := w.groups[id]; g != nil {
				k.add(rpc.KindGroup, id, g)
			}
			for rid, r := range w.rules {
				if r.SecurityGroupID != id {
					continue
				}
				k.add(rpc.KindRule, rid, r)
				if a := w.addrGroups[r.RemoteAddressGroupID]; a != nil {
					k.add(rpc.KindAddressGroup, a.ID, a)
				}
				w.membersOf(k, r.RemoteGroupID)
			}
		}
	}
}

func (w *world) extrasOf(k known, host string) {
	policy := func(id string) {
		if p := w.policies[id]; p != nil {
			k.add(rpc.KindQoSPolicy, id, p)
		}
	}
	own, groups := map[string]bool{}, map[string]bool{}
	for id, p := range w.ports {
		if BoundHost(p) != host {
			continue
		}
		own[id] = true
		for _, g := range p.SecurityGroups {
			groups[g] = true
		}
		policy(p.QoSPolicyID)
	}
	networks, _ := w.wired(host)
	for id := range networks {
		if n := w.networks[id]; n != nil {
			policy(n.QoSPolicyID)
		}
	}
	for _, rec := range maps.Clone(k) {
		switch r := rec.(type) {
		case *model.Router:
			if r.Gateway != nil {
				policy(r.Gateway.QoSPolicyID)
			}
		case *model.FloatingIP:
			policy(r.QoSPolicyID)
		}
	}
	for id, t := range w.trunks {
		if own[t.PortID] {
			k.add(rpc.KindTrunk, id, t)
		}
	}
	for id, l := range w.logs {
		if l.Enabled && (own[l.TargetID] || l.TargetID == "" && groups[l.ResourceID] ||
			l.TargetID == "" && l.ResourceID == "" && len(own) > 0) {
			k.add(rpc.KindLog, id, l)
		}
	}
}

func (w *world) membersOf(k known, group string) {
	for _, p := range w.ports {
		if !slices.Contains(p.SecurityGroups, group) {
			continue
		}
		m := &model.GroupMember{GroupID: group, PortID: p.ID}
		seen := map[netip.Prefix]bool{}
		for _, f := range p.FixedIPs {
			seen[netip.PrefixFrom(f.IP, f.IP.BitLen())] = true
		}
		for _, a := range p.AllowedAddressPairs {
			if a.IP.Bits() > 0 {
				seen[a.IP.Masked()] = true
			}
		}
		m.Addresses = slices.SortedFunc(maps.Keys(seen), netip.Prefix.Compare)
		k.add(rpc.KindMember, group+"/"+p.ID, m)
	}
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

func (w *world) sameWire(network, a, b string) bool {
	return w.wire(w.networks[network], a) == w.wire(w.networks[network], b)
}

func (k known) addEndpoint(a *model.Agent, t model.NetworkType) {
	r := rpc.Ref{Kind: rpc.KindEndpoint, ID: a.Host}
	end, _ := k[r].(*model.Endpoint)
	if end == nil {
		end = &model.Endpoint{Host: a.Host, IP: a.TunnelIP, VXLANPort: a.VXLANPort}
		k[r] = end
	}
	if !slices.Contains(end.Types, t) {
		end.Types = append(end.Types, t)
		slices.Sort(end.Types)
	}
}

// update takes over what the host is told.
func (k known) update(u *rpc.Update) {
	if u.Full {
		clear(k)
	}
	for r, rec := range u.Records() {
		k[r] = rec
	}
	for r := range u.Deletions() {
		delete(k, r)
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
