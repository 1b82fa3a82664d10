package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
)

// people are those whom the table of rights tells apart: the objects of the
// test belong to project p1, what they are part of to project p2.
func people() map[string]identity.Identity {
	return map[string]identity.Identity{
		"an administrator":              identity.WithRoles("u", "ops", []string{"admin"}),
		"a member":                      identity.WithRoles("u", "p1", []string{"member"}),
		"a reader":                      identity.WithRoles("u", "p1", []string{"reader"}),
		"a member of the network's":     identity.WithRoles("u", "p2", []string{"member"}),
		"a reader of the network's":     identity.WithRoles("u", "p2", []string{"reader"}),
		"an advanced service":           identity.WithRoles("u", "p3", []string{"advsvc"}),
		"a stranger":                    identity.WithRoles("u", "p3", []string{"member"}),
		"somebody without a known role": identity.WithRoles("u", "p1", []string{"other"}),
	}
}

// byName is an authenticator that takes a person's name for a token.
type byName map[string]identity.Identity

func (b byName) Authenticate(r *http.Request) (identity.Identity, error) {
	id, ok := b[r.Header.Get("X-Auth-Token")]
	if !ok {
		return id, fmt.Errorf("nobody: %w", identity.ErrUnauthorized)
	}
	return id, nil
}

func (byName) Challenge() string { return "" }

// scene is a cloud with an object of each resource.
type scene struct {
	*cloud
	shared bool
	// place is a network of p2, and circle a group of p2.
	place, circle string
	count         int
}

func newScene(t *testing.T, shared bool) *scene {
	s := &scene{cloud: newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = byName(people()) }), shared: shared}
	s.place = s.made("networks", "network", fmt.Sprintf(`{"project_id": "p2", "shared": %t}`, shared))
	s.made("subnets", "subnet", `{"project_id": "p2", "network_id": "`+s.place+`", "ip_version": 4, "cidr": "10.0.0.0/16"}`)
	s.circle = s.made("security-groups", "security_group", `{"project_id": "p2", "name": "circle"}`)
	for _, p := range []string{"p1", "p2", "p3"} {
		s.must(200, "PUT", "/v2.0/quotas/"+p, `{"quota": {"network": -1, "subnet": -1, "port": -1, "security_group": -1, "security_group_rule": -1, "router": -1}}`,
			"X-Auth-Token", "an administrator")
	}
	return s
}

func (s *scene) made(path, key, body string) string {
	s.t.Helper()
	return id(s.must(201, "POST", "/v2.0/"+path, `{"`+key+`": `+body+`}`, "X-Auth-Token", "an administrator"))
}

// governedResource is a resource as the test of its rights needs it.
type governedResource struct {
	path, kind string
	tagged     bool
	// body is what a create needs; n makes it unlike others.
	body func(s *scene, n int) string
	// target is an object of p1 in the scene, as rules see it.
	target func(s *scene) identity.Target
	// values are for attributes with rules: what makes the rule be asked.
	values map[string]string
	// still is the attribute that is changed in an update; description when
	// empty.
	still string
}

func governedResources() map[string]governedResource {
	on := func(s *scene) identity.Target {
		return identity.Target{ProjectID: "p1", NetworkProjectID: "p2", Shared: s.shared}
	}
	own := func(*scene) identity.Target { return identity.Target{ProjectID: "p1"} }
	return map[string]governedResource{
		"network": {
			path: "networks", kind: "Network", tagged: true,
			body: func(s *scene, n int) string { return fmt.Sprintf(`"name": "n%d"`, n) },
			target: func(*scene) identity.Target {
				return identity.Target{ProjectID: "p1", NetworkProjectID: "p1"}
			},
			values: map[string]string{
				"shared": "true", "router:external": "true", "is_default": "true", "provider:network_type": `"vxlan"`,
				"provider:physical_network": `"physnet1"`, "provider:segmentation_id": "5", "segments": `[{"provider:network_type": "vxlan"}]`,
			},
		},
		"subnet": {
			path: "subnets", kind: "Subnet", tagged: true, target: on,
			body: func(s *scene, n int) string {
				return fmt.Sprintf(`"network_id": %q, "ip_version": 4, "cidr": "10.%d.%d.0/24"`, s.place, 1+n/256, n%256)
			},
			values: map[string]string{"segment_id": `"00000000-0000-4000-8000-000000000001"`},
		},
		"port": {
			path: "ports", kind: "Port", tagged: true, target: on,
			body: func(s *scene, _ int) string { return fmt.Sprintf(`"network_id": %q`, s.place) },
			values: map[string]string{
				"device_owner": `"network:dhcp"`, "mac_address": `"fa:16:3e:aa:bb:cc"`,
				"fixed_ips": `[]`, "fixed_ips:ip_address": `[{"ip_address": "10.0.9.9"}]`, "fixed_ips:subnet_id": `[{"subnet_id": "00000000-0000-4000-8000-000000000001"}]`,
				"port_security_enabled": "true", "allowed_address_pairs": "[]", "binding:host_id": `"hv1"`, "binding:profile": "{}",
				"data_plane_status": `"DOWN"`,
			},
		},
		"security_group": {
			path: "security-groups", kind: "SecurityGroup", tagged: true,
			body:   func(_ *scene, n int) string { return fmt.Sprintf(`"name": "g%d"`, n) },
			target: own,
		},
		"security_group_rule": {
			path: "security-group-rules", kind: "SecurityGroupRule",
			body: func(s *scene, n int) string {
				return fmt.Sprintf(`"security_group_id": %q, "direction": "ingress", "protocol": "tcp", "port_range_min": %d, "port_range_max": %d`, s.circle, 1000+n, 1000+n)
			},
			target: func(*scene) identity.Target { return identity.Target{ProjectID: "p1", NetworkProjectID: "p2"} },
		},
		"address_group": {
			path: "address-groups", kind: "AddressGroup", target: own,
			body: func(_ *scene, n int) string { return fmt.Sprintf(`"name": "a%d"`, n) },
		},
		"address_scope": {
			path: "address-scopes", kind: "AddressScope", target: own,
			body:   func(_ *scene, n int) string { return fmt.Sprintf(`"name": "s%d", "ip_version": 4`, n) },
			values: map[string]string{"shared": "true"},
			still:  "name",
		},
		"subnetpool": {
			path: "subnetpools", kind: "SubnetPool", tagged: true, target: own,
			body: func(_ *scene, n int) string {
				return fmt.Sprintf(`"name": "p%d", "prefixes": ["10.%d.0.0/16"]`, n, n%256)
			},
			values: map[string]string{"is_default": "true"},
		},
		"router": {
			path: "routers", kind: "Router", tagged: true, target: own,
			body: func(_ *scene, n int) string { return fmt.Sprintf(`"name": "r%d"`, n) },
			values: map[string]string{
				"distributed": "false", "ha": "false", "lepton_nat_exempt": `["198.51.100.0/24"]`,
				"external_gateway_info:enable_snat":        `{"network_id": "00000000-0000-4000-8000-000000000001", "enable_snat": true}`,
				"external_gateway_info:external_fixed_ips": `{"network_id": "00000000-0000-4000-8000-000000000001", "external_fixed_ips": [{"ip_address": "10.0.9.9"}]}`,
			},
		},
	}
}

// object makes an object of p1.
func (s *scene) object(name string, g governedResource) string {
	s.t.Helper()
	s.count++
	return s.made(g.path, name, `{"project_id": "p1", `+g.body(s, s.count)+`}`)
}

// statusOf is the status for who may not write: 404 for who may not even see.
func statusOf(sees, may bool, done int) int {
	switch {
	case !sees:
		return http.StatusNotFound
	case !may:
		return http.StatusForbidden
	}
	return done
}

func TestTheAPIKeepsTheTableOfRights(t *testing.T) {
	for name, g := range governedResources() {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shared %t", name, shared), func(t *testing.T) {
				s := newScene(t, shared)
				rights, target := policy.Of(name), g.target(s)
				object := s.object(name, g)
				for person, who := range people() {
					sees := policy.May(rights.Get, who, target)
					mayUpdate, mayDelete := policy.May(rights.Update, who, target), policy.May(rights.Delete, who, target)
					expect := func(what, method, path, body string, want int) {
						t.Helper()
						var sent any
						if body != "" {
							sent = body
						}
						status, out, _ := s.call(method, "/v2.0/"+path, sent, "X-Auth-Token", person)
						kind := map[int]string{404: g.kind + "NotFound", 403: "PolicyNotAuthorized"}[want]
						if status != want || kind != refusedType(out) {
							t.Errorf("%s: %s: %d %v, want %d", what, person, status, out, want)
						}
					}
					expect("show", "GET", g.path+"/"+object, "", statusOf(sees, true, 200))
					expect("update", "PUT", g.path+"/"+object, `{"`+name+`": {"`+cmp.Or(g.still, "description")+`": "d"}}`, statusOf(sees, mayUpdate, 200))
					if g.tagged {
						expect("tag", "PUT", g.path+"/"+object+"/tags/t", "", statusOf(sees, mayUpdate, 201))
						expect("tags", "GET", g.path+"/"+object+"/tags", "", statusOf(sees, true, 200))
					}
					_, out, _ := s.call("GET", "/v2.0/"+g.path+"?id="+object, nil, "X-Auth-Token", person)
					if n := len(out[strings.ReplaceAll(g.path, "-", "_")].([]any)); n == 1 != sees {
						t.Errorf("%s finds %d in the list, sees it: %t", person, n, sees)
					}
					expect("delete", "DELETE", g.path+"/"+object, "", statusOf(sees, mayDelete, 204))
					if sees && mayDelete {
						object = s.object(name, g)
					}
				}
			})
		}
	}
}

func TestWhoMayMakeThings(t *testing.T) {
	for name, g := range governedResources() {
		s := newScene(t, true)
		rights := policy.Of(name)
		for person, who := range people() {
			if name == "security_group_rule" && who.ProjectID != "p2" && !who.Admin {
				continue // the group is not theirs to see
			}
			target := g.target(s)
			target.ProjectID = who.ProjectID
			want := statusOf(true, policy.May(rights.Create, who, target), 201)
			s.count++
			status, out, _ := s.call("POST", "/v2.0/"+g.path, `{"`+name+`": {`+g.body(s, s.count)+`}}`, "X-Auth-Token", person)
			if status != want {
				t.Errorf("%s makes a %s: %d %v, want %d", person, name, status, out, want)
			}
			if who.Admin {
				continue
			}
			s.count++
			status, out, _ = s.call("POST", "/v2.0/"+g.path, `{"`+name+`": {"project_id": "elsewhere", `+g.body(s, s.count)+`}}`, "X-Auth-Token", person)
			if status != 400 {
				t.Errorf("%s makes a %s for another project: %d %v, want 400", person, name, status, out)
			}
		}
	}
}

func TestAttributesWithRulesOfTheirOwn(t *testing.T) {
	for name, g := range governedResources() {
		for _, shared := range []bool{false, true} {
			s := newScene(t, shared)
			object := s.object(name, g)
			_, all, _ := s.call("GET", "/v2.0/"+g.path+"/"+object, nil, "X-Auth-Token", "an administrator")
			rights := policy.Of(name)
			for _, row := range rights.Attributes {
				attribute, _, _ := strings.Cut(row.Name, ":")
				if !slices.Contains([]string{"fixed_ips", "external_gateway_info"}, attribute) {
					attribute = row.Name
				}
				_, shown := all[name].(map[string]any)[attribute]
				for person, who := range people() {
					target := g.target(s)
					if !policy.May(rights.Get, who, target) {
						continue
					}
					where := fmt.Sprintf("%s of a %s (shared %t), %s", row.Name, name, shared, person)
					_, out, _ := s.call("GET", "/v2.0/"+g.path+"/"+object, nil, "X-Auth-Token", person)
					if _, ok := out[name].(map[string]any)[attribute]; ok != (shown && policy.MayAttribute(row.Read, who, target)) {
						t.Errorf("%s: shown %t", where, ok)
					}
					if row.Update == nil || !policy.May(rights.Update, who, target) {
						continue
					}
					value, ok := g.values[row.Name]
					if !ok {
						t.Fatalf("%s: the test has no value for it", where)
					}
					if row.Name == "device_owner" {
						target.Value = "network:dhcp"
					}
					may := policy.MayAttribute(row.Update, who, target)
					if row.Name != attribute { // a part is allowed where the whole is
						may = may && policy.MayAttribute(rights.Attribute(attribute).Update, who, target)
					}
					status, out, _ := s.call("PUT", "/v2.0/"+g.path+"/"+object, `{"`+name+`": {"`+attribute+`": `+value+`}}`, "X-Auth-Token", person)
					if strings.Contains(fmt.Sprint(out), "Unrecognized attribute") {
						continue // one that the table has for later
					}
					if refused := status == 403; refused == may || refused && refusedType(out) != "PolicyNotAuthorized" {
						t.Errorf("%s: %d %v, may: %t", where, status, out, may)
					}
				}
			}
		}
	}
}

func TestWhatBelongsToTheCloudIsForAdministrators(t *testing.T) {
	s := newScene(t, false)
	agent := s.agent("hv1").ID
	quota := policy.Of("quota")
	for person, who := range people() {
		target := identity.Target{ProjectID: "p1"}
		// Limits are not objects that one could not see: 403 without the right.
		for _, f := range []struct {
			method, path, body string
			want               int
		}{
			{"GET", "quotas/p1", "", statusOf(true, policy.May(quota.Get, who, target), 200)},
			{"GET", "quotas/p1/details", "", statusOf(true, policy.May(quota.Get, who, target), 200)},
			{"PUT", "quotas/p1", `{"quota": {"port": 7}}`, statusOf(true, policy.May(quota.Update, who, target), 200)},
			{"DELETE", "quotas/p1", "", statusOf(true, policy.May(quota.Delete, who, target), 204)},
			{"GET", "quotas", "", statusOf(true, who.Admin, 200)},
			{"GET", "agents/" + agent, "", statusOf(who.Admin, true, 200)},
			{"PUT", "agents/" + agent, `{"agent": {"description": "d"}}`, statusOf(who.Admin, true, 200)},
			{"GET", "agents", "", 200},
			{"GET", "availability_zones", "", 200},
			{"GET", "network-ip-availabilities", "", 200},
		} {
			var body any
			if f.body != "" {
				body = f.body
			}
			status, out, _ := s.call(f.method, "/v2.0/"+f.path, body, "X-Auth-Token", person)
			if status != f.want {
				t.Errorf("%s %s: %s: %d %v, want %d", f.method, f.path, person, status, out, f.want)
			}
			for _, key := range []string{"agents", "network_ip_availabilities"} {
				if items, ok := out[key].([]any); ok && (len(items) > 0) != who.Admin {
					t.Errorf("%s sees %d %s", person, len(items), key)
				}
			}
		}
		if !who.Admin {
			if status, out, _ := s.call("DELETE", "/v2.0/agents/"+agent, nil, "X-Auth-Token", person); status != 404 {
				t.Errorf("%s deletes an agent: %d %v", person, status, out)
			}
		}
	}
}

func TestSayingWhatHoldsAnywayNeedsNoRight(t *testing.T) {
	s := newScene(t, true)
	for body, want := range map[string]int{
		`{"shared": false, "router:external": false, "is_default": false}`: 201,
		`{"shared": true}`: 403,
	} {
		if status, out, _ := s.call("POST", "/v2.0/networks", `{"network": `+body+`}`, "X-Auth-Token", "a member"); status != want {
			t.Errorf("%s: %d %v, want %d", body, status, out, want)
		}
	}
}

func TestATokenOfNoProjectNeedsOneForWhatItMakes(t *testing.T) {
	everywhere := byName{"system": identity.WithRoles("u", "", []string{"admin"})}
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = everywhere })
	for _, f := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "networks", `{"network": {}}`, 400},
		{"POST", "networks", `{"network": {"project_id": "p1"}}`, 201},
		{"GET", "networks", "", 200},
		{"GET", "security-groups", "", 200},
	} {
		var body any
		if f.body != "" {
			body = f.body
		}
		if status, out, _ := c.call(f.method, "/v2.0/"+f.path, body, "X-Auth-Token", "system"); status != f.status {
			t.Errorf("%s %s %s: %d %v, want %d", f.method, f.path, f.body, status, out, f.status)
		}
	}
}

func TestWhenNobodyCanSayWhoSendsTheAnswerIs503(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = away{} })
	status, out, header := c.call("GET", "/v2.0/networks", nil)
	if status != 503 || header.Get("Retry-After") == "" || refusedType(out) != "ServiceUnavailable" {
		t.Errorf("%d %v %v", status, out, header)
	}
	if text := fmt.Sprint(out); strings.Contains(text, "inner address") {
		t.Errorf("clients are told the reason: %s", text)
	}
}

// away is an authenticator that gets no answer.
type away struct{}

func (away) Authenticate(*http.Request) (identity.Identity, error) {
	return identity.Identity{}, fmt.Errorf("%w: inner address", identity.ErrUnavailable)
}

func (away) Challenge() string { return "" }
