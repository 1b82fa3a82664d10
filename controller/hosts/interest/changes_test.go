package interest

import (
	"net/netip"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// change adds the new state of a record to the batch; one time in four the
// record is deleted instead.
func change[T any](m *machine, t *rapid.T, set func(string, *T) records.Change, id string, rec *T) {
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		rec = nil
	}
	m.batch = append(m.batch, set(id, rec))
}

func (m *machine) changeGroup(t *rapid.T) {
	id := pick(t, "group", 3)
	change(m, t, m.world.setGroup, id, &model.SecurityGroup{
		Meta: model.Meta{ID: id, Revision: m.revision}, Stateful: rapid.Bool().Draw(t, "stateful"),
	})
	id = pick(t, "addresses", 2)
	change(m, t, m.world.setAddressGroup, id, &model.AddressGroup{
		Meta:      model.Meta{ID: id, Revision: m.revision},
		Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "address")}), 32)},
	})
}

func (m *machine) changeRule(t *rapid.T) {
	id := pick(t, "rule", 6)
	r := &model.SecurityGroupRule{
		Meta: model.Meta{ID: id, Revision: m.revision}, SecurityGroupID: pick(t, "group", 3), Direction: "ingress", EtherType: "IPv4",
	}
	switch rapid.IntRange(0, 2).Draw(t, "remote") {
	case 0:
		r.RemoteGroupID = pick(t, "group", 3)
	case 1:
		r.RemoteAddressGroupID = pick(t, "addresses", 2)
	}
	change(m, t, m.world.setRule, id, r)
}

func aPolicy(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "extra1", "extra2", "extra3"}).Draw(t, "qos")
}

func (m *machine) changeRouter(t *rapid.T) {
	id := pick(t, "router", 3)
	r := &model.Router{Meta: model.Meta{ID: id, Revision: m.revision}}
	if rapid.Bool().Draw(t, "gateway") {
		r.Gateway = &model.RouterGateway{NetworkID: pick(t, "net", 4), QoSPolicyID: aPolicy(t)}
	}
	change(m, t, m.world.setRouter, id, r)
}

func (m *machine) changePartOfRouter(t *rapid.T) {
	of := rapid.SampledFrom([]string{"", "router1", "router2", "router3"}).Draw(t, "of")
	meta := model.Meta{ID: pick(t, "part", 3), Revision: m.revision}
	switch rapid.IntRange(0, 2).Draw(t, "what") {
	case 0:
		change(m, t, m.world.setFloatingIP, meta.ID, &model.FloatingIP{Meta: meta, RouterID: of, QoSPolicyID: aPolicy(t)})
	case 1:
		change(m, t, m.world.setForwarding, meta.ID, &model.PortForwarding{Meta: meta, RouterID: of})
	default:
		change(m, t, m.world.setHelper, meta.ID, &model.ConntrackHelper{Meta: meta, RouterID: of})
	}
}

func (m *machine) changeBinding(t *rapid.T) {
	hosts := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"hv1", "hv2", "hv3", "hv4"}), 0, 2, rapid.ID).Draw(t, "hosts")
	if rapid.Bool().Draw(t, "dhcp") {
		b := &model.DHCPBinding{NetworkID: pick(t, "net", 4)}
		for _, h := range hosts {
			b.Hosts = append(b.Hosts, model.DHCPHost{Host: h, PortID: pick(t, "port", 3)})
		}
		change(m, t, m.world.setDHCPHosts, b.NetworkID, b)
		return
	}
	b := &model.RouterBinding{RouterID: pick(t, "router", 3)}
	for _, h := range hosts {
		b.Hosts = append(b.Hosts, model.RouterHost{Host: h, Active: rapid.Bool().Draw(t, "active")})
	}
	change(m, t, m.world.setRouterHosts, b.RouterID, b)
}

func (m *machine) changeExtra(t *rapid.T) {
	maybe := func(what string, n int) string {
		if rapid.Bool().Draw(t, "no "+what) {
			return ""
		}
		return pick(t, what, n)
	}
	meta := model.Meta{ID: pick(t, "extra", 3), Revision: m.revision}
	switch rapid.IntRange(0, 2).Draw(t, "what") {
	case 0:
		change(m, t, m.world.setLog, meta.ID, &model.Log{
			Meta: meta, ResourceID: maybe("group", 3), TargetID: maybe("port", 8), Enabled: rapid.IntRange(0, 3).Draw(t, "enabled") > 0,
		})
	case 1:
		change(m, t, m.world.setTrunk, meta.ID, &model.Trunk{Meta: meta, PortID: pick(t, "port", 8)})
	default:
		change(m, t, m.world.setPolicy, meta.ID, &model.QoSPolicy{Meta: meta})
	}
}

func (m *machine) changePool(t *rapid.T) {
	id := pick(t, "pool", 2)
	change(m, t, m.world.setPool, id, &model.SubnetPool{
		Meta: model.Meta{ID: id, Revision: m.revision}, IPVersion: 4, AddressScopeID: pick(t, "scope", 2), Allocations: m.revision,
	})
}
