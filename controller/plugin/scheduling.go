package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// What an administrator does about where routers and networks are. What is taken
// off a host is left alone for a minute, and does not come back to that host by
// itself.

// RoutersOn gives the routers of an agent, in the order of their ids.
func (p *Plugin) RoutersOn(r records.Reader, v *AgentView) []*model.Router {
	var out []*model.Router
	if v.Role != RoleL3 {
		return nil
	}
	for b := range records.RouterBindingsByHost.Get(r, v.Host) {
		if router, ok := records.Routers.Get(r, b.RouterID); ok {
			out = append(out, router)
		}
	}
	return out
}

// NetworksOn gives the networks that an agent serves, in the order of their ids.
func (p *Plugin) NetworksOn(r records.Reader, v *AgentView) []*model.Network {
	var out []*model.Network
	if v.Role != RoleDHCP {
		return nil
	}
	for b := range records.DHCPBindingsByHost.Get(r, v.Host) {
		if n, ok := records.Networks.Get(r, b.NetworkID); ok {
			out = append(out, n)
		}
	}
	return out
}

// AgentsOfRouter gives the l3 agents that have a router, and AgentsOfNetwork the
// dhcp agents that serve a network.
func (p *Plugin) AgentsOfRouter(r records.Reader, id string) []*AgentView {
	return p.agentViewsOn(r, hostsOfRouter(r, id), RoleL3)
}

// AgentsOfNetwork gives the dhcp agents that serve a network.
func (p *Plugin) AgentsOfNetwork(r records.Reader, id string) []*AgentView {
	return p.agentViewsOn(r, dhcpHostNames(dhcpBinding(r, id).Hosts), RoleDHCP)
}

func (p *Plugin) agentViewsOn(r records.Reader, hosts []string, role string) []*AgentView {
	var out []*AgentView
	for _, host := range hosts {
		for a := range records.AgentsByHost.Get(r, host) {
			for _, v := range p.viewsOf(a) {
				if v.Role == role {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// agentNamed finds the agent of a request; it becomes a condition of the update.
func (p *Plugin) agentNamed(u *records.Update, id string) (*AgentView, error) {
	v, ok := p.AgentView(u.Peek(), id)
	if ok {
		_, ok = records.Agents.Get(u, v.Agent.ID)
	}
	if !ok {
		return nil, NotFound("Agent", "Agent", id)
	}
	return v, nil
}

// AddRouterToAgent puts a router that is on no agent on this one. That it is
// there already is fine.
func (p *Plugin) AddRouterToAgent(u *records.Update, agent, id string) error {
	router, ok := records.Routers.Get(u, id)
	if !ok {
		return NotFound("Router", "Router", id)
	}
	v, err := p.agentNamed(u, agent)
	if err != nil {
		return err
	}
	if routesForItsOwn(v) {
		return Conflict("DVRL3CannotAssignToDvrAgent", "Not allowed to manually assign a router to an agent in 'dvr' mode.")
	}
	ports := routerPorts(u, router)
	d := demand{role: RoleL3, networks: networksOf(u, ports)}
	if v.Role != RoleL3 || !v.AdminStateUp || !d.reachedBy(v.Agent) {
		return Conflict("InvalidL3Agent", "Agent %s is not a L3 Agent or has been disabled", agent)
	}
	b := routerBinding(u, id)
	switch {
	case b.On(v.Host):
		return nil
	case router.HA && (p.config.MaxL3AgentsPerRouter == 0 || len(b.Hosts) < p.config.MaxL3AgentsPerRouter):
		return p.addHAHost(u, router, b, v.Host)
	case len(b.Hosts) > 0:
		other := b.Hosts[0].Host
		if views := p.agentViewsOn(u, []string{other}, RoleL3); len(views) > 0 {
			other = views[0].ID
		}
		return Conflict("RouterHostedByL3Agent", "The router %s has been already hosted by the L3 Agent %s.", id, other)
	}
	changed := *b
	changed.Hosts = []model.RouterHost{{Host: v.Host, Active: true, Since: p.now().UTC()}}
	changed.TakenOff = takenOffWithout(b.TakenOff, v.Host)
	p.applyRouter(u, routerPlan{
		binding: &changed, ports: p.hostPorts(u, ports, changed.Hosts, nil),
		floating: p.strayFloatingIPs(u, router, activeHost(changed.Hosts)),
	})
	return nil
}

// RemoveRouterFromAgent takes a router off an agent; its ports are then bound to
// no host.
func (p *Plugin) RemoveRouterFromAgent(u *records.Update, agent, id string) error {
	v, err := p.agentNamed(u, agent)
	if err != nil {
		return err
	}
	router, ok := records.Routers.Get(u, id)
	if !ok {
		return NotFound("Router", "Router", id)
	}
	b := routerBinding(u, id)
	if v.Role != RoleL3 || !b.On(v.Host) {
		return Conflict("RouterNotHostedByL3Agent", "The router %s is not hosted by L3 agent %s.", id, agent)
	}
	changed := *b
	changed.Hosts = slices.DeleteFunc(slices.Clone(b.Hosts), func(h model.RouterHost) bool { return h.Host == v.Host })
	changed.TakenOff = append(takenOffWithout(b.TakenOff, v.Host), model.TakenOff{Host: v.Host, At: p.now().UTC()})
	if router.HA {
		changed.Challenge = nil
		p.ensureActive(u, id, changed.Hosts)
	}
	p.applyRouter(u, routerPlan{
		binding: &changed, ports: p.hostPorts(u, routerPorts(u, router), changed.Hosts, []string{v.Host}),
		floating: p.strayFloatingIPs(u, router, activeHost(changed.Hosts)),
	})
	return p.keepHAPorts(u, router)
}

// AddNetworkToAgent lets an agent serve a network, besides those that do.
func (p *Plugin) AddNetworkToAgent(u *records.Update, agent, id string) error {
	n, ok := records.Networks.Get(u, id)
	if !ok {
		return NotFound("Network", "Network", id)
	}
	v, err := p.agentNamed(u, agent)
	if err != nil {
		return err
	}
	if v.Role != RoleDHCP || !v.AdminStateUp {
		return NotFoundAs("InvalidDHCPAgent", "Agent %s is not a valid DHCP Agent or has been disabled", agent)
	}
	if p.config.LocalDHCP {
		return Conflict("LocalDHCP", "Every host answers DHCP of its own ports (dhcp.mode: local): no agent can be given network %s.", id)
	}
	b := dhcpBinding(u, id)
	if b.On(v.Host) {
		return Conflict("NetworkHostedByDHCPAgent", "The network %s has been already hosted by the DHCP Agent %s.", id, agent)
	}
	plan := networkPlan{hosts: append(slices.Clone(b.Hosts), model.DHCPHost{Host: v.Host, Since: p.now().UTC()})}
	changed := *b
	changed.TakenOff = takenOffWithout(b.TakenOff, v.Host)
	return p.applyNetwork(u, n, &changed, &plan)
}

// RemoveNetworkFromAgent lets an agent serve a network no longer; its port goes.
func (p *Plugin) RemoveNetworkFromAgent(u *records.Update, agent, id string) error {
	v, err := p.agentNamed(u, agent)
	if err != nil {
		return err
	}
	n, ok := records.Networks.Get(u, id)
	if !ok {
		return NotFound("Network", "Network", id)
	}
	b := dhcpBinding(u, id)
	if v.Role != RoleDHCP || !b.On(v.Host) {
		return Conflict("NetworkNotHostedByDhcpAgent", "The network %s is not hosted by the DHCP agent %s.", id, agent)
	}
	plan := networkPlan{}
	for _, h := range b.Hosts {
		if h.Host == v.Host {
			plan.lose(h)
		} else {
			plan.hosts = append(plan.hosts, h)
		}
	}
	changed := *b
	changed.TakenOff = append(takenOffWithout(b.TakenOff, v.Host), model.TakenOff{Host: v.Host, At: p.now().UTC()})
	return p.applyNetwork(u, n, &changed, &plan)
}
