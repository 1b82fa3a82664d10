package plugin

import (
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// This file: which hosts have an ha router, and which of them forwards.
//
// The hosts watch each other by VRRP. One that hears no other asks to be active
// (model.ObjectClaims). The present one is then challenged, by its binding: when
// it answers that it forwards, the other is denied; when it says that it does
// not, or does not answer in time, the other one gets it. So two hosts that reach
// the controllers are never active at once, whatever becomes of the network
// between them.

// maxHAHosts bounds the hosts of an ha router: they have priorities of VRRP of
// their own, from haPriority down.
const maxHAHosts = 40

// haPriority is the highest priority of a host. The one that forwards has more
// by as much as the agents add to it, which stays under 255.
const haPriority = 100

// AnswerTime is how long the active host of an ha router has to answer a
// challenge. An agent waits somewhat longer for the outcome before it acts on its
// own.
const AnswerTime = 500 * time.Millisecond

// haHosts are an ha router's hosts by how they stand, and its ports.
type haHosts struct {
	kept, failed []model.RouterHost
	ports        []*model.Port
}

func (p *Plugin) planHA(r records.Reader, router *model.Router, b *model.RouterBinding, d *demand, have haHosts, s Scheduling, plan routerPlan) routerPlan {
	if n, ok := records.Networks.Get(r, router.HANetworkID); ok {
		d.networks = append(d.networks, n)
	}
	hosts := append(slices.Clone(have.kept), have.failed...)
	if len(have.ports) > 0 {
		hosts = p.spreadHA(r, d, have.kept, have.failed, s, &plan.Placement)
	}
	prioritise(hosts)
	forgetGrants(r, b.RouterID, hosts)
	changed := *b
	changed.Hosts, changed.Challenge = hosts, nil
	p.elect(r, b, &changed, d, s, &plan.Placement)
	if !slices.Equal(changed.Hosts, b.Hosts) || !sameChallenge(changed.Challenge, b.Challenge) {
		plan.binding = &changed
	}
	plan.ports = p.hostPorts(r, have.ports, changed.Hosts, plan.Lost)
	return plan
}

// spreadHA adds hosts until there are as many as there should be. A new one
// takes the place of one that failed, if there is any.
func (p *Plugin) spreadHA(r records.Reader, d *demand, kept, failed []model.RouterHost, s Scheduling, out *Placement) []model.RouterHost {
	most := p.config.MaxL3AgentsPerRouter
	if most == 0 {
		most = maxHAHosts
	}
	for len(kept) < most {
		if out.Rests = p.restsUntil(d.takenOff); !out.Rests.IsZero() {
			break
		}
		var have []string
		for _, h := range slices.Concat(kept, failed) {
			have = append(have, h.Host)
		}
		agent := p.choose(r, d, have, func(host string) int { return records.RouterBindingsByHost.Len(r, host) })
		if agent == nil {
			out.Unplaced = true
			break
		}
		full := len(kept)+len(failed) >= most
		if full && !s.MayMove {
			out.Waits = true
			break
		}
		if full {
			out.Paced = true
			out.Lost = append(out.Lost, failed[0].Host)
			failed = failed[1:]
		}
		out.Gained = append(out.Gained, agent.Host)
		kept = append(kept, model.RouterHost{Host: agent.Host, Since: p.now().UTC()})
	}
	return append(kept, failed...)
}

// prioritise gives hosts without a priority one that no other has.
func prioritise(hosts []model.RouterHost) {
	taken := map[int]bool{}
	for _, h := range hosts {
		taken[h.Priority] = true
	}
	next := haPriority
	for i := range hosts {
		if hosts[i].Priority > 0 {
			continue
		}
		for taken[next] {
			next--
		}
		hosts[i].Priority, taken[next] = next, true
	}
}

// elect decides which host forwards, and which challenge stands.
func (p *Plugin) elect(r records.Reader, before, b *model.RouterBinding, d *demand, s Scheduling, out *Placement) {
	if p.ensureActive(r, b.RouterID, b.Hosts) {
		out.Activated = activeHost(b.Hosts)
	}
	active := slices.IndexFunc(b.Hosts, func(h model.RouterHost) bool { return h.Active })
	claim := slices.IndexFunc(b.Hosts, func(h model.RouterHost) bool {
		st := haStatus(r, b.RouterID, h.Host)
		return !h.Active && st != nil && st.State == model.ObjectClaims && st.Revision > h.Denied
	})
	if active < 0 || claim < 0 {
		return
	}
	wish := model.RouterChallenge{Host: b.Hosts[claim].Host, Number: haStatus(r, b.RouterID, b.Hosts[claim].Host).Revision}
	standing := before.Challenge != nil && *before.Challenge == wish
	answer := haStatus(r, b.RouterID, b.Hosts[active].Host)
	switch {
	case d.stand(r, b.Hosts[active].Host) != serving,
		answer != nil && answer.State != model.ObjectActive && answer.State != model.ObjectClaims,
		standing && s.Unanswered != nil && s.Unanswered(b.RouterID, wish):
		b.Hosts = slices.Clone(b.Hosts)
		p.grant(b.Hosts, claim)
		out.Activated = wish.Host
	case standing && answer != nil && answer.State == model.ObjectActive && answer.Revision == wish.Number:
		b.Hosts = slices.Clone(b.Hosts)
		b.Hosts[claim].Denied = wish.Number
	default:
		b.Challenge = &wish
		out.Rests = p.now().Add(AnswerTime)
	}
}

// ensureActive marks a host as active where none is: one that says it is or asks
// to be, or else the first. It reports whether it had to.
func (p *Plugin) ensureActive(r records.Reader, router string, hosts []model.RouterHost) bool {
	if len(hosts) == 0 || activeHost(hosts) != "" {
		return false
	}
	i := max(0, slices.IndexFunc(hosts, func(h model.RouterHost) bool {
		st := haStatus(r, router, h.Host)
		return st != nil && (st.State == model.ObjectActive || st.State == model.ObjectClaims)
	}))
	p.grant(hosts, i)
	return true
}

// grant makes a host the one that forwards. The others may not hear of it for a
// while, so that two believe to have the router when they hear each other again:
// the one with the highest grant stays.
func (p *Plugin) grant(hosts []model.RouterHost, i int) {
	top := 0
	for j := range hosts {
		if h := &hosts[j]; j != i {
			if h.Active {
				h.Active, h.Grant = false, max(h.Grant, 1)
			}
			top = max(top, h.Grant)
		}
	}
	hosts[i].Active, hosts[i].Since = true, p.now().UTC()
	hosts[i].Grant = min(top+1, model.MaxGrant)
}

// forgetGrants takes the grants from hosts that say that they stand by. Once
// nobody has an old one, that of the active host begins anew, so that there is
// room above it.
func forgetGrants(r records.Reader, router string, hosts []model.RouterHost) {
	active, others := -1, 0
	for i := range hosts {
		h := &hosts[i]
		if h.Active {
			active = i
			continue
		}
		if st := haStatus(r, router, h.Host); st != nil && st.State == model.ObjectStandby {
			h.Grant = 0
		}
		others += h.Grant
	}
	if active >= 0 && others == 0 {
		hosts[active].Grant = min(hosts[active].Grant, 1)
	}
}

// haStatus is what a host says of its part in an ha router; nil for nothing.
func haStatus(r records.Reader, router, host string) *model.ObjectStatus {
	key := (&model.ObjectStatus{Kind: model.ObjectRouterHA, ID: router, Host: host}).Key()
	st, ok := records.ObjectStatuses.Get(r, key)
	if !ok {
		return nil
	}
	return st
}

func sameChallenge(a, b *model.RouterChallenge) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// haHostNames gives the hosts of an ha router, nil of any other.
func haHostNames(hosts []model.RouterHost) []string {
	var names []string
	for _, h := range hosts {
		if h.Priority > 0 {
			names = append(names, h.Host)
		}
	}
	slices.Sort(names)
	return names
}

// addHAHost puts an ha router on one more host.
func (p *Plugin) addHAHost(u *records.Update, router *model.Router, b *model.RouterBinding, host string) error {
	changed := *b
	changed.Hosts = append(slices.Clone(b.Hosts), model.RouterHost{Host: host, Since: p.now().UTC()})
	changed.TakenOff = takenOffWithout(b.TakenOff, host)
	prioritise(changed.Hosts)
	p.ensureActive(u, router.ID, changed.Hosts)
	p.applyRouter(u, routerPlan{binding: &changed, ports: p.hostPorts(u, routerPorts(u, router), changed.Hosts, nil)})
	return p.keepHAPorts(u, router)
}

// HAStates of an ha router's agents, as the API shows them.
const (
	HAActive  = "active"
	HAStandby = "standby"
	HAUnknown = "unknown"
)

// HAState gives the part that an agent has in a router; "" in one that is not
// ha. Of an agent that is not heard of nobody knows.
func (p *Plugin) HAState(r records.Reader, router string, v *AgentView) string {
	for _, h := range routerBinding(r, router).Hosts {
		switch {
		case h.Host != v.Host || h.Priority == 0:
		case !v.Alive:
			return HAUnknown
		case h.Active:
			return HAActive
		default:
			return HAStandby
		}
	}
	return ""
}
