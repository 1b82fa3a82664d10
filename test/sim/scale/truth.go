package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/lab"
)

// This file: what there is, as the API tells it.

type apiAddress struct {
	Subnet string     `json:"subnet_id"`
	IP     netip.Addr `json:"ip_address"`
}

type apiPort struct {
	ID       string       `json:"id"`
	Network  string       `json:"network_id"`
	MAC      string       `json:"mac_address"`
	Host     string       `json:"binding:host_id"`
	VIFType  string       `json:"binding:vif_type"`
	Device   string       `json:"device_id"`
	Owner    string       `json:"device_owner"`
	Groups   []string     `json:"security_groups"`
	FixedIPs []apiAddress `json:"fixed_ips"`
	Status   string       `json:"status"`
	Revision int64        `json:"revision_number"`
}

// bound is the host on which the port is to be wired, "" for none.
func (p *apiPort) bound() string {
	if p.VIFType != "ovs" {
		return ""
	}
	return p.Host
}

func (p *apiPort) ofRouter() bool { return strings.HasPrefix(p.Owner, "network:router_") }

type apiNetwork struct {
	ID      string  `json:"id"`
	MTU     int     `json:"mtu"`
	Type    string  `json:"provider:network_type"`
	Segment *uint32 `json:"provider:segmentation_id"`
}

type apiSubnet struct {
	ID      string `json:"id"`
	Network string `json:"network_id"`
	CIDR    string `json:"cidr"`
	Gateway string `json:"gateway_ip"`
}

type apiRule struct {
	ID          string `json:"id"`
	Group       string `json:"security_group_id"`
	Direction   string `json:"direction"`
	EtherType   string `json:"ethertype"`
	Protocol    string `json:"protocol"`
	From        *int   `json:"port_range_min"`
	To          *int   `json:"port_range_max"`
	RemoteGroup string `json:"remote_group_id"`
}

type apiRouter struct {
	ID      string `json:"id"`
	Gateway *struct {
		Network string `json:"network_id"`
	} `json:"external_gateway_info"`
}

type apiFloatingIP struct {
	ID       string     `json:"id"`
	Router   string     `json:"router_id"`
	Port     string     `json:"port_id"`
	Floating netip.Addr `json:"floating_ip_address"`
	Fixed    netip.Addr `json:"fixed_ip_address"`
}

// truth is all of it, with the indexes that questions need.
type truth struct {
	ports       []*apiPort
	networks    map[string]*apiNetwork
	subnets     map[string][]*apiSubnet // by network
	groups      map[string]bool
	rules       map[string][]*apiRule // by group
	routers     map[string]*apiRouter
	floatingIPs map[string][]*apiFloatingIP // by router
	tunnels     map[string]string           // the agents' tunnel addresses, by host

	portsOf   map[string][]*apiPort      // by network
	members   map[string][]*apiPort      // by group
	links     map[string][]*apiPort      // of routers, by router
	on        map[string]map[string]bool // hosts by network
	groupsOn  map[string]map[string]bool // groups by host
	hostsWith map[string]map[string]bool // hosts by group
	routersOn map[string][]string        // by host
}

// page is how many objects are asked for at a time.
const page = 2000

// list reads all objects of a kind.
func list[T any](ctx context.Context, api *lab.API, kind string, id func(T) string) ([]T, error) {
	var all []T
	path := fmt.Sprintf("/v2.0/%s?limit=%d", strings.ReplaceAll(kind, "_", "-"), page)
	for marker := ""; ; {
		var answer map[string]json.RawMessage
		if err := api.Call(ctx, "GET", path+marker, nil, &answer); err != nil {
			return nil, err
		}
		var got []T
		if err := json.Unmarshal(answer[kind], &got); err != nil {
			return nil, fmt.Errorf("list %s: %w", kind, err)
		}
		all = append(all, got...)
		if len(got) < page {
			return all, nil
		}
		marker = "&marker=" + id(got[len(got)-1])
	}
}

func emptyTruth() *truth {
	return &truth{
		networks: map[string]*apiNetwork{}, subnets: map[string][]*apiSubnet{}, groups: map[string]bool{},
		rules: map[string][]*apiRule{}, routers: map[string]*apiRouter{}, floatingIPs: map[string][]*apiFloatingIP{},
		tunnels: map[string]string{}, portsOf: map[string][]*apiPort{}, members: map[string][]*apiPort{},
		links: map[string][]*apiPort{}, on: map[string]map[string]bool{}, groupsOn: map[string]map[string]bool{},
		hostsWith: map[string]map[string]bool{}, routersOn: map[string][]string{},
	}
}

// learn reads everything.
func learn(ctx context.Context, at *control) (*truth, error) {
	t := emptyTruth()
	ports, err := list(ctx, at.api, "ports", func(p *apiPort) string { return p.ID })
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		t.addPort(p)
	}
	return t, t.learnOthers(ctx, at)
}

func set(m map[string]map[string]bool, key, value string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][value] = true
}

func (t *truth) addPort(p *apiPort) {
	t.ports = append(t.ports, p)
	t.portsOf[p.Network] = append(t.portsOf[p.Network], p)
	for _, g := range p.Groups {
		t.members[g] = append(t.members[g], p)
	}
	if p.ofRouter() {
		t.links[p.Device] = append(t.links[p.Device], p)
	}
	host := p.bound()
	if host == "" {
		return
	}
	set(t.on, p.Network, host)
	for _, g := range p.Groups {
		set(t.groupsOn, host, g)
		set(t.hostsWith, g, host)
	}
}

func (t *truth) learnOthers(ctx context.Context, at *control) error {
	networks, err := list(ctx, at.api, "networks", func(n *apiNetwork) string { return n.ID })
	if err != nil {
		return err
	}
	for _, n := range networks {
		t.networks[n.ID] = n
	}
	subnets, err := list(ctx, at.api, "subnets", func(s *apiSubnet) string { return s.ID })
	if err != nil {
		return err
	}
	for _, s := range subnets {
		t.subnets[s.Network] = append(t.subnets[s.Network], s)
	}
	groups, err := list(ctx, at.api, "security_groups", func(g object) string { return g.ID })
	if err != nil {
		return err
	}
	for _, g := range groups {
		t.groups[g.ID] = true
	}
	rules, err := list(ctx, at.api, "security_group_rules", func(r *apiRule) string { return r.ID })
	if err != nil {
		return err
	}
	for _, r := range rules {
		t.rules[r.Group] = append(t.rules[r.Group], r)
	}
	return t.learnRouters(ctx, at)
}

func (t *truth) learnRouters(ctx context.Context, at *control) error {
	routers, err := list(ctx, at.api, "routers", func(r *apiRouter) string { return r.ID })
	if err != nil {
		return err
	}
	for _, r := range routers {
		t.routers[r.ID] = r
		var answer struct{ Agents []lab.Agent }
		if err := at.api.Call(ctx, "GET", "/v2.0/routers/"+r.ID+"/l3-agents", nil, &answer); err != nil {
			return err
		}
		for _, a := range answer.Agents {
			t.routersOn[a.Host] = append(t.routersOn[a.Host], r.ID)
		}
	}
	floating, err := list(ctx, at.api, "floatingips", func(f *apiFloatingIP) string { return f.ID })
	if err != nil {
		return err
	}
	for _, f := range floating {
		t.floatingIPs[f.Router] = append(t.floatingIPs[f.Router], f)
	}
	agents, err := at.api.Agents(ctx)
	for _, a := range agents {
		if a.Configurations.TunnelIP != "" {
			t.tunnels[a.Host] = a.Configurations.TunnelIP
		}
	}
	return err
}

// tellMember gives the hosts that need to know the members of a group.
func (t *truth) tellMember(group string) map[string]bool {
	all := map[string]bool{}
	for of, rules := range t.rules {
		for _, r := range rules {
			if r.RemoteGroup != group {
				continue
			}
			for h := range t.hostsWith[of] {
				all[h] = true
			}
		}
	}
	return all
}
