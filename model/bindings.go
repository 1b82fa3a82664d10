package model

import (
	"slices"
	"time"
)

// RouterBinding says which hosts have a router: those whose l3 agents keep its
// namespace. There is one record of a router, so that all of it changes at once.
type RouterBinding struct {
	RouterID string `json:"router_id"`
	// Hosts have the router: one, or several of an ha router, the ones preferred
	// first.
	Hosts []RouterHost `json:"hosts,omitempty"`
	// TakenOff are the hosts that an administrator took the router from.
	TakenOff []TakenOff `json:"taken_off,omitempty"`
	// Challenge is a host's wish to be the active one of an ha router, which the
	// present one may refuse; nil for none.
	Challenge *RouterChallenge `json:"challenge,omitempty"`
}

// RouterChallenge is the wish of one host of an ha router to be active.
type RouterChallenge struct {
	Host string `json:"host"`
	// Number tells the wishes of one host apart; they grow.
	Number int64 `json:"number"`
}

// RouterHost is one host of a router.
type RouterHost struct {
	Host string `json:"host"`
	// Priority is for ha routers: the VRRP priority (RFC 5798), 1–254; 0 of a
	// router that is on one host only.
	Priority int `json:"priority,omitempty"`
	// Active marks the host that forwards. A router on one host is active there.
	Active bool `json:"active"`
	// Denied is the number of the host's last wish to be active that was refused.
	Denied int64     `json:"denied,omitempty"`
	Since  time.Time `json:"since"`
	// Grant says, of an ha router, by how much the host's right to forward stands
	// above that of hosts that may not have heard yet that they lost theirs: 1 to
	// MaxGrant. A host that loses the router keeps its own until it says that it
	// stands by; 0 is none, and of the active host as good as 1.
	Grant int `json:"grant,omitempty"`
	// Challenge is for the active host: the number of another one's wish, to which
	// it is to answer. It is told to the host only, and not stored.
	Challenge int64 `json:"-"`
}

// MaxGrant bounds RouterHost.Grant: there is room for so many in VRRP's
// priorities.
const MaxGrant = 3

// DHCPBinding says which hosts serve a network with DHCP: those whose dhcp agents
// keep its namespace. There is one record of a network.
type DHCPBinding struct {
	NetworkID string     `json:"network_id"`
	Hosts     []DHCPHost `json:"hosts,omitempty"`
	// TakenOff are the hosts that an administrator took the network from.
	TakenOff []TakenOff `json:"taken_off,omitempty"`
}

// DHCPHost is one host that serves a network.
type DHCPHost struct {
	Host string `json:"host"`
	// PortID is the host's port on the network, of owner network:dhcp: its
	// addresses are those to serve from. Empty while no subnet of the network has
	// DHCP, or none has an address to spare.
	PortID string    `json:"port_id,omitempty"`
	Since  time.Time `json:"since"`
}

// TakenOff is an administrator's word that a host is not to have a router or a
// network.
type TakenOff struct {
	Host string    `json:"host"`
	At   time.Time `json:"at"`
}

// On reports whether the host has the router.
func (b *RouterBinding) On(host string) bool {
	return slices.ContainsFunc(b.Hosts, func(h RouterHost) bool { return h.Host == host })
}

// On reports whether the host serves the network.
func (b *DHCPBinding) On(host string) bool {
	return slices.ContainsFunc(b.Hosts, func(h DHCPHost) bool { return h.Host == host })
}
