package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// This file: a packet's way from one port to the next in one network, over the
// bridges of at most two hosts.

// station is what a MAC in a network stands for.
type station struct {
	mac model.MAC
	// port has the MAC, host is where; nil for a machine that the API knows
	// nothing of.
	port *model.Port
	host string
}

// crossing is a packet in one network.
type crossing struct {
	network *model.Network
	head    head
	src     model.MAC
	// from is the port that sends, on host; nil: it comes from the physical
	// network, into host.
	from *model.Port
	host string
	to   station
}

// outcome is where a crossing ends: at the station, outside, or with a decision.
type outcome struct {
	host    string // of the station
	outside bool
	drop    *Decision
}

// cross runs the packet over the bridges.
func (w *walk) cross(ctx context.Context, c crossing) (outcome, error) {
	n, err := w.node(ctx, c.host)
	if err != nil {
		return outcome{}, err
	}
	frame := c.head.frame(c.src, c.to.mac)
	bridge, in := n.integration(), n.numbers[portID(c.from)]
	if c.from == nil {
		seg := w.segmentOn(c.network, n)
		bridge, in = n.physical[seg.PhysicalNetwork], nic
		if bridge == nil {
			return outcome{drop: w.drop(c.head, ReasonNoTunnel, kindNetwork, c.network.ID, c.host, "the host has no bridge for the physical network")}, nil
		}
		if seg.Type == model.VLAN {
			frame.SetNum(flows.VLANTCI, 0x1000|uint64(seg.ID))
		}
	}
	frame.SetNum(flows.InPort, uint64(in))
	run := bridge.Run(frame, sim.Options{Conns: n.conns})
	if w.arrived(n, run, c.to) {
		w.stepBridges(n, c, run, "delivered to "+w.called(c.to.port))
		return outcome{host: n.name}, nil
	}
	out, on := w.exit(n, run, c)
	switch {
	case out == nil:
		d := w.cause(n, c, run)
		w.stepBridges(n, c, run, d.Text)
		return outcome{drop: d}, nil
	case out.physical && c.to.port == nil:
		w.stepBridges(n, c, run, "sent to the physical network")
		w.step(Step{Kind: "physical_network", Text: w.wire(on), Packet: c.head.String()}, kindNetwork, c.network.ID)
		return outcome{outside: true}, nil
	}
	if c.to.host == "" { // nowhere
		if d := w.unready(c.head, c.to.port, n.name); d != nil {
			w.stepBridges(n, c, run, d.Text)
			return outcome{drop: d}, nil
		}
	}
	w.stepBridges(n, c, run, "sent to another host "+out.how())
	kind := "tunnel"
	if out.physical {
		kind = "physical_network"
	}
	w.step(Step{Kind: kind, Text: w.wire(on), Packet: c.head.String()}, kindNetwork, c.network.ID)
	return w.enter(ctx, c, n, out)
}

// enter runs the packet over the bridges of the station's host.
func (w *walk) enter(ctx context.Context, c crossing, from *node, out *exit) (outcome, error) {
	n, err := w.node(ctx, c.to.host)
	if err != nil {
		return outcome{}, err
	}
	lost := func(text string) outcome {
		return outcome{drop: w.drop(c.head, ReasonNoTunnel, kindNetwork, c.network.ID, n.name, text)}
	}
	var bridge *sim.Bridge
	in := uint32(nic)
	if out.physical {
		if bridge = n.physical[w.segmentOn(c.network, n).PhysicalNetwork]; bridge == nil {
			return lost("the other host has no bridge for the physical network"), nil
		}
	} else {
		in = n.view.Tunnels[pipeline.TunnelKey{Host: from.name, Type: out.tunnel}]
		if bridge = n.bridges[tunnelBridge]; bridge == nil || in == 0 {
			return lost("the other host has no tunnel back"), nil
		}
	}
	p := out.packet
	arrive(&p, in, out.physical)
	run := bridge.Run(p, sim.Options{Conns: n.conns})
	if w.arrived(n, run, c.to) {
		w.stepBridges(n, c, run, "delivered to "+w.called(c.to.port))
		return outcome{host: n.name}, nil
	}
	d := w.cause(n, c, run)
	w.stepBridges(n, c, run, d.Text)
	return outcome{drop: d}, nil
}

// arrive makes a packet that left one host one that enters another: only what is
// on the wire travels.
func arrive(p *sim.Packet, in uint32, physical bool) {
	id := p.Get(flows.TunID)
	for f := flows.Reg0; f <= flows.Metadata; f++ {
		p.SetNum(f, 0)
	}
	for f := flows.CTState; f <= flows.CTTpDst; f++ {
		p.SetNum(f, 0)
	}
	if !physical {
		p.Set(flows.TunID, id)
	}
	p.SetNum(flows.InPort, uint64(in))
}

func portID(p *model.Port) string {
	if p == nil {
		return ""
	}
	return p.ID
}

// arrived reports whether the packet came out at the station.
func (w *walk) arrived(n *node, run sim.Result, to station) bool {
	number, here := n.numbers[portID(to.port)]
	return here && slices.ContainsFunc(run.Outputs, func(o sim.Output) bool { return o.Bridge == n.integration() && o.Port == number })
}

// exit is where a packet left a host.
type exit struct {
	packet   sim.Packet
	physical bool
	tunnel   model.NetworkType
}

func (e *exit) how() string {
	if e.physical {
		return "by the physical network"
	}
	return fmt.Sprintf("by a %s tunnel", e.tunnel)
}

// exit finds the output towards the station, nil for none, and the segment.
func (w *walk) exit(n *node, run sim.Result, c crossing) (*exit, model.Segment) {
	seg := w.segmentOn(c.network, n)
	for _, o := range run.Outputs {
		switch n.kinds[o.Bridge] {
		case pipeline.Tunnel:
			if key, ok := n.tunnels[o.Port]; ok && c.to.port != nil && key.Host == c.to.host {
				return &exit{packet: o.Packet, tunnel: key.Type}, seg
			}
		case pipeline.Provider:
			if o.Port == nic && (c.to.port == nil || c.to.host != n.name) {
				return &exit{packet: o.Packet, physical: true}, seg
			}
		}
	}
	return nil, seg
}

// segmentOn gives the segment of a network that a host is on.
func (w *walk) segmentOn(net *model.Network, n *node) model.Segment {
	if seen, ok := n.view.Networks[net.ID]; ok {
		return seen.Record.Segment
	}
	return net.Segment
}

// wire says what carries a packet between hosts.
func (w *walk) wire(s model.Segment) string {
	switch {
	case s.Type == model.VLAN:
		return fmt.Sprintf("physical network %s, VLAN %d", s.PhysicalNetwork, s.ID)
	case s.Type == model.Flat:
		return fmt.Sprintf("physical network %s, untagged", s.PhysicalNetwork)
	}
	return fmt.Sprintf("%s tunnel, segmentation id %d", s.Type, s.ID)
}

// stepBridges notes what the bridges of a host did.
func (w *walk) stepBridges(n *node, c crossing, run sim.Result, end string) {
	s := Step{Kind: "bridges", Host: n.name, Packet: c.head.String()}
	text := ""
	for _, id := range n.admitting(run) {
		o := w.object(kindRule, id)
		s.Objects = append(s.Objects, *o)
		if w.direction == "forward" {
			w.admitted = append(w.admitted, id)
		}
		if text != "" {
			text += " and "
		} else {
			text = "admitted by "
		}
		text += o.String()
	}
	if text != "" {
		text += "; "
	}
	s.Text = text + end
	s.Path, s.Tables = w.tables(n, run)
	w.step(s, kindPort, portID(cmp.Or(c.from, c.to.port)))
}

// maxFlows bounds the flows that one step shows.
const maxFlows = 200

// tables gives the tables that a packet met.
func (w *walk) tables(n *node, run sim.Result) (path []string, hits []Flow) {
	for _, s := range run.Trace {
		if s.Note != "" || len(path) >= maxFlows {
			continue
		}
		names := pipeline.TableNames(n.kinds[s.Bridge])
		at := fmt.Sprintf("%s %d %s", s.Bridge.Name, s.Table, names[s.Table])
		if len(path) == 0 || path[len(path)-1] != at {
			path = append(path, at)
		}
		if s.Rule == nil || !w.q.Verbose || len(hits) >= maxFlows {
			continue
		}
		hits = append(hits, w.flow(n, s, names))
	}
	return path, hits
}

func (w *walk) flow(n *node, s sim.Step, names map[uint8]string) Flow {
	plain := *s.Rule
	plain.Cookie, plain.Table = 0, 0
	feature, _, _ := pipeline.Explain(s.Rule.Cookie)
	f := Flow{Bridge: s.Bridge.Name, Table: s.Table, Name: names[s.Table], Feature: feature.String()}
	f.Text = flows.Format(plain, flows.FormatOptions{
		PortNames:  func(p uint32) string { return n.names[s.Bridge][p] },
		TableNames: func(t uint8) string { return names[t] },
	})
	if r, ok := n.owner(s.Rule.Cookie); ok {
		f.Object = w.object(r.kind, r.id)
	}
	return f
}

// admitting gives the rules that admitted the packet, in order, each once.
func (n *node) admitting(run sim.Result) []string {
	var ids []string
	for _, s := range run.Trace {
		if s.Rule == nil || s.Note != "" {
			continue
		}
		feature, _, _ := pipeline.Explain(s.Rule.Cookie)
		if r, ok := n.owner(s.Rule.Cookie); ok && feature == pipeline.FeatureRule && !slices.Contains(ids, r.id) {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// called is a port in a sentence.
func (w *walk) called(p *model.Port) string { return w.object(kindPort, portID(p)).String() }
