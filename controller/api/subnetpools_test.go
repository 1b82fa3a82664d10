package api

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
)

func (c *cloud) pool(body string) map[string]any {
	c.t.Helper()
	return c.create("subnetpools", "subnetpool", body)
}

func TestSubnetsComeFromAPool(t *testing.T) {
	c := newCloud(t)
	pool := c.pool(`{"name": "p", "prefixes": ["10.211.0.0/16", "10.210.0.0/16"], "default_prefixlen": 26, "is_default": true}`)
	if got := fmt.Sprintf("%v %v %v %v %v %v", pool["prefixes"], pool["ip_version"], pool["min_prefixlen"], pool["max_prefixlen"], pool["default_prefixlen"], pool["default_quota"]); got != "[10.210.0.0/15] 4 8 32 26 <nil>" {
		t.Errorf("pool %s", got)
	}
	if _, ok := pool["min_prefixlen"].(string); !ok {
		t.Errorf("lengths are not text: %v", pool)
	}
	for i, f := range []struct{ body, cidr string }{
		{`"subnetpool_id": "$pool"`, "10.210.0.0/26"},
		{`"use_default_subnetpool": true`, "10.210.0.64/26"},
		{`"subnetpool_id": "$pool", "prefixlen": 24`, "10.210.1.0/24"},
		{`"subnetpool_id": "$pool", "cidr": "10.211.7.0/24"`, "10.211.7.0/24"},
		{`"subnetpool_id": "$pool", "prefixlen": 25`, "10.210.0.128/25"},
	} {
		n := id(c.network(`{}`))
		s := c.subnet(n, `"ip_version": 4, `+strings.ReplaceAll(f.body, "$pool", id(pool)))
		if s["cidr"] != f.cidr || s["subnetpool_id"] != id(pool) || s["gateway_ip"] == nil {
			t.Errorf("%d: %v, want %s", i, s, f.cidr)
		}
	}
	gone := c.list("subnets?cidr=10.210.0.64/26", "subnets")[0]
	c.must(204, "DELETE", "/v2.0/subnets/"+id(gone), nil)
	if s := c.subnet(id(c.network(`{}`)), `"ip_version": 4, "use_default_subnetpool": true`); s["cidr"] != gone["cidr"] {
		t.Errorf("the range of a deleted subnet is not used again: %v", s["cidr"])
	}
}

func TestPrefixesOfAPoolComeAndGo(t *testing.T) {
	c := newCloud(t)
	path := "/v2.0/subnetpools/" + id(c.pool(`{"name": "p", "prefixes": ["10.0.0.0/24"]}`))
	if got := fmt.Sprint(c.must(200, "PUT", path+"/add_prefixes", `{"prefixes": ["10.0.1.0/24", "10.8.0.0/16"]}`)["prefixes"]); got != "[10.0.0.0/23 10.8.0.0/16]" {
		t.Errorf("after adding: %s", got)
	}
	if got := fmt.Sprint(c.must(200, "PUT", path+"/remove_prefixes", `{"prefixes": ["10.8.0.0/16"]}`)["prefixes"]); got != "[10.0.0.0/23]" {
		t.Errorf("after removing: %s", got)
	}
	n := id(c.network(`{}`))
	s := id(c.subnet(n, `"ip_version": 4, "cidr": "192.0.2.0/24"`))
	c.must(200, "PUT", path+"/onboard_network_subnets", `{"network_id": "`+n+`"}`)
	if got := c.must(200, "GET", "/v2.0/subnets/"+s, nil); "/v2.0/subnetpools/"+fmt.Sprint(got["subnetpool_id"]) != path {
		t.Errorf("subnet %v", got)
	}
	after := c.must(200, "PUT", path, `{"subnetpool": {"prefixes": ["10.0.0.0/16", "192.0.2.0/24"], "default_quota": 7}}`)
	if got := fmt.Sprintf("%v %v", after["prefixes"], after["default_quota"]); got != "[10.0.0.0/16 192.0.2.0/24] 7" {
		t.Errorf("after the update: %s", got)
	}
}

func TestNetworksShowTheAddressScopesOfTheirSubnets(t *testing.T) {
	c := newCloud(t)
	scope := id(c.create("address-scopes", "address_scope", `{"name": "s", "ip_version": 6}`))
	pool := id(c.pool(`{"name": "p", "prefixes": ["2001:db8::/48"], "address_scope_id": "` + scope + `"}`))
	n := id(c.network(`{}`))
	if s := c.subnet(n, `"ip_version": 6, "subnetpool_id": "`+pool+`"`); s["cidr"] != "2001:db8::/64" {
		t.Errorf("subnet %v", s)
	}
	if got := c.must(200, "GET", "/v2.0/networks/"+n, nil); got["ipv6_address_scope"] != scope || got["ipv4_address_scope"] != nil {
		t.Errorf("network %v", got)
	}
}

func TestAPoolInTheScopeOfAnotherProject(t *testing.T) {
	c := rightsCloud(t)
	admin, one := as("ops", "admin"), as("p1", "member")
	scope := c.as(admin, "address-scopes", "address_scope", `{"ip_version": 4}`)
	policy := c.share(admin, "address_scope", scope, "p1")
	pool := c.as(one, "subnetpools", "subnetpool", `{"name": "p", "prefixes": ["10.0.0.0/24"], "address_scope_id": "`+scope+`"}`)
	path := "/v2.0/subnetpools/" + pool
	share := func(target string) string {
		return `{"rbac_policy": {"object_type": "subnetpool", "object_id": "` + pool + `", "action": "access_as_shared", "target_tenant": "` + target + `"}}`
	}
	own := c.share(one, "subnetpool", pool, "ops") // it owns the scope
	for name, f := range map[string]struct {
		who                []string
		method, path, body string
		kind               string
	}{
		"shared with who has not the scope": {one, "POST", "/v2.0/rbac-policies", share("p2"), "RbacPolicyInitError"},
		"shared with everybody":             {admin, "POST", "/v2.0/rbac-policies", share("*"), "RbacPolicyInitError"},
		"shared with another later":         {one, "PUT", "/v2.0/rbac-policies/" + own, `{"rbac_policy": {"target_tenant": "p2"}}`, "RbacPolicyInitError"},
		"other prefixes":                    {one, "PUT", path, `{"subnetpool": {"prefixes": ["10.0.0.0/24", "10.8.0.0/24"]}}`, "IllegalSubnetPoolUpdate"},
		"more prefixes":                     {one, "PUT", path + "/add_prefixes", `{"prefixes": ["10.8.0.0/24"]}`, "IllegalSubnetPoolUpdate"},
		"less prefixes":                     {one, "PUT", path + "/remove_prefixes", `{"prefixes": ["10.0.0.0/25"]}`, "IllegalSubnetPoolUpdate"},
		"out of the scope":                  {one, "PUT", path, `{"subnetpool": {"address_scope_id": null}}`, "IllegalSubnetPoolUpdate"},
	} {
		t.Run(name, func(t *testing.T) {
			if status, out, _ := c.call(f.method, f.path, f.body, f.who...); status != 400 || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %s", status, out, f.kind)
			}
		})
	}
	c.must(200, "PUT", path, `{"subnetpool": {"name": "q"}}`, one...)
	c.must(200, "PUT", path, `{"subnetpool": {"prefixes": ["10.0.0.0/24", "10.8.0.0/24"]}}`, admin...)
	c.share(admin, "address_scope", scope, "p2")
	c.share(one, "subnetpool", pool, "p2")
	c.must(200, "PUT", "/v2.0/rbac-policies/"+policy, `{"rbac_policy": {"target_tenant": "*"}}`, admin...)
	c.share(admin, "subnetpool", pool, "*")
}

func poolFixture(c *cloud) *strings.Replacer {
	scope := id(c.create("address-scopes", "address_scope", `{"name": "s", "ip_version": 4, "shared": true}`))
	six := id(c.create("address-scopes", "address_scope", `{"name": "s6", "ip_version": 6}`))
	pool := id(c.pool(`{"name": "p", "prefixes": ["10.0.0.0/24"], "address_scope_id": "` + scope + `", "min_prefixlen": 25, "max_prefixlen": 28, "is_default": true}`))
	c.pool(`{"name": "r", "prefixes": ["192.0.2.0/24"], "address_scope_id": "` + scope + `"}`)
	other := id(c.pool(`{"name": "q", "prefixes": ["10.9.0.0/16"], "default_quota": 256}`))
	n := id(c.network(`{}`))
	s := id(c.subnet(n, `"ip_version": 4, "subnetpool_id": "`+pool+`", "cidr": "10.0.0.0/25"`))
	plain := id(c.network(`{}`))
	c.subnet(plain, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	return strings.NewReplacer("$scope", scope, "$six", six, "$pool", pool, "$other", other, "$network", n, "$subnet", s,
		"$plain", plain, "$empty", id(c.network(`{}`)), "$uuid", "11111111-2222-4333-8444-555555555555")
}

func poolRefusals() map[string]refusal {
	make := func(body string, status int, kind string) refusal {
		return refusal{"POST subnetpools", `{"subnetpool": {"name": "x", ` + body + `}}`, status, kind}
	}
	change := func(body string, status int, kind string) refusal {
		return refusal{"PUT subnetpools/$pool", `{"subnetpool": {` + body + `}}`, status, kind}
	}
	cut := func(network, body string, status int, kind string) refusal {
		return refusal{"POST subnets", `{"subnet": {"network_id": "` + network + `", "ip_version": 4, ` + body + `}}`, status, kind}
	}
	const bounds = "IllegalSubnetPoolPrefixBounds"
	return map[string]refusal{
		"no prefixes":                    make(`"prefixes": []`, 400, "EmptySubnetPoolPrefixList"),
		"prefixes are missing":           make(`"default_prefixlen": 24`, 400, "HTTPBadRequest"),
		"no name":                        {"POST subnetpools", `{"subnetpool": {"name": "", "prefixes": ["10.0.0.0/8"]}}`, 400, "HTTPBadRequest"},
		"not a prefix":                   make(`"prefixes": ["10.0.0.0"]`, 400, "HTTPBadRequest"),
		"a prefix twice":                 make(`"prefixes": ["10.0.0.0/8", "10.0.0.0/8"]`, 400, "HTTPBadRequest"),
		"two families":                   make(`"prefixes": ["10.0.0.0/8", "2001:db8::/48"]`, 400, "PrefixVersionMismatch"),
		"minimum beyond the family":      make(`"prefixes": ["10.0.0.0/8"], "min_prefixlen": 33`, 400, "UnsupportedMinSubnetPoolPrefix"),
		"maximum beyond the family":      make(`"prefixes": ["10.0.0.0/8"], "max_prefixlen": 33`, 400, bounds),
		"minimum above maximum":          make(`"prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "max_prefixlen": 20`, 400, bounds),
		"default below minimum":          make(`"prefixes": ["10.0.0.0/8"], "default_prefixlen": 7`, 400, bounds),
		"default above maximum":          make(`"prefixes": ["10.0.0.0/8"], "max_prefixlen": 24, "default_prefixlen": 25`, 400, bounds),
		"a second default":               make(`"prefixes": ["172.16.0.0/12"], "is_default": true`, 400, "InvalidInput"),
		"an address scope that is not":   make(`"prefixes": ["172.16.0.0/12"], "address_scope_id": "$uuid"`, 404, "AddressScopeNotFound"),
		"a scope of the other family":    make(`"prefixes": ["172.16.0.0/12"], "address_scope_id": "$six"`, 400, "IllegalSubnetPoolIpVersionAssociationToAddressScope"),
		"an overlap in the scope":        make(`"prefixes": ["10.0.0.128/25"], "address_scope_id": "$scope"`, 409, "AddressScopePrefixConflict"),
		"fewer prefixes":                 change(`"prefixes": ["10.0.0.0/25"]`, 400, "IllegalSubnetPoolPrefixUpdate"),
		"prefixes of the other family":   change(`"prefixes": ["2001:db8::/48"]`, 400, "PrefixVersionMismatch"),
		"ip_version":                     change(`"ip_version": 6`, 400, "HTTPBadRequest"),
		"removing what is in use":        {"PUT subnetpools/$pool/remove_prefixes", `{"prefixes": ["10.0.0.0/26"]}`, 400, "IllegalSubnetPoolPrefixUpdate"},
		"removing everything":            {"PUT subnetpools/$other/remove_prefixes", `{"prefixes": ["10.0.0.0/8"]}`, 400, "EmptySubnetPoolPrefixList"},
		"adding nonsense":                {"PUT subnetpools/$pool/add_prefixes", `{"prefixes": "10.0.0.0/8"}`, 400, "HTTPBadRequest"},
		"adding an overlap in the scope": {"PUT subnetpools/$pool/add_prefixes", `{"prefixes": ["192.0.2.128/25"]}`, 409, "AddressScopePrefixConflict"},
		"adding under a wrong name":      {"PUT subnetpools/$pool/add_prefixes", `{"subnetpool": {}}`, 400, "HTTPBadRequest"},
		"an operation by POST":           {"POST subnetpools/$pool/add_prefixes", `{"prefixes": []}`, 405, "HTTPMethodNotAllowed"},
		"an operation that is not":       {"PUT subnetpools/$pool/shrink", `{"prefixes": []}`, 404, "HTTPNotFound"},
		"onboarding nothing":             {"PUT subnetpools/$pool/onboard_network_subnets", `{}`, 400, "InvalidInput"},
		"onboarding a network that isnt": {"PUT subnetpools/$pool/onboard_network_subnets", `{"network_id": "$uuid"}`, 404, "NetworkNotFound"},
		"onboarding an overlap":          {"PUT subnetpools/$pool/onboard_network_subnets", `{"network_id": "$plain"}`, 400, "IllegalSubnetPoolUpdate"},
		"onboarding twice":               {"PUT subnetpools/$pool/onboard_network_subnets", `{"network_id": "$network"}`, 400, "IllegalSubnetPoolUpdate"},
		"deleting a pool in use":         {"DELETE subnetpools/$pool", "", 400, "SubnetPoolDeleteError"},
		"deleting a scope in use":        {"DELETE address-scopes/$scope", "", 409, "AddressScopeInUse"},
		"unsharing a scope":              {"PUT address-scopes/$scope", `{"address_scope": {"shared": false}}`, 400, "AddressScopeUpdateError"},
		"a scope of IP version 5":        {"POST address-scopes", `{"address_scope": {"ip_version": 5}}`, 400, "HTTPBadRequest"},
		"a pool that is not":             cut("$empty", `"subnetpool_id": "$uuid"`, 404, "SubnetPoolNotFound"),
		"a pool and the default":         cut("$empty", `"subnetpool_id": "$pool", "use_default_subnetpool": true`, 400, "BadRequest"),
		"cidr and prefixlen":             cut("$empty", `"subnetpool_id": "$pool", "cidr": "10.0.0.128/26", "prefixlen": 26`, 400, "BadRequest"),
		"too long a prefix":              cut("$empty", `"subnetpool_id": "$pool", "prefixlen": 29`, 400, "MaxPrefixSubnetAllocationError"),
		"too short a prefix":             cut("$empty", `"subnetpool_id": "$pool", "prefixlen": 24`, 400, "MinPrefixSubnetAllocationError"),
		"what is taken":                  cut("$empty", `"subnetpool_id": "$pool", "cidr": "10.0.0.64/26"`, 409, "SubnetAllocationError"),
		"what is outside":                cut("$empty", `"subnetpool_id": "$pool", "cidr": "10.7.0.0/26"`, 409, "SubnetAllocationError"),
		"more than the quota":            cut("$empty", `"subnetpool_id": "$other", "prefixlen": 23`, 409, "SubnetPoolQuotaExceeded"),
		"pools of addresses, no range":   cut("$empty", `"subnetpool_id": "$pool", "allocation_pools": [{"start": "10.0.0.130", "end": "10.0.0.140"}]`, 400, "BadRequest"),
		"another pool on the network":    cut("$network", `"subnetpool_id": "$other", "prefixlen": 26`, 400, "NetworkAddressScopeAffinityError"),
		"no pool on the network":         cut("$network", `"cidr": "172.16.0.0/24"`, 400, "NetworkAddressScopeAffinityError"),
		"a pool beside no pool":          cut("$plain", `"subnetpool_id": "$other", "prefixlen": 26`, 400, "NetworkSubnetPoolAffinityError"),
		"leaving room for a gateway":     cut("$empty", `"subnetpool_id": "$pool", "gateway_ip": "2001:db8::1"`, 400, "InvalidInput"),
		"no default pool for IPv6":       {"POST subnets", `{"subnet": {"network_id": "$empty", "ip_version": 6, "use_default_subnetpool": true}}`, 400, "BadRequest"},
		"the other family's pool":        {"POST subnets", `{"subnet": {"network_id": "$empty", "ip_version": 6, "subnetpool_id": "$pool"}}`, 400, "BadRequest"},
	}
}

func TestRefusalsOfPoolsLeaveNothingBehind(t *testing.T) {
	c := newCloud(t)
	names := poolFixture(c)
	before, revision := fmt.Sprint(c.claims()), c.db.Revision()
	for name, f := range poolRefusals() {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(f.request, " ")
			var body any
			if f.body != "" {
				body = names.Replace(f.body)
			}
			if status, out, _ := c.call(method, "/v2.0/"+names.Replace(path), body); status != f.status || refusedType(out) != f.kind {
				t.Errorf("answer %d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	if after := fmt.Sprint(c.claims()); after != before || c.db.Revision() != revision {
		t.Errorf("refused requests changed something: %s", after)
	}
}

// checkPool compares a pool with the subnets from it: inside its prefixes, none
// over another, none over the quota.
func checkPool(t interface{ Fatalf(string, ...any) }, c *cloud, id string) int {
	n := 0
	err := c.db.Read(context.Background(), func(r records.Reader) error {
		pool, ok := records.SubnetPools.Get(r, id)
		if !ok {
			t.Fatalf("pool %s is gone", id)
		}
		var cut []netip.Prefix
		for s := range records.SubnetsByPool.Get(r, id) {
			inside := false
			for _, p := range pool.Prefixes {
				inside = inside || p.Overlaps(s.CIDR) && p.Bits() <= s.CIDR.Bits()
			}
			for _, other := range cut {
				if other.Overlaps(s.CIDR) {
					t.Fatalf("%s and %s were cut from pool %s", other, s.CIDR, id)
				}
			}
			if !inside {
				t.Fatalf("%s is outside of %v", s.CIDR, pool.Prefixes)
			}
			cut = append(cut, s.CIDR)
		}
		n = len(cut)
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return n
}

// TestAnySequenceOfRequestsCutsAPoolExactly drives a pool with random requests
// against a model that knows which addresses are taken.
func TestAnySequenceOfRequestsCutsAPoolExactly(t *testing.T) {
	c := newCloud(t, unlimited)
	rapid.Check(t, func(rt *rapid.T) {
		pool := id(c.pool(`{"name": "p", "prefixes": ["10.0.0.0/25"], "default_prefixlen": 28}`))
		size, subnets := 128, map[string]netip.Prefix{}
		free := func(bits int) bool {
			step := 1 << (32 - bits)
			for at := 0; at+step <= size; at += step {
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(at)}), bits)
				taken := false
				for _, s := range subnets {
					taken = taken || s.Overlaps(p)
				}
				if !taken {
					return true
				}
			}
			return false
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				if n := checkPool(rt, c, pool); n != len(subnets) {
					rt.Fatalf("%d subnets, want %d", n, len(subnets))
				}
			},
			"cut": func(rt *rapid.T) {
				bits := rapid.IntRange(24, 30).Draw(rt, "bits")
				body := fmt.Sprintf(`"ip_version": 4, "subnetpool_id": %q, "prefixlen": %d`, pool, bits)
				status, out, _ := c.call("POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+id(c.network(`{}`))+`", `+body+`}}`)
				if fits := free(bits); (status == 201) != fits {
					rt.Fatalf("/%d: %d %v, fits %v", bits, status, out, fits)
				}
				if status == 201 {
					s := out["subnet"].(map[string]any)
					subnets[id(s)] = netip.MustParsePrefix(s["cidr"].(string))
				}
			},
			"give back": func(rt *rapid.T) {
				for s := range subnets {
					c.must(204, "DELETE", "/v2.0/subnets/"+s, nil)
					delete(subnets, s)
					break
				}
			},
			"grow": func(*rapid.T) {
				c.must(200, "PUT", "/v2.0/subnetpools/"+pool+"/add_prefixes", `{"prefixes": ["10.0.0.128/25"]}`)
				size = 256
			},
		})
		for s := range subnets {
			c.must(204, "DELETE", "/v2.0/subnets/"+s, nil)
		}
		c.must(204, "DELETE", "/v2.0/subnetpools/"+pool, nil)
	})
}

// TestManyClientsOfTwoControllersNeverGetTheSamePrefix fills a pool from many
// clients at once: as many succeed as there are prefixes.
func TestManyClientsOfTwoControllersNeverGetTheSamePrefix(t *testing.T) {
	s := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, s, unlimited), newCloudOn(t, s, unlimited)}
	pool := id(clouds[0].pool(`{"name": "p", "prefixes": ["10.0.0.0/24"], "default_prefixlen": 28}`)) // 16 prefixes
	var networks []string
	for range 24 {
		networks = append(networks, id(clouds[0].network(`{}`)))
	}
	var all sync.WaitGroup
	for i, n := range networks {
		all.Go(func() {
			status, out, _ := clouds[i%2].call("POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+n+`", "ip_version": 4, "subnetpool_id": "`+pool+`"}}`)
			if status != 201 && refusedType(out) != "SubnetAllocationError" {
				t.Errorf("%d %v", status, out)
			}
		})
	}
	all.Wait()
	if n := checkPool(t, clouds[1], pool); n != 16 {
		t.Errorf("%d subnets of 16 were made", n)
	}
}
