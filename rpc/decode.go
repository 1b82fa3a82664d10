package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// Bounds on what a message may carry.
const (
	// MaxText bounds an error or problem text, in bytes.
	MaxText = 1024
	// MaxProblems bounds the problems of one heartbeat.
	MaxProblems = 256
	// MaxStatuses bounds the statuses of one report, of ports, of other objects and
	// of rules' counters each.
	MaxStatuses = 512
)

// decodePart adds what one message carries to the update.
func (u *Update) decodePart(m *pb.Update) {
	for _, c := range collections {
		c.decode(u, m)
		list := c.deleted(&u.Deleted)
		*list = append(*list, *c.deletedPB(m)...)
	}
}

func decodeNetwork(m *pb.Network) (*model.Network, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	if m.GetMtu() > 65535 {
		return nil, fmt.Errorf("mtu: %d is over 65535", m.GetMtu())
	}
	seg, err := decodeSegment(m.GetSegment())
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	return &model.Network{
		Meta:         decodeMeta(m),
		AdminStateUp: m.GetAdminStateUp(), Shared: m.GetShared(), External: m.GetExternal(),
		PortSecurityEnabled: m.GetPortSecurityEnabled(), MTU: int(m.GetMtu()),
		Segment: seg, DNSDomain: m.GetDnsDomain(), QoSPolicyID: m.GetQosPolicyId(),
	}, nil
}

func decodeMeta(m interface {
	GetId() string
	GetProjectId() string
	GetName() string
	GetRevision() int64
},
) model.Meta {
	return model.Meta{ID: m.GetId(), ProjectID: m.GetProjectId(), Name: m.GetName(), Revision: m.GetRevision()}
}

func decodeSegment(m *pb.Segment) (model.Segment, error) {
	seg := model.Segment{
		Type: model.NetworkType(m.GetType()), PhysicalNetwork: m.GetPhysicalNetwork(), ID: m.GetId(),
	}
	lowest, highest := uint32(0), uint32(0)
	switch seg.Type {
	case model.Local, model.Flat:
	case model.VLAN:
		lowest, highest = 1, 4094
	case model.VXLAN, model.Geneve:
		lowest, highest = 1, 1<<24-1
	case model.GRE:
		highest = 1<<32 - 1
	default:
		return model.Segment{}, fmt.Errorf("type: %q is no network type", m.GetType())
	}
	if seg.ID < lowest || seg.ID > highest {
		return model.Segment{}, fmt.Errorf("id: %d is outside %d–%d of %s", seg.ID, lowest, highest, seg.Type)
	}
	if seg.Type.Physical() && seg.PhysicalNetwork == "" {
		return model.Segment{}, errors.New("physical_network: missing")
	}
	return seg, nil
}

func decodeSubnet(m *pb.Subnet) (*model.Subnet, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	if err := checkID("network_id", m.GetNetworkId()); err != nil {
		return nil, err
	}
	cidr, err := decodePrefix(m.GetCidr())
	if err != nil {
		return nil, fmt.Errorf("cidr: %w", err)
	}
	if !cidr.IsValid() || cidr != cidr.Masked() {
		return nil, errors.New("cidr: missing, or with host bits set")
	}
	if v := m.GetIpVersion(); v != version(cidr.Addr()) {
		return nil, fmt.Errorf("ip_version: %d does not fit %s", v, cidr)
	}
	gateway, err := decodeAddr(m.GetGateway())
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if gateway.IsValid() && gateway.Is4() != cidr.Addr().Is4() {
		return nil, fmt.Errorf("gateway: %s does not fit %s", gateway, cidr)
	}
	s := &model.Subnet{
		Meta: decodeMeta(m), NetworkID: m.GetNetworkId(), IPVersion: int(m.GetIpVersion()),
		CIDR: cidr, Gateway: gateway, EnableDHCP: m.GetEnableDhcp(),
		IPv6AddressMode: m.GetIpv6AddressMode(), IPv6RAMode: m.GetIpv6RaMode(),
		SubnetPoolID: m.GetSubnetpoolId(), SegmentID: m.GetSegmentId(),
	}
	if err := decodeSubnetLists(s, m); err != nil {
		return nil, err
	}
	return s, nil
}

func decodeSubnetLists(s *model.Subnet, m *pb.Subnet) error {
	for _, b := range m.GetDnsNameservers() {
		a, err := needAddr(b)
		if err != nil {
			return fmt.Errorf("dns_nameservers: %w", err)
		}
		s.DNSNameservers = append(s.DNSNameservers, a)
	}
	routes, err := decodeRoutes(m.GetHostRoutes())
	if err != nil {
		return fmt.Errorf("host_routes: %w", err)
	}
	s.HostRoutes = routes
	return nil
}

func decodeRoutes(list []*pb.HostRoute) ([]model.HostRoute, error) {
	var out []model.HostRoute
	for _, r := range list {
		to, err := decodePrefix(r.GetDestination())
		if err != nil || !to.IsValid() {
			return nil, fmt.Errorf("destination: %w", orMissing(err))
		}
		hop, err := needAddr(r.GetNexthop())
		if err != nil {
			return nil, fmt.Errorf("nexthop: %w", err)
		}
		out = append(out, model.HostRoute{Destination: to, NextHop: hop})
	}
	return out, nil
}

func decodePort(m *pb.Port) (*model.Port, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	if err := checkID("network_id", m.GetNetworkId()); err != nil {
		return nil, err
	}
	mac, err := decodeMAC(m.GetMac())
	if err != nil {
		return nil, fmt.Errorf("mac: %w", err)
	}
	if mac == (model.MAC{}) || mac.Multicast() {
		return nil, fmt.Errorf("mac: %q is no station's address", mac)
	}
	p := &model.Port{
		Meta: decodeMeta(m), NetworkID: m.GetNetworkId(), MAC: mac,
		AdminStateUp: m.GetAdminStateUp(), DeviceID: m.GetDeviceId(), DeviceOwner: m.GetDeviceOwner(),
		Host: m.GetHost(), VNICType: m.GetVnicType(), VIFType: m.GetVifType(),
		PortSecurityEnabled: m.GetPortSecurityEnabled(), SecurityGroups: m.GetSecurityGroups(),
		DNSName: m.GetDnsName(), DNSDomain: m.GetDnsDomain(), PropagateUplink: m.GetPropagateUplinkStatus(),
		QoSPolicyID: m.GetQosPolicyId(),
	}
	if err := decodePortAddresses(p, m); err != nil {
		return nil, err
	}
	for _, host := range m.GetHaHosts() {
		if err := CheckHost(host); err != nil {
			return nil, fmt.Errorf("ha_hosts: %w", err)
		}
	}
	p.HAHosts = m.GetHaHosts()
	for _, o := range m.GetExtraDhcpOpts() {
		p.ExtraDHCPOpts = append(p.ExtraDHCPOpts, model.DHCPOption{
			Name: o.GetName(), Value: o.GetValue(), IPVersion: int(o.GetIpVersion()),
		})
	}
	if len(m.GetProfileJson()) > 0 {
		if err := json.Unmarshal(m.GetProfileJson(), &p.BindingProfile); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
	}
	return p, nil
}

func decodePortAddresses(p *model.Port, m *pb.Port) error {
	for _, f := range m.GetFixedIps() {
		ip, err := needAddr(f.GetIp())
		if err != nil {
			return fmt.Errorf("fixed_ips: %w", err)
		}
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: f.GetSubnetId(), IP: ip})
	}
	for _, a := range m.GetAllowedAddressPairs() {
		mac, err := decodeMAC(a.GetMac())
		if err != nil {
			return fmt.Errorf("allowed_address_pairs: mac: %w", err)
		}
		ip, err := decodePrefix(a.GetIp())
		if err != nil || !ip.IsValid() {
			return fmt.Errorf("allowed_address_pairs: ip: %w", orMissing(err))
		}
		p.AllowedAddressPairs = append(p.AllowedAddressPairs, model.AddressPair{MAC: mac, IP: ip})
	}
	return nil
}

func decodeEndpoint(m *pb.Endpoint) (*model.Endpoint, error) {
	if err := CheckHost(m.GetHost()); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	ip, err := needAddr(m.GetIp())
	if err != nil {
		return nil, fmt.Errorf("ip: %w", err)
	}
	types, err := decodeTunnelTypes(m.GetTypes())
	if err != nil {
		return nil, fmt.Errorf("types: %w", err)
	}
	if m.GetVxlanPort() > 65535 {
		return nil, fmt.Errorf("vxlan_port: %d is over 65535", m.GetVxlanPort())
	}
	return &model.Endpoint{Host: m.GetHost(), IP: ip, Types: types, VXLANPort: int(m.GetVxlanPort())}, nil
}

func decodeTunnelTypes(names []string) ([]model.NetworkType, error) {
	var out []model.NetworkType
	for _, s := range names {
		t := model.NetworkType(s)
		if !t.Tunneled() {
			return nil, fmt.Errorf("%q is no tunnel type", s)
		}
		out = append(out, t)
	}
	return out, nil
}

// DecodeSettings reads the settings message; nil gives the zero settings.
func DecodeSettings(m *pb.Settings) Settings {
	return Settings{L2Population: m.GetL2Population(), DNSDomain: m.GetDnsDomain(), LocalDHCP: m.GetLocalDhcp(), NovaMetadataURL: m.GetNovaMetadataUrl(), MetadataSecret: m.GetMetadataSecret()}
}

// DecodeHello reads an agent's introduction. The protocol's version is the
// caller's to check.
func DecodeHello(m *pb.Hello) (*model.Agent, error) {
	if err := CheckHost(m.GetHost()); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	if err := checkID("instance", m.GetInstance()); err != nil {
		return nil, err
	}
	ip, err := decodeAddr(m.GetTunnelIp())
	if err != nil {
		return nil, fmt.Errorf("tunnel_ip: %w", err)
	}
	types, err := decodeTunnelTypes(m.GetTunnelTypes())
	if err != nil {
		return nil, fmt.Errorf("tunnel_types: %w", err)
	}
	if m.GetVxlanPort() > 65535 {
		return nil, fmt.Errorf("vxlan_port: %d is over 65535", m.GetVxlanPort())
	}
	return &model.Agent{
		Host: m.GetHost(), Instance: m.GetInstance(), Version: m.GetVersion(), Roles: m.GetRoles(),
		BridgeMappings: m.GetBridgeMappings(), TunnelTypes: types, TunnelIP: ip,
		VXLANPort: int(m.GetVxlanPort()), IntegrationBridge: m.GetIntegrationBridge(),
		DatapathType: m.GetDatapathType(), AvailabilityZone: m.GetAvailabilityZone(),
		LocalMetadata: m.GetLocalMetadata(),
		StartedAt:     unixNano(m.GetStartedAtUnixNano()),
	}, nil
}

// DecodeProblems reads the problems of a heartbeat, at most MaxProblems of
// them.
func DecodeProblems(m *pb.Heartbeat) []model.Problem {
	list := m.GetProblems()
	var out []model.Problem
	for _, p := range list[:min(len(list), MaxProblems)] {
		out = append(out, model.Problem{
			Object: bounded(p.GetObject()), Text: bounded(p.GetText()), Since: unixNano(p.GetSinceUnixNano()),
		})
	}
	return out
}

// DecodeFindings reads the findings of a heartbeat, at most model.MaxFindings of
// them.
func DecodeFindings(m *pb.Heartbeat) []model.Finding {
	list := m.GetFindings()
	var out []model.Finding
	for _, f := range list[:min(len(list), model.MaxFindings)] {
		out = append(out, model.Finding{
			At: unixNano(f.GetAtUnixNano()), Kind: brief(f.GetKind()), Place: brief(f.GetPlace()), Object: brief(f.GetObject()),
			Text: brief(f.GetText()), Repaired: f.GetRepaired(),
		})
	}
	return out
}

// DecodeStatus reads a port's status. Host and Since are the controller's to
// fill in.
func DecodeStatus(m *pb.PortStatus) (model.PortStatus, error) {
	if err := checkID("port_id", m.GetPortId()); err != nil {
		return model.PortStatus{}, err
	}
	state := model.PortState(m.GetState())
	switch state {
	case model.PortDown, model.PortActive, model.PortError:
	default:
		return model.PortStatus{}, fmt.Errorf("state: %q is no port state", m.GetState())
	}
	return model.PortStatus{
		PortID: m.GetPortId(), State: state, Revision: m.GetRevision(), Error: bounded(m.GetError()),
	}, nil
}

// DecodeObjectStatus reads an object's status. Host and Since are the controller's
// to fill in.
func DecodeObjectStatus(m *pb.ObjectStatus) (model.ObjectStatus, error) {
	s := model.ObjectStatus{
		Kind: model.ObjectKind(m.GetKind()), ID: m.GetId(), State: model.ObjectState(m.GetState()),
		Revision: m.GetRevision(), Error: bounded(m.GetError()),
	}
	switch s.Kind {
	case model.ObjectRouter, model.ObjectRouterHA, model.ObjectFloatingIP, model.ObjectDHCP, model.ObjectDHCPPort:
	default:
		return model.ObjectStatus{}, fmt.Errorf("kind: %.80q is none that hosts report on", s.Kind)
	}
	switch s.State {
	case model.ObjectActive, model.ObjectStandby, model.ObjectClaims, model.ObjectDown, model.ObjectError, model.ObjectGone:
	default:
		return model.ObjectStatus{}, fmt.Errorf("state: %.80q is no state of an object", s.State)
	}
	return s, checkID("id", s.ID)
}

// DecodeRuleCounter reads the counter of a rule: the rule's digits, twelve of
// base 16, and the counter without the rule's id.
func DecodeRuleCounter(m *pb.RuleCounter) (digits string, c model.RuleCounter, err error) {
	digits = m.GetDigits()
	ok := len(digits) == ruleDigits
	for i := 0; ok && i < len(digits); i++ {
		ok = digits[i] >= '0' && digits[i] <= '9' || digits[i] >= 'a' && digits[i] <= 'f'
	}
	if !ok {
		return "", c, fmt.Errorf("digits: %.80q are not the first %d of an id", digits, ruleDigits)
	}
	c.Packets, c.Bytes, c.ReadAt = m.GetPackets(), m.GetBytes(), time.Unix(0, m.GetReadUnixNano()).UTC()
	return digits, c, nil
}

// ruleDigits is how much of a rule's id its counter names.
const ruleDigits = 12

func decodeMAC(b []byte) (model.MAC, error) {
	switch len(b) {
	case 0:
		return model.MAC{}, nil
	case 6:
		return model.MAC(b), nil
	}
	return model.MAC{}, fmt.Errorf("%d bytes instead of 6", len(b))
}

// decodeAddr reads an address; no bytes give the zero Addr.
func decodeAddr(b []byte) (netip.Addr, error) {
	if len(b) == 0 {
		return netip.Addr{}, nil
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, fmt.Errorf("%d bytes instead of 4 or 16", len(b))
	}
	if a.Is4In6() {
		return netip.Addr{}, fmt.Errorf("%s is an IPv4 address in 16 bytes", a)
	}
	return a, nil
}

func needAddr(b []byte) (netip.Addr, error) {
	a, err := decodeAddr(b)
	if err == nil && !a.IsValid() {
		err = errMissing
	}
	return a, err
}

// decodePrefix reads a prefix; a missing message gives the zero Prefix.
func decodePrefix(m *pb.Prefix) (netip.Prefix, error) {
	if m == nil {
		return netip.Prefix{}, nil
	}
	a, err := needAddr(m.GetAddress())
	if err != nil {
		return netip.Prefix{}, err
	}
	if m.GetBits() > uint32(a.BitLen()) {
		return netip.Prefix{}, fmt.Errorf("/%d is too long for %s", m.GetBits(), a)
	}
	return netip.PrefixFrom(a, int(m.GetBits())), nil
}

func version(a netip.Addr) uint32 {
	if a.Is4() {
		return 4
	}
	return 6
}

var errMissing = errors.New("missing")

func orMissing(err error) error {
	if err == nil {
		return errMissing
	}
	return err
}

// checkID accepts what may become part of a file, interface or namespace name:
// 1 to 64 letters, digits, and "-", "_", ".", not starting with a dot.
func checkID(field, id string) error {
	if len(id) == 0 || len(id) > 64 || id[0] == '.' {
		return fmt.Errorf("%s: %.80q is no identifier", field, id)
	}
	for i := range len(id) {
		if !idByte(id[i]) {
			return fmt.Errorf("%s: %q is no identifier", field, id)
		}
	}
	return nil
}

// CheckHost says whether a host name is one that agents may claim: 1 to 255
// letters, digits, and "-", "_", ".", ":", not starting with a dot.
func CheckHost(host string) error {
	if len(host) == 0 || len(host) > 255 || host[0] == '.' {
		return fmt.Errorf("%.80q is no host name", host)
	}
	for i := range len(host) {
		if !idByte(host[i]) && host[i] != ':' {
			return fmt.Errorf("%.80q is no host name", host)
		}
	}
	return nil
}

func idByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.'
}
