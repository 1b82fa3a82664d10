package model

// Events that a Log is about.
const (
	LogAll    = "ALL"
	LogAccept = "ACCEPT"
	LogDrop   = "DROP"
)

// LogSecurityGroup is the resource type of logs about what security groups
// accept and drop.
const LogSecurityGroup = "security_group"

// Log asks that what happens to packets is written down: those of the ports in
// a security group, those of one port, those of one port as far as one group of
// it decides, or, without both, those of every port in the cloud.
type Log struct {
	Meta
	ResourceType string `json:"resource_type"` // security_group
	Event        string `json:"event"`         // ALL, ACCEPT, DROP
	// ResourceID is the security group, and TargetID the port; empty for any.
	ResourceID string `json:"resource_id,omitempty"`
	TargetID   string `json:"target_id,omitempty"`
	Enabled    bool   `json:"enabled"`
}
