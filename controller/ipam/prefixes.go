package ipam

import (
	"math/big"
	"net/netip"
	"slices"
	"sort"
)

// Merge gives the fewest prefixes that hold the same addresses: sorted, without
// host bits, none inside another, neighbours joined. All are of one family.
func Merge(prefixes []netip.Prefix) []netip.Prefix {
	sorted := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		sorted = append(sorted, p.Masked())
	}
	slices.SortFunc(sorted, comparePrefixes)
	var out []netip.Prefix
	for _, p := range sorted {
		if n := len(out); n > 0 && out[n-1].Contains(p.Addr()) {
			continue // sorted: what begins inside also ends there
		}
		out = append(out, p)
		for n := len(out); n > 1 && siblings(out[n-2], out[n-1]); n = len(out) {
			out = append(out[:n-2], parent(out[n-2]))
		}
	}
	return out
}

// comparePrefixes orders by address, larger prefixes first.
func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

func siblings(a, b netip.Prefix) bool {
	return a.Bits() == b.Bits() && a.Bits() > 0 && a != b && parent(a) == parent(b)
}

func parent(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()
}

// Covers reports whether one of the merged prefixes holds all of p.
func Covers(merged []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(merged, func(m netip.Prefix) bool {
		return m.Bits() <= p.Bits() && m.Contains(p.Addr())
	})
}

// Overlap reports whether p has an address in common with one of the prefixes.
func Overlap(prefixes []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, p.Overlaps)
}

// Without gives what is left of the prefixes when others are taken away, merged.
func Without(prefixes, taken []netip.Prefix) []netip.Prefix {
	var left []netip.Prefix
	eachFree(prefixes, taken, func(p netip.Prefix) { left = append(left, p) })
	return Merge(left)
}

// FreePrefix gives a prefix of the length that is in the pool and not taken,
// from the smallest gap that it fits in and there the lowest; false when there
// is none. What it costs grows with what is taken, not with the pool.
func FreePrefix(pool, taken []netip.Prefix, bits int) (netip.Prefix, bool) {
	var best netip.Prefix
	eachFree(pool, taken, func(p netip.Prefix) {
		if p.Bits() <= bits && (!best.IsValid() || p.Bits() > best.Bits()) {
			best = p
		}
	})
	if !best.IsValid() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(best.Addr(), bits), true
}

// eachFree gives the largest aligned prefixes of the pool without what is
// taken, in order.
func eachFree(pool, taken []netip.Prefix, yield func(netip.Prefix)) {
	used := Merge(taken)
	for _, p := range Merge(pool) {
		freeWithin(p, between(used, p), yield)
	}
}

// between gives those of the merged prefixes that overlap with p.
func between(used []netip.Prefix, p netip.Prefix) []netip.Prefix {
	from := sort.Search(len(used), func(i int) bool { return !Last(used[i]).Less(p.Addr()) })
	last := Last(p)
	to := sort.Search(len(used), func(i int) bool { return last.Less(used[i].Addr()) })
	if to < from { // of another family
		return nil
	}
	return used[from:to]
}

func freeWithin(p netip.Prefix, used []netip.Prefix, yield func(netip.Prefix)) {
	switch {
	case len(used) == 0:
		yield(p)
	case used[0].Bits() > p.Bits():
		low, high := halves(p)
		freeWithin(low, between(used, low), yield)
		freeWithin(high, between(used, high), yield)
	}
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	low = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	return low, netip.PrefixFrom(Last(low).Next(), p.Bits()+1)
}

// Size tells how many addresses the prefixes have together.
func Size(prefixes ...netip.Prefix) *big.Int {
	total := new(big.Int)
	for _, p := range prefixes {
		n := big.NewInt(1)
		total.Add(total, n.Lsh(n, uint(p.Addr().BitLen()-p.Bits())))
	}
	return total
}
