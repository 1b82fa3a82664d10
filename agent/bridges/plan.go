package bridges

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// Settings of the connection from the switch to the agent, in milliseconds: an
// agent that restarts is called again within a second, and one that hangs is
// noticed within ten.
const (
	maxBackoff      = 1000
	inactivityProbe = 10000
)

// protocols are what Lepton's bridges speak: up to what the agent uses, and the
// older ones so that a plain ovs-ofctl works.
var protocols = []string{"OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"}

// planner collects operations.
type planner struct {
	have ovsdb.State
	want Desired
	plan Plan
}

// NewPlan compares what the database holds with what is desired. On an
// unchanged host the plan is empty.
func NewPlan(have ovsdb.State, want Desired) Plan {
	p := &planner{have: have, want: want}
	p.ownBridge(want.Integration, want.IntegrationTables)
	p.ownBridge(want.Tunnel, want.TunnelTables)
	p.patch(want.Integration, PatchTun, want.Tunnel, PatchInt, "")
	for _, physnet := range slices.Sorted(maps.Keys(want.BridgeMappings)) {
		p.provider(physnet, want.BridgeMappings[physnet])
	}
	p.tunnels()
	if !want.Incomplete {
		p.strays()
	}
	return p.plan
}

func (p *planner) do(op ovsdb.Op) { p.plan.Ops = append(p.plan.Ops, op) }

func owner() map[string]string { return map[string]string{ovsdb.OwnerKey: ovsdb.OwnerBridges} }

// ownBridge makes a bridge of ours and sets it up.
func (p *planner) ownBridge(name string, tables map[int]string) {
	b, exists := p.have.Bridges[name]
	datapath := p.want.DatapathType
	if !exists || datapath != "" && b.DatapathType != datapath || !includes(b.ExternalIDs, owner()) {
		p.do(ovsdb.EnsureBridge{Name: name, DatapathType: datapath, FailMode: "secure", Protocols: protocols,
			OtherConfig: map[string]string{"disable-in-band": "true"}, ExternalIDs: owner()})
		b.FailMode, b.Protocols = "secure", protocols
		b.OtherConfig = map[string]string{"disable-in-band": "true"}
	}
	p.settings(name, b, tables)
}

// provider connects an operator's bridge, if it is there.
func (p *planner) provider(physnet, name string) {
	b, exists := p.have.Bridges[name]
	if !exists {
		p.plan.Problems = append(p.plan.Problems, Problem{
			Object: "bridge " + name,
			Text:   fmt.Sprintf("does not exist, but bridge_mappings has physical network %s on it", physnet),
		})
		return
	}
	p.settings(name, b, p.want.ProviderTables)
	p.patch(p.want.Integration, IntPort(name), name, PhyPort(name), physnet)
}

// settings has the bridge closed without flows, and connected to the agent.
func (p *planner) settings(name string, b ovsdb.Bridge, tables map[int]string) {
	set := ovsdb.EnsureBridge{Name: name}
	if b.FailMode != "secure" {
		set.FailMode = "secure"
	}
	if !sameSet(b.Protocols, protocols) {
		set.Protocols = protocols
	}
	if b.OtherConfig["disable-in-band"] != "true" {
		set.OtherConfig = map[string]string{"disable-in-band": "true"}
	}
	if set.FailMode != "" || set.Protocols != nil || set.OtherConfig != nil {
		p.do(set)
	}
	if !controlled(b, p.want.Controller) {
		p.do(ovsdb.SetController{
			Bridge: name, Target: p.want.Controller, MaxBackoff: maxBackoff,
			InactivityProbe: inactivityProbe, ExternalIDs: owner(),
		})
	}
	for n, title := range tables {
		if b.FlowTables[n].Name != title {
			p.do(ovsdb.SetFlowTables{Bridge: name, Names: tables, ExternalIDs: owner()})
			break
		}
	}
}

func controlled(b ovsdb.Bridge, target string) bool {
	if len(b.Controllers) != 1 {
		return false
	}
	c := b.Controllers[0]
	return c.Target == target && c.MaxBackoff == maxBackoff && c.InactivityProbe == inactivityProbe && c.ConnectionMode == "out-of-band"
}

// patch makes the two ends of a patch.
func (p *planner) patch(bridgeA, portA, bridgeB, portB, physnet string) {
	ids := owner()
	if physnet != "" {
		ids[ovsdb.PhysicalNetworkKey] = physnet
	}
	for _, end := range [][3]string{{bridgeA, portA, portB}, {bridgeB, portB, portA}} {
		p.port(ovsdb.EnsurePort{
			Bridge: end[0], Name: end[1], Type: "patch", Options: map[string]string{"peer": end[2]},
			ExternalIDs: ids, PortExternalIDs: ids,
		})
	}
}

// port adds the operation if the port is not as it should be.
func (p *planner) port(want ovsdb.EnsurePort) {
	i, ok := p.have.Interfaces[want.Name]
	port := p.have.Ports[want.Name]
	if ok && i.Type == want.Type && maps.Equal(i.Options, want.Options) &&
		includes(i.ExternalIDs, want.ExternalIDs) && includes(port.ExternalIDs, want.PortExternalIDs) {
		return
	}
	p.do(want)
}

// tunnels makes the ports towards the hosts that share a network.
func (p *planner) tunnels() {
	for _, t := range p.want.Tunnels {
		ids := owner()
		ids[ovsdb.TunnelHostKey] = t.Host
		options := map[string]string{
			"in_key": "flow", "out_key": "flow", "local_ip": p.want.LocalIP.String(), "remote_ip": t.Remote.String(),
			"df_default": strconv.FormatBool(p.want.DF),
		}
		if p.want.CSUM {
			options["csum"] = "true"
		}
		if t.DstPort != 0 && t.DstPort != 4789 && t.Type == model.VXLAN {
			options["dst_port"] = strconv.Itoa(t.DstPort)
		}
		p.port(ovsdb.EnsurePort{
			Bridge: p.want.Tunnel, Name: TunnelPort(t.Type, t.Remote), Type: string(t.Type),
			Options: options, ExternalIDs: ids, PortExternalIDs: ids,
		})
	}
}

// strays removes patch and tunnel ports of ours that are no longer wanted.
func (p *planner) strays() {
	wanted := map[string]bool{PatchTun: true, PatchInt: true}
	for _, bridge := range p.want.BridgeMappings {
		wanted[IntPort(bridge)], wanted[PhyPort(bridge)] = true, true
	}
	for _, t := range p.want.Tunnels {
		wanted[TunnelPort(t.Type, t.Remote)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(p.have.Ports)) {
		port := p.have.Ports[name]
		_, isBridge := p.have.Bridges[name]
		if port.ExternalIDs[ovsdb.OwnerKey] == ovsdb.OwnerBridges && !isBridge && !wanted[name] {
			p.do(ovsdb.DeletePort{Name: name})
		}
	}
}

// includes reports whether m has all of sub.
func includes(m, sub map[string]string) bool {
	for k, v := range sub {
		if m[k] != v {
			return false
		}
	}
	return true
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
