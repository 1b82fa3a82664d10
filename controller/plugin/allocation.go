package plugin

import (
	"math/big"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/ipam"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// takeRange settles the range of a new subnet: the one that the request names,
// or a free one of a subnet pool.
func (p *Plugin) takeRange(c Call, u *records.Update, s *SubnetSpec, subnet *model.Subnet) error {
	pool, err := p.poolOf(c, u, s)
	if err != nil {
		return err
	}
	if pool == nil {
		return checkRange(s)
	}
	subnet.SubnetPoolID = pool.ID
	if s.CIDR.IsValid() {
		subnet.CIDR = s.CIDR.Masked()
		return p.allocate(u, pool, subnet)
	}
	if len(subnet.AllocationPools) > 0 {
		return BadRequest("BadRequest", "Bad subnets request: allocation_pools allowed only for specific subnet requests.")
	}
	bits := pool.DefaultPrefixLen
	if s.PrefixLen != nil {
		bits = *s.PrefixLen
	}
	if err := checkLength(pool, bits); err != nil {
		return err
	}
	free, ok := ipam.FreePrefix(pool.Prefixes, allocated(u, pool), bits)
	if !ok {
		return allocationError("Insufficient prefix space to allocate subnet size /%d", bits)
	}
	subnet.CIDR = free
	return p.allocate(u, pool, subnet)
}

// poolOf finds the pool that a request for a subnet means, nil for none.
func (p *Plugin) poolOf(c Call, u *records.Update, s *SubnetSpec) (*model.SubnetPool, error) {
	id := s.SubnetPoolID
	switch {
	case id != "" && s.UseDefaultPool:
		return nil, BadRequest("BadRequest", "Bad subnets request: subnetpool_id and use_default_subnetpool cannot both be specified.")
	case s.CIDR.IsValid() && s.PrefixLen != nil:
		return nil, BadRequest("BadRequest", "Bad subnets request: cidr and prefixlen must not be supplied together.")
	case s.UseDefaultPool:
		var ok bool
		if id, ok = u.Claimed(defaultPoolKey(s.IPVersion)); !ok {
			return nil, BadRequest("BadRequest", "Bad subnets request: No default subnetpool found for IPv%d.", s.IPVersion)
		}
	case id == "":
		return nil, nil
	}
	pool, ok := records.SubnetPools.Get(u, id)
	if !ok || !policy.May(p.seePool, c.Who, sharingOf(u, id).target(pool.ProjectID)) {
		return nil, NotFound("SubnetPool", "Subnet pool", id)
	}
	if pool.IPVersion != s.IPVersion {
		return nil, BadRequest("BadRequest", "Bad subnets request: Cannot allocate IPv%d subnet from IPv%d subnet pool.", s.IPVersion, pool.IPVersion)
	}
	return pool, nil
}

// allocate takes the subnet's range out of the pool. It writes the pool, so that
// of concurrent allocations each sees those before it.
func (p *Plugin) allocate(u *records.Update, pool *model.SubnetPool, subnet *model.Subnet) error {
	if err := checkLength(pool, subnet.CIDR.Bits()); err != nil {
		return err
	}
	if !ipam.Covers(pool.Prefixes, subnet.CIDR) || ipam.Overlap(allocated(u, pool), subnet.CIDR) {
		return allocationError("Cannot allocate requested subnet from the available set of prefixes")
	}
	if overPoolQuota(u, pool, subnet) {
		return Conflict("SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
	}
	changed := *pool
	changed.Allocations++
	records.SubnetPools.Put(u, &changed)
	return nil
}

func allocationError(format string, args ...any) *Error {
	return Conflict("SubnetAllocationError", "Failed to allocate subnet: "+format+".", args...)
}

func checkLength(pool *model.SubnetPool, bits int) error {
	switch {
	case bits > pool.MaxPrefixLen:
		return BadRequest("MaxPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, maximum allowed prefix is %d.", bits, pool.MaxPrefixLen)
	case bits < pool.MinPrefixLen:
		return BadRequest("MinPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, minimum allowed prefix is %d.", bits, pool.MinPrefixLen)
	}
	return nil
}

// allocated gives the ranges of the subnets from the pool.
func allocated(r records.Reader, pool *model.SubnetPool) []netip.Prefix {
	var taken []netip.Prefix
	for s := range records.SubnetsByPool.Get(r, pool.ID) {
		taken = append(taken, s.CIDR)
	}
	return taken
}

// overPoolQuota reports whether the subnet's project would have more of the pool
// than the pool grants: addresses of IPv4, networks of 64 bits of IPv6.
func overPoolQuota(r records.Reader, pool *model.SubnetPool, subnet *model.Subnet) bool {
	if pool.DefaultQuota == nil {
		return false
	}
	most := big.NewInt(int64(*pool.DefaultQuota))
	if pool.IPVersion == 6 {
		most.Lsh(most, 64)
	}
	used := ipam.Size(subnet.CIDR)
	for s := range records.SubnetsByPool.Get(r, pool.ID) {
		if s.ProjectID == subnet.ProjectID {
			used.Add(used, ipam.Size(s.CIDR))
		}
	}
	return used.Cmp(most) > 0
}

// checkAffinity keeps the subnets of one IP version on a network together: all
// from one pool, or from pools of one address scope, or all from none.
func checkAffinity(u *records.Update, subnet *model.Subnet) error {
	for other := range records.SubnetsByNetwork.Get(u, subnet.NetworkID) {
		if other.ID == subnet.ID || other.IPVersion != subnet.IPVersion || other.SubnetPoolID == subnet.SubnetPoolID {
			continue
		}
		mine, theirs := scopeOfPool(u, subnet.SubnetPoolID), scopeOfPool(u, other.SubnetPoolID)
		switch {
		case mine == "" && theirs == "":
			return BadRequest("NetworkSubnetPoolAffinityError", "Subnets hosted on the same network must be allocated from the same subnet pool.")
		case mine != theirs:
			return scopeAffinity(subnet.NetworkID)
		}
	}
	return nil
}

// scopeOfPool gives the address scope of a pool, "" for none.
func scopeOfPool(r records.Reader, id string) string {
	if pool, ok := records.SubnetPools.Get(r, id); ok {
		return pool.AddressScopeID
	}
	return ""
}
