package interest

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// derived is what one record of the store comes to: records that hosts may be
// told of, with the topics that they belong to, and reasons to need topics. It
// depends on the record alone, so that a change is the difference of what the
// old and the new record come to, in whatever order changes arrive.
type derived struct {
	items   []derivedItem
	reasons []reason
}

type derivedItem struct {
	ref rpc.Ref
	rec any
	in  []topicID
}

// reason says that a host needs a topic, or that every host which needs one
// topic needs another.
type reason struct {
	host     string // empty: see from
	from, to topicID
}

func (d *derived) item(k rpc.Kind, id string, rec any, in ...topicID) {
	d.items = append(d.items, derivedItem{rpc.Ref{Kind: k, ID: id}, rec, in})
}

func (d *derived) needs(host string, to topicID) {
	if r := (reason{host: host, to: to}); host != "" && !slices.Contains(d.reasons, r) {
		d.reasons = append(d.reasons, r)
	}
}

func (d *derived) imply(from, to topicID) {
	if to.id != "" {
		d.reasons = append(d.reasons, reason{from: from, to: to})
	}
}

// derive says what a record of the store comes to. One of another table, or
// nil, comes to nothing.
func derive(rec any) (d derived) {
	switch r := rec.(type) {
	case *model.Network:
		d.item(rpc.KindNetwork, r.ID, r, topicID{wiring, r.ID}, topicID{routing, r.ID})
		d.imply(topicID{wiring, r.ID}, topicID{qos, r.QoSPolicyID})
	case *model.Subnet:
		d.item(rpc.KindSubnet, r.ID, r, topicID{wiring, r.NetworkID}, topicID{routing, r.NetworkID})
		d.imply(topicID{routing, r.NetworkID}, topicID{pool, r.SubnetPoolID})
	case *model.SubnetPool:
		d.item(rpc.KindSubnetPool, r.ID, r, topicID{pool, r.ID})
	case *model.Port:
		d.port(r)
	case *model.SecurityGroup:
		d.item(rpc.KindGroup, r.ID, r, topicID{group, r.ID})
	case *model.SecurityGroupRule:
		of := topicID{group, r.SecurityGroupID}
		d.item(rpc.KindRule, r.ID, r, of)
		d.imply(of, topicID{members, r.RemoteGroupID})
		d.imply(of, topicID{addressGroup, r.RemoteAddressGroupID})
	case *model.AddressGroup:
		d.item(rpc.KindAddressGroup, r.ID, r, topicID{addressGroup, r.ID})
	default:
		d.routers(rec)
	}
	return d
}

// routers is derive for routers and DHCP.
func (d *derived) routers(rec any) {
	switch r := rec.(type) {
	case *model.Router:
		of := topicID{router, r.ID}
		d.item(rpc.KindRouter, r.ID, r, of)
		if r.Gateway != nil {
			d.imply(of, topicID{routing, r.Gateway.NetworkID})
			d.imply(of, topicID{qos, r.Gateway.QoSPolicyID})
		}
	case *model.RouterBinding:
		of := topicID{router, r.RouterID}
		d.item(rpc.KindRouterBinding, r.RouterID, r, of)
		for _, h := range r.Hosts {
			d.needs(h.Host, of)
		}
	case *model.FloatingIP:
		if r.RouterID != "" {
			of := topicID{router, r.RouterID}
			d.item(rpc.KindFloatingIP, r.ID, r, of)
			d.imply(of, topicID{qos, r.QoSPolicyID})
		}
	case *model.PortForwarding:
		if r.RouterID != "" {
			d.item(rpc.KindPortForwarding, r.ID, r, topicID{router, r.RouterID})
		}
	case *model.ConntrackHelper:
		d.item(rpc.KindConntrackHelper, r.ID, r, topicID{router, r.RouterID})
	case *model.DHCPBinding:
		of := topicID{serving, r.NetworkID}
		d.item(rpc.KindDHCPBinding, r.NetworkID, r, of)
		d.imply(of, topicID{routing, r.NetworkID})
		for _, h := range r.Hosts {
			d.needs(h.Host, of)
		}
	default:
		d.extras(rec)
	}
}

// extras is derive for logs, trunks and QoS policies.
func (d *derived) extras(rec any) {
	switch r := rec.(type) {
	case *model.Log:
		switch {
		case !r.Enabled:
		case r.TargetID != "":
			d.item(rpc.KindLog, r.ID, r, topicID{atPort, r.TargetID})
		case r.ResourceID != "":
			d.item(rpc.KindLog, r.ID, r, topicID{group, r.ResourceID})
		default:
			d.item(rpc.KindLog, r.ID, r, topicID{anyPort, "all"})
		}
	case *model.Trunk:
		d.item(rpc.KindTrunk, r.ID, r, topicID{atPort, r.PortID})
	case *model.QoSPolicy:
		d.item(rpc.KindQoSPolicy, r.ID, r, topicID{qos, r.ID})
	}
}

func (d *derived) port(p *model.Port) {
	in := []topicID{{serving, p.NetworkID}}
	hosts := pluggedOn(p)
	on := topicID{wiring, p.NetworkID}
	if len(hosts) > 0 {
		in = append(in, on)
	}
	for _, host := range hosts {
		d.needs(host, on)
		d.needs(host, topicID{atPort, p.ID})
		d.needs(host, topicID{anyPort, "all"})
		if p.QoSPolicyID != "" {
			d.needs(host, topicID{qos, p.QoSPolicyID})
		}
		for _, g := range p.SecurityGroups {
			d.needs(host, topicID{group, g})
		}
		if !ofRouter(p) && p.DeviceOwner != "network:floatingip" {
			d.needs(host, topicID{attached, p.NetworkID})
		}
	}
	if ofRouter(p) {
		of := topicID{router, p.DeviceID}
		in = append(in, of)
		d.imply(of, topicID{routing, p.NetworkID})
		if p.Distributed() {
			// Whoever routes for one of the router's networks needs them all.
			d.imply(topicID{attached, p.NetworkID}, of)
			d.imply(of, topicID{wiring, p.NetworkID})
		}
	}
	d.item(rpc.KindPort, p.ID, p, in...)
	if len(p.SecurityGroups) == 0 {
		return
	}
	addresses := memberAddresses(p)
	for _, g := range p.SecurityGroups {
		m := &model.GroupMember{GroupID: g, PortID: p.ID, Addresses: addresses}
		d.item(rpc.KindMember, rpc.MemberID(g, p.ID), m, topicID{members, g})
	}
}

// ofRouter reports whether the port is an interface of a router.
func ofRouter(p *model.Port) bool {
	return p.DeviceID != "" &&
		(strings.HasPrefix(p.DeviceOwner, "network:router_") || p.DeviceOwner == "network:ha_router_replicated_interface")
}

// memberAddresses gives what rules that name a group of the port as remote admit:
// see model.GroupMember.
func memberAddresses(p *model.Port) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(p.FixedIPs)+len(p.AllowedAddressPairs))
	for _, f := range p.FixedIPs {
		if f.IP.IsValid() {
			out = append(out, netip.PrefixFrom(f.IP, f.IP.BitLen()))
		}
	}
	for _, a := range p.AllowedAddressPairs {
		if a.IP.Bits() > 0 {
			out = append(out, a.IP.Masked())
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}
