package rpc

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
)

func TestAStateIsWhatItsUpdatesAddUpTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s State
		want := map[Ref]any{}
		for range rapid.IntRange(1, 4).Draw(t, "updates") {
			u := updates.Draw(t, "update")
			s.Apply(u)
			if u.Full {
				clear(want)
			}
			for r, rec := range u.Records() {
				want[r] = rec
			}
			for r := range u.Deletions() {
				delete(want, r)
			}
		}
		got := map[Ref]any{}
		for r, rec := range s.Full().Records() {
			got[r] = rec
		}
		if diff := cmp.Diff(want, got, equal); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestARejectedRecordStaysAsItWasKnown(t *testing.T) {
	var s State
	s.Apply(&Update{Full: true, Revision: 1, Networks: []*model.Network{{Meta: model.Meta{ID: "n"}}}})
	s.Apply(&Update{Full: true, Revision: 2, Rejected: []Rejected{{Kind: KindNetwork, ID: "n", Err: errors.New("mtu: bad")}}})
	u := s.Full()
	if len(u.Networks) != 1 || len(u.Rejected) != 1 || u.Revision != 2 {
		t.Errorf("%+v", u)
	}
	s.Apply(&Update{Revision: 3, Deleted: Refs{Networks: []string{"n"}}})
	if u := s.Full(); u.Len() != 0 || len(u.Rejected) != 0 {
		t.Errorf("%+v", u)
	}
}
