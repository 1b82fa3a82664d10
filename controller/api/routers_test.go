package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

// site is a cloud with an external network, and a project network behind a
// router.
type site struct {
	*cloud
	names map[string]string // $name → id
}

func newSite(t testing.TB, options ...option) *site {
	t.Helper()
	s := &site{newCloud(t, append(options, unlimited)...), map[string]string{}}
	s.names["ext"] = id(s.network(`{"router:external": true}`))
	s.names["extnet"] = id(s.subnet(s.names["ext"], `"ip_version": 4, "cidr": "203.0.113.0/24", "name": "public"`))
	s.names["net"] = id(s.network(`{}`))
	s.names["sub"] = id(s.subnet(s.names["net"], `"ip_version": 4, "cidr": "10.0.0.0/24"`))
	s.names["sub2"] = id(s.subnet(s.names["net"], `"ip_version": 4, "cidr": "10.0.1.0/24"`))
	s.names["other"] = id(s.network(`{}`))
	s.names["twin"] = id(s.subnet(s.names["other"], `"ip_version": 4, "cidr": "10.0.0.0/25"`))
	s.names["open"] = id(s.subnet(s.names["other"], `"ip_version": 4, "cidr": "10.2.0.0/24", "gateway_ip": null`))
	s.names["router"] = id(s.create("routers", "router", s.in(`{"name": "r", "external_gateway_info": {"network_id": "$ext"}}`)))
	return s
}

// in puts ids for the names in a text.
func (s *site) in(text string) string {
	names := make([]string, 0, len(s.names))
	for name := range s.names {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		text = strings.ReplaceAll(text, "$"+name, s.names[name])
	}
	return text
}

// do sends a request that has to give the status.
func (s *site) do(status int, request, body string) map[string]any {
	s.t.Helper()
	method, path, _ := strings.Cut(s.in(request), " ")
	var content any
	if body != "" {
		content = s.in(body)
	}
	return s.must(status, method, "/v2.0/"+path, content)
}

func (s *site) attach(subnet string) map[string]any {
	s.t.Helper()
	return s.do(200, "PUT routers/$router/add_router_interface", `{"subnet_id": "$`+subnet+`"}`)
}

// guest makes a port with an address under the name.
func (s *site) guest(name, address string) {
	s.t.Helper()
	s.names[name] = id(s.port(s.names["net"], `, "name": "`+name+`", "fixed_ips": [{"ip_address": "`+address+`"}]`))
}

// floating takes a floating address; body is the members besides the network.
func (s *site) floating(name, body string) map[string]any {
	s.t.Helper()
	f := s.create("floatingips", "floatingip", s.in(`{"floating_network_id": "$ext"`+body+`}`))
	s.names[name] = id(f)
	return f
}

// empty removes everything and finds what is left claimed.
func (s *site) empty() {
	s.t.Helper()
	for _, f := range s.list("floatingips", "floatingips") {
		for _, pf := range s.list("floatingips/"+id(f)+"/port_forwardings", "port_forwardings") {
			s.must(204, "DELETE", "/v2.0/floatingips/"+id(f)+"/port_forwardings/"+id(pf), nil)
		}
		s.must(204, "DELETE", "/v2.0/floatingips/"+id(f), nil)
	}
	for _, r := range s.list("routers", "routers") {
		s.must(200, "PUT", "/v2.0/routers/"+id(r), `{"router": {"routes": []}}`)
		for _, p := range s.list("ports?device_owner=network:router_interface&device_id="+id(r), "ports") {
			s.must(200, "PUT", "/v2.0/routers/"+id(r)+"/remove_router_interface", `{"port_id": "`+id(p)+`"}`)
		}
		s.must(204, "DELETE", "/v2.0/routers/"+id(r), nil)
	}
	for _, p := range s.list("ports", "ports") {
		s.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	}
	for _, n := range s.list("networks", "networks") {
		s.must(204, "DELETE", "/v2.0/networks/"+id(n), nil)
	}
	for key, owner := range s.claims() {
		if !strings.HasPrefix(key, "sg") && !strings.HasPrefix(key, "quota/") {
			s.t.Errorf("%s is left by %s", key, owner)
		}
	}
}

func TestARouterHasItsGatewayAndItsInterfacesAsPorts(t *testing.T) {
	s := newSite(t)
	router := s.do(200, "GET routers/$router", "")
	gateway := router["external_gateway_info"].(map[string]any)
	if gateway["network_id"] != s.names["ext"] || gateway["enable_snat"] != true || router["status"] != "ACTIVE" {
		t.Errorf("router %v", router)
	}
	outside := s.list("ports?device_owner=network:router_gateway", "ports")
	if len(outside) != 1 || outside[0]["project_id"] != "" || outside[0]["device_id"] != id(router) ||
		fmt.Sprint(outside[0]["fixed_ips"]) != fmt.Sprint(gateway["external_fixed_ips"]) {
		t.Errorf("gateway ports %v", outside)
	}
	added := s.attach("sub")
	if added["id"] != id(router) || added["tenant_id"] != "fake_project_id" || added["network_id"] != s.names["net"] ||
		added["subnet_id"] != s.names["sub"] || fmt.Sprint(added["subnet_ids"]) != "["+s.names["sub"]+"]" {
		t.Errorf("added %v", added)
	}
	port := s.do(200, "GET ports/"+added["port_id"].(string), "")
	for name, want := range map[string]string{
		"device_owner": "network:router_interface", "device_id": id(router), "project_id": "fake_project_id",
		"port_security_enabled": "false", "security_groups": "[]", "binding:vif_type": "unbound", "status": "DOWN",
		"fixed_ips": "[map[ip_address:10.0.0.1 subnet_id:" + s.names["sub"] + "]]",
	} {
		if got := fmt.Sprint(port[name]); got != want {
			t.Errorf("%s of the interface is %s, want %s", name, got, want)
		}
	}
	s.attach("sub2")
	after := s.do(200, "GET routers/$router", "")
	if fmt.Sprint(after["revision_number"]) <= fmt.Sprint(router["revision_number"]) {
		t.Errorf("revision %v after %v", after["revision_number"], router["revision_number"])
	}
	removed := s.do(200, "PUT routers/$router/remove_router_interface", `{"subnet_id": "$sub"}`)
	if removed["port_id"] != id(port) || removed["subnet_id"] != s.names["sub"] {
		t.Errorf("removed %v", removed)
	}
	s.do(404, "GET ports/"+id(port), "")
	s.do(409, "DELETE routers/$router", "")
	s.do(200, "PUT routers/$router/remove_router_interface", `{"subnet_id": "$sub2"}`)
	s.do(204, "DELETE routers/$router", "")
	s.empty()
}

func TestAnInterfaceMayBeAPortThatIsThere(t *testing.T) {
	s := newSite(t)
	s.guest("p", "10.0.0.9")
	s.names["p2"] = id(s.port(s.names["other"], `, "fixed_ips": [{"subnet_id": "`+s.names["open"]+`"}]`))
	added := s.do(200, "PUT routers/$router/add_router_interface", `{"port_id": "$p"}`)
	if added["port_id"] != s.names["p"] || added["subnet_id"] != s.names["sub"] {
		t.Errorf("added %v", added)
	}
	port := s.do(200, "GET ports/$p", "")
	if port["device_owner"] != "network:router_interface" || port["port_security_enabled"] != false || len(port["security_groups"].([]any)) != 0 {
		t.Errorf("port %v", port)
	}
	s.do(200, "PUT routers/$router/add_router_interface", `{"port_id": "$p2"}`)
	s.do(200, "PUT routers/$router/remove_router_interface", `{"port_id": "$p", "subnet_id": "$sub"}`)
	s.do(404, "GET ports/$p", "")
	s.empty()
}

func TestIPv6SubnetsOfANetworkShareAnInterface(t *testing.T) {
	s := newSite(t)
	s.names["six"] = id(s.subnet(s.names["net"], `"ip_version": 6, "cidr": "2001:db8:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`))
	s.names["seven"] = id(s.subnet(s.names["net"], `"ip_version": 6, "cidr": "2001:db8:2::/64"`))
	s.attach("sub")
	first, second := s.attach("six"), s.attach("seven")
	if first["port_id"] != second["port_id"] {
		t.Errorf("ports %v and %v", first["port_id"], second["port_id"])
	}
	path := "GET ports/" + first["port_id"].(string)
	if got := len(s.do(200, path, "")["fixed_ips"].([]any)); got != 2 {
		t.Errorf("%d addresses", got)
	}
	s.do(200, "PUT routers/$router/remove_router_interface", `{"subnet_id": "$six"}`)
	if got := len(s.do(200, path, "")["fixed_ips"].([]any)); got != 1 {
		t.Errorf("%d addresses", got)
	}
	s.do(200, "PUT routers/$router/remove_router_interface", `{"subnet_id": "$seven"}`)
	s.do(404, path, "")
	s.empty()
}

func TestAGatewayIsSetMovedAndCleared(t *testing.T) {
	s := newSite(t)
	s.names["ext2"] = id(s.network(`{"router:external": true}`))
	s.names["extnet2"] = id(s.subnet(s.names["ext2"], `"ip_version": 4, "cidr": "198.51.100.0/24"`))
	put := func(gateway string) any {
		return s.do(200, "PUT routers/$router", `{"router": {"external_gateway_info": `+gateway+`}}`)["external_gateway_info"]
	}
	chosen := put(`{"network_id": "$ext", "enable_snat": false, "external_fixed_ips": [{"ip_address": "203.0.113.77"}]}`)
	if got := fmt.Sprint(chosen); !strings.Contains(got, "203.0.113.77") || !strings.Contains(got, "enable_snat:false") {
		t.Errorf("gateway %v", got)
	}
	if got := fmt.Sprint(put(`{"network_id": "$ext"}`)); !strings.Contains(got, "203.0.113.77") || !strings.Contains(got, "enable_snat:true") {
		t.Errorf("gateway %v", got)
	}
	if got := fmt.Sprint(put(`{"network_id": "$ext2"}`)); !strings.Contains(got, "198.51.100.") {
		t.Errorf("gateway %v", got)
	}
	s.do(200, "PUT networks/$ext", `{"network": {"router:external": false}}`)
	for _, clear := range []string{`null`, `{}`} {
		if got := put(clear); got != nil {
			t.Errorf("gateway %v", got)
		}
	}
	if got := s.list("ports?device_owner=network:router_gateway", "ports"); len(got) != 0 {
		t.Errorf("ports %v", got)
	}
	s.empty()
}

func TestExtraRoutes(t *testing.T) {
	s := newSite(t)
	s.attach("sub")
	routes := func(r map[string]any) string {
		var out []string
		for _, route := range r["routes"].([]any) {
			route := route.(map[string]any)
			out = append(out, fmt.Sprint(route["destination"], " ", route["nexthop"]))
		}
		return strings.Join(out, ", ")
	}
	const one, two = `{"destination": "192.0.2.0/24", "nexthop": "10.0.0.5"}`, `{"destination": "198.18.0.0/15", "nexthop": "203.0.113.1"}`
	for _, step := range []struct{ name, request, body, want string }{
		{"putting", "PUT routers/$router", `{"router": {"routes": [` + one + `]}}`, "192.0.2.0/24 10.0.0.5"},
		{"adding one that is there, and one more", "PUT routers/$router/add_extraroutes", `{"router": {"routes": [` + one + `, ` + two + `]}}`, "192.0.2.0/24 10.0.0.5, 198.18.0.0/15 203.0.113.1"},
		{"removing", "PUT routers/$router/remove_extraroutes", `{"router": {"routes": [` + one + `]}}`, "198.18.0.0/15 203.0.113.1"},
		{"removing what is not there", "PUT routers/$router/remove_extraroutes", `{"router": {"routes": [` + one + `]}}`, "198.18.0.0/15 203.0.113.1"},
		{"clearing", "PUT routers/$router", `{"router": {"routes": null}}`, ""},
	} {
		if got := routes(s.do(200, step.request, step.body)); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	s.empty()
}

func TestRefusalsOfRouters(t *testing.T) {
	s := newSite(t, func(p *plugin.Config, _ *Config) {})
	s.attach("sub")
	s.guest("p", "10.0.0.9")
	s.names["bare"] = id(s.port(s.names["net"], `, "fixed_ips": []`))
	s.names["taken"] = id(s.port(s.names["net"], `, "fixed_ips": [{"ip_address": "10.0.1.1"}]`))
	s.names["used"] = id(s.port(s.names["other"], `, "device_id": "vm"`))
	s.names["inside"] = s.list("ports?device_owner=network:router_interface", "ports")[0]["id"].(string)
	s.names["outside"] = s.list("ports?device_owner=network:router_gateway", "ports")[0]["id"].(string)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.names["router2"] = id(s.create("routers", "router", `{"name": "r2"}`))
	s.do(200, "PUT routers/$router", `{"router": {"routes": [{"destination": "192.0.2.0/24", "nexthop": "10.0.0.5"}]}}`)
	before := len(s.claims())
	const add, remove = "PUT routers/$router/add_router_interface", "PUT routers/$router/remove_router_interface"
	gateway := func(info string) string { return `{"router": {"external_gateway_info": ` + info + `}}` }
	routes := func(list string) string { return `{"router": {"routes": [` + list + `]}}` }
	for name, f := range map[string]struct {
		request, body string
		status        int
		kind          string
	}{
		"an unknown attribute":                  {"POST routers", `{"router": {"x": 1}}`, 400, "HTTPBadRequest"},
		"routes in a create":                    {"POST routers", routes(``), 400, "HTTPBadRequest"},
		"a gateway without a network":           {"POST routers", gateway(`{"enable_snat": true}`), 400, "HTTPBadRequest"},
		"a gateway of a wrong type":             {"POST routers", gateway(`"x"`), 400, "HTTPBadRequest"},
		"an unknown part of a gateway":          {"POST routers", gateway(`{"network_id": "$ext", "x": 1}`), 400, "HTTPBadRequest"},
		"a gateway on a network that is none":   {"POST routers", gateway(`{"network_id": "$none"}`), 404, "NetworkNotFound"},
		"a gateway on an internal network":      {"POST routers", gateway(`{"network_id": "$net"}`), 400, "BadRequest"},
		"a gateway address of elsewhere":        {"POST routers", gateway(`{"network_id": "$ext", "external_fixed_ips": [{"ip_address": "10.0.0.7"}]}`), 400, "InvalidIpForNetwork"},
		"a gateway with another's subnet":       {"POST routers", gateway(`{"network_id": "$ext", "external_fixed_ips": [{"subnet_id": "$sub"}]}`), 400, "InvalidInput"},
		"a snat that is none":                   {"POST routers", gateway(`{"network_id": "$ext", "enable_snat": "maybe"}`), 400, "InvalidInput"},
		"a QoS policy that is none":             {"POST routers", gateway(`{"network_id": "$ext", "qos_policy_id": "$none"}`), 404, "QosPolicyNotFound"},
		"a flavor":                              {"POST routers", `{"router": {"flavor_id": "$none"}}`, 404, "FlavorNotFound"},
		"a zone without an agent":               {"POST routers", `{"router": {"availability_zone_hints": ["z"]}}`, 404, "AvailabilityZoneNotFound"},
		"one bad router of two":                 {"POST routers", `{"routers": [{}, {"external_gateway_info": {"network_id": "$net"}}]}`, 400, "BadRequest"},
		"a router that is none":                 {"PUT routers/$none/add_router_interface", `{"subnet_id": "$sub"}`, 404, "RouterNotFound"},
		"an interface of nothing":               {add, `{}`, 400, "BadRequest"},
		"an interface of both":                  {add, `{"subnet_id": "$sub2", "port_id": "$p"}`, 400, "BadRequest"},
		"an interface of something else":        {add, `{"network_id": "$net"}`, 400, "HTTPBadRequest"},
		"an interface of nonsense":              {add, `{"subnet_id": 7}`, 400, "BadRequest"},
		"no body":                               {add, ``, 400, "HTTPBadRequest"},
		"the same subnet twice":                 {add, `{"subnet_id": "$sub"}`, 400, "BadRequest"},
		"a port of the same subnet":             {add, `{"port_id": "$p"}`, 400, "BadRequest"},
		"an overlapping subnet":                 {add, `{"subnet_id": "$twin"}`, 400, "BadRequest"},
		"the gateway's subnet":                  {add, `{"subnet_id": "$extnet"}`, 400, "BadRequest"},
		"a subnet without a gateway":            {add, `{"subnet_id": "$open"}`, 400, "BadRequest"},
		"a subnet that is none":                 {add, `{"subnet_id": "$none"}`, 404, "SubnetNotFound"},
		"a subnet whose gateway is taken":       {add, `{"subnet_id": "$sub2"}`, 409, "IpAddressAlreadyAllocated"},
		"a port that is none":                   {add, `{"port_id": "$none"}`, 404, "PortNotFound"},
		"a port without addresses":              {add, `{"port_id": "$bare"}`, 400, "BadRequest"},
		"a port in use":                         {add, `{"port_id": "$used"}`, 409, "PortInUse"},
		"the other router's port":               {"PUT routers/$router2/add_router_interface", `{"port_id": "$inside"}`, 409, "PortInUse"},
		"removing nothing":                      {remove, `{}`, 400, "BadRequest"},
		"removing a subnet that is not there":   {remove, `{"subnet_id": "$sub2"}`, 404, "RouterInterfaceNotFoundForSubnet"},
		"removing a subnet that is none":        {remove, `{"subnet_id": "$none"}`, 404, "SubnetNotFound"},
		"removing a port that is not there":     {remove, `{"port_id": "$p"}`, 404, "RouterInterfaceNotFound"},
		"removing the gateway's port":           {remove, `{"port_id": "$outside"}`, 404, "RouterInterfaceNotFound"},
		"removing another router's":             {"PUT routers/$router2/remove_router_interface", `{"port_id": "$inside"}`, 404, "RouterInterfaceNotFound"},
		"removing a port by another subnet":     {remove, `{"port_id": "$inside", "subnet_id": "$sub2"}`, 409, "SubnetMismatchForPort"},
		"removing what a route needs":           {remove, `{"subnet_id": "$sub"}`, 409, "RouterInterfaceInUseByRoute"},
		"reading an action":                     {"GET routers/$router/add_router_interface", ``, 405, "HTTPMethodNotAllowed"},
		"an unknown action":                     {"PUT routers/$router/explode", `{}`, 404, "HTTPNotFound"},
		"deleting a router in use":              {"DELETE routers/$router", ``, 409, "RouterInUse"},
		"deleting an interface's port":          {"DELETE ports/$inside", ``, 409, "ServicePortInUse"},
		"deleting a gateway's port":             {"DELETE ports/$outside", ``, 409, "ServicePortInUse"},
		"giving an interface away":              {"PUT ports/$inside", `{"port": {"device_id": "vm"}}`, 409, "PortInUse"},
		"calling an interface something else":   {"PUT ports/$inside", `{"port": {"device_owner": ""}}`, 409, "PortInUse"},
		"moving an interface":                   {"PUT ports/$inside", `{"port": {"fixed_ips": [{"ip_address": "10.0.0.33"}]}}`, 400, "BadRequest"},
		"moving a gateway":                      {"PUT ports/$outside", `{"port": {"fixed_ips": []}}`, 400, "BadRequest"},
		"a subnet with an interface":            {"DELETE subnets/$sub", ``, 409, "SubnetInUse"},
		"a network with an interface":           {"DELETE networks/$net", ``, 409, "NetworkInUse"},
		"a network with a gateway":              {"DELETE networks/$ext", ``, 409, "NetworkInUse"},
		"an external network in use":            {"PUT networks/$ext", `{"network": {"router:external": false}}`, 409, "ExternalNetworkInUse"},
		"the gateway of a subnet with a router": {"PUT subnets/$sub", `{"subnet": {"gateway_ip": "10.0.0.254", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.99"}]}}`, 409, "GatewayIpInUse"},
		"a next hop that is far away":           {"PUT routers/$router", routes(`{"destination": "192.0.2.0/24", "nexthop": "10.9.0.5"}`), 400, "InvalidRoutes"},
		"a next hop that is the router":         {"PUT routers/$router", routes(`{"destination": "192.0.2.0/24", "nexthop": "10.0.0.1"}`), 400, "InvalidRoutes"},
		"a route twice":                         {"PUT routers/$router", routes(`{"destination": "192.0.2.0/24", "nexthop": "10.0.0.5"}, {"destination": "192.0.2.0/24", "nexthop": "10.0.0.5"}`), 400, "HTTPBadRequest"},
		"a route to nowhere":                    {"PUT routers/$router", routes(`{"destination": "x", "nexthop": "10.0.0.5"}`), 400, "HTTPBadRequest"},
		"adding a bad route":                    {"PUT routers/$router/add_extraroutes", routes(`{"destination": "192.0.2.0/24", "nexthop": "10.9.0.5"}`), 400, "InvalidRoutes"},
		"adding routes of no list":              {"PUT routers/$router/add_extraroutes", `{"router": {}}`, 400, "HTTPBadRequest"},
		"adding routes without a router":        {"PUT routers/$router/add_extraroutes", `{"routes": []}`, 400, "HTTPBadRequest"},
		"adding something else":                 {"PUT routers/$router/add_extraroutes", `{"router": {"routes": [], "name": "x"}}`, 400, "HTTPBadRequest"},
		"too many routes":                       {"PUT routers/$router", routes(manyRoutes(31)), 400, "RoutesExhausted"},
		"an unknown filter":                     {"GET routers?status=ACTIVE", ``, 400, "HTTPBadRequest"},
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
			if after := len(s.claims()); after != before {
				t.Errorf("%d claims, there were %d", after, before)
			}
		})
	}
	s.empty()
}

func manyRoutes(n int) string {
	var routes []string
	for i := range n {
		routes = append(routes, fmt.Sprintf(`{"destination": "192.0.2.%d/32", "nexthop": "10.0.0.5"}`, i))
	}
	return strings.Join(routes, ", ")
}
