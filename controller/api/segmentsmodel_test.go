package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// checkSegments compares segments, ranges and what is on them with each other
// and with what is claimed.
func checkSegments(t *testing.T, c *cloud) {
	t.Helper()
	err := c.db.Read(context.Background(), func(r records.Reader) error {
		want := map[string]string{}
		for n := range records.Networks.All(r) {
			for _, s := range n.AllSegments() {
				key := fmt.Sprintf("seg/%s/%s/%d", s.Segment.Type, s.Segment.PhysicalNetwork, s.Segment.ID)
				if other, ok := want[key]; ok {
					t.Errorf("%s is of %s and %s", key, other, n.ID)
				}
				want[key] = n.ID
			}
			if all := n.AllSegments(); len(all) > 0 && n.Segment != all[0].Segment || len(all) == 0 && n.Segment.Type != "" {
				t.Errorf("the first segment of network %+v", n)
			}
			checkRouted(t, r, n)
		}
		var ranges []*model.SegmentRange
		for s := range records.SegmentRanges.All(r) {
			want[fmt.Sprintf("range/%s/%s/%s", s.NetworkType, s.PhysicalNetwork, s.ID)] = s.ID
			for _, other := range ranges {
				if other.NetworkType == s.NetworkType && other.PhysicalNetwork == s.PhysicalNetwork && other.Minimum <= s.Maximum && s.Minimum <= other.Maximum {
					t.Errorf("ranges %+v and %+v overlap", other, s)
				}
			}
			ranges = append(ranges, s)
		}
		for _, prefix := range []string{"seg/", "range/"} {
			for key, owner := range r.ClaimsUnder(prefix) {
				if want[key] != owner {
					t.Errorf("%s is claimed by %s; the records say %q", key, owner, want[key])
				}
				delete(want, key)
			}
		}
		if len(want) > 0 {
			t.Errorf("not claimed: %v", want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// checkRouted checks what is on the segments of a network.
func checkRouted(t *testing.T, r records.Reader, n *model.Network) {
	t.Helper()
	on, plain := 0, 0
	segmentOf := map[string]model.Segment{}
	for s := range records.SubnetsByNetwork.Get(r, n.ID) {
		if s.SegmentID == "" {
			plain++
			continue
		}
		on++
		at := slices.IndexFunc(n.AllSegments(), func(o model.NetworkSegment) bool { return o.ID == s.SegmentID })
		if at < 0 {
			t.Errorf("subnet %s is on segment %s, which network %s does not have", s.ID, s.SegmentID, n.ID)
			continue
		}
		segmentOf[s.ID] = n.AllSegments()[at].Segment
	}
	if on > 0 && plain > 0 {
		t.Errorf("of the subnets of network %s %d are on segments and %d are not", n.ID, on, plain)
	}
	for port := range records.PortsByNetwork.Get(r, n.ID) {
		hosts := map[string]bool{}
		for _, b := range plugin.BindingViews(port) {
			if hosts[b.Host] {
				t.Errorf("port %s is bound to %s twice", port.ID, b.Host)
			}
			hosts[b.Host] = true
		}
		for _, f := range port.FixedIPs {
			for a := range records.AgentsByHost.Get(r, port.Host) {
				if wire, ok := n.SegmentOn(a); on > 0 && port.VIFType == "ovs" && (!ok || segmentOf[f.SubnetID] != wire) {
					t.Errorf("port %s on %s has %s of segment %v, the host is on %v", port.ID, port.Host, f.IP, segmentOf[f.SubnetID], wire)
				}
			}
		}
	}
}

// TestConcurrentChangesOfSegmentsKeepThemConsistent runs random requests from
// many clients of two controllers.
func TestConcurrentChangesOfSegmentsKeepThemConsistent(t *testing.T) {
	s := sharedStore(t)
	few := func(p *plugin.Config, a *Config) {
		unlimited(p, a)
		p.TenantNetworkTypes = []model.NetworkType{"vlan", "vxlan"}
		p.VLAN.NetworkVLANRanges = []string{"physnet1:100:110", "physnet2:100:110"}
	}
	clouds := []*cloud{newCloudOn(t, s, few), newCloudOn(t, s, few)}
	clouds[0].agent("hv1")
	clouds[0].agent("hv2", func(a *model.Agent) { a.BridgeMappings = map[string]string{"physnet2": "br-phys"} })
	var all sync.WaitGroup
	for client := range 6 {
		all.Go(func() {
			k := &segmentClient{cloud: clouds[client%2], random: rand.New(rand.NewPCG(uint64(client), 3))}
			for range 60 {
				if request, status, out := k.next(); status >= 500 && status != 503 && refusedType(out) != "PortBindingError" {
					t.Errorf("%s: %d %v", request, status, out)
				}
			}
		})
	}
	all.Wait()
	for _, c := range clouds {
		checkSegments(t, c)
		checkAddresses(t, c)
	}
}

// segmentClient makes random requests about segments.
type segmentClient struct {
	*cloud
	random *rand.Rand
}

// some gives the id of an object, "none" when there is none.
func (k *segmentClient) some(path, key string) string {
	_, out, _ := k.call("GET", "/v2.0/"+path+"fields=id", nil)
	items, _ := out[key].([]any)
	if len(items) == 0 {
		return "none"
	}
	return id(items[k.random.IntN(len(items))].(map[string]any))
}

func (k *segmentClient) next() (request string, status int, out map[string]any) {
	network := func() string { return k.some("networks?", "networks") }
	segment := func(n string) string { return k.some("segments?network_id="+n+"&", "segments") }
	port := func() string { return k.some("ports?", "ports") }
	host := []string{"hv1", "hv2"}[k.random.IntN(2)]
	physnet := map[string]string{"hv1": "physnet1", "hv2": "physnet2"}[host]
	number := 100 + k.random.IntN(12)
	body := ""
	switch k.random.IntN(14) {
	case 0:
		request, body = "POST networks", `{"network": {}}`
	case 1:
		request, body = "POST networks", fmt.Sprintf(`{"network": {"segments": [{"provider:network_type": "vlan", "provider:physical_network": %q}, {"provider:network_type": "vxlan"}]}}`, physnet)
	case 2:
		request = "DELETE networks/" + network()
	case 3, 4:
		request, body = "POST segments", fmt.Sprintf(`{"segment": {"network_id": %q, "network_type": "vlan", "physical_network": %q, "segmentation_id": %d}}`, network(), physnet, number)
	case 5:
		request = "DELETE segments/" + segment(network())
	case 6, 7:
		n := network()
		request, body = "POST subnets", fmt.Sprintf(`{"subnet": {"network_id": %q, "ip_version": 4, "cidr": "10.%d.0.0/24", "segment_id": %q}}`, n, number, segment(n))
	case 8:
		request = "DELETE subnets/" + k.some("subnets?", "subnets")
	case 9:
		request, body = "POST ports", fmt.Sprintf(`{"port": {"network_id": %q, "binding:host_id": %q, "device_owner": "compute:nova"}}`, network(), host)
	case 10:
		request, body = "PUT ports/"+port(), fmt.Sprintf(`{"port": {"binding:host_id": %q}}`, host)
	case 11:
		request, body = "POST ports/"+port()+"/bindings", fmt.Sprintf(`{"binding": {"host": %q}}`, host)
	case 12:
		request = "PUT ports/" + port() + "/bindings/" + host + "/activate"
	default:
		request, body = "POST network_segment_ranges", fmt.Sprintf(`{"network_segment_range": {"network_type": "vlan", "physical_network": %q, "minimum": %d, "maximum": %d}}`, physnet, number, number+3)
		if k.random.IntN(2) == 0 {
			request, body = "DELETE network_segment_ranges/"+k.some("network_segment_ranges?", "network_segment_ranges"), ""
		}
	}
	method, path, _ := strings.Cut(request, " ")
	status, out, _ = k.call(method, "/v2.0/"+path, body)
	return request + " " + body, status, out
}
