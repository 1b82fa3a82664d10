package interest

import (
	"slices"
	"testing"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// again gives what a host that connects anew is told.
func (s *scene) again(host string) []string { return told(s.engine.Next(s.engine.Connect(host))) }

func TestASnapshotNamesWhatItsHostHadAndHasNoMore(t *testing.T) {
	s := newScene(t)
	bind := func(hosts ...string) records.Change {
		b := &model.RouterBinding{RouterID: "r1"}
		for _, h := range hosts {
			b.Hosts = append(b.Hosts, model.RouterHost{Host: h})
		}
		return s.setRouterHosts("r1", b)
	}
	s.engine.Apply(records.Batch{Revision: 2, Changes: []records.Change{
		s.setRouter("r1", &model.Router{Meta: model.Meta{ID: "r1"}, AdminStateUp: true}), bind("hv1"),
	}})
	s.engine.Disconnect(s.feeds["hv1"])
	s.engine.Apply(records.Batch{Revision: 3, Changes: []records.Change{s.setPort("v1", nil), bind("hv2")}})
	got := s.again("hv1")
	for _, want := range []string{"-port v1", "-router binding r1", "-router r1", "+port a1"} {
		if !slices.Contains(got, want) {
			t.Errorf("hv1 is not told %q: %v", want, got)
		}
	}
	if got := s.again("hv3"); slices.ContainsFunc(got, func(s string) bool { return s[0] == '-' }) {
		t.Errorf("hv3, which had none of it, is told %v", got)
	}
	s.engine.Apply(records.Batch{Revision: 4, Changes: []records.Change{s.setPort("v1", aPort("v1", "net-v", "hv1"))}})
	if got := s.again("hv1"); slices.Contains(got, "-port v1") || !slices.Contains(got, "+port v1") {
		t.Errorf("a port that is back is told as %v", got)
	}
}

func TestWhatVanishesInAGapIsMissingAndNotDeleted(t *testing.T) {
	s := newScene(t)
	b := s.everything(9)
	for i := range b.Changes {
		b.Changes[i].Old = b.Changes[i].New
	}
	b.Changes = append(b.Changes, s.setPort("a1", nil), s.setPort("v1", nil))
	s.engine.Apply(b)
	u := s.engine.Next(s.feeds["hv1"])
	if u == nil || !u.Full || u.Deleted.Len() > 0 || len(u.Ports) > 0 {
		t.Errorf("hv1 is told %v (full %t)", told(u), u != nil && u.Full)
	}
	if got := s.again("hv1"); len(got) > 0 {
		t.Errorf("hv1 that connects again is told %v", got)
	}
}
