package model

import "net/netip"

// Router forwards packets between the subnets that it has interfaces on, and to
// the external network of its gateway. Its interfaces are ports.
type Router struct {
	Meta
	AdminStateUp bool `json:"admin_state_up"`
	// Gateway is the way to an external network; nil for none.
	Gateway *RouterGateway `json:"gateway,omitempty"`
	// Routes are the routes besides those of the interfaces' subnets.
	Routes  []HostRoute `json:"routes,omitempty"`
	AZHints []string    `json:"availability_zone_hints,omitempty"`
	// NATExempt are IPv4 destinations beyond the gateway to which nothing is
	// translated, without host bits.
	NATExempt []netip.Prefix `json:"nat_exempt,omitempty"`

	FlavorID string `json:"flavor_id,omitempty"`
	// Distributed has every host with a port on one of the router's networks
	// route for itself.
	Distributed bool `json:"distributed,omitempty"`

	// HA lets several hosts have the router, one of which forwards.
	HA bool `json:"ha,omitempty"`
	// VRID tells the ha routers of one project apart: the VRRP virtual router
	// identifier (RFC 5798), 1–255; 0 of a router that is not ha.
	VRID int `json:"vr_id,omitempty"`
	// HANetworkID is the network by which the hosts of an ha router watch each
	// other.
	HANetworkID string `json:"ha_network_id,omitempty"`
}

// RouterGateway is a router's way to an external network.
type RouterGateway struct {
	NetworkID string `json:"network_id"`
	// PortID is the router's port on the network; it has the addresses.
	PortID string `json:"port_id"`
	// EnableSNAT gives what leaves through the gateway its address.
	EnableSNAT  bool   `json:"enable_snat"`
	QoSPolicyID string `json:"qos_policy_id,omitempty"`
}

// FloatingIP is an address of an external network that stands for a fixed
// address of a port behind a router, or whose TCP and UDP ports are forwarded to
// several.
type FloatingIP struct {
	Meta
	FloatingNetworkID string     `json:"floating_network_id"`
	FloatingIP        netip.Addr `json:"floating_ip_address"`
	// FloatingPortID is the port that keeps the address on its network.
	FloatingPortID string `json:"floating_port_id"`
	// PortID, FixedIP and SubnetID are the internal port, its address and that
	// address's subnet; empty while the floating address stands for none.
	PortID   string     `json:"port_id,omitempty"`
	FixedIP  netip.Addr `json:"fixed_ip_address"` // invalid: none
	SubnetID string     `json:"subnet_id,omitempty"`
	// RouterID is the router between both sides; empty while the address is not
	// in use.
	RouterID string `json:"router_id,omitempty"`
	// Host translates the address, beside the port that it stands for; empty:
	// the host where the router is does.
	Host      string `json:"host,omitempty"`
	Status    string `json:"status"` // ACTIVE, DOWN
	DNSName   string `json:"dns_name,omitempty"`
	DNSDomain string `json:"dns_domain,omitempty"`

	QoSPolicyID string `json:"qos_policy_id,omitempty"`
}

// PortRange is an inclusive range of TCP or UDP ports, 1–65535.
type PortRange struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// Len is the number of ports in the range.
func (r PortRange) Len() int { return r.Last - r.First + 1 }

// Overlaps reports whether the ranges have a port in common.
func (r PortRange) Overlaps(o PortRange) bool { return r.First <= o.Last && o.First <= r.Last }

// PortForwarding sends what comes to TCP or UDP ports of a floating address to
// ports of an internal address.
type PortForwarding struct {
	Meta
	FloatingIPID string     `json:"floatingip_id"`
	Protocol     string     `json:"protocol"` // tcp, udp
	External     PortRange  `json:"external"`
	Internal     PortRange  `json:"internal"` // as many as External, or one
	PortID       string     `json:"internal_port_id"`
	InternalIP   netip.Addr `json:"internal_ip_address"`
	// SubnetID is the internal address's, and RouterID the router between.
	SubnetID string `json:"subnet_id"`
	RouterID string `json:"router_id"`
}

// ConntrackHelper lets a router follow a protocol that opens connections of its
// own, FTP for instance.
type ConntrackHelper struct {
	Meta
	RouterID string `json:"router_id"`
	Protocol string `json:"protocol"` // tcp, udp
	Port     int    `json:"port"`     // that the protocol is spoken on, 1–65535
	Helper   string `json:"helper"`   // the kernel's name: ftp
}
