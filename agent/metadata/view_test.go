package metadata

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/test/golden"
)

func uuid(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n) }

func port(n, network int, owner string, device string, addresses ...string) *model.Port {
	p := &model.Port{
		Meta: model.Meta{ID: uuid(n), ProjectID: "p1", Revision: 1}, NetworkID: uuid(network), MAC: model.MAC{0xfa, 0x16, 0x3e, 0, 0, byte(n)},
		DeviceOwner: owner, DeviceID: device, Host: "hv1",
	}
	for _, a := range addresses {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: "s", IP: netip.MustParseAddr(a)})
	}
	return p
}

// site is a router between two networks, of which one is served with DHCP.
func site() *rpc.Update {
	paired := port(12, 2, "compute:nova", "vm-2", "10.2.0.5")
	paired.AllowedAddressPairs = []model.AddressPair{
		{IP: netip.MustParsePrefix("10.2.0.100/32")},
		{IP: netip.MustParsePrefix("10.2.1.0/24")},
		{IP: netip.MustParsePrefix("fd00::9/128"), MAC: model.MAC{0x02, 0, 0, 0, 0, 9}},
	}
	return &rpc.Update{
		Full: true, Revision: 1,
		Networks: []*model.Network{{Meta: model.Meta{ID: uuid(1)}}, {Meta: model.Meta{ID: uuid(2)}}},
		Ports: []*model.Port{
			port(10, 1, "network:router_interface", uuid(50), "10.1.0.1"), port(20, 2, "network:router_interface", uuid(50), "10.2.0.1"),
			port(30, 2, "network:dhcp", "d", "10.2.0.2"), port(11, 1, "compute:nova", "vm-1", "10.1.0.5", "fd00:1::5"), paired,
		},
		Routers:      []*model.Router{{Meta: model.Meta{ID: uuid(50)}, AdminStateUp: true}},
		DHCPBindings: []*model.DHCPBinding{{NetworkID: uuid(2)}},
	}
}

func TestScopesOfARouterAndOfDHCP(t *testing.T) {
	v := newView("hv1", "lepton-agent x")
	v.apply(site())
	var all []proxy.Scope
	for _, name := range v.names() {
		s, ok := v.scope(name)
		if !ok {
			t.Errorf("%s is not there", name)
		}
		all = append(all, s)
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, filepath.Join("testdata", "scopes.json"), string(b)+"\n")
}

// Whatever changes, in whatever order, the scopes that are made anew where an
// update says that they may have changed are those of all records at once.
func TestScopesFollowChangesAsIfAllWereNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := newView("h", "o")
		made := map[string]proxy.Scope{}
		var state rpc.State
		for rev := range int64(rapid.IntRange(1, 25).Draw(t, "updates")) {
			u := randomUpdate(t, rev)
			state.Apply(u)
			for name := range v.apply(u) {
				if s, ok := v.scope(name); ok {
					made[name] = s
				} else {
					delete(made, name)
				}
			}
			fresh, want := newView("h", "o"), map[string]proxy.Scope{}
			fresh.apply(state.Full())
			for _, name := range fresh.names() {
				if s, ok := fresh.scope(name); ok {
					want[name] = s
				}
			}
			if diff := gocmp.Diff(want, made, gocmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Fatalf("after update %d (-all at once +one by one):\n%s", rev, diff)
			}
		}
	})
}

func randomUpdate(t *rapid.T, rev int64) *rpc.Update {
	u := &rpc.Update{Full: rev == 0 || rapid.IntRange(0, 9).Draw(t, "full") == 0, Revision: rev}
	owners := []string{"compute:nova", "network:router_interface", "network:router_interface_distributed", "network:dhcp"}
	id := func(what string) int { return rapid.IntRange(1, 4).Draw(t, what) }
	for range rapid.IntRange(0, 3).Draw(t, "ports") {
		p := port(id("port"), id("network"), rapid.SampledFrom(owners).Draw(t, "owner"), uuid(id("device")), fmt.Sprintf("10.0.0.%d", id("address")))
		u.Ports = append(u.Ports, p)
	}
	for range rapid.IntRange(0, 2).Draw(t, "routers") {
		u.Routers = append(u.Routers, &model.Router{Meta: model.Meta{ID: uuid(id("router"))}, AdminStateUp: rapid.Bool().Draw(t, "up")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "bindings") {
		u.DHCPBindings = append(u.DHCPBindings, &model.DHCPBinding{NetworkID: uuid(id("served"))})
	}
	if !u.Full {
		for range rapid.IntRange(0, 2).Draw(t, "deletions") {
			u.Delete(rapid.SampledFrom([]rpc.Kind{rpc.KindPort, rpc.KindRouter, rpc.KindDHCPBinding}).Draw(t, "kind"), uuid(id("gone")))
		}
	}
	return u
}
