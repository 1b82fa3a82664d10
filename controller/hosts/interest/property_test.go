package interest

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// machine makes random changes, connections and cuts, and compares what hosts
// were told with what they must know.
type machine struct {
	world    *world
	engine   *Engine
	revision int64
	batch    []records.Change
	feeds    map[string]*Feed
	mirrors  map[string]known
	awake    map[*Feed]bool
}

var (
	networkTypes = []model.NetworkType{model.VXLAN, model.VXLAN, model.Geneve, model.VLAN, model.Local}
	tunnelSets   = [][]model.NetworkType{{model.VXLAN}, {model.VXLAN, model.Geneve}, {model.GRE}, nil}
)

var pairs = [][]model.AddressPair{
	nil,
	{{IP: netip.MustParsePrefix("0.0.0.0/0")}},
	{{IP: netip.MustParsePrefix("10.0.0.1/32")}, {IP: netip.MustParsePrefix("2001:db8::9/64")}},
}

func pick(t *rapid.T, what string, n int) string {
	return fmt.Sprint(what, rapid.IntRange(1, n).Draw(t, what))
}

func (m *machine) changeNetwork(t *rapid.T) {
	id := pick(t, "net", 4)
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		m.batch = append(m.batch, m.world.setNetwork(id, nil))
		return
	}
	n := aNetwork(id, rapid.SampledFrom(networkTypes).Draw(t, "type"))
	if rapid.IntRange(0, 2).Draw(t, "split") == 0 {
		n.SetSegments(rapid.SliceOfN(rapid.Custom(aSegment), 1, 3).Draw(t, "segments"))
	}
	n.Revision, n.QoSPolicyID = m.revision, aPolicy(t)
	m.batch = append(m.batch, m.world.setNetwork(id, n))
}

// aSegment is a VLAN on one of two physical networks, or a tunnel.
func aSegment(t *rapid.T) model.NetworkSegment {
	s := model.Segment{Type: rapid.SampledFrom(networkTypes).Draw(t, "type"), ID: rapid.Uint32Range(100, 101).Draw(t, "segmentation id")}
	if s.Type.Physical() {
		s.PhysicalNetwork = rapid.SampledFrom([]string{"physnet1", "physnet2"}).Draw(t, "physnet")
	}
	return model.NetworkSegment{Segment: s}
}

func (m *machine) changeSubnet(t *rapid.T) {
	id := pick(t, "sub", 4)
	if rapid.Bool().Draw(t, "delete") {
		m.batch = append(m.batch, m.world.setSubnet(id, nil))
		return
	}
	s := &model.Subnet{Meta: model.Meta{ID: id, Revision: m.revision}, NetworkID: pick(t, "net", 4)}
	if rapid.Bool().Draw(t, "pooled") {
		s.SubnetPoolID = pick(t, "pool", 2)
	}
	m.batch = append(m.batch, m.world.setSubnet(id, s))
}

func (m *machine) changePort(t *rapid.T) {
	id := pick(t, "port", 8)
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		m.batch = append(m.batch, m.world.setPort(id, nil))
		return
	}
	p := aPort(id, pick(t, "net", 4), pick(t, "hv", 4))
	if old := m.world.ports[id]; old != nil && rapid.Bool().Draw(t, "in place") {
		q := *old
		p = &q
	}
	switch rapid.IntRange(0, 9).Draw(t, "binding") {
	case 0:
		p.Host = ""
	case 1:
		p.VIFType = bindingFailed
	}
	p.SecurityGroups = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"group1", "group2", "group3"}), 0, 2, rapid.ID).Draw(t, "groups")
	p.FixedIPs = []model.FixedIP{{IP: netip.AddrFrom4([4]byte{10, 0, 0, rapid.ByteRange(1, 3).Draw(t, "ip")})}}
	p.AllowedAddressPairs = rapid.SampledFrom(pairs).Draw(t, "pairs")
	p.DeviceOwner, p.DeviceID = "compute:nova", "vm"
	if rapid.IntRange(0, 3).Draw(t, "of router") == 0 {
		p.DeviceOwner, p.DeviceID = rapid.SampledFrom([]string{
			"network:router_interface", "network:router_interface_distributed", "network:floatingip",
		}).Draw(t, "owner"), pick(t, "router", 3)
	}
	p.Revision, p.QoSPolicyID = m.revision, aPolicy(t)
	p.AdminStateUp = rapid.Bool().Draw(t, "up")
	m.batch = append(m.batch, m.world.setPort(id, p))
}

func (m *machine) changeAgent(t *rapid.T) {
	host := pick(t, "hv", 4)
	a := anAgent(host, rapid.Byte().Draw(t, "ip"), rapid.SampledFrom(tunnelSets).Draw(t, "types")...)
	if physnet := rapid.SampledFrom([]string{"", "physnet1", "physnet2"}).Draw(t, "mapping"); physnet != "" {
		a.BridgeMappings = map[string]string{physnet: "br-phys"}
	}
	if rapid.Bool().Draw(t, "no tunnels") {
		a.TunnelIP = netip.Addr{}
	}
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		m.batch = append(m.batch, m.world.setAgent(a.ID, nil))
		return
	}
	m.batch = append(m.batch, m.world.setAgent(a.ID, a))
}

// commit applies the changes made since the last commit, in any order but that
// of one record's.
func (m *machine) commit(t *rapid.T) {
	m.revision++
	b := records.Batch{Revision: m.revision, Changes: m.batch}
	if rapid.IntRange(0, 9).Draw(t, "gap") == 0 {
		b = m.afterGap()
	}
	m.batch = nil
	for _, f := range m.engine.Apply(b) {
		m.awake[f] = true
	}
}

// afterGap is the full batch that repeats everything, deletions at its end.
func (m *machine) afterGap() records.Batch {
	b := m.world.everything(m.revision)
	present := map[string]bool{}
	for _, c := range b.Changes {
		present[c.Table+c.ID] = true
	}
	for _, c := range m.batch {
		if !present[c.Table+c.ID] && c.Old != nil {
			c.New = nil
			b.Changes = append(b.Changes, c)
		}
	}
	return b
}

func (m *machine) connect(t *rapid.T) {
	host := pick(t, "hv", 4)
	f := m.engine.Connect(host)
	m.feeds[host] = f
	m.awake[f] = f.Pending()
	m.mirrors[host] = known{}
}

func (m *machine) cut(t *rapid.T) {
	host := pick(t, "hv", 4)
	if f := m.feeds[host]; f != nil {
		m.engine.Disconnect(f)
		delete(m.feeds, host)
	}
}

// tell gives one host its next update.
func (m *machine) tell(t *rapid.T) {
	host := pick(t, "hv", 4)
	f := m.feeds[host]
	if f == nil {
		return
	}
	if len(m.batch) > 0 {
		m.commit(t)
	}
	if f.Pending() && !m.awake[f] {
		t.Fatalf("%s has something to be told, but was not woken", host)
	}
	m.awake[f] = false
	u := m.engine.Next(f)
	if u == nil {
		return
	}
	if u.Revision != m.revision {
		t.Fatalf("%s was told revision %d, it is %d", host, u.Revision, m.revision)
	}
	m.mirrors[host].update(u)
	want := m.world.interestOf(host)
	opts := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})}
	if diff := cmp.Diff(want, m.mirrors[host], opts); diff != "" {
		t.Fatalf("%s, revision %d: must know (-), knows (+):\n%s", host, m.revision, diff)
	}
}

func (m *machine) changes() []func(*rapid.T) {
	return []func(*rapid.T){
		m.changeNetwork, m.changeSubnet, m.changePort, m.changePort, m.changePort, m.changeAgent, m.changeGroup,
		m.changeRule, m.changeRouter, m.changePartOfRouter, m.changeBinding, m.changePool, m.changeExtra,
	}
}

func TestWhatHostsAreToldIsWhatTheyMustKnow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			world: newWorld(), engine: New(rapid.SampledFrom([]int{3, 20, 1000, 1000}).Draw(t, "limit")),
			feeds: map[string]*Feed{}, mirrors: map[string]known{}, awake: map[*Feed]bool{},
		}
		for i := range 4 {
			host := fmt.Sprint("hv", i+1)
			m.feeds[host], m.mirrors[host] = m.engine.Connect(host), known{}
		}
		for _, f := range m.engine.Apply(m.world.everything(0)) {
			m.awake[f] = true
		}
		for range 100 { // something to begin with
			rapid.SampledFrom(m.changes()).Draw(t, "first")(t)
		}
		actions := append([]func(*rapid.T){m.tell, m.tell, m.tell, m.tell, m.commit, m.connect, m.cut}, m.changes()...)
		for range 80 {
			rapid.SampledFrom(actions).Draw(t, "action")(t)
		}
	})
}
