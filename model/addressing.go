package model

import "net/netip"

// SubnetPool is a set of prefixes that subnets are cut from.
type SubnetPool struct {
	Meta
	IPVersion int `json:"ip_version"`
	// Prefixes are disjoint, sorted, and as few as possible.
	Prefixes []netip.Prefix `json:"prefixes"`
	// The lengths of prefix that subnets may have, and have unless they ask for
	// one.
	MinPrefixLen     int `json:"min_prefixlen"`
	MaxPrefixLen     int `json:"max_prefixlen"`
	DefaultPrefixLen int `json:"default_prefixlen"`
	// DefaultQuota is how much a project may have of the pool: in addresses of
	// IPv4, in /64 of IPv6. Nil is no limit.
	DefaultQuota   *int   `json:"default_quota,omitempty"`
	AddressScopeID string `json:"address_scope_id,omitempty"`
	IsDefault      bool   `json:"is_default,omitempty"`
	// Allocations counts what was cut from the pool. Every allocation changes it,
	// so that concurrent ones exclude each other. It is not shown.
	Allocations int64 `json:"allocations,omitempty"`
}

// AddressScope is a set of subnet pools whose prefixes do not overlap: between
// their subnets routers need no address translation.
type AddressScope struct {
	Meta
	IPVersion int `json:"ip_version"`
	// Changes counts what happened to the pools of the scope, so that concurrent
	// changes of them exclude each other. It is not shown.
	Changes int64 `json:"changes,omitempty"`
}

// AddressGroup is a set of prefixes that security group rules name as remote.
type AddressGroup struct {
	Meta
	// Addresses are different, sorted, and without host bits.
	Addresses []netip.Prefix `json:"addresses,omitempty"`
}
