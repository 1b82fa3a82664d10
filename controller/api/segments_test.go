package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// racks is a cloud of two racks, each with its own physical network and host.
func racks(t testing.TB, options ...option) *cloud {
	c := newCloud(t, append([]option{func(p *plugin.Config, _ *Config) {
		p.VLAN.NetworkVLANRanges = []string{"physnet1:100:200", "physnet2:100:200"}
	}}, options...)...)
	c.agent("hv1")
	c.agent("hv2", func(a *model.Agent) { a.BridgeMappings = map[string]string{"physnet2": "br-phys"} })
	c.agent("hv3", func(a *model.Agent) { a.BridgeMappings, a.TunnelTypes = nil, nil })
	c.agent("hv4", func(a *model.Agent) {
		a.BridgeMappings = map[string]string{"physnet1": "br-1", "physnet2": "br-2"}
	})
	return c
}

// routed is a network with a segment and a subnet in each rack.
type routed struct {
	*cloud
	network  string
	segments [2]string
	subnets  [2]map[string]any
}

func newRouted(t testing.TB) *routed {
	c := racks(t)
	n := c.network(`{"name": "routed", "provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}`)
	v := &routed{cloud: c, network: id(n)}
	v.segments[0] = id(c.list("segments?network_id="+v.network, "segments")[0])
	v.segments[1] = id(c.segment(`{"network_id": "` + v.network + `", "network_type": "vlan", "physical_network": "physnet2", "segmentation_id": 160, "name": "rack 2"}`))
	for i, s := range v.segments {
		v.subnets[i] = c.subnet(v.network, fmt.Sprintf(`"ip_version": 4, "cidr": "10.0.%d.0/24", "segment_id": "%s"`, i, s))
	}
	return v
}

func (c *cloud) segment(body string) map[string]any {
	c.t.Helper()
	return c.create("segments", "segment", body)
}

func TestSegmentsOfANetworkComeAndGo(t *testing.T) {
	c := racks(t)
	n := c.network(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}`)
	path := "/v2.0/networks/" + id(n)
	first := c.list("segments?network_id="+id(n), "segments")
	if len(first) != 1 || fmt.Sprintf("%v %v %v %v", first[0]["segmentation_id"], first[0]["physical_network"], first[0]["network_type"], first[0]["name"]) != "150 physnet1 vlan <nil>" {
		t.Fatalf("the segment of a new network: %v", first)
	}
	second := c.segment(`{"network_id": "` + id(n) + `", "network_type": "vxlan", "name": "far", "description": "d"}`)
	if second["segmentation_id"] == nil || second["physical_network"] != nil || second["network_id"] != id(n) || second["description"] != "d" {
		t.Errorf("segment %v", second)
	}
	for _, hidden := range []string{"tenant_id", "project_id"} {
		if _, ok := second[hidden]; ok {
			t.Errorf("a segment shows %s", hidden)
		}
	}
	both := c.must(200, "GET", path, nil)
	if list, _ := both["segments"].([]any); len(list) != 2 || list[1].(map[string]any)["provider:network_type"] != "vxlan" {
		t.Errorf("segments of the network: %v", both)
	}
	if _, ok := both["provider:network_type"]; ok || fmt.Sprint(both["revision_number"]) != "2" {
		t.Errorf("a network of two segments: %v", both)
	}
	for filter, want := range map[string]int{"provider:network_type=vxlan": 1, "provider:segmentation_id=150": 1, "provider:physical_network=physnet2": 0} {
		if got := c.list("networks?"+filter, "networks"); len(got) != want {
			t.Errorf("%s finds %d networks, want %d", filter, len(got), want)
		}
	}
	renamed := c.must(200, "PUT", "/v2.0/segments/"+id(second), `{"segment": {"name": "near"}}`)
	if renamed["name"] != "near" || fmt.Sprint(renamed["revision_number"]) != "1" {
		t.Errorf("renamed: %v", renamed)
	}
	if got := c.list("segments?name=near&sort_key=segmentation_id&sort_dir=asc", "segments"); len(got) != 1 {
		t.Errorf("by name: %v", got)
	}
	c.must(204, "DELETE", "/v2.0/segments/"+id(first[0]), nil)
	if left := c.must(200, "GET", path, nil); left["provider:network_type"] != "vxlan" || left["segments"] != nil {
		t.Errorf("with the first segment gone: %v", left)
	}
	c.network(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}`) // free again
	c.must(204, "DELETE", "/v2.0/segments/"+id(second), nil)
	if bare := c.must(200, "GET", path, nil); bare["provider:network_type"] != nil || bare["provider:segmentation_id"] != nil {
		t.Errorf("without segments: %v", bare)
	}
	c.must(204, "DELETE", path, nil)
	for key := range c.claims() {
		if strings.HasPrefix(key, "seg/") && key != "seg/vlan/physnet1/150" {
			t.Errorf("%s is left", key)
		}
	}
}

func TestANetworkIsMadeOfSeveralSegments(t *testing.T) {
	c := racks(t)
	n := c.network(`{"segments": [
		{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 101},
		{"provider:network_type": "vlan", "provider:physical_network": "physnet2", "provider:segmentation_id": 101},
		{"provider:network_type": "vxlan"}]}`)
	if list := n["segments"].([]any); len(list) != 3 || fmt.Sprint(n["mtu"]) != "1450" {
		t.Errorf("network %v", n)
	}
	if got := c.list("segments?network_id="+id(n), "segments"); len(got) != 3 {
		t.Errorf("segments %v", got)
	}
	for host, want := range map[string]string{"hv1": "ovs", "hv2": "ovs", "hv3": "binding_failed"} {
		if p := c.port(id(n), `, "binding:host_id": "`+host+`"`); p["binding:vif_type"] != want {
			t.Errorf("a port on %s: %v, want %s", host, p["binding:vif_type"], want)
		}
	}
	for body, kind := range map[string]string{
		`{"provider:segmentation_id": 102}`:                     "InvalidInput",
		`{"segments": [{"provider:network_type": "vxlan"}]}`:    "InvalidInput",
		`{"segments": [{"provider:network_type": 5}]}`:          "HTTPBadRequest",
		`{"segments": [{"network_type": "vxlan"}]}`:             "HTTPBadRequest",
		`{"provider:segmentation_id": 0, "name": "is refused"}`: "InvalidInput",
	} {
		if status, out, _ := c.call("PUT", "/v2.0/networks/"+id(n), `{"network": `+body+`}`); status != 400 || refusedType(out) != kind {
			t.Errorf("update %s: %d %v", body, status, out)
		}
	}
}

func TestANewSegmentBindsThePortsThatWaitedForIt(t *testing.T) {
	c := racks(t)
	n := id(c.network(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}`))
	p := c.port(n, `, "binding:host_id": "hv2"`)
	if p["binding:vif_type"] != "binding_failed" {
		t.Fatalf("a port out of reach: %v", p)
	}
	c.segment(`{"network_id": "` + n + `", "network_type": "vlan", "physical_network": "physnet2"}`)
	if got := c.must(200, "GET", "/v2.0/ports/"+id(p), nil); got["binding:vif_type"] != "ovs" {
		t.Errorf("with a segment that its host reaches: %v", got)
	}
}

func TestAPortOfARoutedNetworkGetsAddressesWhereItsHostIs(t *testing.T) {
	v := newRouted(t)
	subnet := func(i int) string { return id(v.subnets[i]) }
	for _, f := range []struct{ name, body, subnet, allocation string }{
		{"on the first rack", `, "binding:host_id": "hv1"`, subnet(0), "immediate"},
		{"on the second rack", `, "binding:host_id": "hv2"`, subnet(1), "immediate"},
		{"on no host yet", ``, "", "deferred"},
		{"chosen before the host", `, "fixed_ips": [{"ip_address": "10.0.1.77"}]`, subnet(1), "immediate"},
		{"a chosen subnet where the host is", `, "binding:host_id": "hv2", "fixed_ips": [{"subnet_id": "` + subnet(1) + `"}]`, subnet(1), "immediate"},
		{"none on demand", `, "fixed_ips": []`, "", "none"},
	} {
		t.Run(f.name, func(t *testing.T) {
			p := v.port(v.network, f.body)
			got := ""
			if fixed := p["fixed_ips"].([]any); len(fixed) > 0 {
				got = fixed[0].(map[string]any)["subnet_id"].(string)
			}
			if got != f.subnet || p["ip_allocation"] != f.allocation {
				t.Errorf("addresses %v, %v", p["fixed_ips"], p["ip_allocation"])
			}
		})
	}
	deferred := "/v2.0/ports/" + id(v.list("ports?ip_allocation=deferred", "ports")[0])
	p := v.must(200, "PUT", deferred, `{"port": {"binding:host_id": "hv2", "device_owner": "compute:nova"}}`)
	if got := addresses(p); len(got) != 1 || !strings.HasPrefix(got[0], "10.0.1.") || p["ip_allocation"] != "immediate" || p["binding:vif_type"] != "ovs" {
		t.Errorf("the deferred port on its host: %v", p)
	}
	if n := v.must(200, "GET", "/v2.0/networks/"+v.network, nil); n["l2_adjacency"] != false {
		t.Errorf("a routed network: %v", n)
	}
}

func TestSubnetsOfARoutedNetworkKnowTheWayToEachOther(t *testing.T) {
	v := newRouted(t)
	routes := func(i int) string {
		return fmt.Sprint(v.must(200, "GET", "/v2.0/subnets/"+id(v.subnets[i]), nil)["host_routes"])
	}
	if got := routes(0); got != "[map[destination:10.0.1.0/24 nexthop:10.0.0.1]]" {
		t.Errorf("routes of the first subnet: %s", got)
	}
	if got := routes(1); got != "[map[destination:10.0.0.0/24 nexthop:10.0.1.1]]" {
		t.Errorf("routes of the second subnet: %s", got)
	}
	v.must(200, "PUT", "/v2.0/subnets/"+id(v.subnets[1]), `{"subnet": {"gateway_ip": "10.0.1.254", "allocation_pools": [{"start": "10.0.1.2", "end": "10.0.1.99"}]}}`)
	if got := routes(1); got != "[map[destination:10.0.0.0/24 nexthop:10.0.1.254]]" {
		t.Errorf("after the gateway moved: %s", got)
	}
	v.must(200, "PUT", "/v2.0/subnets/"+id(v.subnets[1]), `{"subnet": {"host_routes": [{"destination": "10.0.0.0/16", "nexthop": "10.0.1.7"}]}}`)
	if got := routes(1); got != "[map[destination:10.0.0.0/16 nexthop:10.0.1.7]]" {
		t.Errorf("with a route of the operator's that covers it: %s", got)
	}
	v.must(204, "DELETE", "/v2.0/subnets/"+id(v.subnets[1]), nil)
	if got := routes(0); got != "[]" {
		t.Errorf("without the other subnet: %s", got)
	}
}

func TestRefusalsAboutSegmentsLeaveNoTrace(t *testing.T) {
	v := newRouted(t)
	bound := id(v.port(v.network, `, "binding:host_id": "hv1"`))
	other := id(v.network2())
	lone := id(v.list("segments?network_id="+other, "segments")[0])
	plain := id(v.subnet(other, `"ip_version": 4, "cidr": "10.9.0.0/24"`))
	v.port(other, `, "binding:host_id": "hv1"`)
	names := strings.NewReplacer("$network", v.network, "$other", other, "$lone", lone, "$first", v.segments[0], "$second", v.segments[1],
		"$subnet0", id(v.subnets[0]), "$subnet1", id(v.subnets[1]), "$plain", plain, "$port", bound, "$uuid", "11111111-2222-4333-8444-555555555555")
	before := len(v.claims())
	for name, f := range map[string]refusal{
		"a segment of no network":           {"POST segments", `{"segment": {"network_id": "$uuid", "network_type": "vxlan"}}`, 404, "NetworkNotFound"},
		"a segment without network":         {"POST segments", `{"segment": {"network_type": "vxlan"}}`, 400, "HTTPBadRequest"},
		"a segment without type":            {"POST segments", `{"segment": {"network_id": "$network"}}`, 400, "HTTPBadRequest"},
		"a segment of an unknown type":      {"POST segments", `{"segment": {"network_id": "$network", "network_type": "atm"}}`, 400, "InvalidInput"},
		"a VLAN in use":                     {"POST segments", `{"segment": {"network_id": "$other", "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 150}}`, 409, "VlanIdInUse"},
		"a VLAN of its own network":         {"POST segments", `{"segment": {"network_id": "$network", "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 150}}`, 409, "VlanIdInUse"},
		"a VLAN on an unknown physnet":      {"POST segments", `{"segment": {"network_id": "$network", "network_type": "vlan", "physical_network": "physnet9", "segmentation_id": 150}}`, 400, "InvalidInput"},
		"one bad of two":                    {"POST segments", `{"segments": [{"network_id": "$network", "network_type": "vxlan"}, {"network_id": "$uuid", "network_type": "vxlan"}]}`, 404, "NetworkNotFound"},
		"another wire for a segment":        {"PUT segments/$first", `{"segment": {"segmentation_id": 151}}`, 400, "HTTPBadRequest"},
		"a segment that is not":             {"GET segments/$uuid", ``, 404, "SegmentNotFound"},
		"the id of a network":               {"GET segments/$network", ``, 404, "SegmentNotFound"},
		"deleting one that is not":          {"DELETE segments/$uuid", ``, 404, "SegmentNotFound"},
		"deleting one with a subnet":        {"DELETE segments/$first", ``, 409, "SegmentInUse"},
		"deleting one with a port":          {"DELETE segments/$lone", ``, 409, "SegmentInUse"},
		"a subnet on no segment":            {"POST subnets", `{"subnet": {"network_id": "$network", "ip_version": 4, "cidr": "10.0.9.0/24"}}`, 400, "SubnetsNotAllAssociatedWithSegments"},
		"a subnet on a segment among plain": {"POST subnets", `{"subnet": {"network_id": "$other", "ip_version": 4, "cidr": "10.0.9.0/24", "segment_id": "$lone"}}`, 400, "SubnetsNotAllAssociatedWithSegments"},
		"a subnet on another's segment":     {"POST subnets", `{"subnet": {"network_id": "$network", "ip_version": 4, "cidr": "10.0.9.0/24", "segment_id": "$lone"}}`, 400, "NetworkIdsDontMatch"},
		"a subnet on no segment there is":   {"POST subnets", `{"subnet": {"network_id": "$network", "ip_version": 4, "cidr": "10.0.9.0/24", "segment_id": "$uuid"}}`, 404, "SegmentNotFound"},
		"a subnet to another segment":       {"PUT subnets/$subnet0", `{"subnet": {"segment_id": "$second"}}`, 400, "SubnetSegmentAssociationChangeNotAllowed"},
		"a subnet off its segment":          {"PUT subnets/$subnet0", `{"subnet": {"segment_id": null}}`, 400, "SubnetSegmentAssociationChangeNotAllowed"},
		"a plain subnet to a foreign one":   {"PUT subnets/$plain", `{"subnet": {"segment_id": "$first"}}`, 400, "NetworkIdsDontMatch"},
		"a host on no segment":              {"POST ports", `{"port": {"network_id": "$network", "binding:host_id": "hv3"}}`, 409, "HostNotConnectedToAnySegment"},
		"a host on two segments":            {"POST ports", `{"port": {"network_id": "$network", "binding:host_id": "hv4"}}`, 409, "HostConnectedToMultipleSegments"},
		"addresses of two segments":         {"POST ports", `{"port": {"network_id": "$network", "fixed_ips": [{"subnet_id": "$subnet0"}, {"ip_address": "10.0.1.9"}]}}`, 400, "FixedIpsSubnetsNotOnSameSegment"},
		"an address of the other segment":   {"POST ports", `{"port": {"network_id": "$network", "binding:host_id": "hv1", "fixed_ips": [{"subnet_id": "$subnet1"}]}}`, 400, "InvalidInput"},
		"a move to the other rack":          {"PUT ports/$port", `{"port": {"binding:host_id": "hv2"}}`, 409, "HostNotCompatibleWithFixedIps"},
		"tags of segments":                  {"GET segments?tags=x", ``, 400, "HTTPBadRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(f.request, " ")
			var body any
			if f.body != "" {
				body = names.Replace(f.body)
			}
			if status, out, _ := v.call(method, "/v2.0/"+names.Replace(path), body); status != f.status || refusedType(out) != f.kind {
				t.Errorf("answer %d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	if after := len(v.claims()); after != before {
		t.Errorf("%d keys are taken after refused requests, %d before", after, before)
	}
}

// network2 makes another network on the first rack.
func (v *routed) network2() map[string]any {
	return v.cloud.network(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 170}`)
}

func TestAPlainNetworkBecomesARoutedOne(t *testing.T) {
	c := racks(t)
	n := id(c.network(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	segment := id(c.list("segments?network_id="+n, "segments")[0])
	if got := c.must(200, "PUT", "/v2.0/subnets/"+s, `{"subnet": {"segment_id": "`+segment+`"}}`); got["segment_id"] != segment {
		t.Errorf("subnet %v", got)
	}
	c.segment(`{"network_id": "` + n + `", "network_type": "vlan", "physical_network": "physnet2"}`)
	if got := c.list("subnets?segment_id="+segment+"&sort_key=segment_id&sort_dir=asc", "subnets"); len(got) != 1 {
		t.Errorf("by segment: %v", got)
	}
	late := id(c.subnet(id(c.network(`{}`)), `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	status, out, _ := c.call("PUT", "/v2.0/subnets/"+late, `{"subnet": {"segment_id": "`+segment+`"}}`)
	if status != 400 || refusedType(out) != "NetworkIdsDontMatch" {
		t.Errorf("another network's subnet: %d %v", status, out)
	}
}

func TestASegmentAndItsFirstSubnetExcludeEachOther(t *testing.T) {
	store := sharedStore(t)
	one, two := newCloudOn(t, store), newCloudOn(t, store)
	for round := range 10 {
		n := id(one.network(`{}`))
		segment := id(one.list("segments?network_id="+n, "segments")[0])
		var wg sync.WaitGroup
		var made, gone int
		wg.Go(func() {
			made, _, _ = one.call("POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/24", "segment_id": "`+segment+`"}}`)
		})
		wg.Go(func() { gone, _, _ = two.call("DELETE", "/v2.0/segments/"+segment, nil) })
		wg.Wait()
		if (made == 201) == (gone == 204) {
			t.Fatalf("round %d: the subnet %d, the segment's delete %d", round, made, gone)
		}
	}
}

func TestTheTablesOfSegmentsAreNeutrons(t *testing.T) {
	var reference map[string]map[string]flags
	readJSON(t, "segments-attributes.json", &reference)
	tables := map[string]map[string]flags{"segments": flagsOf(segmentAttrs()), "network_segment_ranges": flagsOf(rangeAttrs())}
	for resource, table := range tables {
		for name, want := range reference[resource] {
			want.Extension = ""
			if name == "tags" { // filtered by the collection
				want.Filter = false
			}
			if got := table[name]; got != want {
				t.Errorf("%s of %s: %+v, want %+v", name, resource, got, want)
			}
		}
		for name := range table {
			if _, ok := reference[resource][name]; !ok && name != "project_id" && name != "tenant_id" {
				t.Errorf("%s has %s, which Neutron does not", resource, name)
			}
		}
	}
}

func TestOnlyAdministratorsKnowOfSegments(t *testing.T) {
	c := rightsCloud(t)
	admin, member := as("ops", "admin"), as("p1", "member")
	n := id(c.must(201, "POST", "/v2.0/networks", `{"network": {}}`, member...))
	_, all, _ := c.call("GET", "/v2.0/segments", nil, admin...)
	segment := all["segments"].([]any)[0].(map[string]any)["id"].(string)
	if _, out, _ := c.call("GET", "/v2.0/segments", nil, member...); len(out["segments"].([]any)) != 0 {
		t.Errorf("a member lists %v", out)
	}
	for request, want := range map[string]int{"GET segments/" + segment: 404, "DELETE segments/" + segment: 404, "POST segments": 403} {
		method, path, _ := strings.Cut(request, " ")
		var body any
		if method == "POST" {
			body = `{"segment": {"network_id": "` + n + `", "network_type": "vxlan"}}`
		}
		if status, out, _ := c.call(method, "/v2.0/"+path, body, member...); status != want {
			t.Errorf("%s by a member: %d %v", request, status, out)
		}
	}
	status, out, _ := c.call("POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/24", "segment_id": "`+segment+`"}}`, member...)
	if status != 403 {
		t.Errorf("a member's subnet on a segment: %d %v", status, out)
	}
}

func TestAGatewayOfARoutedNetworkGetsAddressesWhereItsRouterIs(t *testing.T) {
	v := newRouted(t)
	v.agent("hv2", func(a *model.Agent) {
		a.Roles, a.BridgeMappings = []string{"l2", "l3"}, map[string]string{"physnet2": "br-phys"}
	})
	v.must(200, "PUT", "/v2.0/networks/"+v.network, `{"network": {"router:external": true}}`)
	router := id(v.create("routers", "router", `{"external_gateway_info": {"network_id": "`+v.network+`"}}`))
	gateway := func() map[string]any { return v.list("ports?device_id="+router, "ports")[0] }
	if p := gateway(); p["ip_allocation"] != "deferred" || p["binding:host_id"] != "" {
		t.Errorf("before the router is anywhere: %v", p)
	}
	v.update(func(u *records.Update) error {
		_, err := v.plugin.PlaceRouter(u, router, plugin.Scheduling{Dead: func(*model.Agent) bool { return false }})
		return err
	})
	p := gateway()
	if got := addresses(p); len(got) != 1 || !strings.HasPrefix(got[0], "10.0.1.") || p["binding:host_id"] != "hv2" || p["binding:vif_type"] != "ovs" {
		t.Errorf("on the second rack: %v", p)
	}
	r := v.must(200, "GET", "/v2.0/routers/"+router, nil)
	if info := r["external_gateway_info"].(map[string]any); len(info["external_fixed_ips"].([]any)) != 1 {
		t.Errorf("router %v", r)
	}
	checkAddresses(t, v.cloud)
}
