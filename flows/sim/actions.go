package sim

import (
	"github.com/lepton-sdn/lepton/flows"
)

// actions executes a list of actions on the packet.
func (t *translation) actions(actions []flows.Action) {
	for _, a := range actions {
		if t.err != "" {
			return
		}
		if goOn := t.action(a); !goOn {
			return
		}
	}
}

// action executes one action and reports whether the list goes on.
func (t *translation) action(a flows.Action) bool {
	switch a := a.(type) {
	case flows.Output:
		t.output(widen(a.Port))
	case flows.OutputReg:
		t.outputReg(a)
	case flows.Controller:
		t.emit(flows.PortController)
	case flows.Resubmit:
		t.resubmit(a)
	case flows.GotoTable:
		t.table(t.packet.port(), a.Table, false)
	case flows.CT:
		t.ct(a)
	case flows.CTClear:
		if t.tracked {
			t.packet.clearConntrack()
			t.tracked = false
		}
	case flows.Group:
		return t.group(a.ID)
	case flows.Learn:
		t.learn(a)
	case flows.Conjunction:
		t.note("a clause of conjunction %d was executed", a.ID)
	case flows.Raw:
		t.note("unknown action left out")
	default:
		return t.edit(a)
	}
	return true
}

// edit executes the actions that change the packet only.
func (t *translation) edit(a flows.Action) bool {
	p := &t.packet
	switch a := a.(type) {
	case flows.SetField:
		t.write(a.Field, a.Value, a.Mask)
	case flows.Load:
		t.write(a.Dst.Field, a.Value.Shl(a.Dst.Start), a.Dst.Mask())
	case flows.Move:
		if p.has(a.Src.Field) {
			t.write(a.Dst.Field, p.subfield(a.Src).Shl(a.Dst.Start), a.Dst.Mask())
		}
	case flows.PushVLAN:
		p.pushTag()
	case flows.PopVLAN:
		p.popTag()
	case flows.DecTTL:
		if !p.has(flows.IPTTL) {
			return true
		}
		ttl := p.Num(flows.IPTTL)
		if ttl <= 1 {
			t.note("TTL exceeded")
			t.emit(flows.PortController)
			return false
		}
		p.SetNum(flows.IPTTL, ttl-1)
	}
	return true
}

// write writes bits of a field if the packet has it.
func (t *translation) write(f flows.Field, v, mask flows.Value) {
	if !t.packet.has(f) {
		t.note("the packet has no %s, not written", f)
		return
	}
	t.packet.write(f, v, mask)
}

func (t *translation) emit(port uint32) {
	t.effects = append(t.effects, effect{output: &Output{Bridge: t.bridge, Port: port, Packet: t.packet}})
}

// output sends the packet to a port, but not back to the one it came from
// unless that is asked for by name.
func (t *translation) output(port uint32) {
	in := t.packet.port()
	switch port {
	case flows.PortInPort:
		t.send(in)
	case flows.PortTable:
		t.table(in, 0, false)
	case flows.PortNormal:
		t.normal()
	case flows.PortFlood, flows.PortAll:
		t.flood(port)
	case flows.PortController:
		t.emit(port)
	case flows.PortAny:
	default:
		if port == in {
			t.note("skipping output to input port %d", port)
			return
		}
		t.send(port)
	}
}

func (t *translation) outputReg(a flows.OutputReg) {
	port := t.packet.subfield(a.Src)
	if !port.AndNot(flows.Ones(16)).IsZero() {
		if a.Src.Field != flows.InPort {
			t.note("output port %d is out of range", port.Lo)
			return
		}
	}
	t.output(widen(uint32(port.Lo)))
}

// send puts the packet out of a port, or through a patch port into the other
// bridge. What happens there does not come back.
func (t *translation) send(port uint32) {
	peer, patch := t.bridge.Patches[port]
	if !patch {
		if !t.bridge.hasPort(port) {
			t.note("output to port %d, which does not exist", port)
			return
		}
		t.emit(port)
		return
	}
	saved := *t
	t.bridge = peer.Bridge
	t.packet.enterBridge(peer.Port)
	t.tracked = false
	t.nesting++
	t.table(peer.Port, 0, false)
	if t.err != "" {
		t.note("%s in %s, what it did stays", t.err, peer.Bridge.Name)
		t.err = ""
	}
	t.bridge, t.packet, t.tracked, t.nesting = saved.bridge, saved.packet, saved.tracked, saved.nesting
}

// flood sends the packet to all ports but the one it came from.
func (t *translation) flood(reserved uint32) {
	if t.bridge.Ports == nil {
		t.emit(reserved)
		return
	}
	in := t.packet.port()
	for _, port := range t.bridge.Ports {
		if port != in {
			t.send(port)
		}
	}
}

// normal is the switch of NORMAL with all ports as trunks: known addresses go
// to their port, all others everywhere.
func (t *translation) normal() {
	p := &t.packet
	port, known := t.bridge.Stations[Station{MAC: p.Num(flows.EthDst), VLAN: p.tags[0] & tagID}]
	switch {
	case t.bridge.Ports == nil:
		t.emit(flows.PortNormal)
	case !t.bridge.hasPort(p.port()):
		t.note("NORMAL has no input port %d, drop", p.port())
	case !known:
		t.flood(flows.PortNormal)
	case port != p.port():
		t.send(port)
	}
}

func (t *translation) resubmit(a flows.Resubmit) {
	port, table := widen(a.InPort), a.Table
	if port == 0 || port == flows.PortInPort {
		port = t.packet.port()
	}
	if table == 255 {
		table = t.current
	}
	t.table(port, table, a.CT)
}

// group runs the buckets of a group, each on its own copy of the packet.
func (t *translation) group(id uint32) bool {
	g, ok := t.bridge.Groups[id]
	if !ok {
		t.note("group %d does not exist", id)
		return false
	}
	if t.depth >= maxDepth {
		t.err = "over max translation depth"
		return true
	}
	buckets := g.Buckets
	if !g.All && len(buckets) > 1 {
		buckets = buckets[:1]
	}
	for _, actions := range buckets {
		packet, tracked := t.packet, t.tracked
		t.depth++
		t.actions(actions)
		t.depth--
		t.packet, t.tracked = packet, tracked
	}
	return true
}

// ct notes what the connection table is to do after the pass. From here on the
// packet is untracked in this pass.
func (t *translation) ct(a flows.CT) {
	zone := a.Zone
	if !a.ZoneSrc.IsZero() {
		zone = uint16(t.packet.subfield(a.ZoneSrc).Lo)
	}
	for _, x := range a.Exec {
		t.edit(x)
	}
	c := &tracking{
		bridge: t.bridge, packet: t.packet, table: a.Table, zone: zone, commit: a.Commit, force: a.Force,
		markMask: written(a.Exec, flows.CTMark), labelMask: written(a.Exec, flows.CTLabel),
	}
	if a.NAT != nil {
		t.note("nat is not simulated")
	}
	t.effects = append(t.effects, effect{ct: c})
	t.packet.clearConntrack()
	t.tracked = false
}

// written gives the bits of a field that actions write.
func written(actions []flows.Action, f flows.Field) flows.Value {
	var mask flows.Value
	for _, a := range actions {
		switch a := a.(type) {
		case flows.SetField:
			if a.Field == f {
				mask = mask.Or(a.Mask)
			}
		case flows.Load:
			if a.Dst.Field == f {
				mask = mask.Or(a.Dst.Mask())
			}
		case flows.Move:
			if a.Dst.Field == f {
				mask = mask.Or(a.Dst.Mask())
			}
		}
	}
	return mask
}
