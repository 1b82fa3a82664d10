package rpc

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

func goodNetwork() *pb.Network {
	return &pb.Network{Id: "n1", Mtu: 1450, Segment: &pb.Segment{Type: "vxlan", Id: 100}}
}

func goodSubnet() *pb.Subnet {
	return &pb.Subnet{
		Id: "s1", NetworkId: "n1", IpVersion: 4, Gateway: []byte{10, 0, 0, 1},
		Cidr: &pb.Prefix{Address: []byte{10, 0, 0, 0}, Bits: 24},
	}
}

func goodPort() *pb.Port {
	return &pb.Port{Id: "p1", NetworkId: "n1", Mac: []byte{0xfa, 0x16, 0x3e, 0, 0, 1}, Host: "hv1"}
}

func goodEndpoint() *pb.Endpoint {
	return &pb.Endpoint{Host: "hv1", Ip: []byte{192, 0, 2, 1}, Types: []string{"vxlan"}, VxlanPort: 4789}
}

func TestHostileRecordsAreRejectedByField(t *testing.T) {
	network := func(f func(*pb.Network)) *pb.Update {
		m := goodNetwork()
		f(m)
		return &pb.Update{Networks: []*pb.Network{m}}
	}
	subnet := func(f func(*pb.Subnet)) *pb.Update {
		m := goodSubnet()
		f(m)
		return &pb.Update{Subnets: []*pb.Subnet{m}}
	}
	port := func(f func(*pb.Port)) *pb.Update {
		m := goodPort()
		f(m)
		return &pb.Update{Ports: []*pb.Port{m}}
	}
	endpoint := func(f func(*pb.Endpoint)) *pb.Update {
		m := goodEndpoint()
		f(m)
		return &pb.Update{Endpoints: []*pb.Endpoint{m}}
	}
	mapped := append(make([]byte, 10), 0xff, 0xff, 10, 0, 0, 1)
	tests := []struct {
		name   string
		update *pb.Update
		field  string
	}{
		{"a network without id", network(func(m *pb.Network) { m.Id = "" }), "id"},
		{"a network whose id is a path", network(func(m *pb.Network) { m.Id = "../../etc" }), "id"},
		{"a network whose id is endless", network(func(m *pb.Network) { m.Id = strings.Repeat("a", 65) }), "id"},
		{"a network whose id begins with a dot", network(func(m *pb.Network) { m.Id = ".." }), "id"},
		{"an MTU beyond 65535", network(func(m *pb.Network) { m.Mtu = 65536 }), "mtu"},
		{"no segment", network(func(m *pb.Network) { m.Segment = nil }), "segment: type"},
		{"an unknown network type", network(func(m *pb.Network) { m.Segment.Type = "stt" }), "segment: type"},
		{"VLAN 0", network(func(m *pb.Network) { m.Segment = &pb.Segment{Type: "vlan", PhysicalNetwork: "p"} }), "segment: id"},
		{"VLAN 4095", network(func(m *pb.Network) { m.Segment = &pb.Segment{Type: "vlan", PhysicalNetwork: "p", Id: 4095} }), "segment: id"},
		{"a VLAN nowhere", network(func(m *pb.Network) { m.Segment = &pb.Segment{Type: "vlan", Id: 5} }), "segment: physical_network"},
		{"VNI 0", network(func(m *pb.Network) { m.Segment.Id = 0 }), "segment: id"},
		{"VNI of 25 bits", network(func(m *pb.Network) { m.Segment.Id = 1 << 24 }), "segment: id"},
		{"a flat network with an id", network(func(m *pb.Network) { m.Segment = &pb.Segment{Type: "flat", PhysicalNetwork: "p", Id: 5} }), "segment: id"},

		{"a subnet without network", subnet(func(m *pb.Subnet) { m.NetworkId = "" }), "network_id"},
		{"a subnet without CIDR", subnet(func(m *pb.Subnet) { m.Cidr = nil }), "cidr"},
		{"a CIDR of 3 bytes", subnet(func(m *pb.Subnet) { m.Cidr.Address = []byte{10, 0, 0} }), "cidr"},
		{"a CIDR of 33 bits", subnet(func(m *pb.Subnet) { m.Cidr.Bits = 33 }), "cidr"},
		{"a CIDR of 2^32-1 bits", subnet(func(m *pb.Subnet) { m.Cidr.Bits = 1<<32 - 1 }), "cidr"},
		{"a CIDR with host bits", subnet(func(m *pb.Subnet) { m.Cidr.Address = []byte{10, 0, 0, 9} }), "cidr"},
		{"a version that does not fit", subnet(func(m *pb.Subnet) { m.IpVersion = 6 }), "ip_version"},
		{"a gateway of another version", subnet(func(m *pb.Subnet) { m.Gateway = append([]byte{0x20}, make([]byte, 15)...) }), "gateway"},
		{"a gateway of 5 bytes", subnet(func(m *pb.Subnet) { m.Gateway = make([]byte, 5) }), "gateway"},
		{"an empty name server", subnet(func(m *pb.Subnet) { m.DnsNameservers = [][]byte{nil} }), "dns_nameservers"},
		{"a route to nowhere", subnet(func(m *pb.Subnet) { m.HostRoutes = []*pb.HostRoute{{}} }), "host_routes: destination"},
		{"a route without next hop", subnet(func(m *pb.Subnet) { m.HostRoutes = []*pb.HostRoute{{Destination: m.Cidr}} }), "host_routes: nexthop"},

		{"a port without id", port(func(m *pb.Port) { m.Id = "" }), "id"},
		{"a port without network", port(func(m *pb.Port) { m.NetworkId = "a b" }), "network_id"},
		{"a MAC of 5 bytes", port(func(m *pb.Port) { m.Mac = m.Mac[:5] }), "mac"},
		{"a MAC of 8 bytes", port(func(m *pb.Port) { m.Mac = make([]byte, 8) }), "mac"},
		{"no MAC", port(func(m *pb.Port) { m.Mac = nil }), "mac"},
		{"a MAC of zeros", port(func(m *pb.Port) { m.Mac = make([]byte, 6) }), "mac"},
		{"the broadcast MAC", port(func(m *pb.Port) { m.Mac = []byte{255, 255, 255, 255, 255, 255} }), "mac"},
		{"an address of 6 bytes", port(func(m *pb.Port) { m.FixedIps = []*pb.FixedIP{{Ip: m.Mac}} }), "fixed_ips"},
		{"an address of no bytes", port(func(m *pb.Port) { m.FixedIps = []*pb.FixedIP{{}} }), "fixed_ips"},
		{"IPv4 in 16 bytes", port(func(m *pb.Port) { m.FixedIps = []*pb.FixedIP{{Ip: mapped}} }), "fixed_ips"},
		{"a pair without address", port(func(m *pb.Port) { m.AllowedAddressPairs = []*pb.AddressPair{{}} }), "allowed_address_pairs: ip"},
		{"a pair with half a MAC", port(func(m *pb.Port) { m.AllowedAddressPairs = []*pb.AddressPair{{Mac: []byte{1}}} }), "allowed_address_pairs: mac"},
		{"a profile that is no JSON", port(func(m *pb.Port) { m.ProfileJson = []byte("{") }), "profile"},
		{"a profile that is a list", port(func(m *pb.Port) { m.ProfileJson = []byte("[]") }), "profile"},
		{"an absent port", &pb.Update{Ports: []*pb.Port{nil}}, "id"},

		{"an endpoint without host", endpoint(func(m *pb.Endpoint) { m.Host = "" }), "host"},
		{"an endpoint with a host of blanks", endpoint(func(m *pb.Endpoint) { m.Host = "a b" }), "host"},
		{"an endpoint without address", endpoint(func(m *pb.Endpoint) { m.Ip = nil }), "ip"},
		{"an endpoint of a VLAN", endpoint(func(m *pb.Endpoint) { m.Types = []string{"vlan"} }), "types"},
		{"an endpoint with a large port", endpoint(func(m *pb.Endpoint) { m.VxlanPort = 65536 }), "vxlan_port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { mustReject(t, tt.update, tt.field) })
	}
}

// mustReject adds good records to the message, whose one record is bad in the
// field, and checks that nothing but the bad one is lost.
func mustReject(t *testing.T, m *pb.Update, field string) {
	t.Helper()
	m.DeletedPorts = []string{"gone"}
	m.Networks = append(m.Networks, goodNetwork())
	m.Ports = append(m.Ports, goodPort())
	var a Assembler
	u, err := a.Add(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Rejected) != 1 || !strings.HasPrefix(u.Rejected[0].Err.Error(), field+": ") {
		t.Errorf("rejected %v, want one for %s", u.Rejected, field)
	}
	if len(u.Networks) != 1 || len(u.Ports) != 1 || len(u.Deleted.Ports) != 1 || u.Len() != 3 {
		t.Errorf("the good records were lost, or the bad one was used: %+v", u)
	}
}

func TestHostNames(t *testing.T) {
	tests := []struct {
		host string
		good bool
	}{
		{"hv1", true},
		{"hv1.example.org", true},
		{"HV_1-a", true},
		{"compute:1", true},
		{strings.Repeat("h", 255), true},
		{strings.Repeat("h", 256), false},
		{"", false},
		{".", false},
		{"hv 1", false},
		{"hv/1", false},
		{"hv1\n", false},
		{"hvü", false},
	}
	for _, tt := range tests {
		if err := CheckHost(tt.host); (err == nil) != tt.good {
			t.Errorf("%.20q: %v", tt.host, err)
		}
	}
}

// FuzzUpdate feeds the agent's decoder bytes; what it accepts it must be able
// to send and read again, unchanged.
func FuzzUpdate(f *testing.F) {
	seed, err := proto.Marshal(&pb.Update{
		Full: true, Revision: 7, Networks: []*pb.Network{goodNetwork()}, Subnets: []*pb.Subnet{goodSubnet()},
		Ports: []*pb.Port{goodPort()}, Endpoints: []*pb.Endpoint{goodEndpoint()}, DeletedPorts: []string{"p9"},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m pb.Update
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		m.More = false
		u, err := new(Assembler).Add(&m)
		if err != nil {
			return
		}
		u.Rejected = nil
		again, _ := travel(t, u, 100)
		if len(again.Rejected) != 0 || again.Len() != u.Len() {
			t.Errorf("accepted, and refused when it came again: %v", again.Rejected)
		}
	})
}

// FuzzAgentMessage feeds the controller's decoders bytes.
func FuzzAgentMessage(f *testing.F) {
	for _, m := range []*pb.AgentMessage{
		{Body: &pb.AgentMessage_Hello{Hello: &pb.Hello{Host: "hv1", Instance: "i", TunnelIp: []byte{1, 2, 3, 4}}}},
		{Body: &pb.AgentMessage_Report{Report: &pb.Report{
			Statuses: []*pb.PortStatus{{PortId: "p1", State: "ACTIVE"}}, Objects: []*pb.ObjectStatus{{Kind: "router", Id: "r", State: "ACTIVE"}},
			Rules: []*pb.RuleCounter{{Digits: "4f1d2a7b93c0", Packets: 1, Bytes: 98}},
		}}},
		{Body: &pb.AgentMessage_Heartbeat{Heartbeat: &pb.Heartbeat{Problems: []*pb.Problem{{Object: "x"}}}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m pb.AgentMessage
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		if h := m.GetHello(); h != nil {
			if a, err := DecodeHello(h); err == nil && (CheckHost(a.Host) != nil || a.Instance == "") {
				t.Errorf("accepted %+v", a)
			}
		}
		for _, s := range m.GetReport().GetStatuses() {
			if st, err := DecodeStatus(s); err == nil && (st.PortID == "" || len(st.Error) > MaxText) {
				t.Errorf("accepted %+v", st)
			}
		}
		for _, s := range m.GetReport().GetObjects() {
			if st, err := DecodeObjectStatus(s); err == nil && (checkID("id", st.ID) != nil || len(st.Error) > MaxText || st.State == "") {
				t.Errorf("accepted %+v", st)
			}
		}
		for _, r := range m.GetReport().GetRules() {
			if digits, c, err := DecodeRuleCounter(r); err == nil && (len(digits) != 12 || checkID("digits", digits) != nil || c.Rule != "") {
				t.Errorf("accepted %q %+v", digits, c)
			}
		}
		if got := DecodeFindings(m.GetHeartbeat()); len(got) > model.MaxFindings || len(got) > 0 && len(got[0].Text) > MaxFindingText {
			t.Errorf("findings %+v", got)
		}
		if got := DecodeProblems(m.GetHeartbeat()); len(got) > MaxProblems {
			t.Errorf("accepted %d problems", len(got))
		}
	})
}
