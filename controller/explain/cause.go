package explain

import (
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// This file: why a packet did not come out where it should.

// drop makes a decision against the packet.
func (w *walk) drop(h head, reason Reason, kind, id, host, text string) *Decision {
	return &Decision{Direction: w.direction, Reason: reason, Object: w.object(kind, id), Text: text, Host: host, packet: h}
}

// The tables of br-int that decide.
const (
	tableClassify       = 0
	tableARP            = 24
	tableMAC            = 25
	tableGuard          = 71
	tableEgressRules    = 72
	tableEgressVerdict  = 73
	tableIngressBase    = 81
	tableIngressRules   = 82
	tableIngressVerdict = 92
	tableDropped        = 93
	tableTransient      = 60
)

// cause reads from the tables that a packet met what dropped it.
func (w *walk) cause(n *node, c crossing, run sim.Result) *Decision {
	last, before := ending(run)
	if len(run.Errors) > 0 {
		return w.drop(c.head, ReasonPipeline, kindPort, portID(c.from), n.name, "the switch gives the packet up: "+run.Errors[0].Reason)
	}
	if last.Bridge == n.integration() && last.Table == tableDropped {
		if d := w.refused(n, c, run, before); d != nil {
			return d
		}
	}
	// Nothing refused it: it did not find its way.
	if d := w.unready(c.head, c.to.port, n.name); d != nil {
		return d
	}
	switch {
	case c.to.port == nil:
		return w.drop(c.head, ReasonUnknown, kindNetwork, c.network.ID, n.name,
			fmt.Sprintf("nothing in %s has the address that the packet is sent to", w.object(kindNetwork, c.network.ID)))
	case n.problemOf(kindNetwork, c.network.ID) != "":
		return w.drop(c.head, ReasonPipeline, kindNetwork, c.network.ID, n.name,
			fmt.Sprintf("%s %s", w.object(kindNetwork, c.network.ID), n.problemOf(kindNetwork, c.network.ID)))
	case c.to.host != n.name:
		return w.drop(c.head, ReasonNoTunnel, kindNetwork, c.network.ID, n.name,
			fmt.Sprintf("no way leads from this host to that of %s in %s", w.called(c.to.port), w.object(kindNetwork, c.network.ID)))
	}
	where := ""
	if last.Bridge != nil {
		where = fmt.Sprintf(": it ends in table %d %s of %s", last.Table, pipeline.TableNames(n.kinds[last.Bridge])[last.Table], last.Bridge.Name)
	}
	return w.drop(c.head, ReasonPipeline, kindPort, c.to.port.ID, n.name, "the packet does not reach "+w.called(c.to.port)+where)
}

// ending gives the last two lookups.
func ending(run sim.Result) (last, before sim.Step) {
	for _, s := range run.Trace {
		if s.Note == "" {
			before, last = last, s
		}
	}
	return last, before
}

// refused says which check sent the packet to table 93.
func (w *walk) refused(n *node, c crossing, run sim.Result, at sim.Step) *Decision {
	switch at.Table {
	case tableARP, tableMAC, tableGuard:
		return w.drop(c.head, ReasonPortSecurity, kindPort, portID(c.from), n.name,
			fmt.Sprintf("port security of %s does not let it send from this address", w.called(c.from)))
	case tableIngressBase:
		return w.drop(c.head, ReasonPortSecurity, kindPort, portID(c.to.port), n.name, "a filtered port gets nothing but ARP and IP")
	case tableEgressRules, tableEgressVerdict:
		return w.byGroups(n, c, "egress", c.from, at)
	case tableIngressRules, tableIngressVerdict:
		to := c.to.port
		if p := n.ports[receiver(run)]; p != nil {
			to = p
		}
		return w.byGroups(n, c, "ingress", to, at)
	}
	return nil
}

// receiver is the port that the packet was being judged for.
func receiver(run sim.Result) uint32 {
	if len(run.Finals) == 0 {
		return 0
	}
	last := run.Finals[len(run.Finals)-1]
	return uint32(last.Num(flows.Reg5))
}

// byGroups is a drop by the security groups of a port.
func (w *walk) byGroups(n *node, c crossing, side string, p *model.Port, at sim.Step) *Decision {
	if p == nil {
		return nil
	}
	text := fmt.Sprintf("no %s rule of the security groups of %s admits it", side, w.called(p))
	switch {
	case len(p.SecurityGroups) == 0:
		text = fmt.Sprintf("%s has no security group, so no %s packet is admitted", w.called(p), side)
	case at.Table == tableEgressRules || at.Table == tableIngressRules:
		text = fmt.Sprintf("the connection tracker knows no connection at %s that the packet could be of", w.called(p))
	}
	d := w.drop(c.head, ReasonSecurityGroup, kindPort, p.ID, n.name, text)
	d.side, d.port = side, p.ID
	return d
}
