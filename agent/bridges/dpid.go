package bridges

import (
	"crypto/sha1"
	"encoding/hex"

	"github.com/lepton-sdn/lepton/ovsdb"
)

// uniqueDatapathIDs gives new datapath ids to bridges that share one. Open
// vSwitch makes the id from the MAC of a port, so that two bridges on VLANs of
// one card get the same, and the agent could not tell their connections apart.
// The bridge that is named first keeps its id. An id once given is asked for
// again, so that the answer stays.
func uniqueDatapathIDs(have ovsdb.State, names []string) map[string]string {
	out := map[string]string{}
	used := map[string]bool{}
	for _, name := range names {
		b := have.Bridges[name]
		given := derivedDatapathID(name)
		switch {
		case b.OtherConfig["datapath-id"] == given:
			out[name] = given
			used[given] = true
		case b.DatapathID != "" && used[b.DatapathID]:
			out[name] = given
			used[given] = true
		case b.DatapathID != "":
			used[b.DatapathID] = true
		}
	}
	return out
}

// derivedDatapathID makes an id from a bridge's name; its first half is not
// zero, so it is never one that Open vSwitch makes from a MAC.
func derivedDatapathID(name string) string {
	sum := sha1.Sum([]byte(name))
	sum[0] |= 0x80
	return hex.EncodeToString(sum[:8])
}
