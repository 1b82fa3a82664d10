package rpc

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

func encodeRouter(r *model.Router) (*pb.Router, error) {
	m := &pb.Router{
		Id: r.ID, ProjectId: r.ProjectID, Name: r.Name, Revision: r.Revision,
		AdminStateUp: r.AdminStateUp, Routes: encodeRoutes(r.Routes), Distributed: r.Distributed, NatExempt: encodePrefixes(r.NATExempt),
		Ha: r.HA, VrId: uint32(max(r.VRID, 0)),
	}
	if g := r.Gateway; g != nil {
		m.Gateway = &pb.RouterGateway{NetworkId: g.NetworkID, PortId: g.PortID, EnableSnat: g.EnableSNAT, QosPolicyId: g.QoSPolicyID}
	}
	return m, nil
}

func decodeRouter(m *pb.Router) (*model.Router, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	routes, err := decodeRoutes(m.GetRoutes())
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	exempt, err := decodePrefixes(m.GetNatExempt())
	if err != nil {
		return nil, fmt.Errorf("nat_exempt: %w", err)
	}
	if slices.ContainsFunc(exempt, func(p netip.Prefix) bool { return !p.Addr().Is4() }) {
		return nil, errors.New("nat_exempt: only IPv4 is translated")
	}
	if m.GetVrId() > 255 || m.GetHa() != (m.GetVrId() > 0) {
		return nil, fmt.Errorf("vr_id: %d is not between 1 and 255, or not of an ha router", m.GetVrId())
	}
	r := &model.Router{
		Meta: decodeMeta(m), AdminStateUp: m.GetAdminStateUp(), Routes: routes, Distributed: m.GetDistributed(), NATExempt: exempt,
		HA: m.GetHa(), VRID: int(m.GetVrId()),
	}
	if g := m.GetGateway(); g != nil {
		if err := checkIDs(field{"gateway: network_id", g.GetNetworkId()}, field{"gateway: port_id", g.GetPortId()}); err != nil {
			return nil, err
		}
		r.Gateway = &model.RouterGateway{
			NetworkID: g.GetNetworkId(), PortID: g.GetPortId(), EnableSNAT: g.GetEnableSnat(), QoSPolicyID: g.GetQosPolicyId(),
		}
	}
	return r, nil
}

type field struct{ name, id string }

func checkIDs(list ...field) error {
	for _, f := range list {
		if err := checkID(f.name, f.id); err != nil {
			return err
		}
	}
	return nil
}

func encodeRouterBinding(b *model.RouterBinding) (*pb.RouterBinding, error) {
	m := &pb.RouterBinding{RouterId: b.RouterID}
	for _, h := range b.Hosts {
		m.Hosts = append(m.Hosts, &pb.RouterHost{
			Host: h.Host, Priority: uint32(max(h.Priority, 0)), Active: h.Active, Challenge: h.Challenge, Denied: h.Denied,
			Grant: uint32(max(h.Grant, 0)),
		})
	}
	return m, nil
}

func decodeRouterBinding(m *pb.RouterBinding) (*model.RouterBinding, error) {
	if err := checkID("router_id", m.GetRouterId()); err != nil {
		return nil, err
	}
	b := &model.RouterBinding{RouterID: m.GetRouterId()}
	for _, h := range m.GetHosts() {
		if err := CheckHost(h.GetHost()); err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
		if h.GetPriority() > 254 {
			return nil, fmt.Errorf("hosts: priority: %d is over 254", h.GetPriority())
		}
		if h.GetGrant() > model.MaxGrant {
			return nil, fmt.Errorf("hosts: grant: %d is over %d", h.GetGrant(), model.MaxGrant)
		}
		b.Hosts = append(b.Hosts, model.RouterHost{
			Host: h.GetHost(), Priority: int(h.GetPriority()), Active: h.GetActive(),
			Challenge: h.GetChallenge(), Denied: h.GetDenied(), Grant: int(h.GetGrant()),
		})
	}
	return b, nil
}

func encodeFloatingIP(f *model.FloatingIP) (*pb.FloatingIP, error) {
	return &pb.FloatingIP{
		Id: f.ID, ProjectId: f.ProjectID, Name: f.Name, Revision: f.Revision,
		FloatingNetworkId: f.FloatingNetworkID, FloatingIp: f.FloatingIP.AsSlice(), FloatingPortId: f.FloatingPortID,
		PortId: f.PortID, FixedIp: f.FixedIP.AsSlice(), SubnetId: f.SubnetID, RouterId: f.RouterID,
		QosPolicyId: f.QoSPolicyID, Host: f.Host,
	}, nil
}

func decodeFloatingIP(m *pb.FloatingIP) (*model.FloatingIP, error) {
	err := checkIDs(field{"id", m.GetId()}, field{"floating_network_id", m.GetFloatingNetworkId()}, field{"router_id", m.GetRouterId()})
	if err != nil {
		return nil, err
	}
	floating, err := needAddr(m.GetFloatingIp())
	if err != nil {
		return nil, fmt.Errorf("floating_ip: %w", err)
	}
	fixed, err := decodeAddr(m.GetFixedIp())
	if err != nil {
		return nil, fmt.Errorf("fixed_ip: %w", err)
	}
	if fixed.IsValid() && fixed.Is4() != floating.Is4() {
		return nil, fmt.Errorf("fixed_ip: %s does not fit %s", fixed, floating)
	}
	if host := m.GetHost(); host != "" {
		if err := CheckHost(host); err != nil {
			return nil, fmt.Errorf("host: %w", err)
		}
	}
	return &model.FloatingIP{
		Meta: decodeMeta(m), FloatingNetworkID: m.GetFloatingNetworkId(), FloatingIP: floating,
		FloatingPortID: m.GetFloatingPortId(), PortID: m.GetPortId(), FixedIP: fixed, SubnetID: m.GetSubnetId(),
		RouterID: m.GetRouterId(), QoSPolicyID: m.GetQosPolicyId(), Host: m.GetHost(),
	}, nil
}

func encodePortForwarding(f *model.PortForwarding) (*pb.PortForwarding, error) {
	return &pb.PortForwarding{
		Id: f.ID, ProjectId: f.ProjectID, Name: f.Name, Revision: f.Revision,
		FloatingipId: f.FloatingIPID, Protocol: f.Protocol,
		ExternalFirst: uint32(f.External.First), ExternalLast: uint32(f.External.Last),
		InternalFirst: uint32(f.Internal.First), InternalLast: uint32(f.Internal.Last),
		InternalPortId: f.PortID, InternalIp: f.InternalIP.AsSlice(), SubnetId: f.SubnetID, RouterId: f.RouterID,
	}, nil
}

func decodePortForwarding(m *pb.PortForwarding) (*model.PortForwarding, error) {
	err := checkIDs(field{"id", m.GetId()}, field{"floatingip_id", m.GetFloatingipId()}, field{"router_id", m.GetRouterId()})
	if err != nil {
		return nil, err
	}
	if err := checkTransport(m.GetProtocol()); err != nil {
		return nil, err
	}
	external, err := decodePortRange(m.GetExternalFirst(), m.GetExternalLast())
	if err != nil {
		return nil, fmt.Errorf("external: %w", err)
	}
	internal, err := decodePortRange(m.GetInternalFirst(), m.GetInternalLast())
	if err != nil {
		return nil, fmt.Errorf("internal: %w", err)
	}
	if internal.Len() != 1 && internal.Len() != external.Len() {
		return nil, errors.New("internal: neither one port nor as many as external")
	}
	ip, err := needAddr(m.GetInternalIp())
	if err != nil {
		return nil, fmt.Errorf("internal_ip: %w", err)
	}
	return &model.PortForwarding{
		Meta: decodeMeta(m), FloatingIPID: m.GetFloatingipId(), Protocol: m.GetProtocol(), External: external, Internal: internal,
		PortID: m.GetInternalPortId(), InternalIP: ip, SubnetID: m.GetSubnetId(), RouterID: m.GetRouterId(),
	}, nil
}

func checkTransport(protocol string) error {
	if protocol != "tcp" && protocol != "udp" {
		return fmt.Errorf("protocol: %.80q is neither tcp nor udp", protocol)
	}
	return nil
}

func decodePortRange(first, last uint32) (model.PortRange, error) {
	if first < 1 || first > last || last > 65535 {
		return model.PortRange{}, fmt.Errorf("%d:%d is no range of ports", first, last)
	}
	return model.PortRange{First: int(first), Last: int(last)}, nil
}

func encodeConntrackHelper(h *model.ConntrackHelper) (*pb.ConntrackHelper, error) {
	return &pb.ConntrackHelper{
		Id: h.ID, ProjectId: h.ProjectID, Name: h.Name, Revision: h.Revision,
		RouterId: h.RouterID, Protocol: h.Protocol, Port: uint32(max(h.Port, 0)), Helper: h.Helper,
	}, nil
}

func decodeConntrackHelper(m *pb.ConntrackHelper) (*model.ConntrackHelper, error) {
	// A helper's name becomes a word of iptables: no more than an identifier.
	err := checkIDs(field{"id", m.GetId()}, field{"router_id", m.GetRouterId()}, field{"helper", m.GetHelper()})
	if err != nil {
		return nil, err
	}
	if err := checkTransport(m.GetProtocol()); err != nil {
		return nil, err
	}
	if m.GetPort() < 1 || m.GetPort() > 65535 {
		return nil, fmt.Errorf("port: %d is outside 1–65535", m.GetPort())
	}
	return &model.ConntrackHelper{
		Meta: decodeMeta(m), RouterID: m.GetRouterId(), Protocol: m.GetProtocol(), Port: int(m.GetPort()), Helper: m.GetHelper(),
	}, nil
}

func encodeSubnetPool(p *model.SubnetPool) (*pb.SubnetPool, error) {
	return &pb.SubnetPool{
		Id: p.ID, ProjectId: p.ProjectID, Name: p.Name, Revision: p.Revision,
		IpVersion: uint32(max(p.IPVersion, 0)), AddressScopeId: p.AddressScopeID,
	}, nil
}

func decodeSubnetPool(m *pb.SubnetPool) (*model.SubnetPool, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	if v := m.GetIpVersion(); v != 4 && v != 6 {
		return nil, fmt.Errorf("ip_version: %d is neither 4 nor 6", v)
	}
	return &model.SubnetPool{
		Meta: decodeMeta(m), IPVersion: int(m.GetIpVersion()), AddressScopeID: m.GetAddressScopeId(),
	}, nil
}

func encodeDHCPBinding(b *model.DHCPBinding) (*pb.DHCPBinding, error) {
	m := &pb.DHCPBinding{NetworkId: b.NetworkID}
	for _, h := range b.Hosts {
		m.Hosts = append(m.Hosts, &pb.DHCPHost{Host: h.Host, PortId: h.PortID})
	}
	return m, nil
}

func decodeDHCPBinding(m *pb.DHCPBinding) (*model.DHCPBinding, error) {
	if err := checkID("network_id", m.GetNetworkId()); err != nil {
		return nil, err
	}
	b := &model.DHCPBinding{NetworkID: m.GetNetworkId()}
	for _, h := range m.GetHosts() {
		if err := CheckHost(h.GetHost()); err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
		b.Hosts = append(b.Hosts, model.DHCPHost{Host: h.GetHost(), PortID: h.GetPortId()})
	}
	return b, nil
}
