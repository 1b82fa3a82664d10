package api

import (
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/extradhcpopts"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/networkipavailabilities"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/segments"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

func TestGophercloudMakesARoutedNetwork(t *testing.T) {
	c := racks(t)
	ctx := context.Background()
	client := &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "none"},
		Endpoint:       c.server.URL + "/v2.0/", Type: "network",
	}
	network := want[*networks.Network](t)(networks.Create(ctx, client, provider.CreateOptsExt{
		CreateOptsBuilder: networks.CreateOpts{Name: "routed"},
		Segments: []provider.Segment{
			{NetworkType: "vlan", PhysicalNetwork: "physnet1", SegmentationID: 150},
			{NetworkType: "vxlan", SegmentationID: 7},
		},
	}).Extract())
	added := want[*segments.Segment](t)(segments.Create(ctx, client, segments.CreateOpts{
		Name: "rack 2", NetworkID: network.ID, NetworkType: "vlan", PhysicalNetwork: "physnet2", SegmentationID: 160,
	}).Extract())
	if added.SegmentationID != 160 || added.CreatedAt.IsZero() || added.Name != "rack 2" {
		t.Errorf("segment %+v", added)
	}
	pages := want[pagination.Page](t)(segments.List(client, segments.ListOpts{NetworkID: network.ID, SortKey: "network_type", SortDir: "asc"}).AllPages(ctx))
	all := want[[]segments.Segment](t)(segments.ExtractSegments(pages))
	if len(all) != 3 || all[2].NetworkType != "vxlan" {
		t.Fatalf("segments %+v", all)
	}
	name := "rack two"
	if got := want[*segments.Segment](t)(segments.Update(ctx, client, added.ID, segments.UpdateOpts{Name: &name}).Extract()); got.Name != name {
		t.Errorf("segment %+v", got)
	}
	if err := segments.Delete(ctx, client, all[2].ID).ExtractErr(); err != nil {
		t.Error(err)
	}
	subnet := want[*subnets.Subnet](t)(subnets.Create(ctx, client, subnets.CreateOpts{
		NetworkID: network.ID, IPVersion: gophercloud.IPv4, CIDR: "10.0.0.0/24", SegmentID: added.ID,
	}).Extract())
	if subnet.SegmentID != added.ID {
		t.Errorf("subnet %+v", subnet)
	}
	if err := segments.Delete(ctx, client, added.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("deleting a segment with a subnet: %v", err)
	}
	port := want[*ports.Port](t)(ports.Create(ctx, client, extradhcpopts.CreateOptsExt{
		CreateOptsBuilder: ports.CreateOpts{NetworkID: network.ID, FixedIPs: []ports.IP{{SubnetID: subnet.ID}}},
		ExtraDHCPOpts:     []extradhcpopts.CreateExtraDHCPOpt{{OptName: "bootfile-name", OptValue: "pxelinux.0", IPVersion: gophercloud.IPv4}},
	}).Extract())
	var options struct {
		ports.Port
		extradhcpopts.ExtraDHCPOptsExt
	}
	if err := ports.Get(ctx, client, port.ID).ExtractInto(&options); err != nil || len(options.ExtraDHCPOpts) != 1 || len(options.FixedIPs) != 1 {
		t.Errorf("port %+v, %v", options, err)
	}
	usage := want[*networkipavailabilities.NetworkIPAvailability](t)(networkipavailabilities.Get(ctx, client, network.ID).Extract())
	if usage.TotalIPs != "253" || usage.UsedIPs != "1" || len(usage.SubnetIPAvailabilities) != 1 {
		t.Errorf("usage %+v", usage)
	}
}
