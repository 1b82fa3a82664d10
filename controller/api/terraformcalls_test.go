package api

import (
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/dns"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/extradhcpopts"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/networkipavailabilities"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsecurity"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/policies"
	qosrules "github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/trunks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// terraform is a client that does what Terraform's provider does: it makes an
// object, reads it until its status is one it waits for, tags it, reads it
// again, and deletes it until it is gone.
func terraform(t *testing.T) (*cloud, *gophercloud.ServiceClient) {
	c := newCloud(t)
	return c, &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "none"},
		Endpoint:       c.server.URL + "/v2.0/", Type: "network",
	}
}

func TestTerraformKeepsANetworkWithItsSubnet(t *testing.T) {
	_, client := terraform(t)
	ctx := context.Background()
	up, open := true, false
	network := want[*networks.Network](t)(networks.Create(ctx, client, portsecurity.NetworkCreateOptsExt{
		CreateOptsBuilder: networks.CreateOpts{Name: "tf", AdminStateUp: &up}, PortSecurityEnabled: &open,
	}).Extract())
	if read := want[*networks.Network](t)(networks.Get(ctx, client, network.ID).Extract()); read.Status != "ACTIVE" {
		t.Errorf("the status to wait for: %q", read.Status)
	}
	subnet := want[*subnets.Subnet](t)(subnets.Create(ctx, client, subnets.CreateOpts{
		NetworkID: network.ID, CIDR: "192.0.2.0/24", IPVersion: gophercloud.IPv4, GatewayIP: new(string), // no_gateway
	}).Extract())
	if subnet.GatewayIP != "" {
		t.Errorf("gateway %q", subnet.GatewayIP)
	}
	gateway, none := "192.0.2.1", []string{}
	subnet = want[*subnets.Subnet](t)(subnets.Update(ctx, client, subnet.ID, subnets.UpdateOpts{
		GatewayIP: &gateway, DNSNameservers: &none, AllocationPools: []subnets.AllocationPool{{Start: "192.0.2.10", End: "192.0.2.20"}},
	}).Extract())
	if subnet.GatewayIP != gateway || len(subnet.AllocationPools) != 1 || subnet.AllocationPools[0].End != "192.0.2.20" {
		t.Errorf("subnet %+v", subnet)
	}
	want[[]string](t)(attributestags.ReplaceAll(ctx, client, "subnets", subnet.ID, attributestags.ReplaceAllOpts{Tags: []string{"tf"}}).Extract())
	pages := want[pagination.Page](t)(subnets.List(client, subnets.ListOpts{Tags: "tf", CIDR: "192.0.2.0/24", GatewayIP: gateway}).AllPages(ctx))
	if found := want[[]subnets.Subnet](t)(subnets.ExtractSubnets(pages)); len(found) != 1 || found[0].Tags[0] != "tf" {
		t.Errorf("the data source finds %+v", found)
	}
	usage := want[*networkipavailabilities.NetworkIPAvailability](t)(networkipavailabilities.Get(ctx, client, network.ID).Extract())
	if usage.TotalIPs != "11" || usage.UsedIPs != "0" || usage.SubnetIPAvailabilities[0].CIDR != "192.0.2.0/24" {
		t.Errorf("usage %+v", usage)
	}
	port := want[*ports.Port](t)(ports.Create(ctx, client, ports.CreateOpts{NetworkID: network.ID}).Extract())
	if err := networks.Delete(ctx, client, network.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("a delete to try again: %v", err)
	}
	for _, err := range []error{ports.Delete(ctx, client, port.ID).ExtractErr(), subnets.Delete(ctx, client, subnet.ID).ExtractErr(), networks.Delete(ctx, client, network.ID).ExtractErr()} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := networks.Delete(ctx, client, network.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("after the delete: %v", err)
	}
}

func TestTerraformKeepsAPortWithItsExtensions(t *testing.T) {
	_, client := terraform(t)
	ctx := context.Background()
	network := want[*networks.Network](t)(networks.Create(ctx, client, networks.CreateOpts{}).Extract())
	want[*subnets.Subnet](t)(subnets.Create(ctx, client, subnets.CreateOpts{NetworkID: network.ID, CIDR: "192.0.2.0/24", IPVersion: gophercloud.IPv4}).Extract())
	secure := true
	created := ports.Create(ctx, client, dns.PortCreateOptsExt{DNSName: "tf", CreateOptsBuilder: extradhcpopts.CreateOptsExt{
		ExtraDHCPOpts: []extradhcpopts.CreateExtraDHCPOpt{{OptName: "mtu", OptValue: "1400", IPVersion: gophercloud.IPv4}},
		CreateOptsBuilder: portsecurity.PortCreateOptsExt{
			PortSecurityEnabled: &secure, CreateOptsBuilder: ports.CreateOpts{NetworkID: network.ID, Name: "tf"},
		},
	}})
	var port struct {
		ports.Port
		extradhcpopts.ExtraDHCPOptsExt
		portsecurity.PortSecurityExt
		dns.PortDNSExt
	}
	if err := created.ExtractInto(&port); err != nil {
		t.Fatal(err)
	}
	if port.Status != "DOWN" || port.DNSName != "tf" || len(port.DNSAssignment) != 1 || !port.PortSecurityEnabled || len(port.SecurityGroups) != 1 ||
		len(port.ExtraDHCPOpts) != 1 || port.ExtraDHCPOpts[0].OptValue != "1400" || port.CreatedAt.IsZero() {
		t.Errorf("port %+v", port)
	}
	insecure, no := false, []string{}
	updated := ports.Update(ctx, client, port.ID, extradhcpopts.UpdateOptsExt{
		ExtraDHCPOpts: []extradhcpopts.UpdateExtraDHCPOpt{{OptName: "mtu"}}, // null takes the option away
		UpdateOptsBuilder: portsecurity.PortUpdateOptsExt{
			PortSecurityEnabled: &insecure, UpdateOptsBuilder: ports.UpdateOpts{SecurityGroups: &no, AllowedAddressPairs: &[]ports.AddressPair{}, FixedIPs: []ports.IP{}},
		},
	})
	port.ExtraDHCPOpts, port.FixedIPs = nil, nil
	if err := updated.ExtractInto(&port); err != nil {
		t.Fatal(err)
	}
	if port.PortSecurityEnabled || len(port.SecurityGroups) != 0 || len(port.ExtraDHCPOpts) != 0 {
		t.Errorf("port %+v", port)
	}
	child := want[*ports.Port](t)(ports.Create(ctx, client, ports.CreateOpts{NetworkID: network.ID}).Extract())
	trunk := want[*trunks.Trunk](t)(trunks.Create(ctx, client, trunks.CreateOpts{
		PortID: port.ID, Name: "tf", Subports: []trunks.Subport{{PortID: child.ID, SegmentationID: 7, SegmentationType: "vlan"}},
	}).Extract())
	if len(trunk.Subports) != 1 || trunk.Status == "" || trunk.PortID != port.ID {
		t.Errorf("trunk %+v", trunk)
	}
	trunk = want[*trunks.Trunk](t)(trunks.RemoveSubports(ctx, client, trunk.ID, trunks.RemoveSubportsOpts{Subports: []trunks.RemoveSubport{{PortID: child.ID}}}).Extract())
	if len(trunk.Subports) != 0 {
		t.Errorf("trunk %+v", trunk)
	}
	for _, err := range []error{trunks.Delete(ctx, client, trunk.ID).ExtractErr(), ports.Delete(ctx, client, port.ID).ExtractErr()} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestTerraformTakesTheDefaultRulesOfAGroupAway(t *testing.T) {
	_, client := terraform(t)
	ctx := context.Background()
	group := want[*groups.SecGroup](t)(groups.Create(ctx, client, groups.CreateOpts{Name: "tf"}).Extract())
	for _, rule := range group.Rules {
		if err := rules.Delete(ctx, client, rule.ID).ExtractErr(); err != nil {
			t.Error(err)
		}
	}
	pages := want[pagination.Page](t)(rules.List(client, rules.ListOpts{SecGroupID: group.ID}).AllPages(ctx))
	if left := want[[]rules.SecGroupRule](t)(rules.ExtractRules(pages)); len(group.Rules) != 2 || len(left) != 0 {
		t.Errorf("%d rules, left %v", len(group.Rules), left)
	}
}

func TestTerraformKeepsQuotasAndQoSPolicies(t *testing.T) {
	_, client := terraform(t)
	ctx := context.Background()
	five := 5
	quota := want[*quotas.Quota](t)(quotas.Update(ctx, client, "p1", quotas.UpdateOpts{Network: &five}).Extract())
	if read := want[*quotas.Quota](t)(quotas.Get(ctx, client, "p1").Extract()); quota.Network != 5 || read.Network != 5 || read.Port != 500 {
		t.Errorf("quota %+v", read)
	}
	policy := want[*policies.Policy](t)(policies.Create(ctx, client, policies.CreateOpts{Name: "tf"}).Extract())
	rule := want[*qosrules.BandwidthLimitRule](t)(qosrules.CreateBandwidthLimitRule(ctx, client, policy.ID, qosrules.CreateBandwidthLimitRuleOpts{MaxKBps: 1000, MaxBurstKBps: 100}).ExtractBandwidthLimitRule())
	if rule.MaxKBps != 1000 || rule.Direction != "egress" {
		t.Errorf("rule %+v", rule)
	}
	mark := want[*qosrules.DSCPMarkingRule](t)(qosrules.CreateDSCPMarkingRule(ctx, client, policy.ID, qosrules.CreateDSCPMarkingRuleOpts{DSCPMark: 26}).ExtractDSCPMarkingRule())
	read := want[*policies.Policy](t)(policies.Get(ctx, client, policy.ID).Extract())
	if len(read.Rules) != 2 || mark.DSCPMark != 26 || read.CreatedAt.IsZero() {
		t.Errorf("policy %+v", read)
	}
	for _, err := range []error{
		qosrules.DeleteBandwidthLimitRule(ctx, client, policy.ID, rule.ID).ExtractErr(),
		policies.Delete(ctx, client, policy.ID).ExtractErr(),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
