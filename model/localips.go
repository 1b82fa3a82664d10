package model

import "net/netip"

// LocalIP is an address that guests of a host reach on their own host, whatever
// host they are on.
type LocalIP struct {
	Meta
	LocalPortID string     `json:"local_port_id"`
	NetworkID   string     `json:"network_id"`
	Address     netip.Addr `json:"local_ip_address"`
	Mode        string     `json:"ip_mode"` // translate, passthrough
}
