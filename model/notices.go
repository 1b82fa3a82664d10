package model

import "time"

// Duty is work that one controller at a time does for all of them.
type Duty struct {
	Name string `json:"name"`
	// Holder is the controller that has the duty; empty when it was given up.
	Holder string `json:"holder,omitempty"`
	// Beat grows while the holder lives. Others tell by their own clock how
	// long it has not.
	Beat int64 `json:"beat"`
	// Begun is when the duty was taken for the first time ever.
	Begun time.Time `json:"begun"`
}

// ServerNotice is what Nova was told last about a port of a server.
type ServerNotice struct {
	PortID   string `json:"port_id"`
	ServerID string `json:"server_id"`
	// State and Since are those of the port's status then; DOWN before the first.
	State PortState `json:"state"`
	Since time.Time `json:"since,omitzero"`
	// Revision is the port's.
	Revision int64 `json:"revision"`
	// Floating are the floating addresses that stand for the port's fixed ones,
	// as "floating fixed", sorted.
	Floating []string `json:"floating,omitempty"`
}
