package plugin

import (
	"net/url"

	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// The topology that a project gets without designing one: a network with a
// subnet of each default pool, behind a router to the default external network.
const (
	topologyNetwork = "auto_allocated_network"
	topologySubnet  = "auto_allocated_subnet_v"
	topologyRouter  = "auto_allocated_router"
)

func topologyNetworkKey(project string) string { return "auto/" + url.PathEscape(project) + "/network" }

func topologyRouterKey(project string) string { return "auto/" + url.PathEscape(project) + "/router" }

// Topology gives the network of a project's topology, if it has one.
func (p *Plugin) Topology(r records.Reader, project string) (network string, ok bool) {
	return r.Claimed(topologyNetworkKey(project))
}

// topologyParts are what a topology is made of.
type topologyParts struct {
	external string
	pools    []*model.SubnetPool
}

// CheckTopology finds out whether the caller's project could be given a
// topology.
func (p *Plugin) CheckTopology(c Call, r records.Reader) error {
	_, err := p.topologyParts(c, r)
	return err
}

func (p *Plugin) topologyParts(c Call, r records.Reader) (topologyParts, error) {
	var parts topologyParts
	id, _ := r.Claimed(defaultExternalKey)
	n, ok := records.Networks.Get(r, id)
	if !ok || !p.maySeeNetwork(c, r, n) {
		return parts, cannotAllocate("No default router:external network")
	}
	parts.external = id
	for _, version := range []int{4, 6} {
		id, _ := r.Claimed(defaultPoolKey(version))
		pool, ok := records.SubnetPools.Get(r, id)
		if ok && policy.May(p.seePool, c.Who, sharingOf(r, id).target(pool.ProjectID)) {
			parts.pools = append(parts.pools, pool)
		}
	}
	if len(parts.pools) == 0 {
		return parts, cannotAllocate("No default subnetpools defined")
	}
	return parts, nil
}

func cannotAllocate(reason string) *Error {
	return Conflict("AutoAllocationFailure", "Deployment error: %s.", reason)
}

// EnsureTopology gives the network of a project's topology, which is made unless
// it is there.
func (p *Plugin) EnsureTopology(c Call, u *records.Update, project string) (string, error) {
	if id, ok := p.Topology(u, project); ok {
		return id, nil
	}
	parts, err := p.topologyParts(c, u)
	if err != nil {
		return "", err
	}
	c = Call{Who: c.Who}
	var s NetworkSpec
	s.Name, s.ProjectID, s.AdminStateUp, s.PortSecurityEnabled = topologyNetwork, project, true, true
	network, err := p.CreateNetwork(c, u, &s)
	if err != nil {
		return "", err
	}
	router, err := p.makeTopologyRouter(c, u, project, parts.external)
	if err != nil {
		return "", err
	}
	for _, pool := range parts.pools {
		if err := p.addTopologySubnet(c, u, project, network, router, pool); err != nil {
			return "", err
		}
	}
	if err := u.Claim(topologyNetworkKey(project), network); err != nil {
		return "", err
	}
	return network, u.Claim(topologyRouterKey(project), router)
}

func (p *Plugin) makeTopologyRouter(c Call, u *records.Update, project, external string) (string, error) {
	s := RouterSpec{GatewayInfo: &GatewaySpec{NetworkID: external}}
	s.Name, s.ProjectID, s.AdminStateUp = topologyRouter, project, true
	return p.CreateRouter(c, u, &s)
}

func (p *Plugin) addTopologySubnet(c Call, u *records.Update, project, network, router string, pool *model.SubnetPool) error {
	var s SubnetSpec
	s.Name, s.ProjectID, s.NetworkID = topologySubnet+"4", project, network
	if pool.IPVersion == 6 {
		s.Name = topologySubnet + "6"
	}
	s.IPVersion, s.SubnetPoolID, s.EnableDHCP = pool.IPVersion, pool.ID, true
	subnet, err := p.CreateSubnet(c, u, &s)
	if err != nil {
		return err
	}
	_, err = p.AddInterface(c, u, router, InterfaceSpec{SubnetID: subnet})
	return err
}

// DeleteTopology removes a project's topology, unless something of it is in use
// otherwise. A project without one is left so.
func (p *Plugin) DeleteTopology(u *records.Update, project string) error {
	network, ok := p.Topology(u, project)
	if !ok {
		return nil
	}
	if router, ok := u.Claimed(topologyRouterKey(project)); ok {
		for s := range records.SubnetsByNetwork.Get(u, network) {
			if _, attached := u.Claimed(interfaceKey(router, s.ID)); !attached {
				continue
			}
			if _, err := p.RemoveInterface(Call{}, u, router, InterfaceSpec{SubnetID: s.ID}); err != nil {
				return err
			}
		}
		if err := p.DeleteRouter(u, router); err != nil {
			return err
		}
	}
	return p.DeleteNetwork(u, network)
}

// forgetTopology lets a project's topology be no more when its network goes.
func forgetTopology(u *records.Update, n *model.Network) {
	if id, ok := u.Claimed(topologyNetworkKey(n.ProjectID)); ok && id == n.ID {
		u.Release(topologyNetworkKey(n.ProjectID))
		u.Release(topologyRouterKey(n.ProjectID))
	}
}

// forgetTopologyRouter does the same for the router alone.
func forgetTopologyRouter(u *records.Update, router *model.Router) {
	if id, ok := u.Claimed(topologyRouterKey(router.ProjectID)); ok && id == router.ID {
		u.Release(topologyRouterKey(router.ProjectID))
	}
}
