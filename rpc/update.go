package rpc

import "github.com/lepton-sdn/lepton/model"

// ProtocolVersion is the version of the stream that this program speaks.
const ProtocolVersion = 1

// Settings are the cloud's choices that every host follows.
type Settings struct {
	// L2Population tells agents that the controller knows every address: known
	// unicast goes to the right tunnel, nothing known is flooded. Without it
	// agents flood and learn.
	L2Population bool `json:"l2_population"`
}

// Refs names records by kind: ids, and for endpoints host names.
type Refs struct {
	Networks  []string `json:"networks,omitempty"`
	Subnets   []string `json:"subnets,omitempty"`
	Ports     []string `json:"ports,omitempty"`
	Endpoints []string `json:"endpoints,omitempty"`
}

// Len is the number of records named.
func (r Refs) Len() int {
	return len(r.Networks) + len(r.Subnets) + len(r.Ports) + len(r.Endpoints)
}

// Update tells a host what it must know, or what has changed of it.
//
// Records hold what a host acts on; timestamps, tags and descriptions do not
// travel. A port that is bound to another host comes without revision, name
// and binding profile (see Port's Host).
type Update struct {
	// Full says that this is everything at Revision: what is not in it, and not
	// in Rejected, no longer concerns the host. Otherwise it is the difference
	// to the update before.
	Full bool
	// Revision is the store's revision that the update leads to. It grows along
	// one stream; after a reconnect it may be lower when the store was restored
	// from a backup, and the snapshot counts.
	Revision int64
	Settings Settings

	Networks  []*model.Network
	Subnets   []*model.Subnet
	Ports     []*model.Port // the host's own and the others of its networks
	Endpoints []*model.Endpoint

	// Deleted names what no longer concerns the host: deleted, or out of its
	// sight. It may name a record that the host never had.
	Deleted Refs
	// Rejected are records that arrived but cannot be used. What the host knows
	// of them from before stays as it is.
	Rejected []Rejected
}

// Len is the number of records that the update carries or deletes.
func (u *Update) Len() int {
	return len(u.Networks) + len(u.Subnets) + len(u.Ports) + len(u.Endpoints) + u.Deleted.Len()
}

// Kind names a kind of record on the stream.
type Kind string

// The kinds of record on the stream.
const (
	KindNetwork  Kind = "network"
	KindSubnet   Kind = "subnet"
	KindPort     Kind = "port"
	KindEndpoint Kind = "endpoint"
)

// Rejected is a record that arrived in a form that cannot be used.
type Rejected struct {
	Kind Kind
	ID   string // as received; for an endpoint the host name
	Err  error  // names the field
}
