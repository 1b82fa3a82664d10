package api

import (
	"context"
	"slices"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/agents"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// want stops the test on an error, and hands the value on.
func want[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestGophercloudMakesAndReadsANetworkWithItsPorts(t *testing.T) {
	c := newCloud(t)
	c.agent("hv1")
	ctx := context.Background()
	client := &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "none"},
		Endpoint:       c.server.URL + "/v2.0/", Type: "network",
	}
	up := true
	network := want[*networks.Network](t)(networks.Create(ctx, client, provider.CreateOptsExt{
		CreateOptsBuilder: networks.CreateOpts{Name: "net", AdminStateUp: &up},
		Segments:          []provider.Segment{{NetworkType: "vlan", PhysicalNetwork: "physnet1", SegmentationID: 150}},
	}).Extract())
	var wire struct {
		networks.Network
		provider.NetworkProviderExt
	}
	if err := networks.Get(ctx, client, network.ID).ExtractInto(&wire); err != nil {
		t.Fatal(err)
	}
	if wire.Status != "ACTIVE" || wire.NetworkType != "vlan" || wire.SegmentationID != "150" || wire.CreatedAt.IsZero() {
		t.Errorf("network %+v", wire)
	}
	subnet := want[*subnets.Subnet](t)(subnets.Create(ctx, client, subnets.CreateOpts{
		NetworkID: network.ID, IPVersion: gophercloud.IPv4, CIDR: "10.0.0.0/24", DNSNameservers: []string{"192.0.2.53"},
		AllocationPools: []subnets.AllocationPool{{Start: "10.0.0.10", End: "10.0.0.20"}},
		HostRoutes:      []subnets.HostRoute{{DestinationCIDR: "192.0.2.0/24", NextHop: "10.0.0.9"}},
	}).Extract())
	if subnet.GatewayIP != "10.0.0.1" || len(subnet.AllocationPools) != 1 || len(subnet.HostRoutes) != 1 {
		t.Errorf("subnet %+v", subnet)
	}
	group := want[*groups.SecGroup](t)(groups.Create(ctx, client, groups.CreateOpts{Name: "web"}).Extract())
	rule := want[*rules.SecGroupRule](t)(rules.Create(ctx, client, rules.CreateOpts{
		SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP,
		PortRangeMin: 80, PortRangeMax: 90, RemoteIPPrefix: "10.0.0.0/8",
	}).Extract())
	if rule.Protocol != "tcp" || rule.PortRangeMax != 90 || len(group.Rules) != 2 {
		t.Errorf("rule %+v of group %+v", rule, group)
	}
	port := want[*ports.Port](t)(ports.Create(ctx, client, portsbinding.CreateOptsExt{
		CreateOptsBuilder: ports.CreateOpts{
			NetworkID: network.ID, Name: "p", SecurityGroups: &[]string{group.ID},
			FixedIPs:            []ports.IP{{SubnetID: subnet.ID, IPAddress: "10.0.0.15"}},
			AllowedAddressPairs: []ports.AddressPair{{IPAddress: "10.0.0.200"}},
		},
		HostID: "hv1",
	}).Extract())
	var bound struct {
		ports.Port
		portsbinding.PortsBindingExt
	}
	if err := ports.Get(ctx, client, port.ID).ExtractInto(&bound); err != nil {
		t.Fatal(err)
	}
	if bound.Status != "DOWN" || bound.VIFType != "ovs" || bound.FixedIPs[0].IPAddress != "10.0.0.15" || bound.AllowedAddressPairs[0].MACAddress != bound.MACAddress {
		t.Errorf("port %+v", bound)
	}
	name := "q"
	if got := want[*ports.Port](t)(ports.Update(ctx, client, port.ID, ports.UpdateOpts{Name: &name, RevisionNumber: &port.RevisionNumber}).Extract()); got.Name != "q" {
		t.Errorf("port %+v", got)
	}
	if _, err := ports.Update(ctx, client, port.ID, ports.UpdateOpts{Name: &name, RevisionNumber: &port.RevisionNumber}).Extract(); !gophercloud.ResponseCodeIs(err, 412) {
		t.Errorf("an old revision: %v", err)
	}
	gophercloudReads(ctx, t, client, network.ID)
	for _, err := range []error{
		ports.Delete(ctx, client, port.ID).ExtractErr(),
		groups.Delete(ctx, client, group.ID).ExtractErr(),
		networks.Delete(ctx, client, network.ID).ExtractErr(),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := networks.Get(ctx, client, network.ID).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("after the delete: %v", err)
	}
}

// gophercloudReads tries what else the client reads: pages, tags, quotas,
// agents.
func gophercloudReads(ctx context.Context, t *testing.T, client *gophercloud.ServiceClient, network string) {
	for range 5 {
		want[*networks.Network](t)(networks.Create(ctx, client, networks.CreateOpts{Name: "more"}).Extract())
	}
	var seen []string
	err := networks.List(client, networks.ListOpts{Limit: 2}).EachPage(ctx, func(_ context.Context, page pagination.Page) (bool, error) {
		list, err := networks.ExtractNetworks(page)
		for _, n := range list {
			seen = append(seen, n.ID)
		}
		return len(list) > 0, err
	})
	if err != nil || len(seen) != 6 || !slices.Contains(seen, network) {
		t.Errorf("%d networks on all pages, %v", len(seen), err)
	}
	tags := want[[]string](t)(attributestags.ReplaceAll(ctx, client, "networks", network, attributestags.ReplaceAllOpts{Tags: []string{"b", "a"}}).Extract())
	if !slices.Equal(tags, []string{"a", "b"}) {
		t.Errorf("tags %v", tags)
	}
	quota := want[*quotas.QuotaDetailSet](t)(quotas.GetDetail(ctx, client, "fake_project_id").Extract())
	if quota.Network.Used != 6 || quota.Network.Limit != 100 {
		t.Errorf("quota %+v", quota.Network)
	}
	pages := want[pagination.Page](t)(agents.List(client, agents.ListOpts{AgentType: "Open vSwitch agent"}).AllPages(ctx))
	list := want[[]agents.Agent](t)(agents.ExtractAgents(pages))
	if len(list) != 1 || !list[0].Alive || list[0].HeartbeatTimestamp.IsZero() {
		t.Errorf("agents %+v", list)
	}
}
