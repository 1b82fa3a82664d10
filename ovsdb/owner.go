package ovsdb

// The external_ids keys with which Lepton marks database rows. This is the one
// list of them; everything that writes a row uses these names, and everything
// that deletes a row first looks for OwnerKey.
const (
	// OwnerKey is on every row that Lepton made: the value names the part of
	// Lepton that made it and that may change or delete it again.
	OwnerKey = "lepton-owner"
	// TunnelHostKey is on a tunnel's port: the host at the other end.
	TunnelHostKey = "lepton-tunnel-host"
	// VLANKeyPrefix and a local VLAN id (1–4094, decimal) make a key on the
	// integration bridge: the value is the id of the network that owns that
	// VLAN id on this host.
	VLANKeyPrefix = "lepton-vlan-"
	// PhysicalNetworkKey is on the two patch ports of a provider bridge: the
	// physical network.
	PhysicalNetworkKey = "lepton-physical-network"
	// StaleKey is on the integration bridge and on interfaces that are wired from
	// records that the host had stored: the time as of which these are (RFC 3339).
	StaleKey = "lepton-stale-since"
	// RestoreKey is on the Open_vSwitch row beside an other_config:flow-restore-wait
	// that the agent set, with the time (RFC 3339).
	RestoreKey = "lepton-restore-wait"
)

// The values of OwnerKey.
const (
	OwnerBridges  = "bridges"  // bridges, patch ports, tunnels, controllers, table names
	OwnerL3       = "l3"       // router ports
	OwnerDHCP     = "dhcp"     // DHCP ports
	OwnerMetadata = "metadata" // metadata ports
	OwnerLab      = "lab"      // what a lab made
)
