package rpc

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// PartSize is the size in bytes at which an update is cut into parts. It is
// what one slow agent can make the controller hold for it.
const PartSize = 256 << 10

// Parts gives the update as messages of about limit bytes each, the last
// without More. A record that cannot be encoded is left out; skipped is told
// of it and may be nil.
func (u *Update) Parts(limit int, skipped func(Rejected)) iter.Seq[*pb.Update] {
	return func(yield func(*pb.Update) bool) {
		part, size := u.newPart(), 0
		for put := range u.items(skipped) {
			if size >= limit {
				part.More = true
				if !yield(part) {
					return
				}
				part, size = u.newPart(), 0
			}
			size += put(part)
		}
		yield(part)
	}
}

func (u *Update) newPart() *pb.Update {
	return &pb.Update{Full: u.Full, Revision: u.Revision}
}

// items gives one function per record or deletion, which puts it into a part and
// tells its size.
func (u *Update) items(skipped func(Rejected)) iter.Seq[func(*pb.Update) int] {
	return func(yield func(func(*pb.Update) int) bool) {
		for _, c := range collections {
			for put := range c.items(u, skipped) {
				if !yield(put) {
					return
				}
			}
		}
		for put := range u.deletions() {
			if !yield(put) {
				return
			}
		}
	}
}

// deletions is the part of items that is about deletions.
func (u *Update) deletions() iter.Seq[func(*pb.Update) int] {
	return func(yield func(func(*pb.Update) int) bool) {
		for _, c := range collections {
			for _, id := range *c.deleted(&u.Deleted) {
				put := func(p *pb.Update) int {
					list := c.deletedPB(p)
					*list = append(*list, id)
					return len(id) + 2
				}
				if !yield(put) {
					return
				}
			}
		}
	}
}

func encodeNetwork(n *model.Network) (*pb.Network, error) {
	return &pb.Network{
		Id: n.ID, ProjectId: n.ProjectID, Name: n.Name, Revision: n.Revision,
		AdminStateUp: n.AdminStateUp, Shared: n.Shared, External: n.External,
		PortSecurityEnabled: n.PortSecurityEnabled, Mtu: uint32(max(n.MTU, 0)),
		Segment: &pb.Segment{
			Type: string(n.Segment.Type), PhysicalNetwork: n.Segment.PhysicalNetwork, Id: n.Segment.ID,
		},
		DnsDomain: n.DNSDomain, QosPolicyId: n.QoSPolicyID,
	}, nil
}

func encodeSubnet(s *model.Subnet) (*pb.Subnet, error) {
	m := &pb.Subnet{
		Id: s.ID, ProjectId: s.ProjectID, Name: s.Name, Revision: s.Revision,
		NetworkId: s.NetworkID, IpVersion: uint32(max(s.IPVersion, 0)), Cidr: encodePrefix(s.CIDR),
		Gateway: s.Gateway.AsSlice(), EnableDhcp: s.EnableDHCP,
		Ipv6AddressMode: s.IPv6AddressMode, Ipv6RaMode: s.IPv6RAMode,
		SubnetpoolId: s.SubnetPoolID, SegmentId: s.SegmentID,
	}
	for _, a := range s.DNSNameservers {
		m.DnsNameservers = append(m.DnsNameservers, a.AsSlice())
	}
	m.HostRoutes = encodeRoutes(s.HostRoutes)
	return m, nil
}

func encodeRoutes(routes []model.HostRoute) []*pb.HostRoute {
	var out []*pb.HostRoute
	for _, r := range routes {
		out = append(out, &pb.HostRoute{Destination: encodePrefix(r.Destination), Nexthop: r.NextHop.AsSlice()})
	}
	return out
}

func encodePort(p *model.Port) (*pb.Port, error) {
	m := &pb.Port{
		Id: p.ID, ProjectId: p.ProjectID, Name: p.Name, Revision: p.Revision,
		NetworkId: p.NetworkID, Mac: p.MAC[:], AdminStateUp: p.AdminStateUp,
		DeviceId: p.DeviceID, DeviceOwner: p.DeviceOwner, Host: p.Host,
		VnicType: p.VNICType, VifType: p.VIFType,
		PortSecurityEnabled: p.PortSecurityEnabled, SecurityGroups: p.SecurityGroups,
		DnsName: p.DNSName, DnsDomain: p.DNSDomain, PropagateUplinkStatus: p.PropagateUplink,
		QosPolicyId: p.QoSPolicyID,
	}
	m.HaHosts = p.HAHosts
	for _, f := range p.FixedIPs {
		m.FixedIps = append(m.FixedIps, &pb.FixedIP{SubnetId: f.SubnetID, Ip: f.IP.AsSlice()})
	}
	for _, a := range p.AllowedAddressPairs {
		pair := &pb.AddressPair{Ip: encodePrefix(a.IP)}
		if a.MAC != (model.MAC{}) {
			pair.Mac = a.MAC[:]
		}
		m.AllowedAddressPairs = append(m.AllowedAddressPairs, pair)
	}
	for _, o := range p.ExtraDHCPOpts {
		m.ExtraDhcpOpts = append(m.ExtraDhcpOpts, &pb.DHCPOption{
			Name: o.Name, Value: o.Value, IpVersion: uint32(max(o.IPVersion, 0)),
		})
	}
	if len(p.BindingProfile) > 0 {
		b, err := json.Marshal(p.BindingProfile)
		if err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		m.ProfileJson = b
	}
	return m, nil
}

func encodeEndpoint(e *model.Endpoint) (*pb.Endpoint, error) {
	return &pb.Endpoint{
		Host: e.Host, Ip: e.IP.AsSlice(), Types: typeNames(e.Types), VxlanPort: uint32(max(e.VXLANPort, 0)),
	}, nil
}

func encodePrefix(p netip.Prefix) *pb.Prefix {
	if !p.IsValid() {
		return nil
	}
	return &pb.Prefix{Address: p.Addr().AsSlice(), Bits: uint32(p.Bits())}
}

func typeNames(types []model.NetworkType) []string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = string(t)
	}
	return out
}

// EncodeSettings gives the message of the settings.
func EncodeSettings(s Settings) *pb.Settings {
	return &pb.Settings{L2Population: s.L2Population, DnsDomain: s.DNSDomain, LocalDhcp: s.LocalDHCP, NovaMetadataUrl: s.NovaMetadataURL, MetadataSecret: s.MetadataSecret}
}

// EncodeHello gives the message with which an agent introduces itself.
func EncodeHello(a *model.Agent) *pb.Hello {
	h := &pb.Hello{
		Protocol: ProtocolVersion, Host: a.Host, Instance: a.Instance, Version: a.Version,
		Roles: a.Roles, BridgeMappings: a.BridgeMappings, TunnelTypes: typeNames(a.TunnelTypes),
		TunnelIp: a.TunnelIP.AsSlice(), VxlanPort: uint32(max(a.VXLANPort, 0)),
		IntegrationBridge: a.IntegrationBridge, DatapathType: a.DatapathType,
		AvailabilityZone: a.AvailabilityZone, LocalMetadata: a.LocalMetadata,
	}
	if !a.StartedAt.IsZero() {
		h.StartedAtUnixNano = a.StartedAt.UnixNano()
	}
	return h
}

// EncodeHeartbeat gives the message of an agent's heartbeat.
func EncodeHeartbeat(problems []model.Problem, devices int, inSync bool) *pb.Heartbeat {
	h := &pb.Heartbeat{Devices: uint32(max(devices, 0)), InSync: inSync}
	for _, p := range problems[:min(len(problems), MaxProblems)] {
		m := &pb.Problem{Object: bounded(p.Object), Text: bounded(p.Text)}
		if !p.Since.IsZero() {
			m.SinceUnixNano = p.Since.UnixNano()
		}
		h.Problems = append(h.Problems, m)
	}
	return h
}

// EncodeFindings gives the findings of a heartbeat, at most model.MaxFindings. Texts
// are cut after MaxFindingText bytes: every heartbeat has them all.
func EncodeFindings(list []model.Finding) []*pb.Finding {
	var out []*pb.Finding
	for _, f := range list[:min(len(list), model.MaxFindings)] {
		out = append(out, &pb.Finding{
			AtUnixNano: f.At.UnixNano(), Kind: brief(f.Kind), Place: brief(f.Place), Object: brief(f.Object), Text: brief(f.Text),
			Repaired: f.Repaired,
		})
	}
	return out
}

// EncodeStatus gives the message of a port's status. An error text longer than
// MaxText is cut.
func EncodeStatus(s *model.PortStatus) *pb.PortStatus {
	return &pb.PortStatus{
		PortId: s.PortID, State: string(s.State), Revision: s.Revision, Error: bounded(s.Error),
	}
}

// EncodeObjectStatus gives the message of an object's status. An error text longer
// than MaxText is cut.
func EncodeObjectStatus(s *model.ObjectStatus) *pb.ObjectStatus {
	return &pb.ObjectStatus{
		Kind: string(s.Kind), Id: s.ID, State: string(s.State), Revision: s.Revision, Error: bounded(s.Error),
	}
}

// EncodeRuleCounter gives the message of a rule's counter.
func EncodeRuleCounter(digits string, c *model.RuleCounter) *pb.RuleCounter {
	return &pb.RuleCounter{Digits: digits, Packets: c.Packets, Bytes: c.Bytes, ReadUnixNano: c.ReadAt.UnixNano()}
}

// MaxFindingText bounds the texts of a finding, in bytes.
const MaxFindingText = 300

// brief is bounded for a finding.
func brief(s string) string { return bounded(s[:min(len(s), MaxFindingText)]) }

// bounded gives a text that the wire accepts: valid UTF-8 of at most MaxText
// bytes.
func bounded(s string) string {
	if len(s) > MaxText {
		s = s[:MaxText]
	}
	return strings.ToValidUTF8(s, "?")
}

func unixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
