package scale

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lepton-sdn/lepton/lab"
)

const (
	// clients fill the cloud at a time.
	clients = 8
	// bulk is the number of ports made by a request.
	bulk = 100
	// floating is the number of floating addresses of a project.
	floating = 2
)

// object is what any answer of the API has.
type object struct {
	ID string `json:"id"`
}

// create makes an object and gives its id.
func (c *control) create(ctx context.Context, path, kind string, body map[string]any) (string, error) {
	answer := map[string]object{}
	err := c.call(ctx, "POST", "/v2.0/"+path, map[string]any{kind: body}, &answer)
	return answer[kind].ID, err
}

// call sends a request, and again when the controller says that it cannot answer
// now, as clients do. How often it said so is counted.
func (c *control) call(ctx context.Context, method, path string, body, answer any) error {
	for {
		err := c.api.Call(ctx, method, path, body, answer)
		var se *lab.StatusError
		if !errors.As(err, &se) || se.Status != http.StatusServiceUnavailable || c.refused.Add(1) > mostRefused {
			return err
		}
		sleep(ctx, time.Second)
	}
}

// mostRefused is how many refusals a run puts up with.
const mostRefused = 200

// fill makes the whole cloud, several projects at a time.
func (c *cloud) fill(ctx context.Context, at *control) (err error) {
	c.external, err = at.create(ctx, "networks", "network", map[string]any{
		"name": "outside", "project_id": "admin", "router:external": true,
		"provider:network_type": "flat", "provider:physical_network": physnet,
	})
	if err != nil {
		return err
	}
	_, err = at.create(ctx, "subnets", "subnet", map[string]any{
		"network_id": c.external, "project_id": "admin", "ip_version": 4, "cidr": "172.16.0.0/16", "enable_dhcp": false,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(clients)
	g.Go(func() error { return c.fillProject(ctx, at, c.everywhere) })
	var done atomic.Int32
	for _, p := range c.projects {
		g.Go(func() error {
			if err := c.fillProject(ctx, at, p); err != nil {
				return err
			}
			if n := done.Add(1); n%50 == 0 {
				c.o.Log("%d of %d projects are made", n, len(c.projects))
			}
			return c.addRouter(ctx, at, p)
		})
	}
	return g.Wait()
}

// fillProject makes a project's groups, networks and ports.
func (c *cloud) fillProject(ctx context.Context, at *control, p *project) error {
	var err error
	for i, n := range p.networks {
		if n.id, err = at.create(ctx, "networks", "network", map[string]any{"name": fmt.Sprintf("%s-net%d", p.id, i), "project_id": p.id}); err != nil {
			return err
		}
		subnets := []map[string]any{{"ip_version": 4, "cidr": fmt.Sprintf("10.%d.0.0/16", i)}}
		if i == 1 {
			subnets = append(subnets, map[string]any{"ip_version": 6, "cidr": "fd00:5111::/64"})
		}
		for _, s := range subnets {
			s["network_id"], s["project_id"] = n.id, p.id
			id, err := at.create(ctx, "subnets", "subnet", s)
			if err != nil {
				return err
			}
			if s["ip_version"] == 4 {
				n.subnet = id
			}
		}
	}
	if err := p.addGroups(ctx, at); err != nil {
		return err
	}
	for _, n := range p.networks {
		if err := p.addPorts(ctx, at, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *project) addGroups(ctx context.Context, at *control) (err error) {
	for name, id := range map[string]*string{"web": &p.web, "store": &p.store} {
		if *id, err = at.create(ctx, "security-groups", "security_group", map[string]any{"name": name, "project_id": p.id}); err != nil {
			return err
		}
	}
	var answer struct {
		Groups []object `json:"security_groups"`
	}
	if err := at.call(ctx, "GET", "/v2.0/security-groups?name=default&project_id="+p.id, nil, &answer); err != nil {
		return err
	}
	if len(answer.Groups) != 1 {
		return fmt.Errorf("project %s has %d default groups", p.id, len(answer.Groups))
	}
	p.defaults = answer.Groups[0].ID
	for _, r := range []struct {
		group string
		more  map[string]any
	}{
		{p.web, map[string]any{"port_range_min": 80, "port_range_max": 80}},
		{p.web, map[string]any{"port_range_min": 443, "port_range_max": 443}},
		{p.web, map[string]any{"port_range_min": 22, "port_range_max": 22, "remote_group_id": p.web}},
		{p.store, map[string]any{"port_range_min": 5432, "port_range_max": 5432, "remote_group_id": p.web}},
	} {
		if _, err := p.addRule(ctx, at, r.group, r.more); err != nil {
			return err
		}
	}
	return nil
}

// addRule adds an ingress rule for TCP.
func (p *project) addRule(ctx context.Context, at *control, group string, more map[string]any) (string, error) {
	rule := map[string]any{"security_group_id": group, "project_id": p.id, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
	for k, v := range more {
		rule[k] = v
	}
	return at.create(ctx, "security-group-rules", "security_group_rule", rule)
}

// body is a request for a port on a host, in the groups.
func (p *project) body(n *network, host int, groups ...string) map[string]any {
	return map[string]any{
		"network_id": n.id, "project_id": p.id, "binding:host_id": hostName(host),
		"device_owner": "compute:nova", "device_id": fmt.Sprintf("server-%s-%d", p.id, host), "security_groups": groups,
	}
}

// addPorts puts a network's ports on its hosts in turn: odd ones are servers of
// the web, even ones stores.
func (p *project) addPorts(ctx context.Context, at *control, n *network) error {
	for first := 0; first < n.ports; first += bulk {
		var list []map[string]any
		for i := first; i < min(first+bulk, n.ports); i++ {
			groups := []string{p.defaults, p.web}
			switch {
			case p.uniform:
				groups = []string{p.web}
			case i%2 == 0:
				groups[1] = p.store
			}
			list = append(list, p.body(n, n.hosts[i%len(n.hosts)], groups...))
		}
		if err := at.call(ctx, "POST", "/v2.0/ports", map[string]any{"ports": list}, nil); err != nil {
			return err
		}
	}
	return nil
}

// addRouter joins a project's networks with the outside.
func (c *cloud) addRouter(ctx context.Context, at *control, p *project) (err error) {
	p.router, err = at.create(ctx, "routers", "router", map[string]any{
		"name": p.id, "project_id": p.id, "distributed": false, "ha": false,
		"external_gateway_info": map[string]any{"network_id": c.external},
	})
	if err != nil {
		return err
	}
	for _, n := range p.networks {
		err := at.call(ctx, "PUT", "/v2.0/routers/"+p.router+"/add_router_interface", map[string]any{"subnet_id": n.subnet}, nil)
		if err != nil {
			return err
		}
	}
	var answer struct{ Ports []object }
	path := fmt.Sprintf("/v2.0/ports?network_id=%s&device_owner=compute:nova&fields=id&limit=%d", p.networks[0].id, floating)
	if err := at.call(ctx, "GET", path, nil, &answer); err != nil {
		return err
	}
	for _, port := range answer.Ports {
		_, err := at.create(ctx, "floatingips", "floatingip", map[string]any{
			"floating_network_id": c.external, "project_id": p.id, "port_id": port.ID,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
