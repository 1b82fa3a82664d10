package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// routerPlan is how a router's binding and ports should be, where that differs
// from what they are.
type routerPlan struct {
	Placement
	binding *model.RouterBinding // nil: as it is
	ports   []*model.Port        // those that change, on their new host
	// floating are the addresses that change hosts, with their new one.
	floating []*model.FloatingIP
}

// RouterAtRest tells what PlaceRouter would do; false for nothing.
func (p *Plugin) RouterAtRest(r records.Reader, id string, s Scheduling) (Placement, bool) {
	router, ok := records.Routers.Get(r, id)
	if !ok {
		return Placement{}, true
	}
	plan := p.planRouter(r, router, s)
	rests := plan.binding == nil && len(plan.ports)+len(plan.floating) == 0
	return plan.Placement, rests && haPortsRest(r, router)
}

// PlaceRouter puts a router that has an interface or a gateway on a live agent
// of role l3, moves it away from one that is dead, takes it off one that is no
// more, and binds its ports to the host where it is. What is well stays.
func (p *Plugin) PlaceRouter(u *records.Update, id string, s Scheduling) (Placement, error) {
	router, ok := records.Routers.Get(u, id)
	if !ok {
		return Placement{}, nil
	}
	plan := p.planRouter(u, router, s)
	p.applyRouter(u, plan)
	return plan.Placement, p.keepHAPorts(u, router)
}

func (p *Plugin) applyRouter(u *records.Update, plan routerPlan) {
	if plan.binding != nil {
		records.RouterBindings.Put(u, plan.binding)
	}
	for _, port := range plan.ports {
		p.giveDeferred(u, port)
		p.touch(&port.Meta)
		records.Ports.Put(u, port)
	}
	p.hostFloatingIPs(u, plan.floating)
}

func (p *Plugin) planRouter(r records.Reader, router *model.Router, s Scheduling) routerPlan {
	ports := routerPorts(r, router)
	b := routerBinding(r, router.ID)
	d := demand{role: RoleL3, networks: networksOf(r, ports), hints: router.AZHints, dead: s.Dead, takenOff: b.TakenOff}
	plan := routerPlan{}
	kept, failed := routerHosts(r, b, &d, &plan.Placement)
	switch {
	case router.HA:
		return p.planHA(r, router, b, &d, haHosts{kept: kept, failed: failed, ports: ports}, s, plan)
	case len(ports) == 0 || len(kept) > 0:
		kept = append(kept, failed...)
	default:
		kept = p.replaceRouter(r, &d, kept, failed, s, &plan.Placement)
	}
	if !slices.Equal(kept, b.Hosts) {
		changed := *b
		changed.Hosts = kept
		plan.binding = &changed
	}
	plan.ports = p.hostPorts(r, ports, kept, plan.Lost)
	if router.Distributed {
		plan.floating = p.strayFloatingIPs(r, router, activeHost(kept))
	}
	return plan
}

// routerHosts sorts the hosts of a router: those that keep it, and those that
// fail it.
func routerHosts(r records.Reader, b *model.RouterBinding, d *demand, out *Placement) (kept, failed []model.RouterHost) {
	for _, h := range b.Hosts {
		switch d.stand(r, h.Host) {
		case serving:
			kept = append(kept, h)
		case failing:
			failed = append(failed, h)
		case gone:
			out.Lost = append(out.Lost, h.Host)
		}
	}
	return kept, failed
}

// replaceRouter finds a host for a router that is on none which serves it; with
// none to be found it stays where it is, for its data plane may go on.
func (p *Plugin) replaceRouter(r records.Reader, d *demand, kept, failed []model.RouterHost, s Scheduling, out *Placement) []model.RouterHost {
	if out.Rests = p.restsUntil(d.takenOff); !out.Rests.IsZero() {
		return append(kept, failed...)
	}
	var have []string
	for _, h := range failed {
		have = append(have, h.Host)
	}
	agent := p.choose(r, d, have, func(host string) int { return records.RouterBindingsByHost.Len(r, host) })
	switch {
	case agent == nil:
		out.Unplaced = true
		return append(kept, failed...)
	case len(failed) > 0 && !s.MayMove:
		out.Waits = true
		return append(kept, failed...)
	}
	out.Paced = len(failed) > 0
	out.Lost = append(out.Lost, have...)
	out.Gained = append(out.Gained, agent.Host)
	return append(kept, model.RouterHost{Host: agent.Host, Active: true, Since: p.now().UTC()})
}

// hostPorts gives the ports of a router that are not bound to the host where it
// is active, as they should be.
func (p *Plugin) hostPorts(r records.Reader, ports []*model.Port, hosts []model.RouterHost, lost []string) []*model.Port {
	host, sharing := activeHost(hosts), haHostNames(hosts)
	var changed []*model.Port
	for _, port := range ports {
		if !slices.Equal(port.HAHosts, sharing) {
			shared := *port
			shared.HAHosts = sharing
			if moved := p.onHost(r, &shared, host); moved != nil {
				shared = *moved
			}
			changed = append(changed, &shared)
			continue
		}
		if port.Host == host && (host == "" || port.VIFType != VIFUnbound && port.VIFType != "") {
			continue
		}
		if host == "" && !slices.Contains(lost, port.Host) {
			continue // bound by somebody else, while the router is nowhere
		}
		if moved := p.onHost(r, port, host); moved != nil {
			changed = append(changed, moved)
		}
	}
	return changed
}

// onHost gives a port as it is on another host, nil for one that changes
// nothing.
func (p *Plugin) onHost(r records.Reader, port *model.Port, host string) *model.Port {
	network, ok := records.Networks.Get(r, port.NetworkID)
	if !ok {
		return nil
	}
	moved := *port
	moved.Host = host
	if p.bind(r, network, &moved); moved.Host == port.Host && moved.VIFType == port.VIFType {
		return nil
	}
	return &moved
}

func activeHost(hosts []model.RouterHost) string {
	for _, h := range hosts {
		if h.Active {
			return h.Host
		}
	}
	return ""
}

// routerBinding gives a router's binding, an empty one for none.
func routerBinding(r records.Reader, id string) *model.RouterBinding {
	if b, ok := records.RouterBindings.Get(r, id); ok {
		return b
	}
	return &model.RouterBinding{RouterID: id}
}

// routerHost is the host where a router is active, "" for none.
func routerHost(r records.Reader, id string) string { return activeHost(routerBinding(r, id).Hosts) }

// hostsOfRouter gives the names of the hosts of a router.
func hostsOfRouter(r records.Reader, id string) []string {
	var hosts []string
	for _, h := range routerBinding(r, id).Hosts {
		hosts = append(hosts, h.Host)
	}
	return hosts
}

// networksOf gives the networks of ports, each once.
func networksOf(r records.Reader, ports []*model.Port) []*model.Network {
	var out []*model.Network
	for _, port := range ports {
		if n, ok := records.Networks.Get(r, port.NetworkID); ok && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
