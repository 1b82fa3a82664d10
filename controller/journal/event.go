package journal

import (
	"encoding/json"
	"time"
)

// Event is what is written under one key: all that one transaction changed, or
// what hosts said within a second.
type Event struct {
	// ID is the event's: a UUID of version 7 (RFC 9562). It is in the key.
	ID string `json:"-"`
	// Revision is the store's revision at which the event was written: for
	// changes, that of the change.
	Revision int64 `json:"-"`

	At      time.Time   `json:"at"`
	Author  *Author     `json:"by,omitempty"`
	Changes []Change    `json:"changes,omitempty"`
	States  []State     `json:"states,omitempty"`
	Agents  []AgentNews `json:"agents,omitempty"`
	Applied *Applied    `json:"applied,omitempty"`
	// LeftOut counts what did not fit.
	LeftOut int `json:"left_out,omitempty"`
}

// AuthorKind says who changed something.
type AuthorKind string

// The kinds of authors.
const (
	ByUser       AuthorKind = "user"       // a request to the API
	ByController AuthorKind = "controller" // a controller by itself
	ByAgent      AuthorKind = "agent"      // a host's agent
)

// Author is who changed something.
type Author struct {
	Kind AuthorKind `json:"kind"`
	// Part is the part of the controller that acted: schedule, provision.
	Part string `json:"part,omitempty"`

	User      string   `json:"user,omitempty"`
	UserName  string   `json:"user_name,omitempty"`
	Project   string   `json:"project,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	Request   string   `json:"request,omitempty"`
	GlobalID  string   `json:"global_request,omitempty"` // that the client says the request is part of
	Address   string   `json:"address,omitempty"`        // of the connection
	Forwarded string   `json:"forwarded,omitempty"`      // X-Forwarded-For as it came: anybody may write it
	Method    string   `json:"method,omitempty"`
	Path      string   `json:"path,omitempty"`
}

// Action is what was done to an object.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Change is what happened to one object.
type Change struct {
	// Resource is the kind of object as the API calls one of them: port.
	Resource string `json:"resource"`
	ID       string `json:"id"`
	Action   Action `json:"action"`
	Name     string `json:"name,omitempty"`
	Project  string `json:"project,omitempty"`
	// Number is the object's revision_number after the change.
	Number     int64       `json:"number,omitempty"`
	Attributes []Attribute `json:"attributes,omitempty"`

	// Left are the hosts that had the object as their own, bound to them, and
	// have it no more. Network and Groups are what the object belonged to that
	// other hosts know it by.
	Left    []string `json:"left,omitempty"`
	Network string   `json:"network,omitempty"`
	Groups  []string `json:"groups,omitempty"`
}

// Attribute is one that has changed.
type Attribute struct {
	Name string `json:"name"`
	// Old and New are JSON; nil where there is nothing.
	Old json.RawMessage `json:"old,omitempty"`
	New json.RawMessage `json:"new,omitempty"`
	// Secret says that the values are not written down, Clipped that they were
	// too long for it.
	Secret  bool `json:"secret,omitempty"`
	Clipped bool `json:"clipped,omitempty"`
}

// State is what a host says of an object that it has.
type State struct {
	Resource string `json:"resource"`
	ID       string `json:"id"`
	Project  string `json:"project,omitempty"`
	Part     string `json:"part,omitempty"` // of the object: see model.ObjectKind
	Host     string `json:"host"`
	State    string `json:"state"`
	Number   int64  `json:"number,omitempty"` // the revision_number that it has realised
	Error    string `json:"error,omitempty"`
}

// AgentNews is something about a host's agent.
type AgentNews struct {
	Host string `json:"host"`
	What string `json:"what"` // see the constants
	Text string `json:"text,omitempty"`
}

// What may be said of an agent.
const (
	AgentCame     = "came"
	AgentLeft     = "left"
	AgentDead     = "dead"
	AgentBack     = "back"
	AgentProblem  = "problem"
	AgentSolved   = "solved"
	AgentHeld     = "brake-held"
	AgentReleased = "brake-released"
)

// Applied tells which hosts have taken over which changes.
type Applied struct {
	// Hosts are those that Marks names by their places here, sorted.
	Hosts []string `json:"hosts"`
	Marks []Mark   `json:"marks"`
}

// Mark is one change, as far as hosts have taken it over.
type Mark struct {
	// Resource is empty for everything up to Revision: what a snapshot brings.
	Resource string `json:"resource,omitempty"`
	ID       string `json:"id,omitempty"`
	// Revision is the store's revision of the change: that of its event.
	Revision int64 `json:"revision"`
	// Hosts are places in Applied.Hosts: "0-4,7".
	Hosts string `json:"hosts"`
}
