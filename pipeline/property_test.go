package pipeline

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// world is a View that changes at random, in a universe so small that ids,
// VLANs, segments, port numbers, MACs and addresses collide all the time.
type world struct {
	View
	t *rapid.T
}

func newWorld(t *rapid.T) *world {
	w := &world{newCloud().View, t}
	w.Networks, w.Ports, w.Remotes = map[string]Network{}, map[string]LocalPort{}, map[string]*model.Port{}
	w.Logs = map[string]*model.Log{}
	return w
}

func (w *world) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(w.t, label) }

func pickOf[T any](w *world, label string, from ...T) T { return from[w.pick(label, len(from))] }

func (w *world) yes(label string) bool { return rapid.Bool().Draw(w.t, label) }

// change changes one thing and says what.
func (w *world) change() Dirty {
	switch w.pick("what changes", 15) {
	case 0:
		return w.changeTunnel()
	case 1:
		return w.changePhysical()
	case 2, 3, 4:
		return w.changeNetwork()
	case 5:
		return w.changeBase()
	case 6:
		return w.changeGroup()
	case 7:
		return w.changeMember()
	case 8:
		return w.changeLog()
	}
	return w.changePort()
}

func (w *world) changeTunnel() Dirty {
	key := TunnelKey{pickOf(w, "host", "hv2", "hv3"), pickOf(w, "type", model.VXLAN, model.GRE)}
	if w.Tunnels[key] = uint32(w.pick("ofport", 4)); w.yes("gone") {
		delete(w.Tunnels, key)
	}
	return Dirty{Tunnels: []TunnelKey{key}}
}

func (w *world) changePhysical() Dirty {
	name := pickOf(w, "physical network", "physnet1", "physnet2")
	w.Physical[name] = PhysicalBridge{
		Bridge:  pickOf(w, "bridge", "", "br-phys", "br-ext", "br-int"),
		IntPort: pickOf(w, "int", uint32(0), 2, 3), PhyPort: uint32(w.pick("phy", 2)),
	}
	// Both bridges have a patch port of their own.
	if other := w.Physical[pickOf(w, "other", "physnet1", "physnet2")]; other.IntPort == w.Physical[name].IntPort {
		delete(w.Physical, name)
	}
	for n, p := range w.Physical {
		if p.IntPort == 0 || n == name {
			continue
		}
		if p.IntPort == w.Physical[name].IntPort {
			delete(w.Physical, name)
		}
	}
	return Dirty{Physical: []string{name}}
}

func (w *world) changeNetwork() Dirty {
	id := networkID(w.pick("network", 4))
	if w.pick("gone", 4) == 0 {
		delete(w.Networks, id)
		return Dirty{Networks: []string{id}}
	}
	w.Networks[id] = Network{VLAN: uint16(w.pick("vlan", 5)), Record: &model.Network{
		Meta: model.Meta{ID: id}, AdminStateUp: w.pick("down", 4) > 0,
		Segment: model.Segment{
			Type:            pickOf(w, "type", model.Local, model.Flat, model.VLAN, model.VXLAN, model.VXLAN, model.GRE, "odd"),
			PhysicalNetwork: pickOf(w, "physical network", "physnet1", "physnet2", "physnet3"),
			ID:              uint32(w.pick("segment", 3)),
		},
	}}
	return Dirty{Networks: []string{id}}
}

func (w *world) changeBase() Dirty {
	switch w.pick("setting", 5) {
	case 0:
		w.Config.L2Population = !w.Config.L2Population
	case 1:
		w.Config.ARPResponder = !w.Config.ARPResponder
	case 2:
		w.PatchTun, w.PatchInt = 1-w.PatchTun, 1-w.PatchInt
	case 3:
		w.Metadata.OFPort = 99 - w.Metadata.OFPort
	default:
		return Dirty{All: true}
	}
	return Dirty{}
}

// someGroup gives one of a few groups, of which two differ in the last digit
// only, so that they want the same number.
func (w *world) someGroup() string {
	return pickOf(w, "group", groupID(1), groupID(2), groupID(2)[:35]+"1", addressGroupID(1))
}

func (w *world) changeGroup() Dirty {
	id := w.someGroup()
	if w.pick("gone", 4) == 0 {
		delete(w.Groups, id)
		return Dirty{Groups: []string{id}}
	}
	g := SecurityGroup{
		Record: &model.SecurityGroup{Meta: model.Meta{ID: id}, Stateful: w.pick("stateful", 4) > 0},
		Rules:  map[string]*model.SecurityGroupRule{},
	}
	for n := range w.pick("rules", 6) {
		r := &model.SecurityGroupRule{
			Meta: model.Meta{ID: ruleID(int(id[0]^id[35]), int(id[7])<<8|n)}, Direction: pickOf(w, "direction", "ingress", "egress", "sideways"),
			EtherType: pickOf(w, "ethertype", "IPv4", "IPv4", "IPv6", "IPX"),
			Protocol:  pickOf(w, "protocol", "", "tcp", "udp", "17", "icmp", "vrrp", "dccp", "nonsense"),
		}
		if w.yes("ports") {
			r.PortRangeMin, r.PortRangeMax = intOf(pickOf(w, "from", "", "1", "80", "1000")), intOf(pickOf(w, "to", "", "80", "1023", "70000"))
		}
		switch w.pick("remote", 4) {
		case 0:
			r.NormalizedCIDR = netip.PrefixFrom(w.address(), pickOf(w, "bits", 0, 24, 32)).Masked()
		case 1:
			r.RemoteGroupID = w.someGroup()
		case 2:
			r.RemoteAddressGroupID = addressGroupID(1)
		}
		g.Rules[r.ID] = r
	}
	w.Groups[id] = g
	return Dirty{Groups: []string{id}}
}

func (w *world) changeMember() Dirty {
	var addresses []netip.Prefix
	for range w.pick("addresses", 3) {
		a := w.address()
		addresses = append(addresses, netip.PrefixFrom(a, a.BitLen()-pickOf(w, "host bits", 0, 0, 2, a.BitLen())))
	}
	if w.pick("kind", 4) == 0 {
		id := addressGroupID(1)
		if w.AddressGroups[id] = (&model.AddressGroup{Meta: model.Meta{ID: id}, Addresses: addresses}); w.yes("gone") {
			delete(w.AddressGroups, id)
		}
		return Dirty{AddressGroups: []string{id}}
	}
	key := MemberKey{w.someGroup(), portID(w.pick("port", 8))}
	if w.Members[key] = (&model.GroupMember{GroupID: key.Group, PortID: key.Port, Addresses: addresses}); w.yes("gone") {
		delete(w.Members, key)
	}
	return Dirty{Members: []MemberKey{key}}
}

func (w *world) changeLog() Dirty {
	n := w.pick("log", 3)
	l := (&cloud{w.View}).log(n, pickOf(w, "event", model.LogAll, model.LogAccept, model.LogDrop, "odd"),
		pickOf(w, "resource", "", w.someGroup(), w.someGroup()), pickOf(w, "target", "", "", portID(w.pick("port", 8))))
	if l.Enabled = w.yes("enabled"); w.pick("gone", 3) == 0 {
		delete(w.Logs, l.ID)
	}
	return Dirty{Logs: []string{l.ID}}
}

func (w *world) changePort() Dirty {
	n := w.pick("port", 8)
	id := portID(n)
	delete(w.Ports, id)
	delete(w.Remotes, id)
	host := pickOf(w, "host", "hv1", "hv1", "hv2", "hv3", "")
	if w.pick("plugged", 3) > 0 {
		w.Ports[id] = LocalPort{Record: w.record(n, host), OFPort: uint32(w.pick("ofport", 6)) + 9, Asks: Questions(w.pick("asks", 8)), Standby: w.pick("standby", 3) == 0}
	}
	if w.pick("remote", 3) == 0 {
		w.Remotes[id] = w.record(n, host)
	}
	return Dirty{Ports: []string{id}}
}

func (w *world) record(n int, host string) *model.Port {
	p := record(n, w.pick("network", 4), host)
	p.MAC = pickOf(w, "mac", mac(n), mac(n), mac(1), model.MAC{}, model.MAC{1})
	p.AdminStateUp = w.pick("down", 4) > 0
	p.PortSecurityEnabled = w.pick("open", 3) > 0
	p.DeviceOwner = pickOf(w, "owner", "compute:nova", "compute:nova", "network:dhcp", "network:router_interface", "network:router_interface_distributed")
	if w.pick("ha", 4) == 0 {
		p.DeviceOwner, p.HAHosts = "network:router_interface", []string{"hv1", "hv2", pickOf(w, "third host", "hv3", "hv4")}
	}
	for range w.pick("groups", 4) {
		p.SecurityGroups = append(p.SecurityGroups, w.someGroup())
	}
	for range w.pick("addresses", 3) {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{IP: w.address()})
	}
	for range w.pick("pairs", 3) {
		a := w.address()
		p.AllowedAddressPairs = append(p.AllowedAddressPairs, model.AddressPair{
			MAC: pickOf(w, "pair's mac", model.MAC{}, mac(1), mac(0x77)),
			IP:  netip.PrefixFrom(a, pickOf(w, "length", a.BitLen(), a.BitLen()-4, 0)),
		})
	}
	return p
}

func (w *world) address() netip.Addr {
	return netip.MustParseAddr(pickOf(w, "address", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2"))
}

// add merges what changed.
func (d Dirty) add(o Dirty) Dirty {
	return Dirty{
		All:      d.All || o.All,
		Networks: append(d.Networks, o.Networks...), Ports: append(d.Ports, o.Ports...),
		Tunnels: append(d.Tunnels, o.Tunnels...), Physical: append(d.Physical, o.Physical...),
		Groups: append(d.Groups, o.Groups...), Members: append(d.Members, o.Members...),
		AddressGroups: append(d.AddressGroups, o.AddressGroups...),
		Logs:          append(d.Logs, o.Logs...),
	}
}

func TestIncrementalEqualsFull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		c := NewIncremental()
		have := map[string][]flows.Rule{}
		before := c.Program()
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			elsewhere := w.elsewhere()
			d := w.change()
			for range w.pick("more changes", 4) {
				d = d.add(w.change())
			}
			changes := c.Compile(&w.View, d)
			got, want := c.Program(), Compile(&w.View)
			if diff := cmp.Diff(want.text(), got.text()); diff != "" {
				t.Fatalf("incremental differs from full:\n%s", diff)
			}
			for bridge, change := range changes {
				have[bridge] = flows.Delta{Add: change.Set, Delete: change.Delete}.Apply(have[bridge])
			}
			checkApplied(t, have, want)
			checkForgotten(t, before, got, changes)
			maps.DeleteFunc(elsewhere, func(id string, _ *model.Port) bool { return currentPort(&w.View, id) != nil })
			checkEnded(t, before, got, elsewhere, changes["br-int"].Ended)
			fresh := NewIncremental()
			fresh.Compile(&w.View, Dirty{})
			checkEnded(t, before, got, nil, fresh.Ended(before.Bridges["br-int"]))
			before = got
		}
	})
}

// checkApplied compares what a switch has after all changes with the program.
func checkApplied(t *rapid.T, have map[string][]flows.Rule, want *Program) {
	for bridge := range have {
		if delta := flows.Diff(have[bridge], want.Bridges[bridge]); !delta.Empty() {
			t.Fatalf("the changes leave %s to be corrected by %v", bridge, delta)
		}
	}
	for bridge, rules := range want.Bridges {
		if delta := flows.Diff(have[bridge], rules); !delta.Empty() {
			t.Fatalf("the changes leave %s to be corrected by %v", bridge, delta)
		}
		keys := map[flows.Key]bool{}
		for _, r := range rules {
			if keys[r.Key()] {
				t.Fatalf("%s has two rules with the key of %s", bridge, r)
			}
			keys[r.Key()] = true
			if err := r.Check(); err != nil {
				t.Fatalf("%s: the switch refuses %s: %v", bridge, r, err)
			}
		}
	}
}

// checkForgotten demands that flows learned for a network do not outlive what
// they were learned for.
func checkForgotten(t *rapid.T, before, after *Program, changes map[string]Change) {
	forget := changes["br-tun"].Forget
	for _, l := range before.learners {
		if !slices.Contains(after.learners, l) && !slices.Contains(forget, l.cookie) {
			t.Fatalf("learned flows with cookie %#x stay", l.cookie)
		}
	}
	for port, kind := range before.tunnelPorts {
		if after.tunnelPorts[port] == kind {
			continue
		}
		for _, l := range before.learners {
			if l.typ == kind && !slices.Contains(forget, l.cookie) {
				t.Fatalf("flows learned from tunnel port %d stay", port)
			}
		}
	}
}

// connectionsOf gives the addresses that ports of a program may send from, and
// the zones of its networks with their cookies.
func connectionsOf(p *Program) (addresses map[Connections]bool, zones map[uint16]uint64) {
	addresses, zones = map[Connections]bool{}, map[uint16]uint64{}
	for _, r := range p.Bridges["br-int"] {
		zone, ok := r.Match.Get(regNetwork)
		if !ok {
			continue
		}
		if a := sourceOf(r.Match); r.Table == guard.number && a.IsValid() {
			addresses[Connections{uint16(zone.Value.Lo), a}] = true
		}
		if r.Table == output.number {
			zones[uint16(zone.Value.Lo)] = r.Cookie
		}
	}
	return addresses, zones
}

// elsewhere gives the ports of other hosts.
func (w *world) elsewhere() map[string]*model.Port {
	list := map[string]*model.Port{}
	for id := range w.Remotes {
		if p := currentPort(&w.View, id); p != nil && !p.local {
			list[id] = p.rec
		}
	}
	return list
}

// checkEnded demands that connections end exactly when nobody has them any more.
// gone are the ports of other hosts that there are no more.
func checkEnded(t *rapid.T, before, after *Program, gone map[string]*model.Port, ended []Connections) {
	was, wasZones := connectionsOf(before)
	is, isZones := connectionsOf(after)
	want := map[Connections]bool{}
	for zone, cookie := range wasZones {
		if isZones[zone] != cookie {
			want[Connections{Zone: zone}] = true
		}
	}
	for c := range was {
		if !is[c] && !want[Connections{Zone: c.Zone}] {
			want[c] = true
		}
	}
	for zone, cookie := range wasZones {
		for _, p := range gone {
			if Cookie(FeatureNetwork, p.NetworkID) != cookie || want[Connections{Zone: zone}] {
				continue
			}
			own := []netip.Addr{p.MAC.LinkLocal()}
			for _, f := range p.FixedIPs {
				own = append(own, f.IP.Unmap().WithZone(""))
			}
			for _, a := range own {
				if !is[Connections{zone, a}] && (p.MAC != model.MAC{} || a != own[0]) {
					want[Connections{zone, a}] = true
				}
			}
		}
	}
	got := map[Connections]bool{}
	for _, c := range ended {
		got[c] = true
	}
	if !maps.Equal(got, want) {
		t.Fatalf("connections %v end, want %v", got, want)
	}
}

func TestTheOrderAndRepetitionOfRecordsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(10, 40).Draw(t, "changes") {
			w.change()
		}
		want := Compile(&w.View).text()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffled := w.View
		shuffled.Ports = maps.Clone(w.Ports)
		for id, p := range shuffled.Ports {
			again := *p.Record
			again.FixedIPs = slices.Concat(again.FixedIPs, again.FixedIPs)
			again.AllowedAddressPairs = slices.Concat(again.AllowedAddressPairs, again.AllowedAddressPairs)
			r.Shuffle(len(again.FixedIPs), func(i, j int) {
				again.FixedIPs[i], again.FixedIPs[j] = again.FixedIPs[j], again.FixedIPs[i]
			})
			r.Shuffle(len(again.AllowedAddressPairs), func(i, j int) {
				again.AllowedAddressPairs[i], again.AllowedAddressPairs[j] = again.AllowedAddressPairs[j], again.AllowedAddressPairs[i]
			})
			shuffled.Ports[id] = LocalPort{Record: &again, OFPort: p.OFPort, Asks: p.Asks, Standby: p.Standby}
		}
		if diff := cmp.Diff(want, Compile(&shuffled).text()); diff != "" {
			t.Fatalf("the order of records matters:\n%s", diff)
		}
		// The same in two steps, everything named twice.
		c := NewIncremental()
		empty := w.View
		empty.Networks, empty.Ports = nil, nil
		c.Compile(&empty, Dirty{})
		all := everything(&w.View)
		r.Shuffle(len(all.Ports), func(i, j int) { all.Ports[i], all.Ports[j] = all.Ports[j], all.Ports[i] })
		c.Compile(&w.View, all.add(all))
		if diff := cmp.Diff(want, c.Program().text()); diff != "" {
			t.Fatalf("the order of changes matters:\n%s", diff)
		}
		for bridge, rules := range c.Program().Bridges {
			if !slices.IsSortedFunc(rules, flows.Rule.Compare) {
				t.Fatalf("the rules of %s are not sorted", bridge)
			}
		}
	})
}
