package pipeline

import (
	"fmt"
	"net/netip"

	"github.com/lepton-sdn/lepton/model"
)

// network is a network as compiled, with an index of everything on it.
type network struct {
	unit
	id string
	networkFacts
	// usable is false when nothing of the network can be wired.
	usable bool
	// shape is what the rules of the network's ports, stations and addressees
	// were compiled for.
	shape shape
	// zone is the zone in which the network's ports have connections, 0 for none.
	zone uint16
	// ports are all ports that name this network, joined or not.
	ports map[*port]bool
	// local and remote are the joined ones.
	local, remote map[*port]bool
	// hosts counts the remote members that are up, by host.
	hosts map[string]int
	// openLocal and openRemote count the members without port security.
	openLocal, openRemote int
	// distributed counts the members that are interfaces of distributed routers,
	// wherever they are.
	distributed int
	// sharedPorts counts the members that are ports of ha routers.
	sharedPorts int
	// servers counts the members that are ports of DHCP servers and of routers,
	// wherever they are.
	servers int
	// stations and addressees are the MACs and IP addresses of members.
	stations   map[model.MAC]*station
	addressees map[netip.Addr]*addressee
}

// networkFacts is what the View says about a network, as far as flows depend on
// it.
type networkFacts struct {
	known   bool
	up      bool
	vlan    uint16
	segment model.Segment
}

// shape is what the rules of a network's parts depend on, beside the parts
// themselves.
type shape struct {
	networkFacts
	active   bool // it has rules: it is up, and a port of this host is in it
	open     bool // a port of this host may be a bridge
	learning bool // the switch learns senders from tunnels
	standIns bool // it learns the stand-ins of distributed routers
	shared   bool // it learns where the MACs of ha routers are
	served   bool // DHCP servers or routers serve it
	uplink   uplink
}

// uplink is a network's way to other hosts.
type uplink struct {
	port   uint32 // on br-int: patch-tun or int-<bridge>; 0: none
	bridge string // the provider bridge, if any
}

func newNetwork(id string) *network {
	return &network{
		id:    id,
		ports: map[*port]bool{}, local: map[*port]bool{}, remote: map[*port]bool{}, hosts: map[string]int{},
		stations: map[model.MAC]*station{}, addressees: map[netip.Addr]*addressee{},
	}
}

func factsOf(v *View, id string) networkFacts {
	in, ok := v.Networks[id]
	if !ok || in.Record == nil {
		return networkFacts{}
	}
	return networkFacts{known: true, up: in.Record.AdminStateUp, vlan: in.VLAN, segment: in.Record.Segment}
}

// tunnelled reports whether the network crosses br-tun on this host.
func (n *network) tunnelled() bool { return n.segment.Type.Tunneled() && n.shape.uplink.port != 0 }

// untagged reports whether the network has no tag on its physical network.
func (n *network) untagged() bool { return n.segment.Type == model.Flat }

// admissible says what makes it impossible to wire anything of the network.
func (n *network) admissible(c *claimBook) string {
	switch t := n.segment.Type; {
	case !n.known:
		return ""
	case n.vlan < 1 || n.vlan > maxVLAN:
		return fmt.Sprintf("has local VLAN %d, which is not between 1 and %d", n.vlan, maxVLAN)
	case !c.wins(n.vlanClaim(), n.id):
		return fmt.Sprintf("has local VLAN %d, which network %s has too", n.vlan, c.winner(n.vlanClaim()))
	case t != model.Local && !t.Physical() && !t.Tunneled():
		return fmt.Sprintf("has the unknown network type %q", t)
	case t == model.VLAN && (n.segment.ID < 1 || n.segment.ID > maxVLAN):
		return fmt.Sprintf("has VLAN id %d, which is not between 1 and %d", n.segment.ID, maxVLAN)
	case t.Tunneled() && n.segment.ID == 0:
		return fmt.Sprintf("has no %s id", t)
	}
	return ""
}

// maxVLAN is the highest VLAN id that a frame may carry (IEEE 802.1Q, 9.6).
const maxVLAN = 4094

// ascend finds the network's way to other hosts, or says why it has none.
func (n *network) ascend(s *state) (uplink, string) {
	t := n.segment.Type
	if t == model.Local {
		return uplink{}, ""
	}
	if key := n.segmentClaim(); !s.wins(key, n.id) {
		return uplink{}, fmt.Sprintf("has %s, which network %s has too", describe(n.segment), s.winner(key))
	}
	if t.Tunneled() {
		if s.base.patchTun == 0 || s.base.patchInt == 0 {
			return uplink{}, fmt.Sprintf("needs %s tunnels, which this host does not have", t)
		}
		return uplink{port: s.base.patchTun}, ""
	}
	p := s.physical[n.segment.PhysicalNetwork]
	switch {
	case p == nil || p.facts.Bridge == "":
		return uplink{}, fmt.Sprintf("needs physical network %q, which has no bridge on this host", n.segment.PhysicalNetwork)
	case p.unfit(s) != "":
		return uplink{}, fmt.Sprintf("needs physical network %q, which %s", p.name, p.unfit(s))
	case p.facts.IntPort == 0 || p.facts.PhyPort == 0:
		return uplink{}, fmt.Sprintf("needs bridge %s, which is not joined to the integration bridge", p.facts.Bridge)
	}
	return uplink{port: p.facts.IntPort, bridge: p.facts.Bridge}, ""
}

func describe(s model.Segment) string {
	switch s.Type {
	case model.Flat:
		return fmt.Sprintf("the untagged frames of physical network %q", s.PhysicalNetwork)
	case model.VLAN:
		return fmt.Sprintf("VLAN id %d of physical network %q", s.ID, s.PhysicalNetwork)
	}
	return fmt.Sprintf("%s id %d", s.Type, s.ID)
}

// currentShape works the shape out anew.
func (n *network) currentShape(b base, up uplink) shape {
	sh := shape{networkFacts: n.networkFacts, uplink: up}
	sh.active = n.usable && n.up && len(n.local) > 0
	sh.open = n.openLocal > 0
	sh.learning = n.segment.Type.Tunneled() && up.port != 0 && sh.active && (!b.config.L2Population || n.openRemote > 0)
	sh.standIns = n.segment.Type.Tunneled() && up.port != 0 && sh.active && !sh.learning && n.distributed > 0
	sh.shared = n.segment.Type.Tunneled() && up.port != 0 && sh.active && n.sharedPorts > 0
	sh.served = sh.active && n.servers > 0
	return sh
}

func (n *network) compile(e *emitter) {
	sh := &n.shape
	if !sh.active {
		return
	}
	e.integration(n.flooded()...)
	n.border(e)
	if sh.open {
		e.integration(n.searched()...)
	}
	if sh.uplink.port != 0 {
		e.integration(n.classified())
	}
	if n.tunnelled() {
		e.tunnel(n.received(e)...)
		e.tunnel(n.carriedToAll(e)...)
	}
	if sh.uplink.bridge != "" {
		e.provider(sh.uplink.bridge, n.translated())
	}
}

// eachPart visits the units whose rules depend on the network's shape.
func (n *network) eachPart(visit func(compiled)) {
	for p := range n.ports {
		visit(p)
	}
	for _, s := range n.stations {
		visit(s)
	}
	for _, a := range n.addressees {
		visit(a)
	}
}
