package bridges

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/ovsdb"
)

func TestLocalVLANsReadsOnlyWhatIsALocalVLAN(t *testing.T) {
	got := LocalVLANs(ovsdb.Bridge{ExternalIDs: map[string]string{
		"lepton-vlan-1": "net-a", "lepton-vlan-4094": "net-b",
		"lepton-vlan-7": "net-c", "lepton-vlan-5": "net-c", // the lower counts
		"lepton-vlan-0": "x", "lepton-vlan-4095": "x", "lepton-vlan--1": "x", "lepton-vlan-": "x", "lepton-vlan-9": "",
		"lepton-vlan-1e1": "x", "lepton-owner": "bridges",
	}})
	if want := map[string]uint16{"net-a": 1, "net-b": 4094, "net-c": 5}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAllocateVLANsTakesTheLowestFree(t *testing.T) {
	added, without := AllocateVLANs(map[string]uint16{"b": 1, "x": 3}, []string{"d", "c", "b", "a", "c"})
	if want := map[string]uint16{"a": 2, "c": 4, "d": 5}; !maps.Equal(added, want) || without != nil {
		t.Errorf("added %v, without %v", added, without)
	}
}

func TestAllocateVLANsSaysWhoGetsNone(t *testing.T) {
	have := map[string]uint16{}
	for n := uint16(1); n <= 4093; n++ {
		have[fmt.Sprintf("old-%04d", n)] = n
	}
	added, without := AllocateVLANs(have, []string{"c", "a", "b"})
	if !maps.Equal(added, map[string]uint16{"a": 4094}) || !slices.Equal(without, []string{"b", "c"}) {
		t.Errorf("added %v, without %v", added, without)
	}
}

// TestLocalVLANsAreStable lives through networks that come and go, with the
// agent forgetting everything but the bridge's external_ids at each step.
func TestLocalVLANsAreStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bridge := ovsdb.Bridge{ExternalIDs: map[string]string{"lepton-owner": "bridges"}}
		network := rapid.StringMatching(`net-[0-9]{1,2}`)
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			stored := LocalVLANs(bridge)
			wanted := rapid.SliceOf(network).Draw(t, "networks")

			want := maps.Clone(stored)
			if rapid.Bool().Draw(t, "release") {
				maps.DeleteFunc(want, func(id string, _ uint16) bool { return !slices.Contains(wanted, id) })
			}
			kept := maps.Clone(want)
			added, without := AllocateVLANs(want, wanted)
			shuffled := rapid.Permutation(wanted).Draw(t, "shuffled")
			if again, _ := AllocateVLANs(want, shuffled); !maps.Equal(again, added) {
				t.Fatalf("the order of networks matters: %v, %v", added, again)
			}
			maps.Copy(want, added)
			if len(without) > 0 {
				t.Fatalf("no VLAN left for %v", without)
			}
			if op, ok := StoreVLANs("br-int", stored, want); ok {
				apply(bridge.ExternalIDs, op)
			} else if !maps.Equal(stored, want) {
				t.Fatalf("nothing to store, but %v is not %v", stored, want)
			}

			got := LocalVLANs(bridge)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("stored and read again: %s", diff)
			}
			for id, v := range kept {
				if got[id] != v {
					t.Fatalf("network %s moved from VLAN %d to %d", id, v, got[id])
				}
			}
			owners := map[uint16]string{}
			for id, v := range got {
				if other, taken := owners[v]; taken || v < 1 || v > 4094 {
					t.Fatalf("VLAN %d of %s, also of %q", v, id, other)
				}
				owners[v] = id
			}
			for _, id := range wanted {
				if _, ok := got[id]; !ok {
					t.Fatalf("network %s has no VLAN", id)
				}
			}
			if bridge.ExternalIDs["lepton-owner"] != "bridges" {
				t.Fatal("another key was touched")
			}
		}
	})
}

func apply(ids map[string]string, op ovsdb.SetBridgeExternalIDs) {
	for _, k := range op.Remove {
		delete(ids, k)
	}
	maps.Copy(ids, op.Set)
}
