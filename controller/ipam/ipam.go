package ipam

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/pick"
	"github.com/lepton-sdn/lepton/model"
)

// Last gives the last address of the range: the broadcast address of an IPv4
// subnet.
func Last(cidr netip.Prefix) netip.Addr {
	if cidr.Addr().Is4() {
		b := cidr.Masked().Addr().As4()
		host := uint32(1)<<(32-cidr.Bits()) - 1
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|host)
		return netip.AddrFrom4(b)
	}
	b := cidr.Masked().Addr().As16()
	for i := cidr.Bits(); i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom16(b)
}

// DefaultGateway is the gateway of a subnet whose creator did not say: the
// first host address of IPv4, the subnet-router anycast address of IPv6
// (RFC 4291, section 2.6.1). It is invalid when the range has no room for one.
func DefaultGateway(cidr netip.Prefix) netip.Addr {
	switch {
	case cidr.IsSingleIP():
		return netip.Addr{}
	case cidr.Addr().Is4():
		return cidr.Masked().Addr().Next()
	}
	return cidr.Masked().Addr()
}

// Reserved reports whether the address is one that no port may have: the
// network and broadcast addresses of IPv4, unless the range is too small to
// have them (RFC 3021).
func Reserved(cidr netip.Prefix, a netip.Addr) bool {
	if !a.Is4() || cidr.Bits() > 30 {
		return false
	}
	return a == cidr.Masked().Addr() || a == Last(cidr)
}

// DefaultPools are the pools of a subnet whose creator did not say: everything
// but the gateway and the addresses with a meaning of their own.
func DefaultPools(cidr netip.Prefix, gateway netip.Addr) []model.IPRange {
	first, last := cidr.Masked().Addr(), Last(cidr)
	if small := cidr.Addr().BitLen() - cidr.Bits(); small > 1 {
		first = first.Next()
		if cidr.Addr().Is4() {
			last = last.Prev()
		}
	}
	if !gateway.IsValid() || gateway.Less(first) || last.Less(gateway) {
		return []model.IPRange{{Start: first, End: last}}
	}
	var pools []model.IPRange
	if first.Less(gateway) {
		pools = append(pools, model.IPRange{Start: first, End: gateway.Prev()})
	}
	if gateway.Less(last) {
		pools = append(pools, model.IPRange{Start: gateway.Next(), End: last})
	}
	return pools
}

// PoolProblem says what is wrong with a list of allocation pools.
type PoolProblem int

// What CheckPools finds.
const (
	PoolReversed PoolProblem = iota + 1 // starts after its end, or mixes families
	PoolOutside                         // leaves the subnet
	PoolsOverlap                        // two have an address in common
)

// PoolError is a list of pools that a subnet cannot have.
type PoolError struct {
	Problem PoolProblem
	Pool    model.IPRange
	Other   model.IPRange // the pool that Pool overlaps with
	CIDR    netip.Prefix
}

// Error names the pool, and what it conflicts with.
func (e *PoolError) Error() string {
	pool := e.Pool.Start.String() + "-" + e.Pool.End.String()
	switch e.Problem {
	case PoolReversed:
		return fmt.Sprintf("the allocation pool %s is not a valid range", pool)
	case PoolOutside:
		return fmt.Sprintf("the allocation pool %s spans beyond the subnet cidr %s", pool, e.CIDR)
	}
	return fmt.Sprintf("found overlapping allocation pools %s and %s-%s for subnet %s", pool, e.Other.Start, e.Other.End, e.CIDR)
}

// CheckPools finds pools that are reversed, leave the subnet or overlap; the
// error is a *PoolError. Network and broadcast address of IPv4 count as
// outside.
func CheckPools(cidr netip.Prefix, pools []model.IPRange) error {
	sorted := slices.Clone(pools)
	slices.SortFunc(sorted, func(a, b model.IPRange) int { return a.Start.Compare(b.Start) })
	for i, p := range sorted {
		switch {
		case p.Start.BitLen() != p.End.BitLen() || p.End.Less(p.Start):
			return &PoolError{Problem: PoolReversed, Pool: p, CIDR: cidr}
		case !cidr.Contains(p.Start) || !cidr.Contains(p.End) || Reserved(cidr, p.Start) || Reserved(cidr, p.End):
			return &PoolError{Problem: PoolOutside, Pool: p, CIDR: cidr}
		case i > 0 && !sorted[i-1].End.Less(p.Start):
			return &PoolError{Problem: PoolsOverlap, Pool: sorted[i-1], Other: p, CIDR: cidr}
		}
	}
	return nil
}

// PoolWith gives the pool that holds the address.
func PoolWith(pools []model.IPRange, a netip.Addr) (model.IPRange, bool) {
	for _, p := range pools {
		if p.Start.BitLen() == a.BitLen() && !a.Less(p.Start) && !p.End.Less(a) {
			return p, true
		}
	}
	return model.IPRange{}, false
}

// Count tells how many addresses the pools have; a /64 of IPv6 does not fit in
// 64 bits.
func Count(pools []model.IPRange) *big.Int {
	total := new(big.Int)
	for _, p := range pools {
		n := numberOf(p.End).sub(numberOf(p.Start))
		size := new(big.Int).SetUint64(n.hi)
		size.Lsh(size, 64).Or(size, new(big.Int).SetUint64(n.lo))
		total.Add(total, size.Add(size, big.NewInt(1)))
	}
	return total
}

// window is how many of the lowest addresses are preferred while there are free
// ones among them.
const window = 1024

// Pick gives a free address of the pools, by preference a low one; false when
// there is none. The number of questions to taken does not depend on the size
// of the pools, only on how many addresses are taken when they are nearly full.
func Pick(pools []model.IPRange, taken func(netip.Addr) bool, random pick.Random) (netip.Addr, bool) {
	var size uint64
	for _, p := range pools {
		size = addSaturating(size, poolSize(p))
	}
	n, ok := pick.Free(size, window, func(n uint64) bool { return taken(at(pools, n)) }, random)
	if !ok {
		return netip.Addr{}, false
	}
	return at(pools, n), true
}

// at gives the nth address of the pools.
func at(pools []model.IPRange, n uint64) netip.Addr {
	for _, p := range pools {
		size := poolSize(p)
		if n < size {
			return numberOf(p.Start).add(n).addr(p.Start)
		}
		n -= size
	}
	return netip.Addr{}
}

// poolSize is the number of addresses, or the largest number of 64 bits if
// there are more.
func poolSize(p model.IPRange) uint64 {
	n := numberOf(p.End).sub(numberOf(p.Start))
	if n.hi != 0 {
		return math.MaxUint64
	}
	return addSaturating(n.lo, 1)
}

func addSaturating(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
