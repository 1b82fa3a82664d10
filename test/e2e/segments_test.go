package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// twoRacks is two hosts on one physical network and a third on another.
const twoRacks = `
physical_networks: [{name: physnet1}, {name: physnet2}]
controller: { network: { vlan: { network_vlan_ranges: ["physnet1:100:200", "physnet2:100:200"] } } }
hosts:
  - { name: hv1, roles: [controller, compute], physical_networks: [physnet1] }
  - { name: hv2, roles: [compute], physical_networks: [physnet1] }
  - { name: hv3, roles: [compute], physical_networks: [physnet2] }
`

func TestHostsOfARoutedNetworkUseTheirOwnSegment(t *testing.T) {
	t.Parallel()
	c := Start(t, twoRacks)
	n := c.Network(provider("vlan", "physnet1", 101))
	var first struct{ Segments []struct{ ID string } }
	c.Must(c.Lab.API().Call(t.Context(), "GET", "/v2.0/segments?network_id="+n.ID, nil, &first))
	var second struct{ ID string }
	c.create("segment", Attributes{"network_id": n.ID, "network_type": "vlan", "physical_network": "physnet2", "segmentation_id": 102}, &second)
	for i, segment := range []string{first.Segments[0].ID, second.ID} {
		c.create("subnet", Attributes{"network_id": n.ID, "ip_version": 4, "cidr": fmt.Sprintf("10.0.%d.0/24", i), "segment_id": segment}, &Subnet{})
	}
	guest := func(host, name string) Guest {
		return c.Plug(host, name, c.Port(n, Attributes{"name": name, "binding:host_id": host}))
	}
	a, b, far := guest("hv1", "a"), guest("hv2", "b"), guest("hv3", "far")
	if !strings.HasPrefix(a.IP(4).String(), "10.0.0.") || !strings.HasPrefix(far.IP(4).String(), "10.0.1.") {
		t.Errorf("addresses %s and %s", a.IP(4), far.IP(4))
	}
	c.AllReach(a, b)
	// Between the racks there is a router of the operator's; here is none.
	c.Isolated(a, far)
	other := guest("hv3", "other")
	c.AllReach(far, other)
	for host, on := range map[string][2]string{"hv1": {"br-physnet1", "101"}, "hv3": {"br-physnet2", "102"}} {
		if flows := strings.Join(c.Flows(host, on[0]), "\n"); !strings.Contains(flows, "mod_vlan_vid:"+on[1]) {
			t.Errorf("%s does not send to VLAN %s:\n%s", host, on[1], flows)
		}
	}
}

func TestAPortFollowsItsGuestToAnotherHost(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	p := c.Port(n, Attributes{"device_owner": "compute:nova", "device_id": "11111111-2222-4333-8444-555555555555", "binding:host_id": "hv1"})
	c.Plug("hv1", "guest", p)
	peer := c.Guest("hv1", "peer", n)
	path := "/v2.0/ports/" + p.ID + "/bindings"
	c.Must(c.Lab.API().Call(t.Context(), "POST", path, map[string]any{"binding": map[string]any{"host": "hv2"}}, nil))
	c.plugTap("hv2", "tapmoved", p.ID, p.MAC) // libvirt on the other host, before the guest runs there
	if got := c.ShowPort(p.ID); got.Host != "hv1" || got.Status != "ACTIVE" {
		t.Errorf("before it is activated: %+v", got)
	}
	c.Must(c.Lab.API().Call(t.Context(), "PUT", path+"/hv2/activate", nil, nil))
	c.Eventually("the port up on its new host", func() error {
		if got := c.ShowPort(p.ID); got.Host != "hv2" || got.Status != "ACTIVE" {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	c.Eventually("the way to the guest over the tunnel", func() error {
		if flows := strings.Join(c.Flows("hv1", "br-tun"), "\n"); !strings.Contains(flows, "dl_dst="+p.MAC) {
			return fmt.Errorf("no flow to %s on hv1, for %s:\n%s", p.MAC, peer.Guest.Name, flows)
		}
		return nil
	})
	c.Must(c.Lab.API().Call(t.Context(), "DELETE", path+"/hv1", nil, nil))
}
