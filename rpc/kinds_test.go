package rpc

import (
	"net/netip"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// prefixSets are prefixes as members and address groups hold them, none of every
// address.
var prefixSets = rapid.Custom(func(t *rapid.T) []netip.Prefix {
	var out []netip.Prefix
	for range rapid.IntRange(0, 4).Draw(t, "prefixes") {
		if p := prefixes.Draw(t, "prefix").Masked(); p.Bits() > 0 {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
})

func drawGroups(t *rapid.T, u *Update) {
	for range rapid.IntRange(0, 2).Draw(t, "groups") {
		u.Groups = append(u.Groups, &model.SecurityGroup{Meta: metas.Draw(t, "group"), Stateful: rapid.Bool().Draw(t, "stateful")})
		u.Members = append(u.Members, &model.GroupMember{
			GroupID: ids.Draw(t, "group"), PortID: ids.Draw(t, "member"), Addresses: prefixSets.Draw(t, "addresses"),
		})
		u.AddressGroups = append(u.AddressGroups, &model.AddressGroup{
			Meta: metas.Draw(t, "address group"), Addresses: prefixSets.Draw(t, "addresses"),
		})
		u.Rules = append(u.Rules, drawRule(t))
	}
}

func drawRule(t *rapid.T) *model.SecurityGroupRule {
	r := &model.SecurityGroupRule{
		Meta: metas.Draw(t, "rule"), SecurityGroupID: ids.Draw(t, "group"), Protocol: rapid.SampledFrom([]string{"", "tcp", "icmp", "50"}).Draw(t, "protocol"),
		Direction: rapid.SampledFrom([]string{"ingress", "egress"}).Draw(t, "direction"),
		EtherType: rapid.SampledFrom([]string{"IPv4", "IPv6"}).Draw(t, "ethertype"),
	}
	for _, to := range []**int{&r.PortRangeMin, &r.PortRangeMax} {
		if rapid.Bool().Draw(t, "has port") {
			n := rapid.IntRange(0, 65535).Draw(t, "port")
			*to = &n
		}
	}
	switch rapid.IntRange(0, 3).Draw(t, "remote") {
	case 0:
		r.RemoteGroupID = ids.Draw(t, "remote group")
	case 1:
		r.RemoteAddressGroupID = ids.Draw(t, "remote address group")
	case 2:
		if p := prefixes.Draw(t, "remote prefix").Masked(); p.Addr().Is4() == (r.EtherType == "IPv4") {
			r.NormalizedCIDR = p
		}
	}
	return r
}

func drawRouters(t *rapid.T, u *Update) {
	for range rapid.IntRange(0, 2).Draw(t, "routers") {
		r := &model.Router{
			Meta: metas.Draw(t, "router"), AdminStateUp: rapid.Bool().Draw(t, "up"), Distributed: rapid.Bool().Draw(t, "distributed"),
		}
		if rapid.Bool().Draw(t, "has gateway") {
			r.Gateway = &model.RouterGateway{
				NetworkID: ids.Draw(t, "network"), PortID: ids.Draw(t, "port"), EnableSNAT: rapid.Bool().Draw(t, "snat"),
			}
			r.Routes = []model.HostRoute{{Destination: prefixes.Draw(t, "destination"), NextHop: addresses.Draw(t, "nexthop")}}
			r.NATExempt = []netip.Prefix{netip.PrefixFrom(ipv4s.Draw(t, "exempt"), rapid.IntRange(0, 32).Draw(t, "bits")).Masked()}
		}
		if r.HA = rapid.Bool().Draw(t, "ha"); r.HA {
			r.VRID = rapid.IntRange(1, 255).Draw(t, "vr_id")
		}
		u.Routers = append(u.Routers, r)
		u.RouterBindings = append(u.RouterBindings, &model.RouterBinding{RouterID: ids.Draw(t, "router"), Hosts: []model.RouterHost{
			{
				Host: ids.Draw(t, "host"), Priority: rapid.IntRange(0, 254).Draw(t, "priority"), Active: rapid.Bool().Draw(t, "active"),
				Challenge: rapid.Int64().Draw(t, "challenge"), Denied: rapid.Int64().Draw(t, "denied"),
				Grant: rapid.IntRange(0, model.MaxGrant).Draw(t, "grant"),
			},
		}})
		u.DHCPBindings = append(u.DHCPBindings, &model.DHCPBinding{NetworkID: ids.Draw(t, "network"), Hosts: []model.DHCPHost{
			{Host: ids.Draw(t, "host"), PortID: ids.Draw(t, "port")},
		}})
		f := &model.FloatingIP{
			Meta: metas.Draw(t, "floating ip"), FloatingNetworkID: ids.Draw(t, "network"), FloatingIP: ipv4s.Draw(t, "floating"),
			FloatingPortID: ids.Draw(t, "floating port"), RouterID: ids.Draw(t, "router"),
		}
		if rapid.Bool().Draw(t, "in use") {
			f.PortID, f.FixedIP, f.SubnetID = ids.Draw(t, "port"), ipv4s.Draw(t, "fixed"), ids.Draw(t, "subnet")
			f.Host = rapid.SampledFrom([]string{"", "hv1"}).Draw(t, "host")
		}
		u.FloatingIPs = append(u.FloatingIPs, f)
		first := rapid.IntRange(1, 65535).Draw(t, "first")
		u.PortForwardings = append(u.PortForwardings, &model.PortForwarding{
			Meta: metas.Draw(t, "forwarding"), FloatingIPID: ids.Draw(t, "floating ip"), Protocol: "tcp",
			External: model.PortRange{First: first, Last: rapid.IntRange(first, 65535).Draw(t, "last")}, Internal: model.PortRange{First: 22, Last: 22},
			PortID: ids.Draw(t, "port"), InternalIP: addresses.Draw(t, "internal"), SubnetID: ids.Draw(t, "subnet"), RouterID: ids.Draw(t, "router"),
		})
		u.ConntrackHelpers = append(u.ConntrackHelpers, &model.ConntrackHelper{
			Meta: metas.Draw(t, "helper"), RouterID: ids.Draw(t, "router"), Protocol: "udp", Port: first, Helper: "tftp",
		})
		u.SubnetPools = append(u.SubnetPools, &model.SubnetPool{
			Meta: metas.Draw(t, "pool"), IPVersion: rapid.SampledFrom([]int{4, 6}).Draw(t, "version"), AddressScopeID: words.Draw(t, "scope"),
		})
	}
}

func drawExtras(t *rapid.T, u *Update) {
	for range rapid.IntRange(0, 2).Draw(t, "extras") {
		u.Logs = append(u.Logs, &model.Log{
			Meta: metas.Draw(t, "log"), ResourceType: model.LogSecurityGroup, Enabled: true,
			Event:      rapid.SampledFrom([]string{model.LogAll, model.LogAccept, model.LogDrop}).Draw(t, "event"),
			ResourceID: ids.Draw(t, "resource"), TargetID: words.Draw(t, "target"),
		})
		u.Trunks = append(u.Trunks, &model.Trunk{
			Meta: metas.Draw(t, "trunk"), PortID: ids.Draw(t, "parent"), AdminStateUp: rapid.Bool().Draw(t, "up"),
			SubPorts: []model.SubPort{{PortID: ids.Draw(t, "sub port"), SegmentationType: "vlan", SegmentationID: rapid.IntRange(1, 4094).Draw(t, "vlan")}},
		})
		u.QoSPolicies = append(u.QoSPolicies, &model.QoSPolicy{Meta: metas.Draw(t, "policy"), Rules: []model.QoSRule{{
			ID: ids.Draw(t, "rule"), Type: model.BandwidthLimit, Direction: "egress",
			Value: rapid.IntRange(0, 1<<31-1).Draw(t, "value"), Burst: rapid.IntRange(0, 9).Draw(t, "burst"),
		}}})
	}
}

func TestHostileGroupsAreRejectedByField(t *testing.T) {
	prefix := func(bits uint32, b ...byte) *pb.Prefix { return &pb.Prefix{Address: b, Bits: bits} }
	rule := func(f func(*pb.SecurityGroupRule)) *pb.Update {
		m := &pb.SecurityGroupRule{Id: "r1", SecurityGroupId: "g1", Direction: "ingress", Ethertype: "IPv4"}
		f(m)
		return &pb.Update{SecurityGroupRules: []*pb.SecurityGroupRule{m}}
	}
	member := func(f func(*pb.GroupMember)) *pb.Update {
		m := &pb.GroupMember{GroupId: "g1", PortId: "p1", Addresses: []*pb.Prefix{prefix(32, 10, 0, 0, 1)}}
		f(m)
		return &pb.Update{GroupMembers: []*pb.GroupMember{m}}
	}
	tests := []struct {
		name   string
		update *pb.Update
		field  string
	}{
		{"a group without id", &pb.Update{SecurityGroups: []*pb.SecurityGroup{{}}}, "id"},
		{"an absent group", &pb.Update{SecurityGroups: []*pb.SecurityGroup{nil}}, "id"},
		{"a rule without group", rule(func(m *pb.SecurityGroupRule) { m.SecurityGroupId = "" }), "security_group_id"},
		{"a rule of no direction", rule(func(m *pb.SecurityGroupRule) { m.Direction = "both" }), "direction"},
		{"a rule of ARP", rule(func(m *pb.SecurityGroupRule) { m.Ethertype = "ARP" }), "ethertype"},
		{"a rule of a story", rule(func(m *pb.SecurityGroupRule) { m.Protocol = string(make([]byte, 99)) }), "protocol"},
		{"a port below 0", rule(func(m *pb.SecurityGroupRule) { m.PortRangeMin = proto.Int32(-1) }), "port_range_min"},
		{"a port over 65535", rule(func(m *pb.SecurityGroupRule) { m.PortRangeMax = proto.Int32(65536) }), "port_range_max"},
		{"a prefix of the other family", rule(func(m *pb.SecurityGroupRule) {
			m.RemoteIpPrefix = prefix(8, append([]byte{0x20}, make([]byte, 15)...)...)
		}), "remote_ip_prefix"},
		{"a prefix with host bits", rule(func(m *pb.SecurityGroupRule) { m.RemoteIpPrefix = prefix(8, 10, 0, 0, 1) }), "remote_ip_prefix"},
		{"a prefix without address", rule(func(m *pb.SecurityGroupRule) { m.RemoteIpPrefix = prefix(0) }), "remote_ip_prefix"},
		{"two remotes", rule(func(m *pb.SecurityGroupRule) { m.RemoteGroupId, m.RemoteAddressGroupId = "g", "a" }), "remote_ip_prefix"},
		{"a remote group that is a path", rule(func(m *pb.SecurityGroupRule) { m.RemoteGroupId = "a/b" }), "remote_group_id"},
		{"a member of no group", member(func(m *pb.GroupMember) { m.GroupId = "" }), "group_id"},
		{"a member without port", member(func(m *pb.GroupMember) { m.PortId = "" }), "port_id"},
		{"a member that is everybody", member(func(m *pb.GroupMember) { m.Addresses = []*pb.Prefix{prefix(0, 0, 0, 0, 0)} }), "addresses"},
		{"a member with host bits", member(func(m *pb.GroupMember) { m.Addresses = []*pb.Prefix{prefix(8, 10, 0, 0, 1)} }), "addresses"},
		{"a member with an empty address", member(func(m *pb.GroupMember) { m.Addresses = []*pb.Prefix{nil} }), "addresses"},
		{"an address group with 33 bits", &pb.Update{AddressGroups: []*pb.AddressGroup{{Id: "a", Addresses: []*pb.Prefix{prefix(33, 10, 0, 0, 0)}}}}, "addresses"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { mustReject(t, tt.update, tt.field) })
	}
}

func TestHostileRoutersAreRejectedByField(t *testing.T) {
	ip := []byte{10, 0, 0, 1}
	floating := func(f func(*pb.FloatingIP)) *pb.Update {
		m := &pb.FloatingIP{Id: "f", FloatingNetworkId: "n", RouterId: "r", FloatingIp: ip}
		f(m)
		return &pb.Update{FloatingIps: []*pb.FloatingIP{m}}
	}
	forwarding := func(f func(*pb.PortForwarding)) *pb.Update {
		m := &pb.PortForwarding{
			Id: "f", FloatingipId: "i", RouterId: "r", Protocol: "tcp", InternalIp: ip,
			ExternalFirst: 80, ExternalLast: 81, InternalFirst: 80, InternalLast: 81,
		}
		f(m)
		return &pb.Update{PortForwardings: []*pb.PortForwarding{m}}
	}
	helper := func(f func(*pb.ConntrackHelper)) *pb.Update {
		m := &pb.ConntrackHelper{Id: "h", RouterId: "r", Protocol: "tcp", Port: 21, Helper: "ftp"}
		f(m)
		return &pb.Update{ConntrackHelpers: []*pb.ConntrackHelper{m}}
	}
	tests := []struct {
		name   string
		update *pb.Update
		field  string
	}{
		{"a router whose id is a path", &pb.Update{Routers: []*pb.Router{{Id: "../x"}}}, "id"},
		{"a gateway to no network", &pb.Update{Routers: []*pb.Router{{Id: "r", Gateway: &pb.RouterGateway{PortId: "p"}}}}, "gateway: network_id"},
		{"a gateway without port", &pb.Update{Routers: []*pb.Router{{Id: "r", Gateway: &pb.RouterGateway{NetworkId: "n"}}}}, "gateway: port_id"},
		{"a route to nowhere", &pb.Update{Routers: []*pb.Router{{Id: "r", Routes: []*pb.HostRoute{{Nexthop: ip}}}}}, "routes"},
		{"an exemption with host bits", &pb.Update{Routers: []*pb.Router{{Id: "r", NatExempt: []*pb.Prefix{{Address: ip, Bits: 8}}}}}, "nat_exempt"},
		{"an exemption of IPv6", &pb.Update{Routers: []*pb.Router{{Id: "r", NatExempt: []*pb.Prefix{{Address: make([]byte, 16)}}}}}, "nat_exempt"},
		{"a binding of no router", &pb.Update{RouterBindings: []*pb.RouterBinding{{}}}, "router_id"},
		{"a binding to no host", &pb.Update{RouterBindings: []*pb.RouterBinding{{RouterId: "r", Hosts: []*pb.RouterHost{{}}}}}, "hosts"},
		{"a grant above all", &pb.Update{RouterBindings: []*pb.RouterBinding{{RouterId: "r", Hosts: []*pb.RouterHost{{Host: "h", Grant: 4}}}}}, "hosts"},
		{"a VRRP priority of 255", &pb.Update{RouterBindings: []*pb.RouterBinding{{RouterId: "r", Hosts: []*pb.RouterHost{{Host: "h", Priority: 255}}}}}, "hosts"},
		{"a server of no network", &pb.Update{DhcpBindings: []*pb.DHCPBinding{{}}}, "network_id"},
		{"a server on no host", &pb.Update{DhcpBindings: []*pb.DHCPBinding{{NetworkId: "n", Hosts: []*pb.DHCPHost{nil}}}}, "hosts"},
		{"a floating IP on a host that is a path", floating(func(m *pb.FloatingIP) { m.Host = "../x" }), "host"},
		{"a floating IP without address", floating(func(m *pb.FloatingIP) { m.FloatingIp = nil }), "floating_ip"},
		{"a floating IP without router", floating(func(m *pb.FloatingIP) { m.RouterId = "" }), "router_id"},
		{"a fixed IP of another family", floating(func(m *pb.FloatingIP) { m.FixedIp = append([]byte{0x20}, make([]byte, 15)...) }), "fixed_ip"},
		{"a forwarding of ICMP", forwarding(func(m *pb.PortForwarding) { m.Protocol = "icmp" }), "protocol"},
		{"a forwarding of port 0", forwarding(func(m *pb.PortForwarding) { m.ExternalFirst = 0 }), "external"},
		{"a forwarding backwards", forwarding(func(m *pb.PortForwarding) { m.InternalFirst = 82 }), "internal"},
		{"a forwarding of two ports to three", forwarding(func(m *pb.PortForwarding) { m.InternalLast = 82 }), "internal"},
		{"a forwarding to nowhere", forwarding(func(m *pb.PortForwarding) { m.InternalIp = nil }), "internal_ip"},
		{"a helper with an option", helper(func(m *pb.ConntrackHelper) { m.Helper = "ftp -j ACCEPT" }), "helper"},
		{"a helper on port 65536", helper(func(m *pb.ConntrackHelper) { m.Port = 65536 }), "port"},
		{"a log of nothing known", &pb.Update{Logs: []*pb.Log{{Id: "l", ResourceType: "moon", Event: "ALL"}}}, "resource_type"},
		{"a log of no event", &pb.Update{Logs: []*pb.Log{{Id: "l", ResourceType: "security_group"}}}, "event"},
		{"a trunk without parent", &pb.Update{Trunks: []*pb.Trunk{{Id: "t"}}}, "port_id"},
		{"a sub port on VLAN 4095", &pb.Update{Trunks: []*pb.Trunk{{Id: "t", PortId: "p", SubPorts: []*pb.SubPort{{PortId: "s", SegmentationType: "vlan", SegmentationId: 4095}}}}}, "sub_ports"},
		{"a QoS rule without id", &pb.Update{QosPolicies: []*pb.QoSPolicy{{Id: "q", Rules: []*pb.QoSRule{{}}}}}, "rules: id"},
		{"a QoS rule of 2^32-1", &pb.Update{QosPolicies: []*pb.QoSPolicy{{Id: "q", Rules: []*pb.QoSRule{{Id: "r", Value: 1<<32 - 1}}}}}, "rules"},
		{"a pool of IPv5", &pb.Update{SubnetPools: []*pb.SubnetPool{{Id: "p", IpVersion: 5}}}, "ip_version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { mustReject(t, tt.update, tt.field) })
	}
}
