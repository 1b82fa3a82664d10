package plugin

import (
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// networkPlan is which hosts should serve a network with DHCP.
type networkPlan struct {
	Placement
	hosts   []model.DHCPHost
	changed bool
	// spare are ports of hosts that lose the network; those that gain it take
	// them over, addresses included.
	spare []string
}

// NetworkAtRest tells what PlaceNetwork would do; false for nothing.
func (p *Plugin) NetworkAtRest(r records.Reader, id string, s Scheduling) (Placement, bool) {
	n, ok := records.Networks.Get(r, id)
	if !ok {
		return Placement{}, true
	}
	plan := p.planNetwork(r, n, s)
	rests := !plan.changed
	for _, h := range plan.hosts {
		rests = rests && dhcpPortRests(r, n, h)
	}
	return plan.Placement, rests
}

// PlaceNetwork lets live agents of role dhcp serve a network that has a subnet
// with DHCP: as many as the configuration says, where there are as many. It
// moves the network away from agents that are dead and takes it off those that
// are no more. Each host has a port with an address in every such subnet. Where
// hosts answer DHCP of their own ports, no network is served.
func (p *Plugin) PlaceNetwork(u *records.Update, id string, s Scheduling) (Placement, error) {
	n, ok := records.Networks.Get(u, id)
	if !ok {
		return Placement{}, nil
	}
	b := dhcpBinding(u, id)
	plan := p.planNetwork(u, n, s)
	err := p.applyNetwork(u, n, b, &plan)
	return plan.Placement, err
}

// applyNetwork gives the hosts of a network their ports, and stores the binding
// when it differs.
func (p *Plugin) applyNetwork(u *records.Update, n *model.Network, b *model.DHCPBinding, plan *networkPlan) error {
	changed := *b
	changed.Hosts = nil
	for _, h := range plan.hosts {
		lacks, err := p.giveDHCPPort(u, n, &h, &plan.spare)
		if err != nil {
			return err
		}
		plan.NoAddress = plan.NoAddress || lacks
		changed.Hosts = append(changed.Hosts, h)
	}
	for _, id := range plan.spare {
		if err := p.removePort(u, id); err != nil {
			return err
		}
	}
	if !slices.Equal(changed.Hosts, b.Hosts) {
		records.DHCPBindings.Put(u, &changed)
	}
	return nil
}

func (p *Plugin) planNetwork(r records.Reader, n *model.Network, s Scheduling) networkPlan {
	b := dhcpBinding(r, n.ID)
	d := demand{role: RoleDHCP, networks: []*model.Network{n}, hints: n.AZHints, dead: s.Dead, takenOff: b.TakenOff}
	plan := networkPlan{}
	if p.config.LocalDHCP {
		for _, h := range b.Hosts {
			plan.lose(h)
		}
		plan.changed = len(b.Hosts) > 0
		return plan
	}
	var kept, failed []model.DHCPHost
	for _, h := range b.Hosts {
		switch d.stand(r, h.Host) {
		case serving:
			kept = append(kept, h)
		case failing:
			failed = append(failed, h)
		case gone:
			plan.lose(h)
		}
	}
	plan.hosts = kept
	for _, segment := range dhcpSegments(r, n.ID) {
		d.segment = segment
		p.serveSegment(r, &d, &failed, s, &plan)
	}
	plan.hosts = append(plan.hosts, failed...)
	if plan.changed = len(plan.Gained)+len(plan.Lost) > 0; !plan.changed {
		plan.hosts = b.Hosts
	}
	return plan
}

func (plan *networkPlan) lose(h model.DHCPHost) {
	plan.Lost = append(plan.Lost, h.Host)
	if h.PortID != "" {
		plan.spare = append(plan.spare, h.PortID)
	}
}

// serveSegment finds hosts for the subnets of one segment until there are
// enough. Each new one takes the place of one that failed, if there is any.
func (p *Plugin) serveSegment(r records.Reader, d *demand, failed *[]model.DHCPHost, s Scheduling, plan *networkPlan) {
	for countReaching(r, d, plan.hosts) < p.config.DHCPAgentsPerNetwork {
		if plan.Rests = p.restsUntil(d.takenOff); !plan.Rests.IsZero() {
			return
		}
		have := dhcpHostNames(slices.Concat(plan.hosts, *failed))
		agent := p.choose(r, d, have, func(host string) int { return records.DHCPBindingsByHost.Len(r, host) })
		if agent == nil {
			plan.Unplaced = true
			return
		}
		if len(have) > len(plan.Gained) && !s.MayMove {
			plan.Waits = true
			return
		}
		plan.Paced = len(have) > len(plan.Gained)
		if len(*failed) > 0 {
			plan.lose((*failed)[0])
			*failed = (*failed)[1:]
		}
		plan.Gained = append(plan.Gained, agent.Host)
		plan.hosts = append(plan.hosts, model.DHCPHost{Host: agent.Host, Since: p.now().UTC()})
	}
}

// countReaching counts the hosts that are on the segment.
func countReaching(r records.Reader, d *demand, hosts []model.DHCPHost) int {
	n := 0
	for _, h := range hosts {
		if a, ok := agentOn(r, h.Host, d.role); ok && d.reachedBy(a) {
			n++
		}
	}
	return n
}

// dhcpSegments gives the segments of a network's subnets with DHCP, in order;
// "" is that of subnets which are on none.
func dhcpSegments(r records.Reader, network string) []string {
	segments := map[string]bool{}
	for s := range records.SubnetsByNetwork.Get(r, network) {
		if s.EnableDHCP {
			segments[s.SegmentID] = true
		}
	}
	return slices.Sorted(maps.Keys(segments))
}

// dhcpBinding gives a network's binding, an empty one for none.
func dhcpBinding(r records.Reader, id string) *model.DHCPBinding {
	if b, ok := records.DHCPBindings.Get(r, id); ok {
		return b
	}
	return &model.DHCPBinding{NetworkID: id}
}

func dhcpHostNames(hosts []model.DHCPHost) []string {
	var names []string
	for _, h := range hosts {
		names = append(names, h.Host)
	}
	return names
}
