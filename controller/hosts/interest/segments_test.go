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

// Every host is told after every change here, so that what a change of a
// network's segments, or of what a host can reach, does to the others is not
// covered up by a snapshot that is due anyway.
func TestHostsKnowWhoIsOnTheirSegment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, e := newWorld(), New(1000)
		e.Apply(w.everything(0))
		feeds, mirrors := map[string]*Feed{}, map[string]known{}
		for _, host := range []string{"hv1", "hv2", "hv3"} {
			feeds[host], mirrors[host] = e.Connect(host), known{}
		}
		revision := int64(0)
		tell := func(change records.Change) {
			revision++
			e.Apply(records.Batch{Revision: revision, Changes: []records.Change{change}})
			for host, f := range feeds {
				if u := e.Next(f); u != nil {
					mirrors[host].update(u)
				}
				opts := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})}
				if diff := cmp.Diff(w.interestOf(host), mirrors[host], opts); diff != "" {
					t.Fatalf("%s must know (-), knows (+):\n%s", host, diff)
				}
			}
		}
		for i := range 3 {
			tell(w.setPort(fmt.Sprint("port", i), aPort(fmt.Sprint("port", i), "net", fmt.Sprint("hv", i+1))))
		}
		t.Repeat(map[string]func(*rapid.T){
			"network": func(t *rapid.T) {
				n := &model.Network{Meta: model.Meta{ID: "net"}}
				n.SetSegments(rapid.SliceOfN(rapid.Custom(aSegment), 0, 3).Draw(t, "segments"))
				tell(w.setNetwork("net", n))
			},
			"agent": func(t *rapid.T) {
				i := rapid.IntRange(1, 3).Draw(t, "host")
				a := anAgent(fmt.Sprint("hv", i), byte(i), rapid.SampledFrom(tunnelSets).Draw(t, "types")...)
				if physnet := rapid.SampledFrom([]string{"", "physnet1", "physnet2"}).Draw(t, "mapping"); physnet != "" {
					a.BridgeMappings = map[string]string{physnet: "br-phys"}
				}
				tell(w.setAgent(a.ID, a))
			},
			"port": func(t *rapid.T) {
				p := *w.ports[fmt.Sprint("port", rapid.IntRange(0, 2).Draw(t, "port"))]
				p.Host = pick(t, "hv", 3)
				tell(w.setPort(p.ID, &p))
			},
		})
	})
}
