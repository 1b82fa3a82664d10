package pipeline

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
)

// TestAliasesAreOfOnePortAndOneAddress: whatever ports there are, no two addresses
// have an alias in common, and none is outside of the ranges for them.
func TestAliasesAreOfOnePortAndOneAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := map[netip.Addr]bool{}
		numbers := rapid.SliceOfNDistinct(rapid.Uint32Range(1, maxOFPort), 1, 8, rapid.ID).Draw(t, "numbers")
		for i, ofport := range numbers {
			p := &model.Port{Meta: model.Meta{ID: portID(i)}, MAC: mac(i + 1)}
			for n := range rapid.IntRange(0, 40).Draw(t, "addresses") {
				p.FixedIPs = append(p.FixedIPs,
					model.FixedIP{IP: netip.AddrFrom4([4]byte{10, 0, byte(i), byte(n)})},
					model.FixedIP{IP: netip.MustParseAddr("fd00::").Next()})
			}
			for _, a := range MetadataAliases(p, ofport) {
				if seen[a.Alias] {
					t.Fatalf("%s stands for two addresses", a.Alias)
				}
				seen[a.Alias] = true
				if !MetadataAliases4.Contains(a.Alias) && !MetadataAliases6.Contains(a.Alias) || a.Alias.Is4() != a.Address.Is4() {
					t.Fatalf("%s stands for %s", a.Alias, a.Address)
				}
			}
			again := MetadataAliases(&model.Port{Meta: model.Meta{ID: portID(99)}, MAC: p.MAC, FixedIPs: p.FixedIPs}, ofport)
			for n, a := range MetadataAliases(p, ofport) {
				if a.Address.Is6() && again[n].Alias == a.Alias {
					t.Fatalf("%s is of two ports that have had the number %d", a.Alias, ofport)
				}
			}
		}
	})
}

// metadataCloud has the metadata proxy in the place of guest5; guest2 has no port
// security.
func metadataCloud() *cloud {
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	c.port(1, 1, "10.10.0.11", "2001:db8::11")
	c.port(2, 1, "10.10.0.12").PortSecurityEnabled = false
	c.remote(21, 1, "hv2", "10.10.0.21")
	c.Metadata = MetadataPort{15}
	return c
}

// aliasOfGuest is what stands for an address of a guest.
func aliasOfGuest(n int, address string) string {
	p := metadataCloud().Ports[portID(n)]
	for _, a := range MetadataAliases(p.Record, p.OFPort) {
		if a.Address == netip.MustParseAddr(address) {
			return a.Alias.String()
		}
	}
	panic("guest " + portID(n) + " does not have the address " + address)
}

func tcp80(from, to string) string {
	return ",eth_type=0x800,nw_proto=6,nw_src=" + from + ",nw_dst=" + to + ",nw_ttl=64,tp_src=40000,tp_dst=80"
}

func tcp680(from, to string) string {
	return ",eth_type=0x86dd,nw_proto=6,ipv6_src=" + from + ",ipv6_dst=" + to + ",nw_ttl=64,tp_src=40000,tp_dst=80"
}

var metadataCases = []traced{
	{"a guest asks", "", eth(11, 1, at(99)) + tcp80("10.10.0.11", "169.254.169.254"), []string{"guest5"}},
	{"a guest asks over IPv6", "", eth(11, 1, at(99)) + tcp680("2001:db8::11", "fe80::a9fe:a9fe"), []string{"guest5"}},
	{"a guest asks from its link-local address", "", eth(11, 1, at(99)) + tcp680("fe80::f816:3eff:fe00:1", "fe80::a9fe:a9fe"), []string{"guest5"}},
	{"one without port security asks", "", eth(12, 2, at(99)) + tcp80("10.10.0.12", "169.254.169.254"), []string{"guest5"}},
	{"from an address that is not the guest's", "", eth(11, 1, at(99)) + tcp80("10.10.0.12", "169.254.169.254"), nil},
	{"from another MAC", "", eth(11, 9, at(99)) + tcp80("10.10.0.11", "169.254.169.254"), nil},
	{"from a host elsewhere", "br-tun", "tun_id=0x79c," + eth(2, 21, at(99)) + tcp80("10.10.0.21", "169.254.169.254"), []string{"guest2"}}, // a bridge, perhaps
	{"an answer", "", eth(15, 3, at(4)) + tcp80("169.254.169.254", aliasOfGuest(1, "10.10.0.11")), []string{"guest1"}},
	{"an answer over IPv6", "", eth(15, 3, at(4)) + tcp680("fe80::a9fe:a9fe", aliasOfGuest(1, "2001:db8::11")), []string{"guest1"}},
	{"to nobody's alias", "", eth(15, 3, at(4)) + tcp80("169.254.169.254", "16.0.0.1"), nil},
	{"to a guest itself", "", eth(15, 3, at(1)) + tcp80("169.254.169.254", "10.10.0.11"), nil},
}
