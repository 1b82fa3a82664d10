package api

import (
	"slices"
	"testing"
)

// testdata/routing-shapes.json and testdata/routing-attributes.json are a
// Neutron server's for routers and floating addresses; see shapes_test.go.

func TestRoutersAndFloatingAddressesHaveTheShapeOfNeutrons(t *testing.T) {
	var shapes map[string]map[string][]string
	readJSON(t, "routing-shapes.json", &shapes)
	s := newSite(t)
	added := s.attach("sub")
	s.guest("guest", "10.0.0.9")
	floating := s.floating("fip", `, "port_id": "$guest"`)
	router := s.do(200, "GET routers/$router", "")
	samples := map[string]map[string]any{
		"routers":                       router,
		"routers/external_gateway_info": router["external_gateway_info"].(map[string]any),
		"routers/add_router_interface":  added,
		"floatingips":                   floating,
		"floatingips/port_details":      floating["port_details"].(map[string]any),
	}
	for resource, shape := range shapes {
		for name, kinds := range shape {
			value, ok := samples[resource][name]
			if !ok {
				t.Errorf("%s has no %s", resource, name)
			} else if kind := jsonKind(value); !slices.Contains(kinds, kind) {
				t.Errorf("%s of %s is of type %s, want one of %v", name, resource, kind, kinds)
			}
		}
	}
}

func TestTheTablesOfRoutersAndFloatingAddressesAreNeutrons(t *testing.T) {
	var reference map[string]map[string]flags
	readJSON(t, "routing-attributes.json", &reference)
	tables := map[string]map[string]flags{"routers": flagsOf(routerAttrs()), "floatingips": flagsOf(floatingAttrs())}
	for resource, table := range reference {
		for name, want := range table {
			got := tables[resource][name]
			want.Extension = ""
			if name == "tags" { // filtered by the collection
				want.Filter = false
			}
			if got != want {
				t.Errorf("%s of %s: %+v, want %+v", name, resource, got, want)
			}
		}
		for name := range tables[resource] {
			if _, ok := table[name]; !ok && name != "project_id" && name != natExemptAttr {
				t.Errorf("%s has %s, which Neutron does not", resource, name)
			}
		}
	}
}
