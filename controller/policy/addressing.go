package policy

import "github.com/lepton-sdn/lepton/controller/identity"

// addressing is the table of subnet pools and address scopes.
func addressing() []Resource {
	pool := owned("subnetpool", Attribute{Name: "shared", Create: admin}, written("is_default", admin))
	pool.Get = anyOf(reader, identity.Shared)
	pool.Actions = []Action{
		{"add_prefixes", member},
		{"remove_prefixes", member},
		{"onboard_network_subnets", member},
	}
	scope := owned("address_scope", written("shared", admin))
	scope.Get = anyOf(reader, identity.Shared)
	return []Resource{pool, scope}
}
