package api

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whatever a project names another project's object in, the answer is that for
// an object that there is not.
func TestNamingAnotherProjectsObjectTellsNothing(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	names := map[string]string{}
	make := func(who []string, name, collection, key, body string) {
		t.Helper()
		for n, v := range names {
			body = strings.ReplaceAll(body, "$"+n, v)
		}
		names[name] = id(c.must(201, "POST", "/v2.0/"+collection, `{"`+key+`": `+body+`}`, who...))
	}
	make(admin, "external", "networks", "network", `{"router:external": true}`)
	make(admin, "outside", "subnets", "subnet", `{"network_id": "$external", "ip_version": 4, "cidr": "203.0.113.0/24"}`)
	for project, who := range map[string][]string{"my": one, "their": two} {
		make(who, project+"net", "networks", "network", `{}`)
		make(who, project+"subnet", "subnets", "subnet", `{"network_id": "$`+project+`net", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
		make(who, project+"port", "ports", "port", `{"network_id": "$`+project+`net"}`)
		make(who, project+"router", "routers", "router", `{}`)
		make(who, project+"group", "security-groups", "security_group", `{}`)
		make(who, project+"pool", "subnetpools", "subnetpool", `{"name": "p", "prefixes": ["10.8.0.0/16"]}`)
		make(who, project+"scope", "address-scopes", "address_scope", `{"ip_version": 4}`)
		make(who, project+"addresses", "address-groups", "address_group", `{}`)
		make(who, project+"floating", "floatingips", "floatingip", `{"floating_network_id": "$external"}`)
		make(who, project+"trunk", "trunks", "trunk", `{"port_id": "$`+project+`port"}`)
	}
	c.must(200, "PUT", "/v2.0/routers/"+names["theirrouter"]+"/add_router_interface", `{"subnet_id": "`+names["theirsubnet"]+`"}`, two...)
	for request, body := range map[string]string{
		"POST ports":        `{"port": {"network_id": "$theirnet"}}`,
		"POST ports ":       `{"port": {"network_id": "$mynet", "fixed_ips": [{"subnet_id": "$theirsubnet"}]}}`,
		"POST ports  ":      `{"port": {"network_id": "$mynet", "fixed_ips": [{"subnet_id": "$theirsubnet", "ip_address": "10.0.0.9"}]}}`,
		"POST ports   ":     `{"port": {"network_id": "$mynet", "security_groups": ["$theirgroup"]}}`,
		"PUT ports/$myport": `{"port": {"fixed_ips": [{"subnet_id": "$theirsubnet"}]}}`,
		"POST subnets":      `{"subnet": {"network_id": "$theirnet", "ip_version": 4, "cidr": "10.1.0.0/24"}}`,
		"POST subnets ":     `{"subnet": {"network_id": "$mynet", "ip_version": 4, "subnetpool_id": "$theirpool"}}`,
		"POST subnetpools":  `{"subnetpool": {"name": "x", "prefixes": ["10.9.0.0/16"], "address_scope_id": "$theirscope"}}`,
		"PUT subnetpools/$mypool/onboard_network_subnets": `{"network_id": "$theirnet"}`,
		"PUT routers/$myrouter":                           `{"router": {"external_gateway_info": {"network_id": "$theirnet"}}}`,
		"PUT routers/$myrouter/add_router_interface":      `{"subnet_id": "$theirsubnet"}`,
		"PUT routers/$myrouter/add_router_interface ":     `{"port_id": "$theirport"}`,
		"PUT routers/$myrouter/remove_router_interface":   `{"subnet_id": "$theirsubnet"}`,
		"PUT routers/$myrouter/remove_router_interface ":  `{"port_id": "$theirport"}`,
		"PUT routers/$theirrouter/add_router_interface":   `{"subnet_id": "$mysubnet"}`,
		"POST floatingips":                                `{"floatingip": {"floating_network_id": "$theirnet"}}`,
		"POST floatingips ":                               `{"floatingip": {"floating_network_id": "$external", "subnet_id": "$theirsubnet"}}`,
		"POST floatingips  ":                              `{"floatingip": {"floating_network_id": "$external", "port_id": "$theirport"}}`,
		"PUT floatingips/$myfloating":                     `{"floatingip": {"port_id": "$theirport"}}`,
		"POST floatingips/$myfloating/port_forwardings":   `{"port_forwarding": {"internal_port_id": "$theirport", "internal_ip_address": "10.0.0.9", "internal_port": 1, "external_port": 1, "protocol": "tcp"}}`,
		"POST security-group-rules":                       `{"security_group_rule": {"security_group_id": "$theirgroup", "direction": "ingress"}}`,
		"POST security-group-rules ":                      `{"security_group_rule": {"security_group_id": "$mygroup", "direction": "ingress", "remote_group_id": "$theirgroup"}}`,
		"POST security-group-rules  ":                     `{"security_group_rule": {"security_group_id": "$mygroup", "direction": "ingress", "remote_address_group_id": "$theiraddresses"}}`,
		"POST rbac-policies":                              `{"rbac_policy": {"object_type": "network", "object_id": "$theirnet", "action": "access_as_shared", "target_tenant": "p1"}}`,
		"POST trunks":                                     `{"trunk": {"port_id": "$theirport"}}`,
		"PUT trunks/$mytrunk/add_subports":                `{"sub_ports": [{"port_id": "$theirport", "segmentation_type": "vlan", "segmentation_id": 2}]}`,
		"PUT trunks/$mytrunk/remove_subports":             `{"sub_ports": [{"port_id": "$theirport"}]}`,
		"POST local_ips":                                  `{"local_ip": {"network_id": "$theirnet"}}`,
		"POST local_ips ":                                 `{"local_ip": {"local_port_id": "$theirport"}}`,
		"GET networks?limit=1&marker=$theirnet":           ``,
		"GET ports?fixed_ips=subnet_id%3D$theirsubnet":    ``,
		"GET networks/$theirnet/tags":                     ``,
		"GET networks/$theirnet/dhcp-agents":              ``,
		"DELETE ports/$theirport":                         ``,
	} {
		const nothing = "00000000-0000-4000-8000-000000000000"
		ask := func(real bool) (int, string) {
			text := request + "\n" + body
			for n, v := range names {
				if strings.HasPrefix(n, "their") && !real {
					v = nothing
				}
				text = strings.ReplaceAll(text, "$"+n, v)
			}
			line, body, _ := strings.Cut(text, "\n")
			method, path, _ := strings.Cut(strings.TrimSpace(line), " ")
			status, out, _ := c.call(method, "/v2.0/"+path, body, one...)
			answer, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			for n, v := range names {
				if strings.HasPrefix(n, "their") {
					answer = []byte(strings.ReplaceAll(string(answer), v, nothing))
				}
			}
			return status, string(answer)
		}
		status, answer := ask(true)
		if without, want := ask(false); status != without || answer != want {
			t.Errorf("%s %s: %d %s, and of nothing %d %s", request, body, status, answer, without, want)
		}
	}
}
