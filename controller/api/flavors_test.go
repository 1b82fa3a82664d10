package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

func TestFlavorsOfRouters(t *testing.T) {
	s := newSite(t)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.names["driver"] = plugin.Providers()[0].Driver
	flavor := s.made("flavor", "flavors", "flavor", `{"name": "plain", "service_type": "L3_ROUTER_NAT", "description": null, "service_profiles": ["$none"]}`)
	if fmt.Sprint(flavor) != "map[description: enabled:true id:"+s.names["flavor"]+" name:plain service_profiles:[] service_type:L3_ROUTER_NAT]" {
		t.Errorf("flavor %v", flavor)
	}
	s.made("bare", "flavors", "flavor", `{"service_type": "L3_ROUTER_NAT"}`)
	s.made("other", "flavors", "flavor", `{"service_type": "QOS"}`)
	s.made("profile", "service_profiles", "service_profile", `{"driver": "$driver"}`)
	s.made("meta", "service_profiles", "service_profile", `{"metainfo": "{\"a\": 1}", "enabled": false}`)
	associate := func(profile string) string { return `{"service_profile": {"id": "` + profile + `"}}` }
	s.do(201, "POST flavors/$flavor/service_profiles", associate("$profile"))
	s.do(201, "POST flavors/$other/service_profiles", associate("$meta"))
	if got := s.do(200, "GET flavors/$flavor", "")["service_profiles"]; fmt.Sprint(got) != "["+s.names["profile"]+"]" {
		t.Errorf("profiles %v", got)
	}
	if got := s.list(s.in("flavors/$flavor/next_providers"), "next_providers"); len(got) != 1 || got[0]["provider"] != "single_node" || got[0]["driver"] != s.names["driver"] {
		t.Errorf("providers %v", got)
	}
	if got := s.list("service-providers", "service_providers"); fmt.Sprint(got) != "[map[default:false name:dvr service_type:L3_ROUTER_NAT] map[default:true name:single_node service_type:L3_ROUTER_NAT]]" {
		t.Errorf("providers %v", got)
	}
	router := s.made("flavored", "routers", "router", `{"flavor_id": "$flavor"}`)
	if router["flavor_id"] != s.names["flavor"] {
		t.Errorf("router %v", router)
	}
	s.refused(t, map[string]refusal{
		"no type":                      {"POST flavors", `{"flavor": {}}`, 400, "HTTPBadRequest"},
		"a type that is none":          {"POST flavors", `{"flavor": {"service_type": "X"}}`, 400, "InvalidServiceType"},
		"another type":                 {"PUT flavors/$flavor", `{"flavor": {"service_type": "QOS"}}`, 400, "HTTPBadRequest"},
		"a flavor in use":              {"DELETE flavors/$flavor", ``, 409, "FlavorInUse"},
		"an empty profile":             {"POST service_profiles", `{"service_profile": {}}`, 400, "ServiceProfileEmpty"},
		"a driver that is none":        {"POST service_profiles", `{"service_profile": {"driver": "x.y"}}`, 404, "ServiceProfileDriverNotFound"},
		"a profile in use changed":     {"PUT service_profiles/$profile", `{"service_profile": {"enabled": false}}`, 409, "ServiceProfileInUse"},
		"a profile in use deleted":     {"DELETE service_profiles/$profile", ``, 409, "ServiceProfileInUse"},
		"associated already":           {"POST flavors/$flavor/service_profiles", associate("$profile"), 409, "FlavorServiceProfileBindingExists"},
		"associated with none":         {"POST flavors/$flavor/service_profiles", associate("$none"), 404, "ServiceProfileNotFound"},
		"a flavor that is none":        {"POST flavors/$none/service_profiles", associate("$profile"), 404, "FlavorNotFound"},
		"no id":                        {"POST flavors/$flavor/service_profiles", `{"service_profile": {}}`, 400, "HTTPBadRequest"},
		"not associated":               {"DELETE flavors/$flavor/service_profiles/$meta", ``, 404, "FlavorServiceProfileBindingNotFound"},
		"shown and not associated":     {"GET flavors/$flavor/service_profiles/$meta", ``, 404, "FlavorServiceProfileBindingNotFound"},
		"nobody's flavor":              {"GET flavors/$bare/next_providers", ``, 404, "FlavorServiceProfileBindingNotFound"},
		"a profile that is off":        {"GET flavors/$other/next_providers", ``, 503, "ServiceProfileDisabled"},
		"a router of none":             {"POST routers", `{"router": {"flavor_id": "$none"}}`, 404, "FlavorNotFound"},
		"a router of another service":  {"POST routers", `{"router": {"flavor_id": "$other"}}`, 400, "InvalidServiceType"},
		"a router of a bare flavor":    {"POST routers", `{"router": {"flavor_id": "$bare"}}`, 404, "FlavorServiceProfileBindingNotFound"},
		"a router that is distributed": {"POST routers", `{"router": {"flavor_id": "$flavor", "distributed": true}}`, 400, "InvalidInput"},
	})
	s.do(200, "GET flavors/$flavor/service_profiles/$profile", "")
	s.do(200, "PUT flavors/$flavor", `{"flavor": {"enabled": false, "name": "off"}}`)
	s.refused(t, map[string]refusal{"a router of one that is off": {"POST routers", `{"router": {"flavor_id": "$flavor"}}`, 503, "FlavorDisabled"}})
	s.do(204, "DELETE routers/$flavored", "")
	s.do(204, "DELETE flavors/$flavor/service_profiles/$profile", "")
	s.do(200, "PUT service_profiles/$profile", `{"service_profile": {"description": "d"}}`)
	for _, object := range []string{"flavors/$other", "flavors/$flavor", "flavors/$bare", "service_profiles/$profile", "service_profiles/$meta"} {
		s.do(204, "DELETE "+object, "")
	}
	for key := range s.claims() {
		if strings.HasPrefix(key, "flavoruse/") || strings.HasPrefix(key, "profileuse/") {
			t.Errorf("%s is left", key)
		}
	}
}

func TestEverybodySeesFlavorsAndAdministratorsMakeThem(t *testing.T) {
	c := rightsCloud(t)
	admin, member := as("ops", "admin"), as("p1", "member")
	flavor := id(c.must(201, "POST", "/v2.0/flavors", `{"flavor": {"service_type": "L3_ROUTER_NAT"}}`, admin...))
	profile := id(c.must(201, "POST", "/v2.0/service_profiles", `{"service_profile": {"metainfo": "m"}}`, admin...))
	c.must(200, "GET", "/v2.0/flavors/"+flavor, nil, member...)
	c.must(403, "PUT", "/v2.0/flavors/"+flavor, `{"flavor": {"name": "x"}}`, member...)
	c.must(403, "POST", "/v2.0/flavors", `{"flavor": {"service_type": "L3_ROUTER_NAT"}}`, member...)
	c.must(403, "POST", "/v2.0/flavors/"+flavor+"/service_profiles", `{"service_profile": {"id": "`+profile+`"}}`, member...)
	c.must(404, "GET", "/v2.0/service_profiles/"+profile, nil, member...)
}
