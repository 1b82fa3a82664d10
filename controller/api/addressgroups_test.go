package api

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/addressscopes"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/rbacpolicies"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/addressgroups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/subnetpools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

func TestAddressesOfAGroupComeAndGo(t *testing.T) {
	c := newCloud(t)
	g := c.create("address-groups", "address_group", `{"name": "g", "addresses": ["10.1.2.3/24", "2001:db8::/32"]}`)
	path := "/v2.0/address-groups/" + id(g)
	if got := fmt.Sprint(g["addresses"]); got != "[10.1.2.0/24 2001:db8::/32]" {
		t.Errorf("addresses %s", got)
	}
	group := id(c.create("security-groups", "security_group", `{"name": "web"}`))
	rule := c.create("security-group-rules", "security_group_rule",
		`{"security_group_id": "`+group+`", "direction": "ingress", "remote_address_group_id": "`+id(g)+`"}`)
	if rule["remote_address_group_id"] != id(g) {
		t.Errorf("rule %v", rule)
	}
	if got := fmt.Sprint(c.must(200, "PUT", path+"/add_addresses", `{"addresses": ["10.0.0.1/32"]}`)["addresses"]); got != "[10.0.0.1/32 10.1.2.0/24 2001:db8::/32]" {
		t.Errorf("added: %s", got)
	}
	for name, f := range map[string]refusal{
		"there already":   {"PUT " + path + "/add_addresses", `{"addresses": ["10.1.2.9/24"]}`, 400, "AddressesAlreadyExist"},
		"not there":       {"PUT " + path + "/remove_addresses", `{"addresses": ["10.9.9.9/32"]}`, 404, "AddressesNotFound"},
		"none at all":     {"PUT " + path + "/remove_addresses", `{"addresses": ["this is none"]}`, 400, "HTTPBadRequest"},
		"one not there":   {"PUT " + path + "/remove_addresses", `{"addresses": ["10.200.200.200"]}`, 404, "AddressesNotFound"},
		"one there":       {"PUT " + path + "/add_addresses", `{"addresses": ["10.0.0.1"]}`, 400, "AddressesAlreadyExist"},
		"no range, first": {"POST /v2.0/address-groups", `{"address_group": {"addresses": ["10.0.0.1"]}}`, 400, "HTTPBadRequest"},
		"no list":         {"PUT " + path + "/add_addresses", `{"addresses": 5}`, 400, "HTTPBadRequest"},
		"a wrapper":       {"PUT " + path + "/add_addresses", `{"address_group": {"addresses": []}}`, 400, "HTTPBadRequest"},
		"by an update":    {"PUT " + path, `{"address_group": {"addresses": []}}`, 400, "HTTPBadRequest"},
		"named by a rule": {"DELETE " + path, "", 409, "AddressGroupInUse"},
		"none to name": {
			"POST /v2.0/security-group-rules",
			`{"security_group_rule": {"security_group_id": "` + group + `", "direction": "ingress", "remote_address_group_id": "none"}}`, 404, "AddressGroupNotFound",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var method, at string
			if _, err := fmt.Sscan(f.request, &method, &at); err != nil {
				t.Fatal(err)
			}
			var body any
			if f.body != "" {
				body = f.body
			}
			if status, out, _ := c.call(method, at, body); status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	c.must(200, "PUT", path+"/add_addresses", `{"addresses": ["2001:db8:1::1"]}`)
	if got := fmt.Sprint(c.must(200, "PUT", path+"/remove_addresses", `{"addresses": ["10.1.2.0/24", "2001:db8::/32", "10.0.0.1"]}`)["addresses"]); got != "[2001:db8:1::1/128]" {
		t.Errorf("left: %s", got)
	}
	c.must(204, "DELETE", "/v2.0/security-group-rules/"+id(rule), nil)
	c.must(204, "DELETE", path, nil)
}

func TestGophercloudUsesPoolsScopesGroupsAndPolicies(t *testing.T) {
	c := newCloud(t)
	ctx := context.Background()
	client := &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "none"},
		Endpoint:       c.server.URL + "/v2.0/", Type: "network",
	}
	scope := want[*addressscopes.AddressScope](t)(addressscopes.Create(ctx, client, addressscopes.CreateOpts{Name: "s", IPVersion: 4}).Extract())
	pool := want[*subnetpools.SubnetPool](t)(subnetpools.Create(ctx, client, subnetpools.CreateOpts{
		Name: "p", Prefixes: []string{"10.0.0.0/16"}, DefaultPrefixLen: 25, AddressScopeID: scope.ID,
	}).Extract())
	if pool.DefaultPrefixLen != 25 || pool.MinPrefixLen != 8 || pool.MaxPrefixLen != 32 || pool.AddressScopeID != scope.ID || pool.CreatedAt.IsZero() {
		t.Errorf("pool %+v", pool)
	}
	network := want[*networks.Network](t)(networks.Create(ctx, client, networks.CreateOpts{}).Extract())
	subnet := want[*subnets.Subnet](t)(subnets.Create(ctx, client, subnets.CreateOpts{
		NetworkID: network.ID, IPVersion: gophercloud.IPv4, SubnetPoolID: pool.ID, Prefixlen: 24,
	}).Extract())
	if subnet.CIDR != "10.0.0.0/24" || subnet.SubnetPoolID != pool.ID {
		t.Errorf("subnet %+v", subnet)
	}
	group := want[*addressgroups.AddressGroup](t)(addressgroups.Create(ctx, client, addressgroups.CreateOpts{Name: "g", Addresses: []string{"10.0.0.0/8"}}).Extract())
	group = want[*addressgroups.AddressGroup](t)(addressgroups.AddAddresses(ctx, client, group.ID, addressgroups.UpdateAddressesOpts{Addresses: []string{"192.0.2.0/24"}}).Extract())
	if !slices.Equal(group.Addresses, []string{"10.0.0.0/8", "192.0.2.0/24"}) {
		t.Errorf("group %+v", group)
	}
	policy := want[*rbacpolicies.RBACPolicy](t)(rbacpolicies.Create(ctx, client, rbacpolicies.CreateOpts{
		Action: rbacpolicies.ActionAccessShared, ObjectType: "network", TargetTenant: "p2", ObjectID: network.ID,
	}).Extract())
	policy = want[*rbacpolicies.RBACPolicy](t)(rbacpolicies.Update(ctx, client, policy.ID, rbacpolicies.UpdateOpts{TargetTenant: "p3"}).Extract())
	if policy.TargetTenant != "p3" || policy.ObjectID != network.ID {
		t.Errorf("policy %+v", policy)
	}
	for _, err := range []error{
		rbacpolicies.Delete(ctx, client, policy.ID).ExtractErr(),
		addressgroups.Delete(ctx, client, group.ID).ExtractErr(),
		networks.Delete(ctx, client, network.ID).ExtractErr(),
		subnetpools.Delete(ctx, client, pool.ID).ExtractErr(),
		addressscopes.Delete(ctx, client, scope.ID).ExtractErr(),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
