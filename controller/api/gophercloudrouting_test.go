package api

import (
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/extraroutes"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/portforwarding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

func TestGophercloudMakesARouterAndFloatingAddresses(t *testing.T) {
	s := newSite(t)
	s.guest("guest", "10.0.0.9")
	ctx := context.Background()
	client := &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "none"},
		Endpoint:       s.server.URL + "/v2.0/", Type: "network",
	}
	up, snat := true, false
	router := want[*routers.Router](t)(routers.Create(ctx, client, routers.CreateOpts{
		Name: "gopher", AdminStateUp: &up, GatewayInfo: &routers.GatewayInfo{
			NetworkID: s.names["ext"], EnableSNAT: &snat, ExternalFixedIPs: []routers.ExternalFixedIP{{IPAddress: "203.0.113.99", SubnetID: s.names["extnet"]}},
		},
	}).Extract())
	if router.Status != "ACTIVE" || router.GatewayInfo.ExternalFixedIPs[0].IPAddress != "203.0.113.99" || *router.GatewayInfo.EnableSNAT {
		t.Errorf("router %+v", router)
	}
	added := want[*routers.InterfaceInfo](t)(routers.AddInterface(ctx, client, router.ID, routers.AddInterfaceOpts{SubnetID: s.names["sub"]}).Extract())
	if added.SubnetID != s.names["sub"] || added.PortID == "" || added.ID != router.ID || added.TenantID == "" {
		t.Errorf("interface %+v", added)
	}
	routes := []routers.Route{{DestinationCIDR: "192.0.2.0/24", NextHop: "10.0.0.9"}}
	changed := want[*routers.Router](t)(extraroutes.Add(ctx, client, router.ID, extraroutes.Opts{Routes: &routes}).Extract())
	if len(changed.Routes) != 1 || changed.Routes[0] != routes[0] {
		t.Errorf("routes %+v", changed.Routes)
	}
	if changed = want[*routers.Router](t)(extraroutes.Remove(ctx, client, router.ID, extraroutes.Opts{Routes: &routes}).Extract()); len(changed.Routes) != 0 {
		t.Errorf("routes %+v", changed.Routes)
	}
	gophercloudFloats(ctx, t, client, s)
	if _, err := routers.RemoveInterface(ctx, client, router.ID, routers.RemoveInterfaceOpts{SubnetID: s.names["sub"]}).Extract(); err != nil {
		t.Error(err)
	}
	if got := want[*routers.Router](t)(routers.Update(ctx, client, router.ID, routers.UpdateOpts{GatewayInfo: &routers.GatewayInfo{}}).Extract()); got.GatewayInfo.NetworkID != "" {
		t.Errorf("gateway %+v", got.GatewayInfo)
	}
	if err := routers.Delete(ctx, client, router.ID).ExtractErr(); err != nil {
		t.Error(err)
	}
	if _, err := routers.Get(ctx, client, router.ID).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("after the delete: %v", err)
	}
	s.empty()
}

// gophercloudFloats takes floating addresses for a guest, and forwards to it.
func gophercloudFloats(ctx context.Context, t *testing.T, client *gophercloud.ServiceClient, s *site) {
	f := want[*floatingips.FloatingIP](t)(floatingips.Create(ctx, client, floatingips.CreateOpts{
		FloatingNetworkID: s.names["ext"], PortID: s.names["guest"],
	}).Extract())
	if f.FixedIP != "10.0.0.9" || f.Status != "DOWN" || f.PortID != s.names["guest"] || f.CreatedAt.IsZero() {
		t.Errorf("floating address %+v", f)
	}
	pages := want[pagination.Page](t)(floatingips.List(client, floatingips.ListOpts{PortID: s.names["guest"]}).AllPages(ctx))
	if list := want[[]floatingips.FloatingIP](t)(floatingips.ExtractFloatingIPs(pages)); len(list) != 1 {
		t.Errorf("floating addresses %+v", list)
	}
	f = want[*floatingips.FloatingIP](t)(floatingips.Update(ctx, client, f.ID, floatingips.UpdateOpts{PortID: new(string)}).Extract())
	if f.PortID != "" || f.RouterID != "" {
		t.Errorf("floating address %+v", f)
	}
	forward := want[*portforwarding.PortForwarding](t)(portforwarding.Create(ctx, client, f.ID, portforwarding.CreateOpts{
		InternalPortID: s.names["guest"], InternalIPAddress: "10.0.0.9", InternalPort: 25, ExternalPort: 2230, Protocol: "tcp",
	}).Extract())
	if forward.ExternalPort != 2230 || forward.InternalPort != 25 || forward.InternalIPAddress != "10.0.0.9" {
		t.Errorf("forwarding %+v", forward)
	}
	forward = want[*portforwarding.PortForwarding](t)(portforwarding.Update(ctx, client, f.ID, forward.ID, portforwarding.UpdateOpts{ExternalPort: 2231}).Extract())
	if forward.ExternalPort != 2231 {
		t.Errorf("forwarding %+v", forward)
	}
	for _, err := range []error{
		portforwarding.Delete(ctx, client, f.ID, forward.ID).ExtractErr(),
		floatingips.Delete(ctx, client, f.ID).ExtractErr(),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
