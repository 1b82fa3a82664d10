package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/model"
)

func TestANetworkGetsASegmentAndTheMTUThatFits(t *testing.T) {
	c := newCloud(t, func(p *plugin.Config, _ *Config) {
		p.TenantNetworkTypes = []model.NetworkType{"vlan", "vxlan"}
		p.VLAN.NetworkVLANRanges = []string{"physnet1:100:100", "physnet2"}
		p.PhysicalNetworkMTUs = map[string]int{"physnet2": 1400}
	})
	for _, f := range []struct{ name, body, kind, physnet, id, mtu string }{
		{"the first tenant type", `{}`, "vlan", "physnet1", "100", "1500"},
		{"the next when that is exhausted", `{}`, "vxlan", "", "", "1450"},
		{"a VLAN outside of the pool", `{"provider:network_type": "vlan", "provider:physical_network": "physnet2", "provider:segmentation_id": 4000}`, "vlan", "physnet2", "4000", "1400"},
		{"the same id on another physical network", `{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 4000}`, "vlan", "physnet1", "4000", "1500"},
		{"flat", `{"provider:network_type": "flat", "provider:physical_network": "physnet2"}`, "flat", "physnet2", "", "1400"},
		{"flat with id 0", `{"segments": [{"provider:network_type": "flat", "provider:physical_network": "physnet3", "provider:segmentation_id": 0}]}`, "flat", "physnet3", "", "1500"},
		{"gre with its id as text", `{"provider:network_type": "gre", "provider:segmentation_id": "4294967295"}`, "gre", "", "4294967295", "1458"},
		{"geneve from the pool", `{"provider:network_type": "geneve"}`, "geneve", "", "", "1450"},
		{"local", `{"provider:network_type": "local"}`, "local", "", "", "1500"},
		{"one entry of segments", `{"segments": [{"provider:network_type": "vxlan", "provider:segmentation_id": 5}]}`, "vxlan", "", "5", "1450"},
		{"a smaller MTU", `{"mtu": 1000}`, "vxlan", "", "", "1000"},
		{"MTU 0 is the largest", `{"mtu": 0}`, "vxlan", "", "", "1450"},
		{"null is not given", `{"provider:physical_network": null, "provider:segmentation_id": null}`, "vxlan", "", "", "1450"},
	} {
		t.Run(f.name, func(t *testing.T) {
			n := c.network(f.body)
			physnet, _ := n["provider:physical_network"].(string)
			if n["provider:network_type"] != f.kind || physnet != f.physnet || fmt.Sprint(n["mtu"]) != f.mtu {
				t.Errorf("got %v", n)
			}
			if f.id != "" && fmt.Sprint(n["provider:segmentation_id"]) != f.id {
				t.Errorf("segmentation id %v, want %s", n["provider:segmentation_id"], f.id)
			}
			if none := f.kind == "flat" || f.kind == "local"; none != (n["provider:segmentation_id"] == nil) {
				t.Errorf("segmentation id %v of a %s network", n["provider:segmentation_id"], f.kind)
			}
		})
	}
}

func TestExhaustedSegmentsAreRefusedAndComeBackWithADelete(t *testing.T) {
	c := newCloud(t, func(p *plugin.Config, _ *Config) { p.VXLAN.VNIRanges = []string{"7:8"} })
	first := c.network(`{}`)
	c.network(`{}`)
	status, out, header := c.call("POST", "/v2.0/networks", `{"network": {}}`)
	if status != 503 || refusedType(out) != "NoNetworkAvailable" || header.Get("Retry-After") == "" {
		t.Fatalf("%d %v", status, out)
	}
	c.must(204, "DELETE", "/v2.0/networks/"+id(first), nil)
	if again := c.network(`{}`); fmt.Sprint(again["provider:segmentation_id"]) != fmt.Sprint(first["provider:segmentation_id"]) {
		t.Errorf("got %v, want the id of the deleted network", again)
	}
}

func TestANetworkMovesToAnotherSegmentationID(t *testing.T) {
	c := newCloud(t)
	vlan := func(n int) string {
		return fmt.Sprintf(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": %d}`, n)
	}
	a, b := c.network(vlan(100)), c.network(vlan(101))
	path := "/v2.0/networks/" + id(a)
	if status, out, _ := c.call("PUT", path, `{"network": {"provider:segmentation_id": 101}}`); status != 409 || refusedType(out) != "VlanIdInUse" {
		t.Errorf("moving to a VLAN in use: %d %v", status, out)
	}
	got := c.must(200, "PUT", path, `{"network": {"provider:segmentation_id": 200}}`)
	if fmt.Sprint(got["provider:segmentation_id"]) != "200" || fmt.Sprint(got["revision_number"]) != "2" {
		t.Errorf("got %v", got)
	}
	c.must(204, "DELETE", "/v2.0/networks/"+id(b), nil)
	c.network(vlan(100)) // both ids are free again
	c.network(vlan(101))
}

func TestDeletingANetworkTakesItsSubnetsAndTheServicesPorts(t *testing.T) {
	c := newCloud(t)
	c.must(200, "GET", "/v2.0/security-groups", nil)
	before := c.claims()
	n := id(c.network(`{}`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	c.port(n, `, "device_owner": "network:dhcp"`)
	guest := c.port(n, `, "device_owner": "compute:a"`)
	c.must(409, "DELETE", "/v2.0/networks/"+n, nil)
	c.must(204, "DELETE", "/v2.0/ports/"+id(guest), nil)
	c.must(204, "DELETE", "/v2.0/networks/"+n, nil)
	for _, path := range []string{"networks/" + n, "ports/" + id(guest)} {
		c.must(404, "GET", "/v2.0/"+path, nil)
	}
	if left := len(c.list("subnets", "subnets")) + len(c.list("ports", "ports")); left != 0 {
		t.Errorf("%d subnets and ports are left", left)
	}
	if after := c.claims(); len(after) != len(before) {
		t.Errorf("keys left: %v", after)
	}
}

func TestExternalAndSharedNetworks(t *testing.T) {
	c := newCloud(t)
	ext := c.network(`{"router:external": true, "is_default": true}`)
	if ext["is_default"] != true {
		t.Errorf("got %v", ext)
	}
	status, out, _ := c.call("POST", "/v2.0/networks", `{"network": {"router:external": true, "is_default": true}}`)
	if status != 409 || refusedType(out) != "DefaultExternalNetworkExists" {
		t.Errorf("a second default: %d %v", status, out)
	}
	path := "/v2.0/networks/" + id(ext)
	gateway := c.port(id(ext), `, "device_owner": "network:router_gateway", "project_id": ""`)
	if status, out, _ := c.call("PUT", path, `{"network": {"router:external": false}}`); status != 409 || refusedType(out) != "ExternalNetworkInUse" {
		t.Errorf("internal with a gateway on it: %d %v", status, out)
	}
	c.must(200, "PUT", "/v2.0/ports/"+id(gateway), `{"port": {"device_owner": ""}}`)
	if got := c.must(200, "PUT", path, `{"network": {"router:external": false}}`); got["is_default"] != false {
		t.Errorf("got %v", got)
	}
	shared := c.network(`{"shared": true}`)
	foreign := c.port(id(shared), `, "project_id": "p2"`)
	path = "/v2.0/networks/" + id(shared)
	if status, out, _ := c.call("PUT", path, `{"network": {"shared": false}}`); status != 409 || refusedType(out) != "InvalidSharedSetting" {
		t.Errorf("no longer shared while in use: %d %v", status, out)
	}
	c.must(204, "DELETE", "/v2.0/ports/"+id(foreign), nil)
	c.must(200, "PUT", path, `{"network": {"shared": false}}`)
}

func TestTheMTUOfANetworkWithIPv6HasAFloor(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{"mtu": 1279}`))
	body := `{"subnet": {"network_id": "` + n + `", "ip_version": 6, "cidr": "2001:db8::/64"}}`
	c.must(400, "POST", "/v2.0/subnets", body)
	c.must(200, "PUT", "/v2.0/networks/"+n, `{"network": {"mtu": 1280}}`)
	c.must(201, "POST", "/v2.0/subnets", body)
	c.must(400, "PUT", "/v2.0/networks/"+n, `{"network": {"mtu": 1279}}`)
}

func TestSubnetsOfANetwork(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	for _, f := range []struct{ name, body, cidr, gateway, pools string }{
		{"defaults", `"ip_version": 4, "cidr": "10.0.0.0/24"`, "10.0.0.0/24", "10.0.0.1", "10.0.0.2-10.0.0.254"},
		{"host bits are cut", `"ip_version": "4", "cidr": "10.1.0.77/24"`, "10.1.0.0/24", "10.1.0.1", "10.1.0.2-10.1.0.254"},
		{"no gateway", `"ip_version": 4, "cidr": "10.2.0.0/24", "gateway_ip": null`, "10.2.0.0/24", "", "10.2.0.1-10.2.0.254"},
		{"a chosen gateway splits the pool", `"ip_version": 4, "cidr": "10.3.0.0/24", "gateway_ip": "10.3.0.9"`, "10.3.0.0/24", "10.3.0.9", "10.3.0.1-10.3.0.8 10.3.0.10-10.3.0.254"},
		{"chosen pools", `"ip_version": 4, "cidr": "10.4.0.0/24", "allocation_pools": [{"start": "10.4.0.20", "end": "10.4.0.30"}]`, "10.4.0.0/24", "10.4.0.1", "10.4.0.20-10.4.0.30"},
		{"an empty list of pools", `"ip_version": 4, "cidr": "10.5.0.0/24", "allocation_pools": []`, "10.5.0.0/24", "10.5.0.1", "10.5.0.2-10.5.0.254"},
		{"a gateway outside", `"ip_version": 4, "cidr": "10.6.0.0/24", "gateway_ip": "192.0.2.1"`, "10.6.0.0/24", "192.0.2.1", "10.6.0.1-10.6.0.254"},
		{"IPv6", `"ip_version": 6, "cidr": "2001:db8::/64"`, "2001:db8::/64", "2001:db8::", "2001:db8::1-2001:db8::ffff:ffff:ffff:ffff"},
		{"IPv6 with SLAAC", `"ip_version": 6, "cidr": "2001:db8:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`, "2001:db8:1::/64", "2001:db8:1::", "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff"},
		{"a /32 without DHCP", `"ip_version": 4, "cidr": "10.7.0.1/32", "enable_dhcp": false`, "10.7.0.1/32", "", "10.7.0.1-10.7.0.1"},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := c.subnet(n, f.body)
			var pools []string
			for _, p := range s["allocation_pools"].([]any) {
				p := p.(map[string]any)
				pools = append(pools, fmt.Sprintf("%s-%s", p["start"], p["end"]))
			}
			gateway, _ := s["gateway_ip"].(string)
			if s["cidr"] != f.cidr || gateway != f.gateway || strings.Join(pools, " ") != f.pools {
				t.Errorf("got %v", s)
			}
		})
	}
	if got := c.must(200, "GET", "/v2.0/networks/"+n, nil); len(got["subnets"].([]any)) != 10 || fmt.Sprint(got["revision_number"]) != "11" {
		t.Errorf("the network has %v", got)
	}
}

func TestChangingASubnet(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	s := c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}], "dns_nameservers": ["192.0.2.53"]`)
	path := "/v2.0/subnets/" + id(s)
	got := c.must(200, "PUT", path, `{"subnet": {"gateway_ip": "10.0.0.254", "enable_dhcp": false, "dns_nameservers": [], "host_routes": [{"destination": "192.0.2.0/24", "nexthop": "10.0.0.5"}], "service_types": ["compute:nova", "network:dhcp", "test:a"]}}`)
	if got["gateway_ip"] != "10.0.0.254" || got["enable_dhcp"] != false || len(got["dns_nameservers"].([]any)) != 0 ||
		got["host_routes"].([]any)[0].(map[string]any)["nexthop"] != "10.0.0.5" || fmt.Sprint(got["revision_number"]) != "1" {
		t.Errorf("got %v", got)
	}
	got = c.must(200, "PUT", path, `{"subnet": {"gateway_ip": null, "allocation_pools": [{"start": "10.0.0.30", "end": "10.0.0.30"}]}}`)
	if got["gateway_ip"] != nil || len(got["allocation_pools"].([]any)) != 1 {
		t.Errorf("got %v", got)
	}
	c.must(204, "DELETE", path, nil)
	c.must(404, "GET", path, nil)
	if got := c.must(200, "GET", "/v2.0/networks/"+n, nil); len(got["subnets"].([]any)) != 0 {
		t.Errorf("the network has %v", got)
	}
}

func TestHowManyAddressesAreInUse(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{"name": "n"}`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	c.subnet(n, `"ip_version": 6, "cidr": "2001:db8::/64"`)
	c.port(n, "")
	c.network(`{"name": "empty"}`)
	for query, want := range map[string]string{
		"":              "18446744073709551868/2 0/0",
		"?ip_version=4": "253/1",
		"?ip_version=6": "18446744073709551615/1",
	} {
		var got []string
		for _, u := range c.list("network-ip-availabilities"+query, "network_ip_availabilities") {
			got = append(got, fmt.Sprintf("%v/%v", u["total_ips"], u["used_ips"]))
		}
		if a, b := strings.Join(got, " "), want; a != b && strings.Join([]string{got[len(got)-1], got[0]}, " ") != b {
			t.Errorf("%s: %s, want %s", query, a, b)
		}
	}
	one := c.must(200, "GET", "/v2.0/network-ip-availabilities/"+n+"?fields=used_ips", nil)
	if len(one) != 1 || fmt.Sprint(one["used_ips"]) != "2" {
		t.Errorf("got %v", one)
	}
	c.must(404, "GET", "/v2.0/network-ip-availabilities/none", nil)
}
