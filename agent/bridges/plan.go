package bridges

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/ovsdb"
)

// Settings of the connection from the switch to the agent, in milliseconds: an
// agent that restarts is called again within a second, and one that hangs is
// noticed within twenty.
const (
	maxBackoff      = 1000
	inactivityProbe = 10000
)

// macTableSize is how many addresses a bridge learns for action NORMAL, as in
// Neutron; Open vSwitch's default of 8192 is too small for a large network.
const macTableSize = "50000"

// protocols gives what the bridges speak: up to what the agent uses, and the
// older ones so that a plain ovs-ofctl works.
func protocols() []string {
	return []string{"OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"}
}

// planner collects operations and problems.
type planner struct {
	have ovsdb.State
	want Desired
	ids  map[string]string // bridge → datapath id it must be given
	plan Plan
	// wanted are the ports that the plan is for, whether they exist or not.
	wanted map[string]bool
}

// NewPlan compares what the database holds with what is desired. With
// BridgePorts in have, ports of ours on the wrong bridge are moved.
func NewPlan(have ovsdb.State, want Desired) Plan {
	p := &planner{have: have, want: want, wanted: map[string]bool{}}
	providers := p.providers()
	p.ids = uniqueDatapathIDs(have, p.bridgeNames(providers))

	p.ownBridge(want.Integration, want.IntegrationTables)
	if want.Tunnel != "" {
		p.ownBridge(want.Tunnel, want.TunnelTables)
		p.patch(patch{a: want.Integration, portA: PatchTun, b: want.Tunnel, portB: PatchInt})
	}
	for _, m := range providers {
		p.bridge(ovsdb.EnsureBridge{Name: m.bridge, DatapathType: want.DatapathType}, want.ProviderTables)
		p.patch(patch{
			a: want.Integration, portA: IntPort(m.bridge), b: m.bridge, portB: PhyPort(m.bridge), physnet: m.physnet,
		})
	}
	p.tunnels()
	if !want.Incomplete {
		p.strays()
	}
	p.failures()
	return p.plan
}

// do adds the operation if the database lacks something of it.
func (p *planner) do(op ovsdb.Op) {
	if ovsdb.Needed(p.have, op) {
		p.plan.Ops = append(p.plan.Ops, op)
	}
}

func (p *planner) problem(object, format string, args ...any) {
	p.plan.Problems = append(p.plan.Problems, Problem{Object: object, Text: fmt.Sprintf(format, args...)})
}

func owner() map[string]string { return map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges} }

// mapping is a physical network on a bridge that can serve it.
type mapping struct{ physnet, bridge string }

// providers gives the mappings that can be realised, by physical network, and
// reports the others.
func (p *planner) providers() []mapping {
	var out []mapping
	served := map[string]string{} // bridge → physical network
	for _, physnet := range slices.Sorted(maps.Keys(p.want.BridgeMappings)) {
		name := p.want.BridgeMappings[physnet]
		b, exists := p.have.Bridges[name]
		other, taken := served[name]
		switch {
		case name == p.want.Integration || name == p.want.Tunnel:
			p.problem("bridge "+name, "is the agent's own and cannot serve physical network %s in bridge_mappings", physnet)
		case taken:
			p.problem("bridge "+name, "serves physical network %s and cannot serve %s too", other, physnet)
		case !exists:
			p.problem("bridge "+name, "does not exist, but bridge_mappings has physical network %s on it", physnet)
		case p.want.DatapathType == "" && datapath(b) != datapath(p.have.Bridges[p.want.Integration]):
			p.problem("bridge "+name, "has datapath type %s, which cannot be joined with %s of type %s: physical network %s is cut off",
				datapath(b), p.want.Integration, datapath(p.have.Bridges[p.want.Integration]), physnet)
		default:
			served[name] = physnet
			out = append(out, mapping{physnet: physnet, bridge: name})
		}
	}
	return out
}

// datapath gives the type of a bridge's datapath; "system" is the default.
func datapath(b ovsdb.Bridge) string { return cmp.Or(b.DatapathType, "system") }

func (p *planner) bridgeNames(providers []mapping) []string {
	names := []string{p.want.Integration}
	if p.want.Tunnel != "" {
		names = append(names, p.want.Tunnel)
	}
	for _, m := range providers {
		names = append(names, m.bridge)
	}
	return names
}

// ownBridge makes a bridge of ours and sets it up.
func (p *planner) ownBridge(name string, tables map[int]string) {
	p.wanted[name] = true
	p.bridge(ovsdb.EnsureBridge{Name: name, DatapathType: p.want.DatapathType, ExternalIDs: owner()}, tables)
}

// bridge has a bridge closed while it has no flows, and connected to the agent.
func (p *planner) bridge(op ovsdb.EnsureBridge, tables map[int]string) {
	op.FailMode, op.Protocols = "secure", protocols()
	// In-band control would let packets past the flows.
	op.OtherConfig = map[string]string{"disable-in-band": "true", "mac-table-size": macTableSize}
	if id, ok := p.ids[op.Name]; ok {
		op.OtherConfig["datapath-id"] = id
	}
	p.do(op)
	p.do(ovsdb.SetController{
		Bridge: op.Name, Target: p.want.Controller, MaxBackoff: maxBackoff,
		InactivityProbe: inactivityProbe, ExternalIDs: owner(),
	})
	if _, exists := p.have.Bridges[op.Name]; exists || len(tables) > 0 {
		p.do(ovsdb.SetFlowTables{Bridge: op.Name, Names: tables, ExternalIDs: owner()})
	}
}

// patch joins two bridges.
type patch struct{ a, portA, b, portB, physnet string }

func (p *planner) patch(j patch) {
	ids := owner()
	if j.physnet != "" {
		ids[ovsdb.PhysicalNetworkKey] = j.physnet
	}
	for _, end := range []struct{ bridge, port, peer string }{{j.a, j.portA, j.portB}, {j.b, j.portB, j.portA}} {
		p.port(ovsdb.EnsurePort{
			Bridge: end.bridge, Name: end.port, Type: "patch", Options: map[string]string{"peer": end.peer},
			ExternalIDs: ids, PortExternalIDs: ids,
		})
	}
}

func (p *planner) port(op ovsdb.EnsurePort) {
	p.wanted[op.Name] = true
	p.do(op)
	if _, exists := p.have.Ports[op.Name]; exists && p.have.BridgePorts != nil &&
		!slices.Contains(p.have.BridgePorts[op.Bridge], op.Name) {
		p.plan.Ops = append(p.plan.Ops, ovsdb.MovePort{Bridge: op.Bridge, Name: op.Name})
	}
}

// strays removes patch and tunnel ports of ours that are no longer wanted.
func (p *planner) strays() {
	for _, name := range slices.Sorted(maps.Keys(p.have.Ports)) {
		_, isBridge := p.have.Bridges[name]
		ours := p.have.Ports[name].ExternalIDs[ovsdb.OwnerKey] == ovsdb.OwnerBridges
		if ours && !isBridge && !p.wanted[name] {
			p.do(ovsdb.DeletePort{Name: name})
		}
	}
}

// failures reports wanted ports that the switch could not make.
func (p *planner) failures() {
	for _, name := range slices.Sorted(maps.Keys(p.wanted)) {
		if i := p.have.Interfaces[name]; i.OFPort < 0 {
			p.problem("interface "+name, "could not be made by Open vSwitch: %s", cmp.Or(i.Error, "it does not say why"))
		}
	}
}
