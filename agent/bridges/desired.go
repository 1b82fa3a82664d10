package bridges

import (
	"net/netip"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// Desired is what a host must have.
type Desired struct {
	Integration, Tunnel string // bridge names
	DatapathType        string // "" leaves Open vSwitch's default
	// Controller is the agent's OpenFlow address as the switch dials it:
	// "tcp:127.0.0.1:6633".
	Controller string
	// BridgeMappings is physical network → bridge; the bridges must exist.
	BridgeMappings map[string]string
	// IntegrationTables, TunnelTables and ProviderTables name the OpenFlow
	// tables, by number.
	IntegrationTables, TunnelTables, ProviderTables map[int]string
	// LocalIP is this host's tunnel address; CSUM has outer UDP checksums
	// filled in, DF forbids fragments of tunnel packets.
	LocalIP  netip.Addr
	CSUM, DF bool
	Tunnels  []Tunnel
	// Incomplete says that more tunnels may be wanted than are known yet:
	// nothing is deleted.
	Incomplete bool
}

// Tunnel is a tunnel to another host.
type Tunnel struct {
	Type   model.NetworkType
	Host   string
	Remote netip.Addr
	// DstPort is the UDP port of the other end, 0 for the type's usual one.
	DstPort int
}

// Problem is something that Plan cannot bring about.
type Problem struct {
	Object string // "bridge br-phys"
	Text   string // one lower-case sentence without the object's name
}

// Plan is what the database lacks.
type Plan struct {
	Ops      []ovsdb.Op
	Problems []Problem
}
