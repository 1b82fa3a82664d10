package api

import "testing"

// testdata/sharing-attributes.json is a Neutron server's table of attributes of
// these resources.

func TestTheTablesOfPoolsAndPoliciesAreNeutrons(t *testing.T) {
	var reference map[string]map[string]flags
	readJSON(t, "sharing-attributes.json", &reference)
	tables := map[string]map[string]flags{
		"subnetpools": flagsOf(poolAttrs()), "address-scopes": flagsOf(scopeAttrs()),
		"address-groups": flagsOf(addressGroupAttrs()), "rbac-policies": flagsOf(policyAttrs()),
	}
	for resource, table := range reference {
		for name, want := range table {
			want.Extension = ""
			if name == "tags" || name == "revision_number" { // the same for all resources
				continue
			}
			if name == "object_type" {
				want.Required = true // its default makes no policy
			}
			if got := tables[resource][name]; got != want {
				t.Errorf("%s of %s: %+v, want %+v", name, resource, got, want)
			}
		}
		for name := range tables[resource] {
			if _, ok := table[name]; !ok && name != "project_id" && name != "tenant_id" {
				t.Errorf("%s has %s, which Neutron does not", resource, name)
			}
		}
	}
}
