package model

import "net/netip"

// MeteringLabel is what traffic through routers is counted under.
type MeteringLabel struct {
	Meta
	// Shared labels are for the routers of every project.
	Shared bool `json:"shared,omitempty"`
}

// MeteringRule says which traffic a label counts, or leaves out.
type MeteringRule struct {
	Meta
	LabelID   string `json:"metering_label_id"`
	Direction string `json:"direction"` // ingress, egress
	Excluded  bool   `json:"excluded,omitempty"`
	// Remote is the far end; Source and Destination are given instead of it.
	// Invalid: any.
	Remote      netip.Prefix `json:"remote_ip_prefix,omitzero"`
	Source      netip.Prefix `json:"source_ip_prefix,omitzero"`
	Destination netip.Prefix `json:"destination_ip_prefix,omitzero"`
}
