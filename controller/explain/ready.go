package explain

import (
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// This file: what hosts have made of the objects on the way.

// Wiring says why a port is not wired; an empty reason means that it is. about is
// "network" when the port's network is what keeps it, else "port"; text does not
// name it. Of a port that is on several hosts, an interface of a distributed
// router, it says what the router's home made of it.
func Wiring(r records.Reader, p *model.Port) (reason Reason, about, text string) {
	if n, ok := records.Networks.Get(r, p.NetworkID); ok && !n.AdminStateUp {
		return ReasonNetworkDown, kindNetwork, "is down (admin_state_up is false)"
	}
	about = kindPort
	switch {
	case !p.AdminStateUp:
		return ReasonPortDown, about, "is down (admin_state_up is false)"
	case p.Host == "":
		return ReasonPortUnbound, about, "is bound to no host"
	case p.VIFType == "binding_failed":
		return ReasonPortUnbound, about, "is bound to a host that cannot have it (binding:vif_type is binding_failed)"
	}
	st, ok := records.PortStatuses.Get(r, p.ID)
	switch {
	case !ok || st.Host != p.Host:
		return ReasonPortNotWired, about, "is not wired: its host has said nothing of it"
	case st.State == model.PortDown:
		return ReasonPortNotWired, about, "is not wired: no interface of it is plugged into its host's integration bridge"
	case st.State != model.PortActive:
		return ReasonPortNotWired, about, "is not wired: " + st.Error
	}
	return "", about, ""
}

// unready says why nothing reaches a port, nor leaves it; nil for a port that is
// in use.
func (w *walk) unready(h head, p *model.Port, host string) *Decision {
	if p == nil {
		return nil
	}
	reason, about, text := Wiring(w.r, p)
	onHosts := p.Distributed() || slices.Contains(p.HAHosts, host) // the router tells of these
	if reason == "" || onHosts && reason != ReasonNetworkDown && reason != ReasonPortDown {
		return nil
	}
	id := p.ID
	if about == kindNetwork {
		id = p.NetworkID
	}
	return w.drop(h, reason, about, id, host, w.object(about, id).String()+" "+text)
}

// plugged reports whether a host has a port on its br-int, as far as it has
// said.
func (w *walk) plugged(host string, agent *model.Agent) func(*model.Port) bool {
	return func(p *model.Port) bool {
		switch {
		case slices.Contains(p.HAHosts, host):
			return true
		case p.Distributed() && p.Host != host:
			return w.routesAt(agent)
		}
		st, ok := records.PortStatuses.Get(w.r, p.ID)
		return ok && st.Host == host && st.State == model.PortActive
	}
}

// routesAt reports whether the agent has routers.
func (w *walk) routesAt(a *model.Agent) bool {
	return a != nil && (slices.Contains(a.Roles, "l3") || slices.Contains(a.Roles, "dvr"))
}

// awaitHost notes what the host is behind with.
func (w *walk) awaitHost(name string, h Host) {
	if h.Behind != "" {
		w.pend(Pending{Host: name, Text: h.Behind})
	}
	switch {
	case h.Agent == nil:
		w.warn(name, "has no agent that the controller knows")
	case !h.Agent.Alive(w.world.Now, w.world.DownTime):
		w.warn(name, "has an agent that has been silent since "+h.Agent.HeartbeatAt.UTC().Format("2006-01-02 15:04:05")+" UTC: what is told of it may be old")
	}
}

// awaitPort notes that the host has not realised the port's present revision.
func (w *walk) awaitPort(p *model.Port) {
	if p == nil {
		return
	}
	st, ok := records.PortStatuses.Get(w.r, p.ID)
	if !ok || st.Host != p.Host {
		return
	}
	if st.Revision < p.Revision {
		w.pend(Pending{
			Host: p.Host, Object: w.object(kindPort, p.ID),
			Text: fmt.Sprintf("the host has not applied revision %d of the port yet, it has %d", p.Revision, st.Revision),
		})
	}
	if st.Error != "" {
		w.pend(Pending{Host: p.Host, Object: w.object(kindPort, p.ID), Text: st.Error})
	}
}

// awaitObject notes that the host has not realised a router or floating address.
// It reports whether the host has said anything of it.
func (w *walk) awaitObject(kind model.ObjectKind, o *Object, revision int64, host string) bool {
	st, ok := records.ObjectStatuses.Get(w.r, string(kind)+":"+o.ID+":"+host)
	if !ok {
		w.pend(Pending{Host: host, Object: o, Text: "the host has said nothing of it yet"})
		return false
	}
	switch {
	case st.Error != "":
		w.pend(Pending{Host: host, Object: o, Text: st.Error})
	case st.Revision != 0 && st.Revision < revision:
		w.pend(Pending{Host: host, Object: o, Text: fmt.Sprintf("the host has not applied revision %d of it yet, it has %d", revision, st.Revision)})
	}
	return true
}

func (w *walk) pend(p Pending) {
	for _, q := range w.answer.Pending {
		if q.Host == p.Host && q.Text == p.Text && (q.Object == nil) == (p.Object == nil) && (q.Object == nil || q.Object.ID == p.Object.ID) {
			return
		}
	}
	w.answer.Pending = append(w.answer.Pending, p)
}

// warn notes something about a host that makes the answer less sure.
func (w *walk) warn(host, text string) {
	line := "host " + host + " " + text
	if !slices.Contains(w.answer.Warnings, line) {
		w.answer.Warnings = append(w.answer.Warnings, line)
	}
}
