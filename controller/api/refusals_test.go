package api

import (
	"fmt"
	"strings"
	"testing"
)

// fixture is what the refusals below are about; its ids replace $names in paths
// and bodies.
func fixture(c *cloud) *strings.Replacer {
	c.agent("hv1")
	n := id(c.network(`{"name": "n"}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	other := id(c.network(`{"name": "other", "provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 100}`))
	foreign := id(c.subnet(other, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	c.network(`{"name": "flat", "provider:network_type": "flat", "provider:physical_network": "physnet1"}`)
	c.network(`{"name": "vni", "provider:network_type": "vxlan", "provider:segmentation_id": 77}`)
	empty := id(c.network(`{"name": "empty"}`))
	tiny := id(c.network(`{"name": "tiny"}`))
	c.subnet(tiny, `"ip_version": 4, "cidr": "10.9.0.0/30"`)
	c.port(tiny, "")
	auto := id(c.network(`{"name": "auto"}`))
	slaac := id(c.subnet(auto, `"ip_version": 6, "cidr": "2001:db8::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"`))
	p := c.port(n, `, "fixed_ips": [{"ip_address": "10.0.0.9"}], "mac_address": "fa:16:3e:00:00:09", "binding:host_id": "hv1"`)
	open := id(c.port(n, `, "port_security_enabled": false`))
	router := id(c.port(n, `, "device_owner": "network:router_interface", "fixed_ips": [{"ip_address": "10.0.0.1"}]`))
	web := id(c.create("security-groups", "security_group", `{"name": "web"}`))
	rule := c.create("security-group-rules", "security_group_rule",
		`{"security_group_id": "`+web+`", "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}`)
	peer := id(c.create("security-groups", "security_group", `{"name": "peer"}`))
	c.create("security-group-rules", "security_group_rule", `{"security_group_id": "`+web+`", "direction": "ingress", "remote_group_id": "`+peer+`"}`)
	def := p["security_groups"].([]any)[0].(string)
	return strings.NewReplacer("$network", n, "$subnet", s, "$foreign", foreign, "$vlan", other, "$empty", empty, "$tiny", tiny,
		"$auto", auto, "$slaac", slaac, "$port", id(p), "$open", open, "$router", router, "$web", web, "$rule", id(rule),
		"$peer", peer, "$default", def, "$uuid", "11111111-2222-4333-8444-555555555555")
}

type refusal struct {
	request string // method and path
	body    string
	status  int
	kind    string
}

// asked is a request of somebody's and what is answered.
type asked struct {
	name, request, body string
	who                 []string
	status              int
	kind                string
}

// answers checks answers in turn; what is refused leaves no key.
func (c *cloud) answers(cases []asked) {
	c.t.Helper()
	for _, f := range cases {
		before := len(c.claims())
		method, path, _ := strings.Cut(f.request, " ")
		var body any
		if f.body != "" {
			body = f.body
		}
		status, out, _ := c.call(method, "/v2.0/"+path, body, f.who...)
		if status != f.status || refusedType(out) != f.kind {
			c.t.Errorf("%s: %d %v, want %d %s", f.name, status, out, f.status, f.kind)
		}
		if after := len(c.claims()); status >= 400 && after != before {
			c.t.Errorf("%s left %d keys", f.name, after-before)
		}
	}
}

func TestRefusalsHaveNeutronsStatusAndType(t *testing.T) {
	for area, cases := range map[string]map[string]refusal{
		"form": formRefusals(), "lists": listRefusals(), "networks": networkRefusals(), "subnets": subnetRefusals(),
		"ports": portRefusals(), "security groups": groupRefusals(), "rules": ruleRefusals(), "others": otherRefusals(),
	} {
		t.Run(area, func(t *testing.T) {
			c := newCloud(t)
			names := fixture(c)
			before := len(c.claims())
			for name, f := range cases {
				t.Run(name, func(t *testing.T) {
					method, path, _ := strings.Cut(f.request, " ")
					var body any
					if f.body != "" {
						body = names.Replace(f.body)
					}
					status, out, header := c.call(method, "/v2.0/"+names.Replace(path), body)
					if status != f.status || refusedType(out) != f.kind {
						t.Errorf("answer %d %v, want %d %s", status, out, f.status, f.kind)
					}
					e, _ := out["NeutronError"].(map[string]any)
					if e["message"] == "" || e["detail"] != "" || header.Get("Content-Type") != "application/json" {
						t.Errorf("form of the error: %v, %s", out, header.Get("Content-Type"))
					}
				})
			}
			if after := len(c.claims()); after != before {
				t.Errorf("%d keys are taken after refused requests, %d before", after, before)
			}
		})
	}
}

// manyPairs gives n different address pairs.
func manyPairs(n int) string {
	pairs := make([]string, n)
	for i := range pairs {
		pairs[i] = fmt.Sprintf(`{"ip_address": "10.9.9.%d"}`, i)
	}
	return strings.Join(pairs, ", ")
}

func formRefusals() map[string]refusal {
	const bad = "HTTPBadRequest"
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	return map[string]refusal{
		"no body":                       {"POST networks", "", 400, bad},
		"no JSON":                       {"POST networks", "{", 400, bad},
		"a list":                        {"POST networks", "[]", 400, bad},
		"null":                          {"POST networks", "null", 400, bad},
		"something behind the body":     {"POST networks", `{"network": {}} {}`, 400, bad},
		"root key missing":              {"POST networks", `{"net": {}}`, 400, bad},
		"root key twice":                {"POST networks", `{"network": {}, "x": 1}`, 400, bad},
		"root is no object":             {"POST networks", `{"network": []}`, 400, bad},
		"empty bulk":                    {"POST networks", `{"networks": []}`, 400, bad},
		"bulk of numbers":               {"POST networks", `{"networks": [1]}`, 400, bad},
		"unknown attribute":             {"POST networks", `{"network": {"nam": "x"}}`, 400, bad},
		"attribute not allowed in POST": {"POST networks", `{"network": {"id": "$uuid"}}`, 400, bad},
		"attribute not allowed in PUT":  {"PUT subnets/$subnet", `{"subnet": {"cidr": "10.0.0.0/24"}}`, 400, bad},
		"bad value":                     {"POST networks", `{"network": {"name": 5}}`, 400, bad},
		"name too long":                 {"POST networks", `{"network": {"name": "` + strings.Repeat("x", 256) + `"}}`, 400, bad},
		"required attribute missing":    {"POST subnets", `{"subnet": {"ip_version": 4}}`, 400, bad},
		"no boolean":                    {"POST networks", `{"network": {"admin_state_up": "maybe"}}`, 400, "InvalidInput"},
		"projects that differ":          {"POST networks", `{"network": {"project_id": "a", "tenant_id": "b"}}`, 400, bad},
		"nested too deep":               {"POST networks", `{"network": {"name": ` + deep + `}}`, 400, bad},
		"unknown resource":              {"GET nonsense", "", 404, "HTTPNotFound"},
		"unknown path below an object":  {"GET networks/$network/nonsense", "", 404, "HTTPNotFound"},
		"PATCH":                         {"PATCH networks/$network", `{}`, 405, "HTTPMethodNotAllowed"},
		"PUT of a collection":           {"PUT networks", `{}`, 405, "HTTPMethodNotAllowed"},
		"POST to an object":             {"POST networks/$network", `{}`, 405, "HTTPMethodNotAllowed"},
		"DELETE of a collection":        {"DELETE networks", "", 404, "NetworkNotFound"},
		"a garbage id":                  {"GET networks/garbage", "", 404, "NetworkNotFound"},
		"an id that does not exist":     {"DELETE ports/$uuid", "", 404, "PortNotFound"},
		"PUT of what does not exist":    {"PUT subnets/$uuid", `{"subnet": {"name": "x"}}`, 404, "SubnetNotFound"},
		"a security group that is not":  {"GET security-groups/$uuid", "", 404, "SecurityGroupNotFound"},
		"a rule that is not":            {"DELETE security-group-rules/$uuid", "", 404, "SecurityGroupRuleNotFound"},
	}
}

func listRefusals() map[string]refusal {
	return map[string]refusal{
		"limit is no number":            {"GET networks?limit=x", "", 400, "BadRequest"},
		"negative limit":                {"GET networks?limit=-1", "", 400, "BadRequest"},
		"unknown filter":                {"GET networks?colour=red", "", 400, "HTTPBadRequest"},
		"attribute that is no filter":   {"GET networks?created_at=x", "", 400, "HTTPBadRequest"},
		"unknown sort key":              {"GET networks?sort_key=colour&sort_dir=asc", "", 400, "HTTPBadRequest"},
		"attribute that is no sort key": {"GET networks?sort_key=description&sort_dir=asc", "", 400, "HTTPBadRequest"},
		"unknown direction":             {"GET networks?sort_key=name&sort_dir=up", "", 400, "HTTPBadRequest"},
		"fewer directions than keys":    {"GET networks?sort_key=name&sort_key=id&sort_dir=asc", "", 400, "HTTPBadRequest"},
		"marker that does not exist":    {"GET networks?limit=1&marker=$uuid", "", 404, "NetworkNotFound"},
		"marker among ports":            {"GET ports?marker=$uuid", "", 404, "PortNotFound"},
		"filter that is no boolean":     {"GET networks?admin_state_up=maybe", "", 400, "InvalidInput"},
		"filter that is no number":      {"GET networks?mtu=large", "", 400, "InvalidInput"},
		"fixed_ips without a key":       {"GET ports?fixed_ips=10.0.0.9", "", 400, "InvalidInput"},
		"a query that cannot be read":   {"GET networks?name=%zz", "", 400, "HTTPBadRequest"},
		"address usage of IP version 5": {"GET network-ip-availabilities?ip_version=5", "", 400, "InvalidInput"},
		"tags where there are none":     {"GET agents?tags=x", "", 400, "HTTPBadRequest"},
	}
}

func networkRefusals() map[string]refusal {
	post := func(body string, status int, kind string) refusal {
		return refusal{"POST networks", `{"network": ` + body + `}`, status, kind}
	}
	const invalid = "InvalidInput"
	return map[string]refusal{
		"a VLAN id in use":            post(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 100}`, 409, "VlanIdInUse"),
		"a VNI in use":                post(`{"provider:network_type": "vxlan", "provider:segmentation_id": 77}`, 409, "TunnelIdInUse"),
		"a flat network in use":       post(`{"provider:network_type": "flat", "provider:physical_network": "physnet1"}`, 409, "FlatNetworkInUse"),
		"an unknown physical network": post(`{"provider:network_type": "vlan", "provider:physical_network": "physnet9", "provider:segmentation_id": 7}`, 400, invalid),
		"an unknown network type":     post(`{"provider:network_type": "token-ring"}`, 400, invalid),
		"no network type":             post(`{"provider:physical_network": "physnet1"}`, 400, invalid),
		"VLAN 4095":                   post(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 4095}`, 400, invalid),
		"VLAN 0":                      post(`{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 0}`, 400, invalid),
		"a segmentation id of text":   post(`{"provider:network_type": "vxlan", "provider:segmentation_id": "many"}`, 400, invalid),
		"a segment twice":             post(`{"segments": [{"provider:network_type": "vxlan", "provider:segmentation_id": 9}, {"provider:network_type": "vxlan", "provider:segmentation_id": "9"}]}`, 400, "SegmentsContainDuplicateEntry"),
		"a second segment in use":     post(`{"segments": [{"provider:network_type": "vxlan"}, {"provider:network_type": "vxlan", "provider:segmentation_id": 77}]}`, 409, "TunnelIdInUse"),
		"a segment of no type":        post(`{"segments": [{}, {"provider:network_type": "vxlan"}]}`, 400, invalid),
		"too many segments":           post(`{"segments": [`+strings.Repeat(`{"provider:network_type": "vxlan"}, `, 256)+`{"provider:network_type": "vxlan"}]}`, 400, invalid),
		"segments and provider":       post(`{"provider:network_type": "vxlan", "segments": [{"provider:network_type": "vxlan"}]}`, 400, "SegmentsSetInConjunctionWithProviders"),
		"an MTU too large":            post(`{"mtu": 1451}`, 400, invalid),
		"an MTU too small":            post(`{"mtu": 67}`, 400, invalid),
		"an unknown zone":             post(`{"availability_zone_hints": ["mars"]}`, 404, "AvailabilityZoneNotFound"),
		"a negative MTU":              post(`{"mtu": -1}`, 400, "HTTPBadRequest"),
		"a domain without dot":        post(`{"dns_domain": "example.org"}`, 400, "HTTPBadRequest"),
		"another network type":        {"PUT networks/$network", `{"network": {"provider:network_type": "gre"}}`, 400, invalid},
		"moving to a VLAN in use":     {"PUT networks/$vlan", `{"network": {"provider:segmentation_id": 4095}}`, 400, invalid},
		"deleting one in use":         {"DELETE networks/$network", "", 409, "NetworkInUse"},
		"a bulk with one bad element": {"POST networks", `{"networks": [{"name": "good"}, {"provider:network_type": "vxlan", "provider:segmentation_id": 77}]}`, 409, "TunnelIdInUse"},
	}
}

func subnetRefusals() map[string]refusal {
	on := func(network, body string, status int, kind string) refusal {
		return refusal{"POST subnets", `{"subnet": {"network_id": "` + network + `", ` + body + `}}`, status, kind}
	}
	const invalid = "InvalidInput"
	v6 := `"ip_version": 6, "cidr": "2001:db8:1::/64", `
	return map[string]refusal{
		"no such network":                  on("$uuid", `"ip_version": 4, "cidr": "10.1.0.0/24"`, 404, "NetworkNotFound"),
		"no cidr and no pool":              on("$network", `"ip_version": 4`, 400, "BadRequest"),
		"an invalid cidr":                  on("$network", `"ip_version": 4, "cidr": "10.1.0.0/33"`, 400, "HTTPBadRequest"),
		"a cidr of text":                   on("$network", `"ip_version": 4, "cidr": "ten"`, 400, "HTTPBadRequest"),
		"IP version 5":                     on("$network", `"ip_version": 5, "cidr": "10.1.0.0/24"`, 400, "HTTPBadRequest"),
		"the wrong version":                on("$network", `"ip_version": 6, "cidr": "10.1.0.0/24"`, 400, invalid),
		"prefix length 0":                  on("$network", `"ip_version": 4, "cidr": "0.0.0.0/0"`, 400, invalid),
		"overlap":                          on("$network", `"ip_version": 4, "cidr": "10.0.0.128/25"`, 400, invalid),
		"a subnet pool":                    on("$network", `"ip_version": 4, "subnetpool_id": "$uuid"`, 404, "SubnetPoolNotFound"),
		"the default subnet pool":          on("$network", `"ip_version": 4, "use_default_subnetpool": true`, 400, "BadRequest"),
		"multicast with DHCP":              on("$network", `"ip_version": 4, "cidr": "224.0.0.0/24"`, 400, invalid),
		"a /31 with DHCP":                  on("$network", `"ip_version": 4, "cidr": "10.1.0.0/31"`, 400, invalid),
		"gateway in a pool":                on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.5", "allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.9"}]`, 409, "GatewayConflictWithAllocationPools"),
		"service type of nobody":           on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "service_types": ["baremetal:none"]`, 400, "InvalidSubnetServiceType"),
		"service type that is a number":    on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "service_types": [5]`, 400, "InvalidInputSubnetServiceType"),
		"service types that are no list":   on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "service_types": "compute:a"`, 400, "HTTPBadRequest"),
		"service type twice":               on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "service_types": ["compute:a", "compute:a"]`, 400, "HTTPBadRequest"),
		"gateway is the broadcast address": on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.255"`, 400, invalid),
		"gateway of the other version":     on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "gateway_ip": "2001:db8::1"`, 400, invalid),
		"pool outside":                     on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.2.0.2", "end": "10.2.0.9"}]`, 400, "OutOfBoundsAllocationPool"),
		"pool reversed":                    on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.2"}]`, 400, "InvalidAllocationPool"),
		"pool of the other version":        on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "2001:db8::2", "end": "2001:db8::9"}]`, 400, "InvalidAllocationPool"),
		"pools overlap":                    on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.9"}, {"start": "10.1.0.9", "end": "10.1.0.20"}]`, 409, "OverlappingAllocationPools"),
		"pool without end":                 on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.2"}]`, 400, "HTTPBadRequest"),
		"too many nameservers":             on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "dns_nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6"]`, 400, "DNSNameServersExhausted"),
		"a nameserver twice":               on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "dns_nameservers": ["1.1.1.1", "1.1.1.1"]`, 400, "HTTPBadRequest"),
		"a route of the other version":     on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "host_routes": [{"destination": "2001:db8::/64", "nexthop": "10.1.0.9"}]`, 400, invalid),
		"IPv6 mode on IPv4":                on("$network", `"ip_version": 4, "cidr": "10.1.0.0/24", "ipv6_ra_mode": "slaac"`, 400, invalid),
		"IPv6 modes that differ":           on("$network", v6+`"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"`, 400, invalid),
		"IPv6 mode without DHCP":           on("$network", v6+`"ipv6_ra_mode": "slaac", "enable_dhcp": false`, 400, invalid),
		"unknown IPv6 mode":                on("$network", v6+`"ipv6_ra_mode": "magic"`, 400, "HTTPBadRequest"),
		"SLAAC on a /65":                   on("$network", `"ip_version": 6, "cidr": "2001:db8:1::/65", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`, 400, invalid),
		"moving the gateway into a pool":   {"PUT subnets/$subnet", `{"subnet": {"gateway_ip": "10.0.0.77"}}`, 409, "GatewayConflictWithAllocationPools"},
		"moving a gateway in use":          {"PUT subnets/$subnet", `{"subnet": {"gateway_ip": "192.0.2.1"}}`, 409, "GatewayIpInUse"},
		"DHCP off with IPv6 modes":         {"PUT subnets/$slaac", `{"subnet": {"enable_dhcp": false}}`, 400, invalid},
		"deleting one in use":              {"DELETE subnets/$subnet", "", 409, "SubnetInUse"},
	}
}

func portRefusals() map[string]refusal {
	on := func(network, body string, status int, kind string) refusal {
		return refusal{"POST ports", `{"port": {"network_id": "` + network + `", ` + body + `}}`, status, kind}
	}
	return map[string]refusal{
		"no such network":                    on("$uuid", `"name": "x"`, 404, "NetworkNotFound"),
		"network id of text":                 on("here", `"name": "x"`, 400, "HTTPBadRequest"),
		"an address in use":                  on("$network", `"fixed_ips": [{"ip_address": "10.0.0.9"}]`, 409, "IpAddressAlreadyAllocated"),
		"an address outside":                 on("$network", `"fixed_ips": [{"ip_address": "192.0.2.9"}]`, 400, "InvalidIpForNetwork"),
		"an address outside of its subnet":   on("$network", `"fixed_ips": [{"subnet_id": "$subnet", "ip_address": "192.0.2.9"}]`, 400, "InvalidIpForSubnet"),
		"the broadcast address":              on("$network", `"fixed_ips": [{"ip_address": "10.0.0.255"}]`, 400, "InvalidIpForSubnet"),
		"a subnet of another network":        on("$network", `"fixed_ips": [{"subnet_id": "$foreign"}]`, 400, "InvalidInput"),
		"no such subnet":                     on("$network", `"fixed_ips": [{"subnet_id": "$uuid"}]`, 404, "SubnetNotFound"),
		"an address twice":                   on("$network", `"fixed_ips": [{"ip_address": "10.0.0.80"}, {"ip_address": "10.0.0.80"}]`, 400, "HTTPBadRequest"),
		"an empty fixed ip":                  on("$network", `"fixed_ips": [{}]`, 400, "HTTPBadRequest"),
		"an unknown key of a fixed ip":       on("$network", `"fixed_ips": [{"ip": "10.0.0.80"}]`, 400, "HTTPBadRequest"),
		"no address left":                    on("$tiny", `"name": "x"`, 409, "IpAddressGenerationFailure"),
		"no address left in the subnet":      on("$tiny", `"fixed_ips": [{"ip_address": "10.9.0.2"}]`, 409, "IpAddressAlreadyAllocated"),
		"a chosen address under SLAAC":       on("$auto", `"fixed_ips": [{"ip_address": "2001:db8::77"}]`, 400, "AllocationOnAutoAddressSubnet"),
		"a MAC in use":                       on("$network", `"mac_address": "FA-16-3E-00-00-09"`, 409, "MacAddressInUse"),
		"no MAC":                             on("$network", `"mac_address": "fa:16:3e"`, 400, "HTTPBadRequest"),
		"a multicast MAC":                    on("$network", `"mac_address": "01:00:5e:00:00:01"`, 400, "HTTPBadRequest"),
		"no such security group":             on("$network", `"security_groups": ["$uuid"]`, 404, "SecurityGroupNotFound"),
		"a security group by name":           on("$network", `"security_groups": ["default"]`, 400, "HTTPBadRequest"),
		"groups without port security":       on("$network", `"port_security_enabled": false, "security_groups": ["$web"]`, 400, "PortSecurityAndIPRequiredForSecurityGroups"),
		"pairs without port security":        on("$network", `"port_security_enabled": false, "allowed_address_pairs": [{"ip_address": "10.0.0.200"}]`, 409, "AddressPairAndPortSecurityRequired"),
		"a pair without address":             on("$network", `"allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]`, 400, "AllowedAddressPairsMissingIP"),
		"a pair twice":                       on("$network", `"allowed_address_pairs": [{"ip_address": "10.0.0.200"}, {"ip_address": "10.0.0.200/32"}]`, 400, "DuplicateAddressPairInRequest"),
		"too many pairs":                     on("$network", `"allowed_address_pairs": [`+strings.TrimSuffix(strings.Repeat(`{"ip_address": "10.0.0.N"},`, 11), ",")+`]`, 400, "HTTPBadRequest"),
		"more pairs than are allowed":        on("$network", `"allowed_address_pairs": [`+manyPairs(11)+`]`, 400, "AllowedAddressPairExhausted"),
		"more pairs in an update":            {"PUT ports/$port", `{"port": {"allowed_address_pairs": [` + manyPairs(11) + `]}}`, 400, "AllowedAddressPairExhausted"},
		"a subnet that serves others":        on("$network", `"device_owner": "compute:nova", "fixed_ips": [{"subnet_id": "$foreign"}]`, 400, "InvalidInput"),
		"a DHCP option without value":        on("$network", `"extra_dhcp_opts": [{"opt_name": "bootfile-name"}]`, 400, "HTTPBadRequest"),
		"a DHCP option with a blank value":   on("$network", `"extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": ""}]`, 400, "HTTPBadRequest"),
		"a DHCP option twice":                on("$network", `"extra_dhcp_opts": [{"opt_name": "26", "opt_value": "1"}, {"opt_name": "26", "opt_value": "2"}]`, 400, "HTTPBadRequest"),
		"a DHCP option of IPv5":              on("$network", `"extra_dhcp_opts": [{"opt_name": "26", "opt_value": "1", "ip_version": 5}]`, 400, "HTTPBadRequest"),
		"a DHCP option with a long name":     on("$network", `"extra_dhcp_opts": [{"opt_name": "`+strings.Repeat("x", 65)+`", "opt_value": "1"}]`, 400, "HTTPBadRequest"),
		"a name too long for the domain":     on("$network", `"dns_name": "`+strings.Repeat("a.", 120)+`b"`, 400, "HTTPBadRequest"),
		"a domain without room for a host":   on("$network", `"dns_domain": "`+strings.Repeat("a.", 127)+`"`, 400, "HTTPBadRequest"),
		"a data plane that is half there":    {"PUT ports/$port", `{"port": {"data_plane_status": "HALF"}}`, 400, "HTTPBadRequest"},
		"a data plane of a new port":         on("$network", `"data_plane_status": "DOWN"`, 400, "HTTPBadRequest"),
		"an unknown NUMA policy":             on("$network", `"numa_affinity_policy": "close"`, 400, "HTTPBadRequest"),
		"an unknown vnic type":               on("$network", `"binding:vnic_type": "magic"`, 400, "HTTPBadRequest"),
		"a profile that is no object":        on("$network", `"binding:profile": "x"`, 400, "HTTPBadRequest"),
		"a profile too large":                on("$network", `"binding:profile": {"x": "`+strings.Repeat("x", 5000)+`"}`, 400, "InvalidInput"),
		"a name that is no host":             on("$network", `"dns_name": "no_underscores"`, 400, "HTTPBadRequest"),
		"a full name of another domain":      on("$network", `"dns_name": "vm.example.org."`, 400, "BadRequest"),
		"a DHCP option without name":         on("$network", `"extra_dhcp_opts": [{"opt_value": "x"}]`, 400, "HTTPBadRequest"),
		"a DHCP option with a line break":    on("$network", `"extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": "a\nb"}]`, 400, "HTTPBadRequest"),
		"moving to an address in use":        {"PUT ports/$open", `{"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}]}}`, 409, "IpAddressAlreadyAllocated"},
		"moving to a MAC in use":             {"PUT ports/$open", `{"port": {"mac_address": "fa:16:3e:00:00:09"}}`, 409, "MacAddressInUse"},
		"another MAC of a bound port":        {"PUT ports/$port", `{"port": {"mac_address": "fa:16:3e:00:00:10"}}`, 409, "PortBound"},
		"security off with groups":           {"PUT ports/$port", `{"port": {"port_security_enabled": false}}`, 409, "PortSecurityPortHasSecurityGroup"},
		"groups while security is off":       {"PUT ports/$open", `{"port": {"security_groups": ["$web"]}}`, 400, "PortSecurityAndIPRequiredForSecurityGroups"},
		"pairs while security is off":        {"PUT ports/$open", `{"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.200"}]}}`, 409, "AddressPairAndPortSecurityRequired"},
		"another network":                    {"PUT ports/$port", `{"port": {"network_id": "$empty"}}`, 400, "HTTPBadRequest"},
		"deleting a router's port":           {"DELETE ports/$router", "", 409, "ServicePortInUse"},
		"a bulk that does not fit in a pool": {"POST ports", `{"ports": [{"network_id": "$network"}, {"network_id": "$tiny"}]}`, 409, "IpAddressGenerationFailure"},
	}
}

func groupRefusals() map[string]refusal {
	return map[string]refusal{
		"a second default group":        {"POST security-groups", `{"security_group": {"name": "default"}}`, 409, "SecurityGroupDefaultAlreadyExists"},
		"default in capitals":           {"POST security-groups", `{"security_group": {"name": "Default"}}`, 409, "SecurityGroupDefaultAlreadyExists"},
		"renaming the default group":    {"PUT security-groups/$default", `{"security_group": {"name": "x"}}`, 409, "SecurityGroupCannotUpdateDefault"},
		"renaming to default":           {"PUT security-groups/$web", `{"security_group": {"name": "default"}}`, 409, "SecurityGroupDefaultAlreadyExists"},
		"statefulness of one in use":    {"PUT security-groups/$default", `{"security_group": {"stateful": false}}`, 409, "SecurityGroupInUse"},
		"deleting one that a port uses": {"DELETE security-groups/$default", "", 409, "SecurityGroupInUse"},
		"deleting one that is a remote": {"DELETE security-groups/$peer", "", 409, "SecurityGroupInUse"},
	}
}

func ruleRefusals() map[string]refusal {
	on := func(body string, status int, kind string) refusal {
		return refusal{
			"POST security-group-rules",
			`{"security_group_rule": {"security_group_id": "$web", "direction": "ingress", ` + body + `}}`, status, kind,
		}
	}
	return map[string]refusal{
		"a duplicate":                  on(`"protocol": "tcp", "port_range_min": 80, "port_range_max": 80`, 409, "SecurityGroupRuleExists"),
		"a duplicate by number":        on(`"protocol": 6, "port_range_min": "80", "port_range_max": "80", "remote_ip_prefix": "0.0.0.0/0"`, 409, "SecurityGroupRuleExists"),
		"ports without protocol":       on(`"port_range_min": 80, "port_range_max": 80`, 400, "SecurityGroupProtocolRequiredWithPorts"),
		"reversed ports":               on(`"protocol": "tcp", "port_range_min": 90, "port_range_max": 80`, 400, "SecurityGroupInvalidPortRange"),
		"only one port":                on(`"protocol": "tcp", "port_range_min": 90`, 400, "SecurityGroupInvalidPortRange"),
		"port 0":                       on(`"protocol": "udp", "port_range_min": 0, "port_range_max": 80`, 400, "SecurityGroupInvalidPortValue"),
		"port 65536":                   on(`"protocol": "udp", "port_range_min": 1, "port_range_max": 65536`, 400, "SecurityGroupInvalidPortValue"),
		"a port of text":               on(`"protocol": "udp", "port_range_min": "http", "port_range_max": 80`, 400, "SecurityGroupInvalidPortValue"),
		"ports of a protocol without":  on(`"protocol": "gre", "port_range_min": 1, "port_range_max": 2`, 400, "SecurityGroupInvalidProtocolForPort"),
		"an ICMP code without type":    on(`"protocol": "icmp", "port_range_max": 2`, 400, "SecurityGroupMissingIcmpType"),
		"an ICMP type of 256":          on(`"protocol": "icmp", "port_range_min": 256`, 400, "SecurityGroupInvalidIcmpValue"),
		"two remotes":                  on(`"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "$peer"`, 400, "SecurityGroupMultipleRemoteEntites"),
		"a prefix of the other family": on(`"ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"`, 400, "SecurityGroupRuleParameterConflict"),
		"an invalid prefix":            on(`"remote_ip_prefix": "10.0.0.0/99"`, 400, "InvalidCIDR"),
		"an unknown protocol":          on(`"protocol": "tcpip"`, 400, "SecurityGroupRuleInvalidProtocol"),
		"protocol 256":                 on(`"protocol": 256`, 400, "SecurityGroupRuleInvalidProtocol"),
		"a protocol that is a list":    on(`"protocol": []`, 400, "SecurityGroupRuleInvalidProtocol"),
		"an IPv6 protocol in IPv4":     on(`"protocol": "ipv6-icmp"`, 400, "SecurityGroupEthertypeConflictWithProtocol"),
		"its number":                   on(`"protocol": 58`, 400, "SecurityGroupEthertypeConflictWithProtocol"),
		"IPv6 in IPv4, by number":      on(`"protocol": "41"`, 400, "SecurityGroupEthertypeConflictWithProtocol"),
		"an unknown ethertype":         on(`"ethertype": "IPX"`, 400, "SecurityGroupRuleInvalidEtherType"),
		"no such remote group":         on(`"remote_group_id": "$uuid"`, 404, "SecurityGroupNotFound"),
		"no such address group":        on(`"remote_address_group_id": "$uuid"`, 404, "AddressGroupNotFound"),
		"no such group":                {"POST security-group-rules", `{"security_group_rule": {"security_group_id": "$uuid", "direction": "egress"}}`, 404, "SecurityGroupNotFound"},
		"an unknown direction":         {"POST security-group-rules", `{"security_group_rule": {"security_group_id": "$web", "direction": "sideways"}}`, 400, "HTTPBadRequest"},
		"changing the protocol":        {"PUT security-group-rules/$rule", `{"security_group_rule": {"protocol": "udp"}}`, 400, "HTTPBadRequest"},
	}
}

func otherRefusals() map[string]refusal {
	return map[string]refusal{
		"making an agent":               {"POST agents", `{"agent": {}}`, 405, "HTTPMethodNotAllowed"},
		"renaming an agent's host":      {"PUT agents/$uuid", `{"agent": {"host": "x"}}`, 400, "HTTPBadRequest"},
		"an agent that is not":          {"PUT agents/$uuid", `{"agent": {"admin_state_up": false}}`, 404, "AgentNotFound"},
		"deleting an agent that is not": {"DELETE agents/$uuid", "", 404, "AgentNotFound"},
		"a tag that is not":             {"GET networks/$network/tags/blue", "", 404, "TagNotFound"},
		"deleting a tag that is not":    {"DELETE networks/$network/tags/blue", "", 404, "TagNotFound"},
		"tags of what is not":           {"GET networks/$uuid/tags", "", 404, "NetworkNotFound"},
		"a tag twice":                   {"PUT networks/$network/tags", `{"tags": ["a", "a"]}`, 400, "InvalidInput"},
		"tags that are no list":         {"PUT networks/$network/tags", `{"tags": "a"}`, 400, "InvalidInput"},
		"a tag too long":                {"PUT networks/$network/tags/" + strings.Repeat("x", 256), "", 400, "InvalidInput"},
		"tags of an agent":              {"GET agents/$uuid/tags", "", 404, "HTTPNotFound"},
		"a quota of nothing":            {"PUT quotas/p", `{"quota": {"wheels": 4}}`, 400, "HTTPBadRequest"},
		"a quota below -1":              {"PUT quotas/p", `{"quota": {"port": -2}}`, 400, "HTTPBadRequest"},
		"a quota of text":               {"PUT quotas/p", `{"quota": {"port": "many"}}`, 400, "InvalidInput"},
		"a quota below what is used":    {"PUT quotas/fake_project_id", `{"quota": {"port": 1, "check_limit": true}}`, 409, "InvalidQuotaValue"},
		"deleting a quota that is not":  {"DELETE quotas/p", "", 404, "TenantQuotaNotFound"},
		"making a zone":                 {"POST availability_zones", `{}`, 405, "HTTPMethodNotAllowed"},
		"changing address usage":        {"DELETE network-ip-availabilities/$network", "", 405, "HTTPMethodNotAllowed"},
	}
}
