package explain

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// Host is what a host is sent, and how far it has come with it.
type Host struct {
	Update *rpc.Update
	// Agent is the host's; nil for a host without one.
	Agent *model.Agent
	// Plugged reports whether a port is on the host's br-int.
	Plugged func(*model.Port) bool
	// Behind says what of the update the host has not confirmed yet, "" for
	// nothing that is known.
	Behind string
}

// The OpenFlow ports that are made up. Those of guests and of tunnels begin with
// firstPort.
const (
	patchTun   = 1   // on br-int
	patchInt   = 1   // on br-tun
	firstPatch = 2   // on br-int, to provider bridges
	phyPatch   = 1   // on provider bridges
	nic        = 2   // on provider bridges
	firstPort  = 100 // tunnels on br-tun, guests on br-int
	maxOFPort  = 0xfeff
	maxVLAN    = 4094
)

// node is a host's switch in the interpreter, with its connection table.
type node struct {
	name     string
	host     Host
	view     *pipeline.View
	problems []pipeline.Problem
	bridges  map[string]*sim.Bridge // by name
	kinds    map[*sim.Bridge]pipeline.Kind
	physical map[string]*sim.Bridge // by physical network
	conns    *sim.Conns

	numbers map[string]uint32 // port id → OpenFlow port on br-int
	ports   map[uint32]*model.Port
	tunnels map[uint32]pipeline.TunnelKey
	names   map[*sim.Bridge]map[uint32]string
	objects map[string][]ref // by the digits in cookies
}

// ref names a record.
type ref struct{ kind, id string }

// newNode compiles a host's tables and puts them into bridges.
func newNode(name string, h Host) *node {
	if h.Agent == nil {
		h.Agent = &model.Agent{Host: name}
	}
	n := &node{
		name: name, host: h, bridges: map[string]*sim.Bridge{}, kinds: map[*sim.Bridge]pipeline.Kind{},
		physical: map[string]*sim.Bridge{}, conns: &sim.Conns{Userspace: h.Agent.DatapathType == "netdev"},
		numbers: map[string]uint32{}, ports: map[uint32]*model.Port{},
		tunnels: map[uint32]pipeline.TunnelKey{}, names: map[*sim.Bridge]map[uint32]string{},
	}
	n.index()
	n.look()
	program := pipeline.Compile(n.view)
	n.problems = program.Problems
	n.build(program)
	return n
}

// look makes the view that the host's agent would have.
func (n *node) look() {
	u, a := n.host.Update, n.host.Agent
	v := &pipeline.View{
		Host: n.name,
		Config: pipeline.Config{
			IntegrationBridge: bridgeName(a.IntegrationBridge), TunnelBridge: tunnelBridge, L2Population: u.Settings.L2Population,
			ARPResponder: true, Userspace: a.DatapathType == "netdev",
		},
		Networks: map[string]pipeline.Network{}, Ports: map[string]pipeline.LocalPort{}, Remotes: map[string]*model.Port{},
		Groups: map[string]pipeline.SecurityGroup{}, Members: map[pipeline.MemberKey]*model.GroupMember{},
		AddressGroups: map[string]*model.AddressGroup{}, Tunnels: map[pipeline.TunnelKey]uint32{},
		Physical: map[string]pipeline.PhysicalBridge{},
	}
	n.view = v
	for i, net := range sorted(u.Networks, func(r *model.Network) string { return r.ID }) {
		if i < maxVLAN {
			v.Networks[net.ID] = pipeline.Network{Record: net, VLAN: uint16(i + 1)}
		}
	}
	n.lookAtPorts()
	n.lookAtGroups()
	n.lookAtWays()
}

const tunnelBridge = "br-tun"

func bridgeName(name string) string {
	if name == "" {
		return "br-int"
	}
	return name
}

func sorted[T any](list []T, key func(T) string) []T {
	return slices.SortedFunc(slices.Values(list), func(a, b T) int {
		switch ka, kb := key(a), key(b); {
		case ka < kb:
			return -1
		case ka > kb:
			return 1
		}
		return 0
	})
}

func (n *node) lookAtPorts() {
	next := uint32(firstPort)
	for _, p := range sorted(n.host.Update.Ports, func(r *model.Port) string { return r.ID }) {
		own := p.Host == n.name || p.Distributed() || slices.Contains(p.HAHosts, n.name)
		_, known := n.view.Networks[p.NetworkID]
		switch {
		case own && known && n.host.Plugged(p) && next < maxOFPort:
			n.numbers[p.ID], n.ports[next] = next, p
			n.view.Ports[p.ID] = pipeline.LocalPort{Record: p, OFPort: next, Standby: p.Host != n.name && slices.Contains(p.HAHosts, n.name)}
			next++
		case p.Host != "" && p.Host != n.name:
			n.view.Remotes[p.ID] = p
		}
	}
}

func (n *node) lookAtGroups() {
	u, v := n.host.Update, n.view
	for _, g := range u.Groups {
		v.Groups[g.ID] = pipeline.SecurityGroup{Record: g, Rules: map[string]*model.SecurityGroupRule{}}
	}
	for _, r := range u.Rules {
		if g, ok := v.Groups[r.SecurityGroupID]; ok {
			g.Rules[r.ID] = r
		}
	}
	for _, m := range u.Members {
		v.Members[pipeline.MemberKey{Group: m.GroupID, Port: m.PortID}] = m
	}
	for _, a := range u.AddressGroups {
		v.AddressGroups[a.ID] = a
	}
}

// lookAtWays adds what leads to other hosts.
func (n *node) lookAtWays() {
	a, v := n.host.Agent, n.view
	if len(a.TunnelTypes) > 0 {
		v.PatchTun, v.PatchInt = patchTun, patchInt
	}
	next := uint32(firstPort)
	for _, e := range sorted(n.host.Update.Endpoints, func(r *model.Endpoint) string { return r.Host }) {
		for _, t := range e.Types {
			if slices.Contains(a.TunnelTypes, t) {
				key := pipeline.TunnelKey{Host: e.Host, Type: t}
				v.Tunnels[key], n.tunnels[next] = next, key
				next++
			}
		}
	}
	for i, name := range slices.Sorted(maps.Keys(a.BridgeMappings)) {
		v.Physical[name] = pipeline.PhysicalBridge{Bridge: a.BridgeMappings[name], IntPort: firstPatch + uint32(i), PhyPort: phyPatch}
	}
}

// build makes the bridges of the program, and joins them.
func (n *node) build(program *pipeline.Program) {
	br := func(name string, kind pipeline.Kind) *sim.Bridge {
		b := sim.NewBridge(name, program.Bridges[name])
		b.Patches = map[uint32]sim.Peer{}
		n.bridges[name], n.kinds[b], n.names[b] = b, kind, map[uint32]string{}
		return b
	}
	main := br(n.view.Config.IntegrationBridge, pipeline.Integration)
	for number, p := range n.ports {
		n.names[main][number] = portLink(p)
	}
	if n.view.PatchTun != 0 {
		tun := br(tunnelBridge, pipeline.Tunnel)
		n.join(main, patchTun, tun, patchInt, [2]string{"patch-tun", "patch-int"})
		for number, key := range n.tunnels {
			n.names[tun][number] = fmt.Sprintf("%s-%s", key.Type, key.Host)
		}
	}
	for name, phys := range n.view.Physical {
		if n.bridges[phys.Bridge] != nil {
			continue // the pipeline reports it
		}
		b := br(phys.Bridge, pipeline.Provider)
		b.Ports = []uint32{phyPatch, nic}
		n.names[b][nic] = name
		n.physical[name] = b
		n.join(main, phys.IntPort, b, phyPatch, [2]string{"int-" + phys.Bridge, "phy-" + phys.Bridge})
	}
}

func (n *node) join(a *sim.Bridge, pa uint32, b *sim.Bridge, pb uint32, names [2]string) {
	a.Patches[pa], b.Patches[pb] = sim.Peer{Bridge: b, Port: pb}, sim.Peer{Bridge: a, Port: pa}
	n.names[a][pa], n.names[b][pb] = names[0], names[1]
}

// portLink is how the port's interface is called.
func portLink(p *model.Port) string {
	prefix := "tap"
	switch p.DeviceOwner {
	case ownerInterface, ownerDistributed, ownerHAInterface:
		prefix = "qr-"
	case ownerGateway, ownerFloating:
		prefix = "qg-"
	}
	return prefix + p.ID[:min(11, len(p.ID))]
}

// integration is the bridge that ports are on.
func (n *node) integration() *sim.Bridge { return n.bridges[n.view.Config.IntegrationBridge] }

// problemOf says what the pipeline cannot realise of an object, "" for nothing.
func (n *node) problemOf(kind, id string) string {
	for _, p := range n.problems {
		if p.Kind == kind && p.ID == id {
			return p.Text
		}
	}
	return ""
}
