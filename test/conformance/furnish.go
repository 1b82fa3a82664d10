package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// request makes or changes an object of the old cloud. $name in path and body is
// the id of the object that an earlier request made.
type request struct {
	name, method, path, body string
}

func post(name, path, body string) request { return request{name, http.MethodPost, path, body} }
func put(path, body string) request        { return request{"", http.MethodPut, path, body} }

// alice and bob are projects of the old cloud.
const (
	alice = "a11ce0000000000000000000000000a1"
	bob   = "b0b00000000000000000000000000b0b"
)

// furniture is what the old cloud has: some of everything that can be taken, and
// what agents make for themselves.
func furniture() []request {
	return slices.Concat(oldPolicies(), oldNetworks(), oldPorts(), oldRouting(), oldSharing())
}

func oldPolicies() []request {
	return []request{
		post("scope", "address-scopes", `{"address_scope": {"name": "scope", "ip_version": 4, "shared": true}}`),
		post("pool", "subnetpools", `{"subnetpool": {"name": "pool", "prefixes": ["10.128.0.0/16", "10.130.0.0/16"], "default_prefixlen": 26, "address_scope_id": "$scope", "is_default": true, "shared": true, "description": "of alice and bob"}}`),
		post("slow", "qos/policies", `{"policy": {"name": "slow", "shared": true}}`),
		post("", "qos/policies/$slow/bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": 9000, "max_burst_kbps": 900, "direction": "ingress"}}`),
		post("", "qos/policies/$slow/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 26}}`),
		post("empty", "qos/policies", `{"policy": {"name": "without rules", "project_id": "$alice"}}`),
		post("partners", "address-groups", `{"address_group": {"name": "partners", "project_id": "$alice", "addresses": ["192.0.2.0/24", "2001:db8:9::/48"]}}`),
		post("web", "security-groups", `{"security_group": {"name": "web", "project_id": "$alice", "description": "HTTP"}}`),
		post("", "security-group-rules", `{"security_group_rule": {"security_group_id": "$web", "project_id": "$alice", "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 81, "remote_ip_prefix": "198.51.100.0/24", "description": "from there"}}`),
		post("", "security-group-rules", `{"security_group_rule": {"security_group_id": "$web", "project_id": "$alice", "direction": "ingress", "ethertype": "IPv6", "protocol": "ipv6-icmp"}}`),
		post("", "security-group-rules", `{"security_group_rule": {"security_group_id": "$web", "project_id": "$alice", "direction": "ingress", "protocol": "udp", "remote_address_group_id": "$partners"}}`),
		post("open", "security-groups", `{"security_group": {"name": "open", "project_id": "$bob", "stateful": false}}`),
		post("", "security-group-rules", `{"security_group_rule": {"security_group_id": "$open", "project_id": "$bob", "direction": "ingress", "protocol": "112"}}`),
		put("security-groups/$web/tags", `{"tags": ["prod", "edge"]}`),
	}
}

func oldNetworks() []request {
	return []request{
		post("public", "networks", `{"network": {"name": "public", "router:external": true, "is_default": true, "provider:network_type": "flat", "provider:physical_network": "physnet1"}}`),
		post("public4", "subnets", `{"subnet": {"name": "public4", "network_id": "$public", "ip_version": 4, "cidr": "203.0.113.0/24", "gateway_ip": "203.0.113.254", "allocation_pools": [{"start": "203.0.113.10", "end": "203.0.113.99"}, {"start": "203.0.113.150", "end": "203.0.113.199"}], "enable_dhcp": false}}`),
		post("net", "networks", `{"network": {"name": "net", "project_id": "$alice", "mtu": 1400, "dns_domain": "alice.example.net.", "description": "alice's"}}`),
		post("net4", "subnets", `{"subnet": {"name": "net4", "project_id": "$alice", "network_id": "$net", "ip_version": 4, "cidr": "10.1.0.0/24", "dns_nameservers": ["192.0.2.53", "192.0.2.54"], "host_routes": [{"destination": "10.99.0.0/16", "nexthop": "10.1.0.9"}], "dns_publish_fixed_ip": true}}`),
		post("net6", "subnets", `{"subnet": {"name": "net6", "project_id": "$alice", "network_id": "$net", "ip_version": 6, "cidr": "2001:db8:1::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}}`),
		put("networks/$net/tags", `{"tags": ["blue"]}`),
		put("subnets/$net4/tags", `{"tags": ["v4"]}`),
		post("pooled", "networks", `{"network": {"name": "pooled", "project_id": "$bob", "port_security_enabled": false}}`),
		post("pooled4", "subnets", `{"subnet": {"name": "pooled4", "project_id": "$bob", "network_id": "$pooled", "ip_version": 4, "subnetpool_id": "$pool", "gateway_ip": null, "service_types": ["compute:nova"]}}`),
		post("routed", "networks", `{"network": {"name": "routed", "segments": [{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 140}, {"provider:network_type": "vxlan", "provider:segmentation_id": 900}]}}`),
		post("vlan", "networks", `{"network": {"name": "vlan", "shared": true, "provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}}`),
		post("vlan4", "subnets", `{"subnet": {"network_id": "$vlan", "ip_version": 4, "cidr": "172.16.0.0/24"}}`),
	}
}

func oldPorts() []request {
	return []request{
		post("dhcp", "ports", `{"port": {"project_id": "$alice", "network_id": "$net", "device_owner": "network:dhcp", "device_id": "dhcp0f6c1a3e-cf5e-5b7e-a0f1-6d6d4a6a4e01-$net", "binding:host_id": "net1", "fixed_ips": [{"subnet_id": "$net4", "ip_address": "10.1.0.2"}]}}`),
		post("vm1", "ports", `{"port": {"name": "vm1", "project_id": "$alice", "network_id": "$net", "device_owner": "compute:nova", "device_id": "5e7e7000-0000-4000-8000-000000000001", "binding:host_id": "hv1", "binding:profile": {"os_vif_delegation": true}, "security_groups": ["$web"], "dns_name": "vm1", "description": "the first", "allowed_address_pairs": [{"ip_address": "10.1.0.200"}], "extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": "pxelinux.0"}]}}`),
		post("vm2", "ports", `{"port": {"name": "vm2", "project_id": "$alice", "network_id": "$net", "device_owner": "compute:nova", "device_id": "5e7e7000-0000-4000-8000-000000000002", "binding:host_id": "hv2", "mac_address": "fa:16:3e:00:11:22", "fixed_ips": [{"ip_address": "10.1.0.55"}], "qos_policy_id": "$empty"}}`),
		put("ports/$vm1/tags", `{"tags": ["a", "b"]}`),
		post("bare", "ports", `{"port": {"name": "bare", "project_id": "$bob", "network_id": "$routed", "fixed_ips": [], "admin_state_up": false}}`),
		post("off", "ports", `{"port": {"name": "off", "project_id": "$bob", "network_id": "$vlan", "port_security_enabled": false, "security_groups": []}}`),
		post("parent", "ports", `{"port": {"name": "parent", "project_id": "$alice", "network_id": "$vlan"}}`),
		post("child", "ports", `{"port": {"name": "child", "project_id": "$alice", "network_id": "$net"}}`),
		post("trunk", "trunks", `{"trunk": {"name": "trunk", "project_id": "$alice", "port_id": "$parent", "sub_ports": [{"port_id": "$child", "segmentation_type": "vlan", "segmentation_id": 12}]}}`),
	}
}

func oldRouting() []request {
	return []request{
		post("router", "routers", `{"router": {"name": "router", "project_id": "$alice", "description": "out", "external_gateway_info": {"network_id": "$public", "external_fixed_ips": [{"subnet_id": "$public4", "ip_address": "203.0.113.50"}], "enable_snat": true}}}`),
		put("routers/$router/add_router_interface", `{"subnet_id": "$net4"}`),
		put("routers/$router/add_router_interface", `{"subnet_id": "$net6"}`),
		put("routers/$router", `{"router": {"routes": [{"destination": "10.50.0.0/16", "nexthop": "10.1.0.55"}]}}`),
		put("routers/$router/tags", `{"tags": ["edge"]}`),
		post("", "routers/$router/conntrack_helpers", `{"conntrack_helper": {"protocol": "udp", "port": 69, "helper": "tftp"}}`),
		post("private", "routers", `{"router": {"name": "private", "project_id": "$bob", "admin_state_up": false}}`),
		put("routers/$private/add_router_interface", `{"subnet_id": "$vlan4"}`),
		post("spread", "routers", `{"router": {"name": "spread", "project_id": "$alice", "distributed": true, "external_gateway_info": {"network_id": "$public"}}}`),
		post("twin", "routers", `{"router": {"name": "twin", "project_id": "$alice", "ha": true, "external_gateway_info": {"network_id": "$public", "enable_snat": false}}}`),
		post("fip1", "floatingips", `{"floatingip": {"project_id": "$alice", "floating_network_id": "$public", "port_id": "$vm2", "fixed_ip_address": "10.1.0.55", "description": "of vm2"}}`),
		post("fip2", "floatingips", `{"floatingip": {"project_id": "$bob", "floating_network_id": "$public", "floating_ip_address": "203.0.113.90", "qos_policy_id": "$empty"}}`),
		post("fip3", "floatingips", `{"floatingip": {"project_id": "$alice", "floating_network_id": "$public"}}`),
		put("floatingips/$fip2/tags", `{"tags": ["spare"]}`),
		post("", "floatingips/$fip3/port_forwardings", `{"port_forwarding": {"protocol": "tcp", "internal_port_id": "$vm1", "internal_ip_address": "$vm1.ip", "internal_port": 22, "external_port": 2222, "description": "ssh"}}`),
		post("", "floatingips/$fip3/port_forwardings", `{"port_forwarding": {"protocol": "udp", "internal_port_id": "$vm1", "internal_ip_address": "$vm1.ip", "internal_port_range": "7000:7003", "external_port_range": "9000:9003"}}`),
	}
}

func oldSharing() []request {
	return []request{
		post("", "rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "$net", "action": "access_as_shared", "target_tenant": "$bob"}}`),
		post("", "rbac-policies", `{"rbac_policy": {"object_type": "security_group", "object_id": "$web", "action": "access_as_shared", "target_tenant": "$bob"}}`),
		post("guest", "ports", `{"port": {"name": "guest of alice", "project_id": "$bob", "network_id": "$net", "device_owner": "compute:nova", "device_id": "5e7e7000-0000-4000-8000-000000000003", "binding:host_id": "hv1", "security_groups": ["$web"]}}`),
		put("quotas/$alice", `{"quota": {"network": 7, "port": -1, "security_group_rule": 3}}`), // fewer rules than there are
	}
}

// furnish fills the old cloud, and gives the ids by name.
func (c *cloud) furnish(ctx context.Context) (map[string]string, error) {
	names := map[string]string{"alice": alice, "bob": bob}
	for _, r := range furniture() {
		answer, err := c.ask(ctx, r.method, c.Neutron, named(names, r.path), named(names, r.body))
		if err != nil {
			return nil, fmt.Errorf("furnish Neutron: %w", err)
		}
		for _, member := range answer {
			o, ok := member.(map[string]any)
			if !ok || r.name == "" {
				continue
			}
			names[r.name], _ = o["id"].(string)
			for _, fixed := range listOf(o["fixed_ips"]) {
				if address, _ := fixed["ip_address"].(string); strings.Contains(address, ".") {
					names[r.name+".ip"] = address
				}
			}
		}
	}
	return names, nil
}

// named puts ids for names, the longest names first.
func named(names map[string]string, text string) string {
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, name := range all {
		text = strings.ReplaceAll(text, "$"+name, names[name])
	}
	return text
}

// listOf gives the objects of a list.
func listOf(v any) []map[string]any {
	items, _ := v.([]any)
	var out []map[string]any
	for _, item := range items {
		if o, ok := item.(map[string]any); ok {
			out = append(out, o)
		}
	}
	return out
}
