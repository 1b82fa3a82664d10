package model

import (
	"net/netip"
	"time"
)

// Meta is what every API object carries.
type Meta struct {
	ID          string    `json:"id"`
	ProjectID   string    `json:"project_id"`
	Name        string    `json:"name,omitempty"`
	Description string    `json:"description,omitempty"`
	Tags        []string  `json:"tags,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	// Revision is Neutron's revision_number: it grows with every change of the
	// object, side effects included.
	Revision int64 `json:"revision"`
	// QuotaSlot is the object's place in its project's quota, 0 when there was
	// no limit when it was made. It is the controller's own and not shown.
	QuotaSlot int `json:"quota_slot,omitempty"`
}

// GetMeta lets generic code reach the common part of a record.
func (m *Meta) GetMeta() *Meta { return m }

// NetworkType is the value of provider:network_type.
type NetworkType string

// The network types that Lepton realises.
const (
	Local  NetworkType = "local"
	Flat   NetworkType = "flat"
	VLAN   NetworkType = "vlan"
	VXLAN  NetworkType = "vxlan"
	GRE    NetworkType = "gre"
	Geneve NetworkType = "geneve"
)

// Tunneled reports whether the type crosses hosts in a tunnel over br-tun.
func (t NetworkType) Tunneled() bool { return t == VXLAN || t == GRE || t == Geneve }

// Physical reports whether the type uses a physical network.
func (t NetworkType) Physical() bool { return t == Flat || t == VLAN }

// Segment says how a network is realised on the wire.
type Segment struct {
	Type            NetworkType `json:"type"`
	PhysicalNetwork string      `json:"physical_network,omitempty"`
	// ID is the VLAN id (1–4094), the VNI (1–16777215) or the GRE key; 0 for
	// flat and local networks.
	ID uint32 `json:"id,omitempty"`
}

// Network is a layer-2 broadcast domain, or, with several segments that have
// subnets of their own, a set of such domains that are routed to each other.
type Network struct {
	Meta
	AdminStateUp        bool `json:"admin_state_up"`
	Shared              bool `json:"shared,omitempty"`
	External            bool `json:"external,omitempty"`
	IsDefault           bool `json:"is_default,omitempty"`
	PortSecurityEnabled bool `json:"port_security_enabled"`
	MTU                 int  `json:"mtu"`
	// Segment is the first of the network's segments; without a type the network
	// has none.
	Segment Segment `json:"segment"`
	// Segments are all of them, as objects of their own; see AllSegments.
	Segments  []NetworkSegment `json:"segments,omitempty"`
	DNSDomain string           `json:"dns_domain,omitempty"`
	AZHints   []string         `json:"availability_zone_hints,omitempty"`

	QoSPolicyID string `json:"qos_policy_id,omitempty"`
}

// IPRange is an inclusive range of addresses, an allocation pool.
type IPRange struct {
	Start netip.Addr `json:"start"`
	End   netip.Addr `json:"end"`
}

// HostRoute is a static route handed to guests.
type HostRoute struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"nexthop"`
}

// Subnet is an IP range on a network.
type Subnet struct {
	Meta
	NetworkID       string       `json:"network_id"`
	IPVersion       int          `json:"ip_version"`
	CIDR            netip.Prefix `json:"cidr"`
	Gateway         netip.Addr   `json:"gateway"` // invalid: none
	AllocationPools []IPRange    `json:"allocation_pools"`
	EnableDHCP      bool         `json:"enable_dhcp"`
	DNSNameservers  []netip.Addr `json:"dns_nameservers,omitempty"`
	HostRoutes      []HostRoute  `json:"host_routes,omitempty"`
	IPv6AddressMode string       `json:"ipv6_address_mode,omitempty"`
	IPv6RAMode      string       `json:"ipv6_ra_mode,omitempty"`
	SubnetPoolID    string       `json:"subnetpool_id,omitempty"`
	SegmentID       string       `json:"segment_id,omitempty"`
	ServiceTypes    []string     `json:"service_types,omitempty"`
	DNSPublishFixed bool         `json:"dns_publish_fixed_ip,omitempty"`
}

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID string     `json:"subnet_id"`
	IP       netip.Addr `json:"ip_address"`
}

// AddressPair is an additional source address that a port may use. An empty
// MAC means the port's own.
type AddressPair struct {
	MAC MAC          `json:"mac_address"`
	IP  netip.Prefix `json:"ip_address"`
}

// DHCPOption is an extra DHCP option of a port.
type DHCPOption struct {
	Name      string `json:"opt_name"`
	Value     string `json:"opt_value"`
	IPVersion int    `json:"ip_version"`
}

// Port is a point of attachment to a network.
type Port struct {
	Meta
	NetworkID      string         `json:"network_id"`
	MAC            MAC            `json:"mac_address"`
	AdminStateUp   bool           `json:"admin_state_up"`
	FixedIPs       []FixedIP      `json:"fixed_ips"`
	DeviceID       string         `json:"device_id,omitempty"`
	DeviceOwner    string         `json:"device_owner,omitempty"`
	Host           string         `json:"host,omitempty"` // binding:host_id
	VNICType       string         `json:"vnic_type,omitempty"`
	VIFType        string         `json:"vif_type,omitempty"` // ovs, unbound, binding_failed
	VIFDetails     map[string]any `json:"vif_details,omitempty"`
	BindingProfile map[string]any `json:"profile,omitempty"`
	// Bindings are those that are not in use: to the hosts that a guest may be
	// moved to.
	Bindings            []PortBinding `json:"bindings,omitempty"`
	PortSecurityEnabled bool          `json:"port_security_enabled"`
	SecurityGroups      []string      `json:"security_groups,omitempty"`
	AllowedAddressPairs []AddressPair `json:"allowed_address_pairs,omitempty"`
	ExtraDHCPOpts       []DHCPOption  `json:"extra_dhcp_opts,omitempty"`
	DNSName             string        `json:"dns_name,omitempty"`
	DNSDomain           string        `json:"dns_domain,omitempty"`
	IPAllocation        string        `json:"ip_allocation,omitempty"`
	PropagateUplink     bool          `json:"propagate_uplink_status,omitempty"`
	NUMAAffinityPolicy  string        `json:"numa_affinity_policy,omitempty"`
	DeviceProfile       string        `json:"device_profile,omitempty"`
	DataPlaneStatus     string        `json:"data_plane_status,omitempty"`
	QoSPolicyID         string        `json:"qos_policy_id,omitempty"`
	// HAHosts are the hosts of the ha router that the port is an interface of:
	// the port is plugged on all of them, and any of them may come to use it. Host
	// is the one that uses it as far as the controllers know.
	HAHosts []string `json:"ha_hosts,omitempty"`
}

// Trusted reports whether the port belongs to the network service itself
// (device owners network:*), whose source addresses are not checked.
func (p *Port) Trusted() bool {
	return len(p.DeviceOwner) >= 8 && p.DeviceOwner[:8] == "network:"
}

// Distributed reports whether the port is an interface of a distributed router:
// it is on every host that routes for the router's networks, and Host is where
// hosts that do not route find it.
func (p *Port) Distributed() bool { return p.DeviceOwner == "network:router_interface_distributed" }

// SecurityGroup is a named set of rules; its rules are records of their own.
type SecurityGroup struct {
	Meta
	Stateful bool `json:"stateful"`
}

// SecurityGroupRule admits traffic of the ports in its group.
type SecurityGroupRule struct {
	Meta
	SecurityGroupID      string       `json:"security_group_id"`
	Direction            string       `json:"direction"` // ingress, egress
	EtherType            string       `json:"ethertype"` // IPv4, IPv6
	Protocol             string       `json:"protocol,omitempty"`
	PortRangeMin         *int         `json:"port_range_min,omitempty"`
	PortRangeMax         *int         `json:"port_range_max,omitempty"`
	RemoteIPPrefix       string       `json:"remote_ip_prefix,omitempty"` // as sent
	NormalizedCIDR       netip.Prefix `json:"normalized_cidr,omitzero"`
	RemoteGroupID        string       `json:"remote_group_id,omitempty"`
	RemoteAddressGroupID string       `json:"remote_address_group_id,omitempty"`
}

// GroupMember is a port as far as rules that name one of its security groups
// as their remote group are concerned. A port is a member of a group on every
// network, whatever network the rule's own port is on.
type GroupMember struct {
	GroupID string `json:"group_id"`
	PortID  string `json:"port_id"`
	// Addresses are the port's fixed addresses and those of its allowed address
	// pairs, both families, sorted, without duplicates, host bits cleared. A pair
	// of every address (length 0) is not among them: it would admit everybody.
	Addresses []netip.Prefix `json:"addresses"`
}
