package ipam

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/model"
	"pgregory.net/rapid"
)

func pools(s string) []model.IPRange {
	var out []model.IPRange
	for _, part := range strings.Fields(s) {
		from, to, _ := strings.Cut(part, "-")
		out = append(out, model.IPRange{Start: netip.MustParseAddr(from), End: netip.MustParseAddr(to)})
	}
	return out
}

func show(ps []model.IPRange) string {
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%s-%s", p.Start, p.End))
	}
	return strings.Join(out, " ")
}

func TestDefaultGatewayAndPools(t *testing.T) {
	for name, c := range map[string]struct{ cidr, gateway, given, pools string }{
		"a /24":                                  {"10.0.0.0/24", "10.0.0.1", "", "10.0.0.2-10.0.0.254"},
		"a /24 with its gateway in the middle":   {"10.0.0.0/24", "10.0.0.1", "10.0.0.100", "10.0.0.1-10.0.0.99 10.0.0.101-10.0.0.254"},
		"a /24 with its gateway at the end":      {"10.0.0.0/24", "10.0.0.1", "10.0.0.254", "10.0.0.1-10.0.0.253"},
		"a /24 without gateway":                  {"10.0.0.0/24", "10.0.0.1", "none", "10.0.0.1-10.0.0.254"},
		"a gateway outside":                      {"10.0.0.0/24", "10.0.0.1", "192.0.2.1", "10.0.0.1-10.0.0.254"},
		"a /30":                                  {"10.0.0.0/30", "10.0.0.1", "", "10.0.0.2-10.0.0.2"},
		"a /31 has no broadcast address":         {"10.0.0.0/31", "10.0.0.1", "", "10.0.0.0-10.0.0.0"},
		"a /32 has no room for a gateway":        {"10.0.0.7/32", "invalid IP", "", "10.0.0.7-10.0.0.7"},
		"an IPv6 /64 has its gateway at ::":      {"2001:db8:10::/64", "2001:db8:10::", "", "2001:db8:10::1-2001:db8:10:0:ffff:ffff:ffff:ffff"},
		"an IPv6 /64 with gateway ::1":           {"2001:db8:10::/64", "2001:db8:10::", "2001:db8:10::1", "2001:db8:10::2-2001:db8:10:0:ffff:ffff:ffff:ffff"},
		"an IPv6 /126":                           {"2001:db8::/126", "2001:db8::", "", "2001:db8::1-2001:db8::3"},
		"an IPv6 /128":                           {"2001:db8::5/128", "invalid IP", "", "2001:db8::5-2001:db8::5"},
		"a range that is not on a byte boundary": {"10.0.4.0/22", "10.0.4.1", "", "10.0.4.2-10.0.7.254"},
		"the highest addresses of IPv4":          {"255.255.255.0/24", "255.255.255.1", "", "255.255.255.2-255.255.255.254"},
	} {
		t.Run(name, func(t *testing.T) {
			cidr := netip.MustParsePrefix(c.cidr)
			gateway := DefaultGateway(cidr)
			if gateway.String() != c.gateway {
				t.Errorf("gateway %s, want %s", gateway, c.gateway)
			}
			switch c.given {
			case "":
			case "none":
				gateway = netip.Addr{}
			default:
				gateway = netip.MustParseAddr(c.given)
			}
			if got := show(DefaultPools(cidr, gateway)); got != c.pools {
				t.Errorf("pools %s, want %s", got, c.pools)
			}
			if err := CheckPools(cidr, DefaultPools(cidr, gateway)); err != nil {
				t.Errorf("the default pools are not valid: %v", err)
			}
		})
	}
}

func TestPoolsThatASubnetCannotHave(t *testing.T) {
	for name, c := range map[string]struct {
		pools string
		want  PoolProblem
	}{
		"one pool":                  {"10.0.0.10-10.0.0.20", 0},
		"two pools out of order":    {"10.0.0.30-10.0.0.40 10.0.0.10-10.0.0.20", 0},
		"a pool of one address":     {"10.0.0.10-10.0.0.10", 0},
		"reversed":                  {"10.0.0.20-10.0.0.10", PoolReversed},
		"two families":              {"10.0.0.10-2001:db8::1", PoolReversed},
		"another subnet":            {"10.0.1.10-10.0.1.20", PoolOutside},
		"beyond the end":            {"10.0.0.10-10.0.1.20", PoolOutside},
		"the broadcast address":     {"10.0.0.10-10.0.0.255", PoolOutside},
		"the network address":       {"10.0.0.0-10.0.0.9", PoolOutside},
		"IPv6 in an IPv4 subnet":    {"2001:db8::1-2001:db8::2", PoolOutside},
		"overlap":                   {"10.0.0.10-10.0.0.20 10.0.0.20-10.0.0.30", PoolsOverlap},
		"one inside the other":      {"10.0.0.10-10.0.0.90 10.0.0.20-10.0.0.30", PoolsOverlap},
		"neighbours do not overlap": {"10.0.0.10-10.0.0.20 10.0.0.21-10.0.0.30", 0},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckPools(netip.MustParsePrefix("10.0.0.0/24"), pools(c.pools))
			var got PoolProblem
			if e := (*PoolError)(nil); errors.As(err, &e) {
				got = e.Problem
			}
			if got != c.want {
				t.Fatalf("got %d (%v), want %d", got, err, c.want)
			}
		})
	}
}

func TestCountingAddressesDoesNotOverflow(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.0.0.0/24":   "253",
		"2001:db8::/64": "18446744073709551615",
		"::/0":          "340282366920938463463374607431768211455",
	} {
		p := netip.MustParsePrefix(cidr)
		if got := Count(DefaultPools(p, DefaultGateway(p))); got.String() != want {
			t.Errorf("%s has %s addresses, want %s", cidr, got, want)
		}
	}
}

func TestEveryAddressOfThePoolsIsPickedOnceAndNoneOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(24, 32).Draw(t, "bits")
		cidr := netip.PrefixFrom(netip.MustParseAddr("10.1.2.0"), bits).Masked()
		if rapid.Bool().Draw(t, "v6") {
			cidr = netip.PrefixFrom(netip.MustParseAddr("2001:db8::ff:ffff:ff00"), 96+bits).Masked()
		}
		gateway := numberOf(cidr.Addr()).add(rapid.Uint64Range(0, 1<<(32-bits)-1).Draw(t, "gateway")).addr(cidr.Addr())
		ps := DefaultPools(cidr, gateway)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).Uint64N
		used := map[netip.Addr]bool{}
		taken := func(a netip.Addr) bool { return used[a] }
		for range Count(ps).Int64() {
			a, ok := Pick(ps, taken, random)
			if !ok {
				t.Fatalf("no address left in %s with %d taken", show(ps), len(used))
			}
			if _, in := PoolWith(ps, a); !in || used[a] || a == gateway || !cidr.Contains(a) || Reserved(cidr, a) {
				t.Fatalf("picked %s from %s of %s", a, show(ps), cidr)
			}
			used[a] = true
		}
		if a, ok := Pick(ps, taken, random); ok {
			t.Fatalf("picked %s from exhausted pools", a)
		}
	})
}

func TestPickingFromTheLargestPoolsIsCheap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1)).Uint64N
	asked := 0
	low := netip.MustParseAddr("::ff:ffff")
	a, ok := Pick(pools("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), func(a netip.Addr) bool {
		asked++
		return !low.Less(a)
	}, random)
	if !ok || asked > 100 || !low.Less(a) {
		t.Fatalf("picked %s (%v) after %d questions", a, ok, asked)
	}
}

func TestTheLastAddressOfARange(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.0.0.0/8": "10.255.255.255", "10.0.0.1/32": "10.0.0.1", "0.0.0.0/0": "255.255.255.255",
		"2001:db8::/61": "2001:db8:0:7:ffff:ffff:ffff:ffff", "::1/128": "::1",
	} {
		if got := Last(netip.MustParsePrefix(cidr)); got.String() != want {
			t.Errorf("last of %s is %s, want %s", cidr, got, want)
		}
	}
}
