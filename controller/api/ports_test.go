package api

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func addresses(port map[string]any) []string {
	var out []string
	for _, f := range port["fixed_ips"].([]any) {
		out = append(out, f.(map[string]any)["ip_address"].(string))
	}
	return out
}

// families counts a port's addresses: "4", "4 6", "none".
func families(port map[string]any) string {
	var out []string
	for _, a := range addresses(port) {
		if netip.MustParseAddr(a).Is4() {
			out = append(out, "4")
		} else {
			out = append(out, "6")
		}
	}
	slices.Sort(out)
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, " ")
}

func TestTheAddressesOfANewPort(t *testing.T) {
	c := newCloud(t)
	const mac, eui = "fa:16:3e:12:34:56", "2001:db8:2:0:f816:3eff:fe12:3456"
	plain := id(c.network(`{}`))
	v4 := id(c.subnet(plain, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	c.subnet(plain, `"ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.100", "end": "10.1.0.200"}]`)
	dual := id(c.network(`{}`))
	c.subnet(dual, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	c.subnet(dual, `"ip_version": 6, "cidr": "2001:db8:1::/64", "ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"`)
	c.subnet(dual, `"ip_version": 6, "cidr": "2001:db8:2::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"`)
	served := id(c.network(`{}`))
	c.subnet(served, `"ip_version": 4, "cidr": "10.5.0.0/24", "service_types": ["compute:nova"]`)
	none := id(c.network(`{}`))
	for _, f := range []struct{ name, network, body, families, has, allocation string }{
		{"one of any subnet", plain, ``, "4", "", "immediate"},
		{"a chosen one", plain, `, "fixed_ips": [{"ip_address": "10.1.0.77"}]`, "4", "10.1.0.77", "immediate"},
		{"a chosen one outside of the pool", plain, `, "fixed_ips": [{"ip_address": "10.0.0.1"}]`, "4", "10.0.0.1", "immediate"},
		{"a chosen subnet, twice", plain, `, "fixed_ips": [{"subnet_id": "` + v4 + `"}, {"subnet_id": "` + v4 + `"}]`, "4 4", "", "immediate"},
		{"none on demand", plain, `, "fixed_ips": []`, "none", "", "none"},
		{"none without subnets", none, ``, "none", "", "immediate"},
		{"both families, and one from the MAC", dual, `, "mac_address": "` + mac + `"`, "4 6 6", eui, "immediate"},
		{"that from the MAC comes in any case", dual, `, "fixed_ips": []`, "6", "", "none"},
		{"a subnet for guests serves guests", served, `, "device_owner": "compute:nova"`, "4", "", "immediate"},
		{"a router's port has none from its MAC", dual, `, "device_owner": "network:router_interface"`, "4 6", "", "immediate"},
	} {
		t.Run(f.name, func(t *testing.T) {
			p := c.port(f.network, f.body)
			if families(p) != f.families || f.has != "" && !slices.Contains(addresses(p), f.has) || p["ip_allocation"] != f.allocation {
				t.Errorf("got %v, %v", addresses(p), p["ip_allocation"])
			}
		})
	}
	status, out, _ := c.call("POST", "/v2.0/ports", `{"port": {"network_id": "`+served+`"}}`)
	if status != 409 || refusedType(out) != "IpAddressGenerationFailureNoMatchingSubnet" {
		t.Errorf("no subnet for the owner: %d %v", status, out)
	}
}

func TestChangingThePortsAddresses(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	other := id(c.subnet(n, `"ip_version": 4, "cidr": "10.1.0.0/24"`))
	auto := c.subnet(n, `"ip_version": 6, "cidr": "2001:db8::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"`)
	p := c.port(n, `, "fixed_ips": [{"ip_address": "10.0.0.5"}], "mac_address": "fa:16:3e:00:00:01"`)
	path := "/v2.0/ports/" + id(p)
	put := func(fixed string) []string {
		t.Helper()
		return addresses(c.must(200, "PUT", path, `{"port": {"fixed_ips": `+fixed+`}}`))
	}
	const eui = "2001:db8::f816:3eff:fe00:1"
	for _, f := range []struct {
		name, fixed string
		want        []string // "" is any
	}{
		{"an address stays, another comes", `[{"ip_address": "10.0.0.5"}, {"ip_address": "10.1.0.9"}]`, []string{"10.0.0.5", "10.1.0.9", eui}},
		{"an address goes", `[{"ip_address": "10.1.0.9"}]`, []string{"10.1.0.9", eui}},
		{"a subnet keeps the address in it", `[{"subnet_id": "` + other + `"}]`, []string{"10.1.0.9", eui}},
		{"another subnet gives another address", `[{"subnet_id": "` + s + `"}]`, []string{"", eui}},
		{"the exact one first, whatever the order", `[{"subnet_id": "` + s + `"}, {"ip_address": "10.0.0.8"}]`, []string{"", "10.0.0.8", eui}},
		{"none but that from the MAC", `[]`, []string{eui}},
		{"that from the MAC may be named", `[{"subnet_id": "` + id(auto) + `", "ip_address": "` + eui + `"}]`, []string{eui}},
	} {
		got := put(f.fixed)
		if !slices.EqualFunc(got, f.want, func(a, b string) bool { return b == "" || a == b }) {
			t.Errorf("%s: %v, want %v", f.name, got, f.want)
		}
	}
	c.port(n, `, "fixed_ips": [{"ip_address": "10.0.0.5"}]`) // was given back
	if got := addresses(c.must(200, "PUT", path, `{"port": {"mac_address": "fa:16:3e:00:00:02"}}`)); !slices.Equal(got, []string{"2001:db8::f816:3eff:fe00:2"}) {
		t.Errorf("after another MAC: %v", got)
	}
	regenerated := c.must(200, "PUT", path, `{"port": {"mac_address": null}}`)
	if m := regenerated["mac_address"].(string); m == "fa:16:3e:00:00:02" || !strings.HasPrefix(m, "fa:16:3e:") {
		t.Errorf("MAC %s after null", m)
	}
	c.must(204, "DELETE", "/v2.0/subnets/"+id(auto), nil)
	if got := addresses(c.must(200, "GET", path, nil)); len(got) != 0 {
		t.Errorf("after the subnet went: %v", got)
	}
}

func TestANewAutomaticSubnetGivesAddressesToPortsThatAreThere(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	guest := c.port(n, `, "mac_address": "fa:16:3e:00:00:01"`)
	router := c.port(n, `, "device_owner": "network:router_interface"`)
	c.subnet(n, `"ip_version": 6, "cidr": "2001:db8::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`)
	if got := addresses(c.must(200, "GET", "/v2.0/ports/"+id(guest), nil)); !slices.Equal(got, []string{"2001:db8::f816:3eff:fe00:1"}) {
		t.Errorf("the guest has %v", got)
	}
	if got := addresses(c.must(200, "GET", "/v2.0/ports/"+id(router), nil)); len(got) != 0 {
		t.Errorf("the router has %v", got)
	}
}

func TestMACsBeginWithTheBaseMAC(t *testing.T) {
	for base, prefix := range map[string]string{"fa:16:3e:00:00:00": "fa:16:3e:", "fa:16:3e:4f:00:00": "fa:16:3e:4f:"} {
		c := newCloud(t, func(p *plugin.Config, _ *Config) { p.BaseMAC = base })
		if got := c.port(id(c.network(`{}`)), "")["mac_address"].(string); !strings.HasPrefix(got, prefix) {
			t.Errorf("base %s gives %s", base, got)
		}
	}
}

func TestAPortIsBoundWhereALiveAgentReachesItsNetwork(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1")
	c.agent("hv2", func(a *model.Agent) { a.HeartbeatAt = time.Now().Add(-76 * time.Second) })
	c.agent("hv3", func(a *model.Agent) { a.TunnelTypes, a.BridgeMappings = nil, nil })
	vxlan := id(c.network(`{}`))
	flat := id(c.network(`{"provider:network_type": "flat", "provider:physical_network": "physnet1"}`))
	far := id(c.network(`{"provider:network_type": "flat", "provider:physical_network": "physnet2"}`))
	gre := id(c.network(`{"provider:network_type": "gre"}`))
	local := id(c.network(`{"provider:network_type": "local"}`))
	for _, f := range []struct{ name, network, body, want string }{
		{"no host", vxlan, ``, "unbound"},
		{"a tunnel", vxlan, `, "binding:host_id": "hv1"`, "ovs"},
		{"a mapped physical network", flat, `, "binding:host_id": "hv1"`, "ovs"},
		{"a physical network that is not mapped", far, `, "binding:host_id": "hv1"`, "binding_failed"},
		{"a tunnel type that the agent lacks", gre, `, "binding:host_id": "hv1"`, "binding_failed"},
		{"an agent without tunnels", vxlan, `, "binding:host_id": "hv3"`, "binding_failed"},
		{"a local network", local, `, "binding:host_id": "hv3"`, "ovs"},
		{"an agent that is silent", vxlan, `, "binding:host_id": "hv2"`, "binding_failed"},
		{"a host without agent", vxlan, `, "binding:host_id": "hv9"`, "binding_failed"},
		{"an interface that is no tap", vxlan, `, "binding:host_id": "hv1", "binding:vnic_type": "direct"`, "binding_failed"},
	} {
		t.Run(f.name, func(t *testing.T) {
			p := c.port(f.network, f.body)
			details := p["binding:vif_details"].(map[string]any)
			if p["binding:vif_type"] != f.want || (f.want == "ovs") != (len(details) > 0) || p["status"] != "DOWN" {
				t.Errorf("got %v", p)
			}
			if f.want == "ovs" && (details["bridge_name"] != "br-int" || details["datapath_type"] != "netdev" ||
				details["connectivity"] != "l2" || details["port_filter"] != true || details["ovs_hybrid_plug"] != false) {
				t.Errorf("details %v", details)
			}
		})
	}
}

func TestBindingFollowsUpdates(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1")
	n := id(c.network(`{}`))
	p := c.port(n, "")
	path := "/v2.0/ports/" + id(p)
	put := func(body, want string) {
		t.Helper()
		if got := c.must(200, "PUT", path, `{"port": `+body+`}`); got["binding:vif_type"] != want {
			t.Errorf("after %s: %v, want %s", body, got["binding:vif_type"], want)
		}
	}
	put(`{"binding:host_id": "hv1", "device_owner": "compute:nova", "device_id": "vm"}`, "ovs")
	c.agent("hv1", func(a *model.Agent) { a.HeartbeatAt = time.Now().Add(-time.Hour) })
	put(`{"name": "still bound while its agent is away"}`, "ovs")
	put(`{"binding:profile": {"os_vif_delegation": true}}`, "binding_failed")
	put(`{"binding:host_id": null, "binding:profile": null}`, "unbound")
	put(`{"binding:host_id": "hv1"}`, "binding_failed")
	c.agent("hv1")
	put(`{"name": "the next update tries again"}`, "ovs")
}

func TestPortsWhoseBindingFailedAreBoundWhenTheirAgentComes(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	p := c.port(n, `, "binding:host_id": "hv1"`)
	gre := c.port(id(c.network(`{"provider:network_type": "gre"}`)), `, "binding:host_id": "hv1"`)
	c.agent("hv1")
	count, err := c.plugin.RebindHost(context.Background(), c.db, "hv1")
	if err != nil || count != 1 {
		t.Fatalf("%d bound, %v", count, err)
	}
	for port, want := range map[string]string{id(p): "ovs", id(gre): "binding_failed"} {
		if got := c.must(200, "GET", "/v2.0/ports/"+port, nil); got["binding:vif_type"] != want {
			t.Errorf("got %v, want %s", got["binding:vif_type"], want)
		}
	}
	if count, err := c.plugin.RebindHost(context.Background(), c.db, "hv1"); err != nil || count != 0 {
		t.Errorf("again: %d bound, %v", count, err)
	}
}

func TestAPortIsActiveWhenItsHostSaysSo(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1")
	c.agent("hv2")
	p := c.port(id(c.network(`{}`)), `, "binding:host_id": "hv1"`)
	path := "/v2.0/ports/" + id(p)
	report := func(host string, state model.PortState) {
		c.update(func(u *records.Update) error {
			records.PortStatuses.Put(u, &model.PortStatus{PortID: id(p), Host: host, State: state})
			return nil
		})
	}
	status := func() any { return c.must(200, "GET", path, nil)["status"] }
	steps := []struct {
		do   func()
		want string
	}{
		{func() {}, "DOWN"},
		{func() { report("hv1", model.PortActive) }, "ACTIVE"},
		{func() { report("hv1", model.PortError) }, "ERROR"},
		{func() { report("hv2", model.PortActive) }, "DOWN"},
		{func() { report("hv1", model.PortActive) }, "ACTIVE"},
		{func() { c.must(200, "PUT", path, `{"port": {"admin_state_up": false}}`) }, "ACTIVE"}, // until its host closes it
		{func() { report("hv1", model.PortDown) }, "DOWN"},
		{func() { c.must(200, "PUT", path, `{"port": {"admin_state_up": true}}`) }, "DOWN"},
		{func() { report("hv1", model.PortActive) }, "ACTIVE"},
		{func() { c.must(200, "PUT", path, `{"port": {"binding:host_id": "hv2"}}`) }, "DOWN"},
		{func() { report("hv2", model.PortActive) }, "ACTIVE"},
	}
	for i, s := range steps {
		if s.do(); status() != s.want {
			t.Errorf("step %d: %v, want %s", i, status(), s.want)
		}
	}
	c.must(204, "DELETE", path, nil)
	err := c.db.Read(context.Background(), func(r records.Reader) error {
		if n := records.PortStatuses.Len(r); n != 0 {
			t.Errorf("%d states of ports are left", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPortSecurity(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	open := id(c.network(`{"port_security_enabled": false}`))
	group := id(c.create("security-groups", "security_group", `{"name": "web"}`))
	for _, f := range []struct {
		name, network, body string
		secure              bool
		groups              int
	}{
		{"the default group", n, ``, true, 1},
		{"a chosen group, named once", n, `, "security_groups": ["` + group + `"]`, true, 1},
		{"no group", n, `, "security_groups": []`, true, 0},
		{"null is none", n, `, "security_groups": null`, true, 0},
		{"the network's setting", open, ``, false, 0},
		{"against the network's setting", open, `, "port_security_enabled": true`, true, 1},
		{"off", n, `, "port_security_enabled": false`, false, 0},
		{"off, with no groups", n, `, "port_security_enabled": false, "security_groups": []`, false, 0},
		{"the service's own port", n, `, "device_owner": "network:dhcp"`, false, 0},
	} {
		t.Run(f.name, func(t *testing.T) {
			p := c.port(f.network, f.body)
			if p["port_security_enabled"] != f.secure || len(p["security_groups"].([]any)) != f.groups {
				t.Errorf("got %v %v", p["port_security_enabled"], p["security_groups"])
			}
		})
	}
	p := c.port(n, `, "allowed_address_pairs": [{"ip_address": "10.0.0.200"}, {"ip_address": "10.9.0.0/16", "mac_address": "fa:16:3e:00:00:77"}]`)
	pairs := fmt.Sprint(p["allowed_address_pairs"])
	if want := fmt.Sprintf("[map[ip_address:10.0.0.200 mac_address:%s] map[ip_address:10.9.0.0/16 mac_address:fa:16:3e:00:00:77]]", p["mac_address"]); pairs != want {
		t.Errorf("pairs %s, want %s", pairs, want)
	}
	path := "/v2.0/ports/" + id(p)
	c.must(409, "PUT", path, `{"port": {"port_security_enabled": false, "security_groups": []}}`)
	off := c.must(200, "PUT", path, `{"port": {"port_security_enabled": false, "security_groups": [], "allowed_address_pairs": []}}`)
	if off["port_security_enabled"] != false || len(off["allowed_address_pairs"].([]any)) != 0 {
		t.Errorf("got %v", off)
	}
	c.must(200, "PUT", path, `{"port": {"port_security_enabled": true, "security_groups": ["`+group+`"]}}`)
	c.must(409, "DELETE", "/v2.0/security-groups/"+group, nil)
}

func TestNamesAndDHCPOptionsOfAPort(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	p := c.port(n, `, "fixed_ips": [{"ip_address": "10.0.0.3"}], "extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": "a"}, {"opt_name": "tftp-server", "opt_value": "b"}]`)
	path := "/v2.0/ports/" + id(p)
	name := func(o map[string]any) string {
		a := o["dns_assignment"].([]any)[0].(map[string]any)
		return fmt.Sprint(a["hostname"], " ", a["ip_address"], " ", a["fqdn"])
	}
	if got := name(p); got != "host-10-0-0-3 10.0.0.3 host-10-0-0-3.openstacklocal." {
		t.Errorf("got %s", got)
	}
	for given, want := range map[string]string{
		"Web":                "web 10.0.0.3 web.openstacklocal.",
		"db.openstacklocal.": "db 10.0.0.3 db.openstacklocal.",
	} {
		if got := name(c.must(200, "PUT", path, `{"port": {"dns_name": "`+given+`"}}`)); got != want {
			t.Errorf("%s gives %s, want %s", given, got, want)
		}
	}
	got := c.must(200, "PUT", path, `{"port": {"extra_dhcp_opts": [{"opt_name": "tftp-server", "opt_value": null}, {"opt_name": "bootfile-name", "opt_value": "c"}]}}`)
	if text := fmt.Sprint(got["extra_dhcp_opts"]); text != "[map[ip_version:4 opt_name:bootfile-name opt_value:c]]" {
		t.Errorf("options %s", text)
	}
	for _, step := range []struct{ options, want string }{
		{`[{"opt_name": "bootfile-name", "opt_value": "d", "ip_version": 6}]`, "bootfile-name 4 c, bootfile-name 6 d"},
		{`[{"opt_name": "bootfile-name", "opt_value": null, "ip_version": "4"}, {"opt_name": "26", "opt_value": "1400"}]`, "bootfile-name 6 d, 26 4 1400"},
		{`[{"opt_name": "router", "opt_value": ""}, {"opt_name": "none", "opt_value": null}]`, "bootfile-name 6 d, 26 4 1400, router 4 "},
		{`[]`, "bootfile-name 6 d, 26 4 1400, router 4 "},
		{`null`, "bootfile-name 6 d, 26 4 1400, router 4 "},
		{`[{"opt_name": "tag:!ipxe,67", "opt_value": "x"}]`, "bootfile-name 6 d, 26 4 1400, router 4 , tag:!ipxe,67 4 x"}, // Ironic's
	} {
		var have []string
		for _, o := range c.must(200, "PUT", path, `{"port": {"extra_dhcp_opts": `+step.options+`}}`)["extra_dhcp_opts"].([]any) {
			option := o.(map[string]any)
			have = append(have, fmt.Sprintf("%v %v %v", option["opt_name"], option["ip_version"], option["opt_value"]))
		}
		if got := strings.Join(have, ", "); got != step.want {
			t.Errorf("%s gives %s, want %s", step.options, got, step.want)
		}
	}
}

func TestASubnetForAServiceComesFirstAndServesNobodyElse(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	general := id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	guests := id(c.subnet(n, `"ip_version": 4, "cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.100", "end": "10.1.0.200"}], "service_types": ["compute:nova", "network:router_gateway"]`))
	without := id(c.subnet(n, `"ip_version": 4, "cidr": "10.2.0.0/24", "service_types": ["compute:special"], "enable_dhcp": false`))
	for _, f := range []struct{ owner, fixed, want string }{
		{"compute:nova", ``, guests},
		{"", ``, general},
		{"compute:az2", ``, general},
		{"network:dhcp", `, "fixed_ips": [{"subnet_id": "` + guests + `"}]`, guests},
		{"network:dhcp", `, "fixed_ips": [{"subnet_id": "` + without + `"}]`, "InvalidInput"},
		{"", `, "fixed_ips": [{"subnet_id": "` + guests + `"}]`, "InvalidInput"},
		{"", `, "fixed_ips": [{"ip_address": "10.1.0.9"}]`, "InvalidIpForNetwork"},
		{"compute:nova", `, "fixed_ips": [{"ip_address": "10.1.0.9"}]`, guests},
	} {
		_, out, _ := c.call("POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`", "device_owner": "`+f.owner+`"`+f.fixed+`}}`)
		got := refusedType(out)
		if p, ok := out["port"].(map[string]any); ok {
			got = p["fixed_ips"].([]any)[0].(map[string]any)["subnet_id"].(string)
		}
		if got != f.want {
			t.Errorf("owner %q%s: %s, want %s", f.owner, f.fixed, got, f.want)
		}
	}
	guest := c.list("ports?device_owner=compute:nova", "ports")[0]
	kept := guest["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
	got := c.must(200, "PUT", "/v2.0/ports/"+id(guest), `{"port": {"device_owner": "", "fixed_ips": [{"ip_address": "`+kept+`"}, {"subnet_id": "`+general+`"}]}}`)
	if len(addresses(got)) != 2 {
		t.Errorf("a port keeps what it has: %v", addresses(got))
	}
}
