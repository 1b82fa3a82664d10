package l3

import (
	"fmt"
	"net/netip"

	"github.com/lepton-sdn/lepton/model"
)

// Objects of scenario h_router of the reference.
const (
	routerID   = "8a21c637-45ae-4b6c-8ec9-6dbf7fd309d4"
	vxID       = "3a4ef783-7d09-4923-a81d-2516833939cf"
	vx2ID      = "34a51c8b-c7c7-44a4-a6cf-33dc62f491e5"
	extID      = "38198d5f-d1ae-457e-afb3-9e96731fc264"
	vxSubnet   = "df8e0190-4713-48a2-baaa-ef7b8c9fa4a5"
	vx2Subnet  = "0068e773-ddbd-4549-a006-0f185b52e2aa"
	extSubnet  = "59a76a8b-ccf4-478f-9824-2ddc88934ce6"
	vxPort     = "3355e3ac-6223-4eef-b9fd-0d5288dccaa7"
	vx2Port    = "4f5ddd35-8b88-4dd8-9fb6-d48aa4a9878f"
	extPort    = "6d4184ea-7aa7-49e7-82fe-f0d52eaf8e2a"
	floatingID = "b344ded5-b260-4524-99bf-82a02b819d10"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func mac(s string) model.MAC {
	m, err := model.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func (v *View) network(id string, mtu int) {
	v.Networks[id] = &model.Network{Meta: model.Meta{ID: id}, MTU: mtu, AdminStateUp: true}
}

// subnet adds a subnet; gateway may be "".
func (v *View) subnet(id, network, cidr, gateway string) *model.Subnet {
	s := &model.Subnet{Meta: model.Meta{ID: id}, NetworkID: network, CIDR: prefix(cidr), IPVersion: 4}
	if gateway != "" {
		s.Gateway = addr(gateway)
	}
	if s.CIDR.Addr().Is6() {
		s.IPVersion = 6
	}
	v.Subnets[id] = s
	return s
}

// port adds a port of a router with addresses as "subnet ip".
func (v *View) port(id, router, network, owner, hw string, fixed ...[2]string) *model.Port {
	p := &model.Port{
		Meta: model.Meta{ID: id}, NetworkID: network, MAC: mac(hw), AdminStateUp: true, DeviceID: router, DeviceOwner: owner,
	}
	for _, f := range fixed {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: f[0], IP: addr(f[1])})
	}
	v.Ports[id] = p
	return p
}

func (v *View) floating(id, router, ip, fixed, subnet string) *model.FloatingIP {
	f := &model.FloatingIP{Meta: model.Meta{ID: id}, FloatingNetworkID: extID, FloatingIP: addr(ip), RouterID: router, SubnetID: subnet}
	if fixed != "" {
		f.FixedIP, f.PortID = addr(fixed), "bbc30d33-39c7-4171-b82b-58a82dd22e75"
	}
	v.FloatingIPs[id] = f
	return f
}

// forward adds a port forwarding of a floating address.
func (v *View) forward(n int, floating, protocol string, external, internal model.PortRange, ip, subnet string) {
	id := fmt.Sprintf("f0000000-0000-4000-8000-%012d", n)
	v.Forwardings[id] = &model.PortForwarding{
		Meta: model.Meta{ID: id}, FloatingIPID: floating, Protocol: protocol, External: external, Internal: internal,
		InternalIP: addr(ip), SubnetID: subnet, RouterID: v.FloatingIPs[floating].RouterID,
	}
}

// policy adds a QoS policy with limits in kbit/s and bursts in kbit, 0 for none.
func (v *View) policy(id string, out, outBurst, in, inBurst int) {
	p := &model.QoSPolicy{Meta: model.Meta{ID: id}}
	for _, r := range []model.QoSRule{{Direction: egress, Value: out, Burst: outBurst}, {Direction: ingress, Value: in, Burst: inBurst}} {
		if r.Type = model.BandwidthLimit; r.Value > 0 {
			p.Rules = append(p.Rules, r)
		}
	}
	v.Policies[id] = p
}

// reference is scenario h_router.
func reference() *View {
	v := NewView("hv1")
	v.network(vxID, 1450)
	v.network(vx2ID, 1450)
	v.network(extID, 1500)
	v.subnet(vxSubnet, vxID, "10.10.0.0/24", "10.10.0.1")
	v.subnet(vx2Subnet, vx2ID, "10.20.0.0/24", "10.20.0.1")
	v.subnet(extSubnet, extID, "203.0.113.0/24", "203.0.113.1")
	v.port(vxPort, routerID, vxID, ownerInterface, "fa:16:3e:98:c8:ad", [2]string{vxSubnet, "10.10.0.1"})
	v.port(vx2Port, routerID, vx2ID, ownerInterface, "fa:16:3e:8f:2f:ff", [2]string{vx2Subnet, "10.20.0.1"})
	v.port(extPort, routerID, extID, ownerGateway, "fa:16:3e:b9:9a:1b", [2]string{extSubnet, "203.0.113.147"})
	v.Routers[routerID] = &model.Router{
		Meta: model.Meta{ID: routerID, Name: "r1"}, AdminStateUp: true,
		Gateway: &model.RouterGateway{NetworkID: extID, PortID: extPort, EnableSNAT: true},
	}
	v.floating(floatingID, routerID, "203.0.113.134", "10.10.0.228", vxSubnet)
	return v
}
