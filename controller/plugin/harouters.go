package plugin

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/controller/ipam"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// This file: what an ha router has beside what every router has. Its project has
// a network, "HA network tenant <project>", on which each host of the router has
// a port, and the router has a number on it. All of it belongs to no project, as
// in Neutron, so that only operators see it.

// haCIDR is the subnet of every such network: link-local addresses (RFC 3927),
// as Neutron takes them.
var haCIDR = netip.MustParsePrefix("169.254.192.0/18")

// maxVRID is how many ha routers a project can have: the numbers of VRRP (RFC
// 5798, section 5.2.3), without the last one, as Neutron counts.
const maxVRID = 254

func haNetworkKey(project string) string { return "hanet/" + project }
func vridKey(network string, n int) string {
	return vridPrefix(network) + strconv.Itoa(n)
}
func vridPrefix(network string) string { return "vrid/" + network + "/" }

// makeHA gives a router its network and its number.
func (p *Plugin) makeHA(u *records.Update, router *model.Router) error {
	n, err := p.haNetwork(u, router.ProjectID)
	if err != nil {
		return err
	}
	for id := 1; id <= maxVRID; id++ {
		if _, taken := u.Claimed(vridKey(n.ID, id)); taken {
			continue
		}
		if err := u.Claim(vridKey(n.ID, id), router.ID); err != nil {
			return err
		}
		router.HA, router.VRID, router.HANetworkID = true, id, n.ID
		return nil
	}
	return Conflict("NoVRIDAvailable",
		"No more Virtual Router Identifier (VRID) available when creating router %s. The limit of number of HA Routers per tenant is %d.", router.ID, maxVRID)
}

// haNetwork gives a project's network of ha routers, which it makes with its
// subnet when there is none.
func (p *Plugin) haNetwork(u *records.Update, project string) (*model.Network, error) {
	if id, ok := u.Claimed(haNetworkKey(project)); ok {
		if n, ok := records.Networks.Get(u, id); ok {
			return n, nil
		}
	}
	n := model.Network{AdminStateUp: true, PortSecurityEnabled: true}
	n.Name = "HA network tenant " + project
	p.newMeta(&n.Meta, 1)
	if err := p.takeSegments(u, &NetworkSpec{Network: n}, &n); err != nil {
		return nil, err
	}
	var err error
	if n.MTU, err = p.mtuFor(&n, 0); err != nil {
		return nil, err
	}
	s := model.Subnet{NetworkID: n.ID, IPVersion: 4, CIDR: haCIDR, AllocationPools: ipam.DefaultPools(haCIDR, netip.Addr{})}
	s.Name = "HA subnet tenant " + project
	p.newMeta(&s.Meta, 0)
	if err := u.Claim(haNetworkKey(project), n.ID); err != nil {
		return nil, err
	}
	records.Networks.Put(u, &n)
	records.Subnets.Put(u, &s)
	return &n, nil
}

// clearHA takes from a router what makeHA and keepHAPorts gave it; the network
// goes with its last router.
func (p *Plugin) clearHA(u *records.Update, router *model.Router) error {
	if !router.HA {
		return nil
	}
	for _, port := range haPorts(u, router.ID) {
		if err := p.removePort(u, port.ID); err != nil {
			return err
		}
	}
	network, key := router.HANetworkID, vridKey(router.HANetworkID, router.VRID)
	u.Release(key)
	router.HA, router.VRID, router.HANetworkID = false, 0, ""
	for other := range u.ClaimsUnder(vridPrefix(network)) {
		if other != key {
			return nil
		}
	}
	n, ok := records.Networks.Get(u, network)
	if !ok {
		return nil
	}
	u.RequireNoClaims(vridPrefix(network))
	u.Release(haNetworkKey(strings.TrimPrefix(n.Name, "HA network tenant ")))
	return p.DeleteNetwork(u, network)
}

// changeHA makes a router ha, or one that is on a single host, which it can
// become while it is switched off.
func (p *Plugin) changeHA(u *records.Update, before, router *model.Router) error {
	if router.FlavorID != "" {
		return InvalidInput("Changing the 'ha' and 'distributed' attributes on a router associated with a flavor is not supported")
	}
	if before.AdminStateUp {
		return badRouter("Cannot change HA attribute of active routers. Please set router admin_state_up to False prior to upgrade")
	}
	if router.HA {
		return p.makeHA(u, router)
	}
	router.HA = true // as clearHA finds it
	if err := p.clearHA(u, router); err != nil {
		return err
	}
	forgetStates(u, model.ObjectRouterHA, router.ID)
	b := routerBinding(u, router.ID)
	i := slices.IndexFunc(b.Hosts, func(h model.RouterHost) bool { return h.Active })
	if i < 0 {
		return nil
	}
	changed := *b
	changed.Challenge = nil
	changed.Hosts = []model.RouterHost{{Host: b.Hosts[i].Host, Active: true, Since: b.Hosts[i].Since}}
	p.applyRouter(u, routerPlan{binding: &changed, ports: p.hostPorts(u, routerPorts(u, router), changed.Hosts, nil)})
	return nil
}

// haPorts gives the ports by which the hosts of an ha router watch each other.
func haPorts(r records.Reader, router string) []*model.Port {
	var out []*model.Port
	for found := range records.PortsByDevice.Get(r, router) {
		if port, ok := records.Ports.Get(r, found.ID); ok && port.DeviceOwner == OwnerRouterHA && port.DeviceID == router {
			out = append(out, port)
		}
	}
	return out
}

// haPortsRest reports whether keepHAPorts has nothing to do.
func haPortsRest(r records.Reader, router *model.Router) bool {
	if !router.HA {
		return true
	}
	missing, surplus := haPortsDiffer(r, router)
	return len(missing)+len(surplus) == 0
}

func haPortsDiffer(r records.Reader, router *model.Router) (missing []string, surplus []*model.Port) {
	want := hostsOfRouter(r, router.ID)
	have := map[string]bool{}
	for _, port := range haPorts(r, router.ID) {
		if have[port.Host] || !slices.Contains(want, port.Host) || port.NetworkID != router.HANetworkID {
			surplus = append(surplus, port)
			continue
		}
		have[port.Host] = true
	}
	missing = slices.DeleteFunc(want, func(host string) bool { return have[host] })
	return missing, surplus
}

// keepHAPorts gives each host of an ha router its port, and takes away those of
// other hosts.
func (p *Plugin) keepHAPorts(u *records.Update, router *model.Router) error {
	if !router.HA {
		return nil
	}
	missing, surplus := haPortsDiffer(u, router)
	for _, port := range surplus {
		if err := p.removePort(u, port.ID); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	n, ok := records.Networks.Get(u, router.HANetworkID)
	if !ok {
		return fmt.Errorf("network %s of ha router %s is not there", router.HANetworkID, router.ID)
	}
	for _, host := range missing {
		if err := p.makeHAPort(u, router, n, host); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plugin) makeHAPort(u *records.Update, router *model.Router, n *model.Network, host string) error {
	port := &model.Port{
		NetworkID: n.ID, AdminStateUp: true, DeviceOwner: OwnerRouterHA, DeviceID: router.ID, Host: host,
		VNICType: "normal", PropagateUplink: true, IPAllocation: allocationImmediate,
	}
	port.Name = "HA port tenant " + router.ProjectID
	p.newMeta(&port.Meta, 1)
	mac, err := p.newMAC(u, n.ID, port.ID)
	if err != nil {
		return err
	}
	port.MAC = mac
	fixed, ok := p.pickAddress(u, slices.Collect(records.SubnetsByNetwork.Get(u, n.ID)), port.ID)
	if !ok {
		return exhausted(n.ID)
	}
	port.FixedIPs = []model.FixedIP{fixed}
	p.bind(u, n, port)
	if err := reclaim(u, port.ID, nil, portClaims(port)); err != nil {
		return portTaken(port, err)
	}
	records.Ports.Put(u, port)
	return nil
}
