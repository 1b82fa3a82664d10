package model

import (
	"net/netip"
	"time"
)

// Agent is a host's agent as it introduced itself: Neutron's agent record.
type Agent struct {
	ID       string   `json:"id"`
	Host     string   `json:"host"`
	Instance string   `json:"instance"` // the agent's own lasting identity, tells two claimants of one host name apart
	Version  string   `json:"version"`
	Roles    []string `json:"roles"`
	// BridgeMappings is physical network → bridge.
	BridgeMappings map[string]string `json:"bridge_mappings,omitempty"`
	TunnelTypes    []NetworkType     `json:"tunnel_types,omitempty"`
	TunnelIP       netip.Addr        `json:"tunnel_ip,omitzero"`
	// VXLANPort is the UDP destination port of VXLAN, 4789 unless told.
	VXLANPort         int    `json:"vxlan_port,omitempty"`
	IntegrationBridge string `json:"integration_bridge,omitempty"`
	DatapathType      string `json:"datapath_type,omitempty"`
	// LocalMetadata says that the host answers its own guests' requests for
	// metadata, without router or DHCP server.
	LocalMetadata bool   `json:"local_metadata,omitempty"`
	AdminStateUp  bool   `json:"admin_state_up"`
	Description   string `json:"description,omitempty"`
	// RoleSettings is what an administrator said about roles other than l2,
	// which the API shows as agents of their own.
	RoleSettings     map[string]RoleSettings `json:"role_settings,omitempty"`
	AvailabilityZone string                  `json:"availability_zone,omitempty"`
	CreatedAt        time.Time               `json:"created_at"`
	StartedAt        time.Time               `json:"started_at"`
	HeartbeatAt      time.Time               `json:"heartbeat_at"`
	// LeftAt is when the instance took leave in good order; another instance
	// need not wait for agent_down_time then. Zero while it is connected.
	LeftAt time.Time `json:"left_at,omitzero"`
	// Dead says that the controllers have noted that the agent fell silent; the
	// next heartbeat clears it.
	Dead bool `json:"dead,omitempty"`
	// Stream names the agent's latest stream. What came by an earlier one, to a
	// controller that stood still or was cut off meanwhile, has no say any more.
	Stream string `json:"stream,omitempty"`
	// Problems are what the agent cannot do at the moment, one sentence each:
	// a bridge mapping to a missing bridge, an interface with an unknown
	// iface-id, a MAC that differs from the record.
	Problems []Problem `json:"problems,omitempty"`
	// Findings are the last things that an audit of the host found changed by
	// others, the newest first, MaxFindings at most.
	Findings []Finding `json:"findings,omitempty"`
	// Ports and InSync describe the last report.
	Devices int  `json:"devices,omitempty"`
	InSync  bool `json:"in_sync,omitempty"`
}

// RoleSettings is what an administrator said about an agent in one role.
type RoleSettings struct {
	AdminStateUp bool   `json:"admin_state_up"`
	Description  string `json:"description,omitempty"`
}

// Problem is one thing that a host cannot realise, and since when.
type Problem struct {
	// Object names the thing: "port <id>", "bridge br-phys", "interface tap…".
	Object string    `json:"object"`
	Text   string    `json:"text"`
	Since  time.Time `json:"since"`
}

// MaxFindings bounds the findings that an agent tells the controllers.
const MaxFindings = 20

// Finding is one thing on a host that is not as the agent made it.
type Finding struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`             // flow, port, bridge, router, …
	Place  string    `json:"place,omitempty"`  // the bridge or the namespace
	Object string    `json:"object,omitempty"` // the object of the API concerned: "port <id>"
	Text   string    `json:"text"`
	// Repaired says that it is being put right.
	Repaired bool `json:"repaired"`
}

// Endpoint is another host's end of the tunnels.
type Endpoint struct {
	Host  string        `json:"host"`
	IP    netip.Addr    `json:"ip"`
	Types []NetworkType `json:"types"`
	// VXLANPort is the UDP port that host listens on.
	VXLANPort int `json:"vxlan_port,omitempty"`
}

// PortState is what a host made of a port.
type PortState string

// The states of a port on its host.
const (
	PortDown   PortState = "DOWN"   // not plugged, or admin_state_up false
	PortActive PortState = "ACTIVE" // its flows are in the switch
	PortError  PortState = "ERROR"  // plugged, but cannot be wired; Error says why
)

// PortStatus is a host's report on a port. It is a record of its own, so that
// a report never changes the port that the API user wrote.
type PortStatus struct {
	PortID string    `json:"port_id"`
	Host   string    `json:"host"`
	State  PortState `json:"state"`
	// Revision is the port's revision that the host has realised.
	Revision int64     `json:"revision"`
	Error    string    `json:"error,omitempty"`
	Since    time.Time `json:"since"`
}
