package ipam

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func prefixes(s string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range strings.Fields(s) {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func TestPrefixesAreMergedAndTakenApart(t *testing.T) {
	show := func(ps []netip.Prefix) string { return strings.Trim(fmt.Sprint(ps), "[]") }
	for name, c := range map[string]struct{ got, want string }{
		"neighbours":             {show(Merge(prefixes("10.211.0.0/16 10.210.0.0/16"))), "10.210.0.0/15"},
		"neighbours of another":  {show(Merge(prefixes("10.211.0.0/16 10.212.0.0/16"))), "10.211.0.0/16 10.212.0.0/16"},
		"one inside the other":   {show(Merge(prefixes("10.1.2.0/24 10.0.0.0/8 10.1.2.0/24"))), "10.0.0.0/8"},
		"host bits":              {show(Merge(prefixes("10.1.2.3/24"))), "10.1.2.0/24"},
		"four become one":        {show(Merge(prefixes("10.0.0.0/26 10.0.0.192/26 10.0.0.128/26 10.0.0.64/26"))), "10.0.0.0/24"},
		"both halves of IPv6":    {show(Merge(prefixes("::/1 8000::/1"))), "::/0"},
		"all of IPv4":            {show(Merge(prefixes("128.0.0.0/1 0.0.0.0/1"))), "0.0.0.0/0"},
		"nothing":                {show(Merge(nil)), ""},
		"a hole":                 {show(Without(prefixes("10.0.0.0/24"), prefixes("10.0.0.64/26"))), "10.0.0.0/26 10.0.0.128/25"},
		"everything taken":       {show(Without(prefixes("10.0.0.0/24"), prefixes("10.0.0.0/16"))), ""},
		"nothing taken":          {show(Without(prefixes("10.0.0.0/24"), prefixes("10.0.1.0/24"))), "10.0.0.0/24"},
		"the last of IPv6 taken": {show(Without(prefixes("ffff::/16"), prefixes("ffff:8000::/17"))), "ffff::/17"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %s, want %s", c.got, c.want)
			}
		})
	}
}

func TestAFreePrefixComesFromTheSmallestGap(t *testing.T) {
	for name, c := range map[string]struct {
		pool, taken string
		bits        int
		want        string
	}{
		"an empty pool":           {"10.0.0.0/8", "", 26, "10.0.0.0/26"},
		"the next one":            {"10.0.0.0/8", "10.0.0.0/26", 26, "10.0.0.64/26"},
		"the gap that fits":       {"10.0.0.0/16 10.8.0.0/24", "", 25, "10.8.0.0/25"},
		"what was given back":     {"10.0.0.0/24", "10.0.0.0/26 10.0.0.128/25", 26, "10.0.0.64/26"},
		"larger than the pool":    {"10.0.0.0/24", "", 23, "invalid Prefix"},
		"only small gaps":         {"10.0.0.0/24", "10.0.0.0/26 10.0.0.128/26", 25, "invalid Prefix"},
		"taken beyond the pool":   {"10.0.0.0/24", "10.0.0.0/16", 28, "invalid Prefix"},
		"a /64 of IPv6":           {"2001:db8::/48", "2001:db8::/64", 64, "2001:db8:0:1::/64"},
		"the other family is not": {"10.0.0.0/24", "::/0", 24, "10.0.0.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := FreePrefix(prefixes(c.pool), prefixes(c.taken), c.bits); got.String() != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// drawPrefixes gives prefixes of 10.0.0.0/24, where every address can be
// counted.
func drawPrefixes(t *rapid.T, label string) []netip.Prefix {
	var out []netip.Prefix
	for range rapid.IntRange(0, 8).Draw(t, label) {
		a := netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "address")})
		out = append(out, netip.PrefixFrom(a, rapid.IntRange(24, 32).Draw(t, "bits")).Masked())
	}
	return out
}

func TestSetsOfPrefixesHoldTheAddressesOfTheModel(t *testing.T) {
	holds := func(ps []netip.Prefix, a netip.Addr) bool {
		for _, p := range ps {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPrefixes(t, "a"), drawPrefixes(t, "b")
		merged, left := Merge(a), Without(a, b)
		bits := rapid.IntRange(24, 32).Draw(t, "length")
		free, found := FreePrefix(a, b, bits)
		possible := false
		for i := range 256 {
			at := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			if holds(merged, at) != holds(a, at) {
				t.Fatalf("merged %v to %v: %s", a, merged, at)
			}
			if want := holds(a, at) && !holds(b, at); holds(left, at) != want {
				t.Fatalf("%v without %v is %v: %s", a, b, left, at)
			}
			p := netip.PrefixFrom(at, bits)
			if p.Masked() == p && Covers(left, p) {
				possible = true
			}
		}
		if found != possible || found && !Covers(left, free) {
			t.Fatalf("%v without %v has %s (%v)", a, b, free, found)
		}
		for i, p := range merged {
			if i > 0 && (merged[i-1].Overlaps(p) || siblings(merged[i-1], p)) {
				t.Fatalf("%v is not merged", merged)
			}
		}
	})
}

func TestFindingAFreePrefixDoesNotDependOnTheSizeOfThePool(t *testing.T) {
	var taken []netip.Prefix
	for i := range 10_000 {
		b := netip.MustParseAddr("2001:db8::").As16()
		binary.BigEndian.PutUint32(b[4:8], uint32(i))
		taken = append(taken, netip.PrefixFrom(netip.AddrFrom16(b), 64))
	}
	got, ok := FreePrefix(prefixes("2001::/16"), taken, 64)
	if !ok || Overlap(taken, got) {
		t.Errorf("got %s, %v", got, ok)
	}
}
