package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/model"
)

func (c *cloud) ids(body string) map[string]any {
	c.t.Helper()
	return c.create("network_segment_ranges", "network_segment_range", body)
}

func small(p *plugin.Config, _ *Config) {
	p.TenantNetworkTypes = []model.NetworkType{"vlan", "vxlan"}
	p.VLAN.NetworkVLANRanges = []string{"physnet1:100:105"}
	p.VXLAN.VNIRanges = []string{"7:9"}
}

func TestTheRangesOfTheConfigurationAreThereToRead(t *testing.T) {
	c := newCloud(t, small)
	c.network(`{"provider:network_type": "vxlan", "provider:segmentation_id": 8, "project_id": "p1"}`)
	var seen []string
	for _, r := range c.list("network_segment_ranges", "network_segment_ranges") {
		if r["default"] != true || r["shared"] != true || r["project_id"] != nil || r["tags"] == nil {
			t.Errorf("range %v", r)
		}
		seen = append(seen, fmt.Sprintf("%v %v %v-%v", r["network_type"], r["physical_network"], r["minimum"], r["maximum"]))
		path := "/v2.0/network_segment_ranges/" + id(r)
		if again := c.must(200, "GET", path, nil); id(again) != id(r) {
			t.Errorf("by id: %v", again)
		}
		for request, body := range map[string]string{
			"PUT " + path:              `{"network_segment_range": {"minimum": 1}}`,
			"DELETE " + path:           ``,
			"PUT " + path + "/tags/a":  ``,
			"PUT " + path + "/tags":    `{"tags": ["a"]}`,
			"DELETE " + path + "/tags": ``,
		} {
			method, path, _ := strings.Cut(request, " ")
			if status, out, _ := c.call(method, path, body); status != 400 || refusedType(out) != "NetworkSegmentRangeDefaultReadOnly" {
				t.Errorf("%s: %d %v", request, status, out)
			}
		}
	}
	if got := fmt.Sprint(len(seen), seen[0]); len(seen) != 4 || !strings.Contains(fmt.Sprint(seen), "vlan physnet1 100-105") {
		t.Errorf("ranges %s", got)
	}
	vxlan := c.list("network_segment_ranges?network_type=vxlan", "network_segment_ranges")[0]
	if got := fmt.Sprint(vxlan["used"], vxlan["available"]); got != "map[8:p1] [7 9]" {
		t.Errorf("used and available: %s", got)
	}
}

func TestNetworksGetIDsOfTheirProjectsRangesFirst(t *testing.T) {
	c := newCloud(t, small)
	own := c.ids(`{"name": "p1", "network_type": "vlan", "physical_network": "physnet1", "minimum": 100, "maximum": 101, "shared": false, "project_id": "p1"}`)
	if own["project_id"] != "p1" || own["shared"] != false || own["default"] != false {
		t.Errorf("range %v", own)
	}
	c.ids(`{"network_type": "vlan", "physical_network": "physnet2", "minimum": 300, "maximum": 300, "project_id": "p1"}`) // shared
	made := func(project string) string {
		n := c.network(`{"project_id": "` + project + `"}`)
		return fmt.Sprintf("%v %v %v", n["provider:network_type"], n["provider:physical_network"], n["provider:segmentation_id"])
	}
	var first []string
	for range 2 {
		first = append(first, made("p1"))
	}
	for _, got := range first {
		if got != "vlan physnet1 100" && got != "vlan physnet1 101" {
			t.Errorf("a network of the project: %v", first)
		}
	}
	others := map[string]int{}
	for range 5 { // 102–105 and 300: the project's own are not for others
		others[made("p2")]++
	}
	for id := range others {
		if strings.HasSuffix(id, " 100") || strings.HasSuffix(id, " 101") || !strings.HasPrefix(id, "vlan") {
			t.Errorf("networks of another project: %v", others)
		}
	}
	if others["vlan physnet2 300"] != 1 {
		t.Errorf("nobody got the id of the shared range: %v", others)
	}
	if got := made("p1"); !strings.HasPrefix(got, "vxlan") {
		t.Errorf("with all VLANs taken: %s", got)
	}
	shown := c.must(200, "GET", "/v2.0/network_segment_ranges/"+id(own), nil)
	if got := fmt.Sprint(shown["used"], shown["available"]); got != "map[100:p1 101:p1] []" {
		t.Errorf("used and available: %s", got)
	}
}

func TestARangeKeepsTheIDsThatNetworksHave(t *testing.T) {
	c := newCloud(t, small)
	r := c.ids(`{"network_type": "vxlan", "minimum": 1000, "maximum": 1010, "name": "r"}`)
	path := "/v2.0/network_segment_ranges/" + id(r)
	n := c.network(`{"provider:network_type": "vxlan", "provider:segmentation_id": 1004}`)
	put := func(body string) (int, string) {
		status, out, _ := c.call("PUT", path, `{"network_segment_range": `+body+`}`)
		return status, refusedType(out)
	}
	for _, f := range []struct{ body, want string }{
		{`{"minimum": 1005}`, "409 NetworkSegmentRangeReferencedByProject"},
		{`{"maximum": 1003}`, "409 NetworkSegmentRangeReferencedByProject"},
		{`{"minimum": 1011}`, "400 NetworkTunnelRangeError"},
		{`{"shared": false}`, "400 HTTPBadRequest"},
		{`{"minimum": 1004, "maximum": 1020}`, "409 NetworkSegmentRangeReferencedByProject"},
		{`{"minimum": 1003, "maximum": 1020, "name": "wide", "description": "d"}`, "200 "},
	} {
		if status, kind := put(f.body); fmt.Sprintf("%d %s", status, kind) != f.want {
			t.Errorf("%s: %d %s, want %s", f.body, status, kind, f.want)
		}
	}
	if status, out, _ := c.call("DELETE", path, nil); status != 409 || refusedType(out) != "NetworkSegmentRangeReferencedByProject" {
		t.Errorf("delete: %d %v", status, out)
	}
	c.must(200, "PUT", path+"/tags", `{"tags": ["a"]}`)
	if got := c.list("network-segment-ranges?tags=a&name=wide", "network_segment_ranges"); len(got) != 1 {
		t.Errorf("by tag: %v", got)
	}
	c.must(204, "DELETE", "/v2.0/networks/"+id(n), nil)
	c.must(204, "DELETE", path, nil)
	for key := range c.claims() {
		if strings.HasPrefix(key, "range/") || strings.HasPrefix(key, "seg/") {
			t.Errorf("%s is left", key)
		}
	}
}

func TestAProjectsRangeIsNotHeldByWhatOthersHadBefore(t *testing.T) {
	c := newCloud(t, small)
	c.network(`{"project_id": "p2", "provider:network_type": "vxlan", "provider:segmentation_id": 1004}`)
	r := c.ids(`{"network_type": "vxlan", "minimum": 1000, "maximum": 1010, "shared": false, "project_id": "p1"}`)
	path := "/v2.0/network_segment_ranges/" + id(r)
	c.must(200, "PUT", path, map[string]any{"network_segment_range": map[string]any{"minimum": 1005}})
	c.must(200, "PUT", path, map[string]any{"network_segment_range": map[string]any{"minimum": 1000}})
	c.network(`{"project_id": "p1", "provider:network_type": "vxlan", "provider:segmentation_id": 1006}`)
	if status, out, _ := c.call("DELETE", path, nil); status != 409 || refusedType(out) != "NetworkSegmentRangeReferencedByProject" {
		t.Errorf("with a network of the project: %d %v", status, out)
	}
	if n := len(c.list("networks?project_id=p1", "networks")); n != 1 {
		t.Fatalf("%d networks", n)
	}
	c.must(204, "DELETE", "/v2.0/networks/"+id(c.list("networks?project_id=p1", "networks")[0]), nil)
	c.must(204, "DELETE", path, nil)
}

func TestRefusalsAboutRangesLeaveNoTrace(t *testing.T) {
	c := newCloud(t, small)
	c.ids(`{"network_type": "vlan", "physical_network": "physnet1", "minimum": 200, "maximum": 210}`)
	before := len(c.claims())
	for name, f := range map[string]struct {
		body   string
		status int
		kind   string
	}{
		"no type":              {`{"minimum": 1, "maximum": 2}`, 400, "NetworkSegmentRangeNetTypeNotSupported"},
		"flat":                 {`{"network_type": "flat", "minimum": 1, "maximum": 2}`, 400, "HTTPBadRequest"},
		"no minimum":           {`{"network_type": "gre", "maximum": 2}`, 400, "HTTPBadRequest"},
		"zero":                 {`{"network_type": "gre", "minimum": 0, "maximum": 2}`, 400, "HTTPBadRequest"},
		"33 bits":              {`{"network_type": "gre", "minimum": 1, "maximum": 4294967296}`, 400, "HTTPBadRequest"},
		"a VNI of 25 bits":     {`{"network_type": "vxlan", "minimum": 1, "maximum": 16777216}`, 400, "NetworkTunnelRangeError"},
		"reversed":             {`{"network_type": "geneve", "minimum": 9, "maximum": 3}`, 400, "NetworkTunnelRangeError"},
		"VLAN 4095":            {`{"network_type": "vlan", "physical_network": "physnet1", "minimum": 1, "maximum": 4095}`, 400, "NetworkVlanRangeError"},
		"VLANs of nowhere":     {`{"network_type": "vlan", "minimum": 1, "maximum": 2}`, 400, "BadRequest"},
		"a bad physnet":        {`{"network_type": "vlan", "physical_network": "a/b", "minimum": 1, "maximum": 2}`, 400, "NetworkVlanRangeError"},
		"an overlap":           {`{"network_type": "vlan", "physical_network": "physnet1", "minimum": 210, "maximum": 220, "shared": false}`, 409, "NetworkSegmentRangeOverlaps"},
		"the default for sure": {`{"network_type": "gre", "minimum": 1, "maximum": 2, "default": true}`, 400, "HTTPBadRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, _ := c.call("POST", "/v2.0/network_segment_ranges", `{"network_segment_range": `+f.body+`}`)
			if status != f.status || refusedType(out) != f.kind {
				t.Errorf("answer %d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	if after := len(c.claims()); after != before {
		t.Errorf("%d keys are taken after refused requests, %d before", after, before)
	}
}

func TestRangesThatOverlapExcludeEachOther(t *testing.T) {
	store := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, store, small), newCloudOn(t, store, small)}
	for round := range 10 {
		var wg sync.WaitGroup
		var status [4]int
		for i := range status {
			wg.Go(func() {
				body := fmt.Sprintf(`{"network_segment_range": {"network_type": "vxlan", "minimum": %d, "maximum": %d}}`, 1000*round+1000+i, 1000*round+1500)
				status[i], _, _ = clouds[i%2].call("POST", "/v2.0/network_segment_ranges", body)
			})
		}
		wg.Wait()
		made := 0
		for _, s := range status {
			if s == 201 {
				made++
			}
		}
		if made != 1 {
			t.Fatalf("round %d: of four overlapping ranges %d were made: %v", round, made, status)
		}
	}
}

func TestARangeAndANetworkOfItExcludeEachOther(t *testing.T) {
	store := sharedStore(t)
	only := func(p *plugin.Config, _ *Config) { p.VXLAN.VNIRanges = nil }
	one, two := newCloudOn(t, store, only), newCloudOn(t, store, only)
	for round := range 10 {
		r := id(one.ids(`{"network_type": "vxlan", "minimum": 5, "maximum": 5}`))
		var wg sync.WaitGroup
		var gone, made int
		var n map[string]any
		wg.Go(func() { gone, _, _ = one.call("DELETE", "/v2.0/network_segment_ranges/"+r, nil) })
		wg.Go(func() { made, n, _ = two.call("POST", "/v2.0/networks", `{"network": {}}`) })
		wg.Wait()
		if (gone == 204) == (made == 201) {
			t.Fatalf("round %d: the range's delete %d, the network %d", round, gone, made)
		}
		if made == 201 {
			one.must(204, "DELETE", "/v2.0/networks/"+id(n["network"].(map[string]any)), nil)
			one.must(204, "DELETE", "/v2.0/network_segment_ranges/"+r, nil)
		}
	}
}
