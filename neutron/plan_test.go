package neutron

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// snapshot reads objects by kind from JSON.
func snapshot(t testing.TB, text string) Snapshot {
	t.Helper()
	s := Snapshot{Extensions: map[string]bool{}}
	if err := json.Unmarshal([]byte(text), &s.Objects); err != nil {
		t.Fatal(err)
	}
	return s
}

// steps writes a plan's steps, one a line, with what is sent.
func steps(t testing.TB, p *Plan) string {
	t.Helper()
	var lines []string
	for _, s := range p.Steps {
		b, err := json.Marshal(s.body)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s", s.method, s.path, b))
	}
	return strings.Join(lines, "\n")
}

func verdicts(p *Plan) []string {
	var out []string
	for _, n := range p.Notes {
		out = append(out, fmt.Sprintf("%s %s %s %s", n.Verdict, n.Kind, n.ID, n.Attribute))
	}
	return out
}

func TestWhatNeutronChoseItselfIsSent(t *testing.T) {
	for name, tc := range map[string]struct{ source, want string }{
		"a port keeps its id, its times and its tags": {
			`{"port": [{"id": "p", "project_id": "x", "network_id": "n", "mac_address": "fa:16:3e:00:00:01", "fixed_ips": [], "security_groups": [], "dns_name": "", "binding:host_id": "", "status": "ACTIVE", "created_at": "T", "tags": ["a"]}]}`,
			`POST ports {"fixed_ips":[],"lepton_import":{"created_at":"T","id":"p","tags":["a"]},"mac_address":"fa:16:3e:00:00:01","network_id":"n","project_id":"x","security_groups":[]}`,
		},
		"an owner of the older name": {
			`{"address scope": [{"id": "s", "tenant_id": "x", "name": "s"}]}`,
			`POST address-scopes {"lepton_import":{"id":"s"},"name":"s","project_id":"x"}`,
		},
		"a subnet without a gateway stays without": {
			`{"subnet": [{"id": "s", "project_id": "x", "network_id": "n", "cidr": "10.0.0.0/24", "gateway_ip": null}]}`,
			`POST subnets {"cidr":"10.0.0.0/24","gateway_ip":null,"lepton_import":{"id":"s"},"network_id":"n","project_id":"x"}`,
		},
		"what is shared is so by its policies": {
			`{"network": [{"id": "n", "project_id": "x", "shared": true, "router:external": true}]}`,
			`POST networks {"lepton_import":{"id":"n"},"project_id":"x"}`,
		},
		"segments keep their ids, in the network's order": {
			`{"network": [{"id": "n", "project_id": "x", "segments": [{"provider:network_type": "vlan", "provider:physical_network": "a", "provider:segmentation_id": 5}, {"provider:network_type": "vxlan", "provider:segmentation_id": 9, "provider:physical_network": null}]}],
			  "segment": [{"id": "s2", "network_id": "n", "network_type": "vxlan", "segmentation_id": 9}, {"id": "s1", "network_id": "n", "network_type": "vlan", "physical_network": "a", "segmentation_id": 5, "name": "rack"}]}`,
			`POST networks {"lepton_import":{"id":"n","segments":["s1","s2"]},"project_id":"x","segments":[{"provider:network_type":"vlan","provider:physical_network":"a","provider:segmentation_id":5},{"provider:network_type":"vxlan","provider:segmentation_id":9}]}` + "\n" +
				`PUT segments/s1 {"name":"rack"}`,
		},
		"a DHCP server's port waits for a host": {
			`{"port": [{"id": "p", "project_id": "x", "network_id": "n", "device_owner": "network:dhcp", "device_id": "dhcp1-n", "binding:host_id": "net1"}]}`,
			`POST ports {"device_id":"reserved_dhcp_port","device_owner":"network:dhcp","lepton_import":{"id":"p"},"network_id":"n","project_id":"x"}`,
		},
		"a router has its gateway's port, its interfaces and its routes": {
			`{"router": [{"id": "r", "project_id": "x", "external_gateway_info": {"network_id": "e", "external_fixed_ips": [{"ip_address": "203.0.113.5"}], "enable_snat": true}, "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]}],
			  "port": [{"id": "g", "network_id": "e", "device_owner": "network:router_gateway", "device_id": "r", "mac_address": "m"},
			           {"id": "i", "project_id": "x", "network_id": "n", "device_owner": "network:router_interface", "device_id": "r"}]}`,
			`POST ports {"device_owner":"network:router_interface","lepton_import":{"id":"i"},"network_id":"n","project_id":"x"}` + "\n" +
				`POST routers {"external_gateway_info":{"enable_snat":true,"external_fixed_ips":[{"ip_address":"203.0.113.5"}],"network_id":"e"},"lepton_import":{"id":"r","port":{"id":"g","mac_address":"m"}},"project_id":"x"}` + "\n" +
				`PUT routers/r/add_router_interface {"port_id":"i"}` + "\n" +
				`PUT routers/r {"routes":[{"destination":"10.9.0.0/16","nexthop":"10.0.0.9"}]}`,
		},
		"a floating address has its port": {
			`{"floating IP": [{"id": "f", "project_id": "x", "floating_network_id": "e", "floating_ip_address": "203.0.113.9", "port_id": null, "fixed_ip_address": null}],
			  "port": [{"id": "k", "network_id": "e", "device_owner": "network:floatingip", "device_id": "f", "mac_address": "m"}]}`,
			`POST floatingips {"floating_ip_address":"203.0.113.9","floating_network_id":"e","lepton_import":{"id":"f","port":{"id":"k","mac_address":"m"}},"project_id":"x"}`,
		},
		"scopes are shared before pools": {
			`{"RBAC policy": [{"id": "1", "project_id": "x", "object_type": "subnetpool"}, {"id": "2", "project_id": "x", "object_type": "address_scope"}]}`,
			`POST rbac-policies {"lepton_import":{"id":"2"},"object_type":"address_scope","project_id":"x"}` + "\n" +
				`POST rbac-policies {"lepton_import":{"id":"1"},"object_type":"subnetpool","project_id":"x"}`,
		},
		"the default network is so when it is external": {
			`{"network": [{"id": "n", "project_id": "x", "is_default": true}], "RBAC policy": [{"id": "1", "project_id": "x", "object_type": "network"}]}`,
			`POST networks {"lepton_import":{"id":"n"},"project_id":"x"}` + "\n" + `POST rbac-policies {"lepton_import":{"id":"1"},"object_type":"network","project_id":"x"}` + "\n" + `PUT networks/n {"is_default":true}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := steps(t, Compare(snapshot(t, tc.source), Snapshot{})); got != tc.want {
				t.Errorf("steps\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestWhatAgentsMadeForThemselvesIsLeftOut(t *testing.T) {
	p := Compare(snapshot(t, `{
		"network": [{"id": "h", "name": "HA network tenant x", "tenant_id": ""}],
		"subnet": [{"id": "s", "network_id": "h"}, {"id": "d", "network_id": "n", "subnetpool_id": "prefix_delegation"}],
		"port": [{"id": "1", "network_id": "h"}, {"id": "2", "device_owner": "network:router_centralized_snat"},
		         {"id": "3", "device_owner": "network:floatingip_agent_gateway"}, {"id": "4", "device_owner": "network:router_ha_interface"}],
		"metering label": [{"id": "m"}], "segment range": [{"id": "r", "default": true}]}`), Snapshot{})
	if len(p.Steps) > 0 {
		t.Errorf("steps %s", steps(t, p))
	}
	want := []string{
		"left out network h ", "left out subnet s ", "left out subnet d ", "left out port 1 ", "left out port 2 ", "left out port 3 ",
		"left out port 4 ", "not taken metering label m ",
	}
	if got := verdicts(p); !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
	if p.Report().Complete() {
		t.Error("a metering label is missing, and all is well")
	}
}

func TestWhatIsThereStaysAndIsCompared(t *testing.T) {
	source := snapshot(t, `{
		"port": [{"id": "p", "project_id": "x", "mac_address": "FA:16:3E:00:00:01", "name": "new", "allowed_address_pairs": [], "security_groups": ["b", "a"], "tags": ["t"]}],
		"router": [{"id": "r", "project_id": "x", "routes": [{"destination": "10.0.0.0/8", "nexthop": "10.1.0.1"}]}],
		"subnet pool": [{"id": "s", "project_id": "x", "min_prefixlen": "8", "prefixes": ["a", "b"]}]}`)
	target := snapshot(t, `{
		"port": [{"id": "p", "tenant_id": "x", "mac_address": "fa:16:3e:00:00:01", "name": "old", "security_groups": ["a", "b"], "tags": ["t"]}],
		"router": [{"id": "r", "project_id": "x", "routes": [{"destination": "10.0.0.0/8", "nexthop": "10.1.0.2"}]}],
		"subnet pool": [{"id": "s", "project_id": "x", "min_prefixlen": 8, "prefixes": ["b", "a"]}]}`)
	p := Compare(source, target)
	if len(p.Steps) > 0 {
		t.Errorf("steps %s", steps(t, p))
	}
	if got, want := verdicts(p), []string{"differs port p name", "differs router r routes"}; !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
}

func TestAnInterruptedImportGoesOn(t *testing.T) {
	source := snapshot(t, `{"router": [{"id": "r", "project_id": "x", "routes": [{"destination": "10.0.0.0/8", "nexthop": "10.1.0.2"}]}],
		"port": [{"id": "i", "project_id": "x", "device_owner": "network:router_interface", "device_id": "r"}, {"id": "j", "project_id": "x", "device_owner": "network:router_interface", "device_id": "r"}]}`)
	target := snapshot(t, `{"router": [{"id": "r", "project_id": "x", "routes": []}],
		"port": [{"id": "i", "project_id": "x", "device_owner": "network:router_interface", "device_id": "r"}, {"id": "j", "project_id": "x", "device_id": ""}]}`)
	want := `PUT routers/r/add_router_interface {"port_id":"j"}` + "\n" + `PUT routers/r {"routes":[{"destination":"10.0.0.0/8","nexthop":"10.1.0.2"}]}`
	if got := steps(t, Compare(source, target)); got != want {
		t.Errorf("steps\n%s\nwant\n%s", got, want)
	}
}

func TestSamenessDoesNotDependOnOrder(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Map(rapid.StringMatching(`[a-z0-9.]{0,4}`), func(s string) any { return s }),
			rapid.Map(rapid.Float64Range(0, 100), func(f float64) any { return f }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		)
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(value, 1, 6).Draw(t, "list")
		shuffled := rapid.Permutation(list).Draw(t, "shuffled")
		if !same(list, shuffled) {
			t.Fatalf("%v and %v differ", list, shuffled)
		}
		if longer := append(slices.Clone(list), "something else"); same(list, longer) {
			t.Fatalf("%v and %v are the same", list, longer)
		}
	})
	for _, pair := range [][2]any{{nil, ""}, {nil, []any{}}, {"8", float64(8)}, {map[string]any{"a": nil}, nil}} {
		if !same(pair[0], pair[1]) {
			t.Errorf("%v and %v differ", pair[0], pair[1])
		}
	}
}
