package bridges

import (
	"net/netip"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// Desired is what a host must have.
type Desired struct {
	Integration string // bridge name
	Tunnel      string // bridge name; "": no tunnel bridge
	// DatapathType of all bridges; "" leaves Open vSwitch's default.
	DatapathType string
	// Controller is the agent's OpenFlow address as the switch dials it:
	// "tcp:127.0.0.1:6633".
	Controller string
	// BridgeMappings is physical network → bridge; the bridges must exist.
	BridgeMappings map[string]string
	// IntegrationTables, TunnelTables and ProviderTables name the OpenFlow
	// tables, by number.
	IntegrationTables, TunnelTables, ProviderTables map[int]string
	// LocalIP is this host's tunnel address; CSUM has outer UDP or GRE
	// checksums filled in, DF forbids fragments of tunnel packets.
	LocalIP  netip.Addr
	CSUM, DF bool
	Tunnels  []Tunnel
	// Incomplete says that more tunnels may be wanted than are known yet:
	// nothing is deleted.
	Incomplete bool
}

// Tunnel is a tunnel to another host.
type Tunnel struct {
	Type   model.NetworkType // vxlan, gre or geneve
	Host   string
	Remote netip.Addr
	// DstPort is the UDP port of VXLAN, 0 for the usual 4789. Open vSwitch
	// sends to it and listens on it.
	DstPort int
}

// Problem is something that Plan cannot bring about.
type Problem struct {
	Object string // "bridge br-phys"
	Text   string // one lower-case sentence without the object's name
}

// Plan is what the database lacks, in the order in which it is to be committed,
// and what is in the way. A problem never keeps the rest from the plan.
type Plan struct {
	Ops      []ovsdb.Op
	Problems []Problem
}
