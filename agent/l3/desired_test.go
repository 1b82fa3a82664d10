package l3

import (
	"context"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/linux/conntrack"
	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/test/golden"
)

// scenarios are routers of every kind, by the name of their golden file.
func scenarios() map[string]func(*View) {
	router := func(v *View) *model.Router { return v.Routers[routerID] }
	return map[string]func(*View){
		"reference": func(*View) {},
		"no-gateway": func(v *View) {
			router(v).Gateway = nil
			delete(v.Ports, extPort)
			clear(v.FloatingIPs)
		},
		"no-snat": func(v *View) { router(v).Gateway.EnableSNAT = false },
		"exemptions": func(v *View) {
			router(v).NATExempt = []netip.Prefix{prefix("0.0.0.0/0"), prefix("198.51.100.0/24"), prefix("203.0.113.1/32")}
		},
		"forwardings": func(v *View) {
			v.floating("c0000000-0000-4000-8000-000000000001", routerID, "203.0.113.140", "", "")
			v.forward(1, "c0000000-0000-4000-8000-000000000001", "tcp", model.PortRange{First: 2222, Last: 2222}, model.PortRange{First: 22, Last: 22}, "10.10.0.5", vxSubnet)
			v.forward(2, "c0000000-0000-4000-8000-000000000001", "udp", model.PortRange{First: 5000, Last: 5100}, model.PortRange{First: 5000, Last: 5100}, "10.20.0.6", vx2Subnet)
			v.forward(3, "c0000000-0000-4000-8000-000000000001", "tcp", model.PortRange{First: 8000, Last: 8002}, model.PortRange{First: 80, Last: 82}, "10.20.0.6", vx2Subnet)
		},
		"routes": func(v *View) {
			router(v).Routes = []model.HostRoute{
				{Destination: prefix("192.0.2.0/24"), NextHop: addr("10.10.0.8")},
				{Destination: prefix("192.0.2.0/24"), NextHop: addr("10.10.0.7")},
				{Destination: prefix("198.51.100.0/24"), NextHop: addr("203.0.113.7")},
				{Destination: prefix("100.64.0.0/10"), NextHop: addr("172.31.0.1")},
			}
			v.subnet("e0000000-0000-4000-8000-000000000001", extID, "198.18.7.0/24", "198.18.7.1")
		},
		"limits": func(v *View) {
			v.policy("11000000-0000-4000-8000-000000000001", 2000, 800, 0, 0)
			v.policy("11000000-0000-4000-8000-000000000002", 10000, 0, 20000, 0)
			router(v).Gateway.QoSPolicyID = "11000000-0000-4000-8000-000000000002"
			v.FloatingIPs[floatingID].QoSPolicyID = "11000000-0000-4000-8000-000000000001"
			v.floating("c0000000-0000-4000-8000-000000000001", routerID, "203.0.113.140", "10.20.0.7", vx2Subnet)
		},
		"helpers": func(v *View) {
			v.Helpers["a"] = &model.ConntrackHelper{Meta: model.Meta{ID: "a0000000-0000-4000-8000-000000000001"}, RouterID: routerID, Protocol: "tcp", Port: 21, Helper: "ftp"}
		},
		"scopes": func(v *View) {
			v.Pools["p1"] = &model.SubnetPool{Meta: model.Meta{ID: "p1"}, AddressScopeID: "5c000000-0000-4000-8000-000000000001"}
			v.Pools["p2"] = &model.SubnetPool{Meta: model.Meta{ID: "p2"}, AddressScopeID: "5c000000-0000-4000-8000-000000000002"}
			v.Subnets[vxSubnet].SubnetPoolID = "p1"
			v.Subnets[vx2Subnet].SubnetPoolID = "p2"
			v.Subnets[extSubnet].SubnetPoolID = "p2"
		},
		"ipv6": func(v *View) {
			for i, mode := range []string{slaac, stateful, stateless} {
				id := "60000000-0000-4000-8000-00000000000" + string(rune('1'+i))
				s := v.subnet(id, vxID, "fd00:0:0:"+string(rune('1'+i))+"::/64", "fd00:0:0:"+string(rune('1'+i))+"::1")
				s.IPv6RAMode, s.IPv6AddressMode = mode, mode
				s.DNSNameservers = []netip.Addr{addr("2001:db8::53"), addr("192.0.2.53")}
				p := v.Ports[vxPort]
				if mode == stateful {
					p = v.Ports[vx2Port]
					s.NetworkID = vx2ID
				}
				p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: id, IP: s.Gateway})
			}
			v.subnet("60000000-0000-4000-8000-000000000009", extID, "2001:db8:1::/64", "fe80::1")
			v.Ports[extPort].FixedIPs = append(v.Ports[extPort].FixedIPs, model.FixedIP{SubnetID: "60000000-0000-4000-8000-000000000009", IP: addr("2001:db8:1::7")})
		},
	}
}

func desired(t *testing.T, change func(*View)) Namespace {
	t.Helper()
	v := reference()
	change(v)
	in, ok := v.Input(routerID)
	if !ok {
		t.Fatal("the host is not to have the router")
	}
	return Desired(in)
}

// allScenarios are those of distributed routers too.
func allScenarios() map[string]func(*View) {
	all := scenarios()
	maps.Copy(all, distributedScenarios())
	return all
}

func TestRoutersOfEveryKindAreDescribedAsInTheirFiles(t *testing.T) {
	for name, change := range allScenarios() {
		t.Run(name, func(t *testing.T) {
			got := desired(t, change).String()
			path := filepath.Join("testdata", name+".router")
			golden.Text(t, path, got)
		})
	}
}

func TestTheKernelPrintsEveryRulesetAsItWasWritten(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for name, change := range allScenarios() {
		t.Run(name, func(t *testing.T) {
			n, ns := desired(t, change), linuxtest.Namespace(t)
			for f, rules := range map[iptables.Family]iptables.Ruleset{iptables.IPv4: n.V4, iptables.IPv6: n.V6} {
				if _, err := iptables.Apply(ctx, ns, f, rules); err != nil {
					t.Fatal(err)
				}
				have, err := iptables.Read(ctx, ns, f)
				if err != nil {
					t.Fatal(err)
				}
				if text, err := iptables.Diff(have, rules); err != nil || text != "" {
					t.Errorf("%s: applied, and still different: %v\n%s", f, err, text)
				}
			}
		})
	}
}

func TestTheOrderOfRecordsDoesNotMatter(t *testing.T) {
	for name, change := range allScenarios() {
		first := desired(t, change).String()
		for range 20 { // maps have another order each time
			if again := desired(t, change).String(); again != first {
				t.Fatalf("%s: %s", name, cmp.Diff(first, again))
			}
		}
	}
}

func TestARouterThatIsSwitchedOffIsNotHere(t *testing.T) {
	v := reference()
	v.Routers[routerID].AdminStateUp = false
	if _, ok := v.Input(routerID); ok {
		t.Error("a router with admin_state_up false is here")
	}
	if _, ok := v.Input("another"); ok {
		t.Error("a router that is not known is here")
	}
}

func TestAScopeKeepsItsMarkWhenOthersComeAndGo(t *testing.T) {
	v := reference()
	scenarios()["scopes"](v)
	in, _ := v.Input(routerID)
	with := scopeMarks(in)
	v.Subnets[vx2Subnet].SubnetPoolID, v.Subnets[extSubnet].SubnetPoolID = "", ""
	in, _ = v.Input(routerID)
	without := scopeMarks(in)
	for id, n := range without {
		if with[id] != n {
			t.Errorf("scope %q had mark %d, has %d", id, with[id], n)
		}
	}
	seen := slices.Sorted(maps.Values(with))
	if len(slices.Compact(seen)) != len(with) || seen[len(seen)-1] > 0xffff {
		t.Errorf("marks are %v", with)
	}
}

func TestConnectionsEndWithWhatTranslatedThem(t *testing.T) {
	n := desired(t, scenarios()["forwardings"]).NAT
	tuple := func(src, dst string, sport, dport uint16) conntrack.Tuple {
		return conntrack.Tuple{Src: addr(src), Dst: addr(dst), SrcPort: sport, DstPort: dport}
	}
	for name, tc := range map[string]struct {
		proto       uint8
		orig, reply conntrack.Tuple
		stays       bool
	}{
		"not translated":                 {6, tuple("10.10.0.5", "10.20.0.6", 1, 80), tuple("10.20.0.6", "10.10.0.5", 80, 1), true},
		"out by the gateway's address":   {6, tuple("10.10.0.5", "198.51.100.1", 1, 80), tuple("198.51.100.1", "203.0.113.147", 80, 1), true},
		"out by its floating address":    {6, tuple("10.10.0.228", "198.51.100.1", 1, 80), tuple("198.51.100.1", "203.0.113.134", 80, 1), true},
		"out by a lost floating address": {6, tuple("10.10.0.228", "198.51.100.1", 1, 80), tuple("198.51.100.1", "203.0.113.99", 80, 1), false},
		"out by another's":               {6, tuple("10.10.0.5", "198.51.100.1", 1, 80), tuple("198.51.100.1", "203.0.113.134", 80, 1), false},
		"in by a floating address":       {6, tuple("198.51.100.1", "203.0.113.134", 1, 80), tuple("10.10.0.228", "198.51.100.1", 80, 1), true},
		"in by one that moved":           {6, tuple("198.51.100.1", "203.0.113.134", 1, 80), tuple("10.10.0.9", "198.51.100.1", 80, 1), false},
		"in by a lost one":               {6, tuple("198.51.100.1", "203.0.113.99", 1, 80), tuple("10.10.0.228", "198.51.100.1", 80, 1), false},
		"forwarded":                      {6, tuple("198.51.100.1", "203.0.113.140", 1, 2222), tuple("10.10.0.5", "198.51.100.1", 22, 1), true},
		"forwarded in a range":           {17, tuple("198.51.100.1", "203.0.113.140", 1, 5050), tuple("10.20.0.6", "198.51.100.1", 5050, 1), true},
		"forwarded in a shifted range":   {6, tuple("198.51.100.1", "203.0.113.140", 1, 8001), tuple("10.20.0.6", "198.51.100.1", 81, 1), true},
		"forwarded of another protocol":  {17, tuple("198.51.100.1", "203.0.113.140", 1, 2222), tuple("10.10.0.5", "198.51.100.1", 22, 1), false},
		"no longer forwarded":            {6, tuple("198.51.100.1", "203.0.113.140", 1, 443), tuple("10.10.0.5", "198.51.100.1", 443, 1), false},
		"to metadata":                    {6, tuple("10.10.0.5", "169.254.169.254", 1, 80), tuple("10.10.0.1", "10.10.0.5", 9697, 1), true},
		"an operator's own":              {6, tuple("10.10.0.5", "172.16.0.9", 1, 80), tuple("172.16.0.1", "10.10.0.5", 80, 1), true},
		"hairpin":                        {6, tuple("10.10.0.228", "203.0.113.134", 1, 80), tuple("10.10.0.228", "203.0.113.134", 80, 1), true},
	} {
		if got := n.Justifies(conntrack.Entry{Proto: tc.proto, Original: tc.orig, Reply: tc.reply}); got != tc.stays {
			t.Errorf("%s: stays %v", name, got)
		}
	}
}

// A subnet of each IP version makes two ports of a router on one network.
func TestANetworksGuestsHearOfOneMACForMetadataOverIPv6(t *testing.T) {
	v := reference()
	v.subnet("6ad31a85-1c9c-4f53-9a1a-61b0d0dc5c10", vxID, "fd00:10::/64", "fd00:10::1")
	const six = "ffd1c7d1-6f43-4b29-8a64-8d8b5b2c3a11" // after the one of IPv4, by its name
	v.port(six, routerID, vxID, ownerInterface, "fa:16:3e:00:00:06", [2]string{"6ad31a85-1c9c-4f53-9a1a-61b0d0dc5c10", "fd00:10::1"})
	in, _ := v.Input(routerID)
	for _, l := range Desired(in).Links.Links {
		want := l.Name == linkName(internalPrefix, six) || l.Name == linkName(internalPrefix, vx2Port)
		if slices.Contains(l.Addresses, metadataV6) != want {
			t.Errorf("%s has %v", l.Name, l.Addresses)
		}
	}
}
