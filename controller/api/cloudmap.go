package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/controller/topology"
	"github.com/lepton-sdn/lepton/model"
)

// mapEndpoint serves extension lepton-topology: a cloud as a picture of it shows
// it, with ports counted instead of listed, and a search for what is in it.
//
//	GET /v2.0/lepton-topology
//	{"lepton_topology": {
//	    "networks": [{"id", "name", …, "subnets": [{"id", "name", "cidr", "gateway_ip", "enable_dhcp"}],
//	                  "ports": 40, "active": 38, "error": 0, "service": 3}],
//	    "routers": [{"id", "name", …, "gateway": network, "networks": [network], "hosts": [host]}],
//	    "hosts": [{"host", "alive", …, "networks": [[place of the network in "networks", ports, active, error, service]]}]}}
//	GET /v2.0/lepton-topology/search?q=TEXT&limit=N
//
// Everybody sees what the API shows them of networks, subnets, routers and ports;
// hosts, only administrators. Ports are those of guests; active ones are wired by
// their host; service counts the network service's own. An answer is up to a
// second old, and has an ETag that stays the same as long as the picture does, so
// asking again with If-None-Match costs next to nothing.
type mapEndpoint struct {
	api   *API
	tally *topology.Tally
	// The rights are those of the objects.
	network, subnet, router, port policy.Resource

	// whole is the picture that administrators see, made once for all of them by who
	// has the turn.
	turn  chan struct{}
	whole picture
}

// Ages of a picture: one is not made anew within minPictureAge, and also when
// nothing has changed after maxPictureAge, because hosts fall silent.
const (
	minPictureAge = time.Second
	maxPictureAge = 5 * time.Second
)

// picture is an answer, and what it was made of; or why there is none.
type picture struct {
	body     []byte
	tag      string
	revision int64
	made     time.Time
	err      error
}

func newMap(a *API) endpoint {
	e := &mapEndpoint{
		api: a, tally: topology.NewTally(), turn: make(chan struct{}, 1),
		network: policy.Of("network"), subnet: policy.Of("subnet"), router: policy.Of("router"), port: policy.Of("port"),
	}
	a.config.DB.OnApply(e.tally.Apply)
	return e
}

func (e *mapEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	search := len(rest) == 1 && rest[0] == "search"
	if len(rest) > 0 && !search {
		return response{}, errNoPath
	}
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	for _, name := range rq.query.sortKeys {
		return response{}, badRequest("'%s' is invalid attribute for sort key", clip(name))
	}
	if search {
		return e.search(ctx, rq)
	}
	for _, name := range rq.query.order {
		return response{}, badRequest("['%s'] is invalid attribute for filtering", clip(name))
	}
	p, err := e.draw(ctx, rq.who)
	if err != nil {
		return response{}, err
	}
	res := response{status: http.StatusOK, body: p.body, tag: p.tag}
	if slices.Contains(rq.http.Header.Values("If-None-Match"), p.tag) {
		res.status, res.body = http.StatusNotModified, nil
	}
	return res, nil
}

func (e *mapEndpoint) methods([]string) []string {
	return []string{http.MethodGet, http.MethodOptions}
}

// draw gives the picture that somebody may see.
func (e *mapEndpoint) draw(ctx context.Context, who identity.Identity) (picture, error) {
	if !who.Admin {
		return e.compose(ctx, who)
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return picture{}, ctx.Err()
	}
	age := time.Since(e.whole.made)
	if age < minPictureAge || age < maxPictureAge && e.whole.err == nil && e.whole.revision == e.api.config.DB.Revision() {
		return e.whole, e.whole.err
	}
	p, err := e.compose(ctx, who)
	if ctx.Err() == nil { // those who waited need not find out for themselves that the store is away
		p.err = err
		e.whole = p
	}
	return p, err
}

func (e *mapEndpoint) compose(ctx context.Context, who identity.Identity) (picture, error) {
	var p picture
	err := e.api.read(ctx, func(r records.Reader) error {
		cells, counted := e.tally.Cells()
		p.revision = counted // which may be a moment behind the reader
		p.body = appendObject(nil, object{{"lepton_topology", e.cloud(r, who, cells)}})
		return nil
	})
	sum := sha256.Sum256(p.body)
	p.made = time.Now()
	p.tag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return p, err
}

// cloud is the picture's value.
func (e *mapEndpoint) cloud(r records.Reader, who identity.Identity, cells []topology.Cell) object {
	perNetwork := map[string][]topology.Cell{}
	for _, c := range cells {
		perNetwork[c.Network] = append(perNetwork[c.Network], c)
	}
	networks, places := []object{}, map[string]int{}
	for n := range records.Networks.All(r) {
		target := plugin.NetworkTarget(r, n)
		if !policy.May(e.network.Get, who, target) {
			continue
		}
		var sum topology.Count
		for _, c := range perNetwork[n.ID] {
			if policy.May(e.port.Get, who, identity.Target{ProjectID: c.Project, NetworkProjectID: n.ProjectID}) {
				sum.Add(c.Count)
			}
		}
		places[n.ID] = len(networks)
		networks = append(networks, append(e.networkObject(r, who, n, target),
			member{"ports", sum.Ports}, member{"active", sum.Active}, member{"error", sum.Error}, member{"service", sum.Service}))
	}
	out := object{{"networks", networks}, {"routers", e.routers(r, who)}}
	if who.Admin {
		out = append(out, member{"hosts", e.hosts(r, cells, places)})
	}
	return out
}

func (e *mapEndpoint) networkObject(r records.Reader, who identity.Identity, n *model.Network, t identity.Target) object {
	shared := slices.Contains(t.SharedWith, model.Everybody) || slices.Contains(t.SharedWith, who.ProjectID)
	o := object{
		{"id", n.ID},
		{"name", n.Name},
		{"project_id", n.ProjectID},
		{"admin_state_up", n.AdminStateUp},
		{"shared", shared},
		{"router:external", n.External},
		{"mtu", n.MTU},
	}
	if who.Admin {
		o = append(o, member{"provider:network_type", string(n.Segment.Type)},
			member{"provider:physical_network", orNull(n.Segment.PhysicalNetwork)},
			member{"provider:segmentation_id", n.Segment.ID})
	}
	t.NetworkProjectID = n.ProjectID
	subnets := []object{}
	for s := range records.SubnetsByNetwork.Get(r, n.ID) {
		t.ProjectID = s.ProjectID
		if !policy.May(e.subnet.Get, who, t) {
			continue
		}
		var gateway any
		if s.Gateway.IsValid() {
			gateway = s.Gateway
		}
		subnets = append(subnets, object{
			{"id", s.ID}, {"name", s.Name}, {"cidr", s.CIDR.String()}, {"gateway_ip", gateway}, {"enable_dhcp", s.EnableDHCP},
		})
	}
	return append(o, member{"subnets", subnets})
}

func (e *mapEndpoint) routers(r records.Reader, who identity.Identity) []object {
	out := []object{}
	for router := range records.Routers.All(r) {
		if !policy.May(e.router.Get, who, identity.Target{ProjectID: router.ProjectID}) {
			continue
		}
		v := e.api.config.Plugin.ViewRouter(r, router)
		o := object{
			{"id", v.ID},
			{"name", v.Name},
			{"project_id", v.ProjectID},
			{"admin_state_up", v.AdminStateUp},
			{"status", v.Status},
			{"gateway", nil},
			{"networks", routerNetworks(r, router.ID)},
		}
		if v.Gateway != nil {
			o[5].value = v.Gateway.NetworkID
		}
		if who.Admin {
			o = append(o, member{"ha", v.HA}, member{"distributed", v.Distributed}, member{"hosts", list(routerHosts(r, v.ID))})
		}
		out = append(out, o)
	}
	return out
}

// routerNetworks gives the networks that a router has interfaces on.
func routerNetworks(r records.Reader, router string) []string {
	out := []string{}
	for p := range records.PortsByDevice.Get(r, router) {
		switch p.DeviceOwner {
		case plugin.OwnerRouterInterface, plugin.OwnerRouterInterfaceDVR, plugin.OwnerRouterInterfaceHA:
			if !slices.Contains(out, p.NetworkID) {
				out = append(out, p.NetworkID)
			}
		}
	}
	slices.Sort(out)
	return out
}

// hosts gives every host that has an agent or ports. Ports that are bound to none
// are at the host without a name.
func (e *mapEndpoint) hosts(r records.Reader, cells []topology.Cell, places map[string]int) []object {
	type placed struct {
		network int
		topology.Count
	}
	perHost := map[string][]placed{}
	for _, c := range cells {
		at, ok := places[c.Network]
		if !ok {
			continue // the network is new, or gone
		}
		row := perHost[c.Host]
		if n := len(row); n > 0 && row[n-1].network == at { // of another project
			row[n-1].Add(c.Count)
		} else {
			perHost[c.Host] = append(row, placed{at, c.Count})
		}
	}
	agents := map[string]*model.Agent{}
	for a := range records.Agents.All(r) {
		agents[a.Host] = a
		perHost[a.Host] = append([]placed{}, perHost[a.Host]...)
	}
	out := make([]object, 0, len(perHost))
	for host, row := range perHost {
		counts := make([][5]int, 0, len(row))
		for _, p := range row {
			counts = append(counts, [5]int{p.network, p.Ports, p.Active, p.Error, p.Service})
		}
		out = append(out, append(e.hostObject(host, agents[host]), member{"networks", counts}))
	}
	slices.SortFunc(out, func(a, b object) int { return cmp.Compare(a[0].value.(string), b[0].value.(string)) })
	return out
}

// hostObject is a host as its agent told it; a may be nil.
func (e *mapEndpoint) hostObject(host string, a *model.Agent) object {
	o := object{{"host", host}, {"agent", a != nil}}
	if a == nil {
		return o
	}
	types, physical := []string{}, []string{}
	for _, t := range a.TunnelTypes {
		types = append(types, string(t))
	}
	for name := range a.BridgeMappings {
		physical = append(physical, name)
	}
	slices.Sort(physical)
	var tunnel any
	if a.TunnelIP.IsValid() {
		tunnel = a.TunnelIP
	}
	return append(o, object{
		{"alive", e.api.config.Plugin.Alive(a)},
		{"admin_state_up", a.AdminStateUp},
		{"in_sync", a.InSync},
		{"problems", len(a.Problems)},
		{"devices", a.Devices},
		{"roles", list(a.Roles)},
		{"version", a.Version},
		{"tunneling_ip", tunnel},
		{"tunnel_types", types},
		{"physical_networks", physical},
	}...)
}
