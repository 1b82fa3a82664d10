package bridges

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/ovsdb"
)

// maxLocalVLAN is the highest local VLAN; 4095 marks ports that are not wired.
const maxLocalVLAN = 4094

// LocalVLANs reads the local VLANs that the integration bridge keeps, by
// network id. Of two VLANs for one network the lower counts.
func LocalVLANs(b ovsdb.Bridge) map[string]uint16 {
	out := map[string]uint16{}
	for key, network := range b.ExternalIDs {
		digits, ok := strings.CutPrefix(key, ovsdb.VLANKeyPrefix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n < 1 || n > maxLocalVLAN || network == "" {
			continue
		}
		if old, ok := out[network]; !ok || uint16(n) < old {
			out[network] = uint16(n)
		}
	}
	return out
}

// AllocateVLANs gives the networks in want that have no local VLAN the lowest
// free ones, in the order of their ids, and leaves all others as they are.
// Networks for which none is left are returned in without.
func AllocateVLANs(have map[string]uint16, want []string) (added map[string]uint16, without []string) {
	taken := make(map[uint16]bool, len(have))
	for _, v := range have {
		taken[v] = true
	}
	added = map[string]uint16{}
	next := uint16(1)
	for _, id := range slices.Compact(slices.Sorted(slices.Values(want))) {
		if _, ok := have[id]; ok {
			continue
		}
		for next <= maxLocalVLAN && taken[next] {
			next++
		}
		if next > maxLocalVLAN {
			without = append(without, id)
			continue
		}
		added[id] = next
		next++
	}
	return added, without
}

// StoreVLANs is the operation that brings the stored local VLANs from have to
// want on the bridge; ok is false when nothing changes.
func StoreVLANs(bridge string, have, want map[string]uint16) (op ovsdb.SetBridgeExternalIDs, ok bool) {
	op = ovsdb.SetBridgeExternalIDs{Bridge: bridge, Set: map[string]string{}}
	for id, v := range want {
		if have[id] != v {
			op.Set[vlanKey(v)] = id
		}
	}
	for _, id := range slices.Sorted(maps.Keys(have)) {
		if key := vlanKey(have[id]); want[id] != have[id] && op.Set[key] == "" {
			op.Remove = append(op.Remove, key)
		}
	}
	return op, len(op.Set)+len(op.Remove) > 0
}

func vlanKey(v uint16) string { return ovsdb.VLANKeyPrefix + strconv.Itoa(int(v)) }
