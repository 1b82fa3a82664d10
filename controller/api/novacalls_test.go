package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

// nova is a compute service that boots a server for a member of project p1: it
// sends some requests as the user, and some as itself.
type nova struct {
	*cloud
	network, subnet string
}

const server = "0d9c2f6e-7f6a-4f57-8a3c-5f1f3f5ad6e1"

func newNova(t *testing.T) nova {
	c := rightsCloud(t)
	c.agent("hv1")
	n := nova{cloud: c}
	n.network = id(n.user(201, "POST", "networks", `{"network": {"name": "private"}}`))
	n.subnet = id(n.user(201, "POST", "subnets", `{"subnet": {"network_id": "`+n.network+`", "ip_version": 4, "cidr": "10.0.0.0/29"}}`))
	return n
}

func (n nova) user(status int, method, path, body string) map[string]any {
	n.t.Helper()
	return n.as(as("p1", "member"), status, method, path, body)
}

func (n nova) itself(status int, method, path, body string) map[string]any {
	n.t.Helper()
	return n.as(as("service", "admin"), status, method, path, body)
}

func (n nova) as(who []string, status int, method, path, body string) map[string]any {
	n.t.Helper()
	var content any
	if body != "" {
		content = body
	}
	return n.must(status, method, "/v2.0/"+path, content, who...)
}

// rows gives the list in an answer.
func (n nova) rows(who []string, path string) []any {
	n.t.Helper()
	for _, v := range n.as(who, 200, "GET", path, "") {
		if rows, ok := v.([]any); ok {
			return rows
		}
	}
	n.t.Fatalf("GET %s has no list", path)
	return nil
}

// boot is what Nova does for a server on one network.
func (n nova) boot() (port map[string]any) {
	n.t.Helper()
	port = n.user(201, "POST", "ports", `{"port": {"device_id": "`+server+`", "network_id": "`+n.network+`", "admin_state_up": true, "tenant_id": "p1"}}`)
	return n.itself(200, "PUT", "ports/"+id(port), `{"port": {"device_id": "`+server+`", "device_owner": "compute:nova", "binding:host_id": "hv1",
		"binding:profile": {}, "binding:vnic_type": "normal", "dns_name": "vm1"}}`)
}

func TestNovaLooksBeforeItBoots(t *testing.T) {
	n := newNova(t)
	user := as("p1", "member")
	var aliases []string
	for _, e := range n.rows(user, "extensions") {
		aliases = append(aliases, e.(map[string]any)["alias"].(string))
	}
	for _, alias := range []string{"multi-provider", "dns-integration", "fip-port-details", "binding", "binding-extended", "ip-substring-filtering", "segment"} {
		if !slices.Contains(aliases, alias) {
			t.Errorf("extension %s is not there", alias)
		}
	}
	if port := n.boot(); port["ip_allocation"] != "immediate" {
		t.Errorf("%v", port)
	}
	for path, want := range map[string]int{
		"networks?id=" + n.network:           1,
		"networks?tenant_id=p1&shared=False": 1,
		"networks?shared=True":               0,
		"networks?router:external=True":      0,
		"ports?tenant_id=p1&fields=id":       1,
		"ports?network_id=" + n.network + "&fixed_ips=ip_address%3D10.0.0.7&fields=device_id": 0,
		"security-groups?fields=id&fields=name&name=default":                                  1,
		"security-groups?tenant_id=p1":                                                        1,
		"subnets?network_id=" + n.network:                                                     1,
	} {
		if rows := n.rows(user, path); len(rows) != want {
			t.Errorf("%s: %v, want %d", path, rows, want)
		}
	}
	if quota := n.user(200, "GET", "quotas/p1", ""); fmt.Sprint(quota["port"]) != "500" {
		t.Errorf("quota %v", quota)
	}
}

func TestNovaBindsAndBuildsItsNetworkInfo(t *testing.T) {
	n := newNova(t)
	port := n.boot()
	details, _ := port["binding:vif_details"].(map[string]any)
	if port["binding:vif_type"] != "ovs" || port["binding:vnic_type"] != "normal" || port["dns_name"] != "vm1" || port["status"] != "DOWN" ||
		details["bridge_name"] != "br-int" || details["port_filter"] != true || details["ovs_hybrid_plug"] != false || details["datapath_type"] == nil {
		t.Errorf("port %v", port)
	}
	itself := as("service", "admin")
	network := n.itself(200, "GET", "networks/"+n.network, "")
	if network["name"] != "private" || fmt.Sprint(network["mtu"]) != "1450" || network["provider:network_type"] != "vxlan" {
		t.Errorf("network %v", network)
	}
	subnet := n.rows(itself, "subnets?id="+n.subnet)[0].(map[string]any)
	if subnet["cidr"] != "10.0.0.0/29" || subnet["gateway_ip"] != "10.0.0.1" || subnet["enable_dhcp"] != true ||
		subnet["ipv6_ra_mode"] != nil || subnet["ipv6_address_mode"] != nil || fmt.Sprint(subnet["dns_nameservers"], subnet["host_routes"]) != "[] []" {
		t.Errorf("subnet %v", subnet)
	}
	address := port["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
	if rows := n.rows(itself, "ports?network_id="+n.network+"&device_owner=network:dhcp"); len(rows) != 0 {
		t.Errorf("DHCP servers %v", rows)
	}
	if rows := n.rows(itself, "floatingips?fixed_ip_address="+address+"&port_id="+id(port)); len(rows) != 0 {
		t.Errorf("floating addresses %v", rows)
	}
	if rows := n.rows(itself, "ports?tenant_id=p1&device_id="+server); len(rows) != 1 || id(rows[0].(map[string]any)) != id(port) {
		t.Errorf("the server's ports %v", rows)
	}
	if used := n.rows(itself, "ports?network_id="+n.network+"&fixed_ips=ip_address%3D"+address+"&fields=device_id"); fmt.Sprint(used) != "[map[device_id:"+server+"]]" {
		t.Errorf("who has the address: %v", used)
	}
	// The user sees nothing of where it runs.
	for name := range n.user(200, "GET", "ports/"+id(port), "") {
		if strings.HasPrefix(name, "binding:") && name != "binding:vnic_type" {
			t.Errorf("the user sees %s", name)
		}
	}
}

func TestNovaGivesAPortBack(t *testing.T) {
	n := newNova(t)
	port := n.boot()
	path := "ports/" + id(port)
	n.itself(200, "PUT", path, `{"port": {"device_id": "", "device_owner": "", "binding:host_id": null, "binding:profile": {}, "dns_name": ""}}`)
	freed := n.itself(200, "GET", path, "")
	if freed["device_id"] != "" || freed["device_owner"] != "" || freed["binding:host_id"] != "" || freed["binding:vif_type"] != "unbound" || freed["dns_name"] != "" {
		t.Errorf("port %v", freed)
	}
	n.user(204, "DELETE", path, "")
	if status, out, _ := n.call("DELETE", "/v2.0/"+path, nil, as("p1", "member")...); status != 404 || refusedType(out) != "PortNotFound" {
		t.Errorf("%d %v", status, out)
	}
}

func TestNovaActsOnTheTypesOfRefusals(t *testing.T) {
	c := newCloud(t, func(p *plugin.Config, a *Config) { a.Auth = byHeader{} })
	c.agent("hv1")
	n := nova{cloud: c}
	n.network = id(n.user(201, "POST", "networks", `{"network": {}}`))
	n.subnet = id(n.user(201, "POST", "subnets", `{"subnet": {"network_id": "`+n.network+`", "ip_version": 4, "cidr": "10.0.0.0/29"}}`))
	first := n.user(201, "POST", "ports", `{"port": {"network_id": "`+n.network+`", "fixed_ips": [{"ip_address": "10.0.0.5"}]}}`)
	for _, f := range []struct {
		name, body, kind string
		quota            int
	}{
		{"an address that is taken", `, "fixed_ips": [{"ip_address": "10.0.0.5"}]`, "IpAddressAlreadyAllocated", -1},
		{"a MAC that is taken", fmt.Sprintf(`, "mac_address": %q`, first["mac_address"]), "MacAddressInUse", -1},
		{"more ports than the quota has", ``, "OverQuota", 1},
		{"no address that is free", `, "fixed_ips": [{"subnet_id": "` + n.subnet + `"}, {"subnet_id": "` + n.subnet + `"}, {"subnet_id": "` + n.subnet + `"}, {"subnet_id": "` + n.subnet + `"}, {"subnet_id": "` + n.subnet + `"}]`, "IpAddressGenerationFailure", -1},
	} {
		t.Run(f.name, func(t *testing.T) {
			n.itself(200, "PUT", "quotas/p1", fmt.Sprintf(`{"quota": {"port": %d}}`, f.quota))
			status, out, _ := n.call("POST", "/v2.0/ports", `{"port": {"network_id": "`+n.network+`"`+f.body+`}}`, as("p1", "member")...)
			if status != 409 || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %s", status, out, f.kind)
			}
		})
	}
	if rows := n.rows(as("p1", "member"), "ports"); len(rows) != 1 {
		t.Errorf("left behind: %v", rows)
	}
}
