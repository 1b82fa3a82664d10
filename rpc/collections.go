package rpc

import (
	"cmp"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// collections are all kinds of record, in the order in which they travel.
var collections = []collector{
	&kind[model.Network, *pb.Network]{
		KindNetwork,
		func(n *model.Network) string { return n.ID },
		func(u *Update) *[]*model.Network { return &u.Networks }, func(r *Refs) *[]string { return &r.Networks },
		func(p *pb.Update) *[]*pb.Network { return &p.Networks }, func(p *pb.Update) *[]string { return &p.DeletedNetworks },
		(*pb.Network).GetId, encodeNetwork, decodeNetwork,
	},
	&kind[model.Subnet, *pb.Subnet]{
		KindSubnet,
		func(s *model.Subnet) string { return s.ID },
		func(u *Update) *[]*model.Subnet { return &u.Subnets }, func(r *Refs) *[]string { return &r.Subnets },
		func(p *pb.Update) *[]*pb.Subnet { return &p.Subnets }, func(p *pb.Update) *[]string { return &p.DeletedSubnets },
		(*pb.Subnet).GetId, encodeSubnet, decodeSubnet,
	},
	&kind[model.SecurityGroup, *pb.SecurityGroup]{
		KindGroup,
		func(g *model.SecurityGroup) string { return g.ID },
		func(u *Update) *[]*model.SecurityGroup { return &u.Groups }, func(r *Refs) *[]string { return &r.Groups },
		func(p *pb.Update) *[]*pb.SecurityGroup { return &p.SecurityGroups }, func(p *pb.Update) *[]string { return &p.DeletedSecurityGroups },
		(*pb.SecurityGroup).GetId, encodeGroup, decodeGroup,
	},
	&kind[model.SecurityGroupRule, *pb.SecurityGroupRule]{
		KindRule,
		func(g *model.SecurityGroupRule) string { return g.ID },
		func(u *Update) *[]*model.SecurityGroupRule { return &u.Rules }, func(r *Refs) *[]string { return &r.Rules },
		func(p *pb.Update) *[]*pb.SecurityGroupRule { return &p.SecurityGroupRules }, func(p *pb.Update) *[]string { return &p.DeletedSecurityGroupRules },
		(*pb.SecurityGroupRule).GetId, encodeRule, decodeRule,
	},
	&kind[model.AddressGroup, *pb.AddressGroup]{
		KindAddressGroup,
		func(g *model.AddressGroup) string { return g.ID },
		func(u *Update) *[]*model.AddressGroup { return &u.AddressGroups }, func(r *Refs) *[]string { return &r.AddressGroups },
		func(p *pb.Update) *[]*pb.AddressGroup { return &p.AddressGroups }, func(p *pb.Update) *[]string { return &p.DeletedAddressGroups },
		(*pb.AddressGroup).GetId, encodeAddressGroup, decodeAddressGroup,
	},
	&kind[model.GroupMember, *pb.GroupMember]{
		KindMember,
		func(g *model.GroupMember) string { return MemberID(g.GroupID, g.PortID) },
		func(u *Update) *[]*model.GroupMember { return &u.Members }, func(r *Refs) *[]string { return &r.Members },
		func(p *pb.Update) *[]*pb.GroupMember { return &p.GroupMembers }, func(p *pb.Update) *[]string { return &p.DeletedGroupMembers },
		func(m *pb.GroupMember) string { return MemberID(m.GetGroupId(), m.GetPortId()) }, encodeMember, decodeMember,
	},
	&kind[model.Port, *pb.Port]{
		KindPort,
		func(p *model.Port) string { return p.ID },
		func(u *Update) *[]*model.Port { return &u.Ports }, func(r *Refs) *[]string { return &r.Ports },
		func(p *pb.Update) *[]*pb.Port { return &p.Ports }, func(p *pb.Update) *[]string { return &p.DeletedPorts },
		(*pb.Port).GetId, encodePort, decodePort,
	},
	&kind[model.Endpoint, *pb.Endpoint]{
		KindEndpoint,
		func(e *model.Endpoint) string { return e.Host },
		func(u *Update) *[]*model.Endpoint { return &u.Endpoints }, func(r *Refs) *[]string { return &r.Endpoints },
		func(p *pb.Update) *[]*pb.Endpoint { return &p.Endpoints }, func(p *pb.Update) *[]string { return &p.DeletedEndpoints },
		(*pb.Endpoint).GetHost, encodeEndpoint, decodeEndpoint,
	},
	&kind[model.Router, *pb.Router]{
		KindRouter,
		func(r *model.Router) string { return r.ID },
		func(u *Update) *[]*model.Router { return &u.Routers }, func(r *Refs) *[]string { return &r.Routers },
		func(p *pb.Update) *[]*pb.Router { return &p.Routers }, func(p *pb.Update) *[]string { return &p.DeletedRouters },
		(*pb.Router).GetId, encodeRouter, decodeRouter,
	},
	&kind[model.RouterBinding, *pb.RouterBinding]{
		KindRouterBinding,
		func(b *model.RouterBinding) string { return b.RouterID },
		func(u *Update) *[]*model.RouterBinding { return &u.RouterBindings }, func(r *Refs) *[]string { return &r.RouterBindings },
		func(p *pb.Update) *[]*pb.RouterBinding { return &p.RouterBindings }, func(p *pb.Update) *[]string { return &p.DeletedRouterBindings },
		(*pb.RouterBinding).GetRouterId, encodeRouterBinding, decodeRouterBinding,
	},
	&kind[model.FloatingIP, *pb.FloatingIP]{
		KindFloatingIP,
		func(f *model.FloatingIP) string { return f.ID },
		func(u *Update) *[]*model.FloatingIP { return &u.FloatingIPs }, func(r *Refs) *[]string { return &r.FloatingIPs },
		func(p *pb.Update) *[]*pb.FloatingIP { return &p.FloatingIps }, func(p *pb.Update) *[]string { return &p.DeletedFloatingIps },
		(*pb.FloatingIP).GetId, encodeFloatingIP, decodeFloatingIP,
	},
	&kind[model.PortForwarding, *pb.PortForwarding]{
		KindPortForwarding,
		func(f *model.PortForwarding) string { return f.ID },
		func(u *Update) *[]*model.PortForwarding { return &u.PortForwardings }, func(r *Refs) *[]string { return &r.PortForwardings },
		func(p *pb.Update) *[]*pb.PortForwarding { return &p.PortForwardings }, func(p *pb.Update) *[]string { return &p.DeletedPortForwardings },
		(*pb.PortForwarding).GetId, encodePortForwarding, decodePortForwarding,
	},
	&kind[model.ConntrackHelper, *pb.ConntrackHelper]{
		KindConntrackHelper,
		func(h *model.ConntrackHelper) string { return h.ID },
		func(u *Update) *[]*model.ConntrackHelper { return &u.ConntrackHelpers }, func(r *Refs) *[]string { return &r.ConntrackHelpers },
		func(p *pb.Update) *[]*pb.ConntrackHelper { return &p.ConntrackHelpers }, func(p *pb.Update) *[]string { return &p.DeletedConntrackHelpers },
		(*pb.ConntrackHelper).GetId, encodeConntrackHelper, decodeConntrackHelper,
	},
	&kind[model.SubnetPool, *pb.SubnetPool]{
		KindSubnetPool,
		func(p *model.SubnetPool) string { return p.ID },
		func(u *Update) *[]*model.SubnetPool { return &u.SubnetPools }, func(r *Refs) *[]string { return &r.SubnetPools },
		func(p *pb.Update) *[]*pb.SubnetPool { return &p.SubnetPools }, func(p *pb.Update) *[]string { return &p.DeletedSubnetPools },
		(*pb.SubnetPool).GetId, encodeSubnetPool, decodeSubnetPool,
	},
	&kind[model.DHCPBinding, *pb.DHCPBinding]{
		KindDHCPBinding,
		func(b *model.DHCPBinding) string { return b.NetworkID },
		func(u *Update) *[]*model.DHCPBinding { return &u.DHCPBindings }, func(r *Refs) *[]string { return &r.DHCPBindings },
		func(p *pb.Update) *[]*pb.DHCPBinding { return &p.DhcpBindings }, func(p *pb.Update) *[]string { return &p.DeletedDhcpBindings },
		(*pb.DHCPBinding).GetNetworkId, encodeDHCPBinding, decodeDHCPBinding,
	},
	&kind[model.Log, *pb.Log]{
		KindLog,
		func(l *model.Log) string { return l.ID },
		func(u *Update) *[]*model.Log { return &u.Logs }, func(r *Refs) *[]string { return &r.Logs },
		func(p *pb.Update) *[]*pb.Log { return &p.Logs }, func(p *pb.Update) *[]string { return &p.DeletedLogs },
		(*pb.Log).GetId, encodeLog, decodeLog,
	},
	&kind[model.Trunk, *pb.Trunk]{
		KindTrunk,
		func(t *model.Trunk) string { return t.ID },
		func(u *Update) *[]*model.Trunk { return &u.Trunks }, func(r *Refs) *[]string { return &r.Trunks },
		func(p *pb.Update) *[]*pb.Trunk { return &p.Trunks }, func(p *pb.Update) *[]string { return &p.DeletedTrunks },
		(*pb.Trunk).GetId, encodeTrunk, decodeTrunk,
	},
	&kind[model.QoSPolicy, *pb.QoSPolicy]{
		KindQoSPolicy,
		func(p *model.QoSPolicy) string { return p.ID },
		func(u *Update) *[]*model.QoSPolicy { return &u.QoSPolicies }, func(r *Refs) *[]string { return &r.QoSPolicies },
		func(p *pb.Update) *[]*pb.QoSPolicy { return &p.QosPolicies }, func(p *pb.Update) *[]string { return &p.DeletedQosPolicies },
		(*pb.QoSPolicy).GetId, encodeQoSPolicy, decodeQoSPolicy,
	},
}

// collector is a kind of record as far as its type does not matter.
type collector interface {
	kind() Kind
	len(u *Update) int
	put(u *Update, rec any)
	records(u *Update) iter.Seq2[string, any]
	sort(u *Update)
	// items gives a function for each record, which puts it into a part.
	items(u *Update, skipped func(Rejected)) iter.Seq[func(*pb.Update) int]
	// encoded gives each record as a field of the message.
	encoded(u *Update, e *Encoder, skipped func(Rejected)) iter.Seq[[]byte]
	decode(u *Update, m *pb.Update)
	deleted(r *Refs) *[]string
	deletedPB(m *pb.Update) *[]string
}

// kind says where the records of one kind are, and how they travel.
type kind[T any, M proto.Message] struct {
	name    Kind
	id      func(*T) string
	in      func(*Update) *[]*T
	gone    func(*Refs) *[]string
	inPB    func(*pb.Update) *[]M
	gonePB  func(*pb.Update) *[]string
	idPB    func(M) string
	encoder func(*T) (M, error)
	decoder func(M) (*T, error)
}

func (k *kind[T, M]) kind() Kind                       { return k.name }
func (k *kind[T, M]) len(u *Update) int                { return len(*k.in(u)) }
func (k *kind[T, M]) deleted(r *Refs) *[]string        { return k.gone(r) }
func (k *kind[T, M]) deletedPB(m *pb.Update) *[]string { return k.gonePB(m) }

func (k *kind[T, M]) put(u *Update, rec any) {
	list := k.in(u)
	*list = append(*list, rec.(*T))
}

func (k *kind[T, M]) records(u *Update) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, rec := range *k.in(u) {
			if !yield(k.id(rec), rec) {
				return
			}
		}
	}
}

func (k *kind[T, M]) sort(u *Update) {
	switch list := any(*k.in(u)).(type) {
	case []*model.GroupMember: // there are many, and the id of one has to be made
		slices.SortFunc(list, compareMembers)
	case []*T:
		slices.SortFunc(list, func(a, b *T) int { return cmp.Compare(k.id(a), k.id(b)) })
	}
}

// compareMembers compares what MemberID gives of two members, without making it.
func compareMembers(a, b *model.GroupMember) int {
	switch {
	case a.GroupID == b.GroupID:
		return cmp.Compare(a.PortID, b.PortID)
	case len(a.GroupID) == len(b.GroupID):
		return cmp.Compare(a.GroupID, b.GroupID)
	}
	return cmp.Compare(MemberID(a.GroupID, a.PortID), MemberID(b.GroupID, b.PortID))
}

func (k *kind[T, M]) items(u *Update, skipped func(Rejected)) iter.Seq[func(*pb.Update) int] {
	return func(yield func(func(*pb.Update) int) bool) {
		for _, rec := range *k.in(u) {
			m, err := k.encoder(rec)
			if err != nil {
				if skipped != nil {
					skipped(Rejected{Kind: k.name, ID: k.id(rec), Err: err})
				}
				continue
			}
			put := func(p *pb.Update) int {
				list := k.inPB(p)
				*list = append(*list, m)
				return proto.Size(m)
			}
			if !yield(put) {
				return
			}
		}
	}
}

func (k *kind[T, M]) decode(u *Update, m *pb.Update) {
	list := k.in(u)
	for _, r := range *k.inPB(m) {
		rec, err := k.decoder(r)
		if err != nil {
			u.Rejected = append(u.Rejected, Rejected{Kind: k.name, ID: k.idPB(r), Err: err})
			continue
		}
		*list = append(*list, rec)
	}
}

var byKind = func() map[Kind]collector {
	m := map[Kind]collector{}
	for _, c := range collections {
		m[c.kind()] = c
	}
	return m
}()

// collection gives a kind by its name, which is one of the constants.
func collection(k Kind) collector { return byKind[k] }
