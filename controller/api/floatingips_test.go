package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/model"
)

// behind makes a site whose network is behind the router, with guests a and b.
func behind(t testing.TB) *site {
	s := newSite(t)
	s.attach("sub")
	s.guest("guest", "10.0.0.9")
	s.guest("friend", "10.0.0.10")
	return s
}

func TestAFloatingAddressStandsForAFixedOne(t *testing.T) {
	s := behind(t)
	f := s.floating("fip", `, "port_id": "$guest", "description": "d"`)
	for name, want := range map[string]any{
		"floating_network_id": s.names["ext"], "router_id": s.names["router"], "port_id": s.names["guest"],
		"fixed_ip_address": "10.0.0.9", "status": "DOWN", "description": "d", "project_id": "fake_project_id",
	} {
		if f[name] != want {
			t.Errorf("%s is %v, want %v", name, f[name], want)
		}
	}
	port := s.do(200, "GET ports/$guest", "")
	for name, got := range f["port_details"].(map[string]any) {
		if fmt.Sprint(got) != fmt.Sprint(port[name]) {
			t.Errorf("%s of the port is %v, want %v", name, got, port[name])
		}
	}
	outside := s.list("ports?device_owner=network:floatingip", "ports")
	if len(outside) != 1 || outside[0]["project_id"] != "" || outside[0]["device_id"] != id(f) || addresses(outside[0])[0] != f["floating_ip_address"] {
		t.Errorf("ports %v", outside)
	}
	moved := s.do(200, "PUT floatingips/$fip", `{"floatingip": {"port_id": "$friend"}}`)
	if moved["fixed_ip_address"] != "10.0.0.10" || moved["port_id"] != s.names["friend"] {
		t.Errorf("moved %v", moved)
	}
	kept := s.do(200, "PUT floatingips/$fip", `{"floatingip": {"description": "e"}}`)
	if kept["port_id"] != s.names["friend"] || kept["description"] != "e" {
		t.Errorf("kept %v", kept)
	}
	for _, nothing := range []string{`{"port_id": null}`, `{}`} {
		s.do(200, "PUT floatingips/$fip", `{"floatingip": {"port_id": "$guest"}}`)
		freed := s.do(200, "PUT floatingips/$fip", `{"floatingip": `+nothing+`}`)
		for _, name := range []string{"port_id", "fixed_ip_address", "router_id", "port_details"} {
			if freed[name] != nil {
				t.Errorf("after %s: %s of a free one is %v", nothing, name, freed[name])
			}
		}
	}
	s.do(204, "DELETE floatingips/$fip", "")
	if left := s.list("ports?device_owner=network:floatingip", "ports"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	s.empty()
}

func TestAFloatingAddressIsChosen(t *testing.T) {
	s := behind(t)
	s.names["extra"] = id(s.subnet(s.names["ext"], `"ip_version": 4, "cidr": "198.51.100.0/24"`))
	for _, tc := range []struct{ body, want string }{ // what is chosen first, so that nobody gets it by chance
		{`, "floating_ip_address": "203.0.113.50"`, "203.0.113.50"},
		{`, "subnet_id": "$extra", "floating_ip_address": "198.51.100.77"`, "198.51.100.77"},
		{`, "subnet_id": "$extra"`, "198.51.100."},
		{`, "port_id": "$guest", "fixed_ip_address": "10.0.0.9"`, ""},
		{`, "port_id": null, "fixed_ip_address": null, "subnet_id": null`, ""},
		{`, "dns_name": "www", "dns_domain": "example.org.", "port_id":null`, ""},
	} {
		if got := s.floating("f", tc.body)["floating_ip_address"].(string); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %s, want %s", tc.body, got, tc.want)
		}
	}
	pools := s.list("floatingip_pools", "floatingip_pools")
	if len(pools) != 2 {
		t.Errorf("pools %v", pools)
	}
	if same := s.list("floatingip-pools", "floatingip_pools"); fmt.Sprint(same) != fmt.Sprint(pools) {
		t.Errorf("with a hyphen: %v", same)
	}
	for _, pool := range pools {
		if pool["subnet_id"] == s.names["extnet"] && (pool["cidr"] != "203.0.113.0/24" || pool["subnet_name"] != "public" || pool["network_id"] != s.names["ext"]) {
			t.Errorf("pool %v", pool)
		}
	}
	s.empty()
}

func TestWhatGoesWithAPortFreesItsFloatingAddresses(t *testing.T) {
	s := behind(t)
	s.floating("many", ``)
	s.do(201, "POST floatingips/$many/port_forwardings", `{"port_forwarding": {"protocol": "tcp", "external_port": 80, "internal_port": 8080, "internal_port_id": "$guest"}}`)
	s.floating("fip", `, "port_id": "$guest"`)
	s.do(200, "PUT ports/$guest", `{"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.11"}]}}`)
	if got := s.do(200, "GET floatingips/$fip", "")["port_id"]; got != s.names["guest"] {
		t.Errorf("another address frees it: %v", got)
	}
	s.do(200, "PUT ports/$guest", `{"port": {"fixed_ips": [{"ip_address": "10.0.0.11"}]}}`)
	if got := s.do(200, "GET floatingips/$fip", ""); got["port_id"] != nil || got["router_id"] != nil {
		t.Errorf("its address is gone: %v", got)
	}
	if got := s.do(200, "GET floatingips/$many", ""); len(got["port_forwardings"].([]any)) != 0 || got["router_id"] != nil {
		t.Errorf("its address is gone: %v", got)
	}
	s.do(201, "POST floatingips/$many/port_forwardings", `{"port_forwarding": {"protocol": "tcp", "external_port": 80, "internal_port": 8080, "internal_port_id": "$guest"}}`)
	s.do(200, "PUT floatingips/$fip", `{"floatingip": {"port_id": "$guest"}}`)
	s.do(204, "DELETE ports/$guest", "")
	if got := s.do(200, "GET floatingips/$fip", ""); got["port_id"] != nil || got["status"] != "DOWN" {
		t.Errorf("the port is gone: %v", got)
	}
	if got := s.do(200, "GET floatingips/$many", ""); len(got["port_forwardings"].([]any)) != 0 || got["router_id"] != nil {
		t.Errorf("the port is gone: %v", got)
	}
	s.do(200, "PUT routers/$router/remove_router_interface", `{"subnet_id": "$sub"}`)
	s.empty()
}

func TestAnExternalNetworkGoesWithItsFreeFloatingAddresses(t *testing.T) {
	s := behind(t)
	s.floating("fip", `, "port_id": "$guest"`)
	s.floating("free", ``)
	s.do(409, "DELETE networks/$ext", "")
	s.do(200, "GET floatingips/$free", "") // nothing went with the refusal
	s.do(200, "PUT floatingips/$fip", `{"floatingip": {"port_id": null}}`)
	s.do(200, "PUT routers/$router", `{"router": {"external_gateway_info": null}}`)
	s.do(204, "DELETE networks/$ext", "")
	s.do(404, "GET floatingips/$free", "")
	s.empty()
}

func TestRoutersAndFloatingAddressesHaveQuotas(t *testing.T) {
	s := newSite(t)
	s.must(200, "PUT", "/v2.0/quotas/fake_project_id", `{"quota": {"router": 2, "floatingip": 1}}`)
	s.names["second"] = id(s.create("routers", "router", `{}`))
	s.floating("fip", ``)
	for path, body := range map[string]string{
		"routers": `{"router": {"external_gateway_info": {"network_id": "$ext"}}}`, "floatingips": `{"floatingip": {"floating_network_id": "$ext"}}`,
	} {
		before := len(s.claims())
		status, out, _ := s.call("POST", "/v2.0/"+path, s.in(body))
		if status != 409 || refusedType(out) != "OverQuota" || len(s.claims()) != before {
			t.Errorf("%s: %d %v", path, status, out)
		}
	}
	used := s.must(200, "GET", "/v2.0/quotas/fake_project_id/details", nil)
	if got := fmt.Sprint(used["router"], used["floatingip"]); got != "map[limit:2 reserved:0 used:2] map[limit:1 reserved:0 used:1]" {
		t.Errorf("used %s", got)
	}
	s.do(204, "DELETE routers/$second", "")
	s.do(204, "DELETE floatingips/$fip", "")
	s.create("routers", "router", `{}`)
	s.floating("fip", ``)
	s.empty()
	for key := range s.claims() {
		if strings.Contains(key, "/router/") || strings.Contains(key, "/floatingip/") {
			t.Errorf("%s is left", key)
		}
	}
}

func TestFloatingAddressesAreFound(t *testing.T) {
	s := behind(t)
	f := s.floating("fip", `, "port_id": "$guest"`)
	s.floating("free", ``)
	s.do(201, "PUT floatingips/$fip/tags/red", "")
	for filter, want := range map[string]int{
		"": 2, "port_id=$guest": 1, "port_id=$friend": 0, "router_id=$router": 1, "floating_network_id=$ext": 2,
		"floating_ip_address=" + f["floating_ip_address"].(string): 1, "floating_ip_address=nonsense": 0,
		"fixed_ip_address=10.0.0.9": 1, "fixed_ip_address=10.0.0.9&port_id=$guest": 1, "status=DOWN": 2, "status=ACTIVE": 0,
		"project_id=fake_project_id": 2, "project_id=x": 0, "tags=red": 1, "id=$free": 1, "sort_key=floating_ip_address&limit=1": 1,
	} {
		if got := s.list(s.in("floatingips?"+filter), "floatingips"); len(got) != want {
			t.Errorf("%s finds %d, want %d", filter, len(got), want)
		}
	}
	for filter, want := range map[string]int{"name=r": 1, "name=x": 0, "name=": 0, "project_id=x": 0, "admin_state_up=true": 1, "tenant_id=fake_project_id": 1} {
		if got := s.list("routers?"+filter, "routers"); len(got) != want {
			t.Errorf("%s finds %d, want %d", filter, len(got), want)
		}
	}
}

func TestForwardingsOfPorts(t *testing.T) {
	s := behind(t)
	s.floating("fip", ``)
	const at = "floatingips/$fip/port_forwardings"
	one := s.do(201, "POST "+at, `{"port_forwarding": {"protocol": "TCP", "external_port": 2222, "internal_port": 22, "internal_port_id": "$guest", "description": "ssh"}}`)
	for name, want := range map[string]string{
		"protocol": "tcp", "external_port": "2222", "external_port_range": "2222:2222", "internal_port": "22", "internal_port_range": "22:22",
		"internal_ip_address": "10.0.0.9", "internal_port_id": s.names["guest"], "description": "ssh",
	} {
		if got := fmt.Sprint(one[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	s.names["one"] = id(one)
	many := s.do(201, "POST "+at, `{"port_forwarding": {"protocol": "udp", "external_port_range": "5000:5009", "internal_port_range": "6000:6009", "internal_port_id": "$friend", "internal_ip_address": "10.0.0.10"}}`)
	if many["external_port"] != nil || many["external_port_range"] != "5000:5009" || many["internal_port_range"] != "6000:6009" {
		t.Errorf("many %v", many)
	}
	f := s.do(200, "GET floatingips/$fip", "")
	if len(f["port_forwardings"].([]any)) != 2 || f["router_id"] != s.names["router"] || f["port_id"] != nil {
		t.Errorf("floating %v", f)
	}
	for _, shown := range []string{
		"map[external_port:2222 id:" + id(one) + " internal_ip_address:10.0.0.9 internal_port:22 internal_port_id:" + s.names["guest"] + " protocol:tcp]",
		"map[external_port_range:5000:5009 id:" + id(many) + " internal_ip_address:10.0.0.10 internal_port_id:" + s.names["friend"] + " internal_port_range:6000:6009 protocol:udp]",
	} {
		if got := fmt.Sprint(f["port_forwardings"]); !strings.Contains(got, shown) {
			t.Errorf("the floating address shows %s, not %s", got, shown)
		}
	}
	changed := s.do(200, "PUT "+at+"/$one", `{"port_forwarding": {"internal_port_id": "$friend", "external_port_range": "80:81", "internal_port": 8080}}`)
	if changed["internal_ip_address"] != "10.0.0.10" || changed["external_port_range"] != "80:81" || fmt.Sprint(changed["internal_port"]) != "8080" || changed["protocol"] != "tcp" {
		t.Errorf("changed %v", changed)
	}
	for filter, want := range map[string]int{"": 2, "protocol=udp": 1, "external_port=80": 0, "internal_port=8080": 1, "internal_port_id=$friend": 2} {
		if got := s.list(s.in(at+"?"+filter), "port_forwardings"); len(got) != want {
			t.Errorf("%s finds %d, want %d", filter, len(got), want)
		}
	}
	s.do(204, "DELETE "+at+"/$one", "")
	s.do(404, "GET "+at+"/$one", "")
	s.do(204, "DELETE "+at+"/"+id(many), "")
	if f := s.do(200, "GET floatingips/$fip", ""); f["router_id"] != nil {
		t.Errorf("floating %v", f)
	}
	s.empty()
}

func TestRefusalsOfFloatingAddressesAndForwardings(t *testing.T) {
	s := behind(t)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.names["dark"] = id(s.network(`{"router:external": true}`))
	s.names["far"] = id(s.port(s.names["other"], `, "fixed_ips": [{"subnet_id": "`+s.names["open"]+`"}]`))
	s.names["bare"] = id(s.port(s.names["net"], `, "fixed_ips": []`))
	s.names["both"] = id(s.port(s.names["net"], `, "fixed_ips": [{"ip_address": "10.0.0.60"}, {"ip_address": "10.0.0.61"}]`))
	s.names["foreign"] = id(s.port(s.names["net"], `, "project_id": "p2", "fixed_ips": [{"ip_address": "10.0.0.62"}]`))
	s.names["taken"] = s.floating("fip", `, "port_id": "$guest"`)["floating_ip_address"].(string)
	s.floating("free", ``)
	s.floating("many", ``)
	s.names["outside"] = s.list(s.in("ports?device_id=$fip"), "ports")[0]["id"].(string)
	s.names["inside"] = s.list("ports?device_owner=network:router_interface", "ports")[0]["id"].(string)
	const forwardings = "floatingips/$many/port_forwardings"
	const web = `"protocol": "tcp", "external_port": 80, "internal_port": 8080, "internal_port_id": "$friend"`
	s.names["pf"] = id(s.do(201, "POST "+forwardings, `{"port_forwarding": {`+web+`}}`))
	s.names["pf2"] = id(s.do(201, "POST "+forwardings, `{"port_forwarding": {"protocol": "tcp", "external_port_range": "90:99", "internal_port": 90, "internal_port_id": "$friend"}}`))
	before := fmt.Sprint(s.claims())
	make := func(members string) string { return `{"floatingip": {"floating_network_id": "$ext"` + members + `}}` }
	change := func(members string) string { return `{"floatingip": {` + members + `}}` }
	forward := func(members string) string { return `{"port_forwarding": {` + members + `}}` }
	for name, f := range map[string]struct {
		request, body string
		status        int
		kind          string
	}{
		"no network":                           {"POST floatingips", `{"floatingip": {}}`, 400, "HTTPBadRequest"},
		"a network that is none":               {"POST floatingips", `{"floatingip": {"floating_network_id": "$none"}}`, 404, "NetworkNotFound"},
		"an internal network":                  {"POST floatingips", `{"floatingip": {"floating_network_id": "$net"}}`, 400, "BadRequest"},
		"an external network without a subnet": {"POST floatingips", `{"floatingip": {"floating_network_id": "$dark"}}`, 400, "BadRequest"},
		"an address of elsewhere":              {"POST floatingips", make(`, "floating_ip_address": "10.0.0.77"`), 400, "InvalidIpForNetwork"},
		"an address that is taken":             {"POST floatingips", make(`, "floating_ip_address": "$taken"`), 409, "IpAddressAlreadyAllocated"},
		"an address that is none":              {"POST floatingips", make(`, "floating_ip_address": "x"`), 400, "HTTPBadRequest"},
		"a subnet of elsewhere":                {"POST floatingips", make(`, "subnet_id": "$sub"`), 400, "InvalidInput"},
		"a name":                               {"POST floatingips", make(`, "name": "x"`), 400, "HTTPBadRequest"},
		"a fixed address without a port":       {"POST floatingips", make(`, "fixed_ip_address": "10.0.0.9"`), 400, "BadRequest"},
		"a port that is none":                  {"POST floatingips", make(`, "port_id": "$none"`), 404, "PortNotFound"},
		"a port without an address":            {"POST floatingips", make(`, "port_id": "$bare"`), 400, "BadRequest"},
		"a port with two addresses":            {"POST floatingips", make(`, "port_id": "$both"`), 400, "BadRequest"},
		"an address that the port has not":     {"POST floatingips", make(`, "port_id": "$both", "fixed_ip_address": "10.0.0.99"`), 400, "BadRequest"},
		"an address of IPv6":                   {"POST floatingips", make(`, "port_id": "$both", "fixed_ip_address": "2001:db8::1"`), 400, "BadRequest"},
		"a port behind no router":              {"POST floatingips", make(`, "port_id": "$far"`), 404, "ExternalGatewayForFloatingIPNotFound"},
		"a second one for an address":          {"POST floatingips", make(`, "port_id": "$guest"`), 409, "FloatingIPPortAlreadyAssociated"},
		"one bad one of two":                   {"POST floatingips", `{"floatingips": [{"floating_network_id": "$ext"}, {"floating_network_id": "$net"}]}`, 400, "BadRequest"},
		"another address later":                {"PUT floatingips/$fip", change(`"floating_ip_address": "203.0.113.9"`), 400, "HTTPBadRequest"},
		"moving one to an address that has":    {"PUT floatingips/$free", change(`"port_id": "$guest"`), 409, "FloatingIPPortAlreadyAssociated"},
		"moving one to nowhere":                {"PUT floatingips/$fip", change(`"port_id": "$far"`), 404, "ExternalGatewayForFloatingIPNotFound"},
		"a fixed address alone, later":         {"PUT floatingips/$fip", change(`"fixed_ip_address": "10.0.0.9"`), 400, "BadRequest"},
		"one that is none":                     {"PUT floatingips/$none", change(`"port_id": null`), 404, "FloatingIPNotFound"},
		"deleting its port":                    {"DELETE ports/$outside", ``, 409, "ServicePortInUse"},
		"taking its port":                      {"PUT ports/$outside", `{"port": {"device_id": "vm"}}`, 409, "PortInUse"},
		"moving its port":                      {"PUT ports/$outside", `{"port": {"fixed_ips": []}}`, 400, "BadRequest"},
		"its network, internal":                {"PUT networks/$ext", `{"network": {"router:external": false}}`, 409, "ExternalNetworkInUse"},
		"its router's gateway":                 {"PUT routers/$router", `{"router": {"external_gateway_info": null}}`, 409, "RouterExternalGatewayInUseByFloatingIp"},
		"its router's other gateway":           {"PUT routers/$router", `{"router": {"external_gateway_info": {"network_id": "$dark"}}}`, 409, "RouterExternalGatewayInUseByFloatingIp"},
		"its router's interface":               {"PUT routers/$router/remove_router_interface", `{"subnet_id": "$sub"}`, 409, "RouterInterfaceInUseByFloatingIP"},
		"its router's interface, by port":      {"PUT routers/$router/remove_router_interface", `{"port_id": "$inside"}`, 409, "RouterInterfaceInUseByFloatingIP"},

		"associating one with forwardings":         {"PUT floatingips/$many", change(`"port_id": "$friend"`), 409, "FipInUseByPortForwarding"},
		"deleting one with forwardings":            {"DELETE floatingips/$many", ``, 409, "FipInUseByPortForwarding"},
		"forwarding of one in use":                 {"POST floatingips/$fip/port_forwardings", forward(web), 409, "FloatingIPPortAlreadyAssociated"},
		"forwarding to a port with its own":        {"POST " + forwardings, forward(`"protocol": "tcp", "external_port": 7, "internal_port": 7, "internal_port_id": "$guest"`), 409, "PortHasBindingFloatingIP"},
		"changing it to a port with its own":       {"PUT " + forwardings + "/$pf", forward(`"internal_port_id": "$guest"`), 409, "PortHasBindingFloatingIP"},
		"forwarding of none":                       {"POST floatingips/$none/port_forwardings", forward(web), 404, "FloatingIPNotFound"},
		"listing those of none":                    {"GET floatingips/$none/port_forwardings", ``, 404, "FloatingIPNotFound"},
		"a forwarding that is none":                {"GET " + forwardings + "/$none", ``, 404, "PortForwardingNotFound"},
		"a forwarding of another address":          {"DELETE floatingips/$free/port_forwardings/$pf", ``, 404, "PortForwardingNotFound"},
		"the same external port":                   {"POST " + forwardings, forward(`"protocol": "tcp", "external_port": 80, "internal_port": 9, "internal_port_id": "$guest"`), 400, "BadRequest"},
		"an external port in a range":              {"POST " + forwardings, forward(`"protocol": "tcp", "external_port": 95, "internal_port": 9, "internal_port_id": "$guest"`), 400, "BadRequest"},
		"the same internal port":                   {"POST " + forwardings, forward(`"protocol": "tcp", "external_port": 9, "internal_port": 8080, "internal_port_id": "$friend"`), 400, "BadRequest"},
		"changing it to one that is there":         {"PUT " + forwardings + "/$pf", forward(`"external_port": 91`), 400, "BadRequest"},
		"ranges that do not fit":                   {"POST " + forwardings, forward(`"protocol": "tcp", "external_port_range": "100:109", "internal_port_range": "1:3", "internal_port_id": "$friend"`), 400, "BadRequest"},
		"a range backwards":                        {"POST " + forwardings, forward(`"protocol": "tcp", "external_port_range": "109:100", "internal_port": 1, "internal_port_id": "$friend"`), 400, "HTTPBadRequest"},
		"a port and another range":                 {"POST " + forwardings, forward(`"protocol": "tcp", "external_port": 7, "external_port_range": "8:8", "internal_port": 1, "internal_port_id": "$friend"`), 400, "BadRequest"},
		"no external port":                         {"POST " + forwardings, forward(`"protocol": "tcp", "internal_port": 1, "internal_port_id": "$friend"`), 400, "BadRequest"},
		"no internal port":                         {"POST " + forwardings, forward(`"protocol": "tcp", "external_port": 1, "internal_port_id": "$friend"`), 400, "BadRequest"},
		"port 0":                                   {"POST " + forwardings, forward(`"protocol": "tcp", "external_port": 0, "internal_port": 1, "internal_port_id": "$friend"`), 400, "HTTPBadRequest"},
		"port 65536":                               {"POST " + forwardings, forward(`"protocol": "tcp", "external_port_range": "1:65536", "internal_port": 1, "internal_port_id": "$friend"`), 400, "HTTPBadRequest"},
		"a protocol without ports":                 {"POST " + forwardings, forward(`"protocol": "icmp", "external_port": 1, "internal_port": 1, "internal_port_id": "$friend"`), 400, "HTTPBadRequest"},
		"no protocol":                              {"POST " + forwardings, forward(`"external_port": 1, "internal_port": 1, "internal_port_id": "$friend"`), 400, "HTTPBadRequest"},
		"an internal port that is none":            {"POST " + forwardings, forward(`"protocol": "udp", "external_port": 1, "internal_port": 1, "internal_port_id": "$none"`), 404, "PortNotFound"},
		"an internal port behind no router":        {"POST " + forwardings, forward(`"protocol": "udp", "external_port": 1, "internal_port": 1, "internal_port_id": "$far"`), 404, "ExternalGatewayForFloatingIPNotFound"},
		"an internal address that is not there":    {"POST " + forwardings, forward(`"protocol": "udp", "external_port": 1, "internal_port": 1, "internal_port_id": "$friend", "internal_ip_address": "10.0.0.99"`), 400, "BadRequest"},
		"an internal port without an address":      {"POST " + forwardings, forward(`"protocol": "udp", "external_port": 1, "internal_port": 1, "internal_port_id": "$bare"`), 400, "BadRequest"},
		"one bad forwarding of two":                {"POST " + forwardings, `{"port_forwardings": [{"protocol": "udp", "external_port": 1, "internal_port": 1, "internal_port_id": "$friend"}, {"protocol": "udp", "external_port": 1, "internal_port": 2, "internal_port_id": "$friend"}]}`, 400, "BadRequest"},
		"making a pool":                            {"POST floatingip_pools", `{"floatingip_pool": {}}`, 405, "HTTPMethodNotAllowed"},
		"an unknown attribute of a forwarding":     {"POST " + forwardings, forward(web + `, "x": 1`), 400, "HTTPBadRequest"},
		"an unknown filter of floating addresses":  {"GET floatingips?port_details=x", ``, 400, "HTTPBadRequest"},
		"an address that is none in a forwarding":  {"POST " + forwardings, forward(web + `, "internal_ip_address": "x"`), 400, "HTTPBadRequest"},
		"a subnet with a floating address's guest": {"DELETE subnets/$sub", ``, 409, "SubnetInUse"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(s.in(f.request), " ")
			var body any
			if f.body != "" {
				body = s.in(f.body)
			}
			status, out, _ := s.call(method, "/v2.0/"+path, body)
			if status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
			if after := fmt.Sprint(s.claims()); after != before {
				t.Errorf("claims %s, there were %s", after, before)
			}
		})
	}
	s.empty()
}

func TestRightsToRoutersAndFloatingAddresses(t *testing.T) {
	c := rightsCloud(t)
	s := &site{c, map[string]string{}}
	admin, one, two, reader := as("ops", "admin"), as("p1", "member"), as("p2", "member"), as("p1", "reader")
	post := func(who []string, name, collection, key, body string) {
		t.Helper()
		s.names[name] = id(c.must(201, "POST", "/v2.0/"+collection, `{"`+key+`": `+s.in(body)+`}`, who...))
	}
	post(admin, "ext", "networks", "network", `{"router:external": true}`)
	post(admin, "extnet", "subnets", "subnet", `{"network_id": "$ext", "ip_version": 4, "cidr": "203.0.113.0/24"}`)
	post(one, "net", "networks", "network", `{}`)
	post(one, "sub", "subnets", "subnet", `{"network_id": "$net", "ip_version": 4, "cidr": "10.0.0.0/24"}`)
	post(two, "theirs", "networks", "network", `{}`)
	post(two, "theirsub", "subnets", "subnet", `{"network_id": "$theirs", "ip_version": 4, "cidr": "10.9.0.0/24"}`)
	post(one, "router", "routers", "router", `{"external_gateway_info": {"network_id": "$ext"}}`)
	c.must(200, "PUT", s.in("/v2.0/routers/$router/add_router_interface"), s.in(`{"subnet_id": "$sub"}`), one...)
	post(one, "guest", "ports", "port", `{"network_id": "$net"}`)
	post(two, "stranger", "ports", "port", `{"network_id": "$theirs"}`)
	post(one, "fip", "floatingips", "floatingip", `{"floating_network_id": "$ext", "port_id": "$guest"}`)
	post(one, "many", "floatingips", "floatingip", `{"floating_network_id": "$ext"}`)
	post(two, "mine", "floatingips", "floatingip", `{"floating_network_id": "$ext"}`)
	const forward = `{"port_forwarding": {"protocol": "tcp", "external_port": 80, "internal_port": 8080, "internal_port_id": "$guest"}}`
	for _, f := range []struct {
		name    string
		who     []string
		request string
		body    string
		status  int
		kind    string
	}{
		{"the owner sees a router", one, "GET routers/$router", "", 200, ""},
		{"a reader does", reader, "GET routers/$router", "", 200, ""},
		{"a stranger does not", two, "GET routers/$router", "", 404, "RouterNotFound"},
		{"a reader cannot change it", reader, "PUT routers/$router", `{"router": {"name": "x"}}`, 403, "PolicyNotAuthorized"},
		{"a reader cannot attach it", reader, "PUT routers/$router/add_router_interface", `{"subnet_id": "$sub"}`, 403, "PolicyNotAuthorized"},
		{"a reader cannot add routes", reader, "PUT routers/$router/add_extraroutes", `{"router": {"routes": []}}`, 403, "PolicyNotAuthorized"},
		{"a stranger cannot attach it", two, "PUT routers/$router/add_router_interface", `{"subnet_id": "$theirsub"}`, 404, "RouterNotFound"},
		{"nobody attaches what he does not see", one, "PUT routers/$router/add_router_interface", `{"subnet_id": "$theirsub"}`, 404, "SubnetNotFound"},
		{"nor a port", one, "PUT routers/$router/add_router_interface", `{"port_id": "$stranger"}`, 404, "PortNotFound"},
		{"SNAT is for administrators", one, "PUT routers/$router", `{"router": {"external_gateway_info": {"network_id": "$ext", "enable_snat": false}}}`, 403, "PolicyNotAuthorized"},
		{"so are the gateway's addresses", one, "POST routers", `{"router": {"external_gateway_info": {"network_id": "$ext", "external_fixed_ips": [{"subnet_id": "$extnet"}]}}}`, 403, "PolicyNotAuthorized"},
		{"so are kinds of routers", one, "POST routers", `{"router": {"distributed": false}}`, 403, "PolicyNotAuthorized"},
		{"a gateway on what one does not see", two, "POST routers", `{"router": {"external_gateway_info": {"network_id": "$net"}}}`, 404, "NetworkNotFound"},
		{"an administrator may", admin, "PUT routers/$router", `{"router": {"external_gateway_info": {"network_id": "$ext", "enable_snat": false}}}`, 200, ""},
		{"a port that poses as another's router's", two, "PUT ports/$stranger", `{"port": {"device_owner": "network:router_interface", "device_id": "$router"}}`, 409, "DeviceIDNotOwnedByTenant"},
		{"a floating address is chosen by administrators", one, "POST floatingips", `{"floatingip": {"floating_network_id": "$ext", "floating_ip_address": "203.0.113.9"}}`, 403, "PolicyNotAuthorized"},
		{"a stranger's floating address", two, "GET floatingips/$fip", "", 404, "FloatingIPNotFound"},
		{"for a stranger's port", two, "PUT floatingips/$mine", `{"floatingip": {"port_id": "$guest"}}`, 404, "PortNotFound"},
		{"a reader cannot free", reader, "PUT floatingips/$fip", `{"floatingip": {"port_id": null}}`, 403, "PolicyNotAuthorized"},
		{"a stranger's forwardings", two, "GET floatingips/$many/port_forwardings", "", 404, "FloatingIPNotFound"},
		{"a stranger cannot forward", two, "POST floatingips/$many/port_forwardings", forward, 404, "FloatingIPNotFound"},
		{"a reader cannot forward", reader, "POST floatingips/$many/port_forwardings", forward, 403, "PolicyNotAuthorized"},
		{"to a stranger's port", two, "POST floatingips/$mine/port_forwardings", forward, 404, "PortNotFound"},
		{"the owner frees", one, "PUT floatingips/$fip", `{"floatingip": {}}`, 200, ""},
		{"the owner forwards", one, "POST floatingips/$many/port_forwardings", forward, 201, ""},
		{"a reader sees forwardings", reader, "GET floatingips/$many/port_forwardings", "", 200, ""},
		{"everybody sees pools", two, "GET floatingip_pools", "", 200, ""},
	} {
		t.Run(f.name, func(t *testing.T) {
			method, path, _ := strings.Cut(s.in(f.request), " ")
			var body any
			if f.body != "" {
				body = s.in(f.body)
			}
			status, out, _ := c.call(method, "/v2.0/"+path, body, f.who...)
			if status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	if router := c.must(200, "GET", s.in("/v2.0/routers/$router"), nil, one...); router["distributed"] != nil || router["ha"] != nil {
		t.Errorf("a member sees %v", router)
	}
}

func TestPortsOfRoutersAreBoundToNoHost(t *testing.T) {
	s := behind(t)
	s.agent("hv1", func(a *model.Agent) { a.Roles = append(a.Roles, "l3") })
	s.floating("fip", `, "port_id": "$guest"`)
	for _, owner := range []string{"network:router_interface", "network:router_gateway", "network:floatingip"} {
		for _, port := range s.list("ports?device_owner="+owner, "ports") {
			if port["binding:vif_type"] != "unbound" || port["binding:host_id"] != "" || port["status"] != "DOWN" {
				t.Errorf("%s: %v", owner, port)
			}
		}
	}
}

func TestAFloatingAddressIsFreedWhenItsPortLeavesTheSubnet(t *testing.T) {
	s := newSite(t)
	s.attach("sub")
	s.names["guest"] = id(s.port(s.names["net"], s.in(`, "fixed_ips": [{"ip_address": "10.0.0.9"}, {"subnet_id": "$sub2"}]`)))
	s.floating("fip", `, "port_id": "$guest", "fixed_ip_address": "10.0.0.9"`)
	s.names["second"] = id(s.create("routers", "router", `{}`))
	if status, out, _ := s.call("PUT", s.in("/v2.0/routers/$second/add_router_interface"), s.in(`{"port_id": "$guest"}`)); status != 400 {
		t.Fatalf("two IPv4 subnets on one interface: %d %v", status, out)
	}
	s.names["v6"] = id(s.subnet(s.names["net"], `"ip_version": 6, "cidr": "2001:db8::/64"`))
	s.do(200, "PUT ports/$guest", `{"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}, {"subnet_id": "$v6"}]}}`)
	s.do(200, "PUT routers/$second/add_router_interface", `{"port_id": "$guest"}`)
	s.do(200, "PUT routers/$second/remove_router_interface", `{"subnet_id": "$sub"}`)
	if f := s.do(200, "GET floatingips/$fip", ""); f["port_id"] != nil || f["fixed_ip_address"] != nil {
		t.Errorf("a floating address of an address that is gone: %v", f)
	}
}
