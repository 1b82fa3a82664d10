package api

import (
	"context"
	"iter"
	"net/http"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
)

// The collections below an agent, a router and a network that say which agents
// have what.
const (
	l3Routers    = "l3-routers"
	dhcpNetworks = "dhcp-networks"
	l3Agents     = "l3-agents"
	dhcpAgents   = "dhcp-agents"
)

// agentEndpoint serves /v2.0/agents, and what is on one agent.
type agentEndpoint struct {
	*collection[agentSpec, agentView]
}

// networkEndpoint serves /v2.0/networks, and the agents of one network.
type networkEndpoint struct {
	*collection[networkSpec, networkView]
}

// mayPlace refuses those who have nothing to do with where things are.
func mayPlace(rq *request, action string) error {
	if !policy.May(policy.Of("agent").Action(action), rq.who, identity.Target{}) {
		return forbidden(action)
	}
	return nil
}

func (e agentEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	switch {
	case len(rest) < 2 || rest[1] != l3Routers && rest[1] != dhcpNetworks:
		return e.collection.serve(ctx, rq, rest)
	case len(rest) == 2 && rq.http.Method == http.MethodGet:
		return e.serveHosted(ctx, rq, rest[0], rest[1])
	case len(rest) == 2 && rq.http.Method == http.MethodPost:
		return e.serveAdd(ctx, rq, rest[0], rest[1])
	case len(rest) == 3 && rq.http.Method == http.MethodDelete:
		return e.serveTakeOff(ctx, rq, rest)
	case len(rest) > 3:
		return response{}, errNoPath
	}
	return response{}, errMethod
}

// serveHosted lists the routers or networks of an agent.
func (e agentEndpoint) serveHosted(ctx context.Context, rq *request, id, what string) (response, error) {
	if err := mayPlace(rq, "get_"+what); err != nil {
		return response{}, err
	}
	if err := e.api.read(ctx, func(r records.Reader) error { _, err := e.seen(r, rq.who, id); return err }); err != nil {
		return response{}, err
	}
	p := e.api.config.Plugin
	path := "agents/" + id + "/" + what
	if what == l3Routers {
		all := e.api.endpoints["routers"].(routerEndpoint).collection
		return within(all, path, func(r records.Reader) (ids []string) {
			if v, ok := p.AgentView(r, id); ok {
				for _, router := range p.RoutersOn(r, v) {
					ids = append(ids, router.ID)
				}
			}
			return ids
		}).serveList(ctx, rq)
	}
	all := e.api.endpoints["networks"].(networkEndpoint).collection
	return within(all, path, func(r records.Reader) (ids []string) {
		if v, ok := p.AgentView(r, id); ok {
			for _, n := range p.NetworksOn(r, v) {
				ids = append(ids, n.ID)
			}
		}
		return ids
	}).serveList(ctx, rq)
}

// within gives a collection of some of the objects of another one.
func within[S, V any](c *collection[S, V], path string, members func(records.Reader) []string) *collection[S, V] {
	some := *c
	// The ways to find objects fast find those that are not members too.
	some.path, some.hints, some.narrow, some.exact, some.after = path, nil, nil, nil, nil
	some.find = func(r records.Reader, id string) (*V, bool) {
		if !slices.Contains(members(r), id) {
			return nil, false
		}
		return c.find(r, id)
	}
	some.all = func(r records.Reader) iter.Seq[*V] {
		return func(yield func(*V) bool) {
			for _, id := range members(r) {
				if v, ok := c.find(r, id); ok && !yield(v) {
					return
				}
			}
		}
	}
	return &some
}

// serveAdd puts a router or a network on an agent. The answer's body is null.
func (e agentEndpoint) serveAdd(ctx context.Context, rq *request, id, what string) (response, error) {
	key, action := "router_id", "create_l3-router"
	add := e.api.config.Plugin.AddRouterToAgent
	if what == dhcpNetworks {
		key, action = "network_id", "create_dhcp-network"
		add = e.api.config.Plugin.AddNetworkToAgent
	}
	if err := mayPlace(rq, action); err != nil {
		return response{}, err
	}
	body, err := e.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	for name := range body {
		if name != key {
			return response{}, badRequest("Unrecognized attribute(s) '%s'", clip(name))
		}
	}
	object, ok := body[key].(string)
	if !ok {
		return response{}, badRequest("Unable to find '%s' in request body", key)
	}
	err = e.api.update(ctx, func(u *records.Update) error { return add(u, id, object) })
	return response{status: http.StatusCreated, body: []byte("null")}, err
}

// serveTakeOff takes a router or a network off an agent.
func (e agentEndpoint) serveTakeOff(ctx context.Context, rq *request, path []string) (response, error) {
	action, remove := "delete_l3-router", e.api.config.Plugin.RemoveRouterFromAgent
	if path[1] == dhcpNetworks {
		action, remove = "delete_dhcp-network", e.api.config.Plugin.RemoveNetworkFromAgent
	}
	if err := mayPlace(rq, action); err != nil {
		return response{}, err
	}
	err := e.api.update(ctx, func(u *records.Update) error { return remove(u, path[0], path[2]) })
	return response{status: http.StatusNoContent}, err
}

func (e networkEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) != 2 || rest[1] != dhcpAgents {
		return e.collection.serve(ctx, rq, rest)
	}
	return serveAgentsOf(ctx, rq, e.collection, rest, e.api.config.Plugin.AgentsOfNetwork)
}

// serveAgentsOf lists the agents that have one object of a collection.
func serveAgentsOf[S, V any](ctx context.Context, rq *request, c *collection[S, V], path []string,
	agents func(r records.Reader, id string) []*plugin.AgentView,
) (response, error) {
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	if err := mayPlace(rq, "get_"+path[1]); err != nil {
		return response{}, err
	}
	if err := c.api.read(ctx, func(r records.Reader) error { _, err := c.seen(r, rq.who, path[0]); return err }); err != nil {
		return response{}, err
	}
	some := within(c.api.endpoints["agents"].(agentEndpoint).collection, c.path+"/"+path[0]+"/"+path[1], func(r records.Reader) (ids []string) {
		for _, v := range agents(r, path[0]) {
			ids = append(ids, v.ID)
		}
		return ids
	})
	if path[1] == l3Agents {
		var states map[string]string
		if err := c.api.read(ctx, func(r records.Reader) error { states = haStates(r, c.api.config.Plugin, path[0]); return nil }); err != nil {
			return response{}, err
		}
		some.attrs = append(slices.Clone(some.attrs), attr[agentSpec, agentView]{
			name: "ha_state", get: func(v *agentView) any { return orNull(states[v.ID]) },
		})
	}
	return some.serveList(ctx, rq)
}

// haStates gives the parts of an ha router's agents in it, by their ids. Of any
// other router there is none.
func haStates(r records.Reader, p *plugin.Plugin, router string) map[string]string {
	states := map[string]string{}
	for _, v := range p.AgentsOfRouter(r, router) {
		if state := p.HAState(r, router, v); state != "" {
			states[v.ID] = state
		}
	}
	return states
}
