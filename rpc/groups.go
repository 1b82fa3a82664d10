package rpc

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

func encodeGroup(g *model.SecurityGroup) (*pb.SecurityGroup, error) {
	return &pb.SecurityGroup{
		Id: g.ID, ProjectId: g.ProjectID, Name: g.Name, Revision: g.Revision, Stateful: g.Stateful,
	}, nil
}

func decodeGroup(m *pb.SecurityGroup) (*model.SecurityGroup, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	return &model.SecurityGroup{Meta: decodeMeta(m), Stateful: m.GetStateful()}, nil
}

func encodeRule(r *model.SecurityGroupRule) (*pb.SecurityGroupRule, error) {
	return &pb.SecurityGroupRule{
		Id: r.ID, ProjectId: r.ProjectID, Name: r.Name, Revision: r.Revision,
		SecurityGroupId: r.SecurityGroupID, Direction: r.Direction, Ethertype: r.EtherType, Protocol: r.Protocol,
		PortRangeMin: encodeInt(r.PortRangeMin), PortRangeMax: encodeInt(r.PortRangeMax),
		RemoteIpPrefix: encodePrefix(r.NormalizedCIDR),
		RemoteGroupId:  r.RemoteGroupID, RemoteAddressGroupId: r.RemoteAddressGroupID,
	}, nil
}

func encodeInt(n *int) *int32 {
	if n == nil {
		return nil
	}
	v := int32(*n)
	return &v
}

func decodeRule(m *pb.SecurityGroupRule) (*model.SecurityGroupRule, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	if err := checkID("security_group_id", m.GetSecurityGroupId()); err != nil {
		return nil, err
	}
	r := &model.SecurityGroupRule{
		Meta: decodeMeta(m), SecurityGroupID: m.GetSecurityGroupId(),
		Direction: m.GetDirection(), EtherType: m.GetEthertype(), Protocol: m.GetProtocol(),
		RemoteGroupID: m.GetRemoteGroupId(), RemoteAddressGroupID: m.GetRemoteAddressGroupId(),
	}
	if r.Direction != "ingress" && r.Direction != "egress" {
		return nil, fmt.Errorf("direction: %.80q is neither ingress nor egress", r.Direction)
	}
	if r.EtherType != "IPv4" && r.EtherType != "IPv6" {
		return nil, fmt.Errorf("ethertype: %.80q is neither IPv4 nor IPv6", r.EtherType)
	}
	if len(r.Protocol) > 32 {
		return nil, fmt.Errorf("protocol: %.80q is none", r.Protocol)
	}
	if err := decodeRulePorts(r, m); err != nil {
		return nil, err
	}
	return r, decodeRemote(r, m)
}

func decodeRulePorts(r *model.SecurityGroupRule, m *pb.SecurityGroupRule) error {
	for _, f := range []struct {
		name string
		from *int32
		to   **int
	}{
		{"port_range_min", m.PortRangeMin, &r.PortRangeMin}, {"port_range_max", m.PortRangeMax, &r.PortRangeMax},
	} {
		if f.from == nil {
			continue
		}
		n := int(*f.from)
		if n < 0 || n > 65535 {
			return fmt.Errorf("%s: %d is outside 0–65535", f.name, n)
		}
		*f.to = &n
	}
	return nil
}

// decodeRemote reads what the rule names as remote: one thing at most, or it
// would be unclear what it admits.
func decodeRemote(r *model.SecurityGroupRule, m *pb.SecurityGroupRule) error {
	cidr, err := decodePrefix(m.GetRemoteIpPrefix())
	if err != nil {
		return fmt.Errorf("remote_ip_prefix: %w", err)
	}
	remotes := 0
	if cidr.IsValid() {
		remotes++
		if cidr != cidr.Masked() || cidr.Addr().Is4() != (r.EtherType == "IPv4") {
			return fmt.Errorf("remote_ip_prefix: %s does not fit %s, or has host bits set", cidr, r.EtherType)
		}
	}
	for _, f := range []struct{ name, id string }{
		{"remote_group_id", r.RemoteGroupID}, {"remote_address_group_id", r.RemoteAddressGroupID},
	} {
		if f.id == "" {
			continue
		}
		remotes++
		if err := checkID(f.name, f.id); err != nil {
			return err
		}
	}
	if remotes > 1 {
		return errors.New("remote_ip_prefix: only one of it, remote_group_id and remote_address_group_id may be given")
	}
	r.NormalizedCIDR = cidr
	return nil
}

func encodeMember(g *model.GroupMember) (*pb.GroupMember, error) {
	return &pb.GroupMember{GroupId: g.GroupID, PortId: g.PortID, Addresses: encodePrefixes(g.Addresses)}, nil
}

func decodeMember(m *pb.GroupMember) (*model.GroupMember, error) {
	if err := checkID("group_id", m.GetGroupId()); err != nil {
		return nil, err
	}
	if err := checkID("port_id", m.GetPortId()); err != nil {
		return nil, err
	}
	list, err := decodePrefixes(m.GetAddresses())
	if err != nil {
		return nil, fmt.Errorf("addresses: %w", err)
	}
	for _, p := range list {
		if p.Bits() == 0 {
			return nil, fmt.Errorf("addresses: %s would admit everybody", p)
		}
	}
	return &model.GroupMember{GroupID: m.GetGroupId(), PortID: m.GetPortId(), Addresses: list}, nil
}

func encodeAddressGroup(g *model.AddressGroup) (*pb.AddressGroup, error) {
	return &pb.AddressGroup{
		Id: g.ID, ProjectId: g.ProjectID, Name: g.Name, Revision: g.Revision, Addresses: encodePrefixes(g.Addresses),
	}, nil
}

func decodeAddressGroup(m *pb.AddressGroup) (*model.AddressGroup, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	list, err := decodePrefixes(m.GetAddresses())
	if err != nil {
		return nil, fmt.Errorf("addresses: %w", err)
	}
	return &model.AddressGroup{Meta: decodeMeta(m), Addresses: list}, nil
}

func encodePrefixes(list []netip.Prefix) []*pb.Prefix {
	var out []*pb.Prefix
	for _, p := range list {
		out = append(out, encodePrefix(p))
	}
	return out
}

// decodePrefixes reads prefixes without host bits, different and sorted.
func decodePrefixes(list []*pb.Prefix) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, m := range list {
		p, err := decodePrefix(m)
		if err != nil || !p.IsValid() {
			return nil, orMissing(err)
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%s has host bits set", p)
		}
		out = append(out, p)
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out), nil
}
