package interest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// told is an update in short: "+port p1", "-endpoint hv2".
func told(u *rpc.Update) []string {
	if u == nil {
		return nil
	}
	var out []string
	for r, rec := range u.Records() {
		text := "+" + string(r.Kind) + " " + r.ID
		if end, ok := rec.(*model.Endpoint); ok {
			text += fmt.Sprint(" ", end.Types)
		}
		out = append(out, text)
	}
	for r := range u.Deletions() {
		out = append(out, "-"+string(r.Kind)+" "+r.ID)
	}
	slices.Sort(out)
	return out
}

// scene is two tunnelled networks and a VLAN over three hosts, all connected
// and in the know.
//
//	hv1: a1 on net-a, v1 on net-v
//	hv2: a2 on net-a, b2 on net-b
//	hv3: b3 on net-b, v3 on net-v
type scene struct {
	*world
	engine *Engine
	feeds  map[string]*Feed
}

func newScene(t *testing.T) *scene {
	t.Helper()
	w := newWorld()
	for i, h := range []string{"hv1", "hv2", "hv3"} {
		a := anAgent(h, byte(i+1), model.VXLAN, model.Geneve)
		w.setAgent(a.ID, a)
	}
	w.setNetwork("net-a", aNetwork("net-a", model.VXLAN))
	w.setNetwork("net-b", aNetwork("net-b", model.Geneve))
	w.setNetwork("net-v", aNetwork("net-v", model.VLAN))
	for _, n := range []string{"net-a", "net-b", "net-v"} {
		w.setSubnet("sub"+n[3:], &model.Subnet{Meta: model.Meta{ID: "sub" + n[3:]}, NetworkID: n})
	}
	for _, p := range []*model.Port{
		aPort("a1", "net-a", "hv1"), aPort("v1", "net-v", "hv1"), aPort("a2", "net-a", "hv2"),
		aPort("b2", "net-b", "hv2"), aPort("b3", "net-b", "hv3"), aPort("v3", "net-v", "hv3"),
		aPort("unbound", "net-a", ""),
	} {
		w.setPort(p.ID, p)
	}
	s := &scene{world: w, engine: New(1000), feeds: map[string]*Feed{}}
	s.engine.Apply(w.everything(1))
	for _, h := range []string{"hv1", "hv2", "hv3"} {
		s.feeds[h] = s.engine.Connect(h)
		if u := s.engine.Next(s.feeds[h]); u == nil || !u.Full {
			t.Fatalf("%s got no snapshot: %+v", h, u)
		}
	}
	return s
}

func TestSnapshotHoldsTheNetworksOfTheHost(t *testing.T) {
	s := newScene(t)
	got := told(s.engine.Next(s.engine.Connect("hv1")))
	want := []string{
		"+endpoint hv2 [vxlan]", "+network net-a", "+network net-v",
		"+port a1", "+port a2", "+port v1", "+port v3", "+subnet sub-a", "+subnet sub-v",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestChangeReachesTheHostsItConcerns(t *testing.T) {
	rename := func(p *model.Port) *model.Port { q := *p; q.Name, q.Revision = "new", 7; return &q }
	move := func(p *model.Port, host string) *model.Port { q := *p; q.Host = host; return &q }
	failed := func(p *model.Port) *model.Port { q := *p; q.VIFType = "binding_failed"; return &q }
	readdress := func(p *model.Port) *model.Port {
		q := *p
		q.FixedIPs = []model.FixedIP{{SubnetID: "sub-a", IP: netip.MustParseAddr("10.0.0.9")}}
		return &q
	}
	leave := []string{"-endpoint hv2", "-network net-a", "-port a1", "-port a2", "-subnet sub-a"}
	tests := []struct {
		name   string
		change func(*scene) records.Change
		want   map[string][]string
	}{
		{
			"a new address is told to the hosts of the network",
			func(s *scene) records.Change { return s.setPort("a1", readdress(s.ports["a1"])) },
			map[string][]string{"hv1": {"+port a1"}, "hv2": {"+port a1"}},
		},
		{
			"a new name is told to the port's host alone",
			func(s *scene) records.Change { return s.setPort("a1", rename(s.ports["a1"])) },
			map[string][]string{"hv1": {"+port a1"}},
		},
		{
			"an unbound port is nobody's",
			func(s *scene) records.Change { return s.setPort("unbound", rename(s.ports["unbound"])) },
			nil,
		},
		{
			"a port that is deleted takes the network from its host",
			func(s *scene) records.Change { return s.setPort("a1", nil) },
			map[string][]string{"hv1": leave, "hv2": {"-endpoint hv1", "-port a1"}},
		},
		{
			"a port whose binding failed counts as gone",
			func(s *scene) records.Change { return s.setPort("a1", failed(s.ports["a1"])) },
			map[string][]string{"hv1": leave, "hv2": {"-endpoint hv1", "-port a1"}},
		},
		{
			"a port that moves takes its network along",
			func(s *scene) records.Change { return s.setPort("a1", move(s.ports["a1"], "hv3")) },
			map[string][]string{
				"hv1": append([]string{"-endpoint hv2", "-endpoint hv3"}, leave[1:]...),
				"hv2": {"+endpoint hv3 [geneve vxlan]", "+port a1", "-endpoint hv1"},
				"hv3": {
					"+endpoint hv2 [geneve vxlan]", "+network net-a", "+port a1", "+port a2", "+subnet sub-a", "-endpoint hv1",
				},
			},
		},
		{
			"a port on a VLAN makes no tunnels",
			func(s *scene) records.Change { return s.setPort("v2", aPort("v2", "net-v", "hv2")) },
			map[string][]string{
				"hv1": {"+port v2"},
				"hv2": {"+network net-v", "+port v1", "+port v2", "+port v3", "+subnet sub-v"},
				"hv3": {"+port v2"},
			},
		},
		{
			"a second port on a host brings only itself",
			func(s *scene) records.Change { return s.setPort("a9", aPort("a9", "net-a", "hv1")) },
			map[string][]string{"hv1": {"+port a9"}, "hv2": {"+port a9"}},
		},
		{
			"a tunnel address is told to those who share a network",
			func(s *scene) records.Change { return s.setAgent("agent-hv2", anAgent("hv2", 22, model.VXLAN)) },
			map[string][]string{"hv1": {"+endpoint hv2 [vxlan]"}, "hv3": {"-endpoint hv2"}},
		},
		{
			"a heartbeat is told to nobody",
			func(s *scene) records.Change {
				a := *s.agents["agent-hv2"]
				a.Devices, a.InSync = 7, true
				return s.setAgent(a.ID, &a)
			},
			nil,
		},
		{
			"an agent that is deleted takes its tunnels down",
			func(s *scene) records.Change { return s.setAgent("agent-hv2", nil) },
			map[string][]string{"hv1": {"-endpoint hv2"}, "hv3": {"-endpoint hv2"}},
		},
		{
			"a network is told to its hosts",
			func(s *scene) records.Change {
				n := aNetwork("net-v", model.VLAN)
				n.MTU = 9000
				return s.setNetwork("net-v", n)
			},
			map[string][]string{"hv1": {"+network net-v"}, "hv3": {"+network net-v"}},
		},
		{
			"a network that becomes a tunnel connects its hosts",
			func(s *scene) records.Change { return s.setNetwork("net-v", aNetwork("net-v", model.VXLAN)) },
			map[string][]string{
				"hv1": {"+endpoint hv3 [vxlan]", "+network net-v"},
				"hv3": {"+endpoint hv1 [vxlan]", "+network net-v"},
			},
		},
		{
			"a subnet that is deleted is told to its hosts",
			func(s *scene) records.Change { return s.setSubnet("sub-b", nil) },
			map[string][]string{"hv2": {"-subnet sub-b"}, "hv3": {"-subnet sub-b"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			var woken []string
			for _, f := range s.engine.Apply(records.Batch{Revision: 2, Changes: []records.Change{tt.change(s)}}) {
				woken = append(woken, f.Host())
			}
			got := map[string][]string{}
			var pending []string
			for name, f := range s.feeds {
				if u := s.engine.Next(f); u != nil {
					got[name] = told(u)
					pending = append(pending, name)
				}
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			slices.Sort(woken)
			slices.Sort(pending)
			if !slices.Equal(woken, pending) {
				t.Errorf("woken %v, pending %v", woken, pending)
			}
		})
	}
}

func TestNoSnapshotBeforeAllRecordsAreKnown(t *testing.T) {
	e := New(1000)
	f := e.Connect("hv1")
	if f.Pending() || e.Next(f) != nil {
		t.Fatal("a feed spoke before the engine was loaded")
	}
	woken := e.Apply(newWorld().everything(5))
	if len(woken) != 1 || woken[0] != f {
		t.Fatalf("woken %v", woken)
	}
	if u := e.Next(f); u == nil || !u.Full || u.Revision != 5 || u.Len() != 0 {
		t.Errorf("snapshot %+v", u)
	}
}

func TestTooManyMarksBecomeASnapshot(t *testing.T) {
	s := newScene(t)
	s.engine.limit = 3
	f := s.engine.Connect("hv1")
	s.engine.Next(f)
	for i := range 10 {
		id := fmt.Sprint("x", i)
		s.engine.Apply(records.Batch{
			Revision: int64(i + 2), Changes: []records.Change{s.setPort(id, aPort(id, "net-a", "hv2"))},
		})
		if f.Waiting() > 4 {
			t.Fatalf("%d marks wait", f.Waiting())
		}
	}
	u := s.engine.Next(f)
	if !u.Full || len(u.Ports) != 14 {
		t.Errorf("full %t with %d ports, want a snapshot with 14", u.Full, len(u.Ports))
	}
}

func TestANewFeedOfAHostSilencesTheOldOne(t *testing.T) {
	s := newScene(t)
	old := s.feeds["hv1"]
	fresh := s.engine.Connect("hv1")
	s.engine.Disconnect(old)
	s.engine.Apply(records.Batch{Revision: 2, Changes: []records.Change{s.setPort("a9", aPort("a9", "net-a", "hv1"))}})
	if s.engine.Next(old) != nil {
		t.Error("the replaced feed spoke")
	}
	if u := s.engine.Next(fresh); u == nil || !u.Full {
		t.Errorf("the new feed got %+v", u)
	}
}

func TestAFullBatchAfterAGapRepeatsNothing(t *testing.T) {
	s := newScene(t)
	b := s.everything(9)
	for i := range b.Changes {
		b.Changes[i].Old = b.Changes[i].New
	}
	if woken := s.engine.Apply(b); len(woken) != 0 {
		t.Errorf("%d feeds woken by records that did not change", len(woken))
	}
	if s.engine.Revision() != 9 {
		t.Errorf("revision %d", s.engine.Revision())
	}
}

func TestNothingIsKeptOfWhatHasGone(t *testing.T) {
	s := newScene(t)
	var b records.Batch
	for id := range s.ports {
		b.Changes = append(b.Changes, s.setPort(id, nil))
	}
	for id := range s.networks {
		b.Changes = append(b.Changes, s.setNetwork(id, nil))
	}
	for id := range s.subnets {
		b.Changes = append(b.Changes, s.setSubnet(id, nil))
	}
	for id := range s.agents {
		b.Changes = append(b.Changes, s.setAgent(id, nil))
	}
	s.engine.Apply(b)
	for _, f := range s.feeds {
		s.engine.Disconnect(f)
	}
	if e := s.engine; len(e.topics)+len(e.items)+len(e.sources)+len(e.hosts) != 0 {
		t.Errorf("left: %d topics, %d items, %d sources, %d hosts",
			len(e.topics), len(e.items), len(e.sources), len(e.hosts))
	}
}
