package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTopology(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		wantErr    string // "" for a good one
	}{
		{"the smallest topology is one host", "hosts: [{name: a, roles: [controller]}]", ""},
		{"an unknown key is refused with its line", "mtu: 1500\nhost: []\n", `t.yaml:2: unknown key "host"`},
		{"an unknown key of a host is refused with its line", "hosts:\n  - name: a\n    role: controller\n", `t.yaml:3: unknown key "role"`},
		{"no hosts are refused", "mtu: 1500", "0 hosts"},
		{"no controller is refused", "hosts: [{name: a, roles: [compute]}]", "0 hosts have the role controller"},
		{"no controller is refused", "hosts: [{name: a, count: 2, roles: [compute]}]", "0 hosts have the role controller"},
		{"eight controllers are refused", "hosts: [{name: a, count: 8, roles: [controller]}]", "8 hosts have the role controller"},
		{"a host without roles is refused", "hosts: [{name: a}]", "a has no roles"},
		{"an unknown role is named", "hosts: [{name: a, roles: [controller, x]}]", `"x" is not a role`},
		{"a name that is none is refused", "hosts: [{name: a/b, roles: [controller]}]", `"a/b" is not a name`},
		{"the name of the switches' namespace is reserved", "hosts: [{name: fabric, roles: [controller]}]", "fabric is there twice or reserved"},
		{"a name that is there twice is refused", "hosts: [{name: a, roles: [controller]}, {name: a, roles: [compute]}]", "a is there twice"},
		{"an enormous count is refused", "hosts: [{name: a, count: 100000, roles: [controller]}]", "count 100000"},
		{"an undescribed physical network is named", "hosts: [{name: a, roles: [controller], physical_networks: [p]}]", `physical network "p"`},
		{"a long bridge asks for another name", "physical_networks: [{name: datacentre}]\nhosts: [{name: a, roles: [controller]}]", "longer than 11 characters: set bridge"},
		{"a bridge of the agent's own is refused", "physical_networks: [{name: int}]\nhosts: [{name: a, roles: [controller]}]", "br-int is there twice"},
		{"an MTU below that of IPv6 is refused", "mtu: 1000\nhosts: [{name: a, roles: [controller]}]", "1000 is not between"},
		{"a gateway is a host that has the network", "physical_networks: [{name: p, gateway: {host: b, address: 203.0.113.1/24}}]\nhosts: [{name: a, roles: [controller]}]", `"b" is no host that has this network`},
		{"a gateway without the network is refused", "physical_networks: [{name: p, gateway: {host: a, address: 203.0.113.1/24}}]\nhosts: [{name: a, roles: [controller], physical_networks: []}]", `"a" is no host that has this network`},
		{"a gateway has an address", "physical_networks: [{name: p, gateway: {host: a}}]\nhosts: [{name: a, roles: [controller]}]", "is not IPv4 with a prefix length"},
		{"a gateway's address is of IPv4", "physical_networks: [{name: p, gateway: {host: a, address: 'fd00::1/64'}}]\nhosts: [{name: a, roles: [controller]}]", "is not IPv4 with a prefix length"},
		{"a gateway's address is a prefix", "physical_networks: [{name: p, gateway: {host: a, address: everywhere}}]\nhosts: [{name: a, roles: [controller]}]", "everywhere"},
		{"one network has a gateway", "physical_networks: [{name: p, gateway: {host: a, address: 203.0.113.1/24}}, {name: q, gateway: {host: a, address: 203.0.113.1/24}}]\nhosts: [{name: a, roles: [controller]}]", "p and q have a gateway"},
		{"a tunnel type that is none is named", "tunnel_types: [vlan]\nhosts: [{name: a, roles: [controller]}]", `"vlan" is not`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseTopology("t.yaml", []byte(tc.text))
			switch {
			case tc.wantErr == "" && err != nil:
				t.Fatal(err)
			case tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)):
				t.Fatalf("error %v, want one with %q", err, tc.wantErr)
			case err != nil && !errors.Is(err, ErrUsage):
				t.Fatalf("error %v is not one of usage", err)
			}
		})
	}
}

func TestEmbeddedTopologiesAreGood(t *testing.T) {
	want := []string{"gateway", "single", "three-controllers", "three-node", "two-node"}
	if diff := cmp.Diff(want, Topologies()); diff != "" {
		t.Fatal(diff)
	}
	for _, name := range want {
		if _, err := LoadTopology(name); err != nil {
			t.Error(err)
		}
	}
}

func TestLoadTopologyNamesWhatThereIs(t *testing.T) {
	_, err := LoadTopology("nine-node")
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "three-node") {
		t.Fatalf("error %v does not list the topologies", err)
	}
}

func FuzzParseTopology(f *testing.F) {
	f.Add("hosts: [{name: a, roles: [controller]}]")
	f.Add("hosts: [{name: a, count: 3, roles: [controller]}]\nphysical_networks: [{name: p}]\nunderlay_ip: 6")
	f.Add("hosts: [{name: a, roles: [controller], physical_networks: []}]")
	f.Fuzz(func(t *testing.T, text string) {
		topo, err := ParseTopology("f.yaml", []byte(text))
		if err != nil {
			return
		}
		p := newPlan("lab", "/run/x/lab", "netdev", topo)
		if p.controller() == nil {
			t.Fatal("a valid topology has no controller")
		}
		for _, h := range p.Hosts {
			for _, c := range h.Cables {
				if len(c.Port) > 15 || len(c.Link) > 15 || len("int-"+c.Bridge) > 15 {
					t.Fatalf("cable %+v has a name that is too long for a link", c)
				}
			}
		}
	})
}

func TestPlanGivesEveryHostItsOwnNamesAndAddresses(t *testing.T) {
	topo, err := ParseTopology("t.yaml", []byte(`
underlay_ip: 6
physical_networks: [{name: physnet1}, {name: physnet2, bridge: br-ex}]
hosts:
  - { name: net1, roles: [controller] }
  - { name: hv, count: 300, roles: [compute], physical_networks: [physnet2] }
`))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan("l", "/d/l", "netdev", topo)
	seen := map[string]bool{}
	for _, h := range p.Hosts {
		keys := []string{h.Name, h.Namespace, h.Dir, h.Mgmt.String(), h.Tunnel.String()}
		for _, c := range h.Cables {
			keys = append(keys, c.Port)
		}
		for _, k := range keys {
			if seen[k] {
				t.Errorf("%s is used twice", k)
			}
			seen[k] = true
		}
	}
	last := p.Hosts[300]
	want := HostPlan{
		Name: "hv300", Roles: []string{"compute"}, Namespace: "l-hv300", Dir: "/d/l/hv300",
		Mgmt: netip.MustParsePrefix("198.18.1.45/16"), Tunnel: netip.MustParsePrefix("fd00:1ab:0:1::12d/64"),
		Cables: []Cable{
			{Switch: "mgmt", Port: "mgmt-301", Link: "mgmt"},
			{Switch: "underlay", Port: "underlay-301", Link: "underlay", Bridge: "br-ul"},
			{Switch: "phys2", Port: "phys2-301", Link: "phys2", Bridge: "br-ex"},
		},
		Mappings: map[string]string{"physnet2": "br-ex"},
	}
	if diff := cmp.Diff(want, last, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Fatal(diff)
	}
}

func TestANetworkWithAGatewayIsJoinedThroughIt(t *testing.T) {
	topo, err := LoadTopology("gateway")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan("l", "/d/l", "netdev", topo)
	if p.Internet != "l-internet" {
		t.Errorf("the internet is %q", p.Internet)
	}
	addr := netip.MustParseAddr
	want := []Join{
		{Bridge: "br-ext", MTU: 1450, Peers: []netip.Addr{addr("198.19.0.2"), addr("198.19.0.3")}, Address: netip.MustParsePrefix("203.0.113.1/24")},
		{Bridge: "br-ext", MTU: 1450, Peers: []netip.Addr{addr("198.19.0.1")}},
		{Bridge: "br-ext", MTU: 1450, Peers: []netip.Addr{addr("198.19.0.1")}},
	}
	for i, h := range p.Hosts {
		if !reflect.DeepEqual(*h.Join, want[i]) {
			t.Errorf("%s: %+v, want %+v", h.Name, *h.Join, want[i])
		}
		for _, c := range h.Cables {
			if c.Bridge == "br-ext" {
				t.Errorf("%s has a cable to %s", h.Name, c.Switch)
			}
		}
		if h.Mappings["public"] != "br-ext" {
			t.Errorf("%s maps %v", h.Name, h.Mappings)
		}
	}
	if got := fmt.Sprint(p.controllerConfig(*p.controller())["network"].(map[string]any)["physical_network_mtus"]); got != "map[public:1450]" {
		t.Errorf("MTUs of physical networks: %s", got)
	}
}

func TestMergeGoesIntoMappings(t *testing.T) {
	base := map[string]any{"ovs": map[string]any{"db": "unix:x", "run_dir": "y"}, "host": "a", "roles": []string{"l2"}}
	got := merge(base, map[string]any{"ovs": map[string]any{"db": "tcp:z"}, "roles": []string{"l3"}, "new": 1})
	want := map[string]any{"ovs": map[string]any{"db": "tcp:z", "run_dir": "y"}, "host": "a", "roles": []string{"l3"}, "new": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if base["host"] != "a" || base["ovs"].(map[string]any)["db"] != "unix:x" {
		t.Fatal("merge changed its argument")
	}
}
