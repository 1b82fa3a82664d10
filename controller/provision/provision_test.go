package provision

import (
	"context"
	"net/netip"
	"testing"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store/mem"
)

func TestAPortIsInServiceWhenAllHaveDoneTheirPart(t *testing.T) {
	port := func(change func(*model.Port)) *model.Port {
		p := &model.Port{
			Meta: model.Meta{ID: "p"}, NetworkID: "n", Host: "hv1", DeviceOwner: "compute:nova",
			FixedIPs: []model.FixedIP{{SubnetID: "served", IP: netip.MustParseAddr("10.0.0.1")}},
		}
		change(p)
		return p
	}
	as := func(*model.Port) {}
	says := func(kind model.ObjectKind, id, host string, s model.ObjectState) *model.ObjectStatus {
		return &model.ObjectStatus{Kind: kind, ID: id, Host: host, State: s}
	}
	const server, has = model.ObjectDHCP, model.ObjectDHCPPort
	tests := []struct {
		name   string
		port   *model.Port
		wired  model.PortState
		states []*model.ObjectStatus
		want   model.PortState
	}{
		{"nobody said anything", port(as), "", nil, model.PortDown},
		{"no server ever came up", port(as), model.PortActive, nil, model.PortActive},
		{"the server does not have it", port(as), model.PortActive, []*model.ObjectStatus{says(server, "n", "net1", "ACTIVE")}, model.PortDown},
		{
			"the server has it", port(as), model.PortActive,
			[]*model.ObjectStatus{says(server, "n", "net1", "ACTIVE"), says(has, "p", "net1", "ACTIVE")},
			model.PortActive,
		},
		{
			"one of two servers has it", port(as), model.PortActive,
			[]*model.ObjectStatus{says(server, "n", "net1", "ACTIVE"), says(server, "n", "net2", "ACTIVE"), says(has, "p", "net2", "ACTIVE")},
			model.PortActive,
		},
		{
			"a server has it that serves no more", port(as), model.PortActive,
			[]*model.ObjectStatus{says(server, "n", "net1", "ACTIVE"), says(has, "p", "net9", "ACTIVE")},
			model.PortDown,
		},
		{"the server is broken", port(as), model.PortActive, []*model.ObjectStatus{says(server, "n", "net1", "ERROR")}, model.PortActive},
		{
			"only the server has it", port(as), model.PortDown,
			[]*model.ObjectStatus{says(server, "n", "net1", "ACTIVE"), says(has, "p", "net1", "ACTIVE")},
			model.PortDown,
		},
		{"its host cannot wire it", port(as), model.PortError, []*model.ObjectStatus{says(server, "n", "net1", "ACTIVE")}, model.PortError},
		{
			"the server serves another segment's subnet", port(func(p *model.Port) { p.FixedIPs[0].SubnetID = "elsewhere" }), model.PortActive,
			[]*model.ObjectStatus{says(server, "n", "net1", "ACTIVE")},
			model.PortActive,
		},
		{
			"its subnet has no DHCP", port(func(p *model.Port) { p.FixedIPs[0].SubnetID = "static" }), model.PortActive,
			[]*model.ObjectStatus{says(server, "n", "net1", "ACTIVE")},
			model.PortActive,
		},
		{
			"it is the network service's own", port(func(p *model.Port) { p.DeviceOwner = "network:dhcp" }), model.PortActive,
			[]*model.ObjectStatus{says(server, "n", "net1", "ACTIVE")},
			model.PortActive,
		},
		{"another host wired it", port(func(p *model.Port) { p.Host = "hv2" }), model.PortActive, nil, model.PortDown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mem.New()
			defer s.Close()
			db, err := records.Open(t.Context(), s, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			_, err = db.Update(context.Background(), func(u *records.Update) error {
				records.Subnets.Put(u, &model.Subnet{Meta: model.Meta{ID: "served"}, EnableDHCP: true})
				records.Subnets.Put(u, &model.Subnet{Meta: model.Meta{ID: "static"}})
				records.Subnets.Put(u, &model.Subnet{Meta: model.Meta{ID: "elsewhere"}, EnableDHCP: true})
				records.DHCPBindings.Put(u, &model.DHCPBinding{NetworkID: "n", Hosts: []model.DHCPHost{{Host: "net1", PortID: "d1"}, {Host: "net2", PortID: "d2"}}})
				for _, id := range []string{"d1", "d2"} {
					at := []model.FixedIP{{SubnetID: "served", IP: netip.MustParseAddr("10.0.0.2")}}
					records.Ports.Put(u, &model.Port{Meta: model.Meta{ID: id}, NetworkID: "n", DeviceOwner: "network:dhcp", FixedIPs: at})
				}
				if tt.wired != "" {
					records.PortStatuses.Put(u, &model.PortStatus{PortID: "p", Host: "hv1", State: tt.wired})
				}
				for _, st := range tt.states {
					records.ObjectStatuses.Put(u, st)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			_ = db.ReadStale(func(r records.Reader) error {
				if got, _ := State(r, tt.port); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
				return nil
			})
		})
	}
}
