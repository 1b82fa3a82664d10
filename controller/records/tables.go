package records

import (
	"net/netip"

	"github.com/lepton-sdn/lepton/model"
)

// declared collects the declarations below while the package's variables are
// initialised; nothing changes it afterwards.
var declared schema

// The tables. The name is the first element of the record's key in the store.
var (
	Networks           = newTable("networks", func(n *model.Network) string { return n.ID })
	Subnets            = newTable("subnets", func(s *model.Subnet) string { return s.ID })
	Ports              = newTable("ports", func(p *model.Port) string { return p.ID })
	SecurityGroups     = newTable("security-groups", func(g *model.SecurityGroup) string { return g.ID })
	SecurityGroupRules = newTable("security-group-rules", func(r *model.SecurityGroupRule) string { return r.ID })
	RuleTemplates      = newTable("rule-templates", func(t *model.RuleTemplate) string { return t.ID })
	Routers            = newTable("routers", func(r *model.Router) string { return r.ID })
	FloatingIPs        = newTable("floating-ips", func(f *model.FloatingIP) string { return f.ID })
	PortForwardings    = newTable("port-forwardings", func(f *model.PortForwarding) string { return f.ID })
	ConntrackHelpers   = newTable("conntrack-helpers", func(h *model.ConntrackHelper) string { return h.ID })
	SubnetPools        = newTable("subnetpools", func(p *model.SubnetPool) string { return p.ID })
	AddressScopes      = newTable("address-scopes", func(s *model.AddressScope) string { return s.ID })
	AddressGroups      = newTable("address-groups", func(g *model.AddressGroup) string { return g.ID })
	RBACPolicies       = newTable("rbac-policies", func(p *model.RBACPolicy) string { return p.ID })
	QoSPolicies        = newTable("qos-policies", func(p *model.QoSPolicy) string { return p.ID })
	Trunks             = newTable("trunks", func(t *model.Trunk) string { return t.ID })
	Logs               = newTable("logs", func(l *model.Log) string { return l.ID })
	Flavors            = newTable("flavors", func(f *model.Flavor) string { return f.ID })
	ServiceProfiles    = newTable("service-profiles", func(p *model.ServiceProfile) string { return p.ID })
	MeteringLabels     = newTable("metering-labels", func(l *model.MeteringLabel) string { return l.ID })
	MeteringRules      = newTable("metering-rules", func(r *model.MeteringRule) string { return r.ID })
	LocalIPs           = newTable("local-ips", func(l *model.LocalIP) string { return l.ID })
	Instances          = newTable("instances", func(i *model.Instance) string { return i.ID })
	Agents             = newTable("agents", func(a *model.Agent) string { return a.ID })
	PortStatuses       = newTable("port-statuses", func(s *model.PortStatus) string { return s.PortID })
	// ObjectStatuses have the ids that ObjectStatus.Key gives.
	ObjectStatuses = newTable("object-statuses", (*model.ObjectStatus).Key)
	// RuleStats have the host's name as id.
	RuleStats      = newTable("rule-stats", func(s *model.RuleStats) string { return s.Host })
	SegmentRanges  = newTable("segment-ranges", func(r *model.SegmentRange) string { return r.ID })
	RouterBindings = newTable("router-bindings", func(b *model.RouterBinding) string { return b.RouterID })
	DHCPBindings   = newTable("dhcp-bindings", func(b *model.DHCPBinding) string { return b.NetworkID })
	Quotas         = newTable("quotas", func(q *model.Quota) string { return q.ProjectID })
	ServerNotices  = newTable("server-notices", func(n *model.ServerNotice) string { return n.PortID })
	// Controllers have the controller's name as id.
	Controllers = newTable("controllers", func(c *model.Controller) string { return c.Name })
	Duties      = newTable("duties", func(d *model.Duty) string { return d.Name })
)

// The indexes: records of a table by something that they hold. A record whose
// value is empty is not in the index.
var (
	NetworksByProject = newIndex(Networks, one(func(n *model.Network) string { return n.ProjectID }))
	NetworksByName    = newIndex(Networks, one(func(n *model.Network) string { return n.Name }))
	// NetworksBySegment has the ids of the segments that are objects of their own.
	NetworksBySegment = newIndex(Networks, func(n *model.Network, emit func(string)) {
		for i := range n.Segments {
			emit(n.Segments[i].ID)
		}
	})

	SubnetsByNetwork = newIndex(Subnets, one(func(s *model.Subnet) string { return s.NetworkID }))
	SubnetsByProject = newIndex(Subnets, one(func(s *model.Subnet) string { return s.ProjectID }))
	SubnetsByName    = newIndex(Subnets, one(func(s *model.Subnet) string { return s.Name }))
	SubnetsByPool    = newIndex(Subnets, one(func(s *model.Subnet) string { return s.SubnetPoolID }))

	PortsByNetwork = newIndex(Ports, one(func(p *model.Port) string { return p.NetworkID }))
	PortsByProject = newIndex(Ports, one(func(p *model.Port) string { return p.ProjectID }))
	PortsByName    = newIndex(Ports, one(func(p *model.Port) string { return p.Name }))
	PortsByHost    = newIndex(Ports, one(func(p *model.Port) string { return p.Host }))
	PortsByDevice  = newIndex(Ports, one(func(p *model.Port) string { return p.DeviceID }))
	// PortsByMAC has the text form of the address, colons and lower case.
	PortsByMAC    = newIndex(Ports, one(func(p *model.Port) string { return p.MAC.String() }))
	PortsBySubnet = newIndex(Ports, func(p *model.Port, emit func(string)) {
		for _, f := range p.FixedIPs {
			emit(f.SubnetID)
		}
	})
	// PortsByIP has the fixed addresses, in the form of AddressKey.
	PortsByIP = newIndex(Ports, func(p *model.Port, emit func(string)) {
		for _, f := range p.FixedIPs {
			emit(AddressKey(f.IP))
		}
	})
	PortsBySecurityGroup = newIndex(Ports, func(p *model.Port, emit func(string)) {
		for _, g := range p.SecurityGroups {
			emit(g)
		}
	})

	GroupsByProject = newIndex(SecurityGroups, one(func(g *model.SecurityGroup) string { return g.ProjectID }))
	GroupsByName    = newIndex(SecurityGroups, one(func(g *model.SecurityGroup) string { return g.Name }))

	RulesByGroup       = newIndex(SecurityGroupRules, one(func(r *model.SecurityGroupRule) string { return r.SecurityGroupID }))
	RulesByRemoteGroup = newIndex(SecurityGroupRules, one(func(r *model.SecurityGroupRule) string { return r.RemoteGroupID }))
	RulesByProject     = newIndex(SecurityGroupRules, one(func(r *model.SecurityGroupRule) string { return r.ProjectID }))

	RoutersByProject = newIndex(Routers, one(func(r *model.Router) string { return r.ProjectID }))
	RoutersByName    = newIndex(Routers, one(func(r *model.Router) string { return r.Name }))

	FloatingIPsByProject = newIndex(FloatingIPs, one(func(f *model.FloatingIP) string { return f.ProjectID }))
	FloatingIPsByNetwork = newIndex(FloatingIPs, one(func(f *model.FloatingIP) string { return f.FloatingNetworkID }))
	FloatingIPsByPort    = newIndex(FloatingIPs, one(func(f *model.FloatingIP) string { return f.PortID }))
	FloatingIPsByRouter  = newIndex(FloatingIPs, one(func(f *model.FloatingIP) string { return f.RouterID }))
	// FloatingIPsByAddress has the floating address, in the form of AddressKey.
	FloatingIPsByAddress = newIndex(FloatingIPs, one(func(f *model.FloatingIP) string { return AddressKey(f.FloatingIP) }))

	ConntrackHelpersByRouter = newIndex(ConntrackHelpers, one(func(h *model.ConntrackHelper) string { return h.RouterID }))

	ForwardingsByFloatingIP = newIndex(PortForwardings, one(func(f *model.PortForwarding) string { return f.FloatingIPID }))
	ForwardingsByPort       = newIndex(PortForwardings, one(func(f *model.PortForwarding) string { return f.PortID }))

	RulesByAddressGroup = newIndex(SecurityGroupRules, one(func(r *model.SecurityGroupRule) string { return r.RemoteAddressGroupID }))

	PoolsByProject = newIndex(SubnetPools, one(func(p *model.SubnetPool) string { return p.ProjectID }))
	PoolsByScope   = newIndex(SubnetPools, one(func(p *model.SubnetPool) string { return p.AddressScopeID }))

	PoliciesByObject  = newIndex(RBACPolicies, one(func(p *model.RBACPolicy) string { return p.ObjectID }))
	PoliciesByProject = newIndex(RBACPolicies, one(func(p *model.RBACPolicy) string { return p.ProjectID }))

	QoSPoliciesByRule = newIndex(QoSPolicies, func(p *model.QoSPolicy, emit func(string)) {
		for i := range p.Rules {
			emit(p.Rules[i].ID)
		}
	})

	MeteringRulesByLabel = newIndex(MeteringRules, one(func(r *model.MeteringRule) string { return r.LabelID }))

	TrunksByProject = newIndex(Trunks, one(func(t *model.Trunk) string { return t.ProjectID }))

	InstancesByProject = newIndex(Instances, one(func(i *model.Instance) string { return i.ProjectID }))
	InstancesByName    = newIndex(Instances, one(func(i *model.Instance) string { return i.Name }))

	AgentsByHost = newIndex(Agents, one(func(a *model.Agent) string { return a.Host }))

	// RouterBindingsByHost and DHCPBindingsByHost have each host of a binding.
	RouterBindingsByHost = newIndex(RouterBindings, func(b *model.RouterBinding, emit func(string)) {
		for _, h := range b.Hosts {
			emit(h.Host)
		}
	})
	DHCPBindingsByHost = newIndex(DHCPBindings, func(b *model.DHCPBinding, emit func(string)) {
		for _, h := range b.Hosts {
			emit(h.Host)
		}
	})

	// ObjectStatusesByObject has the object's kind and id, in the form of
	// ObjectKey.
	ObjectStatusesByObject = newIndex(ObjectStatuses, one(func(s *model.ObjectStatus) string { return ObjectKey(s.Kind, s.ID) }))
	ObjectStatusesByHost   = newIndex(ObjectStatuses, one(func(s *model.ObjectStatus) string { return s.Host }))

	PortStatusesByHost = newIndex(PortStatuses, one(func(s *model.PortStatus) string { return s.Host }))
)

// ObjectKey is an object as ObjectStatusesByObject holds it.
func ObjectKey(kind model.ObjectKind, id string) string { return string(kind) + ":" + id }

// AddressKey is an address as PortsByIP holds it: its 4 or 16 bytes, "" for
// none.
func AddressKey(a netip.Addr) string { return string(a.Unmap().AsSlice()) }

// one makes an index function of one that gives a single value.
func one[T any](of func(*T) string) func(*T, func(string)) {
	return func(rec *T, emit func(string)) { emit(of(rec)) }
}
