package api

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Bounds on a search.
const (
	maxMatches     = 50
	maxSearched    = 255 // bytes of what is looked for
	fewestForScans = 2   // characters, to look through all names
)

// finder collects what matches a text, each object once: first what indexes find,
// then what has the text within its name, or begins with it.
type finder struct {
	e     *mapEndpoint
	r     records.Reader
	who   identity.Identity
	text  string // in lower case
	limit int
	seen  map[string]bool
	out   []object
}

// search answers GET /v2.0/lepton-topology/search?q=TEXT: up to limit (50 at the
// most) networks, subnets, routers, ports, floating addresses and hosts, by the
// beginning of their id, their name, an address, a MAC or a device.
//
//	{"lepton_matches": [{"type": "port", "id", "name", "network_id", "mac_address", "fixed_ips": ["192.0.2.7"], "device_id", "host"}]}
func (e *mapEndpoint) search(ctx context.Context, rq *request) (response, error) {
	for _, name := range rq.query.order {
		if name != "q" {
			return response{}, badRequest("['%s'] is invalid attribute for filtering", clip(name))
		}
	}
	q := strings.ToLower(strings.TrimSpace(strings.Join(rq.query.filters["q"], " ")))
	if q == "" || len(q) > maxSearched {
		return response{}, plugin.BadRequest("BadRequest", "Bad search request: q must have 1 to %d bytes.", maxSearched)
	}
	f := &finder{e: e, who: rq.who, text: q, limit: maxMatches, seen: map[string]bool{}, out: []object{}}
	if n := rq.query.limit; n > 0 {
		f.limit = min(n, maxMatches)
	}
	err := e.api.read(ctx, func(r records.Reader) error {
		f.r = r
		f.hosts()
		f.indexed()
		if len(q) >= fewestForScans {
			f.scan(ctx)
		}
		return ctx.Err()
	})
	return response{status: http.StatusOK, body: appendObject(nil, object{{"lepton_matches", f.out}})}, err
}

func (f *finder) full() bool { return len(f.out) >= f.limit }

// add takes a match, unless it is there already, and reports whether there is
// room for more.
func (f *finder) add(id string, o object) bool {
	if !f.full() && !f.seen[id] {
		f.seen[id] = true
		f.out = append(f.out, o)
	}
	return !f.full()
}

func (f *finder) hosts() {
	if !f.who.Admin {
		return
	}
	for a := range records.Agents.All(f.r) {
		if strings.Contains(strings.ToLower(a.Host), f.text) && !f.add("host "+a.Host, object{{"type", "host"}, {"id", a.Host}, {"name", a.Host}}) {
			return
		}
	}
}

// indexed finds by the beginning of an id, and by what indexes have.
func (f *finder) indexed() {
	underID(f.r, f.text, records.Networks, f.network)
	underID(f.r, f.text, records.Routers, f.router)
	underID(f.r, f.text, records.Subnets, f.subnet)
	underID(f.r, f.text, records.Ports, f.port)
	var keys []func(func(*model.Port) bool)
	if a, err := netip.ParseAddr(f.text); err == nil {
		keys = append(keys, records.PortsByIP.Get(f.r, records.AddressKey(a)))
		for ip := range records.FloatingIPsByAddress.Get(f.r, records.AddressKey(a)) {
			if !f.floating(ip) {
				return
			}
		}
	}
	if m, err := model.ParseMAC(f.text); err == nil {
		keys = append(keys, records.PortsByMAC.Get(f.r, m.String()))
	}
	keys = append(keys, records.PortsByDevice.Get(f.r, f.text), records.PortsByName.Get(f.r, f.text))
	for _, ports := range keys {
		for p := range ports {
			if !f.port(p) {
				return
			}
		}
	}
}

// underID gives the records whose ids begin with the text until yield has enough.
func underID[T any, P interface {
	*T
	GetMeta() *model.Meta
}](r records.Reader, text string, t *records.Table[T], yield func(*T) bool) {
	if rec, ok := t.Get(r, text); ok && !yield(rec) {
		return
	}
	for rec := range t.After(r, text) {
		if !strings.HasPrefix(P(rec).GetMeta().ID, text) || !yield(rec) {
			return
		}
	}
}

// scan looks through all there is, as long as there is room for more.
func (f *finder) scan(ctx context.Context) {
	for n := range records.Networks.All(f.r) {
		if f.names(n.Name) && !f.network(n) {
			return
		}
	}
	for v := range records.Routers.All(f.r) {
		if f.names(v.Name) && !f.router(v) {
			return
		}
	}
	for s := range records.Subnets.All(f.r) {
		if (f.names(s.Name) || strings.HasPrefix(s.CIDR.String(), f.text)) && !f.subnet(s) {
			return
		}
	}
	number := strings.Trim(f.text, "0123456789abcdef.:") == ""
	n := 0
	for p := range records.Ports.All(f.r) {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return
		}
		if f.matches(p, number) && !f.port(p) {
			return
		}
	}
}

func (f *finder) names(name string) bool { return strings.Contains(strings.ToLower(name), f.text) }

// matches tells whether a port has the text in its name, or something that begins
// with it; number says that the text may begin an address.
func (f *finder) matches(p *model.Port, number bool) bool {
	if f.names(p.Name) || strings.HasPrefix(p.DeviceID, f.text) {
		return true
	}
	if !number {
		return false
	}
	for _, ip := range p.FixedIPs {
		if strings.HasPrefix(ip.IP.String(), f.text) {
			return true
		}
	}
	return strings.Contains(f.text, ":") && strings.HasPrefix(p.MAC.String(), f.text)
}

func (f *finder) network(n *model.Network) bool {
	if !policy.May(f.e.network.Get, f.who, plugin.NetworkTarget(f.r, n)) {
		return true
	}
	return f.add(n.ID, object{{"type", "network"}, {"id", n.ID}, {"name", n.Name}})
}

func (f *finder) router(v *model.Router) bool {
	if !policy.May(f.e.router.Get, f.who, identity.Target{ProjectID: v.ProjectID}) {
		return true
	}
	return f.add(v.ID, object{{"type", "router"}, {"id", v.ID}, {"name", v.Name}})
}

func (f *finder) subnet(s *model.Subnet) bool {
	if !policy.May(f.e.subnet.Get, f.who, plugin.SubnetTarget(f.e.api.config.Plugin.ViewSubnet(f.r, s))) {
		return true
	}
	return f.add(s.ID, object{{"type", "subnet"}, {"id", s.ID}, {"name", s.Name}, {"network_id", s.NetworkID}, {"cidr", s.CIDR.String()}})
}

func (f *finder) floating(ip *model.FloatingIP) bool {
	if !policy.May(policy.Of("floatingip").Get, f.who, identity.Target{ProjectID: ip.ProjectID}) {
		return true
	}
	return f.add(ip.ID, object{
		{"type", "floatingip"},
		{"id", ip.ID},
		{"name", ip.FloatingIP.String()},
		{"network_id", ip.FloatingNetworkID},
		{"port_id", orNull(ip.PortID)},
		{"router_id", orNull(ip.RouterID)},
	})
}

func (f *finder) port(p *model.Port) bool {
	t := identity.Target{ProjectID: p.ProjectID}
	if n, ok := records.Networks.Get(f.r, p.NetworkID); ok {
		t.NetworkProjectID = n.ProjectID
	}
	if !policy.May(f.e.port.Get, f.who, t) {
		return true
	}
	addresses := []string{}
	for _, ip := range p.FixedIPs {
		addresses = append(addresses, ip.IP.String())
	}
	o := object{
		{"type", "port"},
		{"id", p.ID},
		{"name", p.Name},
		{"network_id", p.NetworkID},
		{"mac_address", p.MAC.String()},
		{"fixed_ips", addresses},
		{"device_id", p.DeviceID},
		{"device_owner", p.DeviceOwner},
	}
	if f.who.Admin {
		o = append(o, member{"host", p.Host})
	}
	return f.add(p.ID, o)
}
