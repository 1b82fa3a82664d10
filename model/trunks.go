package model

// Trunk lets a guest reach several networks through one port, the parent: frames
// with the tag of a sub port belong to that port, frames without one to the
// parent.
type Trunk struct {
	Meta
	PortID       string    `json:"port_id"`
	AdminStateUp bool      `json:"admin_state_up"`
	SubPorts     []SubPort `json:"sub_ports,omitempty"`
}

// SubPort is a port that a guest reaches through the parent of a trunk.
type SubPort struct {
	PortID string `json:"port_id"`
	// SegmentationType is vlan, and SegmentationID the VLAN id between the guest
	// and the switch, 1–4094.
	SegmentationType string `json:"segmentation_type"`
	SegmentationID   int    `json:"segmentation_id"`
}
