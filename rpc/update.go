package rpc

import (
	"iter"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/model"
)

// ProtocolVersion is the version of the stream that this program speaks.
const ProtocolVersion = 1

// StoreService is what agents ask of by gRPC's health protocol: it serves while
// the controller has its store.
const StoreService = "lepton.store"

// Settings are the cloud's choices that every host follows.
type Settings struct {
	// L2Population tells agents that the controller knows every address: known
	// unicast goes to the right tunnel, nothing known is flooded. Without it
	// agents flood and learn.
	L2Population bool `json:"l2_population"`
	// DNSDomain is the domain of ports whose network has none, without a final
	// dot; empty for none.
	DNSDomain string `json:"dns_domain,omitempty"`
	// LocalDHCP tells agents to answer DHCP of their own ports themselves: there
	// are no DHCP servers.
	LocalDHCP bool `json:"local_dhcp,omitempty"`
	// NovaMetadataURL is Nova's metadata API; empty: the controllers answer guests.
	// MetadataSecret signs requests to it.
	NovaMetadataURL string `json:"nova_metadata_url,omitempty"`
	MetadataSecret  string `json:"metadata_secret,omitempty"`
}

// Refs names records by kind: ids, and for endpoints host names, for members
// what MemberID gives, for bindings the id of the router or network.
type Refs struct {
	Networks         []string `json:"networks,omitempty"`
	Subnets          []string `json:"subnets,omitempty"`
	Ports            []string `json:"ports,omitempty"`
	Endpoints        []string `json:"endpoints,omitempty"`
	Groups           []string `json:"groups,omitempty"`
	Rules            []string `json:"rules,omitempty"`
	Members          []string `json:"members,omitempty"`
	AddressGroups    []string `json:"address_groups,omitempty"`
	Routers          []string `json:"routers,omitempty"`
	RouterBindings   []string `json:"router_bindings,omitempty"`
	FloatingIPs      []string `json:"floating_ips,omitempty"`
	PortForwardings  []string `json:"port_forwardings,omitempty"`
	ConntrackHelpers []string `json:"conntrack_helpers,omitempty"`
	SubnetPools      []string `json:"subnet_pools,omitempty"`
	DHCPBindings     []string `json:"dhcp_bindings,omitempty"`
	Logs             []string `json:"logs,omitempty"`
	Trunks           []string `json:"trunks,omitempty"`
	QoSPolicies      []string `json:"qos_policies,omitempty"`
}

// Len is the number of records named.
func (r *Refs) Len() int {
	n := 0
	for _, c := range collections {
		n += len(*c.deleted(r))
	}
	return n
}

// Update tells a host what it must know, or what has changed of it.
//
// Records hold what a host acts on; timestamps, tags and descriptions do not
// travel. A port that is bound to another host, or to none, comes without
// revision, name, binding profile and security groups (see Port's Host).
type Update struct {
	// Full says that this is everything at Revision: what is not in it, and not
	// in Rejected, no longer concerns the host. Otherwise it is the difference
	// to the update before.
	Full bool
	// Stored is zero for what a controller says. Otherwise the update is full as
	// of that time and comes from the host's own disk: what it lacks may exist
	// all the same, so nothing is removed because of it.
	Stored time.Time
	// Revision is the store's revision that the update leads to. It grows along
	// one stream; after a reconnect it may be lower when the store was restored
	// from a backup, and the snapshot counts.
	Revision int64
	Settings Settings

	// Networks with a port bound here, or with a router or DHCP here, and their
	// subnets.
	Networks []*model.Network
	Subnets  []*model.Subnet
	// Ports are the host's own, the bound ones of the networks of those, all of
	// the networks that it serves with DHCP, and the routers' that are here.
	Ports     []*model.Port
	Endpoints []*model.Endpoint

	// Groups are the security groups of the host's own ports, with Rules; Members
	// are the ports, anywhere, of the groups that these rules name as remote, and
	// AddressGroups those that the rules name.
	Groups        []*model.SecurityGroup
	Rules         []*model.SecurityGroupRule
	Members       []*model.GroupMember
	AddressGroups []*model.AddressGroup

	// Routers are those that RouterBindings put on this host, with what belongs
	// to them. A binding tells of this host alone.
	Routers          []*model.Router
	RouterBindings   []*model.RouterBinding
	FloatingIPs      []*model.FloatingIP
	PortForwardings  []*model.PortForwarding
	ConntrackHelpers []*model.ConntrackHelper
	// SubnetPools are those of the subnets that routers here are on, for their
	// address scopes.
	SubnetPools []*model.SubnetPool

	// DHCPBindings are the networks that this host serves with DHCP, and tell of
	// this host alone.
	DHCPBindings []*model.DHCPBinding

	// Logs are the enabled ones about the host's own ports or their groups, and
	// Trunks those whose parent is an own port. QoSPolicies are those that own
	// ports, networks of own ports, and routers here with their floating
	// addresses name.
	Logs        []*model.Log
	Trunks      []*model.Trunk
	QoSPolicies []*model.QoSPolicy

	// Deleted names what no longer concerns the host: deleted, or out of its
	// sight. It may name a record that the host never had.
	Deleted Refs
	// Rejected are records that arrived but cannot be used. What the host knows
	// of them from before stays as it is.
	Rejected []Rejected
}

// Len is the number of records that the update carries or deletes.
func (u *Update) Len() int {
	n := u.Deleted.Len()
	for _, c := range collections {
		n += c.len(u)
	}
	return n
}

// Sort puts the records of every kind, and the deletions, in the order of their
// ids.
func (u *Update) Sort() {
	for _, c := range collections {
		c.sort(u)
		slices.Sort(*c.deleted(&u.Deleted))
	}
}

// Delete adds a deletion.
func (u *Update) Delete(k Kind, id string) {
	list := collection(k).deleted(&u.Deleted)
	*list = append(*list, id)
}

// Put adds a record, which is of the kind's type in model.
func (u *Update) Put(k Kind, rec any) { collection(k).put(u, rec) }

// Records gives every record that the update carries, by kind and id.
func (u *Update) Records() iter.Seq2[Ref, any] {
	return func(yield func(Ref, any) bool) {
		for _, c := range collections {
			for id, rec := range c.records(u) {
				if !yield(Ref{c.kind(), id}, rec) {
					return
				}
			}
		}
	}
}

// Deletions gives every deletion.
func (u *Update) Deletions() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for _, c := range collections {
			for _, id := range *c.deleted(&u.Deleted) {
				if !yield(Ref{c.kind(), id}) {
					return
				}
			}
		}
	}
}

// Ref names a record.
type Ref struct {
	Kind Kind
	ID   string
}

// Kind names a kind of record on the stream.
type Kind string

// The kinds of record on the stream.
const (
	KindNetwork         Kind = "network"
	KindSubnet          Kind = "subnet"
	KindPort            Kind = "port"
	KindEndpoint        Kind = "endpoint"
	KindGroup           Kind = "security group"
	KindRule            Kind = "security group rule"
	KindMember          Kind = "security group member"
	KindAddressGroup    Kind = "address group"
	KindRouter          Kind = "router"
	KindRouterBinding   Kind = "router binding"
	KindFloatingIP      Kind = "floating ip"
	KindPortForwarding  Kind = "port forwarding"
	KindConntrackHelper Kind = "conntrack helper"
	KindSubnetPool      Kind = "subnet pool"
	KindDHCPBinding     Kind = "dhcp binding"
	KindLog             Kind = "log"
	KindTrunk           Kind = "trunk"
	KindQoSPolicy       Kind = "qos policy"
)

// MemberID is the id of a port's membership in a group, as deletions name it.
func MemberID(group, port string) string { return group + "/" + port }

// Rejected is a record that arrived in a form that cannot be used.
type Rejected struct {
	Kind Kind
	ID   string // as received, in the form of Refs
	Err  error  // names the field
}
