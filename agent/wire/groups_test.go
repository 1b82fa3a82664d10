package wire

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// groupUpdate is an update with random groups, rules, members and address
// groups, in whatever order and combination.
func groupUpdate(t *rapid.T) *rpc.Update {
	pick := func(what string, n int) string { return fmt.Sprint(what, rapid.IntRange(1, n).Draw(t, what)) }
	u := &rpc.Update{Full: rapid.IntRange(0, 4).Draw(t, "full") == 0}
	for range rapid.IntRange(0, 8).Draw(t, "records") {
		meta := model.Meta{Revision: rapid.Int64Range(1, 9).Draw(t, "revision")}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			meta.ID = pick("g", 3)
			u.Groups = append(u.Groups, &model.SecurityGroup{Meta: meta})
		case 1:
			meta.ID = pick("r", 4)
			u.Rules = append(u.Rules, &model.SecurityGroupRule{Meta: meta, SecurityGroupID: pick("g", 3)})
		case 2:
			u.Members = append(u.Members, &model.GroupMember{
				GroupID: pick("g", 3), PortID: pick("p", 3),
				Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(meta.Revision)}), 32)},
			})
		default:
			meta.ID = pick("a", 2)
			u.AddressGroups = append(u.AddressGroups, &model.AddressGroup{Meta: meta})
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "deletions") {
		if u.Full { // says itself what is gone
			break
		}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			u.Delete(rpc.KindGroup, pick("g", 3))
		case 1:
			u.Delete(rpc.KindRule, pick("r", 4))
		case 2:
			u.Delete(rpc.KindMember, rpc.MemberID(pick("g", 3), pick("p", 3)))
		default:
			u.Delete(rpc.KindAddressGroup, pick("a", 2))
		}
	}
	return u
}

// viewOf says from the definition what the view must hold of groups.
func viewOf(s *rpc.State) pipeline.View {
	v := pipeline.View{
		Groups: map[string]pipeline.SecurityGroup{}, Members: map[pipeline.MemberKey]*model.GroupMember{},
		AddressGroups: map[string]*model.AddressGroup{},
	}
	u := s.Full()
	for _, g := range u.Groups {
		v.Groups[g.ID] = pipeline.SecurityGroup{Record: g, Rules: map[string]*model.SecurityGroupRule{}}
	}
	for _, r := range u.Rules {
		if g, ok := v.Groups[r.SecurityGroupID]; ok {
			g.Rules[r.ID] = r
		}
	}
	for _, m := range u.Members {
		v.Members[pipeline.MemberKey{Group: m.GroupID, Port: m.PortID}] = m
	}
	for _, a := range u.AddressGroups {
		v.AddressGroups[a.ID] = a
	}
	return v
}

func TestGroupsOfTheViewAreThoseOfTheRecords(t *testing.T) {
	opts := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})}
	rapid.Check(t, func(t *rapid.T) {
		l := New(Config{Host: "hv1", Log: zap.NewNop(), Now: time.Now})
		var s rpc.State
		for range rapid.IntRange(1, 20).Draw(t, "updates") {
			before := viewOf(&s)
			u := groupUpdate(t)
			s.Apply(u)
			l.mirror.apply(u, l.touched)
			if rapid.Bool().Draw(t, "later") { // several updates are looked at together
				u = groupUpdate(t)
				s.Apply(u)
				l.mirror.apply(u, l.touched)
			}
			l.dirty = pipeline.Dirty{}
			l.lookAtGroups(l.touched)
			l.touched = newTouched()
			want := viewOf(&s)
			got := pipeline.View{Groups: l.view.Groups, Members: l.view.Members, AddressGroups: l.view.AddressGroups}
			if diff := cmp.Diff(want, got, opts); diff != "" {
				t.Fatalf("must hold (-), holds (+):\n%s", diff)
			}
			mustBeDirty(t, changedKeys(before.Groups, want.Groups), l.dirty.Groups)
			mustBeDirty(t, changedKeys(before.Members, want.Members), l.dirty.Members)
			mustBeDirty(t, changedKeys(before.AddressGroups, want.AddressGroups), l.dirty.AddressGroups)
		}
	})
}

func changedKeys[K comparable, T any](a, b map[K]T) (keys []K) {
	for k, v := range a {
		if w, ok := b[k]; !ok || !cmp.Equal(v, w, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})) {
			keys = append(keys, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	return keys
}

func mustBeDirty[K comparable](t *rapid.T, changed, dirty []K) {
	for _, k := range changed {
		if !slices.Contains(dirty, k) {
			t.Fatalf("%v changed and is not dirty: %v", k, dirty)
		}
	}
}

func TestAProblemOfARuleIsToldOnThePortsOfItsGroup(t *testing.T) {
	l := New(Config{Host: "hv1", Log: zap.NewNop(), Now: time.Now})
	l.mirror.apply(&rpc.Update{Full: true, Rules: []*model.SecurityGroupRule{
		{Meta: model.Meta{ID: "r1"}, SecurityGroupID: "g1"},
	}}, l.touched)
	l.problems.replace(sourcePipeline, map[string]string{
		"security group rule r1": "protocol is unknown", "port p1": "no address", "security group g9": "too large",
	})
	if got, want := l.problemOfGroups(&model.Port{SecurityGroups: []string{"g0", "g1"}}), "security group rule r1: protocol is unknown"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := l.problemOfGroups(&model.Port{SecurityGroups: []string{"g0"}}); got != "" {
		t.Errorf("a port of another group has problem %q", got)
	}
}
