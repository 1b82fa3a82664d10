package lab

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Status is a lab as it is now.
type Status struct {
	Name      string        `json:"name"`
	Dir       string        `json:"dir"`
	Datapath  string        `json:"datapath"`
	CreatedAt time.Time     `json:"created_at"`
	Ready     bool          `json:"ready"` // building it was finished
	Bare      bool          `json:"bare"`
	API       string        `json:"api,omitempty"` // as seen on the controller's host
	Hosts     []HostStatus  `json:"hosts"`
	Guests    []GuestStatus `json:"guests"`
	// Problem says why the API's view is missing.
	Problem string `json:"problem,omitempty"`
}

// HostStatus is a host as it is now.
type HostStatus struct {
	Name       string            `json:"name"`
	Roles      []string          `json:"roles"`
	Namespace  string            `json:"namespace"`
	Management netip.Addr        `json:"management"`
	Tunnel     netip.Addr        `json:"tunnel"`
	Mappings   map[string]string `json:"bridge_mappings"`
	Agent      string            `json:"agent"` // alive, silent, none or unknown, as the API has it
	Processes  []ProcessStatus   `json:"processes"`
}

// ProcessStatus is a program of a host as it is now.
type ProcessStatus struct {
	Process
	Alive bool `json:"alive"`
}

// GuestStatus is a guest with the status of its ports at the API.
type GuestStatus struct {
	Guest
	Status map[string]string `json:"status"` // port id → ACTIVE, DOWN, gone …
}

// Healthy reports whether every program of the lab runs and every agent is alive.
func (s Status) Healthy() bool {
	if !s.Ready || s.Problem != "" {
		return false
	}
	for _, h := range s.Hosts {
		if h.Agent == "silent" || slices.ContainsFunc(h.Processes, func(p ProcessStatus) bool { return !p.Alive }) {
			return false
		}
	}
	return true
}

// Status tells how the lab is. A controller that does not answer is part of
// the answer, no error.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	s, err := l.ledger.read()
	if err != nil {
		return Status{}, err
	}
	out := Status{
		Name: l.plan.Lab, Dir: l.plan.Dir, Datapath: l.plan.Datapath,
		CreatedAt: s.CreatedAt, Ready: s.Ready, Bare: s.Bare,
		Hosts: []HostStatus{}, Guests: []GuestStatus{},
	}
	alive, ports := map[string]bool{}, map[string]string{}
	if !s.Bare {
		out.API = APIURL
		if alive, ports, err = l.apiView(ctx); err != nil {
			out.Problem = err.Error()
		}
	}
	for _, h := range l.plan.Hosts {
		hs := HostStatus{
			Name: h.Name, Roles: h.Roles, Namespace: h.Namespace,
			Management: h.Mgmt.Addr(), Tunnel: h.Tunnel.Addr(), Mappings: h.Mappings,
			Agent: "none", Processes: []ProcessStatus{},
		}
		up, known := alive[h.Name]
		switch {
		case up:
			hs.Agent = "alive"
		case known:
			hs.Agent = "silent"
		case out.Problem != "" && h.RunsAgent():
			hs.Agent = "unknown"
		}
		for _, p := range s.Processes {
			if p.Host == h.Name {
				hs.Processes = append(hs.Processes, ProcessStatus{p, p.Alive()})
			}
		}
		out.Hosts = append(out.Hosts, hs)
	}
	for _, g := range s.Guests {
		gs := GuestStatus{Guest: g, Status: map[string]string{}}
		for _, n := range g.NICs {
			gs.Status[n.Port] = ports[n.Port]
			if ports[n.Port] == "" {
				gs.Status[n.Port] = "unknown"
			}
		}
		out.Guests = append(out.Guests, gs)
	}
	return out, nil
}

// apiView asks the controller for the agents that are alive and the ports'
// status.
func (l *Lab) apiView(ctx context.Context) (alive map[string]bool, ports map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	agents, err := l.API().Agents(ctx)
	if err != nil {
		return nil, nil, err
	}
	alive, ports = map[string]bool{}, map[string]string{}
	for _, a := range agents {
		alive[a.Host] = alive[a.Host] || a.Alive
	}
	var answer struct{ Ports []portRecord }
	if err := l.API().Call(ctx, "GET", "/v2.0/ports?fields=id&fields=status", nil, &answer); err != nil {
		return nil, nil, err
	}
	for _, p := range answer.Ports {
		ports[p.ID] = p.Status
	}
	return alive, ports, nil
}
