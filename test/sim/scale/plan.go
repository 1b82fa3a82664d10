package scale

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Options say how large the cloud is and what is done with it.
type Options struct {
	// Bin is the directory of the built programs.
	Bin string
	// Agents, Ports and Networks are how many there are. One port of each host is
	// on a network of its own kind, which every host is on.
	Agents, Ports, Networks int
	// Spread is on how many hosts a network's ports are.
	Spread int
	// Probes is how often each kind of change is measured.
	Probes int
	// Weather is how long connections break and agents are slow while the records
	// change at random.
	Weather time.Duration
	// TLS has agents and controller use mutual TLS.
	TLS bool
	// Seed makes the same cloud and the same random choices again.
	Seed uint64
	// Patience bounds each wait.
	Patience time.Duration
	// Profiles is a directory for profiles of the controller: what it holds when
	// everything is there, and what it does in the storm. Empty: none.
	Profiles string
	// Log tells what goes on.
	Log func(format string, args ...any)
}

// perProject is how many networks a project has.
const perProject = 2

// Check refuses sizes that make no cloud.
func (o *Options) Check() error {
	switch {
	case o.Agents < 2 || o.Agents > 5000:
		return fmt.Errorf("agents: %d is not between 2 and 5000", o.Agents)
	case o.Networks < perProject || o.Networks%perProject != 0:
		return fmt.Errorf("networks: %d is not a multiple of %d", o.Networks, perProject)
	case o.Ports < o.Agents+o.Networks:
		return fmt.Errorf("ports: %d are fewer than one for each agent and network", o.Ports)
	case o.Spread < 1 || o.Spread > o.Agents:
		return fmt.Errorf("spread: %d is not between 1 and the number of agents", o.Spread)
	case o.Probes < 1:
		return fmt.Errorf("probes: %d is less than 1", o.Probes)
	}
	return nil
}

// gateways is how many hosts have routers: one in fifty.
func (o *Options) gateways() int { return max(1, o.Agents/50) }

// project is a tenant: networks, groups, a router.
type project struct {
	id       string
	networks []*network
	router   string
	// defaults admits its own members and everything out, web is open to all,
	// store is open to the members of web.
	defaults, web, store string
	uniform              bool // all ports are in web, and only there
}

// network is a tenant network and the numbers of the hosts that it is on.
type network struct {
	id, subnet string
	hosts      []int
	ports      int
}

// cloud is what was made through the API.
type cloud struct {
	o        Options
	rng      *rand.Rand
	projects []*project
	external string
	// everywhere is a project whose network has a port on every host, all of them
	// in its group web, which admits its members.
	everywhere *project
}

// newCloud decides what is to be where.
func newCloud(o Options) *cloud {
	c := &cloud{o: o, rng: rand.New(rand.NewPCG(o.Seed, 1))}
	all := make([]int, o.Agents)
	for i := range all {
		all[i] = i
	}
	c.everywhere = &project{id: "everywhere", uniform: true, networks: []*network{{hosts: all, ports: o.Agents}}}
	tenants := o.Ports - o.Agents
	for i := range o.Networks {
		if i%perProject == 0 {
			c.projects = append(c.projects, &project{id: fmt.Sprintf("project-%04d", i/perProject)})
		}
		p := c.projects[len(c.projects)-1]
		n := &network{hosts: slices.Clone(c.rng.Perm(o.Agents)[:o.Spread]), ports: tenants / o.Networks}
		if i < tenants%o.Networks {
			n.ports++
		}
		p.networks = append(p.networks, n)
	}
	return c
}
