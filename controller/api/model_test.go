package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
)

// checkAddresses compares what ports have with what is claimed: no address and
// no MAC twice, nothing claimed that no port has, and the other way round.
func checkAddresses(t interface{ Fatalf(string, ...any) }, c *cloud) {
	err := c.db.Read(context.Background(), func(r records.Reader) error {
		want := map[string]string{}
		add := func(key, owner string) {
			if other, ok := want[key]; ok {
				t.Fatalf("%s is of %s and %s", key, other, owner)
			}
			want[key] = owner
		}
		for p := range records.Ports.All(r) {
			add("mac/"+p.NetworkID+"/"+p.MAC.String(), p.ID)
			for _, f := range p.FixedIPs {
				add("ip/"+f.SubnetID+"/"+f.IP.String(), p.ID)
				s, ok := records.Subnets.Get(r, f.SubnetID)
				if !ok || s.NetworkID != p.NetworkID || !s.CIDR.Contains(f.IP) {
					t.Fatalf("port %s has %s of subnet %+v", p.ID, f.IP, s)
				}
			}
			for _, g := range p.SecurityGroups {
				add("sguse/"+g+"/"+p.ID, p.ID)
				if _, ok := records.SecurityGroups.Get(r, g); !ok {
					t.Fatalf("port %s is in group %s, which is gone", p.ID, g)
				}
			}
			if _, ok := records.Networks.Get(r, p.NetworkID); !ok {
				t.Fatalf("port %s is on network %s, which is gone", p.ID, p.NetworkID)
			}
		}
		for s := range records.Subnets.All(r) {
			if _, ok := records.Networks.Get(r, s.NetworkID); !ok {
				t.Fatalf("subnet %s is on network %s, which is gone", s.ID, s.NetworkID)
			}
		}
		for _, prefix := range []string{"ip/", "mac/", "sguse/"} {
			for key, owner := range r.ClaimsUnder(prefix) {
				if want[key] != owner {
					t.Fatalf("%s is claimed by %s; ports say %q", key, owner, want[key])
				}
				delete(want, key)
			}
		}
		if len(want) > 0 {
			t.Fatalf("not claimed: %v", want)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// TestAnySequenceOfRequestsLeavesAddressesConsistent drives the API with random
// requests, many of which must fail, and checks after each that every address
// is taken once and by its port.
func TestAnySequenceOfRequestsLeavesAddressesConsistent(t *testing.T) {
	c := newCloud(t, unlimited)
	rapid.Check(t, func(rt *rapid.T) {
		n := id(c.network(`{}`))
		subnets := []string{
			id(c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/29"`)),
			id(c.subnet(n, `"ip_version": 6, "cidr": "2001:db8::/125"`)),
			id(c.subnet(n, `"ip_version": 6, "cidr": "2001:db8:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`)),
		}
		var ports []string
		fixed := func() string {
			var out []string
			for range rapid.IntRange(0, 3).Draw(rt, "addresses") {
				switch rapid.IntRange(0, 2).Draw(rt, "kind") {
				case 0:
					out = append(out, `{"subnet_id": "`+rapid.SampledFrom(subnets).Draw(rt, "subnet")+`"}`)
				case 1:
					out = append(out, fmt.Sprintf(`{"ip_address": "10.0.0.%d"}`, rapid.IntRange(0, 9).Draw(rt, "v4")))
				default:
					out = append(out, fmt.Sprintf(`{"ip_address": "2001:db8::%d"}`, rapid.IntRange(0, 9).Draw(rt, "v6")))
				}
			}
			return "[" + strings.Join(out, ",") + "]"
		}
		macs := func() string { return fmt.Sprintf(`"fa:16:3e:00:00:%02d"`, rapid.IntRange(1, 6).Draw(rt, "mac")) }
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) { checkAddresses(rt, c) },
			"create": func(rt *rapid.T) {
				body := `"network_id": "` + n + `"`
				if rapid.Bool().Draw(rt, "with addresses") {
					body += `, "fixed_ips": ` + fixed()
				}
				if rapid.Bool().Draw(rt, "with MAC") {
					body += `, "mac_address": ` + macs()
				}
				status, out, _ := c.call("POST", "/v2.0/ports", `{"port": {`+body+`}}`)
				if status == 201 {
					ports = append(ports, id(out["port"].(map[string]any)))
				} else if status != 409 && status != 400 {
					rt.Fatalf("%d %v", status, out)
				}
			},
			"update": func(rt *rapid.T) {
				if len(ports) == 0 {
					return
				}
				body := `"fixed_ips": ` + fixed()
				if rapid.Bool().Draw(rt, "with MAC") {
					body += `, "mac_address": ` + macs()
				}
				status, out, _ := c.call("PUT", "/v2.0/ports/"+rapid.SampledFrom(ports).Draw(rt, "port"), `{"port": {`+body+`}}`)
				if status != 200 && status != 409 && status != 400 {
					rt.Fatalf("%d %v", status, out)
				}
			},
			"delete": func(rt *rapid.T) {
				if len(ports) == 0 {
					return
				}
				i := rapid.IntRange(0, len(ports)-1).Draw(rt, "port")
				c.must(204, "DELETE", "/v2.0/ports/"+ports[i], nil)
				ports = slices.Delete(ports, i, i+1)
			},
		})
		for _, p := range ports {
			c.must(204, "DELETE", "/v2.0/ports/"+p, nil)
		}
		c.must(204, "DELETE", "/v2.0/networks/"+n, nil)
		for key := range c.claims() {
			if strings.HasPrefix(key, "ip/") || strings.HasPrefix(key, "mac/") || strings.HasPrefix(key, "seg/") {
				rt.Fatalf("%s is left when all is deleted", key)
			}
		}
	})
}

func unlimited(p *plugin.Config, _ *Config) {
	for resource := range p.Quotas {
		p.Quotas[resource] = -1
	}
}

// TestManyClientsOfTwoControllersNeverGetTheSameAddress fills a small pool from
// many clients at once: as many succeed as there are addresses.
func TestManyClientsOfTwoControllersNeverGetTheSameAddress(t *testing.T) {
	s := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, s, unlimited), newCloudOn(t, s, unlimited)}
	n := id(clouds[0].network(`{}`))
	clouds[0].subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/27"`) // 29 addresses
	var mu sync.Mutex
	var made []map[string]any
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 3 {
				status, out, _ := clouds[i%2].call("POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`"}}`)
				if status == 201 {
					mu.Lock()
					made = append(made, out["port"].(map[string]any))
					mu.Unlock()
				} else if refusedType(out) != "IpAddressGenerationFailure" {
					t.Errorf("%d %v", status, out)
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, p := range made {
		seen[addresses(p)[0]] = true
	}
	if len(made) != 29 || len(seen) != 29 {
		t.Errorf("%d ports with %d addresses, want 29", len(made), len(seen))
	}
	checkAddresses(t, clouds[1])
}

// TestConcurrentChangesKeepTheRecordsConsistent runs random requests from many
// clients of two controllers: ports, groups, subnets and networks come and go
// under each other's feet.
func TestConcurrentChangesKeepTheRecordsConsistent(t *testing.T) {
	s := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, s, unlimited), newCloudOn(t, s, unlimited)}
	var all sync.WaitGroup
	for client := range 8 {
		all.Go(func() {
			c, random := clouds[client%2], rand.New(rand.NewPCG(uint64(client), 7))
			some := func(path, key string) string {
				_, out, _ := c.call("GET", "/v2.0/"+path+"?fields=id", nil)
				items, _ := out[key].([]any)
				if len(items) == 0 {
					return "none"
				}
				return id(items[random.IntN(len(items))].(map[string]any))
			}
			for range 60 {
				var status int
				var out map[string]any
				switch random.IntN(10) {
				case 0:
					status, out, _ = c.call("POST", "/v2.0/networks", `{"network": {}}`)
				case 1:
					status, out, _ = c.call("DELETE", "/v2.0/networks/"+some("networks", "networks"), nil)
				case 2:
					cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(random.IntN(3)), 0, 0}), 24)
					status, out, _ = c.call("POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet": {"network_id": %q, "ip_version": 4, "cidr": %q}}`, some("networks", "networks"), cidr))
				case 3:
					status, out, _ = c.call("DELETE", "/v2.0/subnets/"+some("subnets", "subnets"), nil)
				case 4:
					status, out, _ = c.call("POST", "/v2.0/security-groups", `{"security_group": {"name": "g"}}`)
				case 5:
					status, out, _ = c.call("DELETE", "/v2.0/security-groups/"+some("security-groups", "security_groups"), nil)
				case 6:
					status, out, _ = c.call("DELETE", "/v2.0/ports/"+some("ports", "ports"), nil)
				case 7:
					status, out, _ = c.call("PUT", "/v2.0/ports/"+some("ports", "ports"), `{"port": {"security_groups": ["`+some("security-groups", "security_groups")+`"]}}`)
				default:
					status, out, _ = c.call("POST", "/v2.0/ports", `{"port": {"network_id": "`+some("networks", "networks")+`", "security_groups": ["`+some("security-groups", "security_groups")+`"]}}`)
				}
				if status >= 500 {
					t.Errorf("%d %v", status, out)
				}
			}
		})
	}
	all.Wait()
	checkAddresses(t, clouds[0])
	checkAddresses(t, clouds[1])
}

// TestAPortMadeTogetherWithAnAutomaticSubnetHasAnAddressInIt makes ports while
// the subnet is made, through another controller.
func TestAPortMadeTogetherWithAnAutomaticSubnetHasAnAddressInIt(t *testing.T) {
	s := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, s, unlimited), newCloudOn(t, s, unlimited)}
	for range 10 {
		n := id(clouds[0].network(`{}`))
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				for range 4 {
					clouds[i%2].port(n, "")
				}
			})
		}
		subnet := id(clouds[0].subnet(n, `"ip_version": 6, "cidr": "2001:db8::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`))
		all.Wait()
		if got := clouds[1].list("ports?fields=id&fixed_ips=subnet_id%3D"+subnet, "ports"); len(got) != 24 {
			t.Errorf("%d of 24 ports have an address in the new subnet", len(got))
		}
	}
	checkAddresses(t, clouds[0])
}
