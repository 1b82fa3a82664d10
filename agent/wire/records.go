package wire

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// lookAtRecords brings the view in line with the records and the facts that
// were touched since the last time.
func (l *Loop) lookAtRecords() {
	t := l.touched
	l.touched = newTouched()
	if t.all {
		l.view.Config = pipeline.Config{
			IntegrationBridge: l.cfg.Bridges.Integration,
			TunnelBridge:      l.cfg.Bridges.Tunnel,
			L2Population:      l.mirror.settings.L2Population,
			ARPResponder:      l.cfg.ARPResponder,
			Userspace:         l.userspace(),
			Meterless:         l.meterless != "",
		}
		l.dirty.All = true
		for _, p := range l.ports { // a controller that is new to us is told everything
			p.reported = model.PortStatus{}
		}
		for id := range l.mirror.networks {
			t.networks[id] = true
		}
		for id := range l.mirror.ports {
			t.ports[id] = true
		}
	}
	if l.scanAll {
		l.scanAll = false
		for id := range l.mirror.networks {
			t.networks[id] = true
		}
	}
	if t.endpoints || len(t.networks) > 0 {
		l.db.replan = true
		l.lookAtSwitchPorts()
	}
	for id := range t.networks {
		l.lookAtNetwork(id, t)
	}
	l.lookAtGroups(t)
	for id := range l.rescan {
		t.ports[id] = true
	}
	clear(l.rescan)
	for id := range t.ports {
		l.lookAtPort(id)
	}
}

// lookAtNetwork puts the network into the view once it has a local VLAN, and
// has its ports looked at when that changed.
func (l *Loop) lookAtNetwork(id string, t *touched) {
	rec, vlan := l.mirror.networks[id], l.db.vlans[id]
	old, had := l.view.Networks[id]
	switch {
	case rec != nil && vlan != 0:
		if had && old.Record == rec && old.VLAN == vlan {
			return
		}
		l.view.Networks[id] = pipeline.Network{Record: rec, VLAN: vlan}
	case had:
		delete(l.view.Networks, id)
	default:
		return
	}
	l.dirty.Networks = append(l.dirty.Networks, id)
	for port := range l.mirror.portsOf[id] {
		t.ports[port] = true
	}
}

// lookAtPort decides what the host makes of a port.
func (l *Loop) lookAtPort(id string) {
	rec := l.mirror.ports[id]
	// A distributed router's interface is here as soon as it is plugged.
	replica := rec != nil && rec.Distributed() && rec.Host != l.cfg.Host && len(l.facts.of(id)) > 0
	if rec == nil || rec.Host != l.cfg.Host && !replica && !slices.Contains(rec.HAHosts, l.cfg.Host) {
		l.problems.replace(sourcePort+id, l.strangers(id, rec))
		l.problems.replace(sourceAnswers+id, nil)
		delete(l.ports, id)
		delete(l.waiting, id)
		l.setRemote(id, rec)
		l.setLocal(id, pipeline.LocalPort{}, false)
		return
	}
	if l.ports[id] == nil {
		l.ports[id] = &portState{gen: l.gen}
	}
	chosen, ok, problem := l.choose(rec)
	network, known := l.view.Networks[rec.NetworkID]
	l.ports[id].decide(rec, ok, problem)
	if known && !network.Record.AdminStateUp && l.ports[id].state == model.PortActive {
		l.ports[id].state = model.PortDown
	}
	l.waiting[id] = true
	if problem == "" {
		l.problems.replace(sourcePort+id, nil)
	} else {
		l.problems.replace(sourcePort+id, map[string]string{"port " + id: problem})
	}
	if !ok || !known {
		var home *model.Port
		if replica {
			home = rec
		}
		l.setRemote(id, home)
		l.problems.replace(sourceAnswers+id, nil)
		l.setLocal(id, pipeline.LocalPort{}, false)
		return
	}
	l.setRemote(id, nil)
	l.setLocal(id, pipeline.LocalPort{Record: rec, OFPort: uint32(chosen.ofport), Asks: l.asks(id), Standby: chosen.standby}, true)
	l.db.tags[chosen.name] = int(network.VLAN)
}

// asks gives the questions of a port that are answered here.
func (l *Loop) asks(id string) pipeline.Questions {
	if l.cfg.Responder == nil {
		return 0
	}
	questions, text := l.cfg.Responder.Questions(id)
	found := map[string]string{}
	if text != "" {
		found["port "+id] = text
	}
	l.problems.replace(sourceAnswers+id, found)
	return questions
}

// choose finds the interface that is the port. ok is false when the port is
// not plugged, or not in a way that may be wired; then problem says why unless
// it is simply not there.
func (l *Loop) choose(rec *model.Port) (chosen plug, ok bool, problem string) {
	plugs := l.facts.of(rec.ID)
	usable := slices.DeleteFunc(slices.Clone(plugs), func(p plug) bool { return p.ofport <= 0 })
	switch {
	case len(plugs) == 0:
		return plug{}, false, ""
	case len(usable) == 0 && plugs[0].ofport < 0:
		return plugs[0], false, fmt.Sprintf("interface %s cannot be used by Open vSwitch: %s", plugs[0].name, plugs[0].err)
	case len(usable) == 0:
		return plugs[0], false, ""
	}
	// A newcomer that claims the port too must not take it from the one that was
	// there first: Open vSwitch numbers its ports as they come.
	slices.SortStableFunc(usable, func(a, b plug) int {
		return cmp.Or(cmp.Compare(otherMAC(a, rec), otherMAC(b, rec)), cmp.Compare(a.ofport, b.ofport))
	})
	chosen = usable[0]
	if len(usable) > 1 {
		problem = fmt.Sprintf("interfaces %s and %s both carry iface-id %s; only %s is wired",
			usable[0].name, usable[1].name, rec.ID, usable[0].name)
	}
	if chosen.mac != "" {
		mac, err := model.ParseMAC(chosen.mac)
		if err != nil {
			return chosen, false, fmt.Sprintf("interface %s: attached-mac %v", chosen.name, err)
		}
		if mac != rec.MAC {
			return chosen, false, fmt.Sprintf("interface %s has attached-mac %s, the port's mac_address is %s", chosen.name, mac, rec.MAC)
		}
	}
	return chosen, true, problem
}

// otherMAC is 1 when the interface says that it has another MAC than the port.
func otherMAC(p plug, rec *model.Port) int {
	if p.mac == "" {
		return 0
	}
	if mac, err := model.ParseMAC(p.mac); err != nil || mac != rec.MAC {
		return 1
	}
	return 0
}

// strangers names the interfaces that claim a port which is not bound to this
// host.
func (l *Loop) strangers(id string, rec *model.Port) map[string]string {
	text := fmt.Sprintf("iface-id %s is not a port bound to host %s", id, l.cfg.Host)
	if rec != nil {
		text = fmt.Sprintf("iface-id %s is a port bound to host %s, not to %s", id, rec.Host, l.cfg.Host)
	}
	found := map[string]string{}
	for _, p := range l.facts.of(id) {
		found["interface "+p.name] = text
	}
	return found
}

func (l *Loop) setRemote(id string, rec *model.Port) {
	old := l.view.Remotes[id]
	if rec == nil || rec.Host == "" { // DHCP servers are told of unbound ports too
		if old == nil {
			return
		}
		delete(l.view.Remotes, id)
	} else {
		if old == rec {
			return
		}
		l.view.Remotes[id] = rec
	}
	l.dirty.Ports = append(l.dirty.Ports, id)
}

func (l *Loop) setLocal(id string, p pipeline.LocalPort, plugged bool) {
	if l.cfg.Responder != nil {
		l.cfg.Responder.Plugged(id, p.OFPort)
	}
	old, had := l.view.Ports[id]
	switch {
	case !plugged && !had, plugged && had && old == p:
		return
	case plugged:
		l.view.Ports[id] = p
	default:
		delete(l.view.Ports, id)
	}
	l.dirty.Ports = append(l.dirty.Ports, id)
}

// rejected notes records that arrived in a form that cannot be used.
func (l *Loop) rejected(u *rpc.Update) {
	if !u.Full && len(u.Rejected) == 0 {
		return
	}
	found := map[string]string{}
	for _, r := range u.Rejected {
		found[fmt.Sprintf("%s %s", r.Kind, r.ID)] = "record cannot be used: " + r.Err.Error()
	}
	l.problems.replace(sourceRecords, found)
}

// userspace reports whether the integration bridge is in the userspace datapath.
func (l *Loop) userspace() bool {
	return cmp.Or(l.db.state.Bridges[l.cfg.Bridges.Integration].DatapathType, l.cfg.Bridges.DatapathType) == "netdev"
}
