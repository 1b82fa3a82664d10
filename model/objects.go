package model

import "time"

// ObjectKind is what of an object a status is about.
type ObjectKind string

// The kinds of object that hosts report on, besides ports.
const (
	// ObjectRouter is a router's namespace: ACTIVE where it forwards, STANDBY on
	// the other hosts of an ha router.
	ObjectRouter ObjectKind = "router"
	// ObjectRouterHA is a host's part in an ha router: ACTIVE, STANDBY, or CLAIMS.
	// Its revision is the number of the challenge that it has seen, or, with CLAIMS,
	// of its own.
	ObjectRouterHA ObjectKind = "router-ha"
	// ObjectFloatingIP is a floating address in its router: ACTIVE when it
	// translates.
	ObjectFloatingIP ObjectKind = "floatingip"
	// ObjectDHCP is a network's DHCP server: the id is the network's. From the time
	// that it is ACTIVE ports wait for it, so a host reports the ports that its
	// server has first.
	ObjectDHCP ObjectKind = "dhcp"
	// ObjectDHCPPort is a port as far as its network's DHCP server is concerned:
	// ACTIVE when the server answers it.
	ObjectDHCPPort ObjectKind = "dhcp-port"
)

// ObjectState is what a host made of an object.
type ObjectState string

// The states of an object on a host.
const (
	ObjectActive  ObjectState = "ACTIVE"
	ObjectStandby ObjectState = "STANDBY"
	// ObjectClaims is a host's of an ha router that hears no active one and asks
	// to be it.
	ObjectClaims ObjectState = "CLAIMS"
	ObjectDown   ObjectState = "DOWN"
	ObjectError  ObjectState = "ERROR"
	// ObjectGone is reported of an object that the host has no more. It is never
	// stored: it deletes what was reported before.
	ObjectGone ObjectState = "GONE"
)

// ObjectStatus is a host's report on an object. Several hosts may have reports
// on the same one.
type ObjectStatus struct {
	Kind  ObjectKind  `json:"kind"`
	ID    string      `json:"id"`
	Host  string      `json:"host"`
	State ObjectState `json:"state"`
	// Revision is the object's revision that the host has realised, 0 when the
	// host is not told it.
	Revision int64     `json:"revision,omitempty"`
	Error    string    `json:"error,omitempty"`
	Since    time.Time `json:"since"`
}

// Key is the id of the status as a record: one for each object and host.
func (s *ObjectStatus) Key() string { return string(s.Kind) + ":" + s.ID + ":" + s.Host }
