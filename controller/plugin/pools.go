package plugin

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/ipam"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// PoolSpec is a subnet pool as a request asks for it. Lengths of prefixes that
// were not given are nil.
type PoolSpec struct {
	model.SubnetPool
	Shared            bool
	Min, Max, Default *int
}

// PoolView is a subnet pool as the API shows it.
type PoolView struct {
	*model.SubnetPool
	Sharing
}

// ViewPool gives a subnet pool as the API shows it.
func (p *Plugin) ViewPool(r records.Reader, pool *model.SubnetPool) *PoolView {
	return &PoolView{SubnetPool: pool, Sharing: sharingOf(r, pool.ID)}
}

// Target is the pool as rules about rights see it.
func (v *PoolView) Target() identity.Target { return v.target(v.ProjectID) }

const poolType = "subnetpool"

// The shortest prefixes of subnets when a pool does not say.
const (
	minLengthIPv4 = 8
	minLengthIPv6 = 64
)

func defaultPoolKey(version int) string { return fmt.Sprintf("default-subnetpool/%d", version) }

// CreatePool makes a subnet pool.
func (p *Plugin) CreatePool(c Call, u *records.Update, s *PoolSpec) (string, error) {
	pool := s.SubnetPool
	p.newMeta(&pool.Meta, 0)
	if err := settlePrefixes(&pool); err != nil {
		return "", err
	}
	pool.MinPrefixLen, pool.MaxPrefixLen = minLengthIPv4, pool.Prefixes[0].Addr().BitLen()
	if pool.IPVersion == 6 {
		pool.MinPrefixLen = minLengthIPv6
	}
	if err := settleLengths(&pool, s, true); err != nil {
		return "", err
	}
	if err := p.enterScope(c, u, &pool); err != nil {
		return "", err
	}
	if err := p.takeQuota(c, u, &pool.Meta, QuotaSubnetPool); err != nil {
		return "", err
	}
	if err := claimDefaultPool(u, false, &pool); err != nil {
		return "", err
	}
	if s.Shared {
		if err := p.share(u, poolType, &pool.Meta, model.ActionShared); err != nil {
			return "", err
		}
	}
	records.SubnetPools.Put(u, &pool)
	return pool.ID, nil
}

// settlePrefixes puts a pool's prefixes into the form in which they are kept,
// and learns its IP version from them.
func settlePrefixes(pool *model.SubnetPool) error {
	if len(pool.Prefixes) == 0 {
		return BadRequest("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	if err := oneFamily(pool.Prefixes, version(pool.Prefixes[0].Addr())); err != nil {
		return err
	}
	pool.IPVersion = version(pool.Prefixes[0].Addr())
	pool.Prefixes = ipam.Merge(pool.Prefixes)
	return nil
}

func oneFamily(prefixes []netip.Prefix, v int) error {
	if slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return version(p.Addr()) != v }) {
		return BadRequest("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
	}
	return nil
}

// settleLengths applies the lengths of prefixes that a request gives. The
// default follows the minimum in a new pool.
func settleLengths(pool *model.SubnetPool, s *PoolSpec, fresh bool) error {
	most := pool.Prefixes[0].Addr().BitLen()
	if s.Min != nil {
		if *s.Min > most {
			return BadRequest("UnsupportedMinSubnetPoolPrefix", "Prefix '%d' not supported in IPv%d pool.", *s.Min, pool.IPVersion)
		}
		pool.MinPrefixLen = *s.Min
	}
	if s.Max != nil {
		if *s.Max > most {
			return illegalBounds("max_prefixlen", *s.Max, "ip_version_max", most)
		}
		pool.MaxPrefixLen = *s.Max
	}
	if fresh {
		pool.DefaultPrefixLen = pool.MinPrefixLen
	}
	if s.Default != nil {
		pool.DefaultPrefixLen = *s.Default
	}
	switch {
	case pool.MinPrefixLen > pool.MaxPrefixLen:
		return illegalBounds("min_prefixlen", pool.MinPrefixLen, "max_prefixlen", pool.MaxPrefixLen)
	case pool.DefaultPrefixLen < pool.MinPrefixLen:
		return illegalBounds("default_prefixlen", pool.DefaultPrefixLen, "min_prefixlen", pool.MinPrefixLen)
	case pool.DefaultPrefixLen > pool.MaxPrefixLen:
		return illegalBounds("default_prefixlen", pool.DefaultPrefixLen, "max_prefixlen", pool.MaxPrefixLen)
	}
	return nil
}

func illegalBounds(name string, value int, base string, bound int) *Error {
	return BadRequest("IllegalSubnetPoolPrefixBounds", "Illegal prefix bounds: %s=%d, %s=%d.", name, value, base, bound)
}

// claimDefaultPool keeps the key of the one default pool of an IP version.
func claimDefaultPool(u *records.Update, was bool, pool *model.SubnetPool) error {
	key := defaultPoolKey(pool.IPVersion)
	if was && !pool.IsDefault {
		u.Release(key)
	}
	if was || !pool.IsDefault {
		return nil
	}
	if err := u.Claim(key, pool.ID); err != nil {
		return InvalidInput("A default subnetpool for this IP family has already been set. Only one default may exist per IP family")
	}
	return nil
}

// UpdatePool changes a subnet pool. Its prefixes may only grow.
func (p *Plugin) UpdatePool(c Call, u *records.Update, before *PoolView, s *PoolSpec) error {
	pool := s.SubnetPool
	if c.Has("prefixes") {
		if err := growPrefixes(before.SubnetPool, &pool); err != nil {
			return err
		}
	}
	if err := settleLengths(&pool, s, false); err != nil {
		return err
	}
	if err := p.rescope(c, u, before.SubnetPool, &pool); err != nil {
		return err
	}
	if err := claimDefaultPool(u, before.IsDefault, &pool); err != nil {
		return err
	}
	if !reflect.DeepEqual(pool, *before.SubnetPool) {
		p.touch(&pool.Meta)
		records.SubnetPools.Put(u, &pool)
	}
	return nil
}

func growPrefixes(before, pool *model.SubnetPool) error {
	if err := settlePrefixes(pool); err != nil {
		return err
	}
	if err := oneFamily(pool.Prefixes, before.IPVersion); err != nil {
		return err
	}
	for _, prefix := range before.Prefixes {
		if !ipam.Covers(pool.Prefixes, prefix) {
			return BadRequest("IllegalSubnetPoolPrefixUpdate", "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.")
		}
	}
	return nil
}

// rescope checks what follows from a pool's new prefixes or its new address
// scope: prefixes are unique in a scope and its owner's to change, and the
// subnets of one IP version on a network are in one scope.
func (p *Plugin) rescope(c Call, u *records.Update, before, pool *model.SubnetPool) error {
	moved := pool.AddressScopeID != before.AddressScopeID
	if !moved && slices.Equal(pool.Prefixes, before.Prefixes) {
		return nil
	}
	if err := mayRearrange(c, u, before); err != nil {
		return err
	}
	if err := p.enterScope(c, u, pool); err != nil {
		return err
	}
	if !moved {
		return nil
	}
	for subnet := range records.SubnetsByPool.Get(u, pool.ID) {
		records.Networks.Get(u, subnet.NetworkID) // a condition: every new subnet writes it
		for other := range records.SubnetsByNetwork.Get(u, subnet.NetworkID) {
			if other.IPVersion == pool.IPVersion && other.SubnetPoolID != pool.ID {
				return scopeAffinity(subnet.NetworkID)
			}
		}
	}
	return nil
}

func scopeAffinity(network string) *Error {
	return BadRequest("NetworkAddressScopeAffinityError",
		"All subnets of network %s from the same address family must be allocated from subnet pools of the same address scope.", network)
}

// DeletePool removes a subnet pool without subnets.
func (p *Plugin) DeletePool(u *records.Update, id string) error {
	pool, ok := records.SubnetPools.Get(u, id)
	if !ok {
		return NotFound("SubnetPool", "Subnet pool", id)
	}
	for range records.SubnetsByPool.Get(u, id) {
		return BadRequest("SubnetPoolDeleteError", "Unable to delete subnet pool: Subnet pool has existing allocations.")
	}
	if pool.IsDefault {
		u.Release(defaultPoolKey(pool.IPVersion))
	}
	if err := unshare(u, id, everyPolicy); err != nil {
		return err
	}
	if err := reclaim(u, id, quotaKeys(&pool.Meta, QuotaSubnetPool), nil); err != nil {
		return err
	}
	records.SubnetPools.Delete(u, id)
	return nil
}

// TagPool replaces a subnet pool's tags.
func (p *Plugin) TagPool(u *records.Update, before *model.SubnetPool, tags []string) {
	pool := *before
	p.retag(&pool.Meta, tags)
	records.SubnetPools.Put(u, &pool)
}

// AddPrefixes adds prefixes to a subnet pool and gives all that it has then.
func (p *Plugin) AddPrefixes(c Call, u *records.Update, before *model.SubnetPool, added []netip.Prefix) ([]netip.Prefix, error) {
	if err := oneFamily(added, before.IPVersion); err != nil {
		return nil, err
	}
	pool := *before
	pool.Prefixes = ipam.Merge(append(slices.Clone(before.Prefixes), added...))
	return pool.Prefixes, p.putPrefixes(c, u, before, &pool)
}

// RemovePrefixes takes prefixes out of a subnet pool, if no subnet is in them,
// and gives those that it has then.
func (p *Plugin) RemovePrefixes(c Call, u *records.Update, before *model.SubnetPool, removed []netip.Prefix) ([]netip.Prefix, error) {
	if err := oneFamily(removed, before.IPVersion); err != nil {
		return nil, err
	}
	for subnet := range records.SubnetsByPool.Get(u, before.ID) {
		if ipam.Overlap(removed, subnet.CIDR) {
			return nil, BadRequest("IllegalSubnetPoolPrefixUpdate", "Illegal update to prefixes: One or more subnets allocated from pool overlap with the prefixes to remove.")
		}
	}
	pool := *before
	if pool.Prefixes = ipam.Without(before.Prefixes, removed); len(pool.Prefixes) == 0 {
		return nil, BadRequest("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	return pool.Prefixes, p.putPrefixes(c, u, before, &pool)
}

func (p *Plugin) putPrefixes(c Call, u *records.Update, before, pool *model.SubnetPool) error {
	if slices.Equal(pool.Prefixes, before.Prefixes) {
		return nil
	}
	if err := p.rescope(c, u, before, pool); err != nil {
		return err
	}
	p.touch(&pool.Meta)
	records.SubnetPools.Put(u, pool)
	return nil
}

// Onboard gives a network's subnets of the pool's IP version to the pool, which
// grows by their ranges.
func (p *Plugin) Onboard(c Call, u *records.Update, before *model.SubnetPool, network string) error {
	n, ok := records.Networks.Get(u, network)
	if !ok || !c.Who.Admin && n.ProjectID != c.Who.ProjectID {
		return NotFound("Network", "Network", network)
	}
	pool := *before
	pool.Prefixes = slices.Clone(before.Prefixes)
	for subnet := range records.SubnetsByNetwork.Get(u, network) {
		if subnet.IPVersion != pool.IPVersion {
			continue
		}
		if subnet.SubnetPoolID != "" {
			return illegalPoolUpdate("subnets of network %s are in a subnet pool already", network)
		}
		for other := range records.SubnetsByPool.Get(u, pool.ID) {
			if other.CIDR.Overlaps(subnet.CIDR) {
				return illegalPoolUpdate("subnet %s overlaps with subnet %s of the pool", subnet.ID, other.ID)
			}
		}
		pool.Prefixes = append(pool.Prefixes, subnet.CIDR)
		changed := *subnet
		changed.SubnetPoolID = pool.ID
		p.touch(&changed.Meta)
		records.Subnets.Put(u, &changed)
	}
	pool.Prefixes = ipam.Merge(pool.Prefixes)
	if err := p.rescope(c, u, before, &pool); err != nil {
		return err
	}
	p.touch(&pool.Meta)
	records.SubnetPools.Put(u, &pool)
	p.touchNetwork(u, n)
	return nil
}

func illegalPoolUpdate(format string, args ...any) *Error {
	return BadRequest("IllegalSubnetPoolUpdate", "Illegal subnetpool update : "+format+".", args...)
}
