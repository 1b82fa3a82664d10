package l3

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// TestDifferencesLeadWhereASnapshotDoes changes records at random: whatever a
// router is made from must be the same as from a snapshot, and a router that
// changed must have been named.
func TestDifferencesLeadWhereASnapshotDoes(t *testing.T) {
	routers := []string{routerID, "8a21c637-45ae-4b6c-8ec9-000000000002"}
	rapid.Check(t, func(t *rapid.T) {
		truth, v := reference(), NewView("hv1")
		first := rpc.Update{Full: true}
		fill(&first, truth)
		v.Apply(&first)
		described := func(v *View, id string) string {
			in, ok := v.Input(id)
			if !ok {
				return ""
			}
			return Desired(in).String()
		}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			before := map[string]string{}
			for _, id := range routers {
				before[id] = described(v, id)
			}
			var u rpc.Update
			changeSomething(t, truth, &u, routers)
			touched := v.Apply(&u)
			fresh := NewView("hv1")
			full := rpc.Update{Full: true}
			fill(&full, truth)
			fresh.Apply(&full)
			for _, id := range routers {
				got, want := described(v, id), described(fresh, id)
				if got != want {
					t.Fatalf("router %s is\n%s\nfrom a snapshot\n%s", id, got, want)
				}
				if got != before[id] && !touched[id] {
					t.Fatalf("router %s changed and was not named", id)
				}
			}
		}
	})
}

// changeSomething changes one record of the truth and says so in the update.
func changeSomething(t *rapid.T, v *View, u *rpc.Update, routers []string) {
	router := rapid.SampledFrom(routers).Draw(t, "router")
	id := func(kind string) string {
		return fmt.Sprintf("%s0000000-0000-4000-8000-00000000000%d", kind, rapid.IntRange(1, 3).Draw(t, "n"))
	}
	drop := rapid.Bool().Draw(t, "drop")
	switch rapid.SampledFrom([]string{"router", "port", "floating", "forwarding", "helper", "subnet", "network", "pool", "policy", "binding", "floating port"}).Draw(t, "kind") {
	case "router":
		r := &model.Router{Meta: model.Meta{ID: router}, AdminStateUp: rapid.Bool().Draw(t, "up"), Distributed: rapid.Bool().Draw(t, "distributed")}
		if router == routerID {
			r.Gateway = &model.RouterGateway{NetworkID: extID, PortID: extPort, EnableSNAT: rapid.Bool().Draw(t, "snat"), QoSPolicyID: id("1")}
		}
		put(u, rpc.KindRouter, v.Routers, router, r, drop)
	case "port":
		port := rapid.SampledFrom([]string{vxPort, vx2Port}).Draw(t, "port")
		p := &model.Port{
			Meta: model.Meta{ID: port}, NetworkID: vxID, AdminStateUp: true, DeviceID: router,
			DeviceOwner: rapid.SampledFrom([]string{ownerInterface, ownerDistributed}).Draw(t, "owner"), Host: "net1",
			FixedIPs: []model.FixedIP{{SubnetID: vxSubnet, IP: addr("10.10.0.1")}},
		}
		put(u, rpc.KindPort, v.Ports, port, p, drop)
	case "floating":
		f := id("c")
		put(u, rpc.KindFloatingIP, v.FloatingIPs, f, &model.FloatingIP{
			Meta: model.Meta{ID: f}, RouterID: router, FloatingPortID: f, Host: rapid.SampledFrom([]string{"", "hv1", "hv2"}).Draw(t, "host"),
			FloatingIP: addr("203.0.113.20"), FixedIP: addr("10.10.0.9"), SubnetID: vxSubnet,
			QoSPolicyID: id("1"),
		}, drop)
	case "policy":
		p := id("1")
		put(u, rpc.KindQoSPolicy, v.Policies, p, &model.QoSPolicy{Meta: model.Meta{ID: p}, Rules: []model.QoSRule{
			{Type: model.BandwidthLimit, Direction: egress, Value: rapid.IntRange(0, 3).Draw(t, "kbps")},
		}}, drop)
	case "forwarding":
		f := id("f")
		one := model.PortRange{First: 80, Last: 80}
		put(u, rpc.KindPortForwarding, v.Forwardings, f, &model.PortForwarding{
			Meta: model.Meta{ID: f}, FloatingIPID: id("c"), Protocol: "tcp",
			RouterID: router, InternalIP: addr("10.10.0.9"), External: one, Internal: one, SubnetID: vxSubnet,
		}, drop)
	case "helper":
		h := id("a")
		put(u, rpc.KindConntrackHelper, v.Helpers, h, &model.ConntrackHelper{Meta: model.Meta{ID: h}, RouterID: router, Protocol: "tcp", Port: 21, Helper: "ftp"}, drop)
	case "subnet":
		s := *reference().Subnets[vxSubnet]
		s.SubnetPoolID = "p"
		put(u, rpc.KindSubnet, v.Subnets, vxSubnet, &s, drop)
	case "network":
		put(u, rpc.KindNetwork, v.Networks, vxID, &model.Network{Meta: model.Meta{ID: vxID}, MTU: rapid.IntRange(1400, 1402).Draw(t, "mtu")}, drop)
	case "binding":
		put(u, rpc.KindRouterBinding, v.Bindings, router, &model.RouterBinding{RouterID: router, Hosts: []model.RouterHost{
			{Host: rapid.SampledFrom([]string{"hv1", "net1"}).Draw(t, "host")},
		}}, drop)
	case "floating port":
		p := id("c") // its id is its address's too
		put(u, rpc.KindPort, v.Ports, p, &model.Port{
			Meta: model.Meta{ID: p}, NetworkID: extID, AdminStateUp: true, DeviceID: p, DeviceOwner: ownerFloating,
			FixedIPs: []model.FixedIP{{SubnetID: extSubnet, IP: addr("203.0.113.20")}},
		}, drop)
	case "pool":
		put(u, rpc.KindSubnetPool, v.Pools, "p", &model.SubnetPool{Meta: model.Meta{ID: "p"}, AddressScopeID: id("5")}, drop)
	}
}

func put[T any](u *rpc.Update, k rpc.Kind, m map[string]*T, id string, rec *T, drop bool) {
	if drop {
		delete(m, id)
		u.Delete(k, id)
		return
	}
	m[id] = rec
	u.Put(k, rec)
}
