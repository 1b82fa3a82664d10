package wire

import (
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// portState is how far a port of this host has come.
type portState struct {
	rec *model.Port
	// state is what the port comes to once the program gen is in the switches,
	// text why it is an error.
	state model.PortState
	text  string
	gen   uint64
	// reported is what the controller was told last.
	reported model.PortStatus
}

// decide notes what the port comes to. wirable says that an interface was
// found that may be wired.
func (s *portState) decide(rec *model.Port, wirable bool, problem string) {
	s.rec, s.text = rec, ""
	switch {
	case wirable && rec.AdminStateUp:
		s.state = model.PortActive
	case !wirable && problem != "":
		s.state, s.text = model.PortError, problem
	default:
		s.state = model.PortDown
	}
}

// markWiring notes that the newest program changed a port.
func (l *Loop) markWiring(id string) {
	if s := l.ports[id]; s != nil {
		s.gen = l.gen
		l.waiting[id] = true
	}
}

// tellPorts reports the ports whose state is now a fact: the switches that
// carry them hold the program that wired or unwired them.
func (l *Loop) tellPorts() {
	var out []model.PortStatus
	lacks := map[string]bool{} // network id → a tunnel is on its way
	for id := range l.waiting {
		s := l.ports[id]
		if s == nil {
			delete(l.waiting, id)
			continue
		}
		if s.rec.Host != l.cfg.Host { // a distributed router's: its home reports
			delete(l.waiting, id)
			continue
		}
		network := s.rec.NetworkID
		if _, known := lacks[network]; !known {
			lacks[network] = l.lacksTunnel(network)
		}
		if s.state == model.PortActive && lacks[network] || !l.carried(s) {
			continue
		}
		delete(l.waiting, id)
		st := model.PortStatus{PortID: id, State: s.state, Revision: s.rec.Revision, Error: s.text}
		if text := l.problemOfPort(s.rec); text != "" && st.State == model.PortActive {
			st.State, st.Error = model.PortError, text
		} else if st.State == model.PortActive {
			st.Error = l.problemOfGroups(s.rec)
		}
		if st != s.reported {
			s.reported = st
			out = append(out, st)
		}
	}
	if len(out) > 0 {
		l.cfg.Controller.Report(out...)
	}
}

// carried reports whether all bridges that the port's packets cross hold the
// program that has the port as it is now. A port that is not to be wired waits
// for no bridge that is away.
func (l *Loop) carried(s *portState) bool {
	if l.gen == 0 {
		return false
	}
	for _, name := range l.bridgesOf(s.rec) {
		b := l.bridges[name]
		if b == nil || !b.synced && s.state != model.PortActive {
			continue
		}
		if !b.synced || b.applied < s.gen {
			return false
		}
	}
	return true
}

// lacksTunnel reports whether a tunnel to a host with a port on the network is
// still on its way. One that Open vSwitch could not make, or a database that
// refuses it, is a problem of its own and is not waited for.
func (l *Loop) lacksTunnel(network string) bool {
	n, ok := l.view.Networks[network]
	if !ok || !n.Record.Segment.Type.Tunneled() || l.problems.text(sourceDatabase, "database") != "" {
		return false
	}
	t := n.Record.Segment.Type
	for id := range l.mirror.portsOf[network] {
		e := l.mirror.endpoints[l.mirror.ports[id].Host]
		if e == nil || !slices.Contains(e.Types, t) || !slices.Contains(l.cfg.TunnelTypes, t) {
			continue
		}
		if l.view.Tunnels[pipeline.TunnelKey{Host: e.Host, Type: t}] != 0 {
			continue
		}
		if row, ok := l.db.state.Interfaces[bridges.TunnelPort(t, e.IP)]; !ok || row.OFPort == 0 {
			return true
		}
	}
	return false
}

// bridgesOf names the bridges that the packets of a port cross.
func (l *Loop) bridgesOf(p *model.Port) []string {
	names := []string{l.cfg.Bridges.Integration}
	n, ok := l.view.Networks[p.NetworkID]
	if !ok {
		return names
	}
	seg := n.Record.Segment
	switch {
	case seg.Type.Tunneled():
		names = append(names, l.cfg.Bridges.Tunnel)
	case seg.Type.Physical():
		if phys, ok := l.view.Physical[seg.PhysicalNetwork]; ok {
			names = append(names, phys.Bridge)
		}
	}
	return names
}

// problemOfPort says why the port's flows are not all there although its
// interface is: the pipeline cannot realise it or its network, or a switch
// refused a flow of it.
func (l *Loop) problemOfPort(p *model.Port) string {
	for _, object := range []string{"port " + p.ID, "network " + p.NetworkID} {
		if text := l.problems.text(sourcePipeline, object); text != "" {
			return text
		}
		for name := range l.bridges {
			if text := l.problems.text(sourceRefused+name, object); text != "" {
				return text
			}
		}
	}
	return ""
}

// The sources of problems. sourcePort and sourceAnswers are followed by a port's id, sourceRefused
// by a bridge's name.
const (
	sourcePort     = "port/"
	sourcePipeline = "pipeline"
	sourceBridges  = "bridges"
	sourceDatabase = "database"
	sourceVLANs    = "vlans"
	sourceRecords  = "records"
	sourceMeters   = "meters"
	sourceAnswers  = "answers/"
	sourceRefused  = "refused/"
)

// onRefused takes the refused rules out, reports them, and lets the others
// through.
func (l *Loop) onRefused(b *bridge, err error) {
	var e *ofp.BundleError
	if !errors.As(err, &e) {
		return
	}
	for _, r := range b.refuse(e, l.cfg.Now()) {
		l.log.Error("flow refused", zap.String("bridge", b.name), zap.String("flow", r.rule.String()), zap.String("error", r.text))
	}
	l.tellRefused(b)
}

// tellRefused makes the rules that a switch refuses problems of their objects.
func (l *Loop) tellRefused(b *bridge) {
	found := map[string]string{}
	for _, r := range b.refused {
		feature, digits, _ := pipeline.Explain(r.rule.Cookie)
		found[l.objectOf(digits)] = fmt.Sprintf("%s refuses a flow of feature %s: %s", b.name, feature, r.text)
	}
	l.problems.replace(sourceRefused+b.name, found)
	for id := range l.ports {
		l.waiting[id] = true
	}
}

// objectOf finds the port or network whose id begins with the digits that a
// cookie holds.
func (l *Loop) objectOf(digits string) string {
	for id := range l.view.Ports {
		if pipeline.SameObject(digits, id) {
			return "port " + id
		}
	}
	for id := range l.view.Networks {
		if pipeline.SameObject(digits, id) {
			return "network " + id
		}
	}
	for id := range l.view.Groups {
		if pipeline.SameObject(digits, id) {
			return kindGroup + " " + id
		}
	}
	return "object " + digits
}
