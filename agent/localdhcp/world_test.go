package localdhcp

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

const (
	here     = "hv1"
	network1 = "40f78da5-e238-4231-a707-9d8a6c40d937"
	subnet4  = "95acb25d-daeb-4499-a60e-979f0d753793"
	subnet6  = "5ae1ec6d-1f1c-4a40-8a2d-3e3c64d4b0a1"
	guest1   = "66ba06ae-c578-4a55-9447-23576d4135a4"
	guest2   = "93881ddc-691d-4148-ae78-f15e2fa86544"
	remote   = "3355e3ac-6223-4eef-b9fd-0d5288dccaa7"
	router1  = "3987e110-63a9-4bc8-bc8f-cc51daade650"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// world is a cloud in which the answers are local: a network with a subnet of
// each kind of address, two guests here and one elsewhere.
type world struct {
	rpc.Update
	network    *model.Network
	four, six  *model.Subnet
	one, two   *model.Port
	elsewhere_ *model.Port
}

func newWorld() *world {
	w := &world{
		network: &model.Network{Meta: model.Meta{ID: network1}, MTU: 1450},
		four: &model.Subnet{
			Meta: model.Meta{ID: subnet4}, NetworkID: network1, IPVersion: 4, EnableDHCP: true,
			CIDR: netip.MustParsePrefix("10.30.0.0/24"), Gateway: addr("10.30.0.1"),
			DNSNameservers: []netip.Addr{addr("192.0.2.53"), addr("192.0.2.54")},
			HostRoutes:     []model.HostRoute{{Destination: netip.MustParsePrefix("192.0.2.0/25"), NextHop: addr("10.30.0.7")}},
		},
		six: &model.Subnet{
			Meta: model.Meta{ID: subnet6}, NetworkID: network1, IPVersion: 6, EnableDHCP: true,
			CIDR: netip.MustParsePrefix("2001:db8::/64"), DNSNameservers: []netip.Addr{addr("2001:db8:53::1")},
			IPv6AddressMode: "dhcpv6-stateful", IPv6RAMode: "dhcpv6-stateful",
		},
	}
	w.one, w.two, w.elsewhere_ = w.port(guest1, here, 11), w.port(guest2, here, 12), w.port(remote, "hv2", 13)
	w.Full, w.Revision = true, 1
	w.Settings = rpc.Settings{L2Population: true, DNSDomain: "openstacklocal", LocalDHCP: true}
	w.Networks, w.Subnets = []*model.Network{w.network}, []*model.Subnet{w.four, w.six}
	return w
}

// port adds a port with an address in both subnets.
func (w *world) port(id, host string, n int) *model.Port {
	mac, err := model.ParseMAC("fa:16:3e:" + id[0:2] + ":" + id[2:4] + ":" + id[4:6])
	if err != nil {
		panic(err)
	}
	p := &model.Port{
		Meta: model.Meta{ID: id}, NetworkID: network1, Host: host, DeviceOwner: "compute:nova", MAC: mac, PortSecurityEnabled: true,
		FixedIPs: []model.FixedIP{
			{SubnetID: subnet4, IP: addr(fmt.Sprintf("10.30.0.%d", n))},
			{SubnetID: subnet6, IP: addr(fmt.Sprintf("2001:db8::%d", n))},
		},
	}
	w.Ports = append(w.Ports, p)
	return p
}

// router adds a router's port with the addresses.
func (w *world) router(fixed ...string) {
	p := w.port(router1, "net1", 1)
	p.DeviceOwner, p.FixedIPs = "network:router_interface", nil
	for i := 0; i < len(fixed); i += 2 {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: fixed[i], IP: addr(fixed[i+1])})
	}
}

// server gives a server that knows the world.
func (w *world) server() *Server {
	s := New(Config{
		Host: here, Settings: answers.Settings{LeaseTime: 24 * time.Hour, NoResolver: true},
		Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
	})
	s.Apply(&w.Update)
	return s
}

// guest is what the server knows of a port.
func (w *world) guest(t *testing.T, id string) guest {
	t.Helper()
	g, ok := w.server().book.guest(id)
	if !ok {
		t.Fatalf("port %s is told nothing", id)
	}
	return g
}

// counted gives the figure of questions with a fate.
func counted(t *testing.T, s *Server, f fate) int {
	t.Helper()
	families, err := s.cfg.Registerer.(prometheus.Gatherer).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == string(f) {
			return int(m.GetCounter().GetValue())
		}
	}
	t.Fatalf("no figure of questions that are %s", f)
	return 0
}

func hardware(p *model.Port) net.HardwareAddr { return net.HardwareAddr(p.MAC[:]) }
