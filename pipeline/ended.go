package pipeline

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: connections that nobody here has any more. Rules judge every
// packet, so that what the connection tracker remembers of them admits nothing;
// but a network that gets the zone next must not find it.

// Connections names connections of the switch's connection tracker.
type Connections struct {
	// Zone is a network's local VLAN.
	Zone uint16
	// Address is one end; the zero Addr means all connections of the zone.
	Address netip.Addr
}

// tracked says which connections ports here may have.
type tracked struct {
	// zones are the networks with ports here, by zone.
	zones map[uint16]string
	// addresses counts the ports that may send from an address.
	addresses map[Connections]int
	// left are those that ports or networks gave up since the last change.
	left map[Connections]bool
}

func newTracked() tracked {
	return tracked{zones: map[uint16]string{}, addresses: map[Connections]int{}, left: map[Connections]bool{}}
}

// admit notes from where a port sends.
func (t *tracked) admit(p *port) {
	if !p.local || !p.secured() {
		return
	}
	for _, s := range sources(p.rec) {
		if s.prefix.IsSingleIP() {
			p.tracked = append(p.tracked, Connections{p.net.vlan, s.prefix.Addr()})
		}
	}
	for _, c := range p.tracked {
		t.addresses[c]++
	}
}

// dismiss is the opposite of admit.
func (t *tracked) dismiss(p *port) {
	for _, c := range p.tracked {
		t.left[c] = true
		if t.addresses[c]--; t.addresses[c] == 0 {
			delete(t.addresses, c)
		}
	}
	p.tracked = nil
}

// farewell notes what a port of another host that is gone leaves behind: the
// connections that ports here had with it. Only its own addresses count, for
// others may share the rest, and a connection that goes on without being
// remembered may be taken for one that began the other way.
func (t *tracked) farewell(p *port) {
	if p.local || p.net.zone == 0 {
		return
	}
	for _, f := range p.rec.FixedIPs {
		if a := f.IP.Unmap().WithZone(""); a.IsValid() {
			t.left[Connections{p.net.zone, a}] = true
		}
	}
	if p.rec.MAC != (model.MAC{}) {
		t.left[Connections{p.net.zone, p.rec.MAC.LinkLocal()}] = true
	}
}

// rezone follows a change of a network's shape.
func (t *tracked) rezone(n *network) {
	now := uint16(0)
	if n.shape.active {
		now = n.vlan
	}
	if n.zone == now {
		return
	}
	if was := n.zone; was != 0 {
		t.left[Connections{Zone: was}] = true
		if t.zones[was] == n.id { // another network may have it already
			delete(t.zones, was)
		}
	}
	if n.zone = now; now != 0 {
		t.zones[now] = n.id
	}
}

// inherit notes what an earlier state leaves behind.
func (t *tracked) inherit(old *tracked) {
	for zone, network := range old.zones {
		if t.zones[zone] != network {
			t.left[Connections{Zone: zone}] = true
		}
	}
	for c := range old.addresses {
		t.left[c] = true
	}
}

// end adds what has ended to the changes of a bridge, in order.
func (t *tracked) end(changes map[string]Change, bridge string) map[string]Change {
	var list []Connections
	for c := range t.left {
		if c.Address.IsValid() && (t.addresses[c] > 0 || t.left[Connections{Zone: c.Zone}]) {
			continue
		}
		list = append(list, c)
	}
	clear(t.left)
	if len(list) > 0 {
		slices.SortFunc(list, compareConnections)
		c := changes[bridge]
		c.Ended = list
		changes[bridge] = c
	}
	return changes
}

func compareConnections(a, b Connections) int {
	return cmp.Or(cmp.Compare(a.Zone, b.Zone), a.Address.Compare(b.Address))
}

// Ended tells from the flows that a switch holds on the integration bridge which
// connections its connection tracker may remember although they have ended:
// those of ports and networks that went away while nobody looked.
func (c *Incremental) Ended(have []flows.Rule) []Connections {
	if c.state == nil {
		return nil
	}
	t := &tracked{zones: c.state.zones, addresses: c.state.addresses, left: map[Connections]bool{}}
	for _, r := range have {
		zone, ok := r.Match.Get(regNetwork)
		if feature, _, ours := Explain(r.Cookie); !ok || !ours || feature != FeatureNetwork && feature != FeatureIdentity {
			continue
		}
		ended := Connections{Zone: uint16(zone.Value.Lo)}
		switch r.Table {
		case output.number:
			if owner := t.zones[ended.Zone]; owner == "" || Cookie(FeatureNetwork, owner) != r.Cookie {
				t.left[ended] = true
			}
		case guard.number:
			if ended.Address = sourceOf(r.Match); ended.Address.IsValid() {
				t.left[ended] = true
			}
		}
	}
	return t.end(map[string]Change{}, "")[""].Ended
}

// sourceOf gives the source address that a match asks for, if it is one.
func sourceOf(m flows.Match) netip.Addr {
	for _, f := range families {
		if part, ok := m.Get(f.source); ok && part.IsExact() {
			return part.Value.Addr(f.source.Info().Bits)
		}
	}
	return netip.Addr{}
}
